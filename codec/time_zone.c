/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/time_zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/civil_time.h"

enum { HEADER_SIZE = 44, TYPE_SIZE = 6, HOURS_MAX = 24 * 7 };

struct zone_type {
    int32_t offset_s;
    bool is_dst;
    const char *name;
    size_t name_len;
};

enum rule_kind { RULE_JULIAN, RULE_DAY_OF_YEAR, RULE_WEEKDAY };

struct zone_rule { /* a day of each year and a time of that day */
    enum rule_kind kind;
    int month, week, day;
    int32_t time_s; /* local time */
};

/* What holds after the last transition: "PST8PDT,M3.2.0,M11.1.0". */
struct zone_tail {
    bool is_known;
    bool has_dst;
    struct zone_type standard, dst;
    struct zone_rule dst_start, dst_end;
};

struct time_zone {
    uint8_t *bytes; /* of the file; names point into it */
    int64_t *times; /* transitions */
    uint8_t *indices;
    size_t time_count;
    struct zone_type *types;
    size_t type_count;
    const struct zone_type *before; /* the first transition */
    struct zone_tail tail;
};

/* ---- bytes ---- */

struct zone_reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static const uint8_t *take(struct zone_reader *in, size_t size)
{
    if (in->left < size) {
        in->failed = true;
        return NULL;
    }
    in->at += size;
    in->left -= size;
    return in->at - size;
}

static uint64_t read_big(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

struct zone_counts {
    size_t utc, standard, leaps, times, types, chars;
};

/* Reads a header; its version ('\0', '2', ...) or -1. */
static int take_header(struct zone_reader *in, struct zone_counts *counts)
{
    const uint8_t *header = take(in, HEADER_SIZE);
    if (header == NULL || memcmp(header, "TZif", 4) != 0)
        return -1;
    size_t *members[] = {&counts->utc,   &counts->standard, &counts->leaps,
                         &counts->times, &counts->types,    &counts->chars};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        *members[i] = (size_t)read_big(header + 20 + 4 * i, 4);
        if (*members[i] > TIME_ZONE_FILE_MAX)
            return -1;
    }
    return header[4];
}

/* ---- TZ rules ---- */

static bool take_digits(const char **text, int min, int max, int *value)
{
    const char *at = *text;
    *value = 0;
    while (*at >= '0' && *at <= '9' && *value <= max)
        *value = *value * 10 + (*at++ - '0');
    bool good = at > *text && *value >= min && *value <= max;
    *text = at;
    return good;
}

/* "8", "-3:30", "+1:02:03". */
static bool take_offset(const char **text, int32_t *seconds)
{
    static const int units[] = {3600, 60, 1};
    bool negative = **text == '-';
    *text += **text == '-' || **text == '+';
    int value;
    *seconds = 0;
    for (int i = 0; i < 3; i++) {
        if (i > 0 && **text != ':')
            break;
        *text += i > 0;
        if (!take_digits(text, 0, i == 0 ? HOURS_MAX : 59, &value))
            return false;
        *seconds += value * units[i];
    }
    if (negative)
        *seconds = -*seconds;
    return true;
}

/* "PST" or "<-03>". */
static bool take_abbreviation(const char **text, struct zone_type *type)
{
    const char *at = *text;
    if (*at == '<') {
        const char *end = strchr(at, '>');
        if (end == NULL)
            return false;
        type->name = at + 1;
        type->name_len = (size_t)(end - at) - 1;
        *text = end + 1;
        return true;
    }
    type->name = at;
    type->name_len = strcspn(at, "0123456789,-+");
    *text += type->name_len;
    return type->name_len >= 3;
}

/* "M3.2.0/2", "J60", "59". */
static bool take_rule(const char **text, struct zone_rule *rule)
{
    bool good;
    if (**text == 'M') {
        rule->kind = RULE_WEEKDAY;
        ++*text;
        good = take_digits(text, 1, 12, &rule->month) && *(*text)++ == '.' &&
               take_digits(text, 1, 5, &rule->week) && *(*text)++ == '.' &&
               take_digits(text, 0, 6, &rule->day);
    } else {
        rule->kind = **text == 'J' ? RULE_JULIAN : RULE_DAY_OF_YEAR;
        *text += **text == 'J';
        good = take_digits(text, rule->kind == RULE_JULIAN, 365, &rule->day);
    }
    rule->time_s = 2 * 3600;
    if (!good || **text != '/')
        return good;
    ++*text;
    return take_offset(text, &rule->time_s);
}

