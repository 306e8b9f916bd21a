/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/statsd_line.h"

#include <math.h>
#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "stats/statsd_decimal.h"
#include "stats/statsd_notice.h"
#include "stats/statsd_number.h"
#include "stats/statsd_tags.h"

enum { GOOD = -1 }; /* beside enum statsd_reject */

/* Values of one type: all of a line but for dialect etsy, which may have several. */
struct group {
    const char *values, *values_end;
    const char *next; /* the following group; NULL: none */
    double rate;
    uint8_t type;
    bool is_dog; /* has fields that only DogStatsD has */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

double statsd_whole_quotient(double quotient)
{
    double nearest = rint(quotient);
    bool is_whole = fabs(quotient - nearest) <= fabs(nearest) * 0x1p-50;
    return is_whole && fabs(nearest) < 0x1p40 ? nearest : trunc(quotient);
}

/* ---- type and fields as Heka has them ---- */

/* The type behind "|"; *rest is what may hold a rate. False for an unknown type. */
static bool heka_type(const char *text, size_t len, uint8_t *type, size_t *rest)
{
    bool is_ms = len >= 2 && text[0] == 'm' && text[1] == 's';
    *rest = is_ms ? 2 : 1;
    if (text[0] == 's') { /* a set, which Heka has not */
        *type = STATSD_SET;
        return len == 1 || text[1] == '|';
    }
    *type = is_ms ? STATSD_TIMER : text[0] == 'g' ? STATSD_GAUGE : STATSD_COUNTER;
    if (len == 1)
        return text[0] == 'c' || text[0] == 'g' || text[0] == 'h' || text[0] == 'm';
    return is_ms || (len > 2 && (text[0] == 'c' || text[0] == 'g'));
}

static bool parse_rate(const char *text, size_t len, double *rate)
{
    struct statsd_number number;
    if (!statsd_number_parse(text, len, &number))
        return false;
    *rate = statsd_number_double(&number);
    return isfinite(*rate) && *rate > 0;
}

static int heka_modifier(const char *text, const char *end, struct group *group)
{
    size_t rest;
    if (!heka_type(text, (size_t)(end - text), &group->type, &rest))
        return STATSD_UNKNOWN_TYPE;
    text += rest;
    /* Anything that does not begin with "|@" and one more byte is rate 1. */
    if (end - text < 3 || text[0] != '|' || text[1] != '@')
        return GOOD;
    return parse_rate(text + 2, (size_t)(end - text - 2), &group->rate) ? GOOD : STATSD_BAD_RATE;
}

/* ---- type and fields of the other dialects ---- */

/* The first byte that ends a type or a rate; in dialect etsy a group may follow it. */
static const char *token_end(const struct statsd_parser *parser, const char *at, const char *end)
{
    bool has_groups = statsd_has(parser, 1U << STATSD_ETSY);
    while (at < end && *at != '|' && !(has_groups && *at == ':'))
        at++;
    return at;
}

static const char *field_end(const char *at, const char *end)
{
    const char *pipe = memchr(at, '|', (size_t)(end - at));
    return pipe != NULL ? pipe : end;
}

/* 0 when the token is no type here. */
static bool field_type(const struct statsd_parser *parser, const char *text, size_t len,
                       uint8_t *type)
{
    bool is_dog = statsd_has(parser, 1U << STATSD_DOG);
    bool is_spec = statsd_has(parser, 1U << STATSD_SPEC);
    bool is_etsy = statsd_has(parser, 1U << STATSD_ETSY);
    uint8_t counter = is_etsy ? STATSD_REAL_COUNTER : STATSD_COUNTER;
    if (len == 2 && text[0] == 'm' && text[1] == 's')
        *type = STATSD_TIMER;
    else if (len != 1)
        return false;
    else if (text[0] == 'c')
        *type = counter;
    else if (text[0] == 'g')
        *type = STATSD_GAUGE;
    else if (text[0] == 's')
        *type = STATSD_SET;
    else if (text[0] == 'h')
        *type = is_dog || is_spec ? STATSD_HISTOGRAM : counter;
    else if (text[0] == 'm')
        *type = is_spec ? STATSD_METER : counter;
    else if (text[0] == 'd' && is_dog)
        *type = STATSD_DISTRIBUTION;
    else
        return false;
    return true;
}

static bool is_whole_number(const char *text, const char *end)
{
    text += text < end && *text == '-';
    if (text == end)
        return false;
    for (; text < end; text++)
        if ((uint8_t)(*text - '0') > 9)
            return false;
    return true;
}

/* A whole number of seconds before the interval in hand, which is taken nevertheless. */
static bool is_late(const struct statsd_parser *parser, const char *text, const char *end)
{
    uint64_t now_s = parser->now_ns / CLOCK_NS_PER_S, at_s = 0;
    if (parser->interval_s == 0 || *text == '-')
        return parser->interval_s != 0;
    for (; text < end && at_s < now_s; text++)
        at_s = at_s * 10 + (uint64_t)(*text - '0');
    return text == end && at_s < now_s - now_s % parser->interval_s;
}

/* One field from behind its "|" on; *at moves to its end. */
static int take_field(struct statsd_parser *parser, const char **at, const char *end, bool is_first,
                      struct group *group)
{
    const char *text = *at;
    bool is_dog = statsd_has(parser, 1U << STATSD_DOG);
    if (text < end && *text == '@') {
        *at = token_end(parser, text, end);
        return parse_rate(text + 1, (size_t)(*at - text - 1), &group->rate) ? GOOD
                                                                            : STATSD_BAD_RATE;
    }
    if (text < end && *text == '#' && statsd_has(parser, STATSD_WITH_HASH_TAGS)) {
        *at = field_end(text, end);
        return GOOD;
    }
    if (!is_dog) {
        *at = token_end(parser, text, end);
        return is_first && statsd_has(parser, 1U << STATSD_ETSY) ? STATSD_BAD_RATE : GOOD;
    }
    *at = field_end(text, end);
    if (*at == text)
        return GOOD;
    group->is_dog |= *text == 'T' || (*text == 'c' && *at - text > 1 && text[1] == ':');
    if (*text != 'T')
        return GOOD;
    parser->counts.timestamps++;
    if (!is_whole_number(text + 1, *at))
        return STATSD_BAD_TIMESTAMP;
    parser->counts.timestamps_late += is_late(parser, text + 1, *at);
    return GOOD;
}

/* GOOD or the first fault; group->next is right in any case. */
static int take_fields(struct statsd_parser *parser, const char *at, const char *end,
                       struct group *group)
{
    const char *type_end = token_end(parser, at, end);
    int result = GOOD;
    if (!field_type(parser, at, (size_t)(type_end - at), &group->type))
        result = STATSD_UNKNOWN_TYPE;
    at = type_end;
    for (bool is_first = true; at < end && *at == '|'; is_first = false) {
        at++;
        int fault = take_field(parser, &at, end, is_first, group);
        if (result == GOOD)
            result = fault;
    }
    if (at < end)
        group->next = at + 1;
    return result;
}

static int take_group(struct statsd_parser *parser, const char *at, const char *end,
                      struct group *group)
{
    *group = (struct group){.values = at, .rate = 1};
    const char *pipe = memchr(at, '|', (size_t)(end - at));
    if (pipe == NULL)
        return STATSD_NO_PIPE;
    group->values_end = pipe;
    if (pipe + 1 == end)
        return STATSD_NO_TYPE;
    if (statsd_has(parser, STATSD_WITH_FIELDS))
        return take_fields(parser, pipe + 1, end, group);
    return heka_modifier(pipe + 1, end, group);
}

/* ---- values ---- */

static bool take_count(const struct statsd_number *number, double rate, int64_t *count)
{
    if (rate == 1 && number->integer)
        return statsd_number_int64(number, count);
    double quotient = statsd_whole_quotient(statsd_number_double(number) / rate);
    /* 2^63 itself does not fit; a NaN fails too. */
    if (!(quotient >= -0x1p63 && quotient < 0x1p63))
        return false;
    *count = (int64_t)quotient;
    return true;
}

/* A short decimal that is all of the text, or what is before the next ":"; *at moves behind it.
 * False: let take_number() see it. */
static bool take_short(const struct statsd_parser *parser, const char **at, const char *end,
                       struct statsd_sample *sample)
{
    struct statsd_decimal decimal;
    const char *stop = *at;
    bool is_count = (STATSD_INTEGER_TYPES >> sample->type & 1) != 0;
    if (statsd_has(parser, 1U << STATSD_ETSY) || (is_count && parser->rest.rate != 1) ||
        !statsd_decimal_take(&stop, end, &decimal) || (stop < end && *stop != ':') ||
        (is_count && decimal.point))
        return false;
    if (is_count)
        sample->count = decimal.digits;
    else
        sample->value = statsd_decimal_double(&decimal) + 0.0; /* no -0 */
    *at = stop;
    return true;
}

/* One value of the sample's type. */
static bool take_number(const struct statsd_parser *parser, const char *text, size_t len,
                        struct statsd_sample *sample)
{
    struct statsd_number number;
    bool is_etsy = statsd_has(parser, 1U << STATSD_ETSY);
    if (!statsd_number_parse(text, len, &number))
        return false;
    if ((STATSD_INTEGER_TYPES >> sample->type & 1) != 0)
        return take_count(&number, parser->rest.rate, &sample->count);
    sample->value = statsd_number_double(&number);
    if (sample->type == STATSD_REAL_COUNTER)
        sample->value /= parser->rest.rate;
    if (sample->value == 0)
        sample->value = 0; /* never -0 */
    if (is_etsy && sample->type == STATSD_TIMER && sample->value < 0)
        return false;
    if (is_etsy && sample->type == STATSD_GAUGE && (text[0] == '+' || text[0] == '-'))
        sample->flags |= STATSD_DELTA;
    return isfinite(sample->value);
}

static bool take_member(const struct statsd_parser *parser, const char *text, size_t len,
                        struct statsd_sample *sample)
{
    if (len == 0 && statsd_has(parser, 1U << STATSD_ETSY)) {
        text = "0";
        len = 1;
    }
    sample->member = text;
    sample->member_len = len;
    return len > 0;
}

/* The value at rest->value, which moves on. False: refused. */
static bool take_value(struct statsd_parser *parser, struct statsd_sample *sample)
{
    struct statsd_rest *rest = &parser->rest;
    const char *text = rest->value, *end = rest->values_end;
    *sample = rest->model;
    if (sample->type == STATSD_SET) {
        rest->value = NULL;
        return take_member(parser, text, (size_t)(end - text), sample);
    }
    if (take_short(parser, &text, end, sample)) {
        rest->value = text < end ? text + 1 : NULL;
        return true;
    }
    const char *colon = memchr(text, ':', (size_t)(end - text));
    rest->value = colon != NULL ? colon + 1 : NULL;
    return take_number(parser, text, (size_t)((colon != NULL ? colon : end) - text), sample);
}

/* ---- the line ---- */

/* Each thing that a line gives; what is behind the first is counted. */
static void count_outcome(struct statsd_parser *parser, int reject)
{
    parser->counts.extras += parser->rest.is_extra;
    parser->rest.is_extra = true;
    if (reject != GOOD)
        parser->counts.rejects[reject]++;
}

static void use_group(struct statsd_parser *parser, const struct group *group)
{
    struct statsd_rest *rest = &parser->rest;
    bool is_weighted = group->rate != 1 && (STATSD_VALUE_TYPES >> group->type & 1) != 0 &&
                       statsd_has(parser, STATSD_WITH_FIELDS);
    rest->value = group->values;
    rest->values_end = group->values_end;
    rest->rate = group->rate;
    rest->model.type = group->type;
    rest->model.flags = is_weighted ? STATSD_WEIGHTED : 0;
    rest->model.weight = is_weighted ? 1 / group->rate : 1;
}

/* Tags behind "|#" of the line's first pipe or a later one. */
static bool find_hash_tags(const struct statsd_parser *parser, const char *at, const char *end,
                           struct statsd_text *tags)
{
    if (!statsd_has(parser, STATSD_WITH_HASH_TAGS))
        return false;
    for (const char *pipe = memchr(at, '|', (size_t)(end - at)); pipe != NULL;
         pipe = memchr(pipe + 1, '|', (size_t)(end - pipe - 1))) {
        if (end - pipe >= 2 && pipe[1] == '#') {
            tags->at = pipe + 2;
            tags->len = (size_t)(field_end(pipe + 2, end) - tags->at);
            return true;
        }
    }
    return false;
}

static void count_dialect(struct statsd_parser *parser, int name_dialect, bool has_hash_tags,
                          const struct group *group)
{
    enum statsd_dialect dialect = (enum statsd_dialect)name_dialect;
    bool is_etsy = statsd_has(parser, 1U << STATSD_ETSY);
    if (name_dialect == STATSD_HEKA && (has_hash_tags || group->is_dog))
        dialect = STATSD_DOG;
    else if (name_dialect == STATSD_HEKA && is_etsy &&
             (group->next != NULL ||
              (group->type == STATSD_GAUGE && group->values < group->values_end &&
               (*group->values == '+' || *group->values == '-'))))
        dialect = STATSD_ETSY;
    parser->counts.dialects[dialect] += dialect != STATSD_HEKA;
}

/* The line without blanks around it. GOOD: there are values in parser->rest. */
static int begin_line(struct statsd_parser *parser, const char *line, const char *end)
{
    struct statsd_rest *rest = &parser->rest;
    struct statsd_name name = {.at = line};
    struct group group;
    const char *colon = memchr(line, ':', (size_t)(end - line));
    if (colon == NULL)
        return STATSD_NO_COLON;
    int fault = take_group(parser, colon + 1, end, &group);
    if (fault != GOOD && group.next == NULL)
        return fault;
    name.len = (size_t)(colon - line);
    name.has_hash_tags = find_hash_tags(parser, colon, end, &name.hash_tags);
    int name_fault = statsd_name_take(parser, &name);
    if (name_fault >= 0)
        return name_fault;
    count_dialect(parser, name.dialect, name.has_hash_tags, &group);
    rest->model = (struct statsd_sample){
        .name = name.at,
        .name_len = (uint16_t)name.len,
        .tags_len = (uint16_t)name.tags_len,
        .sender = parser->sender,
        .hash = statsd_name_hash(name.at, name.len),
    };
    rest->value = NULL;
    rest->next = group.next;
    rest->end = end;
    rest->is_there = true;
    if (fault != GOOD)
        count_outcome(parser, fault);
    else
        use_group(parser, &group);
    return GOOD;
}

void statsd_line_begin(struct statsd_parser *parser, const char *line, const char *end)
{
    const char *line_end = end;
    while (line < end && is_blank(*line))
        line++;
    while (line < end && is_blank(end[-1]))
        end--;
    if (line == end)
        return;
    parser->counts.lines++;
    parser->rest.is_extra = false;
    if (statsd_has(parser, 1U << STATSD_DOG) && statsd_notice_is(line, end)) {
        int fault = statsd_notice_take(parser, line, line_end);
        if (fault >= 0)
            parser->counts.rejects[fault]++;
        return;
    }
    int fault = begin_line(parser, line, end);
    if (fault != GOOD)
        count_outcome(parser, fault);
}

/* The next group with values. False: there are no more. */
static bool next_group(struct statsd_parser *parser)
{
    struct statsd_rest *rest = &parser->rest;
    while (rest->next != NULL) {
        struct group group;
        int fault = take_group(parser, rest->next, rest->end, &group);
        rest->next = group.next;
        if (fault == GOOD) {
            use_group(parser, &group);
            return true;
        }
        count_outcome(parser, fault);
    }
    return false;
}

unsigned statsd_line_take(struct statsd_parser *parser, struct statsd_sample *samples,
                          unsigned max)
{
    struct statsd_rest *rest = &parser->rest;
    unsigned count = 0;
    while (rest->is_there && count < max) {
        if (rest->value == NULL && !next_group(parser)) {
            rest->is_there = false;
            break;
        }
        bool good = take_value(parser, &samples[count]);
        count_outcome(parser, good ? GOOD : STATSD_BAD_VALUE);
        count += good;
        if (rest->value == NULL && rest->next == NULL)
            rest->is_there = false;
    }
    return count;
}
