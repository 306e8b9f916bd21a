/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>

#include "core/check.h"
#include "core/lane.h"

enum { WORD_BYTES = 8 };
_Static_assert(RECORD_ALIGN % WORD_BYTES == 0, "records are whole words");

/* ---- opening ---- */

static int init(struct lane_reader *reader, const struct lane_header *header,
                struct lane_cursor *cursor, unsigned consumer)
{
    uint64_t capacity = header->capacity_bytes;
    if (header->magic != LANE_MAGIC || header->version != LANE_VERSION ||
        capacity < LANE_BYTES_MIN || capacity > LANE_BYTES_MAX || (capacity & (capacity - 1)) ||
        consumer >= header->consumer_count)
        return -EPROTO;
    *reader = (struct lane_reader){
        .header = header,
        .ring = (const uint8_t *)header + LANE_HEADER_BYTES,
        .capacity = capacity,
        .cursor = cursor,
        .policy = LANE_BLOCK,
        .consumer = consumer,
        .limit = UINT64_MAX,
    };
    return 0;
}

/* Takes the cursor up where an earlier reader released last. */
static int resume(struct lane_reader *reader)
{
    struct lane_cursor *cursor = reader->cursor;
    uint64_t tail = atomic_load_explicit(&cursor->tail, memory_order_relaxed);
    for (unsigned i = 0; i < 2; i++) {
        if (atomic_load_explicit(&cursor->marks[i].position, memory_order_relaxed) != tail)
            continue;
        reader->mark = i;
        reader->position = reader->released = tail;
        reader->base = reader->count =
            atomic_load_explicit(&cursor->marks[i].count, memory_order_relaxed);
        return 0;
    }
    return -EPROTO;
}

/* The first reader after an admission. What the cursor held is a former consumer's; `admitted` is
 * changed last, so that one that dies in here has not begun. */
static void begin(struct lane_reader *reader, const struct lane_admission *admission,
                  struct lane_floor floor)
{
    struct lane_cursor *cursor = reader->cursor;
    reader->position = reader->released = floor.position;
    reader->count = reader->dropped = floor.count;
    atomic_store_explicit(&cursor->marks[1].position, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&cursor->marks[0].count, floor.count, memory_order_relaxed);
    atomic_store_explicit(&cursor->marks[0].position, floor.position, memory_order_release);
    atomic_store_explicit(&cursor->tail, floor.position, memory_order_release);
    atomic_store_explicit(&cursor->admitted, admission->generation, memory_order_release);
}

static int check_position(struct lane_reader *reader)
{
    /* A3 pairs with R2 in lane_publish: a floor is never ahead of it. */
    reader->head = atomic_load_explicit(&reader->header->head, memory_order_acquire);
    if (reader->position > reader->head)
        return -EPROTO;
    if (reader->policy == LANE_BLOCK && reader->head - reader->position > reader->capacity)
        return -EPROTO;
    return 0;
}

int lane_reader_init(struct lane_reader *reader, const struct lane_header *header,
                     struct lane_cursor *cursor, unsigned consumer)
{
    int rc = init(reader, header, cursor, consumer);
    if (rc == 0)
        rc = resume(reader);
    return rc == 0 ? check_position(reader) : rc;
}

static void move_to_floor(struct lane_reader *reader, struct lane_floor floor)
{
    if (floor.count > reader->count)
        reader->dropped += floor.count - reader->count;
    reader->position = floor.position;
    reader->count = floor.count;
}

int lane_reader_init_admitted(struct lane_reader *reader, const struct lane_header *header,
                              struct lane_cursor *cursor, unsigned consumer,
                              const struct lane_admission *admission)
{
    int rc = init(reader, header, cursor, consumer);
    if (rc != 0)
        return rc;
    reader->policy = admission->policy;
    reader->bounds = admission->bounds;
    struct lane_floor floor = lane_bounds_floor(admission->bounds);
    uint64_t admitted = atomic_load_explicit(&cursor->admitted, memory_order_relaxed);
    if (admitted != admission->generation)
        begin(reader, admission, floor);
    else
        rc = resume(reader);
    if (rc == 0 && reader->position < floor.position) {
        if (reader->policy == LANE_BLOCK)
            return -EPROTO;
        move_to_floor(reader, floor);
    }
    return rc == 0 ? check_position(reader) : rc;
}

/* ---- looking ---- */

/* True when there is something at `position` that the reader may look at. */
static bool look(struct lane_reader *reader)
{
    if (reader->position >= reader->head) {
        /* A2 pairs with R2 in lane_publish. */
        uint64_t head = atomic_load_explicit(&reader->header->head, memory_order_acquire);
        uint64_t end = reader->bounds != NULL ? lane_bounds_end(reader->bounds) : UINT64_MAX;
        /* Behind its end the lane no longer waits for this consumer. */
        reader->head = head < end ? head : end;
    }
    return reader->position < reader->head && reader->position < reader->limit;
}

bool lane_is_at_end(const struct lane_reader *reader)
{
    return reader->bounds != NULL && reader->position >= lane_bounds_end(reader->bounds);
}

static const uint8_t *bytes_at(const struct lane_reader *reader, uint64_t position)
{
    return reader->ring + (position & (reader->capacity - 1));
}

static bool is_sane(const struct lane_reader *reader, const struct record *record)
{
    uint64_t size = record->size_bytes;
    if (size < RECORD_ALIGN || size % RECORD_ALIGN != 0 || size > reader->head - reader->position)
        return false;
    if (size > reader->capacity - (reader->position & (reader->capacity - 1)))
        return false;
    if (record->type == RECORD_PAD)
        return true;
    return record->type == RECORD_MESSAGE && size >= sizeof(*record) &&
           record->message_size <= size - sizeof(*record);
}

