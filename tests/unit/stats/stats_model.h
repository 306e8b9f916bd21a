/* SPDX-License-Identifier: MPL-2.0
 *
 * stats_model.h - samples for tests, and the slow truth about what an interval's samples add up to.
 */
#ifndef TESTS_STATS_MODEL_H
#define TESTS_STATS_MODEL_H

#include "stats/shard.h"

enum { MODEL_NAMES = 400, MODEL_TIMERS_MAX = 4096 };

struct model_series {
    uint64_t samples;
    int64_t count;
    double real;
    double gauge;
    bool is_set;      /* the gauge, not only changed */
    uint64_t members; /* a bit for each of 64 */
    double timers[MODEL_TIMERS_MAX], weights[MODEL_TIMERS_MAX];
};

struct model {
    struct model_series series[MODEL_NAMES][STATSD_TYPE_COUNT];
};

uint64_t model_random(uint64_t *seed);

/* Name number `id`: unique, 4 to 1024 bytes, always the same; valid for ever. */
const char *model_name(unsigned id, size_t *len);
/* The number of a name of model_name(); fails the test when it is none. */
unsigned model_id(const char *name, size_t len);

struct statsd_sample model_counter(const char *name, int64_t count);
struct statsd_sample model_gauge(const char *name, double value);
struct statsd_sample model_timer(const char *name, double value);
/* The sample of a random name, value and type (counter, gauge or timer), added to the model. */
struct statsd_sample model_sample(struct model *model, uint64_t *seed);
/* The same for all types, with weights and changes of gauges. */
struct statsd_sample model_sample_any(struct model *model, uint64_t *seed);
/* Member number `id` < 64 of a set; valid for ever. */
const char *model_member(unsigned id);

/* Checks one series against the model, and clears it there. */
void model_check(struct model *model, const struct shard_series *series);
/* Nothing is left. */
void model_check_empty(const struct model *model);
void model_clear(struct model *model);

#endif
