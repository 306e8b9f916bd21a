/* SPDX-License-Identifier: MPL-2.0
 *
 * test_capture.c - expressions with captures, and sets of them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/check.h"
#include "matcher/capture_hint.h"
#include "matcher/regex_emit.h"
#include "tests/unit/matcher/capture_engines.h"

static struct capture_tree *tree_of(const char *text)
{
    struct capture_tree *tree = NULL;
    struct regex_fault fault;
    int rc = capture_tree_new(text, strlen(text), &tree, &fault);

    if (rc < 0)
        fail_msg("%s: %s", text, fault.text);
    return tree;
}

static void test_names(void **state)
{
    struct capture_tree *tree = tree_of("(?P<a>x)(y(?P<b_2>z))(?:w)(?i:(v))\\Q(\\E[(](?P<c>)");
    static const char *const names[] = {"a", "2", "b_2", "4", "c"};

    (void)state;
    assert_int_equal(tree->group_count, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_string_equal(tree->names[i], names[i]);
    capture_tree_free(tree);
}

static void test_properties(void **state)
{
    static const struct {
        const char *text;
        bool is_anchored, has_nullable_loop;
    } rows[] = {
        {"^a", true, false},        {"a", false, false},       {"(?m)^a", false, false},
        {"(^a|^b)", true, false},   {"(^a|b)", false, false},  {"(?i)^a", true, false},
        {"(?:^a)+", true, false},   {"(?:^a)?", false, false}, {"\\Aa", true, false},
        {"(a*)*", false, true},     {"(a*)+", false, true},    {"(a|)*", false, true},
        {"(a*){2,}", false, true},  {"(a*){2}", false, false}, {"(a*b)*", false, false},
        {"(?:\\b)*", false, true},  {"(a+)*", false, false},   {"(a+)?", false, false},
        {"((a?)?)+x", false, true},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
        struct capture_tree *tree = tree_of(rows[i].text);

        if (tree->is_anchored != rows[i].is_anchored ||
            tree->has_nullable_loop != rows[i].has_nullable_loop)
            fail_msg("%s: anchored %d, nullable loop %d", rows[i].text, tree->is_anchored,
                     tree->has_nullable_loop);
        capture_tree_free(tree);
    }
}

static void repeat_text(char *text, const char *part, unsigned count)
{
    size_t len = strlen(part);

    for (unsigned i = 0; i < count; i++)
        memcpy(text + i * len, part, len);
    text[count * len] = '\0';
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "(", "(?P<a>x)(?P<a>y)", "(?=x)",   "\\1",     "a**", "(?P<a",
        "[", "x{1001}",          "\\mtest", "(?<a>x)", "*"};
    static char groups[4 * 200 + 1];
    static char wide[8000];
    struct capture_set *set = NULL;
    struct regex_fault fault;

    (void)state;
    assert_int_equal(capture_set_new(&set), 0);
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
        fault.text[0] = '\0';
        assert_int_equal(capture_set_add(set, texts[i], strlen(texts[i]), &fault), -EINVAL);
        assert_true(strlen(fault.text) > 5);
    }
    repeat_text(groups, "(a)", CAPTURES_MAX + 1);
    assert_int_equal(capture_set_add(set, groups, strlen(groups), &fault), -EINVAL);
    assert_string_equal(fault.text, "more than 128 groups");
    assert_int_equal(capture_set_add(set, groups, 3 * CAPTURES_MAX, &fault), 0);
    /* many groups in an expression that is large when its {n} is written out */
    snprintf(wide, sizeof wide, "(?:%.*s){150}", 3 * CAPTURES_MAX, groups);
    assert_int_equal(capture_set_add(set, wide, strlen(wide), &fault), -EINVAL);
    assert_true(strlen(fault.text) > 5);
    capture_set_free(set);
}

/* What is a path, and what it cannot say. */
static void test_paths(void **state)
{
    static const struct {
        const char *text;
        bool has_path, wants_ascii;
    } rows[] = {
        {"^(\\S+) (\\S+)", true, false}, {"(.*) (.*)", true, false},   {"(.*?) x", true, false},
        {"(a|b)(c|d)", true, false},     {"^(.)x", true, true},        {"(.{3})", true, true},
        {"([^ ]{2,})", true, true},      {"(\\d{3})", true, false},    {"(a*)*", false, false},
        {".*\\d", false, false},         {"(?:a|b)*?a", false, false}, {"(\xC3\xA9)", true, false},
        {"([\xC3\xA9z])", true, true},   {"(a*?)", true, false},       {"(?i)(k)", true, true},
        {"(\\x{fffd})", true, true},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
        struct capture_tree *tree = tree_of(rows[i].text);
        struct capture_path *path = NULL;

        assert_int_equal(capture_path_new(tree, &path), 0);
        if ((path != NULL) != rows[i].has_path ||
            (path && capture_path_wants_ascii(path) != rows[i].wants_ascii))
            fail_msg("%s: path %d", rows[i].text, path != NULL);
        capture_path_free(path);
        capture_tree_free(tree);
    }
}

