/* SPDX-License-Identifier: MPL-2.0
 *
 * test_whole_file.c - files that are replaced as a whole: the new bytes, or the old ones when
 * anything fails.
 */
#include "core/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/support/test_dir.h"

enum { LARGE = 1 << 20 };

static char dir[] = "/tmp/whole-file-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return test_dir_make(dir) != 0 || chdir(dir) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

static void expect_file(const char *path, const char *text)
{
    char found[64] = "";
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t size = read(fd, found, sizeof(found) - 1);
    close(fd);
    assert_int_equal(size, strlen(text));
    assert_string_equal(found, text);
}

static int replace(const char *path, const char *text)
{
    return whole_file_replace(path, "fresh", 0600, text, strlen(text));
}

static void test_replaces(void **state)
{
    struct stat about;
    (void)state;
    umask(022);
    assert_int_equal(replace("a", "first"), 0);
    expect_file("a", "first");
    assert_int_equal(whole_file_replace("a", "fresh", 0666, "2", 1), 0);
    expect_file("a", "2");
    assert_int_equal(stat("a", &about), 0);
    assert_int_equal(about.st_mode & 0777, 0644);
    assert_int_equal(whole_file_replace("a", "fresh", 0600, NULL, 0), 0);
    expect_file("a", "");
    assert_int_equal(access("fresh", F_OK), -1);
}

/* A link at the name that is written to first is not followed. */
static void test_link_in_the_way(void **state)
{
    (void)state;
    assert_int_equal(replace("victim", "keep"), 0);
    assert_int_equal(symlink("victim", "fresh"), 0);
    assert_int_equal(replace("b", "new"), 0);
    expect_file("victim", "keep");
    expect_file("b", "new");
}

static void test_failures(void **state)
{
    (void)state;
    assert_int_equal(replace("c", "old"), 0);
    assert_int_equal(whole_file_replace("c", "no/fresh", 0600, "new", 3), -ENOENT);
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(replace("folder", "new"), -EISDIR);
    assert_int_equal(access("fresh", F_OK), -1);
    assert_int_equal(whole_file_replace("c", "folder", 0600, "new", 3), -EISDIR);
    expect_file("c", "old");
}

/* The disk takes a part and then no more: the old file stays, the part goes. */
static void test_full_in_the_middle(void **state)
{
    struct rlimit before, small;
    static char bytes[LARGE];
    (void)state;
    assert_int_equal(replace("d", "old"), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = LARGE / 2;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = whole_file_replace("d", "fresh", 0600, bytes, sizeof(bytes));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, -EFBIG);
    expect_file("d", "old");
    assert_int_equal(access("fresh", F_OK), -1);
}

static void test_no_space(void **state)
{
    int fd = open("/dev/full", O_WRONLY);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(whole_file_write(fd, "x", 1), -ENOSPC);
    assert_int_equal(whole_file_write(fd, "x", 0), 0);
    close(fd);
    assert_int_equal(whole_file_write(-1, "x", 1), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replaces), cmocka_unit_test(test_link_in_the_way),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_full_in_the_middle),
        cmocka_unit_test(test_no_space),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
