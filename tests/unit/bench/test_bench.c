/* SPDX-License-Identifier: MPL-2.0
 *
 * test_bench.c - medians, exit codes and the chosen cases of bench_main().
 */
#include "bench/bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// clang-format off
#include <cmocka.h>
// clang-format on
#include <jansson.h>

#include "bench/bench_internal.h"

static unsigned run_count, torn_down;
static uint64_t seen_option;

static int run_counted(struct bench_run *run)
{
    static const double values[] = {30, 10, 20};
    seen_option = bench_option_value(run, "names");
    bench_result(run, values[run->index % 3], 5);
    bench_figure(run, "index", run->index);
    bench_param_text(run, "kind", "counted");
    run_count++;
    return 0;
}

static int run_inexact(struct bench_run *run)
{
    bench_result(run, 1, 0);
    return bench_inexact(run, "expected by test_bench: 1, found 2");
}

static int setup_skipping(struct bench_run *run)
{
    return bench_skip(run, "no such hardware");
}

static int setup_failing(struct bench_run *run)
{
    (void)run;
    return -5;
}

static void teardown(struct bench_run *run)
{
    (void)run;
    torn_down++;
}

static int main_of(const char *const *args, int count, json_t **first)
{
    static const struct bench_case cases[] = {
        {.name = "counted", .run = run_counted, .unit = "x/s", .teardown = teardown},
        {.name = "inexact", .run = run_inexact, .unit = "x/s", .teardown = teardown},
        {.name = "skipping", .run = run_counted, .unit = "x/s", .setup = setup_skipping},
        {.name = "failing",
         .run = run_counted,
         .unit = "x/s",
         .setup = setup_failing,
         .teardown = teardown},
    };
    struct bench_option options[] = {{"names", "how many", 7, 1, 100}};
    const struct bench bench = {"test", "for this test", cases, 4, options, 1};
    char *argv[8] = {NULL};
    for (int i = 0; i < count; i++)
        argv[i] = (char *)(uintptr_t)args[i];
    char path[] = "/tmp/test_bench.XXXXXX";
    int file = mkstemp(path), out = dup(STDOUT_FILENO);
    assert_true(file >= 0 && out >= 0);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    run_count = torn_down = 0;
    int code = bench_main(&bench, count, argv);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    close(file);
    if (first != NULL)
        *first = json_load_file(path, JSON_DISABLE_EOF_CHECK, NULL);
    unlink(path);
    return code;
}

static void test_a_case_is_printed_as_json(void **state)
{
    (void)state;
    json_t *object = NULL;
    const char *const args[] = {"test", "--json", "--runs", "3", "--names", "9", "counted"};
    assert_int_equal(main_of(args, 7, &object), 0);
    assert_int_equal(run_count, 3);
    assert_int_equal(torn_down, 1);
    assert_int_equal(seen_option, 9);
    const char *name, *case_name, *unit, *kind, *cpu;
    json_int_t median, min, max, runs, names, index, cores, cycles;
    int exact, failed;
    assert_int_equal(json_unpack(object, "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b}",
                                 "name", &name, "case", &case_name, "unit", &unit, "median",
                                 &median, "min", &min, "max", &max, "runs", &runs,
                                 "cycles_per_item", &cycles, "exact", &exact, "failed", &failed),
                     0);
    assert_int_equal(json_unpack(object, "{s:{s:I, s:s}, s:{s:I}, s:{s:s, s:I}}", "parameters",
                                 "names", &names, "kind", &kind, "figures", "index", &index,
                                 "machine", "cpu", &cpu, "cores", &cores),
                     0);
    assert_string_equal(name, "test");
    assert_string_equal(case_name, "counted");
    assert_string_equal(kind, "counted");
    assert_int_equal(median, 20);
    assert_int_equal(min, 10);
    assert_int_equal(max, 30);
    assert_int_equal(runs, 3);
    assert_int_equal(names, 9);
    assert_int_equal(index, 1);
    assert_true(exact && !failed);
    json_decref(object);
}

static void test_wrong_totals_fail(void **state)
{
    (void)state;
    json_t *object = NULL;
    const char *const args[] = {"test", "--json", "inexact"};
    assert_int_equal(main_of(args, 3, &object), 1);
    assert_int_equal(torn_down, 1);
    assert_true(json_is_false(json_object_get(object, "exact")));
    json_decref(object);
}

static void test_a_failed_setup_fails_and_a_skip_does_not(void **state)
{
    (void)state;
    json_t *object = NULL;
    const char *const failing[] = {"test", "--json", "failing"};
    assert_int_equal(main_of(failing, 3, &object), 1);
    assert_int_equal(torn_down, 1);
    assert_int_equal(run_count, 0);
    assert_true(json_is_true(json_object_get(object, "failed")));
    json_decref(object);
    const char *const skipping[] = {"test", "--json", "skipping"};
    assert_int_equal(main_of(skipping, 3, &object), 0);
    assert_string_equal(json_string_value(json_object_get(object, "skipped")), "no such hardware");
    json_decref(object);
}

static void test_wrong_command_lines_are_refused(void **state)
{
    (void)state;
    static const char *const lines[][3] = {
        {"test", "--json", "nothing"},  {"test", "--runs", "0"},   {"test", "--runs", "34"},
        {"test", "--names", "101"},     {"test", "--names", "1x"}, {"test", "--json", "--names"},
        {"test", "--json", "--unknown"}};
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_int_equal(main_of(lines[i], 3, NULL), 2);
        assert_int_equal(run_count, 0);
    }
}

static void test_summaries_leave_out_what_was_not_chosen(void **state)
{
    (void)state;
    const double values[] = {5, (double)NAN, 1, 100, 2};
    const bool chosen[] = {true, true, true, false, true};
    struct bench_summary summary = bench_summarise(values, chosen, 5);
    assert_int_equal(summary.count, 3);
    assert_true(summary.median == 2 && summary.min == 1 && summary.max == 5);
    summary = bench_summarise(values, chosen, 3);
    assert_true(summary.median == 3 && summary.count == 2);
    summary = bench_summarise(values, chosen, 0);
    assert_int_equal(summary.count, 0);
}

static void test_a_hop_needs_two_cores(void **state)
{
    (void)state;
    assert_true(bench_hop_ns(bench_cpu(0), bench_cpu(0)) < 0);
    assert_true(bench_hop_ns(-1, 0) < 0);
    if (bench_cpu(1) >= 0)
        assert_true(bench_hop_ns(bench_cpu(0), bench_cpu(1)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_case_is_printed_as_json),
        cmocka_unit_test(test_wrong_totals_fail),
        cmocka_unit_test(test_a_failed_setup_fails_and_a_skip_does_not),
        cmocka_unit_test(test_wrong_command_lines_are_refused),
        cmocka_unit_test(test_summaries_leave_out_what_was_not_chosen),
        cmocka_unit_test(test_a_hop_needs_two_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
