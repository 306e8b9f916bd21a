/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/statsd_tags.h"

#include <string.h>

#include "core/check.h"
#include "stats/statsd_line.h"

enum { GOOD = -1, TEXT_MAX = STATSD_NAME_MAX };

struct tag {
    uint16_t at, key_len, value_len; /* key and value behind it, in tag_list.text */
};

struct tag_list {
    bool is_etsy;
    unsigned count, pieces;
    size_t text_len;
    struct tag tags[STATSD_TAGS_MAX];
    char text[TEXT_MAX];
};

/* ---- bytes ---- */

/* What etsy's statsd leaves in a name. */
static bool is_etsy_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ';' || c == '=';
}

/* What a regular expression's \s is, as far as single bytes go. */
static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool statsd_name_odd(uint32_t dialects, bool odd[256])
{
    bool is_etsy = (dialects >> STATSD_ETSY & 1) != 0;
    for (unsigned c = 0; c < 256; c++)
        odd[c] = is_etsy && !is_etsy_byte((uint8_t)c);
    odd[','] |= (dialects >> STATSD_INFLUX & 1) != 0;
    odd['['] |= (dialects >> STATSD_SIGNALFX & 1) != 0;
    odd[';'] |= (dialects >> STATSD_GRAPHITE & 1) != 0;
    return is_etsy || (dialects & STATSD_WITH_NAME_TAGS) != 0;
}

/* Appends a name's bytes as etsy's statsd would write them: a run of blanks is one "_", "/" is "-",
 * other strange bytes are left out. Returns the new length; never more than `len` are added. */
static size_t put_etsy(char *out, size_t at, const char *bytes, size_t len)
{
    bool was_space = false;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)bytes[i];
        bool space = is_space(c);
        if (space && !was_space)
            out[at++] = '_';
        else if (c == '/')
            out[at++] = '-';
        else if (is_etsy_byte(c))
            out[at++] = (char)c;
        was_space = space;
    }
    return at;
}

/* Bytes of a key or a value that Graphite would not take become "_". */
static char clean_byte(char c, bool is_key, bool is_first)
{
    bool is_bad = (uint8_t)c <= ' ' || c == 0x7f || c == ';' || (!is_key && is_first && c == '~') ||
                  (is_key && (c == '!' || c == '^' || c == '='));
    return is_bad ? '_' : c;
}

static size_t put_clean(const struct tag_list *list, char *out, size_t at, struct statsd_text text,
                        bool is_key)
{
    size_t start = at;
    if (list->is_etsy)
        at = put_etsy(out, at, text.at, text.len);
    else
        for (size_t i = 0; i < text.len; i++)
            out[at++] = text.at[i];
    for (size_t i = start; i < at; i++)
        out[i] = clean_byte(out[i], is_key, i == start);
    return at;
}

/* ---- a list of tags ---- */

/* A value that is empty is as good as no tag. */
static int add_tag(struct tag_list *list, struct statsd_text key, struct statsd_text value)
{
    if (key.len == 0 || list->count == STATSD_TAGS_MAX)
        return STATSD_BAD_TAGS;
    if (key.len + value.len > TEXT_MAX - list->text_len)
        return STATSD_NAME_TOO_LONG;
    struct tag *tag = &list->tags[list->count];
    size_t at = list->text_len;
    size_t key_end = put_clean(list, list->text, at, key, true);
    size_t end = put_clean(list, list->text, key_end, value, false);
    if (key_end == at)
        return STATSD_BAD_TAGS;
    if (end == key_end)
        return GOOD;
    *tag = (struct tag){(uint16_t)at, (uint16_t)(key_end - at), (uint16_t)(end - key_end)};
    list->text_len = end;
    list->count++;
    return GOOD;
}

/* "key=value", or with ":" of DogStatsD, where a key alone is true. */
static int add_piece(struct tag_list *list, const char *at, const char *end, bool is_hash)
{
    const char *middle = memchr(at, is_hash ? ':' : '=', (size_t)(end - at));
    struct statsd_text key = {at, (size_t)((middle != NULL ? middle : end) - at)};
    struct statsd_text value = {"true", 4};
    if (middle == NULL && !is_hash)
        return STATSD_BAD_TAGS;
    if (middle != NULL)
        value = (struct statsd_text){middle + 1, (size_t)(end - middle - 1)};
    return add_tag(list, key, value);
}

