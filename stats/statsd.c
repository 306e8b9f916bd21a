/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/statsd.h"

#include <math.h>
#include <stdbool.h>

#include "core/check.h"
#include "stats/name_hash.h"
#include "stats/statsd_number.h"
#include "stats/statsd_scan.h"

enum { LINE_EMPTY = -1, LINE_SAMPLE = -2 }; /* beside enum statsd_reject */

static const char *const reject_texts[STATSD_REJECT_COUNT] = {
    [STATSD_NO_COLON] = "no colon",     [STATSD_NO_PIPE] = "no pipe",
    [STATSD_NO_TYPE] = "no type",       [STATSD_UNKNOWN_TYPE] = "unknown type",
    [STATSD_BAD_RATE] = "bad rate",     [STATSD_NAME_TOO_LONG] = "name too long",
    [STATSD_EMPTY_NAME] = "empty name", [STATSD_BAD_VALUE] = "bad value",
};

const char *statsd_reject_text(enum statsd_reject reason)
{
    return (unsigned)reason < STATSD_REJECT_COUNT ? reject_texts[reason] : "unknown reason";
}

uint64_t statsd_name_hash(const char *name, size_t name_len)
{
    return name_hash(name, name_len);
}

/* ---- any line: the grammar as it is written in docs/formats/statsd.md ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The type behind "|"; *rest is what may hold a rate. False for an unknown type. */
static bool parse_type(const char *text, size_t len, uint8_t *type, size_t *rest)
{
    bool ms = len >= 2 && text[0] == 'm' && text[1] == 's';
    *rest = ms ? 2 : 1;
    *type = ms ? STATSD_TIMER : text[0] == 'g' ? STATSD_GAUGE : STATSD_COUNTER;
    if (len == 1)
        return text[0] == 'c' || text[0] == 'g' || text[0] == 'h' || text[0] == 'm';
    return ms || (len > 2 && (text[0] == 'c' || text[0] == 'g'));
}

/* Anything that does not begin with "|@" and one more byte is rate 1. */
static bool parse_rate(const char *text, size_t len, double *rate)
{
    struct statsd_number number;
    *rate = 1;
    if (len < 3 || text[0] != '|' || text[1] != '@')
        return true;
    if (!statsd_number_parse(text + 2, len - 2, &number))
        return false;
    *rate = statsd_number_double(&number);
    return isfinite(*rate) && *rate > 0;
}

/* Toward zero, as Heka does. But 7 at 0.07 is 100, not 99: a quotient that misses a whole number
 * only by what doubles cannot hold is that number. */
static inline double whole_quotient(double quotient)
{
    double nearest = rint(quotient);
    bool is_whole = fabs(quotient - nearest) <= fabs(nearest) * 0x1p-50;
    return is_whole && fabs(nearest) < 0x1p40 ? nearest : trunc(quotient);
}

static bool parse_count(const struct statsd_number *number, double rate, int64_t *count)
{
    if (rate == 1 && number->integer)
        return statsd_number_int64(number, count);
    double quotient = whole_quotient(statsd_number_double(number) / rate);
    /* 2^63 itself does not fit; a NaN fails too. */
    if (!(quotient >= -0x1p63 && quotient < 0x1p63))
        return false;
    *count = (int64_t)quotient;
    return true;
}

static bool parse_value(const char *text, size_t len, double rate, struct statsd_sample *sample)
{
    struct statsd_number number;
    if (!statsd_number_parse(text, len, &number))
        return false;
    if (sample->type == STATSD_COUNTER)
        return parse_count(&number, rate, &sample->count);
    sample->value = statsd_number_double(&number);
    return isfinite(sample->value);
}

