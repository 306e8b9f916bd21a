/* SPDX-License-Identifier: MPL-2.0
 *
 * test_file_output.c - FileOutput and LogOutput: bytes, modes, rotation, fsync policy, full disks.
 *
 * [option FileOutput.path] [option FileOutput.perm] [option FileOutput.folder_perm]
 * [option FileOutput.rotation_interval] [option FileOutput.flush_interval]
 * [option FileOutput.flush_count] [option FileOutput.flush_operator]
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/outputs/outputs.h"
#include "core/clock.h"
#include "core/log.h"
#include "tests/support/test_dir.h"
#include "tests/unit/control/output_rig.h"

static struct output_rig rig;
static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/file-output-XXXXXX");
    return test_dir_make(dir);
}

static int remove_dir(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

/* "$DIR" in the options is the test's folder. */
static void open_rig(const char *options)
{
    char text[512] = "";
    const char *at = strstr(options, "$DIR");
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - options), options, dir, at + 4);
    output_rig_open(&rig, &file_output, text);
    umask(022);
}

static void expect_file(const char *name, const char *expected)
{
    char path[256], text[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';
    assert_string_equal(text, expected);
}

static mode_t mode_of(const char *name)
{
    char path[256];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void test_appends(void **state)
{
    (void)state;
    open_rig("path = \"$DIR/a/b/out.log\"\nperm = \"640\"\nfolder_perm = \"750\"");
    assert_int_equal(output_rig_init(&rig), 0);
    output_rig_add(&rig, "one\n");
    output_rig_add(&rig, "two\n");
    assert_int_equal(output_rig_deliver(&rig), 2);
    expect_file("a/b/out.log", "one\ntwo\n"); /* there at once, before any flush */
    output_rig_close(&rig);
    assert_int_equal(mode_of("a/b/out.log"), 0640);
    assert_int_equal(mode_of("a"), 0750);
    assert_int_equal(mode_of("a/b"), 0750);
    open_rig("path = \"$DIR/a/b/out.log\"");
    assert_int_equal(output_rig_init(&rig), 0);
    output_rig_add(&rig, "three\n");
    assert_int_equal(output_rig_deliver(&rig), 1);
    expect_file("a/b/out.log", "one\ntwo\nthree\n");
    assert_int_equal(output_rig_counter(&rig, "bytes"), 6);
    output_rig_close(&rig);
}

static void test_bad_path(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof(path), "%s/plain", dir);
    fclose(fopen(path, "w"));
    open_rig("path = \"$DIR/later/out.log\"");
    snprintf(path, sizeof(path), "%s/later", dir);
    fclose(fopen(path, "w")); /* a file where the folder is to be */
    assert_int_equal(output_rig_init(&rig), -1);
    assert_non_null(strstr(rig.err.texts[0], "Not a directory"));
    output_rig_close(&rig);
}

static void deliver_one(const char *payload)
{
    output_rig_clear(&rig);
    output_rig_add(&rig, payload);
    assert_int_equal(output_rig_deliver(&rig), 1);
}

static void tick(uint64_t ms)
{
    static uint64_t base_ns;
    if (ms == 0)
        base_ns = clock_wall_ns() + CLOCK_NS_PER_S; /* behind init's own look at the clock */
    file_output.timer(rig.state, base_ns + ms * CLOCK_NS_PER_MS);
}

static void test_flush_and(void **state)
{
    (void)state;
    open_rig("path = \"$DIR/out\"\nflush_interval = 100\nflush_count = 3");
    assert_int_equal(output_rig_init(&rig), 0);
    tick(0);
    deliver_one("x");
    deliver_one("x");
    tick(101); /* the time has come, not the count */
    assert_int_equal(output_rig_counter(&rig, "syncs"), 0);
    deliver_one("x");
    assert_int_equal(output_rig_counter(&rig, "syncs"), 1);
    deliver_one("x");
    deliver_one("x");
    deliver_one("x"); /* the count, not the time */
    assert_int_equal(output_rig_counter(&rig, "syncs"), 1);
    tick(202);
    assert_int_equal(output_rig_counter(&rig, "syncs"), 2);
    output_rig_close(&rig);
}

static void test_flush_or(void **state)
{
    (void)state;
    open_rig("path = \"$DIR/out\"\nflush_interval = 100\nflush_count = 3\nflush_operator = \"OR\"");
    assert_int_equal(output_rig_init(&rig), 0);
    tick(0);
    deliver_one("x");
    deliver_one("x");
    assert_int_equal(output_rig_counter(&rig, "syncs"), 0);
    deliver_one("x");
    assert_int_equal(output_rig_counter(&rig, "syncs"), 1);
    deliver_one("x");
    tick(50);
    assert_int_equal(output_rig_counter(&rig, "syncs"), 1);
    tick(101);
    assert_int_equal(output_rig_counter(&rig, "syncs"), 2);
    tick(300); /* nothing new */
    assert_int_equal(output_rig_counter(&rig, "syncs"), 2);
    output_rig_close(&rig);
}

static void test_flush_count_only(void **state)
{
    (void)state;
    open_rig("path = \"$DIR/out\"\nflush_interval = 0\nflush_count = 2");
    assert_int_equal(output_rig_init(&rig), 0);
    deliver_one("x");
    tick(0);
    tick(100000);
    assert_int_equal(output_rig_counter(&rig, "syncs"), 0);
    deliver_one("x");
    assert_int_equal(output_rig_counter(&rig, "syncs"), 1);
    output_rig_close(&rig);
}

/* On multiples of the interval since the epoch, with the time of the rotation in the name. */
static void test_rotation(void **state)
{
    (void)state;
    uint64_t hour_ns = 3600 * CLOCK_NS_PER_S, now_ns = clock_wall_ns();
    uint64_t next_ns = now_ns - now_ns % (4 * hour_ns) + 4 * hour_ns;
    char first[64], second[64], third[64];
    struct tm tm;
    setenv("TZ", "UTC", 1);
    tzset();
    open_rig("path = \"$DIR/%Y-%m-%d_%H.log\"\nrotation_interval = 4");
    assert_int_equal(output_rig_init(&rig), 0);
    time_t seconds = (time_t)(now_ns / CLOCK_NS_PER_S);
    strftime(first, sizeof(first), "%Y-%m-%d_%H.log", gmtime_r(&seconds, &tm));
    seconds = (time_t)(next_ns / CLOCK_NS_PER_S);
    strftime(second, sizeof(second), "%Y-%m-%d_%H.log", gmtime_r(&seconds, &tm));
    seconds += 8 * 3600;
    strftime(third, sizeof(third), "%Y-%m-%d_%H.log", gmtime_r(&seconds, &tm));
    deliver_one("first");
    file_output.timer(rig.state, next_ns - 1);
    deliver_one(" still");
    file_output.timer(rig.state, next_ns + 5);
    deliver_one("second");
    file_output.timer(rig.state, next_ns + 8 * hour_ns + 17); /* one was slept through */
    deliver_one("third");
    expect_file(first, "first still");
    expect_file(second, "second");
    expect_file(third, "third");
    assert_int_equal(output_rig_counter(&rig, "opens"), 3);
    output_rig_close(&rig);
}

static void test_reload(void **state)
{
    char from[128], to[128];
    (void)state;
    open_rig("path = \"$DIR/out.log\"");
    assert_int_equal(output_rig_init(&rig), 0);
    deliver_one("old");
    snprintf(from, sizeof(from), "%s/out.log", dir);
    snprintf(to, sizeof(to), "%s/out.log.1", dir);
    assert_int_equal(rename(from, to), 0);
    deliver_one(" and still");
    file_output.reload(rig.state);
    deliver_one("new");
    expect_file("out.log.1", "old and still");
    expect_file("out.log", "new");
    output_rig_close(&rig);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file that cannot grow takes a part of a message: the message is whole in the end, and once. */
static void test_partial_write(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    open_rig("path = \"$DIR/out.log\"");
    assert_int_equal(output_rig_init(&rig), 0);
    output_rig_add(&rig, "12345678");
    output_rig_add(&rig, "abcdefgh");
    output_rig_add(&rig, "ABCDEFGH");
    limit_files(12);
    assert_int_equal(output_rig_deliver(&rig), 1);
    memmove(rig.items, rig.items + 1, 2 * sizeof(rig.items[0]));
    rig.count = 2;
    assert_int_equal(output_rig_deliver(&rig), -EFBIG); /* closes: what was a part is taken back */
    limit_files(RLIM_INFINITY);
    assert_int_equal(output_rig_deliver(&rig), 2);
    expect_file("out.log", "12345678abcdefghABCDEFGH");
    output_rig_close(&rig);
}

/* A pipe that is full takes the rest later, and the part is not written twice. */
static void test_full_pipe(void **state)
{
    enum { SIZE = 50000, COUNT = 3 };
    static char large[SIZE + 1], got[COUNT * SIZE + 1];
    char path[128];
    size_t got_size = 0;
    unsigned done = 0;
    (void)state;
    snprintf(path, sizeof(path), "%s/pipe", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    open_rig("path = \"$DIR/pipe\"");
    assert_int_equal(output_rig_init(&rig), 0); /* nobody reads yet */
    memset(large, 'x', SIZE);
    for (int i = 0; i < COUNT; i++)
        output_rig_add(&rig, large);
    assert_int_equal(output_rig_deliver(&rig), -ENXIO);
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    while (done < COUNT) {
        int rc = rig.ops->deliver(rig.state, rig.items + done, COUNT - done);
        assert_true(rc > 0 || rc == -EAGAIN);
        done += rc > 0 ? (unsigned)rc : 0;
        ssize_t size = read(fd, got + got_size, 7777);
        got_size += size > 0 ? (size_t)size : 0;
    }
    ssize_t size;
    while ((size = read(fd, got + got_size, sizeof(got) - got_size)) > 0)
        got_size += (size_t)size;
    assert_int_equal(got_size, COUNT * SIZE);
    close(fd);
    output_rig_close(&rig);
}

static void test_log_output(void **state)
{
    int ends[2], old = dup(STDOUT_FILENO);
    char text[512];
    (void)state;
    output_rig_open(&rig, &log_output, "");
    rig.host.log_flags = 3;
    assert_int_equal(output_rig_init(&rig), 0);
    output_rig_add(&rig, "no newline");
    output_rig_add(&rig, "two\nlines\n");
    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDOUT_FILENO);
    int rc = output_rig_deliver(&rig);
    rig.host.log_flags = 0;
    int rc2 = output_rig_deliver(&rig);
    dup2(old, STDOUT_FILENO);
    close(ends[1]);
    ssize_t size = read(ends[0], text, sizeof(text) - 1);
    assert_int_equal(rc, 2);
    assert_int_equal(rc2, 2);
    assert_true(size > 0);
    text[size] = '\0';
    /* 2006/01/02 15:04:05 */
    assert_int_equal(text[4], '/');
    assert_memory_equal(text + 20, "no newline\n", 11);
    assert_memory_equal(text + 31 + 20, "two\nlines\nno newline\ntwo\nlines\n", 31);
    assert_int_equal(size, 31 + 20 + 31);
    /* Nobody reads any more: the messages end, by name. */
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    dup2(ends[1], STDOUT_FILENO);
    rc = output_rig_deliver(&rig);
    dup2(old, STDOUT_FILENO);
    close(ends[1]);
    assert_int_equal(rc, 2);
    assert_int_equal(output_rig_drops(&rig, "write_failed"), 2);
    /* A reader that does not read: comes back when it has to stop. */
    assert_int_equal(pipe(ends), 0);
    rig.host.stopping = true;
    dup2(ends[1], STDOUT_FILENO);
    do
        rc = output_rig_deliver(&rig);
    while (rc == 2);
    dup2(old, STDOUT_FILENO);
    assert_true(rc < 2);
    close(ends[0]);
    close(ends[1]);
    close(old);
    output_rig_close(&rig);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(test_appends),    TEST(test_bad_path),         TEST(test_flush_and),
        TEST(test_flush_or),   TEST(test_flush_count_only), TEST(test_rotation),
        TEST(test_reload),     TEST(test_partial_write),    TEST(test_full_pipe),
        TEST(test_log_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
