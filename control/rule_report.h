/* SPDX-License-Identifier: MPL-2.0
 *
 * rule_report.h - what the matchers do and cost, for status: hits, the pass, and each rule alone.
 *
 * Place:   status of hekad; `hekad status -rules` measures in its own process, so that it costs a
 *          running hekad nothing but some copied messages. How: docs/formats/matcher.md.
 * Threads: samples are offered by [consumer] threads, which never wait for each other; the rest is
 *          for [main].
 * Memory:  RULE_SAMPLES_MAX messages of up to RULE_SAMPLE_BYTES, fixed.
 */
#ifndef CONTROL_RULE_REPORT_H
#define CONTROL_RULE_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "control/lanes/reader.h"
#include "core/counters.h"
#include "core/err.h"

enum {
    RULE_SAMPLES_MAX = 256,
    RULE_SAMPLE_BYTES = 16384, /* longer messages are no samples */
    RULE_SAMPLE_EVERY = 64     /* of the records that a consumer reads, when there are enough */
};

struct instances;

/* Some of what a consumer has read. [consumer] */
void rule_samples_offer(const struct reader_item *items, unsigned count);
/* {"samples": [HEX, ...]}: what was offered last, in no order. NULL when memory is out. */
json_t *rule_samples_json(void);

/* The member "matcher" of status: where the compiled rules came from, what the producers' pass
 * costs, and for each rule its text and its hits out of "consumers" and "filters" of `status`. */
json_t *rule_report_json(const struct instances *instances, const struct counters *dataplane,
                         const struct counters *producers, const json_t *status);

/* Adds to the member "matcher" of `status` what each rule costs alone on these samples. 0, or -1
 * after adding to `err`. */
int rule_report_measure(json_t *status, const json_t *samples, struct err *err);

/* The member "matcher" as a table for people. */
void rule_report_print(const json_t *status, FILE *out);

#endif
