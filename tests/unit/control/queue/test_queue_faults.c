/* SPDX-License-Identifier: MPL-2.0
 *
 * test_queue_faults.c - one fault at a time: full disk, failed sync, failed delete, lost power.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/check.h"
#include "core/frame.h"
#include "tests/unit/control/queue/queue_rig.h"

enum { FRAMED_3 = 8, CRASH_SEEDS = 200 };

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

static void fail_from_now(int code, unsigned count)
{
    rig.disk->fail_at = rig.disk->calls + 1;
    rig.disk->fail_count = count;
    rig.disk->fail_code = code;
}

/* Room for so many bytes more. */
static void set_room(uint64_t bytes)
{
    rig.disk->capacity_bytes = sim_disk_bytes(rig.disk) + bytes;
}

/* ---- writing ---- */

/* What a full disk took of a burst is taken back, and is not there when the burst is dropped. */
static void test_full_disk_drops(void **state)
{
    int why;
    (void)state;
    rig.options.full_action = QUEUE_DROP;
    rig_open(&rig);
    rig_put(&rig, "one");
    set_room(FRAMED_3 + 3);
    assert_int_equal(rig_append(&rig, "two", &why), 1);
    assert_int_equal(rig_append(&rig, "six", &why), 1);
    assert_int_equal(queue_sync(rig.queue), QUEUE_E_DROP);
    assert_int_equal(queue_pending(rig.queue), 2);
    assert_true(queue_is_nearly_full(rig.queue));
    assert_int_equal(rig_file_size(&rig, "0.log"), FRAMED_3);
    assert_int_equal(queue_discard(rig.queue), 2);
    assert_int_equal(queue_discard(rig.queue), 0);
    assert_int_equal(rig_counter(&rig, QUEUE_DROPPED), 2);
    assert_int_equal(rig_counter(&rig, QUEUE_WRITE_FAILURES), 1);
    rig.disk->capacity_bytes = 0;
    rig_put(&rig, "ten");
    assert_false(queue_is_nearly_full(rig.queue));
    rig_crash(&rig);
    rig_open(&rig);
    assert_string_equal(rig_drain(&rig), "one ten");
}

/* The same when the disk does not even let go of it: it is cut before anything else is written. */
static void test_full_disk_keeps_junk(void **state)
{
    uint8_t expected[RIG_TEXT_SIZE];
    size_t size;
    int why;
    (void)state;
    rig.options.full_action = QUEUE_DROP;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_close(&rig);
    rig_open(&rig);
    rig_put(&rig, "two"); /* not the only file: it stays open */
    set_room(FRAMED_3 + 3);
    assert_int_equal(rig_append(&rig, "six", &why), 1);
    assert_int_equal(rig_append(&rig, "junk", &why), 1);
    /* write, short write, then truncate fails */
    fail_from_now(-EIO, 1);
    rig.disk->fail_at = rig.disk->calls + 3;
    assert_int_equal(queue_sync(rig.queue), QUEUE_E_DROP);
    assert_int_equal(rig_file_size(&rig, "1.log"), 2 * FRAMED_3 + 3);
    assert_int_equal(queue_discard(rig.queue), 2);
    rig.disk->capacity_bytes = 0;
    rig_put(&rig, "x");
    const uint8_t *bytes = sim_disk_get(rig.disk, RIG_DIR "/1.log", &size);
    assert_int_equal(size, rig_frame("two x", expected));
    assert_memory_equal(bytes, expected, size);
    assert_string_equal(rig_drain(&rig), "one two x");
}

/* A full disk is like a full queue: reading makes room, and nothing is lost. */
static void test_full_disk_blocks(void **state)
{
    int why;
    (void)state;
    rig.options.full_action = QUEUE_BLOCK;
    rig_open(&rig);
    rig_put(&rig, "one");
    set_room(4); /* for the checkpoint neither */
    assert_int_equal(rig_append(&rig, "two", &why), 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(queue_sync(rig.queue), QUEUE_E_BLOCK);
    assert_string_equal(rig_read(&rig, 9), "one");
    assert_int_equal(queue_acknowledge(rig.queue, 1), 0); /* 0.log went, so there was room for it */
    assert_string_equal(rig_file(&rig, "0.log"), "none");
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "1 0");
    assert_int_equal(rig_counter(&rig, QUEUE_CHECKPOINT_FAILURES), 0);
    set_room(FRAMED_3);
    assert_int_equal(queue_sync(rig.queue), 0);
    rig.disk->capacity_bytes = 0;
    assert_string_equal(rig_drain(&rig), "two");
}

