/* SPDX-License-Identifier: MPL-2.0
 *
 * test_message_oracle.c - message view and builder against protobuf-c, on seeded random input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/heka.pb-c.h"
#include "core/message.h"
#include "tests/support/chance.h"
#include "tests/support/message_oracle.h"

enum { BYTES_MAX = 4096, TEXT_MAX = 24, WIRE_ROUNDS = 150000, MUTATION_ROUNDS = 150000 };

static uint64_t random_state;

static uint64_t random_u64(void)
{
    return chance_next(&random_state);
}

static uint32_t random_below(uint32_t limit)
{
    return (uint32_t)(random_u64() % limit);
}

static bool one_in(uint32_t n)
{
    return random_below(n) == 0;
}

/* Small, large, negative and in between. */
static uint64_t random_integer(void)
{
    return random_u64() >> random_below(64);
}

/* ---- random members, mostly right ---- */

struct bytes {
    size_t size;
    uint8_t data[BYTES_MAX];
};

static void put_byte(struct bytes *out, uint64_t byte)
{
    if (out->size < BYTES_MAX)
        out->data[out->size++] = (uint8_t)byte;
}

/* Now and then longer than needed. */
static void put_varint(struct bytes *out, uint64_t value)
{
    unsigned size = 1;
    while (size < 10 && value >> (7 * size) != 0)
        size++;
    if (one_in(30))
        size += random_below(one_in(10) ? 7 : 3);
    for (unsigned i = 0; i < size; i++) {
        uint64_t part = i < 10 ? value >> (7 * i) & 0x7f : 0;
        put_byte(out, i + 1 < size ? part | 0x80 : part);
    }
}

static void put_length(struct bytes *out, size_t size)
{
    put_varint(out, one_in(500) ? random_integer() : size);
}

static void put_block(struct bytes *out, const void *data, size_t size)
{
    const uint8_t *at = data;
    put_length(out, size);
    for (size_t i = 0; i < size; i++)
        put_byte(out, at[i]);
}

static void put_text(struct bytes *out)
{
    uint8_t text[TEXT_MAX];
    size_t len = random_below(TEXT_MAX);
    for (size_t i = 0; i < len; i++)
        text[i] = (uint8_t)(one_in(10) ? random_below(256) : 'a' + random_below(4));
    put_block(out, text, len);
}

static void put_fixed(struct bytes *out, unsigned size)
{
    uint64_t value = one_in(2) ? random_u64() : random_below(8);
    for (unsigned i = 0; i < size; i++)
        put_byte(out, value >> (8 * i));
}

/* The value of a member that has that wire type. */
static void put_any_value(struct bytes *out, uint32_t number, unsigned type, unsigned depth)
{
    if (type == 0)
        put_varint(out, random_integer());
    else if (type == 1 || type == 5)
        put_fixed(out, type == 1 ? 8 : 4);
    else if (type == 2)
        put_text(out);
    if (type != 3 || depth > 40)
        return;
    do {
        unsigned inner = one_in(4) ? 3 : random_below(6);
        uint32_t inner_number = 1 + random_below(20);
        if (inner == 4)
            continue;
        put_varint(out, inner_number << 3 | inner);
        put_any_value(out, inner_number, inner, depth + 1);
    } while (one_in(2));
    put_varint(out, (one_in(100) ? random_below(20) : number) << 3 | 4);
}

static void put_odd_member(struct bytes *out)
{
    static const uint32_t numbers[] = {0, 1, 5, 9, 11, 15, 16, 2047, 2048, (1 << 29) - 1, 1 << 29};
    uint32_t number = one_in(2) ? 11 + random_below(200)
                                : numbers[random_below(sizeof(numbers) / sizeof(numbers[0]))];
    unsigned type = one_in(20) ? random_below(8) : random_below(4);
    put_varint(out, (uint64_t)number << 3 | type);
    put_any_value(out, number, type, 0);
}

static void put_packed(struct bytes *out, uint32_t number)
{
    struct bytes values;
    values.size = 0;
    for (uint32_t count = random_below(5); count > 0; count--) {
        if (number == 7)
            put_fixed(&values, 8);
        else
            put_varint(&values, number == 8 && !one_in(10) ? random_below(2) : random_integer());
    }
    if (one_in(200))
        put_byte(&values, random_below(256));
    put_block(out, values.data, values.size);
}

static void put_field_member(struct bytes *out, uint32_t number)
{
    static const uint8_t types[] = {0, 2, 0, 2, 2, 2, 0, 1, 0};
    bool packed = number >= 6 && one_in(2);
    unsigned type = packed ? 2 : types[number];
    if (one_in(300))
        type = random_below(8);
    put_varint(out, number << 3 | type);
    if (packed && type == 2)
        put_packed(out, number);
    else if (number == 2 && type == 0)
        put_varint(out, one_in(20) ? random_integer() : random_below(5));
    else
        put_any_value(out, number, type, 0);
}

