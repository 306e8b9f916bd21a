/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/message_oracle.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/heka.pb-c.h"
#include "core/message.h"

/* ---- memory for protobuf-c: a string's length is what was asked for it, less the NUL ---- */

enum { ARENA_SIZE = 32 << 20 };

static _Alignas(16) uint8_t arena[ARENA_SIZE];
static size_t arena_used;

static void *arena_alloc(void *context, size_t size)
{
    (void)context;
    size_t whole = 16 + ((size + 15) & ~(size_t)15);
    if (size > ARENA_SIZE || whole > ARENA_SIZE - arena_used)
        return NULL;
    uint8_t *at = arena + arena_used;
    arena_used += whole;
    memcpy(at, &size, sizeof(size));
    return at + 16;
}

static void arena_free(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

static size_t string_len(const char *text)
{
    size_t size;
    memcpy(&size, text - 16, sizeof(size));
    return size - 1;
}

static Heka__Message *unpack(const uint8_t *bytes, size_t size)
{
    static ProtobufCAllocator allocator = {arena_alloc, arena_free, NULL};
    return heka__message__unpack(&allocator, size, bytes);
}

/* ---- a slow walk over members, on bytes that somebody has accepted ---- */

struct member {
    uint32_t number;
    uint32_t type;
    size_t start; /* of the tag */
    size_t value; /* of what is behind the tag, for bytes behind the length */
    size_t end;
    uint64_t varint;
};

static uint64_t slow_varint(const uint8_t *bytes, size_t size, size_t *at)
{
    uint64_t value = 0;
    for (unsigned shift = 0; *at < size; shift += 7) {
        uint8_t byte = bytes[(*at)++];
        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if ((byte & 0x80) == 0)
            break;
    }
    return value;
}

static struct member slow_member(const uint8_t *bytes, size_t size, size_t at)
{
    struct member member = {.start = at};
    uint64_t tag = slow_varint(bytes, size, &at);
    member.number = (uint32_t)(tag >> 3);
    member.type = tag & 7;
    member.value = at;
    if (member.type == 0) {
        member.varint = slow_varint(bytes, size, &at);
    } else if (member.type == 2) {
        size_t len = (size_t)slow_varint(bytes, size, &at);
        member.value = at;
        at += len;
    } else if (member.type == 3) {
        struct member inner;
        do {
            inner = slow_member(bytes, size, at);
            at = inner.end;
        } while (inner.type != 4 && at < size);
    } else if (member.type != 4) {
        at += member.type == 1 ? 8 : 4;
    }
    member.end = at < size ? at : size;
    return member;
}

/* Copies a message (or a Field) without the groups in it; returns the size. */
static size_t strip_groups(const uint8_t *bytes, size_t size, bool is_field, uint8_t *out)
{
    size_t out_size = 0;
    for (size_t at = 0; at < size;) {
        struct member member = slow_member(bytes, size, at);
        at = member.end;
        if (member.type == 3)
            continue;
        if (member.type != 2 || member.number != 10 || is_field) {
            memcpy(out + out_size, bytes + member.start, member.end - member.start);
            out_size += member.end - member.start;
            continue;
        }
        uint8_t *field = malloc(size);
        size_t rest = strip_groups(bytes + member.value, member.end - member.value, true, field);
        size_t field_size = rest;
        for (out[out_size++] = 0x52; rest >= 0x80; rest >>= 7)
            out[out_size++] = (uint8_t)(rest | 0x80);
        out[out_size++] = (uint8_t)rest;
        memcpy(out + out_size, field, field_size);
        out_size += field_size;
        free(field);
    }
    return out_size;
}

static bool has_fixed_bool(const uint8_t *bytes, size_t size, bool is_field)
{
    bool found = false;
    for (size_t at = 0; at < size && !found;) {
        struct member member = slow_member(bytes, size, at);
        at = member.end;
        if (is_field)
            found = member.number == 8 && (member.type == 1 || member.type == 5);
        else if (member.number == 10 && member.type == 2)
            found = has_fixed_bool(bytes + member.value, member.end - member.value, true);
    }
    return found;
}

/* proto2: a number that is not in the enum is as if it was not there. */
static enum msg_value_type slow_value_type(const uint8_t *bytes, size_t size)
{
    enum msg_value_type type = MSG_STRING;
    for (size_t at = 0; at < size;) {
        struct member member = slow_member(bytes, size, at);
        at = member.end;
        if (member.number == 2 && member.type == 0 && (uint32_t)member.varint <= MSG_BOOL)
            type = (enum msg_value_type)(uint32_t)member.varint;
    }
    return type;
}

/* ---- comparison ---- */

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return "differs: " #condition;                                                         \
    } while (0)

static bool same_string(struct msg_slice slice, const char *text)
{
    if (slice.ptr == NULL || text == NULL)
        return slice.ptr == NULL && text == NULL && slice.len == 0;
    return slice.len == string_len(text) && memcmp(slice.ptr, text, slice.len) == 0;
}

