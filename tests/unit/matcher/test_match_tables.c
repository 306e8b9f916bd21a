/* SPDX-License-Identifier: MPL-2.0
 *
 * test_match_tables.c - the tables that answer many tests at once, each against the plain loop that
 * it stands for; UTF-8 and sets of characters.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matcher/code_points.h"
#include "matcher/intern.h"
#include "matcher/text_table.h"
#include "matcher/text_trie.h"
#include "matcher/thresholds.h"
#include "matcher/utf8_text.h"
#include "tests/support/chance.h"

enum { TEXTS = 200, VALUES = 2000, WORDS = (TEXTS + 63) / 64 };

struct texts {
    char bytes[TEXTS][12];
    struct text_entry entries[TEXTS];
    struct fires fires;
    uint64_t seed;
};

static uint32_t below(struct texts *texts, uint32_t limit)
{
    return chance_below(&texts->seed, limit);
}

/* Few letters, so that texts are prefixes of each other; NUL is a byte like others. */
static size_t make_text(struct texts *texts, char *text, size_t max)
{
    size_t len = below(texts, (uint32_t)max + 1);

    for (size_t i = 0; i < len; i++)
        text[i] = "ab\0"[below(texts, 3)];
    return len;
}

static bool is_known(const struct texts *texts, size_t count, const char *text, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (texts->entries[i].len == len && memcmp(texts->entries[i].text, text, len) == 0)
            return true;
    }
    return false;
}

static struct texts *make_texts(void)
{
    struct texts *texts = calloc(1, sizeof *texts);
    size_t count = 0;

    assert_non_null(texts);
    texts->seed = 11;
    assert_int_equal(fires_init(&texts->fires), 0);
    while (count < TEXTS) {
        struct fire fire = {(uint64_t)1 << count % 64, (uint32_t)count / 64};
        size_t len = make_text(texts, texts->bytes[count], 12);

        if (is_known(texts, count, texts->bytes[count], len))
            continue;
        texts->entries[count].text = texts->bytes[count];
        texts->entries[count].len = len;
        assert_int_equal(fires_add(&texts->fires, &fire, 1, &texts->entries[count].fires), 0);
        count++;
    }
    return texts;
}

static void free_texts(struct texts *texts)
{
    fires_fini(&texts->fires);
    free(texts);
}

static void expect_bits(const struct texts *texts, const uint64_t *got, const char *value,
                        size_t len,
                        bool (*is_true)(const struct text_entry *, const char *, size_t))
{
    for (unsigned i = 0; i < TEXTS; i++)
        assert_int_equal(got[i / 64] >> i % 64 & 1, is_true(&texts->entries[i], value, len));
}

static bool equals(const struct text_entry *entry, const char *value, size_t len)
{
    return entry->len == len && memcmp(entry->text, value, len) == 0;
}

static bool begins(const struct text_entry *entry, const char *value, size_t len)
{
    return entry->len <= len && memcmp(entry->text, value, entry->len) == 0;
}

static bool ends(const struct text_entry *entry, const char *value, size_t len)
{
    return entry->len <= len && memcmp(entry->text, value + len - entry->len, entry->len) == 0;
}

static void test_texts(void **state)
{
    struct texts *texts = make_texts();
    struct text_table table;
    struct text_trie prefixes;
    struct text_trie suffixes;

    (void)state;
    assert_int_equal(text_table_init(&table, texts->entries, TEXTS), 0);
    assert_int_equal(text_trie_init(&prefixes, texts->entries, TEXTS, TEXT_FORWARD), 0);
    assert_int_equal(text_trie_init(&suffixes, texts->entries, TEXTS, TEXT_BACKWARD), 0);
    for (unsigned v = 0; v < VALUES; v++) {
        uint64_t got[3][WORDS] = {{0}};
        char value[16];
        size_t len = make_text(texts, value, sizeof value);
        const struct text_slot *slot = text_table_find(&table, value, len);

        if (slot)
            fires_set(texts->fires.items, slot->fires, got[0]);
        text_trie_match(&prefixes, value, len, texts->fires.items, got[1]);
        text_trie_match(&suffixes, value, len, texts->fires.items, got[2]);
        expect_bits(texts, got[0], value, len, equals);
        expect_bits(texts, got[1], value, len, begins);
        expect_bits(texts, got[2], value, len, ends);
    }
    text_table_fini(&table);
    text_trie_fini(&prefixes);
    text_trie_fini(&suffixes);
    free_texts(texts);
}