static void put_field(struct bytes *out)
{
    struct bytes field;
    field.size = 0;
    if (!one_in(200))
        put_field_member(&field, 1);
    if (one_in(2))
        put_field_member(&field, 2);
    if (one_in(2))
        put_field_member(&field, 3);
    uint32_t value = 4 + random_below(5);
    for (uint32_t count = random_below(4); count > 0; count--)
        put_field_member(&field, one_in(5) ? 1 + random_below(8) : value);
    if (one_in(20))
        put_odd_member(&field);
    put_varint(out, 10 << 3 | 2);
    put_block(out, field.data, field.size);
}

static void put_header_member(struct bytes *out, uint32_t number)
{
    static const uint8_t types[] = {0, 2, 0, 2, 2, 0, 2, 2, 0, 2, 2};
    unsigned type = one_in(300) ? random_below(8) : types[number];
    put_varint(out, number << 3 | type);
    if (number != 1 || type != 2) {
        put_any_value(out, number, type, 0);
        return;
    }
    uint8_t uuid[20];
    msg_uuid_from_random(uuid, random_u64(), random_u64());
    put_block(out, uuid, one_in(100) ? random_below(20) : MSG_UUID_SIZE);
}

/* In order or not, with duplicates, unknown members and mistakes. */
static void random_message(struct bytes *out)
{
    out->size = 0;
    bool in_order = one_in(2);
    for (uint32_t number = 1; in_order && number <= 9; number++) {
        if (number <= 2 ? !one_in(100) : one_in(2))
            put_header_member(out, number);
    }
    for (uint32_t count = random_below(in_order ? 4 : 20); count > 0; count--) {
        if (in_order || one_in(4))
            put_field(out);
        else
            put_header_member(out, 1 + random_below(9));
        if (one_in(20))
            put_odd_member(out);
    }
    if (!in_order && !one_in(10)) {
        put_header_member(out, 2);
        put_header_member(out, 1);
    }
}

static void mutate(struct bytes *bytes)
{
    for (uint32_t count = 1 + random_below(2); count > 0 && bytes->size > 1; count--) {
        size_t at = random_below((uint32_t)bytes->size);
        switch (random_below(5)) {
        case 0:
            bytes->data[at] ^= (uint8_t)(1 << random_below(8));
            break;
        case 1:
            bytes->data[at] = (uint8_t)random_below(256);
            break;
        case 2:
            bytes->size = at;
            break;
        case 3:
            memmove(bytes->data + at, bytes->data + at + 1, --bytes->size - at);
            break;
        default:
            if (bytes->size < BYTES_MAX) {
                memmove(bytes->data + at + 1, bytes->data + at, bytes->size++ - at);
                bytes->data[at] = (uint8_t)random_below(256);
            }
        }
    }
}

/* An exact allocation lets ASan see a read past the end. */
static enum oracle_end check(const struct bytes *bytes, unsigned round)
{
    enum oracle_end end;
    uint8_t *exact = malloc(bytes->size + 1);
    uint8_t *at = exact + 1;
    memcpy(at, bytes->data, bytes->size);
    const char *difference = message_oracle_check(at, bytes->size, &end);
    if (difference != NULL) {
        print_error("round %u: %s\n", round, difference);
        for (size_t i = 0; i < bytes->size; i++)
            print_error("%02x", at[i]);
        fail_msg("%s", difference);
    }
    free(exact);
    return end;
}

/* Each end that the generator can reach has to have been reached, or the test has gone blind. */
static void expect_ends(const unsigned *ends, const unsigned *least)
{
    print_message("accepted %u, refused %u, on purpose: uuid %u tag %u bool %u group %u\n",
                  ends[ORACLE_BOTH_ACCEPT], ends[ORACLE_BOTH_REFUSE], ends[ORACLE_REFUSED_UUID],
                  ends[ORACLE_REFUSED_TAG], ends[ORACLE_REFUSED_BOOL], ends[ORACLE_ACCEPTED_GROUP]);
    for (unsigned i = 0; i < ORACLE_ENDS; i++)
        assert_true(ends[i] >= least[i]);
}

static void test_random_members(void **state)
{
    (void)state;
    static const unsigned least[ORACLE_ENDS] = {80000, 20000, 500, 500, 20, 0, 3000};
    unsigned ends[ORACLE_ENDS] = {0};
    struct bytes bytes;
    random_state = 1;
    for (unsigned round = 0; round < WIRE_ROUNDS; round++) {
        random_message(&bytes);
        ends[check(&bytes, round)]++;
    }
    expect_ends(ends, least);
}

static void test_mutated_members(void **state)
{
    (void)state;
    static const unsigned least[ORACLE_ENDS] = {20000, 20000, 100, 100, 1, 0, 500};
    unsigned ends[ORACLE_ENDS] = {0};
    struct bytes bytes;
    random_state = 2;
    for (unsigned round = 0; round < MUTATION_ROUNDS; round++) {
        random_message(&bytes);
        mutate(&bytes);
        ends[check(&bytes, round)]++;
    }
    expect_ends(ends, least);
}

/* ---- builder ---- */

