/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/statsd.h"

#include <string.h>

#include "core/check.h"
#include "stats/name_hash.h"
#include "stats/statsd_decimal.h"
#include "stats/statsd_line.h"
#include "stats/statsd_scan.h"
#include "stats/statsd_tags.h"

static const char *const reject_texts[STATSD_REJECT_COUNT] = {
    [STATSD_NO_COLON] = "no colon",     [STATSD_NO_PIPE] = "no pipe",
    [STATSD_NO_TYPE] = "no type",       [STATSD_UNKNOWN_TYPE] = "unknown type",
    [STATSD_BAD_RATE] = "bad rate",     [STATSD_NAME_TOO_LONG] = "name too long",
    [STATSD_EMPTY_NAME] = "empty name", [STATSD_BAD_VALUE] = "bad value",
    [STATSD_BAD_TAGS] = "bad tags",     [STATSD_BAD_TIMESTAMP] = "bad timestamp",
    [STATSD_BAD_EVENT] = "bad event",   [STATSD_BAD_SERVICE_CHECK] = "bad service check",
};

const char *statsd_reject_text(enum statsd_reject reason)
{
    return (unsigned)reason < STATSD_REJECT_COUNT ? reject_texts[reason] : "unknown reason";
}

static const char *const dialect_texts[STATSD_DIALECT_COUNT] = {
    [STATSD_HEKA] = "heka",         [STATSD_ETSY] = "etsy",     [STATSD_SPEC] = "spec",
    [STATSD_DOG] = "dogstatsd",     [STATSD_INFLUX] = "influx", [STATSD_SIGNALFX] = "signalfx",
    [STATSD_GRAPHITE] = "graphite",
};

const char *statsd_dialect_text(enum statsd_dialect dialect)
{
    return (unsigned)dialect < STATSD_DIALECT_COUNT ? dialect_texts[dialect] : "unknown dialect";
}

int statsd_dialect_find(const char *text)
{
    for (int i = 0; i < STATSD_DIALECT_COUNT; i++)
        if (strcmp(text, dialect_texts[i]) == 0)
            return i;
    return -1;
}

uint64_t statsd_name_hash(const char *name, size_t name_len)
{
    return name_hash(name, name_len);
}

