/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/message_sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/cycles.h"

enum { STAGING_BYTES_MIN = 256 * 1024 };

int message_sink_init(struct message_sink *sink, const struct message_sink_config *config,
                      struct err *err)
{
    size_t two_messages = 2 * (size_t)config->max_message_size;
    memset(sink, 0, sizeof(*sink));
    sink->lane = config->lane;
    sink->consumers = config->consumers;
    sink->counters = config->counters;
    sink->random = config->seed;
    sink->has_own = config->has_own;
    sink->own_slot = config->own_slot;
    sink->staging_size = two_messages > STAGING_BYTES_MIN ? two_messages : STAGING_BYTES_MIN;
    sink->staging = malloc(sink->staging_size);
    sink->places = calloc(LANE_PLACES, sizeof(*sink->places));
    if (sink->staging == NULL || sink->places == NULL) {
        message_sink_fini(sink);
        return err_add(err, "no memory for staging messages");
    }
    lane_set_places(sink->lane, sink->places);
    lane_dismiss_all(sink->lane);
    return 0;
}

void message_sink_fini(struct message_sink *sink)
{
    free(sink->staging);
    free(sink->places);
    sink->staging = NULL;
    sink->places = NULL;
}

static void admit(struct message_sink *sink, unsigned slot, const struct sink_plan *plan)
{
    struct segment_consumer *consumer = &sink->consumers[slot];
    bool is_dropper = (plan->drops[slot / 64] >> (slot % 64)) & 1;
    enum lane_policy policy = is_dropper ? LANE_DROP : LANE_BLOCK;
    lane_admit(sink->lane, slot, policy, &consumer->bounds);
    atomic_store_explicit(&consumer->matched, 0, memory_order_relaxed);
    atomic_store_explicit(&consumer->lane_full, 0, memory_order_relaxed);
    atomic_store_explicit(&consumer->policy, policy, memory_order_relaxed);
    /* G1 pairs with G2 in segment_reader_init: all the others belong to this generation. */
    atomic_store_explicit(&consumer->admitted, plan->generation, memory_order_release);
}

void message_sink_adopt(struct message_sink *sink, const struct sink_plan *plan,
                        struct ruleset_scratch *scratch)
{
    for (unsigned slot = 0; slot < sink->lane->consumer_count; slot++) {
        bool was = sink->plan != NULL && sink_plan_has_slot(sink->plan, slot);
        bool is = sink_plan_has_slot(plan, slot);
        if (sink->has_own && slot == sink->own_slot)
            continue;
        if (is && !was)
            admit(sink, slot, plan);
        if (was && !is)
            lane_dismiss(sink->lane, slot);
    }
    sink->plan = plan;
    sink->scratch = scratch;
    sink->is_matched = false;
}

/* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
static uint64_t next_random(struct message_sink *sink)
{
    uint64_t z = sink->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

bool message_sink_has_room(const struct message_sink *sink)
{
    return sink->pending_count < SINK_BURST &&
           sink->staging_size - sink->staging_used >= sink->plan->max_message_size;
}

static bool has_room_for(const struct message_sink *sink, unsigned count)
{
    uint64_t bytes = (count < 2 ? count : 2) * sink->plan->max_message_size;
    return SINK_BURST - sink->pending_count >= count &&
           sink->staging_size - sink->staging_used >= bytes;
}

bool message_sink_make_room(struct message_sink *sink, unsigned count)
{
    if (LIKELY(has_room_for(sink, count)))
        return true;
    message_sink_push(sink);
    return has_room_for(sink, count);
}

void message_sink_begin_at(struct message_sink *sink, struct msg_builder *builder, uint8_t *bytes,
                           uint64_t timestamp_ns)
{
    uint8_t uuid[MSG_UUID_SIZE];
    msg_builder_init(builder, bytes, sink->plan->max_message_size);
    msg_uuid_from_random(uuid, next_random(sink), next_random(sink));
    msg_builder_uuid(builder, uuid);
    msg_builder_timestamp(builder, (int64_t)timestamp_ns);
}

void message_sink_begin(struct message_sink *sink, struct msg_builder *builder,
                        uint64_t timestamp_ns)
{
    if (!message_sink_has_room(sink))
        message_sink_flush(sink);
    message_sink_begin_at(sink, builder, sink->staging + sink->staging_used, timestamp_ns);
}

static void append(struct message_sink *sink, size_t size, const struct sink_source *source,
                   bool has_view)
{
    sink->signers[sink->pending_count] = source->signer;
    sink->has_signers |= source->signer != NULL;
    sink->pending[sink->pending_count++] = (struct sink_pending){
        .source = *source,
        .offset = (uint32_t)sink->staging_used,
        .size = (uint32_t)size,
        .has_view = has_view,
    };
    sink->staging_used += size;
    sink->is_matched = false;
}

bool message_sink_stage(struct message_sink *sink, const struct msg_builder *builder,
                        const struct sink_source *source)
{
    int64_t size = msg_builder_finish(builder);
    sink->counters->values[COUNTER_MESSAGES_CREATED]++;
    if (size < 0) {
        sink->counters->values[COUNTER_MESSAGES_TOO_LARGE]++;
        return false;
    }
    append(sink, (size_t)size, source, false);
    return true;
}

void message_sink_add(struct message_sink *sink, const struct msg_builder *builder,
                      uint32_t origin, uint64_t ingest_ns)
{
    const struct sink_source source = {.origin = origin, .ingest_ns = ingest_ns};
    message_sink_stage(sink, builder, &source);
}

int message_sink_stage_bytes(struct message_sink *sink, const void *bytes, size_t size,
                             const struct sink_source *source)
{
    uint8_t *copy = sink->staging + sink->staging_used;
    CHECK(message_sink_has_room(sink) && size <= sink->plan->max_message_size);
    if (size > 0)
        memcpy(copy, bytes, size);
    int rc = msg_view_init(&sink->views[sink->pending_count], copy, size);
    if (rc != 0)
        return rc;
    sink->counters->values[COUNTER_MESSAGES_CREATED]++;
    append(sink, size, source, true);
    return 0;
}

/* Messages that the rules have nothing to say about. */
static void direct_pending(struct message_sink *sink, unsigned first)
{
    for (unsigned i = first; i < sink->pending_count; i++) {
        unsigned direct = sink->pending[i].source.direct;
        if (direct == 0)
            continue;
        memset(sink->masks[i], 0, sizeof(sink->masks[i]));
        if (direct != SINK_DIRECT_GONE)
            sink->masks[i][(direct - 1) / 64] = UINT64_C(1) << (direct - 1) % 64;
    }
}

static void match_pending(struct message_sink *sink)
{
    unsigned first = sink->done_count, direct_count = 0;
    for (unsigned i = first; i < sink->pending_count; i++) {
        const struct sink_pending *pending = &sink->pending[i];
        direct_count += pending->source.direct != 0;
        if (pending->has_view)
            continue;
        int rc = msg_view_init(&sink->views[i], sink->staging + pending->offset, pending->size);
        CHECK(rc == 0); /* our own builder wrote it */
    }
    sink->is_matched = true;
    if (direct_count == sink->pending_count - first) {
        direct_pending(sink, first);
        return;
    }
    bool is_timed = ++sink->burst_count % SINK_TIMED_EVERY == 0;
    uint64_t start = is_timed ? cycles_now() : 0;
    ruleset_match(sink->plan->rules, sink->scratch, sink->views + first,
                  sink->has_signers ? sink->signers + first : NULL, sink->pending_count - first,
                  sink->masks[first], RECORD_MASK_WORDS);
    if (is_timed) {
        sink->counters->values[COUNTER_MATCH_MESSAGES] += sink->pending_count - first;
        sink->counters->values[COUNTER_MATCH_CYCLES] += cycles_now() - start;
    }
    if (direct_count > 0)
        direct_pending(sink, first);
}

static bool is_wanted(const uint64_t mask[RECORD_MASK_WORDS])
{
    uint64_t any = 0;
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++)
        any |= mask[w];
    return any != 0;
}

static void add_relaxed(_Atomic uint64_t *value, uint64_t n)
{
    uint64_t old = atomic_load_explicit(value, memory_order_relaxed);
    atomic_store_explicit(value, old + n, memory_order_relaxed);
}

static void count_matched(struct message_sink *sink, const uint64_t mask[RECORD_MASK_WORDS])
{
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++)
        for (uint64_t bits = mask[w]; bits != 0; bits &= bits - 1)
            add_relaxed(&sink->consumers[w * 64 + (unsigned)__builtin_ctzll(bits)].matched, 1);
}

