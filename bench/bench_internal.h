/* SPDX-License-Identifier: MPL-2.0
 *
 * bench_internal.h - what bench.c hands to bench_report.c.
 *
 * Place:   bench/bench.c and bench/bench_report.c only.
 */
#ifndef BENCH_BENCH_INTERNAL_H
#define BENCH_BENCH_INTERNAL_H

#include "bench/bench.h"

struct bench_tries { /* every run of one case, the far ones too */
    double values[BENCH_TRIES_MAX];
    double cycles[BENCH_TRIES_MAX];
    double hop_before[BENCH_TRIES_MAX], hop_after[BENCH_TRIES_MAX]; /* 0: not measured */
    bool good[BENCH_TRIES_MAX]; /* near, as far as that matters, and not disturbed */
    unsigned count, good_count, far_count, disturbed_count;
};

struct bench_summary {
    double median, min, max;
    unsigned count;
};

/* Over values[i] with chosen[i] that are not NAN; count 0 and zeros when there are none. */
struct bench_summary bench_summarise(const double *values, const bool *chosen, unsigned count);

/* One line of JSON on stdout, or lines of a table for people. */
void bench_report_json(const struct bench_run *run, const struct bench_tries *tries);
void bench_report_text(const struct bench_run *run, const struct bench_tries *tries);

#endif
