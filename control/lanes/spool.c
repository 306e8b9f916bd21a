/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/trouble.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    BURST_MAX = READER_ITEMS_MAX,
    BURST_BYTES = 1 << 20,
    RETRY_MS_MIN = 50,
    RETRY_MS_MAX = 1000,
    SLICE_MS = 20,        /* how soon a stop is seen */
    CHECKPOINT_MS = 1000, /* when nothing comes: at most so old is the checkpoint */
    AGREE_TRIES_MAX = 20, /* times a millisecond, for status */
    THREAD_NAME_SIZE = 16
};

struct spool {
    struct spool_config config;
    char dir[QUEUE_PATH_SIZE];
    struct spool *next;            /* in `line`, under its lock */
    _Atomic(struct queue *) queue; /* NULL: not open yet, or closed */
    pthread_t thread;
    bool is_started;
    _Atomic bool stopping, wants_shutdown, is_retired;
    struct bell readable; /* rung by the appender */
    struct bell room;     /* rung by the output's thread */

    pthread_mutex_t lock; /* of all down to the next empty line, and of closing the queue */
    uint64_t moved;       /* from the lanes */
    struct account account;
    struct queue_stats last; /* of the closed queue */

    /* the appender's own */
    struct trouble append_trouble;
    struct reader_item items[BURST_MAX];
    struct queue_message messages[BURST_MAX];
    uint64_t pause_ms;

    /* the output's thread's own */
    struct trouble read_trouble, checkpoint_trouble;
    uint32_t rings_seen;
    uint64_t checkpoint_ns; /* when it was written at last */
};

/* Who has a queue in this process, or waits for it, in the order of their making: in a reload an
 * output's successors come one after the other, and each has to get its own messages on disk. */
static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;
static struct spool *line;

static void join_line(struct spool *spool)
{
    pthread_mutex_lock(&line_lock);
    struct spool **at = &line;
    while (*at != NULL)
        at = &(*at)->next;
    *at = spool;
    pthread_mutex_unlock(&line_lock);
}

static void leave_line(struct spool *spool)
{
    pthread_mutex_lock(&line_lock);
    struct spool **at = &line;
    while (*at != NULL && *at != spool)
        at = &(*at)->next;
    if (*at == spool)
        *at = spool->next;
    pthread_mutex_unlock(&line_lock);
}

/* Somebody has the folder, or waits for it, before `spool` (NULL: at all). */
static bool has_predecessor(const char *dir, const struct spool *spool)
{
    pthread_mutex_lock(&line_lock);
    const struct spool *at = line;
    while (at != NULL && at != spool && strcmp(at->dir, dir) != 0)
        at = at->next;
    pthread_mutex_unlock(&line_lock);
    return at != NULL && at != spool;
}

static struct queue *queue_of(const struct spool *spool)
{
    /* A1 pairs with R1 in try_open: the queue is made. */
    return atomic_load_explicit(&spool->queue, memory_order_acquire);
}

static bool is_stopping(const struct spool *spool)
{
    return atomic_load_explicit(&spool->stopping, memory_order_relaxed);
}

static void say_trouble(struct spool *spool, int code, const char *text)
{
    if (code == QUEUE_E_SHUTDOWN)
        atomic_store_explicit(&spool->wants_shutdown, true, memory_order_relaxed);
    trouble_say(&spool->append_trouble, "can't deliver matched message: %s", text);
}

/* ---- opening ---- */

static void log_notes(const struct spool *spool, const struct err *notes)
{
    for (unsigned i = 0; i < notes->count && i < ERR_LIST_MAX; i++)
        log_info("Output '%s': %s", spool->config.name, notes->texts[i]);
}

