/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/filter_host.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "control/plugins/retry.h"
#include "control/self.h"
#include "control/stat_accum.h"
#include "control/trouble.h"
#include "control/plugins/wait_graph.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    FAILURE_SIZE = 256,
    PAUSE_MS_MAX = 50,
    THREAD_NAME_SIZE = 16,
    ACCUMS_OF_ONE_MAX = 4,
    HAND_OVER_MS = 10 /* of one lane, before it is another one's turn */
};

struct handed {                      /* of a type that only hands over: what is not done */
    uint64_t ends[READER_ITEMS_MAX]; /* of records, a ring */
    unsigned first, count;
    uint64_t since_ns; /* when something was under way first; 0: nothing was */
    uint64_t done_end; /* of the last one that is done and not given back; 0: none */
};

struct filter_host {
    const struct filter_instance *instance;
    struct wait_graph *graph;
    struct stat_accums *accums;
    struct dynamic *dynamic;
    const struct hekad_globals *globals;
    struct sandbox_pool *sandboxes;
    struct self *self;
    struct stat_accum *own_accums[ACCUMS_OF_ONE_MAX];
    unsigned own_accum_count;
    void *state;
    bool has_init;
    struct intake *intake;
    struct producer *producer;
    pthread_t thread;
    bool is_started;
    _Atomic bool stopping, has_ended;
    _Atomic uint64_t counters[FILTER_COUNTERS_MAX];

    /* the thread's own */
    struct reader_item items[FILTER_BATCH_MAX];
    unsigned item_count, done_count;
    struct handed handed;
    unsigned delivered, failed;    /* of those that are done, not told to the intake */
    unsigned gone;                 /* of them: nobody processed them */
    struct producer_source source; /* of what is injected next */
    uint64_t next_timer_ns;
    bool is_cut; /* hekad stopped while a message waited for room: what caused it comes again */
    struct trouble trouble;
    char failure[FAILURE_SIZE];
    bool is_over; /* filter_host_end() */
    char end[FAILURE_SIZE];
    struct retry retry;
};

/* ---- for the instance ---- */

const char *filter_host_name(const struct filter_host *host)
{
    return host->instance->name;
}

const char *filter_host_hostname(const struct filter_host *host)
{
    return producer_hostname(host->producer);
}

size_t filter_host_message_max(const struct filter_host *host)
{
    return producer_message_max(host->producer);
}

bool filter_host_stopping(const struct filter_host *host)
{
    return atomic_load_explicit(&host->stopping, memory_order_relaxed);
}

void filter_host_begin(struct filter_host *host, struct msg_builder *builder, uint64_t timestamp_ns)
{
    producer_begin(host->producer, builder, timestamp_ns);
}

static int injected(struct filter_host *host, int code)
{
    if (code == PRODUCER_E_STOPPED)
        host->is_cut = true;
    return code;
}

int filter_host_inject(struct filter_host *host, const struct msg_builder *builder)
{
    host->source.ingest_ns = clock_wall_ns();
    return injected(host, producer_inject(host->producer, builder, &host->source));
}

int filter_host_inject_bytes(struct filter_host *host, const void *bytes, size_t size)
{
    host->source.ingest_ns = clock_wall_ns();
    return injected(host, producer_inject_bytes(host->producer, bytes, size, &host->source));
}

void filter_host_set_signer(struct filter_host *host, const char *signer)
{
    host->source.signer = signer;
}

void filter_host_count(struct filter_host *host, unsigned index, uint64_t n)
{
    CHECK(index < FILTER_COUNTERS_MAX);
    atomic_fetch_add_explicit(&host->counters[index], n, memory_order_relaxed);
}

void filter_host_set(struct filter_host *host, unsigned index, uint64_t value)
{
    CHECK(index < FILTER_COUNTERS_MAX);
    atomic_store_explicit(&host->counters[index], value, memory_order_relaxed);
}

const struct hekad_globals *filter_host_globals(const struct filter_host *host)
{
    return host->globals;
}

