/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_check.h - what statmetric payloads say, summed, against what the traffic's totals must be.
 *
 * Place:   bench/statsd_rate.c. Names as with Heka's default prefixes and legacy_namespaces off.
 * Threads: one at a time.
 * Memory:  two numbers for each series.
 */
#ifndef BENCH_STATSD_CHECK_H
#define BENCH_STATSD_CHECK_H

#include "bench/traffic.h"

struct statsd_check;

/* `traffic` must outlive it. */
int statsd_check_new(const struct traffic *traffic, struct statsd_check **out);
void statsd_check_free(struct statsd_check *check); /* NULL is fine */

/* Takes "<name> <value> <seconds>\n" lines: counters' .count, gauges, timers' .count and .sum. */
void statsd_check_payload(struct statsd_check *check, const char *payload, size_t size);

struct statsd_verdict {
    uint64_t wrong[TRAFFIC_TYPE_COUNT]; /* series whose values are not what was sent */
    uint64_t unknown_lines;             /* of names that were not sent */
    uint64_t malformed_lines;
    char first_wrong[TRAFFIC_NAME_MAX + 200]; /* empty: none */
};
/* Compares with datagrams 0 .. datagrams[i] - 1 of each of `sources` senders; with more than one
 * there is no last value, and the traffic has no gauges. True when all is exact. */
bool statsd_check_compare(const struct statsd_check *check, const uint64_t *datagrams,
                          unsigned sources, struct statsd_verdict *verdict);

#endif