static int try_open(struct spool *spool, struct err *err)
{
    struct err *notes = calloc(1, sizeof(*notes));
    if (notes == NULL)
        return err_add(err, "out of memory");
    struct queue *queue = queue_open(spool->dir, &spool->config.queue, err, notes);
    int code = errno;
    log_notes(spool, notes);
    free(notes);
    /* R1 pairs with A1 in queue_of */
    atomic_store_explicit(&spool->queue, queue, memory_order_release);
    errno = code;
    return queue != NULL ? 0 : -1;
}

bool spool_may_have_left(const char *base_dir, const char *name)
{
    char dir[QUEUE_PATH_SIZE];
    return queue_dir(base_dir, name, dir) == 0 &&
           (queue_has_unread(NULL, dir) || has_predecessor(dir, NULL));
}

struct unused_search {
    const char *base_dir;
    const struct output_instance *outputs;
    unsigned count;
};

static int look_at_queue(void *arg, const char *name)
{
    const struct unused_search *search = arg;
    char dir[QUEUE_PATH_SIZE], used[QUEUE_PATH_SIZE];
    int len = snprintf(dir, sizeof(dir), "%s/" QUEUE_FOLDER "/%s", search->base_dir, name);
    if (len < 0 || (size_t)len >= sizeof(dir) || !queue_has_unread(NULL, dir))
        return 0;
    for (unsigned i = 0; i < search->count; i++)
        if (queue_dir(search->base_dir, search->outputs[i].name, used) == 0 &&
            strcmp(used, dir) == 0)
            return 0;
    log_info("No output has the queue %s, and there are messages in it", dir);
    return 0;
}

void spool_log_unused(const char *base_dir, const struct output_instance *outputs, unsigned count)
{
    struct unused_search search = {base_dir, outputs, count};
    char dir[QUEUE_PATH_SIZE];
    int len = snprintf(dir, sizeof(dir), "%s/" QUEUE_FOLDER, base_dir);
    if (len > 0 && (size_t)len < sizeof(dir))
        queue_io_posix.list(queue_io_posix.context, dir, look_at_queue, &search);
}

static int open_now_or_later(struct spool *spool, struct err *err)
{
    const struct spool_config *config = &spool->config;
    int rc = queue_dir(config->base_dir, config->name, spool->dir);
    if (rc != 0)
        return err_add(err, "'%s': its queue's folder: %s", config->name, queue_error_text(rc));
    join_line(spool);
    if (has_predecessor(spool->dir, spool))
        return 0;
    struct err *why = calloc(1, sizeof(*why));
    if (why == NULL)
        return err_add(err, "out of memory");
    rc = try_open(spool, why);
    if (rc != 0 && (errno == ENOSPC || errno == EDQUOT)) { /* that may change, as it may later */
        say_trouble(spool, 0, why->texts[0]);
        rc = 0;
    }
    for (unsigned i = 0; rc != 0 && i < why->count && i < ERR_LIST_MAX; i++)
        err_add(err, "%s", why->texts[i]);
    free(why);
    return rc;
}

struct spool *spool_new(const struct spool_config *config, struct err *err)
{
    struct spool *spool = calloc(1, sizeof(*spool));
    if (spool == NULL) {
        err_add(err, "'%s': out of memory", config->name);
        return NULL;
    }
    spool->config = *config;
    spool->pause_ms = RETRY_MS_MIN;
    spool->append_trouble.name = config->name;
    spool->read_trouble.name = config->name;
    spool->checkpoint_trouble.name = config->name;
    pthread_mutex_init(&spool->lock, NULL);
    if (open_now_or_later(spool, err) == 0)
        return spool;
    spool_free(spool);
    return NULL;
}

/* ---- the appender ---- */

/* Longer each time, until reset_pause(). Back early when it has to stop, or, with `for_room`, when
 * the output has taken something. */
