/* SPDX-License-Identifier: MPL-2.0 */
#include "core/lane.h"

#include <errno.h>
#include <string.h>

#include "core/check.h"

enum { LANE_VERSION = 1 };

/* No record is larger than this part of the ring, so that padding never starves a reservation. */
static uint64_t record_bytes_max(uint64_t capacity)
{
    return capacity / 4;
}

static struct record *record_at(uint8_t *ring, uint64_t capacity, uint64_t position)
{
    return (struct record *)(void *)(ring + (position & (capacity - 1)));
}

void lane_writer_init(struct lane_writer *writer, struct lane_header *header,
                      const struct lane_cursor *cursors, unsigned consumer_count, uint32_t index,
                      uint64_t capacity)
{
    CHECK(capacity >= LANE_BYTES_MIN && capacity <= LANE_BYTES_MAX);
    CHECK((capacity & (capacity - 1)) == 0);
    CHECK(consumer_count <= RECORD_CONSUMERS_MAX);
    *writer = (struct lane_writer){
        .header = header,
        .ring = (uint8_t *)header + LANE_HEADER_BYTES,
        .capacity = capacity,
        .cursors = cursors,
        .consumer_count = consumer_count,
    };
    for (unsigned i = 0; i < consumer_count; i++) {
        writer->holding[i / 64] |= UINT64_C(1) << (i % 64);
        writer->dismissed_at[i] = UINT64_MAX;
    }
    header->version = LANE_VERSION;
    header->index = index;
    header->capacity_bytes = capacity;
    header->consumer_count = consumer_count;
    atomic_store_explicit(&header->head, 0, memory_order_relaxed);
    header->magic = LANE_MAGIC;
}

/* Takes over the cursor of one consumer. One that goes back, or beyond what was published, is not
 * believed; a cursor from before lane_admit() is old, not wrong. */
static void update_tail(struct lane_writer *writer, unsigned consumer, uint64_t published)
{
    /* A1 pairs with R1 in lane_release: the consumer is done reading what it released. */
    uint64_t tail =
        atomic_load_explicit(&writer->cursors[consumer].tail, memory_order_acquire);
    if (tail <= published && tail >= writer->tails[consumer])
        writer->tails[consumer] = tail;
    else if (tail != writer->seen[consumer])
        writer->bad_cursor_count++;
    writer->seen[consumer] = tail;
    if (writer->tails[consumer] >= writer->dismissed_at[consumer])
        writer->holding[consumer / 64] &= ~(UINT64_C(1) << (consumer % 64));
}

/* Reads the cursors of all that hold the lane back again. */
static void update_tails(struct lane_writer *writer)
{
    uint64_t published = atomic_load_explicit(&writer->header->head, memory_order_relaxed);
    uint64_t min_tail = published;
    unsigned slowest = 0;
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++) {
        for (uint64_t bits = writer->holding[w]; bits != 0; bits &= bits - 1) {
            unsigned consumer = w * 64 + (unsigned)__builtin_ctzll(bits);
            update_tail(writer, consumer, published);
            if (writer->tails[consumer] < min_tail) {
                min_tail = writer->tails[consumer];
                slowest = consumer;
            }
        }
    }
    writer->min_tail = min_tail;
    writer->slowest = slowest;
}

uint64_t lane_admit(struct lane_writer *writer, unsigned consumer)
{
    CHECK(consumer < writer->consumer_count);
    lane_publish(writer);
    writer->tails[consumer] = writer->head;
    writer->seen[consumer] =
        atomic_load_explicit(&writer->cursors[consumer].tail, memory_order_relaxed);
    writer->dismissed_at[consumer] = UINT64_MAX;
    writer->holding[consumer / 64] |= UINT64_C(1) << (consumer % 64);
    return writer->head;
}

void lane_dismiss(struct lane_writer *writer, unsigned consumer)
{
    CHECK(consumer < writer->consumer_count);
    lane_publish(writer);
    writer->dismissed_at[consumer] = writer->head;
}

void lane_dismiss_all(struct lane_writer *writer)
{
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++)
        writer->holding[w] = 0;
}

static bool has_room(struct lane_writer *writer, uint64_t size)
{
    if (writer->head + size - writer->min_tail <= writer->capacity)
        return true;
    /* What is committed but not published can be released by nobody. */
    lane_publish(writer);
    update_tails(writer);
    return writer->head + size - writer->min_tail <= writer->capacity;
}

