/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_options.h - StatsdInput's options about lines, for whoever reads its configuration.
 *
 * Place:   control/inputs/statsd_input.c and dataplane/plan.c put STATSD_OPTION_ROWS into their
 *          schemas.
 * Threads: cold path, any one thread.
 */
#ifndef STATS_STATSD_OPTIONS_H
#define STATS_STATSD_OPTIONS_H

#include "core/schema.h"
#include "stats/statsd.h"

struct statsd_options {
    struct schema_list dialects; /* const char * each */
    int tags;                    /* enum statsd_tags */
    int64_t sender_quota;        /* samples of one sender in a second, for each core; 0: no limit */
};

extern const char *const statsd_tags_names[];

/* Keys in schemas and plans, NULL-terminated. */
extern const char *const statsd_option_keys[];

/* Rows of a schema for a `struct statsd_options` that is `member` of `owner`. */
#define STATSD_OPTION_ROWS(owner, member)                                                          \
    {.key = "dialects",                                                                            \
     .type = SCHEMA_STRINGS,                                                                       \
     .offset = offsetof(owner, member.dialects),                                                   \
     .help = "What lines may be beside Heka's: etsy, spec, dogstatsd, influx, signalfx, "          \
             "graphite, or all."},                                                                 \
        {.key = "tags",                                                                            \
         .type = SCHEMA_CHOICE,                                                                    \
         .offset = offsetof(owner, member.tags),                                                   \
         .choices = statsd_tags_names,                                                             \
         .def = "graphite",                                                                        \
         .help = "Tags become part of the name as ;key=value (graphite), as .key.value "           \
                 "(append), or are left out (drop)."},                                             \
    {                                                                                              \
        .key = "sender_quota", .type = SCHEMA_INT,                                                 \
        .offset = offsetof(owner, member.sender_quota), .min = 0, .max = 1e9, .def = "0",          \
        .help = "Samples that one sender may send in a second to one core; 0: no limit."           \
    }

/* 0, or -1 after adding every error to `err`. `notice` is left for the caller to set. */
int statsd_options_settings(const struct statsd_options *options, struct statsd_settings *settings,
                            struct err *err);

#endif
