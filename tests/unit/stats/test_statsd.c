/* SPDX-License-Identifier: MPL-2.0
 *
 * test_statsd.c - statsd lines to samples: the tables of lines, and datagrams. Built several times,
 *                 for each set of instructions.
 */
#include "stats/name_hash.h"
#include "stats/statsd.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/stats/golden_text.h"
#include "tests/unit/stats/statsd_run.h"

enum { TEXT_MAX = 1 << 20, EXIT_SKIP = 77 };

static struct statsd_run run;
static struct statsd_settings settings;

/* ---- the tables of lines ---- */

static void put_sample(char *text, size_t size, const struct statsd_sample *sample)
{
    static const char *const types[STATSD_TYPE_COUNT] = {
        "counter", "gauge", "timer", "set", "histogram", "distribution", "meter", "real"};
    static char name[4 * STATSD_NAME_MAX + 1], member[65536];
    const char *type = types[sample->type];
    size_t base_len = (size_t)sample->name_len - sample->tags_len;
    golden_escape(sample->name, base_len, name, sizeof(name));
    golden_escape(sample->name + base_len, sample->tags_len, member, sizeof(member));
    int at =
        snprintf(text, size, "%s%s %s%s%s", type, (sample->flags & STATSD_DELTA) != 0 ? "+" : "",
                 name, sample->tags_len > 0 ? " " : "", member);
    text += at;
    size -= (size_t)at;
    if (sample->type == STATSD_SET) {
        golden_escape(sample->member, sample->member_len, member, sizeof(member));
        snprintf(text, size, " %s", member);
    } else if (sample->type == STATSD_COUNTER || sample->type == STATSD_METER) {
        snprintf(text, size, " %" PRId64, sample->count);
    } else if ((sample->flags & STATSD_WEIGHTED) != 0) {
        snprintf(text, size, " %.17g x%.17g", sample->value, sample->weight);
    } else {
        snprintf(text, size, " %.17g", sample->value);
    }
}

