/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/accum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats/accum_state.h"

#define OPTION(name) .key = #name, .offset = offsetof(struct accum_config, name)

static const struct schema_key accum_keys[] = {
    {OPTION(emit_in_payload), .type = SCHEMA_BOOL, .def = "true",
     .help = "Write the stats to the message's payload, one line each."},
    {OPTION(emit_in_fields), .type = SCHEMA_BOOL, .def = "false",
     .help = "Write the stats to the message's fields."},
    {OPTION(percent_threshold), .type = SCHEMA_INTS, .min = 0, .max = 100, .def = "90",
     .help = "Percentiles of timers: mean_N and upper_N for each N."},
    {OPTION(ticker_interval), .type = SCHEMA_INT, .min = 0, .max = 86400, .def = "10", .unit = "s",
     .help = "Seconds between two flushes."},
    {OPTION(message_type), .type = SCHEMA_STRING, .def = "heka.statmetric",
     .help = "Type of the messages."},
    {OPTION(legacy_namespaces), .type = SCHEMA_BOOL, .def = "false",
     .help = "Name counters and numStats as statsd before its version 0.6 did."},
    {OPTION(global_prefix), .type = SCHEMA_STRING, .def = "stats",
     .help = "First part of all names."},
    {OPTION(counter_prefix), .type = SCHEMA_STRING, .def = "counters",
     .help = "Second part of the names of counters."},
    {OPTION(timer_prefix), .type = SCHEMA_STRING, .def = "timers",
     .help = "Second part of the names of timers."},
    {OPTION(gauge_prefix), .type = SCHEMA_STRING, .def = "gauges",
     .help = "Second part of the names of gauges."},
    {OPTION(statsd_prefix), .type = SCHEMA_STRING, .def = "statsd",
     .help = "Second part of the names of the accumulator's own stats."},
    {OPTION(delete_idle_stats), .type = SCHEMA_BOOL, .def = "false",
     .help = "Forget a stat that had no sample in the interval instead of writing it again."},
    {OPTION(names_max), .type = SCHEMA_INT, .min = 1, .max = SHARD_NAMES_MAX, .def = "1000000",
     .help = "Series (pairs of name and type) held at most; samples of others are counted in the "
             "series overflow."},
    {OPTION(timer_samples_max), .type = SCHEMA_INT, .min = 0, .max = 1 << 30, .def = "4000000",
     .help = "Timer values held between two flushes by each core."},
    {.key = NULL},
};

const struct schema accum_schema = {.name = "StatAccumInput", .keys = accum_keys};

/* ---- names ---- */

/* An empty part adds nothing; a part that ends with a dot gets no second one. */
static void join(struct accum_prefix *prefix, const char *part)
{
    size_t len = strlen(part);
    memcpy(prefix->text + prefix->len, part, len);
    prefix->len += len;
    if (len > 0 && part[len - 1] != '.')
        prefix->text[prefix->len++] = '.';
}

static void join_prefixes(struct accum *accum)
{
    const struct accum_config *config = accum->config;
    join(&accum->counters, config->global_prefix);
    join(&accum->counters, config->counter_prefix);
    join(&accum->gauges, config->global_prefix);
    join(&accum->gauges, config->gauge_prefix);
    join(&accum->timers_prefix, config->global_prefix);
    join(&accum->timers_prefix, config->timer_prefix);
    if (!config->legacy_namespaces)
        join(&accum->statsd, config->global_prefix);
    join(&accum->statsd, config->statsd_prefix);
    join(&accum->legacy_rates, config->global_prefix);
    join(&accum->legacy_counts, "stats_counts");
}

static void name_percentiles(struct accum *accum)
{
    const struct schema_list *list = &accum->config->percent_threshold;
    const int64_t *percents = list->items;
    for (size_t i = 0; i < list->count; i++) {
        struct accum_percentile *percentile = &accum->percentiles[i];
        int percent = (int)percents[i];
        percentile->percent = percent;
        snprintf(percentile->mean_suffix, SUFFIX_SIZE, "mean_%d", percent);
        snprintf(percentile->upper_suffix, SUFFIX_SIZE, "upper_%d", percent);
    }
    accum->percentile_count = (unsigned)list->count;
}

/* ---- new, free ---- */

static int check_prefixes(const struct accum_config *config, struct err *err)
{
    const struct {
        const char *key, *value;
    } prefixes[] = {
        {"global_prefix", config->global_prefix}, {"counter_prefix", config->counter_prefix},
        {"timer_prefix", config->timer_prefix},   {"gauge_prefix", config->gauge_prefix},
        {"statsd_prefix", config->statsd_prefix},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t len = strlen(prefixes[i].value);
        if (len > ACCUM_PREFIX_MAX)
            rc = err_add(err, "%s: found %zu bytes, allowed are %d", prefixes[i].key, len,
                         ACCUM_PREFIX_MAX);
    }
    return rc;
}

