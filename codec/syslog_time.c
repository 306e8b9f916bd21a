/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/syslog_time.h"

#include "codec/civil_time.h"

#define NS_PER_SECOND INT64_C(1000000000)

enum {
    NO_YEAR = -1,
    YEARS_BACK = 8, /* in which there was a 29 February, whatever the century */
    EPOCH_DIGITS = 10,
    ZONE_NAME_MIN = 3,
    ZONE_NAME_MAX = 5
};

struct parts {
    int year, month, day; /* year: NO_YEAR */
    int hour, minute, second, nanosecond;
    bool has_offset;
    int32_t offset_s;
    struct msg_slice zone_name; /* len 0: none */
};

/* ---- pieces ---- */

static bool take_fraction(struct syslog_text *text, int *nanosecond)
{
    struct syslog_text from = *text;
    int scale = 100000000;
    *nanosecond = 0;
    if (!syslog_take(text, '.') && !syslog_take(text, ','))
        return false;
    if (!syslog_is_digit(text)) {
        *text = from;
        return false;
    }
    for (; syslog_is_digit(text); text->at++, scale /= 10)
        *nanosecond += (*text->at - '0') * scale; /* digits beyond the ninth count nothing */
    return true;
}

static bool take_clock(struct syslog_text *text, struct parts *parts)
{
    struct syslog_text from = *text;
    if (syslog_take_number(text, 2, &parts->hour) && syslog_take(text, ':') &&
        syslog_take_number(text, 2, &parts->minute) && syslog_take(text, ':') &&
        syslog_take_number(text, 2, &parts->second)) {
        take_fraction(text, &parts->nanosecond);
        return true;
    }
    *text = from;
    return false;
}

/* "Z", "+02:00", "+0200" or "+02" */
static void take_offset(struct syslog_text *text, struct parts *parts)
{
    struct syslog_text from = *text;
    int hours = 0, minutes = 0;
    if (syslog_take(text, 'Z') || syslog_take(text, 'z')) {
        parts->has_offset = true;
        return;
    }
    bool is_west = syslog_is(text, '-');
    if ((!syslog_take(text, '+') && !syslog_take(text, '-')) ||
        !syslog_take_number(text, 2, &hours)) {
        *text = from;
        return;
    }
    struct syslog_text at_minutes = *text;
    (void)syslog_take(text, ':');
    if (!syslog_take_number(text, 2, &minutes))
        *text = at_minutes;
    parts->has_offset = true;
    parts->offset_s = (hours * 3600 + minutes * 60) * (is_west ? -1 : 1);
}

static uint32_t three_letters(const char *at)
{
    return ((uint32_t)(uint8_t)at[0] << 16 | (uint32_t)(uint8_t)at[1] << 8 | (uint8_t)at[2]) |
           0x202020;
}

/* 1 to `count`, or 0. */
static int take_name(struct syslog_text *text, const char *names, int count)
{
    if (syslog_left(text) < 4)
        return 0;
    uint32_t wanted = three_letters(text->at);
    for (int i = 0; i < count; i++) {
        if (three_letters(names + 3 * i) == wanted) {
            text->at += 3;
            return i + 1;
        }
    }
    return 0;
}

static bool take_spaces(struct syslog_text *text)
{
    bool are_there = syslog_is(text, ' ');
    syslog_skip_spaces(text);
    return are_there;
}

/* ---- from parts to a time ---- */

static bool is_time(const struct parts *parts)
{
    return parts->month >= 1 && parts->month <= 12 && parts->day >= 1 && parts->hour <= 23 &&
           parts->minute <= 59 && parts->second <= 60 && parts->offset_s > -CIVIL_DAY_S &&
           parts->offset_s < CIVIL_DAY_S;
}

static int64_t unix_of(const struct parts *parts, int64_t year, const struct time_zone *zone)
{
    int64_t local_s = civil_to_days(year, parts->month, parts->day) * CIVIL_DAY_S +
                      parts->hour * 3600 + parts->minute * 60 + parts->second;
    int32_t offset_s;
    if (parts->has_offset)
        return local_s - parts->offset_s;
    const char *name = parts->zone_name.ptr;
    if (parts->zone_name.len == 3 && (memcmp(name, "UTC", 3) == 0 || memcmp(name, "GMT", 3) == 0))
        return local_s;
    if (parts->zone_name.len > 0 &&
        time_zone_offset_of(zone, name, parts->zone_name.len, local_s, &offset_s))
        return local_s - offset_s;
    return time_zone_to_unix(zone, local_s);
}

/* The latest year in which the time is not far ahead of the clock. */
static bool complete(const struct parts *parts, const struct syslog_clock *clock, int64_t *unix_s)
{
    int64_t now_s = civil_floor(clock->now_ns, NS_PER_SECOND);
    int64_t latest_s = now_s + (int64_t)SYSLOG_TIME_AHEAD_DAYS * CIVIL_DAY_S;
    int64_t year = civil_of_days(civil_floor(latest_s, CIVIL_DAY_S)).year + 1;
    for (int64_t oldest = year - YEARS_BACK - 1; year >= oldest; year--) {
        if (parts->day > civil_month_days(year, parts->month))
            continue;
        *unix_s = unix_of(parts, year, clock->zone);
        if (*unix_s <= latest_s)
            return true;
    }
    return false;
}

static bool to_ns(const struct parts *parts, const struct syslog_clock *clock, int64_t *ns)
{
    int64_t unix_s;
    if (!is_time(parts))
        return false;
    if (parts->year != NO_YEAR) {
        if (parts->day > civil_month_days(parts->year, parts->month))
            return false;
        unix_s = unix_of(parts, parts->year, clock->zone);
    } else if (!complete(parts, clock, &unix_s)) {
        return false;
    }
    return !__builtin_mul_overflow(unix_s, NS_PER_SECOND, ns) &&
           !__builtin_add_overflow(*ns, parts->nanosecond, ns);
}

