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
    [STATSD_NO_COLON] = "no colon",
    [STATSD_NO_PIPE] = "no pipe",
    [STATSD_NO_TYPE] = "no type",
    [STATSD_UNKNOWN_TYPE] = "unknown type",
    [STATSD_BAD_RATE] = "bad rate",
    [STATSD_NAME_TOO_LONG] = "name too long",
    [STATSD_EMPTY_NAME] = "empty name",
    [STATSD_BAD_VALUE] = "bad value",
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

static bool parse_count(const struct statsd_number *number, double rate, int64_t *count)
{
    if (rate == 1 && number->integer)
        return statsd_number_int64(number, count);
    double quotient = trunc(statsd_number_double(number) / rate);
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
    [(c) & 31] = {.text = '|' | (uint32_t)(c) << 8, .shift = 16, .len = 2, .type = (t)}

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
static inline __attribute__((always_inline)) bool
parse_common_line(const char *bytes, uint32_t start, uint32_t colon, uint32_t end,
                  struct statsd_sample *sample)
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

/* ---- lines of a datagram ---- */

struct statsd_lines {
    const char *bytes;
    uint32_t size;
    uint32_t start; /* of the next line */
    unsigned mark;  /* the next one */
    unsigned mark_count;
    uint32_t marks[SCAN_MARKS_MAX];
};

static inline bool is_line_end(const struct statsd_lines *lines, uint32_t at)
{
    return at >= lines->size || lines->bytes[at] == '\n';
}

/* The end of the line at lines->start; moves behind its marks. */
static uint32_t find_line_end(struct statsd_lines *lines)
{
    while (lines->mark < lines->mark_count) {
        uint32_t at = lines->marks[lines->mark++];
        if (is_line_end(lines, at))
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

/* Takes lines while there are marks and room. */
static unsigned take_lines(struct statsd_lines *lines, struct statsd_sample *samples, unsigned max,
                           struct statsd_counts *counts)
{
    unsigned count = 0;
    while (count < max && lines->mark < lines->mark_count && lines->start < lines->size) {
        const uint32_t *mark = &lines->marks[lines->mark];
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        /* The marks of a common line are its ':' and its end. */
        if (LIKELY(lines->mark + 1 < lines->mark_count && !is_line_end(lines, mark[0]) &&
                   is_line_end(lines, mark[1]) &&
                   parse_common_line(lines->bytes, lines->start, mark[0], mark[1],
                                     &samples[count]))) {
            lines->start = mark[1] + 1;
            lines->mark += 2;
            counts->lines++;
            count++;
            continue;
        }
#endif
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
