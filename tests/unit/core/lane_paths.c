/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/core/lane_paths.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum {
    STACK_BYTES = 128 * 1024,
    CHOICES_MAX = 4096,
    STORES_MAX = 256,
    RING_WORDS = PATHS_LANE_BYTES / 8,
    STALE_WORDS_MAX = 8
};

struct late_store {
    uint64_t *word;
    uint64_t value;
};

struct thread {
    ucontext_t context;
    char *stack;
    bool has_ended, is_waiting;
    uint64_t waiting_since; /* changes */
    struct late_store late[STORES_MAX], held[STORES_MAX];
    unsigned late_count, held_count;
    uint64_t stale[STALE_WORDS_MAX];
    bool has_stale[STALE_WORDS_MAX];
};

static struct {
    const struct paths_config *config;
    struct thread threads[PATHS_THREADS_MAX];
    ucontext_t scheduler;
    unsigned current; /* PATHS_NOBODY outside of threads */
    uint64_t changes; /* stores that became visible */
    uint64_t steps;
    unsigned preemptions, delays;
    bool has_died;
    char failure[160];
    uint64_t shadow[RING_WORDS]; /* the written ring, as far as it was looked at */
    uint8_t chosen[CHOICES_MAX], counts[CHOICES_MAX];
    unsigned choice_count, choice_next;
} the;

/* ---- choices ---- */

static unsigned choose(unsigned count)
{
    if (count < 2)
        return 0;
    if (the.choice_next == the.choice_count) {
        if (the.choice_count == CHOICES_MAX)
            abort();
        the.chosen[the.choice_count] = 0;
        the.counts[the.choice_count++] = (uint8_t)count;
    }
    if (the.counts[the.choice_next] != count) /* not repeatable: a test that lies */
        abort();
    return the.chosen[the.choice_next++];
}

/* False when there is no other run. */
static bool next_run(void)
{
    while (the.choice_count > 0) {
        unsigned last = the.choice_count - 1;
        if (the.chosen[last] + 1 < the.counts[last]) {
            the.chosen[last]++;
            return true;
        }
        the.choice_count--;
    }
    return false;
}

/* ---- memory ---- */

static void show(uint64_t *word, uint64_t value)
{
    the.changes += *word != value;
    *word = value;
}

static void flush(struct thread *thread)
{
    for (unsigned i = 0; i < thread->late_count; i++)
        show(thread->late[i].word, thread->late[i].value);
    thread->late_count = 0;
}

/* An older store to the word is never seen. */
static void forget(struct thread *thread, const uint64_t *word)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < thread->late_count; i++)
        if (thread->late[i].word != word)
            thread->late[kept++] = thread->late[i];
    thread->late_count = kept;
}

static bool choose_delay(void)
{
    if (the.delays == the.config->delays || choose(2) == 0)
        return false;
    the.delays++;
    return true;
}

static void store(struct thread *thread, uint64_t *word, uint64_t value, bool is_delayed)
{
    forget(thread, word);
    if (!is_delayed) {
        show(word, value);
        return;
    }
    if (thread->late_count == STORES_MAX)
        abort();
    thread->late[thread->late_count++] = (struct late_store){word, value};
}

/* What the first thread has written to the ring since the last look, in two halves. */
static void collect_ring(void)
{
    struct thread *thread = &the.threads[0];
    unsigned changed[RING_WORDS], count = 0;
    if (the.config->written == NULL || the.current != 0)
        return;
    for (unsigned i = 0; i < RING_WORDS; i++)
        if (the.config->written[i] != the.shadow[i])
            changed[count++] = i;
    bool is_delayed = false;
    for (unsigned i = 0; i < count; i++) {
        if (i == 0 || i == (count + 1) / 2)
            is_delayed = choose_delay();
        the.shadow[changed[i]] = the.config->written[changed[i]];
        store(thread, &the.config->visible[changed[i]], the.shadow[changed[i]], is_delayed);
    }
}

/* ---- threads ---- */

