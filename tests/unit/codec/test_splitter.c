/* SPDX-License-Identifier: MPL-2.0
 *
 * test_splitter.c - what tests/golden/splitter does not show: datagrams one after the other, the
 * buffer, long streams byte by byte, and each allocation failing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/split_buffer.h"
#include "codec/splitter_options.h"
#include "core/frame.h"
#include "tests/support/splitter_rig.h"
#include "tests/unit/core/alloc_fail.h"

enum { MESSAGE_MAX = 65536, ALLOCATIONS_MAX = 1000 };

static void open_rig(struct splitter_rig *rig, const char *toml)
{
    struct err err = {0};
    if (splitter_rig_open(rig, toml, MESSAGE_MAX, &err) != 0)
        fail_msg("%s", err.texts[0]);
}

static struct msg_slice slice(const char *text)
{
    return (struct msg_slice){text, (uint32_t)strlen(text)};
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"NullSplitter", "TokenSplitter", "PatternGroupingSplitter",
                                        "HekaFramingSplitter"};
    unsigned preregistered = 0;
    for (unsigned i = 0; splitter_types[i] != NULL; i++) {
        assert_ptr_equal(splitter_by_name(splitter_types[i]->plugin.name), splitter_types[i]);
        assert_int_equal(splitter_types[i]->plugin.abi, PLUGIN_ABI);
        preregistered += splitter_types[i]->is_preregistered;
    }
    assert_int_equal(preregistered, 4); /* not RegexSplitter, as in Heka */
    for (unsigned i = 0; i < 4; i++)
        assert_true(splitter_by_name(names[i])->is_preregistered);
    assert_null(splitter_by_name("NoSplitter"));
    for (unsigned i = 0; i < SPLIT_OUTCOMES; i++)
        assert_non_null(split_outcome_name((enum split_outcome)i));
    assert_string_equal(split_outcome_name(SPLIT_UNKNOWN_HASH), "unknown_hash");
}

static void test_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *toml;
        int64_t buffer_size;
        bool use_message_bytes;
    } cases[] = {
        {"[splitter]\ntype = 'NullSplitter'", 65536, false},
        {"[splitter]\ntype = 'TokenSplitter'", 8192, false},
        {"[splitter]\ntype = 'TokenSplitter'\nmin_buffer_size = 100", 100, false},
        {"[splitter]\ntype = 'HekaFramingSplitter'", 8192, true},
        {"[splitter]\ntype = 'HekaFramingSplitter'\nuse_message_bytes = false", 8192, false},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct splitter_rig rig;
        open_rig(&rig, cases[i].toml);
        assert_int_equal(rig.splitter.common.min_buffer_size, cases[i].buffer_size);
        assert_int_equal(rig.splitter.common.use_message_bytes, cases[i].use_message_bytes);
        assert_int_equal(rig.splitter.record_max, MESSAGE_MAX + 258);
        splitter_rig_close(&rig);
    }
}

static void test_expressions_need_a_host(void **state)
{
    (void)state;
    const struct regex_split_config config = {.delimiter = "\n", .delimiter_eol = true};
    const struct splitter_options common = {0};
    const struct splitter_host host = {.message_max = 1000};
    struct splitter splitter;
    struct err err = {0};
    assert_int_equal(splitter_init(&splitter, &regex_split_ops, &config, &common, &host, &err), -1);
    assert_string_equal(err.texts[0], "delimiter: no expressions here");
    splitter_fini(&splitter);
}

static void test_null_to_the_end(void **state)
{
    (void)state;
    const struct splitter_options common = {0};
    const struct splitter_host host = {.message_max = 1000, .null_to_end = true};
    struct splitter splitter;
    struct split_stream stream;
    struct split_piece piece;
    struct err err = {0};
    assert_int_equal(splitter_init(&splitter, &null_split_ops, NULL, &common, &host, &err), 0);
    assert_int_equal(splitter_stream_size(&splitter), sizeof(stream));
    split_stream_init(&stream, &splitter);
    assert_int_equal(split_next(&stream, slice("one"), SPLIT_GOES_ON, &piece, NULL), SPLIT_MORE);
    assert_int_equal(split_next(&stream, slice("one two"), SPLIT_PAUSES, &piece, NULL), SPLIT_MORE);
    assert_int_equal(split_next(&stream, slice("one two"), SPLIT_ENDS, &piece, NULL), SPLIT_RECORD);
    assert_int_equal(piece.record.len, 7);
    splitter_fini(&splitter);
}

/* Nothing of a datagram is left for the next one. */
static void test_datagrams(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "[splitter]\ntype = 'TokenSplitter'\ncount = 2",
        "[splitter]\ntype = 'RegexSplitter'\ndelimiter = '(;+)'\ndelimiter_eol = false",
        "[splitter]\ntype = 'PatternGroupingSplitter'\ngrouping = 'x'",
        "[splitter]\ntype = 'HekaFramingSplitter'",
        "[splitter]\ntype = 'OctetCountingSplitter'",
    };
    static const char *const datagrams[] = {"x\ny", ";;a;b", "x\nx",  "\x1e\x02\x08",
                                            "9 ab", "",      "hello", "x\ny\n;"};
    for (unsigned i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        struct splitter_rig rig;
        open_rig(&rig, configs[i]);
        struct split_stream *used = calloc(1, splitter_stream_size(&rig.splitter) + 16);
        struct split_stream *fresh = calloc(1, splitter_stream_size(&rig.splitter) + 16);
        assert_non_null(used);
        assert_non_null(fresh);
        split_stream_init(used, &rig.splitter);
        for (unsigned d = 0; d < sizeof(datagrams) / sizeof(datagrams[0]); d++) {
            struct msg_slice left = slice(datagrams[d]);
            struct split_piece one, other;
            split_stream_init(fresh, &rig.splitter);
            while (split_next(used, left, SPLIT_ENDS, &one, NULL) != SPLIT_MORE) {
                assert_int_equal(split_next(fresh, left, SPLIT_ENDS, &other, NULL), one.outcome);
                assert_int_equal(one.consumed, other.consumed);
                left.ptr += one.consumed;
                left.len -= (uint32_t)one.consumed;
            }
            assert_int_equal(left.len, 0);
        }
        free(used);
        free(fresh);
        splitter_rig_close(&rig);
    }
}