/* Empty pieces are passed over. */
static int add_pieces(struct tag_list *list, struct statsd_text text, char separator, bool is_hash)
{
    const char *at = text.at, *end = text.at + text.len;
    int result = GOOD;
    while (at < end && result == GOOD) {
        const char *stop = memchr(at, separator, (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        if (stop > at)
            result = add_piece(list, at, stop, is_hash);
        at = stop + 1;
    }
    return result;
}

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t common = a_len < b_len ? a_len : b_len;
    int order = memcmp(a, b, common);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* By key, then by value. */
static int compare_tags(const struct tag_list *list, const struct tag *a, const struct tag *b)
{
    const char *a_key = list->text + a->at, *b_key = list->text + b->at;
    int order = compare_bytes(a_key, a->key_len, b_key, b->key_len);
    if (order != 0)
        return order;
    return compare_bytes(a_key + a->key_len, a->value_len, b_key + b->key_len, b->value_len);
}

/* Sorts, and leaves one of equal pairs. */
static void sort_tags(struct tag_list *list)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < list->count; i++) {
        struct tag tag = list->tags[i];
        unsigned at = kept;
        int order = 1;
        while (at > 0 && (order = compare_tags(list, &list->tags[at - 1], &tag)) > 0)
            at--;
        if (at > 0 && order == 0)
            continue;
        memmove(&list->tags[at + 1], &list->tags[at], (kept - at) * sizeof(tag));
        list->tags[at] = tag;
        kept++;
    }
    list->count = kept;
}

/* ---- the name ---- */

struct raw_tags { /* as sent */
    struct statsd_text text;
    char separator;
    bool is_hash; /* ":" stands between key and value */
};

struct base { /* a name without its tags is what is before them and what is behind them */
    struct statsd_text head, tail;
};

/* The style of the first separator that an enabled dialect knows. */
static int split_name(const struct statsd_parser *parser, const struct statsd_name *name,
                      struct base *base, struct statsd_text *tags)
{
    const char *end = name->at + name->len;
    *base = (struct base){.head = {name->at, name->len}, .tail = {end, 0}};
    *tags = (struct statsd_text){end, 0};
    if (!statsd_has(parser, STATSD_WITH_NAME_TAGS))
        return STATSD_HEKA;
    for (const char *at = name->at; at < end; at++) {
        int dialect = *at == ','   ? STATSD_INFLUX
                      : *at == ';' ? STATSD_GRAPHITE
                      : *at == '[' ? STATSD_SIGNALFX
                                   : STATSD_HEKA;
        if (dialect == STATSD_HEKA || !statsd_has(parser, 1U << dialect))
            continue;
        const char *close = end;
        if (dialect == STATSD_SIGNALFX)
            close = memchr(at, ']', (size_t)(end - at));
        if (close == NULL)
            return -1;
        base->head.len = (size_t)(at - name->at);
        *tags = (struct statsd_text){at + 1, (size_t)(close - at - 1)};
        if (close < end)
            base->tail = (struct statsd_text){close + 1, (size_t)(end - close - 1)};
        return dialect;
    }
    return STATSD_HEKA;
}

static size_t put_base(const struct statsd_parser *parser, char *out, const struct base *base,
                       bool has_tags)
{
    size_t len = 0;
    if (statsd_has(parser, 1U << STATSD_ETSY)) {
        len = put_etsy(out, len, base->head.at, base->head.len);
        len = put_etsy(out, len, base->tail.at, base->tail.len);
    } else {
        memcpy(out, base->head.at, base->head.len);
        memcpy(out + base->head.len, base->tail.at, base->tail.len);
        len = base->head.len + base->tail.len;
    }
    if (!has_tags || memchr(out, ';', len) == NULL)
        return len;
    for (size_t i = 0; i < len; i++)
        if (out[i] == ';')
            out[i] = '_';
    return len;
}

/* ";key=value" or ".key.value". Returns the new length, over STATSD_NAME_MAX when there is no
 * room. */
static size_t put_tags(char *out, size_t at, const struct tag_list *list, bool is_append)
{
    for (unsigned i = 0; i < list->count; i++) {
        const struct tag *tag = &list->tags[i];
        size_t start = at + 1;
        if (at + 2U + tag->key_len + tag->value_len > STATSD_NAME_MAX)
            return STATSD_NAME_MAX + 1;
        out[at++] = is_append ? '.' : ';';
        memcpy(out + at, list->text + tag->at, tag->key_len);
        at += tag->key_len;
        size_t middle = at;
        out[at++] = '=';
        memcpy(out + at, list->text + tag->at + tag->key_len, tag->value_len);
        at += tag->value_len;
        for (size_t j = start; is_append && j < at; j++)
            out[j] = out[j] == '.' ? '_' : out[j];
        if (is_append)
            out[middle] = '.';
    }
    return at;
}

/* ---- tags that are known ---- */

