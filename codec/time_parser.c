/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/time_parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/civil_time.h"
#include "codec/time_layout.h"
#include "codec/time_zone.h"

/* Go's names: ANSIC, UnixDate, RubyDate, RFC822, RFC822Z, RFC850, RFC1123, RFC1123Z, RFC3339 (which
 * reads RFC3339Nano, too), Kitchen, Stamp (which reads StampMilli, StampMicro and StampNano, too).
 * A text is of one of them at most, so the order does not matter. */
static const char *const named_layouts[] = {
    "Mon Jan _2 15:04:05 2006",
    "Mon Jan _2 15:04:05 MST 2006",
    "Mon Jan 02 15:04:05 -0700 2006",
    "02 Jan 06 15:04 MST",
    "02 Jan 06 15:04 -0700",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 -0700",
    "2006-01-02T15:04:05Z07:00",
    "3:04PM",
    "Jan _2 15:04:05",
};

enum {
    NAMED_COUNT = sizeof(named_layouts) / sizeof(named_layouts[0]),
    EPOCH_DIGITS_MAX = 19, /* of 2^63 - 1 */
    NS_DIGITS = 9
};
#define NS_PER_SECOND INT64_C(1000000000)

struct time_parser {
    int epoch_digits; /* of the number, up to nanoseconds; -1: a layout */
    struct time_layout *layouts[1 + NAMED_COUNT];
    struct time_zone *zone; /* NULL: UTC */
};

/* ---- making ---- */

static int set_epoch(struct time_parser *parser, const char *layout, struct err *err)
{
    static const char *const units[] = {"", "Milli", "Micro", "Nano"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(layout + strlen("Epoch"), units[i]) == 0) {
            parser->epoch_digits = NS_DIGITS - 3 * i;
            return 0;
        }
    }
    return err_add(err,
                   "timestamp_layout '%s': expected Epoch, EpochMilli, EpochMicro, EpochNano or an "
                   "example of a time, as \"2006-01-02 15:04:05\"",
                   layout);
}

static int fill(struct time_parser *parser, const char *layout, const char *location,
                struct err *err)
{
    parser->epoch_digits = -1;
    if (strncmp(layout, "Epoch", strlen("Epoch")) == 0)
        return set_epoch(parser, layout, err);
    for (int i = 0; i < 1 + NAMED_COUNT; i++) {
        int rc = time_layout_new(i > 0 ? named_layouts[i - 1] : layout, &parser->layouts[i]);
        if (rc == -EINVAL)
            return err_add(err, "timestamp_layout: longer than %d bytes", TIME_LAYOUT_MAX);
        if (rc != 0)
            return err_add(err, "timestamp_layout: out of memory");
    }
    struct err reason = {0};
    if (time_zone_load(location, &parser->zone, &reason) == 0)
        return 0;
    return err_add(err, "unknown timestamp_location %s", reason.texts[0]);
}

int time_parser_new(const char *layout, const char *location, struct time_parser **out,
                    struct err *err)
{
    struct time_parser *parser = calloc(1, sizeof(*parser));
    if (parser == NULL)
        return err_add(err, "timestamp_layout: out of memory");
    if (fill(parser, layout, location, err) != 0) {
        time_parser_free(parser);
        return -1;
    }
    *out = parser;
    return 0;
}

void time_parser_free(struct time_parser *parser)
{
    if (parser == NULL)
        return;
    for (int i = 0; i < 1 + NAMED_COUNT; i++)
        time_layout_free(parser->layouts[i]);
    time_zone_free(parser->zone);
    free(parser);
}

/* ---- numbers since the epoch ---- */

/* Digits, a point at most; cut off or filled up with zeros behind `epoch_digits` decimals. */
static int parse_epoch(int epoch_digits, const char *text, size_t len, int64_t *time_ns)
{
    const char *point = len > 0 ? memchr(text, '.', len) : NULL;
    size_t whole = point != NULL ? (size_t)(point - text) : len;
    size_t decimals = len - whole - (point != NULL);
    size_t kept = decimals < (size_t)epoch_digits ? decimals : (size_t)epoch_digits;
    int64_t value = 0;
    if (whole + kept == 0)
        return -EINVAL;
    for (size_t i = 0; i < whole + (size_t)epoch_digits; i++) {
        char c = i < whole ? text[i] : i < whole + kept ? point[1 + i - whole] : '0';
        if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, c - '0', &value))
            return -EINVAL;
    }
    *time_ns = value;
    return 0;
}

