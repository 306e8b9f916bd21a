/* SPDX-License-Identifier: MPL-2.0
 *
 * test_queue.c - the queue's format, options and results, on a disk that works.
 */
#include "control/queue/queue.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/check.h"
#include "core/frame.h"
#include "tests/unit/control/queue/queue_folder_rig.h"
#include "tests/unit/control/queue/queue_rig.h"
#include "tests/unit/core/alloc_fail.h"

enum { FRAMED_3 = 8 }; /* a message of three bytes: 1E 02 08 03 1F and it */

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_fini(&rig);
    return 0;
}

/* ---- format ---- */

static void test_bytes(void **state)
{
    static const uint8_t expected[] = {0x1E, 2, 8, 3, 0x1F, 'o', 'n', 'e',
                                       0x1E, 2, 8, 3, 0x1F, 't', 'w', 'o'};
    size_t size;
    (void)state;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_put(&rig, "two");
    const uint8_t *bytes = sim_disk_get(rig.disk, RIG_DIR "/0.log", &size);
    assert_non_null(bytes);
    assert_int_equal(size, sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "none");
    assert_string_equal(rig_read(&rig, 1), "one");
    assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "0 8");
    assert_string_equal(rig_drain(&rig), "two");
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "0 16");
    assert_string_equal(rig_file(&rig, "checkpoint.tmp"), "none");
    assert_true(queue_is_drained(rig.queue));
}

static void test_directory_names(void **state)
{
    static const struct {
        const char *name, *path;
    } cases[] = {
        {"TcpOutput", "/b/output_queue/TcpOutput"},
        {"a-b.c d/e", "/b/output_queue/a_b_c_d_e"},
        {"..", "/b/output_queue/__"},
        {"_9", "/b/output_queue/_9"},
        {"x\xC3\xA9y", "/b/output_queue/x_y"}, /* one character, one underscore */
        {"\xE2\x82\xAC\xF0\x9F\x98\x80", "/b/output_queue/__"},
        {"\xC3(\xFF", "/b/output_queue/___"},    /* no UTF-8: each byte */
        {"\xED\xA0\x80", "/b/output_queue/___"}, /* a surrogate */
        {"\xE2\x82", "/b/output_queue/__"},      /* cut short */
    };
    char path[QUEUE_PATH_SIZE], name[2000];
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(queue_dir("/b", cases[i].name, path), 0);
        assert_string_equal(path, cases[i].path);
    }
    assert_int_equal(queue_dir("/b", "", path), -EINVAL);
    memset(name, 'n', sizeof(name));
    name[QUEUE_NAME_SIZE] = '\0';
    assert_int_equal(queue_dir("/b", name, path), -ENAMETOOLONG);
    name[QUEUE_NAME_SIZE - 1] = '\0';
    assert_int_equal(queue_dir("/b", name, path), 0);
    memset(name, 'b', sizeof(name));
    name[QUEUE_PATH_SIZE - 30] = '\0';
    assert_int_equal(queue_dir(name, "x", path), -ENAMETOOLONG);
}

static void test_checkpoint_texts(void **state)
{
    static const struct {
        const char *text, *why;
        uint32_t id;
        uint64_t offset;
    } cases[] = {
        {"43 99999", NULL, 43, 99999},
        {"0 0", NULL, 0, 0},
        {"4294967295 9223372036854775807", NULL, UINT32_MAX, INT64_MAX},
        {"7 8\n", NULL, 7, 8},
        {"", "invalid checkpoint format", 0, 0},
        {"22", "invalid checkpoint format", 0, 0},
        {"aa 22", "invalid checkpoint id", 0, 0},
        {" 22", "invalid checkpoint id", 0, 0},
        {"-1 22", "invalid checkpoint id", 0, 0},
        {"4294967296 1", "invalid checkpoint id", 0, 0},
        {"43 aa", "invalid checkpoint offset", 0, 0},
        {"43 ", "invalid checkpoint offset", 0, 0},
        {"43 -2", "invalid checkpoint offset", 0, 0},
        {"43 9223372036854775808", "invalid checkpoint offset", 0, 0},
        {"43 1 1", "invalid checkpoint offset", 0, 0},
        {"43 1\n\n", "invalid checkpoint offset", 0, 0},
        {"1 00000000000000000000000000000000000000000000000000000000000000001",
         "invalid checkpoint format", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct queue_position position = {0, 0};
        const char *why = NULL;
        int rc = queue_checkpoint_parse(cases[i].text, strlen(cases[i].text), &position, &why);
        assert_int_equal(rc, cases[i].why == NULL ? 0 : -EINVAL);
        if (cases[i].why != NULL)
            assert_string_equal(why, cases[i].why);
        assert_int_equal(position.id, cases[i].id);
        assert_int_equal(position.offset, cases[i].offset);
    }
}

/* ---- files ---- */

static void test_new_id_at_each_start(void **state)
{
    (void)state;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_close(&rig);
    rig_open(&rig);
    rig_put(&rig, "two");
    rig_put(&rig, "six");
    assert_int_equal(rig_file_size(&rig, "0.log"), FRAMED_3);
    assert_int_equal(rig_file_size(&rig, "1.log"), 2 * FRAMED_3);
    assert_string_equal(rig_drain(&rig), "one two six");
    assert_string_equal(rig_file(&rig, "0.log"), "none");
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "1 16");
    assert_int_equal(rig_counter(&rig, QUEUE_RECOVERED), 1);
    assert_int_equal(rig_counter(&rig, QUEUE_ACKNOWLEDGED), 3);
    assert_int_equal(rig_counter(&rig, QUEUE_REPLAYED), 0);
}

