/* SPDX-License-Identifier: MPL-2.0
 *
 * test_logstream.c - streams read across rotation, restarts, compression and truncation: each line
 * once, and journals that Heka could go on with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/control/logstreamer/log_rig.h"

static const char match[] = "a(\\.(?P<N>\\d+))?(\\.gz)?";
static const char *const down[] = {"^N", NULL};

static void begin(struct log_rig *rig)
{
    log_rig_init(rig, match, down);
    log_rig_write(rig, "a.2", "one\n");
    log_rig_write(rig, "a.1", "two\n");
    log_rig_write(rig, "a", "three\n");
}

/* The same with a stream that has read all of it. */
static void begin_read(struct log_rig *rig)
{
    begin(rig);
    log_rig_start(rig);
    log_rig_drain(rig);
    log_rig_expect(rig, "one\ntwo\nthree\n");
}

static void restart(struct log_rig *rig)
{
    log_rig_stop(rig);
    log_rig_start(rig);
}

static void rotate(struct log_rig *rig)
{
    log_rig_rename(rig, "a.2", "a.3");
    log_rig_rename(rig, "a.1", "a.2");
    log_rig_rename(rig, "a", "a.1");
}

static void expect_journal(struct log_rig *rig, const char *name, const char *text)
{
    char found[1024], expected[1024], hash[LOGSTREAM_HASH_SIZE];
    log_rig_hash(text, strlen(text), hash);
    snprintf(expected, sizeof(expected),
             "{\"seek\":%zu,\"file_name\":\"%s/logs/%s\",\"last_hash\":\"%s\"}", strlen(text),
             rig->dir, name, hash);
    log_rig_journal(rig, "logs", found, sizeof(found));
    assert_string_equal(found, expected);
}

static unsigned events(struct log_rig *rig, enum logstream_event event)
{
    return log_rig_stream(rig)->events[event];
}

static void test_in_order(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    expect_journal(&rig, "a", "three\n");
    log_rig_append(&rig, "a", "four\nfi");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "four\n");
    expect_journal(&rig, "a", "three\nfour\n"); /* to the end of the last record */
    log_rig_append(&rig, "a", "ve\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "five\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "");
    log_rig_fini(&rig);
}

static void test_known_hash(void **state)
{
    char hash[LOGSTREAM_HASH_SIZE];
    struct logstream_position position;
    static const char text[] = "0 This is a test\n1 This is a test\n2 This is a test\n";
    (void)state;
    logstream_position_start(&position, "short.log");
    logstream_position_advance(&position, text, sizeof(text) - 1);
    logstream_hash(position.tail, hash);
    assert_string_equal(hash, "4a9ab34da77c10e87cb6566bbf061d9715985551"); /* Heka's own */
}

static void test_restart(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    restart(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "");
    log_rig_stop(&rig);
    log_rig_append(&rig, "a", "four\n");
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "four\n");
    log_rig_fini(&rig);
}

/* The position is in a file that has another name when it starts again. */
static void test_restart_after_rotation(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    log_rig_stop(&rig);
    log_rig_append(&rig, "a", "four\n");
    rotate(&rig);
    log_rig_write(&rig, "a", "five\n");
    rotate(&rig);
    log_rig_write(&rig, "a", "six\n");
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "four\nfive\nsix\n");
    assert_int_equal(events(&rig, LOGSTREAM_LOST), 0);
    log_rig_fini(&rig);
}

static void test_restart_after_compression(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    log_rig_append(&rig, "a", "four\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "four\n");
    log_rig_stop(&rig);
    log_rig_rename(&rig, "a.2", "a.3");
    log_rig_rename(&rig, "a.1", "a.2");
    log_rig_remove(&rig, "a");
    log_rig_write_gzip(&rig, "a.1.gz", "three\nfour\nfive\n", 0);
    log_rig_write(&rig, "a", "six\n");
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "five\nsix\n");
    assert_int_equal(events(&rig, LOGSTREAM_LOST), 0);
    log_rig_fini(&rig);
}

