/* SPDX-License-Identifier: MPL-2.0
 *
 * name_hash_plain.c - the hash of names in plain C.
 */
#ifndef HEKA_STATS_PLAIN
#define HEKA_STATS_PLAIN
#endif
#include "stats/name_hash.h"

#include "tests/unit/stats/statsd_plain.h"

uint64_t name_hash_plain(const char *name, size_t len)
{
    return name_hash(name, len);
}
