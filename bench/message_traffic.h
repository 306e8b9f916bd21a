/* SPDX-License-Identifier: MPL-2.0
 *
 * message_traffic.h - a cycle of Heka messages in frames, some of which a rule accepts, as a
 *                     capture file; and whether a text file holds exactly those that were sent.
 *
 * Place:   bench/message_rate.c, bench/selftest/selftest_text.c.
 * Threads: no state.
 */
#ifndef BENCH_MESSAGE_TRAFFIC_H
#define BENCH_MESSAGE_TRAFFIC_H

#include <stdint.h>

#include "bench/traffic.h"

enum {
    MESSAGE_TRAFFIC_DATAGRAMS = 2000, /* of a cycle */
    MESSAGE_TRAFFIC_FRAMES = 5,       /* in each datagram */
    MESSAGE_TRAFFIC_SIZE = 256,       /* bytes of a message */
    MESSAGE_TRAFFIC_WANTED_EACH = 10  /* one message of so many has the type that is wanted */
};
#define MESSAGE_TRAFFIC_TYPE "bench.wanted"

/* Writes the cycle for that destination; NULL: 10.0.0.1:5565. 0 or negative errno. */
int message_traffic_write(const char *path, const struct traffic_route *destination);

struct message_traffic_found {
    uint64_t expected, found, malformed; /* messages that are wanted; lines */
    uint64_t wrong;                      /* messages that are not there as often as sent */
};
/* Reads the payloads of what was delivered, a line each, and compares with the first `datagrams`
 * datagrams. 0, or negative errno when the file cannot be read. */
int message_traffic_check(const char *path, uint64_t datagrams,
                          struct message_traffic_found *found);

#endif
