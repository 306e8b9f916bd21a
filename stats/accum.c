/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/accum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats/emit_etsy.h"

#define OPTION(name) .key = #name, .offset = offsetof(struct accum_config, name)
#define ETSY(name)   .key = #name, .offset = offsetof(struct accum_etsy, name)

static const char *const namings[] = {"heka", "etsy", NULL};

static const struct schema_key etsy_keys[] = {
    {ETSY(legacy_namespace), .type = SCHEMA_BOOL, .def = "true",
     .help = "statsd's graphite.legacyNamespace: rates under stats, counts under stats_counts; the "
             "prefixes are not used."},
    {ETSY(global_prefix), .type = SCHEMA_STRING, .def = "stats", .help = "graphite.globalPrefix."},
    {ETSY(prefix_counter), .type = SCHEMA_STRING, .def = "counters",
     .help = "graphite.prefixCounter."},
    {ETSY(prefix_timer), .type = SCHEMA_STRING, .def = "timers", .help = "graphite.prefixTimer."},
    {ETSY(prefix_gauge), .type = SCHEMA_STRING, .def = "gauges", .help = "graphite.prefixGauge."},
    {ETSY(prefix_set), .type = SCHEMA_STRING, .def = "sets", .help = "graphite.prefixSet."},
    {ETSY(global_suffix), .type = SCHEMA_STRING, .def = "",
     .help = "graphite.globalSuffix: last part of all names, without its dot."},
    {ETSY(prefix_stats), .type = SCHEMA_STRING, .def = "statsd",
     .help = "prefixStats: of statsd's own stats."},
    {ETSY(percent_threshold), .type = SCHEMA_NODE, .unit = "a number or an array of them",
     .help = "percentThreshold: from -100 to 100, negative for the top; as numbers or text. "
             "Default: 90."},
    {ETSY(histogram), .type = SCHEMA_NODE, .unit = "tables",
     .help = "histogram: tables of metric (part of a timer's name) and bins (numbers, or texts and "
             "\"inf\"); the first that matches counts."},
    {ETSY(calculated_timer_metrics), .type = SCHEMA_STRINGS,
     .help = "calculatedTimerMetrics: which values of timers are written. Default: all."},
    {ETSY(flush_counts), .type = SCHEMA_BOOL, .def = "true",
     .help = "flush_counts: counts beside the rates of counters."},
    {ETSY(delete_idle_stats), .type = SCHEMA_BOOL, .def = "false",
     .help = "deleteIdleStats: the default of the four below."},
    {ETSY(delete_counters), .type = SCHEMA_BOOL, .flags = SCHEMA_AUTO, .def = "auto",
     .help = "deleteCounters: forget counters after each flush."},
    {ETSY(delete_timers), .type = SCHEMA_BOOL, .flags = SCHEMA_AUTO, .def = "auto",
     .help = "deleteTimers: forget timers after each flush."},
    {ETSY(delete_gauges), .type = SCHEMA_BOOL, .flags = SCHEMA_AUTO, .def = "auto",
     .help = "deleteGauges: forget gauges without a sample in gauges_max_ttl flushes."},
    {ETSY(delete_sets), .type = SCHEMA_BOOL, .flags = SCHEMA_AUTO, .def = "auto",
     .help = "deleteSets: forget sets after each flush."},
    {ETSY(gauges_max_ttl), .type = SCHEMA_INT, .min = 1, .max = 65535, .def = "1",
     .help = "gaugesMaxTTL: flushes in which a gauge is written without a new sample, when gauges "
             "are deleted."},
    {ETSY(key_name_sanitize), .type = SCHEMA_BOOL, .def = "true",
     .help = "keyNameSanitize: clean names when they come in, and not only when they are "
             "written."},
    {.key = NULL},
};
static const struct schema etsy_schema = {.name = "etsy", .keys = etsy_keys};

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
    {OPTION(set_prefix), .type = SCHEMA_STRING, .def = "sets",
     .help = "Second part of the names of sets."},
    {OPTION(histogram_prefix), .type = SCHEMA_STRING, .def = "histograms",
     .help = "Second part of the names of histograms."},
    {OPTION(distribution_prefix), .type = SCHEMA_STRING, .def = "distributions",
     .help = "Second part of the names of distributions."},
    {OPTION(meter_prefix), .type = SCHEMA_STRING, .def = "meters",
     .help = "Second part of the names of meters."},
    {OPTION(delete_idle_stats), .type = SCHEMA_BOOL, .def = "false",
     .help = "Forget a stat that had no sample in the interval instead of writing it again."},
    {OPTION(names_max), .type = SCHEMA_INT, .min = 1, .max = SHARD_NAMES_MAX, .def = "1000000",
     .help = "Series (pairs of name and type) held at most; samples of others are counted in the "
             "series overflow."},
    {OPTION(timer_samples_max), .type = SCHEMA_INT, .min = 0, .max = 1 << 30, .def = "4000000",
     .help = "Timer values held between two flushes by each core."},
    {OPTION(prefix_names_max), .type = SCHEMA_INT, .min = 0, .max = SHARD_NAMES_MAX, .def = "0",
     .help = "Series whose names share a prefix, held at most by each core; 0: no limit."},
    {OPTION(prefix_parts), .type = SCHEMA_INT, .min = 1, .max = SHARD_PREFIX_PARTS_MAX, .def = "1",
     .help = "Parts of a name, between dots, that are its prefix."},
    {OPTION(sender_names_max), .type = SCHEMA_INT, .min = 0, .max = SHARD_NAMES_MAX, .def = "0",
     .help = "Series that one sender may make, held at most by each core; 0: no limit."},
    {OPTION(idle_flushes), .type = SCHEMA_INT, .min = 0, .max = SHARD_IDLE_FLUSHES_MAX, .def = "0",
     .help = "Flushes without a sample after which a core drops a name; 0: only when it needs the "
             "room. The accumulator keeps the series: delete_idle_stats."},
    {OPTION(timer_exact_max), .type = SCHEMA_INT, .min = ACCUM_TIMER_EXACT_MIN, .max = 1 << 30,
     .def = "100000",
     .help = "Values of one timer between two flushes whose percentiles are exact; of more, they "
             "come from a sketch."},
    {OPTION(sketch_error), .type = SCHEMA_FLOAT, .min = DDSKETCH_ALPHA_MIN,
     .max = DDSKETCH_ALPHA_MAX, .def = "0.01",
     .help = "Relative error of percentiles that come from a sketch."},
    {OPTION(sketch_mbytes), .type = SCHEMA_INT, .min = 1, .max = 1 << 20, .def = "256",
     .unit = "MB", .help = "Memory for the sketches of timers; values beyond it are refused."},
    {OPTION(set_exact_max), .type = SCHEMA_INT, .min = 1, .max = HYPERLOGLOG_EXACT_MAX,
     .def = "1000",
     .help = "Members of one set between two flushes that are counted exactly; more are "
             "estimated, with a standard error of 0.81 %."},
    {OPTION(naming), .type = SCHEMA_CHOICE, .choices = namings, .def = "heka",
     .help = "Names and values as Heka's, or as those of etsy's statsd with the options of the "
             "table etsy; Heka's prefixes and percent_threshold are not used then."},
    {OPTION(etsy), .type = SCHEMA_TABLE, .sub = &etsy_schema,
     .help = "Options of naming \"etsy\", under statsd's names."},
    {.key = NULL},
};

