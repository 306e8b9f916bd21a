/* SPDX-License-Identifier: MPL-2.0
 *
 * rst_encoder.c - the whole message for human eyes, as reStructuredText.
 *
 * Source: Heka 0.11 RstEncoder; the text is described in docs/formats/message.md.
 */
#include <inttypes.h>

#include "codec/encoder.h"
#include "codec/strftime.h"
#include "codec/text.h"

static const struct schema_key keys[] = {{.key = NULL}};

static const struct schema schema = {.name = "RstEncoder", .keys = keys};

/* As Go prints a time in UTC: the fraction without its last zeros, none at all when it is 0. */
static void put_timestamp(struct text *text, int64_t timestamp_ns)
{
    text_string(text, ":Timestamp: ");
    if (text->rc == 0)
        text->rc = strftime_append(text->out, "%Y-%m-%d %H:%M:%S", timestamp_ns, STRFTIME_UTC);
    int64_t fraction = timestamp_ns % 1000000000;
    fraction += fraction < 0 ? 1000000000 : 0;
    int digits = 9;
    while (fraction > 0 && fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    if (fraction > 0)
        text_printf(text, ".%0*" PRId64, digits, fraction);
    text_string(text, " +0000 UTC\n");
}

static void put_line(struct text *text, const char *name, struct msg_slice value)
{
    text_printf(text, ":%s: ", name);
    text_slice(text, value);
    text_string(text, "\n");
}

static void put_quoted(struct text *text, struct msg_slice value)
{
    text_string(text, "\"");
    text_slice(text, value);
    text_string(text, "\"");
}

static void put_value(struct text *text, const struct msg_value *value)
{
    if (value->type == MSG_STRING)
        put_quoted(text, value->slice);
    else if (value->type == MSG_BYTES)
        text_base64(text, value->slice);
    else
        text_number(text, value);
}

static void put_field(struct text *text, const struct msg_field *field)
{
    bool one = field->value_count == 1;
    text_string(text, "    | name:");
    put_quoted(text, field->name);
    text_printf(text, " type:%s value:%s", msg_value_type_name(field->value_type), one ? "" : "[");
    text_values(text, field, put_value);
    text_string(text, one ? "" : "]");
    if (field->representation.len > 0) {
        text_string(text, " representation:");
        put_quoted(text, field->representation);
    }
    text_string(text, "\n");
}

static void put_fields(struct text *text, const struct msg_view *message)
{
    struct msg_field field;
    if (message->field_count > 0)
        text_string(text, ":Fields:\n");
    for (bool more = msg_field_first(message, &field); more; more = msg_field_next(message, &field))
        put_field(text, &field);
}

static int encode(void *state, const void *config, const struct msg_view *message,
                  struct buffer *out)
{
    (void)state;
    (void)config;
    struct text text = text_start(out);
    char uuid[MSG_UUID_TEXT_LEN];
    msg_uuid_text(message->uuid, uuid);
    text_string(&text, "\n");
    put_timestamp(&text, message->timestamp_ns);
    put_line(&text, "Type", message->type);
    put_line(&text, "Hostname", message->hostname);
    text_printf(&text, ":Pid: %" PRId32 "\n", message->pid);
    put_line(&text, "Uuid", (struct msg_slice){uuid, sizeof(uuid)});
    put_line(&text, "Logger", message->logger);
    put_line(&text, "Payload", message->payload);
    put_line(&text, "EnvVersion", message->env_version);
    text_printf(&text, ":Severity: %" PRId32 "\n", message->severity);
    put_fields(&text, message);
    text_string(&text, "\n");
    return text_finish(&text);
}

const struct encoder_ops rst_encoder = {
    .plugin = {.abi = PLUGIN_ABI, .name = "RstEncoder", .schema = &schema},
    .encode = encode,
};