static struct statsd_known_tags *known_place(struct statsd_parser *parser, struct statsd_text raw,
                                             uint64_t *hash)
{
    *hash = statsd_name_hash(raw.at, raw.len);
    return &parser->known[*hash % STATSD_KNOWN];
}

static bool is_known(const struct statsd_known_tags *known, const struct raw_tags *tags,
                     uint64_t hash)
{
    return known->hash == hash && known->raw_len == tags->text.len &&
           known->is_hash == tags->is_hash && known->separator == tags->separator &&
           memcmp(known->raw, tags->text.at, tags->text.len) == 0;
}

/* What tags become behind a name, into `out`. *len is its length. */
static int normalise(const struct statsd_parser *parser, const struct raw_tags *tags,
                     char out[STATSD_NAME_MAX], size_t *len)
{
    struct tag_list list;
    list.is_etsy = statsd_has(parser, 1U << STATSD_ETSY);
    list.count = 0;
    list.text_len = 0;
    int fault = add_pieces(&list, tags->text, tags->separator, tags->is_hash);
    if (fault != GOOD)
        return fault;
    sort_tags(&list);
    *len = put_tags(out, 0, &list, parser->settings.tags == STATSD_TAGS_APPEND);
    return *len <= STATSD_NAME_MAX ? GOOD : STATSD_NAME_TOO_LONG;
}

/* Tags that are too long to be remembered, or faulty, are not. */
static int find_tags(struct statsd_parser *parser, const struct raw_tags *tags,
                     char out[STATSD_NAME_MAX], struct statsd_text *text)
{
    uint64_t hash = 0;
    struct statsd_known_tags *known = NULL;
    *text = (struct statsd_text){out, 0};
    if (tags->text.len == 0)
        return GOOD;
    if (tags->text.len <= STATSD_KNOWN_RAW)
        known = known_place(parser, tags->text, &hash);
    if (known != NULL && is_known(known, tags, hash)) {
        *text = (struct statsd_text){known->text, known->text_len};
        return GOOD;
    }
    int fault = normalise(parser, tags, out, &text->len);
    if (fault != GOOD || known == NULL || text->len > STATSD_KNOWN_TEXT)
        return fault;
    known->hash = hash;
    known->raw_len = (uint16_t)tags->text.len;
    known->text_len = (uint16_t)text->len;
    known->is_hash = tags->is_hash;
    known->separator = tags->separator;
    memcpy(known->raw, tags->text.at, tags->text.len);
    memcpy(known->text, out, text->len);
    return GOOD;
}

/* ---- the whole name ---- */

static int write_name(struct statsd_parser *parser, struct statsd_name *name,
                      const struct base *base, struct statsd_text tags)
{
    char *out = parser->scratch + parser->scratch_used;
    bool has_tags = tags.len > 0 && parser->settings.tags == STATSD_TAGS_GRAPHITE;
    CHECK(!statsd_is_full(parser));
    size_t len = put_base(parser, out, base, has_tags);
    if (len == 0)
        return STATSD_EMPTY_NAME;
    if (parser->settings.tags == STATSD_TAGS_DROP)
        tags.len = 0;
    if (len + tags.len > STATSD_NAME_MAX)
        return STATSD_NAME_TOO_LONG;
    memcpy(out + len, tags.at, tags.len);
    name->at = out;
    name->len = len + tags.len;
    name->tags_len = has_tags ? tags.len : 0;
    parser->scratch_used += (uint32_t)name->len;
    return GOOD;
}

int statsd_name_take(struct statsd_parser *parser, struct statsd_name *name)
{
    struct base base;
    struct raw_tags tags = {.separator = ',', .is_hash = name->has_hash_tags};
    struct statsd_text text;
    char normal[STATSD_NAME_MAX];
    if (name->len > STATSD_NAME_MAX)
        return STATSD_NAME_TOO_LONG;
    if (name->len == 0)
        return STATSD_EMPTY_NAME;
    if (!name->has_hash_tags &&
        !(parser->looks_into_names && name_class_any(&parser->odd_names, name->at, name->len)))
        return GOOD;
    name->dialect = split_name(parser, name, &base, &tags.text);
    if (name->dialect < 0 || (name->dialect != STATSD_HEKA && name->has_hash_tags))
        return STATSD_BAD_TAGS;
    if (name->has_hash_tags)
        tags.text = name->hash_tags;
    else if (name->dialect == STATSD_GRAPHITE)
        tags.separator = ';';
    int fault = find_tags(parser, &tags, normal, &text);
    return fault != GOOD ? fault : write_name(parser, name, &base, text);
}
