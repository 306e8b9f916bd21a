/* SPDX-License-Identifier: MPL-2.0
 *
 * test_time_golden.c - tests/golden/time: what Go's package time makes of layouts, texts and zones,
 * with the zones of tests/golden/time/zones.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/civil_time.h"
#include "codec/time_layout.h"
#include "codec/time_parser.h"
#include "codec/time_zone.h"
#include "tests/support/tsv.h"

#define NS_PER_S INT64_C(1000000000)

static void open_table(struct tsv *tsv, const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/golden/time/%s", TEST_SOURCE_DIR, name);
    assert_true(tsv_open(tsv, path));
}

static struct time_zone *load_zone(const char *name)
{
    struct time_zone *zone = NULL;
    struct err err = {0};
    if (time_zone_load(name, &zone, &err) != 0)
        fail_msg("%s", err.texts[0]);
    return zone;
}

/* Seconds since the epoch, from the fields as time_layout.h and time_zone.h explain them. */
static int64_t seconds_of(const struct time_fields *fields, const struct time_zone *zone)
{
    int64_t local_s = civil_to_days(fields->year, fields->month, fields->day) * CIVIL_DAY_S +
                      fields->hour * 3600 + fields->minute * 60 + fields->second;
    int32_t offset_s = 0;
    switch (fields->zone) {
    case TIME_ZONE_UTC:
        return local_s;
    case TIME_ZONE_OFFSET:
        return local_s - fields->offset_s;
    case TIME_ZONE_ABBREVIATION:
        (void)time_zone_offset_of(zone, fields->zone_name, fields->zone_name_len, local_s,
                                  &offset_s);
        return local_s - offset_s;
    case TIME_ZONE_NONE:
        break;
    }
    return time_zone_to_unix(zone, local_s);
}

/* Zone, layout, text, result. */
static void check_row(const struct tsv *tsv, unsigned *failed)
{
    struct time_layout *layout = NULL;
    struct time_zone *zone = load_zone(tsv->fields[0]);
    struct time_fields fields;
    char got[64] = "-";
    assert_int_equal(tsv->count, 4);
    assert_int_equal(time_layout_new(tsv->fields[1], &layout), 0);
    if (time_layout_parse(layout, tsv->fields[2], tsv->lens[2], &fields) == 0)
        snprintf(got, sizeof(got), "%" PRId64 ".%09d", seconds_of(&fields, zone),
                 fields.nanosecond);
    if (strcmp(got, tsv->fields[3]) != 0) {
        printf("line %u: %s, \"%s\", \"%s\": expected %s, got %s\n", tsv->line, tsv->fields[0],
               tsv->fields[1], tsv->fields[2], tsv->fields[3], got);
        ++*failed;
    }
    time_layout_free(layout);
    time_zone_free(zone);
}

static void check_layouts(const char *name, unsigned least)
{
    static struct tsv tsv;
    unsigned failed = 0, rows = 0;
    open_table(&tsv, name);
    for (; tsv_next(&tsv); rows++)
        check_row(&tsv, &failed);
    assert_int_equal(failed, 0);
    assert_true(rows >= least);
}

static void test_layouts(void **state)
{
    (void)state;
    check_layouts("layouts.tsv", 440);
}

static void test_random_layouts(void **state)
{
    (void)state;
    check_layouts("random.tsv", 480);
}

/* Location, timestamp_layout, text, now, result. */
static void test_parser(void **state)
{
    (void)state;
    static struct tsv tsv;
    unsigned failed = 0, rows = 0;
    open_table(&tsv, "parser.tsv");
    for (; tsv_next(&tsv); rows++) {
        struct time_parser *parser = NULL;
        struct err err = {0};
        char got[32] = "-";
        int64_t time_ns = 0;
        assert_int_equal(tsv.count, 5);
        assert_int_equal(time_parser_new(tsv.fields[1], tsv.fields[0], &parser, &err), 0);
        int64_t now_ns = strtoll(tsv.fields[3], NULL, 10) * NS_PER_S;
        if (time_parser_parse(parser, tsv.fields[2], tsv.lens[2], now_ns, &time_ns) >= 0)
            snprintf(got, sizeof(got), "%" PRId64, time_ns);
        if (strcmp(got, tsv.fields[4]) != 0) {
            printf("line %u: expected %s, got %s\n", tsv.line, tsv.fields[4], got);
            failed++;
        }
        time_parser_free(parser);
    }
    assert_int_equal(failed, 0);
    assert_true(rows >= 260);
}

int main(void)
{
    setenv("ZONEINFO", TEST_SOURCE_DIR "/golden/time/zones", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_random_layouts),
        cmocka_unit_test(test_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
