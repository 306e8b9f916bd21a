/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/message_json.h"

#include <inttypes.h>
#include <math.h>

#include "codec/text.h"

static void put_string(struct text *text, const char *key, struct msg_slice string)
{
    if (string.ptr == NULL)
        return;
    text_printf(text, ",\"%s\":", key);
    text_json_string(text, string);
}

static void put_value(struct text *text, const struct msg_value *value)
{
    if (value->type == MSG_STRING) {
        text_json_string(text, value->slice);
    } else if (value->type == MSG_BYTES) {
        text_string(text, "\"");
        text_base64(text, value->slice);
        text_string(text, "\"");
    } else if (value->type == MSG_DOUBLE && !isfinite(value->number)) {
        text_string(text, "null");
    } else {
        text_number(text, value);
    }
}

static void put_field(struct text *text, const struct msg_field *field)
{
    text_string(text, "{\"name\":");
    text_json_string(text, field->name);
    text_printf(text, ",\"type\":\"%s\"", msg_value_type_name(field->value_type));
    put_string(text, "representation", field->representation);
    text_string(text, ",\"values\":[");
    text_values(text, field, put_value);
    text_string(text, "]}");
}

static void put_fields(struct text *text, const struct msg_view *message)
{
    struct msg_field field;
    const char *before = ",\"Fields\":[";
    for (bool more = msg_field_first(message, &field); more;
         more = msg_field_next(message, &field)) {
        text_string(text, before);
        put_field(text, &field);
        before = ",";
    }
    if (message->field_count > 0)
        text_string(text, "]");
}

int message_json(const struct msg_view *message, struct buffer *out)
{
    struct text text = text_start(out);
    char uuid[MSG_UUID_TEXT_LEN];
    msg_uuid_text(message->uuid, uuid);
    text_printf(&text, "{\"Uuid\":\"%.*s\",\"Timestamp\":%" PRId64, MSG_UUID_TEXT_LEN, uuid,
                message->timestamp_ns);
    put_string(&text, "Type", message->type);
    put_string(&text, "Logger", message->logger);
    if (message->present & MSG_HAS_SEVERITY)
        text_printf(&text, ",\"Severity\":%" PRId32, message->severity);
    put_string(&text, "Payload", message->payload);
    put_string(&text, "EnvVersion", message->env_version);
    if (message->present & MSG_HAS_PID)
        text_printf(&text, ",\"Pid\":%" PRId32, message->pid);
    put_string(&text, "Hostname", message->hostname);
    put_fields(&text, message);
    text_string(&text, "}");
    return text_finish(&text);
}