static void change_to_scheduler(void)
{
    swapcontext(&the.threads[the.current].context, &the.scheduler);
}

static bool can_run(unsigned index)
{
    const struct thread *thread = &the.threads[index];
    return !thread->has_ended && (!thread->is_waiting || thread->waiting_since != the.changes);
}

/* Another thread may go on here, or this one die. */
static void step(void)
{
    if (the.current == PATHS_NOBODY)
        return;
    the.steps++;
    collect_ring();
    if (the.current == the.config->mortal && !the.has_died && choose(2) == 1) {
        the.has_died = true;
        flush(&the.threads[the.current]);
        the.threads[the.current].has_ended = true;
        the.changes++;
        change_to_scheduler();
    }
    if (the.preemptions == the.config->preemptions)
        return;
    unsigned others[PATHS_THREADS_MAX], count = 0;
    for (unsigned i = 0; i < the.config->thread_count; i++)
        if (i != the.current && can_run(i))
            others[count++] = i;
    unsigned choice = choose(count + 1);
    if (choice == 0)
        return;
    the.preemptions++;
    unsigned me = the.current;
    the.current = others[choice - 1];
    swapcontext(&the.threads[me].context, &the.threads[the.current].context);
}

uint64_t paths_seen(void)
{
    return the.changes;
}

void paths_wait(uint64_t seen)
{
    struct thread *thread = &the.threads[the.current];
    collect_ring();
    flush(thread);
    thread->is_waiting = true;
    thread->waiting_since = seen;
    change_to_scheduler();
    thread->is_waiting = false;
}

bool paths_has_ended(unsigned thread)
{
    return the.threads[thread].has_ended;
}

void paths_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (the.failure[0] == '\0')
        vsnprintf(the.failure, sizeof(the.failure), format, args);
    va_end(args);
    if (the.current == PATHS_NOBODY)
        abort();
    change_to_scheduler();
    abort();
}

/* ---- accesses ---- */

static bool is_within(const void *word, const void *base, size_t bytes)
{
    uintptr_t at = (uintptr_t)word, from = (uintptr_t)base;
    return base != NULL && at >= from && at < from + bytes;
}

static uint64_t own_view(const struct thread *thread, const uint64_t *word)
{
    for (unsigned i = thread->late_count; i > 0; i--)
        if (thread->late[i - 1].word == word)
            return thread->late[i - 1].value;
    return *word;
}

uint64_t paths_load(const _Atomic uint64_t *object, int order)
{
    const struct paths_mutant *mutant = &the.config->mutant;
    const uint64_t *word = (const uint64_t *)(uintptr_t)object;
    (void)order;
    step();
    if (the.current == PATHS_NOBODY)
        return *word;
    struct thread *thread = &the.threads[the.current];
    if (the.current == 0 || !is_within(word, mutant->stale, mutant->stale_bytes))
        return own_view(thread, word);
    size_t i = (size_t)(word - (const uint64_t *)mutant->stale);
    if (!thread->has_stale[i])
        thread->stale[i] = *word;
    thread->has_stale[i] = true;
    return thread->stale[i];
}

static void store_held(struct thread *thread)
{
    for (unsigned i = 0; i < thread->held_count; i++)
        store(thread, thread->held[i].word, thread->held[i].value, false);
    thread->held_count = 0;
}

void paths_store(_Atomic uint64_t *object, uint64_t value, int order)
{
    const struct paths_mutant *mutant = &the.config->mutant;
    uint64_t *word = (uint64_t *)(uintptr_t)object;
    step();
    if (the.current == PATHS_NOBODY) {
        *word = value;
        return;
    }
    struct thread *thread = &the.threads[the.current];
    if (is_within(word, mutant->held, mutant->held_bytes)) {
        thread->held[thread->held_count++] = (struct late_store){word, value};
        return;
    }
    bool is_release = order == memory_order_release && word != mutant->relaxed;
    bool is_delayed = choose_delay();
    if (is_release && !is_delayed)
        flush(thread);
    store(thread, word, value, is_delayed);
    if (word == mutant->held_until) {
        step();
        store_held(thread);
    }
}

