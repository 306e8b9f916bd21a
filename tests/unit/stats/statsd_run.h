/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_run.h - a whole datagram through the parser, for tests.
 */
#ifndef TESTS_STATSD_RUN_H
#define TESTS_STATSD_RUN_H

#include "stats/statsd.h"

enum { RUN_SAMPLES_MAX = 40000, RUN_NOTICES_SIZE = 8192 };

/* What a datagram gave. Samples own their names here. */
struct statsd_run {
    struct statsd_sample samples[RUN_SAMPLES_MAX];
    unsigned count;
    struct statsd_counts counts;
    char notices[RUN_NOTICES_SIZE]; /* events and checks, each with " & " behind it */
    size_t notices_len;
    char names[4 << 20];
    size_t names_used;
    bool is_single; /* statsd_parse_single() took it, and agreed */
    char *copy; /* of the datagram: members of sets are in it */
};

/* Parses a copy that ends where its memory ends, so that ASan sees a read behind it. Whenever
 * samples have been copied they are released. */
void statsd_run(struct statsd_run *run, const struct statsd_settings *settings, const char *bytes,
                size_t size);
void statsd_run_free(struct statsd_run *run);

#endif
