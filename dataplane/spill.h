/* SPDX-License-Identifier: MPL-2.0
 *
 * spill.h - messages that a decoder made of one piece of a TCP stream beyond what found room: they
 *           wait here, and no further piece is taken before they are staged.
 *
 * Place:   text_listener.c writes, worker_tcp.c passes on; each worker has one.
 * Threads: the worker's.
 * Memory:  one mapping, of which only touched pages are there: SPILL_LARGEST messages of the
 *          largest size, which is more than any decoder makes of one (codec/multi_decoder.h).
 * Failure: one that finds no room here either is the decoder's to count (decode_lost). Messages
 *          that are here are among messages_staged.
 */
#ifndef DATAPLANE_SPILL_H
#define DATAPLANE_SPILL_H

#include "matcher/message_sink.h"

enum { SPILL_LARGEST = 24, SPILL_MESSAGES_MAX = 512 };

struct spill_item {
    struct sink_source source;
    size_t offset, size;
};

struct spill {
    uint8_t *bytes;
    size_t size, used, message_max;
    struct spill_item items[SPILL_MESSAGES_MAX];
    unsigned count, done_count;
};

int spill_init(struct spill *spill, size_t message_max, struct err *err);
void spill_fini(struct spill *spill); /* zeroed is fine */

static inline bool spill_is_empty(const struct spill *spill)
{
    return spill->count == 0;
}

/* Room for one message, with its Uuid and Timestamp written; false: none. */
bool spill_begin(struct spill *spill, struct message_sink *sink, struct msg_builder *builder,
                 uint64_t timestamp_ns);
/* It is complete: counted as created, or as too large. */
void spill_add(struct spill *spill, struct message_sink *sink, const struct msg_builder *builder,
               const struct sink_source *source);

/* Stages as many as find room. True when none is left. */
bool spill_push(struct spill *spill, struct message_sink *sink);
/* Those that are left end as `reason`. */
void spill_give_up(struct spill *spill, struct message_sink *sink, enum counter_id reason);

#endif