/* An id is not used again although its file is gone. */
static void test_id_above_checkpoint(void **state)
{
    (void)state;
    rig_put_file(&rig, "checkpoint.txt", "7 120", 5);
    rig_open(&rig);
    assert_int_equal(rig.notes.count, 0);
    rig_put(&rig, "one");
    assert_int_equal(rig_file_size(&rig, "8.log"), FRAMED_3);
    assert_string_equal(rig_drain(&rig), "one");
}

static void test_rolling(void **state)
{
    (void)state;
    rig.options.message_size_max = 3;
    unsigned fit = 33;
    rig.options.max_file_size = fit * FRAMED_3; /* the last one just fits */
    rig_open(&rig);
    for (unsigned i = 0; i < fit; i++)
        rig_put(&rig, "abc");
    assert_int_equal(rig_file_size(&rig, "0.log"), fit * FRAMED_3);
    assert_string_equal(rig_file(&rig, "1.log"), "none");
    rig_put(&rig, "abc");
    assert_int_equal(rig_file_size(&rig, "0.log"), fit * FRAMED_3);
    assert_int_equal(rig_file_size(&rig, "1.log"), FRAMED_3);
    for (unsigned i = 0; i <= fit; i++) {
        assert_string_equal(rig_read(&rig, 1), "abc");
        assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
        assert_int_equal(strcmp(rig_file(&rig, "0.log"), "none") == 0, i + 1 >= fit);
    }
    assert_int_equal(rig_counter(&rig, QUEUE_FILES_MADE), 2);
    assert_int_equal(rig_counter(&rig, QUEUE_FILES_DELETED), 1);
}

/* The file of the last message that was acknowledged stays until something else is acknowledged. */
static void test_files_wait_for_the_cursor(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        rig_open(&rig);
        rig_put(&rig, "abc");
        rig_close(&rig);
    }
    rig_open(&rig);
    assert_string_equal(rig_read(&rig, 1), "abc");
    assert_string_equal(rig_read(&rig, 5), "abc");
    assert_string_equal(rig_read(&rig, 5), "abc");
    assert_int_equal(rig_file_size(&rig, "0.log"), FRAMED_3);
    assert_int_equal(queue_acknowledge(rig.queue, 2), 0);
    assert_string_equal(rig_file(&rig, "0.log"), "none");
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "1 8");
    assert_int_equal(rig_file_size(&rig, "1.log"), FRAMED_3);
    assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
    assert_string_equal(rig_file(&rig, "1.log"), "none");
    assert_string_equal(rig_file(&rig, "2.log"), "none");
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "3 0");
    assert_true(queue_is_drained(rig.queue));
}

static void test_other_names_are_left_alone(void **state)
{
    static const char *const names[] = {"6a.log", ".log",           "a.log",     "007.log",
                                        "-1.log", "4294967296.log", "1.log.bak", "readme"};
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        rig_put_file(&rig, names[i], "abc", 3);
    rig_put_file(&rig, "5.log/x", "abc", 3); /* a folder */
    rig_open(&rig);
    assert_int_equal(rig.notes.count, 1);
    assert_string_equal(rig.notes.texts[0],
                        RIG_DIR ": 7 names that are none of the queue's are left "
                                "alone");
    rig_put(&rig, "one");
    assert_string_equal(rig_drain(&rig), "one");
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        assert_string_equal(rig_file(&rig, names[i]), "abc");
}

/* A file that somebody puts there is not written over, and not read before the next start. */
static void test_name_is_taken(void **state)
{
    uint8_t bytes[RIG_TEXT_SIZE];
    size_t size = rig_frame("one", bytes);
    (void)state;
    rig_open(&rig);
    rig_put_file(&rig, "0.log", bytes, size);
    rig_put_file(&rig, "1.log", bytes, size);
    rig_put(&rig, "three");
    assert_int_equal(rig_file_size(&rig, "0.log"), FRAMED_3);
    assert_int_equal(rig_file_size(&rig, "1.log"), FRAMED_3);
    assert_int_equal(rig_file_size(&rig, "2.log"), FRAMED_3 + 2);
    assert_string_equal(rig_read(&rig, 9), "three");
    rig_close(&rig);
    rig_open(&rig);
    assert_string_equal(rig_drain(&rig), "one one three");
}

