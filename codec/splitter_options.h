/* SPDX-License-Identifier: MPL-2.0
 *
 * splitter_options.h - options of the splitters, for their files and for those who set them without
 *                      a schema (tests).
 */
#ifndef CODEC_SPLITTER_OPTIONS_H
#define CODEC_SPLITTER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"

struct token_split_config {
    const char *delimiter;
    int64_t count;
};

struct regex_split_config {
    const char *delimiter;
    bool delimiter_eol;
};

struct pattern_split_config {
    const char *delimiter, *grouping;
    int64_t max_lines;
};

struct framing_split_config {
    bool skip_authentication;
    const struct conf_node *signer;
};

struct octet_split_config {
    bool non_transparent;
};

extern const struct schema splitter_common_schema,
    splitter_framing_schema; /* splitter_ops.common */

#endif
