/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/accum_timer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/finite.h"
#include "stats/sort_values.h"

#define RUN_WEIGHTED (UINT64_C(1) << 63)

enum { RUN_HEAD = 2, CELLS_MIN = 1024 };

void accum_timers_fini(struct accum_timers *timers)
{
    free(timers->cells);
    free(timers->sorted);
    free(timers->scratch);
    *timers = (struct accum_timers){0};
}

void accum_timers_clear(struct accum_timers *timers)
{
    timers->used = 0;
}

size_t accum_timers_bytes(const struct accum_timers *timers)
{
    return timers->capacity * sizeof(union accum_cell) +
           timers->sorted_capacity * 2 * sizeof(double);
}

static size_t grown(size_t capacity, size_t need)
{
    capacity = capacity < CELLS_MIN ? CELLS_MIN : capacity;
    while (capacity < need)
        capacity *= 2;
    return capacity;
}

static bool grow_cells(struct accum_timers *timers, size_t need)
{
    if (need <= timers->capacity)
        return true;
    size_t capacity = grown(timers->capacity, need);
    union accum_cell *cells = realloc(timers->cells, capacity * sizeof(*cells));
    if (cells == NULL)
        return false;
    timers->cells = cells;
    timers->capacity = capacity;
    return true;
}

static bool grow_sorted(struct accum_timers *timers, size_t need)
{
    if (need <= timers->sorted_capacity)
        return true;
    size_t capacity = grown(timers->sorted_capacity, need);
    double *sorted = malloc(capacity * sizeof(*sorted));
    double *scratch = malloc(capacity * sizeof(*scratch));
    if (sorted == NULL || scratch == NULL) {
        free(sorted);
        free(scratch);
        return false;
    }
    free(timers->sorted);
    free(timers->scratch);
    timers->sorted = sorted;
    timers->scratch = scratch;
    timers->sorted_capacity = capacity;
    return true;
}

bool accum_timers_add(struct accum_timers *timers, uint64_t *run, uint64_t *total,
                      const struct accum_run *add)
{
    uint64_t cells = add->count * (add->weights != NULL ? 2 : 1);
    if (!grow_cells(timers, timers->used + RUN_HEAD + cells) ||
        !grow_sorted(timers, *total + add->count))
        return false;
    union accum_cell *cell = timers->cells + timers->used;
    cell[0].word = *run;
    cell[1].word = add->count | (add->weights != NULL ? RUN_WEIGHTED : 0);
    memcpy(cell + RUN_HEAD, add->values, add->count * sizeof(*add->values));
    if (add->weights != NULL)
        memcpy(cell + RUN_HEAD + add->count, add->weights, add->count * sizeof(*add->weights));
    *run = timers->used + 1;
    *total += add->count;
    timers->used += RUN_HEAD + cells;
    return true;
}

struct accum_run accum_timers_run(const struct accum_timers *timers, uint64_t *run)
{
    const union accum_cell *cell = &timers->cells[*run - 1];
    uint64_t count = cell[1].word & ~RUN_WEIGHTED;
    bool is_weighted = (cell[1].word & RUN_WEIGHTED) != 0;
    *run = cell[0].word;
    return (struct accum_run){.values = &cell[RUN_HEAD].value,
                              .weights = is_weighted ? &cell[RUN_HEAD + count].value : NULL,
                              .count = count};
}

/* The result is in timers->sorted. */
static void sort(struct accum_timers *timers, size_t count)
{
    double *sorted = sort_values(timers->sorted, timers->scratch, count);
    if (sorted == timers->scratch) {
        timers->scratch = timers->sorted;
        timers->sorted = sorted;
    }
}

struct accum_timer_stats accum_timers_compute(struct accum_timers *timers, uint64_t run,
                                              uint64_t total)
{
    struct accum_timer_stats stats = {.count = total};
    size_t count = 0;
    double sum = 0;
    if (total == 0)
        return stats;
    while (run != 0) {
        struct accum_run part = accum_timers_run(timers, &run);
        memcpy(timers->sorted + count, part.values, part.count * sizeof(double));
        count += part.count;
    }
    sort(timers, count);
    for (size_t i = 0; i < count; i++) { /* the scratch becomes the sums up to each value */
        sum = hold_finite(sum + timers->sorted[i]);
        timers->scratch[i] = sum;
    }
    stats.lower = timers->sorted[0];
    stats.upper = timers->sorted[count - 1];
    stats.sum = sum;
    stats.mean = sum / (double)count;
    return stats;
}

void accum_timers_percentile(const struct accum_timers *timers,
                             const struct accum_timer_stats *stats, int64_t percent, double *mean,
                             double *upper)
{
    double left_out = floor((100.0 - (double)percent) / 100.0 * (double)stats->count + 0.5);
    uint64_t inside = stats->count - (uint64_t)left_out;
    *mean = stats->lower;
    *upper = stats->upper;
    if (inside == 0)
        return;
    *mean = timers->scratch[inside - 1] / (double)inside;
    *upper = timers->sorted[inside - 1];
}