static int path_result(const char *regex, const char *text, size_t len)
{
    struct capture_tree *tree = tree_of(regex);
    struct capture_path *path = NULL;
    uint32_t slots[CAPTURE_SLOTS_MAX];
    int result;

    assert_int_equal(capture_path_new(tree, &path), 0);
    assert_non_null(path);
    result = capture_path_match(path, text, len, slots);
    capture_path_free(path);
    capture_tree_free(tree);
    return result;
}

static void test_path_answers(void **state)
{
    static char many[40000];

    (void)state;
    /* the last "b" was not the right one: somebody else has to look */
    assert_int_equal(path_result("^a.*b(\\d)", "ab1b", 4), CAPTURE_PATH_UNKNOWN);
    assert_int_equal(path_result("^a.*b(\\d)", "abb1", 4), CAPTURE_PATH_MATCH);
    assert_int_equal(path_result("^a.*b(\\d)", "a11", 3), CAPTURE_PATH_NO);
    assert_int_equal(path_result("^(\\S+) (\\d+)", "a b", 3), CAPTURE_PATH_NO);
    assert_int_equal(path_result("(\\d+)x", "1 22 333x", 9), CAPTURE_PATH_MATCH);
    assert_int_equal(path_result("(\\d+)x", "1 22 333y", 9), CAPTURE_PATH_NO);
    /* from each digit to the end of the digits: given up before it takes long */
    memset(many, '1', sizeof many);
    assert_int_equal(path_result("(\\d+)x", many, sizeof many), CAPTURE_PATH_UNKNOWN);
    memset(many, 'a', sizeof many);
    assert_int_equal(path_result("(?:aa)*(x)", many, sizeof many), CAPTURE_PATH_UNKNOWN);
}

/* ---- sets ---- */

static struct capture_set *set_of(const char *const *texts, uint32_t count)
{
    struct capture_set *set = NULL;
    struct regex_fault fault;