static void test_empty_tables(void **state)
{
    struct text_table table;
    struct text_trie trie;

    (void)state;
    assert_int_equal(text_table_init(&table, NULL, 0), 0);
    assert_null(text_table_find(&table, "", 0));
    assert_null(text_table_find(&table, "a", 1));
    assert_int_equal(text_trie_init(&trie, NULL, 0, TEXT_FORWARD), 0);
    assert_int_equal(trie.node_count, 0);
    text_trie_fini(&trie);
    text_table_fini(&table);
}

static bool compares(enum rule_compare compare, double order)
{
    switch (compare) {
    case RULE_EQ:
        return order == 0;
    case RULE_GT:
        return order > 0;
    case RULE_GE:
        return order >= 0;
    case RULE_LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

static void test_numbers(void **state)
{
    static const enum rule_compare all[] = {RULE_EQ, RULE_GT, RULE_GE, RULE_LT, RULE_LE};
    static const double constants[] = {0, 1, 1.5, 2, 7, 64, 1e18, 0.25};
    static const double values[] = {-1, 0, -0.0, 0.1,  1,     1.4,      1.5,
                                    2,  3, 64,   1e18, 1e300, INFINITY, -INFINITY};
    struct threshold items[40];
    struct thresholds table;
    struct fires fires;

    (void)state;
    assert_int_equal(fires_init(&fires), 0);
    for (unsigned i = 0; i < 40; i++) {
        struct fire fire = {(uint64_t)1 << i, 0};

        items[i] = (struct threshold){.compare = all[i % 5], .number = constants[i / 5]};
        assert_int_equal(fires_add(&fires, &fire, 1, &items[i].fires), 0);
    }
    assert_int_equal(thresholds_init_numbers(&table, items, 40, &fires), 0);
    for (unsigned v = 0; v < sizeof values / sizeof values[0]; v++) {
        uint64_t got = 0;

        fires_set(fires.items, thresholds_number(&table, values[v]), &got);
        for (unsigned i = 0; i < 40; i++) {
            double order = values[v] < items[i].number ? -1 : values[v] > items[i].number;

            assert_int_equal(got >> i & 1, compares(items[i].compare, order));
        }
    }
    assert_int_equal(thresholds_number(&table, (double)NAN).count, 0);
    thresholds_fini(&table);
    fires_fini(&fires);
}

static void test_orders(void **state)
{
    struct texts *texts = make_texts();
    struct threshold items[TEXTS];
    struct thresholds table;

    (void)state;
    for (unsigned i = 0; i < TEXTS; i++) {
        items[i] = (struct threshold){
            .compare = i % 2 ? RULE_GE : RULE_LT,
            .text = texts->entries[i].text,
            .text_len = texts->entries[i].len,
            .fires = texts->entries[i].fires,
        };
    }
    assert_int_equal(thresholds_init_texts(&table, items, TEXTS, &texts->fires), 0);
    for (unsigned v = 0; v < VALUES; v++) {
        uint64_t got[WORDS] = {0};
        char value[16];
        size_t len = make_text(texts, value, sizeof value);

        fires_set(texts->fires.items, thresholds_text(&table, value, len), got);
        for (unsigned i = 0; i < TEXTS; i++) {
            size_t shared = len < items[i].text_len ? len : items[i].text_len;
            int order = memcmp(value, items[i].text, shared);

            order = order ? order : len < items[i].text_len ? -1 : len > items[i].text_len;
            assert_int_equal(got[i / 64] >> i % 64 & 1, compares(items[i].compare, order));
        }
    }
    thresholds_fini(&table);
    free_texts(texts);
}

static void test_intern(void **state)
{
    struct intern table = {0};
    char text[16];
    bool fresh;

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 1000; i++) {
            int len = snprintf(text, sizeof text, "key %u", i);

            assert_int_equal(intern_put(&table, text, (size_t)len, &fresh), i);
            assert_int_equal(fresh, round == 0);
        }
    }
    assert_int_equal(intern_put(&table, "", 0, &fresh), 1000);
    assert_string_equal(table.keys[999].bytes, "key 999");
    intern_fini(&table);
}

