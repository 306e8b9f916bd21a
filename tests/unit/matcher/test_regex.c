/* SPDX-License-Identifier: MPL-2.0
 *
 * test_regex.c - expressions in RE2's syntax: every row of tests/golden/matcher/regex.tsv, and
 * random expressions on random values, by all engines: PCRE2, the machine of regex_run.c,
 * Hyperscan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matcher/regex_form.h"
#include "matcher/regex_match.h"
#include "matcher/scan_batch.h"
#include "tests/unit/matcher/match_random.h"

enum {
    LINE_SIZE = 4096,
    RANDOM_REGEXES = 3000,
    RANDOM_VALUES = 60,
    GROUP = 20,
    RANDOM_BATCHES = 600
};

/* Everything that can run one expression. */
struct engines {
    struct regex *regex;
    struct regex_matcher *matcher;
    struct regex_program *program;
    struct regex_match_scratch match;
    struct regex_run_scratch run;
};

static void open_engines(struct engines *engines, const char *pattern)
{
    struct regex_fault fault;
    struct regex_span span;

    *engines = (struct engines){0};
    if (regex_parse(pattern, strlen(pattern), &engines->regex, &fault) != 0)
        fail_msg("%s: %zu: %s", pattern, fault.position, fault.text);
    span = regex_whole(engines->regex);
    assert_int_equal(regex_matcher_new(&span, &engines->matcher), 0);
    assert_int_equal(regex_program_new(&span, &engines->program), 0);
    assert_int_equal(regex_match_scratch_init(&engines->match), 0);
    assert_int_equal(regex_match_scratch_fit(&engines->match, engines->matcher), 0);
    assert_int_equal(regex_run_scratch_fit(&engines->run, engines->program), 0);
}

static void close_engines(struct engines *engines)
{
    assert_int_equal(engines->match.limits, 0);
    regex_match_scratch_fini(&engines->match);
    regex_run_scratch_fini(&engines->run);
    regex_matcher_free(engines->matcher);
    regex_program_free(engines->program);
    regex_free(engines->regex);
}

/* Bit i of the result: expression i of `group` matches, says Hyperscan. */
static uint64_t scan_group(struct engines *const *group, unsigned count, const char *value,
                           size_t len, struct scan_db *db, struct scan_scratch *scratch)
{
    struct fire fires[GROUP];
    uint64_t state = 0;

    (void)group;
    for (unsigned i = 0; i < count; i++)
        fires[i] = (struct fire){(uint64_t)1 << i, 0};
    scan_db_run(db, scratch, value, len, fires, &state);
    return state;
}

static struct scan_db *open_scan(struct engines *const *group, unsigned count,
                                 struct scan_scratch **scratch)
{
    struct scan_source sources[GROUP];
    struct scan_db *db = NULL;

    for (unsigned i = 0; i < count; i++)
        sources[i] = (struct scan_source){regex_whole(group[i]->regex), true, {i, 1}};
    assert_int_equal(scan_db_new(sources, count, NULL, &db), 0);
    assert_int_equal(scan_scratch_new(scratch), 0);
    assert_int_equal(scan_scratch_fit(*scratch, db), 0);
    return db;
}

/* ---- golden rows ---- */

/* Resolves \n \t \r \f \v \xHH in place; returns the length. */
static size_t unescape(char *text)
{
    static const char letters[] = "ntrfv";
    static const char controls[] = "\n\t\r\f\v";
    char *out = text;

    for (char *at = text; *at; at++) {
        const char *found;
        char digits[3] = "";

        if (*at != '\\') {
            *out++ = *at;
            continue;
        }
        at++;
        found = strchr(letters, *at);
        if (found) {
            *out++ = controls[found - letters];
            continue;
        }
        assert_int_equal(*at, 'x');
        memcpy(digits, at + 1, 2);
        *out++ = (char)strtol(digits, NULL, 16);
        at += 2;
    }
    return (size_t)(out - text);
}