/* Rules that cannot be read leave tail->is_known false: the last transition goes on. */
static void read_tail(const char *text, struct zone_tail *tail)
{
    struct zone_tail read = {.is_known = true};
    if (!take_abbreviation(&text, &read.standard) || !take_offset(&text, &read.standard.offset_s))
        return;
    read.standard.offset_s = -read.standard.offset_s;
    if (*text != '\0' && *text != ',') {
        read.has_dst = true;
        read.dst.is_dst = true;
        if (!take_abbreviation(&text, &read.dst))
            return;
        read.dst.offset_s = read.standard.offset_s + 3600;
        if (*text != '\0' && *text != ',') {
            if (!take_offset(&text, &read.dst.offset_s))
                return;
            read.dst.offset_s = -read.dst.offset_s;
        }
        text = *text != '\0' ? text : ",M3.2.0,M11.1.0";
        if (*text++ != ',' || !take_rule(&text, &read.dst_start) || *text++ != ',' ||
            !take_rule(&text, &read.dst_end) || *text != '\0')
            return;
    }
    *tail = read;
}

/* Seconds from the begin of the year (in UTC) to the change. */
static int64_t rule_time(const struct zone_rule *rule, int64_t year, int32_t offset_s)
{
    int64_t day = rule->day;
    if (rule->kind == RULE_JULIAN) {
        day += (civil_is_leap(year) && rule->day >= 60) - 1;
    } else if (rule->kind == RULE_WEEKDAY) {
        int64_t month_start = civil_to_days(year, rule->month, 1);
        int64_t in_month = (rule->day - civil_weekday(month_start) + 7) % 7;
        for (int week = 1; week < rule->week; week++) {
            if (in_month + 7 < civil_month_days(year, rule->month))
                in_month += 7;
        }
        day = month_start + in_month - civil_to_days(year, 1, 1);
    }
    return day * CIVIL_DAY_S + rule->time_s - offset_s;
}

static struct time_zone_period period_of(const struct zone_type *type, int64_t start_s,
                                         int64_t end_s)
{
    return (struct time_zone_period){start_s, end_s, type->offset_s, type->name, type->name_len};
}

static struct time_zone_period tail_period(const struct zone_tail *tail, int64_t last_s,
                                           int64_t unix_s)
{
    if (!tail->has_dst)
        return period_of(&tail->standard, last_s, INT64_MAX);
    int64_t year = civil_of_days(civil_floor(unix_s, CIVIL_DAY_S)).year;
    int64_t year_start = civil_to_days(year, 1, 1) * CIVIL_DAY_S;
    int64_t year_end = civil_to_days(year + 1, 1, 1) * CIVIL_DAY_S;
    int64_t start = year_start + rule_time(&tail->dst_start, year, tail->standard.offset_s);
    int64_t end = year_start + rule_time(&tail->dst_end, year, tail->dst.offset_s);
    const struct zone_type *inside = &tail->dst, *outside = &tail->standard;
    if (end < start) { /* summer lies around the new year */
        int64_t swap = start;
        start = end;
        end = swap;
        inside = &tail->standard;
        outside = &tail->dst;
    }
    if (unix_s < start)
        return period_of(outside, year_start, start);
    if (unix_s < end)
        return period_of(inside, start, end);
    return period_of(outside, end, year_end);
}

/* ---- the file ---- */

static size_t body_size(const struct zone_counts *counts, size_t time_size)
{
    return counts->times * (time_size + 1) + counts->types * TYPE_SIZE + counts->chars +
           counts->leaps * (time_size + 4) + counts->standard + counts->utc;
}

static int read_types(struct time_zone *zone, const uint8_t *types, const uint8_t *chars,
                      size_t char_count)
{
    zone->types = calloc(zone->type_count, sizeof(*zone->types));
    if (zone->types == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < zone->type_count; i++) {
        const uint8_t *type = types + i * TYPE_SIZE;
        if (type[5] >= char_count)
            return -EINVAL;
        zone->types[i] = (struct zone_type){
            .offset_s = (int32_t)(uint32_t)read_big(type, 4),
            .is_dst = type[4] != 0,
            .name = (const char *)chars + type[5],
            .name_len = strnlen((const char *)chars + type[5], char_count - type[5]),
        };
    }
    return 0;
}

