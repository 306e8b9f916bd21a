/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/message_read.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/wire.h"

enum { MEMBER_UUID, MEMBER_TIMESTAMP, MEMBER_TEXT, MEMBER_INT32, FIELD_NUMBER = 10 };

static const struct member {
    const char *name;
    uint32_t number; /* in message.proto */
    int kind;
} members[] = {
    {"Uuid", 1, MEMBER_UUID},      {"Timestamp", 2, MEMBER_TIMESTAMP}, {"Type", 3, MEMBER_TEXT},
    {"Logger", 4, MEMBER_TEXT},    {"Severity", 5, MEMBER_INT32},      {"Payload", 6, MEMBER_TEXT},
    {"EnvVersion", 7, MEMBER_TEXT}, {"Pid", 8, MEMBER_INT32},          {"Hostname", 9, MEMBER_TEXT},
};

static const char *const type_names[] = {"string", "bytes", "integer", "double", "bool"};

/* One message; the first error ends it. */
struct reader {
    struct buffer *out;
    struct err *err;
    int rc; /* -ENOMEM, -ENOSPC of the buffer, or -1: said so in err */
};

static void fail(struct reader *reader, const char *what, const char *found, const char *allowed)
{
    if (reader->rc == 0)
        reader->rc = err_add(reader->err, "%s: found %.100s, allowed %s", what, found, allowed);
}

/* ---- protobuf ---- */

static void put(struct reader *reader, struct buffer *to, const void *bytes, size_t size)
{
    if (reader->rc == 0 && size > 0)
        reader->rc = buffer_append(to, bytes, size);
}

static void put_number(struct reader *reader, struct buffer *to, uint64_t value)
{
    uint8_t bytes[WIRE_VARINT_SIZE_MAX];
    put(reader, to, bytes, (size_t)(wire_put_varint(bytes, value) - bytes));
}

static void put_varint_member(struct reader *reader, struct buffer *to, uint32_t number,
                              uint64_t value)
{
    put_number(reader, to, WIRE_TAG(number, WIRE_VARINT));
    put_number(reader, to, value);
}

static void put_bytes_member(struct reader *reader, struct buffer *to, uint32_t number,
                             struct msg_slice bytes)
{
    put_number(reader, to, WIRE_TAG(number, WIRE_BYTES));
    put_number(reader, to, bytes.len);
    put(reader, to, bytes.ptr, bytes.len);
}

static struct msg_slice slice_of(const struct buffer *buffer)
{
    return (struct msg_slice){buffer->data, (uint32_t)buffer->size};
}

/* ---- texts ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_uuid(struct msg_slice text, uint8_t uuid[MSG_UUID_SIZE])
{
    unsigned digits = 0;
    memset(uuid, 0, MSG_UUID_SIZE);
    for (uint32_t i = 0; i < text.len; i++) {
        int digit = hex_digit(text.ptr[i]);
        if (text.ptr[i] == '-')
            continue;
        if (digit < 0 || digits == 2 * MSG_UUID_SIZE)
            return false;
        uuid[digits / 2] = (uint8_t)(uuid[digits / 2] << 4 | digit);
        digits++;
    }
    return digits == 2 * MSG_UUID_SIZE;
}

static void put_uuid(struct reader *reader, struct msg_slice text)
{
    uint8_t uuid[MSG_UUID_SIZE] = {0};
    if (text.ptr != NULL && !read_uuid(text, uuid))
        fail(reader, "Uuid", text.ptr, "32 hexadecimal digits");
    put_bytes_member(reader, reader->out, 1, (struct msg_slice){(char *)uuid, MSG_UUID_SIZE});
}

static int base64_digit(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Standard alphabet with padding, and nothing else; false when it is not that. */
static bool read_base64(struct reader *reader, struct msg_slice text, struct buffer *bytes)
{
    uint32_t padding = 0;
    if (text.len % 4 != 0)
        return false;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    for (uint32_t i = 0; i < text.len; i += 4) {
        uint32_t word = 0, size = i + 4 == text.len ? 3 - padding : 3;
        for (uint32_t k = 0; k < 4; k++) {
            int digit = k <= size ? base64_digit(text.ptr[i + k]) : 0;
            if (digit < 0)
                return false;
            word = word << 6 | (uint32_t)digit;
        }
        uint8_t three[3] = {(uint8_t)(word >> 16), (uint8_t)(word >> 8), (uint8_t)word};
        put(reader, bytes, three, size);
    }
    return true;
}

static bool read_int64(struct msg_slice text, int64_t *value)
{
    char *end;
    char copy[32];
    if (text.len == 0 || text.len >= sizeof(copy) || strspn(text.ptr, "-0123456789") < text.len)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    errno = 0;
    *value = strtoll(copy, &end, 10);
    return errno == 0 && end != copy && *end == '\0';
}