const struct schema accum_schema = {.name = "StatAccumInput", .keys = accum_keys};

/* ---- names ---- */

void accum_join(struct accum_prefix *prefix, const char *part)
{
    size_t len = part != NULL ? strlen(part) : 0;
    if (len == 0)
        return;
    memcpy(prefix->text + prefix->len, part, len);
    prefix->len += len;
    if (part[len - 1] != '.')
        prefix->text[prefix->len++] = '.';
}

static void join_prefixes(struct accum *accum)
{
    const struct accum_config *config = accum->config;
    const char *const parts[STATSD_TYPE_COUNT] = {
        [STATSD_COUNTER] = config->counter_prefix,
        [STATSD_GAUGE] = config->gauge_prefix,
        [STATSD_TIMER] = config->timer_prefix,
        [STATSD_SET] = config->set_prefix,
        [STATSD_HISTOGRAM] = config->histogram_prefix,
        [STATSD_DISTRIBUTION] = config->distribution_prefix,
        [STATSD_METER] = config->meter_prefix,
    };
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++) {
        accum_join(&accum->prefixes[type], config->global_prefix);
        accum_join(&accum->prefixes[type], parts[type]);
    }
    if (!config->legacy_namespaces)
        accum_join(&accum->statsd, config->global_prefix);
    accum_join(&accum->statsd, config->statsd_prefix);
    accum_join(&accum->legacy_rates, config->global_prefix);
    accum_join(&accum->legacy_counts, "stats_counts");
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
        {"global_prefix", config->global_prefix},
        {"counter_prefix", config->counter_prefix},
        {"timer_prefix", config->timer_prefix},
        {"gauge_prefix", config->gauge_prefix},
        {"statsd_prefix", config->statsd_prefix},
        {"set_prefix", config->set_prefix},
        {"histogram_prefix", config->histogram_prefix},
        {"distribution_prefix", config->distribution_prefix},
        {"meter_prefix", config->meter_prefix},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t len = prefixes[i].value != NULL ? strlen(prefixes[i].value) : 0;
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
    if (config->idle_flushes > 0 && config->idle_flushes < SHARD_IDLE_FLUSHES)
        rc |= err_add(err, "idle_flushes: found %lld, allowed is 0, or %d to %d",
                      (long long)config->idle_flushes, SHARD_IDLE_FLUSHES, SHARD_IDLE_FLUSHES_MAX);
    rc |= check_percentiles(config, err);
    return rc | check_prefixes(config, err);
}