    assert_int_equal(capture_set_new(&set), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(capture_set_add(set, texts[i], strlen(texts[i]), &fault), i);
    return set;
}

static int match_text(struct capture_set *set, struct capture_scratch *scratch, uint32_t index,
                      const char *text, const struct msg_slice **values)
{
    return capture_set_match(set, scratch, index, (struct msg_slice){text, (uint32_t)strlen(text)},
                             values);
}

static const char *const some[] = {"^(a+) (\\d+)$", "user=(\\w+) code=(\\d+)", "^level-x: (.*)$",
                                   "(?:(b)|(c))d", "^$|(unused)"};

static void test_set(void **state)
{
    struct capture_set *set = set_of(some, ARRAY_COUNT(some));
    struct capture_scratch *scratch = NULL;
    const struct msg_slice *values = NULL;
    struct msg_slice text = {"user=bob code=7", 15};

    (void)state;
    assert_int_equal(capture_set_names(set, 1).count, 2);
    assert_string_equal(capture_set_names(set, 1).items[0], "1");
    assert_int_equal(capture_set_compile(set, NULL), 0);
    assert_int_equal(capture_scratch_new(set, &scratch), 0);
    assert_int_equal(capture_set_match(set, scratch, 1, text, &values), 1);
    assert_memory_equal(values[0].ptr, "bob", 3);
    assert_ptr_equal(values[1].ptr, text.ptr + 14);
    assert_int_equal(values[1].len, 1);
    assert_int_equal(capture_set_match(set, scratch, 0, text, &values), 0);
    /* one pass for all expressions on a text */
    assert_int_equal(capture_scratch_stats(scratch).scans, 1);
    assert_int_equal(match_text(set, scratch, 3, "cd", &values), 1);
    assert_null(values[0].ptr);
    assert_int_equal(values[0].len, 0);
    assert_int_equal(values[1].len, 1);
    assert_int_equal(capture_scratch_stats(scratch).scans, 2);
    assert_int_equal(capture_set_match(set, scratch, 4, (struct msg_slice){NULL, 0}, &values), 1);
    assert_int_equal(capture_set_match(set, scratch, 0, (struct msg_slice){NULL, 0}, &values), 0);
    capture_scratch_free(scratch);
    capture_set_free(set);
}

/* Another text in the same memory is another text, once forget() was called. */
static void test_forget(void **state)
{
    struct capture_set *set = set_of(some, ARRAY_COUNT(some));
    struct capture_scratch *scratch = NULL;
    const struct msg_slice *values = NULL;
    char text[32] = "user=bob code=7";

    (void)state;
    assert_int_equal(capture_set_compile(set, NULL), 0);
    assert_int_equal(capture_scratch_new(set, &scratch), 0);
    assert_int_equal(match_text(set, scratch, 1, text, &values), 1);
    memcpy(text, "level-x: code=7", 15);
    capture_scratch_forget(scratch);
    assert_int_equal(match_text(set, scratch, 1, text, &values), 0);
    assert_int_equal(match_text(set, scratch, 2, text, &values), 1);
    capture_scratch_free(scratch);
    capture_set_free(set);
}

static void test_next(void **state)
{
    enum { COUNT = 150 };
    struct capture_set *set = NULL;
    struct capture_scratch *scratch = NULL;
    struct regex_fault fault;
    struct msg_slice text = {"x item-7; item-70; item-149;", 28};
    int64_t next = -1;

    (void)state;
    assert_int_equal(capture_set_new(&set), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        char regex[40];

        snprintf(regex, sizeof regex, "(\\w+) .*item-%u;", i);
        assert_int_equal(capture_set_add(set, regex, strlen(regex), &fault), i);
    }
    assert_int_equal(capture_set_compile(set, NULL), 0);
    assert_int_equal(capture_scratch_new(set, &scratch), 0);
    next = capture_set_next(set, scratch, 0, text);
    assert_int_equal(next, 7);
    next = capture_set_next(set, scratch, 8, text);
    assert_int_equal(next, 70);
    next = capture_set_next(set, scratch, 71, text);
    assert_int_equal(next, 149);
    assert_int_equal(capture_set_next(set, scratch, 150, text), -1);
    assert_int_equal(capture_set_next(set, scratch, 100000, text), -1);
    capture_scratch_free(scratch);
    capture_set_free(set);
}

/* Answers that PCRE2 gives up, and some that nobody finds. */
static void test_limits(void **state)
{
    static const char *const texts[] = {"^(?:(a+)+)+$", "(?:[ab]{1,50}c?){1,19}([xyz])"};
    static char text[60000];
    struct capture_set *set = set_of(texts, 2);
    struct capture_scratch *scratch = NULL;
    const struct msg_slice *values = NULL;

    (void)state;
    assert_int_equal(capture_set_compile(set, NULL), 0);
    assert_int_equal(capture_scratch_new(set, &scratch), 0);
    memset(text, 'a', sizeof text);
    text[60] = 'b';
    assert_int_equal(capture_set_match(set, scratch, 0, (struct msg_slice){text, 61}, &values), 0);
    assert_int_equal(capture_scratch_stats(scratch).runs, 1);
    assert_int_equal(capture_scratch_stats(scratch).limits, 0);
    assert_int_equal(
        capture_set_match(set, scratch, 1, (struct msg_slice){text, sizeof text}, &values), -E2BIG);
    assert_int_equal(capture_scratch_stats(scratch).limits, 1);
    capture_scratch_free(scratch);
    capture_set_free(set);
}

static void test_engines_used(void **state)
{
    static const char *const texts[] = {"^(\\S+) (.)x"};
    struct capture_set *set = set_of(texts, 1);
    struct capture_scratch *scratch = NULL;
    const struct msg_slice *values = NULL;
    struct capture_stats stats;

    (void)state;
    assert_int_equal(capture_set_compile(set, NULL), 0);
    assert_int_equal(capture_scratch_new(set, &scratch), 0);
    assert_int_equal(match_text(set, scratch, 0, "a bx", &values), 1);
    stats = capture_scratch_stats(scratch);
    assert_int_equal(stats.paths, 1);
    assert_int_equal(match_text(set, scratch, 0, "a \xC3\xA9x", &values), 1);
    assert_int_equal(values[1].len, 2);
    stats = capture_scratch_stats(scratch);
    assert_int_equal(stats.pcres, 1);
    assert_int_equal(match_text(set, scratch, 0, "a \xC3x", &values), 1);
    assert_int_equal(values[1].len, 1);
    stats = capture_scratch_stats(scratch);
    assert_int_equal(stats.runs, 1);
    assert_int_equal(stats.scans, 0); /* one expression needs no pass */
    capture_scratch_free(scratch);
    capture_set_free(set);
}

/* ---- saved databases ---- */

static void test_saved(void **state)
{
    struct capture_set *set = set_of(some, ARRAY_COUNT(some));
    struct capture_set *copy = set_of(some, ARRAY_COUNT(some));
    struct capture_set *bad = set_of(some, ARRAY_COUNT(some));
    struct capture_scratch *scratch = NULL;
    struct buffer saved = {0};
    struct scan_reader reader;
    const struct msg_slice *values = NULL;

    (void)state;
    assert_int_equal(capture_set_compile(set, NULL), 0);
    assert_int_equal(capture_set_save(set, &saved), 0);
    assert_true(saved.size > 100);
    reader =
        (struct scan_reader){(const uint8_t *)saved.data, (const uint8_t *)saved.data + saved.size};
    assert_int_equal(capture_set_compile(copy, &reader), 0);
    assert_ptr_equal(reader.at, reader.end);
    assert_int_equal(capture_scratch_new(copy, &scratch), 0);
    assert_int_equal(match_text(copy, scratch, 2, "level-x: y", &values), 1);
    assert_int_equal(match_text(copy, scratch, 2, "level: y", &values), 0);
    reader = (struct scan_reader){(const uint8_t *)saved.data, (const uint8_t *)saved.data + 40};
    assert_int_equal(capture_set_compile(bad, &reader), -EPROTO);
    buffer_fini(&saved);
    capture_scratch_free(scratch);
    capture_set_free(set);
    capture_set_free(copy);
    capture_set_free(bad);
}

/* ---- hints ---- */

static void assert_hint(const struct regex_span *hint, const char *expected)
{
    struct buffer text = {0};

    if (hint->count == 0) {
        assert_null(expected);
        return;
    }
    assert_int_equal(regex_emit(hint, REGEX_AS_SCAN, &text), 0);
    assert_int_equal(buffer_append(&text, "", 1), 0);
    assert_string_equal(text.data, expected);
    buffer_fini(&text);
}

static void test_hints(void **state)
{
    static const char *const texts[] = {
        "^GET (\\S+) on host one",
        "^GET (\\S+) on host two",
        "^GET (\\S+) shared",
        "^POST (\\S+) shared",
        "(\\d+)",
        "^ab|cd",
        "x(?:yy)+z (?i:kk)",
    };
    static const char *const hints[] = {
        " on host one", " on host two", " shared", "\\APOST ", NULL, NULL,
    };
    struct regex *trees[ARRAY_COUNT(texts)];
    struct regex_span spans[ARRAY_COUNT(texts)];

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
        struct regex_fault fault;

        assert_int_equal(regex_parse(texts[i], strlen(texts[i]), &trees[i], &fault), 0);
    }
    assert_int_equal(capture_hints((const struct regex *const *)trees, ARRAY_COUNT(texts), spans),
                     0);
    for (unsigned i = 0; i < ARRAY_COUNT(hints); i++)
        assert_hint(&spans[i], hints[i]);
    assert_int_equal(spans[6].count, 4); /* "z kk" in any case */
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++)
        regex_free(trees[i]);
}

/* A literal that many have tells little: then the whole expression is looked for. */
static void test_shared_hints(void **state)
{
    enum { COUNT = CAPTURE_SHARED_MAX + 2 };
    struct regex *trees[COUNT];
    struct regex_span spans[COUNT];

    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        struct regex_fault fault;
        char text[64];

        snprintf(text, sizeof text, "^shared (?:\\d+-){%u}$", i + 2);
        assert_int_equal(regex_parse(text, strlen(text), &trees[i], &fault), 0);
    }
    assert_int_equal(capture_hints((const struct regex *const *)trees, COUNT, spans), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(spans[i].count, 1);
        assert_int_equal(spans[i].first, trees[i]->root);
    }
    for (unsigned i = 0; i < COUNT; i++)
        regex_free(trees[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_paths),
        cmocka_unit_test(test_path_answers), cmocka_unit_test(test_set),
        cmocka_unit_test(test_forget),       cmocka_unit_test(test_next),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_engines_used),
        cmocka_unit_test(test_saved),        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_shared_hints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
