/* SPDX-License-Identifier: MPL-2.0
 *
 * output.h - plugin contract of outputs.
 *
 * Place:   control/lanes/consumer.c drives one instance in one thread; builtin_outputs lists the
 *          types; one file each under control/outputs/.
 * Threads: check and init [main, before the thread starts]; every other call of one instance comes
 *          from its own thread, which may block in it (but must come back when
 *          output_host_stopping() is true, within a second).
 * Memory:  state is the host's, zeroed; config lives as long as the instance.
 * Failure: see `deliver`; nothing is lost without a counter.
 */
#ifndef CONTROL_OUTPUT_H
#define CONTROL_OUTPUT_H

#include "codec/encoder.h"
#include "core/plugin.h"
#include "core/record.h"

struct buffering_options; /* control/config/plugin_types.h */
struct output_host;       /* what the host offers to an instance; control/plugins/output_host.h */

struct output_item {
    struct msg_view message; /* borrowed until the batch is acknowledged */
    const struct record *record;
    const char
        *bytes; /* encoded (and framed, with use_framing); NULL for outputs without encoder */
    size_t size;
};

struct output_counter { /* an output's own named counters, shown in status; ended by name == NULL */
    const char *name, *help;
};

struct output_ops {
    struct plugin_ops plugin;
    const char *default_encoder; /* NULL: none */
    bool encoder_required;       /* "Encoder required." at start when there is none */
    bool takes_encoder;
    bool frames_protobuf;        /* use_framing defaults to true with ProtobufEncoder */
    bool frames_by_default;      /* use_framing defaults to true */
    const char *default_matcher; /* NULL: message_matcher is required */
    unsigned default_ticker_s;   /* ticker_interval when it is not given */
    bool buffers_by_default;     /* use_buffering defaults to true */
    /* [buffering] of an output that has no such section; NULL: the common defaults. */
    const struct buffering_options *buffering;
    bool restarts; /* after output_host_end() fini and init are called again, from its own thread */
    bool may_exit; /* can_exit unless it is given: hekad goes on without it */
    bool refuses_ticker;                   /* ticker_interval is an error, as in Heka */
    const struct output_counter *counters; /* may be NULL; at most OUTPUT_COUNTERS_MAX */
    /* Checks the configuration without side effects (for -check); may be NULL. */
    int (*check)(const void *config, struct err *err);
    int (*init)(void *state, const void *config, struct output_host *host, struct err *err);
    /* Takes items[0..count) in order, count >= 1. Returns how many it is done with, from the
     * front: these are delivered, or counted by output_host_drop(). Fewer than count: the rest
     * comes again, unchanged and first (after a pause when nothing was taken). Negative errno:
     * nothing was taken, as 0, and logged; no output_host_drop() in that case. */
    int (*deliver)(void *state, const struct output_item *items, unsigned count);
    /* Called at least every 100 ms, while `deliver` does not block, and after each batch. `now_ns`
     * is the wall clock. May be NULL. */
    void (*timer)(void *state, uint64_t now_ns);
    /* SIGHUP: opens files again. May be NULL. */
    void (*reload)(void *state);
    void (*fini)(void *state); /* flushes; legal on zeroed state */
};

extern const struct output_ops *const builtin_outputs[]; /* ended by NULL */

enum { OUTPUT_COUNTERS_MAX = 16, OUTPUT_REASONS_MAX = 8 };

/* ---- for the instance, from its own thread ---- */
bool output_host_stopping(const struct output_host *host);
const char *output_host_name(const struct output_host *host);
unsigned output_host_log_flags(const struct output_host *host);   /* [hekad] log_flags */
const char *output_host_hostname(const struct output_host *host); /* [hekad] hostname */
unsigned output_host_ticker_s(const struct output_host *host);    /* ticker_interval; 0: none */
size_t output_host_message_max(const struct output_host *host);   /* [hekad] max_message_size */
/* `path` as it is when it is absolute, else below [hekad] base_dir or share_dir. 0, or -1 after
 * adding to `err` when it does not fit. */
int output_host_base_path(const struct output_host *host, const char *path, char *full, size_t size,
                          struct err *err);
int output_host_share_path(const struct output_host *host, const char *path, char *full,
                           size_t size, struct err *err);
/* Counts one item of the current batch as ended otherwise than delivered; `reason` is a static name
 * ("too_large", "bad_line"...), at most OUTPUT_REASONS_MAX different ones. */
void output_host_drop(struct output_host *host, const char *reason);
/* Adds to the instance's counter `index` of ops->counters. */
void output_host_count(struct output_host *host, unsigned index, uint64_t n);
/* Keeps the text for the log, which the host writes at most now and then; returns `code`, so that
 * `return output_host_fail(host, -errno, ...)` reads well. */
int output_host_fail(struct output_host *host, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* It cannot go on: the call that says so is the last one, unless it restarts ([retries]); what it
 * took of the batch counts. The text goes to the log and into heka.terminated; returns `code`. */
int output_host_end(struct output_host *host, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sleeps, but not longer than until the instance has to stop. */
void output_host_sleep(const struct output_host *host, uint64_t ns);

#endif
