/* SPDX-License-Identifier: MPL-2.0
 *
 * test_queue_tool.c - what `hekad queue` prints, and that only skip changes anything.
 */
#include "control/queue/queue_tool.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/frame.h"
#include "tests/unit/control/queue/queue_rig.h"

#define HEAD                                                                                       \
    "FILE                       BYTES     RECORDS      UNREAD  MALFORMED    GARBAGE       TORN  "  \
    "TOO LARGE\n"

static struct rig rig;
static struct queue_tool tool;
static struct err err;
static char *text;
static size_t text_size, shown;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    text = NULL;
    shown = 0;
    tool = (struct queue_tool){
        .out = open_memstream(&text, &text_size),
        .message_size_max = 1000,
        .io = &rig.disk->io,
    };
    memset(&err, 0, sizeof(err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fclose(tool.out);
    free(text);
    rig_fini(&rig);
    return 0;
}

/* What was printed since the last call. */
static const char *printed(void)
{
    static char copy[8192];
    fflush(tool.out);
    snprintf(copy, sizeof(copy), "%.*s", (int)(text_size - shown), text + shown);
    shown = text_size;
    return copy;
}

/* Message number n in a frame; returns its size, which is 33. */
static size_t frame_message(uint8_t n, uint8_t *bytes)
{
    uint8_t message[64];
    struct msg_builder builder;
    uint8_t uuid[MSG_UUID_SIZE] = {n};
    char payload[] = {'p', (char)('0' + n)};
    msg_builder_init(&builder, message, sizeof(message));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, n);
    msg_builder_type(&builder, "T", 1);
    msg_builder_payload(&builder, payload, sizeof(payload));
    int64_t size = msg_builder_finish(&builder);
    assert_true(size > 0);
    int64_t framed = frame_write(bytes, 100, message, (size_t)size, 1000, NULL);
    assert_true(framed > 0);
    return (size_t)framed;
}

static size_t frame_messages(uint8_t first, uint8_t count, uint8_t *bytes)
{
    size_t size = 0;
    for (uint8_t i = 0; i < count; i++)
        size += frame_message((uint8_t)(first + i), bytes + size);
    return size;
}

/* 3.log: messages 1 2 3; 5.log: messages 4 5. 32 bytes each. */
static void put_two_files(const char *checkpoint)
{
    uint8_t bytes[400];
    rig_put_file(&rig, "lock", "", 0);
    rig_put_file(&rig, "3.log", bytes, frame_messages(1, 3, bytes));
    rig_put_file(&rig, "5.log", bytes, frame_messages(4, 2, bytes));
    assert_int_equal(rig_file_size(&rig, "5.log"), 64);
    if (checkpoint != NULL)
        rig_put_file(&rig, "checkpoint.txt", checkpoint, strlen(checkpoint));
}

static void test_list(void **state)
{
    (void)state;
    put_two_files("3 32");
    sim_disk_put(rig.disk, RIG_BASE "/output_queue/another/7.log", "abcdef", 6);
    sim_disk_put(rig.disk, RIG_BASE "/output_queue/bad/1.log", "abcdef", 6);
    sim_disk_put(rig.disk, RIG_BASE "/output_queue/bad/checkpoint.txt", "x\n1", 3);
    sim_disk_put(rig.disk, RIG_BASE "/output_queue/no_queue", "abcdef", 6);
    assert_int_equal(queue_tool_list(&tool, RIG_BASE, &err), 0);
    assert_string_equal(
        printed(),
        "QUEUE                            FILES           BYTES          UNREAD  CHECKPOINT        "
        "   "
        "STATE\n"
        "another                              1               6               6  none\n"
        "bad                                  1               6               6  x?1\n"
        "out                                  2             160             128  3 32\n");
    rig_open(&rig);
    assert_int_equal(queue_tool_list(&tool, RIG_BASE, &err), 0);
    assert_non_null(strstr(printed(), "3 32                 in use\n"));
    assert_int_equal(queue_tool_list(&tool, "/none", &err), -1);
    assert_string_equal(err.texts[0], "/none/output_queue: No such file or directory");
}

