/* SPDX-License-Identifier: MPL-2.0
 *
 * test_bench_child.c - children are read from, waited for, killed, and their status is told.
 */
#include "bench/bench_child.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { LIMIT_MS = 20000 };

static const volatile sig_atomic_t never;

static void start_shell(struct bench_child *child, const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    assert_int_equal(bench_child_start(child, argv, "/dev/null", true), 0);
}

static void test_lines_are_read_and_the_status_is_told(void **state)
{
    (void)state;
    struct bench_child child;
    char line[16];
    start_shell(&child, "echo one; read line; echo \"got $line\"; exit 3");
    assert_int_equal(bench_child_read_line(&child, line, sizeof(line), LIMIT_MS, &never), 0);
    assert_string_equal(line, "one");
    assert_int_equal(write(child.in, "x\n", 2), 2);
    assert_int_equal(bench_child_read_line(&child, line, sizeof(line), LIMIT_MS, &never), 0);
    assert_string_equal(line, "got x");
    assert_int_equal(bench_child_read_line(&child, line, sizeof(line), LIMIT_MS, &never), -EPIPE);
    assert_int_equal(bench_child_end(&child, 0, LIMIT_MS), -1);
    start_shell(&child, "exec cat >/dev/null"); /* ends with its input */
    assert_int_equal(bench_child_end(&child, 0, LIMIT_MS), 0);
}

static void test_reading_has_limits(void **state)
{
    (void)state;
    struct bench_child child;
    char line[4];
    const volatile sig_atomic_t stop = 1;
    start_shell(&child, "echo 12345; exec sleep 1000");
    assert_int_equal(bench_child_read_line(&child, line, sizeof(line), LIMIT_MS, &never),
                     -EMSGSIZE);
    assert_int_equal(bench_child_read_line(&child, line, sizeof(line), LIMIT_MS, &stop), -EINTR);
    assert_int_equal(bench_child_read_line(&child, line, sizeof(line), 60, &never), 0); /* "45" */
    assert_int_equal(bench_child_read_line(&child, line, sizeof(line), 60, &never), -ETIMEDOUT);
    assert_true(bench_child_runs(&child));
    assert_int_equal(bench_child_end(&child, SIGTERM, LIMIT_MS), -1);
    assert_false(bench_child_runs(&child));
}

static void test_the_stubborn_are_killed(void **state)
{
    (void)state;
    struct bench_child child;
    char line[16];
    start_shell(&child, "trap '' TERM; echo ready; while :; do sleep 0.1; done");
    assert_int_equal(bench_child_read_line(&child, line, sizeof(line), LIMIT_MS, &never), 0);
    pid_t pid = child.pid;
    assert_int_equal(bench_child_end(&child, SIGTERM, 50), -1);
    assert_int_equal(kill(pid, 0), -1);
}

static void test_what_cannot_run_ends(void **state)
{
    (void)state;
    struct bench_child child = {0};
    const char *const argv[] = {"/nonexistent/program", NULL};
    assert_false(bench_child_runs(&child));
    assert_int_equal(bench_child_end(&child, SIGTERM, 0), 0);
    assert_int_equal(bench_child_start(&child, argv, "/dev/null", false), 0);
    assert_int_equal(bench_child_end(&child, 0, LIMIT_MS), -1);
    assert_true(bench_child_start(&child, argv, "/nonexistent/log", false) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_read_and_the_status_is_told),
        cmocka_unit_test(test_reading_has_limits),
        cmocka_unit_test(test_the_stubborn_are_killed),
        cmocka_unit_test(test_what_cannot_run_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
