/* SPDX-License-Identifier: MPL-2.0
 *
 * test_capture_differential.c - all engines on random expressions, and sets of expressions against
 * PCRE2 one by one on random log lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/check.h"
#include "tests/unit/matcher/capture_engines.h"
#include "tests/unit/matcher/capture_random.h"

enum { REGEX_SIZE = 1024, EXPRESSIONS = 3000, TEXTS = 8, SETS = 60, SET_SIZE = 70, LINES = 60 };

static void check_text(struct capture_engines *engines, const char *regex, const char *text,
                       size_t len, uint64_t *path_answers)
{
    const char *culprit;
    char *exact = malloc(len + 1); /* so that reading behind it is seen */

    assert_non_null(exact);
    memcpy(exact, text, len);
    exact = realloc(exact, len > 0 ? len : 1);
    assert_non_null(exact);
    if (!capture_engines_agree(engines, exact, len, &culprit, path_answers))
        fail_msg("%s differs: %s on \"%.*s\"", culprit, regex, (int)len, text);
    free(exact);
}

static void test_random_expressions(void **state)
{
    struct match_random random = {.state = 7};
    uint64_t path_answers = 0;

    (void)state;
    for (unsigned i = 0; i < EXPRESSIONS; i++) {
        struct capture_engines engines = {0};
        struct regex_fault fault;
        char regex[REGEX_SIZE];
        char text[REGEX_SIZE];

        match_random_regex(&random, regex, sizeof regex);
        if (capture_engines_init(&engines, regex, strlen(regex), &fault) < 0)
            fail_msg("%s: %s", regex, fault.text);
        for (unsigned j = 0; j < TEXTS; j++)
            check_text(&engines, regex, text, match_random_value(&random, text, sizeof text),
                       &path_answers);
        capture_engines_fini(&engines);
    }
    assert_true(path_answers > EXPRESSIONS);
}

static void test_random_formats(void **state)
{
    struct match_random random = {.state = 8};
    uint64_t path_answers = 0;

    (void)state;
    for (unsigned i = 0; i < EXPRESSIONS; i++) {
        struct capture_engines engines = {0};
        struct capture_format format;
        struct regex_fault fault;
        char line[CAPTURE_LINE_SIZE];

        capture_random_format(&random, &format);
        assert_int_equal(capture_engines_init(&engines, format.text, strlen(format.text), &fault),
                         0);
        for (unsigned j = 0; j < TEXTS; j++)
            check_text(&engines, format.text, line, capture_random_line(&random, &format, line),
                       &path_answers);
        capture_engines_fini(&engines);
    }
    /* most lines of a log need no other engine */
    assert_true(path_answers > (uint64_t)EXPRESSIONS * TEXTS / 2);
}

/* ---- sets ---- */

struct many {
    struct capture_format formats[SET_SIZE];
    struct capture_engines single[SET_SIZE];
    struct capture_set *set;
    struct capture_scratch *scratch;
    uint32_t count;
};

static void make_set(struct match_random *random, struct many *many)
{
    struct regex_fault fault;

    many->count = 1 + match_random_below(random, SET_SIZE);
    assert_int_equal(capture_set_new(&many->set), 0);
    for (uint32_t i = 0; i < many->count; i++) {
        const char *text = many->formats[i].text;

        capture_random_format(random, &many->formats[i]);
        assert_int_equal(capture_set_add(many->set, text, strlen(text), &fault), i);
        assert_int_equal(capture_engines_init(&many->single[i], text, strlen(text), &fault), 0);
    }
    assert_int_equal(capture_set_compile(many->set, NULL), 0);
    assert_int_equal(capture_scratch_new(many->set, &many->scratch), 0);
}

static void free_set(struct many *many)
{
    for (uint32_t i = 0; i < many->count; i++)
        capture_engines_fini(&many->single[i]);
    capture_scratch_free(many->scratch);
    capture_set_free(many->set);
    memset(many, 0, sizeof *many);
}

/* What PCRE2 says about one expression, or the measure where PCRE2 may not be asked. */
static int match_alone(struct capture_engines *single, const char *line, size_t len,
                       uint32_t *slots)
{
    int rc = capture_by_pcre(single, false, line, len, slots);

    if (rc == CAPTURE_NO_ANSWER)
        rc = capture_by_pcre(single, true, line, len, slots);
    return rc == CAPTURE_NO_ANSWER ? capture_by_run(single, line, len, slots) : rc;
}

/* Returns whether the expression matched. */
static bool check_expression(struct many *many, uint32_t index, struct msg_slice line)
{
    const struct msg_slice *values = NULL;
    uint32_t slots[CAPTURE_SLOTS_MAX];
    uint32_t groups = capture_set_names(many->set, index).count;
    int alone = match_alone(&many->single[index], line.ptr, line.len, slots);
    int in_set = capture_set_match(many->set, many->scratch, index, line, &values);

    if (in_set != alone)
        fail_msg("%s on \"%.*s\": %d in the set, %d alone", many->formats[index].text,
                 (int)line.len, line.ptr, in_set, alone);
    if (alone == 1 && capture_set_next(many->set, many->scratch, index, line) != index)
        fail_msg("%s on \"%.*s\" is left out", many->formats[index].text, (int)line.len, line.ptr);
    for (uint32_t i = 0; alone == 1 && i < groups; i++) {
        bool is_set = slots[2 * i + 3] != CAPTURE_UNSET;

        assert_int_equal(values[i].ptr != NULL, is_set);
        assert_int_equal(values[i].len, is_set ? slots[2 * i + 3] - slots[2 * i + 2] : 0);
        if (is_set && values[i].len > 0)
            assert_ptr_equal(values[i].ptr, line.ptr + slots[2 * i + 2]);
    }
    return alone == 1;
}

static void test_sets(void **state)
{
    static struct many many;
    struct match_random random = {.state = 9};
    unsigned matches = 0;
    unsigned others = 0;

    (void)state;
    for (unsigned i = 0; i < SETS; i++) {
        make_set(&random, &many);
        for (unsigned j = 0; j < LINES; j++) {
            char line[CAPTURE_LINE_SIZE];
            uint32_t format = match_random_below(&random, many.count);
            size_t len = capture_random_line(&random, &many.formats[format], line);

            capture_scratch_forget(many.scratch);
            for (uint32_t k = 0; k < many.count; k++) {
                if (check_expression(&many, k, (struct msg_slice){line, (uint32_t)len}))
                    matches++;
                else
                    others++;
            }
        }
        free_set(&many);
    }
    assert_true(matches > SETS * LINES / 2 && others > matches);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_expressions),
        cmocka_unit_test(test_random_formats),
        cmocka_unit_test(test_sets),
    };

#ifdef __AVX2__
    if (!__builtin_cpu_supports("avx2")) {
        printf("no AVX2 here\n");
        return 0;
    }
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
