/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/matcher/match_messages.h"

#include <string.h>

#include "core/check.h"

struct writer {
    uint8_t bytes[1024];
    size_t size;
};

static void put_varint(struct writer *out, uint64_t value)
{
    CHECK(out->size + 10 <= sizeof out->bytes);
    for (; value >= 0x80; value >>= 7)
        out->bytes[out->size++] = (uint8_t)(value | 0x80);
    out->bytes[out->size++] = (uint8_t)value;
}

static void put_bytes(struct writer *out, const void *bytes, size_t size)
{
    CHECK(out->size + size <= sizeof out->bytes);
    memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
}

static void put_block(struct writer *out, unsigned number, const void *bytes, size_t size)
{
    put_varint(out, number << 3 | 2);
    put_varint(out, size);
    put_bytes(out, bytes, size);
}

static void put_number(struct writer *out, enum msg_value_type type, double number)
{
    if (type == MSG_DOUBLE)
        put_bytes(out, &number, sizeof number);
    else if (type == MSG_INTEGER)
        put_varint(out, (uint64_t)(int64_t)number);
    else
        put_varint(out, number != 0);
}

static void put_values(struct writer *out, const struct match_field *field)
{
    unsigned number = 4 + (unsigned)field->type;
    struct writer packed = {.size = 0};

    for (unsigned i = 0; i < field->count; i++) {
        if (field->type <= MSG_BYTES) {
            put_block(out, number, field->strings[i], strlen(field->strings[i]));
        } else if (field->packed) {
            put_number(&packed, field->type, field->numbers[i]);
        } else {
            put_varint(out, number << 3 | (field->type == MSG_DOUBLE ? 1 : 0));
            put_number(out, field->type, field->numbers[i]);
        }
    }
    if (field->type > MSG_BYTES && field->packed)
        put_block(out, number, packed.bytes, packed.size);
}

void match_field_add(struct msg_builder *builder, const struct match_field *field)
{
    struct writer inner = {.size = 0};
    struct writer outer = {.size = 0};

    put_block(&inner, 1, field->name, strlen(field->name));
    put_varint(&inner, 2 << 3);
    put_varint(&inner, (uint64_t)field->type);
    put_values(&inner, field);
    put_block(&outer, 10, inner.bytes, inner.size);
    msg_builder_raw(builder, outer.bytes, outer.size);
}

void match_message_finish(struct match_message *message, const struct msg_builder *builder)
{
    int64_t size = msg_builder_finish(builder);

    CHECK(size > 0);
    CHECK(msg_view_init(&message->view, message->bytes, (size_t)size) == 0);
}

static const struct match_field fields_a[] = {
    {.name = "foo", .type = MSG_STRING, .count = 1, .strings = {"bar"}},
    {.name = "number", .type = MSG_INTEGER, .count = 1, .numbers = {64}},
    {.name = "bytes", .type = MSG_BYTES, .count = 1, .strings = {"data"}},
    {.name = "int", .type = MSG_INTEGER, .packed = true, .count = 2, .numbers = {999, 1024}},
    {.name = "double", .type = MSG_DOUBLE, .count = 1, .numbers = {99.9}},
    {.name = "bool", .type = MSG_BOOL, .count = 1, .numbers = {1}},
    {.name = "foo", .type = MSG_STRING, .count = 1, .strings = {"alternate"}},
    {.name = "Payload", .type = MSG_STRING, .count = 1, .strings = {"name=test;type=web;"}},
    {.name = "Timestamp",
     .type = MSG_STRING,
     .count = 1,
     .strings = {"Mon Jan 02 15:04:05 -0700 2006"}},
    {.name = "zero", .type = MSG_INTEGER, .count = 1, .numbers = {0}},
    {.name = "string", .type = MSG_STRING, .count = 1, .strings = {"43"}},
};

static const struct match_field fields_c[] = {
    {.name = "number", .type = MSG_DOUBLE, .count = 1, .numbers = {1}},
    {.name = "numbers", .type = MSG_DOUBLE, .packed = true, .count = 3, .numbers = {1, 2, 3}},
    {.name = "bools", .type = MSG_BOOL, .packed = true, .count = 3, .numbers = {1, 0, 0}},
    {.name = "bool", .type = MSG_BOOL, .count = 1, .numbers = {1}},
    {.name = "string", .type = MSG_STRING, .count = 1, .strings = {"string"}},
    {.name = "strings", .type = MSG_STRING, .count = 3, .strings = {"s1", "s2", "s3"}},
};

static void build_test_headers(struct msg_builder *builder)
{
    msg_builder_type(builder, "TEST", 4);
    msg_builder_logger(builder, "GoSpec", 6);
    msg_builder_severity(builder, 6);
    msg_builder_payload(builder, "Test Payload", 12);
    msg_builder_env_version(builder, "0.8", 3);
    msg_builder_pid(builder, 4242);
    msg_builder_hostname(builder, "host.example", 12);
}

void match_message_golden(char name, struct match_message *message)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {0x09, 0xfe, 0x14, 0xd0, 0xb0, 0xc6, 0x4a, 0x8f,
                                                0x9a, 0x12, 0x00, 0x5e, 0x4d, 0x39, 0xc1, 0x77};
    struct msg_builder builder;
    const struct match_field *fields = name == 'C' ? fields_c : fields_a;
    size_t count = name == 'A' ? ARRAY_COUNT(fields_a) : name == 'B' ? 2 : ARRAY_COUNT(fields_c);

    msg_builder_init(&builder, message->bytes, sizeof message->bytes);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, name == 'C' ? 1000000000 : 1416840893000000000);
    if (name != 'C')
        build_test_headers(&builder);
    for (size_t i = 0; i < count; i++)
        match_field_add(&builder, &fields[i]);
    match_message_finish(message, &builder);
}
