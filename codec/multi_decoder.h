/* SPDX-License-Identifier: MPL-2.0
 *
 * multi_decoder.h - several decoders on each message: the first that takes it, or all in a row.
 *
 * Place:   the host asks multi_decoder_order() in which order to make the sections, and reports the
 *          counts of each sub-decoder.
 * Threads: as decoder.h.
 * Memory:  "all" keeps two rooms of MULTI_ROOM_MESSAGES largest messages.
 * Failure: as decoder.h. Among expressions of one set, "first-wins" asks only those that can match.
 * Source:  Heka 0.11 MultiDecoder. With "all", a message that a sub-decoder fails on goes on to the
 *          next one as it was.
 */
#ifndef CODEC_MULTI_DECODER_H
#define CODEC_MULTI_DECODER_H

#include <stdbool.h>

#include "core/schema.h"

enum {
    MULTI_SUBS_MAX = 4096,
    MULTI_DEPTH_MAX = 16,     /* multi-decoders within each other */
    MULTI_MESSAGES_MAX = 256, /* that one message may become */
    MULTI_ROOM_MESSAGES = 8
};

enum multi_strategy { MULTI_FIRST_WINS, MULTI_ALL };

struct multi_decoder_config {
    struct schema_list subs;
    int cascade_strategy;
    bool log_sub_errors;
};

struct multi_decoder_node { /* one section of the type MultiDecoder */
    const char *name;
    struct schema_list subs; /* names of any sections */
};

/* Fills `order` with the numbers 0 to count - 1 so that each section comes behind those that it
 * names. 0, or -1 after adding "circular dependency detected: a > b > a", or that they are nested
 * too deep, to err. */
int multi_decoder_order(const struct multi_decoder_node *nodes, uint32_t count, uint32_t *order,
                        struct err *err);

struct multi_decoder_counts { /* of one sub-decoder, since the start */
    uint64_t messages, failures;
};

struct multi_decoder_counts multi_decoder_report(const void *state, uint32_t sub);

#endif
