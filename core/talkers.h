/* SPDX-License-Identifier: MPL-2.0
 *
 * talkers.h - who sends the most statsd samples, and whose were refused: bounded lists, and the
 *             block of the segment that shows them.
 *
 * Place:   housekeeping publishes its lists behind the consumers of the segment; hekad reads them
 *          and adds those of its own inputs (control/status.c). Bytes: docs/formats/segment.md.
 * Threads: talkers_publish [the one writer]; talkers_read [any]; the rest has no state.
 * Memory:  fixed.
 * Failure: whoever has no place in a full list is left out; what is there stays sorted, the most
 *          first.
 */
#ifndef CORE_TALKERS_H
#define CORE_TALKERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TALKERS_MAX = 32, TALKER_NAME_SIZE = 64, TALKER_PREFIX_SIZE = 80 };

struct talker { /* a sender */
    uint8_t ip[16]; /* network order; IPv4 in the first 4 */
    uint64_t is_ipv6;
    uint64_t samples;    /* refused ones too */
    uint64_t over_quota; /* of them */
    char input[TALKER_NAME_SIZE]; /* which of hekad's inputs; empty: the data plane */
};

struct talker_prefix { /* of names whose samples were refused for a limit */
    char accumulator[TALKER_NAME_SIZE];
    char prefix[TALKER_PREFIX_SIZE]; /* ended by NUL; longer ones are cut */
    uint64_t refused, error;         /* too high by at most `error` */
};

struct talkers {
    uint64_t sender_count, prefix_count;
    struct talker senders[TALKERS_MAX];
    struct talker_prefix prefixes[TALKERS_MAX];
};

/* Adds to the row of the same address and input, or takes a place: of the list's last when it is
 * full and has less. */
void talkers_add_sender(struct talkers *talkers, const struct talker *sender);
/* The same for accumulator and prefix. */
void talkers_add_prefix(struct talkers *talkers, const struct talker_prefix *prefix);

/* ---- in shared memory ---- */

enum { TALKERS_WORDS = sizeof(struct talkers) / sizeof(uint64_t) };

struct talkers_shared {
    _Alignas(64) _Atomic uint64_t sequence; /* odd while it is written */
    _Atomic uint64_t words[TALKERS_WORDS];  /* struct talkers */
};
_Static_assert(sizeof(struct talkers) == 8464, "docs/formats/segment.md");

void talkers_publish(struct talkers_shared *shared, const struct talkers *talkers);
/* False when it could not be read whole, or makes no sense: `talkers` is empty then. */
bool talkers_read(const struct talkers_shared *shared, struct talkers *talkers);

#endif
