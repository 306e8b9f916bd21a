/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_line.h - one statsd line of any dialect, by the grammar as it is written.
 *
 * Place:   stats/statsd.c, for every line that its fast paths leave.
 * Threads: those of the parser.
 * Memory:  names with tags are written to the parser's scratch memory.
 * Failure: counted in parser->counts.
 */
#ifndef STATS_STATSD_LINE_H
#define STATS_STATSD_LINE_H

#include "stats/statsd.h"

enum { /* dialects by what they ask for */
    STATSD_WITH_FIELDS = 1 << STATSD_ETSY | 1 << STATSD_SPEC | 1 << STATSD_DOG,
    STATSD_WITH_HASH_TAGS = 1 << STATSD_ETSY | 1 << STATSD_DOG,
    STATSD_WITH_NAME_TAGS = 1 << STATSD_INFLUX | 1 << STATSD_SIGNALFX | 1 << STATSD_GRAPHITE,
    STATSD_INTEGER_TYPES = 1 << STATSD_COUNTER | 1 << STATSD_METER,
    STATSD_VALUE_TYPES = 1 << STATSD_TIMER | 1 << STATSD_HISTOGRAM | 1 << STATSD_DISTRIBUTION
};

static inline bool statsd_has(const struct statsd_parser *parser, uint32_t dialects)
{
    return (parser->settings.dialects & dialects) != 0;
}

/* Starts a line without its line feed: counts it, and fills parser->rest when there are values to
 * take. parser->scratch has room for a name (checked). */
void statsd_line_begin(struct statsd_parser *parser, const char *line, const char *end);

/* Takes values of parser->rest until there are no more or `max` samples. Returns the samples. */
unsigned statsd_line_take(struct statsd_parser *parser, struct statsd_sample *samples,
                          unsigned max);

/* Toward zero, as Heka does. But 7 at 0.07 is 100, not 99: a quotient that misses a whole number
 * only by what doubles cannot hold is that number. */
double statsd_whole_quotient(double quotient);

#endif
