/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_pool.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/sandbox/sandbox_process.h"
#include "core/bell.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/paths.h"

enum {
    TICK_MS = 100,
    HEARTBEAT_MS_MAX = 10000, /* of a watchdog that stands still */
    PAUSE_MS_MIN = 250,       /* before a restart, when it died soon; doubles up to */
    PAUSE_MS_MAX = 30000,
    CALM_MS = 10000, /* it ran so long: the next restart is at once */
    END_MS = 1000    /* at the end, before it is killed */
};

struct worker {
    struct sandbox_process process;
    pid_t pid; /* of the last one */
    enum sandbox_class class;
    unsigned core;  /* the pool's cores[core] is its, if there are any */
    bool is_ending; /* told to end: nobody is in it */
    struct sandbox_link *links[SANDBOX_WORKER_INSTANCES_MAX];
    unsigned link_count;
    uint64_t started_ns, restart_ns, pause_ms; /* restart_ns 0: it runs, or is not needed */
};

struct sandbox_pool {
    char program[PATH_MAX];
    pthread_t thread;
    int wake_fd;
    pthread_mutex_t lock; /* of all below */
    bool must_end, is_quiet;
    unsigned cores[SANDBOX_WORKERS_MAX], core_count; /* none: where hekad runs */
    struct worker workers[SANDBOX_WORKERS_MAX];
};

/* ---- one worker; under the lock ---- */

static void set_link(struct sandbox_link *link, enum sandbox_link_state state)
{
    /* L1 pairs with L2 in sandbox_client.c: the text is whole. */
    atomic_store_explicit(&link->state, (uint32_t)state, memory_order_release);
}

static bool is_in(const struct sandbox_link *link)
{
    return link != NULL &&
           atomic_load_explicit(&link->state, memory_order_relaxed) != SANDBOX_LINK_ENDED;
}

static int start(struct sandbox_pool *pool, struct worker *worker, struct err *err)
{
    cpu_set_t cpus;
    worker->started_ns = clock_mono_ns();
    worker->restart_ns = 0;
    worker->is_ending = false;
    CPU_ZERO(&cpus);
    if (pool->core_count > 0)
        CPU_SET(pool->cores[worker->core], &cpus);
    if (sandbox_process_start(&worker->process, pool->program, worker->class,
                              pool->core_count > 0 ? &cpus : NULL, err) != 0)
        return -1;
    worker->pid = worker->process.pid;
    return 0;
}

/* Who was in turn when it died of itself, or NULL. */
static struct sandbox_link *find_culprit(const struct worker *worker)
{
    uint32_t running = atomic_load_explicit(&worker->process.page->running, memory_order_acquire);
    if (!worker->process.was_fault || running == 0 || running > SANDBOX_WORKER_INSTANCES_MAX)
        return NULL;
    return worker->links[running - 1];
}

static void plan_restart(struct worker *worker)
{
    uint64_t now_ns = clock_mono_ns();
    if (now_ns - worker->started_ns >= CALM_MS * CLOCK_NS_PER_MS)
        worker->pause_ms = 0;
    worker->restart_ns = now_ns + worker->pause_ms * CLOCK_NS_PER_MS + 1;
    worker->pause_ms = worker->pause_ms == 0 ? PAUSE_MS_MIN : 2 * worker->pause_ms;
    if (worker->pause_ms > PAUSE_MS_MAX)
        worker->pause_ms = PAUSE_MS_MAX;
}

static void note_death(struct worker *worker)
{
    struct sandbox_link *culprit = find_culprit(worker);
    log_error("Sandbox worker %d died: %s%s%s", (int)worker->pid, worker->process.end_text,
              culprit != NULL ? ", while it ran " : "", culprit != NULL ? culprit->name : "");
    for (unsigned i = 0; i < SANDBOX_WORKER_INSTANCES_MAX; i++) {
        struct sandbox_link *link = worker->links[i];
        if (!is_in(link))
            continue;
        atomic_fetch_add_explicit(&link->restarts, 1, memory_order_relaxed);
        if (link == culprit)
            snprintf(link->text, sizeof(link->text), "its worker died: %s",
                     worker->process.end_text);
        set_link(link, link == culprit ? SANDBOX_LINK_ENDED : SANDBOX_LINK_DOWN);
    }
    plan_restart(worker);
}

