/* SPDX-License-Identifier: MPL-2.0 */
#include "control/outputs/carbon_lines.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_LEN_MAX = 63, TIME_LEN_MAX = 10 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* The next run of characters that are not blank. */
static bool next_field(const char **at, const char *end, const char **field, size_t *len)
{
    while (*at < end && is_blank(**at))
        (*at)++;
    *field = *at;
    while (*at < end && !is_blank(**at))
        (*at)++;
    *len = (size_t)(*at - *field);
    return *len > 0;
}

static bool read_float(const char *text, size_t len, double *value)
{
    char copy[NUMBER_LEN_MAX + 1], *end;
    if (len > NUMBER_LEN_MAX)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *value = strtod(copy, &end);
    return end == copy + len;
}

static bool read_time(const char *text, size_t len, uint32_t *time_s)
{
    uint64_t value = 0;
    if (len > TIME_LEN_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *time_s = (uint32_t)value;
    return value <= UINT32_MAX;
}

static bool read_line(const char *at, const char *end, struct carbon_line *line)
{
    const char *value, *time, *more;
    size_t value_len, time_len, more_len;
    if (memchr(at, '\0', (size_t)(end - at)) != NULL)
        return false;
    return next_field(&at, end, &line->name, &line->name_len) &&
           next_field(&at, end, &value, &value_len) && next_field(&at, end, &time, &time_len) &&
           !next_field(&at, end, &more, &more_len) && read_float(value, value_len, &line->value) &&
           read_time(time, time_len, &line->time_s);
}

bool carbon_lines_next(const char *text, size_t size, size_t *offset, struct carbon_line *line)
{
    while (*offset < size) {
        const char *at = text + *offset, *newline = memchr(at, '\n', size - *offset);
        const char *end = newline != NULL ? newline : text + size;
        *offset = (size_t)(end - text) + (newline != NULL);
        while (at < end && is_blank(*at))
            at++;
        while (end > at && is_blank(end[-1]))
            end--;
        if (at == end)
            continue;
        *line = (struct carbon_line){.text = at, .len = (size_t)(end - at)};
        line->is_good = read_line(at, end, line);
        return true;
    }
    return false;
}
