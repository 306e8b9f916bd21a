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

static bool is_on(const struct statsd_settings *settings, enum statsd_dialect dialect)
{
    return (settings->dialects >> dialect & 1) != 0;
}

static bool has_fields(const struct statsd_settings *settings)
{
    return is_on(settings, STATSD_ETSY) || is_on(settings, STATSD_SPEC) ||
           is_on(settings, STATSD_DOG);
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

/* ---- types and fields ---- */

struct group { /* values of one type */
    struct text values, next;
    bool has_next, is_dog;
    int type; /* -1: unknown */
    double rate;
    bool bad_rate, bad_time;
};

static struct text first(struct text text, size_t len)
{
    return (struct text){text.at, len};
}

/* Bytes before the first "|", or ":" where groups can follow. */
static struct text token(const struct statsd_settings *settings, struct text text)
{
    size_t len = 0;
    while (len < text.len && text.at[len] != '|' &&
           !(is_on(settings, STATSD_ETSY) && text.at[len] == ':'))
        len++;
    return first(text, len);
}

static int type_of(const struct statsd_settings *settings, struct text type)
{
    bool etsy = is_on(settings, STATSD_ETSY), dog = is_on(settings, STATSD_DOG);
    bool spec = is_on(settings, STATSD_SPEC);
    int counter = etsy ? STATSD_REAL_COUNTER : STATSD_COUNTER;
    if (is(type, "c"))
        return counter;
    if (is(type, "g"))
        return STATSD_GAUGE;
    if (is(type, "ms"))
        return STATSD_TIMER;
    if (is(type, "s"))
        return STATSD_SET;
    if (is(type, "h"))
        return dog || spec ? STATSD_HISTOGRAM : counter;
    if (is(type, "m"))
        return spec ? STATSD_METER : counter;
    if (is(type, "d") && dog)
        return STATSD_DISTRIBUTION;
    return -1;
}

static bool to_rate(struct text text, double *rate)
{
    return to_double(text, rate) && isfinite(*rate) && *rate > 0;
}

static bool all_digits(struct text text)
{
    if (text.len > 0 && text.at[0] == '-')
        text = cut(text, 1);
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    return text.len > 0;
}

/* Heka: what is behind the type is a rate or of no interest. */
static void heka_modifier(struct text modifier, struct group *group)
{
    struct text rest = {NULL, 0};
    group->type = -1;
    if (begins(modifier, "ms")) {
        group->type = STATSD_TIMER;
        rest = cut(modifier, 2);
    } else if (is(modifier, "s") || begins(modifier, "s|")) {
        group->type = STATSD_SET;
        rest = cut(modifier, 1);
    } else if (is(modifier, "h") || is(modifier, "m") || is(modifier, "c")) {
        group->type = STATSD_COUNTER;
    } else if (is(modifier, "g")) {
        group->type = STATSD_GAUGE;
    } else if (modifier.len > 2 && (begins(modifier, "c") || begins(modifier, "g"))) {
        group->type = modifier.at[0] == 'c' ? STATSD_COUNTER : STATSD_GAUGE;
        rest = cut(modifier, 1);
    }
    if (rest.len > 2 && begins(rest, "|@"))
        group->bad_rate = !to_rate(cut(rest, 2), &group->rate);
}

static void fields(const struct statsd_settings *settings, struct text text, struct group *group,
                   struct statsd_counts *counts, int *fault)
{
    struct text type = token(settings, text);
    bool etsy_only = is_on(settings, STATSD_ETSY) && !is_on(settings, STATSD_DOG);
    bool tags = is_on(settings, STATSD_ETSY) || is_on(settings, STATSD_DOG);
    unsigned number = 0;
    group->type = type_of(settings, type);
    *fault = group->type < 0 ? STATSD_UNKNOWN_TYPE : -1;
    text = cut(text, type.len);
    while (text.len > 0 && text.at[0] == '|') {
        int now = -1;
        text = cut(text, 1);
        long pipe = find(text, '|');
        struct text whole = first(text, pipe < 0 ? text.len : (size_t)pipe);
        struct text part = token(settings, text);
        number++;
        if (begins(part, "@")) {
            if (!to_rate(cut(part, 1), &group->rate))
                now = STATSD_BAD_RATE;
        } else if (tags && begins(whole, "#")) {
            part = whole;
        } else if (is_on(settings, STATSD_DOG)) {
            part = whole;
            group->is_dog = group->is_dog || begins(whole, "T") || begins(whole, "c:");
            counts->timestamps += begins(whole, "T");
            if (begins(whole, "T") && !all_digits(cut(whole, 1)))
                now = STATSD_BAD_TIMESTAMP;
        } else if (etsy_only && number == 1) {
            now = STATSD_BAD_RATE;
        }
        if (*fault < 0)
            *fault = now;
        text = cut(text, part.len);
    }
    group->has_next = text.len > 0;
    if (group->has_next)
        group->next = cut(text, 1);
}

/* -1 or a reject. */
static int parse_group(const struct statsd_settings *settings, struct text text,
                       struct group *group, struct statsd_counts *counts)
{
    int fault = -1;
    *group = (struct group){.rate = 1, .values = text};
    long pipe = find(text, '|');
    if (pipe < 0)
        return STATSD_NO_PIPE;
    group->values.len = (size_t)pipe;
    text = cut(text, (size_t)pipe + 1);
    if (text.len == 0)
        return STATSD_NO_TYPE;
    if (has_fields(settings)) {
        fields(settings, text, group, counts, &fault);
        return fault;
    }
    heka_modifier(text, group);
    if (group->type < 0)
        return STATSD_UNKNOWN_TYPE;
    return group->bad_rate ? STATSD_BAD_RATE : -1;
}

/* ---- names ---- */

enum { POOL_SIZE = 4 << 20, WORK_SIZE = 200000, PIECES_MAX = 100 };

static char pool[POOL_SIZE];
static size_t pool_used;

static size_t etsy_bytes(char *out, struct text text)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool space = strchr(" \t\n\v\f\r", c) != NULL && c != '\0';
        bool before = i > 0 && text.at[i - 1] != '\0' && strchr(" \t\n\v\f\r", text.at[i - 1]);
        if (space) {
            if (!before)
                out[len++] = '_';
        } else if (c == '/') {
            out[len++] = '-';
        } else if (c != '\0' && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789_-.;=",
                                       c) != NULL) {
            out[len++] = c;
        }
    }
    return len;
}

