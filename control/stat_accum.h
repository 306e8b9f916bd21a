/* SPDX-License-Identifier: MPL-2.0
 *
 * stat_accum.h - hekad's accumulators by name: where inputs and filters put their samples.
 *
 * Place:   StatsdInput and StatFilter add; StatAccumInput (control/inputs/stat_accum_input.c) of
 *          the same name flushes.
 * Threads: get and put [main]; stat_accum_add() [any], under the accumulator's lock;
 *          stat_accum_take() [the StatAccumInput].
 * Memory:  a shard (stats/shard.h) for each accumulator, bounded by its names_max and
 *          timer_samples_max. Names outlive the inputs that a reload replaces, and so do the
 *          samples that are not flushed yet.
 * Failure: samples that find no room are counted (no_name_room, no_timer_room), and so are those
 *          of an accumulator that never ran.
 */
#ifndef CONTROL_STAT_ACCUM_H
#define CONTROL_STAT_ACCUM_H

#include "core/counters.h"
#include "core/err.h"
#include "stats/accum.h"
#include "core/talkers.h"
#include "stats/shard.h"
#include "stats/statmetric.h"

struct stat_accums; /* all of them */
struct stat_accum;  /* one name */

struct stat_accums *stat_accums_new(void); /* NULL: out of memory */
void stat_accums_free(struct stat_accums *accums); /* everything was put; NULL is fine */

/* A reference to the accumulator of that name, made when there is none. NULL after adding to
 * `err`. */
struct stat_accum *stat_accums_get(struct stat_accums *accums, const char *name, struct err *err);
void stat_accum_put(struct stat_accum *accum); /* NULL is fine */

/* ---- who adds ---- */

/* Adds a burst of any size; names are copied. What became of it is counted in `counters`, which is
 * the caller's own: SAMPLES_COUNTER and so on, SAMPLES_NO_NAME_ROOM, SAMPLES_NO_TIMER_ROOM, and
 * SAMPLES_HANDED for all that is accepted. Waits for the lock only, which nobody holds for
 * long. */
void stat_accum_add(struct stat_accum *accum, const struct statsd_sample *samples, unsigned count,
                    struct counters *counters);
/* Notes what a listener has seen: see stats/shard_traffic.h. */
void stat_accum_note(struct stat_accum *accum, struct shard_traffic *seen,
                     const struct statsd_counts *counts, uint64_t packets);


/* One sample that was no line of statsd, checked as statsd's are: counts SAMPLES_DIRECT, and a
 * name that is empty or too long, or a value that is no finite number, as STATSD_REJECT_*. `value`
 * of a counter is cut toward zero. */
void stat_accum_add_value(struct stat_accum *accum, enum statsd_type type, const char *name,
                          size_t name_len, double value, struct counters *counters);

/* Seconds of its interval, for timestamps in lines; 0: not known yet. */
uint32_t stat_accum_interval_s(struct stat_accum *accum);

/* ---- who flushes ---- */

/* What is added from `due_ns` (wall clock) on and taken with the rest is late. */
void stat_accum_set_due(struct stat_accum *accum, uint64_t due_ns, uint32_t interval_s);

/* A StatAccumInput that a reload has made is the heir of the one that runs: it gets what that one
 * has and did not flush. It is set before it runs and cleared when it begins, or goes. [main, or
 * the StatAccumInput] */
struct stat_accum_heir {
    struct accum *accum;
    struct flush_times former; /* of the one before; zeroed: there was none */
};
void stat_accum_set_heir(struct stat_accum *accum, struct stat_accum_heir *heir);
void stat_accum_clear_heir(struct stat_accum *accum, const struct stat_accum_heir *heir);
/* True: the heir has it all, and `from` is empty. False: there is none. */
bool stat_accum_hand_on(struct stat_accum *accum, struct accum *from,
                        const struct flush_times *times);

/* Gives the accumulator its first shard, so that nothing is refused until its StatAccumInput runs.
 * False, and the shard stays the caller's, when it has one. */
bool stat_accum_begin(struct stat_accum *accum, struct shard *take_shard);

/* Gives the accumulator a shard in exchange for the one that it had, which is the caller's to merge
 * and to free; NULL when there was none. */
struct shard *stat_accum_exchange(struct stat_accum *accum, struct shard *take_shard);

struct stat_accum_taken {
    uint64_t samples; /* that were handed over: SAMPLES_TAKEN */
    uint64_t refused; /* for want of room since the last time: for accum_overflow() */
    uint64_t flushed; /* merged: SAMPLES_FLUSHED */
    uint64_t late;    /* SAMPLES_LATE */
};
/* Merges what is there. Adding goes on meanwhile. One at a time, and not before the first
 * stat_accum_exchange(). */
struct stat_accum_taken stat_accum_take(struct stat_accum *accum, struct accum *into);

/* Adds the prefixes of which the most samples were refused, as of the last take. [any] */
void stat_accum_talkers(struct stat_accum *accum, struct talkers *talkers);

#endif
