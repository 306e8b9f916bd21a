/* SPDX-License-Identifier: MPL-2.0
 *
 * test_statsd_agree.c - statsd lines: the parser agrees with the byte-wise one on random input, for
 *                       all dialects. Built several times, for each set of instructions.
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
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/support/chance.h"
#include "tests/unit/stats/statsd_plain.h"
#include "tests/unit/stats/statsd_run.h"

enum { EXIT_SKIP = 77 };

static struct statsd_run run;
static struct statsd_settings settings;
static uint64_t seed = 1;

static uint64_t next_random(void)
{
    return chance_next(&seed);
}

static unsigned pick(unsigned below)
{
    return (unsigned)(next_random() % below);
}

/* ---- against the byte-wise parser ---- */

static void compare(const char *bytes, size_t size)
{
    static struct statsd_sample plain[RUN_SAMPLES_MAX];
    struct statsd_counts counts = {0};
    statsd_run(&run, &settings, bytes, size);
    assert_int_equal(statsd_plain_parse(&settings, run.copy, size, plain, &counts), run.count);
    assert_memory_equal(&counts, &run.counts, sizeof(counts));
    for (unsigned i = 0; i < run.count; i++) {
        const struct statsd_sample *sample = &run.samples[i];
        assert_true(statsd_plain_same(sample, &plain[i]));
        assert_int_equal(sample->hash, statsd_name_hash(sample->name, sample->name_len));
    }
    statsd_run_free(&run);
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

/* Any set of dialects; every second time Heka's alone. */
static void pick_settings(void)
{
    settings.dialects = pick(2) == 0 ? 0 : pick(1U << STATSD_DIALECT_COUNT);
    settings.tags = (enum statsd_tags)pick(3);
}

/* HEKA_SOAK=N makes the random tests N times as long. */
static unsigned soak(unsigned rounds)
{
    const char *text = getenv("HEKA_SOAK");
    unsigned times = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 1;
    return rounds * (times > 0 ? times : 1);
}

static void test_random_lines_agree(void **state)
{
    (void)state;
    static char bytes[200 * 1300];
    for (unsigned round = 0; round < soak(6000); round++) {
        size_t size = 0;
        pick_settings();
        unsigned count = pick(10) == 0 ? pick(200) : pick(12);
        for (unsigned i = 0; i < count; i++) {
            size += put_random_line(bytes + size);
            if (i + 1 < count || pick(2) == 0)
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
    static const char letters[] = ":|\n\n  ccgmshd123@.\r\t-+#,;[]=TT_e{s|c:";
    char bytes[300];
    for (unsigned round = 0; round < soak(60000); round++) {
        pick_settings();
        unsigned size = pick(sizeof(bytes));
        for (unsigned i = 0; i < size; i++)
            bytes[i] = letters[pick(sizeof(letters))]; /* the NUL too */
        compare(bytes, size);
    }
}

/* ---- lines of all dialects, mutated ---- */

static const char *const lines[] = {
    "page.views:1|c",
    "fuel.level:0.5|g",
    "song.length:240|h|@0.5",
    "users.uniques:1234|s",
    "users.online:1|c|#country:china",
    "users.online:1|c|@0.5|#country:china,env:prod,alone",
    "page.views:1:2:32|d|#env:dev,service:web|c:83c0a99c0a54",
    "page.views:15|c|#env:dev|T1656581400",
    "request.time:12.5:3:1e3:-7|ms|@0.1|#b:2,a:1,a:1",
    "_e{21,36}:An exception occurred|Cannot parse CSV file from 10.0.0.17|t:warning|#err:csv|d:12",
    "_e{5,4}:title|text|h:host|p:low|k:key|s:source",
    "_sc|Redis connection|2|#env:dev|m:Redis connection timed out after 10s|d:99|h:x",
    "_sc|x|0",
    "cpu,host=a,region=eu-west:12|c",
    "cpu,host=a,host=b:12.5|g|@0.2",
    "test.metric[tag1=val1,tag2=val2]:1|c",
    "test[a=b].metric:3|ms",
    "disk.used;datacenter=dc1;rack=a1;server=web01:17|g",
    "gauge.up:+5|g",
    "gauge.down:-5|g",
    "etsy:1|c:2|ms:3|g:x|s:-1|g:7|c|@0.1",
    "odd name/with*strange$bytes:1|c",
    "real:1.25|c|@0.3",
    "meter:3|m",
    "histogram:4|h",
};

static size_t put_mutated_line(char *at)
{
    static const char letters[] = ":::|||#,;[]={}@TcgmhsdeE+-.0159 \t\r_/~\n";
    size_t len = put_text(at, lines[pick(sizeof(lines) / sizeof(lines[0]))]);
    for (unsigned i = pick(4); i > 0 && len > 0; i--) {
        unsigned place = pick((unsigned)len);
        unsigned kind = pick(4);
        if (kind == 0) {
            at[place] = pick(8) == 0 ? (char)pick(256) : letters[pick(sizeof(letters) - 1)];
        } else if (kind == 1) {
            memmove(at + place + 1, at + place, len - place);
            at[place] = letters[pick(sizeof(letters) - 1)];
            len++;
        } else if (kind == 2) {
            memmove(at + place, at + place + 1, len - place - 1);
            len--;
        } else { /* a piece once more */
            size_t piece = pick((unsigned)(len - place)) % 60;
            memmove(at + place + piece, at + place, len - place);
            len += piece;
        }
    }
    return len;
}

static void test_mutated_lines_agree(void **state)
{
    (void)state;
    static char bytes[100 * 1000];
    for (unsigned round = 0; round < soak(25000); round++) {
        size_t size = 0;
        pick_settings();
        for (unsigned i = pick(4) == 0 ? pick(90) : 1 + pick(6); i > 0; i--) {
            size += put_mutated_line(bytes + size);
            bytes[size++] = '\n';
        }
        if (size > 0 && pick(2) == 0)
            size--;
        compare(bytes, size);
    }
}

/* Tags and values beyond every bound. */
static void test_bounds_agree(void **state)
{
    (void)state;
    static char bytes[64 * 1024];
    for (unsigned round = 0; round < soak(3000); round++) {
        size_t size = 0;
        unsigned style = pick(4), tags = pick(90), len = pick(3) == 0 ? 1 + pick(40) : 1 + pick(6);
        pick_settings();
        size += put_text(bytes + size, "name");
        size += put_text(bytes + size, style == 0 ? ":1|c|#" : style == 1 ? "[" : "");
        for (unsigned i = 0; i < tags; i++) {
            bytes[size++] = style == 2 ? ';' : ',';
            for (unsigned j = 1 + pick(len); j > 0; j--)
                bytes[size++] = "abcxyz.-"[pick(8)];
            bytes[size++] = style == 0 ? ':' : '=';
            for (unsigned j = pick(len + 1); j > 0; j--)
                bytes[size++] = "0123~ ;"[pick(7)];
        }
        if (style != 0) {
            size += put_text(bytes + size, style == 1 ? "]" : "");
            for (unsigned i = 1 + pick(200); i > 0; i--)
                size += (size_t)snprintf(bytes + size, 32, ":%u", pick(1000));
            size += put_text(bytes + size, pick(2) == 0 ? "|ms|@0.5" : "|c");
        }
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
    for (unsigned count = 60; count < 70; count++) {
        size_t size = 0;
        for (unsigned i = 0; i < count; i++)
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


int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_lines_agree),
        cmocka_unit_test(test_random_bytes_agree),
        cmocka_unit_test(test_mutated_lines_agree),
        cmocka_unit_test(test_bounds_agree),
        cmocka_unit_test(test_every_size_of_datagram),
        cmocka_unit_test(test_many_lines),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_hash_spreads),
    };
#if defined(__AVX2__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi"))
        return EXIT_SKIP;
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