static void test_full_disk_keeps_no_file(void **state)
{
    int why;
    (void)state;
    rig.options.full_action = QUEUE_BLOCK;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_put(&rig, "two");
    set_room(0);
    assert_int_equal(rig_append(&rig, "six", &why), 1);
    assert_int_equal(queue_sync(rig.queue), QUEUE_E_BLOCK); /* seals 0.log */
    assert_string_equal(rig_read(&rig, 9), "one two");
    /* Not one byte for a checkpoint: the file goes first, and then there is room. */
    assert_int_equal(queue_acknowledge(rig.queue, 2), 0);
    assert_string_equal(rig_file(&rig, "0.log"), "none");
    assert_int_equal(rig_counter(&rig, QUEUE_CHECKPOINT_FAILURES), 1);
    assert_int_equal(rig_counter(&rig, QUEUE_CHECKPOINTS), 1);
    assert_int_equal(queue_sync(rig.queue), 0);
    rig_crash(&rig);
    rig_open(&rig);
    assert_string_equal(rig_drain(&rig), "six");
}

/* A file is not made again and again while there is no room for its name. */
static void test_full_disk_burns_no_ids(void **state)
{
    int why;
    (void)state;
    rig.options.full_action = QUEUE_SHUTDOWN;
    rig_put_file(&rig, "something", "x", 1);
    rig_open(&rig);
    set_room(0);
    rig_append(&rig, "one", &why);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(queue_sync(rig.queue), QUEUE_E_SHUTDOWN);
    set_room(1); /* for the name, not for the record */
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(queue_sync(rig.queue), QUEUE_E_SHUTDOWN);
    rig.disk->capacity_bytes = 0;
    assert_int_equal(queue_sync(rig.queue), 0);
    assert_int_equal(rig_file_size(&rig, "0.log"), FRAMED_3);
    assert_int_equal(rig_counter(&rig, QUEUE_FILES_MADE), 1);
}

/* Starting on a full disk works, so that what is there can be delivered. */
static void test_start_on_a_full_disk(void **state)
{
    (void)state;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_close(&rig);
    set_room(0);
    rig_open(&rig);
    assert_string_equal(rig_drain(&rig), "one");
    assert_string_equal(rig_file(&rig, "0.log"), "none");
}

/* The kernel forgets what a failed sync was to write: it is written again, elsewhere. */
static void test_failed_sync(void **state)
{
    int why;
    (void)state;
    for (uint64_t seed = 0; seed < CRASH_SEEDS; seed++) {
        rig_fini(&rig);
        rig_init(&rig);
        rig.disk->random = seed;
        rig_open(&rig);
        rig_put(&rig, "one");
        rig_append(&rig, "a-message-of-several-pages-of-the-simulated-disk", &why);
        rig.disk->fail_at = rig.disk->calls + 2; /* behind the write */
        rig.disk->fail_count = 1;
        rig.disk->fail_code = -EIO;
        assert_int_equal(queue_sync(rig.queue), -EIO);
        assert_string_equal(rig_read(&rig, 9), "one");
        assert_string_equal(rig_read(&rig, 9), "");
        assert_int_equal(queue_sync(rig.queue), 0);
        assert_string_equal(rig_read(&rig, 9), "a-message-of-several-pages-of-the-simulated-disk");
        assert_int_equal(rig_file_size(&rig, "0.log"), FRAMED_3);
        assert_true(rig_file_size(&rig, "1.log") > FRAMED_3);
        assert_int_equal(queue_acknowledge(rig.queue, 1), 0);
        rig_crash(&rig);
        rig_open(&rig);
        const char *left = rig_drain(&rig);
        const char *message = "a-message-of-several-pages-of-the-simulated-disk";
        assert_true(strlen(left) >= strlen(message));
        assert_string_equal(left + strlen(left) - strlen(message), message);
    }
}

