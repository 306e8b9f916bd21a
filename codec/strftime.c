/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/strftime.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct moment {
    struct tm tm;
    int64_t seconds;
    int nanoseconds;
    const char *zone_name;
};

static bool moment_of(int64_t time_ns, enum strftime_zone zone, struct moment *moment)
{
    moment->seconds = time_ns / 1000000000;
    moment->nanoseconds = (int)(time_ns % 1000000000);
    if (moment->nanoseconds < 0) {
        moment->nanoseconds += 1000000000;
        moment->seconds--;
    }
    time_t seconds = moment->seconds;
    if (zone == STRFTIME_UTC) {
        moment->zone_name = "UTC";
        return gmtime_r(&seconds, &moment->tm) != NULL;
    }
    if (localtime_r(&seconds, &moment->tm) == NULL)
        return false;
    moment->zone_name = moment->tm.tm_zone;
    return true;
}

/* Codes that stand for others. */
static const char *expansion_of(char code)
{
    switch (code) {
    case 'D':
        return "%m/%d/%y";
    case 'F':
        return "%Y-%m-%d";
    case 'R':
        return "%H:%M";
    case 'r':
        return "%I:%M:%S %p";
    case 'T':
        return "%H:%M:%S";
    case 'v':
        return "%e-%b-%Y";
    default:
        return NULL;
    }
}

static const char *text_of(char code, const struct moment *moment)
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    bool morning = moment->tm.tm_hour < 12;
    switch (code) {
    case 'A':
    case 'a':
        return days[moment->tm.tm_wday];
    case 'B':
    case 'b':
    case 'h':
        return months[moment->tm.tm_mon];
    case 'P':
        return morning ? "am" : "pm";
    case 'p':
        return morning ? "AM" : "PM";
    case 'Z':
        return moment->zone_name;
    case 'n':
        return "\n";
    case 't':
        return "\t";
    case '%':
        return "%";
    default:
        return NULL;
    }
}

struct number {
    int value;
    int width;
    bool blanks; /* in front, else zeros */
};

static bool number_of(char code, const struct moment *moment, struct number *number)
{
    const struct tm *tm = &moment->tm;
    int year = tm->tm_year + 1900;
    int hour12 = tm->tm_hour % 12 == 0 ? 12 : tm->tm_hour % 12;
    const struct {
        char code;
        struct number number;
    } numbers[] = {
        {'C', {year / 100, 2, false}},      {'d', {tm->tm_mday, 2, false}},
        {'e', {tm->tm_mday, 2, true}},      {'f', {moment->nanoseconds / 1000, 6, false}},
        {'H', {tm->tm_hour, 2, false}},     {'I', {hour12, 2, false}},
        {'j', {tm->tm_yday + 1, 3, false}}, {'k', {tm->tm_hour, 2, true}},
        {'l', {hour12, 2, true}},           {'M', {tm->tm_min, 2, false}},
        {'m', {tm->tm_mon + 1, 2, false}},  {'S', {tm->tm_sec, 2, false}},
        {'w', {tm->tm_wday, 1, false}},     {'Y', {year, 4, false}},
        {'y', {year % 100, 2, false}},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (numbers[i].code == code) {
            *number = numbers[i].number;
            return true;
        }
    }
    return false;
}

static int append_offset(struct buffer *out, long seconds)
{
    long minutes = labs(seconds) / 60;
    return buffer_printf(out, "%c%02ld%02ld", seconds < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

static int append_code(struct buffer *out, char code, const struct moment *moment)
{
    struct number number;
    const char *text = text_of(code, moment);
    if (text != NULL && strchr("abh", code) != NULL)
        return buffer_append(out, text, 3);
    if (text != NULL)
        return buffer_append_text(out, text);
    if (number_of(code, moment, &number))
        return buffer_printf(out, number.blanks ? "%*d" : "%0*d", number.width, number.value);
    if (code == 's')
        return buffer_printf(out, "%" PRId64, moment->seconds);
    if (code == 'z')
        return append_offset(out, moment->tm.tm_gmtoff);
    const char unknown[2] = {'%', code};
    return buffer_append(out, unknown, sizeof(unknown));
}

/* Expansions hold no expansions, so it goes one level deep. */
static int append_format(struct buffer *out, const char *format, const struct moment *moment)
{
    int rc = 0;
    while (*format != '\0' && rc == 0) {
        size_t plain = strcspn(format, "%");
        rc = buffer_append(out, format, plain);
        format += plain;
        if (*format == '\0' || rc != 0)
            break;
        if (format[1] == '\0') /* a lone one at the end stays */
            return buffer_append(out, format, 1);
        const char *expansion = expansion_of(format[1]);
        rc = expansion != NULL ? append_format(out, expansion, moment)
                               : append_code(out, format[1], moment);
        format += 2;
    }
    return rc;
}

int strftime_append(struct buffer *out, const char *format, int64_t time_ns,
                    enum strftime_zone zone)
{
    struct moment moment;
    size_t start = out->size;
    if (!moment_of(time_ns, zone, &moment))
        return -EOVERFLOW;
    int rc = append_format(out, format, &moment);
    if (rc != 0)
        out->size = start;
    return rc;
}