/* The end is that of MurmurHash3 (fmix64): sketches count leading zeros. */
uint64_t statsd_member_hash(const char *member, size_t len)
{
    uint64_t hash = name_hash_keyed(member, len, &name_key_fixed);
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

/* ---- the common line: NAME:1 to 8 digits|type, no blanks; little-endian only ---- */

enum { SHORT_LINE_MIN = 11 }; /* bytes of a line, for the loads of parse_common_line() */

/* What a fast path writes of a sample beside its value. */
static inline void put_head(struct statsd_sample *sample, const char *name, uint32_t name_len,
                            unsigned type_and_flags, uint16_t sender, bool is_short)
{
    uint64_t head = name_len | (uint64_t)type_and_flags << 32 | (uint64_t)sender << 48;
    sample->name = name;
    memcpy((char *)sample + offsetof(struct statsd_sample, name_len), &head, sizeof(head));
    sample->hash = is_short ? name_hash_short(name, name_len) : name_hash(name, name_len);
}
_Static_assert(
    offsetof(struct statsd_sample, tags_len) == offsetof(struct statsd_sample, name_len) + 2 &&
        offsetof(struct statsd_sample, type) == offsetof(struct statsd_sample, name_len) + 4 &&
        offsetof(struct statsd_sample, flags) == offsetof(struct statsd_sample, name_len) + 5 &&
        offsetof(struct statsd_sample, sender) == offsetof(struct statsd_sample, name_len) + 6,
    "put_head() writes them as one word");

/* Names that only statsd_line.c knows what to do with. */
static inline bool is_odd_name(const struct statsd_parser *parser, const char *name, size_t len)
{
    return (name[0] == '_' && statsd_has(parser, 1U << STATSD_DOG)) ||
           (parser->looks_into_names && name_class_any(&parser->odd_names, name, len));
}

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

enum line_kind {                /* constants wherever parse_common_line() is inlined */
                 LINE_WIDE = 1, /* there are dialects */
                 LINE_SHORT = 2 /* of up to NAME_BLOCK bytes */
};

/* bytes[start..end) is a line whose only ':' may be at `colon`. False: let others see it. */
static inline __attribute__((always_inline)) bool parse_common_line(
    const struct statsd_parser *parser, const char *bytes, uint32_t start, const uint32_t marks[2],
    struct statsd_sample *sample, enum line_kind kinds)
{
    const bool is_wide = (kinds & LINE_WIDE) != 0;
    uint32_t colon = marks[0], end = marks[1];
    uint32_t tail, value;
    uint64_t text;
    if (end < SHORT_LINE_MIN) /* the loads below reach back 8 bytes from the pipe */
        return false;
    memcpy(&tail, bytes + end - 4, 4);
    const struct statsd_line_end *kind = &parser->ends[(uint8_t)bytes[end - 1] & 31];
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
    if (is_wide && UNLIKELY(is_odd_name(parser, bytes + start, name_len)))
        return false;
    put_head(sample, bytes + start, name_len, kind->type, parser->sender,
             (kinds & LINE_SHORT) != 0);
    double real = value;
    int64_t real_bits;
    memcpy(&real_bits, &real, sizeof(real_bits));
    bool is_integer =
        is_wide ? (STATSD_INTEGER_TYPES >> kind->type & 1) != 0 : kind->type == STATSD_COUNTER;
    sample->count = is_integer ? (int64_t)value : real_bits;
    return true;
}

/* ---- the rest of the usual lines: signs, decimals and rates ---- */

/* "|TYPE" or "|TYPE|@RATE" up to the end. */
static bool take_ending(const struct statsd_parser *parser, const char *at, const char *end,
                        uint8_t *type, double *rate)
{
    struct statsd_decimal decimal;
    size_t len = (size_t)(end - at);
    *rate = 1;
    if (len < 2 || at[0] != '|')
        return false;
    bool is_timer = len >= 3 && at[1] == 'm' && at[2] == 's';
    const struct statsd_line_end *kind = &parser->ends[(is_timer ? 's' : (uint8_t)at[1]) & 31];
    /* Of the types of one letter only c and g may have more behind them in every dialect. */
    if (kind->len != (is_timer ? 3 : 2) || (!is_timer && (uint8_t)at[1] != kind->text >> 8) ||
        (len > 2 && !is_timer && at[1] != 'c' && at[1] != 'g'))
        return false;
    *type = kind->type;
    at += kind->len;
    if (at == end)
        return true;
    if (end - at < 3 || at[0] != '|' || at[1] != '@')
        return false;
    at += 2;
    if (!statsd_decimal_take(&at, end, &decimal) || at != end || decimal.digits <= 0)
        return false;
    *rate = statsd_decimal_double(&decimal);
    return true;
}

/* What the dialects add to a sample. False: let statsd_line.c see it. */
static bool widen(struct statsd_parser *parser, const struct statsd_decimal *decimal, char first,
                  double rate, struct statsd_sample *sample)
{
    bool is_etsy = statsd_has(parser, 1U << STATSD_ETSY);
    if (is_odd_name(parser, sample->name, sample->name_len) ||
        (is_etsy && sample->type == STATSD_TIMER && decimal->digits < 0))
        return false;
    if (sample->type == STATSD_REAL_COUNTER)
        sample->value = statsd_decimal_double(decimal) / rate + 0.0;
    if (is_etsy && sample->type == STATSD_GAUGE && (first == '-' || first == '+')) {
        sample->flags |= STATSD_DELTA;
        parser->counts.dialects[STATSD_ETSY]++;
    }
    if (rate != 1 && (STATSD_VALUE_TYPES >> sample->type & 1) != 0 &&
        statsd_has(parser, STATSD_WITH_FIELDS)) {
        sample->flags |= STATSD_WEIGHTED;
        sample->weight = 1 / rate;
    }
    return true;
}

/* As parse_common_line(), for what that does not take; and what this does not take statsd_line.c
 * will. It takes a line with a rate from 103 to 63 cycles (bench/stats_shard's traffic, all
 * sampled). */
static __attribute__((noinline)) bool parse_usual_line(struct statsd_parser *parser,
                                                       const char *bytes, uint32_t start,
                                                       const uint32_t marks[2],
                                                       struct statsd_sample *sample)
{
    struct statsd_decimal decimal;
    const char *at = bytes + marks[0] + 1;
    uint32_t name_len = marks[0] - start;
    uint8_t type;
    double rate;
    if (name_len - 1 >= STATSD_NAME_MAX || (uint8_t)bytes[start] <= ' ' ||
        !statsd_decimal_take(&at, bytes + marks[1], &decimal) ||
        !take_ending(parser, at, bytes + marks[1], &type, &rate))
        return false;
    put_head(sample, bytes + start, name_len, type, parser->sender, false);
    if ((STATSD_INTEGER_TYPES >> type & 1) == 0) {
        sample->value = statsd_decimal_double(&decimal) + 0.0; /* no -0 */
    } else if (rate == 1 && !decimal.point) {
        sample->count = decimal.digits;
    } else {
        double quotient = statsd_whole_quotient(statsd_decimal_double(&decimal) / rate);
        if (!(quotient > -0x1p63 && quotient < 0x1p63))
            return false;
        sample->count = (int64_t)quotient;
    }
    return !parser->is_wide || widen(parser, &decimal, bytes[marks[0] + 1], rate, sample);
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

/* Takes the next line slowly. */
static __attribute__((noinline)) unsigned take_line(struct statsd_parser *parser,
                                                    struct statsd_lines *lines,
                                                    struct statsd_sample *samples, unsigned max)
{
    uint32_t end = find_line_end(lines);
    statsd_line_begin(parser, lines->bytes + lines->start, lines->bytes + end);
    lines->start = end + 1;
    return statsd_line_take(parser, samples, max);
}

/* Takes common lines up to the first other one. */
static inline __attribute__((always_inline)) unsigned take_common_lines(
    struct statsd_parser *parser, struct statsd_lines *lines, struct statsd_sample *samples,
    unsigned max, enum line_kind kinds)
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
            !(parse_common_line(parser, bytes, start, mark, &samples[count], kinds) ||
              parse_usual_line(parser, bytes, start, mark, &samples[count])))
            break;
        start = end + 1;
    }
    lines->mark = (unsigned)(mark - lines->marks);
    lines->start = start;