static void pause_longer(struct spool *spool, bool for_room)
{
    uint64_t until_ns = clock_mono_ns() + spool->pause_ms * CLOCK_NS_PER_MS, now_ns;
    uint32_t seen = bell_rings(&spool->room);
    while ((now_ns = clock_mono_ns()) < until_ns && !is_stopping(spool)) {
        uint64_t slice_ns = until_ns - now_ns;
        if (slice_ns > SLICE_MS * CLOCK_NS_PER_MS)
            slice_ns = SLICE_MS * CLOCK_NS_PER_MS;
        struct timespec slice = {0, (long)slice_ns};
        if (!for_room)
            nanosleep(&slice, NULL);
        else if (bell_rings(&spool->room) == seen)
            bell_wait(&spool->room, seen, slice_ns);
        else
            return;
    }
    spool->pause_ms = spool->pause_ms * 2 < RETRY_MS_MAX ? spool->pause_ms * 2 : RETRY_MS_MAX;
}

static void wait_until_open(struct spool *spool)
{
    static const char *const busy = "its former queue is still in use";
    while (queue_of(spool) == NULL && !is_stopping(spool)) {
        struct err *err = calloc(1, sizeof(*err));
        if (!has_predecessor(spool->dir, spool) && try_open(spool, err) == 0) {
            trouble_end(&spool->append_trouble);
        } else {
            bool has_text = err != NULL && err->count > 0;
            if (has_text || spool->pause_ms == RETRY_MS_MAX)
                say_trouble(spool, 0, has_text ? err->texts[0] : busy);
            pause_longer(spool, false);
        }
        free(err);
    }
    spool->pause_ms = RETRY_MS_MIN;
}

/* They are in the queue: the lanes need not keep them. The lanes' account is first: whoever looks
 * at the queue and then at the lanes finds at least as many there. */
static void count_moved(struct spool *spool, unsigned count)
{
    intake_deliver(spool->config.intake, count);
    pthread_mutex_lock(&spool->lock);
    spool->moved += count;
    pthread_mutex_unlock(&spool->lock);
    bell_ring(&spool->readable);
}

/* Makes what is pending durable, or ends it; negative when it has to stop instead. */
static int sync_pending(struct spool *spool)
{
    struct queue *queue = queue_of(spool);
    while (queue_pending(queue) > 0) {
        unsigned pending = queue_pending(queue);
        int rc = queue_sync(queue);
        if (rc == 0) {
            count_moved(spool, pending);
            trouble_end(&spool->append_trouble);
            spool->pause_ms = RETRY_MS_MIN;
            return 0;
        }
        bool is_full = rc == QUEUE_E_DROP || rc == QUEUE_E_BLOCK || rc == QUEUE_E_SHUTDOWN;
        say_trouble(spool, rc, is_full ? "The disk of the queue is full" : queue_error_text(rc));
        if (rc == QUEUE_E_DROP) {
            intake_end(spool->config.intake, "disk_full", queue_discard(queue));
            return 0;
        }
        pause_longer(spool, is_full);
        if (is_stopping(spool)) {
            queue_forget(queue); /* they are still in the lanes */
            return -ECANCELED;
        }
    }
    return 0;
}

/* One message that the queue does not take. */
static void end_refused(struct spool *spool, int why)
{
    bool is_full = why == QUEUE_E_DROP;
    say_trouble(spool, why, queue_error_text(why));
    intake_end(spool->config.intake, is_full ? "queue_full" : "queue_too_large", 1);
    if (is_full)
        queue_count_dropped(queue_of(spool), 1);
}

static void release(struct spool *spool, unsigned done, unsigned count)
{
    if (done == count)
        intake_release_all(spool->config.intake);
    else if (done > 0)
        intake_release(spool->config.intake, spool->items[done - 1].end);
}

