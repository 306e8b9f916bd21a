/* SPDX-License-Identifier: MPL-2.0
 *
 * lane_paths.h - runs a few threads in every order that there is, within stated bounds, over a
 *                memory that shows stores late where C11 lets it.
 *
 * Place:   test_lane_paths.c; the real core/lane*.c call it through lane_shim.h.
 * Threads: coroutines, which change over at accesses to shared memory only.
 * Method:  depth-first: a run is a list of choices; the next run changes the last one that can be
 *          changed, and what comes behind it starts at zero. So no two runs are the same, and all
 *          that the bounds allow come.
 *
 * What can be chosen, each at every place where it is possible:
 *     a preemption: another thread goes on, although this one could, or, when this one waits or
 *         has ended, another than the next in turn (bound: preemptions)
 *     a delay: a store is seen by others not now but at this thread's next release store or
 *         release fence that is not delayed itself, or when it waits or ends (bound: delays). The
 *         stores of a record between two accesses to shared words are two such stores, its first
 *         and its second half, so that records are seen torn.
 *     a death, of the thread that may die (bound: one). What it has stored stays.
 * Loads are not reordered.
 */
#ifndef TESTS_UNIT_CORE_LANE_PATHS_H
#define TESTS_UNIT_CORE_LANE_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATHS_LANE_BYTES = 512, PATHS_THREADS_MAX = 4, PATHS_NOBODY = UINT32_MAX };

struct paths_mutant { /* what is broken on purpose; zeroed: nothing */
    const char *name;
    const void *relaxed;                   /* release stores to this word are relaxed ones */
    const void *held, *held_until;         /* stores to it come after the next one to the other */
    size_t held_bytes;
    const void *stale;                     /* threads but the first see what they saw once */
    size_t stale_bytes;
    bool no_fence;
};

struct paths_config {
    unsigned thread_count;
    void (*threads[PATHS_THREADS_MAX])(void *arg);
    void (*setup)(void *arg);
    const char *(*check)(void *arg); /* when all threads have ended; NULL: all is well */
    void *arg;
    unsigned preemptions, delays;
    uint64_t runs_max; /* 0: all */
    unsigned mortal; /* thread that may die, or PATHS_NOBODY */
    const uint64_t *written; /* the ring as the first thread sees it */
    uint64_t *visible;       /* and as the others do */
    struct paths_mutant mutant;
};

struct paths_result {
    uint64_t runs, steps;
    bool is_all;           /* there are no others */
    char failure[160];     /* empty: none */
    char choices[512];     /* of the run that failed */
};

/* Runs all, or runs_max, or until one fails. */
struct paths_result paths_explore(const struct paths_config *config);

/* ---- for threads ---- */

void paths_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define PATHS_CHECK(condition)                                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            paths_fail("%s:%d: %s", __FILE__, __LINE__, #condition);                               \
    } while (0)

/* Nothing can be done until something is stored that was not when paths_seen() was called, before
 * looking. All waiting is a failure. */
uint64_t paths_seen(void);
void paths_wait(uint64_t seen);
bool paths_has_ended(unsigned thread); /* or died */

uint64_t paths_load(const _Atomic uint64_t *object, int order);
void paths_store(_Atomic uint64_t *object, uint64_t value, int order);
void paths_fence(int order);
/* A word of the visible ring. */
uint64_t paths_ring_word(const void *word);

#endif
