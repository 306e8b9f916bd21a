/* SPDX-License-Identifier: MPL-2.0
 *
 * test_mail_text.c - subjects, heads and bodies of mails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/outputs/mail_text.h"

static struct buffer text;

static const char *subject(const char *source)
{
    buffer_clear(&text);
    assert_int_equal(mail_append_subject(&text, source), 0);
    assert_int_equal(buffer_append(&text, "", 1), 0);
    return text.data;
}

static void test_plain_subjects(void **state)
{
    char longest[80];
    (void)state;
    assert_string_equal(subject("Hello world!"), "Subject: Hello world!");
    assert_string_equal(subject(""), "Subject: ");
    memset(longest, 'a', sizeof(longest));
    longest[69] = '\0';
    assert_int_equal(strlen(subject(longest)), 78);
    assert_null(strstr(text.data, "=?"));
    longest[69] = 'a';
    longest[70] = '\0';
    assert_string_equal(subject(longest), "Subject: =?utf-8?Q?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                          "aaaaaaaaaaaaaaaaaaaaaaaaaaa?="
                                          "\r\n =?utf-8?Q?aaaaaaaaaaaaa?=");
}

static void test_encoded_subjects(void **state)
{
    (void)state;
    /* 36 bytes: base64 takes more of them than Q does. */
    assert_string_equal(
        subject("\xE6\xB5\x8B\xE8\xAF\x95\xE6\xB5\x8B\xE8\xAF\x95\xE6\xB5\x8B\xE8\xAF\x95"
                "\xE6\xB5\x8B\xE8\xAF\x95\xE6\xB5\x8B\xE8\xAF\x95\xE6\xB5\x8B\xE8\xAF\x95"),
        "Subject: =?utf-8?B?5rWL6K+V5rWL6K+V5rWL6K+V5rWL6K+V5rWL6K+V5rWL6K+V?=");
    assert_string_equal(subject("a=b?c_d \xC3\xA9 and more that is plain ASCII"),
                        "Subject: =?utf-8?Q?a=3Db=3Fc=5Fd_=C3=A9_and_more_that_is_plain_ASCII?=");
    /* No word ends within a character, and none breaks the head. */
    assert_string_equal(subject("x\r\nBcc: evil"), "Subject: =?utf-8?Q?x=0D=0ABcc:_evil?=");
    assert_string_equal(subject("\xFF"), "Subject: =?utf-8?Q?=FF?=");
}

/* The first byte behind "=?utf-8?B?" or "=?utf-8?Q?". */
static unsigned first_byte(const char *word)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned byte = 0;
    if (word[8] == 'B')
        return (unsigned)((strchr(base64, word[10]) - base64) << 2 |
                          (strchr(base64, word[11]) - base64) >> 4);
    if (word[10] == '=')
        assert_int_equal(sscanf(word + 11, "%2X", &byte), 1);
    return byte != 0 ? byte : (unsigned char)word[10];
}

/* Wherever the characters lie, each word begins with a whole one, in Q as in B. */
static void test_words_hold_whole_characters(void **state)
{
    static const struct {
        const char *part, *kind; /* many of them; how the words are encoded */
    } cases[] = {
        {"much of it \xC3\xA9", "=?utf-8?Q?"},
        {"\xE6\xB5\x8B", "=?utf-8?B?"},
    };
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned shift = 0; shift < 48; shift++) {
            char source[400] = "";
            unsigned words = 0;
            memset(source, 'a', shift);
            for (unsigned n = 0; n < 25; n++)
                strncat(source, cases[i].part, sizeof(source) - strlen(source) - 1);
            const char *word = strstr(subject(source), cases[i].kind);
            for (; word != NULL; word = strstr(word + 1, cases[i].kind), words++)
                assert_int_not_equal(first_byte(word) & 0xc0, 0x80);
            assert_true(words >= 2);
        }
    }
}

static void test_body(void **state)
{
    static const struct {
        const char *source, *expected;
    } cases[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foobar", "Zm9vYmFy"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
         "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\r\nYg=="},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buffer_clear(&text);
        assert_int_equal(mail_append_body(&text, cases[i].source, strlen(cases[i].source)), 0);
        assert_int_equal(buffer_append(&text, "", 1), 0);
        assert_string_equal(text.data, cases[i].expected);
    }
}

static void test_head(void **state)
{
    static const char *const receivers[] = {"a@x", "b@y"};
    struct mail_head head = {"me@here", "s", receivers, 2};
    struct buffer small = {.max_size = 40};
    (void)state;
    buffer_clear(&text);
    assert_int_equal(mail_append_head(&text, &head), 0);
    assert_int_equal(buffer_append(&text, "", 1), 0);
    assert_string_equal(text.data, "From: me@here\r\nTo: a@x,\r\n b@y\r\nSubject: s\r\n"
                                   "MIME-Version: 1.0\r\n"
                                   "Content-Type: text/plain; charset=\"utf-8\"\r\n"
                                   "Content-Transfer-Encoding: base64\r\n\r\n");
    assert_true(mail_append_head(&small, &head) < 0);
    buffer_fini(&small);
}

static int free_text(void **state)
{
    (void)state;
    buffer_fini(&text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_subjects),
        cmocka_unit_test(test_encoded_subjects),
        cmocka_unit_test(test_words_hold_whole_characters),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_head),
    };
    return cmocka_run_group_tests(tests, NULL, free_text);
}
