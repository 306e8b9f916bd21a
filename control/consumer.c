/* SPDX-License-Identifier: MPL-2.0 */
#include "control/consumer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/reader.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/frame.h"
#include "core/log.h"

enum {
    IDLE_NS_MIN = 50000,
    IDLE_NS_MAX = 2000000,
    TIMER_MS = 100,
    RETRY_MS_MIN = 10,
    RETRY_MS_MAX = 1000,
    LOG_AGAIN_S = 30,
    LOG_GAP_S = 1,
    THREAD_NAME_SIZE = 16
};

struct batch {
    struct output_item items[CONSUMER_BATCH_MAX];
    uint64_t ends[CONSUMER_BATCH_MAX]; /* lane position behind the item and all before it */
    size_t offsets[CONSUMER_BATCH_MAX];
    unsigned count, done;
    struct buffer bytes, unframed;
};

struct consumer {
    const struct output_instance *instance;
    unsigned index;
    size_t message_size_max;
    void *output_state, *encoder_state;
    struct output_host host;
    pthread_t thread;
    bool is_started;
    _Atomic bool has_ended, wants_reload;

    pthread_mutex_t lock;                         /* of all from here to the next empty line */
    struct reader *readers[CONSUMER_READERS_MAX]; /* the oldest first */
    unsigned reader_count;
    struct reader_balance closed; /* of readers that are closed */
    uint64_t delivered, held;
    struct output_end ends[CONSUMER_ENDS_MAX];
    unsigned end_count;

    /* the thread's own */
    struct reader_item found[CONSUMER_BATCH_MAX];
    struct batch batch;
    uint64_t last_timer_ns, idle_ns;
    uint64_t last_log_ns;
    uint64_t failures; /* in a row */
    bool has_logged;   /* one of them */
    char last_failure[OUTPUT_FAILURE_SIZE];
};

/* ---- accounts; under the lock ---- */

static void add_to(struct output_end ends[CONSUMER_ENDS_MAX], unsigned *end_count,
                   const char *reason, uint64_t count)
{
    unsigned i = 0;
    while (i < *end_count && strcmp(ends[i].reason, reason) != 0)
        i++;
    if (i == *end_count) {
        CHECK(i < CONSUMER_ENDS_MAX);
        ends[(*end_count)++] = (struct output_end){.reason = reason};
    }
    ends[i].count += count;
}

static void add_end(struct consumer *consumer, const char *reason, uint64_t count)
{
    add_to(consumer->ends, &consumer->end_count, reason, count);
}

static void end_item(struct consumer *consumer, const char *reason)
{
    pthread_mutex_lock(&consumer->lock);
    CHECK(consumer->held > 0);
    consumer->held--;
    add_end(consumer, reason, 1);
    pthread_mutex_unlock(&consumer->lock);
}

/* What a data plane counted as matched and did not show before it died was never in a lane. */
static void close_reader(struct consumer *consumer)
{
    struct reader *reader = consumer->readers[0];
    struct reader_balance balance;
    reader_balance(reader, &balance);
    uint64_t seen = balance.read + balance.lost + balance.in_flight;
    if (balance.matched > seen) {
        log_error("'%s': %llu messages were never shown by a data plane that died",
                  consumer->instance->name, (unsigned long long)(balance.matched - seen));
        add_end(consumer, "unpublished", balance.matched - seen);
        balance.read += balance.matched - seen;
    }
    if (balance.lost > 0) {
        add_end(consumer, "lane_corrupt", balance.lost);
        balance.read += balance.lost;
    }
    consumer->closed.matched += balance.matched;
    consumer->closed.read += balance.read;
    consumer->closed.lane_full += balance.lane_full;
    consumer->reader_count--;
    for (unsigned i = 0; i < consumer->reader_count; i++)
        consumer->readers[i] = consumer->readers[i + 1];
    reader_close(reader);
}

/* ---- the thread ---- */

