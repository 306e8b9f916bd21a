/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/emit_etsy.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "stats/accum_values.h"

enum { OWN_COUNTERS = 3, OWN_LAG = 3, STEP_TOTALS = 4 };

/* ---- series ---- */

static void counter_lines(struct accum *accum, unsigned type, double sum)
{
    struct accum_flush *flush = &accum->flush;
    const struct accum_etsy *config = &accum->config->etsy;
    bool is_legacy = config->legacy_namespace && type == STATSD_COUNTER;
    accum_add_real(flush, &accum->prefixes[type], is_legacy ? NULL : "rate",
                   sum / flush->elapsed_s);
    if (config->flush_counts)
        accum_add_real(flush, is_legacy ? &accum->legacy_counts : &accum->prefixes[type],
                       is_legacy ? NULL : "count", sum);
}

struct part {
    uint64_t count;
    double sum, squares, edge;
};

/* The lowest `count` values, or the highest for a negative percentile. */
static struct part part_of(const struct accum_values *values, double percent, uint64_t count)
{
    struct part part = {.count = count};
    uint64_t below = percent > 0 ? 0 : values->count - count;
    if (percent > 0) {
        struct accum_part lowest = accum_values_lowest(values, count);
        part.sum = lowest.sum;
        part.edge = lowest.upper;
        part.squares = accum_values_squares(values, count);
        return part;
    }
    part.edge = accum_values_at(values, below + 1);
    part.sum = values->sum - (below > 0 ? accum_values_lowest(values, below).sum : 0);
    part.squares = accum_values_squares(values, values->count) -
                   (below > 0 ? accum_values_squares(values, below) : 0);
    return part;
}

static void add_shown(struct accum *accum, const struct accum_prefix *prefix, const char *suffix,
                      bool is_shown, double value)
{
    if (is_shown)
        accum_add_real(&accum->flush, prefix, suffix, value);
}

static void percent_lines(struct accum *accum, const struct accum_prefix *prefix,
                          const struct accum_values *values, const struct etsy_percent *percent)
{
    uint64_t count = values->count;
    if (count > 1)
        count = (uint64_t)floor(fabs(percent->percent) / 100 * (double)count + 0.5);
    if (count == 0)
        return;
    struct part part = part_of(values, percent->percent, count);
    const double parts[ETSY_PART_COUNT] = {
        [ETSY_COUNT_N] = (double)part.count, [ETSY_MEAN_N] = part.sum / (double)part.count,
        [ETSY_EDGE_N] = part.edge,           [ETSY_SUM_N] = part.sum,
        [ETSY_SQUARES_N] = part.squares,
    };
    for (unsigned i = 0; i < ETSY_PART_COUNT; i++)
        add_shown(accum, prefix, percent->suffixes[i], percent->is_shown[i], parts[i]);
}

static double median_of(const struct accum_values *values)
{
    uint64_t middle = values->count / 2;
    double upper = accum_values_at(values, middle + 1);
    return values->count % 2 != 0 ? upper : (accum_values_at(values, middle) + upper) / 2;
}

/* The first one whose metric is part of the name. */
static const struct etsy_histogram *histogram_of(const struct accum *accum)
{
    const struct etsy_state *etsy = accum->etsy;
    const struct accum_flush *flush = &accum->flush;
    for (unsigned i = 0; i < etsy->histogram_count; i++) {
        const struct etsy_histogram *histogram = &etsy->histograms[i];
        size_t len = flush->name_len + flush->tags_len; /* tags follow the name */
        if (memmem(flush->name, len, histogram->metric, histogram->metric_len) != NULL)
            return histogram;
    }
    return NULL;
}

static void histogram_lines(struct accum *accum, const struct accum_prefix *prefix,
                            const struct accum_values *values)
{
    const struct etsy_histogram *histogram = histogram_of(accum);
    uint64_t before = 0;
    for (unsigned i = 0; histogram != NULL && i < histogram->bin_count; i++) {
        const struct etsy_bin *bin = &histogram->bins[i];
        uint64_t below = isinf(bin->limit) ? values->count : accum_values_below(values, bin->limit);
        below = below > before ? below : before;
        accum_add_integer(&accum->flush, prefix, bin->suffix, (int64_t)(below - before));
        before = below;
    }
}