uint64_t filter_host_loops_max(const struct filter_host *host)
{
    return producer_loops_max(host->producer);
}

struct sandbox_pool *filter_host_sandboxes(const struct filter_host *host)
{
    return host->sandboxes;
}

void filter_host_trouble(struct filter_host *host, const char *text)
{
    trouble_say(&host->trouble, "%s", text);
}

void filter_host_self(struct filter_host *host, const struct self_message *message)
{
    if (host->self != NULL)
        self_put(host->self, message);
}

void filter_host_set_hops(struct filter_host *host, uint16_t hops)
{
    host->source.hops = hops;
}

int filter_host_fail(struct filter_host *host, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(host->failure, sizeof(host->failure), format, args);
    va_end(args);
    return code;
}

int filter_host_end(struct filter_host *host, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(host->end, sizeof(host->end), format, args);
    va_end(args);
    snprintf(host->failure, sizeof(host->failure), "%s", host->end);
    host->is_over = true;
    return code;
}

struct counters *filter_host_ledger(struct filter_host *host)
{
    return producer_ledger(host->producer);
}

struct stat_accum *filter_host_accum(struct filter_host *host, const char *name, struct err *err)
{
    if (host->accums == NULL || host->own_accum_count == ACCUMS_OF_ONE_MAX) {
        err_add(err, "'%s': no accumulator '%s' in hekad", host->instance->name, name);
        return NULL;
    }
    struct stat_accum *accum = stat_accums_get(host->accums, name, err);
    if (accum != NULL)
        host->own_accums[host->own_accum_count++] = accum;
    return accum;
}

struct dynamic *filter_host_dynamic(struct filter_host *host)
{
    return host->dynamic;
}

/* ---- the thread ---- */

/* Tells the intake what became of the messages that are done, and gives their records back. What
 * they caused is in our lane: a filter's messages are not staged. */
static void release_done(struct filter_host *host)
{
    if (host->delivered > 0)
        intake_deliver(host->intake, host->delivered);
    if (host->failed > 0)
        intake_end(host->intake, "process_failed", host->failed);
    if (host->gone > 0)
        intake_end(host->intake, "terminated", host->gone);
    host->delivered = host->failed = host->gone = 0;
    if (host->done_count > 0 && host->done_count < host->item_count)
        intake_release(host->intake, host->items[host->done_count - 1].end);
    if (host->handed.done_end > 0)
        intake_release(host->intake, host->handed.done_end);
    host->handed.done_end = 0;
}

/* Before it waits for room: others may wait for us. */
static void let_go(void *arg)
{
    struct filter_host *host = arg;
    release_done(host);
    intake_skip(host->intake);
}

void filter_host_done(struct filter_host *host, unsigned count, unsigned failed, unsigned gone)
{
    struct handed *handed = &host->handed;
    CHECK(count <= handed->count && failed + gone <= count);
    if (host->is_cut || count == 0)
        return; /* what they caused is not in the lane: they come again */
    host->delivered += count - failed - gone;
    host->failed += failed;
    host->gone += gone;
    handed->done_end = handed->ends[(handed->first + count - 1) % READER_ITEMS_MAX];
    handed->first = (handed->first + count) % READER_ITEMS_MAX;
    handed->count -= count;
}

void filter_host_hold(struct filter_host *host)
{
    intake_hold(host->intake);
}

void filter_host_let_go(struct filter_host *host)
{
    intake_let_go(host->intake);
}

bool filter_host_should_let_go(struct filter_host *host)
{
    return intake_should_let_go(host->intake);
}

void filter_host_turn(struct filter_host *host)
{
    let_go(host);
    producer_turn(host->producer);
}

static void set_hops_of(struct filter_host *host, const struct record *record)
{
    unsigned hops = record->hops + !host->instance->ops->keeps_hops;
    host->source.hops = (uint16_t)(hops < UINT16_MAX ? hops : UINT16_MAX);
}

