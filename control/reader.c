/* SPDX-License-Identifier: MPL-2.0 */
#include "control/reader.h"

#include <stdlib.h>
#include <time.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    AGREE_TRIES_MAX = 20, /* times a millisecond until matched and read agree */
    BASE_TRIES_MAX = 20
};

struct lane_source {
    struct lane_reader lane;
    const struct segment_consumer *counts; /* the producer writes */
    uint64_t base;                         /* matched that earlier readers have released */
    uint64_t base_lane_full;
    uint64_t read, lost;
    uint64_t retired_at; /* nothing for us is behind this position; UINT64_MAX: not retired */
};

struct reader {
    struct attachment *attachment;
    unsigned lane_count;
    unsigned turn;           /* lane to look at next */
    struct lane_source *out; /* lane of the records that are not released, or NULL */
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

/* What an earlier run has released of this lane. The producer counts a record before it shows it,
 * so each look gives too much or the truth: the smallest of several is taken. */
static uint64_t find_base(const struct lane_source *source)
{
    uint64_t base = UINT64_MAX;
    unsigned same = 0;
    if (source->lane.position == 0)
        return 0;
    for (unsigned tries = 0; tries < BASE_TRIES_MAX && same < 2; tries++) {
        uint64_t ahead = lane_count_ahead(&source->lane), matched = matched_of(source);
        uint64_t found = matched >= ahead ? matched - ahead : 0;
        same = found == base ? same + 1 : 0;
        if (found < base)
            base = found;
        if (tries > 0)
            pause_ms();
    }
    return base;
}

static int open_lane(struct lane_source *source, const struct segment *segment, unsigned lane,
                     unsigned consumer, unsigned generation)
{
    int rc = segment_reader_init(segment, lane, consumer, generation, &source->lane);
    if (rc != 0)
        return rc;
    source->retired_at = UINT64_MAX;
    source->counts = segment_consumer(segment, lane, consumer);
    source->base = find_base(source);
    if (source->lane.position != 0)
        source->base_lane_full =
            atomic_load_explicit(&source->counts->lane_full, memory_order_relaxed);
    return 0;
}

struct reader *reader_open(struct attachment *attachment, unsigned consumer, unsigned generation,
                           struct err *err)
{
    const struct segment *segment = &attachment->segment;
    unsigned lane_count = segment->header->lane_count;
    uint32_t index = attachment->consumer_map[consumer];
    if (index == ATTACHMENT_NO_CONSUMER)
        lane_count = 0;
    struct reader *reader = calloc(1, sizeof(*reader) + lane_count * sizeof(reader->lanes[0]));
    if (reader == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    reader->attachment = attachment_get(attachment);
    reader->lane_count = lane_count;
    for (unsigned i = 0; i < lane_count; i++) {
        if (open_lane(&reader->lanes[i], segment, i, index, generation) != 0) {
            err_add(err, "lane %u: header or cursor of consumer %u makes no sense", i, index);
            reader_close(reader);
            return NULL;
        }
    }
    return reader;
}

void reader_close(struct reader *reader)
{
    if (reader == NULL)
        return;
    attachment_put(reader->attachment);
    free(reader);
}

/* Nothing in the lane can be trusted behind this point, but what is added from now on can. */
static void skip_broken(struct lane_source *source)
{
    uint64_t seen = source->base + source->read + source->lost, matched = matched_of(source);
    uint64_t lost = matched > seen ? matched - seen : 0;
    log_error("lane %u: a record makes no sense at byte %llu; %llu messages are lost",
              source->lane.header->index, (unsigned long long)source->lane.position,
              (unsigned long long)lost);
    source->lost += lost;
    source->lane.head = atomic_load_explicit(&source->lane.header->head, memory_order_acquire);
    source->lane.position = source->lane.head;
    lane_release(&source->lane);
}

static unsigned fill_from(struct lane_source *source, struct reader_item *items, unsigned count_max,
                          size_t bytes_max)
{
    uint64_t skipped = 0;
    size_t bytes = 0;
    unsigned count = 0;
    while (count < count_max && bytes < bytes_max) {
        int error = 0;
        const struct record *record = lane_next(&source->lane, &skipped, &error);
        if (record == NULL) {
            if (error != 0 && count == 0)
                skip_broken(source);
            break;
        }
        items[count++] = (struct reader_item){record, source->lane.position};
        bytes += record->message_size;
    }
    source->read += count;
    /* Records of others, with none of ours before them. */
    if (count == 0 && skipped > 0)
        lane_release(&source->lane);
    return count;
}

unsigned reader_next(struct reader *reader, struct reader_item *items, unsigned count_max,
                     size_t bytes_max)
{
    CHECK(reader->out == NULL);
    for (unsigned i = 0; i < reader->lane_count; i++) {
        struct lane_source *source = &reader->lanes[reader->turn];
        reader->turn = (reader->turn + 1) % reader->lane_count;
        unsigned count = fill_from(source, items, count_max, bytes_max);
        if (count > 0) {
            reader->out = source;
            return count;
        }
    }
    return 0;
}

void reader_release(struct reader *reader, uint64_t end)
{
    struct lane_reader done = reader->out->lane;
    CHECK(end <= done.position);
    done.position = end;
    lane_release(&done);
}

void reader_release_all(struct reader *reader)
{
    lane_release(&reader->out->lane);
    reader->out = NULL;
}

bool reader_is_finished(const struct reader *reader)
{
    bool is_final = attachment_is_final(reader->attachment);
    if (reader->out != NULL)
        return false;
    for (unsigned i = 0; i < reader->lane_count; i++) {
        const struct lane_source *source = &reader->lanes[i];
        uint64_t end = source->retired_at;
        if (is_final)
            end = atomic_load_explicit(&source->lane.header->head, memory_order_acquire);
        if (source->lane.position < end)
            return false;
    }
    return is_final || (reader->lane_count > 0 && reader->lanes[0].retired_at != UINT64_MAX);
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

/* The producer may commit between the two looks: what was read and what is ahead is right when it
 * lies between the counts before and after. */
static void add_lane(const struct lane_source *source, struct reader_balance *balance)
{
    uint64_t before = 0, after = 0, ahead = 0;
    uint64_t seen = source->base + source->read + source->lost;
    for (unsigned tries = 0; tries < AGREE_TRIES_MAX; tries++) {
        if (tries > 0)
            pause_ms();
        before = matched_of(source);
        ahead = lane_count_ahead(&source->lane);
        after = matched_of(source);
        if (seen + ahead >= before && seen + ahead <= after)
            break;
    }
    uint64_t matched = seen + ahead;
    if (matched < before)
        matched = before;
    if (matched > after)
        matched = after;
    balance->matched += matched - source->base;
    balance->in_flight += ahead;
    balance->read += source->read;
    balance->lost += source->lost;
    balance->lane_full += atomic_load_explicit(&source->counts->lane_full, memory_order_relaxed) -
                          source->base_lane_full;
}

void reader_balance(const struct reader *reader, struct reader_balance *balance)
{
    *balance = (struct reader_balance){0};
    for (unsigned i = 0; i < reader->lane_count; i++)
        add_lane(&reader->lanes[i], balance);
}
