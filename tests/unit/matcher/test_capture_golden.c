/* SPDX-License-Identifier: MPL-2.0
 *
 * test_capture_golden.c - tests/golden/capture: what Go's regexp makes of expressions and texts, on
 * every engine.
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

#include "tests/support/tsv.h"
#include "tests/unit/matcher/capture_engines.h"

struct golden_counts {
    unsigned rows, failed;
    unsigned paths, pcres; /* answers */
};

static void check(struct golden_counts *counts, const char *engine, int result,
                  const uint32_t *slots, uint32_t slot_count, const char *const *row)
{
    struct buffer text = {0};

    capture_slots_text(result, slots, slot_count, &text);
    if (result != CAPTURE_NO_ANSWER && strcmp(text.data, row[2]) != 0) {
        counts->failed++;
        printf("%s: %s on \"%s\": expected %s, got %s\n", engine, row[0], row[1], row[2],
               text.data);
    }
    buffer_fini(&text);
}

static void run_row(struct golden_counts *counts, const char *const *row, size_t regex_len,
                    size_t text_len)
{
    struct capture_engines engines = {0};
    struct regex_fault fault;
    uint32_t slots[CAPTURE_SLOTS_MAX];
    uint32_t slot_count;
    int rc = capture_engines_init(&engines, row[0], regex_len, &fault);

    if (rc < 0)
        fail_msg("%s: %s", row[0], rc == -EINVAL ? fault.text : "no memory");
    slot_count = 2 * (engines.tree->group_count + 1);
    rc = capture_by_run(&engines, row[1], text_len, slots);
    assert_int_not_equal(rc, CAPTURE_NO_ANSWER);
    check(counts, "run", rc, slots, slot_count, row);
    for (int utf8 = 0; utf8 < 2; utf8++) {
        rc = capture_by_pcre(&engines, utf8, row[1], text_len, slots);
        check(counts, utf8 ? "pcre utf8" : "pcre", rc, slots, slot_count, row);
        counts->pcres += rc != CAPTURE_NO_ANSWER;
    }
    rc = capture_by_path(&engines, row[1], text_len, slots);
    check(counts, "path", rc, slots, slot_count, row);
    counts->paths += rc != CAPTURE_NO_ANSWER;
    capture_by_run(&engines, row[1], text_len, slots);
    rc = capture_by_set(&engines, row[1], text_len, slots);
    assert_int_not_equal(rc, CAPTURE_NO_ANSWER);
    check(counts, "set", rc, slots, slot_count, row);
    capture_engines_fini(&engines);
}

static void run_file(const char *name, struct golden_counts *counts)
{
    static struct tsv tsv;
    char path[1024];

    snprintf(path, sizeof path, "%s/golden/capture/%s", TEST_SOURCE_DIR, name);
    assert_true(tsv_open(&tsv, path));
    while (tsv_next(&tsv)) {
        assert_int_equal(tsv.count, 3);
        run_row(counts, (const char *const *)tsv.fields, tsv.lens[0], tsv.lens[1]);
        counts->rows++;
    }
}

static void test_expressions(void **state)
{
    struct golden_counts counts = {0};

    (void)state;
    run_file("expressions.tsv", &counts);
    assert_int_equal(counts.failed, 0);
    assert_true(counts.rows >= 190);
    assert_true(counts.paths >= counts.rows / 2); /* these are of the kind that paths are for */
    assert_true(counts.pcres >= counts.rows);
}

static void test_random(void **state)
{
    struct golden_counts counts = {0};

    (void)state;
    run_file("random.tsv", &counts);
    assert_int_equal(counts.failed, 0);
    assert_true(counts.rows >= 300 && counts.paths > 50 && counts.pcres >= counts.rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
