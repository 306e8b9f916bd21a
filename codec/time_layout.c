/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/time_layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/civil_time.h"

enum element {
    ELEMENT_END, /* of the layout */
    ELEMENT_LONG_MONTH,
    ELEMENT_MONTH,
    ELEMENT_LONG_WEEKDAY,
    ELEMENT_WEEKDAY,
    ELEMENT_NUM_MONTH,
    ELEMENT_ZERO_MONTH,
    ELEMENT_DAY,
    ELEMENT_BLANK_DAY,
    ELEMENT_ZERO_DAY,
    ELEMENT_BLANK_YEAR_DAY,
    ELEMENT_ZERO_YEAR_DAY,
    ELEMENT_HOUR,
    ELEMENT_HOUR12,
    ELEMENT_ZERO_HOUR12,
    ELEMENT_MINUTE,
    ELEMENT_ZERO_MINUTE,
    ELEMENT_SECOND,
    ELEMENT_ZERO_SECOND,
    ELEMENT_LONG_YEAR,
    ELEMENT_YEAR,
    ELEMENT_UPPER_PM,
    ELEMENT_LOWER_PM,
    ELEMENT_ABBREVIATION,
    ELEMENT_OFFSET,    /* -0700 and its kin: see struct piece */
    ELEMENT_FRACTION0, /* .000 */
    ELEMENT_FRACTION9  /* .999 */
};

struct piece { /* one element with what stands before it */
    uint8_t element;
    uint8_t len;             /* of the element in the layout */
    uint8_t digits;          /* of a fraction */
    uint8_t offset_parts;    /* 1 hours, 2 minutes, 3 seconds */
    bool offset_colons;      /* between the parts */
    bool offset_z;           /* "Z" stands for UTC */
    bool is_before_fraction; /* the next element is a fraction */
    uint8_t prefix_len;
    const char *prefix;
};

struct time_layout {
    char text[TIME_LAYOUT_MAX + 1];
    struct piece pieces[TIME_LAYOUT_MAX + 1]; /* the last one is ELEMENT_END */
};

/* ---- reading layouts ---- */

struct spelling {
    const char *text;
    enum element element;
};

/* Of two that begin alike, the longer one comes first. */
static const struct spelling spellings[] = {
    {"January", ELEMENT_LONG_MONTH},
    {"Jan", ELEMENT_MONTH},
    {"Monday", ELEMENT_LONG_WEEKDAY},
    {"Mon", ELEMENT_WEEKDAY},
    {"MST", ELEMENT_ABBREVIATION},
    {"002", ELEMENT_ZERO_YEAR_DAY},
    {"01", ELEMENT_ZERO_MONTH},
    {"02", ELEMENT_ZERO_DAY},
    {"03", ELEMENT_ZERO_HOUR12},
    {"04", ELEMENT_ZERO_MINUTE},
    {"05", ELEMENT_ZERO_SECOND},
    {"06", ELEMENT_YEAR},
    {"15", ELEMENT_HOUR},
    {"1", ELEMENT_NUM_MONTH},
    {"2006", ELEMENT_LONG_YEAR},
    {"2", ELEMENT_DAY},
    {"__2", ELEMENT_BLANK_YEAR_DAY},
    {"_2", ELEMENT_BLANK_DAY},
    {"3", ELEMENT_HOUR12},
    {"4", ELEMENT_MINUTE},
    {"5", ELEMENT_SECOND},
    {"PM", ELEMENT_UPPER_PM},
    {"pm", ELEMENT_LOWER_PM},
};

