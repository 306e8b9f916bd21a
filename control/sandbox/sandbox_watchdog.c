/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

enum { LOOK_MS = 20, STACK_BYTES = 256 * 1024 };

struct sandbox_watchdog {
    struct sandbox_page *page;
    pthread_t thread, engine;
    clockid_t engine_clock;
    pthread_barrier_t has_begun;       /* what a thread's start takes may be forbidden soon */
    pthread_mutex_t lock;              /* engines are freed under it */
    _Atomic(struct sandbox *) sandbox; /* of the instance in turn */
    _Atomic uint64_t load; /* odd while a script is loaded, and another value with each */

    /* the thread's own: the call that was seen last */
    struct sandbox *seen_sandbox;
    uint64_t seen_serial, since_ns, since_engine_ns;
    bool is_stopped;
};

/* For the signal handler, in the engine's thread. */
static _Atomic(struct sandbox *) escalated;
static _Atomic uint64_t escalated_serial;
static struct sandbox_watchdog *the_watchdog;

static void on_signal(int number)
{
    struct sandbox *sandbox = atomic_load_explicit(&escalated, memory_order_acquire);
    (void)number;
    /* It lives: the engine's thread is in its turn. */
    if (sandbox != NULL &&
        sandbox == atomic_load_explicit(&the_watchdog->sandbox, memory_order_relaxed))
        sandbox_escalate(sandbox, atomic_load_explicit(&escalated_serial, memory_order_relaxed));
}

static uint64_t engine_ns(const struct sandbox_watchdog *watchdog)
{
    struct timespec time = {0};
    clock_gettime(watchdog->engine_clock, &time);
    return (uint64_t)time.tv_sec * CLOCK_NS_PER_S + (uint64_t)time.tv_nsec;
}

/* Of the call that was seen last, as the header says. */
static uint64_t call_ms(const struct sandbox_watchdog *watchdog)
{
    uint64_t wall_ns = clock_mono_ns() - watchdog->since_ns;
    uint64_t share_ns = SANDBOX_SHARE * (engine_ns(watchdog) - watchdog->since_engine_ns);
    return (wall_ns < share_ns ? wall_ns : share_ns) / CLOCK_NS_PER_MS;
}

/* Odd: a call, or a load, is under way. */
static uint64_t serial_of(struct sandbox_watchdog *watchdog, struct sandbox *sandbox)
{
    if (sandbox != NULL)
        return sandbox_call_serial(sandbox);
    return atomic_load_explicit(&watchdog->load, memory_order_relaxed);
}

static void stop(struct sandbox_watchdog *watchdog, struct sandbox *sandbox, uint64_t serial)
{
    if (!watchdog->is_stopped)
        sandbox_stop(sandbox, serial);
    watchdog->is_stopped = true;
}

static void act(struct sandbox_watchdog *watchdog, struct sandbox *sandbox, uint64_t serial)
{
    const struct sandbox_page *page = watchdog->page;
    if (page->worker_class == SANDBOX_CLASS_INPUT && sandbox != NULL) { /* it may last */
        if (atomic_load_explicit(&page->is_stopping, memory_order_relaxed) != 0)
            stop(watchdog, sandbox, serial);
        return;
    }
    uint64_t ms = call_ms(watchdog);
    if (ms < SANDBOX_CALL_MS)
        return;
    if (ms >= SANDBOX_CALL_MS + SANDBOX_KILL_MS)
        _exit(SANDBOX_EXIT_STUCK);
    if (sandbox == NULL)
        return;
    if (!watchdog->is_stopped) {
        atomic_fetch_add_explicit(&watchdog->page->stops, 1, memory_order_relaxed);
        stop(watchdog, sandbox, serial);
    } else if (ms >= SANDBOX_CALL_MS + SANDBOX_ESCALATE_MS) {
        atomic_store_explicit(&escalated_serial, serial, memory_order_relaxed);
        atomic_store_explicit(&escalated, sandbox, memory_order_release);
        pthread_kill(watchdog->engine, SIGUSR1);
    }
}

static void look(struct sandbox_watchdog *watchdog)
{
    struct sandbox *sandbox = atomic_load_explicit(&watchdog->sandbox, memory_order_acquire);
    uint64_t serial = serial_of(watchdog, sandbox);
    if (serial % 2 == 0 || serial != watchdog->seen_serial || sandbox != watchdog->seen_sandbox) {
        watchdog->seen_serial = serial;
        watchdog->seen_sandbox = sandbox;
        watchdog->since_ns = clock_mono_ns();
        watchdog->since_engine_ns = engine_ns(watchdog);
        watchdog->is_stopped = false;
        return;
    }
    act(watchdog, sandbox, serial);
}

static void *run(void *arg)
{
    struct sandbox_watchdog *watchdog = arg;
    const struct timespec pause = {0, (long)(LOOK_MS * CLOCK_NS_PER_MS)};
    pthread_barrier_wait(&watchdog->has_begun);
    for (;;) {
        pthread_mutex_lock(&watchdog->lock);
        look(watchdog);
        pthread_mutex_unlock(&watchdog->lock);
        atomic_store_explicit(&watchdog->page->heartbeat_ns, clock_mono_ns(), memory_order_relaxed);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static int start(struct sandbox_watchdog *watchdog)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int rc = pthread_create(&watchdog->thread, &attributes, run, watchdog);
    pthread_attr_destroy(&attributes);
    if (rc == 0)
        pthread_barrier_wait(&watchdog->has_begun);
    return rc;
}

struct sandbox_watchdog *sandbox_watchdog_new(struct sandbox_page *page, struct err *err)
{
    struct sandbox_watchdog *watchdog = calloc(1, sizeof(*watchdog));
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (watchdog == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    watchdog->page = page;
    watchdog->engine = pthread_self();
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_barrier_init(&watchdog->has_begun, NULL, 2);
    the_watchdog = watchdog;
    if (pthread_getcpuclockid(watchdog->engine, &watchdog->engine_clock) == 0 &&
        sigaction(SIGUSR1, &action, NULL) == 0 && start(watchdog) == 0)
        return watchdog;
    err_add(err, "the watchdog cannot be started");
    free(watchdog);
    return NULL;
}

void sandbox_watchdog_begin(struct sandbox_watchdog *watchdog, unsigned index,
                            struct sandbox *sandbox)
{
    atomic_store_explicit(&watchdog->page->running, index + 1, memory_order_relaxed);
    if (sandbox == NULL)
        atomic_fetch_add_explicit(&watchdog->load, 1, memory_order_relaxed);
    atomic_store_explicit(&watchdog->sandbox, sandbox, memory_order_release);
}

void sandbox_watchdog_end(struct sandbox_watchdog *watchdog)
{
    if (atomic_load_explicit(&watchdog->sandbox, memory_order_relaxed) == NULL)
        atomic_fetch_add_explicit(&watchdog->load, 1, memory_order_relaxed);
    atomic_store_explicit(&watchdog->sandbox, NULL, memory_order_release);
    atomic_store_explicit(&watchdog->page->running, 0, memory_order_relaxed);
}

void sandbox_watchdog_free_engine(struct sandbox_watchdog *watchdog, struct sandbox *sandbox)
{
    pthread_mutex_lock(&watchdog->lock);
    sandbox_free(sandbox);
    pthread_mutex_unlock(&watchdog->lock);
}