static void test_last_id(void **state)
{
    uint8_t bytes[RIG_TEXT_SIZE];
    int why;
    (void)state;
    rig_put_file(&rig, "4294967295.log", bytes, rig_frame("one two", bytes));
    rig_open(&rig);
    assert_string_equal(rig.notes.texts[0],
                        RIG_DIR ": file ids are used up; nothing can be added before the files are "
                                "removed");
    assert_int_equal(rig_append(&rig, "xyz", &why), 1);
    assert_int_equal(queue_sync(rig.queue), -EOVERFLOW);
    assert_int_equal(queue_discard(rig.queue), 1);
    assert_string_equal(rig_drain(&rig), "one two");
    assert_int_equal(queue_read(rig.queue, NULL, 0), 0);
    assert_true(queue_is_drained(rig.queue));
    rig_close(&rig);
    rig_open(&rig);
    assert_string_equal(rig_drain(&rig), "");
}

static void test_last_id_of_a_checkpoint(void **state)
{
    (void)state;
    rig_put_file(&rig, "checkpoint.txt", "4294967295 5", 12);
    rig_open(&rig);
    rig_put(&rig, "one");
    assert_int_equal(rig_file_size(&rig, "0.log"), FRAMED_3);
    assert_string_equal(rig_drain(&rig), "one");
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "0 8");
}

/* ---- checkpoint ---- */

/* [option buffering.cursor_update_count] */
static void test_update_count(void **state)
{
    (void)state;
    rig.options.cursor_update_count = 3;
    rig_open(&rig);
    for (unsigned i = 0; i < 7; i++)
        rig_put(&rig, "abc");
    for (unsigned i = 1; i <= 6; i++) {
        static const char *const texts[] = {"none", "none", "none", "0 24", "0 24", "0 24", "0 48"};
        rig_read(&rig, 1);
        assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
        assert_string_equal(rig_file(&rig, "checkpoint.txt"), texts[i]);
    }
    rig_read(&rig, 1);
    assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
    assert_int_equal(queue_checkpoint(rig.queue), 0);
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "0 56");
    assert_int_equal(rig_counter(&rig, QUEUE_CHECKPOINTS), 3);
    assert_int_equal(queue_checkpoint(rig.queue), 0);
    assert_int_equal(rig_counter(&rig, QUEUE_CHECKPOINTS), 3);
}

static void test_close_writes_checkpoint(void **state)
{
    int why;
    (void)state;
    rig.options.cursor_update_count = 100;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_put(&rig, "two");
    rig_read(&rig, 1);
    assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
    assert_int_equal(rig_append(&rig, "six", &why), 1);
    rig_close(&rig);
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "0 8");
    rig_open(&rig);
    assert_string_equal(rig_drain(&rig), "two six");
}

static void test_kill_repeats_from_checkpoint(void **state)
{
    (void)state;
    rig.options.cursor_update_count = 2;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_put(&rig, "two");
    rig_put(&rig, "six");
    rig_put(&rig, "ten");
    assert_string_equal(rig_read(&rig, 9), "one two six ten");
    assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
    assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
    assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
    rig_kill(&rig);
    rig_open(&rig);
    assert_string_equal(rig_drain(&rig), "six ten");
    assert_int_equal(rig_counter(&rig, QUEUE_RECOVERED), 2);
}