struct pair {
    char *key, *value;
    size_t key_len, value_len;
};

static int compare_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    for (size_t i = 0; i < a_len && i < b_len; i++)
        if (a[i] != b[i])
            return (unsigned char)a[i] < (unsigned char)b[i] ? -1 : 1;
    return a_len == b_len ? 0 : a_len < b_len ? -1 : 1;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = compare_text(x->key, x->key_len, y->key, y->key_len);
    return order != 0 ? order : compare_text(x->value, x->value_len, y->value, y->value_len);
}

struct pairs {
    struct pair pairs[PIECES_MAX];
    size_t count, bytes;
    char work[WORK_SIZE];
    size_t used;
};

static char *put_part(const struct statsd_settings *settings, struct pairs *pairs,
                      struct text text, const char *bad, size_t *len)
{
    char *out = pairs->work + pairs->used;
    if (is_on(settings, STATSD_ETSY)) {
        *len = etsy_bytes(out, text);
    } else {
        memcpy(out, text.at, text.len);
        *len = text.len;
    }
    for (size_t i = 0; i < *len; i++) {
        unsigned char c = (unsigned char)out[i];
        if (c <= 32 || c == 127 || strchr(bad, c) != NULL)
            out[i] = '_';
    }
    pairs->used += *len;
    return out;
}

