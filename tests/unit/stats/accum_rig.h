/* SPDX-License-Identifier: MPL-2.0
 *
 * accum_rig.h - an accumulator with three shards, and what comes out of it, for tests.
 */
#ifndef TESTS_ACCUM_RIG_H
#define TESTS_ACCUM_RIG_H

#include "core/buffer.h"
#include "stats/accum.h"

enum { CHUNK_MAX = 60000, AGAIN = -11 };
#define NOW_S  1380047333
#define NOW_NS (UINT64_C(1380047333) * 1000000000 + 999999999)

struct fixture { /* an accumulator, shards, and what came out */
    struct accum_config config;
    struct accum *accum;
    struct shard *shards[3];
    struct buffer payload, fields;
    size_t chunk_max;
    unsigned chunks;
    unsigned refuse_every; /* emit refuses each n-th time; 0: never */
    unsigned calls;
};

/* Heka's defaults, with 1,000 timer values. */
struct accum_config config_default(void);

void open_fixture(struct fixture *fixture, const struct accum_config *config);
void close_fixture(struct fixture *fixture);

void add(struct fixture *fixture, unsigned shard, struct statsd_sample sample);
/* Hands the shard's side over and merges it. */
uint64_t merge(struct fixture *fixture, unsigned shard);

/* Flushes, and gives the payload as text. */
const char *flush(struct fixture *fixture);
/* The line of that name, and its value; rig_value() fails the test when there is none. */
bool rig_has(const char *payload, const char *name);
double rig_value(const char *payload, const char *name);
int keep_chunk(void *arg, const struct accum_chunk *chunk);

#endif