static void value_lines(struct accum *accum, const struct accum_prefix *prefix,
                        const struct accum_values *values)
{
    static const char *const suffixes[] = {"std", "upper",       "lower", "count", "count_ps",
                                           "sum", "sum_squares", "mean",  "median"};
    const double all[] = {
        [ETSY_STD] = accum_values_std(values),
        [ETSY_UPPER] = values->upper,
        [ETSY_LOWER] = values->lower,
        [ETSY_COUNT] = values->weight,
        [ETSY_COUNT_PS] = values->weight / accum->flush.elapsed_s,
        [ETSY_SUM] = values->sum,
        [ETSY_SUM_SQUARES] = accum_values_squares(values, values->count),
        [ETSY_MEAN] = values->mean,
        [ETSY_MEDIAN] = median_of(values),
    };
    for (unsigned i = 0; i < ETSY_HISTOGRAM; i++)
        add_shown(accum, prefix, suffixes[i], accum->etsy->is_shown[i], all[i]);
    if (accum->etsy->is_shown[ETSY_HISTOGRAM])
        histogram_lines(accum, prefix, values);
}

static void timer_lines(struct accum *accum, unsigned type, struct accum_series *series)
{
    const struct etsy_state *etsy = accum->etsy;
    const struct accum_prefix *prefix = &accum->prefixes[type];
    struct accum_values values = accum_values_of(accum, type, series);
    if (values.count == 0) {
        add_shown(accum, prefix, "count", etsy->is_shown[ETSY_COUNT], 0);
        add_shown(accum, prefix, "count_ps", etsy->is_shown[ETSY_COUNT_PS], 0);
        return;
    }
    for (unsigned i = 0; i < etsy->percent_count; i++)
        percent_lines(accum, prefix, &values, &etsy->percents[i]);
    value_lines(accum, prefix, &values);
}

static void series_lines(struct accum *accum, unsigned type, struct accum_series *series)
{
    switch (type) {
    case STATSD_COUNTER:
    case STATSD_METER:
        counter_lines(accum, type, accum_series_sum(series));
        return;
    case STATSD_GAUGE:
        accum_add_real(&accum->flush, &accum->prefixes[type], NULL, accum_series_gauge(series));
        return;
    case STATSD_SET:
        accum_add_integer(&accum->flush, &accum->prefixes[type], "count",
                          (int64_t)accum_series_members(series));
        return;
    default:
        timer_lines(accum, type, series);
    }
}

/* ---- statsd's own ---- */

/* As long as it is known when the flush before was. */
static bool has_lag(const struct accum *accum)
{
    return accum->etsy->last_flush_s != 0;
}

static uint64_t count_series(const struct accum *accum)
{
    uint64_t sum = OWN_COUNTERS + (has_lag(accum) ? 1 : 0);
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        sum += accum->tables[type].count;
    return sum;
}

static int64_t took_ms(const struct accum *accum)
{
    return (int64_t)((clock_mono_ns() - accum->flush.start_ns) / CLOCK_NS_PER_MS);
}

static void last_lines(struct accum *accum)
{
    const struct etsy_state *etsy = accum->etsy;
    struct accum_flush *flush = &accum->flush;
    int64_t last_s = etsy->last_flush_s != 0 ? etsy->last_flush_s : flush->now_s;
    if (accum->counts.overflow != 0)
        accum_add_integer(flush, &etsy->own, "overflow", (int64_t)accum->overflow);
    if (accum->counts.sketches != 0)
        accum_add_integer(flush, &etsy->own, "sketches", (int64_t)accum->sketches);
    accum_add_integer(flush, &accum->statsd, "numStats", (int64_t)count_series(accum));
    accum_add_integer(flush, &etsy->own, "graphiteStats.calculationtime", took_ms(accum));
    accum_add_integer(flush, &etsy->own, "processing_time", took_ms(accum));
    accum_add_integer(flush, &etsy->own, "graphiteStats.last_exception", 0);
    accum_add_integer(flush, &etsy->own, "graphiteStats.last_flush", last_s);
    accum_add_integer(flush, &etsy->own, "graphiteStats.flush_time", etsy->last_took_ms);
    accum_add_integer(flush, &etsy->own, "graphiteStats.flush_length", etsy->last_bytes);
    accum->overflow = 0;
}

