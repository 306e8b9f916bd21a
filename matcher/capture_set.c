/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/capture_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "matcher/capture_hint.h"
#include "matcher/capture_path.h"
#include "matcher/capture_pcre.h"
#include "matcher/capture_run.h"
#include "matcher/utf8_text.h"

struct capture_expression {
    struct capture_tree *tree;
    struct capture_path *path;       /* may be NULL */
    struct capture_pcre *ascii_pcre; /* may be NULL */
    struct capture_pcre *utf8_pcre;  /* may be NULL */
    struct capture_program *program;
};

struct capture_set {
    struct capture_expression *items;
    uint32_t count;
    uint32_t capacity;
    struct scan_db *scan; /* NULL: all are tried */
    struct fire *fires;   /* by expression */
    uint64_t *unscanned;  /* bits of the expressions that are always tried */
    uint32_t word_count;
};

enum text_kind { TEXT_UNKNOWN, TEXT_ASCII, TEXT_UTF8, TEXT_BYTES };

struct capture_scratch {
    struct scan_scratch *scan;
    struct capture_pcre_scratch *pcre;
    struct capture_run_scratch run;
    struct capture_stats stats;
    struct msg_slice text; /* what is known is about this one */
    enum text_kind kind;
    bool is_scanned;
    uint64_t *candidates;
    uint32_t slots[CAPTURE_SLOTS_MAX];
    struct msg_slice values[CAPTURES_MAX];
};

/* ---- the set ---- */

int capture_set_new(struct capture_set **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : -ENOMEM;
}

static void expression_fini(struct capture_expression *expression)
{
    capture_path_free(expression->path);
    capture_pcre_free(expression->ascii_pcre);
    capture_pcre_free(expression->utf8_pcre);
    capture_program_free(expression->program);
    capture_tree_free(expression->tree);
}

void capture_set_free(struct capture_set *set)
{
    if (!set)
        return;
    for (uint32_t i = 0; i < set->count; i++)
        expression_fini(&set->items[i]);
    scan_db_free(set->scan);
    free(set->items);
    free(set->fires);
    free(set->unscanned);
    free(set);
}

/* PCRE2 may refuse: the others do without it. */
static int add_pcre(const struct capture_tree *tree, bool ascii, struct capture_pcre **out)
{
    int rc = tree->has_nullable_loop ? 0 : capture_pcre_new(tree, ascii, out);

    return rc == -EINVAL ? 0 : rc;
}

static int expression_init(struct capture_expression *expression, const char *text, size_t len,
                           struct regex_fault *fault)
{
    int rc = capture_tree_new(text, len, &expression->tree, fault);

    if (rc == 0)
        rc = capture_program_new(expression->tree, &expression->program);
    if (rc == -E2BIG) {
        *fault = (struct regex_fault){0};
        snprintf(fault->text, sizeof fault->text, "too large for so many groups (%u)",
                 expression->tree->group_count);
        rc = -EINVAL;
    }
    if (rc == 0)
        rc = capture_path_new(expression->tree, &expression->path);
    if (rc == 0)
        rc = add_pcre(expression->tree, true, &expression->ascii_pcre);
    if (rc == 0)
        rc = add_pcre(expression->tree, false, &expression->utf8_pcre);
    return rc;
}

int64_t capture_set_add(struct capture_set *set, const char *text, size_t len,
                        struct regex_fault *fault)
{
    struct capture_expression expression = {0};
    int rc;

    CHECK(!set->fires);
    if (set->count == CAPTURE_SET_MAX)
        return -E2BIG;
    if (set->count == set->capacity) {
        uint32_t capacity = set->capacity ? set->capacity * 2 : 8;
        struct capture_expression *items = realloc(set->items, capacity * sizeof *items);

        if (!items)
            return -ENOMEM;
        set->items = items;
        set->capacity = capacity;
    }
    rc = expression_init(&expression, text, len, fault);
    if (rc < 0) {
        expression_fini(&expression);
        return rc;
    }
    set->items[set->count] = expression;
    return set->count++;
}

struct capture_names capture_set_names(const struct capture_set *set, uint32_t index)
{
    const struct capture_tree *tree = set->items[index].tree;

    return (struct capture_names){(const char *const *)tree->names, tree->group_count};
}

/* ---- compiling ---- */

