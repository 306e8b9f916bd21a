/* SPDX-License-Identifier: MPL-2.0
 *
 * json_fields.h - a JSON object as fields of a message, in one pass.
 *
 * Place:   json_decoder.c.
 * Threads: a reader belongs to the call that it lives in.
 * Memory:  nothing allocates. A reader is 18 KiB, of which little is touched.
 * Failure: DECODE_E_MALFORMED, DECODE_E_LIMIT or what `leaf` returned; `fault` and `text.at` say
 *          what and where. Fields that find no room make the builder fail.
 * Bounds:  one pass but for arrays, whose elements are read twice; keys are compared by sorting.
 */
#ifndef CODEC_JSON_FIELDS_H
#define CODEC_JSON_FIELDS_H

#include "codec/json_scan.h"

enum {
    JSON_DEPTH_MAX = 64,  /* objects and arrays within each other */
    JSON_KEYS_MAX = 2048, /* of one document */
    JSON_PATH_MAX = 1024  /* bytes of the keys and separators down to a value */
};

/* 1: the value at `path` is no field; 0: it is one; negative: DECODE_E_*. */
typedef int (*json_leaf_fn)(void *context, struct msg_slice path, const struct json_value *value);

struct json_reader { /* not to be zeroed as a whole: the members above `fault` are to be set */
    struct json_text text;
    struct msg_builder *fields;
    json_leaf_fn leaf;
    void *context;
    struct msg_slice separator;
    struct msg_slice lifted; /* key of an object whose fields have names without it; len 0: none */
    uint32_t depth_max;      /* objects beyond it become texts; 0: none */
    bool keeps_duplicates;   /* else a key that comes again in its object is malformed */

    const char *fault;
    uint64_t nulls; /* that became no field */
    uint32_t depth; /* of objects and arrays */
    uint32_t muted; /* how many objects and arrays that are but read enclose this place */
    uint32_t object_count;
    uint32_t path_len, key_count;
    char path[JSON_PATH_MAX];
    uint64_t keys[JSON_KEYS_MAX]; /* a hash of each key and of the object that it is in */
};

/* An object at `text`, and nothing behind it. 0 or DECODE_E_*. */
int json_read_object(struct json_reader *reader);

#endif