static void test_restart_when_lost(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    log_rig_stop(&rig);
    log_rig_write(&rig, "a", "other\n");
    log_rig_start(&rig);
    log_rig_drain(&rig);
    assert_int_equal(events(&rig, LOGSTREAM_LOST), 1);
    log_rig_expect(&rig, "one\ntwo\nother\n"); /* the oldest file comes first */
    log_rig_fini(&rig);
}

static void test_rotation(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    log_rig_append(&rig, "a", "four\n"); /* not seen before */
    rotate(&rig);
    log_rig_append(&rig, "a.1", "five\n"); /* by a writer that has it open */
    log_rig_drain(&rig);
    log_rig_expect(&rig, "four\nfive\n");
    log_rig_write(&rig, "a", "");
    assert_int_equal(logstream_set_scan(&rig.set, &rig.notes), 0);
    log_rig_drain(&rig);
    log_rig_append(&rig, "a.1", "six\n"); /* the new file is still empty */
    log_rig_drain(&rig);
    log_rig_expect(&rig, "six\n");
    log_rig_append(&rig, "a", "seven\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "seven\n");
    expect_journal(&rig, "a", "seven\n");
    log_rig_fini(&rig);
}

/* Several times between two looks. */
static void test_rotations_at_once(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    for (unsigned i = 0; i < 3; i++) {
        char line[32];
        snprintf(line, sizeof(line), "line %u\n", i);
        log_rig_append(&rig, "a", line);
        rotate(&rig);
        snprintf(line, sizeof(line), "fresh %u\n", i);
        log_rig_write(&rig, "a", line);
    }
    log_rig_drain(&rig);
    log_rig_expect(&rig, "line 0\nfresh 0\nline 1\nfresh 1\nline 2\nfresh 2\n");
    log_rig_fini(&rig);
}

/* The list is older than the last renaming when the next file is opened. */
static void test_stale_list(void **state)
{
    struct log_rig rig;
    struct logstream *stream;
    char bytes[4096];
    size_t got;
    (void)state;
    begin(&rig);
    log_rig_start(&rig);
    stream = log_rig_stream(&rig);
    assert_int_equal(logstream_read(stream, bytes, sizeof(bytes), &got), LOGSTREAM_DATA);
    assert_int_equal(logstream_consume(stream, bytes, got, got), 0);
    rotate(&rig); /* a.2, which is open, is a.3; a.2 is "two" now and a.1 is "three" */
    log_rig_write(&rig, "a", "four\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "two\nthree\nfour\n");
    log_rig_fini(&rig);
}

static void test_truncated(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    log_rig_write(&rig, "a", "4\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "4\n");
    assert_int_equal(events(&rig, LOGSTREAM_TRUNCATED), 1);
    log_rig_write(&rig, "a", "longer than it was before\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "longer than it was before\n");
    log_rig_write(&rig, "a", "");
    log_rig_drain(&rig);
    log_rig_append(&rig, "a", "again\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "again\n");
    expect_journal(&rig, "a", "again\n");
    log_rig_fini(&rig);
}

/* A copy is made, then the file is cut off: the copy has what was not read. */
static void test_copied_and_truncated(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    log_rig_remove(&rig, "a.2");
    log_rig_rename(&rig, "a.1", "a.2");
    log_rig_write(&rig, "a.1", "three\nfour\n");
    log_rig_write(&rig, "a", "5\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "four\n5\n");
    log_rig_fini(&rig);
}

/* Removed and made again: the files that were read are not read again. */
static void test_replaced(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    log_rig_remove(&rig, "a");
    log_rig_write(&rig, "a", "four\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "four\n");
    log_rig_remove(&rig, "a");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "");
    log_rig_write(&rig, "a", "five\n");
    assert_int_equal(logstream_set_scan(&rig.set, &rig.notes), 0);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "five\n");
    log_rig_fini(&rig);
}

static void test_all_gone(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    log_rig_remove(&rig, "a");
    log_rig_remove(&rig, "a.1");
    log_rig_remove(&rig, "a.2");
    log_rig_drain(&rig);
    unsigned scans = rig.scans;
    log_rig_drain(&rig);
    assert_int_equal(rig.scans, scans); /* it does not search for ever */
    log_rig_write(&rig, "a", "back\n");
    assert_int_equal(logstream_set_scan(&rig.set, &rig.notes), 0);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "back\n");
    log_rig_fini(&rig);
}

/* Compressed while it is read: what was read is in a file of another kind. */
static void test_compressed_meanwhile(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    log_rig_remove(&rig, "a");
    log_rig_write_gzip(&rig, "a.1.gz", "three\nfour\n", 0);
    log_rig_remove(&rig, "a.1");
    log_rig_write(&rig, "a", "five\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "four\nfive\n");
    log_rig_fini(&rig);
}

static void test_gzip_backlog(void **state)
{
    struct log_rig rig;
    static char text[200000];
    size_t size = 0;
    (void)state;
    for (unsigned i = 0; size < sizeof(text) - 32; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "line %u of many\n", i * 7919);
    log_rig_init(&rig, match, down);
    log_rig_write_gzip(&rig, "a.2.gz", text, 0);
    log_rig_write_gzip(&rig, "a.1.gz", "two\n", 0);
    log_rig_write(&rig, "a", "three\n");
    log_rig_start(&rig);
    log_rig_drain(&rig);
    assert_int_equal(rig.size, size + 10);
    assert_memory_equal(rig.text, text, size);
    assert_memory_equal(rig.text + size, "two\nthree\n", 10);
    log_rig_fini(&rig);
}

/* Positions count uncompressed bytes; two members are one file. */
static void test_gzip_position(void **state)
{
    struct log_rig rig;
    static char text[100000];
    size_t size = 0, half = 0;
    (void)state;
    for (unsigned i = 0; size < sizeof(text) - 32; i++) {
        size += (size_t)snprintf(text + size, sizeof(text) - size, "line %u of many\n", i * 7919);
        half = size < sizeof(text) / 2 ? size : half;
    }
    log_rig_init(&rig, match, down);
    log_rig_write_gzip(&rig, "a.1.gz", text, 0);
    log_rig_start(&rig);
    struct logstream *stream = log_rig_stream(&rig);
    char bytes[4096];
    size_t got, passed = 0;
    while (passed < half) {
        assert_int_equal(logstream_read(stream, bytes, sizeof(bytes), &got), LOGSTREAM_DATA);
        size_t part = half - passed < got ? half - passed : got - 100;
        assert_int_equal(logstream_consume(stream, bytes, got, part), 0);
        passed += part;
    }
    assert_int_equal(logstream_save(stream), 0);
    text[half] = '\0';
    expect_journal(&rig, "a.1.gz", text);
    text[half] = 'l';
    log_rig_clear(&rig);
    restart(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, text + half);
    log_rig_fini(&rig);
}

static void test_damaged_gzip(void **state)
{
    struct log_rig rig;
    (void)state;
    log_rig_init(&rig, match, down);
    log_rig_write_gzip(&rig, "a.1.gz", "one\ntwo\n", 6); /* it has its end, not its checksum */
    log_rig_write(&rig, "a", "three\n");
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "one\ntwo\n"); /* somebody may be writing it */
    log_rig_set_age(&rig, "a.1.gz", 60);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "three\n");
    assert_int_equal(events(&rig, LOGSTREAM_DAMAGED), 1);
    log_rig_stop(&rig);

    log_rig_write(&rig, "a.2", "\x1f\x8b no gzip at all");
    log_rig_set_age(&rig, "a.2", 60);
    log_rig_write(&rig, "a.1.gz", "plain\n"); /* the name does not matter */
    log_rig_write(&rig, "a", "4\n");
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "plain\n4\n");
    assert_int_equal(events(&rig, LOGSTREAM_DAMAGED), 1);
    log_rig_fini(&rig);
}

static void test_end_without_newline(void **state)
{
    struct log_rig rig;
    (void)state;
    begin(&rig);
    log_rig_append(&rig, "a.1", "no end");
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "one\ntwo\nno end|three\n"); /* a file's end is a record's, too */
    log_rig_fini(&rig);
}

static void test_initial_tail(void **state)
{
    struct log_rig rig;
    (void)state;
    begin(&rig);
    rig.config.initial_tail = true;
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "");
    assert_int_equal(log_rig_stream(&rig)->position.seek, 6);
    log_rig_append(&rig, "a", "four\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "four\n");
    log_rig_append(&rig, "a", "five\n");
    restart(&rig); /* there is a journal now */
    log_rig_drain(&rig);
    log_rig_expect(&rig, "five\n");
    log_rig_fini(&rig);

    log_rig_init(&rig, match, down); /* an empty file has an end, too */
    rig.config.initial_tail = true;
    log_rig_write(&rig, "a", "");
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_stop(&rig);
    log_rig_append(&rig, "a", "one\n");
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "one\n");
    log_rig_fini(&rig);
}