static struct syslog_time finish(const struct syslog_text *from, const struct syslog_text *text,
                                 const struct parts *parts, const struct syslog_clock *clock)
{
    struct syslog_time time = {.state = SYSLOG_TIME_BROKEN,
                               .text = syslog_slice(from->at, text->at)};
    if (to_ns(parts, clock, &time.ns))
        time.state = SYSLOG_TIME_KNOWN;
    return time;
}

/* ---- whole timestamps ---- */

static bool take_iso(struct syslog_text *text, struct parts *parts)
{
    struct syslog_text from = *text;
    if (syslog_take_number(text, 4, &parts->year) && syslog_take(text, '-') &&
        syslog_take_number(text, 2, &parts->month) && syslog_take(text, '-') &&
        syslog_take_number(text, 2, &parts->day) &&
        (syslog_take(text, 'T') || syslog_take(text, 't') || syslog_take(text, ' ')) &&
        take_clock(text, parts)) {
        take_offset(text, parts);
        return true;
    }
    *text = from;
    return false;
}

struct syslog_time syslog_time_take_iso(struct syslog_text *text, const struct syslog_clock *clock)
{
    struct syslog_text from = *text;
    struct parts parts = {0};
    if (take_iso(text, &parts) && syslog_is_break(text))
        return finish(&from, text, &parts, clock);
    *text = from;
    return (struct syslog_time){0};
}

struct syslog_time syslog_time_take_epoch(struct syslog_text *text)
{
    struct syslog_text from = *text;
    int high = 0, low = 0, nanosecond = 0;
    if (!syslog_take_number(text, EPOCH_DIGITS / 2, &high) ||
        !syslog_take_number(text, EPOCH_DIGITS / 2, &low) ||
        (!syslog_is_break(text) && (!take_fraction(text, &nanosecond) || !syslog_is_break(text)))) {
        *text = from;
        return (struct syslog_time){0};
    }
    int64_t seconds = (int64_t)high * 100000 + low;
    struct syslog_time time = {.state = SYSLOG_TIME_BROKEN,
                               .text = syslog_slice(from.at, text->at)};
    if (!__builtin_mul_overflow(seconds, NS_PER_SECOND, &time.ns) &&
        !__builtin_add_overflow(time.ns, nanosecond, &time.ns))
        time.state = SYSLOG_TIME_KNOWN;
    return time;
}

/* A space, a colon that ends a word, or nothing more. */
static bool is_end(const struct syslog_text *text)
{
    return syslog_is_break(text) ||
           (*text->at == ':' && (text->at + 1 == text->end || text->at[1] == ' '));
}

/* A year behind a space, if that ends the timestamp. */
static void take_late_year(struct syslog_text *text, struct parts *parts)
{
    struct syslog_text from = *text;
    int year = 0;
    if (parts->year == NO_YEAR && syslog_take(text, ' ') && syslog_take_number(text, 4, &year) &&
        year >= 1970 && is_end(text))
        parts->year = year;
    else
        *text = from;
}

/* " CEST:" or " CST 1987": alone it could be a hostname. */
static void take_zone_name(struct syslog_text *text, struct parts *parts)
{
    struct syslog_text from = *text;
    if (!syslog_take(text, ' '))
        return;
    const char *name = text->at;
    while (text->at < text->end && *text->at >= 'A' && *text->at <= 'Z' &&
           text->at - name <= ZONE_NAME_MAX)
        text->at++;
    struct msg_slice found = syslog_slice(name, text->at);
    int year = parts->year;
    if (found.len >= ZONE_NAME_MIN && found.len <= ZONE_NAME_MAX) {
        take_late_year(text, parts);
        if (syslog_is(text, ':') || parts->year != year) {
            parts->zone_name = found;
            return;
        }
    }
    *text = from;
}

/* "Oct 11 2003 " or "Oct 11 ", up to the clock */
static bool take_date(struct syslog_text *text, struct parts *parts)
{
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    parts->month = take_name(text, months, 12);
    if (parts->month == 0 || !take_spaces(text) || syslog_take_digits(text, 2, &parts->day) == 0 ||
        !take_spaces(text))
        return false;
    struct syslog_text from = *text;
    int year = 0;
    if (parts->year != NO_YEAR)
        return true;
    if (syslog_take_number(text, 4, &year) && take_spaces(text))
        parts->year = year;
    else
        *text = from;
    return true;
}

static bool take_bsd(struct syslog_text *text, struct parts *parts)
{
    static const char weekdays[] = "sunmontuewedthufrisat";
    struct syslog_text from = *text;
    int year = 0;
    parts->year = NO_YEAR;
    if (syslog_take_number(text, 4, &year) && take_spaces(text)) {
        parts->year = year;
    } else if (take_name(text, weekdays, 7) != 0) {
        (void)syslog_take(text, ',');
        syslog_skip_spaces(text);
    }
    if (take_date(text, parts) && take_clock(text, parts)) {
        take_offset(text, parts);
        take_zone_name(text, parts);
        take_late_year(text, parts);
        return true;
    }
    *text = from;
    return false;
}

struct syslog_time syslog_time_take(struct syslog_text *text, const struct syslog_clock *clock)
{
    struct syslog_text from = *text;
    struct parts parts = {0};
    if ((take_iso(text, &parts) || take_bsd(text, &parts)) && is_end(text))
        return finish(&from, text, &parts, clock);
    *text = from;
    return syslog_time_take_epoch(text);
}