/* A disk that is broken for good: no new file stays for each try. */
static void test_broken_disk(void **state)
{
    int why;
    (void)state;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_append(&rig, "two", &why);
    for (unsigned i = 0; i < 30; i++) {
        /* the sync of the data: behind the write, and making the file */
        rig.disk->fail_at = rig.disk->calls + (i == 0 ? 2 : 4);
        rig.disk->fail_count = 1;
        rig.disk->fail_code = -EIO;
        assert_int_equal(queue_sync(rig.queue), -EIO);
        assert_int_equal(queue_pending(rig.queue), 1);
    }
    assert_true(rig.disk->now.count < 10);
    rig.disk->fail_at = 0;
    assert_int_equal(queue_sync(rig.queue), 0);
    assert_string_equal(rig_read(&rig, 1), "one");
}

static void test_short_writes(void **state)
{
    (void)state;
    rig.disk->short_percent = 90;
    rig_open(&rig);
    for (unsigned i = 0; i < 20; i++)
        rig_put(&rig, "a-long-message-that-is-written-in-pieces");
    rig_close(&rig);
    rig.disk->short_percent = 90;
    rig_open(&rig);
    for (unsigned i = 0; i < 20; i++)
        assert_string_equal(rig_read(&rig, 1), "a-long-message-that-is-written-in-pieces");
    assert_int_equal(rig_counter(&rig, QUEUE_GARBAGE_BYTES), 0);
}

/* ---- reading ---- */

static void test_read_errors(void **state)
{
    struct queue_record records[4];
    (void)state;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_put(&rig, "two");
    for (unsigned i = 0; i < 3; i++) {
        fail_from_now(-EIO, 1);
        rig.disk->fail_at += i % 2; /* open, or read */
        assert_int_equal(queue_read(rig.queue, records, 4), -EIO);
    }
    assert_int_equal(rig_counter(&rig, QUEUE_READ_FAILURES), 3);
    assert_string_equal(rig_drain(&rig), "one two");
    assert_int_equal(rig_counter(&rig, QUEUE_MISSING_BYTES), 0);
}

/* Somebody cuts or removes the file that is written to: an error, not a crash and not a loop. */
static void test_open_file_goes_away(void **state)
{
    struct queue_record records[4];
    (void)state;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_put(&rig, "two");
    rig_put_file(&rig, "0.log", "", 0);
    assert_int_equal(queue_read(rig.queue, records, 4), -EIO);
    assert_int_equal(rig.disk->io.unlink(rig.disk, RIG_DIR "/0.log"), 0);
    assert_int_equal(queue_read(rig.queue, records, 4), -ENOENT);
    assert_int_equal(rig_counter(&rig, QUEUE_MISSING_BYTES), 0);
    rig_close(&rig);
}

/* ---- checkpoint and files ---- */

static void test_checkpoint_fails(void **state)
{
    (void)state;
    rig_open(&rig);
    for (unsigned i = 0; i < 6; i++)
        rig_put(&rig, "abc");
    for (unsigned call = 0; call < 5; call++) { /* open, write, sync, rename, sync_dir */
        rig_read(&rig, 1);
        fail_from_now(-EIO, 1);
        rig.disk->fail_at += call;
        assert_int_equal(queue_acknowledge(rig.queue, 1), -EIO);
        const char *text = rig_file(&rig, "checkpoint.txt");
        assert_true(strcmp(text, "none") == 0 || strncmp(text, "0 ", 2) == 0);
        assert_string_equal(rig_file(&rig, "checkpoint.tmp"), "none");
    }
    assert_int_equal(rig_counter(&rig, QUEUE_CHECKPOINT_FAILURES), 5);
    assert_int_equal(rig_counter(&rig, QUEUE_ACKNOWLEDGED), 5);
    rig.disk->fail_at = 0;
    rig_close(&rig);
    assert_string_equal(rig_file(&rig, "checkpoint.txt"), "0 40");
}

/* A file that cannot be deleted is tried again, and does not fill the queue for ever. */
static void test_delete_fails(void **state)
{
    int why;
    (void)state;
    rig.options.full_action = QUEUE_BLOCK;
    rig.options.max_buffer_size = 2 * FRAMED_3;
    rig_open(&rig);
    rig_put(&rig, "one");
    rig_put(&rig, "two");
    assert_int_equal(rig_append(&rig, "six", &why), 0);
    assert_int_equal(why, QUEUE_E_BLOCK);
    assert_string_equal(rig_read(&rig, 9), "one two");
    fail_from_now(-EIO, 1);
    rig.disk->fail_at += 5; /* behind the checkpoint */
    assert_int_equal(queue_acknowledge(rig.queue, 2), 0);
    assert_int_equal(rig_counter(&rig, QUEUE_DELETE_FAILURES), 1);
    assert_int_equal(rig_append(&rig, "six", &why), 0);
    assert_string_equal(rig_read(&rig, 9), "");
    assert_string_equal(rig_file(&rig, "0.log"), "none");
    assert_int_equal(rig_append(&rig, "six", &why), 1);
}