static size_t put_times(char *text, size_t size, const char *what, const char *separator,
                        uint64_t times)
{
    size_t at = 0;
    for (uint64_t i = 0; i < times; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", what, separator);
    return at;
}

/* What a datagram gives: samples, events and checks, rejects, dialects, each with `separator`
 * behind it. */
static void describe(const char *bytes, size_t size, const char *separator, char *text,
                     size_t text_size)
{
    size_t at = 0;
    statsd_run(&run, &settings, bytes, size);
    uint64_t sum = run.count + run.counts.events + run.counts.checks;
    text[0] = '\0';
    for (unsigned i = 0; i < run.count; i++) {
        put_sample(text + at, text_size - at, &run.samples[i]);
        at += strlen(text + at);
        at += (size_t)snprintf(text + at, text_size - at, "%s", separator);
    }
    at += (size_t)snprintf(text + at, text_size - at, "%s", run.notices);
    for (unsigned reason = 0; reason < STATSD_REJECT_COUNT; reason++) {
        sum += run.counts.rejects[reason];
        at += put_times(text + at, text_size - at, statsd_reject_text((enum statsd_reject)reason),
                        separator, run.counts.rejects[reason]);
    }
    for (unsigned dialect = 0; dialect < STATSD_DIALECT_COUNT; dialect++) {
        char what[32];
        snprintf(what, sizeof(what), "=%s", statsd_dialect_text((enum statsd_dialect)dialect));
        at += put_times(text + at, text_size - at, what, separator, run.counts.dialects[dialect]);
    }
    assert_int_equal(sum, run.counts.lines + run.counts.extras);
    assert_true(at + 1 < text_size);
    if (at > 0 && separator[0] != '\n')
        text[at - strlen(separator)] = '\0';
    statsd_run_free(&run);
}

static void check_row(const char *bytes, size_t size, const char *expected, const char *file,
                      unsigned row)
{
    static char got[TEXT_MAX];
    describe(bytes, size, " & ", got, sizeof(got));
    if (strcmp(got, expected) != 0)
        fail_msg("%s:%u: found %s, expected %s", file, row, got, expected);
}

/* The part of what is expected that is samples. */
static size_t samples_len(const char *expected)
{
    static const char *const types[] = {"counter ",   "gauge ",        "gauge+ ", "timer ", "set ",
                                        "histogram ", "distribution ", "meter ",  "real "};
    const char *at = expected;
    while (*at != '\0') {
        bool is_sample = false;
        for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
            is_sample |= strncmp(at, types[i], strlen(types[i])) == 0;
        if (!is_sample)
            break;
        const char *next = strstr(at, " & ");
        at = next != NULL ? next + 3 : at + strlen(at);
    }
    return (size_t)(at - expected);
}

/* Each row alone, with a line feed, and between other lines: all must give the same. */
static void check_line(const char *line, size_t len, const char *expected, const char *file,
                       unsigned row)
{
    static char bytes[16384], around[65536];
    const char before[] = "a.first.counter:1|c\n", after[] = "\nlast.timer.of.all:7|ms";
    bool is_etsy = (settings.dialects >> STATSD_ETSY & 1) != 0;
    size_t head = samples_len(expected);
    check_row(line, len, expected, file, row);
    memcpy(bytes, line, len);
    bytes[len] = '\n';
    check_row(bytes, len + 1, expected, file, row);
    size_t size = sizeof(before) - 1;
    memcpy(bytes, before, size);
    memcpy(bytes + size, line, len);
    size += len;
    memcpy(bytes + size, after, sizeof(after) - 1);
    size += sizeof(after) - 1;
    snprintf(around, sizeof(around), "%s a.first.counter 1 & %.*s%stimer last.timer.of.all 7%s%s",
             is_etsy ? "real" : "counter", (int)head, expected,
             head > 0 && expected[head] == '\0' ? " & " : "", expected[head] != '\0' ? " & " : "",
             expected + head);
    check_row(bytes, size, around, file, row);
}

/* "! dialect dialect ... [tags=drop]" */
static void set_dialects(char *text)
{
    char *next = NULL;
    settings = (struct statsd_settings){0};
    for (char *word = strtok_r(text, " ", &next); word != NULL; word = strtok_r(NULL, " ", &next)) {
        if (strcmp(word, "tags=drop") == 0) {
            settings.tags = STATSD_TAGS_DROP;
        } else if (strcmp(word, "tags=append") == 0) {
            settings.tags = STATSD_TAGS_APPEND;
        } else {
            int dialect = statsd_dialect_find(word);
            assert_true(dialect >= 0);
            settings.dialects |= 1U << dialect;
        }
    }
}

static unsigned check_table(const char *file)
{
    static char row[65536], line[16384];
    char path[1024];
    unsigned number = 0, cases = 0;
    settings = (struct statsd_settings){0};
    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/golden/statsd/%s", file);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    while (fgets(row, sizeof(row), stream) != NULL) {
        number++;
        row[strcspn(row, "\n")] = '\0';
        if (row[0] == '!')
            set_dialects(row + 1);
        if (row[0] == '#' || row[0] == '\0' || row[0] == '!')
            continue;
        char *tab = strchr(row, '\t');
        if (tab == NULL)
            fail_msg("%s:%u: no tab", file, number);
        *tab = '\0';
        long len = golden_unescape(row, line, sizeof(line));
        assert_true(len >= 0);
        check_line(line, (size_t)len, tab + 1, file, number);
        cases++;
    }
    fclose(stream);
    return cases;
}

static void test_tables_of_lines(void **state)
{
    (void)state;
    assert_true(check_table("lines.tsv") >= 150);
    assert_true(check_table("etsy.tsv") >= 30);
    assert_true(check_table("dogstatsd.tsv") >= 50);
    assert_true(check_table("name_tags.tsv") >= 40);
}

