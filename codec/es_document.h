/* SPDX-License-Identifier: MPL-2.0
 *
 * es_document.h - what the two Elasticsearch encoders have in common: options, and JSON of fields.
 *
 * Place:   es_json_encoder.c, es_logstash_v0_encoder.c.
 * Threads: no state.
 * Failure: texts of bad options are Heka's. A document is always one line of valid JSON, as long as
 *          fields in raw_bytes_fields hold valid JSON.
 * Source:  Heka 0.11 plugins/elasticsearch/encoders.go.
 */
#ifndef CODEC_ES_DOCUMENT_H
#define CODEC_ES_DOCUMENT_H

#include "codec/es_coordinates.h"
#include "core/schema.h"

enum es_member { /* what `fields` may name */
    ES_UUID,
    ES_TIMESTAMP,
    ES_TYPE,
    ES_LOGGER,
    ES_SEVERITY,
    ES_PAYLOAD,
    ES_ENV_VERSION,
    ES_PID,
    ES_HOSTNAME,
    ES_DYNAMIC_FIELDS,
    ES_MEMBER_COUNT
};

enum { ES_MEMBERS_MAX = 32 }; /* entries of `fields` */

struct es_options { /* of both encoders */
    struct es_coordinates coordinates;
    struct schema_list fields, raw_bytes_fields, dynamic_fields;
    const char *timestamp, *replace_dots_with;
};

/* Rows of their schemas, for a struct that begins with a struct es_options. */
#define ES_FIELDS_DEFAULT                                                                          \
    "Uuid,Timestamp,Type,Logger,Severity,Payload,EnvVersion,Pid,Hostname,DynamicFields"
#define ES_ROW(key_name, member) .key = key_name, .offset = offsetof(struct es_options, member)
#define ES_OPTION_ROWS(index_default)                                                              \
    {ES_ROW("index", coordinates.index), .type = SCHEMA_STRING,                                    \
     .def = index_default,                                                                         \
     .help = "Index of the documents, in lower case; %{Type}, %{Fieldname}, %{%Y.%m.%d} and the "  \
             "like are replaced."},                                                                \
    {ES_ROW("type_name", coordinates.type_name), .type = SCHEMA_STRING,                            \
     .def = "message", .help = "_type, replaced in the same way; \"\": none (Elasticsearch 8)."},  \
    {ES_ROW("id", coordinates.id), .type = SCHEMA_STRING, .def = "",                               \
     .help = "_id, replaced in the same way; left out when a part of it is not in the message."},  \
    {ES_ROW("es_index_from_timestamp", coordinates.es_index_from_timestamp),                       \
     .type = SCHEMA_BOOL, .def = "false",                                                          \
     .help = "Dates in the index are the message's; otherwise of the time of encoding (UTC)."},    \
    {ES_ROW("fields", fields), .type = SCHEMA_STRINGS, .def = ES_FIELDS_DEFAULT,                   \
     .help = "What a document has, in this order; without regard to case."},                       \
    {ES_ROW("timestamp", timestamp), .type = SCHEMA_STRING,                                        \
     .def = "%Y-%m-%dT%H:%M:%S", .help = "strftime format of the time, in UTC."},                  \
    {ES_ROW("raw_bytes_fields", raw_bytes_fields), .type = SCHEMA_STRINGS,                         \
     .help = "Message fields with JSON in them, which is put in as it is."},                       \
    {ES_ROW("dynamic_fields", dynamic_fields), .type = SCHEMA_STRINGS,                             \
     .help = "The message fields that DynamicFields stands for; none given: all."},                \
    {ES_ROW("replace_dots_with", replace_dots_with), .type = SCHEMA_STRING,                        \
     .def = ".", .help = "Instead of dots in the names of message fields."}

struct es_members { /* `fields`, parsed */
    enum es_member list[ES_MEMBERS_MAX];
    unsigned count;
};

/* 0, or -1 after adding to `err`. */
int es_members_parse(const struct es_options *options, struct es_members *members,
                     struct err *err);

struct es_object { /* JSON members with commas between */
    struct text *text;
    bool has_members;
};

void es_put_name(struct es_object *object, struct msg_slice name);
void es_put_string(struct es_object *object, const char *name, struct msg_slice value);
/* Any of them but ES_TYPE (which the encoders write in different ways) and ES_DYNAMIC_FIELDS. */
void es_put_member(struct es_object *object, enum es_member member, const char *name,
                   const struct es_options *options, const struct msg_view *message);
/* All message fields that the options ask for. */
void es_put_fields(struct es_object *object, const struct es_options *options,
                   const struct msg_view *message);

#endif