struct record *lane_reserve(struct lane_writer *writer, uint32_t message_size)
{
    CHECK(message_size <= lane_message_max(writer));
    uint64_t size = record_size_for(message_size);
    uint64_t to_end = writer->capacity - (writer->head & (writer->capacity - 1));
    uint64_t padding = to_end < size ? to_end : 0;
    if (!has_room(writer, padding + size))
        return NULL;
    if (padding > 0) {
        struct record *pad = record_at(writer->ring, writer->capacity, writer->head);
        /* The gap may be as short as RECORD_ALIGN: only the first two members are written. */
        pad->size_bytes = (uint32_t)padding;
        pad->type = RECORD_PAD;
        writer->head += padding;
    }
    struct record *record = record_at(writer->ring, writer->capacity, writer->head);
    record->size_bytes = (uint32_t)size;
    record->type = RECORD_MESSAGE;
    return record;
}

uint32_t lane_message_max(const struct lane_writer *writer)
{
    return (uint32_t)(record_bytes_max(writer->capacity) - sizeof(struct record));
}

void lane_commit(struct lane_writer *writer, struct record *record)
{
    CHECK(record == record_at(writer->ring, writer->capacity, writer->head));
    uint32_t size = record_size_for(record->message_size);
    CHECK(size <= record->size_bytes);
    record->size_bytes = size;
    writer->head += size;
}

void lane_publish(struct lane_writer *writer)
{
    /* R2 pairs with A2 in look: records are complete before they can be seen. */
    atomic_store_explicit(&writer->header->head, writer->head, memory_order_release);
}

bool lane_drained(struct lane_writer *writer)
{
    lane_publish(writer);
    update_tails(writer);
    return writer->min_tail == writer->head;
}

int lane_reader_init(struct lane_reader *reader, const struct lane_header *header,
                     struct lane_cursor *cursor, unsigned consumer)
{
    uint64_t capacity = header->capacity_bytes;
    if (header->magic != LANE_MAGIC || header->version != LANE_VERSION ||
        capacity < LANE_BYTES_MIN || capacity > LANE_BYTES_MAX || (capacity & (capacity - 1)) ||
        consumer >= header->consumer_count)
        return -EPROTO;
    uint64_t tail = atomic_load_explicit(&cursor->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&header->head, memory_order_acquire);
    if (tail > head || head - tail > capacity)
        return -EPROTO;
    *reader = (struct lane_reader){
        .header = header,
        .ring = (const uint8_t *)header + LANE_HEADER_BYTES,
        .capacity = capacity,
        .cursor = cursor,
        .consumer = consumer,
        .position = tail,
        .head = head,
    };
    return 0;
}

/* True when there is something at `position`. */
static bool look(struct lane_reader *reader)
{
    if (reader->position == reader->head)
        /* A2 pairs with R2 in lane_publish. */
        reader->head = atomic_load_explicit(&reader->header->head, memory_order_acquire);
    return reader->position != reader->head;
}

static const struct record *reader_record(const struct lane_reader *reader, uint64_t position)
{
    return (const struct record *)(const void *)(reader->ring +
                                                 (position & (reader->capacity - 1)));
}

static bool is_sane(const struct lane_reader *reader, const struct record *record,
                    uint64_t position)
{
    uint64_t size = record->size_bytes;
    if (size < RECORD_ALIGN || size % RECORD_ALIGN != 0 || size > reader->head - position)
        return false;
    if (size > reader->capacity - (position & (reader->capacity - 1)))
        return false;
    if (record->type == RECORD_PAD)
        return true;
    return record->type == RECORD_MESSAGE && size >= sizeof(*record) &&
           record->message_size <= size - sizeof(*record);
}

const struct record *lane_next(struct lane_reader *reader, uint64_t *skipped, int *error)
{
    while (look(reader)) {
        const struct record *record = reader_record(reader, reader->position);
        if (!is_sane(reader, record, reader->position)) {
            *error = -EPROTO;
            return NULL;
        }
        reader->position += record->size_bytes;
        if (record->type == RECORD_PAD)
            continue;
        if (record_wanted_by(record, reader->consumer))
            return record;
        (*skipped)++;
    }
    return NULL;
}

void lane_release(struct lane_reader *reader)
{
    /* R1 pairs with A1 in update_tails. */
    atomic_store_explicit(&reader->cursor->tail, reader->position, memory_order_release);
}

uint64_t lane_count_ahead(const struct lane_reader *reader)
{
    struct lane_reader walker = *reader;
    uint64_t count = 0, skipped = 0;
    int error = 0;
    while (lane_next(&walker, &skipped, &error) != NULL)
        count++;
    return count;
}
