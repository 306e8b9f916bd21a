/* SPDX-License-Identifier: MPL-2.0
 *
 * test_cat.c - heka-cat's reading: formats, matchers, large files, errors of both ends.
 */
#include "control/tools/cat.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/frame.h"
#include "tests/unit/control/tools/cat_rig.h"

enum { MESSAGE_MAX = 100000, MESSAGES = 500 };

static size_t put_message(uint8_t *frame, size_t capacity, int pid, size_t payload_size)
{
    static char payload[MESSAGE_MAX];
    static uint8_t message[MESSAGE_MAX + 256];
    static const uint8_t uuid[MSG_UUID_SIZE] = {1, 2, 3};
    struct msg_builder builder;
    memset(payload, 'x', sizeof(payload));
    msg_builder_init(&builder, message, sizeof(message));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 5);
    msg_builder_type(&builder, pid % 2 == 0 ? "even" : "odd", pid % 2 == 0 ? 4 : 3);
    msg_builder_payload(&builder, payload, payload_size);
    msg_builder_pid(&builder, pid);
    int64_t size = msg_builder_finish(&builder);
    assert_true(size > 0);
    size = frame_write(frame, capacity, message, (size_t)size, (size_t)size, NULL);
    assert_true(size > 0);
    return (size_t)size;
}

/* MESSAGES frames, every 50th large. */
static struct buffer make_file(void)
{
    struct buffer file = {0};
    for (int i = 0; i < MESSAGES; i++) {
        assert_int_equal(buffer_reserve(&file, MESSAGE_MAX + 1024), 0);
        file.size += put_message((uint8_t *)file.data + file.size, MESSAGE_MAX + 1024, i,
                                 i % 50 == 0 ? 90000 : (size_t)i);
    }
    return file;
}

static void test_frames_stay_as_they_are(void **state)
{
    (void)state;
    struct buffer file = make_file();
    for (unsigned i = 0; i < 2; i++) {
        struct cat_rig rig = {
            .bytes = file.data, .size = file.size, .step = i == 0 ? 999 : 1 << 20};
        cat_rig_run(&rig, "TRUE", CAT_HEKA, MESSAGE_MAX);
        assert_int_equal(rig.rc, 0);
        assert_int_equal(rig.counts.matched, MESSAGES);
        assert_int_equal(rig.out_size, file.size);
        assert_memory_equal(rig.out, file.data, file.size);
        assert_int_equal(rig.notes_size, 0);
        cat_rig_fini(&rig);
    }
    buffer_fini(&file);
}

static void test_matcher_and_limit(void **state)
{
    (void)state;
    struct buffer file = make_file();
    struct cat_rig rig = {.bytes = file.data, .size = file.size, .step = SIZE_MAX};
    cat_rig_run(&rig, "Type == 'odd' && Pid < 100", CAT_COUNT, MESSAGE_MAX);
    assert_int_equal(rig.counts.processed, MESSAGES);
    assert_int_equal(rig.counts.matched, 50);
    assert_int_equal(rig.out_size, 0);
    cat_rig_fini(&rig);
    /* The large ones are corrupt data then, each a run of its own. */
    cat_rig_run(&rig, "TRUE", CAT_COUNT, 1000);
    assert_int_equal(rig.counts.processed, MESSAGES - MESSAGES / 50);
    assert_int_equal(rig.counts.corrupt_places, MESSAGES / 50);
    assert_int_equal(rig.counts.corrupt_bytes + rig.counts.record_bytes, file.size);
    cat_rig_fini(&rig);
    buffer_fini(&file);
}

static void test_text(void **state)
{
    (void)state;
    uint8_t frame[512];
    struct cat_rig rig = {.bytes = frame, .step = 1};
    rig.size = put_message(frame, sizeof(frame), 3, 2);
    cat_rig_run(&rig, "TRUE", CAT_TXT, 512);
    assert_string_equal(rig.out,
                        "\n:Timestamp: 1970-01-01 00:00:00.000000005 +0000 UTC\n:Type: odd\n"
                        ":Hostname: \n:Pid: 3\n:Uuid: 01020300-0000-0000-0000-000000000000\n"
                        ":Logger: \n:Payload: xx\n:EnvVersion: \n:Severity: 7\n\n");
    cat_rig_fini(&rig);
}

static void test_read_error(void **state)
{
    (void)state;
    struct buffer file = make_file();
    struct cat_rig rig = {.bytes = file.data, .size = file.size - 1, .step = 4096, .end = -EIO};
    cat_rig_run(&rig, "TRUE", CAT_HEKA, MESSAGE_MAX);
    assert_int_equal(rig.rc, -EIO); /* and what came before is there */
    assert_int_equal(rig.counts.matched, MESSAGES - 1);
    assert_int_equal(rig.counts.record_bytes + rig.counts.incomplete_bytes, file.size - 1);
    assert_int_equal(rig.out_size, rig.counts.record_bytes);
    cat_rig_fini(&rig);
    buffer_fini(&file);
}

/* Frames in each other, none of them readable: the search ends, and every byte is counted. */
static void test_search_is_limited(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20, FRAME = 8 };
    uint8_t *bytes = calloc(1, SIZE);
    for (size_t i = 0; i + FRAME <= SIZE; i += FRAME) {
        static const uint8_t start[] = {0x1E, 4, 8, 0x80, 0x80, 0x20, 0x1F, 0x0A};
        memcpy(bytes + i, start, FRAME); /* of 512 KiB */
    }
    struct cat_rig rig = {.bytes = bytes, .size = SIZE, .step = 65536};
    cat_rig_run(&rig, "TRUE", CAT_COUNT, SIZE);
    assert_int_equal(rig.rc, 0);
    assert_int_equal(rig.counts.matched, 0);
    assert_int_equal(rig.counts.corrupt_bytes + rig.counts.incomplete_bytes, SIZE);
    assert_in_range(rig.counts.unreadable, 1, 32); /* 65,536 without a limit */
    cat_rig_fini(&rig);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_stay_as_they_are),
        cmocka_unit_test(test_matcher_and_limit),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_read_error),
        cmocka_unit_test(test_search_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