static int add_pair(const struct statsd_settings *settings, struct pairs *pairs, struct text piece,
                    char equals, bool may_be_alone)
{
    struct text key = piece, value = {"true", 4};
    long at = find(piece, equals);
    if (at < 0 && !may_be_alone)
        return STATSD_BAD_TAGS;
    if (at >= 0) {
        key = first(piece, (size_t)at);
        value = cut(piece, (size_t)at + 1);
    }
    if (key.len == 0 || pairs->count == 64)
        return STATSD_BAD_TAGS;
    if (pairs->bytes + key.len + value.len > 1024)
        return STATSD_NAME_TOO_LONG;
    struct pair *pair = &pairs->pairs[pairs->count];
    pair->key = put_part(settings, pairs, key, ";!^=", &pair->key_len);
    pair->value = put_part(settings, pairs, value, ";", &pair->value_len);
    if (pair->key_len == 0)
        return STATSD_BAD_TAGS;
    if (pair->value_len == 0)
        return -1;
    if (pair->value[0] == '~')
        pair->value[0] = '_';
    pairs->bytes += pair->key_len + pair->value_len;
    pairs->count++;
    return -1;
}

static int add_pairs(const struct statsd_settings *settings, struct pairs *pairs, struct text text,
                     char separator, char equals, bool may_be_alone)
{
    while (text.len > 0) {
        long at = find(text, separator);
        struct text piece = first(text, at < 0 ? text.len : (size_t)at);
        int fault = -1;
        text = cut(text, at < 0 ? text.len : (size_t)at + 1);
        if (piece.len > 0)
            fault = add_pair(settings, pairs, piece, equals, may_be_alone);
        if (fault >= 0)
            return fault;
    }
    return -1;
}

struct name {
    struct text text;
    size_t tags_len;
    enum statsd_dialect dialect;
};

/* Splits off the tags that are in the name itself. -1 or a reject. */
static int split_name(const struct statsd_settings *settings, struct text name, struct text *head,
                      struct text *tags, struct text *tail, enum statsd_dialect *dialect)
{
    *head = name;
    *tags = *tail = first(name, 0);
    *dialect = STATSD_HEKA;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        if (c == ',' && is_on(settings, STATSD_INFLUX))
            *dialect = STATSD_INFLUX;
        else if (c == ';' && is_on(settings, STATSD_GRAPHITE))
            *dialect = STATSD_GRAPHITE;
        else if (c == '[' && is_on(settings, STATSD_SIGNALFX))
            *dialect = STATSD_SIGNALFX;
        else
            continue;
        *head = first(name, i);
        *tags = cut(name, i + 1);
        if (c != '[')
            return -1;
        long close = find(*tags, ']');
        if (close < 0)
            return STATSD_BAD_TAGS;
        *tail = cut(*tags, (size_t)close + 1);
        tags->len = (size_t)close;
        return -1;
    }
    return -1;
}

static int build_name(const struct statsd_settings *settings, struct text head, struct text tail,
                      struct pairs *pairs, struct name *name)
{
    static char out[WORK_SIZE];
    bool graphite = settings->tags == STATSD_TAGS_GRAPHITE;
    size_t len;
    if (is_on(settings, STATSD_ETSY)) {
        len = etsy_bytes(out, head);
        len += etsy_bytes(out + len, tail);
    } else {
        memcpy(out, head.at, head.len);
        memcpy(out + head.len, tail.at, tail.len);
        len = head.len + tail.len;
    }
    if (len == 0)
        return STATSD_EMPTY_NAME;
    size_t base = len;
    for (size_t i = 0; i < base && pairs->count > 0 && graphite; i++)
        if (out[i] == ';')
            out[i] = '_';
    qsort(pairs->pairs, pairs->count, sizeof(pairs->pairs[0]), compare_pairs);
    for (size_t i = 0; i < pairs->count && settings->tags != STATSD_TAGS_DROP; i++) {
        const struct pair *pair = &pairs->pairs[i];
        if (i > 0 && compare_pairs(pair, pair - 1) == 0)
            continue;
        size_t start = len;
        out[len++] = ';';
        memcpy(out + len, pair->key, pair->key_len);
        len += pair->key_len;
        out[len++] = '=';
        memcpy(out + len, pair->value, pair->value_len);
        len += pair->value_len;
        if (graphite)
            continue;
        for (size_t j = start; j < len; j++)
            if (out[j] == '.')
                out[j] = '_';
        out[start] = out[start + 1 + pair->key_len] = '.';
    }
    if (len > 1024)
        return STATSD_NAME_TOO_LONG;
    if (pool_used + len > POOL_SIZE)
        abort();
    memcpy(pool + pool_used, out, len);
    name->text = (struct text){pool + pool_used, len};
    name->tags_len = graphite ? len - base : 0;
    pool_used += len;
    return -1;
}

