/* SPDX-License-Identifier: MPL-2.0
 *
 * test_splitter_golden.c - tests/golden/splitter: splitters by their configuration, bytes in,
 * pieces out; and the same pieces however the stream is cut.
 *
 * NAME.in: TOML. [splitter] is the splitter; [test] has `streams`, each one stream that ends (bytes
 * as TOML escapes them, "\u00ff" is the byte 0xff; {N} repeats the character before it N times),
 * `message_max`, and `pauses`: the stream does not end, but pauses. NAME.expect: the pieces of each
 * stream, or "refused:" and the errors of the configuration.
 *
 * [option splitters.keep_truncated] [option splitters.min_buffer_size]
 * [option TokenSplitter.delimiter] [option TokenSplitter.count] [option RegexSplitter.delimiter]
 * [option RegexSplitter.delimiter_eol] [option PatternGroupingSplitter.delimiter]
 * [option PatternGroupingSplitter.grouping] [option PatternGroupingSplitter.max_lines]
 * [option HekaFramingSplitter.skip_authentication]
 * [option OctetCountingSplitter.non_transparent]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/golden.h"
#include "tests/support/splitter_rig.h"

/* Bytes of a text: characters up to U+00FF are bytes, and {N} repeats. */
static void append_bytes(struct buffer *bytes, const struct conf_node *text)
{
    for (size_t i = 0; i < text->str_len; i++) {
        const char *at = text->str + i;
        char byte = *at;
        char *end = NULL;
        if (byte == '{' && bytes->size > 0 && at[1] >= '0' && at[1] <= '9') {
            unsigned long times = strtoul(at + 1, &end, 10);
            assert_int_equal(*end, '}');
            byte = bytes->data[bytes->size - 1];
            for (; times > 1; times--)
                assert_int_equal(buffer_append(bytes, &byte, 1), 0);
            i += (size_t)(end - at);
            continue;
        }
        if (((unsigned)byte & 0xfc) == 0xc0) {
            i++;
            byte = (char)(((unsigned)*at & 3) << 6 | ((unsigned)at[1] & 0x3f));
        }
        assert_int_equal(buffer_append(bytes, &byte, 1), 0);
    }
}

static void expect_same(const struct splitter_rig *rig, const struct rig_feed *feed,
                        const struct buffer *whole, const struct split_counts *counts)
{
    struct buffer out = {0};
    struct split_counts found = {0};
    bool has_garbage = counts->pieces[SPLIT_GARBAGE] > 0;
    splitter_rig_feed(rig, feed, &out, &found);
    assert_memory_equal(found.bytes, counts->bytes, sizeof(found.bytes));
    if (!has_garbage) {
        assert_memory_equal(&found, counts, sizeof(found));
        assert_int_equal(out.size, whole->size);
        assert_memory_equal(out.data != NULL ? out.data : "",
                            whole->data != NULL ? whole->data : "", out.size);
    }
    buffer_fini(&out);
}

static void run_stream(const struct splitter_rig *rig, const struct conf_node *stream, bool pauses,
                       struct buffer *out)
{
    struct buffer bytes = {0}, pieces = {0};
    struct split_counts counts = {0};
    append_bytes(&bytes, stream);
    struct rig_feed feed = {.bytes = bytes.data,
                            .size = bytes.size,
                            .first = bytes.size,
                            .end = pauses ? SPLIT_PAUSES : SPLIT_ENDS};
    size_t done = splitter_rig_feed(rig, &feed, &pieces, &counts);
    assert_int_equal(buffer_append(out, pieces.data != NULL ? pieces.data : "", pieces.size), 0);
    if (done < bytes.size)
        assert_int_equal(buffer_printf(out, "waiting %zu\n", bytes.size - done), 0);
    assert_int_equal(buffer_append_text(out, "--\n"), 0);
    bool takes_what_comes = rig->splitter.ops == &null_split_ops;
    for (size_t i = 0; i < bytes.size && bytes.size <= 2000 && !takes_what_comes; i++) {
        feed.first = i;
        expect_same(rig, &feed, &pieces, &counts);
    }
    feed.first = 1;
    for (feed.portion = 1; feed.portion < 10 && !takes_what_comes; feed.portion += 2)
        expect_same(rig, &feed, &pieces, &counts);
    buffer_fini(&bytes);
    buffer_fini(&pieces);
}

static void run_case(const char *name, const struct buffer *in, struct buffer *out)
{
    (void)name;
    struct err err = {0};
    struct splitter_rig rig;
    struct conf_doc *doc;
    assert_int_equal(toml_parse(in->data, in->size, "test", NULL, &doc, &err), 0);
    const struct conf_node *test = conf_get(conf_root(doc), "test");
    assert_non_null(test);
    const struct conf_node *streams = conf_get(test, "streams");
    const struct conf_node *message_max = conf_get(test, "message_max");
    if (splitter_rig_open(&rig, in->data, message_max != NULL ? (size_t)message_max->i : 1000,
                          &err) != 0) {
        buffer_append_text(out, "refused:\n");
        for (unsigned i = 0; i < err.count; i++)
            assert_int_equal(buffer_printf(out, "%s\n", err.texts[i]), 0);
    } else {
        assert_non_null(streams);
        for (const struct conf_node *stream = streams->first; stream != NULL; stream = stream->next)
            run_stream(&rig, stream, conf_get(test, "pauses") != NULL, out);
        splitter_rig_close(&rig);
    }
    conf_doc_free(doc);
}

static void test_golden(void **state)
{
    (void)state;
    assert_int_equal(golden_run("splitter", 25, run_case), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
