/* SPDX-License-Identifier: MPL-2.0
 *
 * syslog_decoder.c - syslog messages of RFC 3164 and RFC 5424, and of those who follow neither.
 *
 * Source: names of fields and the options tz and hostname_keep are those of Heka's Lua decoder
 *         rsyslog. docs/formats/decoders.md says what becomes of each part.
 */
#include "codec/syslog_decoder.h"

#include "codec/decoder.h"
#include "codec/message_revise.h"
#include "codec/message_template.h"
#include "codec/syslog_data.h"
#include "codec/syslog_parse.h"

struct syslog_state {
    struct time_zone *zone;
};

#define AT(member) offsetof(struct syslog_decoder_config, member)
static const struct schema_key keys[] = {
    {.key = "tz",
     .type = SCHEMA_STRING,
     .offset = AT(tz),
     .def = "",
     .help = "Zone of timestamps that do not name one (\"America/Los_Angeles\", \"Local\"); empty: "
             "UTC."},
    {.key = "message_type",
     .type = SCHEMA_STRING,
     .offset = AT(message_type),
     .def = "",
     .help = "Type of the messages; empty: what it was."},
    {.key = "hostname_keep",
     .type = SCHEMA_BOOL,
     .offset = AT(hostname_keep),
     .def = "false",
     .help = "Whether Hostname stays what the input said, and the sender's becomes the field "
             "hostname."},
    {.key = "rawmsg_keep",
     .type = SCHEMA_BOOL,
     .offset = AT(rawmsg_keep),
     .def = "false",
     .help = "Whether the field rawmsg has what was decoded, as it was."},
    {.key = "log_errors",
     .type = SCHEMA_BOOL,
     .offset = AT(log_errors),
     .def = "true",
     .help = "Whether a payload that has neither a priority nor a timestamp is an error."},
    {.key = NULL},
};

static const struct schema schema = {.name = "SyslogDecoder", .keys = keys};

static int init(void *state, const void *config, const struct decoder_host *host, struct err *err)
{
    (void)host;
    const struct syslog_decoder_config *options = config;
    struct syslog_state *syslog = state;
    struct err reason = {0};
    if (time_zone_load(options->tz, &syslog->zone, &reason) == 0)
        return 0;
    return err_add(err, "SyslogDecoder: unknown tz %s", reason.texts[0]);
}

static void fini(void *state)
{
    struct syslog_state *syslog = state;
    time_zone_free(syslog->zone);
    syslog->zone = NULL;
}

/* ---- decoding ---- */

static void put_text(struct msg_builder *builder, const char *name, struct msg_slice text)
{
    if (text.len > 0)
        msg_builder_field_string(builder, name, text.ptr, text.len, NULL);
}

/* Members that the parts say. */
static void set_members(const struct syslog_decoder_config *options,
                        const struct syslog_parts *parts, struct msg_slice line,
                        struct decode_io *io, struct message_members *members)
{
    members->type = message_member_text(options->message_type, members->type);
    members->payload = parts->message;
    if (parts->time.state == SYSLOG_TIME_KNOWN)
        members->timestamp_ns = parts->time.ns;
    else if (parts->time.state == SYSLOG_TIME_BROKEN)
        decode_io_note(io, DECODE_NOTE_TIMESTAMP, "Timestamp", parts->time.text);
    if (parts->priority > SYSLOG_PRIORITY_MAX) {
        decode_io_note(io, DECODE_NOTE_SEVERITY, "priority", line);
    } else if (parts->priority != SYSLOG_NO_PRIORITY) {
        members->severity = parts->priority % 8;
        members->has_severity = true;
    }
    if (parts->hostname.len > 0 && !options->hostname_keep)
        members->hostname = parts->hostname;
}

/* A process ID that is no number becomes a field. */
static bool set_pid(const struct syslog_parts *parts, struct message_members *members)
{
    int32_t pid;
    if (!message_template_number(parts->procid.ptr, parts->procid.len, &pid))
        return false;
    members->pid = pid;
    members->has_pid = true;
    return true;
}

static void write_fields(const struct syslog_decoder_config *options,
                         const struct syslog_parts *parts, struct msg_slice line,
                         struct msg_builder *builder)
{
    if (parts->priority != SYSLOG_NO_PRIORITY && parts->priority <= SYSLOG_PRIORITY_MAX)
        msg_builder_field_integer(builder, "syslogfacility", parts->priority / 8, NULL);
    put_text(builder, "programname", parts->programname);
    put_text(builder, "msgid", parts->msgid);
    put_text(builder, "sequence", parts->sequence);
    if (options->hostname_keep)
        put_text(builder, "hostname", parts->hostname);
    if (options->rawmsg_keep)
        put_text(builder, "rawmsg", line);
    syslog_data_write(parts->data, builder);
}

static int fail(struct decode_io *io, int code, const char *text, struct msg_slice line)
{
    if (io->reason != NULL && code != DECODE_E_IGNORED) {
        (void)buffer_append_text(io->reason, text);
        (void)buffer_append(io->reason, line.ptr, line.len);
    }
    return code;
}

static int write_message(const struct syslog_decoder_config *options,
                         const struct syslog_parts *parts, const struct msg_view *message,
                         struct decode_io *io)
{
    struct message_members members = message_members_of(message);
    struct msg_builder builder;
    size_t capacity = 0;
    uint8_t *room = io->begin(io->context, &capacity);
    if (room == NULL)
        return fail(io, DECODE_E_ROOM, "no room for the decoded message", (struct msg_slice){0});
    set_members(options, parts, message->payload, io, &members);
    bool is_pid = set_pid(parts, &members);
    msg_builder_init(&builder, room, capacity);
    message_members_write(&members, &builder);
    message_fields_copy(message, &builder);
    if (!is_pid)
        put_text(&builder, "procid", parts->procid);
    write_fields(options, parts, message->payload, &builder);
    if (msg_builder_finish(&builder) < 0)
        return fail(io, DECODE_E_ROOM, "the decoded message is too large", (struct msg_slice){0});
    io->commit(io->context, builder.size);
    return 0;
}

static int decode(void *state, const void *config, const struct msg_view *message,
                  struct decode_io *io)
{
    const struct syslog_decoder_config *options = config;
    const struct syslog_state *syslog = state;
    const struct syslog_clock clock = {syslog->zone, io->now_ns};
    struct syslog_parts parts;
    if (!syslog_parse(message->payload, &clock, &parts))
        return fail(io, options->log_errors ? DECODE_E_NO_MATCH : DECODE_E_IGNORED,
                    "neither a priority nor a timestamp: ", message->payload);
    if (parts.has_structure_fault)
        decode_io_note(io, DECODE_NOTE_STRUCTURE, "structured data", parts.message);
    return write_message(options, &parts, message, io);
}

const struct decoder_ops syslog_decoder = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "SyslogDecoder",
               .schema = &schema,
               .config_size = sizeof(struct syslog_decoder_config),
               .state_size = sizeof(struct syslog_state)},
    .init = init,
    .decode = decode,
    .fini = fini,
};
