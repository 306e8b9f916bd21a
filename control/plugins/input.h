/* SPDX-License-Identifier: MPL-2.0
 *
 * input.h - plugin contract of inputs in hekad: what a type of input is, and what its host offers.
 *
 * Place:   control/plugins/input_host.c runs one instance in one thread; builtin_inputs lists the
 *          types; one file each under control/inputs/. An input whose address is on a port of the
 *          core map runs in the data plane instead: then only `plugin` and `check` are used here.
 * Threads: check, init and fini [main, before the thread starts and after it ended]; run is the
 *          thread. It waits in input_host_wait() only, and returns soon after that says so.
 * Memory:  state is the host's, zeroed; config lives as long as the instance.
 * Failure: what an input takes and cannot pass on is counted under a name.
 */
#ifndef CONTROL_INPUT_H
#define CONTROL_INPUT_H

#include <poll.h>
#include <stdbool.h>

#include "core/counters.h"
#include "core/err.h"
#include "core/message.h"
#include "core/plugin.h"
#include "core/talkers.h"

struct json_t;       /* jansson's */
struct input_host;   /* what the host offers to an instance; control/plugins/input_host.h */
struct input_stream; /* bytes to messages by splitter and decoder; control/plugins/input_stream.h */

struct input_counter { /* an input's own named counters, shown in status; ended by name == NULL */
    const char *name, *help;
};

struct input_ops {
    struct plugin_ops plugin;
    const char *default_splitter;         /* NULL: it takes no bytes, and no splitter */
    const char *default_decoder;          /* NULL: none */
    const struct input_counter *counters; /* may be NULL; at most INPUT_COUNTERS_MAX */
    bool is_in_dataplane; /* the data plane has this type, too: on addresses of the core map */
    bool restarts;        /* after input_host_fail() fini and init are called again, [run] */
    bool may_exit;        /* can_exit unless it is given: hekad goes on without it */
    bool ends_last;       /* others feed it: it is stopped when they have ended */
    /* Where it listens: the option `address`, and the net. NULL: it listens nowhere. */
    const char *(*address)(const void *config, const char **net);
    /* Checks the configuration without side effects (for -check); may be NULL. Each text begins
     * with the option that it is about and a colon. */
    int (*check)(const void *config, struct err *err);
    /* Opens what it listens on. NULL: it does not run in hekad. */
    int (*init)(void *state, const void *config, struct input_host *host, struct err *err);
    /* Loops until input_host_wait() returns a negative value. Returning earlier is the end of the
     * input, unless it failed and restarts ([retries]). */
    void (*run)(void *state);
    /* Brings counters up to date that somebody else keeps, as the kernel does; may be NULL. [any,
     * one at a time, between init and fini] */
    void (*observe)(void *state);
    /* Adds who sends to it, and whose samples were refused; may be NULL. [as observe] */
    void (*talkers)(void *state, struct talkers *talkers);
    /* Adds what it says of itself, beside the counters, to an object; may be NULL. [as observe] */
    void (*report)(void *state, struct json_t *fields);
    void (*fini)(void *state); /* legal on zeroed state */
};

extern const struct input_ops *const builtin_inputs[]; /* ended by NULL */

enum { INPUT_COUNTERS_MAX = 24 };

/* ---- for the instance ---- */
const char *input_host_name(const struct input_host *host);
/* The ledger's counters of this input, for stages of core/counters.def. [run] */
struct counters *input_host_counters(struct input_host *host);
/* Adds to the instance's counter `index` of ops->counters, or sets it. [run] */
void input_host_count(struct input_host *host, unsigned index, uint64_t n);
void input_host_set(struct input_host *host, unsigned index, uint64_t value);
/* Passes on what is staged, then waits until one of `fds` has something, or `timeout_ms` is over
 * (-1: no limit). Returns how many have, 0 for none, or -ECANCELED when the input has to end. The
 * host looks after its own business in between. [run] */
int input_host_wait(struct input_host *host, struct pollfd *fds, unsigned count, int timeout_ms);
/* True when the input has to end: for loops that do not wait. [any] */
bool input_host_stopping(const struct input_host *host);

/* It cannot go on: run returns now. The text goes to the log and into heka.terminated; returns
 * `code`. [run] */
int input_host_fail(struct input_host *host, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One message: Uuid and Timestamp are written by begin, the rest and inject are the caller's.
 * inject waits while the lane is full. 0, or -ECANCELED when the input has to end; the message has
 * ended in the stage `message` either way. `signer` is authenticated, or NULL, and lives as long as
 * the instance. [run] */
void input_host_begin(struct input_host *host, struct msg_builder *builder, uint64_t timestamp_ns);
int input_host_inject(struct input_host *host, const struct msg_builder *builder,
                      const char *signer);
/* The same for who knows the time. */
int input_host_inject_at(struct input_host *host, const struct msg_builder *builder,
                         const char *signer, uint64_t ingest_ns);
/* A whole message as bytes, checked (messages_malformed) and copied. */
int input_host_inject_bytes(struct input_host *host, const void *bytes, size_t size,
                            const char *signer);
/* Passes on what is staged: it is in the lane then, and survives hekad. 0, or -ECANCELED. [run] */
int input_host_flush(struct input_host *host);
/* The largest message, and [hekad] hostname; good until the next call. [run] */
size_t input_host_message_max(const struct input_host *host);
const char *input_host_hostname(const struct input_host *host);
/* [hekad] base_dir and share_dir. [init, run] */
const char *input_host_base_dir(const struct input_host *host);
const char *input_host_share_dir(const struct input_host *host);

/* A reader of bytes with the splitter and the decoder that the configuration gives this input: one
 * for each stream. NULL after adding to `err`. [init, run] */
struct input_stream *input_host_stream(struct input_host *host, struct err *err);

struct dynamic;
/* For sections that the instance adds while hekad runs, see dynamic.h. [init, run] */
struct dynamic *input_host_dynamic(struct input_host *host);

struct stat_accum;
/* hekad's accumulator of that name, which need not run yet; a reference, see stat_accum.h. NULL
 * after adding to `err`. [init] */
struct stat_accum *input_host_accum(struct input_host *host, const char *name, struct err *err);

#endif