static void call_timer(struct consumer *consumer)
{
    consumer->last_timer_ns = clock_mono_ns();
    if (atomic_exchange_explicit(&consumer->wants_reload, false, memory_order_relaxed) &&
        consumer->instance->ops->reload != NULL)
        consumer->instance->ops->reload(consumer->output_state);
    if (consumer->instance->ops->timer != NULL)
        consumer->instance->ops->timer(consumer->output_state, clock_wall_ns());
}

static void call_timer_when_due(struct consumer *consumer)
{
    if (clock_mono_ns() - consumer->last_timer_ns >= TIMER_MS * CLOCK_NS_PER_MS / 2)
        call_timer(consumer);
}

static void sleep_idle(struct consumer *consumer)
{
    struct timespec pause = {0, (long)consumer->idle_ns};
    nanosleep(&pause, NULL);
    consumer->idle_ns *= 2;
    if (consumer->idle_ns > IDLE_NS_MAX)
        consumer->idle_ns = IDLE_NS_MAX;
    call_timer_when_due(consumer);
}

/* Records for a batch, from the oldest lanes that have some. */
static unsigned find_records(struct consumer *consumer)
{
    unsigned count = 0;
    pthread_mutex_lock(&consumer->lock);
    while (consumer->reader_count > 0) {
        count = reader_next(consumer->readers[0], consumer->found, CONSUMER_BATCH_MAX,
                            CONSUMER_BATCH_BYTES);
        if (count > 0 || !reader_is_finished(consumer->readers[0]))
            break;
        close_reader(consumer);
    }
    consumer->held += count;
    pthread_mutex_unlock(&consumer->lock);
    return count;
}

static int append_framed(struct consumer *consumer)
{
    struct batch *batch = &consumer->batch;
    size_t size = batch->unframed.size;
    int rc = buffer_reserve(&batch->bytes, size + FRAME_OVERHEAD_MAX);
    if (rc != 0)
        return rc;
    int64_t framed = frame_write(batch->bytes.data + batch->bytes.size, size + FRAME_OVERHEAD_MAX,
                                 batch->unframed.data, size, consumer->message_size_max, NULL);
    if (framed < 0)
        return (int)framed;
    batch->bytes.size += (size_t)framed;
    return 0;
}

/* Appends one message's bytes. 0, or negative and `reason` set. */
static int encode(struct consumer *consumer, const struct msg_view *message, const char **reason)
{
    struct batch *batch = &consumer->batch;
    const struct encoder_instance *encoder = consumer->instance->encoder;
    bool is_framed = consumer->instance->use_framing;
    struct buffer *out = is_framed ? &batch->unframed : &batch->bytes;
    size_t before = batch->bytes.size;
    buffer_clear(&batch->unframed);
    int rc = encoder->ops->encode(consumer->encoder_state, encoder->options, message, out);
    *reason = "encode_failed";
    if (rc == 0 && is_framed && batch->unframed.size > 0)
        rc = append_framed(consumer);
    if (rc == -EMSGSIZE)
        *reason = "too_large";
    if (rc == 0 && batch->bytes.size == before) {
        *reason = "nothing_to_send"; /* the encoder's will; not a failure */
        return -ENODATA;
    }
    return rc;
}

/* An item that ends here leaves its lane position to the one before it. */
static void add_item(struct consumer *consumer, const struct reader_item *found)
{
    struct batch *batch = &consumer->batch;
    struct output_item *item = &batch->items[batch->count];
    const char *reason = "malformed";
    *item = (struct output_item){.record = found->record};
    int rc = msg_view_init(&item->message, found->record->message, found->record->message_size);
    batch->offsets[batch->count] = batch->bytes.size;
    if (rc == 0 && consumer->instance->encoder != NULL)
        rc = encode(consumer, &item->message, &reason);
    if (rc != 0) {
        batch->bytes.size = batch->offsets[batch->count];
        if (batch->count > 0)
            batch->ends[batch->count - 1] = found->end;
        end_item(consumer, reason);
        return;
    }
    item->size = batch->bytes.size - batch->offsets[batch->count];
    batch->ends[batch->count++] = found->end;
}

