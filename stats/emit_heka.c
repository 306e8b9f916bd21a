/* SPDX-License-Identifier: MPL-2.0
 *
 * emit_heka.c - Heka's names and values; and, in the same manner, those of the types that Heka did
 *               not know.
 */
#include <math.h>

#include "stats/accum_values.h"

static void counter_lines(struct accum *accum, unsigned type, struct accum_series *series)
{
    struct accum_flush *flush = &accum->flush;
    double sum = accum_series_sum(series);
    double rate = sum / flush->elapsed_s;
    int64_t count = series->real == 0 ? series->count : accum_to_int64(sum);
    if (type == STATSD_COUNTER && accum->config->legacy_namespaces) {
        accum_add_real(flush, &accum->legacy_rates, NULL, rate);
        flush->lines[0].is_legacy_rate = true;
        accum_add_integer(flush, &accum->legacy_counts, NULL, count);
    } else {
        accum_add_real(flush, &accum->prefixes[type], "rate", rate);
        accum_add_integer(flush, &accum->prefixes[type], "count", count);
    }
}

static void percentile_lines(struct accum *accum, const struct accum_prefix *prefix,
                             const struct accum_values *values)
{
    for (unsigned i = 0; i < accum->percentile_count; i++) {
        const struct accum_percentile *percentile = &accum->percentiles[i];
        double left_out =
            floor((100.0 - (double)percentile->percent) / 100.0 * (double)values->count + 0.5);
        uint64_t inside = values->count - (uint64_t)left_out;
        double mean = values->lower, upper = values->upper;
        if (inside > 0) {
            struct accum_part part = accum_values_lowest(values, inside);
            mean = inside == values->count ? values->mean : part.sum / (double)inside;
            upper = part.upper;
        }
        accum_add_real(&accum->flush, prefix, percentile->mean_suffix, mean);
        accum_add_real(&accum->flush, prefix, percentile->upper_suffix, upper);
    }
}

/* Count and rate are of what the values stand for; with Heka's dialect that is themselves. All else
 * is over the values, but for distributions, whose sketch has the weights. */
static void timer_lines(struct accum *accum, unsigned type, struct accum_series *series)
{
    struct accum_flush *flush = &accum->flush;
    const struct accum_prefix *prefix = &accum->prefixes[type];
    struct accum_values values = accum_values_of(accum, type, series);
    accum_add_integer(flush, prefix, "count", accum_to_int64(rint(values.weight)));
    accum_add_real(flush, prefix, "count_ps", values.weight / flush->elapsed_s);
    accum_add_real(flush, prefix, "lower", values.lower);
    accum_add_real(flush, prefix, "upper", values.upper);
    accum_add_real(flush, prefix, "sum", values.sum);
    accum_add_real(flush, prefix, "mean", values.mean);
    percentile_lines(accum, prefix, &values);
}

static void series_lines(struct accum *accum, unsigned type, struct accum_series *series)
{
    switch (type) {
    case STATSD_COUNTER:
    case STATSD_METER:
        counter_lines(accum, type, series);
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

static bool total_lines(struct accum *accum, unsigned step)
{
    uint64_t sum = 0;
    if (step > 0)
        return false;
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        sum += accum->tables[type].count;
    if (accum->counts.overflow != 0)
        accum_add_integer(&accum->flush, &accum->statsd, "overflow", (int64_t)accum->overflow);
    if (accum->counts.sketches != 0)
        accum_add_integer(&accum->flush, &accum->statsd, "sketches", (int64_t)accum->sketches);
    accum_add_integer(&accum->flush, &accum->statsd, "numStats", (int64_t)sum);
    accum->overflow = 0;
    return true;
}

static size_t tags_len(const struct accum *accum, const struct accum_series *series)
{
    (void)accum;
    return series->tags_len;
}

static void end(struct accum *accum)
{
    for (unsigned type = 0; accum->config->delete_idle_stats && type < STATSD_TYPE_COUNT; type++)
        accum_table_clear(&accum->tables[type]);
}

const struct accum_emit emit_heka = {
    .put_real = decimal_put_fixed6,
    .tags_len = tags_len,
    .series_lines = series_lines,
    .total_lines = total_lines,
    .end = end,
};
