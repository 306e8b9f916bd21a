/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/ddsketch.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "stats/finite.h"
#include "stats/weight.h"

enum { POSITIVE, NEGATIVE, CAPACITY_MIN = 32 };

/* ---- configuration ---- */

int ddsketch_config_init(struct ddsketch_config *config, double alpha, uint32_t bins_max)
{
    if (!(alpha >= DDSKETCH_ALPHA_MIN && alpha <= DDSKETCH_ALPHA_MAX) ||
        bins_max < DDSKETCH_BINS_MIN || bins_max > DDSKETCH_BINS_MAX)
        return -EINVAL;
    config->alpha = alpha;
    config->bins_max = bins_max;
    config->log_gamma = log1p(2 * alpha / (1 - alpha)); /* gamma is (1 + alpha) / (1 - alpha) */
    config->middle = 1 - alpha;                         /* 2 / (gamma + 1) */
    return 0;
}

static int32_t index_of(const struct ddsketch_config *config, double magnitude)
{
    return (int32_t)ceil(log(magnitude) / config->log_gamma);
}

/* What stands for all values of a bin. It may be infinite where the largest doubles are. */
static double value_of(const struct ddsketch_config *config, int32_t index)
{
    return exp((double)index * config->log_gamma) * config->middle;
}

void ddsketch_init(struct ddsketch *sketch, const struct ddsketch_config *config)
{
    *sketch = (struct ddsketch){.config = config};
}

void ddsketch_fini(struct ddsketch *sketch)
{
    free(sketch->stores[POSITIVE].bins);
    free(sketch->stores[NEGATIVE].bins);
    *sketch = (struct ddsketch){0};
}

void ddsketch_clear(struct ddsketch *sketch)
{
    struct ddsketch before = *sketch;
    ddsketch_init(sketch, before.config);
    for (unsigned i = 0; i < 2; i++) {
        sketch->stores[i].bins = before.stores[i].bins;
        sketch->stores[i].capacity = before.stores[i].capacity;
    }
}

size_t ddsketch_bytes(const struct ddsketch *sketch)
{
    size_t bins = (size_t)sketch->stores[POSITIVE].capacity + sketch->stores[NEGATIVE].capacity;
    return sizeof(*sketch) + bins * sizeof(uint64_t);
}

uint64_t ddsketch_weight(double rate)
{
    double weight = rint((double)DDSKETCH_ONE / rate);
    return weight >= 0x1p63 ? UINT64_C(1) << 63 : weight > 1 ? (uint64_t)weight : 1;
}

/* ---- one store ---- */

static int32_t last_of(const struct ddsketch_store *store)
{
    return store->first + (int32_t)store->count - 1;
}

/* The lowest bin that a store whose highest is `last` may have. */
static int32_t floor_of(const struct ddsketch_config *config, int32_t last)
{
    return last - (int32_t)config->bins_max + 1;
}

/* Weight of all bins below `index`. */
static uint64_t weight_below(const struct ddsketch_store *store, int32_t index)
{
    uint64_t weight = 0;
    for (uint32_t i = 0; i < store->count && store->first + (int32_t)i < index; i++)
        weight = weight_sum(weight, store->bins[i]);
    return weight;
}

/* What has or will have collapsed once no bin is below `lowest`. */
static uint64_t collapsed_at(const struct ddsketch_store *store, int32_t lowest)
{
    return store->count > 0 && store->first < lowest ? weight_below(store, lowest)
                                                     : store->collapsed;
}

/* Room for bins first to last, at most bins_max of them. The store is as it was otherwise. */
static int reserve(struct ddsketch_store *store, uint32_t count, uint32_t bins_max)
{
    if (count <= store->capacity)
        return 0;
    uint32_t capacity = store->capacity < CAPACITY_MIN ? CAPACITY_MIN : store->capacity;
    while (capacity < count)
        capacity *= 2;
    if (capacity > bins_max)
        capacity = bins_max;
    uint64_t *bins = realloc(store->bins, capacity * sizeof(*bins));
    if (bins == NULL)
        return -ENOMEM;
    store->bins = bins;
    store->capacity = capacity;
    return 0;
}

static uint32_t span(int32_t first, int32_t last)
{
    return (uint32_t)(last - first + 1);
}

/* Bins below `lowest` go into it. The store has others then, at or above it, or gets one. */
static void collapse(struct ddsketch_store *store, int32_t lowest)
{
    if (store->first >= lowest)
        return;
    uint32_t gone = span(store->first, lowest) - 1;
    uint64_t weight = weight_below(store, lowest);
    store->collapsed = weight;
    if (gone >= store->count) { /* all of them: one bin is left */
        store->count = 1;
        store->bins[0] = weight;
    } else {
        store->count -= gone;
        memmove(store->bins, store->bins + gone, store->count * sizeof(*store->bins));
        store->bins[0] = weight_sum(store->bins[0], weight);
    }
    store->first = lowest;
}

