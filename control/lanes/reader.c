/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/reader.h"

#include <stdlib.h>
#include <time.h>

#include "core/buffer.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    AGREE_TRIES_MAX = 20,     /* times a millisecond until matched and read agree */
    TURN_BYTES_MAX = 1 << 20, /* of a lane, before it is another one's turn */
    ROUNDS_MAX = 64,          /* over all lanes, in one reader_next() */
    COPIES_BYTES_MAX = 1 << 30,
    HELD_PART = 4, /* of a lane: a quarter held is much */
};

struct lane_source {
    struct lane_reader lane;
    const struct segment_consumer *counts; /* the producer writes */
    uint64_t base_lane_full;
    uint64_t read, lost;
    uint64_t held;       /* reader_hold(): read, and not given back */
    uint64_t retired_at; /* nothing for us is behind this position; UINT64_MAX: not retired */
};

struct item_place {      /* of an item that is given out */
    uint64_t end, count; /* for lane_release_to() */
    size_t offset;       /* LANE_DROP: in `copies` */
};

struct reader {
    struct attachment *attachment;
    unsigned lane_count;
    unsigned turn; /* lane to look at next */
    bool is_holding;
    struct lane_source *out; /* lane of the records that are not released, or NULL */
    unsigned out_first, out_count;
    struct item_place before; /* of the lane that they are from: behind what is released */
    struct item_place places[READER_ITEMS_MAX]; /* a ring */
    struct buffer copies;
    struct lane_source lanes[];
};

static uint64_t matched_of(const struct lane_source *source)
{
    return atomic_load_explicit(&source->counts->matched, memory_order_relaxed);
}

static void pause_ms(void)
{
    struct timespec pause = {0, CLOCK_NS_PER_MS};
    nanosleep(&pause, NULL);
}

/* ---- opening ---- */

static int open_lane(struct lane_source *source, const struct segment *segment, unsigned lane,
                     unsigned consumer, unsigned generation)
{
    int rc = segment_reader_init(segment, lane, consumer, generation, &source->lane);
    if (rc != 0)
        return rc;
    source->retired_at = UINT64_MAX;
    source->counts = segment_consumer(segment, lane, consumer);
    if (source->lane.base != 0)
        source->base_lane_full =
            atomic_load_explicit(&source->counts->lane_full, memory_order_relaxed);
    return 0;
}

