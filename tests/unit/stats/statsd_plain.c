/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/stats/statsd_plain.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct text {
    const char *at;
    size_t len;
};

static struct text cut(struct text text, size_t from)
{
    return (struct text){text.at + from, text.len - from};
}

/* Index of the byte, or -1. */
static long find(struct text text, char c)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == c)
            return (long)i;
    }
    return -1;
}

static bool begins(struct text text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.at, with, len) == 0;
}

static bool is(struct text text, const char *what)
{
    return text.len == strlen(what) && begins(text, what);
}

/* [+-]digits[.digits][e[+-]digits], at least one digit before the "e". */
static bool is_number(struct text text)
{
    size_t i = 0, digits = 0, points = 0;
    if (i < text.len && (text.at[i] == '+' || text.at[i] == '-'))
        i++;
    for (; i < text.len; i++) {
        if (text.at[i] >= '0' && text.at[i] <= '9')
            digits++;
        else if (text.at[i] == '.')
            points++;
        else
            break;
    }
    if (digits == 0 || points > 1)
        return false;
    if (i == text.len)
        return true;
    if (text.at[i] != 'e' && text.at[i] != 'E')
        return false;
    i++;
    if (i < text.len && (text.at[i] == '+' || text.at[i] == '-'))
        i++;
    if (i == text.len)
        return false;
    for (; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    }
    return true;
}

static bool to_double(struct text text, double *value)
{
    char copy[1025];
    if (text.len > 1024 || !is_number(text))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    *value = strtod(copy, NULL) + 0.0; /* no -0 */
    return true;
}

static bool is_integer(struct text text)
{
    return find(text, '.') < 0 && find(text, 'e') < 0 && find(text, 'E') < 0;
}

static bool to_count(struct text text, double rate, int64_t *count)
{
    double value;
    if (!to_double(text, &value))
        return false;
    if (rate == 1 && is_integer(text)) {
        char copy[1025];
        memcpy(copy, text.at, text.len);
        copy[text.len] = '\0';
        errno = 0;
        *count = strtoll(copy, NULL, 10);
        return errno == 0;
    }
    double quotient = trunc(value / rate);
    double above = quotient + (value < 0 ? -1 : 1); /* missed by what doubles cannot hold? */
    if (fabs(above) < 0x1p40 && fabs(value / rate - above) <= fabs(above) * 0x1p-50)
        quotient = above;
    if (isnan(quotient) || quotient >= 0x1p63 || quotient < -0x1p63)
        return false;
    *count = (int64_t)quotient;
    return true;
}

static int parse_modifier(struct text modifier, struct statsd_sample *sample, double *rate)
{
    struct text rest = {NULL, 0};
    if (is(modifier, "ms") || (begins(modifier, "ms") && modifier.len > 2)) {
        sample->type = STATSD_TIMER;
        rest = cut(modifier, 2);
    } else if (is(modifier, "g") || (begins(modifier, "g") && modifier.len > 2)) {
        sample->type = STATSD_GAUGE;
        rest = cut(modifier, 1);
    } else if (is(modifier, "c") || (begins(modifier, "c") && modifier.len > 2)) {
        sample->type = STATSD_COUNTER;
        rest = cut(modifier, 1);
    } else if (is(modifier, "h") || is(modifier, "m")) {
        sample->type = STATSD_COUNTER;
    } else {
        return STATSD_UNKNOWN_TYPE;
    }
    *rate = 1;
    if (rest.len < 3 || !begins(rest, "|@"))
        return -1;
    if (!to_double(cut(rest, 2), rate) || !isfinite(*rate) || *rate <= 0)
        return STATSD_BAD_RATE;
    return -1;
}

/* -1: a sample. */
static int parse_line(struct text line, struct statsd_sample *sample)
{
    double rate = 1;
    long colon = find(line, ':');
    if (colon < 0)
        return STATSD_NO_COLON;
    struct text value = cut(line, (size_t)colon + 1);
    long pipe = find(value, '|');
    if (pipe < 0)
        return STATSD_NO_PIPE;
    struct text modifier = cut(value, (size_t)pipe + 1);
    value.len = (size_t)pipe;
    if (modifier.len == 0)
        return STATSD_NO_TYPE;
    int reject = parse_modifier(modifier, sample, &rate);
    if (reject >= 0)
        return reject;
    if (colon > 1024)
        return STATSD_NAME_TOO_LONG;
    if (colon == 0)
        return STATSD_EMPTY_NAME;
    bool good = sample->type == STATSD_COUNTER ? to_count(value, rate, &sample->count)
                                               : to_double(value, &sample->value);
    if (!good || (sample->type != STATSD_COUNTER && !isfinite(sample->value)))
        return STATSD_BAD_VALUE;
    sample->name = line.at;
    sample->name_len = (uint16_t)colon;
    sample->hash = name_hash_plain(line.at, (size_t)colon);
    return -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

unsigned statsd_plain_parse(const char *bytes, size_t size, struct statsd_sample *samples,
                            struct statsd_counts *counts)
{
    unsigned count = 0;
    struct text rest = {bytes, size};
    while (rest.len > 0) {
        long feed = find(rest, '\n');
        struct text line = {rest.at, feed < 0 ? rest.len : (size_t)feed};
        rest = cut(rest, feed < 0 ? rest.len : (size_t)feed + 1);
        while (line.len > 0 && is_blank(line.at[0]))
            line = cut(line, 1);
        while (line.len > 0 && is_blank(line.at[line.len - 1]))
            line.len--;
        if (line.len == 0)
            continue;
        counts->lines++;
        int reject = parse_line(line, &samples[count]);
        if (reject < 0)
            count++;
        else
            counts->rejects[reject]++;
    }
    return count;
}