static int parse_name(const struct statsd_settings *settings, struct text line, size_t len,
                      struct name *name)
{
    static struct pairs pairs;
    struct text head, tags, tail, rest = cut(line, len);
    bool has_hash = false;
    int fault;
    *name = (struct name){.text = first(line, len)};
    if (len > 1024)
        return STATSD_NAME_TOO_LONG;
    if (len == 0)
        return STATSD_EMPTY_NAME;
    fault = split_name(settings, name->text, &head, &tags, &tail, &name->dialect);
    if (fault >= 0)
        return fault;
    pairs.count = pairs.used = pairs.bytes = 0;
    for (size_t i = 0; i + 1 < rest.len && !has_hash; i++) {
        if (!begins(cut(rest, i), "|#") ||
            !(is_on(settings, STATSD_ETSY) || is_on(settings, STATSD_DOG)))
            continue;
        struct text hash = cut(rest, i + 2);
        long pipe = find(hash, '|');
        has_hash = true;
        if (name->dialect != STATSD_HEKA)
            return STATSD_BAD_TAGS;
        name->dialect = STATSD_DOG;
        fault = add_pairs(settings, &pairs, first(hash, pipe < 0 ? hash.len : (size_t)pipe), ',',
                          ':', true);
    }
    if (!has_hash && name->dialect != STATSD_HEKA)
        fault = add_pairs(settings, &pairs, tags, name->dialect == STATSD_GRAPHITE ? ';' : ',', '=',
                          false);
    if (fault >= 0)
        return fault;
    return build_name(settings, head, tail, &pairs, name);
}

/* ---- values ---- */

static bool to_sample(const struct statsd_settings *settings, struct text text,
                      const struct group *group, struct statsd_sample *sample)
{
    bool etsy = is_on(settings, STATSD_ETSY);
    sample->type = (uint8_t)group->type;
    if (group->type == STATSD_SET) {
        if (text.len == 0 && etsy)
            text = (struct text){"0", 1};
        sample->member = text.at;
        sample->member_len = text.len;
        return text.len > 0;
    }
    if (group->type == STATSD_COUNTER || group->type == STATSD_METER)
        return to_count(text, group->rate, &sample->count);
    if (!to_double(text, &sample->value))
        return false;
    if (group->type == STATSD_REAL_COUNTER)
        sample->value = sample->value / group->rate + 0.0;
    if (etsy && group->type == STATSD_TIMER && sample->value < 0)
        return false;
    if (etsy && group->type == STATSD_GAUGE && (text.at[0] == '-' || text.at[0] == '+'))
        sample->flags = STATSD_DELTA;
    bool weighted = group->type == STATSD_TIMER || group->type == STATSD_HISTOGRAM ||
                    group->type == STATSD_DISTRIBUTION;
    if (weighted && has_fields(settings) && group->rate != 1) {
        sample->flags = STATSD_WEIGHTED;
        sample->weight = 1 / group->rate;
    }
    return isfinite(sample->value);
}

/* ---- events and service checks ---- */