/* ---- fields ---- */

struct field {
    const char *name;
    uint32_t name_len;
    enum msg_value_type type;
    struct msg_slice representation; /* ptr NULL: none */
    struct buffer values;            /* members, or what is inside the packed one */
};

static bool is_packed(enum msg_value_type type)
{
    return type >= MSG_INTEGER;
}

static void put_field(struct reader *reader, struct field *field)
{
    struct buffer body = {.max_size = reader->out->max_size};
    put_bytes_member(reader, &body, 1, (struct msg_slice){field->name, field->name_len});
    put_varint_member(reader, &body, 2, field->type);
    if (field->representation.ptr != NULL)
        put_bytes_member(reader, &body, 3, field->representation);
    if (is_packed(field->type) && field->values.size > 0)
        put_bytes_member(reader, &body, 4 + field->type, slice_of(&field->values));
    else
        put(reader, &body, field->values.data, field->values.size);
    put_bytes_member(reader, reader->out, FIELD_NUMBER, slice_of(&body));
    buffer_fini(&body);
    buffer_fini(&field->values);
}

static void put_value(struct reader *reader, struct field *field, const struct msg_value *value)
{
    switch (field->type) {
    case MSG_STRING:
    case MSG_BYTES:
        put_bytes_member(reader, &field->values, 4 + field->type, value->slice);
        break;
    case MSG_INTEGER:
        put_number(reader, &field->values, (uint64_t)value->integer);
        break;
    case MSG_DOUBLE:
        put(reader, &field->values, &value->number, sizeof(value->number));
        break;
    case MSG_BOOL:
        put_number(reader, &field->values, value->boolean);
        break;
    }
}

/* ---- JSON ---- */

static struct msg_slice json_slice(const json_t *json)
{
    return (struct msg_slice){json_string_value(json), (uint32_t)json_string_length(json)};
}

static const char *json_kind(const json_t *json)
{
    static const char *const names[] = {"an object", "an array", "a text",  "an integer",
                                        "a number",  "true",     "false", "null"};
    return names[json_typeof(json)];
}

static void put_json_member(struct reader *reader, const struct member *member, const json_t *json)
{
    json_int_t value = json_integer_value(json);
    if (member->kind == MEMBER_UUID || member->kind == MEMBER_TEXT) {
        if (!json_is_string(json))
            fail(reader, member->name, json_kind(json), "a text");
        else if (member->kind == MEMBER_UUID)
            put_uuid(reader, json_slice(json));
        else
            put_bytes_member(reader, reader->out, member->number, json_slice(json));
        return;
    }
    if (!json_is_integer(json))
        fail(reader, member->name, json_kind(json), "an integer");
    else if (member->kind == MEMBER_INT32 && (value < INT32_MIN || value > INT32_MAX))
        fail(reader, member->name, "a larger number", "32 bits");
    else
        put_varint_member(reader, reader->out, member->number, (uint64_t)value);
}

static void put_json_value(struct reader *reader, struct field *field, const json_t *json)
{
    struct msg_value value = {.type = field->type};
    struct buffer bytes = {.max_size = reader->out->max_size};
    bool good = json_is_string(json);
    value.slice = json_slice(json);
    if (field->type == MSG_BYTES && good) {
        good = read_base64(reader, value.slice, &bytes);
        value.slice = slice_of(&bytes);
    } else if (field->type == MSG_INTEGER) {
        good = json_is_integer(json);
        value.integer = json_integer_value(json);
    } else if (field->type == MSG_DOUBLE) {
        good = json_is_number(json) || json_is_null(json);
        value.number = json_is_null(json) ? (double)NAN : json_number_value(json);
    } else if (field->type == MSG_BOOL) {
        good = json_is_boolean(json);
        value.boolean = json_is_true(json);
    }
    if (good)
        put_value(reader, field, &value);
    else
        fail(reader, "values", json_kind(json), type_names[field->type]);
    buffer_fini(&bytes);
}

static void read_field_member(struct reader *reader, struct field *field, const char *key,
                              const json_t *json)
{
    const char *type = json_string_value(json);
    if (strcmp(key, "values") == 0 && json_is_array(json))
        return;
    if (!json_is_string(json)) {
        fail(reader, key, json_kind(json), "a text, and for values an array");
    } else if (strcmp(key, "name") == 0) {
        field->name = json_string_value(json);
        field->name_len = (uint32_t)json_string_length(json);
    } else if (strcmp(key, "representation") == 0) {
        field->representation = json_slice(json);
    } else if (strcmp(key, "type") == 0) {
        unsigned index = 0;
        while (index < ARRAY_COUNT(type_names) && strcmp(type_names[index], type) != 0)
            index++;
        field->type = (enum msg_value_type)index;
        if (index == ARRAY_COUNT(type_names))
            fail(reader, "type", type, "string, bytes, integer, double, bool");
    } else {
        fail(reader, "Fields", key, "name, type, representation, values");
    }
}