static void make_batch(struct consumer *consumer, unsigned found_count)
{
    struct batch *batch = &consumer->batch;
    batch->count = 0;
    batch->done = 0;
    buffer_clear(&batch->bytes);
    for (unsigned i = 0; i < found_count; i++)
        add_item(consumer, &consumer->found[i]);
    /* Only now does the buffer stay where it is. */
    for (unsigned i = 0; i < batch->count && consumer->instance->encoder != NULL; i++)
        batch->items[i].bytes = batch->bytes.data + batch->offsets[i];
}

static void acknowledge(struct consumer *consumer, unsigned count)
{
    struct batch *batch = &consumer->batch;
    struct output_host *host = &consumer->host;
    uint64_t dropped = output_host_drops(host);
    CHECK(count <= batch->count - batch->done && dropped <= count);
    pthread_mutex_lock(&consumer->lock);
    batch->done += count;
    consumer->held -= count;
    consumer->delivered += count - dropped;
    for (unsigned i = 0; i < host->drop_reasons; i++)
        add_end(consumer, host->drops[i].reason, host->drops[i].count);
    if (batch->done == batch->count)
        reader_release_all(consumer->readers[0]);
    else if (batch->done > 0)
        reader_release(consumer->readers[0], batch->ends[batch->done - 1]);
    pthread_mutex_unlock(&consumer->lock);
    output_host_forget_drops(host);
}

/* The same text comes every LOG_AGAIN_S, other texts every LOG_GAP_S at most. */
static void log_failure(struct consumer *consumer, int code)
{
    struct output_host *host = &consumer->host;
    uint64_t now_ns = clock_mono_ns(), since_ns = now_ns - consumer->last_log_ns;
    if (host->failure[0] == '\0')
        snprintf(host->failure, sizeof(host->failure), "%s", strerror(-code));
    consumer->failures++;
    bool is_same = strcmp(host->failure, consumer->last_failure) == 0;
    if (consumer->last_log_ns != 0 &&
        since_ns < (is_same ? LOG_AGAIN_S : LOG_GAP_S) * CLOCK_NS_PER_S)
        return;
    log_error("Plugin '%s' error: %s", consumer->instance->name, host->failure);
    memcpy(consumer->last_failure, host->failure, sizeof(consumer->last_failure));
    consumer->last_log_ns = now_ns;
    consumer->has_logged = true;
}

static void log_recovery(struct consumer *consumer)
{
    if (consumer->has_logged)
        log_info("Plugin '%s': works again after %llu failures", consumer->instance->name,
                 (unsigned long long)consumer->failures);
    consumer->has_logged = false;
    consumer->failures = 0;
}

/* One call of the output; how many it took. */
static unsigned deliver_once(struct consumer *consumer)
{
    struct batch *batch = &consumer->batch;
    consumer->host.failure[0] = '\0';
    int taken = consumer->instance->ops->deliver(consumer->output_state, batch->items + batch->done,
                                                 batch->count - batch->done);
    if (taken < 0) {
        CHECK(output_host_drops(&consumer->host) == 0);
        log_failure(consumer, taken);
        return 0;
    }
    if (taken > 0)
        log_recovery(consumer);
    acknowledge(consumer, (unsigned)taken);
    return (unsigned)taken;
}

static void pause_with_timer(struct consumer *consumer, uint64_t pause_ns)
{
    uint64_t until_ns = clock_mono_ns() + pause_ns, now_ns;
    while ((now_ns = clock_mono_ns()) < until_ns && !output_host_stopping(&consumer->host)) {
        uint64_t slice_ns = until_ns - now_ns, slice_max_ns = TIMER_MS / 2 * CLOCK_NS_PER_MS;
        output_host_sleep(&consumer->host, slice_ns < slice_max_ns ? slice_ns : slice_max_ns);
        call_timer_when_due(consumer);
    }
}

