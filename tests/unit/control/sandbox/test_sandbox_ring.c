/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_ring.c - frames through a ring and a channel, and what the other side may do there.
 */
#include "control/sandbox/sandbox_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/sandbox/sandbox_channel.h"

enum { CAPACITY = 4096, ROUNDS = 20000 };

struct rig {
    struct sandbox_positions positions;
    _Alignas(8) uint8_t bytes[CAPACITY];
    struct sandbox_ring writer, reader;
};

static void open_rig(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    assert_int_equal(sandbox_ring_open(&rig->writer, &rig->positions, rig->bytes, CAPACITY), 0);
    assert_int_equal(sandbox_ring_open(&rig->reader, &rig->positions, rig->bytes, CAPACITY), 0);
}

static int put(struct rig *rig, uint32_t number, size_t size)
{
    uint8_t body[CAPACITY];
    const struct sandbox_frame frame = {.type = 1, .hops = 7, .code = number, .value = ~number};
    memset(body, (int)number, sizeof(body));
    return sandbox_ring_write(&rig->writer, &frame, body, size);
}

/* False when there is none. */
static bool take(struct rig *rig, uint32_t number, size_t size)
{
    struct sandbox_frame frame;
    const void *body;
    int rc = sandbox_ring_read(&rig->reader, &frame, &body);
    assert_true(rc >= 0);
    if (rc == 0)
        return false;
    assert_int_equal(frame.code, number);
    assert_int_equal(frame.body_size, size);
    assert_int_equal(frame.hops, 7);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(((const uint8_t *)body)[i], (uint8_t)number);
    sandbox_ring_release(&rig->reader, &frame);
    return true;
}

/* What is added is seen when it is published, and what is passed when it is given back. */
static void test_together(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    const struct sandbox_frame added = {.type = 1, .code = 5, .hops = 7};
    struct sandbox_frame frame;
    const void *body;
    (void)state;
    open_rig(rig);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(sandbox_ring_add(&rig->writer, &added, "\5\5\5\5", 4), 0);
    assert_false(take(rig, 5, 4));
    sandbox_ring_publish(&rig->writer);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(sandbox_ring_read(&rig->reader, &frame, &body), 1);
        sandbox_ring_pass(&rig->reader, &frame);
    }
    assert_int_equal(atomic_load(&rig->positions.tail), 0);
    sandbox_ring_give_back(&rig->reader);
    assert_int_equal(atomic_load(&rig->positions.tail), 2 * sandbox_ring_frame_size(4));
    assert_true(take(rig, 5, 4));
    assert_false(take(rig, 5, 4));
    free(rig);
}

/* Nobody is done with what was never shown. */
static void test_done_before_published(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    const struct sandbox_frame added = {.type = 1};
    (void)state;
    open_rig(rig);
    assert_int_equal(sandbox_ring_add(&rig->writer, &added, NULL, 0), 0);
    atomic_store(&rig->positions.tail, sizeof(added));
    assert_int_equal(sandbox_ring_look(&rig->writer), -EPROTO);
    sandbox_ring_publish(&rig->writer);
    assert_int_equal(sandbox_ring_look(&rig->writer), 0);
    free(rig);
}

static size_t size_of(uint32_t number)
{
    return (number * 2654435761U >> 8) % (CAPACITY / 2 - 64);
}

/* Every size, wrapped in every way, in order. */
static void test_order(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    uint32_t read = 0;
    (void)state;
    open_rig(rig);
    for (uint32_t number = 0; number < ROUNDS; number++) {
        int rc;
        while ((rc = put(rig, number, size_of(number))) == -EAGAIN) {
            assert_true(take(rig, read, size_of(read)));
            read++;
        }
        assert_int_equal(rc, 0);
    }
    while (take(rig, read, size_of(read)))
        read++;
    assert_int_equal(read, ROUNDS);
    assert_int_equal(put(rig, 0, CAPACITY / 2), -EMSGSIZE);
    free(rig);
}

