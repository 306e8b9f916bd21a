/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/json_fields.h"

#include <string.h>

#include "codec/decoder.h"
#include "core/wire.h"

#define MIX            UINT64_C(0x9e3779b97f4a7c15)
#define EXACT_LIMIT    (INT64_C(1) << 53)
#define REPRESENTATION ((struct msg_slice){"json", 4}) /* of values that stay JSON */

enum { FEW_KEYS = 32 };

static int read_value(struct json_reader *reader);

static int fail(struct json_reader *reader, int code, const char *fault)
{
    reader->fault = fault;
    return code;
}

static int read_scalar(struct json_reader *reader, struct json_value *value)
{
    int rc = json_take_scalar(&reader->text, value, &reader->fault);
    if (rc == 0)
        return 0;
    return rc == JSON_E_LIMIT ? DECODE_E_LIMIT : DECODE_E_MALFORMED;
}

static struct msg_slice path_of(const struct json_reader *reader)
{
    return (struct msg_slice){reader->path, reader->path_len};
}

/* Its place below the object `lifted`, if it is there. */
static struct msg_slice name_of(const struct json_reader *reader)
{
    struct msg_slice path = path_of(reader);
    uint32_t len = reader->lifted.len, lead = len + reader->separator.len;
    if (len == 0 || path.len < lead || memcmp(path.ptr, reader->lifted.ptr, len) != 0 ||
        memcmp(path.ptr + len, reader->separator.ptr, reader->separator.len) != 0)
        return path;
    return (struct msg_slice){path.ptr + lead, path.len - lead};
}

static bool is_lifted(const struct json_reader *reader)
{
    return reader->depth == 2 && reader->lifted.len > 0 && reader->path_len == reader->lifted.len &&
           memcmp(reader->path, reader->lifted.ptr, reader->path_len) == 0;
}

/* ---- keys ---- */

static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t len)
{
    for (; len >= 8; len -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * MIX;
        hash ^= hash >> 29;
    }
    uint64_t rest = len;
    for (size_t i = 0; i < len; i++)
        rest = rest << 8 | (uint8_t)bytes[i];
    hash = (hash ^ rest) * MIX;
    return hash ^ hash >> 32;
}

static int enter_key(struct json_reader *reader, uint32_t object)
{
    struct json_string key;
    if (reader->text.at == reader->text.end || *reader->text.at != '"')
        return fail(reader, DECODE_E_MALFORMED, "a key is missing");
    if (json_take_string(&reader->text, &key, &reader->fault) != 0)
        return DECODE_E_MALFORMED;
    uint32_t separator = reader->depth > 1 ? reader->separator.len : 0;
    if (key.len > JSON_PATH_MAX || reader->path_len + separator + key.len > JSON_PATH_MAX)
        return fail(reader, DECODE_E_LIMIT, "the name is too long");
    if (reader->key_count == JSON_KEYS_MAX)
        return fail(reader, DECODE_E_LIMIT, "too many keys");
    memcpy(reader->path + reader->path_len, reader->separator.ptr, separator);
    char *name = reader->path + reader->path_len + separator;
    json_string_write(&key, name);
    reader->path_len += separator + key.len;
    reader->keys[reader->key_count++] = hash_bytes(object * MIX, name, key.len);
    return 0;
}

static void sift(uint64_t *items, uint32_t from, uint32_t count)
{
    for (uint32_t child; (child = 2 * from + 1) < count; from = child) {
        if (child + 1 < count && items[child + 1] > items[child])
            child++;
        if (items[from] >= items[child])
            return;
        uint64_t item = items[from];
        items[from] = items[child];
        items[child] = item;
    }
}

static void heap_sort(uint64_t *items, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift(items, i, count);
    for (uint32_t end = count; end-- > 1;) {
        uint64_t item = items[0];
        items[0] = items[end];
        items[end] = item;
        sift(items, 0, end);
    }
}

/* Two keys of 64 equal bits are taken for the same. */
static bool has_duplicates(uint64_t *keys, uint32_t count)
{
    bool found = false;
    if (count <= FEW_KEYS) {
        for (uint32_t i = 1; i < count; i++) {
            for (uint32_t k = 0; k < i; k++)
                found |= keys[i] == keys[k];
        }
        return found;
    }
    heap_sort(keys, count);
    for (uint32_t i = 1; i < count; i++)
        found |= keys[i] == keys[i - 1];
    return found;
}

/* ---- fields ---- */

static void put_raw(struct json_reader *reader, const char *from)
{
    struct msg_value value = {
        .type = MSG_STRING,
        .slice = {from, (uint32_t)(reader->text.at - from)},
    };
    msg_builder_field(reader->fields, name_of(reader), &value, REPRESENTATION);
}

