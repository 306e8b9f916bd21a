/* SPDX-License-Identifier: MPL-2.0
 *
 * test_time.c - zones and calendar against libc, times that libc wrote, and what is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "codec/civil_time.h"
#include "codec/time_layout.h"
#include "codec/time_parser.h"
#include "codec/time_zone.h"
#include "core/check.h"

#define NS_PER_S INT64_C(1000000000)

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 20;
}

static int64_t random_between(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(next_random(state) % (uint64_t)(high - low));
}

static void set_libc_zone(const char *name)
{
    setenv("TZ", name, 1);
    tzset();
}

/* ---- calendar ---- */

static void test_calendar(void **state)
{
    (void)state;
    assert_int_equal(civil_to_days(1970, 1, 1), 0);
    assert_int_equal(civil_to_days(0, 1, 1), -719528);
    assert_int_equal(civil_weekday(0), 4);
    for (int64_t days = civil_to_days(-5, 1, 1); days < civil_to_days(2900, 1, 1); days += 3) {
        struct civil_date date = civil_of_days(days);
        time_t seconds = days * CIVIL_DAY_S;
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_equal(date.year, tm.tm_year + 1900);
        assert_int_equal(date.month, tm.tm_mon + 1);
        assert_int_equal(date.day, tm.tm_mday);
        assert_int_equal(civil_weekday(days), tm.tm_wday);
        assert_int_equal(civil_to_days(date.year, date.month, date.day), days);
        assert_true(date.day <= civil_month_days(date.year, date.month));
    }
}

/* ---- zones ---- */

static const char *const zones[] = {
    "America/Los_Angeles", "Europe/Berlin", "Australia/Sydney",
    "Asia/Kolkata",        "Europe/Dublin", "Pacific/Apia",
    "Australia/Lord_Howe", "Asia/Tehran",   "Antarctica/Troll",
    "America/St_Johns",    "EST5EDT",       "Africa/Casablanca",
};

/* The zone's file by its path, so that libc and this module read the same bytes. */
static struct time_zone *load_both(const char *name)
{
    char path[1024];
    struct time_zone *zone = NULL;
    snprintf(path, sizeof(path), ":%s/golden/time/zones/%s", TEST_SOURCE_DIR, name);
    set_libc_zone(path);
    assert_int_equal(time_zone_load(name, &zone, NULL), 0);
    assert_non_null(zone);
    return zone;
}

static void test_offsets_against_libc(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (size_t i = 0; i < ARRAY_COUNT(zones); i++) {
        struct time_zone *zone = load_both(zones[i]);
        for (int j = 0; j < 4000; j++) {
            time_t seconds = random_between(&random, -5000000000, 8000000000);
            struct tm tm;
            assert_non_null(localtime_r(&seconds, &tm));
            struct time_zone_period period = time_zone_at(zone, seconds);
            assert_int_equal(period.offset_s, tm.tm_gmtoff);
            assert_int_equal(period.name_len, strlen(tm.tm_zone));
            assert_memory_equal(period.name, tm.tm_zone, period.name_len);
            assert_true(seconds >= period.start_s && seconds < period.end_s);
        }
        time_zone_free(zone);
    }
}

/* A local time becomes a time that has it, unless the clock was set forward over it. */
static void test_local_times(void **state)
{
    (void)state;
    uint64_t random = 2;
    unsigned skipped = 0;
    for (size_t i = 0; i < ARRAY_COUNT(zones); i++) {
        struct time_zone *zone = load_both(zones[i]);
        for (int j = 0; j < 4000; j++) {
            int64_t local_s = random_between(&random, -2000000000, 8000000000);
            if (j % 4 == 0) { /* near a change */
                struct time_zone_period period = time_zone_at(zone, local_s);
                if (period.end_s < INT64_MAX)
                    local_s = period.end_s + period.offset_s + random_between(&random, -7200, 7200);
            }
            int64_t unix_s = time_zone_to_unix(zone, local_s);
            int64_t back_s = unix_s + time_zone_at(zone, unix_s).offset_s;
            skipped += back_s != local_s;
            assert_true(back_s - local_s < 86401 && local_s - back_s < 86401);
            if (back_s != local_s) { /* no time has it */
                struct time_zone_period period = time_zone_at(zone, unix_s);
                bool at_start = unix_s - period.start_s < 86400;
                bool at_end = period.end_s - unix_s < 86400;
                assert_true(at_start || at_end);
            }
        }
        time_zone_free(zone);
    }
    assert_true(skipped > 10 && skipped < 4000);
}

