/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"

/* 2006-01-02 15:04:05.000123456 UTC */
static const uint64_t moment_ns = UINT64_C(1136214245000123456);

static void check_prefix(unsigned flags, const char *expected)
{
    char buf[64];
    size_t len = log_prefix(buf, sizeof(buf), flags, moment_ns);
    assert_string_equal(buf, expected);
    assert_int_equal(len, strlen(expected));
}

static void prefix_has_the_parts_that_the_flags_ask_for(void **state)
{
    (void)state;
    check_prefix(LOG_UTC, "");
    check_prefix(LOG_UTC | LOG_DATE, "2006/01/02 ");
    check_prefix(LOG_UTC | LOG_TIME, "15:04:05 ");
    check_prefix(LOG_UTC | LOG_MICROSECONDS, "15:04:05.000123 ");
    check_prefix(LOG_UTC | LOG_FLAGS_DEFAULT, "2006/01/02 15:04:05 ");
    check_prefix(LOG_UTC | LOG_FLAGS_DEFAULT | LOG_MICROSECONDS, "2006/01/02 15:04:05.000123 ");
    check_prefix(LOG_UTC | 8 | 16, "");
}

static void prefix_is_local_time_without_the_utc_flag(void **state)
{
    (void)state;
    setenv("TZ", "TST-9:30", 1);
    tzset();
    check_prefix(LOG_FLAGS_DEFAULT, "2006/01/03 00:34:05 ");
    check_prefix(LOG_FLAGS_DEFAULT | LOG_UTC, "2006/01/02 15:04:05 ");
    unsetenv("TZ");
    tzset();
}

static void prefix_is_cut_to_its_buffer(void **state)
{
    (void)state;
    char buf[8] = "xxxxxxx";
    assert_int_equal(log_prefix(buf, sizeof(buf), LOG_UTC | LOG_DATE, moment_ns), 7);
    assert_string_equal(buf, "2006/01");
    assert_int_equal(log_prefix(buf, 0, LOG_UTC | LOG_DATE, moment_ns), 0);
}

/* What one call writes to `fd`: a datagram for each write(2). Returns the number of them. */
static unsigned capture(int fd, void (*call)(void), char *text, size_t size)
{
    int pair[2];
    unsigned writes = 0;
    int room = 4 << 20;
    size_t len = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    int saved = dup(fd);
    assert_true(saved >= 0 && dup2(pair[0], fd) == fd);
    call();
    assert_true(dup2(saved, fd) == fd);
    close(saved);
    close(pair[0]);
    for (ssize_t got; (got = recv(pair[1], text + len, size - 1 - len, MSG_DONTWAIT)) > 0; writes++)
        len += (size_t)got;
    text[len] = '\0';
    close(pair[1]);
    return writes;
}

static void say_info(void)
{
    log_info("Starting %s %d", "hekad", 7);
}

static void say_error(void)
{
    log_error("with newline\n");
}

static void say_nothing(void)
{
    log_info("%s", "");
}

static char long_text[70001];

static void say_long(void)
{
    log_info("%s|", long_text);
}

static void lines_go_out_in_one_write(void **state)
{
    (void)state;
    char text[256];
    log_set_flags(0);
    assert_int_equal(capture(STDOUT_FILENO, say_info, text, sizeof(text)), 1);
    assert_string_equal(text, "Starting hekad 7\n");
    assert_int_equal(capture(STDERR_FILENO, say_error, text, sizeof(text)), 1);
    assert_string_equal(text, "with newline\n");
    assert_int_equal(capture(STDOUT_FILENO, say_nothing, text, sizeof(text)), 1);
    assert_string_equal(text, "\n");
    assert_int_equal(capture(STDERR_FILENO, say_info, text, sizeof(text)), 0);
}

static void long_lines_are_whole(void **state)
{
    (void)state;
    static char text[sizeof(long_text) + 64];
    memset(long_text, 'x', sizeof(long_text) - 1);
    log_set_flags(LOG_FLAGS_DEFAULT);
    assert_int_equal(capture(STDOUT_FILENO, say_long, text, sizeof(text)), 1);
    size_t prefix_len = strlen("2006/01/02 15:04:05 ");
    assert_int_equal(strlen(text), prefix_len + sizeof(long_text) - 1 + 2);
    assert_string_equal(text + strlen(text) - 3, "x|\n");
}

static void lines_begin_with_the_prefix(void **state)
{
    (void)state;
    char text[256];
    log_set_flags(LOG_FLAGS_DEFAULT);
    capture(STDOUT_FILENO, say_info, text, sizeof(text));
    for (char *at = text; *at != '\0' && at < strstr(text, "Starting"); at++)
        if (*at >= '0' && *at <= '9')
            *at = '#';
    assert_string_equal(text, "####/##/## ##:##:## Starting hekad 7\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix_has_the_parts_that_the_flags_ask_for),
        cmocka_unit_test(prefix_is_local_time_without_the_utc_flag),
        cmocka_unit_test(prefix_is_cut_to_its_buffer),
        cmocka_unit_test(lines_go_out_in_one_write),
        cmocka_unit_test(long_lines_are_whole),
        cmocka_unit_test(lines_begin_with_the_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