static void test_bad_checkpoints(void **state)
{
    static const struct {
        const char *checkpoint, *note, *records, *after;
    } cases[] = {
        {"3 12", NULL, "c d e f", "3 12"},
        {"3 22\n", NULL, "d e f", "3 22\n"},
        {"3 28", NULL, "e f", "3 28"},
        {"3 0", NULL, "a b c d e f", "3 0"},
        {"5 6", NULL, "f", "5 6"},
        {"4 1", NULL, "e f", "4 1"}, /* its file is gone */
        {"2 7", NULL, "a b c d e f", "2 7"},
        {"6 0", NULL, "", "6 0"},
        {"22", "invalid checkpoint format ('22')", "a b c d e f", "3 0"},
        {"", "invalid checkpoint format ('')", "a b c d e f", "3 0"},
        {"x 16", "invalid checkpoint id ('x 16')", "a b c d e f", "3 0"},
        {"3 1\x01", "invalid checkpoint offset ('3 1?')", "a b c d e f", "3 0"},
        {"3 16", "checkpoint not at the end of a record ('3 16')", "a b c d e f", "3 0"},
        {"3 17", "checkpoint not at the end of a record ('3 17')", "a b c d e f", "3 0"},
        {"3 1", "checkpoint not at the end of a record ('3 1')", "a b c d e f", "3 0"},
        {"3 29", "checkpoint behind the end of its file ('3 29')", "a b c d e f", "3 0"},
        {"5 999", "checkpoint behind the end of its file ('5 999')", "a b c d e f", "3 0"},
        {"6 1", "checkpoint behind the newest file ('6 1')", "a b c d e f", "3 0"},
        {"7 0", "checkpoint behind the newest file ('7 0')", "a b c d e f", "3 0"},
    };
    uint8_t bytes[RIG_TEXT_SIZE];
    char note[400];
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        rig_fini(&rig);
        rig_init(&rig);
        /* Frames of 6 bytes; 4 bytes of garbage behind the first two. */
        size_t size = rig_frame("a b", bytes);
        memset(bytes + size, 'J', 4);
        rig_put_file(&rig, "3.log", bytes, size + 4 + rig_frame("c d", bytes + size + 4));
        rig_put_file(&rig, "5.log", bytes, rig_frame("e f", bytes));
        rig_put_file(&rig, "checkpoint.txt", cases[i].checkpoint, strlen(cases[i].checkpoint));
        rig_open(&rig);
        snprintf(note, sizeof(note), "%s: %s: starting with the oldest record, some may come twice",
                 RIG_DIR, cases[i].note);
        assert_int_equal(rig.notes.count, cases[i].note != NULL);
        if (cases[i].note != NULL)
            assert_string_equal(rig.notes.texts[0], note);
        assert_int_equal(rig_counter(&rig, QUEUE_CHECKPOINTS_UNUSABLE), cases[i].note != NULL);
        assert_string_equal(rig_file(&rig, "checkpoint.txt"), cases[i].after);
        assert_string_equal(rig_drain(&rig), cases[i].records);
        assert_int_equal(rig_counter(&rig, QUEUE_REPLAYED), cases[i].note != NULL ? 6 : 0);
        assert_true(queue_is_drained(rig.queue));
    }
}

/* A separator right before the checkpoint: whether it begins a record is seen behind the
 * checkpoint. */
static void test_checkpoint_behind_a_separator(void **state)
{
    uint8_t bytes[RIG_TEXT_SIZE];
    (void)state;
    bytes[0] = FRAME_RECORD_SEPARATOR;
    bytes[1] = 40;
    size_t first = 2 + rig_frame("one", bytes + 2);
    size_t size = first + rig_frame("two three four five six", bytes + first);
    rig_put_file(&rig, "0.log", bytes, size);
    rig_put_file(&rig, "checkpoint.txt", "0 10", 4);
    rig_open(&rig);
    assert_int_equal(rig.notes.count, 0);
    assert_string_equal(rig_drain(&rig), "two three four five six");
}

/* A bad checkpoint that stays in force could become true by a file that is made later. */
static void test_bad_checkpoint_on_a_full_disk(void **state)
{
    uint8_t bytes[RIG_TEXT_SIZE];
    (void)state;
    rig_put_file(&rig, "3.log", bytes, rig_frame("a b", bytes));
    rig_put_file(&rig, "checkpoint.txt", "4 8", 3);
    rig_put_file(&rig, "lock", "", 0);
    rig.disk->capacity_bytes = sim_disk_bytes(rig.disk); /* no room for another one */
    rig_open(&rig);
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "none");
    rig.disk->capacity_bytes = 0;
    rig_put(&rig, "one");
    assert_int_equal(rig_file_size(&rig, "4.log"), FRAMED_3);
    rig_crash(&rig);
    rig_open(&rig);
    assert_string_equal(rig_drain(&rig), "a b one");
}

/* Neither replaced nor removed: better not to start. */
static void test_bad_checkpoint_that_stays(void **state)
{
    (void)state;
    rig_put_file(&rig, "checkpoint.txt", "x", 1);
    rig_put_file(&rig, "lock", "", 0);
    rig_open(&rig);
    rig_close(&rig);
    uint64_t calls = rig.disk->calls;
    rig_put_file(&rig, "checkpoint.txt", "x", 1);
    for (uint64_t first = 1; first <= calls; first++) {
        rig.disk->calls = 0;
        rig.disk->fail_at = first;
        rig.disk->fail_count = 100;
        rig.disk->fail_code = -EROFS;
        memset(&rig.err, 0, sizeof(rig.err));
        rig.queue = queue_open(RIG_DIR, &rig.options, &rig.err, NULL);
        assert_int_equal(rig.err.count, rig.queue == NULL);
        if (strcmp(rig_file(&rig, "checkpoint.txt"), "x") == 0)
            assert_null(rig.queue);
        queue_close(rig.queue);
        rig.queue = NULL;
    }
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "0 0");
}

/* ---- bad bytes ---- */

/* Cut at every byte; two of three records were synced. */
static void test_torn_tail_at_each_byte(void **state)
{
    uint8_t bytes[RIG_TEXT_SIZE];
    size_t two = rig_frame("one two", bytes);
    size_t three = rig_frame("one two three", bytes);
    (void)state;
    for (size_t cut = two; cut <= three; cut++) {
        rig_fini(&rig);
        rig_init(&rig);
        rig_put_file(&rig, "4.log", bytes, cut);
        rig_open(&rig);
        bool is_torn = cut > two && cut < three;
        assert_int_equal(rig.notes.count, is_torn);
        assert_int_equal(rig_counter(&rig, QUEUE_TORN_BYTES), is_torn ? cut - two : 0);
        assert_int_equal(rig_file_size(&rig, "4.log"), cut == three ? three : two);
        assert_string_equal(rig_drain(&rig), cut == three ? "one two three" : "one two");
        assert_int_equal(rig_counter(&rig, QUEUE_GARBAGE_BYTES), 0);
    }
}