/* Ends with all of the burst released, or when it has to stop. */
static void append_burst(struct spool *spool, unsigned count)
{
    struct queue *queue = queue_of(spool);
    unsigned done = 0;
    while (!is_stopping(spool)) {
        int why;
        if (atomic_load_explicit(&spool->is_retired, memory_order_relaxed))
            queue_lift_limit(queue);
        done += queue_append(queue, spool->messages + done, count - done, &why);
        if (why == QUEUE_E_TOO_LARGE || why == QUEUE_E_DROP) {
            end_refused(spool, why);
            if (++done < count)
                continue;
        }
        if (sync_pending(spool) != 0)
            return;
        release(spool, done, count);
        if (done == count)
            return;
        if (why == QUEUE_E_BLOCK || why == QUEUE_E_SHUTDOWN) {
            say_trouble(spool, why, queue_error_text(why));
            pause_longer(spool, true);
        }
    }
    queue_forget(queue);
}

static void *run_appender(void *arg)
{
    struct spool *spool = arg;
    struct intake *intake = spool->config.intake;
    char name[THREAD_NAME_SIZE];
    snprintf(name, sizeof(name), "queue:%s", spool->config.name);
    pthread_setname_np(pthread_self(), name);
    wait_until_open(spool);
    while (intake != NULL && !is_stopping(spool)) {
        unsigned count = intake_next(intake, spool->items, BURST_MAX, BURST_BYTES);
        for (unsigned i = 0; i < count; i++) {
            const struct record *record = spool->items[i].record;
            spool->messages[i] = (struct queue_message){record->message, record->message_size};
        }
        if (count > 0)
            append_burst(spool, count);
        else
            intake_wait(intake, INTAKE_WAIT_MS_MAX * CLOCK_NS_PER_MS);
    }
    return NULL;
}

/* ---- for main, and the end ---- */

int spool_start(struct spool *spool)
{
    int rc = pthread_create(&spool->thread, NULL, run_appender, spool);
    spool->is_started = rc == 0;
    return -rc;
}

void spool_retire(struct spool *spool)
{
    atomic_store_explicit(&spool->is_retired, true, memory_order_relaxed);
    bell_ring(&spool->room);
}

void spool_stop(struct spool *spool)
{
    atomic_store_explicit(&spool->stopping, true, memory_order_relaxed);
}

static void log_left(const struct spool *spool)
{
    if (spool->last.unread_bytes > 0)
        log_info("Output '%s': %" PRIu64 " bytes of messages stay in its queue %s",
                 spool->config.name, spool->last.unread_bytes, spool->dir);
}

static void close_queue(const struct spool *spool, struct queue *queue)
{
    int rc = queue_close(queue);
    if (rc != 0)
        log_error("Output '%s': its queue's checkpoint cannot be written, some messages may come "
                  "twice: %s",
                  spool->config.name, queue_error_text(rc));
    log_left(spool);
}

void spool_close(struct spool *spool)
{
    spool_stop(spool);
    if (spool->is_started)
        pthread_join(spool->thread, NULL);
    spool->is_started = false;
    pthread_mutex_lock(&spool->lock);
    struct queue *queue = queue_of(spool);
    atomic_store_explicit(&spool->queue, NULL, memory_order_relaxed);
    if (queue != NULL)
        queue_stats(queue, &spool->last);
    pthread_mutex_unlock(&spool->lock);
    if (queue != NULL)
        close_queue(spool, queue);
    leave_line(spool);
}

void spool_free(struct spool *spool)
{
    if (spool == NULL)
        return;
    spool_close(spool);
    pthread_mutex_destroy(&spool->lock);
    free(spool);
}

/* ---- the output's thread ---- */

static void note_checkpoint(struct spool *spool, int rc)
{
    if (rc < 0)
        trouble_say(&spool->checkpoint_trouble, "its queue's checkpoint cannot be written: %s",
                    queue_error_text(rc));
    else
        trouble_end(&spool->checkpoint_trouble);
}

static void checkpoint_when_due(struct spool *spool, struct queue *queue)
{
    uint64_t now_ns = clock_mono_ns();
    if (now_ns - spool->checkpoint_ns < CHECKPOINT_MS * CLOCK_NS_PER_MS)
        return;
    spool->checkpoint_ns = now_ns;
    note_checkpoint(spool, queue_checkpoint(queue));
}

