/* SPDX-License-Identifier: MPL-2.0
 *
 * payload_encoder.c - the payload as text, with a time in front and a newline behind if wanted.
 *
 * Source: Heka 0.11 PayloadEncoder. The time is in the local zone; one blank follows it.
 */
#include "codec/payload_encoder.h"

#include <string.h>

#include "codec/encoder.h"
#include "codec/strftime.h"
#include "codec/text.h"
#include "core/clock.h"

static const struct schema_key keys[] = {
    {.key = "append_newlines",
     .type = SCHEMA_BOOL,
     .offset = offsetof(struct payload_encoder_config, append_newlines),
     .def = "true",
     .help = "Adds a newline behind each payload, also when it ends with one."},
    {.key = "prefix_ts",
     .type = SCHEMA_BOOL,
     .offset = offsetof(struct payload_encoder_config, prefix_ts),
     .def = "false",
     .help = "Puts a time in front of each payload."},
    {.key = "ts_from_message",
     .type = SCHEMA_BOOL,
     .offset = offsetof(struct payload_encoder_config, ts_from_message),
     .def = "true",
     .help = "Takes that time from the message; false: the time of encoding."},
    {.key = "ts_format",
     .type = SCHEMA_STRING,
     .offset = offsetof(struct payload_encoder_config, ts_format),
     .def = "[%Y/%b/%d:%H:%M:%S %z]",
     .help =
         "Format of that time, strftime codes, local zone; a blank is added unless it ends with "
         "one."},
    {.key = NULL},
};

static const struct schema schema = {.name = "PayloadEncoder", .keys = keys};

static int put_time(const struct payload_encoder_config *config, const struct msg_view *message,
                    struct buffer *out)
{
    int64_t time_ns = config->ts_from_message ? message->timestamp_ns : (int64_t)clock_wall_ns();
    int rc = strftime_append(out, config->ts_format, time_ns, STRFTIME_LOCAL);
    size_t len = strlen(config->ts_format);
    if (rc == 0 && (len == 0 || config->ts_format[len - 1] != ' '))
        rc = buffer_append(out, " ", 1);
    return rc;
}

static int encode(void *state, const void *config, const struct msg_view *message,
                  struct buffer *out)
{
    (void)state;
    const struct payload_encoder_config *options = config;
    struct text text = text_start(out);
    if (options->prefix_ts)
        text.rc = put_time(options, message, out);
    text_slice(&text, message->payload);
    if (options->append_newlines)
        text_string(&text, "\n");
    return text_finish(&text);
}

const struct encoder_ops payload_encoder = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "PayloadEncoder",
               .schema = &schema,
               .config_size = sizeof(struct payload_encoder_config)},
    .encode = encode,
};
