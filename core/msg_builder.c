/* SPDX-License-Identifier: MPL-2.0 */
#include "core/message.h"

#include <errno.h>

#include "core/message_tags.h"

void msg_builder_init(struct msg_builder *builder, void *buffer, size_t capacity)
{
    *builder = (struct msg_builder){.bytes = buffer, .capacity = capacity};
}

uint8_t *msg_builder_take(struct msg_builder *builder, size_t size)
{
    if (builder->failed || builder->capacity - builder->size < size) {
        builder->failed = true;
        return NULL;
    }
    uint8_t *at = builder->bytes + builder->size;
    builder->size += size;
    return at;
}

static void put_varint_member(struct msg_builder *builder, uint32_t number, uint64_t value)
{
    uint8_t *at = msg_builder_take(builder, 1 + wire_varint_size(value));
    if (at == NULL)
        return;
    *at++ = (uint8_t)WIRE_TAG(number, WIRE_VARINT);
    wire_put_varint(at, value);
}

static size_t bytes_member_size(size_t size)
{
    return 1 + wire_varint_size(size) + size;
}

static void put_bytes_member(struct msg_builder *builder, uint32_t number, const void *bytes,
                             size_t size)
{
    if (size > INT32_MAX) {
        builder->failed = true;
        return;
    }
    uint8_t *at = msg_builder_take(builder, bytes_member_size(size));
    if (at == NULL)
        return;
    *at++ = (uint8_t)WIRE_TAG(number, WIRE_BYTES);
    wire_put_bytes(at, bytes, size);
}

void msg_builder_uuid(struct msg_builder *builder, const uint8_t uuid[MSG_UUID_SIZE])
{
    put_bytes_member(builder, 1, uuid, MSG_UUID_SIZE);
}

void msg_builder_timestamp(struct msg_builder *builder, int64_t timestamp_ns)
{
    put_varint_member(builder, 2, (uint64_t)timestamp_ns);
}

void msg_builder_type(struct msg_builder *builder, const char *text, size_t len)
{
    put_bytes_member(builder, 3, text, len);
}

void msg_builder_logger(struct msg_builder *builder, const char *text, size_t len)
{
    put_bytes_member(builder, 4, text, len);
}

/* A negative int32 is sign-extended to 10 bytes (protobuf). */
void msg_builder_severity(struct msg_builder *builder, int32_t severity)
{
    put_varint_member(builder, 5, (uint64_t)(int64_t)severity);
}

void msg_builder_payload(struct msg_builder *builder, const char *text, size_t len)
{
    put_bytes_member(builder, 6, text, len);
}

void msg_builder_env_version(struct msg_builder *builder, const char *text, size_t len)
{
    put_bytes_member(builder, 7, text, len);
}

void msg_builder_pid(struct msg_builder *builder, int32_t pid)
{
    put_varint_member(builder, 8, (uint64_t)(int64_t)pid);
}

void msg_builder_hostname(struct msg_builder *builder, const char *text, size_t len)
{
    put_bytes_member(builder, 9, text, len);
}

/* Bytes in front of a payload that may take all that is left: tag and widest length; 0 when not
 * even an empty payload fits. Begin and end work it out alike, so the builder need not remember it.
 */
static size_t payload_lead(const struct msg_builder *builder, size_t *room)
{
    size_t left = builder->capacity - builder->size;
    if (builder->failed || left < 2)
        return 0;
    size_t lead = 1 + wire_varint_size(left - 1);
    *room = left - lead < INT32_MAX ? left - lead : INT32_MAX;
    return lead;
}

char *msg_builder_payload_begin(struct msg_builder *builder, size_t *room)
{
    *room = 0;
    size_t lead = payload_lead(builder, room);
    if (lead == 0) {
        builder->failed = true;
        return NULL;
    }
    return (char *)builder->bytes + builder->size + lead;
}

void msg_builder_payload_end(struct msg_builder *builder, size_t used)
{
    size_t room = 0;
    size_t lead = payload_lead(builder, &room);
    if (lead == 0) {
        builder->failed = true;
        return;
    }
    CHECK(used <= room);
    uint8_t *at = builder->bytes + builder->size;
    memmove(at + 1 + wire_varint_size(used), at + lead, used);
    *at++ = (uint8_t)WIRE_TAG(6, WIRE_BYTES);
    wire_put_varint(at, used);
    builder->size += bytes_member_size(used);
}