static void restart(struct sandbox_pool *pool, struct worker *worker)
{
    struct err err = {0};
    if (start(pool, worker, &err) != 0) {
        log_error("Sandbox worker: %s", err.count > 0 ? err.texts[0] : "it cannot be started");
        plan_restart(worker);
        return;
    }
    log_info("Sandbox worker %d started again", (int)worker->pid);
    for (unsigned i = 0; i < SANDBOX_WORKER_INSTANCES_MAX; i++)
        if (is_in(worker->links[i]))
            set_link(worker->links[i], SANDBOX_LINK_EMPTY);
}

static bool is_hung(const struct worker *worker)
{
    uint64_t beat_ns =
        atomic_load_explicit(&worker->process.page->heartbeat_ns, memory_order_relaxed);
    uint64_t now_ns = clock_mono_ns();
    return now_ns > beat_ns && now_ns - beat_ns > HEARTBEAT_MS_MAX * CLOCK_NS_PER_MS;
}

static void watch(struct sandbox_pool *pool, struct worker *worker)
{
    bool is_running = worker->process.pid != 0;
    if (is_running && sandbox_process_has_ended(&worker->process)) {
        if (worker->is_ending || worker->link_count == 0)
            worker->is_ending = false;
        else
            note_death(worker);
    } else if (is_running && is_hung(worker)) {
        log_error("Sandbox worker %d stands still; it is killed", (int)worker->pid);
        sandbox_process_kill(&worker->process);
    } else if (!is_running && worker->restart_ns != 0 && clock_mono_ns() >= worker->restart_ns) {
        if (worker->link_count > 0)
            restart(pool, worker);
        else
            worker->restart_ns = 0;
    }
}

/* ---- the thread ---- */

static void wait_for_ends(struct sandbox_pool *pool)
{
    struct pollfd fds[SANDBOX_WORKERS_MAX + 1];
    uint64_t count;
    unsigned n = 0;
    fds[n++] = (struct pollfd){.fd = pool->wake_fd, .events = POLLIN};
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < SANDBOX_WORKERS_MAX; i++)
        if (pool->workers[i].process.pid != 0 && pool->workers[i].process.pidfd >= 0)
            fds[n++] = (struct pollfd){.fd = pool->workers[i].process.pidfd, .events = POLLIN};
    pthread_mutex_unlock(&pool->lock);
    poll(fds, n, TICK_MS); /* descriptors are closed by this thread only */
    ssize_t got = read(pool->wake_fd, &count, sizeof(count));
    (void)got; /* nothing there is fine */
}

