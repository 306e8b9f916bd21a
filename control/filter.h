/* SPDX-License-Identifier: MPL-2.0
 *
 * filter.h - plugin contract of filters: what a type of filter is, and what its host offers.
 *
 * Place:   control/filter_host.c drives one instance in one thread; builtin_filters lists the
 *          types; one file each under control/filters/.
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
struct filter_host; /* what the host offers to an instance; control/filter_host.h */

struct filter_counter { /* a filter's own named counters, shown in status; ended by name == NULL */
    const char *name, *help;
};

struct filter_ops {
    struct plugin_ops plugin;
    const char *default_matcher;           /* NULL: message_matcher is required */
    unsigned default_ticker_s;             /* ticker_interval when it is not given */
    const struct filter_counter *counters; /* may be NULL; at most FILTER_COUNTERS_MAX */
    /* Checks the configuration without side effects (for -check); may be NULL. Each text begins
     * with the option that it is about and a colon. */
    int (*check)(const void *config, struct err *err);
    /* The StatAccumInput that it feeds, which has to run in hekad then; may be NULL. */
    const char *(*accum)(const void *config);
    int (*init)(void *state, const void *config, struct filter_host *host, struct err *err);
    /* One message, borrowed until the call returns. 0, or negative: it is counted as process_failed
     * and logged, with the text of filter_host_fail(). */
    int (*process)(void *state, const struct msg_view *message, const struct record *record);
    /* Every ticker_interval seconds, unless that is 0; `now_ns` is the wall clock. May be NULL. */
    void (*timer)(void *state, uint64_t now_ns);
    void (*fini)(void *state); /* legal on zeroed state */
};

extern const struct filter_ops *const builtin_filters[]; /* ended by NULL */

enum { FILTER_COUNTERS_MAX = 16 };

/* ---- for the instance, from its own thread ---- */
const char *filter_host_name(const struct filter_host *host);
const char *filter_host_hostname(const struct filter_host *host); /* [hekad] hostname */
size_t filter_host_message_max(const struct filter_host *host);
bool filter_host_stopping(const struct filter_host *host);

/* One message: Uuid and Timestamp are written by begin, the rest is the caller's. inject answers
 * PRODUCER_OK or PRODUCER_E_* of control/producer.h, which the producer has counted. It waits while
 * the filter's lane is full. Its hops are those of the message that was processed last, plus 1. */
void filter_host_begin(struct filter_host *host, struct msg_builder *builder,
                       uint64_t timestamp_ns);
int filter_host_inject(struct filter_host *host, const struct msg_builder *builder);
int filter_host_inject_bytes(struct filter_host *host, const void *bytes, size_t size);

/* Adds to the instance's counter `index` of ops->counters. */
void filter_host_count(struct filter_host *host, unsigned index, uint64_t n);
/* Keeps the text for the log, which the host writes at most now and then; returns `code`. */
int filter_host_fail(struct filter_host *host, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Counters of the ledger that the instance counts in, as stages of core/counters.def. */
struct counters *filter_host_ledger(struct filter_host *host);

struct stat_accum;
/* hekad's accumulator of that name, see stat_accum.h; it lives as long as the filter. NULL after
 * adding to `err`. [init] */
struct stat_accum *filter_host_accum(struct filter_host *host, const char *name, struct err *err);

#endif