static void test_torn_only(void **state)
{
    uint8_t bytes[RIG_TEXT_SIZE];
    (void)state;
    rig_frame("one", bytes);
    rig_put_file(&rig, "4.log", bytes, 7);
    rig_put_file(&rig, "5.log", bytes, 0);
    rig_open(&rig);
    assert_int_equal(rig_counter(&rig, QUEUE_TORN_BYTES), 0); /* 5.log is the newest */
    assert_string_equal(rig_file(&rig, "5.log"), "none");
    rig_put(&rig, "two");
    assert_string_equal(rig_drain(&rig), "two");
    assert_int_equal(rig_counter(&rig, QUEUE_TORN_BYTES), 7);
    assert_string_equal(rig_file(&rig, "4.log"), "none");
    assert_int_equal(rig_file_size(&rig, "6.log"), FRAMED_3);
}

static void test_garbage_is_counted(void **state)
{
    uint8_t bytes[RIG_TEXT_SIZE];
    (void)state;
    memset(bytes, 0, 10); /* zeros, as a file system leaves them */
    size_t size = 10 + rig_frame("one", bytes + 10);
    bytes[size++] = FRAME_RECORD_SEPARATOR; /* a header that is none */
    bytes[size++] = 1;
    bytes[size++] = 'x';
    bytes[size++] = 'x';
    size += rig_frame("two", bytes + size);
    rig_put_file(&rig, "0.log", bytes, size);
    rig_open(&rig);
    assert_string_equal(rig_read(&rig, 9), "one two");
    assert_int_equal(rig_counter(&rig, QUEUE_GARBAGE_BYTES), 14);
    queue_rewind(rig.queue);
    assert_string_equal(rig_drain(&rig), "one two");
    assert_int_equal(rig_counter(&rig, QUEUE_GARBAGE_BYTES), 14); /* each of them once */
    assert_int_equal(rig_counter(&rig, QUEUE_REPLAYED), 2);
    assert_int_equal(rig_counter(&rig, QUEUE_READ), 4);
    assert_int_equal(rig_counter(&rig, QUEUE_RECOVERED), 2);
}

/* A separator near the end, whose header would be behind the end: the record behind it is one, also
 * when the file has been cut in between. */
static void test_separator_near_the_end(void **state)
{
    uint8_t bytes[RIG_TEXT_SIZE];
    size_t size = rig_frame("one", bytes);
    (void)state;
    bytes[size++] = FRAME_RECORD_SEPARATOR;
    bytes[size++] = 20;
    size += rig_frame("two", bytes + size);
    size_t end = size;
    size += rig_frame("three-which-is-cut", bytes + size);
    rig_put_file(&rig, "0.log", bytes, size - 1);
    for (unsigned i = 0; i < 3; i++) {
        rig_open(&rig);
        assert_int_equal(rig_counter(&rig, QUEUE_TORN_BYTES), i == 0 ? size - 1 - end : 0);
        rig_close(&rig);
    }
    rig_open(&rig);
    assert_string_equal(rig_drain(&rig), "one two");
    assert_int_equal(rig_counter(&rig, QUEUE_GARBAGE_BYTES), 2);
}

/* Written with a larger max_message_size: skipped and counted, and the file is not cut. */
static void test_record_above_the_limit(void **state)
{
    uint8_t bytes[RIG_TEXT_SIZE];
    (void)state;
    rig.options.message_size_max = 4;
    rig_put_file(&rig, "0.log", bytes, rig_frame("one two seven", bytes));
    rig_open(&rig);
    assert_int_equal(rig.notes.count, 0);
    assert_int_equal(rig_file_size(&rig, "0.log"), 26);
    rig_put(&rig, "six");
    assert_string_equal(rig_read(&rig, 9), "one two");
    assert_string_equal(rig_read(&rig, 9), "six");
    assert_int_equal(rig_counter(&rig, QUEUE_TOO_LARGE), 1);
    assert_int_equal(rig_counter(&rig, QUEUE_GARBAGE_BYTES), 10);
}

/* A gigabyte of garbage may not keep the host for long: it is walked over in steps. */
static void test_long_garbage(void **state)
{
    size_t size = 100000, calls = 0;
    uint8_t *bytes = calloc(1, size + RIG_TEXT_SIZE);
    (void)state;
    assert_non_null(bytes);
    rig.options.buffer_bytes = 2000;
    rig_put_file(&rig, "0.log", bytes, size + rig_frame("one", bytes + size));
    free(bytes);
    rig_open(&rig);
    while (strcmp(rig_read(&rig, 1), "one") != 0)
        assert_true(++calls < 1000);
    assert_true(calls > 10);
    assert_int_equal(rig_counter(&rig, QUEUE_GARBAGE_BYTES), size);
}

