/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/conf.h"
#include "tests/unit/core/alloc_fail.h"
#include "tests/unit/core/conf_dump.h"

static struct err err;

static struct conf_doc *parse(const char *text)
{
    struct conf_doc *doc = NULL;
    err = (struct err){0};
    assert_int_equal(toml_parse(text, strlen(text), "x.toml", NULL, &doc, &err), 0);
    assert_int_equal(err.count, 0);
    return doc;
}

static void refuse(const char *text, size_t len, const char *expected)
{
    struct conf_doc *doc = (struct conf_doc *)&err; /* must become NULL */
    err = (struct err){0};
    assert_int_equal(toml_parse(text, len, "x.toml", NULL, &doc, &err), -1);
    assert_null(doc);
    assert_true(err.count > 0);
    assert_string_equal(err.texts[0], expected);
}

static void get_is_exact_first_then_without_case(void **state)
{
    (void)state;
    struct conf_doc *doc = parse("[a]\nADDRESS = 1\naddress = 2\nAddress = 3\nOnly = 4\n");
    const struct conf_node *a = conf_get(conf_root(doc), "a");
    assert_int_equal(conf_get(a, "address")->i, 2);
    assert_int_equal(conf_get(a, "Address")->i, 3);
    assert_int_equal(conf_get(a, "aDDRESS")->i, 1);
    assert_int_equal(conf_get(a, "ONLY")->i, 4);
    assert_null(conf_get(a, "addres"));
    assert_null(conf_get(conf_get(a, "only"), "x"));
    assert_null(conf_get(NULL, "x"));
    assert_string_equal(conf_get(a, "Only")->file, "x.toml");
    conf_doc_free(doc);
    conf_doc_free(NULL);
}

static void text_needs_no_nul_at_its_end(void **state)
{
    (void)state;
    struct conf_doc *doc;
    static const char source[] = {'x', ' ', '=', ' ', '1'};
    char *text = malloc(sizeof(source)); /* exact, so that a read past it shows under ASan */
    assert_non_null(text);
    memcpy(text, source, sizeof(source));
    assert_int_equal(toml_parse(text, 5, "x", NULL, &doc, &err), 0);
    assert_int_equal(conf_get(conf_root(doc), "x")->i, 1);
    conf_doc_free(doc);
    assert_int_equal(toml_parse(text, 5, "x", conf_fake_environment, &doc, &err), 0);
    conf_doc_free(doc);
    free(text);
    assert_int_equal(toml_parse(NULL, 0, "x", conf_fake_environment, &doc, &err), 0);
    assert_int_equal(conf_root(doc)->count, 0);
    conf_doc_free(doc);
}

static void without_environment_nothing_is_substituted(void **state)
{
    (void)state;
    struct conf_doc *doc = parse("x = \"%ENV[ONE]\"\n");
    assert_string_equal(conf_get(conf_root(doc), "x")->str, "%ENV[ONE]");
    conf_doc_free(doc);
}

static void too_long_a_text_is_refused(void **state)
{
    (void)state;
    char *text = malloc(CONF_TEXT_MAX + 1);
    assert_non_null(text);
    memset(text, '#', CONF_TEXT_MAX + 1);
    refuse(text, CONF_TEXT_MAX + 1, "x.toml: longer than 16777216 bytes");
    struct conf_doc *doc;
    assert_int_equal(toml_parse(text, CONF_TEXT_MAX, "x.toml", NULL, &doc, &err), 0);
    conf_doc_free(doc);
    free(text);
}

static const char *long_value(const char *name)
{
    static char value[1 << 20];
    (void)name;
    memset(value, 'x', sizeof(value) - 1);
    return value;
}

static void too_long_a_substitution_is_refused(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct conf_doc *doc;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(buffer_append_text(&text, "# %ENV[X]\n"), 0);
    err = (struct err){0};
    assert_int_equal(toml_parse(text.data, text.size, "x", long_value, &doc, &err), -1);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.texts[0], "x:16: too long after %ENV[] substitution");
    buffer_fini(&text);
}

static void too_many_values_are_refused(void **state)
{
    (void)state;
    struct buffer text = {0};
    assert_int_equal(buffer_append_text(&text, "x = [\n"), 0);
    for (unsigned i = 0; i < CONF_NODES_MAX; i++)
        assert_int_equal(buffer_append(&text, "1,", 2), 0);
    assert_int_equal(buffer_append_text(&text, "]\n"), 0);
    refuse(text.data, text.size, "x.toml:2: too many values, allowed are 1048576");
    buffer_fini(&text);
}

