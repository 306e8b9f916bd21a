/* SPDX-License-Identifier: MPL-2.0 */
#include "core/counters.h"

#include <sched.h>
#include <string.h>

enum { READ_TRIES_MAX = 100000 };

static const struct {
    const char *name, *help;
} descriptions[COUNTER_COUNT] = {
#define COUNTER(id, text, sentence) [COUNTER_##id] = {text, sentence},
#include "core/counters.def"
};

const char *counter_name(enum counter_id id)
{
    return descriptions[id].name;
}

const char *counter_help(enum counter_id id)
{
    return descriptions[id].help;
}

int counter_find(const char *name)
{
    for (int i = 0; i < COUNTER_COUNT; i++)
        if (strcmp(descriptions[i].name, name) == 0)
            return i;
    return -1;
}

void counters_publish(struct counters_shared *shared, const struct counters *counters)
{
    uint64_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed);
    atomic_store_explicit(&shared->sequence, sequence + 1, memory_order_relaxed);
    /* Each value is stored with release, so that a reader that sees one also sees the odd sequence
     * number before it. R1, pairs with A1 in counters_read. (A release fence would do the same
     * with one barrier; ThreadSanitizer does not know fences, and on x86 both are plain stores.) */
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        atomic_store_explicit(&shared->values[i], counters->values[i], memory_order_release);
    /* R2, pairs with A2 in counters_read. */
    atomic_store_explicit(&shared->sequence, sequence + 2, memory_order_release);
}

static bool read_once(const struct counters_shared *shared, struct counters *copy)
{
    /* A2 pairs with R2: an even number means that all values below are at least that new. */
    uint64_t before = atomic_load_explicit(&shared->sequence, memory_order_acquire);
    if (before & 1)
        return false;
    /* A1 pairs with R1: a value of a later copy brings the later sequence number with it. */
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        copy->values[i] = atomic_load_explicit(&shared->values[i], memory_order_acquire);
    return atomic_load_explicit(&shared->sequence, memory_order_relaxed) == before;
}

bool counters_read(const struct counters_shared *shared, struct counters *sum)
{
    struct counters copy;
    for (unsigned tries = 0; tries < READ_TRIES_MAX; tries++) {
        if (read_once(shared, &copy)) {
            for (unsigned i = 0; i < COUNTER_COUNT; i++)
                sum->values[i] += copy.values[i];
            return true;
        }
        if (tries % 64 == 63)
            sched_yield();
    }
    return false;
}