static void deliver_batch(struct consumer *consumer)
{
    struct batch *batch = &consumer->batch;
    uint64_t pause_ms = RETRY_MS_MIN;
    if (batch->count == 0) /* all of it ended in the encoder */
        acknowledge(consumer, 0);
    while (batch->done < batch->count && !output_host_stopping(&consumer->host)) {
        if (deliver_once(consumer) > 0) {
            pause_ms = RETRY_MS_MIN;
            call_timer_when_due(consumer);
            continue;
        }
        pause_with_timer(consumer, pause_ms * CLOCK_NS_PER_MS);
        pause_ms = pause_ms * 2 < RETRY_MS_MAX ? pause_ms * 2 : RETRY_MS_MAX;
    }
    call_timer(consumer);
}

static void *run(void *arg)
{
    struct consumer *consumer = arg;
    char name[THREAD_NAME_SIZE];
    snprintf(name, sizeof(name), "%s", consumer->instance->name);
    pthread_setname_np(pthread_self(), name);
    while (!output_host_stopping(&consumer->host)) {
        unsigned count = find_records(consumer);
        if (count == 0) {
            sleep_idle(consumer);
            continue;
        }
        consumer->idle_ns = IDLE_NS_MIN;
        make_batch(consumer, count);
        deliver_batch(consumer);
    }
    consumer->instance->ops->fini(consumer->output_state);
    atomic_store_explicit(&consumer->has_ended, true, memory_order_release);
    return NULL;
}

/* ---- for main ---- */

static int init_plugins(struct consumer *consumer, struct err *err)
{
    const struct output_instance *instance = consumer->instance;
    const struct encoder_instance *encoder = instance->encoder;
    consumer->output_state = calloc(1, instance->ops->plugin.state_size + 1);
    consumer->encoder_state = calloc(1, encoder != NULL ? encoder->ops->plugin.state_size + 1 : 1);
    if (consumer->output_state == NULL || consumer->encoder_state == NULL)
        return err_add(err, "'%s': out of memory", instance->name);
    if (encoder != NULL && encoder->ops->init != NULL &&
        encoder->ops->init(consumer->encoder_state, encoder->options, err) != 0)
        return -1;
    return instance->ops->init(consumer->output_state, instance->options, &consumer->host, err);
}

struct consumer *consumer_new(const struct output_instance *instance, unsigned index,
                              const struct hekad_globals *globals, struct err *err)
{
    struct consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL) {
        err_add(err, "'%s': out of memory", instance->name);
        return NULL;
    }
    consumer->instance = instance;
    consumer->index = index;
    consumer->message_size_max = (size_t)globals->max_message_size;
    consumer->host.name = instance->name;
    consumer->host.log_flags = (unsigned)globals->log_flags;
    consumer->idle_ns = IDLE_NS_MIN;
    pthread_mutex_init(&consumer->lock, NULL);
    if (init_plugins(consumer, err) == 0)
        return consumer;
    consumer_free(consumer);
    return NULL;
}

int consumer_start(struct consumer *consumer)
{
    int rc = pthread_create(&consumer->thread, NULL, run, consumer);
    consumer->is_started = rc == 0;
    return -rc;
}

int consumer_attach(struct consumer *consumer, struct attachment *attachment, unsigned generation,
                    struct err *err)
{
    int rc = 0;
    struct reader *reader = reader_open(attachment, consumer->index, generation, err);
    if (reader == NULL)
        return -1;
    pthread_mutex_lock(&consumer->lock);
    if (consumer->reader_count < CONSUMER_READERS_MAX)
        consumer->readers[consumer->reader_count++] = reader;
    else
        rc = -EAGAIN;
    pthread_mutex_unlock(&consumer->lock);
    if (rc != 0)
        reader_close(reader);
    return rc;
}

