/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_plain.h - statsd lines byte by byte, as docs/formats/statsd.md words the grammar: the
 *                  truth that tests compare stats/statsd.c with.
 */
#ifndef TESTS_STATSD_PLAIN_H
#define TESTS_STATSD_PLAIN_H

#include "stats/statsd.h"

/* A whole datagram at once. `samples` has room for one for each two bytes. Names with tags are
 * valid until the next call. Returns the number of samples. */
unsigned statsd_plain_parse(const struct statsd_settings *settings, const char *bytes, size_t size,
                            struct statsd_sample *samples, struct statsd_counts *counts);

/* Names and members are compared by their bytes. */
bool statsd_plain_same(const struct statsd_sample *a, const struct statsd_sample *b);

/* Whether statsd_parse_single() either leaves the datagram alone or finds what `count` samples and
 * `counts` of it say: exactly one sample. The bytes stand at the end of their memory, behind
 * others; `taken` says which it was. */
bool statsd_single_agrees(const struct statsd_settings *settings, const char *bytes, size_t size,
                          const struct statsd_sample *samples, unsigned count,
                          const struct statsd_counts *counts, bool *taken);

/* name_hash() as plain C computes it, whatever the rest is compiled for. */
uint64_t name_hash_plain(const char *name, size_t len);

#endif
