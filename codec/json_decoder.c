/* SPDX-License-Identifier: MPL-2.0
 *
 * json_decoder.c - JSON objects, one in each payload, as messages.
 *
 * MetlogDecoder is the same with the keys that metlog's clients use, and no options.
 *
 * Source: options payload_keep, maximum_depth and separator are those of Heka's Lua decoder json;
 *         its names of keys are the table message_members. docs/formats/decoders.md says what
 *         becomes of each value.
 */
#include "codec/json_decoder.h"

#include <string.h>

#include "codec/decoder.h"
#include "codec/json_fields.h"
#include "codec/message_revise.h"
#include "codec/message_template.h"
#include "codec/severity_map.h"
#include "codec/time_parser.h"
#include "core/check.h"
#include "core/wire.h"

enum {
    SHORT_TEXT_MAX = 128, /* of a value that is not copied as it is */
    LEAD_MAX = 6,         /* bytes in front of a text */
    NUMBERS_MAX = 64      /* bytes of all members that are no texts */
};

struct json_state {
    struct severity_map severities;
    struct time_parser *times;
    uint32_t key_lens[JSON_MEMBERS];
};

#define AT(member)  offsetof(struct json_decoder_config, member)
#define KEY(member) (offsetof(struct json_member_keys, keys) + (member) * sizeof(const char *))
#define MEMBER_KEY(name, member, what)                                                             \
    {                                                                                              \
        .key = (name), .type = SCHEMA_STRING, .flags = SCHEMA_EXACT, .offset = KEY(member),        \
        .def = "", .help = "Key whose value becomes " what                                         \
    }
static const struct schema_key member_keys[] = {
    MEMBER_KEY("Type", JSON_TYPE, "Type."),
    MEMBER_KEY("Logger", JSON_LOGGER, "Logger."),
    MEMBER_KEY("Payload", JSON_PAYLOAD, "Payload."),
    MEMBER_KEY("EnvVersion", JSON_ENV_VERSION, "EnvVersion."),
    MEMBER_KEY("Hostname", JSON_HOSTNAME, "Hostname."),
    MEMBER_KEY("Uuid", JSON_UUID, "Uuid: the text of one."),
    MEMBER_KEY("Timestamp", JSON_TIMESTAMP, "Timestamp, as timestamp_layout says."),
    MEMBER_KEY("Severity", JSON_SEVERITY, "Severity: a number, or a text of severity_map."),
    MEMBER_KEY("Pid", JSON_PID, "Pid: a number of 32 bits."),
    {.key = NULL},
};
static const struct schema member_schema = {.name = "message_members", .keys = member_keys};

static const char *const duplicate_choices[] = {"refuse", "keep", NULL};
static const struct schema_key keys[] = {
    {.key = "message_type",
     .type = SCHEMA_STRING,
     .offset = AT(message_type),
     .def = "",
     .help = "Type of the messages, unless message_members gives one; empty: what it was."},
    {.key = "message_members",
     .type = SCHEMA_TABLE,
     .offset = AT(members),
     .sub = &member_schema,
     .help = "Keys, with those of the objects around them (\"log.level\"), whose values become "
             "members of the message instead of fields."},
    {.key = "severity_map",
     .type = SCHEMA_NODE,
     .offset = AT(severity_map),
     .unit = "a table of integers",
     .help = "Severity for each text of the member Severity; other texts have to be numbers."},
    {.key = "timestamp_layout",
     .type = SCHEMA_STRING,
     .offset = AT(timestamp_layout),
     .def = "",
     .help = "How the member Timestamp is written: \"2006-01-02 15:04:05\" and the like (Go), "
             "Epoch, EpochMilli, EpochMicro or EpochNano. Common layouts are known."},
    {.key = "timestamp_location",
     .type = SCHEMA_STRING,
     .offset = AT(timestamp_location),
     .def = "",
     .help = "Zone of timestamps that do not name one (\"America/Los_Angeles\", \"Local\"); empty: "
             "UTC."},
    {.key = "separator",
     .type = SCHEMA_STRING,
     .offset = AT(separator),
     .def = ".",
     .help = "What stands between the keys of objects within each other in the name of a field."},
    {.key = "maximum_depth",
     .type = SCHEMA_INT,
     .offset = AT(maximum_depth),
     .min = 0,
     .max = JSON_DEPTH_MAX,
     .def = "0",
     .help = "Objects deeper than this become fields with their text as JSON; 0: none does."},
    {.key = "duplicate_keys",
     .type = SCHEMA_CHOICE,
     .offset = AT(duplicate_keys),
     .choices = duplicate_choices,
     .def = "refuse",
     .help = "Whether an object that has a key twice is malformed, or has as many fields of that "
             "name."},
    {.key = "payload_keep",
     .type = SCHEMA_BOOL,
     .offset = AT(payload_keep),
     .def = "false",
     .help = "Whether the payload stays, unless message_members gives one."},
    {.key = "log_errors",
     .type = SCHEMA_BOOL,
     .offset = AT(log_errors),
     .def = "true",
     .help = "Whether a payload that begins no object is an error."},
    {.key = NULL},
};