static int process(struct filter_host *host, const struct record *record)
{
    struct msg_view message;
    set_hops_of(host, record);
    host->failure[0] = '\0';
    int rc = msg_view_init(&message, record->message, record->message_size);
    if (rc != 0)
        return filter_host_fail(host, rc, "malformed message: %s", msg_error_text(rc));
    return host->instance->ops->process(host->state, &message, record);
}

/* ---- when it has ended by itself ---- */

/* A generation is adopted meanwhile. False when it has to stop. */
static bool pause_ns(struct filter_host *host, uint64_t ns)
{
    uint64_t until_ns = clock_mono_ns() + ns, now_ns;
    while ((now_ns = clock_mono_ns()) < until_ns && !filter_host_stopping(host)) {
        uint64_t slice_ns = until_ns - now_ns;
        if (slice_ns > PAUSE_MS_MAX * CLOCK_NS_PER_MS)
            slice_ns = PAUSE_MS_MAX * CLOCK_NS_PER_MS;
        nanosleep(&(struct timespec){0, (long)slice_ns}, NULL);
        producer_turn(host->producer);
    }
    return !filter_host_stopping(host);
}

static void init_again(struct filter_host *host)
{
    const struct filter_ops *ops = host->instance->ops;
    struct err *err = calloc(1, sizeof(*err));
    ops->fini(host->state);
    memset(host->state, 0, ops->plugin.state_size);
    for (unsigned i = 0; i < host->own_accum_count; i++)
        stat_accum_put(host->own_accums[i]);
    host->own_accum_count = 0;
    host->is_over = false;
    if (ops->init(host->state, host->instance->options, host, err) != 0)
        filter_host_end(host, -1, "%s", err != NULL && err->count > 0 ? err->texts[0] : "init");
    else
        host->end[0] = '\0';
    free(err);
    retry_begin(&host->retry, clock_mono_ns());
}

/* True when it is not over, or not any more. */
static bool goes_on(struct filter_host *host)
{
    const struct retry_options *options = &host->instance->common.retries;
    const char *name = host->instance->name;
    uint64_t ns;
    while (host->is_over) {
        log_error("Plugin '%s' error: %s", name, host->end);
        if (!host->instance->ops->restarts)
            return false;
        if (!retry_next(&host->retry, options, clock_mono_ns(), &ns)) {
            log_error("Plugin '%s' error: Max retries exceeded", name);
            return false;
        }
        if (!pause_ns(host, ns))
            return false;
        log_info("Plugin '%s': now restarting", name);
        init_again(host);
    }
    return true;
}

static void note(struct filter_host *host, int rc)
{
    host->done_count++;
    if (rc == 0) {
        host->delivered++;
        trouble_end(&host->trouble);
        return;
    }
    host->failed++;
    if (!host->is_over)
        trouble_say(&host->trouble, "%s", host->failure[0] != '\0' ? host->failure : strerror(-rc));
}

static void release_batch(struct filter_host *host)
{
    release_done(host);
    if (host->done_count == host->item_count)
        intake_release_all(host->intake);
    host->item_count = host->done_count = 0;
}

/* ---- types that only hand over ---- */

static bool hands_over(const struct filter_host *host)
{
    return host->instance->ops->advance != NULL;
}

/* All that was handed over is done, unless the thread has to stop. */
static void finish_handed(struct filter_host *host)
{
    host->instance->ops->advance(host->state, FILTER_WAIT_ALL);
    host->handed.since_ns = 0;
    if (host->handed.count > 0) {
        release_done(host);
        return;
    }
    host->handed.done_end = 0;
    release_done(host);
    intake_release_all(host->intake);
}

static void hand_over_batch(struct filter_host *host)
{
    struct handed *handed = &host->handed;
    for (unsigned i = 0; i < host->item_count && !filter_host_stopping(host) && !host->is_over;
         i++) {
        handed->ends[(handed->first + handed->count++) % READER_ITEMS_MAX] = host->items[i].end;
        set_hops_of(host, host->items[i].record);
        if (host->instance->ops->process(host->state, NULL, host->items[i].record) != 0)
            handed->count--;
    }
    host->item_count = 0;
    host->instance->ops->advance(host->state, FILTER_WAIT_NONE);
    release_done(host);
}