/* Each error of the text is counted, the first ERR_LIST_MAX are kept; many keys stay fast. */
static void many_keys_and_many_errors(void **state)
{
    (void)state;
    enum { KEYS = 100000 };
    struct buffer text = {0};
    struct conf_doc *doc;
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(buffer_printf(&text, "key%u = %u\n", i, i), 0);
    assert_int_equal(toml_parse(text.data, text.size, "x", NULL, &doc, &err), 0);
    assert_int_equal(conf_root(doc)->count, KEYS);
    assert_int_equal(conf_get(conf_root(doc), "key99999")->i, 99999);
    conf_doc_free(doc);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(buffer_printf(&text, "key%u = 0\n", i), 0);
    err = (struct err){0};
    assert_int_equal(toml_parse(text.data, text.size, "x", NULL, &doc, &err), -1);
    assert_int_equal(err.count, KEYS);
    assert_string_equal(err.texts[1], "x:100002: key 'key1' is given twice, first in line 2");
    buffer_fini(&text);
}

/* Texts that could make a careless recovery quadratic; none of them may take noticeable time. */
static void hostile_texts_end(void **state)
{
    (void)state;
    static const char *const units[] = {"%ENV[",  "[",        "x=[", "\"",    "\\",
                                        "'",      "[1\n",     "[a",  "x=[\n", "1 ",
                                        "]%ENV[", "x=[1\n\"", "=",   ".",     "[a."};
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        struct buffer text = {0};
        struct conf_doc *doc;
        while (text.size < 1 << 18)
            assert_int_equal(buffer_append_text(&text, units[u]), 0);
        err = (struct err){0};
        assert_int_equal(toml_parse(text.data, text.size, "x", conf_fake_environment, &doc, &err),
                         -1);
        assert_true(err.count > 0);
        buffer_fini(&text);
    }
}

static void load_reads_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/heka-toml-XXXXXX";
    struct conf_doc *doc;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[a]\nx = %ENV[ONE]\n", 18), 18);
    close(fd);
    assert_int_equal(toml_load(path, conf_fake_environment, &doc, &err), 0);
    assert_int_equal(conf_get(conf_get(conf_root(doc), "a"), "x")->i, 1);
    assert_string_equal(conf_root(doc)->file, path);
    conf_doc_free(doc);
    unlink(path);
    err = (struct err){0};
    assert_int_equal(toml_load("/nonexistent/x.toml", NULL, &doc, &err), -1);
    assert_string_equal(err.texts[0],
                        "/nonexistent/x.toml: cannot be opened: No such file or directory");
    err = (struct err){0};
    assert_int_equal(toml_load("/tmp", NULL, &doc, &err), -1);
    assert_string_equal(err.texts[0], "/tmp: cannot be read: Is a directory");
    assert_null(doc);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] = "a = [1, 2]\n[t.%ENV[ONE]]\nx = \"text\"\ny = %ENV[ONE]\n";
    struct buffer long_text = {0};
    unsigned failures = 0;
    assert_int_equal(buffer_append_text(&long_text, text), 0);
    for (unsigned i = 0; i < 200; i++) /* the key index grows, and so does the arena */
        assert_int_equal(buffer_printf(&long_text, "key%u = '%040u'\n", i, i), 0);
    for (bool has_failed = true; has_failed; failures++) {
        struct conf_doc *doc = NULL;
        err = (struct err){0};
        alloc_fail_at(failures);
        int rc = toml_parse(long_text.data, long_text.size, "x", conf_fake_environment, &doc, &err);
        has_failed = alloc_fail_stop();
        assert_int_equal(rc, has_failed ? -1 : 0);
        assert_int_equal(err.count, has_failed ? 1 : 0);
        if (has_failed)
            assert_non_null(strstr(err.texts[0], "out of memory"));
        conf_doc_free(doc);
    }
    assert_true(failures > 8);
    buffer_fini(&long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_is_exact_first_then_without_case),
        cmocka_unit_test(text_needs_no_nul_at_its_end),
        cmocka_unit_test(without_environment_nothing_is_substituted),
        cmocka_unit_test(too_long_a_text_is_refused),
        cmocka_unit_test(too_long_a_substitution_is_refused),
        cmocka_unit_test(too_many_values_are_refused),
        cmocka_unit_test(many_keys_and_many_errors),
        cmocka_unit_test(hostile_texts_end),
        cmocka_unit_test(load_reads_a_file),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