/* The producer may be writing what is read here, with plain stores: the copy is believed only after
 * is_still_there(). This race is meant, so ThreadSanitizer does not look. */
__attribute__((no_sanitize("thread"), noinline))
static void copy_racy(void *to, const uint8_t *from, size_t size)
{
    const _Atomic uint64_t *source = (const _Atomic uint64_t *)(const void *)from;
    uint64_t *words = to;
    for (size_t i = 0; i < size / WORD_BYTES; i++)
        words[i] = atomic_load_explicit(&source[i], memory_order_relaxed);
}

/* False: what was copied was overwritten meanwhile, perhaps, and the reader is at the floor now. */
static bool is_still_there(struct lane_reader *reader)
{
    lane_fence(memory_order_acquire); /* F2 pairs with F1 in overrun() of lane.c */
    struct lane_floor floor = lane_bounds_floor(reader->bounds);
    if (floor.position <= reader->position)
        return true;
    move_to_floor(reader, floor);
    return false;
}

/* A copy of as much of the header as there is; a filler may be shorter. */
static bool peek(struct lane_reader *reader)
{
    uint64_t size = sizeof(reader->peeked);
    uint64_t to_end = reader->capacity - (reader->position & (reader->capacity - 1));
    if (size > to_end)
        size = to_end;
    copy_racy(reader->peeked, bytes_at(reader, reader->position), size);
    return is_still_there(reader);
}

/* The next record that is wanted, with the position before it, or NULL. The policy is an argument
 * so that there is one copy of this for each. */
static inline __attribute__((always_inline)) const struct record *
find(struct lane_reader *reader, enum lane_policy policy, uint64_t *skipped, int *error)
{
    while (look(reader)) {
        const struct record *record =
            (const struct record *)(const void *)bytes_at(reader, reader->position);
        if (policy == LANE_DROP) {
            if (!peek(reader))
                continue;
            record = (const struct record *)(const void *)reader->peeked;
        }
        if (!is_sane(reader, record)) {
            *error = -EPROTO;
            return NULL;
        }
        if (record->type == RECORD_MESSAGE) {
            if (record_wanted_by(record, reader->consumer))
                return record;
            (*skipped)++;
        }
        reader->position += record->size_bytes;
    }
    return NULL;
}

static const struct record *find_by_policy(struct lane_reader *reader, uint64_t *skipped,
                                           int *error)
{
    return reader->policy == LANE_DROP ? find(reader, LANE_DROP, skipped, error)
                                       : find(reader, LANE_BLOCK, skipped, error);
}

static void pass(struct lane_reader *reader, const struct record *record)
{
    reader->position += record->size_bytes;
    reader->count++;
}

const struct record *lane_next(struct lane_reader *reader, uint64_t *skipped, int *error)
{
    CHECK(reader->policy == LANE_BLOCK);
    const struct record *record = find(reader, LANE_BLOCK, skipped, error);
    if (record != NULL)
        pass(reader, record);
    return record;
}

void lane_skip(struct lane_reader *reader)
{
    uint64_t skipped = 0;
    int error = 0;
    CHECK(reader->policy == LANE_BLOCK);
    reader->limit = UINT64_MAX;
    if (find(reader, LANE_BLOCK, &skipped, &error) == NULL || skipped > 0)
        lane_release(reader);
}

uint32_t lane_take(struct lane_reader *reader, void *copy, size_t size, uint64_t *skipped,
                   int *error)
{
    const struct record *record;
    while ((record = find_by_policy(reader, skipped, error)) != NULL) {
        uint32_t record_size = record->size_bytes;
        if (record_size > size)
            return record_size;
        copy_racy(copy, bytes_at(reader, reader->position), record_size);
        if (reader->policy == LANE_DROP && !is_still_there(reader))
            continue;
        pass(reader, record);
        return record_size;
    }
    return 0;
}

/* ---- giving back ---- */

void lane_release_to(struct lane_reader *reader, uint64_t position, uint64_t count)
{
    struct lane_cursor *cursor = reader->cursor;
    if (position == reader->released)
        return;
    /* The mark that does not hold is filled first, and the tail makes it the one that does: a
     * process that dies in between leaves the old pair whole. */
    reader->mark ^= 1;
    struct lane_mark *mark = &cursor->marks[reader->mark];
    atomic_store_explicit(&mark->count, count, memory_order_release);
    atomic_store_explicit(&mark->position, position, memory_order_release);
    /* R1 pairs with A1 in update_tail. */
    atomic_store_explicit(&cursor->tail, position, memory_order_release);
    reader->released = position;
}

void lane_release(struct lane_reader *reader)
{
    lane_release_to(reader, reader->position, reader->count);
}

/* ---- counting ---- */

void lane_look_ahead(const struct lane_reader *reader, uint64_t *ahead, uint64_t *dropped)
{
    struct lane_reader walker = *reader;
    uint64_t skipped = 0;
    int error = 0;
    const struct record *record;
    walker.limit = UINT64_MAX;
    while ((record = find_by_policy(&walker, &skipped, &error)) != NULL)
        pass(&walker, record);
    *dropped = walker.dropped - reader->dropped;
    *ahead = walker.count - reader->count - *dropped;
}

uint64_t lane_count_ahead(const struct lane_reader *reader)
{
    uint64_t ahead, dropped;
    lane_look_ahead(reader, &ahead, &dropped);
    return ahead;
}
