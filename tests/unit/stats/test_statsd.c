/* SPDX-License-Identifier: MPL-2.0
 *
 * test_statsd.c - statsd lines to samples: the table of lines, datagrams, and random input against
 *                 the byte-wise parser. Built several times, for each set of instructions.
 */
#include "stats/statsd.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/stats/golden_text.h"
#include "tests/unit/stats/statsd_plain.h"

enum { SAMPLES_MAX = 40000, TEXT_MAX = 1 << 20, EXIT_SKIP = 77 };

static uint64_t seed = 1;

static uint64_t next_random(void)
{
    seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned pick(unsigned below)
{
    return (unsigned)(next_random() % below);
}

/* Parses a copy that ends where its memory ends, so that ASan sees a read behind it. `*copy` is
 * the caller's to free after it has looked at the samples. */
static unsigned parse_all(const char *bytes, size_t size, struct statsd_sample *samples,
                          struct statsd_counts *counts, char **copy)
{
    size_t offset = 0;
    unsigned count = 0;
    *copy = malloc(size + (size == 0));
    assert_non_null(*copy);
    memcpy(*copy, bytes, size);
    while (offset < size) {
        struct statsd_sample burst[STATSD_BURST];
        size_t before = offset;
        unsigned got = statsd_parse(*copy, size, &offset, burst, counts);
        assert_true(got <= STATSD_BURST && offset > before && offset <= size);
        assert_true(got > 0 || offset == size);
        assert_true(count + got <= SAMPLES_MAX);
        memcpy(samples + count, burst, got * sizeof(*burst));
        count += got;
    }
    return count;
}

/* ---- the table of lines ---- */

static void put_sample(char *text, size_t size, const struct statsd_sample *sample)
{
    static const char *const types[] = {"counter", "gauge", "timer"};
    char name[4 * STATSD_NAME_MAX + 1];
    golden_escape(sample->name, sample->name_len, name, sizeof(name));
    if (sample->type == STATSD_COUNTER)
        snprintf(text, size, "%s %s %" PRId64, types[sample->type], name, sample->count);
    else
        snprintf(text, size, "%s %s %.17g", types[sample->type], name, sample->value);
}

/* What a datagram gives, one line for each sample, then the rejects, separated by `separator`. */
static void describe(const char *bytes, size_t size, char separator, char *text, size_t text_size)
{
    static struct statsd_sample samples[SAMPLES_MAX];
    struct statsd_counts counts = {0};
    char *copy;
    size_t at = 0;
    unsigned count = parse_all(bytes, size, samples, &counts, &copy);
    uint64_t sum = count;
    text[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        put_sample(text + at, text_size - at, &samples[i]);
        at += strlen(text + at);
        text[at++] = separator;
        text[at] = '\0';
    }
    for (unsigned reason = 0; reason < STATSD_REJECT_COUNT; reason++) {
        sum += counts.rejects[reason];
        for (uint64_t i = 0; i < counts.rejects[reason]; i++)
            at += (size_t)snprintf(text + at, text_size - at, "%s%c",
                                   statsd_reject_text((enum statsd_reject)reason), separator);
    }
    assert_int_equal(sum, counts.lines);
    assert_true(at + 1 < text_size);
    if (at > 0 && separator != '\n')
        text[at - 1] = '\0';
    free(copy);
}

static void check_row(const char *bytes, size_t size, const char *expected, unsigned row)
{
    static char got[TEXT_MAX];
    describe(bytes, size, ';', got, sizeof(got));
    if (strcmp(got, expected) != 0)
        fail_msg("lines.tsv:%u: found %s, expected %s", row, got, expected);
}

/* Each row alone, with a line feed, and between other lines: all must give the same. */
static void check_line(const char *line, size_t len, const char *expected, unsigned row)
{
    static char bytes[16384];
    static char around[16384];
    const char before[] = "a.first.counter:1|c\n", after[] = "\nlast.timer.of.all:7|ms";
    const char *first = "counter a.first.counter 1", *last = "timer last.timer.of.all 7";
    bool is_reject = strstr(expected, " ") != NULL && expected[0] != 'c' && expected[0] != 'g' &&
                     expected[0] != 't';
    check_row(line, len, expected, row);
    memcpy(bytes, line, len);
    bytes[len] = '\n';
    check_row(bytes, len + 1, expected, row);
    size_t size = sizeof(before) - 1;
    memcpy(bytes, before, size);
    memcpy(bytes + size, line, len);
    size += len;
    memcpy(bytes + size, after, sizeof(after) - 1);
    size += sizeof(after) - 1;
    if (expected[0] == '\0')
        snprintf(around, sizeof(around), "%s;%s", first, last);
    else if (is_reject)
        snprintf(around, sizeof(around), "%s;%s;%s", first, last, expected);
    else
        snprintf(around, sizeof(around), "%s;%s;%s", first, expected, last);
    check_row(bytes, size, around, row);
}

static void test_table_of_lines(void **state)
{
    (void)state;
    static char row[65536], line[16384];
    unsigned number = 0, cases = 0;
    FILE *file = fopen(TEST_SOURCE_DIR "/golden/statsd/lines.tsv", "r");
    assert_non_null(file);
    while (fgets(row, sizeof(row), file) != NULL) {
        number++;
        row[strcspn(row, "\n")] = '\0';
        if (row[0] == '#' || row[0] == '\0')
            continue;
        char *tab = strchr(row, '\t');
        if (tab == NULL) {
            fclose(file);
            fail_msg("lines.tsv:%u: no tab", number);
            return;
        }
        *tab = '\0';
        long len = golden_unescape(row, line, sizeof(line));
        assert_true(len >= 0);
        check_line(line, (size_t)len, tab + 1, number);
        cases++;
    }
    fclose(file);
    assert_true(cases >= 80);
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
    describe(in, in_size, '\n', text, sizeof(text));
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

/* ---- against the byte-wise parser ---- */

static void compare(const char *bytes, size_t size)
{
    static struct statsd_sample fast[SAMPLES_MAX], plain[SAMPLES_MAX];
    struct statsd_counts fast_counts = {0}, plain_counts = {0};
    char *copy;
    unsigned count = parse_all(bytes, size, fast, &fast_counts, &copy);
    assert_int_equal(statsd_plain_parse(copy, size, plain, &plain_counts), count);
    assert_memory_equal(&fast_counts, &plain_counts, sizeof(fast_counts));
    for (unsigned i = 0; i < count; i++) {
        assert_ptr_equal(fast[i].name, plain[i].name);
        assert_int_equal(fast[i].name_len, plain[i].name_len);
        assert_int_equal(fast[i].type, plain[i].type);
        assert_int_equal(fast[i].hash, plain[i].hash);
        assert_int_equal(fast[i].count, plain[i].count); /* the bits of a double too */
        assert_int_equal(fast[i].hash, statsd_name_hash(fast[i].name, fast[i].name_len));
    }
    free(copy);
}

static size_t put_text(char *at, const char *text)
{
    size_t len = 0;
    for (; text[len] != '\0'; len++)
        at[len] = text[len];
    return len;
}

static size_t put_random_name(char *at)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    unsigned lens[] = {pick(8), pick(40), 28 + pick(10), pick(80), pick(8) == 0 ? 1030 : 31};
    unsigned len = lens[pick(5)];
    if (len == 1030)
        len = 1020 + pick(8);
    for (unsigned i = 0; i < len; i++)
        at[i] = letters[pick(sizeof(letters) - 1)];
    return len;
}

static size_t put_random_value(char *at)
{
    static const char *const odd[] = {"",
                                      "-0",
                                      "+5",
                                      "-17",
                                      "1e3",
                                      "1e400",
                                      "-1e-400",
                                      "nan",
                                      "inf",
                                      "0x10",
                                      "1_0",
                                      "1.5.",
                                      ".5",
                                      "5.",
                                      ".",
                                      "-",
                                      "e5",
                                      "1e",
                                      " 1",
                                      "1 ",
                                      "1:2",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "-9223372036854775808",
                                      "9007199254740993",
                                      "123456789012345678901234567890",
                                      "0.1",
                                      "3.14159265358979",
                                      "00000000000000000000000000001",
                                      "2.2250738585072011e-308"};
    char text[64];
    unsigned kind = pick(10);
    if (kind < 5)
        snprintf(text, sizeof(text), "%" PRIu64, next_random() >> (30 + pick(34)));
    else if (kind < 7)
        snprintf(text, sizeof(text), "%" PRIu64, next_random() >> pick(64));
    else if (kind < 8)
        snprintf(text, sizeof(text), "%.*f", (int)pick(12), (double)next_random() / 1e15);
    else if (kind < 9)
        snprintf(text, sizeof(text), "%.*e", (int)pick(20),
                 (double)next_random() * (double)pick(1000));
    else
        return put_text(at, odd[pick(sizeof(odd) / sizeof(odd[0]))]);
    return put_text(at, text);
}

static size_t put_random_line(char *at)
{
    static const char *const ends[] = {
        "|c",      "|c",     "|c",   "|ms",   "|g",  "|h",       "|m",     "|s",
        "|c|@0.1", "|ms|@1", "|c|@", "|c|@0", "|c|", "|c|@-1",   "|g|#a",  "|cx",
        "|cxx",    "|mxx",   "|",    "",      "|x",  "|ms|@nan", "|c|@1.", "|ss",
        "|C",      "|c ",    " |c",  "|c\r",  "||c", "|g|@1e-3", "c",      "|mms"};
    size_t size = 0;
    if (pick(20) == 0)
        at[size++] = " \t\r"[pick(3)];
    size += put_random_name(at + size);
    if (pick(50) != 0)
        at[size++] = ':';
    size += put_random_value(at + size);
    size +=
        put_text(at + size, ends[pick(4) == 0 ? pick(sizeof(ends) / sizeof(ends[0])) : pick(5)]);
    return size;
}

static void test_random_lines_agree(void **state)
{
    (void)state;
    static char bytes[200 * 1300];
    for (unsigned round = 0; round < 6000; round++) {
        size_t size = 0;
        unsigned lines = pick(10) == 0 ? pick(200) : pick(12);
        for (unsigned i = 0; i < lines; i++) {
            size += put_random_line(bytes + size);
            if (i + 1 < lines || pick(2) == 0)
                bytes[size++] = '\n';
        }
        if (size > 0 && pick(3) == 0) { /* and some damage */
            for (unsigned i = 1 + pick(3); i > 0; i--)
                bytes[pick((unsigned)size)] = (char)(pick(2) ? ":|\n @c"[pick(6)] : (int)pick(256));
        }
        compare(bytes, size);
    }
}

/* Short strings of the bytes that matter, at every length up to a few blocks. */
static void test_random_bytes_agree(void **state)
{
    (void)state;
    static const char letters[] = ":|\n\n  ccgms123@.\r\t-";
    char bytes[300];
    for (unsigned round = 0; round < 60000; round++) {
        unsigned size = pick(sizeof(bytes));
        for (unsigned i = 0; i < size; i++)
            bytes[i] = letters[pick(sizeof(letters))]; /* the NUL too */
        compare(bytes, size);
    }
}

/* ---- shapes that the scan must get right ---- */

static void test_every_size_of_datagram(void **state)
{
    (void)state;
    char bytes[4096];
    for (unsigned len = 1; len < 200; len++) {
        size_t size = 0;
        for (unsigned i = 0; i < 9;
             i++) { /* names of this length: ends at every place of a block */
            memset(bytes + size, 'a' + (int)i, len);
            size += len;
            size += put_text(bytes + size, i % 3 == 0 ? ":1234567|c\n" : ":1|ms\n");
        }
        compare(bytes, size);
        compare(bytes, size - 1);
    }
}

static void test_many_lines(void **state)
{
    (void)state;
    static char bytes[64 * 1024];
    for (unsigned lines = 60; lines < 70; lines++) {
        size_t size = 0;
        for (unsigned i = 0; i < lines; i++)
            size += (size_t)snprintf(bytes + size, 64, "n%u:%u|c\n", i, i);
        compare(bytes, size);
    }
    size_t size = 0;
    while (size + 8 < sizeof(bytes))
        size += put_text(bytes + size, "a:1|c\n");
    compare(bytes, size);
    memset(bytes, '\n', sizeof(bytes));
    compare(bytes, sizeof(bytes));
}

/* More marks than one scan takes, without a line feed. */
static void test_long_lines(void **state)
{
    (void)state;
    static char bytes[100 * 1024];
    memset(bytes, ':', sizeof(bytes));
    compare(bytes, sizeof(bytes));
    put_text(bytes + sizeof(bytes) - 10, "|c\nok:12|c");
    compare(bytes, sizeof(bytes));
    memset(bytes, 'x', sizeof(bytes) - 10);
    compare(bytes, sizeof(bytes));
    memset(bytes, ' ', sizeof(bytes) - 10);
    compare(bytes, sizeof(bytes));
}

static void test_hash(void **state)
{
    (void)state;
    char bytes[STATSD_NAME_MAX];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)next_random();
    for (unsigned len = 1; len <= sizeof(bytes); len++) {
        char *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, bytes, len);
        uint64_t hash = statsd_name_hash(copy, len);
        assert_int_equal(hash, name_hash_plain(copy, len));
        for (unsigned i = 0; i < len; i++) { /* every bit counts */
            copy[i] = (char)(copy[i] ^ 1 << pick(8));
            assert_int_not_equal(statsd_name_hash(copy, len), hash);
            copy[i] = bytes[i];
        }
        free(copy);
    }
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

