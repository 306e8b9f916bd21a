/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/hyperloglog.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_BITS = 64, SLOTS_MIN = 16 };

int hyperloglog_init(struct hyperloglog *set, const struct hyperloglog_config *config)
{
    if (config->precision < HYPERLOGLOG_PRECISION_MIN ||
        config->precision > HYPERLOGLOG_PRECISION_MAX || config->exact_max > HYPERLOGLOG_EXACT_MAX)
        return -EINVAL;
    *set = (struct hyperloglog){.config = *config};
    return 0;
}

void hyperloglog_fini(struct hyperloglog *set)
{
    free(set->slots);
    free(set->registers);
    *set = (struct hyperloglog){.config = set->config};
}

static size_t register_count(const struct hyperloglog *set)
{
    return (size_t)1 << set->config.precision;
}

size_t hyperloglog_bytes(const struct hyperloglog *set)
{
    return sizeof(*set) + set->slot_count * sizeof(*set->slots) +
           (set->registers != NULL ? register_count(set) : 0);
}

bool hyperloglog_is_exact(const struct hyperloglog *set)
{
    return set->registers == NULL;
}

/* ---- registers ---- */

/* The register keeps the largest number of leading zeros, plus 1, of what follows its number. */
static void note(uint8_t *registers, unsigned precision, uint64_t hash)
{
    uint64_t rest = hash << precision;
    unsigned zeros = rest != 0 ? (unsigned)__builtin_clzll(rest) : HASH_BITS - precision;
    uint8_t *at = &registers[hash >> (HASH_BITS - precision)];
    if (*at < zeros + 1)
        *at = (uint8_t)(zeros + 1);
}

static void note_exact(uint8_t *registers, const struct hyperloglog *set)
{
    if (set->has_zero)
        note(registers, set->config.precision, 0);
    for (uint32_t i = 0; i < set->slot_count; i++)
        if (set->slots[i] != 0)
            note(registers, set->config.precision, set->slots[i]);
}

/* From hashes to registers. */
static int change(struct hyperloglog *set)
{
    uint8_t *registers = calloc(register_count(set), 1);
    if (registers == NULL)
        return -ENOMEM;
    note_exact(registers, set);
    hyperloglog_fini(set);
    set->registers = registers;
    return 0;
}

/* ---- hashes ---- */

/* The slot of the hash, or the free one where it would be. */
static uint64_t *find(const struct hyperloglog *set, uint64_t hash)
{
    uint32_t mask = set->slot_count - 1;
    uint32_t at = (uint32_t)hash & mask;
    while (set->slots[at] != 0 && set->slots[at] != hash)
        at = (at + 1) & mask;
    return &set->slots[at];
}

static int grow(struct hyperloglog *set)
{
    struct hyperloglog grown = *set;
    if (set->slot_count / 2 > set->count)
        return 0;
    grown.slot_count = set->slot_count == 0 ? SLOTS_MIN : 2 * set->slot_count;
    grown.slots = calloc(grown.slot_count, sizeof(*grown.slots));
    if (grown.slots == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < set->slot_count; i++)
        if (set->slots[i] != 0)
            *find(&grown, set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = grown;
    return 0;
}

static bool has(const struct hyperloglog *set, uint64_t hash)
{
    return hash == 0 ? set->has_zero : set->slot_count > 0 && *find(set, hash) == hash;
}

static int add_exact(struct hyperloglog *set, uint64_t hash)
{
    if (grow(set) != 0)
        return -ENOMEM;
    if (hash == 0)
        set->has_zero = true;
    else
        *find(set, hash) = hash;
    set->count++;
    return 0;
}

int hyperloglog_add(struct hyperloglog *set, uint64_t hash)
{
    if (set->registers == NULL) {
        if (has(set, hash))
            return 0;
        if (set->count < set->config.exact_max)
            return add_exact(set, hash);
        if (change(set) != 0)
            return -ENOMEM;
    }
    note(set->registers, set->config.precision, hash);
    return 0;
}

/* ---- merging ---- */

/* Members of both, when that many still are exact; more than exact_max otherwise. */
static uint32_t count_union(const struct hyperloglog *set, const struct hyperloglog *other)
{
    uint32_t count = set->count + (other->has_zero && !set->has_zero);
    for (uint32_t i = 0; i < other->slot_count; i++)
        count += other->slots[i] != 0 && !has(set, other->slots[i]);
    return count;
}

/* A set with the same members and room for the union's, so that a failure changes nothing. */
static int merge_exact(struct hyperloglog *set, const struct hyperloglog *other)
{
    struct hyperloglog both = {.config = set->config};
    const struct hyperloglog *parts[] = {set, other};
    int rc = 0;
    for (unsigned p = 0; p < 2; p++) {
        if (parts[p]->has_zero && !both.has_zero)
            rc = rc != 0 ? rc : add_exact(&both, 0);
        for (uint32_t i = 0; rc == 0 && i < parts[p]->slot_count; i++)
            if (parts[p]->slots[i] != 0)
                rc = hyperloglog_add(&both, parts[p]->slots[i]);
    }
    if (rc != 0) {
        hyperloglog_fini(&both);
        return rc;
    }
    hyperloglog_fini(set);
    *set = both;
    return 0;
}

int hyperloglog_merge(struct hyperloglog *set, const struct hyperloglog *other)
{
    if (set->config.precision != other->config.precision ||
        set->config.exact_max != other->config.exact_max)
        return -EINVAL;
    bool both_exact = set->registers == NULL && other->registers == NULL;
    if (both_exact && count_union(set, other) <= set->config.exact_max)
        return merge_exact(set, other);
    if (set->registers == NULL && change(set) != 0)
        return -ENOMEM;
    if (other->registers == NULL)
        note_exact(set->registers, other);
    for (size_t i = 0; other->registers != NULL && i < register_count(set); i++)
        if (set->registers[i] < other->registers[i])
            set->registers[i] = other->registers[i];
    return 0;
}

/* ---- the estimate ---- */

static double sigma(double x)
{
    double y = 1, z = x, before;
    if (x == 1)
        return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

static double tau(double x)
{
    double y = 1, z = 1 - x, before;
    if (x == 0 || x == 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

static double estimate(const struct hyperloglog *set)
{
    unsigned highest = HASH_BITS - set->config.precision;
    uint32_t counts[HASH_BITS + 2] = {0};
    double m = (double)register_count(set);
    for (size_t i = 0; i < register_count(set); i++)
        counts[set->registers[i]]++;
    double z = m * tau(1 - counts[highest + 1] / m);
    for (unsigned k = highest; k >= 1; k--)
        z = 0.5 * (z + counts[k]);
    z += m * sigma(counts[0] / m);
    return m * m / (2 * log(2) * z);
}

uint64_t hyperloglog_count(const struct hyperloglog *set)
{
    if (set->registers == NULL)
        return set->count;
    double count = rint(estimate(set));
    return count < 0x1p63 ? (uint64_t)count : UINT64_C(1) << 63;
}