static void check_match(const char *pattern, const char *value, size_t len, bool expected)
{
    struct engines engines;
    struct engines *group[1] = {&engines};
    struct scan_scratch *scratch = NULL;
    struct scan_db *db;

    open_engines(&engines, pattern);
    db = open_scan(group, 1, &scratch);
    if (regex_match(engines.matcher, &engines.match, value, len) != expected)
        fail_msg("PCRE2: /%s/ expected %d", pattern, expected);
    if (regex_run(engines.program, &engines.run, value, len) != expected)
        fail_msg("regex_run: /%s/ expected %d", pattern, expected);
    if (scan_group(group, 1, value, len, db, scratch) != expected)
        fail_msg("Hyperscan: /%s/ expected %d", pattern, expected);
    assert_int_equal(scan_scratch_limits(scratch), 0);
    scan_scratch_free(scratch);
    scan_db_free(db);
    close_engines(&engines);
}

static void check_refused(const char *pattern, const char *expected)
{
    struct regex *regex = NULL;
    struct regex_fault fault = {0};
    char text[LINE_SIZE];

    assert_int_equal(regex_parse(pattern, strlen(pattern), &regex, &fault), -22);
    assert_null(regex);
    snprintf(text, sizeof text, "%zu: %s", fault.position, fault.text);
    if (strcmp(text, expected) != 0)
        print_error("/%s/\n", pattern);
    assert_string_equal(text, expected);
}

static void test_rows(void **state)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/golden/matcher/regex.tsv", "r");
    char line[LINE_SIZE];
    unsigned count = 0;

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char *rest = line;
        char *pattern;
        char *value;
        char *expected;

        if (line[0] == '#' && line[1] == ' ')
            continue;
        line[strcspn(line, "\n")] = '\0';
        pattern = strsep(&rest, "\t");
        value = strsep(&rest, "\t");
        expected = strsep(&rest, "\t");
        assert_non_null(rest);
        if (strcmp(expected, "refused") == 0)
            check_refused(pattern, rest);
        else
            check_match(pattern, value, unescape(value), strcmp(expected, "match") == 0);
        count++;
    }
    fclose(file);
    assert_true(count > 300);
}

/* ---- engines against each other ---- */

static void check_value(struct engines *const *group, const char *value, size_t len,
                        uint64_t scanned)
{
    for (unsigned i = 0; i < GROUP; i++) {
        int run = regex_run(group[i]->program, &group[i]->run, value, len);
        bool pcre = regex_match(group[i]->matcher, &group[i]->match, value, len);
        bool scan = scanned >> i & 1;

        if (run == pcre && run == scan)
            continue;
        print_error("/%s/ on ", group[i]->regex->text);
        for (size_t b = 0; b < len; b++)
            print_error("%02x", (unsigned char)value[b]);
        fail_msg("\nregex_run %d, PCRE2 %d, Hyperscan %d", run, pcre, scan);
    }
}

static void check_group(struct match_random *random)
{
    struct engines engines[GROUP];
    struct engines *group[GROUP];
    struct scan_scratch *scratch = NULL;
    struct scan_db *db;

    for (unsigned i = 0; i < GROUP; i++) {
        char pattern[400];

        match_random_regex(random, pattern, sizeof pattern);
        open_engines(&engines[i], pattern);
        group[i] = &engines[i];
    }
    db = open_scan(group, GROUP, &scratch);
    for (unsigned v = 0; v < RANDOM_VALUES; v++) {
        char value[64];
        size_t len = match_random_value(random, value, sizeof value);

        check_value(group, value, len, scan_group(group, GROUP, value, len, db, scratch));
    }
    assert_int_equal(scan_scratch_limits(scratch), 0);
    scan_scratch_free(scratch);
    scan_db_free(db);
    for (unsigned i = 0; i < GROUP; i++)
        close_engines(&engines[i]);
}

static void test_random(void **state)
{
    const char *seed = getenv("MATCH_SEED");
    struct match_random random = {.state = seed ? strtoull(seed, NULL, 10) : 7};

    (void)state;
    for (unsigned i = 0; i < RANDOM_REGEXES / GROUP; i++)
        check_group(&random);
}

/* ---- many values in one pass ---- */

