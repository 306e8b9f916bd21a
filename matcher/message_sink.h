/* SPDX-License-Identifier: MPL-2.0
 *
 * message_sink.h - messages of one producer: staged, matched in bursts, committed to its lane.
 *
 * Place:   every producer has one: the data plane's workers and housekeeping, and each input and
 *          filter in hekad. The lane takes the messages.
 * Threads: one sink belongs to one producer.
 * Memory:  staging buffer allocated by message_sink_init(); nothing after that.
 * Failure: every message ends in a counter of the stage `message`; see sink_flush and sink_put.
 */
#ifndef MATCHER_MESSAGE_SINK_H
#define MATCHER_MESSAGE_SINK_H

#include "core/counters.h"
#include "core/lane.h"
#include "core/message.h"
#include "core/segment.h"
#include "matcher/ruleset.h"

struct sink_plan { /* what a generation says about messages */
    uint64_t generation;
    uint64_t max_message_size;
    const char *hostname;              /* of messages that the producer itself is the origin of */
    const struct ruleset *rules;       /* rule s is the consumer's in slot s */
    uint64_t slots[RECORD_MASK_WORDS]; /* bit s: there is a consumer in slot s */
    uint64_t drops[RECORD_MASK_WORDS]; /* bit s: the lane does not wait for it, LANE_DROP */
};

static inline bool sink_plan_has_slot(const struct sink_plan *plan, unsigned slot)
{
    return (plan->slots[slot / 64] >> (slot % 64)) & 1;
}

enum {
    SINK_BURST = 64,
    SINK_TIMED_EVERY = 64, /* bursts, of which one is timed */
    SINK_DIRECT_GONE = UINT16_MAX
};

struct sink_source { /* where a message comes from */
    uint16_t hops;
    uint32_t origin;
    uint64_t ingest_ns;
    const char *signer; /* authenticated, or NULL; has to live until the message is matched */
    /* Slot + 1 of the one consumer that gets it, whatever the rules say. 0: they say who gets it.
     * SINK_DIRECT_GONE: that consumer is no more, it ends as messages_decoder_gone. */
    uint16_t direct;
    uint32_t signer_number; /* of a direct one, for its record: 0, or the place in its splitter's
                             * signers + 1 */
};

struct sink_pending {
    struct sink_source source;
    uint32_t offset, size; /* in the staging buffer */
    bool has_view;
};

struct message_sink {
    struct lane_writer *lane;
    struct segment_consumer *consumers; /* of this lane */
    struct lane_place *places;          /* the lane's */
    const struct sink_plan *plan;    /* of the generation that is adopted */
    struct ruleset_scratch *scratch; /* of it, for this producer */
    struct counters *counters;
    bool has_own;      /* a filter's: it must not get its own messages */
    unsigned own_slot; /* and is no consumer of this lane */
    uint64_t random;   /* state of the generator of UUIDs */
    uint8_t *staging;
    size_t staging_size, staging_used;
    unsigned pending_count;
    unsigned done_count; /* of them, by message_sink_push() */
    bool is_matched;     /* pending messages, by the plan in force */
    unsigned burst_count; /* matched so far: says which are timed */
    bool has_signers;    /* one of them at least */
    struct sink_pending pending[SINK_BURST];
    const char *signers[SINK_BURST];
    struct msg_view views[SINK_BURST];
    uint64_t masks[SINK_BURST][RECORD_MASK_WORDS];
};

struct message_sink_config {
    struct lane_writer *lane;
    struct segment_consumer *consumers;
    uint64_t max_message_size; /* of the first plan: later ones must not have a larger one */
    struct counters *counters;
    uint64_t seed; /* of UUIDs */
    bool has_own;  /* the producer is a filter, as consumer in this slot: what it accepts itself */
    unsigned own_slot; /* ends as messages_own */
};

int message_sink_init(struct message_sink *sink, const struct message_sink_config *config,
                      struct err *err);
void message_sink_fini(struct message_sink *sink); /* zeroed is fine */

/* Changes over to a plan: from here on messages are matched by it, and so are those that are staged
 * and not committed. Consumers that are new in it start at this place of the lane, those that are
 * gone end here. */
void message_sink_adopt(struct message_sink *sink, const struct sink_plan *plan,
                        struct ruleset_scratch *scratch);

/* Starts a message in the staging buffer with Uuid and Timestamp written; the caller adds members
 * and calls message_sink_add(). Flushes first when there is no room for a message. */
void message_sink_begin(struct message_sink *sink, struct msg_builder *builder,
                        uint64_t timestamp_ns);

/* The same in the caller's memory, of max_message_size bytes; nothing is flushed. */
void message_sink_begin_at(struct message_sink *sink, struct msg_builder *builder, uint8_t *bytes,
                           uint64_t timestamp_ns);

/* Counts the message as created and stages it; one that did not fit is counted as too large. */
void message_sink_add(struct message_sink *sink, const struct msg_builder *builder,
                      uint32_t origin, uint64_t ingest_ns);

/* Matches and commits what is staged. A message that finds the lane full is dropped and counted
 * against the slowest consumer. */
void message_sink_flush(struct message_sink *sink);

/* ---- for producers that can wait ---- */

/* Like message_sink_add(). False: it was not staged, but counted as too large. */
bool message_sink_stage(struct message_sink *sink, const struct msg_builder *builder,
                        const struct sink_source *source);

/* Stages a copy of a whole message, and counts it as created. 0, or the negative code of
 * msg_view_init() and nothing is staged or counted; `size` fits. There has to be room:
 * message_sink_has_room(). */
int message_sink_stage_bytes(struct message_sink *sink, const void *bytes, size_t size,
                             const struct sink_source *source);
bool message_sink_has_room(const struct message_sink *sink);
/* Pushes what is staged if it takes that to have room for `count` messages (up to SINK_BURST; of
 * the largest size, no more than two are sure to find it). False: the lane is full. */
bool message_sink_make_room(struct message_sink *sink, unsigned count);

/* Matches what is staged and commits what finds room, in order; publishes in any case. Returns how
 * many are left: 0, or call it again when lane->slowest has read on. */
unsigned message_sink_push(struct message_sink *sink);

/* The first of those that are left ends under `reason`. */
void message_sink_give_up(struct message_sink *sink, enum counter_id reason);

/* One message at once: 0, or -EAGAIN when the lane is full and nothing
 * was counted but FLUSH_WAITS. */
int message_sink_put(struct message_sink *sink, const struct msg_builder *builder,
                     uint32_t origin, uint64_t ingest_ns);

/* Counts a message that was never built as dropped for want of room. */
void message_sink_drop(struct message_sink *sink);

#endif
