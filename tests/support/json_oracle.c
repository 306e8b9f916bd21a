/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/json_oracle.h"

#include <string.h>

#include <jansson.h>

#include "codec/decoder.h"
#include "codec/json_fields.h"
#include "core/check.h"

struct walk { /* fields that are to come */
    const struct msg_view *message;
    struct msg_field field;
    bool has_field;
    char path[JSON_PATH_MAX + 1];
};

static void walk_value(struct walk *walk, size_t path_len, const json_t *value);

static void end_field(struct walk *walk, size_t path_len)
{
    CHECK(walk->has_field);
    CHECK(walk->field.name.len == path_len);
    CHECK(memcmp(walk->field.name.ptr, walk->path, path_len) == 0);
    walk->has_field = msg_field_next(walk->message, &walk->field);
}

static void check_text(const struct msg_value *found, const json_t *expected)
{
    CHECK(found->slice.len == json_string_length(expected));
    CHECK(memcmp(found->slice.ptr, json_string_value(expected), found->slice.len) == 0);
}

static void check_value(const struct msg_value *found, const json_t *expected)
{
    double number = json_number_value(expected);
    switch (found->type) {
    case MSG_INTEGER:
        CHECK(json_is_integer(expected) && found->integer == json_integer_value(expected));
        break;
    case MSG_DOUBLE:
        CHECK(json_is_number(expected) && memcmp(&found->number, &number, sizeof(number)) == 0);
        break;
    case MSG_BOOL:
        CHECK(json_is_boolean(expected) && found->boolean == json_is_true(expected));
        break;
    default:
        CHECK(json_is_string(expected));
        check_text(found, expected);
        break;
    }
}

/* An array of one type, or of numbers that all are doubles. */
static bool is_uniform(const json_t *array, bool *is_double)
{
    const int64_t exact = INT64_C(1) << 53;
    size_t integers = 0, reals = 0, inexact = 0, strings = 0, booleans = 0;
    size_t count = json_array_size(array);
    for (size_t i = 0; i < count; i++) {
        const json_t *element = json_array_get(array, i);
        int64_t integer = json_integer_value(element); /* 0 for others */
        integers += json_is_integer(element);
        reals += json_is_real(element);
        strings += json_is_string(element);
        booleans += json_is_boolean(element);
        inexact += integer > exact || integer < -exact;
    }
    *is_double = reals > 0;
    return count > 0 && (integers == count || strings == count || booleans == count ||
                         reals == count || (integers + reals == count && inexact == 0));
}

static void check_raw(struct walk *walk, size_t path_len, const json_t *expected)
{
    struct msg_slice text;
    CHECK(walk->has_field && walk->field.representation.len == 4);
    CHECK(msg_field_slice(&walk->field, 0, &text));
    json_t *again = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL);
    CHECK(again != NULL && json_equal(again, expected));
    json_decref(again);
    end_field(walk, path_len);
}

static void walk_array(struct walk *walk, size_t path_len, const json_t *array)
{
    struct msg_values values;
    struct msg_value found;
    bool is_double;
    if (!is_uniform(array, &is_double)) {
        check_raw(walk, path_len, array);
        return;
    }
    CHECK(walk->has_field && walk->field.value_count == json_array_size(array));
    CHECK(!is_double || walk->field.value_type == MSG_DOUBLE);
    msg_values_init(&values, &walk->field);
    for (size_t i = 0; i < json_array_size(array); i++) {
        CHECK(msg_values_next(&values, &found));
        check_value(&found, json_array_get(array, i));
    }
    end_field(walk, path_len);
}

static void walk_object(struct walk *walk, size_t path_len, const json_t *object, bool is_root)
{
    json_t *copy = json_incref((json_t *)(uintptr_t)object); /* jansson iterates non-const */
    if (json_object_size(copy) == 0 && !is_root)
        check_raw(walk, path_len, object);
    for (void *at = json_object_iter(copy); at != NULL; at = json_object_iter_next(copy, at)) {
        const char *key = json_object_iter_key(at);
        size_t len = path_len;
        CHECK(len + 1 + strlen(key) <= JSON_PATH_MAX + 1);
        if (!is_root)
            walk->path[len++] = '.';
        memcpy(walk->path + len, key, strlen(key));
        walk_value(walk, len + strlen(key), json_object_iter_value(at));
    }
    json_decref(copy);
}

static void walk_value(struct walk *walk, size_t path_len, const json_t *value)
{
    struct msg_values values;
    struct msg_value found;
    if (json_is_object(value)) {
        walk_object(walk, path_len, value, false);
    } else if (json_is_array(value)) {
        walk_array(walk, path_len, value);
    } else if (!json_is_null(value)) {
        CHECK(walk->has_field && walk->field.value_count == 1);
        msg_values_init(&values, &walk->field);
        CHECK(msg_values_next(&values, &found));
        check_value(&found, value);
        end_field(walk, path_len);
    }
}

void json_oracle_check(struct msg_slice payload, int rc, const struct msg_view *message)
{
    json_error_t error;
    struct walk walk = {.message = message};
    if (payload.len >= 3 && memcmp(payload.ptr, "\xEF\xBB\xBF", 3) == 0) {
        payload.ptr += 3;
        payload.len -= 3;
    }
    if (payload.len > 0 && memchr(payload.ptr, '\0', payload.len) != NULL) {
        CHECK(rc != 0); /* jansson passes over a NUL behind a number */
        return;
    }
    json_t *root = json_loadb(payload.len > 0 ? payload.ptr : "", payload.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (root == NULL) {
        /* it has no integers beyond 64 bits and no keys with a NUL */
        enum json_error_code code = json_error_code(&error);
        CHECK(rc != 0 || code == json_error_numeric_overflow ||
              code == json_error_null_byte_in_key);
        return;
    }
    if (json_is_array(root)) {
        CHECK(rc == DECODE_E_NO_MATCH);
    } else if (rc == 0) {
        walk.has_field = msg_field_first(message, &walk.field);
        walk_object(&walk, 0, root, true);
        CHECK(!walk.has_field);
    } else {
        CHECK(rc == DECODE_E_LIMIT || rc == DECODE_E_ROOM);
    }
    json_decref(root);
}
