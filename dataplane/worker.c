/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/worker.h"

#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_pause.h>

#include "core/check.h"
#include "core/clock.h"
#include "dataplane/text_listener.h"

enum {
    EXPIRE_INTERVAL_NS = 100 * 1000 * 1000,
    PUBLISH_PER_SECOND = 1000,
    EMPTY_PAUSES = 20,       /* spares the generator's cache lines on shared-memory ports */
    IDLE_TURNS_BEFORE = 512, /* empty turns before the first sleep */
    IDLE_SLEEP_NS = 50 * 1000
};

static int make_shards(struct worker *worker, struct err *err)
{
    for (unsigned i = 0; i < worker->plan->accumulator_count; i++) {
        const struct accum_config *config = &worker->plan->accumulators[i].config;
        struct shard_limits limits = {
            .names_max = (uint32_t)config->names_max,
            .timer_samples_max = (uint32_t)config->timer_samples_max,
        };
        if (shard_new(&limits, &worker->shards[i]) != 0)
            return err_add(err, "worker %u: no memory for %u names of accumulator '%s'",
                           worker->index, limits.names_max, worker->plan->accumulators[i].name);
    }
    return 0;
}

int worker_init(struct worker *worker, const struct worker_config *config, struct err *err)
{
    struct segment *segment = config->segment;
    struct lane_header *header = segment->lanes[config->index];
    worker->index = config->index;
    worker->plan = config->plan;
    worker->idle_sleep = config->idle_sleep;
    worker->published = &segment->blocks[config->index];
    worker->heartbeat_ns = &segment->header->heartbeat_ns[config->index];
    worker->publish_interval_tsc = rte_get_tsc_hz() / PUBLISH_PER_SECOND;
    lane_writer_init(&worker->lane, header, segment_cursor(segment, config->index, 0),
                     segment->header->consumer_count, config->index,
                     segment->header->lane_bytes);
    struct message_sink_config sink = {
        .lane = &worker->lane,
        .consumers = segment_consumer(segment, config->index, 0),
        .plan = config->plan,
        .counters = &worker->counters,
        .seed = config->seed,
    };
    if (message_sink_init(&worker->sink, &sink, err) != 0)
        return -1;
    return make_shards(worker, err);
}

void worker_fini(struct worker *worker)
{
    for (unsigned i = 0; i < worker->queue_count; i++)
        packet_stage_free(worker->queues[i].stage);
    for (unsigned i = 0; i < PLAN_ACCUMULATORS_MAX; i++)
        shard_free(worker->shards[i]);
    message_sink_fini(&worker->sink);
}

/* ---- statsd ---- */

static void add_samples(struct worker *worker)
{
    struct shard *shard = worker->shards[worker->sample_accumulator];
    for (unsigned done = 0; done < worker->sample_count;) {
        unsigned count = worker->sample_count - done;
        if (count > STATSD_BURST)
            count = STATSD_BURST;
        shard_add(shard, worker->samples + done, count);
        done += count;
    }
    worker->sample_count = 0;
}

/* Samples are collected over datagrams, so that the shard can prefetch for a whole burst even when
 * each datagram holds one. */
static void take_statsd(struct worker *worker, const struct plan_listener *listener,
                        const struct datagram *datagram)
{
    size_t size = datagram->size;
    size_t offset = 0;
    if (listener->max_msg_size > 0 && size > (size_t)listener->max_msg_size) {
        size = (size_t)listener->max_msg_size;
        worker->counters.values[COUNTER_STATSD_TRUNCATED]++;
    }
    if (listener->accumulator != worker->sample_accumulator) {
        add_samples(worker);
        worker->sample_accumulator = listener->accumulator;
    }
    while (offset < size) {
        worker->sample_count +=
            statsd_parse((const char *)datagram->payload, size, &offset,
                         worker->samples + worker->sample_count, &worker->statsd);
        if (worker->sample_count >= STATSD_BURST)
            add_samples(worker);
    }
}

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* Takes the parser's and the shards' own counts over; they are monotonic. */
static void collect_statsd(struct worker *worker)
{
    uint64_t *values = worker->counters.values;
    uint64_t handed = 0, accepted[STATSD_TYPE_COUNT] = {0}, no_name = 0, no_timer = 0;
    for (unsigned i = 0; i < worker->plan->accumulator_count; i++) {
        const struct shard_counts *counts = shard_counts(worker->shards[i]);
        for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
            accepted[type] += load(&counts->accepted[type]);
        no_name += load(&counts->overflow_names);
        no_timer += load(&counts->overflow_timers);
        handed += load(&worker->handed[i]);
    }
    values[COUNTER_STATSD_LINES] = worker->statsd.lines;
    for (unsigned i = 0; i < STATSD_REJECT_COUNT; i++)
        values[COUNTER_STATSD_REJECT_NO_COLON + i] = worker->statsd.rejects[i];
    values[COUNTER_SAMPLES_COUNTER] = accepted[STATSD_COUNTER];
    values[COUNTER_SAMPLES_GAUGE] = accepted[STATSD_GAUGE];
    values[COUNTER_SAMPLES_TIMER] = accepted[STATSD_TIMER];
    values[COUNTER_SAMPLES_NO_NAME_ROOM] = no_name;
    values[COUNTER_SAMPLES_NO_TIMER_ROOM] = no_timer;
    values[COUNTER_SAMPLES_HANDED] = handed;
    values[COUNTER_SAMPLES_OPEN] = accepted[STATSD_COUNTER] + accepted[STATSD_GAUGE] +
                                   accepted[STATSD_TIMER] - handed;
}
_Static_assert(COUNTER_STATSD_REJECT_BAD_VALUE - COUNTER_STATSD_REJECT_NO_COLON + 1 ==
                   STATSD_REJECT_COUNT,
               "the rejects of counters.def follow enum statsd_reject");

