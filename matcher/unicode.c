/* SPDX-License-Identifier: MPL-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "matcher/unicode.h"

#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "matcher/code_points.h"
#include "matcher/utf8_text.h"

enum {
    TABLES_MAX = 256, /* categories and scripts together are fewer */
    NAME_SIZE = 32,
    RANGE_TEXT_MAX = 24 /* "\x{10FFFF}-\x{10FFFF}" */
};

static const char *const categories[] = {
    "C",  "Cc", "Cf", "Co", "Cs", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",
    "Mc", "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf",
    "Pi", "Po", "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs",
};

/* Scripts with four letters in full; other four-letter words are abbreviations, which RE2
 * refuses. */
static const char *const short_scripts[] = {"Ahom", "Cham", "Lisu", "Modi", "Newa", "Thai", "Toto"};

struct table {
    char name[NAME_SIZE];
    struct code_points points;
};

static pthread_mutex_t tables_lock = PTHREAD_MUTEX_INITIALIZER;
static struct table tables[TABLES_MAX];
static unsigned table_count;

static bool is_listed(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], name) == 0)
            return true;
    }
    return false;
}

/* Script names are words with one capital each, joined by "_". */
static bool is_script_name(const char *name)
{
    bool at_start = true;

    for (const char *at = name; *at; at++) {
        bool upper = *at >= 'A' && *at <= 'Z';
        bool lower = *at >= 'a' && *at <= 'z';

        if (at_start ? !upper : !(lower || *at == '_'))
            return false;
        at_start = *at == '_';
    }
    if (strlen(name) == 4)
        return is_listed(short_scripts, ARRAY_COUNT(short_scripts), name);
    return !at_start;
}

/* Adds every code point of `subject` (valid UTF-8) that `pattern` matches; the pattern matches one
 * or more neighbours at a time, in the order of the code points. */
static int collect(const char *pattern, const char *subject, size_t size, struct code_points *set)
{
    int error;
    PCRE2_SIZE error_at;
    uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &error_at, NULL);
    pcre2_match_data *match = code ? pcre2_match_data_create(1, NULL) : NULL;
    size_t start = 0;
    int rc = 0;

    if (!code)
        return error == PCRE2_ERROR_HEAP_FAILED ? -ENOMEM : -ENOENT;
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    while (match && rc == 0 && start < size) {
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);

        if (pcre2_match(code, (PCRE2_SPTR)subject, size, start, PCRE2_NO_UTF_CHECK, match, NULL) <
            0)
            break;
        for (size_t at = span[0]; at < span[1] && rc == 0;) {
            uint32_t point = utf8_decode(subject, size, &at);

            rc = code_points_add(set, point, point);
        }
        start = span[1];
    }
    rc = match ? rc : -ENOMEM;
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    code_points_normalise(set);
    return rc;
}

/* Every code point except the surrogates, encoded. */
static char *encode_all(size_t *size)
{
    char *text = malloc((size_t)(CODE_POINT_MAX + 1) * UTF8_MAX);
    size_t used = 0;

    for (uint32_t point = 0; text && point <= CODE_POINT_MAX; point++) {
        if (point < 0xD800 || point > 0xDFFF)
            used += utf8_encode(point, text + used);
    }
    *size = used;
    return text;
}

/* Finds or builds the table called `name`; called under the lock. */
static int get_table(const char *name, const char *pattern, const struct code_points **table)
{
    struct table *fresh = &tables[table_count];
    size_t size = 0;
    char *text;
    int rc;

    for (unsigned i = 0; i < table_count; i++) {
        if (strcmp(tables[i].name, name) == 0) {
            *table = &tables[i].points;
            return 0;
        }
    }
    if (table_count == TABLES_MAX)
        return -ENOMEM;
    text = encode_all(&size);
    rc = text ? collect(pattern, text, size, &fresh->points) : -ENOMEM;
    free(text);
    if (rc < 0) {
        code_points_fini(&fresh->points);
        return rc;
    }
    snprintf(fresh->name, sizeof fresh->name, "%s", name);
    table_count++;
    *table = &fresh->points;
    return 0;
}

int unicode_property(const char *name, size_t name_len, const struct code_points **table)
{
    char text[NAME_SIZE];
    char pattern[NAME_SIZE + 16];
    bool is_category;
    int rc;

    if (name_len == 0 || name_len >= sizeof text || memchr(name, 0, name_len))
        return -ENOENT;
    memcpy(text, name, name_len);
    text[name_len] = '\0';
    is_category = is_listed(categories, ARRAY_COUNT(categories), text);
    if (!is_category && !is_script_name(text))
        return -ENOENT;
    snprintf(pattern, sizeof pattern, is_category ? "\\p{%s}+" : "\\p{sc:%s}+", text);
    pthread_mutex_lock(&tables_lock);
    rc = get_table(text, pattern, table);
    pthread_mutex_unlock(&tables_lock);
    return rc;
}

/* "(?i)[...]" for the set; surrogates are left out, PCRE2 refuses them. */
static char *folded_pattern(const struct code_points *set)
{
    size_t capacity = (size_t)set->count * RANGE_TEXT_MAX + 16;
    char *pattern = malloc(capacity);
    size_t used = 0;

    if (!pattern)
        return NULL;
    used += (size_t)snprintf(pattern, capacity, "(?i)[");
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t low = set->ranges[i].low;
        uint32_t high = set->ranges[i].high;

        low = low >= 0xD800 && low <= 0xDFFF ? 0xE000 : low;
        high = high >= 0xD800 && high <= 0xDFFF ? 0xD7FF : high;
        if (low <= high)
            used += (size_t)snprintf(pattern + used, capacity - used, "\\x{%X}-\\x{%X}", low, high);
    }
    snprintf(pattern + used, capacity - used, "]+");
    return pattern;
}

int unicode_add_folded(struct code_points *set)
{
    const struct code_points *cased = NULL;
    char *pattern = folded_pattern(set);
    char *text = NULL;
    size_t size = 0;
    int rc;

    pthread_mutex_lock(&tables_lock);
    rc = get_table("(cased)", "[\\p{CWCM}\\p{CWCF}]+", &cased);
    pthread_mutex_unlock(&tables_lock);
    if (rc == 0) {
        text = malloc((size_t)0x10000 * UTF8_MAX);
        rc = text && pattern ? 0 : -ENOMEM;
    }
    for (uint32_t i = 0; rc == 0 && i < cased->count; i++) {
        for (uint32_t point = cased->ranges[i].low; point <= cased->ranges[i].high; point++) {
            CHECK(size + UTF8_MAX <= (size_t)0x10000 * UTF8_MAX);
            size += utf8_encode(point, text + size);
        }
    }
    if (rc == 0 && strcmp(pattern, "(?i)[]+") != 0)
        rc = collect(pattern, text, size, set);
    free(pattern);
    free(text);
    return rc;
}