/* It is not read any more, but what comes is newer. */
static void test_too_old(void **state)
{
    struct log_rig rig;
    (void)state;
    log_rig_init(&rig, match, down);
    log_rig_write(&rig, "a.1", "one\n");
    rig.config.oldest_ns = INT64_C(1800) * 1000000000;
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "one\n");
    log_rig_set_age(&rig, "a.1", 3600);
    log_rig_write(&rig, "a", "two\n");
    assert_int_equal(logstream_set_scan(&rig.set, &rig.notes), 0);
    assert_int_equal(log_rig_stream(&rig)->entry_count, 1);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "two\n");
    log_rig_fini(&rig);
}

static void test_parked(void **state)
{
    struct log_rig rig;
    (void)state;
    begin_read(&rig);
    struct logstream *stream = log_rig_stream(&rig);
    logstream_park(stream);
    assert_false(stream->file.is_open);
    log_rig_drain(&rig);
    assert_false(stream->file.is_open); /* nothing has changed */
    log_rig_append(&rig, "a", "four\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "four\n");
    logstream_park(stream);
    log_rig_append(&rig, "a", "five\n");
    rotate(&rig);
    log_rig_write(&rig, "a", "six\n");
    assert_int_equal(logstream_set_scan(&rig.set, &rig.notes), 0);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "five\nsix\n");
    log_rig_fini(&rig);
}

