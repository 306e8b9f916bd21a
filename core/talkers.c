/* SPDX-License-Identifier: MPL-2.0 */
#include "core/talkers.h"

#include <sched.h>
#include <string.h>

#include "core/check.h"

enum { READ_TRIES_MAX = 1000 };

/* ---- lists ---- */

/* The place of a new row: a free one, or the last one's. */
static unsigned grow(uint64_t *count)
{
    return (unsigned)(*count < TALKERS_MAX ? (*count)++ : TALKERS_MAX - 1);
}

void talkers_add_sender(struct talkers *talkers, const struct talker *sender)
{
    struct talker row = *sender, *list = talkers->senders;
    unsigned at = 0;
    while (at < talkers->sender_count &&
           !(list[at].is_ipv6 == row.is_ipv6 && memcmp(list[at].ip, row.ip, sizeof(row.ip)) == 0 &&
             strcmp(list[at].input, row.input) == 0))
        at++;
    if (at < talkers->sender_count) {
        row.samples += list[at].samples;
        row.over_quota += list[at].over_quota;
    } else if (at == TALKERS_MAX && list[at - 1].samples >= row.samples) {
        return;
    } else {
        at = grow(&talkers->sender_count);
    }
    for (; at > 0 && list[at - 1].samples < row.samples; at--)
        list[at] = list[at - 1];
    list[at] = row;
}

void talkers_add_prefix(struct talkers *talkers, const struct talker_prefix *prefix)
{
    struct talker_prefix row = *prefix, *list = talkers->prefixes;
    unsigned at = 0;
    while (at < talkers->prefix_count && !(strcmp(list[at].prefix, row.prefix) == 0 &&
                                           strcmp(list[at].accumulator, row.accumulator) == 0))
        at++;
    if (at < talkers->prefix_count) {
        row.refused += list[at].refused;
        row.error += list[at].error;
    } else if (at == TALKERS_MAX && list[at - 1].refused >= row.refused) {
        return;
    } else {
        at = grow(&talkers->prefix_count);
    }
    for (; at > 0 && list[at - 1].refused < row.refused; at--)
        list[at] = list[at - 1];
    list[at] = row;
}

/* ---- in shared memory ---- */

void talkers_publish(struct talkers_shared *shared, const struct talkers *talkers)
{
    uint64_t words[TALKERS_WORDS];
    uint64_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed);
    memcpy(words, talkers, sizeof(words));
    atomic_store_explicit(&shared->sequence, sequence + 1, memory_order_relaxed);
    /* T1, pairs with T2 in read_once: who sees one of these sees the odd number before it, too. */
    for (unsigned i = 0; i < TALKERS_WORDS; i++)
        atomic_store_explicit(&shared->words[i], words[i], memory_order_release);
    /* T3, pairs with T4 in read_once. */
    atomic_store_explicit(&shared->sequence, sequence + 2, memory_order_release);
}

static bool read_once(const struct talkers_shared *shared, uint64_t words[TALKERS_WORDS])
{
    /* T4 pairs with T3. */
    uint64_t before = atomic_load_explicit(&shared->sequence, memory_order_acquire);
    for (unsigned i = 0; i < TALKERS_WORDS; i++) /* T2 pairs with T1. */
        words[i] = atomic_load_explicit(&shared->words[i], memory_order_acquire);
    return before % 2 == 0 &&
           atomic_load_explicit(&shared->sequence, memory_order_relaxed) == before;
}

/* Texts end, whatever somebody has written there. */
static bool end_texts(struct talkers *talkers)
{
    if (talkers->sender_count > TALKERS_MAX || talkers->prefix_count > TALKERS_MAX)
        return false;
    for (unsigned i = 0; i < TALKERS_MAX; i++) {
        talkers->senders[i].input[TALKER_NAME_SIZE - 1] = '\0';
        talkers->prefixes[i].accumulator[TALKER_NAME_SIZE - 1] = '\0';
        talkers->prefixes[i].prefix[TALKER_PREFIX_SIZE - 1] = '\0';
    }
    return true;
}

bool talkers_read(const struct talkers_shared *shared, struct talkers *talkers)
{
    uint64_t words[TALKERS_WORDS];
    for (unsigned tries = 0; tries < READ_TRIES_MAX; tries++) {
        if (read_once(shared, words)) {
            memcpy(talkers, words, sizeof(*talkers));
            if (end_texts(talkers))
                return true;
            break;
        }
        sched_yield();
    }
    memset(talkers, 0, sizeof(*talkers));
    return false;
}