/* ---- layouts ---- */

/* Where a time is local: a zone, or a fixed offset. */
struct place {
    const struct time_zone *zone;
    bool is_fixed;
    int32_t offset_s;
};

static int64_t local_seconds(const struct time_fields *fields)
{
    return civil_to_days(fields->year, fields->month, fields->day) * CIVIL_DAY_S +
           fields->hour * 3600 + fields->minute * 60 + fields->second;
}

/* "GMT+3": hours behind the name. */
static int32_t hours_of(const struct time_fields *fields)
{
    int32_t hours = 0;
    if (fields->zone_name_len <= 4 || memcmp(fields->zone_name, "GMT", 3) != 0)
        return 0;
    for (size_t i = 4; i < fields->zone_name_len; i++)
        hours = hours * 10 + (fields->zone_name[i] - '0');
    return fields->zone_name[3] == '-' ? -3600 * hours : 3600 * hours;
}

static int64_t unix_of(const struct place *place, int64_t local_s)
{
    return place->is_fixed ? local_s - place->offset_s : time_zone_to_unix(place->zone, local_s);
}

/* Seconds since the epoch, and the place where the time is local. An abbreviation that the zone
 * does not have is taken for UTC (Go). */
static int64_t resolve(const struct time_parser *parser, const struct time_fields *fields,
                       struct place *place)
{
    int64_t local_s = local_seconds(fields);
    int32_t offset_s = fields->offset_s;
    *place = (struct place){.zone = parser->zone};
    switch (fields->zone) {
    case TIME_ZONE_UTC:
        place->zone = NULL;
        return local_s;
    case TIME_ZONE_OFFSET:
        place->is_fixed = time_zone_at(parser->zone, local_s - offset_s).offset_s != offset_s;
        place->offset_s = offset_s;
        return local_s - offset_s;
    case TIME_ZONE_ABBREVIATION:
        if (time_zone_offset_of(parser->zone, fields->zone_name, fields->zone_name_len, local_s,
                                &offset_s))
            return local_s - offset_s;
        place->is_fixed = true;
        place->offset_s = hours_of(fields);
        return local_s;
    case TIME_ZONE_NONE:
        break;
    }
    return time_zone_to_unix(parser->zone, local_s);
}

/* Puts a time without year into the current one, and one without date on the current day. */
static int64_t complete(const struct place *place, bool has_date, int64_t unix_s, int64_t now_s)
{
    int32_t now_offset =
        place->is_fixed ? place->offset_s : time_zone_at(place->zone, now_s).offset_s;
    int32_t offset = place->is_fixed ? place->offset_s : time_zone_at(place->zone, unix_s).offset_s;
    int64_t local_s = unix_s + offset;
    int64_t days = civil_floor(local_s, CIVIL_DAY_S);
    struct civil_date date = civil_of_days(days);
    struct civil_date today = civil_of_days(civil_floor(now_s + now_offset, CIVIL_DAY_S));
    if (!has_date)
        date = today;
    /* 29 February of another year is 1 March, as in Go */
    return unix_of(place, civil_to_days(today.year, date.month, date.day) * CIVIL_DAY_S +
                              (local_s - days * CIVIL_DAY_S));
}

static int to_time(const struct time_parser *parser, const struct time_fields *fields,
                   int64_t now_ns, int64_t *time_ns)
{
    struct place place;
    int64_t unix_s = resolve(parser, fields, &place);
    if (!fields->has_year)
        unix_s = complete(&place, fields->has_date, unix_s, civil_floor(now_ns, NS_PER_SECOND));
    int64_t nanoseconds;
    if (__builtin_mul_overflow(unix_s, NS_PER_SECOND, &nanoseconds) ||
        __builtin_add_overflow(nanoseconds, fields->nanosecond, &nanoseconds))
        return -EINVAL;
    *time_ns = nanoseconds;
    return !fields->has_year;
}

int time_parser_parse(const struct time_parser *parser, const char *text, size_t len,
                      int64_t now_ns, int64_t *time_ns)
{
    struct time_fields fields;
    if (parser->epoch_digits >= 0)
        return parse_epoch(parser->epoch_digits, text, len, time_ns);
    for (int i = 0; i < 1 + NAMED_COUNT; i++) {
        if (time_layout_parse(parser->layouts[i], text, len, &fields) == 0)
            return to_time(parser, &fields, now_ns, time_ns);
    }
    return -EINVAL;
}