static void put_json_field(struct reader *reader, json_t *json)
{
    struct field field = {.values = {.max_size = reader->out->max_size}};
    const char *key;
    json_t *value;
    size_t index;
    if (!json_is_object(json)) {
        fail(reader, "Fields", json_kind(json), "objects");
        return;
    }
    json_object_foreach(json, key, value)
        read_field_member(reader, &field, key, value);
    if (field.name == NULL)
        fail(reader, "Fields", "a field without name", "objects with a name");
    json_array_foreach(json_object_get(json, "values"), index, value)
    {
        if (reader->rc == 0)
            put_json_value(reader, &field, value);
    }
    if (reader->rc == 0)
        put_field(reader, &field);
    buffer_fini(&field.values);
}

static const struct member *find_member(const char *name, size_t len)
{
    for (unsigned i = 0; i < ARRAY_COUNT(members); i++)
        if (strlen(members[i].name) == len && memcmp(members[i].name, name, len) == 0)
            return &members[i];
    return NULL;
}

static void put_json_message(struct reader *reader, json_t *object)
{
    const char *key;
    json_t *value, *fields = json_object_get(object, "Fields");
    size_t index;
    json_object_foreach(object, key, value)
        if (find_member(key, strlen(key)) == NULL && strcmp(key, "Fields") != 0)
            fail(reader, "message", key,
                 "Uuid, Timestamp, Type, Logger, Severity, Payload, EnvVersion, Pid, Hostname, "
                 "Fields");
    if (fields != NULL && !json_is_array(fields))
        fail(reader, "Fields", json_kind(fields), "an array");
    for (unsigned i = 0; i < ARRAY_COUNT(members); i++) {
        value = json_object_get(object, members[i].name);
        if (value != NULL)
            put_json_member(reader, &members[i], value);
        else if (members[i].kind == MEMBER_UUID)
            put_uuid(reader, (struct msg_slice){NULL, 0});
        else if (members[i].kind == MEMBER_TIMESTAMP)
            put_varint_member(reader, reader->out, members[i].number, 0);
    }
    json_array_foreach(fields, index, value)
        put_json_field(reader, value);
}

/* Takes back what was written of a message that did not come to its end. */
static int finish(const struct reader *reader, size_t start)
{
    if (reader->rc == 0)
        return 0;
    reader->out->size = start;
    if (reader->rc == -ENOMEM || reader->rc == -ENOSPC)
        err_add(reader->err, reader->rc == -ENOMEM ? "out of memory" : "the message is too large");
    return -1;
}

static bool is_deep(const json_t *json, unsigned depth)
{
    const char *key;
    json_t *value;
    size_t index;
    if (depth > MESSAGE_READ_DEPTH_MAX)
        return true;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
        if (is_deep(value, depth + 1))
            return true;
    json_array_foreach(json, index, value)
        if (is_deep(value, depth + 1))
            return true;
    return false;
}

static int take_object(json_t *object, struct buffer *out, struct err *err)
{
    struct reader reader = {.out = out, .err = err};
    size_t start = out->size;
    json_t *inner = json_object_get(object, "message");
    if (is_deep(object, 0))
        return err_add(err, "message: over %d objects and arrays within each other",
                       MESSAGE_READ_DEPTH_MAX);
    if (json_object_get(object, "stages") != NULL && json_object_get(object, "counters") != NULL)
        return 0;
    put_json_message(&reader, json_is_object(inner) ? inner : object);
    return finish(&reader, start) == 0 ? 1 : -1;
}

int message_read_json(const char *text, size_t len, size_t *used, struct buffer *out,
                      struct err *err)
{
    json_error_t error;
    size_t blanks = 0;
    while (blanks < len && strchr(" \t\r\n", text[blanks]) != NULL && text[blanks] != '\0')
        blanks++;
    *used = len;
    if (blanks == len)
        return 0;
    json_t *object = json_loadb(text + blanks, len - blanks,
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK,
                                &error);
    if (object == NULL)
        return err_add(err, "JSON: line %d, column %d: %s", error.line, error.column, error.text);
    *used = blanks + (size_t)error.position;
    int rc = json_is_object(object) ? take_object(object, out, err)
                                    : err_add(err, "JSON: found an array, allowed an object");
    json_decref(object);
    return rc;
}

/* ---- KEY=VALUE ---- */

struct pair {
    const struct member *member; /* NULL: a field */
    struct msg_slice name, value;
};