static void test_verify_good(void **state)
{
    (void)state;
    put_two_files("3 32");
    assert_int_equal(queue_tool_verify(&tool, RIG_DIR, &err), 0);
    assert_string_equal(
        printed(), RIG_DIR
        "\n" HEAD
        "3.log                         96           3           2          0          0          "
        "0          0\n"
        "5.log                         64           2           2          0          0          "
        "0          0\n"
        "total                        160           5           4          0          0          "
        "0          0\n"
        "checkpoint: 3 32\nunread: 4 records\n");
}

static void test_verify_bad(void **state)
{
    uint8_t bytes[400];
    (void)state;
    put_two_files("3 33");
    memset(bytes, 'j', 4);
    size_t size = 4 + frame_messages(6, 2, bytes + 4);
    bytes[4 + 5] = 0xFF; /* the first message's uuid is no member any more */
    size += rig_frame("no-message", bytes + size);
    size += frame_messages(8, 1, bytes + size) - 3;
    rig_put_file(&rig, "9.log", bytes, size);
    assert_int_equal(queue_tool_verify(&tool, RIG_DIR, &err), 1);
    const char *found = printed();
    assert_non_null(strstr(
        found,
        "9.log                        112           3           3          2          4         "
        "29          0\n"));
    assert_non_null(strstr(found, "checkpoint: 3 33: checkpoint not at the end of a record, so "
                                  "everything is unread\nunread: 8 records\n"));
    assert_int_equal(rig_file_size(&rig, "9.log"), 112); /* only looked at */
    tool.message_size_max = 20;
    assert_int_equal(queue_tool_verify(&tool, RIG_DIR, &err), 1);
    assert_non_null(strstr(printed(), "          2\n"));
    assert_int_equal(err.count, 0);
}

static void test_verify_at_work(void **state)
{
    uint8_t bytes[400];
    (void)state;
    put_two_files(NULL);
    rig_open(&rig);
    rig_put_file(&rig, "6.log", bytes, frame_messages(6, 1, bytes) - 1); /* being written */
    assert_int_equal(queue_tool_verify(&tool, RIG_DIR, &err), 0);
    const char *found = printed();
    assert_non_null(strstr(found, RIG_DIR ": in use\n"));
    assert_non_null(strstr(found, "checkpoint: none\nunread: 5 records\n"));
    rig_close(&rig);
    assert_int_equal(queue_tool_verify(&tool, RIG_DIR, &err), 1);
    printed();
}

static void test_verify_none(void **state)
{
    char dir[QUEUE_PATH_SIZE];
    (void)state;
    assert_int_equal(queue_tool_verify(&tool, RIG_DIR, &err), -1);
    assert_string_equal(err.texts[0], RIG_DIR ": No such file or directory");
    memset(dir, 'x', sizeof(dir));
    dir[sizeof(dir) - 1] = '\0';
    assert_int_equal(queue_tool_verify(&tool, dir, &err), -1);
    assert_int_equal(queue_tool_dump(&tool, dir, &(struct queue_dump_options){0}, &err), -1);
    assert_int_equal(queue_tool_skip(&tool, RIG_DIR, 1, &err), -1);
    assert_string_equal(rig_file(&rig, "lock"), "none"); /* and none was made */
}

static void test_dump_json(void **state)
{
    struct queue_dump_options options = {.format = QUEUE_DUMP_JSON};
    (void)state;
    put_two_files("3 64");
    assert_int_equal(queue_tool_dump(&tool, RIG_DIR, &options, &err), 0);
    const char *found = printed();
    assert_null(strstr(found, "\"p2\""));
    const char *three = strstr(found, "\"Payload\":\"p3\"");
    const char *four = strstr(found, "\"Payload\":\"p4\"");
    assert_true(three != NULL && four != NULL && three < four);
    assert_non_null(strstr(found, "\"Payload\":\"p5\"}\n"));
    options.with_acknowledged = true;
    options.count_max = 2;
    assert_int_equal(queue_tool_dump(&tool, RIG_DIR, &options, &err), 0);
    found = printed();
    assert_non_null(strstr(found, "p1"));
    assert_non_null(strstr(found, "p2"));
    assert_null(strstr(found, "p3"));
    assert_int_equal(err.count, 0);
}