static void write_journal(struct log_rig *rig, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/journal", rig->dir);
    mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/journal/logs", rig->dir);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_from_start(struct log_rig *rig, const char *journal, unsigned notes)
{
    memset(&rig->notes, 0, sizeof(rig->notes));
    write_journal(rig, journal);
    log_rig_start(rig);
    assert_int_equal(rig->notes.count, notes);
    log_rig_drain(rig);
    log_rig_expect(rig, "one\ntwo\nthree\n");
    log_rig_stop(rig);
}

static void test_bad_journals(void **state)
{
    struct log_rig rig;
    (void)state;
    begin(&rig);
    expect_from_start(&rig, "", 0);
    expect_from_start(&rig, " \n", 0);
    expect_from_start(&rig, "{}", 1);
    expect_from_start(&rig, "[1]", 1);
    expect_from_start(&rig, "{\"seek\":-1,\"file_name\":\"a\",\"last_hash\":\"\"}", 1);
    expect_from_start(&rig, "{\"seek\":1.5,\"file_name\":\"a\",\"last_hash\":\"\"}", 1);
    expect_from_start(&rig, "{\"seek\":1,\"file_name\":\"a\",\"last_hash\":\"12\"}", 1);
    expect_from_start(&rig, "{\"seek\":1,\"file_name\":\"", 1);
    expect_from_start(&rig, "{\"seek\":0,\"file_name\":\"\",\"last_hash\":\"\"}", 0);
    log_rig_fini(&rig);
}

/* As Heka writes it: other order of members, escapes. */
static void test_hekas_journal(void **state)
{
    struct log_rig rig;
    char text[512], hash[LOGSTREAM_HASH_SIZE];
    (void)state;
    begin(&rig);
    log_rig_hash("two\n", 4, hash);
    snprintf(text, sizeof(text),
             "{\"file_name\":\"%s\\/logs\\/a.1\",\"last_hash\":\"%s\",\"seek\":4}", rig.dir, hash);
    write_journal(&rig, text);
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "three\n");
    log_rig_fini(&rig);
}

