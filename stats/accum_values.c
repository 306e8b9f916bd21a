/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/accum_values.h"

#include <math.h>

#include "stats/finite.h"

static struct accum_values of_sketch(const struct ddsketch *sketch)
{
    struct accum_values values = {.sketch = sketch};
    if (sketch->weight == 0)
        return values;
    values.weight = (double)sketch->weight / (double)DDSKETCH_ONE;
    values.count = (sketch->weight + DDSKETCH_ONE / 2) / DDSKETCH_ONE;
    values.count = values.count > 0 ? values.count : 1;
    values.lower = sketch->min;
    values.upper = sketch->max;
    values.sum = exact_sum_value(&sketch->sum);
    values.mean = hold_finite(values.sum / values.weight);
    return values;
}

static struct accum_values of_runs(struct accum *accum, const struct accum_series *series)
{
    struct accum_timer_stats stats =
        accum_timers_compute(&accum->timers, series->timer_run, series->timer_count);
    return (struct accum_values){.count = stats.count,
                                 .weight = series->weight,
                                 .lower = stats.lower,
                                 .upper = stats.upper,
                                 .sum = stats.sum,
                                 .mean = stats.mean,
                                 .timers = &accum->timers};
}

struct accum_values accum_values_of(struct accum *accum, unsigned type,
                                    const struct accum_series *series)
{
    if (series->is_sketch) {
        struct accum_values values = of_sketch(series->sketch);
        if (type != STATSD_DISTRIBUTION)
            values.weight = series->weight;
        return values;
    }
    bool has_weights = type == STATSD_DISTRIBUTION && series->timer_count > 0 &&
                       series->weight != (double)series->timer_count;
    if (has_weights && accum_sketch_runs(accum, series, type, &accum->scratch_sketch))
        return of_sketch(&accum->scratch_sketch);
    return of_runs(accum, series);
}

double accum_values_at(const struct accum_values *values, uint64_t n)
{
    if (values->sketch == NULL)
        return values->timers->sorted[n - 1];
    return n == values->count ? values->upper : ddsketch_at(values->sketch, (n - 1) * DDSKETCH_ONE);
}

/* Of the lowest n values of a sketch; of all, whatever the rounding of `count`. */
static uint64_t weight_of(const struct accum_values *values, uint64_t n)
{
    return n == values->count ? UINT64_MAX : n * DDSKETCH_ONE;
}

struct accum_part accum_values_lowest(const struct accum_values *values, uint64_t n)
{
    struct accum_part part = {.upper = accum_values_at(values, n)};
    if (values->sketch != NULL) {
        struct ddsketch_sums sums = ddsketch_lowest(values->sketch, weight_of(values, n));
        part.sum = sums.sum;
        return part;
    }
    part.sum = values->timers->scratch[n - 1];
    return part;
}

double accum_values_squares(const struct accum_values *values, uint64_t n)
{
    double squares = 0;
    if (values->sketch != NULL)
        return ddsketch_lowest(values->sketch, weight_of(values, n)).squares;
    for (uint64_t i = 0; i < n; i++) {
        double value = values->timers->sorted[i];
        squares = hold_finite(squares + value * value);
    }
    return squares;
}

double accum_values_std(const struct accum_values *values)
{
    double squares = 0;
    if (values->count == 0)
        return 0;
    if (values->sketch != NULL) {
        double weight = (double)values->sketch->weight / (double)DDSKETCH_ONE;
        double mean_square = exact_sum_value(&values->sketch->squares) / weight;
        return sqrt(fmax(mean_square - values->mean * values->mean, 0));
    }
    for (uint64_t i = 0; i < values->count; i++) {
        double differs = values->timers->sorted[i] - values->mean;
        squares = hold_finite(squares + differs * differs);
    }
    return sqrt(squares / (double)values->count);
}

uint64_t accum_values_below(const struct accum_values *values, double limit)
{
    if (values->sketch != NULL && limit > values->upper)
        return values->count;
    if (values->sketch != NULL)
        return ddsketch_below(values->sketch, limit) / DDSKETCH_ONE;
    uint64_t low = 0, high = values->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (values->timers->sorted[middle] < limit)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
