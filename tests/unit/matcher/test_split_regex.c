/* SPDX-License-Identifier: MPL-2.0
 *
 * test_split_regex.c - searches in streams against the same expression on the whole text: random
 * expressions, every way to cut the text in two, and byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matcher/split_regex.h"
#include "tests/unit/matcher/capture_engines.h"
#include "tests/unit/matcher/match_random.h"

enum { REGEX_SIZE = 1024, EXPRESSIONS = 2000, TEXTS = 6, TAILS = 3 };

struct search_test {
    const char *regex;
    struct split_expression expression;
    struct capture_engines *engines;
    void *search;
};

static int search(const struct search_test *test, const char *text, size_t len, bool is_end,
                  struct split_match *match)
{
    char *exact = malloc(len > 0 ? len : 1); /* so that reading behind it is seen */
    assert_non_null(exact);
    memcpy(exact, text, len);
    int rc = test->expression.find(test->expression.context, test->search,
                                   (struct msg_slice){exact, (uint32_t)len}, is_end, match);
    free(exact);
    return rc;
}

static void search_anew(const struct search_test *test)
{
    memset(test->search, 0, SPLIT_SEARCH_HEAD);
}

static bool is_same_place(size_t position, uint32_t slot)
{
    return slot == CAPTURE_UNSET ? position == SIZE_MAX : position == slot;
}

/* What a search found is what the other engine finds in the text. */
static void expect_as_whole(const struct search_test *test, const char *text, size_t len, int rc,
                            const struct split_match *match)
{
    uint32_t slots[CAPTURE_SLOTS_MAX];
    int expected = capture_by_run(test->engines, text, len, slots);
    bool same = expected == rc;
    if (same && rc == 1) {
        same = match->start == slots[0] && match->end == slots[1];
        if (test->expression.group_count > 0)
            same = same && is_same_place(match->capture_start, slots[2]) &&
                   is_same_place(match->capture_end, slots[3]);
    }
    if (!same)
        fail_msg("%s on \"%.*s\": %d, expected %d", test->regex, (int)len, text, rc, expected);
}

/* Byte by byte; what is found early holds with any other text behind. */
static void check_bytewise(const struct search_test *test, struct match_random *random,
                           const char *text, size_t len)
{
    struct split_match match;
    char other[3 * REGEX_SIZE];
    size_t at = 0;
    int rc = 0;
    search_anew(test);
    while (at <= len && rc == 0) {
        rc = search(test, text, at, false, &match);
        at++;
    }
    if (rc == 0)
        rc = search(test, text, len, true, &match);
    expect_as_whole(test, text, len, rc, &match);
    if (at > len)
        return;
    for (unsigned i = 0; i < TAILS; i++) {
        memcpy(other, text, at - 1);
        size_t size = at - 1 + match_random_value(random, other + at - 1, REGEX_SIZE);
        expect_as_whole(test, other, size, rc, &match);
    }
}

static void check_text(const struct search_test *test, struct match_random *random,
                       const char *text, size_t len)
{
    struct split_match match;
    search_anew(test);
    expect_as_whole(test, text, len, search(test, text, len, true, &match), &match);
    for (size_t cut = 0; cut < len; cut++) {
        search_anew(test);
        int rc = search(test, text, cut, false, &match);
        if (rc == 0)
            rc = search(test, text, len, true, &match);
        expect_as_whole(test, text, len, rc, &match);
    }
    check_bytewise(test, random, text, len);
}

static void test_random_expressions(void **state)
{
    struct match_random random = {.state = 11};
    unsigned compiled = 0;
    (void)state;
    for (unsigned i = 0; i < EXPRESSIONS; i++) {
        struct capture_engines engines = {0};
        struct split_regexes regexes = {0};
        struct regex_fault fault;
        struct err err = {0};
        char regex[REGEX_SIZE], text[REGEX_SIZE];
        struct search_test test = {.regex = regex, .engines = &engines};
        match_random_regex(&random, regex, sizeof(regex));
        assert_int_equal(capture_engines_init(&engines, regex, strlen(regex), &fault), 0);
        if (split_regexes_compile(&regexes, regex, &test.expression, &err) == 0) {
            compiled++;
            test.search = calloc(1, test.expression.search_size);
            assert_non_null(test.search);
            for (unsigned j = 0; j < TEXTS; j++)
                check_text(&test, &random, text, match_random_value(&random, text, sizeof(text)));
            free(test.search);
        }
        split_regexes_fini(&regexes);
        capture_engines_fini(&engines);
    }
    assert_true(compiled > EXPRESSIONS / 2);
}

/* Found as soon as nothing can change it. */
static void test_when_a_match_is_known(void **state)
{
    static const struct {
        const char *regex, *text;
        size_t known; /* bytes that it takes, or 0: the end */
    } cases[] = {
        {"\n", "abc\nd", 4},        {"\n+", "a\n\nb", 4}, {"\n+?", "a\n\nb", 2},
        {"(\r\n|\n)", "a\r\nb", 3}, {"a$", "bab", 0},     {"(?m:a$)", "a\nb", 2},
        {"\\bx\\b", "x y", 2},      {"ab|a", "aab", 2},   {"a|ab", "xab", 2},
        {"é", "a\xc3\xa9", 3},      {"[^a]", "\xc3(", 2}, {"\\x{FFFD}", "\xe2\x82(", 3},
        {"(?:a.*b)?;", "a;", 0},    {"x*", "xx", 0},      {"^a", "ba", 0},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct split_regexes regexes = {0};
        struct split_match match;
        struct err err = {0};
        struct search_test test = {.regex = cases[i].regex};
        assert_int_equal(split_regexes_compile(&regexes, cases[i].regex, &test.expression, &err),
                         0);
        test.search = calloc(1, test.expression.search_size);
        assert_non_null(test.search);
        size_t known = 0;
        for (size_t at = 1; at <= strlen(cases[i].text) && known == 0; at++)
            known = search(&test, cases[i].text, at, false, &match) == 1 ? at : 0;
        if (known != cases[i].known)
            fail_msg("%s: known with %zu bytes", cases[i].regex, known);
        free(test.search);
        split_regexes_fini(&regexes);
    }
}

static void test_compiling(void **state)
{
    struct split_regexes regexes = {0};
    struct split_expression one, again, other;
    struct err err = {0};
    (void)state;
    assert_int_equal(split_regexes_compile(&regexes, "(a)|b", &one, &err), 0);
    assert_int_equal(split_regexes_compile(&regexes, "(a)|b", &again, &err), 0);
    assert_int_equal(split_regexes_compile(&regexes, "(a)*(b)*", &other, &err), 0);
    assert_ptr_equal(one.context, again.context);
    assert_int_equal(one.group_count, 1);
    assert_false(one.matches_empty);
    assert_int_equal(other.group_count, 2);
    assert_true(other.matches_empty);
    assert_int_equal(split_regexes_compile(&regexes, "a(", &other, &err), -1);
    assert_int_equal(split_regexes_compile(&regexes, "(?:a{1000}b?){3}", &other, &err), -1);
    assert_int_equal(err.count, 2);
    assert_string_equal(err.texts[0], "a(: position 1: expected \")\" for the \"(\" here");
    split_regexes_fini(&regexes);
    split_regexes_fini(&regexes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_expressions),
        cmocka_unit_test(test_when_a_match_is_known),
        cmocka_unit_test(test_compiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