/* Goes on in the same lane while the other side works, but not for ever: others have lanes, too. */
static unsigned next_to_hand_over(struct filter_host *host)
{
    struct handed *handed = &host->handed;
    unsigned count = 0;
    if (handed->count == READER_ITEMS_MAX)
        host->instance->ops->advance(host->state, FILTER_WAIT_SOME);
    release_done(host);
    unsigned room = READER_ITEMS_MAX - handed->count;
    uint64_t now_ns = clock_mono_ns();
    bool has_time =
        handed->since_ns == 0 || now_ns - handed->since_ns < HAND_OVER_MS * CLOCK_NS_PER_MS;
    if (room > 0 && has_time && (handed->count == 0 || !intake_should_let_go(host->intake)))
        count = intake_next(host->intake, host->items,
                            room < FILTER_BATCH_MAX ? room : FILTER_BATCH_MAX, FILTER_BATCH_BYTES);
    if (count > 0 && handed->since_ns == 0)
        handed->since_ns = now_ns;
    return count;
}

/* False: there is nothing to do. */
static bool hand_over(struct filter_host *host)
{
    host->item_count = next_to_hand_over(host);
    if (host->item_count > 0)
        hand_over_batch(host);
    else if (host->handed.since_ns > 0)
        finish_handed(host);
    else
        return false;
    return true;
}

/* ---- types that process ---- */

/* False: there is nothing to do. */
static bool process_batch(struct filter_host *host)
{
    host->item_count = intake_next(host->intake, host->items, FILTER_BATCH_MAX, FILTER_BATCH_BYTES);
    if (host->item_count == 0)
        return false;
    host->done_count = 0;
    while (host->done_count < host->item_count && !filter_host_stopping(host)) {
        int rc = process(host, host->items[host->done_count].record);
        if (host->is_cut)
            break;
        note(host, rc);
        if (!goes_on(host))
            break;
    }
    release_batch(host);
    return true;
}

static void call_timer_when_due(struct filter_host *host)
{
    uint64_t now_ns = clock_mono_ns();
    uint64_t interval_ns = (uint64_t)host->instance->common.ticker_interval * CLOCK_NS_PER_S;
    if (interval_ns == 0 || now_ns < host->next_timer_ns)
        return;
    host->next_timer_ns += interval_ns;
    if (host->next_timer_ns <= now_ns) /* it could not run in time */
        host->next_timer_ns = now_ns + interval_ns;
    if (host->source.hops == 0)
        host->source.hops = 1;
    if (host->instance->ops->timer != NULL)
        host->instance->ops->timer(host->state, clock_wall_ns());
}

/* Not while hekad stops: what was handed over may not be done, and comes again. */
static void take_turn(struct filter_host *host)
{
    if (host->instance->ops->turn != NULL && !host->is_over && !filter_host_stopping(host))
        host->instance->ops->turn(host->state);
    if (!host->is_over && (!hands_over(host) || !filter_host_stopping(host)))
        call_timer_when_due(host);
}

static void wait_for_more(struct filter_host *host)
{
    uint64_t now_ns = clock_mono_ns(), timeout_ns = INTAKE_WAIT_MS_MAX * CLOCK_NS_PER_MS;
    if (host->instance->common.ticker_interval > 0 && host->next_timer_ns > now_ns &&
        host->next_timer_ns - now_ns < timeout_ns)
        timeout_ns = host->next_timer_ns - now_ns;
    intake_wait(host->intake, timeout_ns);
}

static void *run(void *arg)
{
    struct filter_host *host = arg;
    char name[THREAD_NAME_SIZE];
    snprintf(name, sizeof(name), "%s", host->instance->name);
    pthread_setname_np(pthread_self(), name);
    host->next_timer_ns =
        clock_mono_ns() + (uint64_t)host->instance->common.ticker_interval * CLOCK_NS_PER_S;
    retry_begin(&host->retry, clock_mono_ns());
    while (!filter_host_stopping(host) && goes_on(host)) {
        if (!(hands_over(host) ? hand_over(host) : process_batch(host)))
            wait_for_more(host);
        take_turn(host);
        producer_turn(host->producer);
    }
    host->instance->ops->fini(host->state);
    producer_turn(host->producer);
    atomic_store_explicit(&host->has_ended, true, memory_order_release);
    return NULL;
}

