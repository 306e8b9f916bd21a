/* SPDX-License-Identifier: MPL-2.0
 *
 * plugin_types.h - which plugin types there are, which of them this version has, and their options.
 *
 * Place:   instances.c checks sections against it; `hekad -help-config` prints it.
 * Threads: constant tables.
 * Source:  Heka 0.11: types, common options and defaults by category.
 */
#ifndef CONTROL_PLUGIN_TYPES_H
#define CONTROL_PLUGIN_TYPES_H

#include "core/plugin.h"
#include "core/signer_options.h"

enum plugin_category {
    PLUGIN_INPUT,
    PLUGIN_SPLITTER,
    PLUGIN_DECODER,
    PLUGIN_FILTER,
    PLUGIN_ENCODER,
    PLUGIN_OUTPUT,
    PLUGIN_CATEGORY_COUNT /* also: none of them */
};

/* By the end of the type's name, as Heka does it. */
enum plugin_category plugin_category_of(const char *type);
const char *plugin_category_name(enum plugin_category category);

/* The index-th type of a category, hekad's own before those of shared objects; NULL behind the last
 * one. */
const struct plugin_ops *plugin_type_at(enum plugin_category category, unsigned index);
/* The type of this version, or NULL. */
const struct plugin_ops *plugin_type_find(const char *type);

/* ---- options that all types of a category have ---- */

struct retry_options {                    /* [X.retries] */
    int64_t max_jitter, max_delay, delay; /* ns */
    int64_t max_retries;
};

struct buffering_options { /* [X.buffering] */
    int64_t max_file_size, max_buffer_size;
    int full_action; /* enum queue_full_action */
    int64_t cursor_update_count;
};

struct input_common {
    const char *type;
    int64_t ticker_interval;
    const char *decoder, *splitter;
    bool synchronous_decode, send_decode_failures, log_decode_failures, can_exit;
    struct retry_options retries;
};

struct decoder_common {
    const char *type;
};

struct encoder_common {
    const char *type;
};

struct filter_common {
    const char *type;
    const char *message_matcher, *message_signer;
    int64_t ticker_interval; /* s */
    bool can_exit, use_buffering;
    struct buffering_options buffering;
    struct retry_options retries;
};

struct output_common {
    const char *type;
    const char *message_matcher, *message_signer;
    int64_t ticker_interval;
    bool can_exit, use_buffering;
    struct buffering_options buffering;
    int lane_policy; /* enum lane_policy */
    struct retry_options retries;
    const char *encoder;
    bool use_framing;
    struct signer_options signer;
};

/* NULL for a category that this version has no types of. */
const struct schema *plugin_common_schema(enum plugin_category category);

/* The manual's tables of options, as Markdown. */
void plugin_types_print(FILE *out);

#endif