static void test_dump_text_and_heka(void **state)
{
    struct queue_dump_options options = {.format = QUEUE_DUMP_TEXT};
    uint8_t bytes[400];
    (void)state;
    put_two_files("5 32");
    size_t size = frame_message(9, bytes);
    size += rig_frame("no-message", bytes + size);
    rig_put_file(&rig, "6.log", bytes, size);
    assert_int_equal(queue_tool_dump(&tool, RIG_DIR, &options, &err), 1);
    const char *found = printed();
    assert_null(strstr(found, ":Payload: p4\n"));
    assert_non_null(strstr(found, ":Payload: p5\n"));
    assert_non_null(strstr(found, ":Payload: p9\n"));
    assert_string_equal(err.texts[0], RIG_DIR ": 1 records that are no message left out");
    options.format = QUEUE_DUMP_HEKA;
    assert_int_equal(queue_tool_dump(&tool, RIG_DIR, &options, &err), 0);
    fflush(tool.out);
    uint8_t expected[400];
    frame_message(5, expected);
    memcpy(expected + 32, bytes, size);
    assert_int_equal(text_size - shown, 32 + size);
    assert_memory_equal(text + shown, expected, 32 + size);
}

static void test_skip(void **state)
{
    (void)state;
    put_two_files(NULL);
    assert_int_equal(queue_tool_skip(&tool, RIG_DIR, 2, &err), 0);
    assert_string_equal(printed(), RIG_DIR ": 2 records skipped\n");
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "3 64");
    rig_open(&rig);
    assert_int_equal(queue_tool_skip(&tool, RIG_DIR, 1, &err), -1);
    assert_string_equal(err.texts[0], RIG_DIR ": another queue has this folder");
    rig_close(&rig);
    assert_int_equal(queue_tool_skip(&tool, RIG_DIR, 2, &err), 0);
    assert_string_equal(printed(), RIG_DIR ": 2 records skipped\n");
    assert_string_equal(rig_file(&rig, "3.log"), "none");
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "5 32");
    assert_int_equal(queue_tool_skip(&tool, RIG_DIR, UINT64_MAX, &err), 0);
    assert_string_equal(printed(), RIG_DIR ": 1 records skipped\n");
    assert_string_equal(rig_file(&rig, "5.log"), "none");
    assert_int_equal(queue_tool_skip(&tool, RIG_DIR, UINT64_MAX, &err), 0);
    assert_string_equal(printed(), RIG_DIR ": 0 records skipped\n");
    assert_int_equal(err.count, 1);
}

/* A place that cannot be read is an error, not a loop. */
static void test_skip_and_read_errors(void **state)
{
    (void)state;
    put_two_files("x");
    rig.disk->fail_at = 25;
    rig.disk->fail_count = 1000;
    rig.disk->fail_code = -EIO;
    assert_int_equal(queue_tool_skip(&tool, RIG_DIR, UINT64_MAX, &err), -1);
    assert_int_equal(err.count, 1);
    assert_non_null(strstr(printed(), "invalid checkpoint format ('x')"));
    rig.disk->fail_at = 0;
    assert_int_equal(queue_tool_skip(&tool, RIG_DIR, UINT64_MAX, &err), 0);
    assert_string_equal(printed(), RIG_DIR ": 5 records skipped\n");
}

/* The last id has no file behind it: skipping to the end of a torn one ends. */
static void test_skip_at_the_last_id(void **state)
{
    uint8_t bytes[400];
    (void)state;
    size_t size = frame_messages(1, 2, bytes);
    memset(bytes + size, 0x1E, 100);
    rig_put_file(&rig, "4294967295.log", bytes, size + 100);
    rig.disk->fail_at = 0;
    assert_int_equal(queue_tool_skip(&tool, RIG_DIR, UINT64_MAX, &err), 0);
    assert_non_null(strstr(printed(), "2 records skipped\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_list),
        TEST(test_verify_good),
        TEST(test_verify_bad),
        TEST(test_verify_at_work),
        TEST(test_verify_none),
        TEST(test_dump_json),
        TEST(test_dump_text_and_heka),
        TEST(test_skip),
        TEST(test_skip_and_read_errors),
        TEST(test_skip_at_the_last_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