static int read_transitions(struct time_zone *zone, const uint8_t *times, size_t time_size,
                            const uint8_t *indices)
{
    zone->times = calloc(zone->time_count + 1, sizeof(*zone->times));
    zone->indices = calloc(zone->time_count + 1, 1);
    if (zone->times == NULL || zone->indices == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < zone->time_count; i++) {
        uint64_t time = read_big(times + i * time_size, time_size);
        zone->times[i] = time_size == 4 ? (int32_t)(uint32_t)time : (int64_t)time;
        zone->indices[i] = indices[i];
        if (indices[i] >= zone->type_count || (i > 0 && zone->times[i] <= zone->times[i - 1]))
            return -EINVAL;
    }
    return 0;
}

/* What holds before the first transition: type 0 unless transitions use it, else standard time. */
static const struct zone_type *type_before(const struct time_zone *zone)
{
    if (zone->time_count == 0 || memchr(zone->indices, 0, zone->time_count) == NULL)
        return &zone->types[0];
    size_t first = zone->indices[0];
    for (size_t i = first; zone->types[first].is_dst && i > 0; i--) {
        if (!zone->types[i - 1].is_dst)
            return &zone->types[i - 1];
    }
    for (size_t i = 0; i < zone->type_count; i++) {
        if (!zone->types[i].is_dst)
            return &zone->types[i];
    }
    return &zone->types[0];
}

static int read_body(struct time_zone *zone, struct zone_reader *in,
                     const struct zone_counts *counts, size_t time_size)
{
    const uint8_t *times = take(in, counts->times * time_size);
    const uint8_t *indices = take(in, counts->times);
    const uint8_t *types = take(in, counts->types * TYPE_SIZE);
    const uint8_t *chars = take(in, counts->chars);
    take(in, counts->leaps * (time_size + 4) + counts->standard + counts->utc);
    if (in->failed || counts->types == 0 || counts->types > 256)
        return -EINVAL;
    zone->time_count = counts->times;
    zone->type_count = counts->types;
    int rc = read_types(zone, types, chars, counts->chars);
    if (rc == 0)
        rc = read_transitions(zone, times, time_size, indices);
    if (rc == 0)
        zone->before = type_before(zone);
    return rc;
}

/* The text between two newlines at the end; the copy of the file ends with a NUL. */
static void read_footer(struct time_zone *zone, struct zone_reader *in)
{
    if (in->left < 3 || in->at[0] != '\n' || in->at[in->left - 1] != '\n')
        return;
    uint8_t *end = zone->bytes + (in->at - zone->bytes) + in->left - 1;
    *end = '\0';
    read_tail((const char *)in->at + 1, &zone->tail);
}

static int read_file(struct time_zone *zone, size_t size)
{
    struct zone_reader in = {.at = zone->bytes, .left = size};
    struct zone_counts counts;
    int version = take_header(&in, &counts);
    if (version == 0)
        return read_body(zone, &in, &counts, 4);
    if (version < '2' || version > '9' || take(&in, body_size(&counts, 4)) == NULL ||
        take_header(&in, &counts) < 0)
        return -EINVAL;
    int rc = read_body(zone, &in, &counts, 8);
    if (rc == 0)
        read_footer(zone, &in);
    return rc;
}

int time_zone_parse(const void *bytes, size_t size, struct time_zone **out)
{
    struct time_zone *zone = calloc(1, sizeof(*zone));
    int rc = -ENOMEM;
    if (size > TIME_ZONE_FILE_MAX)
        rc = -EINVAL;
    else if (zone != NULL && (zone->bytes = malloc(size + 1)) != NULL) {
        if (size > 0)
            memcpy(zone->bytes, bytes, size);
        zone->bytes[size] = '\0';
        rc = read_file(zone, size);
    }
    if (rc == 0)
        *out = zone;
    else
        time_zone_free(zone);
    return rc;
}

void time_zone_free(struct time_zone *zone)
{
    if (zone == NULL)
        return;
    free(zone->bytes);
    free(zone->times);
    free(zone->indices);
    free(zone->types);
    free(zone);
}

/* ---- looking up ---- */

