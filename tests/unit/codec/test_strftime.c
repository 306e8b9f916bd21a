/* SPDX-License-Identifier: MPL-2.0
 *
 * test_strftime.c - each code by a known time, and against libc where the two mean the same.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "codec/strftime.h"
#include "core/check.h"

static void set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void assert_time(const char *format, int64_t time_ns, enum strftime_zone zone,
                        const char *expected)
{
    struct buffer out = {0};
    assert_int_equal(buffer_append_text(&out, "<"), 0);
    assert_int_equal(strftime_append(&out, format, time_ns, zone), 0);
    assert_int_equal(buffer_append(&out, ">", 2), 0);
    char wanted[256];
    snprintf(wanted, sizeof(wanted), "<%s>", expected);
    assert_string_equal(out.data, wanted);
    buffer_fini(&out);
}

/* 2009-02-03 04:05:06.007008009 UTC, a Tuesday. */
static const int64_t morning_ns = INT64_C(1233633906007008009);
/* 2016-12-31 23:59:59.999999999 UTC, a Saturday in a leap year. */
static const int64_t evening_ns = INT64_C(1483228799999999999);

static void test_each_code(void **state)
{
    (void)state;
    static const char *const codes[][3] = {
        {"%A", "Tuesday", "Saturday"},
        {"%a", "Tue", "Sat"},
        {"%B", "February", "December"},
        {"%b", "Feb", "Dec"},
        {"%h", "Feb", "Dec"},
        {"%C", "20", "20"},
        {"%D", "02/03/09", "12/31/16"},
        {"%d", "03", "31"},
        {"%e", " 3", "31"},
        {"%F", "2009-02-03", "2016-12-31"},
        {"%f", "007008", "999999"},
        {"%H", "04", "23"},
        {"%I", "04", "11"},
        {"%j", "034", "366"},
        {"%k", " 4", "23"},
        {"%l", " 4", "11"},
        {"%M", "05", "59"},
        {"%m", "02", "12"},
        {"%n", "\n", "\n"},
        {"%P", "am", "pm"},
        {"%p", "AM", "PM"},
        {"%R", "04:05", "23:59"},
        {"%r", "04:05:06 AM", "11:59:59 PM"},
        {"%S", "06", "59"},
        {"%s", "1233633906", "1483228799"},
        {"%T", "04:05:06", "23:59:59"},
        {"%t", "\t", "\t"},
        {"%v", " 3-Feb-2009", "31-Dec-2016"},
        {"%w", "2", "6"},
        {"%Y", "2009", "2016"},
        {"%y", "09", "16"},
        {"%Z", "UTC", "UTC"},
        {"%z", "+0000", "+0000"},
        {"%%", "%", "%"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        assert_time(codes[i][0], morning_ns, STRFTIME_UTC, codes[i][1]);
        assert_time(codes[i][0], evening_ns, STRFTIME_UTC, codes[i][2]);
    }
}

static void test_other_text_stays(void **state)
{
    (void)state;
    assert_time("", morning_ns, STRFTIME_UTC, "");
    assert_time("no codes", morning_ns, STRFTIME_UTC, "no codes");
    assert_time("%c %U %u %V %W %X %x %L %N %q %", morning_ns, STRFTIME_UTC,
                "%c %U %u %V %W %X %x %L %N %q %");
    assert_time("100%% %-d%Y%", morning_ns, STRFTIME_UTC, "100% %-d2009%");
    assert_time("%\xc3\xa9%d", morning_ns, STRFTIME_UTC,
                "%\xc3\xa9"
                "03");
    assert_time("[%Y/%b/%d:%H:%M:%S %z]", morning_ns, STRFTIME_UTC, "[2009/Feb/03:04:05:06 +0000]");
}

static void test_noon_and_midnight(void **state)
{
    (void)state;
    assert_time("%I%p %l%P %H", 0, STRFTIME_UTC, "12AM 12am 00");
    assert_time("%I%p %l%P %H", INT64_C(43200000000000), STRFTIME_UTC, "12PM 12pm 12");
}

static void test_before_the_epoch(void **state)
{
    (void)state;
    assert_time("%F %T.%f %s", -1, STRFTIME_UTC, "1969-12-31 23:59:59.999999 -1");
    assert_time("%F %T.%f", INT64_MIN, STRFTIME_UTC, "1677-09-21 00:12:43.145224");
    assert_time("%F %T.%f", INT64_MAX, STRFTIME_UTC, "2262-04-11 23:47:16.854775");
}

static void test_local_zones(void **state)
{
    (void)state;
    set_zone("CST6CDT,M3.2.0,M11.1.0");
    assert_time("%F %T %z %Z", morning_ns, STRFTIME_LOCAL, "2009-02-02 22:05:06 -0600 CST");
    assert_time("%T %z %Z", INT64_C(1247000000000000000), STRFTIME_LOCAL, "15:53:20 -0500 CDT");
    assert_time("%T %z %Z", morning_ns, STRFTIME_UTC, "04:05:06 +0000 UTC");
    set_zone("<-0330>3:30");
    assert_time("%T %z %Z", morning_ns, STRFTIME_LOCAL, "00:35:06 -0330 -0330");
    set_zone("<+0545>-5:45");
    assert_time("%T %z %Z", morning_ns, STRFTIME_LOCAL, "09:50:06 +0545 +0545");
    set_zone("UTC0");
    assert_time("%z %Z", morning_ns, STRFTIME_LOCAL, "+0000 UTC");
}

/* libc in the C locale agrees on all codes but %f, %v and the unknown ones. */
static void test_against_libc(void **state)
{
    (void)state;
    static const char format[] =
        "%A %a %B %b %h %C %D %d %e %F %H %I %j %k %l %M %m %n %P %p %R %r "
        "%S %s %T %t %w %Y %y %Z %z %%";
    static const char *const zones[] = {"CST6CDT,M3.2.0,M11.1.0", "NZST-12NZDT,M9.5.0,M4.1.0/3",
                                        "<-0330>3:30"};
    uint64_t x = 88172645463325252u; /* xorshift */
    for (unsigned i = 0; i < 30000; i++) {
        if (i % 10000 == 0)
            set_zone(zones[i / 10000]);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        int64_t seconds = (int64_t)(x % 16000000000) - 8000000000;
        time_t time = seconds;
        struct tm tm;
        char expected[512];
        assert_non_null(localtime_r(&time, &tm));
        assert_true(strftime(expected, sizeof(expected), format, &tm) > 0);
        struct buffer out = {0};
        assert_int_equal(strftime_append(&out, format, seconds * 1000000000, STRFTIME_LOCAL), 0);
        assert_int_equal(out.size, strlen(expected));
        assert_memory_equal(out.data, expected, out.size);
        buffer_fini(&out);
    }
}

static void test_no_room_leaves_nothing(void **state)
{
    (void)state;
    for (size_t room = 0; room < 12; room++) {
        struct buffer out = {.max_size = 3 + room};
        assert_int_equal(buffer_append_text(&out, "abc"), 0);
        int rc = strftime_append(&out, "%F %%%", morning_ns, STRFTIME_UTC);
        assert_int_equal(rc, -ENOSPC);
        assert_int_equal(out.size, 3);
        assert_memory_equal(out.data, "abc", 3);
        buffer_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_code),
        cmocka_unit_test(test_other_text_stays),
        cmocka_unit_test(test_noon_and_midnight),
        cmocka_unit_test(test_before_the_epoch),
        cmocka_unit_test(test_local_zones),
        cmocka_unit_test(test_against_libc),
        cmocka_unit_test(test_no_room_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