static void *run(void *arg)
{
    struct sandbox_pool *pool = arg;
    bool must_end = false;
    pthread_setname_np(pthread_self(), "sandbox_pool");
    while (!must_end) {
        wait_for_ends(pool);
        pthread_mutex_lock(&pool->lock);
        for (unsigned i = 0; i < SANDBOX_WORKERS_MAX; i++)
            watch(pool, &pool->workers[i]);
        must_end = pool->must_end;
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

static void wake(struct sandbox_pool *pool)
{
    uint64_t one = 1;
    ssize_t put = write(pool->wake_fd, &one, sizeof(one));
    (void)put; /* a full counter is readable, too */
}

/* ---- making and ending ---- */

static int set_program(struct sandbox_pool *pool, const char *program)
{
    char dir[PATH_MAX - 32] = "";
    paths_program_dir(dir, sizeof(dir));
    int len = program != NULL
                  ? snprintf(pool->program, sizeof(pool->program), "%s", program)
                  : snprintf(pool->program, sizeof(pool->program), "%s/heka-sandbox", dir);
    return len > 0 && (size_t)len < sizeof(pool->program) ? 0 : -1;
}

struct sandbox_pool *sandbox_pool_new(const char *program, struct err *err)
{
    struct sandbox_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    for (unsigned i = 0; i < SANDBOX_WORKERS_MAX; i++)
        sandbox_process_init(&pool->workers[i].process);
    pthread_mutex_init(&pool->lock, NULL);
    pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (set_program(pool, program) == 0 && pool->wake_fd >= 0 &&
        pthread_create(&pool->thread, NULL, run, pool) == 0)
        return pool;
    err_add(err, "sandbox workers cannot be watched");
    if (pool->wake_fd >= 0)
        close(pool->wake_fd);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    return NULL;
}

/* In order, as long as that goes. */
static void end_all(struct sandbox_pool *pool)
{
    const struct timespec pause = {0, CLOCK_NS_PER_MS};
    uint64_t until_ns = clock_mono_ns() + END_MS * CLOCK_NS_PER_MS;
    for (unsigned i = 0; i < SANDBOX_WORKERS_MAX; i++)
        if (pool->workers[i].process.pid != 0)
            sandbox_process_send(&pool->workers[i].process, SANDBOX_COMMAND_END, 0, -1);
    for (unsigned i = 0; i < SANDBOX_WORKERS_MAX; i++) {
        struct sandbox_process *process = &pool->workers[i].process;
        while (process->pid != 0 && !sandbox_process_has_ended(process) &&
               clock_mono_ns() < until_ns)
            nanosleep(&pause, NULL);
        sandbox_process_kill(process);
        sandbox_process_reap(process);
        sandbox_process_fini(process);
    }
}

void sandbox_pool_free(struct sandbox_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->must_end = true;
    pthread_mutex_unlock(&pool->lock);
    wake(pool);
    pthread_join(pool->thread, NULL);
    end_all(pool);
    close(pool->wake_fd);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void sandbox_pool_pin(struct sandbox_pool *pool, const unsigned *cpus, unsigned count)
{
    pthread_mutex_lock(&pool->lock);
    pool->core_count = 0;
    for (unsigned i = 0; i < count && pool->core_count < SANDBOX_WORKERS_MAX; i++)
        if (cpus[i] < CPU_SETSIZE)
            pool->cores[pool->core_count++] = cpus[i];
    pthread_mutex_unlock(&pool->lock);
}

void sandbox_pool_set_quiet(struct sandbox_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->is_quiet = true;
    pthread_mutex_unlock(&pool->lock);
}

/* ---- plugins ---- */

static bool has_place(const struct worker *worker, enum sandbox_class class)
{
    bool is_alone = class == SANDBOX_CLASS_JIT || class == SANDBOX_CLASS_INPUT;
    unsigned places = is_alone ? 1 : SANDBOX_WORKER_INSTANCES_MAX;
    return worker->process.pid != 0 && !worker->is_ending && worker->class == class &&
           worker->link_count < places;
}

static bool is_free(const struct worker *worker)
{
    return worker->process.pid == 0 && worker->link_count == 0;
}

/* The first of those that the fewest workers are on. */
static unsigned pick_core(const struct sandbox_pool *pool)
{
    unsigned loads[SANDBOX_WORKERS_MAX] = {0}, best = 0;
    for (unsigned i = 0; i < SANDBOX_WORKERS_MAX; i++)
        if (!is_free(&pool->workers[i]))
            loads[pool->workers[i].core]++;
    for (unsigned i = 1; i < pool->core_count; i++)
        if (loads[i] < loads[best])
            best = i;
    return best;
}

/* One that runs; else one that is started. NULL after adding to `err`. */
static struct worker *find_worker(struct sandbox_pool *pool, enum sandbox_class class,
                                  struct err *err)
{
    struct worker *worker = NULL;
    for (unsigned i = 0; i < SANDBOX_WORKERS_MAX; i++)
        if (has_place(&pool->workers[i], class))
            return &pool->workers[i];
    for (unsigned i = 0; i < SANDBOX_WORKERS_MAX && worker == NULL; i++)
        if (is_free(&pool->workers[i]))
            worker = &pool->workers[i];
    if (worker == NULL) {
        err_add(err, "more than %d sandbox workers", SANDBOX_WORKERS_MAX);
        return NULL;
    }
    worker->core = pick_core(pool);
    worker->class = class;
    worker->pause_ms = 0;
    if (start(pool, worker, err) != 0)
        return NULL;
    if (!pool->is_quiet)
        log_info("Sandbox worker %d started", (int)worker->pid);
    return worker;
}

static int join(struct sandbox_pool *pool, enum sandbox_class class, struct sandbox_link *link,
                struct err *err)
{
    struct worker *worker = find_worker(pool, class, err);
    unsigned index = 0;
    if (worker == NULL)
        return -1;
    while (worker->links[index] != NULL)
        index++;
    link->worker = (unsigned)(worker - pool->workers);
    link->index = index;
    int rc = sandbox_process_send(&worker->process, SANDBOX_COMMAND_ADD, index, link->channel_fd);
    bool has_died = rc == -EPIPE || rc == -ECONNRESET; /* just now: the thread will see it */
    if (rc != 0 && !has_died)
        return err_add(err, "sandbox worker %d: %s", (int)worker->pid, strerror(-rc));
    worker->links[index] = link;
    worker->link_count++;
    atomic_store_explicit(&worker->process.page->is_stopping, 0, memory_order_relaxed);
    set_link(link, has_died ? SANDBOX_LINK_DOWN : SANDBOX_LINK_UP);
    return 0;
}

int sandbox_pool_join(struct sandbox_pool *pool, enum sandbox_class class,
                      struct sandbox_link *link, struct err *err)
{
    pthread_mutex_lock(&pool->lock);
    int rc = join(pool, class, link, err);
    pthread_mutex_unlock(&pool->lock);
    wake(pool);
    return rc;
}

int sandbox_pool_rejoin(struct sandbox_pool *pool, struct sandbox_link *link)
{
    int rc = -ENOTCONN;
    pthread_mutex_lock(&pool->lock);
    struct worker *worker = &pool->workers[link->worker];
    if (atomic_load_explicit(&link->state, memory_order_relaxed) == SANDBOX_LINK_EMPTY)
        rc = sandbox_process_send(&worker->process, SANDBOX_COMMAND_ADD, link->index,
                                  link->channel_fd);
    if (rc == 0)
        set_link(link, SANDBOX_LINK_UP);
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

void sandbox_pool_leave(struct sandbox_pool *pool, struct sandbox_link *link)
{
    pthread_mutex_lock(&pool->lock);
    struct worker *worker = &pool->workers[link->worker];
    CHECK(worker->links[link->index] == link);
    worker->links[link->index] = NULL;
    worker->link_count--;
    bool is_last = worker->link_count == 0;
    if (worker->process.pid != 0) {
        sandbox_process_send(&worker->process,
                             is_last ? SANDBOX_COMMAND_END : SANDBOX_COMMAND_REMOVE, link->index,
                             -1);
        worker->is_ending = is_last;
    }
    pthread_mutex_unlock(&pool->lock);
    wake(pool);
}

void sandbox_pool_ring(struct sandbox_pool *pool, const struct sandbox_link *link)
{
    /* The page stays where it is as long as the pool. */
    struct sandbox_page *page = pool->workers[link->worker].process.page;
    bell_ring_shared(&page->bell, &page->waits);
}

void sandbox_pool_stop_call(struct sandbox_pool *pool, const struct sandbox_link *link,
                            bool is_stopping)
{
    struct sandbox_page *page = pool->workers[link->worker].process.page;
    atomic_store_explicit(&page->is_stopping, is_stopping, memory_order_relaxed);
}

pid_t sandbox_pool_pid(struct sandbox_pool *pool, const struct sandbox_link *link)
{
    pthread_mutex_lock(&pool->lock);
    pid_t pid = pool->workers[link->worker].process.pid;
    pthread_mutex_unlock(&pool->lock);
    return pid;
}

/* ---- for people ---- */

/* Ranges, with commas between them; what does not fit is left out. */
static void print_cpus(const cpu_set_t *set, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (unsigned first = 0, last; first < CPU_SETSIZE && len < size; first = last + 1) {
        last = first;
        if (!CPU_ISSET(first, set))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
            last++;
        char range[32];
        int range_len = first == last ? snprintf(range, sizeof(range), "%u", first)
                                      : snprintf(range, sizeof(range), "%u-%u", first, last);
        if (len + (size_t)range_len + 1 >= size)
            return;
        len += (size_t)snprintf(text + len, size - len, "%s%s", len > 0 ? "," : "", range);
    }
}

unsigned sandbox_pool_list(struct sandbox_pool *pool,
                           struct sandbox_worker_info rows[SANDBOX_WORKERS_MAX])
{
    static const char *const names[] = {[SANDBOX_CLASS_CONFIGURED] = "configured",
                                        [SANDBOX_CLASS_DYNAMIC] = "dynamic",
                                        [SANDBOX_CLASS_JIT] = "jit",
                                        [SANDBOX_CLASS_IO] = "io",
                                        [SANDBOX_CLASS_INPUT] = "input"};
    unsigned count = 0;
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < SANDBOX_WORKERS_MAX; i++) {
        const struct worker *worker = &pool->workers[i];
        cpu_set_t cpus;
        if (worker->process.pid == 0)
            continue;
        struct sandbox_worker_info *row = &rows[count++];
        *row = (struct sandbox_worker_info){.pid = worker->process.pid,
                                            .class = names[worker->class],
                                            .plugins = worker->link_count};
        if (sched_getaffinity(worker->process.pid, sizeof(cpus), &cpus) == 0)
            print_cpus(&cpus, row->cpus, sizeof(row->cpus));
    }
    pthread_mutex_unlock(&pool->lock);
    return count;
}