void consumer_retire(struct consumer *consumer)
{
    pthread_mutex_lock(&consumer->lock);
    for (unsigned i = 0; i < consumer->reader_count; i++)
        reader_retire(consumer->readers[i]);
    pthread_mutex_unlock(&consumer->lock);
}

bool consumer_has_room(struct consumer *consumer)
{
    pthread_mutex_lock(&consumer->lock);
    bool has_room = consumer->reader_count < CONSUMER_READERS_MAX;
    pthread_mutex_unlock(&consumer->lock);
    return has_room;
}

bool consumer_is_drained(struct consumer *consumer)
{
    pthread_mutex_lock(&consumer->lock);
    bool is_drained = consumer->reader_count == 0 && consumer->held == 0;
    pthread_mutex_unlock(&consumer->lock);
    return is_drained;
}

void consumer_reload(struct consumer *consumer)
{
    atomic_store_explicit(&consumer->wants_reload, true, memory_order_relaxed);
}

void consumer_stop(struct consumer *consumer)
{
    atomic_store_explicit(&consumer->host.stopping, true, memory_order_relaxed);
}

bool consumer_has_ended(const struct consumer *consumer)
{
    return !consumer->is_started ||
           atomic_load_explicit(&consumer->has_ended, memory_order_acquire);
}

void consumer_free(struct consumer *consumer)
{
    if (consumer == NULL)
        return;
    const struct encoder_instance *encoder = consumer->instance->encoder;
    if (consumer->is_started) {
        consumer_stop(consumer);
        pthread_join(consumer->thread, NULL);
    } else if (consumer->output_state != NULL) {
        consumer->instance->ops->fini(consumer->output_state);
    }
    if (encoder != NULL && encoder->ops->fini != NULL && consumer->encoder_state != NULL)
        encoder->ops->fini(consumer->encoder_state);
    for (unsigned i = 0; i < consumer->reader_count; i++)
        reader_close(consumer->readers[i]);
    pthread_mutex_destroy(&consumer->lock);
    buffer_fini(&consumer->batch.bytes);
    buffer_fini(&consumer->batch.unframed);
    free(consumer->output_state);
    free(consumer->encoder_state);
    free(consumer);
}

/* ---- status ---- */

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static void add_readers(const struct consumer *consumer, struct consumer_status *status)
{
    uint64_t lost = 0;
    status->matched = consumer->closed.matched;
    status->lane_full = consumer->closed.lane_full;
    status->read = consumer->closed.read;
    for (unsigned i = 0; i < consumer->reader_count; i++) {
        struct reader_balance balance;
        reader_balance(consumer->readers[i], &balance);
        status->matched += balance.matched;
        status->lane_full += balance.lane_full;
        status->read += balance.read + balance.lost;
        status->in_flight += balance.in_flight;
        lost += balance.lost;
    }
    if (lost > 0)
        add_to(status->ends, &status->end_count, "lane_corrupt", lost);
}

void consumer_status(struct consumer *consumer, struct consumer_status *status)
{
    uint64_t ended = 0;
    *status = (struct consumer_status){
        .name = consumer->instance->name,
        .type = consumer->instance->ops->plugin.name,
        .counters = consumer->instance->ops->counters,
    };
    pthread_mutex_lock(&consumer->lock);
    status->delivered = consumer->delivered;
    status->held = consumer->held;
    status->end_count = consumer->end_count;
    memcpy(status->ends, consumer->ends, sizeof(status->ends));
    add_readers(consumer, status);
    pthread_mutex_unlock(&consumer->lock);
    for (unsigned i = 0; i < status->end_count; i++)
        ended += status->ends[i].count;
    status->residual = distance(status->matched, status->read + status->in_flight) +
                       distance(status->read, status->delivered + ended + status->held);
    for (unsigned i = 0; i < OUTPUT_COUNTERS_MAX; i++)
        status->counter_values[i] =
            atomic_load_explicit(&consumer->host.counters[i], memory_order_relaxed);
}
