/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/conf.h"
#include "tests/unit/core/alloc_fail.h"
#include "tests/unit/core/conf_dump.h"

static struct err err;

static void refuse(const char *text, size_t len, const char *expected)
{
    struct conf_doc *doc = (struct conf_doc *)&err; /* must become NULL */
    err = (struct err){0};
    assert_int_equal(json_parse(text, len, "x.json", &doc, &err), -1);
    assert_null(doc);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.texts[0], expected);
}

/* Key kN stands in line 2 * N + 2, its value in the line after, for any order of the keys. */
static void lines_are_those_of_keys_and_values(void **state)
{
    (void)state;
    enum { KEYS = 500 };
    struct buffer text = {0};
    struct conf_doc *doc;
    assert_int_equal(buffer_append_text(&text, "{\n"), 0);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(buffer_printf(&text, "\"k%u\":\n[%u]%s\n", (i * 7919) % KEYS, i,
                                       i + 1 < KEYS ? "," : "}"),
                         0);
    assert_int_equal(json_parse(text.data, text.size, "x.json", &doc, &err), 0);
    unsigned count = 0;
    for (const struct conf_node *node = conf_root(doc)->first; node != NULL; node = node->next) {
        assert_int_equal(node->first->i, count);
        assert_int_equal(node->line, 2 * count + 2);
        assert_int_equal(node->first->line, 2 * count + 3);
        count++;
    }
    assert_int_equal(count, KEYS);
    conf_doc_free(doc);
    buffer_fini(&text);
}

static void text_needs_no_nul_at_its_end(void **state)
{
    (void)state;
    struct conf_doc *doc;
    static const char source[] = {'{', '"', 'a', '"', ':', '1', '5', '}'};
    char *text = malloc(sizeof(source)); /* exact, so that a read past it shows under ASan */
    assert_non_null(text);
    memcpy(text, source, sizeof(source));
    assert_int_equal(json_parse(text, sizeof(source), "x", &doc, &err), 0);
    assert_int_equal(conf_get(conf_root(doc), "a")->i, 15);
    conf_doc_free(doc);
    free(text);
}

static void bad_texts_are_refused(void **state)
{
    (void)state;
    refuse(NULL, 0, "x.json:1: '[' or '{' expected near end of file");
    refuse("{\"a\": \"\xff\"}", 9, "x.json:1: unable to decode byte 0xff near '\"' (column 7)");
    refuse("{\"a\":\n 1}\0", 10, "x.json:2: found a NUL byte");
    refuse("{\"a\\u0000\": 1}", 14,
           "x.json:1: NUL byte in object key not supported near "
           "'\"a\\u0000\"' (column 10)");
}

static void limits_are_errors(void **state)
{
    (void)state;
    struct buffer text = {0};
    char *spaces = malloc(CONF_TEXT_MAX + 1);
    assert_non_null(spaces);
    memset(spaces, ' ', CONF_TEXT_MAX + 1);
    refuse(spaces, CONF_TEXT_MAX + 1, "x.json: longer than 16777216 bytes");
    free(spaces);
    assert_int_equal(buffer_append_text(&text, "{\"a\":\n[0"), 0);
    for (unsigned i = 0; i < CONF_NODES_MAX; i++)
        assert_int_equal(buffer_append(&text, ",1", 2), 0);
    assert_int_equal(buffer_append_text(&text, "]}"), 0);
    refuse(text.data, text.size, "x.json:2: too many values, allowed are 1048576");
    buffer_fini(&text);
}

static void load_reads_a_file(void **state)
{
    (void)state;
    struct conf_doc *doc;
    assert_int_equal(json_load(TEST_SOURCE_DIR "/golden/json/types.in", &doc, &err), 0);
    assert_int_equal(conf_get(conf_root(doc), "int")->i, -5);
    conf_doc_free(doc);
    err = (struct err){0};
    assert_int_equal(json_load("/nonexistent/x.json", &doc, &err), -1);
    assert_string_equal(err.texts[0],
                        "/nonexistent/x.json: cannot be opened: No such file or directory");
    assert_null(doc);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": [1, 2.5, true], \"b\": {\"c\": \"text\", \"d\": \"\"}}";
    unsigned failures = 0;
    for (bool has_failed = true; has_failed; failures++) {
        struct conf_doc *doc = NULL;
        err = (struct err){0};
        alloc_fail_at(failures);
        int rc = json_parse(text, sizeof(text) - 1, "x", &doc, &err);
        has_failed = alloc_fail_stop();
        assert_int_equal(rc, has_failed ? -1 : 0);
        assert_int_equal(err.count, has_failed ? 1 : 0);
        if (has_failed)
            assert_true(strlen(err.texts[0]) > strlen("x: "));
        conf_doc_free(doc);
    }
    assert_true(failures > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_those_of_keys_and_values),
        cmocka_unit_test(text_needs_no_nul_at_its_end),
        cmocka_unit_test(bad_texts_are_refused),
        cmocka_unit_test(limits_are_errors),
        cmocka_unit_test(load_reads_a_file),
        cmocka_unit_test(every_allocation_may_fail),
    };
    alloc_fail_hook_jansson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