static void test_zone_names(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Nowhere/Else", "/etc/localtime",        "../zones/EST5EDT",  "America",
        "\\x",          "America/Los_Angeles/x", "America/../EST5EDT"};
    struct time_zone *zone = NULL;
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(time_zone_load(bad[i], &zone, &err), -1);
        assert_int_equal(err.count, i + 1);
        assert_non_null(strstr(err.texts[i], bad[i]));
        assert_null(zone);
    }
    assert_int_equal(time_zone_load("", &zone, &err), 0);
    assert_null(zone);
    assert_int_equal(time_zone_load("UTC", &zone, &err), 0);
    assert_null(zone);
    assert_int_equal(time_zone_at(NULL, 5).offset_s, 0);
}

static void test_local_zone(void **state)
{
    (void)state;
    struct time_zone *zone = NULL;
    char path[1024];
    setenv("TZ", "America/Los_Angeles", 1);
    assert_int_equal(time_zone_load("Local", &zone, NULL), 0);
    assert_int_equal(time_zone_at(zone, 0).offset_s, -8 * 3600);
    time_zone_free(zone);
    snprintf(path, sizeof(path), ":%s/golden/time/zones/Asia/Kolkata", TEST_SOURCE_DIR);
    setenv("TZ", path, 1);
    assert_int_equal(time_zone_load("Local", &zone, NULL), 0);
    assert_int_equal(time_zone_at(zone, 0).offset_s, 19800);
    time_zone_free(zone);
    setenv("TZ", "", 1);
    assert_int_equal(time_zone_load("Local", &zone, NULL), 0);
    assert_null(zone);
    setenv("TZ", "No/Such", 1);
    assert_int_equal(time_zone_load("Local", &zone, NULL), 0);
    assert_null(zone);
}

/* ---- files ---- */

static size_t read_zone(const char *name, uint8_t *bytes, size_t size)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/golden/time/zones/%s", TEST_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size = fread(bytes, 1, size, file);
    fclose(file);
    return size;
}

static void test_bad_files(void **state)
{
    (void)state;
    uint8_t bytes[8192];
    struct time_zone *zone = NULL;
    size_t size = read_zone("Europe/Berlin", bytes, sizeof(bytes));
    unsigned refused = 0;
    uint64_t random = 3;
    for (size_t cut = 0; cut < size; cut++) {
        if (time_zone_parse(bytes, cut, &zone) == 0)
            time_zone_free(zone);
        else
            refused++;
    }
    assert_true(refused > size * 9 / 10);
    for (int i = 0; i < 5000; i++) {
        uint8_t copy[8192];
        memcpy(copy, bytes, size);
        for (int j = 0; j < 3; j++)
            copy[next_random(&random) % (i % 2 ? 100 : size)] = (uint8_t)next_random(&random);
        if (time_zone_parse(copy, size, &zone) != 0)
            continue;
        (void)time_zone_at(zone, 1700000000);
        (void)time_zone_to_unix(zone, -1700000000);
        time_zone_free(zone);
    }
    memcpy(bytes, "TZjf", 4);
    assert_int_equal(time_zone_parse(bytes, size, &zone), -EINVAL);
    assert_int_equal(time_zone_parse(NULL, 0, &zone), -EINVAL);
}

