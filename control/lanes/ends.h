/* SPDX-License-Identifier: MPL-2.0
 *
 * ends.h - what became of messages: held, delivered, or ended otherwise, with named counts.
 *
 * Place:   intake.c and spool.c keep such accounts; status.c prints them.
 * Threads: none of its own; the owner's lock.
 * Bounds:  ENDS_MAX different reasons; one more is a bug.
 */
#ifndef CONTROL_ENDS_H
#define CONTROL_ENDS_H

#include <stdint.h>
#include <string.h>

#include "core/check.h"

enum { ENDS_MAX = 32 };

struct end {
    const char *reason; /* static: "too_large", "lane_corrupt"... */
    uint64_t count;
};

struct ends { /* zero-initialise */
    struct end list[ENDS_MAX];
    unsigned count;
};

static inline void ends_add(struct ends *ends, const char *reason, uint64_t count)
{
    unsigned i = 0;
    while (i < ends->count && strcmp(ends->list[i].reason, reason) != 0)
        i++;
    CHECK(i < ENDS_MAX);
    if (i == ends->count)
        ends->list[ends->count++] = (struct end){.reason = reason};
    ends->list[i].count += count;
}

static inline void ends_add_all(struct ends *ends, const struct ends *others)
{
    for (unsigned i = 0; i < others->count; i++)
        ends_add(ends, others->list[i].reason, others->list[i].count);
}

static inline uint64_t ends_sum(const struct ends *ends)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < ends->count; i++)
        sum += ends->list[i].count;
    return sum;
}

struct account {   /* of messages that were taken from somewhere; zero-initialise */
    uint64_t held; /* neither delivered nor ended */
    uint64_t delivered;
    struct ends ends;
};

static inline void account_deliver(struct account *account, uint64_t count)
{
    CHECK(account->held >= count);
    account->held -= count;
    account->delivered += count;
}

static inline void account_end(struct account *account, const char *reason, uint64_t count)
{
    CHECK(account->held >= count);
    account->held -= count;
    ends_add(&account->ends, reason, count);
}

/* Of two counts that ought to be equal. */
static inline uint64_t account_residual(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

#endif