static uint8_t *put_string(uint8_t *at, const struct json_string *string)
{
    *at++ = (uint8_t)WIRE_TAG(4, WIRE_BYTES);
    at = wire_put_varint(at, string->len);
    json_string_write(string, at);
    return at + string->len;
}

static size_t string_size(const struct json_string *string)
{
    return 1 + wire_varint_size(string->len) + string->len;
}

static void put_scalar(struct json_reader *reader, const struct json_value *value)
{
    struct msg_value field = {.type = MSG_BOOL};
    if (value->kind == JSON_IS_STRING) {
        uint8_t *at = msg_builder_field_begin(reader->fields, name_of(reader), MSG_STRING,
                                              (struct msg_slice){0}, string_size(&value->string));
        if (at != NULL)
            (void)put_string(at, &value->string);
        return;
    }
    if (value->kind == JSON_IS_INTEGER)
        field = (struct msg_value){.type = MSG_INTEGER, .integer = value->integer};
    else if (value->kind == JSON_IS_DOUBLE)
        field = (struct msg_value){.type = MSG_DOUBLE, .number = value->number};
    else
        field.boolean = value->boolean;
    msg_builder_field(reader->fields, name_of(reader), &field, (struct msg_slice){0});
}

static int take_leaf(struct json_reader *reader)
{
    struct json_value value = {0};
    int rc = read_scalar(reader, &value);
    if (rc != 0 || reader->muted > 0)
        return rc;
    if (value.kind == JSON_IS_NULL) {
        reader->nulls++;
        return 0;
    }
    rc = reader->leaf(reader->context, path_of(reader), &value);
    if (rc == 0)
        put_scalar(reader, &value);
    return rc < 0 ? rc : 0;
}

/* ---- arrays ---- */

struct elements { /* what an array has */
    uint32_t count;
    uint32_t kinds;  /* a bit for each json_kind */
    bool is_nested;  /* arrays or objects */
    bool is_inexact; /* an integer that is no double */
    size_t strings_size, integers_size;
};

static void note_element(struct elements *elements, const struct json_value *value)
{
    elements->kinds |= 1u << value->kind;
    if (value->kind == JSON_IS_STRING)
        elements->strings_size += string_size(&value->string);
    if (value->kind == JSON_IS_INTEGER) {
        elements->integers_size += wire_varint_size((uint64_t)value->integer);
        elements->is_inexact |= value->integer > EXACT_LIMIT || value->integer < -EXACT_LIMIT;
    }
}

static int read_element(struct json_reader *reader, struct elements *elements)
{
    struct json_value value = {0};
    char first = reader->text.at < reader->text.end ? *reader->text.at : '\0';
    elements->count++;
    if (first == '[' || first == '{') {
        elements->is_nested = true;
        reader->muted++;
        int rc = read_value(reader);
        reader->muted--;
        return rc;
    }
    int rc = read_scalar(reader, &value);
    if (rc == 0)
        note_element(elements, &value);
    return rc;
}

static int read_elements(struct json_reader *reader, struct elements *elements)
{
    json_skip_blanks(&reader->text);
    if (json_take(&reader->text, ']'))
        return 0;
    for (;;) {
        json_skip_blanks(&reader->text);
        int rc = read_element(reader, elements);
        if (rc != 0)
            return rc;
        json_skip_blanks(&reader->text);
        if (json_take(&reader->text, ']'))
            return 0;
        if (!json_take(&reader->text, ','))
            return fail(reader, DECODE_E_MALFORMED, "expected ',' or ']'");
    }
}

/* The next element of an array of scalars that has been read before. */
static void next_element(struct json_text *text, struct json_value *value)
{
    const char *fault;
    text->at++; /* '[' or ',' */
    json_skip_blanks(text);
    (void)json_take_scalar(text, value, &fault);
    json_skip_blanks(text);
}

static uint8_t *put_element(uint8_t *at, enum msg_value_type type, const struct json_value *value)
{
    double number;
    switch (type) {
    case MSG_INTEGER:
        return wire_put_varint(at, (uint64_t)value->integer);
    case MSG_DOUBLE:
        number = value->kind == JSON_IS_INTEGER ? (double)value->integer : value->number;
        memcpy(at, &number, sizeof(number));
        return at + sizeof(number);
    case MSG_BOOL:
        *at = value->boolean;
        return at + 1;
    default:
        return put_string(at, &value->string);
    }
}

