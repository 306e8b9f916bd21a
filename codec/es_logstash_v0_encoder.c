/* SPDX-License-Identifier: MPL-2.0
 *
 * es_logstash_v0_encoder.c - ESLogstashV0Encoder: pairs of lines for Elasticsearch's bulk requests,
 * in the shape of Logstash's version 0.
 *
 * Place:   builtin_encoders; ElasticSearchOutput takes what it makes.
 * Threads: the output's.
 * Source:  Heka 0.11 ESLogstashV0Encoder.
 */
#include "codec/encoder.h"
#include "codec/es_document.h"

struct es_logstash_config {
    struct es_options options; /* first: ES_OPTION_ROWS */
    bool use_message_type;
};

static const struct schema_key keys[] = {
    ES_OPTION_ROWS("logstash-%{%Y.%m.%d}"),
    {.key = "use_message_type", .type = SCHEMA_BOOL, .def = "false",
     .offset = offsetof(struct es_logstash_config, use_message_type),
     .help = "@type is the message's Type; otherwise what type_name says."},
    {0},
};
static const struct schema schema = {"ESLogstashV0Encoder", keys};

static const char *const names[ES_MEMBER_COUNT] = {
    [ES_UUID] = "@uuid",           [ES_TIMESTAMP] = "@timestamp",
    [ES_TYPE] = "@type",           [ES_LOGGER] = "@logger",
    [ES_SEVERITY] = "@severity",   [ES_PAYLOAD] = "@message",
    [ES_ENV_VERSION] = "@envversion", [ES_PID] = "@pid",
    [ES_HOSTNAME] = "@source_host", [ES_DYNAMIC_FIELDS] = "@fields",
};

static int init(void *state, const void *config, const char *name, struct err *err)
{
    const struct es_logstash_config *logstash = config;
    (void)name;
    return es_members_parse(&logstash->options, state, err);
}

/* What cannot be put together stays as it is configured. */
static void put_type_name(struct es_object *object, const struct es_logstash_config *logstash,
                          const struct es_source *source)
{
    const char *type_name = logstash->options.coordinates.type_name;
    struct buffer value = {0};
    struct text text = text_start(&value);
    bool is_whole = es_interpolate(&text, type_name, source) && value.size > 0;
    if (!is_whole) {
        buffer_clear(&value);
        text_string(&text, type_name);
    }
    es_put_string(object, names[ES_TYPE], (struct msg_slice){value.data, (uint32_t)value.size});
    if (object->text->rc == 0)
        object->text->rc = text.rc;
    buffer_fini(&value);
}

static void put_fields(struct es_object *object, const struct es_logstash_config *logstash,
                       const struct msg_view *message)
{
    struct es_object fields = {.text = object->text};
    const char *name = names[ES_DYNAMIC_FIELDS];
    es_put_name(object, (struct msg_slice){name, sizeof("@fields") - 1});
    text_string(object->text, "{");
    es_put_fields(&fields, &logstash->options, message);
    text_string(object->text, "}");
}

static void put_member(struct es_object *object, enum es_member member,
                       const struct es_logstash_config *logstash, const struct es_source *source)
{
    bool is_own_type =
        logstash->use_message_type || logstash->options.coordinates.type_name[0] == '\0';
    if (member == ES_DYNAMIC_FIELDS)
        put_fields(object, logstash, source->message);
    else if (member == ES_TYPE && is_own_type)
        es_put_string(object, names[ES_TYPE], source->message->type);
    else if (member == ES_TYPE)
        put_type_name(object, logstash, source);
    else
        es_put_member(object, member, names[member], &logstash->options, source->message);
}

static int encode(void *state, const void *config, const struct msg_view *message,
                  struct buffer *out)
{
    const struct es_members *members = state;
    const struct es_logstash_config *logstash = config;
    struct text text = text_start(out);
    struct es_source source = es_source_of(&logstash->options.coordinates, message);
    struct es_object object = {.text = &text};
    es_coordinates_put(&text, &logstash->options.coordinates, &source);
    text_string(&text, "{");
    for (unsigned i = 0; i < members->count; i++)
        put_member(&object, members->list[i], logstash, &source);
    text_string(&text, "}\n");
    return text_finish(&text);
}

const struct encoder_ops es_logstash_v0_encoder = {
    .plugin = {PLUGIN_ABI, "ESLogstashV0Encoder", &schema, sizeof(struct es_logstash_config),
               sizeof(struct es_members)},
    .init = init,
    .encode = encode,
};