/* What the pass looks for; expressions without a hint are always tried. */
static int fill_sources(struct capture_set *set, struct scan_source *sources, uint32_t *count)
{
    const struct regex **trees = calloc(set->count, sizeof(void *));
    struct regex_span *hints = calloc(set->count, sizeof *hints);
    int rc = -ENOMEM;

    for (uint32_t i = 0; trees && i < set->count; i++)
        trees[i] = set->items[i].tree->regex;
    if (trees && hints)
        rc = capture_hints(trees, set->count, hints);
    for (uint32_t i = 0; rc == 0 && i < set->count; i++) {
        if (hints[i].count == 0)
            set->unscanned[i / 64] |= 1ull << i % 64;
        else
            sources[(*count)++] = (struct scan_source){
                .span = hints[i],
                .utf8 = capture_hint_wants_utf8(&hints[i]),
                .fires = {i, 1},
            };
    }
    free(trees);
    free(hints);
    return rc;
}

static int compile_scan(struct capture_set *set, struct scan_reader *saved)
{
    struct scan_source *sources = calloc(set->count, sizeof *sources);
    uint32_t count = 0;
    int rc = sources ? fill_sources(set, sources, &count) : -ENOMEM;

    if (rc == 0 && count > 0)
        rc = scan_db_new(sources, count, saved, &set->scan);
    free(sources);
    return rc;
}

int capture_set_compile(struct capture_set *set, struct scan_reader *saved)
{
    CHECK(!set->fires);
    set->word_count = set->count / 64 + 1;
    set->fires = calloc(set->count + 1, sizeof *set->fires);
    set->unscanned = calloc(set->word_count, sizeof *set->unscanned);
    if (!set->fires || !set->unscanned)
        return -ENOMEM;
    for (uint32_t i = 0; i < set->count; i++)
        set->fires[i] = (struct fire){1ull << i % 64, i / 64};
    if (set->count >= CAPTURE_SCAN_MIN)
        return compile_scan(set, saved);
    for (uint32_t i = 0; i < set->count; i++)
        set->unscanned[i / 64] |= 1ull << i % 64;
    return 0;
}

int capture_set_save(const struct capture_set *set, struct buffer *out)
{
    return set->scan ? scan_db_save(set->scan, out) : 0;
}

/* ---- scratch ---- */

static int fill_scratch(const struct capture_set *set, struct capture_scratch *scratch)
{
    int rc;

    scratch->candidates = calloc(set->word_count, sizeof *scratch->candidates);
    if (!scratch->candidates)
        return -ENOMEM;
    rc = capture_pcre_scratch_new(&scratch->pcre);
    if (rc == 0 && set->scan) {
        rc = scan_scratch_new(&scratch->scan);
        if (rc == 0)
            rc = scan_scratch_fit(scratch->scan, set->scan);
    }
    for (uint32_t i = 0; i < set->count && rc == 0; i++)
        rc = capture_run_scratch_fit(&scratch->run, set->items[i].program);
    return rc;
}

int capture_scratch_new(const struct capture_set *set, struct capture_scratch **out)
{
    struct capture_scratch *scratch = calloc(1, sizeof *scratch);
    int rc = scratch ? fill_scratch(set, scratch) : -ENOMEM;

    if (rc < 0)
        capture_scratch_free(scratch);
    else
        *out = scratch;
    return rc;
}

void capture_scratch_free(struct capture_scratch *scratch)
{
    if (!scratch)
        return;
    scan_scratch_free(scratch->scan);
    capture_pcre_scratch_free(scratch->pcre);
    capture_run_scratch_fini(&scratch->run);
    free(scratch->candidates);
    free(scratch);
}

void capture_scratch_forget(struct capture_scratch *scratch)
{
    scratch->text = (struct msg_slice){0};
    scratch->kind = TEXT_UNKNOWN;
    scratch->is_scanned = false;
}

struct capture_stats capture_scratch_stats(const struct capture_scratch *scratch)
{
    return scratch->stats;
}

/* ---- matching ---- */

static void look_at(struct capture_scratch *scratch, struct msg_slice text)
{
    if (scratch->text.ptr == text.ptr && scratch->text.len == text.len)
        return;
    capture_scratch_forget(scratch);
    scratch->text = text;
}