static bool same_bytes(struct msg_slice slice, ProtobufCBinaryData data)
{
    return slice.ptr != NULL && slice.len == data.len &&
           (slice.len == 0 || memcmp(slice.ptr, data.data, slice.len) == 0);
}

static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static size_t expected_count(const Heka__Field *expected, enum msg_value_type type)
{
    const size_t counts[] = {expected->n_value_string, expected->n_value_bytes,
                             expected->n_value_integer, expected->n_value_double,
                             expected->n_value_bool};
    return counts[type];
}

static const char *compare_value(const struct msg_value *value, const Heka__Field *expected,
                                 size_t index)
{
    switch (value->type) {
    case MSG_STRING:
        EXPECT(same_string(value->slice, expected->value_string[index]));
        break;
    case MSG_BYTES:
        EXPECT(same_bytes(value->slice, expected->value_bytes[index]));
        break;
    case MSG_INTEGER:
        EXPECT(value->integer == expected->value_integer[index]);
        break;
    case MSG_DOUBLE:
        EXPECT(same_double(value->number, expected->value_double[index]));
        break;
    case MSG_BOOL:
        EXPECT(value->boolean == (expected->value_bool[index] != 0));
        break;
    }
    return NULL;
}

/* The access by index, for each type whether it is the right one or not. */
static const char *compare_indexed(const struct msg_field *field, const Heka__Field *expected,
                                   uint32_t index)
{
    bool there = index < expected_count(expected, field->value_type);
    struct msg_value value = {.type = field->value_type};
    bool slice = msg_field_slice(field, index, &value.slice);
    EXPECT(slice == (there && field->value_type <= MSG_BYTES));
    if (slice)
        return compare_value(&value, expected, index);
    bool integer = msg_field_integer(field, index, &value.integer);
    EXPECT(integer == (there && field->value_type == MSG_INTEGER));
    if (integer)
        return compare_value(&value, expected, index);
    bool number = msg_field_double(field, index, &value.number);
    EXPECT(number == (there && field->value_type == MSG_DOUBLE));
    if (number)
        return compare_value(&value, expected, index);
    bool boolean = msg_field_bool(field, index, &value.boolean);
    EXPECT(boolean == (there && field->value_type == MSG_BOOL));
    return boolean ? compare_value(&value, expected, index) : NULL;
}

static const char *compare_values(const struct msg_field *field, const Heka__Field *expected)
{
    const char *difference = NULL;
    size_t count = expected_count(expected, field->value_type);
    EXPECT(field->value_count == count);
    struct msg_values values;
    struct msg_value value;
    msg_values_init(&values, field);
    for (size_t i = 0; i < count && difference == NULL; i++) {
        EXPECT(msg_values_next(&values, &value));
        difference = compare_value(&value, expected, i);
    }
    EXPECT(difference != NULL || !msg_values_next(&values, &value));
    for (uint32_t i = 0; i <= count && i < 16 && difference == NULL; i++)
        difference = compare_indexed(field, expected, i);
    if (difference == NULL && count > 0)
        difference = compare_indexed(field, expected, (uint32_t)count - 1);
    return difference;
}

static const char *compare_field(const struct msg_field *field, const Heka__Field *expected)
{
    EXPECT(same_string(field->name, expected->name));
    EXPECT(same_string(field->representation, expected->representation));
    EXPECT(field->value_type == slow_value_type(field->bytes, field->size));
    if (expected->has_value_type && (uint32_t)expected->value_type <= MSG_BOOL)
        EXPECT(field->value_type == (enum msg_value_type)expected->value_type);
    return compare_values(field, expected);
}

/* msg_field_find() of the first few fields, each by its name and its number among its namesakes. */
static const char *compare_find(const struct msg_view *view, const Heka__Message *expected)
{
    for (size_t i = 0; i < expected->n_fields && i < 8; i++) {
        const char *name = expected->fields[i]->name;
        size_t len = string_len(name);
        uint32_t index = 0;
        for (size_t k = 0; k < i; k++)
            index += string_len(expected->fields[k]->name) == len &&
                     memcmp(expected->fields[k]->name, name, len) == 0;
        struct msg_field field;
        EXPECT(msg_field_find(view, name, len, index, &field));
        const char *difference = compare_field(&field, expected->fields[i]);
        if (difference != NULL)
            return difference;
    }
    return NULL;
}

static const char *compare_fields(const struct msg_view *view, const Heka__Message *expected)
{
    struct msg_field field;
    EXPECT(view->field_count == expected->n_fields);
    bool more = msg_field_first(view, &field);
    for (size_t i = 0; i < expected->n_fields; i++) {
        EXPECT(more);
        const char *difference = compare_field(&field, expected->fields[i]);
        if (difference != NULL)
            return difference;
        more = msg_field_next(view, &field);
    }
    EXPECT(!more);
    return compare_find(view, expected);
}

