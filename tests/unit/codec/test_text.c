/* SPDX-License-Identifier: MPL-2.0
 *
 * test_text.c - sticky errors, base64, JSON strings.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "codec/text.h"
#include "core/check.h"

static struct msg_slice slice_of(const char *string, size_t len)
{
    return (struct msg_slice){string, (uint32_t)len};
}

static void assert_text(struct text *text, const char *expected)
{
    assert_int_equal(text_finish(text), 0);
    assert_int_equal(text->out->size, strlen(expected));
    assert_memory_equal(text->out->data, expected, strlen(expected));
}

/* RFC 4648 section 10, and the two last characters of the alphabet. */
static void test_base64(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buffer out = {0};
        struct text text = text_start(&out);
        text_base64(&text, slice_of(cases[i][0], strlen(cases[i][0])));
        assert_text(&text, cases[i][1]);
        buffer_fini(&out);
    }
}

#define FFFD "\xef\xbf\xbd"

static void test_json_strings(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *expected;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain / text", 12, "\"plain / text\""},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
        {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\x80", 1, "\"" FFFD "\""},            /* continuation alone */
        {"a\xff\xfe", 3, "\"a" FFFD FFFD "\""}, /* never in UTF-8 */
        {"\xc3", 1, "\"" FFFD "\""},            /* cut at the end */
        {"\xe2\x82", 2, "\"" FFFD FFFD "\""},   /* each byte is one */
        {"\xc3(", 2, "\"" FFFD "(\""},          /* cut in the middle */
        {"\xc0\x80", 2, "\"" FFFD FFFD "\""},   /* too long a form */
        {"\xc1\xbf", 2, "\"" FFFD FFFD "\""},
        {"\xe0\x9f\xbf", 3, "\"" FFFD FFFD FFFD "\""},
        {"\xf0\x8f\xbf\xbf", 4, "\"" FFFD FFFD FFFD FFFD "\""},
        {"\xed\x9f\xbf", 3, "\"\xed\x9f\xbf\""},                /* U+D7FF */
        {"\xed\xa0\x80", 3, "\"" FFFD FFFD FFFD "\""},          /* surrogate */
        {"\xf4\x8f\xbf\xbf", 4, "\"\xf4\x8f\xbf\xbf\""},        /* U+10FFFF */
        {"\xf4\x90\x80\x80", 4, "\"" FFFD FFFD FFFD FFFD "\""}, /* above it */
        {"\xf5\x80\x80\x80", 4, "\"" FFFD FFFD FFFD FFFD "\""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buffer out = {0};
        struct text text = text_start(&out);
        text_json_string(&text, slice_of(cases[i].bytes, cases[i].size));
        assert_text(&text, cases[i].expected);
        buffer_fini(&out);
    }
}

/* Whatever the bytes are, jansson (strict about UTF-8) reads a string. */
static void test_any_bytes_are_valid_json(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u; /* xorshift */
    for (unsigned round = 0; round < 20000; round++) {
        char bytes[12];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            static const uint8_t leads[] = {0xe0, 0xed, 0xf0, 0xf4, 0xc3, 0x80, 0xbf, 0x9f};
            bytes[i] = (char)(x >> 60 < 6 ? leads[x >> 20 & 7] : x >> 40 & 0xff);
        }
        struct buffer out = {0};
        struct text text = text_start(&out);
        text_json_string(&text, slice_of(bytes, sizeof(bytes)));
        assert_int_equal(text_finish(&text), 0);
        json_t *json = json_loadb(out.data, out.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_true(json_is_string(json));
        json_decref(json);
        buffer_fini(&out);
    }
}

static void test_first_error_stays(void **state)
{
    (void)state;
    struct buffer out = {.max_size = 8};
    assert_int_equal(buffer_append_text(&out, "ab"), 0);
    struct text text = text_start(&out);
    text_string(&text, "cdef");
    text_string(&text, "too long");
    text_string(&text, "g");
    text_printf(&text, "%d", 1);
    assert_int_equal(text_finish(&text), -ENOSPC);
    assert_int_equal(out.size, 2);
    assert_memory_equal(out.data, "ab", 2);
    text = text_start(&out);
    text_printf(&text, "%200d", 1); /* more than text_printf is for */
    assert_int_equal(text_finish(&text), -EMSGSIZE);
    assert_int_equal(out.size, 2);
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_any_bytes_are_valid_json),
        cmocka_unit_test(test_first_error_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