/* ---- for main ---- */

static int make_parts(struct filter_host *host, const struct filter_host_config *config,
                      struct err *err)
{
    const struct filter_instance *instance = config->instance;
    const struct intake_config intake = {
        .name = instance->name, .consumer = instance->slot, .bell = config->bell};
    const struct producer_config producer = {
        .name = instance->name,
        .run_dir = config->run_dir,
        .number = config->number,
        .lane_bytes = config->lane_bytes,
        .bell = config->bell,
        .slot = instance->slot,
        .graph = config->graph,
        .release = let_go,
        .release_arg = host,
    };
    host->state = calloc(1, instance->ops->plugin.state_size + 1);
    host->intake = intake_new(&intake);
    if (host->state == NULL || host->intake == NULL)
        return err_add(err, "'%s': out of memory", instance->name);
    host->producer = producer_new(&producer, config->plan, err);
    if (host->producer == NULL)
        return -1;
    host->has_init = true;
    return instance->ops->init(host->state, instance->options, host, err);
}

struct filter_host *filter_host_new(const struct filter_host_config *config, struct err *err)
{
    struct filter_host *host = calloc(1, sizeof(*host));
    if (host == NULL) {
        err_add(err, "'%s': out of memory", config->instance->name);
        return NULL;
    }
    host->instance = config->instance;
    host->graph = config->graph;
    host->accums = config->accums;
    host->dynamic = config->dynamic;
    host->globals = config->globals;
    host->sandboxes = config->sandboxes;
    host->self = config->self;
    host->trouble.name = config->instance->name;
    wait_graph_reset(config->graph, config->instance->slot);
    if (make_parts(host, config, err) == 0)
        return host;
    filter_host_free(host);
    return NULL;
}

int filter_host_start(struct filter_host *host)
{
    int rc = pthread_create(&host->thread, NULL, run, host);
    host->is_started = rc == 0;
    return -rc;
}

struct producer *filter_host_producer(struct filter_host *host)
{
    return host->producer;
}

struct intake *filter_host_intake(struct filter_host *host)
{
    return host->intake;
}

bool filter_host_is_idle(struct filter_host *host)
{
    struct intake_status status;
    intake_status(host->intake, &status);
    return status.in_flight == 0 && status.held == 0;
}

void filter_host_stop(struct filter_host *host)
{
    atomic_store_explicit(&host->stopping, true, memory_order_relaxed);
    producer_stop(host->producer);
}

bool filter_host_has_ended(const struct filter_host *host)
{
    return !host->is_started || atomic_load_explicit(&host->has_ended, memory_order_acquire);
}

const char *filter_host_failure(const struct filter_host *host)
{
    return host->end;
}

void filter_host_free(struct filter_host *host)
{
    if (host == NULL)
        return;
    if (host->is_started) {
        filter_host_stop(host);
        pthread_join(host->thread, NULL);
    } else if (host->has_init) {
        host->instance->ops->fini(host->state);
    }
    for (unsigned i = 0; i < host->own_accum_count; i++)
        stat_accum_put(host->own_accums[i]);
    intake_free(host->intake);
    producer_free(host->producer);
    free(host->state);
    free(host);
}

void filter_host_status(struct filter_host *host, struct filter_status *status)
{
    *status = (struct filter_status){
        .name = host->instance->name,
        .type = host->instance->ops->plugin.name,
        .deadlocks = wait_graph_deadlocks(host->graph, host->instance->slot),
        .counters = host->instance->ops->counters,
    };
    intake_status(host->intake, &status->intake);
    for (unsigned i = 0; i < FILTER_COUNTERS_MAX; i++)
        status->counter_values[i] = atomic_load_explicit(&host->counters[i], memory_order_relaxed);
}