#else
    (void)parser, (void)lines, (void)samples, (void)max, (void)kinds;
#endif
    return count;
}

static bool has_lines(const struct statsd_lines *lines)
{
    return lines->mark < lines->mark_count && lines->start < lines->size;
}

/* Takes lines while there are marks and room. */
static unsigned take_lines(struct statsd_parser *parser, struct statsd_lines *lines,
                           struct statsd_sample *samples, unsigned max)
{
    unsigned count = 0;
    while (count < max && has_lines(lines) && !statsd_is_full(parser)) {
        unsigned common =
            parser->is_wide
                ? take_common_lines(parser, lines, samples + count, max - count, LINE_WIDE)
                : take_common_lines(parser, lines, samples + count, max - count, 0);
        parser->counts.lines += common;
        count += common;
        if (count < max && has_lines(lines))
            count += take_line(parser, lines, &samples[count], max - count);
        if (parser->rest.is_there)
            break;
    }
    return count;
}

/* Goes on with a line that had more values than there was room for. */
static unsigned take_rest(struct statsd_parser *parser, size_t *offset,
                          struct statsd_sample *samples)
{
    unsigned count = statsd_line_take(parser, samples, STATSD_BURST);
    if (!parser->rest.is_there)
        *offset = parser->rest.offset;
    return count;
}

unsigned statsd_parse(struct statsd_parser *parser, const char *bytes, size_t size, size_t *offset,
                      struct statsd_sample samples[STATSD_BURST])
{
    struct statsd_lines lines;
    unsigned count = 0;
    CHECK(size <= STATSD_SIZE_MAX);
    if (UNLIKELY(parser->rest.is_there))
        count = take_rest(parser, offset, samples);
    while (count < STATSD_BURST && *offset < size && !statsd_is_full(parser)) {
        lines.bytes = bytes + *offset;
        lines.size = (uint32_t)(size - *offset);
        lines.start = 0;
        lines.mark = 0;
        lines.mark_count = scan_marks(lines.bytes, lines.size, lines.marks);
        count += take_lines(parser, &lines, samples + count, STATSD_BURST - count);
        *offset += lines.start < lines.size ? lines.start : lines.size;
        if (UNLIKELY(parser->rest.is_there)) { /* not the end yet */
            parser->rest.offset = *offset;
            *offset -= 1;
            break;
        }
    }
    return count;
}

