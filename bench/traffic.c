/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/traffic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

enum {
    LINE_MAX_BYTES = TRAFFIC_NAME_MAX + 40,
    VALUE_LIMIT = 1000000,
    PAYLOAD_MIN = 64,
    METRICS_MAX = 2 * TRAFFIC_NAMES_MAX,
    QUARTERS = 4
};

struct metric { /* one line of the cycle */
    uint32_t name;
    uint32_t quarters; /* effective value in quarters */
};

struct datagram {
    size_t offset; /* in payloads */
    uint32_t size;
    uint32_t first_metric, metric_count;
};

struct traffic {
    struct traffic_params params;
    unsigned digits;      /* at the end of every name */
    uint64_t step, start; /* of the walk over the names */
    char *payloads;
    size_t payload_size, payload_capacity;
    struct datagram *datagrams;
    uint32_t datagram_count, datagram_capacity;
    struct metric *metrics;
    uint32_t metric_count, metric_capacity;
};

const struct traffic_params traffic_packed = {.seed = 1,
                                              .names = 10000,
                                              .gauge_percent = 5,
                                              .timer_percent = 5,
                                              .payload_bytes = 1432,
                                              .name_bytes_min = 20,
                                              .name_bytes_max = 36,
                                              .value_max = 9999,
                                              .fractions = true};

const struct traffic_params traffic_single = {.seed = 1,
                                              .names = 10000,
                                              .gauge_percent = 5,
                                              .timer_percent = 5,
                                              .name_bytes_min = 7,
                                              .name_bytes_max = 11,
                                              .value_max = 999};

static const char filler[] = "bench.shop.web.requests.by_route.latency.of_node.";
static const char *const suffixes[TRAFFIC_TYPE_COUNT] = {"c", "g", "ms"};