/* What lies behind the floor can be read again. */
static void test_rewind(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    (void)state;
    open_rig(rig);
    assert_int_equal(put(rig, 1, 100), 0);
    assert_true(take(rig, 1, 100));
    rig->writer.floor = rig->writer.head;
    uint64_t from = rig->writer.head;
    unsigned count = 0;
    while (put(rig, 2 + count, 200) == 0) {
        assert_true(take(rig, 2 + count, 200));
        count++;
    }
    assert_in_range(count, CAPACITY / 230 - 2, CAPACITY / 224);
    sandbox_ring_rewind(&rig->writer, from);
    assert_int_equal(sandbox_ring_open(&rig->reader, &rig->positions, rig->bytes, CAPACITY), 0);
    for (unsigned i = 0; i < count; i++)
        assert_true(take(rig, 2 + i, 200));
    rig->writer.floor = UINT64_MAX;
    assert_int_equal(put(rig, 99, 200), 0);
    free(rig);
}

static void test_room(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    (void)state;
    open_rig(rig);
    assert_true(sandbox_ring_has_room(&rig->writer, 2000, 1000));
    assert_false(sandbox_ring_has_room(&rig->writer, CAPACITY, 8));
    for (unsigned round = 0; round < 100; round++) {
        bool has_room = sandbox_ring_has_room(&rig->writer, 2 * 1024, 1024);
        if (!has_room)
            break;
        assert_int_equal(put(rig, round, 1000), 0);
        assert_int_equal(put(rig, round, 1000), 0);
        assert_true(take(rig, round, 1000));
        assert_true(take(rig, round, 1000));
    }
    free(rig);
}

/* The other side writes anything anywhere: an error, and nothing beyond the ring is touched. */
static void test_hostile_positions(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    const uint64_t heads[] = {1, 4, CAPACITY + 8, UINT64_MAX - 7, UINT64_MAX};
    struct sandbox_frame frame;
    const void *body;
    (void)state;
    for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        open_rig(rig);
        assert_int_equal(put(rig, 1, 8), 0);
        assert_true(take(rig, 1, 8));
        atomic_store(&rig->positions.head, heads[i]);
        assert_int_equal(sandbox_ring_read(&rig->reader, &frame, &body), -EPROTO);
        open_rig(rig);
        atomic_store(&rig->positions.tail, heads[i]);
        assert_int_equal(sandbox_ring_look(&rig->writer), -EPROTO);
    }
    open_rig(rig);
    atomic_store(&rig->positions.tail, 8);
    assert_int_equal(sandbox_ring_open(&rig->reader, &rig->positions, rig->bytes, CAPACITY),
                     -EPROTO);
    assert_int_equal(sandbox_ring_open(&rig->reader, &rig->positions, rig->bytes, 1000), -EPROTO);
    free(rig);
}

static void test_hostile_frames(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    const struct sandbox_frame frames[] = {
        {.size_bytes = 0, .type = 1},
        {.size_bytes = 12, .type = 1},
        {.size_bytes = 16, .type = 1},
        {.size_bytes = 32, .type = 1, .body_size = 9},
        {.size_bytes = 32, .type = 1, .body_size = UINT32_MAX},
        {.size_bytes = 48, .type = 1},
        {.size_bytes = UINT32_MAX - 7, .type = 0},
        {.size_bytes = CAPACITY + 8, .type = 0},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct sandbox_frame frame;
        const void *body;
        open_rig(rig);
        memcpy(rig->bytes, &frames[i], sizeof(frames[i]));
        atomic_store(&rig->positions.head, 40);
        assert_int_equal(sandbox_ring_read(&rig->reader, &frame, &body), -EPROTO);
    }
    /* A filler that leads to nothing is no frame. */
    open_rig(rig);
    const struct sandbox_frame filler = {.size_bytes = 32, .type = SANDBOX_FRAME_FILL};
    struct sandbox_frame frame;
    const void *body;
    memcpy(rig->bytes, &filler, sizeof(filler));
    atomic_store(&rig->positions.head, 32);
    assert_int_equal(sandbox_ring_read(&rig->reader, &frame, &body), 0);
    free(rig);
}

