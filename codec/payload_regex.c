/* SPDX-License-Identifier: MPL-2.0
 *
 * payload_regex.c - what an expression cuts out of the payload becomes timestamp, severity and
 * fields.
 *
 * Source: Heka 0.11 PayloadRegexDecoder. The groups Timestamp and Severity set those members;
 *         Severity
 * is then no name for message_fields. Heka stored a timestamp of the year 1 when it did not
 * understand the text; here the message keeps its own.
 */
#include "codec/payload_regex.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/decoder.h"
#include "codec/message_template.h"
#include "codec/severity_map.h"
#include "codec/time_parser.h"

enum { KNOWN_TIME_MAX = 64 };

struct known_time { /* the last timestamp: lines of a log often have the same */
    char text[KNOWN_TIME_MAX];
    uint32_t len; /* 0: none */
    int64_t time_ns;
};

struct payload_regex_state {
    struct capture_source source;
    struct message_template *template;
    struct time_parser *times;
    struct severity_map severities;
    int64_t timestamp_index, severity_index; /* of the groups, -1: none */
    struct known_time known;
};

#define AT(member) offsetof(struct payload_regex_config, member)
static const struct schema_key keys[] = {
    {.key = "match_regex",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .offset = AT(match_regex),
     .help = "Expression (RE2) that a payload has to match; its groups are what message_fields can "
             "name."},
    {.key = "severity_map",
     .type = SCHEMA_NODE,
     .offset = AT(severity_map),
     .unit = "a table of integers",
     .help = "Severity for each text of the group Severity; other texts have to be numbers."},
    {.key = "message_fields",
     .type = SCHEMA_NODE,
     .offset = AT(message_fields),
     .unit = "a table of texts",
     .help = "Members of the message, or fields as \"name\" or \"name|representation\", and their "
             "texts, in which %Name% stands for what the group of that name matched."},
    {.key = "timestamp_layout",
     .type = SCHEMA_STRING,
     .offset = AT(timestamp_layout),
     .def = "",
     .help =
         "How the group Timestamp is written: \"02/Jan/2006:15:04:05 -0700\" and the like (Go), "
         "Epoch, EpochMilli, EpochMicro or EpochNano. Common layouts are known."},
    {.key = "timestamp_location",
     .type = SCHEMA_STRING,
     .offset = AT(timestamp_location),
     .def = "",
     .help = "Zone of timestamps that do not name one (\"America/Los_Angeles\", \"Local\"); empty: "
             "UTC."},
    {.key = "log_errors",
     .type = SCHEMA_BOOL,
     .offset = AT(log_errors),
     .def = "true",
     .help = "Whether a payload that does not match is an error."},
    {.key = NULL},
};

static const struct schema schema = {.name = "PayloadRegexDecoder", .keys = keys};

/* ---- starting ---- */

static int64_t index_of(const struct capture_names *names, const char *name)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0)
            return i;
    }
    return -1;
}

static int compile(struct payload_regex_state *regex, const struct payload_regex_config *options,
                   const struct decoder_host *host, struct err *err)
{
    struct err reason = {0};
    if (host->compile == NULL)
        return err_add(err, "PayloadRegexDecoder: no expressions here");
    if (host->compile(host->context, options->match_regex, &regex->source, &reason) != 0)
        return err_add(err, "PayloadRegexDecoder: match_regex: %s", reason.texts[0]);
    if (regex->source.names.count == 0)
        return err_add(err, "PayloadRegexDecoder regex must contain capture groups");
    regex->timestamp_index = index_of(&regex->source.names, "Timestamp");
    regex->severity_index = index_of(&regex->source.names, "Severity");
    return 0;
}

static int init(void *state, const void *config, const struct decoder_host *host, struct err *err)
{
    const struct payload_regex_config *options = config;
    struct payload_regex_state *regex = state;
    int rc = compile(regex, options, host, err);
    rc |=
        time_parser_new(options->timestamp_layout, options->timestamp_location, &regex->times, err);
    rc |= severity_map_init(&regex->severities, options->severity_map, err);
    rc |=
        message_template_new(options->message_fields, &regex->source.names,
                             regex->severity_index >= 0 ? "Severity" : NULL, &regex->template, err);
    return rc;
}

