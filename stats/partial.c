/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/partial.h"

#include <errno.h>

#include "core/check.h"

void partial_init(struct partial *partial, uint8_t type, const char *name, uint16_t name_len,
                  uint16_t tags_len)
{
    CHECK(type < STATSD_TYPE_COUNT && name_len > 0 && tags_len < name_len);
    *partial = (struct partial){.type = type == STATSD_REAL_COUNTER ? STATSD_COUNTER : type,
                                .name = name,
                                .name_len = name_len,
                                .tags_len = tags_len};
}

void partial_fini(struct partial *partial)
{
    ddsketch_fini(&partial->sketch);
    hyperloglog_fini(&partial->set);
    *partial = (struct partial){0};
}

static void merge_gauge(struct partial *partial, const struct partial *other)
{
    bool is_later = other->gauge_ns > partial->gauge_ns ||
                    (other->gauge_ns == partial->gauge_ns && other->gauge > partial->gauge);
    if (!other->is_set || (partial->is_set && !is_later))
        return;
    partial->is_set = true;
    partial->gauge = other->gauge;
    partial->gauge_ns = other->gauge_ns;
}

static void merge_count(struct partial *partial, const struct partial *other)
{
    int64_t sum;
    if (__builtin_add_overflow(partial->count, other->count, &sum))
        sum = other->count < 0 ? INT64_MIN : INT64_MAX;
    partial->count = sum;
}

/* An empty one takes the parameters of the first that is merged. */
static int merge_sketch(struct partial *partial, const struct partial *other)
{
    if (other->sketch.config == NULL)
        return 0;
    if (partial->sketch.config == NULL) {
        partial->sketch_config = *other->sketch.config;
        ddsketch_init(&partial->sketch, &partial->sketch_config);
    }
    return ddsketch_merge(&partial->sketch, &other->sketch);
}

static int merge_set(struct partial *partial, const struct partial *other)
{
    if (other->set.config.precision == 0)
        return 0;
    if (partial->set.config.precision == 0)
        hyperloglog_init(&partial->set, &other->set.config);
    return hyperloglog_merge(&partial->set, &other->set);
}

int partial_merge(struct partial *partial, const struct partial *other)
{
    if (partial->type != other->type)
        return -EINVAL;
    int rc = partial->type == STATSD_SET ? merge_set(partial, other) : merge_sketch(partial, other);
    if (rc != 0)
        return rc;
    merge_gauge(partial, other);
    merge_count(partial, other);
    exact_sum_merge(&partial->sum, &other->sum);
    return 0;
}