unsigned spool_next(struct spool *spool, struct queue_record *records, unsigned count_max)
{
    struct queue *queue = queue_of(spool);
    spool->rings_seen = bell_rings(&spool->readable);
    if (queue == NULL)
        return 0;
    int count = queue_read(queue, records, count_max);
    if (count < 0)
        trouble_say(&spool->read_trouble, "its queue cannot be read: %s", queue_error_text(count));
    else
        trouble_end(&spool->read_trouble);
    if (count <= 0) {
        checkpoint_when_due(spool, queue);
        return 0;
    }
    pthread_mutex_lock(&spool->lock);
    spool->account.held += (unsigned)count;
    pthread_mutex_unlock(&spool->lock);
    return (unsigned)count;
}

void spool_wait(struct spool *spool, uint64_t timeout_ns)
{
    bell_wait(&spool->readable, spool->rings_seen, timeout_ns);
}

void spool_deliver(struct spool *spool, uint64_t count)
{
    pthread_mutex_lock(&spool->lock);
    account_deliver(&spool->account, count);
    pthread_mutex_unlock(&spool->lock);
}

void spool_end(struct spool *spool, const char *reason, uint64_t count)
{
    pthread_mutex_lock(&spool->lock);
    account_end(&spool->account, reason, count);
    pthread_mutex_unlock(&spool->lock);
}

void spool_release(struct spool *spool, unsigned count)
{
    note_checkpoint(spool, queue_acknowledge(queue_of(spool), count));
    bell_ring(&spool->room);
}

/* ---- for any thread ---- */

bool spool_is_open(struct spool *spool)
{
    return queue_of(spool) != NULL;
}

bool spool_is_drained(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    struct queue *queue = queue_of(spool);
    bool is_drained = queue != NULL && spool->account.held == 0 && queue_is_drained(queue);
    pthread_mutex_unlock(&spool->lock);
    return is_drained;
}

bool spool_wants_shutdown(const struct spool *spool)
{
    return atomic_load_explicit(&spool->wants_shutdown, memory_order_relaxed);
}

bool spool_is_nearly_full(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    struct queue *queue = queue_of(spool);
    bool is_nearly_full = queue != NULL && queue_is_nearly_full(queue);
    pthread_mutex_unlock(&spool->lock);
    return is_nearly_full;
}

static void look(struct spool *spool, struct spool_status *status)
{
    pthread_mutex_lock(&spool->lock);
    struct queue *queue = queue_of(spool);
    *status = (struct spool_status){
        .dir = spool->dir,
        .is_open = queue != NULL,
        .queued = spool->account.held,
        .delivered = spool->account.delivered,
        .ends = spool->account.ends,
        .queue = spool->last,
    };
    status->moved = spool->moved;
    if (queue != NULL)
        queue_stats(queue, &status->queue);
    pthread_mutex_unlock(&spool->lock);
    const uint64_t *counters = status->queue.counters;
    status->queued += status->queue.waiting;
    status->recovered = counters[QUEUE_RECOVERED];
    if (counters[QUEUE_LOST] > 0)
        ends_add(&status->ends, "queue_lost", counters[QUEUE_LOST]);
    status->residual =
        account_residual(status->moved, counters[QUEUE_APPENDED]) +
        account_residual(counters[QUEUE_APPENDED] + status->recovered,
                         status->delivered + ends_sum(&status->ends) + status->queued);
}

/* The queue and its threads count one after the other: in between is no moment to look. */
void spool_status(struct spool *spool, struct spool_status *status)
{
    struct timespec pause = {0, CLOCK_NS_PER_MS};
    look(spool, status);
    for (unsigned tries = 0; tries < AGREE_TRIES_MAX && status->residual != 0; tries++) {
        nanosleep(&pause, NULL);
        look(spool, status);
    }
}