static void test_utf8(void **state)
{
    char text[UTF8_MAX];
    char repaired[32];

    (void)state;
    for (uint32_t point = 0; point <= CODE_POINT_MAX; point++) {
        size_t at = 0;
        size_t len;

        if (point >= 0xD800 && point <= 0xDFFF)
            continue;
        len = utf8_encode(point, text);
        assert_int_equal(utf8_valid_size(text, len), len);
        assert_int_equal(utf8_decode(text, len, &at), point);
        assert_int_equal(at, len);
    }
    assert_int_equal(utf8_valid_size("\xed\xa0\x80", 3), 0); /* surrogate */
    assert_int_equal(utf8_valid_size("\xc1\x81", 2), 0);     /* overlong */
    assert_int_equal(utf8_valid_size("\xe0\x80\x80", 3), 0);
    assert_int_equal(utf8_valid_size("\xf0\x8f\x80\x80", 4), 0);
    assert_int_equal(utf8_valid_size("\xf4\x90\x80\x80", 4), 0); /* above 10FFFF */
    assert_int_equal(utf8_valid_size("abcdefgh\xff", 9), 8);
    assert_int_equal(utf8_valid_size("abcdefg\xc3\xa9", 9), 9);
    assert_int_equal(utf8_repair("a\xff\xc3\xa9\xe2\x82", 6, repaired), 12);
    assert_memory_equal(repaired, "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd", 12);
}

static void test_code_points(void **state)
{
    struct code_points set = {0};

    (void)state;
    assert_int_equal(code_points_add(&set, 'x', 'z'), 0);
    assert_int_equal(code_points_add(&set, 'a', 'c'), 0);
    assert_int_equal(code_points_add(&set, 'b', 'd'), 0);
    assert_int_equal(code_points_add(&set, 'e', 'e'), 0);
    code_points_normalise(&set);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.ranges[0].high, 'e');
    assert_true(code_points_contain(set.ranges, set.count, 'y'));
    assert_false(code_points_contain(set.ranges, set.count, 'f'));
    assert_int_equal(code_points_negate(&set), 0);
    assert_int_equal(set.count, 3);
    assert_true(code_points_contain(set.ranges, set.count, 'f'));
    assert_true(code_points_contain(set.ranges, set.count, CODE_POINT_MAX));
    assert_int_equal(code_points_negate(&set), 0);
    assert_int_equal(set.count, 2);
    code_points_fini(&set);
    assert_int_equal(code_points_negate(&set), 0);
    assert_int_equal(set.count, 1);
    assert_int_equal(code_points_negate(&set), 0);
    assert_int_equal(set.count, 0);
    code_points_fini(&set);
    assert_int_equal(code_points_property(&set, "Lu", 2), 0);
    code_points_normalise(&set);
    assert_true(code_points_contain(set.ranges, set.count, 0xC9));
    assert_false(code_points_contain(set.ranges, set.count, 0xE9));
    assert_int_equal(code_points_fold(&set), 0);
    assert_true(code_points_contain(set.ranges, set.count, 0xE9));
    assert_int_equal(code_points_property(&set, "lu", 2), -ENOENT);
    code_points_fini(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),       cmocka_unit_test(test_empty_tables),
        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_orders),
        cmocka_unit_test(test_intern),      cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_code_points),
    };

    return cmocka_run_group_tests_name("match_tables", tests, NULL, NULL);
}
