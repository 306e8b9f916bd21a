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

int worker_init(struct worker *worker, const struct worker_config *config, struct err *err)
{
    struct segment *segment = config->segment;
    struct lane_header *header = segment->lanes[config->index];
    worker->index = config->index;
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
        .max_message_size = (uint64_t)config->generation->plan->max_message_size,
        .counters = &worker->counters,
        .seed = config->seed,
    };
    if (message_sink_init(&worker->sink, &sink, err) != 0)
        return -1;
    worker_adopt(worker, config->generation);
    return 0;
}

void worker_fini(struct worker *worker)
{
    for (unsigned i = 0; i < worker->queue_count; i++)
        packet_stage_free(worker->queues[i].stage);
    message_sink_fini(&worker->sink);
}

/* ---- statsd ---- */

static void add_samples(struct worker *worker)
{
    if (worker->sample_count == 0)
        return;
    struct shard *shard = worker->shards[worker->sample_accumulator]->shard;
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

static void add_totals(struct worker_totals *totals, const struct worker_shard *shard)
{
    const struct shard_counts *counts = shard_counts(shard->shard);
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        totals->accepted[type] +=
            atomic_load_explicit(&counts->accepted[type], memory_order_relaxed);
    totals->no_name_room += atomic_load_explicit(&counts->overflow_names, memory_order_relaxed);
    totals->no_timer_room += atomic_load_explicit(&counts->overflow_timers, memory_order_relaxed);
    totals->handed += atomic_load_explicit(&shard->handed, memory_order_relaxed);
}

/* Takes the parser's and the shards' own counts over; they are monotonic. */
static void collect_statsd(struct worker *worker)
{
    uint64_t *values = worker->counters.values;
    struct worker_totals totals = worker->left;
    for (unsigned i = 0; i < worker->generation->plan->accumulator_count; i++)
        add_totals(&totals, worker->shards[i]);
    values[COUNTER_STATSD_LINES] = worker->statsd.lines;
    for (unsigned i = 0; i < STATSD_REJECT_COUNT; i++)
        values[COUNTER_STATSD_REJECT_NO_COLON + i] = worker->statsd.rejects[i];
    values[COUNTER_SAMPLES_COUNTER] = totals.accepted[STATSD_COUNTER];
    values[COUNTER_SAMPLES_GAUGE] = totals.accepted[STATSD_GAUGE];
    values[COUNTER_SAMPLES_TIMER] = totals.accepted[STATSD_TIMER];
    values[COUNTER_SAMPLES_NO_NAME_ROOM] = totals.no_name_room;
    values[COUNTER_SAMPLES_NO_TIMER_ROOM] = totals.no_timer_room;
    values[COUNTER_SAMPLES_HANDED] = totals.handed;
    values[COUNTER_SAMPLES_OPEN] = totals.accepted[STATSD_COUNTER] +
                                   totals.accepted[STATSD_GAUGE] +
                                   totals.accepted[STATSD_TIMER] - totals.handed;
}
_Static_assert(COUNTER_STATSD_REJECT_BAD_VALUE - COUNTER_STATSD_REJECT_NO_COLON + 1 ==
                   STATSD_REJECT_COUNT,
               "the rejects of counters.def follow enum statsd_reject");

void worker_hand_over(struct worker *worker)
{
    for (unsigned i = 0; i < worker->generation->plan->accumulator_count; i++)
        worker_shard_hand_over(worker->shards[i]);
}

/* ---- generations ---- */

static bool has_job(const struct generation *generation, const struct flush_job *job)
{
    for (unsigned i = 0; i < generation->plan->accumulator_count; i++)
        if (generation->jobs[i] == job)
            return true;
    return false;
}

/* What was left in a shard when it was given up is handed over with it: housekeeping owns it then.
 *  */
static void leave_accumulators(struct worker *worker, const struct generation *next)
{
    const struct generation *now = worker->generation;
    for (unsigned i = 0; now != NULL && i < now->plan->accumulator_count; i++) {
        if (has_job(next, now->jobs[i]))
            continue;
        struct worker_totals totals = {0};
        add_totals(&totals, worker->shards[i]);
        for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
            worker->left.accepted[type] += totals.accepted[type];
        worker->left.no_name_room += totals.no_name_room;
        worker->left.no_timer_room += totals.no_timer_room;
        worker->left.handed += totals.accepted[STATSD_COUNTER] + totals.accepted[STATSD_GAUGE] +
                               totals.accepted[STATSD_TIMER];
    }
}

void worker_adopt(struct worker *worker, struct generation *generation)
{
    leave_accumulators(worker, generation);
    worker->generation = generation;
    worker->sample_accumulator = 0;
    for (unsigned i = 0; i < generation->plan->accumulator_count; i++)
        worker->shards[i] = &generation->jobs[i]->shards[worker->index];
    for (unsigned i = 0; i < worker->queue_count; i++)
        packet_set_listeners(worker->queues[i].stage, generation->plan->table);
    message_sink_adopt(&worker->sink, &generation->plan->sink,
                       generation->scratches[worker->index]);
    /* P1 pairs with P2 in reload.c: the worker uses nothing of the former generation any more. */
    atomic_store_explicit(&worker->adopted, generation, memory_order_release);
}

static void adopt_if_offered(struct worker *worker)
{
    /* O2 (acquire) pairs with O1 in reload.c: the generation is complete. */
    struct generation *offered = atomic_load_explicit(&worker->offered, memory_order_acquire);
    if (UNLIKELY(offered != NULL && offered != worker->generation))
        worker_adopt(worker, offered);
}

/* ---- the turn ---- */

static void take_datagrams(struct worker *worker, const struct datagram *datagrams,
                           unsigned count, uint64_t now_ns)
{
    const struct plan *plan = worker->generation->plan;
    uint64_t *values = worker->counters.values;
    for (unsigned i = 0; i < count; i++) {
        uint16_t index = plan->listener_of_address[datagrams[i].listener];
        const struct plan_listener *listener = &plan->listeners[index];
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
    adopt_if_offered(worker);
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
    uint64_t before_tsc = rte_get_tsc_cycles();
    while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
        bool found = worker_turn(worker, clock_wall_ns()) > 0;
        uint64_t tsc = rte_get_tsc_cycles();
        if (found)
            worker->counters.values[COUNTER_CYCLES_BUSY] += tsc - before_tsc;
        if (tsc >= worker->next_publish_tsc) {
            worker_publish(worker, clock_mono_ns());
            worker->next_publish_tsc = tsc + worker->publish_interval_tsc;
        }
        empty_turns = found ? 0 : empty_turns + 1;
        if (empty_turns > 0)
            rest(worker, empty_turns);
        before_tsc = found ? tsc : rte_get_tsc_cycles();
    }
    worker_publish(worker, clock_mono_ns());
    /* S1 pairs with S2 in appliance_join. */
    atomic_store_explicit(&worker->stopped, true, memory_order_release);
    return 0;
}

void worker_stop(struct worker *worker)
{
    atomic_store_explicit(&worker->stop, true, memory_order_relaxed);
}