/* False when they are of no one type. */
static bool type_of(const struct elements *elements, enum msg_value_type *type, size_t *size)
{
    enum { NUMBERS = 1 << JSON_IS_INTEGER | 1 << JSON_IS_DOUBLE };
    if (elements->is_nested)
        return false;
    switch (elements->kinds) {
    case 1 << JSON_IS_STRING:
        *type = MSG_STRING;
        *size = elements->strings_size;
        return true;
    case 1 << JSON_IS_INTEGER:
        *type = MSG_INTEGER;
        *size = elements->integers_size;
        return true;
    case 1 << JSON_IS_BOOL:
        *type = MSG_BOOL;
        *size = elements->count;
        return true;
    case 1 << JSON_IS_DOUBLE:
    case NUMBERS:
        *type = MSG_DOUBLE;
        *size = elements->count * sizeof(double);
        return (elements->kinds & 1u << JSON_IS_INTEGER) == 0 || !elements->is_inexact;
    default:
        return false;
    }
}

/* One field with all of them if they are of one type, else their text. */
static void put_elements(struct json_reader *reader, const char *from,
                         const struct elements *elements)
{
    struct json_text text = {from, reader->text.at};
    enum msg_value_type type;
    size_t size;
    if (!type_of(elements, &type, &size)) {
        put_raw(reader, from);
        return;
    }
    size_t head = type == MSG_STRING ? 0 : 1 + wire_varint_size(size);
    uint8_t *at = msg_builder_field_begin(reader->fields, name_of(reader), type,
                                          (struct msg_slice){0}, head + size);
    if (at == NULL)
        return;
    if (type != MSG_STRING) {
        *at++ = (uint8_t)WIRE_TAG(4 + (uint32_t)type, WIRE_BYTES);
        at = wire_put_varint(at, size);
    }
    for (uint32_t i = 0; i < elements->count; i++) {
        struct json_value value = {0};
        next_element(&text, &value);
        at = put_element(at, type, &value);
    }
}

static int read_array(struct json_reader *reader)
{
    const char *from = reader->text.at++;
    struct elements elements = {0};
    int rc = read_elements(reader, &elements);
    if (rc == 0 && reader->muted == 0)
        put_elements(reader, from, &elements);
    return rc;
}

/* ---- objects ---- */

static int read_member(struct json_reader *reader, uint32_t object)
{
    uint32_t path_len = reader->path_len;
    int rc = enter_key(reader, object);
    if (rc != 0)
        return rc;
    json_skip_blanks(&reader->text);
    if (!json_take(&reader->text, ':'))
        return fail(reader, DECODE_E_MALFORMED, "expected ':'");
    json_skip_blanks(&reader->text);
    rc = read_value(reader);
    reader->path_len = path_len;
    return rc;
}

/* 1 when it is empty. */
static int read_members(struct json_reader *reader)
{
    uint32_t object = ++reader->object_count;
    reader->text.at++;
    json_skip_blanks(&reader->text);
    if (json_take(&reader->text, '}'))
        return 1;
    for (;;) {
        json_skip_blanks(&reader->text);
        int rc = read_member(reader, object);
        if (rc != 0)
            return rc;
        json_skip_blanks(&reader->text);
        if (json_take(&reader->text, '}'))
            return 0;
        if (!json_take(&reader->text, ','))
            return fail(reader, DECODE_E_MALFORMED, "expected ',' or '}'");
    }
}

static int read_object(struct json_reader *reader)
{
    const char *from = reader->text.at;
    bool is_text = reader->muted == 0 && reader->depth_max > 0 && reader->depth > reader->depth_max;
    reader->muted += is_text;
    int rc = read_members(reader);
    reader->muted -= is_text;
    if (rc >= 0 && reader->muted == 0 && reader->depth > 1 && (is_text || rc == 1) &&
        !is_lifted(reader))
        put_raw(reader, from);
    return rc < 0 ? rc : 0;
}

static int read_value(struct json_reader *reader)
{
    char first = reader->text.at < reader->text.end ? *reader->text.at : '\0';
    if (first != '{' && first != '[')
        return take_leaf(reader);
    if (reader->depth == JSON_DEPTH_MAX)
        return fail(reader, DECODE_E_LIMIT, "too many objects and arrays within each other");
    reader->depth++;
    int rc = first == '{' ? read_object(reader) : read_array(reader);
    reader->depth--;
    return rc;
}

int json_read_object(struct json_reader *reader)
{
    reader->fault = "";
    reader->nulls = 0;
    reader->depth = reader->muted = reader->object_count = 0;
    reader->path_len = reader->key_count = 0;
    int rc = read_value(reader);
    if (rc != 0)
        return rc;
    json_skip_blanks(&reader->text);
    if (reader->text.at < reader->text.end)
        return fail(reader, DECODE_E_MALFORMED, "something follows the object");
    if (!reader->keeps_duplicates && has_duplicates(reader->keys, reader->key_count))
        return fail(reader, DECODE_E_MALFORMED, "a key comes twice");
    return 0;
}