/* One line without its line feed: LINE_SAMPLE, LINE_EMPTY or an enum statsd_reject. */
static int parse_line(const char *line, const char *end, struct statsd_sample *sample)
{
    size_t rest;
    double rate;
    while (line < end && is_blank(*line))
        line++;
    while (line < end && is_blank(end[-1]))
        end--;
    if (line == end)
        return LINE_EMPTY;
    const char *colon = memchr(line, ':', (size_t)(end - line));
    if (colon == NULL)
        return STATSD_NO_COLON;
    const char *pipe = memchr(colon, '|', (size_t)(end - colon));
    if (pipe == NULL)
        return STATSD_NO_PIPE;
    if (pipe + 1 == end)
        return STATSD_NO_TYPE;
    if (!parse_type(pipe + 1, (size_t)(end - pipe - 1), &sample->type, &rest))
        return STATSD_UNKNOWN_TYPE;
    if (!parse_rate(pipe + 1 + rest, (size_t)(end - pipe - 1) - rest, &rate))
        return STATSD_BAD_RATE;
    if (colon - line > STATSD_NAME_MAX)
        return STATSD_NAME_TOO_LONG;
    if (colon == line)
        return STATSD_EMPTY_NAME;
    if (!parse_value(colon + 1, (size_t)(pipe - colon - 1), rate, sample))
        return STATSD_BAD_VALUE;
    sample->name = line;
    sample->name_len = (uint16_t)(colon - line);
    sample->hash = name_hash(line, sample->name_len);
    return LINE_SAMPLE;
}

/* ---- the common line: NAME:1 to 8 digits|type, no blanks; little-endian only ---- */

/* By the low five bits of a line's last byte: what its end must be. */
struct line_end {
    uint32_t text; /* the last bytes, shifted down */
    uint8_t shift; /* of the last four bytes to compare with it */
    uint8_t len;   /* of it */
    uint8_t type;
};

#define LINE_END_1(c, t)                                                                           \
    [(c)&31] = {.text = '|' | (uint32_t)(c) << 8, .shift = 16, .len = 2, .type = (t)}

static const struct line_end line_ends[32] = {
    LINE_END_1('c', STATSD_COUNTER),
    LINE_END_1('h', STATSD_COUNTER),
    LINE_END_1('m', STATSD_COUNTER),
    LINE_END_1('g', STATSD_GAUGE),
    ['s' & 31] = {.text = '|' | 'm' << 8 | 's' << 16, .shift = 8, .len = 3, .type = STATSD_TIMER},
};

/* Up to 8 digits, the last one in the highest byte; `unused` bits at the low end are no digits. All
 * digits at once: pairs, then fours, then eight. False when one is no digit. */
