/* SPDX-License-Identifier: MPL-2.0
 *
 * shard_senders.h - who sends: samples of each address, and how many of them may come.
 *
 * Place:   dataplane/worker.c, one for each worker; the numbers are what samples carry in `sender`.
 * Threads: everything belongs to the worker but senders_top() [any].
 * Memory:  allocated by senders_new(); fixed.
 * Failure: an address that finds no place is number 0, which has no quota: the table is full of
 *          senders that were heard within SENDERS_IDLE_NS. A number that goes from one address to
 *          the next takes along how many names it has made.
 */
#ifndef STATS_SHARD_SENDERS_H
#define STATS_SHARD_SENDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENDERS_IDLE_NS (UINT64_C(300) * 1000 * 1000 * 1000)

enum { SENDERS_MAX = 4096, SENDERS_TOP_MAX = 32 };

struct senders;

struct sender_total {
    uint8_t ip[16]; /* network order; IPv4 in the first 4 */
    bool is_ipv6;
    uint64_t samples;    /* since it got its number, refused ones too */
    uint64_t over_quota; /* of them */
};

int senders_new(struct senders **out); /* 0 or -ENOMEM */
void senders_free(struct senders *senders); /* NULL is fine */

/* The number of an address, 1 to SENDERS_MAX, or 0. `ip`: 4 or 16 bytes. */
uint16_t senders_find(struct senders *senders, const uint8_t *ip, bool is_ipv6, uint64_t now_ns);

/* Counts samples of a sender. Returns how many of them are within `quota` (0: no limit) samples in
 * this second. */
unsigned senders_admit(struct senders *senders, uint16_t number, unsigned count, uint64_t quota,
                       uint64_t now_ns);

/* The senders with the most samples, the most first. Returns their number, up to `max` <=
 * SENDERS_TOP_MAX. What is read while the worker goes on may be a little old. */
unsigned senders_top(const struct senders *senders, struct sender_total *out, unsigned max);

#endif