static bool take_size(struct text *text, char stop, size_t *size)
{
    size_t digits = 0;
    *size = 0;
    while (digits < text->len && digits < 9 && text->at[digits] >= '0' && text->at[digits] <= '9')
        *size = *size * 10 + (size_t)(text->at[digits++] - '0');
    if (digits == 0 || digits == text->len || text->at[digits] != stop)
        return false;
    *text = cut(*text, digits + 1);
    return true;
}

static bool good_fields(struct text text)
{
    while (text.len > 0 && strchr(" \t\r", text.at[text.len - 1]) != NULL &&
           text.at[text.len - 1] != '\0')
        text.len--;
    while (text.len > 0) {
        double number;
        if (text.at[0] != '|')
            return false;
        text = cut(text, 1);
        long pipe = find(text, '|');
        struct text field = first(text, pipe < 0 ? text.len : (size_t)pipe);
        text = cut(text, field.len);
        if (!begins(field, "d:"))
            continue;
        int64_t time;
        field = cut(field, 2);
        if (!to_double(field, &number) || !is_integer(field) || !to_count(field, 1, &time))
            return false;
    }
    return true;
}

static bool is_event(struct text text)
{
    size_t title, body;
    text = cut(text, 3);
    if (!take_size(&text, ',', &title) || !take_size(&text, '}', &body) || !begins(text, ":"))
        return false;
    text = cut(text, 1);
    if (title == 0 || title >= text.len || text.at[title] != '|')
        return false;
    text = cut(text, title + 1);
    return body <= text.len && good_fields(cut(text, body));
}

static bool is_check(struct text text)
{
    text = cut(text, 4);
    long pipe = find(text, '|');
    if (pipe < 1)
        return false;
    text = cut(text, (size_t)pipe + 1);
    return text.len > 0 && text.at[0] >= '0' && text.at[0] <= '3' && good_fields(cut(text, 1));
}

/* ---- lines ---- */

struct run {
    const struct statsd_settings *settings;
    struct statsd_sample *samples;
    unsigned count;
    struct statsd_counts *counts;
    unsigned outcomes; /* of the line */
};

static void reject(struct run *run, int reason)
{
    run->counts->rejects[reason]++;
    run->outcomes++;
}

static void take_values(struct run *run, const struct name *name, const struct group *group)
{
    struct text values = group->values;
    for (bool more = true; more;) {
        long colon = group->type == STATSD_SET ? -1 : find(values, ':');
        struct text value = first(values, colon < 0 ? values.len : (size_t)colon);
        struct statsd_sample sample = {.name = name->text.at,
                                       .name_len = (uint16_t)name->text.len,
                                       .tags_len = (uint16_t)name->tags_len};
        sample.hash = name_hash_plain(name->text.at, name->text.len);
        more = colon >= 0;
        if (more)
            values = cut(values, (size_t)colon + 1);
        if (!to_sample(run->settings, value, group, &sample)) {
            reject(run, STATSD_BAD_VALUE);
            continue;
        }
        run->samples[run->count++] = sample;
        run->outcomes++;
    }
}

static void count_dialect(struct run *run, const struct name *name, const struct group *group)
{
    enum statsd_dialect dialect = name->dialect;
    if (dialect == STATSD_HEKA && group->is_dog)
        dialect = STATSD_DOG;
    if (dialect == STATSD_HEKA && is_on(run->settings, STATSD_ETSY)) {
        bool delta = group->type == STATSD_GAUGE &&
                     (begins(group->values, "+") || begins(group->values, "-"));
        if (delta || group->has_next)
            dialect = STATSD_ETSY;
    }
    if (dialect != STATSD_HEKA)
        run->counts->dialects[dialect]++;
}

