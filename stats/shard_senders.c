/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/shard_senders.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/clock.h"

enum { CHAINS = 4096, LOOK_FOR_IDLE = 8 /* places looked at for one new address */ };

struct place {
    /* Odd while the address changes. V1 (release) pairs with V2 in read_place, and K1 with K2: who
     * reads a part of the new address then finds that the version is another one. */
    _Atomic uint32_t version;
    uint16_t next; /* in the chain; 0 is its end */
    _Atomic uint64_t key[2]; /* the address */
    _Atomic uint64_t is_ipv6;
    _Atomic uint64_t samples, over_quota;
    uint64_t heard_ns;
    uint64_t window_s; /* the second that `window_samples` came in */
    uint64_t window_samples;
};

struct senders {
    uint16_t heads[CHAINS];
    struct place places[SENDERS_MAX + 1]; /* [0] is everybody without a place */
    uint16_t last;                        /* found last */
    uint16_t hand;                        /* looks for idle ones */
    _Atomic uint32_t count;
};

int senders_new(struct senders **out)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? 0 : -ENOMEM;
}

void senders_free(struct senders *senders)
{
    free(senders);
}

static unsigned chain_of(const uint64_t key[2], bool is_ipv6)
{
    uint64_t sum = (key[0] ^ is_ipv6) * UINT64_C(0x9e3779b97f4a7c15) +
                   key[1] * UINT64_C(0xc2b2ae3d27d4eb4f);
    return (unsigned)(sum >> 52);
}
_Static_assert(CHAINS == 1 << 12, "chain_of() takes 12 bits");

static bool is_of(const struct place *place, const uint64_t key[2], bool is_ipv6)
{
    return atomic_load_explicit(&place->key[0], memory_order_relaxed) == key[0] &&
           atomic_load_explicit(&place->key[1], memory_order_relaxed) == key[1] &&
           atomic_load_explicit(&place->is_ipv6, memory_order_relaxed) == is_ipv6;
}

static void unlink_place(struct senders *senders, uint16_t number)
{
    const struct place *place = &senders->places[number];
    uint64_t key[2] = {atomic_load_explicit(&place->key[0], memory_order_relaxed),
                       atomic_load_explicit(&place->key[1], memory_order_relaxed)};
    bool is_ipv6 = atomic_load_explicit(&place->is_ipv6, memory_order_relaxed) != 0;
    uint16_t *link = &senders->heads[chain_of(key, is_ipv6)];
    while (*link != number) {
        CHECK(*link != 0);
        link = &senders->places[*link].next;
    }
    *link = place->next;
}

/* A place that is free, or whose sender has not been heard for long; 0: there is none. */
static uint16_t take_place(struct senders *senders, uint64_t now_ns)
{
    uint32_t count = atomic_load_explicit(&senders->count, memory_order_relaxed);
    if (count < SENDERS_MAX) {
        atomic_store_explicit(&senders->count, count + 1, memory_order_relaxed);
        return (uint16_t)(count + 1);
    }
    for (unsigned i = 0; i < LOOK_FOR_IDLE; i++) {
        senders->hand = (uint16_t)(senders->hand % SENDERS_MAX + 1);
        if (now_ns - senders->places[senders->hand].heard_ns < SENDERS_IDLE_NS)
            continue;
        unlink_place(senders, senders->hand);
        return senders->hand;
    }
    return 0;
}

static uint16_t add_sender(struct senders *senders, const uint64_t key[2], bool is_ipv6,
                           uint64_t now_ns)
{
    uint16_t number = take_place(senders, now_ns);
    if (number == 0)
        return 0;
    struct place *place = &senders->places[number];
    uint16_t *head = &senders->heads[chain_of(key, is_ipv6)];
    uint32_t version = atomic_load_explicit(&place->version, memory_order_relaxed);
    atomic_store_explicit(&place->version, version + 1, memory_order_relaxed);
    atomic_store_explicit(&place->key[0], key[0], memory_order_release); /* K1 */
    atomic_store_explicit(&place->key[1], key[1], memory_order_release);
    atomic_store_explicit(&place->is_ipv6, is_ipv6, memory_order_release);
    atomic_store_explicit(&place->samples, 0, memory_order_relaxed);
    atomic_store_explicit(&place->over_quota, 0, memory_order_relaxed);
    atomic_store_explicit(&place->version, version + 2, memory_order_release); /* V1 */
    place->window_samples = 0;
    place->next = *head;
    *head = number;
    return number;
}

uint16_t senders_find(struct senders *senders, const uint8_t *ip, bool is_ipv6, uint64_t now_ns)
{
    uint64_t key[2] = {0};
    memcpy(key, ip, is_ipv6 ? 16 : 4);
    uint16_t number = senders->last;
    if (number == 0 || !is_of(&senders->places[number], key, is_ipv6)) {
        number = senders->heads[chain_of(key, is_ipv6)];
        while (number != 0 && !is_of(&senders->places[number], key, is_ipv6))
            number = senders->places[number].next;
        if (number == 0)
            number = add_sender(senders, key, is_ipv6, now_ns);
        senders->last = number;
    }
    senders->places[number].heard_ns = now_ns;
    return number;
}

static void count_up(_Atomic uint64_t *counter, uint64_t add)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + add, memory_order_relaxed);
}

unsigned senders_admit(struct senders *senders, uint16_t number, unsigned count, uint64_t quota,
                       uint64_t now_ns)
{
    struct place *place = &senders->places[number];
    count_up(&place->samples, count);
    if (quota == 0 || number == 0)
        return count;
    if (place->window_s != now_ns / CLOCK_NS_PER_S) {
        place->window_s = now_ns / CLOCK_NS_PER_S;
        place->window_samples = 0;
    }
    uint64_t left = quota > place->window_samples ? quota - place->window_samples : 0;
    unsigned admitted = count <= left ? count : (unsigned)left;
    place->window_samples += admitted;
    if (admitted < count)
        count_up(&place->over_quota, count - admitted);
    return admitted;
}

/* ---- top talkers ---- */

/* False: the place is changing hands. */
static bool read_place(const struct place *place, struct sender_total *total)
{
    uint32_t version = atomic_load_explicit(&place->version, memory_order_acquire); /* V2 */
    uint64_t key[2] = {atomic_load_explicit(&place->key[0], memory_order_acquire), /* K2 */
                       atomic_load_explicit(&place->key[1], memory_order_acquire)};
    total->is_ipv6 = atomic_load_explicit(&place->is_ipv6, memory_order_acquire) != 0;
    memcpy(total->ip, key, sizeof(total->ip));
    total->samples = atomic_load_explicit(&place->samples, memory_order_relaxed);
    total->over_quota = atomic_load_explicit(&place->over_quota, memory_order_relaxed);
    return version % 2 == 0 &&
           atomic_load_explicit(&place->version, memory_order_relaxed) == version;
}

unsigned senders_top(const struct senders *senders, struct sender_total *out, unsigned max)
{
    uint32_t count = atomic_load_explicit(&senders->count, memory_order_relaxed);
    unsigned found = 0;
    CHECK(max <= SENDERS_TOP_MAX);
    for (uint32_t i = 1; i <= count; i++) {
        struct sender_total total;
        if (!read_place(&senders->places[i], &total) || total.samples == 0)
            continue;
        unsigned at = found;
        while (at > 0 && out[at - 1].samples < total.samples)
            at--;
        if (at == max)
            continue;
        unsigned last = found < max ? found++ : max - 1;
        memmove(&out[at + 1], &out[at], (last - at) * sizeof(out[0]));
        out[at] = total;
    }
    return found;
}
