/* SPDX-License-Identifier: MPL-2.0 */
#include "core/lane.h"

#include <string.h>

#include "core/check.h"

/* No record is larger than this part of the ring, so that padding never starves a reservation. */
static uint64_t record_bytes_max(uint64_t capacity)
{
    return capacity / 4;
}

static struct record *record_at(uint8_t *ring, uint64_t capacity, uint64_t position)
{
    return (struct record *)(void *)(ring + (position & (capacity - 1)));
}

static bool has_bit(const uint64_t mask[RECORD_MASK_WORDS], unsigned consumer)
{
    return (mask[consumer / 64] >> (consumer % 64)) & 1;
}

static void set_bit(uint64_t mask[RECORD_MASK_WORDS], unsigned consumer)
{
    mask[consumer / 64] |= UINT64_C(1) << (consumer % 64);
}

static void clear_bit(uint64_t mask[RECORD_MASK_WORDS], unsigned consumer)
{
    mask[consumer / 64] &= ~(UINT64_C(1) << (consumer % 64));
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
        set_bit(writer->holding, i);
        writer->dismissed_at[i] = UINT64_MAX;
    }
    header->version = LANE_VERSION;
    header->index = index;
    header->capacity_bytes = capacity;
    header->consumer_count = consumer_count;
    atomic_store_explicit(&header->head, 0, memory_order_relaxed);
    header->magic = LANE_MAGIC;
}

void lane_set_places(struct lane_writer *writer, struct lane_place *places)
{
    writer->places = places;
}

/* ---- cursors ---- */

static void end_holding(struct lane_writer *writer, unsigned consumer)
{
    uint64_t any = 0;
    clear_bit(writer->holding, consumer);
    clear_bit(writer->dropping, consumer);
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++)
        any |= writer->dropping[w];
    writer->has_droppers = any != 0;
}

static void set_tail(struct lane_writer *writer, unsigned consumer, uint64_t tail)
{
    writer->tails[consumer] = tail;
    if (tail >= writer->dismissed_at[consumer])
        end_holding(writer, consumer);
}

/* Takes over the cursor of one consumer. One that goes back, or beyond what was published, is not
 * believed; a cursor from before lane_admit(), or of a dropper behind its floor, is old, not
 * wrong. */
static void update_tail(struct lane_writer *writer, unsigned consumer, uint64_t published)
{
    /* A1 pairs with R1 in lane_release: the consumer is done reading what it released. */
    uint64_t tail =
        atomic_load_explicit(&writer->cursors[consumer].tail, memory_order_acquire);
    bool may_be_old = has_bit(writer->dropping, consumer) && tail > writer->seen[consumer];
    if (tail <= published && tail >= writer->tails[consumer])
        set_tail(writer, consumer, tail);
    else if (tail != writer->seen[consumer] && !(may_be_old && tail <= published))
        writer->bad_cursor_count++;
    writer->seen[consumer] = tail;
}

static void find_slowest(struct lane_writer *writer)
{
    writer->min_tail = writer->head;
    writer->slowest = 0;
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++) {
        for (uint64_t bits = writer->holding[w]; bits != 0; bits &= bits - 1) {
            unsigned consumer = w * 64 + (unsigned)__builtin_ctzll(bits);
            if (writer->tails[consumer] < writer->min_tail) {
                writer->min_tail = writer->tails[consumer];
                writer->slowest = consumer;
            }
        }
    }
}

/* Reads the cursors of all that hold the lane back again. All is published. */
static void update_tails(struct lane_writer *writer)
{
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++)
        for (uint64_t bits = writer->holding[w]; bits != 0; bits &= bits - 1)
            update_tail(writer, w * 64 + (unsigned)__builtin_ctzll(bits), writer->head);
    find_slowest(writer);
}

/* ---- droppers ---- */

/* Remembers the head as a boundary that a floor can be moved to. */
static void add_place(struct lane_writer *writer)
{
    struct lane_place *place = &writer->places[writer->place_count++ % LANE_PLACES];
    place->position = writer->head;
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++) {
        for (uint64_t bits = writer->dropping[w]; bits != 0; bits &= bits - 1) {
            unsigned consumer = w * 64 + (unsigned)__builtin_ctzll(bits);
            place->counts[consumer] = writer->counts[consumer];
        }
    }
}

static uint64_t last_place(const struct lane_writer *writer)
{
    return writer->places[(writer->place_count - 1) % LANE_PLACES].position;
}

