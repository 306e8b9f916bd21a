/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/stats/stats_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/support/chance.h"

uint64_t model_random(uint64_t *seed)
{
    return chance_next(seed);
}

const char *model_name(unsigned id, size_t *len)
{
    static char names[MODEL_NAMES][STATSD_NAME_MAX];
    static size_t lens[MODEL_NAMES];
    if (lens[id] == 0) {
        /* Most are short; every eighth is long; the number stands in front or at the end. */
        size_t want = id % 8 == 7 ? 60 + (size_t)id * 7 % 965 : 4 + id % 50;
        memset(names[id], 'a' + (int)(id % 26), want);
        char number[8];
        snprintf(number, sizeof(number), "%04u", id);
        memcpy(names[id] + (id % 2 == 0 ? 0 : want - 4), number, 4);
        lens[id] = want;
    }
    *len = lens[id];
    return names[id];
}

unsigned model_id(const char *name, size_t len)
{
    char number[5] = {0};
    assert_true(len >= 4);
    memcpy(number, name[0] >= '0' && name[0] <= '9' ? name : name + len - 4, 4);
    unsigned id = (unsigned)strtoul(number, NULL, 10);
    size_t want;
    assert_true(id < MODEL_NAMES);
    const char *expected = model_name(id, &want);
    assert_int_equal(len, want);
    assert_memory_equal(name, expected, len);
    return id;
}

static struct statsd_sample make(const char *name, uint8_t type)
{
    struct statsd_sample sample = {.name = name, .name_len = (uint16_t)strlen(name), .type = type};
    sample.hash = statsd_name_hash(name, sample.name_len);
    return sample;
}

struct statsd_sample model_counter(const char *name, int64_t count)
{
    struct statsd_sample sample = make(name, STATSD_COUNTER);
    sample.count = count;
    return sample;
}

struct statsd_sample model_gauge(const char *name, double value)
{
    struct statsd_sample sample = make(name, STATSD_GAUGE);
    sample.value = value;
    return sample;
}

struct statsd_sample model_timer(const char *name, double value)
{
    struct statsd_sample sample = make(name, STATSD_TIMER);
    sample.value = value;
    return sample;
}

const char *model_member(unsigned id)
{
    static char members[64][16];
    snprintf(members[id], sizeof(members[id]), "member %u", id);
    return members[id];
}

static void pick_member(struct statsd_sample *sample, struct model_series *series, uint64_t *seed)
{
    unsigned id = (unsigned)(model_random(seed) % 64);
    sample->member = model_member(id);
    sample->member_len = strlen(sample->member);
    series->members |= UINT64_C(1) << id;
}

static void pick_gauge(struct statsd_sample *sample, struct model_series *series, uint64_t *seed,
                       bool is_plain)
{
    bool is_delta = !is_plain && model_random(seed) % 2 == 0;
    sample->flags = is_delta ? STATSD_DELTA : 0;
    series->gauge = is_delta ? series->gauge + sample->value : sample->value;
    series->is_set |= !is_delta;
}

static void pick_timer(struct statsd_sample *sample, struct model_series *series, uint64_t *seed,
                       bool is_plain)
{
    bool is_weighted = !is_plain && model_random(seed) % 4 == 0;
    sample->flags = is_weighted ? STATSD_WEIGHTED : 0;
    sample->weight = is_weighted ? 2.5 : 1;
    assert_true(series->samples < MODEL_TIMERS_MAX);
    series->timers[series->samples] = sample->value;
    series->weights[series->samples] = sample->weight;
}

static struct statsd_sample pick_sample(struct model *model, uint64_t *seed, unsigned types)
{
    size_t len;
    unsigned id = (unsigned)(model_random(seed) % MODEL_NAMES);
    struct statsd_sample sample = {.type = (uint8_t)(model_random(seed) % types)};
    struct model_series *series = &model->series[id][sample.type];
    bool is_plain = types < STATSD_TYPE_COUNT;
    sample.name = model_name(id, &len);
    sample.name_len = (uint16_t)len;
    sample.hash = statsd_name_hash(sample.name, len);
    int64_t value = (int64_t)(model_random(seed) % 2000001) - 1000000;
    sample.value = (double)value / 8;
    if (sample.type == STATSD_COUNTER || sample.type == STATSD_METER) {
        sample.count = value;
        series->count += value;
    } else if (sample.type == STATSD_REAL_COUNTER) {
        series->real += sample.value;
    } else if (sample.type == STATSD_GAUGE) {
        pick_gauge(&sample, series, seed, is_plain);
    } else if (sample.type == STATSD_SET) {
        pick_member(&sample, series, seed);
    } else {
        pick_timer(&sample, series, seed, is_plain);
    }
    series->samples++;
    return sample;
}

struct statsd_sample model_sample(struct model *model, uint64_t *seed)
{
    return pick_sample(model, seed, STATSD_TIMER + 1);
}

struct statsd_sample model_sample_any(struct model *model, uint64_t *seed)
{
    return pick_sample(model, seed, STATSD_TYPE_COUNT);
}

static void check_members(const struct model_series *expected, const struct shard_series *series)
{
    uint64_t found = 0;
    assert_true(series->member_count >= 1);
    for (uint64_t i = 0; i < series->member_count; i++) {
        unsigned id = 0;
        while (id < 64 && series->members[i] !=
                              statsd_member_hash(model_member(id), strlen(model_member(id))))
            id++;
        assert_true(id < 64);
        found |= UINT64_C(1) << id;
    }
    assert_int_equal(found, expected->members);
}

static void check_timers(const struct model_series *expected, const struct shard_series *series)
{
    assert_memory_equal(series->timers, expected->timers, series->samples * sizeof(double));
    for (uint64_t i = 0; i < series->samples; i++)
        assert_true((series->weights == NULL ? 1 : series->weights[i]) == expected->weights[i]);
}

void model_check(struct model *model, const struct shard_series *series)
{
    unsigned id = model_id(series->name, series->name_len);
    assert_true(series->type < STATSD_TYPE_COUNT);
    struct model_series *expected = &model->series[id][series->type];
    assert_true(expected->samples > 0);
    assert_int_equal(series->samples, expected->samples);
    assert_int_equal(series->hash, statsd_name_hash(series->name, series->name_len));
    assert_int_equal(series->tags_len, 0);
    assert_int_equal(series->is_delta, series->type == STATSD_GAUGE && !expected->is_set);
    if (series->type == STATSD_COUNTER || series->type == STATSD_METER)
        assert_int_equal(series->count, expected->count);
    else if (series->type == STATSD_REAL_COUNTER)
        assert_true(series->real == expected->real);
    else if (series->type == STATSD_GAUGE)
        assert_true(series->gauge == expected->gauge);
    else if (series->type == STATSD_SET)
        check_members(expected, series);
    else
        check_timers(expected, series);
    *expected = (struct model_series){0};
}

void model_check_empty(const struct model *model)
{
    for (unsigned id = 0; id < MODEL_NAMES; id++) {
        for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
            assert_int_equal(model->series[id][type].samples, 0);
    }
}

void model_clear(struct model *model)
{
    memset(model, 0, sizeof(*model));
}