static int64_t value_or(int64_t value, int64_t def)
{
    return value != 0 ? value : def;
}

static int set_limits(struct accum *accum, struct err *err)
{
    const struct accum_config *config = accum->config;
    double alpha = config->sketch_error != 0 ? config->sketch_error : DDSKETCH_ALPHA_DEFAULT;
    accum->timer_exact_max = (uint64_t)value_or(config->timer_exact_max, ACCUM_TIMER_EXACT_DEFAULT);
    accum->sketch_bytes_max = (size_t)value_or(config->sketch_mbytes, ACCUM_SKETCH_MBYTES_DEFAULT)
                              << 20;
    accum->set_config.precision = HYPERLOGLOG_PRECISION_DEFAULT;
    accum->set_config.exact_max =
        (uint32_t)value_or(config->set_exact_max, ACCUM_SET_EXACT_DEFAULT);
    if (ddsketch_config_init(&accum->sketch_config, alpha, DDSKETCH_BINS_DEFAULT) != 0)
        return err_add(err, "sketch_error: found %g, allowed is %g to %g", alpha,
                       DDSKETCH_ALPHA_MIN, DDSKETCH_ALPHA_MAX);
    ddsketch_init(&accum->scratch_sketch, &accum->sketch_config);
    return 0;
}

int accum_new(const struct accum_config *config, struct accum **out, struct err *err)
{
    if (check_config(config, err) != 0)
        return -1;
    struct accum *accum = calloc(1, sizeof(*accum));
    if (accum == NULL)
        return err_add(err, "StatAccumInput: out of memory");
    accum->config = config;
    accum->emit = config->naming == ACCUM_ETSY ? &emit_etsy : &emit_heka;
    int rc = set_limits(accum, err);
    if (config->naming == ACCUM_ETSY)
        rc |= etsy_new(accum, err);
    if (rc != 0) {
        accum_free(accum);
        return -1;
    }
    if (config->naming != ACCUM_ETSY)
        join_prefixes(accum);
    name_percentiles(accum);
    *out = accum;
    return 0;
}

void accum_free(struct accum *accum)
{
    if (accum == NULL)
        return;
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++) {
        accum_drop_values(accum, type);
        accum_table_fini(&accum->tables[type]);
    }
    accum_timers_fini(&accum->timers);
    ddsketch_fini(&accum->scratch_sketch);
    etsy_free(accum->etsy);
    free(accum->flush.payload);
    free(accum->flush.field_bytes);
    free(accum);
}

size_t accum_bytes(const struct accum *accum)
{
    size_t bytes = sizeof(*accum) + accum_timers_bytes(&accum->timers) + 2 * accum->flush.capacity +
                   accum->set_bytes + accum->sketch_bytes + ddsketch_bytes(&accum->scratch_sketch);
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

/* ---- what others have seen ---- */

void accum_overflow(struct accum *accum, uint64_t samples)
{
    accum->overflow += samples;
    accum->counts.overflow += samples;
}

void accum_traffic(struct accum *accum, const struct shard_traffic *add)
{
    accum->traffic.packets += add->packets;
    accum->traffic.lines += add->lines;
    accum->traffic.bad_lines += add->bad_lines;
}