/* Positions in the middle of long files: the hash is of 500 bytes. */
static void test_every_position(void **state)
{
    struct log_rig rig;
    char text[1400], journal[512], hash[LOGSTREAM_HASH_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        text[i] = (char)(i % 50 == 49 ? '\n' : 'a' + (i * i + i / 7) % 26);
    text[sizeof(text) - 1] = '\0';
    log_rig_init(&rig, match, down);
    log_rig_write(&rig, "a.3", text);
    for (size_t at = 50; at < sizeof(text) - 50; at += 50) {
        log_rig_hash(text, at, hash);
        snprintf(journal, sizeof(journal),
                 "{\"seek\":%zu,\"file_name\":\"/elsewhere\",\"last_hash\":\"%s\"}", at, hash);
        write_journal(&rig, journal);
        log_rig_start(&rig);
        log_rig_drain(&rig);
        size_t lines = (sizeof(text) - 1) / 50 * 50;
        assert_int_equal(rig.size, lines - at);
        assert_memory_equal(rig.text, text + at, rig.size);
        log_rig_clear(&rig);
        log_rig_stop(&rig);
    }
    log_rig_fini(&rig);
}

static void test_unreadable(void **state)
{
    enum { NOBODY = 65534 };
    struct log_rig rig;
    char path[PATH_MAX];
    bool is_root = geteuid() == 0;
    (void)state;
    begin(&rig);
    log_rig_path(&rig, "a.2", path);
    assert_int_equal(chmod(rig.dir, 0777) | chmod(path, 0), 0);
    assert_int_equal(is_root ? seteuid(NOBODY) : 0, 0); /* root may read anything */
    log_rig_start(&rig);
    log_rig_drain(&rig);
    log_rig_expect(&rig, ""); /* not passed over */
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    assert_int_equal(chmod(path, 0644), 0);
    log_rig_drain(&rig);
    log_rig_expect(&rig, "one\ntwo\nthree\n");
    log_rig_fini(&rig);
}

/* Streams that come and go beside each other. */
static void test_many_streams(void **state)
{
    struct log_rig rig;
    char name[32], line[32];
    (void)state;
    log_rig_init(&rig, "(?P<Name>\\w+)\\.log", NULL);
    rig.differentiator[0] = "Name";
    rig.config.pattern.differentiator = (struct schema_list){rig.differentiator, 1};
    log_rig_start(&rig);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "s%02u.log", i * 7 % 40);
        snprintf(line, sizeof(line), "of %u\n", i * 7 % 40);
        log_rig_write(&rig, name, line);
        assert_int_equal(logstream_set_scan(&rig.set, &rig.notes), 0);
        log_rig_drain(&rig);
        log_rig_expect(&rig, line);
    }
    assert_int_equal(rig.set.stream_count, 40);
    for (unsigned i = 1; i < 40; i++)
        assert_true(strcmp(rig.set.streams[i - 1]->name, rig.set.streams[i]->name) < 0);
    logstream_set_drop(&rig.set, 3);
    assert_int_equal(rig.set.stream_count, 39);
    log_rig_fini(&rig);
}

static void expect_hash(const struct logstream *stream, uint64_t seek, const char *expected)
{
    char hash[LOGSTREAM_HASH_SIZE];
    logstream_hash(stream->position.tail, hash);
    assert_int_equal(stream->position.seek, seek);
    assert_string_equal(hash, expected);
}

