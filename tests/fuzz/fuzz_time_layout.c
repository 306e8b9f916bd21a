/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_time_layout.c - any bytes as a layout, a time and the file of a zone.
 *
 * A line with the layout, a line with the time, and the zone. What is a time has fields in their
 * ranges; what a zone says about a time holds at that time.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/civil_time.h"
#include "codec/time_layout.h"
#include "codec/time_parser.h"
#include "codec/time_zone.h"
#include "core/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct piece {
    const char *text;
    size_t len;
};

/* What stands before the next newline. */
static struct piece take_line(const uint8_t **data, size_t *size)
{
    const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
    struct piece piece = {(const char *)*data, end ? (size_t)(end - *data) : *size};
    size_t used = piece.len + (end != NULL);
    *data += used;
    *size -= used;
    return piece;
}

static void check_fields(const struct time_fields *fields, const struct piece *text)
{
    CHECK(fields->year >= 0 && fields->year <= 9999);
    CHECK(fields->month >= 1 && fields->month <= 12);
    CHECK(fields->day >= 1 && fields->day <= civil_month_days(fields->year, fields->month));
    CHECK(fields->hour >= 0 && fields->hour <= 23);
    CHECK(fields->minute >= 0 && fields->minute <= 59);
    CHECK(fields->second >= 0 && fields->second <= 59);
    CHECK(fields->nanosecond >= 0 && fields->nanosecond <= 999999999);
    CHECK(abs(fields->offset_s) <= 25 * 3600 + 60);
    if (fields->zone == TIME_ZONE_ABBREVIATION)
        CHECK(fields->zone_name >= text->text && fields->zone_name_len >= 3 &&
              fields->zone_name + fields->zone_name_len <= text->text + text->len);
}

static void check_zone(const struct time_zone *zone, int64_t local_s)
{
    int64_t unix_s = time_zone_to_unix(zone, local_s);
    struct time_zone_period period = time_zone_at(zone, unix_s);
    int32_t offset_s;
    CHECK(period.start_s <= unix_s && unix_s < period.end_s);
    if (time_zone_offset_of(zone, period.name, period.name_len, local_s, &offset_s))
        (void)time_zone_at(zone, local_s - offset_s);
}

static void check_layout(const char *layout_text, const struct piece *text,
                         const struct time_zone *zone)
{
    struct time_layout *layout = NULL;
    struct time_parser *parser = NULL;
    struct time_fields fields;
    int64_t time_ns;
    if (time_layout_new(layout_text, &layout) != 0) {
        CHECK(strlen(layout_text) > TIME_LAYOUT_MAX);
        return;
    }
    if (time_layout_parse(layout, text->text, text->len, &fields) == 0) {
        check_fields(&fields, text);
        check_zone(zone, civil_to_days(fields.year, fields.month, fields.day) * CIVIL_DAY_S);
    }
    time_layout_free(layout);
    if (time_parser_new(layout_text, "", &parser, NULL) != 0)
        return;
    for (int64_t now_ns = 0; now_ns < INT64_MAX / 2; now_ns += INT64_MAX / 5)
        (void)time_parser_parse(parser, text->text, text->len, now_ns, &time_ns);
    time_parser_free(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct piece layout = take_line(&data, &size);
    struct piece text = take_line(&data, &size);
    struct time_zone *zone = NULL;
    char *layout_text = strndup(layout.len > 0 ? layout.text : "", layout.len);
    CHECK(layout_text != NULL);
    if (time_zone_parse(data, size, &zone) != 0)
        zone = NULL;
    check_layout(layout_text, &text, zone);
    check_zone(zone, 1700000000);
    check_zone(zone, -5000000000);
    time_zone_free(zone);
    free(layout_text);
    return 0;
}
