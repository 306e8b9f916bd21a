/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/bench.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/check.h"
#include "core/clock.h"

enum {
    HOP_BATCHES = 64, /* the fastest but HOP_BATCHES_LEFT_OUT of them is the result */
    HOP_BATCHES_LEFT_OUT = 4,
    HOP_TRIPS_OF_BATCH = 256,
    HOP_LIMIT_MS = 2000 /* a core that is taken away for longer gives no figure */
};

struct hop {
    _Alignas(64) _Atomic uint64_t ping;
    _Alignas(64) _Atomic uint64_t pong;
    _Alignas(64) _Atomic bool over;
    uint64_t limit_ns; /* CLOCK_MONOTONIC */
    int cpu_a, cpu_b;
    double batches_ns[HOP_BATCHES];
    unsigned batch_count;
};

static int allowed_cpus[BENCH_CPUS_MAX];
static unsigned allowed_count;

/* Read at the first call, which bench_main() makes before anything is pinned. */
static void read_allowed_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && allowed_count < BENCH_CPUS_MAX; cpu++)
        if (CPU_ISSET(cpu, &set))
            allowed_cpus[allowed_count++] = (int)cpu;
}

int bench_cpu(unsigned n)
{
    if (allowed_count == 0)
        read_allowed_cpus();
    return n < allowed_count ? allowed_cpus[n] : -1;
}

int bench_pin(int cpu)
{
    cpu_set_t set;
    if (cpu < 0 || cpu >= CPU_SETSIZE)
        return -EINVAL;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    return -pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* False when the other side is gone or too slow. No pause instruction: on some CPUs it takes longer
 * than the hop. */
static bool wait_for(const struct hop *hop, const _Atomic uint64_t *word, uint64_t value)
{
    for (unsigned spins = 1; atomic_load_explicit(word, memory_order_acquire) != value; spins++) {
        if (spins % 4096 == 0 && (atomic_load_explicit(&hop->over, memory_order_relaxed) ||
                                  clock_mono_ns() > hop->limit_ns))
            return false;
    }
    return true;
}

static void *hop_answer(void *arg)
{
    struct hop *hop = arg;
    if (bench_pin(hop->cpu_b) != 0)
        return NULL;
    for (uint64_t trip = 1; trip <= HOP_BATCHES * HOP_TRIPS_OF_BATCH; trip++) {
        if (!wait_for(hop, &hop->ping, trip)) /* A1 pairs with R1 in hop_ask */
            break;
        atomic_store_explicit(&hop->pong, trip, memory_order_release); /* R2 */
    }
    return NULL;
}

static void *hop_ask(void *arg)
{
    struct hop *hop = arg;
    uint64_t trip = 1;
    if (bench_pin(hop->cpu_a) != 0)
        return NULL;
    while (hop->batch_count < HOP_BATCHES) {
        uint64_t start_ns = clock_mono_ns();
        for (unsigned i = 0; i < HOP_TRIPS_OF_BATCH; i++, trip++) {
            atomic_store_explicit(&hop->ping, trip, memory_order_release); /* R1 */
            if (!wait_for(hop, &hop->pong, trip)) /* A2 pairs with R2 in hop_answer */
                return NULL;
        }
        hop->batches_ns[hop->batch_count++] =
            (double)(clock_mono_ns() - start_ns) / (2.0 * HOP_TRIPS_OF_BATCH);
    }
    return NULL;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_hop_ns(int cpu_a, int cpu_b)
{
    struct hop hop = {.cpu_a = cpu_a, .cpu_b = cpu_b};
    pthread_t ask, answer;
    if (cpu_a < 0 || cpu_b < 0 || cpu_a == cpu_b)
        return -1;
    hop.limit_ns = clock_mono_ns() + HOP_LIMIT_MS * CLOCK_NS_PER_MS;
    if (pthread_create(&answer, NULL, hop_answer, &hop) != 0)
        return -1;
    if (pthread_create(&ask, NULL, hop_ask, &hop) == 0)
        pthread_join(ask, NULL);
    atomic_store_explicit(&hop.over, true, memory_order_relaxed);
    pthread_join(answer, NULL);
    if (hop.batch_count == 0)
        return -1;
    qsort(hop.batches_ns, hop.batch_count, sizeof(double), compare_doubles);
    return hop.batches_ns[hop.batch_count > HOP_BATCHES_LEFT_OUT ? HOP_BATCHES_LEFT_OUT : 0];
}
