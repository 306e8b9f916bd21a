/* SPDX-License-Identifier: MPL-2.0
 *
 * filter.h - plugin contract of filters: what a type of filter is, and what its host offers.
 *
 * Place:   control/plugins/filter_host.c drives one instance in one thread; builtin_filters lists
 *          the types; one file each under control/filters/.
 * Threads: check and init [main, before the thread starts]; every other call of one instance comes
 *          from its own thread, which may block in it (but must come back when
 *          filter_host_stopping() is true, within a second).
 * Memory:  state is the host's, zeroed; config lives as long as the instance.
 * Failure: see `process`; nothing is lost without a counter.
 */
#ifndef CONTROL_FILTER_H
#define CONTROL_FILTER_H

#include "core/message.h"
#include "core/plugin.h"
#include "core/record.h"

struct counters;
struct hekad_globals;
struct sandbox_pool;
struct self_message;
struct filter_host; /* what the host offers to an instance; control/plugins/filter_host.h */

struct filter_counter { /* a filter's own named counters, shown in status; ended by name == NULL */
    const char *name, *help;
};

enum filter_wait { /* of what was handed over, before filter_ops.advance() returns */
                   FILTER_WAIT_NONE,
                   FILTER_WAIT_SOME, /* something is done */
                   FILTER_WAIT_ALL   /* everything, but when it has to stop: the rest comes again */
};

struct filter_ops {
    struct plugin_ops plugin;
    const char *default_matcher; /* NULL: message_matcher is required */
    bool restarts; /* after filter_host_end() fini and init are called again, from its own thread */
    bool may_exit; /* can_exit unless it is given: hekad goes on without it */
    unsigned default_ticker_s;             /* ticker_interval when it is not given */
    const struct filter_counter *counters; /* may be NULL; at most FILTER_COUNTERS_MAX */
    /* Checks the configuration without side effects (for -check); may be NULL. Each text begins
     * with the option that it is about and a colon. */
    int (*check)(const void *config, struct err *err);
    /* The same with [hekad], for files that are relative to its folders; may be NULL. */
    int (*check_files)(const void *config, const struct hekad_globals *globals, struct err *err);
    /* The StatAccumInput that it feeds, which has to run in hekad then; may be NULL. */
    const char *(*accum)(const void *config);
    int (*init)(void *state, const void *config, struct filter_host *host, struct err *err);
    /* One message, borrowed until the call returns. 0, or negative: it is counted as process_failed
     * and logged, with the text of filter_host_fail(). */
    int (*process)(void *state, const struct msg_view *message, const struct record *record);
    /* For types whose process() only hands over (its `message` is NULL then, and the record's bytes
     * are not checked): says by filter_host_done() what is done by now. NULL: process() has done
     * it. */
    void (*advance)(void *state, enum filter_wait wait);
    /* Now and then, at least every 50 ms. May be NULL. */
    void (*turn)(void *state);
    /* Every ticker_interval seconds, unless that is 0; `now_ns` is the wall clock. May be NULL. */
    void (*timer)(void *state, uint64_t now_ns);
    void (*fini)(void *state); /* legal on zeroed state */
    bool keeps_hops;           /* what it injects is the message that caused it: no hop more */
};

extern const struct filter_ops *const builtin_filters[]; /* ended by NULL */

enum { FILTER_COUNTERS_MAX = 16 };

/* ---- for the instance, from its own thread ---- */
const char *filter_host_name(const struct filter_host *host);
const char *filter_host_hostname(const struct filter_host *host); /* [hekad] hostname */
size_t filter_host_message_max(const struct filter_host *host);
bool filter_host_stopping(const struct filter_host *host);

/* One message: Uuid and Timestamp are written by begin, the rest is the caller's. inject answers
 * PRODUCER_OK or PRODUCER_E_* of control/lanes/producer.h, which the producer has counted. It waits
 * while the filter's lane is full. Its hops are those of the message that was processed last, plus
 * 1. */
void filter_host_begin(struct filter_host *host, struct msg_builder *builder,
                       uint64_t timestamp_ns);
int filter_host_inject(struct filter_host *host, const struct msg_builder *builder);
int filter_host_inject_bytes(struct filter_host *host, const void *bytes, size_t size);

/* Who signed what is injected from now on: authentic, or NULL. It lives as long as the instance. */
void filter_host_set_signer(struct filter_host *host, const char *signer);

/* Adds to the instance's counter `index` of ops->counters; sets it. */
void filter_host_count(struct filter_host *host, unsigned index, uint64_t n);
void filter_host_set(struct filter_host *host, unsigned index, uint64_t value);

/* So many of the messages that were handed over are done, in their order. Of them `failed` are
 * counted as process_failed, and `gone`, which nobody processed, as terminated. */
void filter_host_done(struct filter_host *host, unsigned count, unsigned failed, unsigned gone);
/* A text for the log, which the host writes at most now and then. */
void filter_host_trouble(struct filter_host *host, const char *text);
/* A message of hekad's own (control/self.h): it is no message of the filter's. */
void filter_host_self(struct filter_host *host, const struct self_message *message);
/* Hops of the message that caused what is injected next. */
void filter_host_set_hops(struct filter_host *host, uint16_t hops);
/* [init] What the instance is given comes again, to it or to the next hekad's, unless it was
 * followed by filter_host_let_go(), which it calls when it has kept what it made of all that is
 * done. */
void filter_host_hold(struct filter_host *host);
void filter_host_let_go(struct filter_host *host);
bool filter_host_should_let_go(struct filter_host *host); /* others may wait for it */
/* In whatever waits: adopts a generation, and gives back what is done. */
void filter_host_turn(struct filter_host *host);

/* [hekad] of the configuration that the instance comes from. */
const struct hekad_globals *filter_host_globals(const struct filter_host *host);
uint64_t filter_host_loops_max(const struct filter_host *host); /* max_message_loops in force */
/* hekad's workers for Lua; NULL: none. */
struct sandbox_pool *filter_host_sandboxes(const struct filter_host *host);
/* Keeps the text for the log, which the host writes at most now and then; returns `code`. */
int filter_host_fail(struct filter_host *host, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* It cannot go on: the call that says so is the last one, unless it restarts ([retries]). The text
 * goes to the log and into heka.terminated; returns `code`. */
int filter_host_end(struct filter_host *host, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Counters of the ledger that the instance counts in, as stages of core/counters.def. */
struct counters *filter_host_ledger(struct filter_host *host);

struct dynamic;
/* For sections that the instance adds while hekad runs, see dynamic.h. [any] */
struct dynamic *filter_host_dynamic(struct filter_host *host);

struct stat_accum;
/* hekad's accumulator of that name, see stat_accum.h; it lives as long as the filter. NULL after
 * adding to `err`. [init] */
struct stat_accum *filter_host_accum(struct filter_host *host, const char *name, struct err *err);

#endif