static void own_counter_lines(struct accum *accum, unsigned step)
{
    uint64_t *const counts[OWN_COUNTERS] = {&accum->traffic.bad_lines, &accum->traffic.packets,
                                            &accum->traffic.lines};
    counter_lines(accum, STATSD_COUNTER, (double)*counts[step]);
    *counts[step] = 0;
}

static bool total_lines(struct accum *accum, unsigned step)
{
    struct etsy_state *etsy = accum->etsy;
    struct accum_flush *flush = &accum->flush;
    if (step > STEP_TOTALS)
        return false;
    if (step < STEP_TOTALS) {
        flush->name = etsy->own_names[step];
        flush->name_len = strlen(flush->name);
    }
    if (step < OWN_COUNTERS)
        own_counter_lines(accum, step);
    else if (step == OWN_LAG && has_lag(accum))
        accum_add_integer(flush, &accum->prefixes[STATSD_GAUGE], NULL,
                          flush->now_s - etsy->last_flush_s - accum->config->ticker_interval);
    else if (step == STEP_TOTALS)
        last_lines(accum);
    return true;
}

/* ---- names ---- */

static size_t tags_len(const struct accum *accum, const struct accum_series *series)
{
    (void)accum;
    const char *tags = memchr(series->name, ';', series->name_len);
    return tags != NULL ? (size_t)(series->name + series->name_len - tags) : 0;
}

static size_t write_name(const struct accum *accum, const char *name, size_t len, char *to)
{
    if (!accum->config->etsy.key_name_sanitize)
        return etsy_sanitize(name, len, to);
    memcpy(to, name, len);
    return len;
}

/* ---- between intervals ---- */

/* Counters whose names look like statsd's own are emptied and not forgotten. */
static bool keeps_counter(void *arg, const struct accum_series *series)
{
    static const char *const own[] = {"packets_received", "metrics_received", "bad_lines_seen"};
    (void)arg;
    for (unsigned i = 0; i < 3; i++)
        if (memmem(series->name, series->name_len, own[i], strlen(own[i])) != NULL)
            return true;
    return false;
}

static bool keeps_gauge(void *arg, const struct accum_series *series)
{
    (void)arg;
    return series->flushes_left > 0;
}

static void age_gauges(struct accum_table *gauges)
{
    for (uint32_t i = 0; i < gauges->count; i++)
        if (gauges->series[i].flushes_left > 0)
            gauges->series[i].flushes_left--;
    accum_table_retain(gauges, keeps_gauge, NULL);
}

static void end(struct accum *accum)
{
    struct etsy_state *etsy = accum->etsy;
    etsy->last_flush_s = accum->flush.now_s;
    etsy->last_took_ms = took_ms(accum);
    etsy->last_bytes = (int64_t)accum->flush.sent_bytes;
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++) {
        if (!etsy->deletes[type])
            continue;
        if (type == STATSD_GAUGE)
            age_gauges(&accum->tables[type]);
        else if (type == STATSD_COUNTER)
            accum_table_retain(&accum->tables[type], keeps_counter, NULL);
        else
            accum_table_clear(&accum->tables[type]);
    }
}

const struct accum_emit emit_etsy = {
    .always_dot = true,
    .put_real = decimal_put_shortest,
    .tags_len = tags_len,
    .write_name = write_name,
    .series_lines = series_lines,
    .total_lines = total_lines,
    .end = end,
};