/* ---- datagrams: NAME.in and NAME.expect ---- */

static void check_datagram(const char *name)
{
    char path[1024];
    static char text[TEXT_MAX];
    size_t in_size, expect_size;
    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/golden/statsd/%s.in", name);
    char *in = golden_read(path, &in_size);
    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/golden/statsd/%s.expect", name);
    char *expect = golden_read(path, &expect_size);
    assert_non_null(in);
    assert_non_null(expect);
    settings = (struct statsd_settings){0};
    describe(in, in_size, "\n", text, sizeof(text));
    if (strlen(text) != expect_size || memcmp(text, expect, expect_size) != 0)
        fail_msg("%s: found\n%sexpected\n%s", name, text, expect);
    free(in);
    free(expect);
}

static void test_datagrams(void **state)
{
    (void)state;
    unsigned cases = 0;
    DIR *dir = opendir(TEST_SOURCE_DIR "/golden/statsd");
    struct dirent *entry;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char name[256];
        size_t len = strlen(entry->d_name);
        if (len < 4 || strcmp(entry->d_name + len - 3, ".in") != 0)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(len - 3), entry->d_name);
        check_datagram(name);
        cases++;
    }
    closedir(dir);
    assert_true(cases >= 4);
}

/* A line with more values than a burst has room for. */
static void test_many_values(void **state)
{
    (void)state;
    static char line[16384];
    settings = (struct statsd_settings){.dialects = 1U << STATSD_GRAPHITE};
    for (unsigned values = 60; values < 300; values += 17) {
        size_t len = (size_t)snprintf(line, sizeof(line), "a;k=v");
        for (unsigned i = 0; i < values; i++)
            len += (size_t)snprintf(line + len, sizeof(line) - len, ":%u", i);
        len += (size_t)snprintf(line + len, sizeof(line) - len, "|ms\nb;c=d:5|g\nc:7|c");
        statsd_run(&run, &settings, line, len);
        assert_int_equal(run.count, values + 2);
        assert_int_equal(run.counts.lines, 3);
        assert_int_equal(run.counts.extras, values - 1);
        for (unsigned i = 0; i < values; i++) {
            assert_int_equal(run.samples[i].name_len, 5);
            assert_memory_equal(run.samples[i].name, "a;k=v", 5);
            assert_true(run.samples[i].value == i);
        }
        assert_memory_equal(run.samples[values].name, "b;c=d", 5);
        assert_memory_equal(run.samples[values + 1].name, "c", 1);
        statsd_run_free(&run);
    }
}

/* What is left of a datagram that nobody goes on with does not show up in the next. */
static void test_change_forgets_the_rest(void **state)
{
    (void)state;
    static struct statsd_parser parser;
    static char line[1024];
    struct statsd_sample samples[STATSD_BURST];
    size_t offset = 0;
    size_t len = (size_t)snprintf(line, sizeof(line), "a:1");
    for (unsigned i = 0; i < 100; i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len, ":2");
    len += (size_t)snprintf(line + len, sizeof(line) - len, "|c");
    settings = (struct statsd_settings){0};
    statsd_init(&parser, &settings);
    assert_int_equal(statsd_parse(&parser, line, len, &offset, samples), STATSD_BURST);
    assert_true(offset < len);
    statsd_change(&parser, &settings);
    offset = 0;
    assert_int_equal(statsd_parse(&parser, "b:1|c", 5, &offset, samples), 1);
    assert_memory_equal(samples[0].name, "b", 1);
    assert_int_equal(parser.counts.lines, 2);
}