/* Several files are passed at once and the power fails: whichever of them is there again, the
 * checkpoint is believed and nothing acknowledged comes again. */
static void test_passing_files_and_power(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < CRASH_SEEDS; seed++) {
        rig_fini(&rig);
        rig_init(&rig);
        rig.disk->random = seed;
        for (unsigned i = 0; i < 4; i++) {
            rig_open(&rig);
            rig_put(&rig, "abc");
            rig_close(&rig);
        }
        rig_open(&rig);
        for (unsigned i = 0; i < 4; i++)
            assert_string_equal(rig_read(&rig, 1), "abc");
        assert_int_equal(queue_acknowledge(rig.queue, 4), 0);
        rig_crash(&rig);
        rig_open(&rig);
        assert_int_equal(rig.notes.count, 0);
        assert_string_equal(rig_drain(&rig), "");
    }
}

/* The same when no checkpoint can be written: what was acknowledged behind the old one may come
 * again, what was before it may not. */
static void test_passing_files_without_checkpoint(void **state)
{
    unsigned again = 0;
    (void)state;
    for (uint64_t seed = 0; seed < CRASH_SEEDS; seed++) {
        rig_fini(&rig);
        rig_init(&rig);
        rig.disk->random = seed;
        rig_open(&rig);
        rig_put(&rig, "one");
        rig_close(&rig);
        rig_open(&rig);
        rig_put(&rig, "two");
        rig_put(&rig, "six");
        rig_close(&rig);
        rig_open(&rig);
        assert_string_equal(rig_read(&rig, 1), "one");
        assert_string_equal(rig_read(&rig, 1), "two");
        assert_int_equal(queue_acknowledge(rig.queue, 2), 0); /* "1 8"; 0.log is deleted */
        assert_string_equal(rig_read(&rig, 1), "six");
        fail_from_now(-EIO, 1);
        rig.disk->crash_at = rig.disk->calls + 3 + seed % 3; /* around deleting 1.log */
        queue_acknowledge(rig.queue, 1);
        rig_crash(&rig);
        rig_open(&rig);
        assert_int_equal(rig.notes.count, 0);
        const char *left = rig_drain(&rig);
        assert_true(strcmp(left, "six") == 0 || strcmp(left, "") == 0);
        again += left[0] != '\0';
    }
    assert_in_range(again, 1, CRASH_SEEDS - 1);
}

static void test_open_fails_with_a_text(void **state)
{
    unsigned failures = 0;
    (void)state;
    for (uint64_t call = 1; call < 100; call++) {
        rig_fini(&rig);
        rig_init(&rig);
        rig_put_file(&rig, "0.log", "xyz", 3);
        rig_put_file(&rig, "1.log", "xyz", 3);
        rig_put_file(&rig, "checkpoint.txt", "1 0", 3);
        rig.disk->fail_at = call;
        rig.disk->fail_count = 1;
        rig.disk->fail_code = -EACCES;
        rig.queue = queue_open(RIG_DIR, &rig.options, &rig.err, &rig.notes);
        assert_int_equal(rig.err.count, rig.queue == NULL);
        failures += rig.queue == NULL;
        if (rig.disk->calls < call)
            break;
    }
    assert_in_range(failures, 5, 12);
    assert_int_equal(rig_counter(&rig, QUEUE_TORN_BYTES), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_full_disk_drops),
        TEST(test_full_disk_keeps_junk),
        TEST(test_full_disk_blocks),
        TEST(test_full_disk_keeps_no_file),
        TEST(test_full_disk_burns_no_ids),
        TEST(test_start_on_a_full_disk),
        TEST(test_failed_sync),
        TEST(test_broken_disk),
        TEST(test_short_writes),
        TEST(test_read_errors),
        TEST(test_open_file_goes_away),
        TEST(test_checkpoint_fails),
        TEST(test_delete_fails),
        TEST(test_passing_files_and_power),
        TEST(test_passing_files_without_checkpoint),
        TEST(test_open_fails_with_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
