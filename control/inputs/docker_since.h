/* SPDX-License-Identifier: MPL-2.0
 *
 * docker_since.h - from when on the logs of which container are to be read: a file.
 *
 * Place:   docker_log_input.c.
 * Threads: the input's.
 * Memory:  an entry for each container that was seen in container_expiry_days, at most
 *          DOCKER_SINCE_MAX; the longest gone are forgotten first.
 * Failure: a file that cannot be read is an error at start; one that cannot be written is said, and
 *          the old one stays as it was.
 * Source:  Heka 0.11: {"Since":N,"Containers":{"<12 hex>":N,...}}, seconds since the epoch; 0 is a
 *          container that is being read, for which Since counts.
 */
#ifndef CONTROL_INPUTS_DOCKER_SINCE_H
#define CONTROL_INPUTS_DOCKER_SINCE_H

#include <limits.h>

#include "control/inputs/docker_fields.h"

enum { DOCKER_SINCE_MAX = 16384 };

struct docker_since_entry {
    char id[DOCKER_ID_LEN + 1];
    int64_t since_s;
};

struct docker_since {
    char path[PATH_MAX];
    int64_t since_s, expiry_s;
    struct docker_since_entry *entries;
    unsigned count, capacity;
};

/* Makes the file, and its folder (0700), when it is not there. 0, or -1 after adding to `err`. */
int docker_since_open(struct docker_since *since, const char *path, int64_t expiry_days,
                      struct err *err);
void docker_since_fini(struct docker_since *since); /* zeroed is fine */

/* A container's logs are read from now on: since when; 0: from their beginning. A new one is read
 * from its beginning if `replays`. */
int64_t docker_since_begin(struct docker_since *since, const char *id, bool replays);
/* They ended. */
void docker_since_end(struct docker_since *since, const char *id, int64_t now_s);

/* Everything before `since_s` is read. 0, or negative errno. */
int docker_since_write(struct docker_since *since, int64_t since_s, int64_t now_s);

#endif
