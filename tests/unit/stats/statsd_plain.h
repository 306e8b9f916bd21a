/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_plain.h - statsd lines byte by byte, as docs/formats/statsd.md words the grammar: the
 *                  truth that tests compare stats/statsd.c with.
 */
#ifndef TESTS_STATSD_PLAIN_H
#define TESTS_STATSD_PLAIN_H

#include "stats/statsd.h"

/* A whole datagram at once. `samples` has room for one for each line. Returns their number. */
unsigned statsd_plain_parse(const char *bytes, size_t size, struct statsd_sample *samples,
                            struct statsd_counts *counts);

/* name_hash() as plain C computes it, whatever the rest is compiled for. */
uint64_t name_hash_plain(const char *name, size_t len);

#endif