static const struct {
    const char *text;
    uint8_t parts;
    bool colons;
} offsets[] = {
    {"070000", 3, false}, {"07:00:00", 3, true}, {"0700", 2, false},
    {"07:00", 2, true},   {"07", 1, false},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_with(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

static bool read_offset(const char *at, struct piece *piece)
{
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        if (begins_with(at + 1, offsets[i].text)) {
            piece->element = ELEMENT_OFFSET;
            piece->len = (uint8_t)(1 + strlen(offsets[i].text));
            piece->offset_parts = offsets[i].parts;
            piece->offset_colons = offsets[i].colons;
            piece->offset_z = *at == 'Z';
            return true;
        }
    }
    return false;
}

/* ".000", ",999": not followed by another digit. */
static bool read_fraction(const char *at, struct piece *piece)
{
    char digit = at[1];
    if (digit != '0' && digit != '9')
        return false;
    size_t len = 1;
    while (at[len] == digit)
        len++;
    if (is_digit(at[len]))
        return false;
    piece->element = digit == '0' ? ELEMENT_FRACTION0 : ELEMENT_FRACTION9;
    piece->len = (uint8_t)len;
    piece->digits = (uint8_t)(len - 1);
    return true;
}

static bool read_spelling(const char *at, struct piece *piece)
{
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        const struct spelling *spelling = &spellings[i];
        size_t len = strlen(spelling->text);
        bool is_short_name =
            spelling->element == ELEMENT_MONTH || spelling->element == ELEMENT_WEEKDAY;
        if (!begins_with(at, spelling->text) || (is_short_name && at[len] >= 'a' && at[len] <= 'z'))
            continue;
        piece->element = (uint8_t)spelling->element;
        piece->len = (uint8_t)len;
        return true;
    }
    return false;
}

static bool read_element(const char *at, struct piece *piece)
{
    switch (*at) {
    case '-':
    case 'Z':
        return read_offset(at, piece);
    case '.':
    case ',':
        return read_fraction(at, piece);
    case '_': /* "_2006" is a "_" and a year */
        return !begins_with(at, "_2006") && read_spelling(at, piece);
    default:
        return read_spelling(at, piece);
    }
}

/* The next element from `at` on, with what stands before it. */
static struct piece read_piece(const char *at)
{
    struct piece piece = {.prefix = at};
    while (*at != '\0' && !read_element(at, &piece))
        at++;
    piece.prefix_len = (uint8_t)(at - piece.prefix);
    return piece;
}

int time_layout_new(const char *text, struct time_layout **out)
{
    size_t len = strlen(text);
    if (len > TIME_LAYOUT_MAX)
        return -EINVAL;
    struct time_layout *layout = calloc(1, sizeof(*layout));
    if (layout == NULL)
        return -ENOMEM;
    memcpy(layout->text, text, len + 1);
    struct piece *piece = layout->pieces;
    const char *at = layout->text;
    for (;; piece++) {
        *piece = read_piece(at);
        if (piece > layout->pieces)
            piece[-1].is_before_fraction =
                piece->element == ELEMENT_FRACTION0 || piece->element == ELEMENT_FRACTION9;
        if (piece->element == ELEMENT_END)
            break;
        at = piece->prefix + piece->prefix_len + piece->len;
    }
    *out = layout;
    return 0;
}

void time_layout_free(struct time_layout *layout)
{
    free(layout);
}

/* ---- reading times ---- */

struct time_reader {
    const char *at;
    const char *end;
    struct time_fields *fields;
    int year_day; /* -1: none */
    bool is_pm, is_am;
    bool has_month, has_day;
};

static inline size_t left(const struct time_reader *in)
{
    return (size_t)(in->end - in->at);
}

static inline bool digit_at(const struct time_reader *in, size_t index)
{
    return index < left(in) && is_digit(in->at[index]);
}

/* One or two digits; `fixed`: two. */
static inline bool take_two(struct time_reader *in, bool fixed, int *value)
{
    size_t room = left(in);
    unsigned tens = room > 0 ? (unsigned)(in->at[0] - '0') : 10;
    unsigned ones = room > 1 ? (unsigned)(in->at[1] - '0') : 10;
    if (tens > 9 || (fixed && ones > 9))
        return false;
    in->at += ones > 9 ? 1 : 2;
    *value = (int)(ones > 9 ? tens : tens * 10 + ones);
    return true;
}

static inline bool take_in_range(struct time_reader *in, bool fixed, int max, int *value)
{
    return take_two(in, fixed, value) && *value <= max;
}