/* Makes bins first to last; there is room for them. */
static void extend(struct ddsketch_store *store, int32_t first, int32_t last)
{
    if (store->count == 0) {
        store->first = first;
    } else if (first < store->first) {
        uint32_t add = span(first, store->first) - 1;
        memmove(store->bins + add, store->bins, store->count * sizeof(*store->bins));
        memset(store->bins, 0, add * sizeof(*store->bins));
        store->count += add;
        store->first = first;
    }
    uint32_t count = span(store->first, last);
    if (count > store->count) {
        memset(store->bins + store->count, 0, (count - store->count) * sizeof(*store->bins));
        store->count = count;
    }
}

/* Makes the store hold bins first to last beside its own, as far as bins_max allows. Gives the
 * lowest that is allowed now. */
static int widen(struct ddsketch_store *store, const struct ddsketch_config *config, int32_t first,
                 int32_t last)
{
    if (store->count > 0) {
        first = first < store->first ? first : store->first;
        last = last > last_of(store) ? last : last_of(store);
    }
    int32_t lowest = floor_of(config, last);
    first = first > lowest ? first : lowest;
    if (reserve(store, span(first, last), config->bins_max) != 0)
        return -ENOMEM;
    if (store->count > 0)
        collapse(store, lowest);
    extend(store, first, last);
    return 0;
}

static int store_add(struct ddsketch_store *store, const struct ddsketch_config *config,
                     int32_t index, uint64_t weight)
{
    bool is_inside = store->count > 0 && index >= store->first && index <= last_of(store);
    if (!is_inside && widen(store, config, index, index) != 0)
        return -ENOMEM;
    if (index < store->first) {
        store->collapsed = weight_sum(store->collapsed, weight);
        index = store->first;
    }
    uint64_t *bin = &store->bins[index - store->first];
    *bin = weight_sum(*bin, weight);
    return 0;
}

/* There is room: see make_room(). */
static void store_merge(struct ddsketch_store *store, const struct ddsketch_config *config,
                        const struct ddsketch_store *other)
{
    if (other->count == 0)
        return;
    CHECK(widen(store, config, other->first, last_of(other)) == 0);
    int32_t lowest = floor_of(config, last_of(store));
    store->collapsed = weight_sum(store->collapsed, collapsed_at(other, lowest));
    for (uint32_t i = 0; i < other->count; i++) {
        int32_t index = other->first + (int32_t)i;
        uint64_t *bin = &store->bins[index < store->first ? 0 : index - store->first];
        *bin = weight_sum(*bin, other->bins[i]);
    }
}

/* ---- adding and merging ---- */

static void add_sums(struct ddsketch *sketch, double value, uint64_t weight)
{
    double times = (double)weight / (double)DDSKETCH_ONE;
    exact_sum_add(&sketch->sum, hold_finite(value * times));
    exact_sum_add(&sketch->squares, hold_finite(value * value * times));
    if (sketch->weight == 0 || value < sketch->min)
        sketch->min = value;
    if (sketch->weight == 0 || value > sketch->max)
        sketch->max = value;
    sketch->weight = weight_sum(sketch->weight, weight);
}

int ddsketch_add(struct ddsketch *sketch, double value, uint64_t weight)
{
    double magnitude = fabs(value);
    CHECK(magnitude <= DBL_MAX && weight > 0);
    if (magnitude < DBL_MIN) {
        sketch->zero = weight_sum(sketch->zero, weight);
        value = magnitude == 0 ? 0 : value; /* -0 is 0 */
    } else if (store_add(&sketch->stores[value < 0], sketch->config,
                         index_of(sketch->config, magnitude), weight) != 0) {
        return -ENOMEM;
    }
    add_sums(sketch, value, weight);
    return 0;
}

static int make_room(struct ddsketch_store *store, const struct ddsketch_config *config,
                     const struct ddsketch_store *other)
{
    if (other->count == 0)
        return 0;
    int32_t first = other->first, last = last_of(other);
    if (store->count > 0) {
        first = first < store->first ? first : store->first;
        last = last > last_of(store) ? last : last_of(store);
    }
    uint32_t count = span(first, last);
    return reserve(store, count < config->bins_max ? count : config->bins_max, config->bins_max);
}

int ddsketch_merge(struct ddsketch *sketch, const struct ddsketch *other)
{
    const struct ddsketch_config *config = sketch->config;
    if (config->alpha != other->config->alpha || config->bins_max != other->config->bins_max)
        return -EINVAL;
    for (unsigned i = 0; i < 2; i++)
        if (make_room(&sketch->stores[i], config, &other->stores[i]) != 0)
            return -ENOMEM;
    if (other->weight == 0)
        return 0;
    for (unsigned i = 0; i < 2; i++)
        store_merge(&sketch->stores[i], config, &other->stores[i]);
    sketch->min = sketch->weight == 0 ? other->min : fmin(sketch->min, other->min);
    sketch->max = sketch->weight == 0 ? other->max : fmax(sketch->max, other->max);
    sketch->zero = weight_sum(sketch->zero, other->zero);
    sketch->weight = weight_sum(sketch->weight, other->weight);
    exact_sum_merge(&sketch->sum, &other->sum);
    exact_sum_merge(&sketch->squares, &other->squares);
    return 0;
}