uint8_t *msg_builder_field_begin(struct msg_builder *builder, struct msg_slice name,
                                 enum msg_value_type type, struct msg_slice representation,
                                 size_t value_size)
{
    size_t size = bytes_member_size(name.len) + 2 + bytes_member_size(representation.len);
    if (value_size > INT32_MAX || size > INT32_MAX - value_size) {
        builder->failed = true;
        return NULL;
    }
    size += value_size;
    uint8_t *at = msg_builder_take(builder, bytes_member_size(size));
    if (at == NULL)
        return NULL;
    *at++ = TAG_FIELDS;
    at = wire_put_varint(at, size);
    *at++ = TAG_NAME;
    at = wire_put_bytes(at, name.ptr, name.len);
    *at++ = TAG_VALUE_TYPE;
    *at++ = (uint8_t)type;
    *at++ = TAG_REPRESENTATION;
    return wire_put_bytes(at, representation.ptr, representation.len);
}

/* Heka writes its numeric arrays packed, also when they hold one value. */
static size_t size_of_value(const struct msg_value *value)
{
    switch (value->type) {
    case MSG_INTEGER:
        return wire_varint_size((uint64_t)value->integer);
    case MSG_DOUBLE:
        return sizeof(value->number);
    case MSG_BOOL:
        return 1;
    default:
        return value->slice.len;
    }
}

void msg_builder_field(struct msg_builder *builder, struct msg_slice name,
                       const struct msg_value *value, struct msg_slice representation)
{
    size_t size = size_of_value(value);
    uint8_t *at = msg_builder_field_begin(builder, name, value->type, representation,
                                          bytes_member_size(size));
    if (at == NULL)
        return;
    *at++ = (uint8_t)WIRE_TAG(FIELD_NUMBER(value->type), WIRE_BYTES);
    if (value->type == MSG_DOUBLE) {
        wire_put_bytes(at, &value->number, sizeof(value->number));
    } else if (value->type == MSG_INTEGER || value->type == MSG_BOOL) {
        at = wire_put_varint(at, size);
        wire_put_varint(at, value->type == MSG_BOOL ? value->boolean : (uint64_t)value->integer);
    } else {
        wire_put_bytes(at, value->slice.ptr, value->slice.len);
    }
}

/* A text that is too long for a slice fails. */
static void put_field(struct msg_builder *builder, const char *name, const struct msg_value *value,
                      const char *representation)
{
    size_t name_len = strlen(name);
    size_t representation_len = representation != NULL ? strlen(representation) : 0;
    if (name_len > INT32_MAX || representation_len > INT32_MAX)
        builder->failed = true;
    else
        msg_builder_field(builder, (struct msg_slice){name, (uint32_t)name_len}, value,
                          (struct msg_slice){representation, (uint32_t)representation_len});
}

static void put_bytes_field(struct msg_builder *builder, const char *name, enum msg_value_type type,
                            const void *bytes, size_t size, const char *representation)
{
    struct msg_value value = {.type = type, .slice = {bytes, (uint32_t)size}};
    if (size > INT32_MAX)
        builder->failed = true;
    else
        put_field(builder, name, &value, representation);
}

void msg_builder_field_string(struct msg_builder *builder, const char *name, const char *value,
                              size_t value_len, const char *representation)
{
    put_bytes_field(builder, name, MSG_STRING, value, value_len, representation);
}

void msg_builder_field_bytes(struct msg_builder *builder, const char *name, const void *value,
                             size_t value_size, const char *representation)
{
    put_bytes_field(builder, name, MSG_BYTES, value, value_size, representation);
}

void msg_builder_field_integer(struct msg_builder *builder, const char *name, int64_t value,
                               const char *representation)
{
    struct msg_value integer = {.type = MSG_INTEGER, .integer = value};
    put_field(builder, name, &integer, representation);
}

void msg_builder_field_double(struct msg_builder *builder, const char *name, double value,
                              const char *representation)
{
    struct msg_value number = {.type = MSG_DOUBLE, .number = value};
    put_field(builder, name, &number, representation);
}

void msg_builder_field_bool(struct msg_builder *builder, const char *name, bool value,
                            const char *representation)
{
    struct msg_value boolean = {.type = MSG_BOOL, .boolean = value};
    put_field(builder, name, &boolean, representation);
}

void msg_builder_raw(struct msg_builder *builder, const void *members, size_t size)
{
    uint8_t *at = msg_builder_take(builder, size);
    if (at != NULL && size > 0)
        memcpy(at, members, size);
}

int64_t msg_builder_finish(const struct msg_builder *builder)
{
    return builder->failed ? -ENOSPC : (int64_t)builder->size;
}
