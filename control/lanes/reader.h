/* SPDX-License-Identifier: MPL-2.0
 *
 * reader.h - one consumer's view of all lanes of one data plane.
 *
 * Place:   consumer.c reads batches and releases what is done. Lanes: core/lane.h.
 * Threads: the consumer calls all of it under one lock, which status takes too.
 * Memory:  records stay valid until they are released: in the lane, or, when the lane does not wait
 *          for the consumer (LANE_DROP), as copies of the reader's own, made before they are given
 *          out. When memory for copies is out, reader_next() finds nothing, and tries again.
 * Failure: a lane whose records make no sense is logged, skipped up to its head and what is lost
 *          is counted in the balance.
 */
#ifndef CONTROL_READER_H
#define CONTROL_READER_H

#include "control/lanes/attachment.h"

enum { READER_ITEMS_MAX = 2048 /* that are out at the same time */ };

struct reader;

struct reader_item {
    const struct record *record;
    uint64_t end; /* position behind it, for reader_release() */
};

struct reader_balance { /* messages, since this reader was opened */
    uint64_t matched;   /* that the data plane committed for this consumer */
    uint64_t read;
    uint64_t in_flight; /* in the lanes, not read */
    uint64_t lost;      /* in lanes that made no sense */
    uint64_t dropped;   /* LANE_DROP: overwritten before they were read */
    uint64_t lane_full; /* that the data plane dropped because of this consumer */
};
/* matched = read + in_flight + lost + dropped, counted on both sides of the lanes. */

/* Opens at the consumer's cursors, or where it was admitted when it has not read yet. `generation`:
 * the one that admitted it (0: any), which tells it from the slot's former consumer. `policy`: the
 * configuration's; a lane whose producer admitted it with another one, by an earlier configuration,
 * is read by that. Takes a reference of its own. Consumers that the segment does not know get a
 * reader that is at its end. NULL after adding to `err`. */
struct reader *reader_open(struct attachment *attachment, unsigned consumer, unsigned generation,
                           enum lane_policy policy, struct err *err);
void reader_close(struct reader *reader); /* NULL is fine */

/* Takes up to count_max records (READER_ITEMS_MAX at most), and no more when they exceed bytes_max
 * together, from one lane; lanes take turns, also in passing over records of others. While earlier
 * records are not released: those behind them in their lane only, up to READER_ITEMS_MAX in all,
 * and none with LANE_DROP. Returns how many. */
unsigned reader_next(struct reader *reader, struct reader_item *items, unsigned count_max,
                     size_t bytes_max);

/* Gives back the records that are out up to `end`, which is one of theirs, or, with
 * reader_release_all(), all of them and what was skipped behind. */
void reader_release(struct reader *reader, uint64_t end);
void reader_release_all(struct reader *reader);

/* From now on nothing is given back until reader_let_go(): what was read since is read again by the
 * next reader. Records taken since are `held`. */
void reader_hold(struct reader *reader);
/* Everything is given back that was read, of records that are out those that are released. */
void reader_let_go(struct reader *reader);
/* True when it is time for that: much of a lane is held, or the reader would be finished. */
bool reader_should_let_go(const struct reader *reader);

/* Gives back what lies before the consumer's next record in all lanes but that of unreleased ones:
 * for a consumer that takes nothing for a while, so that nobody waits for it without need. */
void reader_skip(struct reader *reader);

/* No plan has the consumer any more: the reader is finished when it has read what is there now. */
void reader_retire(struct reader *reader);

/* True when the data plane is gone, or the reader retired, and everything is read. */
bool reader_is_finished(const struct reader *reader);

/* Bounded walk over what is ahead. Under load it looks again a few times until both sides agree. */
void reader_balance(const struct reader *reader, struct reader_balance *balance);

#endif