static inline bool eight_digits(uint64_t text, unsigned unused, uint32_t *value)
{
    uint64_t d = text ^ UINT64_C(0x3030303030303030);
    d = d >> unused << unused;
    *value = 0;
    if (((d + UINT64_C(0x7676767676767676)) | d) & UINT64_C(0x8080808080808080))
        return false;
    d = d * 10 + (d >> 8);
    d = ((d & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
         (d >> 16 & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >>
        32;
    *value = (uint32_t)d;
    return true;
}

/* bytes[start..end) is a line whose only ':' may be at `colon`. False: let parse_line() see it. */
static inline bool parse_common_line(const char *bytes, uint32_t start, uint32_t colon,
                                     uint32_t end, struct statsd_sample *sample)
{
    uint32_t tail, value;
    uint64_t text;
    if (end < 11) /* the loads below reach back 8 bytes from the pipe */
        return false;
    memcpy(&tail, bytes + end - 4, 4);
    const struct line_end *kind = &line_ends[(uint8_t)bytes[end - 1] & 31];
    uint32_t pipe = end - kind->len;
    uint32_t digit_count = pipe - colon - 1;
    uint32_t name_len = colon - start;
    bool good = (tail >> (kind->shift & 31)) == kind->text;
    good &= digit_count - 1 < 8;
    good &= name_len - 1 < STATSD_NAME_MAX;
    good &= (uint8_t)bytes[start] > ' ';
    if (UNLIKELY(!good))
        return false;
    memcpy(&text, bytes + pipe - 8, 8);
    if (UNLIKELY(!eight_digits(text, (8 - digit_count) * 8, &value)))
        return false;
    sample->name = bytes + start;
    sample->name_len = (uint16_t)name_len;
    sample->type = kind->type;
    sample->hash = name_hash(bytes + start, name_len);
    double real = value;
    int64_t real_bits;
    memcpy(&real_bits, &real, sizeof(real_bits));
    sample->count = kind->type == STATSD_COUNTER ? (int64_t)value : real_bits;
    return true;
}

/* ---- the rest of the usual lines: signs, decimals and rates ---- */

struct decimal { /* digits / 10^scale, exact in a double */
    int64_t digits;
    unsigned scale;
    bool point;
};

static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* [+-]digits[.digits] of at most 15 digits from *at on, which moves behind it. */
static bool take_decimal(const char **at, const char *end, struct decimal *decimal)
{
    const char *c = *at;
    bool negative = c < end && *c == '-';
    uint64_t value = 0;
    unsigned count = 0, scale = 0, point = 0;
    c += c < end && (*c == '-' || *c == '+');
    for (; c < end; c++) {
        unsigned digit = (unsigned)(unsigned char)*c - '0';
        if (digit <= 9) {
            value = value * 10 + digit;
            count++;
            scale += point;
        } else if (*c == '.' && point == 0) {
            point = 1;
        } else {
            break;
        }
        if (count > 15)
            return false;
    }
    *at = c;
    decimal->digits = negative ? -(int64_t)value : (int64_t)value;
    decimal->scale = scale;
    decimal->point = point != 0;
    return count > 0;
}

static double decimal_double(const struct decimal *decimal)
{
    return (double)decimal->digits / tens[decimal->scale];
}

/* "|TYPE" or "|TYPE|@RATE" up to the end. */
static bool take_ending(const char *at, const char *end, uint8_t *type, double *rate)
{
    struct decimal decimal;
    size_t len = (size_t)(end - at);
    *rate = 1;
    if (len < 2 || at[0] != '|')
        return false;
    if (at[1] == 'c' || ((at[1] == 'h' || at[1] == 'm') && len == 2))
        *type = STATSD_COUNTER;
    else if (at[1] == 'g')
        *type = STATSD_GAUGE;
    else if (len >= 3 && at[1] == 'm' && at[2] == 's')
        *type = STATSD_TIMER;
    else
        return false;
    at += *type == STATSD_TIMER ? 3 : 2;
    if (at == end)
        return true;
    if (end - at < 3 || at[0] != '|' || at[1] != '@')
        return false;
    at += 2;
    if (!take_decimal(&at, end, &decimal) || at != end || decimal.digits <= 0)
        return false;
    *rate = decimal_double(&decimal);
    return true;
}

/* As parse_common_line(), for what that does not take; and what this does not take parse_line()
 * will. It takes a line with a rate from 103 to 63 cycles (bench/stats_shard's traffic, all
 * sampled). */
static __attribute__((noinline)) bool parse_usual_line(const char *bytes, uint32_t start,
                                                       uint32_t colon, uint32_t end,
                                                       struct statsd_sample *sample)
{
    struct decimal decimal;
    const char *at = bytes + colon + 1;
    uint32_t name_len = colon - start;
    double rate;
    if (name_len - 1 >= STATSD_NAME_MAX || (uint8_t)bytes[start] <= ' ' ||
        !take_decimal(&at, bytes + end, &decimal) ||
        !take_ending(at, bytes + end, &sample->type, &rate))
        return false;
    if (sample->type != STATSD_COUNTER) {
        double value = decimal_double(&decimal);
        sample->value = value == 0 ? 0 : value;
    } else if (rate == 1 && !decimal.point) {
        sample->count = decimal.digits;
    } else {
        double quotient = whole_quotient(decimal_double(&decimal) / rate);
        if (!(quotient > -0x1p63 && quotient < 0x1p63))
            return false;
        sample->count = (int64_t)quotient;
    }
    sample->name = bytes + start;
    sample->name_len = (uint16_t)name_len;
    sample->hash = name_hash(bytes + start, name_len);
    return true;
}

/* ---- lines of a datagram ---- */

struct statsd_lines {
    const char *bytes;
    uint32_t size;
    uint32_t start; /* of the next line */
    unsigned mark;  /* the next one */
    unsigned mark_count;
    uint32_t marks[SCAN_MARKS_MAX];
};

/* The end of the line at lines->start; moves behind its marks. */
static uint32_t find_line_end(struct statsd_lines *lines)
{
    while (lines->mark < lines->mark_count) {
        uint32_t at = lines->marks[lines->mark++];
        if (at == lines->size || lines->bytes[at] == '\n')
            return at;
    }
    const char *start = lines->bytes + lines->start;
    const char *feed = memchr(start, '\n', lines->size - lines->start);
    return feed == NULL ? lines->size : (uint32_t)(feed - lines->bytes);
}

/* Takes the next line slowly. Returns the samples it gave, 0 or 1. */
static __attribute__((noinline)) unsigned take_line(struct statsd_lines *lines,
                                                    struct statsd_sample *sample,
                                                    struct statsd_counts *counts)
{
    uint32_t end = find_line_end(lines);
    int result = parse_line(lines->bytes + lines->start, lines->bytes + end, sample);
    lines->start = end + 1;
    counts->lines += result != LINE_EMPTY;
    if (result >= 0)
        counts->rejects[result]++;
    return result == LINE_SAMPLE;
}

/* Takes common lines up to the first other one. */
static unsigned take_common_lines(struct statsd_lines *lines, struct statsd_sample *samples,
                                  unsigned max)
{
    unsigned count = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    /* Copies, as the compiler must assume that a sample stored changes *lines. */
    const char *bytes = lines->bytes;
    const uint32_t size = lines->size;
    const uint32_t *mark = &lines->marks[lines->mark];
    const uint32_t *last = &lines->marks[lines->mark_count];
    uint32_t start = lines->start;
    for (; count < max && last - mark >= 2; count++, mark += 2) {
        uint32_t colon = mark[0], end = mark[1];
        if (colon >= size || bytes[colon] != ':' || (end < size && bytes[end] != '\n') ||
            !(parse_common_line(bytes, start, colon, end, &samples[count]) ||
              parse_usual_line(bytes, start, colon, end, &samples[count])))
            break;
        start = end + 1;
    }
    lines->mark = (unsigned)(mark - lines->marks);
    lines->start = start;
#endif
    return count;
}

/* Takes lines while there are marks and room. */
static unsigned take_lines(struct statsd_lines *lines, struct statsd_sample *samples, unsigned max,
                           struct statsd_counts *counts)
{
    unsigned count = 0;
    while (count < max && lines->mark < lines->mark_count && lines->start < lines->size) {
        unsigned common = take_common_lines(lines, samples + count, max - count);
        counts->lines += common;
        count += common;
        if (count < max && lines->mark < lines->mark_count && lines->start < lines->size)
            count += take_line(lines, &samples[count], counts);
    }
    return count;
}

unsigned statsd_parse(const char *bytes, size_t size, size_t *offset,
                      struct statsd_sample samples[STATSD_BURST], struct statsd_counts *counts)
{
    struct statsd_lines lines;
    unsigned count = 0;
    CHECK(size <= STATSD_SIZE_MAX);
    while (count < STATSD_BURST && *offset < size) {
        lines.bytes = bytes + *offset;
        lines.size = (uint32_t)(size - *offset);
        lines.start = 0;
        lines.mark = 0;
        lines.mark_count = scan_marks(lines.bytes, lines.size, lines.marks);
        count += take_lines(&lines, samples + count, STATSD_BURST - count, counts);
        *offset += lines.start < lines.size ? lines.start : lines.size;
    }
    return count;
}