static struct reader *make(struct attachment *attachment, unsigned lane_count, struct err *err)
{
    struct reader *reader = calloc(1, sizeof(*reader) + lane_count * sizeof(reader->lanes[0]));
    if (reader == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    reader->attachment = attachment_get(attachment);
    reader->lane_count = lane_count;
    reader->copies.max_size = COPIES_BYTES_MAX;
    return reader;
}

struct reader *reader_open(struct attachment *attachment, unsigned consumer, unsigned generation,
                           enum lane_policy policy, struct err *err)
{
    const struct segment *segment = &attachment->segment;
    uint32_t index = attachment->consumer_map[consumer];
    bool is_known = index != ATTACHMENT_NO_CONSUMER, is_other = false;
    struct reader *reader = make(attachment, is_known ? segment->header->lane_count : 0, err);
    if (reader == NULL)
        return NULL;
    for (unsigned i = 0; i < reader->lane_count; i++) {
        if (open_lane(&reader->lanes[i], segment, i, index, generation) != 0) {
            err_add(err, "lane %u: header or cursor of consumer %u makes no sense", i, index);
            reader_close(reader);
            return NULL;
        }
        is_other |= reader->lanes[i].lane.policy != policy;
    }
    if (is_other)
        log_info("Consumer %u: lanes of an earlier configuration keep its lane_policy", index);
    return reader;
}

void reader_close(struct reader *reader)
{
    if (reader == NULL)
        return;
    attachment_put(reader->attachment);
    buffer_fini(&reader->copies);
    free(reader);
}

/* ---- reading ---- */

/* Nothing in the lane can be trusted behind this point, but what is added from now on can. */
static void skip_broken(struct lane_source *source)
{
    struct lane_reader *lane = &source->lane;
    uint64_t matched = matched_of(source);
    uint64_t lost = matched > lane->count ? matched - lane->count : 0;
    log_error("lane %u: a record makes no sense at byte %llu; %llu messages are lost",
              lane->header->index, (unsigned long long)lane->position, (unsigned long long)lost);
    source->lost += lost;
    lane->count += lost;
    lane->head = atomic_load_explicit(&lane->header->head, memory_order_acquire);
    lane->position = lane->head;
    source->held = 0;
    lane_release(lane);
}

/* A copy of the next record, behind those that there are. NULL: there is none, or no memory. */
static const struct record *take_copy(struct reader *reader, struct lane_source *source,
                                      uint64_t *skipped, int *error)
{
    struct buffer *copies = &reader->copies;
    for (;;) {
        size_t room = copies->capacity - copies->size;
        char *at = copies->data != NULL ? copies->data + copies->size : NULL;
        uint32_t size = lane_take(&source->lane, at, room, skipped, error);
        if (size == 0)
            return NULL;
        if (size <= room) {
            copies->size += size;
            return (const struct record *)(const void *)at;
        }
        if (buffer_reserve(copies, size) != 0)
            return NULL;
    }
}

static const struct record *take(struct reader *reader, struct lane_source *source,
                                 uint64_t *skipped, int *error)
{
    if (source->lane.policy == LANE_DROP)
        return take_copy(reader, source, skipped, error);
    return lane_next(&source->lane, skipped, error);
}

static struct item_place *place_of(struct reader *reader, unsigned index)
{
    return &reader->places[(reader->out_first + index) % READER_ITEMS_MAX];
}

/* Only now do the copies stay where they are. */
static void point_to_copies(struct reader *reader, struct reader_item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        items[i].record = (const struct record *)(const void *)(reader->copies.data +
                                                                place_of(reader, i)->offset);
}

/* Behind what is out, which is of the same lane. */
static unsigned fill_from(struct reader *reader, struct lane_source *source,
                          struct reader_item *items, unsigned count_max, size_t bytes_max)
{
    struct lane_reader *lane = &source->lane;
    uint64_t skipped = 0;
    size_t bytes = 0;
    unsigned count = 0;
    lane->limit = lane->position + TURN_BYTES_MAX;
    buffer_clear(&reader->copies);
    while (count < count_max && bytes < bytes_max) {
        int error = 0;
        size_t offset = reader->copies.size;
        const struct record *record = take(reader, source, &skipped, &error);
        if (record == NULL) {
            if (error != 0 && count == 0 && reader->out == NULL)
                skip_broken(source);
            break;
        }
        bytes += record->message_size;
        *place_of(reader, reader->out_count + count) =
            (struct item_place){lane->position, lane->count, offset};
        items[count++] = (struct reader_item){record, lane->position};
    }
    source->read += count;
    if (lane->policy == LANE_DROP)
        point_to_copies(reader, items, count);
    /* Records of others, with none of ours before them. */
    if (count == 0 && source->held == 0 && reader->out == NULL)
        lane_release(lane);
    return count;
}

/* Copies stay where they are only while nothing is added. */
static unsigned continue_lane(struct reader *reader, struct reader_item *items, unsigned count_max,
                              size_t bytes_max)
{
    unsigned room = READER_ITEMS_MAX - reader->out_count;
    if (reader->out->lane.policy == LANE_DROP)
        return 0;
    unsigned count =
        fill_from(reader, reader->out, items, count_max < room ? count_max : room, bytes_max);
    reader->out_count += count;
    return count;
}

unsigned reader_next(struct reader *reader, struct reader_item *items, unsigned count_max,
                     size_t bytes_max)
{
    if (count_max > READER_ITEMS_MAX)
        count_max = READER_ITEMS_MAX;
    if (reader->out != NULL)
        return continue_lane(reader, items, count_max, bytes_max);
    reader->out_first = reader->out_count = 0;
    unsigned idle_lanes = 0, turns_max = reader->lane_count * ROUNDS_MAX;
    for (unsigned i = 0; i < turns_max && idle_lanes < reader->lane_count; i++) {
        struct lane_source *source = &reader->lanes[reader->turn];
        reader->turn = (reader->turn + 1) % reader->lane_count;
        reader->before = (struct item_place){source->lane.position, source->lane.count, 0};
        unsigned count = fill_from(reader, source, items, count_max, bytes_max);
        if (count > 0) {
            reader->out = source;
            reader->out_count = count;
            return count;
        }
        idle_lanes = source->lane.position < source->lane.head ? 0 : idle_lanes + 1;
    }
    return 0;
}

void reader_release(struct reader *reader, uint64_t end)
{
    unsigned done = 0;
    CHECK(end <= reader->out->lane.position);
    while (done < reader->out_count && place_of(reader, done)->end <= end)
        done++;
    if (done == 0)
        return;
    reader->before = *place_of(reader, done - 1);
    reader->out_first = (reader->out_first + done) % READER_ITEMS_MAX;
    reader->out_count -= done;
    if (reader->is_holding)
        reader->out->held += done;
    else
        lane_release_to(&reader->out->lane, reader->before.end, reader->before.count);
}

void reader_release_all(struct reader *reader)
{
    if (reader->is_holding)
        reader->out->held += reader->out_count;
    else
        lane_release(&reader->out->lane);
    reader->out = NULL;
    reader->out_count = 0;
}

void reader_hold(struct reader *reader)
{
    CHECK(reader->out == NULL);
    reader->is_holding = true;
}

void reader_let_go(struct reader *reader)
{
    for (unsigned i = 0; i < reader->lane_count; i++) {
        struct lane_source *source = &reader->lanes[i];
        struct item_place place = {source->lane.position, source->lane.count, 0};
        if (source == reader->out)
            place = reader->before;
        source->held = 0;
        lane_release_to(&source->lane, place.end, place.count);
    }
}

void reader_skip(struct reader *reader)
{
    for (unsigned i = 0; i < reader->lane_count; i++)
        if (&reader->lanes[i] != reader->out && reader->lanes[i].held == 0 &&
            reader->lanes[i].lane.policy == LANE_BLOCK)
            lane_skip(&reader->lanes[i].lane);
}

/* ---- the end ---- */

static bool lane_is_finished(const struct lane_source *source, bool is_final)
{
    uint64_t end = source->retired_at;
    if (is_final)
        end = atomic_load_explicit(&source->lane.header->head, memory_order_acquire);
    return source->lane.position >= end || lane_is_at_end(&source->lane);
}

static bool has_read_all(const struct reader *reader)
{
    bool is_final = attachment_is_final(reader->attachment);
    for (unsigned i = 0; i < reader->lane_count; i++)
        if (!lane_is_finished(&reader->lanes[i], is_final))
            return false;
    return is_final || (reader->lane_count > 0 && reader->lanes[0].retired_at != UINT64_MAX);
}

static bool is_held(const struct reader *reader)
{
    for (unsigned i = 0; i < reader->lane_count; i++)
        if (reader->lanes[i].held > 0)
            return true;
    return false;
}

bool reader_is_finished(const struct reader *reader)
{
    return reader->out == NULL && !is_held(reader) && has_read_all(reader);
}

bool reader_should_let_go(const struct reader *reader)
{
    for (unsigned i = 0; i < reader->lane_count; i++) {
        const struct lane_reader *lane = &reader->lanes[i].lane;
        if (reader->lanes[i].held > 0 &&
            lane->position - lane->released > lane->capacity / HELD_PART)
            return true;
    }
    return reader->out == NULL && is_held(reader) && has_read_all(reader);
}

void reader_retire(struct reader *reader)
{
    for (unsigned i = 0; i < reader->lane_count; i++) {
        struct lane_source *source = &reader->lanes[i];
        if (source->retired_at == UINT64_MAX)
            source->retired_at =
                atomic_load_explicit(&source->lane.header->head, memory_order_acquire);
    }
}

/* ---- balance ---- */

/* The producer may commit between the two looks: what was read and what is ahead is right when it
 * lies between the counts before and after. */
static void add_lane(const struct lane_source *source, struct reader_balance *balance)
{
    const struct lane_reader *lane = &source->lane;
    uint64_t before = 0, after = 0, ahead = 0, dropped = 0;
    uint64_t seen = lane->base + source->read + source->lost + lane->dropped;
    for (unsigned tries = 0; tries < AGREE_TRIES_MAX; tries++) {
        if (tries > 0)
            pause_ms();
        before = matched_of(source);
        lane_look_ahead(lane, &ahead, &dropped);
        after = matched_of(source);
        if (seen + dropped + ahead >= before && seen + dropped + ahead <= after)
            break;
    }
    uint64_t matched = seen + dropped + ahead;
    if (matched < before)
        matched = before;
    if (matched > after)
        matched = after;
    balance->matched += matched - lane->base;
    balance->in_flight += ahead;
    balance->read += source->read;
    balance->lost += source->lost;
    balance->dropped += lane->dropped + dropped;
    balance->lane_full += atomic_load_explicit(&source->counts->lane_full, memory_order_relaxed) -
                          source->base_lane_full;
}

void reader_balance(const struct reader *reader, struct reader_balance *balance)
{
    *balance = (struct reader_balance){0};
    for (unsigned i = 0; i < reader->lane_count; i++)
        add_lane(&reader->lanes[i], balance);
}
