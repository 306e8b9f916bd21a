/* SPDX-License-Identifier: MPL-2.0
 *
 * test_message_golden.c - tests/golden/message: bytes in hex to JSON, or to the reason for refusal.
 *
 * NAME.in: hex digits; blanks are skipped, '#' starts a comment. NAME.expect: the line of JSON, or
 * "refused: " and the text of the error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "codec/message_json.h"
#include "tests/support/golden.h"

static size_t read_hex(const char *text, uint8_t *bytes, size_t capacity)
{
    size_t size = 0;
    for (const char *at = text; *at != '\0';) {
        if (*at == '#')
            at += strcspn(at, "\n");
        if (strspn(at, "0123456789abcdef") >= 2) {
            char pair[3] = {at[0], at[1], '\0'};
            assert_true(size < capacity);
            bytes[size++] = (uint8_t)strtoul(pair, NULL, 16);
            at += 2;
        } else if (*at != '\0') {
            assert_non_null(strchr(" \n", *at));
            at++;
        }
    }
    return size;
}

static void run(const char *name, const struct buffer *in, struct buffer *out)
{
    (void)name;
    uint8_t *bytes = malloc(in->size + 1);
    size_t size = read_hex(in->data, bytes, in->size);
    bytes = realloc(bytes, size + (size == 0)); /* ASan sees a read past the end */
    struct msg_view view;
    int code = msg_view_init(&view, bytes, size);
    if (code != 0) {
        buffer_printf(out, "refused: %s\n", msg_error_text(code));
    } else {
        assert_int_equal(message_json(&view, out), 0);
        json_t *json =
            json_loadb(out->data, out->size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        assert_non_null(json);
        json_decref(json);
        buffer_append_text(out, "\n");
    }
    free(bytes);
}

static void test_golden_messages(void **state)
{
    (void)state;
    assert_int_equal(golden_run("message", 60, run), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
