/* SPDX-License-Identifier: MPL-2.0
 *
 * es_coordinates.h - where a document goes: the first line of a pair in an Elasticsearch bulk
 * request, and the %{...} in its parts.
 *
 * Place:   es_json_encoder.c, es_logstash_v0_encoder.c.
 * Threads: no state.
 * Failure: an id that cannot be put together is left out, so that Elasticsearch makes one.
 * Source:  Heka 0.11 plugins/elasticsearch/coordinates.go.
 */
#ifndef CODEC_ES_COORDINATES_H
#define CODEC_ES_COORDINATES_H

#include <stdbool.h>

#include "codec/text.h"
#include "core/message.h"

struct es_coordinates {
    const char *index, *type_name, *id;
    bool es_index_from_timestamp;
};

struct es_source { /* of what is put in */
    const struct msg_view *message;
    int64_t index_ns; /* time of dates in names */
};

struct es_source es_source_of(const struct es_coordinates *coordinates,
                              const struct msg_view *message);

/* {"index":{"_index":"...","_type":"...","_id":"..."}} and a newline. The index in lower case; no
 * _type when it is configured as ""; no _id without one. */
void es_coordinates_put(struct text *text, const struct es_coordinates *coordinates,
                        const struct es_source *source);

/* Appends `name` with its %{...} replaced: Type, Hostname, Pid, UUID, Logger, EnvVersion, Severity,
 * the first value of a field of that name, or else strftime codes of index_ns (UTC). False when one
 * of them is none of these: its text stands there then. */
bool es_interpolate(struct text *text, const char *name, const struct es_source *source);

#endif