/* One to three digits; `fixed`: three. */
static bool take_year_day(struct time_reader *in, bool fixed)
{
    int digits = 0;
    in->year_day = 0;
    for (; digits < 3 && digit_at(in, 0); digits++)
        in->year_day = in->year_day * 10 + (*in->at++ - '0');
    return digits > 0 && (!fixed || digits == 3);
}

/* Exactly `len` digits, at least one. (Go takes a sign among them, too.) */
static bool take_digits(struct time_reader *in, size_t len, int *value)
{
    *value = 0;
    for (size_t i = 0; i < len; i++) {
        if (!digit_at(in, i))
            return false;
        *value = *value * 10 + (in->at[i] - '0');
    }
    in->at += len;
    return len > 0;
}

static bool take_year(struct time_reader *in, enum element element)
{
    int *year = &in->fields->year;
    in->fields->has_year = true;
    if (element == ELEMENT_LONG_YEAR)
        return take_digits(in, 4, year);
    if (!take_digits(in, 2, year))
        return false;
    *year += *year >= 69 ? 1900 : 2000;
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* A name of the table, whatever its case; its number from 0, or -1. `len` 0: the whole names. */
static int take_name(struct time_reader *in, const char *const *names, int count, size_t len)
{
    for (int i = 0; i < count; i++) {
        size_t size = len > 0 ? len : strlen(names[i]);
        size_t same = 0;
        while (same < size && same < left(in) && lower(in->at[same]) == lower(names[i][same]))
            same++;
        if (same == size) {
            in->at += size;
            return i;
        }
    }
    return -1;
}

static bool take_month(struct time_reader *in, enum element element)
{
    static const char *const names[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
    int *month = &in->fields->month;
    in->has_month = true;
    if (element == ELEMENT_NUM_MONTH || element == ELEMENT_ZERO_MONTH)
        return take_in_range(in, element == ELEMENT_ZERO_MONTH, 12, month) && *month > 0;
    *month = 1 + take_name(in, names, 12, element == ELEMENT_MONTH ? 3 : 0);
    return *month > 0;
}

static bool take_weekday(struct time_reader *in, enum element element)
{
    static const char *const names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
    return take_name(in, names, 7, element == ELEMENT_WEEKDAY ? 3 : 0) >= 0;
}

static void skip_blanks(struct time_reader *in, size_t most)
{
    for (; most > 0 && left(in) > 0 && *in->at == ' '; most--)
        in->at++;
}

static bool take_day(struct time_reader *in, enum element element)
{
    in->has_day = true;
    skip_blanks(in, element == ELEMENT_BLANK_DAY);
    return take_two(in, element == ELEMENT_ZERO_DAY, &in->fields->day);
}

static bool is_point(char c)
{
    return c == '.' || c == ',';
}

/* A point and digits, `len` characters in all; those beyond nanoseconds are cut off. */
static bool take_fraction(struct time_reader *in, size_t len)
{
    int *nanosecond = &in->fields->nanosecond;
    size_t kept = len < 10 ? len : 10;
    if (left(in) < len || !is_point(*in->at))
        return false;
    in->at++;
    if (!take_digits(in, kept - 1, nanosecond))
        return false;
    in->at += len - kept;
    for (size_t digits = kept - 1; digits < 9; digits++)
        *nanosecond *= 10;
    return true;
}

/* The length of a point with at least one digit here, or 0. */
static size_t fraction_len(const struct time_reader *in)
{
    size_t len = 1;
    if (left(in) < 2 || !is_point(*in->at))
        return 0;
    while (digit_at(in, len))
        len++;
    return len > 1 ? len : 0;
}

static bool take_free_fraction(struct time_reader *in)
{
    size_t len = fraction_len(in);
    return len == 0 || take_fraction(in, len);
}

static bool take_second(struct time_reader *in, const struct piece *piece)
{
    if (!take_in_range(in, piece->element == ELEMENT_ZERO_SECOND, 59, &in->fields->second))
        return false;
    return piece->is_before_fraction || take_free_fraction(in);
}

static bool take_half_day(struct time_reader *in, const char *pm, const char *am)
{
    bool is_pm = left(in) >= 2 && memcmp(in->at, pm, 2) == 0;
    bool is_am = left(in) >= 2 && memcmp(in->at, am, 2) == 0;
    in->is_pm |= is_pm;
    in->is_am |= is_am;
    in->at += is_pm || is_am ? 2 : 0;
    return is_pm || is_am;
}

static bool take_offset(struct time_reader *in, const struct piece *piece)
{
    static const int units[] = {3600, 60, 1};
    static const int limits[] = {24, 60, 60};
    if (piece->offset_z && left(in) > 0 && *in->at == 'Z') {
        in->at++;
        in->fields->zone = TIME_ZONE_UTC;
        return true;
    }
    if (left(in) == 0 || (*in->at != '+' && *in->at != '-'))
        return false;
    bool negative = *in->at++ == '-';
    int32_t offset = 0;
    for (int i = 0; i < 3 && i < piece->offset_parts; i++) {
        int value;
        if (i > 0 && piece->offset_colons) {
            if (left(in) == 0 || *in->at++ != ':')
                return false;
        }
        if (!take_in_range(in, true, limits[i], &value))
            return false;
        offset += value * units[i];
    }
    if (in->fields->zone != TIME_ZONE_UTC)
        in->fields->zone = TIME_ZONE_OFFSET;
    in->fields->offset_s = negative ? -offset : offset;
    return true;
}

/* "+3" to "-23" in front of `at`; its length, or 0. */
static size_t signed_hours_len(const char *at, const char *end)
{
    size_t len = 1;
    int hours = 0;
    if (at == end || (*at != '+' && *at != '-'))
        return 0;
    while (at + len < end && is_digit(at[len]) && hours < 1000)
        hours = hours * 10 + (at[len++] - '0');
    return len > 1 && hours <= 23 ? len : 0;
}

/* The length of what looks like a zone's abbreviation, or 0. */
static size_t abbreviation_len(const struct time_reader *in)
{
    size_t upper = 0;
    if (left(in) < 3)
        return 0;
    if (left(in) >= 4 && (memcmp(in->at, "ChST", 4) == 0 || memcmp(in->at, "MeST", 4) == 0))
        return 4;
    if (memcmp(in->at, "GMT", 3) == 0)
        return 3 + signed_hours_len(in->at + 3, in->end);
    if (*in->at == '+' || *in->at == '-')
        return signed_hours_len(in->at, in->end);
    while (upper < 6 && upper < left(in) && in->at[upper] >= 'A' && in->at[upper] <= 'Z')
        upper++;
    if (upper == 3 || (upper == 5 && in->at[4] == 'T') ||
        (upper == 4 && (in->at[3] == 'T' || memcmp(in->at, "WITA", 4) == 0)))
        return upper;
    return 0;
}

static bool take_abbreviation(struct time_reader *in)
{
    if (left(in) >= 3 && memcmp(in->at, "UTC", 3) == 0) {
        in->at += 3;
        in->fields->zone = TIME_ZONE_UTC;
        return true;
    }
    size_t len = abbreviation_len(in);
    in->fields->zone_name = in->at;
    in->fields->zone_name_len = len;
    if (in->fields->zone == TIME_ZONE_NONE)
        in->fields->zone = TIME_ZONE_ABBREVIATION;
    in->at += len;
    return len > 0;
}

static inline bool take_element(struct time_reader *in, const struct piece *piece)
{
    enum element element = (enum element)piece->element;
    struct time_fields *fields = in->fields;
    switch (element) {
    case ELEMENT_LONG_MONTH:
    case ELEMENT_MONTH:
    case ELEMENT_NUM_MONTH:
    case ELEMENT_ZERO_MONTH:
        return take_month(in, element);
    case ELEMENT_LONG_WEEKDAY:
    case ELEMENT_WEEKDAY:
        return take_weekday(in, element);
    case ELEMENT_DAY:
    case ELEMENT_BLANK_DAY:
    case ELEMENT_ZERO_DAY:
        return take_day(in, element);
    case ELEMENT_BLANK_YEAR_DAY:
        skip_blanks(in, 2);
        return take_year_day(in, false);
    case ELEMENT_ZERO_YEAR_DAY:
        return take_year_day(in, true);
    case ELEMENT_HOUR:
        return take_in_range(in, false, 23, &fields->hour);
    case ELEMENT_HOUR12:
    case ELEMENT_ZERO_HOUR12:
        return take_in_range(in, element == ELEMENT_ZERO_HOUR12, 12, &fields->hour);
    case ELEMENT_MINUTE:
    case ELEMENT_ZERO_MINUTE:
        return take_in_range(in, element == ELEMENT_ZERO_MINUTE, 59, &fields->minute);
    case ELEMENT_SECOND:
    case ELEMENT_ZERO_SECOND:
        return take_second(in, piece);
    case ELEMENT_LONG_YEAR:
    case ELEMENT_YEAR:
        return take_year(in, element);
    case ELEMENT_UPPER_PM:
        return take_half_day(in, "PM", "AM");
    case ELEMENT_LOWER_PM:
        return take_half_day(in, "pm", "am");
    case ELEMENT_ABBREVIATION:
        return take_abbreviation(in);
    case ELEMENT_OFFSET:
        return take_offset(in, piece);
    case ELEMENT_FRACTION0:
        return take_fraction(in, 1 + (size_t)piece->digits);
    case ELEMENT_FRACTION9:
        return take_free_fraction(in);
    case ELEMENT_END:
        break;
    }
    return left(in) == 0;
}

/* What stands before an element; blanks stand for any number of them, also for none at the end. */
static inline bool take_prefix(struct time_reader *in, const struct piece *piece)
{
    const char *at = piece->prefix, *end = at + piece->prefix_len;
    if (piece->prefix_len == 0)
        return true;
    while (at < end) {
        if (left(in) > 0 ? *in->at != *at : *at != ' ')
            return false;
        if (*at != ' ') {
            at++;
            in->at++;
            continue;
        }
        while (at < end && *at == ' ')
            at++;
        skip_blanks(in, SIZE_MAX);
    }
    return true;
}

/* ---- what they mean ---- */

/* Turns the day of the year into month and day, which must not contradict it. */
static bool apply_year_day(struct time_reader *in)
{
    struct time_fields *fields = in->fields;
    int day = in->year_day, month = 1;
    if (day < 1 || day > 365 + civil_is_leap(fields->year))
        return false;
    while (day > civil_month_days(fields->year, month))
        day -= civil_month_days(fields->year, month++);
    if ((in->has_month && fields->month != month) || (in->has_day && fields->day != day))
        return false;
    fields->month = month;
    fields->day = day;
    in->has_month = true;
    return true;
}

static bool finish(struct time_reader *in)
{
    struct time_fields *fields = in->fields;
    if (in->is_pm && fields->hour < 12)
        fields->hour += 12;
    else if (!in->is_pm && in->is_am && fields->hour == 12)
        fields->hour = 0;
    if (in->year_day >= 0 && !apply_year_day(in))
        return false;
    fields->has_date = in->has_month || in->has_day;
    return fields->day >= 1 && fields->day <= civil_month_days(fields->year, fields->month);
}

int time_layout_parse(const struct time_layout *layout, const char *text, size_t len,
                      struct time_fields *fields)
{
    struct time_reader in = {.at = text, .end = text + len, .fields = fields, .year_day = -1};
    *fields = (struct time_fields){.month = 1, .day = 1};
    for (const struct piece *piece = layout->pieces;; piece++) {
        if (!take_prefix(&in, piece) || !take_element(&in, piece))
            return -EINVAL;
        if (piece->element == ELEMENT_END)
            return finish(&in) ? 0 : -EINVAL;
    }
}