uint64_t ddsketch_collapsed(const struct ddsketch *sketch)
{
    return weight_sum(sketch->stores[POSITIVE].collapsed, sketch->stores[NEGATIVE].collapsed);
}

/* ---- asking ---- */

/* Calls fn with each value and its weight, ascending, until it returns false. */
typedef bool (*bin_fn)(void *arg, double value, uint64_t weight);

static double clamp(const struct ddsketch *sketch, double value)
{
    return fmin(fmax(value, sketch->min), sketch->max);
}

static void walk(const struct ddsketch *sketch, bin_fn fn, void *arg)
{
    const struct ddsketch_store *negative = &sketch->stores[NEGATIVE];
    const struct ddsketch_store *positive = &sketch->stores[POSITIVE];
    for (uint32_t i = negative->count; i > 0; i--) {
        double value = -value_of(sketch->config, negative->first + (int32_t)i - 1);
        if (negative->bins[i - 1] != 0 && !fn(arg, clamp(sketch, value), negative->bins[i - 1]))
            return;
    }
    if (sketch->zero != 0 && !fn(arg, clamp(sketch, 0), sketch->zero))
        return;
    for (uint32_t i = 0; i < positive->count; i++) {
        double value = value_of(sketch->config, positive->first + (int32_t)i);
        if (positive->bins[i] != 0 && !fn(arg, clamp(sketch, value), positive->bins[i]))
            return;
    }
}

struct search {
    uint64_t left;
    double value;
};

static bool search_bin(void *arg, double value, uint64_t weight)
{
    struct search *search = arg;
    search->value = value;
    if (search->left < weight)
        return false;
    search->left -= weight;
    return true;
}

double ddsketch_at(const struct ddsketch *sketch, uint64_t below)
{
    struct search search = {.left = below};
    if (sketch->weight == 0)
        return 0;
    if (below >= sketch->weight)
        return sketch->max;
    walk(sketch, search_bin, &search);
    return search.value;
}

double ddsketch_quantile(const struct ddsketch *sketch, double q)
{
    if (q <= 0)
        return sketch->weight != 0 ? sketch->min : 0;
    if (q >= 1 || sketch->weight <= DDSKETCH_ONE)
        return sketch->weight != 0 ? sketch->max : 0;
    uint64_t ranks = sketch->weight - DDSKETCH_ONE;
    double rank = floor(q * ((double)ranks / (double)DDSKETCH_ONE));
    return ddsketch_at(sketch, (uint64_t)(rank * (double)DDSKETCH_ONE));
}

struct lowest {
    uint64_t left;
    struct ddsketch_sums sums;
};

static bool sum_bin(void *arg, double value, uint64_t weight)
{
    struct lowest *lowest = arg;
    uint64_t inside = weight < lowest->left ? weight : lowest->left;
    double times = (double)inside / (double)DDSKETCH_ONE;
    lowest->sums.sum = hold_finite(lowest->sums.sum + hold_finite(value * times));
    lowest->sums.squares = hold_finite(lowest->sums.squares + hold_finite(value * value * times));
    lowest->left -= inside;
    return lowest->left > 0;
}

struct ddsketch_sums ddsketch_lowest(const struct ddsketch *sketch, uint64_t weight)
{
    struct lowest lowest = {.left = weight};
    if (weight >= sketch->weight)
        return (struct ddsketch_sums){exact_sum_value(&sketch->sum),
                                      exact_sum_value(&sketch->squares)};
    if (weight > 0)
        walk(sketch, sum_bin, &lowest);
    return lowest.sums;
}

struct below {
    double limit;
    uint64_t weight;
};

static bool count_bin(void *arg, double value, uint64_t weight)
{
    struct below *below = arg;
    if (!(value < below->limit))
        return false;
    below->weight = weight_sum(below->weight, weight);
    return true;
}

uint64_t ddsketch_below(const struct ddsketch *sketch, double limit)
{
    struct below below = {.limit = limit};
    walk(sketch, count_bin, &below);
    return below.weight;
}

/* ---- other parameters ---- */

struct conversion {
    struct ddsketch *to;
    int rc;
};

static bool convert_bin(void *arg, double value, uint64_t weight)
{
    struct conversion *conversion = arg;
    conversion->rc = ddsketch_add(conversion->to, value, weight);
    return conversion->rc == 0;
}

int ddsketch_convert(struct ddsketch *sketch, const struct ddsketch *other)
{
    struct ddsketch part;
    struct conversion conversion = {.to = &part};
    if (ddsketch_merge(sketch, other) == 0)
        return 0;
    ddsketch_init(&part, sketch->config);
    walk(other, convert_bin, &conversion);
    part.sum = other->sum;
    part.squares = other->squares;
    part.min = other->min;
    part.max = other->max;
    if (conversion.rc == 0)
        conversion.rc = ddsketch_merge(sketch, &part);
    ddsketch_fini(&part);
    return conversion.rc;
}