static const struct schema schema = {.name = "JsonDecoder", .keys = keys};

static int init(void *state, const void *config, const struct decoder_host *host, struct err *err)
{
    (void)host;
    const struct json_decoder_config *options = config;
    struct json_state *json = state;
    for (unsigned i = 0; i < JSON_MEMBERS; i++)
        json->key_lens[i] = (uint32_t)strlen(options->members.keys[i]);
    int rc =
        time_parser_new(options->timestamp_layout, options->timestamp_location, &json->times, err);
    return rc | severity_map_init(&json->severities, options->severity_map, err);
}

static void fini(void *state)
{
    struct json_state *json = state;
    severity_map_fini(&json->severities);
    time_parser_free(json->times);
    *json = (struct json_state){0};
}

/* ---- members ---- */

struct json_message { /* under way */
    const struct json_decoder_config *options;
    const struct json_state *state;
    struct decode_io *io;
    struct message_members members;       /* those that are no texts */
    struct json_string texts[JSON_TEXTS]; /* ptr NULL: none */
    uint8_t uuid[MSG_UUID_SIZE];
    const char *fault;
};

/* What is written there, without quotation marks. */
static struct json_string string_of(const struct json_value *value)
{
    if (value->kind == JSON_IS_STRING)
        return value->string;
    return (struct json_string){value->text, value->text.len};
}

static struct json_string as_it_is(struct msg_slice text)
{
    return (struct json_string){text, text.len};
}

static int set_timestamp(struct json_message *message, struct msg_slice text)
{
    if (time_parser_parse(message->state->times, text.ptr, text.len, message->io->now_ns,
                          &message->members.timestamp_ns) >= 0)
        return 1;
    decode_io_note(message->io, DECODE_NOTE_TIMESTAMP, "Timestamp", text);
    return 0;
}

static int set_severity(struct json_message *message, struct msg_slice text)
{
    int32_t severity;
    if (!severity_map_find(&message->state->severities, text, &severity)) {
        decode_io_note(message->io, DECODE_NOTE_SEVERITY, "severity", text);
        return 0;
    }
    message->members.severity = severity;
    message->members.has_severity = true;
    return 1;
}

static int set_pid(struct json_message *message, struct msg_slice text)
{
    if (!message_template_number(text.ptr, text.len, &message->members.pid)) {
        message->fault = "Pid is not a number of 32 bits";
        return DECODE_E_PID;
    }
    message->members.has_pid = true;
    return 1;
}

static int set_uuid(struct json_message *message, struct msg_slice text)
{
    if (!msg_uuid_parse(text.ptr, text.len, message->uuid)) {
        message->fault = "Uuid is not the text of a UUID";
        return DECODE_E_UUID;
    }
    message->members.uuid = message->uuid;
    return 1;
}

/* A text that is too long to be a number or time is cut, and then is none. */
static int set_parsed(struct json_message *message, enum json_member member,
                      const struct json_string *string)
{
    char copy[SHORT_TEXT_MAX];
    struct msg_slice text = string->raw;
    if (string->len < text.len && text.len <= SHORT_TEXT_MAX) {
        json_string_write(string, copy);
        text = (struct msg_slice){copy, string->len};
    }
    switch (member) {
    case JSON_TIMESTAMP:
        return set_timestamp(message, text);
    case JSON_SEVERITY:
        return set_severity(message, text);
    case JSON_PID:
        return set_pid(message, text);
    default:
        return set_uuid(message, text);
    }
}