static bool is_ascii(const char *text, size_t len)
{
    uint64_t high = 0;
    uint64_t word;
    size_t at = 0;

    for (; len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        high |= word;
    }
    for (; at < len; at++)
        high |= (uint8_t)text[at];
    return (high & 0x8080808080808080u) == 0;
}

static enum text_kind kind_of(struct capture_scratch *scratch)
{
    struct msg_slice text = scratch->text;

    if (scratch->kind != TEXT_UNKNOWN)
        return scratch->kind;
    if (is_ascii(text.ptr, text.len))
        scratch->kind = TEXT_ASCII;
    else
        scratch->kind = utf8_valid_size(text.ptr, text.len) == text.len ? TEXT_UTF8 : TEXT_BYTES;
    return scratch->kind;
}

static void scan(const struct capture_set *set, struct capture_scratch *scratch)
{
    memcpy(scratch->candidates, set->unscanned, set->word_count * sizeof *scratch->candidates);
    scratch->is_scanned = true;
    if (!set->scan)
        return;
    scan_db_run(set->scan, scratch->scan, scratch->text.ptr, scratch->text.len, set->fires,
                scratch->candidates);
    scratch->stats.scans++;
}

/* The engines in the order of their speed, until one has the answer. */
static int match_slots(const struct capture_expression *expression, struct capture_scratch *scratch)
{
    const struct capture_path *path = expression->path;
    struct msg_slice text = scratch->text;
    struct capture_pcre *pcre;
    int rc = CAPTURE_PATH_UNKNOWN;

    if (path && (!capture_path_wants_ascii(path) || kind_of(scratch) == TEXT_ASCII))
        rc = capture_path_match(path, text.ptr, text.len, scratch->slots);
    scratch->stats.paths += rc != CAPTURE_PATH_UNKNOWN;
    if (LIKELY(rc != CAPTURE_PATH_UNKNOWN))
        return rc;
    pcre = kind_of(scratch) == TEXT_ASCII ? expression->ascii_pcre : expression->utf8_pcre;
    if (kind_of(scratch) == TEXT_BYTES)
        pcre = NULL;
    rc =
        pcre ? capture_pcre_match(pcre, scratch->pcre, text.ptr, text.len, scratch->slots) : -E2BIG;
    scratch->stats.pcres += rc >= 0;
    if (rc >= 0)
        return rc;
    rc = capture_run(expression->program, &scratch->run, text.ptr, text.len, scratch->slots);
    scratch->stats.runs += rc >= 0;
    scratch->stats.limits += rc < 0;
    return rc;
}

static void fill_values(const struct capture_expression *expression,
                        struct capture_scratch *scratch)
{
    for (uint32_t i = 0; i < expression->tree->group_count; i++) {
        uint32_t begin = scratch->slots[2 * (i + 1)];
        uint32_t end = scratch->slots[2 * (i + 1) + 1];
        bool is_set = end != CAPTURE_UNSET;

        scratch->values[i].ptr = is_set ? scratch->text.ptr + begin : NULL;
        scratch->values[i].len = is_set ? end - begin : 0;
    }
}

/* Engines want a pointer, also to nothing. */
static struct msg_slice text_of(struct msg_slice text)
{
    return text.len > 0 ? text : (struct msg_slice){"", 0};
}

int capture_set_match(const struct capture_set *set, struct capture_scratch *scratch,
                      uint32_t index, struct msg_slice text, const struct msg_slice **values)
{
    const struct capture_expression *expression = &set->items[index];
    int rc;

    look_at(scratch, text_of(text));
    if (!scratch->is_scanned)
        scan(set, scratch);
    if (!(scratch->candidates[index / 64] >> index % 64 & 1))
        return 0;
    rc = match_slots(expression, scratch);
    if (rc == 1) {
        fill_values(expression, scratch);
        *values = scratch->values;
    }
    return rc;
}

int64_t capture_set_next(const struct capture_set *set, struct capture_scratch *scratch,
                         uint32_t from, struct msg_slice text)
{
    uint32_t word = from / 64;
    uint64_t bits;

    look_at(scratch, text_of(text));
    if (!scratch->is_scanned)
        scan(set, scratch);
    if (word >= set->word_count)
        return -1;
    bits = scratch->candidates[word] & ~0ull << from % 64;
    while (bits == 0) {
        if (++word == set->word_count)
            return -1;
        bits = scratch->candidates[word];
    }
    return 64 * (int64_t)word + __builtin_ctzll(bits);
}
