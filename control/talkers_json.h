/* SPDX-License-Identifier: MPL-2.0
 *
 * talkers_json.h - top talkers of statsd and refused names, as JSON and as tables.
 *
 * Place:   status.c.
 * Threads: [main], and whoever prints.
 * Memory:  jansson references are the caller's.
 */
#ifndef CONTROL_TALKERS_JSON_H
#define CONTROL_TALKERS_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "core/talkers.h"

/* Arrays, the most first. Bytes of prefixes that are no printable ASCII are written \xHH. */
json_t *talkers_json_senders(const struct talkers *talkers);
json_t *talkers_json_prefixes(const struct talkers *talkers);

/* Both, of the members "senders" and "refused_names" of a status; nothing where they are empty. */
void talkers_json_print(const json_t *status, FILE *out);

#endif