/* Heka's own folder and expectations, when there is a checkout. */
static void test_hekas_tree(void **state)
{
    const char *upstream = getenv("HEKA_UPSTREAM");
    struct log_rig rig;
    char logs[PATH_MAX], journal[PATH_MAX + 256], bytes[4096];
    static const char *const by_date[] = {"Year", "Month", "^Seq", NULL};
    size_t got;
    (void)state;
    if (upstream == NULL)
        skip();
    log_rig_init(&rig, "/(?P<Year>\\d+)/(?P<Month>\\d+)/error\\.log(\\.(?P<Seq>\\d+))?", by_date);
    snprintf(logs, sizeof(logs), "%s/logstreamer/testdir/filehandling", upstream);
    rig.config.pattern.log_directory = logs;
    snprintf(journal, sizeof(journal),
             "{\"seek\":500,\"file_name\":\"%s/2010/07/error.log.2\",\"last_hash\":"
             "\"dc6d00ed4a287968635b8b5b96a505547e9161d3\"}",
             logs);
    write_journal(&rig, journal);
    log_rig_start(&rig);
    struct logstream *stream = log_rig_stream(&rig);
    assert_int_equal(logstream_read(stream, bytes, 500, &got), LOGSTREAM_DATA);
    assert_int_equal(got, 500);
    assert_memory_equal(bytes, "- [05/Feb/", 10);
    assert_int_equal(logstream_consume(stream, bytes, got, got), 0);
    assert_int_equal(logstream_read(stream, bytes, 500, &got), LOGSTREAM_DATA);
    assert_int_equal(got, 160);
    assert_int_equal(logstream_consume(stream, bytes, got, got), 0);
    for (unsigned i = 0; i < 2; i++) { /* error.log.1 is empty */
        assert_int_equal(logstream_read(stream, bytes, 500, &got), LOGSTREAM_ENDS);
        logstream_next(stream);
    }
    assert_int_equal(logstream_read(stream, bytes, 500, &got), LOGSTREAM_DATA);
    assert_int_equal(logstream_consume(stream, bytes, got, got), 0);
    expect_hash(stream, 500, "bc544cb727a809dcf0464da1628aeedd4243e81c");
    rig.takes_all = true;
    log_rig_drain(&rig);
    expect_hash(stream, 1969, "72781af95a1583690cc97548fdcf3bb0efbe3119");
    log_rig_stop(&rig);

    write_journal(&rig, "");
    rig.config.initial_tail = true;
    log_rig_start(&rig);
    expect_hash(log_rig_stream(&rig), 1969, "72781af95a1583690cc97548fdcf3bb0efbe3119");
    log_rig_stop(&rig);

    write_journal(&rig, "");
    rig.config.initial_tail = false;
    rig.config.pattern.file_match =
        "/(?P<Year>\\d+)/(?P<Month>\\d+)/access\\.log(\\.(?P<Seq>\\d+))?";
    log_rig_clear(&rig);
    log_rig_start(&rig);
    log_rig_drain(&rig);
    assert_int_equal(log_rig_stream(&rig)->position.seek, 1174);
    assert_memory_equal(rig.text + rig.size - 10, "le.bundle'", 10);
    log_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_known_hash),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_restart_after_rotation),
        cmocka_unit_test(test_restart_after_compression),
        cmocka_unit_test(test_restart_when_lost),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_rotations_at_once),
        cmocka_unit_test(test_stale_list),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_copied_and_truncated),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_all_gone),
        cmocka_unit_test(test_compressed_meanwhile),
        cmocka_unit_test(test_gzip_backlog),
        cmocka_unit_test(test_gzip_position),
        cmocka_unit_test(test_damaged_gzip),
        cmocka_unit_test(test_end_without_newline),
        cmocka_unit_test(test_initial_tail),
        cmocka_unit_test(test_too_old),
        cmocka_unit_test(test_parked),
        cmocka_unit_test(test_bad_journals),
        cmocka_unit_test(test_hekas_journal),
        cmocka_unit_test(test_every_position),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_many_streams),
        cmocka_unit_test(test_hekas_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