static void fini(void *state)
{
    struct payload_regex_state *regex = state;
    message_template_free(regex->template);
    time_parser_free(regex->times);
    severity_map_fini(&regex->severities);
    *regex = (struct payload_regex_state){0};
}

/* ---- decoding ---- */

/* A time that was completed with today's date is not kept: tomorrow it means another one. */
static int parse_time(struct payload_regex_state *regex, struct msg_slice text, int64_t now_ns,
                      int64_t *time_ns)
{
    struct known_time *known = &regex->known;
    if (text.len == known->len && memcmp(text.ptr, known->text, known->len) == 0) {
        *time_ns = known->time_ns;
        return 0;
    }
    int rc = time_parser_parse(regex->times, text.ptr, text.len, now_ns, time_ns);
    if (rc == 0 && text.len <= KNOWN_TIME_MAX) {
        memcpy(known->text, text.ptr, text.len);
        known->len = text.len;
        known->time_ns = *time_ns;
    }
    return rc;
}

static void read_timestamp(struct payload_regex_state *regex, const struct msg_slice *values,
                           struct decode_io *io, struct message_changes *changes)
{
    if (regex->timestamp_index < 0)
        return;
    struct msg_slice text = values[regex->timestamp_index];
    if (text.len == 0 || parse_time(regex, text, io->now_ns, &changes->timestamp_ns) < 0)
        decode_io_note(io, DECODE_NOTE_TIMESTAMP, "Timestamp", text);
}

static void read_severity(const struct payload_regex_state *regex, const struct msg_slice *values,
                          struct decode_io *io, struct message_changes *changes)
{
    if (regex->severity_index < 0)
        return;
    struct msg_slice text = values[regex->severity_index];
    changes->has_severity = severity_map_find(&regex->severities, text, &changes->severity);
    if (!changes->has_severity)
        decode_io_note(io, DECODE_NOTE_SEVERITY, "severity", text);
}

static int fail_match(const struct payload_regex_config *options, int rc,
                      const struct msg_view *message, struct decode_io *io)
{
    int code = rc < 0 ? DECODE_E_LIMIT : options->log_errors ? DECODE_E_NO_MATCH : DECODE_E_IGNORED;
    if (io->reason == NULL || code == DECODE_E_IGNORED)
        return code;
    (void)buffer_append_text(io->reason,
                             rc < 0 ? "The expression takes too long on: " : "No match: ");
    (void)buffer_append(io->reason, message->payload.ptr, message->payload.len);
    return code;
}

static int decode(void *state, const void *config, const struct msg_view *message,
                  struct decode_io *io)
{
    const struct payload_regex_config *options = config;
    struct payload_regex_state *regex = state;
    const struct msg_slice *values = NULL;
    struct message_changes changes = {.timestamp_ns = message->timestamp_ns};
    struct msg_builder builder;
    size_t capacity = 0;
    int rc = regex->source.match(regex->source.context, message->payload, &values);
    if (rc != 1)
        return fail_match(options, rc, message, io);
    uint8_t *room = io->begin(io->context, &capacity);
    if (room == NULL)
        return DECODE_E_ROOM;
    read_timestamp(regex, values, io, &changes);
    read_severity(regex, values, io, &changes);
    msg_builder_init(&builder, room, capacity);
    rc = message_template_write(regex->template, message, values, &changes, &builder, io->reason);
    if (rc == 0)
        io->commit(io->context, builder.size);
    return rc;
}

static const struct capture_source *captures(const void *state)
{
    const struct payload_regex_state *regex = state;
    return &regex->source;
}

const struct decoder_ops payload_regex_decoder = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "PayloadRegexDecoder",
               .schema = &schema,
               .config_size = sizeof(struct payload_regex_config),
               .state_size = sizeof(struct payload_regex_state)},
    .init = init,
    .decode = decode,
    .captures = captures,
    .fini = fini,
};