/* Names as people make them: of 300,000 no two with the same 64 bits, and as many with the same
 * upper 32 as chance has it (10 expected). */
static void test_hash_spreads(void **state)
{
    (void)state;
    enum { COUNT = 300000 };
    uint64_t *hashes = malloc(COUNT * sizeof(*hashes));
    unsigned same = 0;
    assert_non_null(hashes);
    for (unsigned i = 0; i < COUNT; i++) {
        char name[64];
        int len = snprintf(name, sizeof(name), "app%u.host%u.requests.%u.ok", i % 10, i / 10 % 300,
                           i / 3000);
        hashes[i] = statsd_name_hash(name, (size_t)len);
    }
    qsort(hashes, COUNT, sizeof(*hashes), compare_hashes);
    for (unsigned i = 1; i < COUNT; i++) {
        assert_int_not_equal(hashes[i], hashes[i - 1]);
        same += hashes[i] >> 32 == hashes[i - 1] >> 32;
    }
    assert_in_range(same, 0, 40);
    free(hashes);
}

static void test_reject_texts(void **state)
{
    (void)state;
    assert_string_equal(statsd_reject_text(STATSD_NO_COLON), "no colon");
    assert_string_equal(statsd_reject_text(STATSD_BAD_VALUE), "bad value");
    assert_string_equal(statsd_reject_text(STATSD_REJECT_COUNT), "unknown reason");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_of_lines),
        cmocka_unit_test(test_datagrams),
        cmocka_unit_test(test_random_lines_agree),
        cmocka_unit_test(test_random_bytes_agree),
        cmocka_unit_test(test_every_size_of_datagram),
        cmocka_unit_test(test_many_lines),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_hash_spreads),
        cmocka_unit_test(test_reject_texts),
    };
#if defined(__AVX2__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi"))
        return EXIT_SKIP;
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