static void test_files_that_go_away(void **state)
{
    uint8_t bytes[RIG_TEXT_SIZE];
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%u.log", i);
        rig_put_file(&rig, name, bytes,
                     rig_frame(i == 0   ? "one two"
                               : i == 2 ? "six"
                                        : "ten",
                               bytes));
    }
    rig_open(&rig);
    assert_string_equal(rig_read(&rig, 1), "one");
    assert_int_equal(rig.disk->io.unlink(rig.disk, RIG_DIR "/1.log"), 0);
    rig_put_file(&rig, "2.log", bytes, 3); /* a shorter one in its place */
    assert_string_equal(rig_read(&rig, 9), "two");
    assert_string_equal(rig_read(&rig, 9), "ten");
    assert_int_equal(rig_counter(&rig, QUEUE_MISSING_BYTES), 2 * FRAMED_3);
    assert_int_equal(queue_acknowledge(rig.queue, 3), 0);
    assert_true(queue_is_drained(rig.queue));
}

/* ---- limits ---- */

static void test_messages_too_large(void **state)
{
    char text[1002];
    int why;
    (void)state;
    rig.options.message_size_max = 1000;
    rig_open(&rig);
    memset(text, 'x', sizeof(text));
    text[1001] = '\0';
    assert_int_equal(rig_append(&rig, text, &why), 0);
    assert_int_equal(why, QUEUE_E_TOO_LARGE);
    text[1000] = '\0';
    rig_put(&rig, text);
    rig_put(&rig, "");
    rig_close(&rig);
    rig.options.max_buffer_size = 500; /* can never be in it, and is not waited for */
    rig_open(&rig);
    assert_int_equal(rig_append(&rig, text, &why), 0);
    assert_int_equal(why, QUEUE_E_TOO_LARGE);
}

static void test_burst_takes_what_fits(void **state)
{
    struct queue_message messages[] = {
        {"aaa", 3}, {"bbb", 3}, {"ccc", 3}, {"ddddd", 5}, {"eee", 3}};
    int why;
    (void)state;
    rig.options.message_size_max = 4;
    rig.options.max_file_size = FRAME_OVERHEAD_MAX + 4;
    rig.options.buffer_bytes = FRAME_OVERHEAD_MAX + 4;
    rig_open(&rig);
    assert_int_equal(queue_append(rig.queue, messages, 5, &why), 3);
    assert_int_equal(why, QUEUE_E_TOO_LARGE);
    assert_int_equal(queue_append(rig.queue, messages + 4, 1, &why), 1);
    assert_int_equal(why, 0);
    assert_string_equal(rig_read(&rig, 9), ""); /* not durable */
    assert_int_equal(queue_pending(rig.queue), 4);
    for (unsigned i = 4; i < rig.options.buffer_bytes / FRAMED_3; i++)
        assert_int_equal(queue_append(rig.queue, messages, 1, &why), 1);
    assert_int_equal(queue_append(rig.queue, messages, 3, &why), 0);
    assert_int_equal(why, 0); /* sync first */
    assert_int_equal(queue_sync(rig.queue), 0);
    assert_int_equal(queue_append(rig.queue, messages, 3, &why), 3);
    assert_int_equal(queue_append(rig.queue, messages, 0, &why), 0);
    assert_int_equal(queue_sync(rig.queue), 0);
    assert_int_equal(rig_file_size(&rig, "1.log"), 3 * FRAMED_3);
    assert_string_equal(rig_read(&rig, 4), "aaa bbb ccc eee");
}

static void test_full_actions(void **state)
{
    static const struct {
        enum queue_full_action action;
        int code;
    } cases[] = {{QUEUE_SHUTDOWN, QUEUE_E_SHUTDOWN},
                 {QUEUE_DROP, QUEUE_E_DROP},
                 {QUEUE_BLOCK, QUEUE_E_BLOCK}};
    int why;
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        rig_fini(&rig);
        rig_init(&rig);
        rig.options.full_action = cases[i].action;
        rig.options.max_buffer_size = 4 * FRAMED_3;
        rig_open(&rig);
        for (unsigned n = 0; n < 4; n++) {
            assert_false(queue_is_nearly_full(rig.queue));
            rig_put(&rig, "abc");
        }
        assert_true(queue_is_nearly_full(rig.queue));
        assert_int_equal(rig_append(&rig, "abc", &why), 0);
        assert_int_equal(why, cases[i].code);
        assert_string_equal(queue_error_text(why), "Queue is full");
        assert_int_equal(rig_counter(&rig, QUEUE_REFUSED), 1);
        /* The only file is full and acknowledged: it goes, and there is room again. */
        assert_string_equal(rig_drain(&rig), "abc abc abc abc");
        rig_put(&rig, "def");
        assert_false(queue_is_nearly_full(rig.queue));
        assert_string_equal(rig_drain(&rig), "def");
    }
}