static void count_for_droppers(struct lane_writer *writer, const struct record *record)
{
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++)
        for (uint64_t bits = record->mask[w] & writer->dropping[w]; bits != 0; bits &= bits - 1)
            writer->counts[w * 64 + (unsigned)__builtin_ctzll(bits)]++;
}

/* The oldest place at or behind `position`. There is one: the newest is less than a sixteenth of
 * the ring behind the head, and what is overwritten for one record is in the other half. */
static const struct lane_place *find_place(const struct lane_writer *writer, uint64_t position)
{
    uint64_t first = writer->place_count > LANE_PLACES ? writer->place_count - LANE_PLACES : 0;
    for (uint64_t i = first; i < writer->place_count; i++)
        if (writer->places[i % LANE_PLACES].position >= position)
            return &writer->places[i % LANE_PLACES];
    CHECK(false);
    return NULL;
}

/* The slowest consumer that must not be overrun and is before `position`, or -1. */
static int find_blocker(const struct lane_writer *writer, uint64_t position)
{
    int blocker = -1;
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++) {
        uint64_t bits = writer->holding[w] & ~writer->dropping[w];
        for (; bits != 0; bits &= bits - 1) {
            unsigned consumer = w * 64 + (unsigned)__builtin_ctzll(bits);
            if (writer->tails[consumer] >= position)
                continue;
            position = writer->tails[consumer];
            blocker = (int)consumer;
        }
    }
    return blocker;
}

/* Overruns all droppers that are before `position`, unless somebody else is, too. Nothing of this
 * comes from memory that others write: a cursor decides whether a floor moves, but not where to. */
static bool overrun(struct lane_writer *writer, uint64_t position)
{
    int blocker = find_blocker(writer, position);
    if (blocker >= 0) {
        writer->slowest = (unsigned)blocker;
        return false;
    }
    const struct lane_place *place = find_place(writer, position);
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++) {
        for (uint64_t bits = writer->dropping[w]; bits != 0; bits &= bits - 1) {
            unsigned consumer = w * 64 + (unsigned)__builtin_ctzll(bits);
            if (writer->tails[consumer] >= position)
                continue;
            lane_bounds_set_floor(writer->bounds[consumer], place->position,
                                  place->counts[consumer]);
            set_tail(writer, consumer, place->position);
        }
    }
    /* F1 pairs with F2 in is_still_there: floors are visible before anything is overwritten. */
    lane_fence(memory_order_release);
    find_slowest(writer);
    return true;
}

/* ---- admission ---- */

uint64_t lane_admit(struct lane_writer *writer, unsigned consumer, enum lane_policy policy,
                    struct lane_bounds *bounds)
{
    CHECK(consumer < writer->consumer_count);
    lane_publish(writer);
    writer->bounds[consumer] = bounds;
    writer->tails[consumer] = writer->head;
    writer->seen[consumer] =
        atomic_load_explicit(&writer->cursors[consumer].tail, memory_order_relaxed);
    writer->dismissed_at[consumer] = UINT64_MAX;
    set_bit(writer->holding, consumer);
    clear_bit(writer->dropping, consumer);
    if (bounds != NULL)
        lane_bounds_open(bounds, writer->head);
    if (policy == LANE_DROP) {
        CHECK(writer->places != NULL && bounds != NULL);
        writer->counts[consumer] = 0;
        set_bit(writer->dropping, consumer);
        writer->has_droppers = true;
        if (writer->place_count == 0 || last_place(writer) < writer->head)
            add_place(writer);
    }
    return writer->head;
}

void lane_dismiss(struct lane_writer *writer, unsigned consumer)
{
    CHECK(consumer < writer->consumer_count);
    lane_publish(writer);
    writer->dismissed_at[consumer] = writer->head;
    if (writer->bounds[consumer] != NULL)
        lane_bounds_close(writer->bounds[consumer], writer->head);
}

void lane_dismiss_all(struct lane_writer *writer)
{
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++)
        writer->holding[w] = writer->dropping[w] = 0;
    writer->has_droppers = false;
}

/* ---- records ---- */

static bool has_room(struct lane_writer *writer, uint64_t size)
{
    if (writer->head + size - writer->min_tail <= writer->capacity)
        return true;
    /* What is committed but not published can be released by nobody. */
    lane_publish(writer);
    update_tails(writer);
    if (writer->head + size - writer->min_tail <= writer->capacity)
        return true;
    return writer->has_droppers && overrun(writer, writer->head + size - writer->capacity);
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
    if (!writer->has_droppers)
        return;
    count_for_droppers(writer, record);
    if (writer->head - last_place(writer) >= writer->capacity / (LANE_PLACES / 2))
        add_place(writer);
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