void paths_fence(int order)
{
    step();
    if (the.current == PATHS_NOBODY || order != memory_order_release ||
        the.config->mutant.no_fence)
        return;
    flush(&the.threads[the.current]);
}

uint64_t paths_ring_word(const void *word)
{
    step();
    return *(const uint64_t *)word;
}

/* ---- runs ---- */

static void thread_main(void)
{
    unsigned me = the.current;
    the.config->threads[me](the.config->arg);
    collect_ring();
    flush(&the.threads[me]);
    store_held(&the.threads[me]);
    the.threads[me].has_ended = true;
    the.changes++;
    change_to_scheduler();
}

static void start_thread(struct thread *thread)
{
    char *stack = thread->stack != NULL ? thread->stack : malloc(STACK_BYTES);
    memset(thread, 0, sizeof(*thread));
    thread->stack = stack;
    if (stack == NULL || getcontext(&thread->context) != 0)
        abort();
    thread->context.uc_stack.ss_sp = stack;
    thread->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&thread->context, thread_main, 0);
}

/* Picks who goes on when one waits or has ended: the next in turn, or at the price of a preemption
 * another. False: all have ended, or none can. */
static bool pick(void)
{
    unsigned ready[PATHS_THREADS_MAX], count = 0, ended = 0;
    unsigned first = the.current == PATHS_NOBODY ? 0 : the.current + 1;
    for (unsigned n = 0; n < the.config->thread_count; n++) {
        unsigned i = (first + n) % the.config->thread_count;
        ended += the.threads[i].has_ended;
        if (can_run(i))
            ready[count++] = i;
    }
    if (count == 0) {
        if (ended < the.config->thread_count)
            snprintf(the.failure, sizeof(the.failure), "all wait for each other");
        return false;
    }
    unsigned choice = the.preemptions < the.config->preemptions ? choose(count) : 0;
    the.preemptions += choice > 0;
    the.current = ready[choice];
    return true;
}

static void run(void)
{
    the.current = PATHS_NOBODY;
    the.choice_next = the.preemptions = the.delays = 0;
    the.changes = 1;
    the.has_died = false;
    memset(the.shadow, 0, sizeof(the.shadow));
    the.config->setup(the.config->arg);
    for (unsigned i = 0; i < the.config->thread_count; i++)
        start_thread(&the.threads[i]);
    while (the.failure[0] == '\0' && pick())
        swapcontext(&the.scheduler, &the.threads[the.current].context);
    the.current = PATHS_NOBODY;
    const char *failure = the.failure[0] == '\0' ? the.config->check(the.config->arg) : NULL;
    if (failure != NULL)
        snprintf(the.failure, sizeof(the.failure), "%s", failure);
}

static void write_choices(char *text, size_t size)
{
    size_t used = 0;
    for (unsigned i = 0; i < the.choice_next && used + 8 < size; i++)
        if (the.chosen[i] != 0)
            used += (size_t)snprintf(text + used, size - used, "%u:%u ", i, the.chosen[i]);
}

struct paths_result paths_explore(const struct paths_config *config)
{
    struct paths_result result = {0};
    the.config = config;
    the.choice_count = 0;
    the.steps = 0;
    the.failure[0] = '\0';
    while (the.failure[0] == '\0' && !result.is_all &&
           (config->runs_max == 0 || result.runs < config->runs_max)) {
        run();
        result.runs++;
        result.is_all = !next_run();
    }
    result.steps = the.steps;
    memcpy(result.failure, the.failure, sizeof(result.failure));
    if (the.failure[0] != '\0')
        write_choices(result.choices, sizeof(result.choices));
    for (unsigned i = 0; i < PATHS_THREADS_MAX; i++) {
        free(the.threads[i].stack);
        the.threads[i].stack = NULL;
    }
    return result;
}