bool statsd_parse_single(struct statsd_parser *parser, const char *bytes, size_t size,
                         struct statsd_sample *sample)
{
#if NAME_HASH_AVX2
    if (size - SHORT_LINE_MIN > NAME_BLOCK - SHORT_LINE_MIN || parser->is_wide ||
        parser->rest.is_there)
        return false;
    uint32_t mask = (uint32_t)scan_32(bytes + size - SCAN_BEFORE) >> (SCAN_BEFORE - size);
    uint32_t rest = mask & (mask - 1); /* behind the first mark: nothing, or the feed at the end */
    uint32_t feed = rest >> (size - 1);
    uint32_t marks[2] = {(uint32_t)__builtin_ctz(mask | 1U << (size - 1)), (uint32_t)size - feed};
    bool good = rest == feed << (size - 1);
    good &= bytes[marks[0]] == ':';
    good &= bytes[size - 1] == '\n' || feed == 0;
    if (UNLIKELY(!good) ||
        UNLIKELY(!parse_common_line(parser, bytes, 0, marks, sample, LINE_SHORT)))
        return false;
    parser->counts.lines++;
    return true;
#else
    (void)parser, (void)bytes, (void)size, (void)sample;
    return false;
#endif
}

/* ---- set up ---- */

/* How lines end that take a fast path: "|c" and the like. */
static void set_end(struct statsd_parser *parser, const char *text, uint8_t type)
{
    struct statsd_line_end *end = &parser->ends[(uint8_t)text[strlen(text) - 1] & 31];
    end->len = (uint8_t)strlen(text);
    end->shift = (uint8_t)(32 - 8 * end->len);
    end->type = type;
    for (unsigned i = 0; i < end->len; i++)
        end->text |= (uint32_t)(uint8_t)text[i] << (8 * i);
}

void statsd_change(struct statsd_parser *parser, const struct statsd_settings *settings)
{
    bool odd[256];
    parser->settings = *settings;
    parser->settings.dialects |= 1U << STATSD_HEKA;
    bool is_dog = statsd_has(parser, 1U << STATSD_DOG);
    bool is_spec = statsd_has(parser, 1U << STATSD_SPEC);
    uint8_t counter = statsd_has(parser, 1U << STATSD_ETSY) ? STATSD_REAL_COUNTER : STATSD_COUNTER;
    memset(parser->ends, 0, sizeof(parser->ends));
    set_end(parser, "|c", counter);
    set_end(parser, "|h", is_dog || is_spec ? STATSD_HISTOGRAM : counter);
    set_end(parser, "|m", is_spec ? STATSD_METER : counter);
    set_end(parser, "|g", STATSD_GAUGE);
    set_end(parser, "|ms", STATSD_TIMER);
    if (is_dog)
        set_end(parser, "|d", STATSD_DISTRIBUTION);
    parser->is_wide = parser->settings.dialects != 1U << STATSD_HEKA;
    parser->looks_into_names = statsd_name_odd(parser->settings.dialects, odd);
    name_class_init(&parser->odd_names, odd);
    parser->rest.is_there = false;
    memset(parser->known, 0, sizeof(parser->known));
}

void statsd_init(struct statsd_parser *parser, const struct statsd_settings *settings)
{
    memset(parser, 0, offsetof(struct statsd_parser, scratch));
    statsd_change(parser, settings);
}

/* The name of a line that is not at its end yet goes on to be needed. */
void statsd_release(struct statsd_parser *parser)
{
    struct statsd_sample *model = &parser->rest.model;
    uintptr_t scratch = (uintptr_t)parser->scratch, name = (uintptr_t)model->name;
    parser->scratch_used = 0;
    if (LIKELY(!parser->rest.is_there) || name < scratch || name >= scratch + STATSD_SCRATCH)
        return;
    memmove(parser->scratch, model->name, model->name_len);
    model->name = parser->scratch;
    parser->scratch_used = model->name_len;
}