static void check_batch(struct match_random *random, struct engines *engines,
                        const struct scan_batch *batch, struct scan_batch_scratch *scratch,
                        const struct scan_db *db, struct scan_scratch *single)
{
    static const struct fire fires[1] = {{1, 0}};
    char texts[SCAN_BATCH_MAX][64];
    struct scan_value values[SCAN_BATCH_MAX];
    uint64_t words[SCAN_BATCH_MAX] = {0};

    for (unsigned v = 0; v < SCAN_BATCH_MAX; v++)
        values[v] = (struct scan_value){
            texts[v], match_random_value(random, texts[v], sizeof texts[v]), &words[v]};
    scan_batch_run(batch, scratch, db, single, values, SCAN_BATCH_MAX, fires);
    for (unsigned v = 0; v < SCAN_BATCH_MAX; v++) {
        uint64_t wanted =
            (uint64_t)regex_run(engines->program, &engines->run, values[v].text, values[v].len);

        if (words[v] == wanted)
            continue;
        for (size_t b = 0; b < values[v].len; b++)
            print_error("%02x", (unsigned char)texts[v][b]);
        fail_msg("\n/%s/ value %u: wanted %u", engines->regex->text, v, (unsigned)wanted);
    }
}

/* Returns whether the expression can be batched. */
static bool check_batches(struct match_random *random, const char *pattern)
{
    struct engines engines;
    struct engines *group[1] = {&engines};
    struct buffer literal = {0};
    struct regex_form form;
    struct scan_source source;
    struct scan_scratch *single = NULL;
    struct scan_batch *batch = NULL;
    struct scan_batch_scratch *scratch = NULL;
    struct scan_db *db;

    open_engines(&engines, pattern);
    assert_int_equal(regex_form_of(engines.regex, &form, &literal), 0);
    buffer_fini(&literal);
    if (form.type == REGEX_ALWAYS) {
        close_engines(&engines);
        return false;
    }
    source = (struct scan_source){form.span, true, {0, 1}};
    db = open_scan(group, 1, &single);
    assert_int_equal(scan_batch_scratch_new(&scratch), 0);
    assert_int_equal(scan_batch_new(&source, 1, db, NULL, &batch), 0);
    if (batch) {
        assert_int_equal(scan_batch_scratch_fit(scratch, batch), 0);
        for (unsigned i = 0; i < 3; i++)
            check_batch(random, &engines, batch, scratch, db, single);
    }
    scan_batch_scratch_free(scratch);
    scan_batch_free(batch);
    scan_scratch_free(single);
    scan_db_free(db);
    close_engines(&engines);
    return batch != NULL;
}

static void test_batches(void **state)
{
    static const char *const anchored[] = {"^a",        "a$",           "^a$",   "^[ab]+$",
                                           "^\\W.*c$",  "\\b[abk]+\\b", "^.$",   "^[^a]+$",
                                           "(?i)^k.*$", "^(a|b)",       "(c|.)$"};
    const char *seed = getenv("MATCH_SEED");
    struct match_random random = {.state = seed ? strtoull(seed, NULL, 10) : 21};
    unsigned batched = 0;

    (void)state;
    for (size_t i = 0; i < sizeof anchored / sizeof anchored[0]; i++)
        assert_true(check_batches(&random, anchored[i]));
    for (unsigned i = 0; i < RANDOM_BATCHES; i++) {
        char pattern[400];

        match_random_regex(&random, pattern, sizeof pattern);
        batched += check_batches(&random, pattern);
    }
    assert_true(batched > RANDOM_BATCHES / 3);
}

/* Too much for PCRE2 and too much for regex_run(): an answer in bounded time, and a count. */
static void test_limits(void **state)
{
    struct engines engines;
    size_t len = 1 << 20;
    char *value = malloc(len);

    (void)state;
    assert_non_null(value);
    memset(value, 'a', len);
    open_engines(&engines, "((a*)*b|(a?){1000}c)");
    assert_false(regex_match(engines.matcher, &engines.match, value, len));
    assert_int_equal(engines.match.limits, 1);
    engines.match.limits = 0;
    close_engines(&engines);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests_name("regex", tests, NULL, NULL);
}