static void test_full_before_and_after_a_start(void **state)
{
    int why;
    (void)state;
    rig.options.full_action = QUEUE_BLOCK;
    rig.options.max_buffer_size = 3 * FRAMED_3;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_put(&rig, "two");
    rig_close(&rig);
    rig_open(&rig);
    rig_put(&rig, "six");
    assert_int_equal(rig_append(&rig, "ten", &why), 0);
    assert_int_equal(why, QUEUE_E_BLOCK);
    assert_string_equal(rig_read(&rig, 9), "one two");
    assert_int_equal(queue_acknowledge(rig.queue, 2), 0);
    rig_put(&rig, "ten"); /* 0.log is gone */
    assert_string_equal(rig_drain(&rig), "six ten");
}

/* Pending messages count, too. */
static void test_pending_counts_for_full(void **state)
{
    struct queue_message messages[] = {{"aaa", 3}, {"bbb", 3}, {"ccc", 3}};
    int why;
    (void)state;
    rig.options.full_action = QUEUE_DROP;
    rig.options.max_buffer_size = 2 * FRAMED_3 + 7;
    rig_open(&rig);
    assert_int_equal(queue_append(rig.queue, messages, 3, &why), 2);
    assert_int_equal(why, QUEUE_E_DROP);
    queue_count_dropped(rig.queue, 1);
    assert_int_equal(rig_append(&rig, "dd", &why), 1); /* a smaller one fits */
    assert_int_equal(queue_sync(rig.queue), 0);
    assert_string_equal(rig_drain(&rig), "aaa bbb dd");
    assert_int_equal(rig_counter(&rig, QUEUE_DROPPED), 1);
}

static void test_unacknowledged_limit(void **state)
{
    (void)state;
    rig.options.unacknowledged_max = 3;
    rig_open(&rig);
    for (unsigned i = 0; i < 5; i++)
        rig_put(&rig, i % 2 == 0 ? "abc" : "def");
    assert_string_equal(rig_read(&rig, 2), "abc def");
    assert_string_equal(rig_read(&rig, 2), "abc");
    assert_string_equal(rig_read(&rig, 2), "");
    assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
    assert_string_equal(rig_read(&rig, 2), "def");
    queue_rewind(rig.queue);
    assert_string_equal(rig_read(&rig, 9), "def abc def");
    assert_int_equal(rig_counter(&rig, QUEUE_REPLAYED), 3);
    assert_int_equal(queue_acknowledge(rig.queue, 3), 0);
    assert_string_equal(rig_drain(&rig), "abc");
    assert_int_equal(rig_counter(&rig, QUEUE_REPLAYED), 3);
}

static void test_options_are_checked(void **state)
{
    static const struct queue_options cases[] = {
        {.max_file_size = 65793},           {.message_size_max = 1 << 20, .max_file_size = 1 << 20},
        {.message_size_max = SIZE_MAX},     {.buffer_bytes = SIZE_MAX},
        {.unacknowledged_max = UINT32_MAX},
    };
    char dir[QUEUE_PATH_SIZE];
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct queue_options options = cases[i];
        memset(&rig.err, 0, sizeof(rig.err));
        options.io = &rig.disk->io;
        assert_null(queue_open(RIG_DIR, &options, &rig.err, NULL));
        assert_int_equal(rig.err.count, 1);
        assert_null(queue_open(RIG_DIR, &options, NULL, NULL));
    }
    memset(dir, 'x', sizeof(dir));
    dir[0] = '/';
    dir[sizeof(dir) - 1] = '\0';
    assert_null(queue_open(dir, &rig.options, &rig.err, NULL));
    assert_int_equal(rig.disk->calls, 0);
    rig.options = (struct queue_options){.max_file_size = 65794, .io = &rig.disk->io};
    rig_open(&rig);
}

static void test_only_one_opener(void **state)
{
    struct err err = {0};
    (void)state;
    rig_open(&rig);
    assert_null(queue_open(RIG_DIR, &rig.options, &err, NULL));
    assert_string_equal(err.texts[0], RIG_DIR ": another queue has this folder");
    rig_close(&rig);
    rig_open(&rig);
}

static void test_error_texts(void **state)
{
    (void)state;
    assert_string_equal(queue_error_text(QUEUE_E_TOO_LARGE), "Message too big for the queue");
    assert_string_equal(queue_error_text(-EIO), strerror(EIO));
    for (unsigned i = 0; i < QUEUE_COUNTER_COUNT; i++) {
        assert_true(strlen(queue_counter_names[i].name) > 3);
        assert_true(strlen(queue_counter_names[i].help) > 10);
    }
}

/* ---- memory, and a disk that is one ---- */