static const char *compare(const struct msg_view *view, const Heka__Message *expected)
{
    EXPECT(memcmp(view->uuid, expected->uuid.data, MSG_UUID_SIZE) == 0);
    EXPECT(view->timestamp_ns == expected->timestamp);
    EXPECT(same_string(view->type, expected->type));
    EXPECT(same_string(view->logger, expected->logger));
    EXPECT(view->severity == expected->severity);
    EXPECT(same_string(view->payload, expected->payload));
    EXPECT(same_string(view->env_version, expected->env_version));
    EXPECT(view->pid == expected->pid);
    EXPECT(same_string(view->hostname, expected->hostname));
    EXPECT(!(view->present & MSG_HAS_TYPE) == (expected->type == NULL));
    EXPECT(!(view->present & MSG_HAS_LOGGER) == (expected->logger == NULL));
    EXPECT(!(view->present & MSG_HAS_SEVERITY) == !expected->has_severity);
    EXPECT(!(view->present & MSG_HAS_PAYLOAD) == (expected->payload == NULL));
    EXPECT(!(view->present & MSG_HAS_ENV_VERSION) == (expected->env_version == NULL));
    EXPECT(!(view->present & MSG_HAS_PID) == !expected->has_pid);
    EXPECT(!(view->present & MSG_HAS_HOSTNAME) == (expected->hostname == NULL));
    return compare_fields(view, expected);
}

/* ---- the deliberate differences ---- */

static bool has_bad_tag(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        uint32_t number = message->unknown_fields[i].tag;
        if (number == 0 || number > (1 << 29) - 1)
            return true;
    }
    return false;
}

static bool has_bad_tag_anywhere(const Heka__Message *message)
{
    bool found = has_bad_tag(&message->base);
    for (size_t i = 0; i < message->n_fields && !found; i++)
        found = has_bad_tag(&message->fields[i]->base);
    return found;
}

/* protobuf-c accepts: is there a reason to refuse? */
static const char *check_refusal(int code, const Heka__Message *message, const uint8_t *bytes,
                                 size_t size, enum oracle_end *end)
{
    bool tag = has_bad_tag_anywhere(message);
    bool boolean = has_fixed_bool(bytes, size, false);
    bool uuid = message->uuid.len != MSG_UUID_SIZE;
    bool limit = message->n_fields > MSG_FIELDS_MAX;
    if (code == 0)
        return tag || boolean || uuid || limit ? "view accepts what it should refuse" : NULL;
    *end = code == MSG_E_UUID        ? ORACLE_REFUSED_UUID
           : code == MSG_E_TAG       ? ORACLE_REFUSED_TAG
           : code == MSG_E_WIRE_TYPE ? ORACLE_REFUSED_BOOL
                                     : ORACLE_REFUSED_LIMIT;
    if ((code == MSG_E_UUID && uuid) || (code == MSG_E_TAG && tag) ||
        (code == MSG_E_WIRE_TYPE && boolean) || (code == MSG_E_LIMIT && limit))
        return NULL;
    return "view refuses what protobuf-c accepts";
}

/* protobuf-c refuses, the view accepts: without the groups both have to accept. */
static const char *check_groups(const struct msg_view *view, const uint8_t *bytes, size_t size)
{
    uint8_t *stripped = malloc(size + 1);
    size_t stripped_size = strip_groups(bytes, size, false, stripped);
    const char *difference = "view accepts what protobuf-c refuses";
    Heka__Message *expected = stripped_size < size ? unpack(stripped, stripped_size) : NULL;
    if (expected != NULL)
        difference = compare(view, expected);
    free(stripped);
    return difference;
}

const char *message_oracle_check(const uint8_t *bytes, size_t size, enum oracle_end *end)
{
    struct msg_view view;
    arena_used = 0;
    int code = msg_view_init(&view, bytes, size);
    Heka__Message *expected = unpack(bytes, size);
    *end = code == 0 ? ORACLE_BOTH_ACCEPT : ORACLE_BOTH_REFUSE;
    if (expected == NULL) {
        if (code != 0)
            return NULL;
        *end = ORACLE_ACCEPTED_GROUP;
        return check_groups(&view, bytes, size);
    }
    const char *difference = check_refusal(code, expected, bytes, size, end);
    if (difference != NULL || code != 0)
        return difference;
    return compare(&view, expected);
}

Heka__Message *message_oracle_unpack(const uint8_t *bytes, size_t size)
{
    arena_used = 0;
    return unpack(bytes, size);
}

void *message_oracle_memory(size_t size)
{
    void *memory = arena_alloc(NULL, size);
    if (memory == NULL)
        abort();
    return memory;
}

const char *message_oracle_compare(const struct msg_view *view, const Heka__Message *expected)
{
    return compare(view, expected);
}