struct time_zone_period time_zone_at(const struct time_zone *zone, int64_t unix_s)
{
    if (zone == NULL)
        return (struct time_zone_period){INT64_MIN, INT64_MAX, 0, "UTC", 3};
    size_t count = zone->time_count;
    if (count == 0 && zone->tail.is_known)
        return tail_period(&zone->tail, INT64_MIN, unix_s);
    if (count == 0 || unix_s < zone->times[0])
        return period_of(zone->before, INT64_MIN, count > 0 ? zone->times[0] : INT64_MAX);
    size_t low = 0, high = count; /* times[low] <= unix_s < times[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (unix_s < zone->times[middle])
            high = middle;
        else
            low = middle;
    }
    if (low + 1 == count && zone->tail.is_known)
        return tail_period(&zone->tail, zone->times[low], unix_s);
    return period_of(&zone->types[zone->indices[low]], zone->times[low],
                     high < count ? zone->times[high] : INT64_MAX);
}

int64_t time_zone_to_unix(const struct time_zone *zone, int64_t local_s)
{
    struct time_zone_period period = time_zone_at(zone, local_s);
    int64_t unix_s = local_s - period.offset_s;
    if (period.offset_s != 0 && (unix_s < period.start_s || unix_s >= period.end_s))
        unix_s = local_s - time_zone_at(zone, unix_s).offset_s;
    return unix_s;
}

bool time_zone_offset_of(const struct time_zone *zone, const char *name, size_t name_len,
                         int64_t local_s, int32_t *offset_s)
{
    const struct zone_type *any = NULL;
    for (size_t i = 0; zone != NULL && i < zone->type_count; i++) {
        const struct zone_type *type = &zone->types[i];
        if (type->name_len != name_len || memcmp(type->name, name, name_len) != 0)
            continue;
        struct time_zone_period period = time_zone_at(zone, local_s - type->offset_s);
        if (period.name_len == name_len && memcmp(period.name, name, name_len) == 0) {
            *offset_s = period.offset_s;
            return true;
        }
        any = any != NULL ? any : type;
    }
    if (any != NULL)
        *offset_s = any->offset_s;
    return any != NULL;
}

/* ---- loading ---- */

static int read_whole(const char *path, struct time_zone **out)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return -errno;
    uint8_t *bytes = malloc(TIME_ZONE_FILE_MAX + 1);
    size_t size = bytes != NULL ? fread(bytes, 1, TIME_ZONE_FILE_MAX + 1, file) : 0;
    int rc = bytes == NULL ? -ENOMEM : ferror(file) ? -ENOENT : time_zone_parse(bytes, size, out);
    fclose(file);
    free(bytes);
    return rc;
}

static int read_named(const char *name, struct time_zone **out)
{
    static const char *const folders[] = {"/usr/share/zoneinfo", "/usr/share/lib/zoneinfo",
                                          "/usr/lib/locale/TZ"};
    const char *own = getenv("ZONEINFO");
    int rc = -ENOENT;
    for (size_t i = 0; i < 4 && (rc == -ENOENT || rc == -ENOTDIR); i++) {
        const char *folder = i > 0 ? folders[i - 1] : own;
        char path[TIME_ZONE_NAME_MAX + 4096];
        if (folder == NULL || *folder == '\0' || strlen(folder) > 4000)
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, name);
        rc = read_whole(path, out);
    }
    return rc;
}

/* No zone's name leaves the database's folder. */
static bool is_zone_name(const char *name)
{
    return *name != '\0' && *name != '/' && *name != '\\' && strstr(name, "..") == NULL &&
           strlen(name) <= TIME_ZONE_NAME_MAX;
}

/* The process's zone; what cannot be read is UTC (NULL). */
static int load_local(struct time_zone **out)
{
    const char *name = getenv("TZ");
    int rc;
    if (name == NULL)
        rc = read_whole("/etc/localtime", out);
    else {
        name += *name == ':';
        rc = *name == '/'         ? read_whole(name, out)
             : is_zone_name(name) ? read_named(name, out)
                                  : -ENOENT;
    }
    return rc == -ENOMEM ? rc : 0;
}

int time_zone_load(const char *name, struct time_zone **out, struct err *err)
{
    *out = NULL;
    if (*name == '\0' || strcmp(name, "UTC") == 0)
        return 0;
    int rc;
    if (strcmp(name, "Local") == 0)
        rc = load_local(out);
    else
        rc = is_zone_name(name) ? read_named(name, out) : -ENOENT;
    if (rc == 0)
        return 0;
    return err_add(err, "'%s': %s", name,
                   rc == -EINVAL                     ? "the file is not of the TZif format"
                   : rc == -ENOENT || rc == -ENOTDIR ? "no zone of the tz database has this name"
                                                     : strerror(-rc));
}