static void parse_line(struct run *run, struct text line)
{
    struct name name;
    struct group group;
    long colon = find(line, ':');
    if (colon < 0) {
        reject(run, STATSD_NO_COLON);
        return;
    }
    int fault = parse_group(run->settings, cut(line, (size_t)colon + 1), &group, run->counts);
    if (fault >= 0 && !group.has_next) {
        reject(run, fault);
        return;
    }
    int name_fault = parse_name(run->settings, line, (size_t)colon, &name);
    if (name_fault >= 0) {
        reject(run, name_fault);
        return;
    }
    count_dialect(run, &name, &group);
    for (;;) {
        if (fault >= 0)
            reject(run, fault);
        else
            take_values(run, &name, &group);
        if (!group.has_next)
            break;
        fault = parse_group(run->settings, group.next, &group, run->counts);
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void take_line(struct run *run, struct text line)
{
    bool is_dog = is_on(run->settings, STATSD_DOG);
    while (line.len > 0 && is_blank(line.at[0]))
        line = cut(line, 1);
    struct text whole = line;
    while (line.len > 0 && is_blank(line.at[line.len - 1]))
        line.len--;
    if (line.len == 0)
        return;
    run->counts->lines++;
    run->outcomes = 0;
    if (is_dog && begins(line, "_e{")) {
        if (!is_event(whole))
            reject(run, STATSD_BAD_EVENT);
        run->counts->events += run->outcomes == 0;
        run->counts->dialects[STATSD_DOG] += run->outcomes == 0;
    } else if (is_dog && begins(line, "_sc|")) {
        if (!is_check(whole))
            reject(run, STATSD_BAD_SERVICE_CHECK);
        run->counts->checks += run->outcomes == 0;
        run->counts->dialects[STATSD_DOG] += run->outcomes == 0;
    } else {
        parse_line(run, line);
        run->counts->extras += run->outcomes - 1;
    }
}

unsigned statsd_plain_parse(const struct statsd_settings *settings, const char *bytes, size_t size,
                            struct statsd_sample *samples, struct statsd_counts *counts)
{
    struct run run = {settings, samples, 0, counts, 0};
    struct text rest = {bytes, size};
    pool_used = 0;
    while (rest.len > 0) {
        long feed = find(rest, '\n');
        struct text line = {rest.at, feed < 0 ? rest.len : (size_t)feed};
        rest = cut(rest, feed < 0 ? rest.len : (size_t)feed + 1);
        take_line(&run, line);
    }
    return run.count;
}

bool statsd_plain_same(const struct statsd_sample *a, const struct statsd_sample *b)
{
    if (a->name_len != b->name_len || memcmp(a->name, b->name, a->name_len) != 0 ||
        a->tags_len != b->tags_len || a->type != b->type || a->flags != b->flags ||
        a->hash != b->hash)
        return false;
    if (a->type == STATSD_SET)
        return a->member_len == b->member_len && memcmp(a->member, b->member, a->member_len) == 0;
    if ((a->flags & STATSD_WEIGHTED) != 0 && memcmp(&a->weight, &b->weight, sizeof(double)) != 0)
        return false;
    return a->count == b->count; /* the bits of a double too */
}

bool statsd_single_agrees(const struct statsd_settings *settings, const char *bytes, size_t size,
                          const struct statsd_sample *samples, unsigned count,
                          const struct statsd_counts *counts, bool *taken)
{
    static const struct statsd_counts none;
    static struct statsd_parser parser;
    static const char before[] = "0123456789:\n0123456789:\n01234567"; /* not part of it */
    struct statsd_sample sample = {.tags_len = 1};
    const size_t headers = sizeof(before) - 1;
    char *copy = malloc(headers + size + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, before, headers);
    if (size > 0)
        memcpy(copy + headers, bytes, size);
    statsd_init(&parser, settings);
    *taken = statsd_parse_single(&parser, copy + headers, size, &sample);
    bool good = *taken ? count == 1 && statsd_plain_same(&sample, samples) &&
                             memcmp(&parser.counts, counts, sizeof(*counts)) == 0
                       : memcmp(&parser.counts, &none, sizeof(none)) == 0;
    free(copy);
    return good;
}