/* A version 1 file of one transition, and what its rules would say is not there. */
static void test_first_version(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {
        'T',  'Z',  'i',  'f',  0,   0,   0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* header */
        0,    0,    0,    0,    0,   0,   0,   0, 0, 0, 0, 0, /* no indicators, no leap seconds */
        0,    0,    0,    1,    0,   0,   0,   2, 0, 0, 0, 8, /* times, types, characters */
        0,    0,    0,    100,  1,                            /* at 100 s: type 1 */
        0,    0,    0x0e, 0x10, 0,   0,                       /* + 1 h, "ONE" */
        0xff, 0xff, 0xf1, 0xf0, 1,   4,                       /* - 1 h, "TWO" */
        'O',  'N',  'E',  0,    'T', 'W', 'O', 0};
    struct time_zone *zone = NULL;
    int32_t offset_s = 0;
    assert_int_equal(time_zone_parse(bytes, sizeof(bytes), &zone), 0);
    assert_int_equal(time_zone_at(zone, 99).offset_s, 3600);
    assert_int_equal(time_zone_at(zone, 100).offset_s, -3600);
    assert_int_equal(time_zone_at(zone, 100).end_s, INT64_MAX);
    assert_true(time_zone_offset_of(zone, "TWO", 3, 0, &offset_s));
    assert_int_equal(offset_s, -3600);
    assert_false(time_zone_offset_of(zone, "TW", 2, 0, &offset_s));
    assert_false(time_zone_offset_of(NULL, "TWO", 3, 0, &offset_s));
    time_zone_free(zone);
    time_zone_free(NULL);
}

/* ---- layouts ---- */

/* Pairs of a layout and the libc format that writes it. */
static const char *const formats[][2] = {
    {"02/Jan/2006:15:04:05 -0700", "%d/%b/%Y:%H:%M:%S %z"},
    {"2006-01-02 15:04:05", "%Y-%m-%d %H:%M:%S"},
    {"Monday, _2 January 2006 3:04:05 PM", "%A, %e %B %Y %I:%M:%S %p"},
    {"Mon Jan _2 15:04:05 2006", "%a %b %e %H:%M:%S %Y"},
    {"20060102T150405Z0700", "%Y%m%dT%H%M%S%z"},
    {"2006 002 15:04:05", "%Y %j %H:%M:%S"},
    {"01/02/2006 03:04:05pm", "%m/%d/%Y %I:%M:%S%P"},
};

static void test_round_trips(void **state)
{
    (void)state;
    uint64_t random = 4;
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
        struct time_parser *parser = NULL;
        bool has_zone = strchr(formats[i][1], 'z') != NULL;
        set_libc_zone(has_zone ? "America/St_Johns" : "UTC");
        assert_int_equal(time_parser_new(formats[i][0], "", &parser, NULL), 0);
        for (int j = 0; j < 3000; j++) {
            time_t seconds = random_between(&random, -2000000000, 9000000000);
            struct tm tm;
            char text[128];
            int64_t time_ns = -1;
            assert_non_null(localtime_r(&seconds, &tm));
            if (tm.tm_gmtoff % 60 != 0)
                continue; /* %z has no seconds */
            size_t len = strftime(text, sizeof(text), formats[i][1], &tm);
            assert_int_equal(time_parser_parse(parser, text, len, 0, &time_ns), 0);
            assert_int_equal(time_ns, seconds * NS_PER_S);
        }
        time_parser_free(parser);
    }
}

