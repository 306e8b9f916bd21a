/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/consumer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "control/lanes/intake.h"
#include "control/plugins/retry.h"
#include "control/lanes/spool.h"
#include "control/trouble.h"
#include "core/clock.h"
#include "core/log.h"

enum { TIMER_MS = 100, RETRY_MS_MIN = 10, RETRY_MS_MAX = 1000, THREAD_NAME_SIZE = 16 };

struct consumer {
    const struct output_instance *instance;
    unsigned index;
    void *output_state, *encoder_state;
    struct output_host host;
    struct intake *intake;
    struct spool *spool; /* NULL: no queue */
    bool is_leftover;    /* the queue is not to be used any more: it is read first */
    pthread_t thread;
    bool is_started;
    _Atomic bool has_ended, wants_reload, is_retired;
    _Atomic bool is_past_queue; /* what is left over is done with, and the queue closed */

    /* the thread's own */
    struct reader_item found[BATCH_MAX];
    struct queue_record records[BATCH_MAX];
    unsigned found_count;
    uint64_t released; /* of the queue's records of this batch */
    struct batch batch;
    uint64_t last_timer_ns;
    struct trouble trouble;
    struct retry retry;
};

/* ---- the source: lanes or queue ---- */

static bool reads_queue(const struct consumer *consumer)
{
    return consumer->spool != NULL &&
           !atomic_load_explicit(&consumer->is_past_queue, memory_order_relaxed);
}

/* Of a queue that is not used any more nothing is left. */
static void leave_queue(struct consumer *consumer)
{
    log_info("Output '%s': its former queue is delivered", consumer->instance->name);
    spool_close(consumer->spool);
    atomic_store_explicit(&consumer->is_past_queue, true, memory_order_relaxed);
}

static unsigned find_in_queue(struct consumer *consumer)
{
    unsigned count = spool_next(consumer->spool, consumer->records, BATCH_MAX);
    consumer->released = 0;
    if (count == 0 && consumer->is_leftover && spool_is_drained(consumer->spool))
        leave_queue(consumer);
    return count;
}

static unsigned find_messages(struct consumer *consumer)
{
    consumer->found_count = reads_queue(consumer) ? find_in_queue(consumer)
                                                  : intake_next(consumer->intake, consumer->found,
                                                                BATCH_MAX, CONSUMER_BATCH_BYTES);
    return consumer->found_count;
}

static struct batch_message message_at(const struct consumer *consumer, unsigned i)
{
    if (reads_queue(consumer))
        return (struct batch_message){
            .bytes = consumer->records[i].bytes, .size = consumer->records[i].size, .end = i + 1};
    const struct record *record = consumer->found[i].record;
    return (struct batch_message){record, record->message, record->message_size,
                                  consumer->found[i].end};
}

static void end_messages(struct consumer *consumer, const char *reason, uint64_t count)
{
    if (reads_queue(consumer))
        spool_end(consumer->spool, reason, count);
    else
        intake_end(consumer->intake, reason, count);
}

static void count_delivered(struct consumer *consumer, uint64_t count)
{
    if (reads_queue(consumer))
        spool_deliver(consumer->spool, count);
    else
        intake_deliver(consumer->intake, count);
}

static void release_queue(struct consumer *consumer, uint64_t end)
{
    spool_release(consumer->spool, (unsigned)(end - consumer->released));
    consumer->released = end;
}

/* Gives back what the batch is done with. */
static void release(struct consumer *consumer)
{
    const struct batch *batch = &consumer->batch;
    bool is_all = batch->done == batch->count;
    if (!is_all && batch->done == 0)
        return;
    if (reads_queue(consumer))
        release_queue(consumer, is_all ? consumer->found_count : batch->ends[batch->done - 1]);
    else if (is_all)
        intake_release_all(consumer->intake);
    else
        intake_release(consumer->intake, batch->ends[batch->done - 1]);
}

