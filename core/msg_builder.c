/* SPDX-License-Identifier: MPL-2.0 */
#include "core/message.h"

#include <errno.h>

#include "core/wire.h"

void msg_builder_init(struct msg_builder *builder, void *buffer, size_t capacity)
{
    *builder = (struct msg_builder){.bytes = buffer, .capacity = capacity};
}

/* Room for `size` more bytes, or NULL and the builder has failed. */
static uint8_t *builder_take(struct msg_builder *builder, size_t size)
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
    uint8_t *at = builder_take(builder, 1 + wire_varint_size(value));
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
    uint8_t *at = builder_take(builder, bytes_member_size(size));
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

/* What is in front of a field's value. */
static uint8_t *put_field_start(struct msg_builder *builder, const char *name,
                                enum msg_value_type type, const char *representation,
                                size_t value_size)
{
    size_t name_len = strlen(name);
    size_t representation_len = representation != NULL ? strlen(representation) : 0;
    size_t size = bytes_member_size(name_len) + 2 + bytes_member_size(representation_len);
    if (value_size > INT32_MAX || size > INT32_MAX - value_size) {
        builder->failed = true;
        return NULL;
    }
    size += value_size;
    uint8_t *at = builder_take(builder, bytes_member_size(size));
    if (at == NULL)
        return NULL;
    *at++ = (uint8_t)WIRE_TAG(10, WIRE_BYTES);
    at = wire_put_varint(at, size);
    *at++ = (uint8_t)WIRE_TAG(1, WIRE_BYTES);
    at = wire_put_bytes(at, name, name_len);
    *at++ = (uint8_t)WIRE_TAG(2, WIRE_VARINT);
    *at++ = (uint8_t)type;
    *at++ = (uint8_t)WIRE_TAG(3, WIRE_BYTES);
    return wire_put_bytes(at, representation, representation_len);
}

static void put_bytes_field(struct msg_builder *builder, const char *name, struct msg_slice value,
                            enum msg_value_type type, const char *representation)
{
    uint8_t *at =
        put_field_start(builder, name, type, representation, bytes_member_size(value.len));
    if (at == NULL)
        return;
    *at++ = (uint8_t)WIRE_TAG(type == MSG_STRING ? 4 : 5, WIRE_BYTES);
    wire_put_bytes(at, value.ptr, value.len);
}

void msg_builder_field_string(struct msg_builder *builder, const char *name, const char *value,
                              size_t value_len, const char *representation)
{
    if (value_len > INT32_MAX)
        builder->failed = true;
    else
        put_bytes_field(builder, name, (struct msg_slice){value, (uint32_t)value_len}, MSG_STRING,
                        representation);
}

void msg_builder_field_bytes(struct msg_builder *builder, const char *name, const void *value,
                             size_t value_size, const char *representation)
{
    if (value_size > INT32_MAX)
        builder->failed = true;
    else
        put_bytes_field(builder, name, (struct msg_slice){value, (uint32_t)value_size}, MSG_BYTES,
                        representation);
}

/* Heka writes its numeric arrays packed, also when they hold one value. */
void msg_builder_field_integer(struct msg_builder *builder, const char *name, int64_t value,
                               const char *representation)
{
    size_t value_size = wire_varint_size((uint64_t)value);
    uint8_t *at =
        put_field_start(builder, name, MSG_INTEGER, representation, bytes_member_size(value_size));
    if (at == NULL)
        return;
    *at++ = (uint8_t)WIRE_TAG(6, WIRE_BYTES);
    at = wire_put_varint(at, value_size);
    wire_put_varint(at, (uint64_t)value);
}

void msg_builder_field_double(struct msg_builder *builder, const char *name, double value,
                              const char *representation)
{
    uint8_t *at = put_field_start(builder, name, MSG_DOUBLE, representation, bytes_member_size(8));
    if (at == NULL)
        return;
    *at++ = (uint8_t)WIRE_TAG(7, WIRE_BYTES);
    wire_put_bytes(at, &value, sizeof(value));
}

void msg_builder_field_bool(struct msg_builder *builder, const char *name, bool value,
                            const char *representation)
{
    uint8_t *at = put_field_start(builder, name, MSG_BOOL, representation, bytes_member_size(1));
    if (at == NULL)
        return;
    *at++ = (uint8_t)WIRE_TAG(8, WIRE_BYTES);
    *at++ = 1;
    *at++ = value;
}

void msg_builder_raw(struct msg_builder *builder, const void *members, size_t size)
{
    uint8_t *at = builder_take(builder, size);
    if (at != NULL && size > 0)
        memcpy(at, members, size);
}

int64_t msg_builder_finish(const struct msg_builder *builder)
{
    return builder->failed ? -ENOSPC : (int64_t)builder->size;
}