/* What statsd_parse_single() is made for, and what it leaves; statsd_run() compares the samples. */
static void test_single_lines(void **state)
{
    static const struct {
        const char *line;
        bool is_single;
    } cases[] = {
        {"bench.1:12|c", true},
        {"bench.1:12|c\n", true},
        {"a.name:1|g\n", false}, /* too short for its loads */
        {"a.name:12|g\n", true},
        {"a.name:12345678|ms", true},
        {"abcdefghijklmnopqrstuvwxyz:123|c\n", false}, /* 33 bytes */
        {"abcdefghijklmnopqrstuvwxy:123|c\n", true},
        {"abcdefghijklmnopqrstuvwxyz:123|c", true},
        {"a:1|c\nb:1|c\n", false},
        {"bench.1:12|c\n\n", false},
        {"bench.1:12:13|c", false},
        {"bench.1 12|cccc", false},
        {"bench.1\n12|ccc:", false},
        {":bench.1:12|c", false},
        {"bench.1:-12|c", false},
        {"bench.1:1.5|ms", false},
        {"bench.1:12|c|@0.5", false},
        {" bench.1:12|c", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        settings = (struct statsd_settings){0};
        statsd_run(&run, &settings, cases[i].line, strlen(cases[i].line));
        if (run.is_single != (cases[i].is_single && NAME_HASH_AVX2))
            fail_msg("%s", cases[i].line);
        statsd_run_free(&run);
    }
    settings = (struct statsd_settings){.dialects = 1U << STATSD_DOG};
    statsd_run(&run, &settings, "bench.1:12|c", 12);
    assert_false(run.is_single);
    statsd_run_free(&run);
}

/* Late is what names a second before the interval in hand; the sample counts all the same. */
static void test_late_timestamps(void **state)
{
    static const struct {
        const char *line;
        uint32_t interval_s;
        unsigned late;
    } cases[] = {
        {"a:1|c|T1002", 10, 0},   {"a:1|c|T1000", 10, 0}, {"a:1|c|T999", 10, 1},
        {"a:1|c|T0", 10, 1},      {"a:1|c|T-1", 10, 1},   {"a:1|c|T99999999999999999999", 10, 0},
        {"a:1|c|T000999", 10, 1}, {"a:1|c|T1", 0, 0},     {"a:1|c", 10, 0},
    };
    static struct statsd_parser parser;
    struct statsd_settings dog = {.dialects = 1U << STATSD_DOG};
    struct statsd_sample samples[STATSD_BURST];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t offset = 0;
        statsd_init(&parser, &dog);
        parser.interval_s = cases[i].interval_s;
        parser.now_ns = UINT64_C(1009999999999);
        assert_int_equal(
            statsd_parse(&parser, cases[i].line, strlen(cases[i].line), &offset, samples), 1);
        if (parser.counts.timestamps_late != cases[i].late)
            fail_msg("%s with an interval of %u s", cases[i].line, cases[i].interval_s);
    }
}

static void test_reject_texts(void **state)
{
    (void)state;
    assert_string_equal(statsd_reject_text(STATSD_NO_COLON), "no colon");
    assert_string_equal(statsd_reject_text(STATSD_BAD_VALUE), "bad value");
    assert_string_equal(statsd_reject_text(STATSD_REJECT_COUNT), "unknown reason");
    assert_string_equal(statsd_dialect_text(STATSD_SIGNALFX), "signalfx");
    assert_string_equal(statsd_dialect_text(STATSD_DIALECT_COUNT), "unknown dialect");
    for (unsigned i = 0; i < STATSD_DIALECT_COUNT; i++)
        assert_int_equal(statsd_dialect_find(statsd_dialect_text((enum statsd_dialect)i)), i);
    assert_int_equal(statsd_dialect_find("all"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_of_lines), cmocka_unit_test(test_datagrams),
        cmocka_unit_test(test_many_values),     cmocka_unit_test(test_change_forgets_the_rest),
        cmocka_unit_test(test_late_timestamps), cmocka_unit_test(test_single_lines),
        cmocka_unit_test(test_reject_texts),
    };
#if defined(__AVX2__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi"))
        return EXIT_SKIP;
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