static int check_percentiles(const struct accum_config *config, struct err *err)
{
    const int64_t *percents = config->percent_threshold.items;
    size_t count = config->percent_threshold.count;
    int rc = 0;
    if (count > ACCUM_PERCENTILES_MAX)
        rc = err_add(err, "percent_threshold: found %zu numbers, allowed are %d", count,
                     ACCUM_PERCENTILES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (percents[i] < 0 || percents[i] > 100)
            rc = err_add(err, "percent_threshold: found %lld, allowed is 0 to 100",
                         (long long)percents[i]);
    }
    return rc;
}

static int check_config(const struct accum_config *config, struct err *err)
{
    int rc = 0;
    if (config->ticker_interval <= 0)
        rc |= err_add(err, "TickerInterval must be greater than 0.");
    if (!config->emit_in_payload && !config->emit_in_fields)
        rc |= err_add(err, "One of either `EmitInPayload` or `EmitInFields` must be set to true.");
    if (config->names_max < 1 || config->names_max > SHARD_NAMES_MAX)
        rc |= err_add(err, "names_max: found %lld, allowed is 1 to %d",
                      (long long)config->names_max, SHARD_NAMES_MAX);
    rc |= check_percentiles(config, err);
    return rc | check_prefixes(config, err);
}

int accum_new(const struct accum_config *config, struct accum **out, struct err *err)
{
    if (check_config(config, err) != 0)
        return -1;
    struct accum *accum = calloc(1, sizeof(*accum));
    if (accum == NULL)
        return err_add(err, "StatAccumInput: out of memory");
    accum->config = config;
    join_prefixes(accum);
    name_percentiles(accum);
    *out = accum;
    return 0;
}

void accum_free(struct accum *accum)
{
    if (accum == NULL)
        return;
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        accum_table_fini(&accum->tables[type]);
    accum_timers_fini(&accum->timers);
    free(accum->flush.payload);
    free(accum->flush.field_bytes);
    free(accum);
}

size_t accum_bytes(const struct accum *accum)
{
    size_t bytes = sizeof(*accum) + accum_timers_bytes(&accum->timers) + 2 * accum->flush.capacity;
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        bytes += accum->tables[type].bytes;
    return bytes;
}

const struct accum_counts *accum_counts(const struct accum *accum)
{
    return &accum->counts;
}

void accum_series(const struct accum *accum, uint64_t counts[STATSD_TYPE_COUNT])
{
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        counts[type] = accum->tables[type].count;
}

/* ---- merging ---- */

void accum_overflow(struct accum *accum, uint64_t samples)
{
    accum->overflow += samples;
    accum->counts.overflow += samples;
}

static void add_counter(struct accum_series *series, int64_t add)
{
    int64_t sum;
    if (__builtin_add_overflow(series->count, add, &sum))
        sum = add < 0 ? INT64_MIN : INT64_MAX;
    series->count = sum;
}

/* The later value wins; of two at the same time the larger, so that the order of merging does not
 * matter. */
static void set_gauge(struct accum_series *series, const struct shard_series *from)
{
    if (from->gauge_order < series->gauge_order)
        return;
    if (from->gauge_order == series->gauge_order && from->gauge < series->gauge)
        return;
    series->gauge = from->gauge;
    series->gauge_order = from->gauge_order;
}

/* Series that this type's table may hold, as all of them share names_max. */
static uint32_t count_max(const struct accum *accum, unsigned type)
{
    uint64_t counts[STATSD_TYPE_COUNT];
    accum_series(accum, counts);
    uint64_t others =
        counts[STATSD_COUNTER] + counts[STATSD_GAUGE] + counts[STATSD_TIMER] - counts[type];
    return (uint32_t)((uint64_t)accum->config->names_max - others);
}

static bool merge_series(struct accum *accum, const struct shard_series *from)
{
    uint32_t max = count_max(accum, from->type);
    struct accum_series *series = accum_table_get(&accum->tables[from->type], from, max);
    if (series == NULL)
        return false;
    if (from->type == STATSD_COUNTER)
        add_counter(series, from->count);
    else if (from->type == STATSD_GAUGE)
        set_gauge(series, from);
    else
        return accum_timers_add(&accum->timers, &series->timer_run, &series->timer_count,
                                from->timers, from->samples);
    return true;
}

static void take_series(void *arg, const struct shard_series *from)
{
    struct accum *accum = arg;
    if (merge_series(accum, from)) {
        accum->merged += from->samples;
        return;
    }
    accum->counts.refused_samples += from->samples;
    accum_overflow(accum, from->samples);
}

uint64_t accum_merge(struct accum *accum, struct shard *shard)
{
    if (accum->flush.active)
        return 0;
    accum->merged = 0;
    shard_take(shard, take_series, accum);
    return accum->merged;
}