/* Gives sides of shards to housekeeping where it asked for them. The number of samples is stored
 * before shard_poll() makes the side visible, whose release orders it. */
void worker_hand_over(struct worker *worker)
{
    for (unsigned i = 0; i < worker->plan->accumulator_count; i++) {
        struct shard *shard = worker->shards[i];
        if (LIKELY(!shard_requested(shard)))
            continue;
        const struct shard_counts *counts = shard_counts(shard);
        uint64_t sum = 0;
        for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
            sum += load(&counts->accepted[type]);
        atomic_store_explicit(&worker->handed[i], sum, memory_order_relaxed);
        atomic_store_explicit(&worker->refused[i],
                              load(&counts->overflow_names) + load(&counts->overflow_timers),
                              memory_order_relaxed);
        shard_poll(shard);
    }
}

/* ---- the turn ---- */

static void take_datagrams(struct worker *worker, const struct datagram *datagrams,
                           unsigned count, uint64_t now_ns)
{
    uint64_t *values = worker->counters.values;
    for (unsigned i = 0; i < count; i++) {
        uint16_t index = worker->plan->listener_of_address[datagrams[i].listener];
        const struct plan_listener *listener = &worker->plan->listeners[index];
        if (listener->kind == PLAN_STATSD) {
            take_statsd(worker, listener, &datagrams[i]);
            values[COUNTER_DATAGRAMS_STATSD]++;
        } else {
            text_listener_take(listener, index, &datagrams[i], now_ns, &worker->sink);
            values[COUNTER_DATAGRAMS_TEXT]++;
        }
    }
    add_samples(worker); /* they point into the datagrams */
}

static unsigned poll_queue(struct worker *worker, struct worker_queue *queue, uint64_t now_ns)
{
    struct rte_mbuf *mbufs[PACKET_BURST_MAX];
    struct datagram datagrams[PACKET_BURST_MAX];
    unsigned count = rte_eth_rx_burst(queue->port_id, queue->queue_id, mbufs, queue->burst);
    if (count == 0)
        return 0;
    unsigned datagram_count = packet_burst(queue->stage, mbufs, count, now_ns, datagrams);
    take_datagrams(worker, datagrams, datagram_count, now_ns);
    packet_release(queue->stage);
    return count;
}

static void expire(struct worker *worker, uint64_t now_ns)
{
    for (unsigned i = 0; i < worker->queue_count; i++)
        packet_expire(worker->queues[i].stage, now_ns);
}

unsigned worker_turn(struct worker *worker, uint64_t now_ns)
{
    unsigned frames = 0;
    for (unsigned i = 0; i < worker->queue_count; i++)
        frames += poll_queue(worker, &worker->queues[i], now_ns);
    message_sink_flush(&worker->sink);
    worker_hand_over(worker);
    worker->counters.values[COUNTER_POLLS]++;
    worker->counters.values[COUNTER_POLLS_EMPTY] += frames == 0;
    if (now_ns >= worker->next_expire_ns) {
        expire(worker, now_ns);
        worker->next_expire_ns = now_ns + EXPIRE_INTERVAL_NS;
    }
    return frames;
}

void worker_publish(struct worker *worker, uint64_t now_mono_ns)
{
    collect_statsd(worker);
    counters_publish(worker->published, &worker->counters);
    atomic_store_explicit(worker->heartbeat_ns, now_mono_ns, memory_order_relaxed);
}

void worker_finish(struct worker *worker)
{
    expire(worker, UINT64_MAX);
    worker_publish(worker, clock_mono_ns());
}

static void rest(struct worker *worker, unsigned empty_turns)
{
    for (unsigned i = 0; i < EMPTY_PAUSES; i++)
        rte_pause();
    if (worker->idle_sleep && empty_turns > IDLE_TURNS_BEFORE) {
        struct timespec pause = {.tv_nsec = IDLE_SLEEP_NS};
        nanosleep(&pause, NULL);
    }
}

int worker_run(void *arg)
{
    struct worker *worker = arg;
    unsigned empty_turns = 0;
    while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
        empty_turns = worker_turn(worker, clock_wall_ns()) == 0 ? empty_turns + 1 : 0;
        uint64_t tsc = rte_get_tsc_cycles();
        if (tsc >= worker->next_publish_tsc) {
            worker_publish(worker, clock_mono_ns());
            worker->next_publish_tsc = tsc + worker->publish_interval_tsc;
        }
        if (empty_turns > 0)
            rest(worker, empty_turns);
    }
    worker_publish(worker, clock_mono_ns());
    return 0;
}

void worker_stop(struct worker *worker)
{
    atomic_store_explicit(&worker->stop, true, memory_order_relaxed);
}
