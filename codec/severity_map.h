/* SPDX-License-Identifier: MPL-2.0
 *
 * severity_map.h - the option severity_map: texts and the severities that they stand for.
 *
 * Place:   PayloadRegexDecoder, JsonDecoder.
 * Threads: a map is immutable after severity_map_init().
 * Memory:  init allocates, fini frees and is legal on zeroed maps; names are borrowed from the
 *          document.
 * Failure: -1 with texts that say which entry is no integer of 32 bits.
 */
#ifndef CODEC_SEVERITY_MAP_H
#define CODEC_SEVERITY_MAP_H

#include "core/conf.h"
#include "core/message.h"

struct severity_name;

struct severity_map {
    struct severity_name *items; /* sorted by length, then bytes */
    size_t count;
};

/* `table` NULL: empty. 0, or -1 after adding to err. */
int severity_map_init(struct severity_map *map, const struct conf_node *table, struct err *err);
void severity_map_fini(struct severity_map *map);

/* What `text` stands for, or its number if it is one. */
bool severity_map_find(const struct severity_map *map, struct msg_slice text, int32_t *severity);

#endif
