/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/stats/accum_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const int64_t ninety[] = {90};

struct accum_config config_default(void)
{
    return (struct accum_config){
        .emit_in_payload = true,
        .percent_threshold = {ninety, 1},
        .ticker_interval = 10,
        .message_type = "heka.statmetric",
        .global_prefix = "stats",
        .counter_prefix = "counters",
        .timer_prefix = "timers",
        .gauge_prefix = "gauges",
        .statsd_prefix = "statsd",
        .names_max = 1000000,
        .timer_samples_max = 1000,
    };
}

void open_fixture(struct fixture *fixture, const struct accum_config *config)
{
    const struct shard_limits limits = {5000, 0, 100000};
    *fixture = (struct fixture){.config = *config, .chunk_max = CHUNK_MAX};
    assert_int_equal(accum_new(&fixture->config, &fixture->accum, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(shard_new(&limits, &fixture->shards[i]), 0);
}

void close_fixture(struct fixture *fixture)
{
    accum_free(fixture->accum);
    for (unsigned i = 0; i < 3; i++)
        shard_free(fixture->shards[i]);
    buffer_fini(&fixture->payload);
    buffer_fini(&fixture->fields);
}

void add(struct fixture *fixture, unsigned shard, struct statsd_sample sample)
{
    shard_add(fixture->shards[shard], &sample, 1);
}

uint64_t merge(struct fixture *fixture, unsigned shard)
{
    shard_request(fixture->shards[shard]);
    shard_poll(fixture->shards[shard]);
    return accum_merge(fixture->accum, fixture->shards[shard]);
}

int keep_chunk(void *arg, const struct accum_chunk *chunk)
{
    struct fixture *fixture = arg;
    if (fixture->refuse_every != 0 && ++fixture->calls % fixture->refuse_every == 0)
        return AGAIN;
    assert_true(chunk->payload_size + chunk->fields_size <= fixture->chunk_max);
    assert_true(chunk->payload_size + chunk->fields_size > 0);
    assert_int_equal(chunk->payload_size > 0, fixture->config.emit_in_payload);
    assert_int_equal(chunk->fields_size > 0, fixture->config.emit_in_fields);
    if (chunk->payload_size > 0)
        assert_int_equal(chunk->payload[chunk->payload_size - 1], '\n');
    assert_int_equal(buffer_append(&fixture->payload, chunk->payload, chunk->payload_size), 0);
    assert_int_equal(buffer_append(&fixture->fields, chunk->fields, chunk->fields_size), 0);
    fixture->chunks++;
    return 0;
}

/* Flushes, and gives the payload as text. */
const char *flush(struct fixture *fixture)
{
    int rc;
    buffer_clear(&fixture->payload);
    buffer_clear(&fixture->fields);
    fixture->chunks = 0;
    while ((rc = accum_flush(fixture->accum, NOW_NS, 10, fixture->chunk_max, keep_chunk,
                             fixture)) == AGAIN)
        ;
    assert_int_equal(rc, 0);
    assert_int_equal(buffer_append(&fixture->payload, "", 1), 0);
    return fixture->payload.data;
}

/* Behind the name and its space, or NULL. */
static const char *find_value(const char *payload, const char *name)
{
    char start[300];
    size_t len = (size_t)snprintf(start, sizeof(start), "\n%s ", name);
    if (strncmp(payload, start + 1, len - 1) == 0)
        return payload + len - 1;
    const char *at = strstr(payload, start);
    return at != NULL ? at + len : NULL;
}

bool rig_has(const char *payload, const char *name)
{
    return find_value(payload, name) != NULL;
}

double rig_value(const char *payload, const char *name)
{
    const char *value = find_value(payload, name);
    if (value == NULL) {
        fail_msg("no %s in:\n%s", name, payload);
        return 0;
    }
    return strtod(value, NULL);
}