struct texts { /* random strings for one message */
    unsigned used;
    char data[64][TEXT_MAX];
};

static char *random_text(struct texts *texts)
{
    char *text = texts->data[texts->used++];
    size_t len = random_below(TEXT_MAX);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + random_below(26));
    text[len] = '\0';
    return text;
}

struct field_values {
    char *string;
    ProtobufCBinaryData bytes;
    int64_t integer;
    double number;
    protobuf_c_boolean boolean;
};

/* The same field both ways. */
static void build_field(struct msg_builder *builder, Heka__Field *field,
                        struct field_values *values, struct texts *texts)
{
    heka__field__init(field);
    field->name = random_text(texts);
    field->representation = random_text(texts);
    field->has_value_type = true;
    field->value_type = (Heka__Field__ValueType)random_below(5);
    const char *name = field->name;
    const char *representation = field->representation;
    values->string = random_text(texts);
    values->bytes = (ProtobufCBinaryData){strlen(values->string), (uint8_t *)values->string};
    values->integer = (int64_t)random_integer();
    uint64_t bits = random_u64();
    memcpy(&values->number, &bits, sizeof(bits));
    values->boolean = one_in(2);
    switch (field->value_type) {
    case HEKA__FIELD__VALUE_TYPE__STRING:
        field->n_value_string = 1;
        field->value_string = &values->string;
        msg_builder_field_string(builder, name, values->string, strlen(values->string),
                                 representation);
        break;
    case HEKA__FIELD__VALUE_TYPE__BYTES:
        field->n_value_bytes = 1;
        field->value_bytes = &values->bytes;
        msg_builder_field_bytes(builder, name, values->bytes.data, values->bytes.len,
                                representation);
        break;
    case HEKA__FIELD__VALUE_TYPE__INTEGER:
        field->n_value_integer = 1;
        field->value_integer = &values->integer;
        msg_builder_field_integer(builder, name, values->integer, representation);
        break;
    case HEKA__FIELD__VALUE_TYPE__DOUBLE:
        field->n_value_double = 1;
        field->value_double = &values->number;
        msg_builder_field_double(builder, name, values->number, representation);
        break;
    default:
        field->n_value_bool = 1;
        field->value_bool = &values->boolean;
        msg_builder_field_bool(builder, name, values->boolean, representation);
    }
}

/* Sets each optional member with even chances. */
static void build_header(struct msg_builder *builder, Heka__Message *message, uint8_t *uuid,
                         struct texts *texts)
{
    msg_uuid_from_random(uuid, random_u64(), random_u64());
    message->uuid = (ProtobufCBinaryData){MSG_UUID_SIZE, uuid};
    msg_builder_uuid(builder, uuid);
    message->timestamp = (int64_t)random_integer();
    msg_builder_timestamp(builder, message->timestamp);
    if (one_in(2)) {
        message->type = random_text(texts);
        msg_builder_type(builder, message->type, strlen(message->type));
    }
    if (one_in(2)) {
        message->logger = random_text(texts);
        msg_builder_logger(builder, message->logger, strlen(message->logger));
    }
    if ((message->has_severity = one_in(2))) {
        message->severity = (int32_t)random_integer();
        msg_builder_severity(builder, message->severity);
    }
    if (one_in(2)) {
        message->payload = random_text(texts);
        msg_builder_payload(builder, message->payload, strlen(message->payload));
    }
    if (one_in(2)) {
        message->env_version = random_text(texts);
        msg_builder_env_version(builder, message->env_version, strlen(message->env_version));
    }
    if ((message->has_pid = one_in(2))) {
        message->pid = (int32_t)random_integer();
        msg_builder_pid(builder, message->pid);
    }
    if (one_in(2)) {
        message->hostname = random_text(texts);
        msg_builder_hostname(builder, message->hostname, strlen(message->hostname));
    }
}

static void test_builder_writes_as_protobuf_c(void **state)
{
    (void)state;
    random_state = 3;
    for (unsigned round = 0; round < 20000; round++) {
        Heka__Message message = HEKA__MESSAGE__INIT;
        Heka__Field fields[8];
        Heka__Field *field_list[8];
        struct field_values values[8];
        struct texts texts = {0};
        struct msg_builder builder;
        uint8_t uuid[MSG_UUID_SIZE];
        uint8_t built[BYTES_MAX];
        uint8_t packed[BYTES_MAX];
        msg_builder_init(&builder, built, sizeof(built));
        build_header(&builder, &message, uuid, &texts);
        message.n_fields = random_below(9);
        message.fields = field_list;
        for (size_t i = 0; i < message.n_fields; i++) {
            field_list[i] = &fields[i];
            build_field(&builder, &fields[i], &values[i], &texts);
        }
        size_t size = heka__message__get_packed_size(&message);
        assert_true(size <= sizeof(packed));
        heka__message__pack(&message, packed);
        assert_int_equal(msg_builder_finish(&builder), size);
        assert_memory_equal(built, packed, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_members),
        cmocka_unit_test(test_mutated_members),
        cmocka_unit_test(test_builder_writes_as_protobuf_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
