/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_tags.h - names with tags, of any style, to the one normal form.
 *
 * Place:   stats/statsd_line.c.
 * Threads: those of the parser.
 * Memory:  a name that stays as it is in the datagram is not copied; others are written to the
 *          parser's scratch memory.
 * Source:  the normal form is Graphite's (";key=value"), sorted: docs/formats/statsd.md.
 */
#ifndef STATS_STATSD_TAGS_H
#define STATS_STATSD_TAGS_H

#include "stats/statsd.h"

struct statsd_name {
    const char *at; /* in: the bytes before the ":"; out: the name with its tags */
    size_t len, tags_len;
    bool has_hash_tags;
    struct statsd_text hash_tags; /* what is behind "|#" */
    int dialect;                  /* out: enum statsd_dialect of the name's own tags */
};

/* The bytes that need statsd_name_take(). True when the dialects know any. */
bool statsd_name_odd(uint32_t dialects, bool odd[256]);

/* A negative number, or an enum statsd_reject. */
int statsd_name_take(struct statsd_parser *parser, struct statsd_name *name);

#endif