/* A stream that comes in portions, through a buffer. */
static void feed_buffer(const struct splitter *splitter, const char *bytes, size_t size,
                        size_t portion, struct split_counts *counts)
{
    struct split_buffer buffer;
    struct split_piece piece;
    size_t at = 0;
    assert_int_equal(split_buffer_init(&buffer, splitter), 0);
    while (at < size) {
        size_t room = 0;
        char *to = split_buffer_room(&buffer, &room);
        assert_non_null(to);
        assert_true(room >= buffer.capacity_min / 2);
        assert_true(buffer.capacity <= 2 * splitter_buffer_max(splitter));
        if (room > portion)
            room = portion;
        if (room > size - at)
            room = size - at;
        memcpy(to, bytes + at, room);
        split_buffer_add(&buffer, room);
        at += room;
        while (split_buffer_next(&buffer, SPLIT_GOES_ON, &piece, counts) != SPLIT_MORE)
            assert_true(!split_is_record(piece.outcome) || piece.record.len > 0);
    }
    while (split_buffer_next(&buffer, SPLIT_ENDS, &piece, counts) != SPLIT_MORE) {
    }
    assert_int_equal(buffer.start, buffer.end);
    split_buffer_fini(&buffer);
}

static uint64_t sum(const uint64_t *values)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < SPLIT_OUTCOMES; i++)
        all += values[i];
    return all;
}

/* Time that grew with the square of the size would be hours here. */
static void test_long_streams(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    static const char *const configs[] = {
        "[splitter]\ntype = 'TokenSplitter'",
        "[splitter]\ntype = 'TokenSplitter'\ncount = 1000000",
        "[splitter]\ntype = 'RegexSplitter'",
        "[splitter]\ntype = 'RegexSplitter'\ndelimiter = '\\n[a-z]*END'",
        "[splitter]\ntype = 'RegexSplitter'\ndelimiter = '(x*)y$'\nkeep_truncated = true",
        "[splitter]\ntype = 'PatternGroupingSplitter'\ngrouping = 'a'\nmax_lines = 1000",
        "[splitter]\ntype = 'HekaFramingSplitter'",
        "[splitter]\ntype = 'OctetCountingSplitter'",
    };
    static const char *const patterns[] = {"a",      "a\n", "\x1e", "\x1e\x04\x08\xff\xff\x03\x1f",
                                           "99999 ", "<",   "\n"};
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (unsigned p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++) {
        size_t len = strlen(patterns[p]);
        for (size_t i = 0; i < SIZE; i++)
            bytes[i] = patterns[p][i % len];
        for (unsigned i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
            struct splitter_rig rig;
            struct split_counts bytewise = {0}, in_reads = {0};
            open_rig(&rig, configs[i]);
            feed_buffer(&rig.splitter, bytes, SIZE, 1, &bytewise);
            feed_buffer(&rig.splitter, bytes, SIZE, 70000, &in_reads);
            assert_int_equal(sum(bytewise.bytes), SIZE);
            bytewise.pieces[SPLIT_GARBAGE] = in_reads.pieces[SPLIT_GARBAGE];
            assert_memory_equal(&bytewise, &in_reads, sizeof(bytewise));
            splitter_rig_close(&rig);
        }
    }
    free(bytes);
}

/* Zeroed and half-built ones can be ended; each refusal has a text. */
static void test_every_allocation(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "[splitter]\ntype='HekaFramingSplitter'\n[splitter.signer.a_1]\nhmac_key='b'\n"
        "[splitter.signer.a_2]\n[splitter.signer.c_0]\n",
        "[splitter]\ntype='PatternGroupingSplitter'\ngrouping='(a|b)+c'",
    };
    for (unsigned c = 0; c < 2; c++) {
        unsigned refused = 0, i = 0;
        for (bool failed = true; failed && i < ALLOCATIONS_MAX; i++) {
            struct splitter_rig rig;
            struct err err = {0};
            alloc_fail_at(i);
            int rc = splitter_rig_open(&rig, configs[c], MESSAGE_MAX, &err);
            failed = alloc_fail_stop();
            assert_true(rc == 0 || err.count > 0);
            refused += rc != 0;
            splitter_rig_close(&rig);
        }
        assert_true(refused > 10);
        assert_true(i < ALLOCATIONS_MAX);
    }
}

static void test_buffer_without_memory(void **state)
{
    (void)state;
    struct splitter_rig rig;
    struct split_buffer buffer;
    size_t room;
    open_rig(&rig, "[splitter]\ntype = 'TokenSplitter'");
    assert_int_equal(split_buffer_init(&buffer, &rig.splitter), 0);
    alloc_fail_at(0);
    assert_null(split_buffer_room(&buffer, &room));
    assert_true(alloc_fail_stop());
    assert_non_null(split_buffer_room(&buffer, &room));
    split_buffer_fini(&buffer);
    split_buffer_fini(&buffer);
    splitter_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_expressions_need_a_host),
        cmocka_unit_test(test_null_to_the_end),
        cmocka_unit_test(test_datagrams),
        cmocka_unit_test(test_long_streams),
        cmocka_unit_test(test_every_allocation),
        cmocka_unit_test(test_buffer_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