/* False when the lane has no room. */
static bool commit(struct message_sink *sink, unsigned index)
{
    const struct sink_pending *pending = &sink->pending[index];
    struct record *record = lane_reserve(sink->lane, pending->size);
    if (record == NULL)
        return false;
    record->hops = pending->source.hops;
    record->generation = (uint32_t)sink->plan->generation;
    record->message_size = pending->size;
    record->ingest_ns = pending->source.ingest_ns;
    record->origin = pending->source.origin;
    record->signer = pending->source.signer_number;
    memcpy(record->mask, sink->masks[index], sizeof(record->mask));
    memcpy(record->message, sink->staging + pending->offset, pending->size);
    lane_commit(sink->lane, record);
    count_matched(sink, sink->masks[index]);
    sink->counters->values[COUNTER_MESSAGES_COMMITTED]++;
    return true;
}

static void count_unwanted(struct message_sink *sink, unsigned index)
{
    bool is_gone = sink->pending[index].source.direct == SINK_DIRECT_GONE;
    sink->counters->values[is_gone ? COUNTER_MESSAGES_DECODER_GONE
                                   : COUNTER_MESSAGES_UNMATCHED]++;
}

static void count_lane_full(struct message_sink *sink)
{
    sink->counters->values[COUNTER_MESSAGES_LANE_FULL]++;
    add_relaxed(&sink->consumers[sink->lane->slowest].lane_full, 1);
}

void message_sink_drop(struct message_sink *sink)
{
    sink->counters->values[COUNTER_MESSAGES_CREATED]++;
    count_lane_full(sink);
}

static void end_burst(struct message_sink *sink)
{
    lane_publish(sink->lane);
    sink->counters->values[COUNTER_BAD_CURSORS] = sink->lane->bad_cursor_count;
    sink->pending_count = sink->done_count = 0;
    sink->has_signers = false;
    sink->staging_used = 0;
}

void message_sink_flush(struct message_sink *sink)
{
    if (sink->pending_count == 0)
        return;
    match_pending(sink);
    for (unsigned i = 0; i < sink->pending_count; i++) {
        if (!is_wanted(sink->masks[i])) {
            count_unwanted(sink, i);
        } else if (!commit(sink, i)) {
            count_lane_full(sink);
        }
    }
    end_burst(sink);
}

unsigned message_sink_push(struct message_sink *sink)
{
    if (sink->pending_count == 0)
        return 0;
    if (!sink->is_matched)
        match_pending(sink);
    for (; sink->done_count < sink->pending_count; sink->done_count++) {
        const uint64_t *mask = sink->masks[sink->done_count];
        if (sink->has_own && (mask[sink->own_slot / 64] >> (sink->own_slot % 64)) & 1)
            sink->counters->values[COUNTER_MESSAGES_OWN]++;
        else if (!is_wanted(mask))
            count_unwanted(sink, sink->done_count);
        else if (!commit(sink, sink->done_count))
            break;
    }
    unsigned left = sink->pending_count - sink->done_count;
    if (left == 0)
        end_burst(sink);
    else
        lane_publish(sink->lane);
    return left;
}

void message_sink_give_up(struct message_sink *sink, enum counter_id reason)
{
    CHECK(sink->done_count < sink->pending_count);
    sink->counters->values[reason]++;
    if (++sink->done_count == sink->pending_count)
        end_burst(sink);
}

int message_sink_put(struct message_sink *sink, const struct msg_builder *builder,
                     uint32_t origin, uint64_t ingest_ns)
{
    uint64_t created = sink->counters->values[COUNTER_MESSAGES_CREATED];
    CHECK(sink->pending_count == 0);
    message_sink_add(sink, builder, origin, ingest_ns);
    if (sink->pending_count == 0)
        return 0; /* too large, counted */
    match_pending(sink);
    int rc = 0;
    if (!is_wanted(sink->masks[0])) {
        sink->counters->values[COUNTER_MESSAGES_UNMATCHED]++;
    } else if (!commit(sink, 0)) {
        sink->counters->values[COUNTER_MESSAGES_CREATED] = created;
        sink->counters->values[COUNTER_FLUSH_WAITS]++;
        rc = -EAGAIN;
    }
    end_burst(sink);
    return rc;
}
