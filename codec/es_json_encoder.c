/* SPDX-License-Identifier: MPL-2.0
 *
 * es_json_encoder.c - ESJsonEncoder: pairs of lines for Elasticsearch's bulk requests, flat JSON.
 *
 * Place:   builtin_encoders; ElasticSearchOutput takes what it makes.
 * Threads: the output's.
 * Source:  Heka 0.11 ESJsonEncoder. Unlike there, the commas are right when DynamicFields come
 *          first, and a number that JSON does not have is null.
 */
#include "codec/encoder.h"
#include "codec/es_document.h"

struct es_json_config {
    struct es_options options; /* first: ES_OPTION_ROWS */
    const char *names[ES_MEMBER_COUNT]; /* [field_mappings] */
};

#define MAPPING(member, name)                                                                      \
    {.key = name, .type = SCHEMA_STRING, .offset = (member) * sizeof(const char *), .def = name,   \
     .help = "Name of it in the document."}
static const struct schema_key mapping_keys[] = {
    MAPPING(ES_TIMESTAMP, "Timestamp"),
    MAPPING(ES_UUID, "Uuid"),
    MAPPING(ES_TYPE, "Type"),
    MAPPING(ES_LOGGER, "Logger"),
    MAPPING(ES_SEVERITY, "Severity"),
    MAPPING(ES_PAYLOAD, "Payload"),
    MAPPING(ES_ENV_VERSION, "EnvVersion"),
    MAPPING(ES_PID, "Pid"),
    MAPPING(ES_HOSTNAME, "Hostname"),
    {0},
};
static const struct schema mapping_schema = {"field_mappings", mapping_keys};

static const struct schema_key keys[] = {
    ES_OPTION_ROWS("heka-%{%Y.%m.%d}"),
    {.key = "field_mappings", .type = SCHEMA_TABLE, .sub = &mapping_schema,
     .offset = offsetof(struct es_json_config, names), .help = "Other names for the members."},
    {0},
};
static const struct schema schema = {"ESJsonEncoder", keys};

static int init(void *state, const void *config, const char *name, struct err *err)
{
    const struct es_json_config *json = config;
    (void)name;
    return es_members_parse(&json->options, state, err);
}

static void put_member(struct es_object *object, enum es_member member,
                       const struct es_json_config *json, const struct msg_view *message)
{
    if (member == ES_DYNAMIC_FIELDS)
        es_put_fields(object, &json->options, message);
    else if (member == ES_TYPE)
        es_put_string(object, json->names[ES_TYPE], message->type);
    else
        es_put_member(object, member, json->names[member], &json->options, message);
}

static int encode(void *state, const void *config, const struct msg_view *message,
                  struct buffer *out)
{
    const struct es_members *members = state;
    const struct es_json_config *json = config;
    struct text text = text_start(out);
    struct es_source source = es_source_of(&json->options.coordinates, message);
    struct es_object object = {.text = &text};
    es_coordinates_put(&text, &json->options.coordinates, &source);
    text_string(&text, "{");
    for (unsigned i = 0; i < members->count; i++)
        put_member(&object, members->list[i], json, message);
    text_string(&text, "}\n");
    return text_finish(&text);
}

const struct encoder_ops es_json_encoder = {
    .plugin = {PLUGIN_ABI, "ESJsonEncoder", &schema, sizeof(struct es_json_config),
               sizeof(struct es_members)},
    .init = init,
    .encode = encode,
};