/* ---- channels ---- */

static const struct sandbox_channel_size sizes = {
    .message_max = 1000, .replies_need = 5000, .state_max = 10000};

static void test_channel(void **state)
{
    struct sandbox_channel ours, theirs;
    struct sandbox_frame frame = {.type = SANDBOX_REQUEST_TIMER, .value = 5};
    struct err err = {0};
    const void *body;
    (void)state;
    assert_int_equal(sandbox_channel_make(&ours, &sizes, "description", 11, &err), 0);
    assert_int_equal(sandbox_channel_open(&theirs, dup(ours.fd)), 0);
    assert_memory_equal(theirs.blob, "description", 11);
    assert_int_equal(theirs.blob_bytes, 11);
    assert_int_equal(sandbox_ring_write(&ours.requests, &frame, NULL, 0), 0);
    assert_int_equal(sandbox_ring_read(&theirs.requests, &frame, &body), 1);
    assert_int_equal(frame.value, 5);
    assert_int_equal(sandbox_channel_put_state(&ours, "state", 5), 0);
    assert_memory_equal(theirs.state, "state", 5);
    sandbox_channel_drop_state(&ours, 5);
    assert_int_equal(theirs.state[0], 0);
    assert_int_equal(sandbox_channel_put_state(&ours, "state", sizes.state_max + 8192), -EFBIG);
    /* Nobody can take the memory away. */
    assert_int_not_equal(ftruncate(theirs.fd, 0), 0);
    assert_int_not_equal(ftruncate(theirs.fd, 1 << 30), 0);
    sandbox_channel_close(&theirs);
    sandbox_channel_close(&ours);
}

/* Each number of the header may be anything: refused, or within the file. */
static void test_hostile_header(void **state)
{
    const uint64_t values[] = {0, 1, 4096, UINT64_C(1) << 40, UINT64_MAX};
    struct err err = {0};
    (void)state;
    for (size_t offset = 0; offset < offsetof(struct sandbox_header, requests); offset += 8) {
        for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            struct sandbox_channel ours, theirs;
            assert_int_equal(sandbox_channel_make(&ours, &sizes, "x", 1, &err), 0);
            memcpy((uint8_t *)ours.header + offset, &values[i], sizeof(values[i]));
            if (sandbox_channel_open(&theirs, dup(ours.fd)) == 0) {
                assert_true(theirs.state + theirs.state_bytes <=
                            (uint8_t *)theirs.header + theirs.total_bytes);
                assert_true(theirs.header->restore_bytes <= theirs.state_bytes);
                sandbox_channel_close(&theirs);
            }
            sandbox_channel_close(&ours);
        }
    }
    struct sandbox_channel theirs;
    assert_int_not_equal(sandbox_channel_open(&theirs, open("/dev/null", O_RDWR)), 0);
}

static void test_too_much(void **state)
{
    struct sandbox_channel channel;
    struct sandbox_channel_size huge = sizes;
    struct err err = {0};
    (void)state;
    huge.replies_need = UINT64_C(1) << 29;
    assert_int_equal(sandbox_channel_make(&channel, &huge, "x", 1, &err), -1);
    assert_non_null(strstr(err.texts[0], "max_timer_inject"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together),       cmocka_unit_test(test_done_before_published),
        cmocka_unit_test(test_order),          cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_room),           cmocka_unit_test(test_hostile_positions),
        cmocka_unit_test(test_hostile_frames), cmocka_unit_test(test_channel),
        cmocka_unit_test(test_hostile_header), cmocka_unit_test(test_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
