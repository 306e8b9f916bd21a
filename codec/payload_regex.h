/* SPDX-License-Identifier: MPL-2.0
 *
 * payload_regex.h - options of PayloadRegexDecoder, for those who set them without a schema
 *                   (tests).
 */
#ifndef CODEC_PAYLOAD_REGEX_H
#define CODEC_PAYLOAD_REGEX_H

#include <stdbool.h>

#include "core/conf.h"

struct payload_regex_config {
    const char *match_regex;
    const struct conf_node *severity_map;
    const struct conf_node *message_fields;
    const char *timestamp_layout;
    const char *timestamp_location;
    bool log_errors;
};

#endif