static void wait_for_messages(struct consumer *consumer)
{
    uint64_t timeout_ns = TIMER_MS / 2 * CLOCK_NS_PER_MS;
    if (reads_queue(consumer))
        spool_wait(consumer->spool, timeout_ns);
    else
        intake_wait(consumer->intake, timeout_ns);
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

static void make_batch(struct consumer *consumer)
{
    batch_begin(&consumer->batch);
    for (unsigned i = 0; i < consumer->found_count; i++) {
        struct batch_message message = message_at(consumer, i);
        const char *reason = batch_add(&consumer->batch, &message);
        if (reason != NULL)
            end_messages(consumer, reason, 1);
    }
    batch_finish(&consumer->batch);
}

static void acknowledge(struct consumer *consumer, unsigned count)
{
    struct batch *batch = &consumer->batch;
    struct output_host *host = &consumer->host;
    uint64_t dropped = ends_sum(&host->drops);
    CHECK(count <= batch->count - batch->done && dropped <= count);
    batch->done += count;
    count_delivered(consumer, count - dropped);
    for (unsigned i = 0; i < host->drops.count; i++)
        if (host->drops.list[i].count > 0)
            end_messages(consumer, host->drops.list[i].reason, host->drops.list[i].count);
    release(consumer);
    output_host_forget_drops(host);
}

/* One call of the output; how many it took. */
static unsigned deliver_once(struct consumer *consumer)
{
    struct batch *batch = &consumer->batch;
    struct output_host *host = &consumer->host;
    host->failure[0] = '\0';
    int taken = consumer->instance->ops->deliver(consumer->output_state, batch->items + batch->done,
                                                 batch->count - batch->done);
    if (taken < 0) {
        CHECK(ends_sum(&host->drops) == 0);
        if (!host->is_over)
            trouble_say(&consumer->trouble, "%s",
                        host->failure[0] != '\0' ? host->failure : strerror(-taken));
        return 0;
    }
    if (taken > 0)
        trouble_end(&consumer->trouble);
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

/* ---- when it has ended by itself ---- */

static void init_again(struct consumer *consumer)
{
    const struct output_instance *instance = consumer->instance;
    struct output_host *host = &consumer->host;
    struct err *err = calloc(1, sizeof(*err));
    instance->ops->fini(consumer->output_state);
    memset(consumer->output_state, 0, instance->ops->plugin.state_size);
    host->is_over = false;
    if (instance->ops->init(consumer->output_state, instance->options, host, err) != 0)
        output_host_end(host, -1, "%s", err != NULL && err->count > 0 ? err->texts[0] : "init");
    else
        host->end[0] = '\0';
    free(err);
    retry_begin(&consumer->retry, clock_mono_ns());
}

/* True when it is not over, or not any more. */
static bool goes_on(struct consumer *consumer)
{
    const struct output_instance *instance = consumer->instance;
    const struct retry_options *options = &instance->common.retries;
    uint64_t ns;
    while (consumer->host.is_over) {
        log_error("Plugin '%s' error: %s", instance->name, consumer->host.end);
        if (!instance->ops->restarts)
            return false;
        if (!retry_next(&consumer->retry, options, clock_mono_ns(), &ns)) {
            log_error("Plugin '%s' error: Max retries exceeded", instance->name);
            return false;
        }
        output_host_sleep(&consumer->host, ns);
        if (output_host_stopping(&consumer->host))
            return false;
        log_info("Plugin '%s': now restarting", instance->name);
        init_again(consumer);
    }
    return true;
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
            if (!goes_on(consumer))
                return;
            call_timer_when_due(consumer);
            continue;
        }
        if (consumer->host.is_over) { /* it starts again, or is over */
            if (!goes_on(consumer))
                return;
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
    retry_begin(&consumer->retry, clock_mono_ns());
    while (!output_host_stopping(&consumer->host) && goes_on(consumer)) {
        if (find_messages(consumer) == 0) {
            wait_for_messages(consumer);
            call_timer_when_due(consumer);
            continue;
        }
        make_batch(consumer);
        deliver_batch(consumer);
    }
    if (consumer->spool != NULL)
        spool_close(consumer->spool); /* a successor may wait for the queue */
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
    consumer->batch.encoder_state = consumer->encoder_state;
    if (encoder != NULL && encoder->ops->init != NULL &&
        encoder->ops->init(consumer->encoder_state, encoder->options, encoder->name, err) != 0)
        return -1;
    return instance->ops->init(consumer->output_state, instance->options, &consumer->host, err);
}

/* A queue of an earlier configuration that had buffering is read first; when that cannot be it
 * stays where it is. */
static int open_spool(struct consumer *consumer, const struct consumer_options *options,
                      struct err *err)
{
    const struct output_instance *instance = consumer->instance;
    const struct hekad_globals *globals = options->globals;
    const struct buffering_options *buffering = &instance->common.buffering;
    struct spool_config config = {
        .name = instance->name,
        .base_dir = globals->base_dir,
        .intake = consumer->intake,
        .queue = {.message_size_max = (size_t)globals->max_message_size,
                  .max_file_size = (uint64_t)buffering->max_file_size,
                  .max_buffer_size = (uint64_t)buffering->max_buffer_size,
                  .full_action = (enum queue_full_action)buffering->full_action,
                  .cursor_update_count = (unsigned)buffering->cursor_update_count},
    };
    consumer->is_leftover = !instance->use_buffering;
    if (consumer->is_leftover) {
        config.intake = NULL;
        config.queue.max_file_size = UINT64_MAX;
        log_info("Output '%s': its former queue is delivered first", instance->name);
    }
    consumer->spool = spool_new(&config, err);
    return consumer->spool != NULL ? 0 : -1;
}

static int init_consumer(struct consumer *consumer, const struct consumer_options *options,
                         struct err *err)
{
    const struct output_instance *instance = consumer->instance;
    struct intake_config intake = {
        .name = instance->name,
        .consumer = consumer->index,
        .policy = (enum lane_policy)instance->common.lane_policy,
        .bell = options->bell,
    };
    const char *base_dir = options->globals->base_dir;
    consumer->intake = intake_new(&intake);
    if (consumer->intake == NULL)
        return err_add(err, "'%s': out of memory", instance->name);
    if (init_plugins(consumer, err) != 0)
        return -1;
    if (!instance->use_buffering &&
        (base_dir == NULL || !spool_may_have_left(base_dir, instance->name)))
        return 0;
    return open_spool(consumer, options, err);
}

struct consumer *consumer_new(const struct output_instance *instance, unsigned index,
                              const struct consumer_options *options, struct err *err)
{
    struct consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL) {
        err_add(err, "'%s': out of memory", instance->name);
        return NULL;
    }
    consumer->instance = instance;
    consumer->host.name = consumer->trouble.name = instance->name;
    consumer->index = index;
    consumer->host.log_flags = (unsigned)options->globals->log_flags;
    consumer->host.hostname = options->globals->hostname;
    consumer->host.base_dir = options->globals->base_dir;
    consumer->host.share_dir = options->globals->share_dir;
    consumer->host.message_max = (size_t)options->globals->max_message_size;
    consumer->host.ticker_s = (unsigned)instance->common.ticker_interval;
    consumer->batch.instance = instance;
    consumer->batch.message_size_max = (size_t)options->globals->max_message_size;
    if (init_consumer(consumer, options, err) == 0)
        return consumer;
    consumer_free(consumer);
    return NULL;
}

int consumer_start(struct consumer *consumer)
{
    int rc = consumer->spool != NULL ? spool_start(consumer->spool) : 0;
    if (rc != 0)
        return rc;
    rc = pthread_create(&consumer->thread, NULL, run, consumer);
    consumer->is_started = rc == 0;
    return -rc;
}

int consumer_attach(struct consumer *consumer, struct attachment *attachment, unsigned generation,
                    struct err *err)
{
    return intake_attach(consumer->intake, attachment, generation, err);
}

void consumer_retire(struct consumer *consumer)
{
    atomic_store_explicit(&consumer->is_retired, true, memory_order_relaxed);
    if (consumer->spool != NULL)
        spool_retire(consumer->spool);
    intake_retire(consumer->intake);
}

bool consumer_has_room(struct consumer *consumer)
{
    return intake_has_room(consumer->intake);
}

/* The lanes of one that reads what is left over are not read before that is done. */
bool consumer_is_drained(struct consumer *consumer)
{
    if (!intake_is_drained(consumer->intake))
        return false;
    return !reads_queue(consumer) || spool_is_drained(consumer->spool) ||
           atomic_load_explicit(&consumer->is_retired, memory_order_relaxed);
}

bool consumer_wants_shutdown(const struct consumer *consumer)
{
    return consumer->spool != NULL && spool_wants_shutdown(consumer->spool);
}

bool consumer_is_nearly_full(struct consumer *consumer)
{
    return consumer->spool != NULL && !consumer->is_leftover &&
           spool_is_nearly_full(consumer->spool);
}

void consumer_reload(struct consumer *consumer)
{
    atomic_store_explicit(&consumer->wants_reload, true, memory_order_relaxed);
}

void consumer_stop(struct consumer *consumer)
{
    atomic_store_explicit(&consumer->host.stopping, true, memory_order_relaxed);
    if (consumer->spool != NULL)
        spool_stop(consumer->spool);
}

bool consumer_has_ended(const struct consumer *consumer)
{
    return !consumer->is_started ||
           atomic_load_explicit(&consumer->has_ended, memory_order_acquire);
}

const char *consumer_failure(const struct consumer *consumer)
{
    return consumer->host.end;
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
    spool_free(consumer->spool);
    intake_free(consumer->intake);
    batch_fini(&consumer->batch);
    free(consumer->output_state);
    free(consumer->encoder_state);
    free(consumer);
}

/* ---- status ---- */

static void set_lanes(struct consumer *consumer, struct consumer_status *status)
{
    struct intake_status lanes;
    intake_status(consumer->intake, &lanes);
    status->matched = lanes.matched;
    status->lane_full = lanes.lane_full;
    status->read = lanes.read;
    status->in_flight = lanes.in_flight;
    status->held = lanes.held;
    status->delivered = lanes.delivered;
    status->ends = lanes.ends;
    status->residual = lanes.residual;
}

/* What the lanes delivered went to the queue, unless that is only a former one. The queue was
 * looked at before the lanes: what they have delivered since is on its way through it. */
static void add_queue(const struct consumer *consumer, const struct spool_status *spool,
                      struct consumer_status *status)
{
    status->queued = spool->queued;
    if (!consumer->is_leftover) {
        status->queued += status->delivered - spool->moved;
        status->delivered = 0;
    }
    status->delivered += spool->delivered;
    status->recovered = spool->recovered;
    status->residual += spool->residual;
    ends_add_all(&status->ends, &spool->ends);
    status->queue = (struct consumer_queue_status){
        .dir = spool->dir,
        .is_open = spool->is_open,
        .residual = spool->residual,
        .stats = spool->queue,
    };
}

void consumer_status(struct consumer *consumer, struct consumer_status *status)
{
    *status = (struct consumer_status){
        .name = consumer->instance->name,
        .type = consumer->instance->ops->plugin.name,
        .counters = consumer->instance->ops->counters,
    };
    struct spool_status spool;
    if (consumer->spool != NULL)
        spool_status(consumer->spool, &spool);
    set_lanes(consumer, status);
    if (consumer->spool != NULL)
        add_queue(consumer, &spool, status);
    for (unsigned i = 0; i < OUTPUT_COUNTERS_MAX; i++)
        status->counter_values[i] =
            atomic_load_explicit(&consumer->host.counters[i], memory_order_relaxed);
}