static void test_fields(void **state)
{
    (void)state;
    struct time_layout *layout = NULL;
    struct time_fields fields;
    assert_int_equal(time_layout_new("Jan 15:04 MST", &layout), 0);
    assert_int_equal(time_layout_parse(layout, "May 07:08 PDT", 13, &fields), 0);
    assert_int_equal(fields.month, 5);
    assert_int_equal(fields.hour, 7);
    assert_true(fields.has_date && !fields.has_year);
    assert_int_equal(fields.zone, TIME_ZONE_ABBREVIATION);
    assert_int_equal(fields.zone_name_len, 3);
    assert_int_equal(time_layout_parse(layout, "May 07:08 PDT", 12, &fields), -EINVAL);
    time_layout_free(layout);
    assert_int_equal(time_layout_new("15:04", &layout), 0);
    assert_int_equal(time_layout_parse(layout, "07:08", 5, &fields), 0);
    assert_false(fields.has_date || fields.has_year);
    assert_int_equal(fields.zone, TIME_ZONE_NONE);
    time_layout_free(layout);
    time_layout_free(NULL);
}

/* A sign is no digit; Go takes it for one in these places. */
static void test_signs(void **state)
{
    (void)state;
    struct time_layout *layout = NULL;
    struct time_fields fields;
    assert_int_equal(time_layout_new("06.00", &layout), 0);
    assert_int_equal(time_layout_parse(layout, "13.25", 5, &fields), 0);
    assert_int_equal(time_layout_parse(layout, "+3.25", 5, &fields), -EINVAL);
    assert_int_equal(time_layout_parse(layout, "13.+5", 5, &fields), -EINVAL);
    time_layout_free(layout);
}

static void test_refused_parsers(void **state)
{
    (void)state;
    struct time_parser *parser = NULL;
    struct err err = {0};
    char layout[TIME_LAYOUT_MAX + 2];
    assert_int_equal(time_parser_new("EpochPico", "", &parser, &err), -1);
    assert_string_equal(err.texts[0],
                        "timestamp_layout 'EpochPico': expected Epoch, EpochMilli, EpochMicro, "
                        "EpochNano or an example of a time, as \"2006-01-02 15:04:05\"");
    assert_int_equal(time_parser_new("2006", "Mars/Base", &parser, &err), -1);
    assert_string_equal(err.texts[1], "unknown timestamp_location 'Mars/Base': no zone of the tz "
                                      "database has this name");
    memset(layout, '2', sizeof(layout));
    layout[TIME_LAYOUT_MAX + 1] = '\0';
    assert_int_equal(time_parser_new(layout, "", &parser, &err), -1);
    assert_string_equal(err.texts[2], "timestamp_layout: longer than 255 bytes");
    layout[TIME_LAYOUT_MAX] = '\0';
    assert_int_equal(time_parser_new(layout, "", &parser, &err), 0);
    time_parser_free(parser);
    time_parser_free(NULL);
}

/* 1 when today had a part in it. */
static void test_completed(void **state)
{
    (void)state;
    struct time_parser *parser = NULL;
    int64_t time_ns = 7;
    assert_int_equal(time_parser_new("2006-01-02", "", &parser, NULL), 0);
    assert_int_equal(time_parser_parse(parser, "2013-04-18", 10, 0, &time_ns), 0);
    assert_int_equal(time_parser_parse(parser, "3:04PM", 6, 0, &time_ns), 1);
    assert_int_equal(time_ns, (15 * 3600 + 4 * 60) * NS_PER_S);
    assert_int_equal(time_parser_parse(parser, "3:04XM", 6, 0, &time_ns), -EINVAL);
    assert_int_equal(time_ns, (15 * 3600 + 4 * 60) * NS_PER_S);
    time_parser_free(parser);
}

int main(void)
{
    setenv("ZONEINFO", TEST_SOURCE_DIR "/golden/time/zones", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calendar),        cmocka_unit_test(test_offsets_against_libc),
        cmocka_unit_test(test_local_times),     cmocka_unit_test(test_zone_names),
        cmocka_unit_test(test_local_zone),      cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_first_version),   cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_fields),          cmocka_unit_test(test_signs),
        cmocka_unit_test(test_refused_parsers), cmocka_unit_test(test_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