static int take_leaf(void *context, struct msg_slice path, const struct json_value *value)
{
    struct json_message *message = context;
    const struct json_state *state = message->state;
    struct json_string string = string_of(value);
    unsigned member = 0;
    while (member < JSON_MEMBERS &&
           (state->key_lens[member] != path.len || path.len == 0 ||
            memcmp(message->options->members.keys[member], path.ptr, path.len) != 0))
        member++;
    if (member == JSON_MEMBERS)
        return 0;
    if (member >= JSON_TEXTS)
        return set_parsed(message, (enum json_member)member, &string);
    message->texts[member] = string;
    return 1;
}

static void start(struct json_message *message, const struct msg_view *view)
{
    const struct json_decoder_config *options = message->options;
    message->members = message_members_of(view);
    message->texts[JSON_TYPE] = as_it_is(message_member_text(options->message_type, view->type));
    message->texts[JSON_LOGGER] = as_it_is(view->logger);
    message->texts[JSON_ENV_VERSION] = as_it_is(view->env_version);
    message->texts[JSON_HOSTNAME] = as_it_is(view->hostname);
    if (options->payload_keep)
        message->texts[JSON_PAYLOAD] = as_it_is(view->payload);
}

/* ---- writing ---- */

static void put_text(struct msg_builder *builder, uint32_t number, const struct json_string *text)
{
    if (text->raw.ptr == NULL)
        return;
    uint8_t *at = msg_builder_take(builder, 1 + wire_varint_size(text->len) + text->len);
    if (at == NULL)
        return;
    *at++ = (uint8_t)WIRE_TAG(number, WIRE_BYTES);
    at = wire_put_varint(at, text->len);
    if (text->len < text->raw.len)
        json_string_write(text, at);
    else if (text->len > 0)
        memcpy(at, text->raw.ptr, text->len);
}

/* In the order of message.proto; then the fields that the message had. */
static void write_head(const struct json_message *message, const struct msg_view *view,
                       struct msg_builder *builder)
{
    const struct message_members *members = &message->members;
    msg_builder_uuid(builder, members->uuid);
    msg_builder_timestamp(builder, members->timestamp_ns);
    put_text(builder, 3, &message->texts[JSON_TYPE]);
    put_text(builder, 4, &message->texts[JSON_LOGGER]);
    if (members->has_severity)
        msg_builder_severity(builder, members->severity);
    put_text(builder, 6, &message->texts[JSON_PAYLOAD]);
    put_text(builder, 7, &message->texts[JSON_ENV_VERSION]);
    if (members->has_pid)
        msg_builder_pid(builder, members->pid);
    put_text(builder, 9, &message->texts[JSON_HOSTNAME]);
    message_fields_copy(view, builder);
}

/* No head is larger. */
static size_t head_max(const struct json_message *message, const struct msg_view *view)
{
    size_t size = NUMBERS_MAX + (view->size - view->first_field);
    for (unsigned i = 0; i < JSON_TEXTS; i++)
        size += LEAD_MAX + message->texts[i].len;
    return size;
}

/* The fields are known before the members, which stand in front of them, are: they make room. */
static int put_head(const struct json_message *message, const struct msg_view *view,
                    struct msg_builder *fields)
{
    struct msg_builder head;
    size_t left = fields->capacity - fields->size;
    size_t room = head_max(message, view);
    room = room < left ? room : left;
    memmove(fields->bytes + room, fields->bytes, fields->size);
    msg_builder_init(&head, fields->bytes, room);
    write_head(message, view, &head);
    if (head.failed)
        return DECODE_E_ROOM;
    memmove(head.bytes + head.size, head.bytes + room, fields->size);
    message->io->commit(message->io->context, head.size + fields->size);
    return 0;
}

/* ---- decoding ---- */

static int fail(struct decode_io *io, int code, const char *fault, size_t at)
{
    if (io->reason != NULL && code != DECODE_E_IGNORED)
        (void)buffer_printf(io->reason, "%s at byte %zu", fault, at);
    return code;
}

/* The place where the object begins; false when there is none. A byte order mark is passed over. */
static bool find_object(struct msg_slice payload, struct json_text *text)
{
    *text = (struct json_text){payload.ptr, payload.ptr};
    if (payload.len == 0)
        return false;
    text->end += payload.len;
    if (payload.len >= 3 && memcmp(payload.ptr, "\xEF\xBB\xBF", 3) == 0)
        text->at += 3;
    json_skip_blanks(text);
    return text->at < text->end && *text->at == '{';
}