/* splitmix64: a number for each (seed, stream, index) */
static uint64_t draw(const struct traffic *traffic, uint64_t stream, uint64_t index)
{
    uint64_t z = traffic->params.seed + stream * UINT64_C(0xd1342543de82ef95) +
                 (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
enum { STREAM_TYPE, STREAM_LENGTH, STREAM_VALUE, STREAM_SAMPLED, STREAM_WALK };

/* ---- series ---- */

static unsigned count_digits(uint32_t value)
{
    unsigned digits = 1;
    for (; value >= 10; value /= 10)
        digits++;
    return digits;
}

enum traffic_type traffic_type(const struct traffic *traffic, uint32_t i)
{
    uint64_t percent = draw(traffic, STREAM_TYPE, i) % 100;
    if (percent < traffic->params.gauge_percent)
        return TRAFFIC_GAUGE;
    if (percent < traffic->params.gauge_percent + traffic->params.timer_percent)
        return TRAFFIC_TIMER;
    return TRAFFIC_COUNTER;
}

uint32_t traffic_name(const struct traffic *traffic, uint32_t i, char *text)
{
    const struct traffic_params *params = &traffic->params;
    uint32_t span = params->name_bytes_max - params->name_bytes_min + 1;
    uint32_t len = params->name_bytes_min + (uint32_t)(draw(traffic, STREAM_LENGTH, i) % span);
    uint32_t fill = len - traffic->digits;
    for (uint32_t at = 0; at < fill; at++)
        text[at] = filler[at % (sizeof(filler) - 1)];
    snprintf(text + fill, traffic->digits + 1, "%0*u", (int)traffic->digits, i);
    return len;
}

int64_t traffic_find(const struct traffic *traffic, const char *name, size_t name_len)
{
    char text[TRAFFIC_NAME_MAX + 1];
    uint64_t i = 0;
    if (name_len < traffic->digits || name_len > TRAFFIC_NAME_MAX)
        return -1;
    for (size_t at = name_len - traffic->digits; at < name_len; at++) {
        if (name[at] < '0' || name[at] > '9')
            return -1;
        i = i * 10 + (uint64_t)(name[at] - '0');
    }
    if (i >= traffic->params.names || traffic_name(traffic, (uint32_t)i, text) != name_len ||
        memcmp(text, name, name_len) != 0)
        return -1;
    return (int64_t)i;
}

/* ---- making the cycle ---- */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* All names, each once, in an order without pattern enough for caches: an affine walk. */
static void choose_walk(struct traffic *traffic)
{
    uint64_t names = traffic->params.names;
    traffic->start = draw(traffic, STREAM_WALK, 0) % names;
    traffic->step = draw(traffic, STREAM_WALK, 1) % names;
    while (common_divisor(traffic->step, names) != 1)
        traffic->step++;
}

/* Line m without a newline; `line` has LINE_MAX_BYTES. */
static uint32_t write_line(const struct traffic *traffic, uint32_t m, char *line,
                           struct metric *metric)
{
    static const char *const fractions[QUARTERS] = {"", ".25", ".5", ".75"};
    const struct traffic_params *params = &traffic->params;
    uint64_t names = params->names;
    metric->name = (uint32_t)((traffic->start + traffic->step * (m % names)) % names);
    enum traffic_type type = traffic_type(traffic, metric->name);
    uint64_t random = draw(traffic, STREAM_VALUE, m);
    uint32_t value = 1 + (uint32_t)(random % params->value_max);
    uint32_t quarter = params->fractions && type == TRAFFIC_GAUGE ? (uint32_t)(random >> 62) : 0;
    bool sampled =
        type == TRAFFIC_COUNTER && draw(traffic, STREAM_SAMPLED, m) % 100 < params->sampled_percent;
    metric->quarters = (QUARTERS * value + quarter) << sampled;
    uint32_t len = traffic_name(traffic, metric->name, line);
    int rest = snprintf(line + len, LINE_MAX_BYTES - len, ":%u%s|%s%s", value, fractions[quarter],
                        suffixes[type], sampled ? "|@0.5" : "");
    return len + (uint32_t)rest;
}

/* Doubles an array when it is full. */
static void *grow(void *array, uint32_t count, uint32_t *capacity, size_t item_size)
{
    if (count < *capacity)
        return array;
    uint32_t wanted = *capacity == 0 ? 4096 : 2 * *capacity;
    void *larger = reallocarray(array, wanted, item_size);
    CHECK(larger != NULL); /* a benchmark's start-up */
    *capacity = wanted;
    return larger;
}

static void append_payload(struct traffic *traffic, const char *bytes, size_t size)
{
    if (traffic->payload_size + size > traffic->payload_capacity) {
        traffic->payload_capacity = 2 * traffic->payload_capacity + TRAFFIC_PAYLOAD_MAX;
        traffic->payloads = realloc(traffic->payloads, traffic->payload_capacity);
        CHECK(traffic->payloads != NULL);
    }
    memcpy(traffic->payloads + traffic->payload_size, bytes, size);
    traffic->payload_size += size;
}

/* One datagram of lines from traffic->metric_count on. */
static void make_datagram(struct traffic *traffic)
{
    uint32_t limit = traffic->params.payload_bytes;
    struct datagram datagram = {.offset = traffic->payload_size,
                                .first_metric = traffic->metric_count};
    for (;;) {
        char line[LINE_MAX_BYTES + 1];
        struct metric metric;
        uint32_t len = write_line(traffic, traffic->metric_count, line + 1, &metric);
        uint32_t separator = datagram.metric_count > 0;
        if (separator && datagram.size + separator + len > limit)
            break;
        line[0] = '\n';
        append_payload(traffic, line + !separator, separator + len);
        datagram.size += separator + len;
        traffic->metrics = grow(traffic->metrics, traffic->metric_count, &traffic->metric_capacity,
                                sizeof(metric));
        traffic->metrics[traffic->metric_count++] = metric;
        datagram.metric_count++;
    }
    traffic->datagrams = grow(traffic->datagrams, traffic->datagram_count,
                              &traffic->datagram_capacity, sizeof(datagram));
    traffic->datagrams[traffic->datagram_count++] = datagram;
}

static int check_params(const struct traffic_params *params, struct err *err)
{
    int rc = 0;
    if (params->names < 1 || params->names > TRAFFIC_NAMES_MAX)
        rc = err_add(err, "names is %u; allowed is 1 to %d", params->names, TRAFFIC_NAMES_MAX);
    if (params->gauge_percent + params->timer_percent > 100 || params->gauge_percent > 100)
        rc = err_add(err, "gauges and timers are %u and %u percent; together at most 100",
                     params->gauge_percent, params->timer_percent);
    if (params->sampled_percent > 100)
        rc = err_add(err, "sampled is %u percent; at most 100", params->sampled_percent);
    if (params->payload_bytes != 0 &&
        (params->payload_bytes < PAYLOAD_MIN || params->payload_bytes > TRAFFIC_PAYLOAD_MAX))
        rc = err_add(err, "payload is %u bytes; allowed is 0 (one line each) or %d to %d",
                     params->payload_bytes, PAYLOAD_MIN, TRAFFIC_PAYLOAD_MAX);
    if (params->value_max < 1 || params->value_max > VALUE_LIMIT)
        rc = err_add(err, "value_max is %u; allowed is 1 to %d", params->value_max, VALUE_LIMIT);
    if (params->name_bytes_min <= count_digits(params->names) ||
        params->name_bytes_min > params->name_bytes_max ||
        params->name_bytes_max > TRAFFIC_NAME_MAX)
        rc = err_add(err, "names have %u to %u bytes; allowed is %u to %d for %u names",
                     params->name_bytes_min, params->name_bytes_max,
                     count_digits(params->names) + 1, TRAFFIC_NAME_MAX, params->names);
    return rc;
}

void traffic_set_names(struct traffic_params *params, uint32_t names)
{
    uint32_t bytes = 2;
    params->names = names;
    for (; names >= 10; names /= 10)
        bytes++;
    if (bytes > params->name_bytes_min)
        params->name_bytes_min = bytes;
}

int traffic_new(const struct traffic_params *params, struct traffic **out, struct err *err)
{
    if (check_params(params, err) != 0)
        return -EINVAL;
    struct traffic *traffic = calloc(1, sizeof(*traffic));
    if (traffic == NULL)
        return -ENOMEM;
    traffic->params = *params;
    traffic->digits = count_digits(params->names - 1);
    choose_walk(traffic);
    while (traffic->metric_count < params->names || traffic->datagram_count < TRAFFIC_CYCLE_MIN)
        make_datagram(traffic);
    CHECK(traffic->metric_count < METRICS_MAX);
    *out = traffic;
    return 0;
}

void traffic_free(struct traffic *traffic)
{
    if (traffic == NULL)
        return;
    free(traffic->payloads);
    free(traffic->datagrams);
    free(traffic->metrics);
    free(traffic);
}

/* ---- use ---- */

uint32_t traffic_names(const struct traffic *traffic)
{
    return traffic->params.names;
}

uint32_t traffic_cycle(const struct traffic *traffic)
{
    return traffic->datagram_count;
}

const char *traffic_payload(const struct traffic *traffic, uint64_t k, uint32_t *size)
{
    const struct datagram *datagram = &traffic->datagrams[k % traffic->datagram_count];
    *size = datagram->size;
    return traffic->payloads + datagram->offset;
}

/* How often datagram t of the cycle is among first .. first + count - 1; *last is the last time. */
static uint64_t count_times(const struct traffic *traffic, uint32_t t, uint64_t first,
                            uint64_t count, uint64_t *last)
{
    uint64_t cycle = traffic->datagram_count;
    uint64_t skip = (t + cycle - first % cycle) % cycle; /* to the first time */
    if (skip >= count)
        return 0;
    uint64_t more = (count - 1 - skip) / cycle;
    *last = first + skip + more * cycle;
    return more + 1;
}

void traffic_totals(const struct traffic *traffic, uint64_t first, uint64_t count,
                    struct traffic_total *totals)
{
    uint64_t *orders = calloc(traffic->params.names, sizeof(*orders)); /* of the last sample */
    CHECK(orders != NULL);
    memset(totals, 0, traffic->params.names * sizeof(*totals));
    for (uint32_t t = 0; t < traffic->datagram_count; t++) {
        const struct datagram *datagram = &traffic->datagrams[t];
        uint64_t last = 0, times = count_times(traffic, t, first, count, &last);
        for (uint32_t i = 0; i < datagram->metric_count && times > 0; i++) {
            const struct metric *metric = &traffic->metrics[datagram->first_metric + i];
            struct traffic_total *total = &totals[metric->name];
            total->samples += times;
            total->sum += (double)(times * metric->quarters) / QUARTERS;
            if (last + 1 >= orders[metric->name]) { /* lines of one datagram: the later one */
                orders[metric->name] = last + 1;
                total->last = (double)metric->quarters / QUARTERS;
            }
        }
    }
    free(orders);
}

void traffic_sum(const struct traffic *traffic, uint64_t first, uint64_t count,
                 struct traffic_sum *sum)
{
    memset(sum, 0, sizeof(*sum));
    sum->datagrams = count;
    for (uint32_t t = 0; t < traffic->datagram_count; t++) {
        const struct datagram *datagram = &traffic->datagrams[t];
        uint64_t last = 0, times = count_times(traffic, t, first, count, &last);
        sum->metrics += times * datagram->metric_count;
        sum->payload_bytes += times * datagram->size;
        for (uint32_t i = 0; i < datagram->metric_count && times > 0; i++) {
            const struct metric *metric = &traffic->metrics[datagram->first_metric + i];
            enum traffic_type type = traffic_type(traffic, metric->name);
            sum->samples[type] += times;
            sum->sums[type] += (double)(times * metric->quarters) / QUARTERS;
        }
    }
}