static int split_pair(const char *text, struct pair *pair, struct err *err)
{
    const char *equals = strchr(text, '=');
    const char *bracket = strncmp(text, "Fields[", 7) == 0 ? strchr(text, ']') : NULL;
    if (bracket != NULL)
        equals = bracket[1] == '=' ? bracket + 1 : NULL;
    if (equals == NULL)
        return err_add(err, "message: found '%.100s', allowed NAME=VALUE", text);
    *pair = (struct pair){.value = {equals + 1, (uint32_t)strlen(equals + 1)}};
    if (bracket != NULL) {
        pair->name = (struct msg_slice){text + 7, (uint32_t)(bracket - text - 7)};
        return pair->name.len > 0 ? 0 : err_add(err, "message: a field without name: '%s'", text);
    }
    pair->member = find_member(text, (size_t)(equals - text));
    if (pair->member == NULL)
        return err_add(err,
                       "message: found '%.100s', allowed Uuid, Timestamp, Type, Logger, Severity, "
                       "Payload, EnvVersion, Pid, Hostname, Fields[NAME]",
                       text);
    return 0;
}

static void put_pair_member(struct reader *reader, const struct pair *pair)
{
    const struct member *member = pair->member;
    int64_t value;
    if (member->kind == MEMBER_UUID)
        put_uuid(reader, pair->value);
    else if (member->kind == MEMBER_TEXT)
        put_bytes_member(reader, reader->out, member->number, pair->value);
    else if (!read_int64(pair->value, &value))
        fail(reader, member->name, pair->value.ptr,
             member->kind == MEMBER_INT32 ? "an integer" : "nanoseconds since 1970");
    else if (member->kind == MEMBER_INT32 && (value < INT32_MIN || value > INT32_MAX))
        fail(reader, member->name, pair->value.ptr, "32 bits");
    else
        put_varint_member(reader, reader->out, member->number, (uint64_t)value);
}

static bool is_text(struct msg_slice slice, const char *text)
{
    return slice.len == strlen(text) && memcmp(slice.ptr, text, slice.len) == 0;
}

static bool read_number(struct msg_slice text, double *number)
{
    const char *digits = text.ptr[0] == '-' ? text.ptr + 1 : text.ptr;
    char *end;
    if (*digits < '0' || *digits > '9' || strspn(text.ptr, "0123456789.eE+-") < text.len)
        return false;
    *number = strtod(text.ptr, &end);
    return *end == '\0' && isfinite(*number);
}

/* The value's form is its type. */
static void put_pair_field(struct reader *reader, const struct pair *pair)
{
    struct field field = {.name = pair->name.ptr,
                          .name_len = pair->name.len,
                          .values = {.max_size = reader->out->max_size}};
    struct msg_slice text = pair->value;
    struct msg_value value = {.slice = text};
    if (is_text(text, "TRUE") || is_text(text, "FALSE")) {
        field.type = MSG_BOOL;
        value.boolean = is_text(text, "TRUE");
    } else if (read_int64(text, &value.integer)) {
        field.type = MSG_INTEGER;
    } else if (read_number(text, &value.number)) {
        field.type = MSG_DOUBLE;
    } else {
        bool quoted = text.len >= 2 && (text.ptr[0] == '\'' || text.ptr[0] == '"') &&
                      text.ptr[text.len - 1] == text.ptr[0];
        field.type = MSG_STRING;
        value.slice = quoted ? (struct msg_slice){text.ptr + 1, text.len - 2} : text;
    }
    put_value(reader, &field, &value);
    put_field(reader, &field);
}

/* Members in the order of message.proto, whatever the order of the texts. */
static void put_pairs(struct reader *reader, const struct pair *pairs, size_t count)
{
    for (unsigned m = 0; m < ARRAY_COUNT(members); m++) {
        unsigned found = 0;
        for (size_t i = 0; i < count; i++) {
            if (pairs[i].member != &members[m])
                continue;
            if (found++ > 0)
                fail(reader, members[m].name, "it twice", "once");
            put_pair_member(reader, &pairs[i]);
        }
        if (found == 0 && members[m].kind == MEMBER_UUID)
            put_uuid(reader, (struct msg_slice){NULL, 0});
        if (found == 0 && members[m].kind == MEMBER_TIMESTAMP)
            put_varint_member(reader, reader->out, members[m].number, 0);
    }
    for (size_t i = 0; i < count; i++)
        if (pairs[i].member == NULL)
            put_pair_field(reader, &pairs[i]);
}

int message_read_pairs(const char *const *texts, size_t count, struct buffer *out, struct err *err)
{
    struct reader reader = {.out = out, .err = err};
    struct pair *pairs = calloc(count + 1, sizeof(*pairs));
    size_t start = out->size;
    if (pairs == NULL)
        return err_add(err, "out of memory");
    for (size_t i = 0; i < count && reader.rc == 0; i++)
        reader.rc = split_pair(texts[i], &pairs[i], err);
    if (reader.rc == 0)
        put_pairs(&reader, pairs, count);
    free(pairs);
    return finish(&reader, start);
}
