/* SPDX-License-Identifier: MPL-2.0
 *
 * json_decoder.h - options of JsonDecoder, for those who set them without a schema (bench).
 */
#ifndef CODEC_JSON_DECODER_H
#define CODEC_JSON_DECODER_H

#include <stdbool.h>

#include "core/conf.h"

enum json_member {
    JSON_TYPE,
    JSON_LOGGER,
    JSON_PAYLOAD,
    JSON_ENV_VERSION,
    JSON_HOSTNAME,
    JSON_TEXTS, /* those above are texts */
    JSON_UUID = JSON_TEXTS,
    JSON_TIMESTAMP,
    JSON_SEVERITY,
    JSON_PID,
    JSON_MEMBERS
};

enum json_duplicates { JSON_REFUSE_DUPLICATES, JSON_KEEP_DUPLICATES };

struct json_member_keys {
    const char *keys[JSON_MEMBERS]; /* "": none */
};

struct json_decoder_config {
    const char *message_type;
    struct json_member_keys members;
    const struct conf_node *severity_map;
    const char *timestamp_layout;
    const char *timestamp_location;
    const char *separator;
    const char *lifted; /* NULL, or the key of an object whose fields have names without it */
    int64_t maximum_depth;
    int duplicate_keys;
    bool payload_keep;
    bool log_errors;
};

#endif