static void test_out_of_memory(void **state)
{
    struct folder_rig folder;
    struct queue_options options = {0};
    struct queue_message message = {"abc", 3};
    unsigned failures = 0;
    int why;
    (void)state;
    folder_rig_init(&folder);
    struct queue *queue = queue_open(folder.dir, &options, NULL, NULL);
    assert_int_equal(queue_append(queue, &message, 1, &why), 1);
    assert_int_equal(queue_close(queue), 0);
    for (unsigned i = 0;; i++) {
        struct err err = {0};
        alloc_fail_at(i);
        queue = queue_open(folder.dir, &options, &err, NULL);
        bool has_failed = alloc_fail_stop();
        assert_int_equal(queue == NULL, has_failed);
        assert_int_equal(err.count, has_failed);
        assert_int_equal(queue_close(queue), 0);
        if (!has_failed)
            break;
        failures++;
    }
    assert_int_equal(failures, 5);
    folder_rig_fini(&folder);
}

/* No memory for one more file: the messages stay pending. */
static void test_no_memory_for_a_file(void **state)
{
    struct folder_rig folder;
    struct queue_options options = {0};
    struct queue_message message = {"abc", 3};
    struct queue_record record;
    int why;
    (void)state;
    folder_rig_init(&folder);
    struct queue *queue = queue_open(folder.dir, &options, NULL, NULL);
    assert_int_equal(queue_append(queue, &message, 1, &why), 1);
    alloc_fail_at(0);
    int rc = queue_sync(queue);
    assert_true(alloc_fail_stop());
    assert_int_equal(rc, -ENOMEM);
    assert_int_equal(queue_pending(queue), 1);
    assert_int_equal(queue_sync(queue), 0);
    assert_int_equal(queue_read(queue, &record, 1), 1);
    assert_memory_equal(record.bytes, "abc", 3);
    assert_int_equal(queue_close(queue), 0);
    folder_rig_fini(&folder);
}

static void test_real_disk(void **state)
{
    struct folder_rig folder;
    struct queue_options options = {.message_size_max = 100, .max_file_size = 400};
    struct queue_message message = {"0123456789", 10};
    struct queue_record records[8];
    struct queue_stats stats;
    struct err err = {0};
    struct stat status;
    int why;
    (void)state;
    folder_rig_init(&folder);
    for (unsigned run = 0; run < 3; run++) {
        struct queue *queue = queue_open(folder.dir, &options, &err, &err);
        assert_non_null(queue);
        assert_null(queue_open(folder.dir, &options, NULL, NULL));
        for (unsigned i = 0; i < 100; i++) {
            assert_int_equal(queue_append(queue, &message, 1, &why), 1);
            assert_int_equal(queue_sync(queue), 0);
        }
        for (unsigned left = run < 2 ? 40 : 220; left > 0;) {
            int got = queue_read(queue, records, left < 8 ? left : 8);
            assert_true(got > 0);
            assert_int_equal(queue_acknowledge(queue, (unsigned)got), 0);
            left -= (unsigned)got;
        }
        assert_int_equal(queue_is_drained(queue), run == 2);
        queue_stats(queue, &stats);
        assert_int_equal(stats.files, run == 0 ? 3 : run == 1 ? 5 : 1);
        assert_int_equal(queue_close(queue), 0);
    }
    assert_int_equal(err.count, 0);
    assert_int_equal(stat(folder.dir, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0750);
    folder_rig_fini(&folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bytes),
        TEST(test_directory_names),
        TEST(test_checkpoint_texts),
        TEST(test_new_id_at_each_start),
        TEST(test_id_above_checkpoint),
        TEST(test_rolling),
        TEST(test_files_wait_for_the_cursor),
        TEST(test_other_names_are_left_alone),
        TEST(test_name_is_taken),
        TEST(test_last_id),
        TEST(test_last_id_of_a_checkpoint),
        TEST(test_update_count),
        TEST(test_close_writes_checkpoint),
        TEST(test_kill_repeats_from_checkpoint),
        TEST(test_bad_checkpoints),
        TEST(test_checkpoint_behind_a_separator),
        TEST(test_bad_checkpoint_on_a_full_disk),
        TEST(test_bad_checkpoint_that_stays),
        TEST(test_torn_tail_at_each_byte),
        TEST(test_torn_only),
        TEST(test_garbage_is_counted),
        TEST(test_separator_near_the_end),
        TEST(test_record_above_the_limit),
        TEST(test_long_garbage),
        TEST(test_files_that_go_away),
        TEST(test_messages_too_large),
        TEST(test_burst_takes_what_fits),
        TEST(test_full_actions),
        TEST(test_full_before_and_after_a_start),
        TEST(test_pending_counts_for_full),
        TEST(test_unacknowledged_limit),
        TEST(test_options_are_checked),
        TEST(test_only_one_opener),
        TEST(test_error_texts),
        TEST(test_out_of_memory),
        TEST(test_no_memory_for_a_file),
        TEST(test_real_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