static int read_object(struct json_message *message, const struct msg_view *view,
                       struct json_text text, struct msg_builder *fields)
{
    struct json_reader reader; /* large: not to be zeroed */
    reader.text = text;
    reader.fields = fields;
    reader.leaf = take_leaf;
    reader.context = message;
    reader.separator = (struct msg_slice){message->options->separator,
                                          (uint32_t)strlen(message->options->separator)};
    reader.lifted = (struct msg_slice){0};
    if (message->options->lifted != NULL)
        reader.lifted = (struct msg_slice){message->options->lifted,
                                           (uint32_t)strlen(message->options->lifted)};
    reader.depth_max = (uint32_t)message->options->maximum_depth;
    reader.keeps_duplicates = message->options->duplicate_keys == JSON_KEEP_DUPLICATES;
    int rc = json_read_object(&reader);
    size_t at = (size_t)(reader.text.at - view->payload.ptr);
    if (rc != 0)
        return fail(message->io, rc, message->fault != NULL ? message->fault : reader.fault, at);
    message->io->notes[DECODE_NOTE_NULL] += reader.nulls;
    return 0;
}

static int decode(void *state, const void *config, const struct msg_view *view,
                  struct decode_io *io)
{
    const struct json_decoder_config *options = config;
    struct json_message message = {.options = options, .state = state, .io = io};
    struct json_text text;
    struct msg_builder fields;
    size_t capacity = 0;
    if (!find_object(view->payload, &text))
        return fail(io, options->log_errors ? DECODE_E_NO_MATCH : DECODE_E_IGNORED,
                    "no JSON object begins", (size_t)(text.at - view->payload.ptr));
    uint8_t *room = io->begin(io->context, &capacity);
    if (room == NULL)
        return DECODE_E_ROOM;
    uint64_t notes[DECODE_NOTES];
    memcpy(notes, io->notes, sizeof(notes));
    msg_builder_init(&fields, room, capacity);
    start(&message, view);
    int rc = read_object(&message, view, text, &fields);
    if (rc == 0 && (fields.failed || put_head(&message, view, &fields) != 0))
        rc = fail(io, DECODE_E_ROOM, "the decoded message is too large", view->payload.len);
    if (rc != 0)
        memcpy(io->notes, notes, sizeof(notes)); /* they are of decoded messages */
    return rc;
}

const struct decoder_ops json_decoder = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "JsonDecoder",
               .schema = &schema,
               .config_size = sizeof(struct json_decoder_config),
               .state_size = sizeof(struct json_state)},
    .init = init,
    .decode = decode,
    .fini = fini,
};

/* ---- metlog ---- */

/* The envelope of metlog's clients; what their users add is the object `fields`. */
static const struct json_decoder_config metlog_options = {
    .message_type = "",
    .members = {.keys = {[JSON_TYPE] = "type",
                         [JSON_LOGGER] = "logger",
                         [JSON_PAYLOAD] = "payload",
                         [JSON_ENV_VERSION] = "env_version",
                         [JSON_HOSTNAME] = "metlog_hostname",
                         [JSON_UUID] = "uuid",
                         [JSON_TIMESTAMP] = "timestamp",
                         [JSON_SEVERITY] = "severity",
                         [JSON_PID] = "metlog_pid"}},
    .timestamp_layout = "2006-01-02T15:04:05", /* UTC; with a zone it is a known layout */
    .timestamp_location = "",
    .separator = ".",
    .lifted = "fields",
    .duplicate_keys = JSON_REFUSE_DUPLICATES,
    .log_errors = true,
};

static const struct schema_key metlog_keys[] = {{.key = NULL}};
static const struct schema metlog_schema = {.name = "MetlogDecoder", .keys = metlog_keys};

static int metlog_init(void *state, const void *config, const struct decoder_host *host,
                       struct err *err)
{
    (void)config;
    return init(state, &metlog_options, host, err);
}

static int metlog_decode(void *state, const void *config, const struct msg_view *view,
                         struct decode_io *io)
{
    (void)config;
    return decode(state, &metlog_options, view, io);
}

const struct decoder_ops metlog_decoder = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "MetlogDecoder",
               .schema = &metlog_schema,
               .state_size = sizeof(struct json_state)},
    .init = metlog_init,
    .decode = metlog_decode,
    .fini = fini,
};
