/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/message_revise.h"

#include <string.h>

#include "core/wire.h"

struct message_members message_members_of(const struct msg_view *message)
{
    return (struct message_members){
        .uuid = message->uuid,
        .timestamp_ns = message->timestamp_ns,
        .type = message->type,
        .logger = message->logger,
        .payload = message->payload,
        .env_version = message->env_version,
        .hostname = message->hostname,
        .severity = message->severity,
        .pid = message->pid,
        .has_severity = (message->present & MSG_HAS_SEVERITY) != 0,
        .has_pid = (message->present & MSG_HAS_PID) != 0,
    };
}

struct msg_slice message_member_text(const char *text, struct msg_slice old)
{
    return *text != '\0' ? (struct msg_slice){text, (uint32_t)strlen(text)} : old;
}

void message_members_write(const struct message_members *members, struct msg_builder *builder)
{
    msg_builder_uuid(builder, members->uuid);
    msg_builder_timestamp(builder, members->timestamp_ns);
    if (members->type.ptr != NULL)
        msg_builder_type(builder, members->type.ptr, members->type.len);
    if (members->logger.ptr != NULL)
        msg_builder_logger(builder, members->logger.ptr, members->logger.len);
    if (members->has_severity)
        msg_builder_severity(builder, members->severity);
    if (members->payload.ptr != NULL)
        msg_builder_payload(builder, members->payload.ptr, members->payload.len);
    if (members->env_version.ptr != NULL)
        msg_builder_env_version(builder, members->env_version.ptr, members->env_version.len);
    if (members->has_pid)
        msg_builder_pid(builder, members->pid);
    if (members->hostname.ptr != NULL)
        msg_builder_hostname(builder, members->hostname.ptr, members->hostname.len);
}

void message_fields_copy(const struct msg_view *message, struct msg_builder *builder)
{
    struct msg_field field;
    for (bool more = msg_field_first(message, &field); more;
         more = msg_field_next(message, &field)) {
        uint8_t *at = msg_builder_take(builder, 1 + wire_varint_size(field.size) + field.size);
        if (at == NULL)
            return;
        *at++ = (uint8_t)WIRE_TAG(10, WIRE_BYTES);
        wire_put_bytes(at, field.bytes, field.size);
    }
}
