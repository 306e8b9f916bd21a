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
    if (message_sink_init(&worker->sink, &sink, err) != 0 ||
        statsd_intake_init(&worker->statsd, &worker->sink, err) != 0 ||
        worker_tcp_init(worker, &config->tcp, err) != 0)
        return -1;
    worker_adopt(worker, config->generation);
    return 0;
}

void worker_add_queue(struct worker *worker, const struct worker_queue *queue)
{
    worker->queues[worker->queue_count++] = *queue;
    packet_set_tcp(queue->stage, worker->tcp.is_on);
}

void worker_fini(struct worker *worker)
{
    worker_tcp_fini(worker);
    for (unsigned i = 0; i < worker->queue_count; i++)
        packet_stage_free(worker->queues[i].stage);
    statsd_intake_fini(&worker->statsd);
    message_sink_fini(&worker->sink);
}

/* ---- statsd ---- */

static void add_totals(struct worker_totals *totals, const struct worker_shard *shard)
{
    shard_totals_add(&totals->shards, shard->shard);
    totals->handed += atomic_load_explicit(&shard->handed, memory_order_relaxed);
}

/* Takes the parser's and the shards' own counts over; they are monotonic. */
static void collect_statsd(struct worker *worker)
{
    uint64_t *values = worker->counters.values;
    struct worker_totals totals = worker->left;
    for (unsigned i = 0; i < worker->generation->plan->accumulator_count; i++)
        add_totals(&totals, worker->shards[i]);
    statsd_counts_publish(&worker->statsd.parser.counts, values);
    shard_totals_publish(&totals.shards, values);
    values[COUNTER_SAMPLES_OVER_QUOTA] = worker->statsd.over_quota;
    values[COUNTER_SAMPLES_HANDED] = totals.handed;
    values[COUNTER_SAMPLES_OPEN] = shard_totals_accepted(&totals.shards) - totals.handed;
}

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
        struct shard_totals totals = {0};
        shard_totals_add(&totals, worker->shards[i]->shard);
        worker->left.handed += shard_totals_accepted(&totals);
        shard_totals_add(&worker->left.shards, worker->shards[i]->shard);
    }
}

void worker_adopt(struct worker *worker, struct generation *generation)
{
    worker_tcp_adopt(worker, generation);
    if (worker->generation != NULL)
        text_listener_adopt(&worker->sink, worker->generation->plan, generation->plan);
    leave_accumulators(worker, generation);
    worker->generation = generation;
    worker->statsd.shard = NULL; /* nothing is in hand between two turns */
    for (unsigned i = 0; i < generation->plan->accumulator_count; i++)
        worker->shards[i] = &generation->jobs[i]->shards[worker->index];
    for (unsigned i = 0; i < worker->queue_count; i++)
        packet_set_listeners(worker->queues[i].stage,
                             generation->plan->addresses[PLAN_UDP].table);
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

static void take_text(struct worker *worker, const struct datagram *datagram, uint16_t index,
                      uint64_t now_ns)
{
    const struct text_source source = {
        .listener = &worker->generation->plan->listeners[index],
        .decoder = &worker->generation->decoders[worker->index][index],
        .sink = &worker->sink,
        .peer_ip = datagram->source_ip,
        .now_ns = now_ns,
        .origin = index,
        .is_ipv6 = datagram->is_ipv6,
    };
    text_listener_datagram(&source, datagram->payload, datagram->size);
}

static void take_datagrams(struct worker *worker, const struct datagram *datagrams,
                           unsigned count, uint64_t now_ns)
{
    const struct plan *plan = worker->generation->plan;
    uint64_t *values = worker->counters.values;
    statsd_intake_begin(&worker->statsd, now_ns);
    for (unsigned i = 0; i < count; i++) {
        uint16_t index = plan->addresses[PLAN_UDP].listeners[datagrams[i].listener];
        const struct plan_listener *listener = &plan->listeners[index];
        if (listener->kind == PLAN_STATSD) {
            statsd_intake_take(&worker->statsd, listener, index, &datagrams[i],
                               worker->shards[listener->accumulator]->shard);
            values[COUNTER_DATAGRAMS_STATSD]++;
        } else {
            take_text(worker, &datagrams[i], index, now_ns);
            values[COUNTER_DATAGRAMS_TEXT]++;
        }
    }
    statsd_intake_flush(&worker->statsd); /* samples point into the datagrams */
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
    worker_tcp_take(worker, queue);
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
    worker_tcp_begin(worker, now_ns);
    for (unsigned i = 0; i < worker->queue_count; i++)
        frames += poll_queue(worker, &worker->queues[i], now_ns);
    worker_tcp_turn(worker);
    message_sink_push(&worker->sink); /* what finds no room waits: TCP's must not be dropped */
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
    worker_tcp_publish(worker);
    worker->counters.values[COUNTER_MESSAGES_STAGED] =
        worker->sink.pending_count - worker->sink.done_count + worker->tcp.spill.count -
        worker->tcp.spill.done_count;
    counters_publish(worker->published, &worker->counters);
    atomic_store_explicit(worker->heartbeat_ns, now_mono_ns, memory_order_relaxed);
}

void worker_finish(struct worker *worker)
{
    expire(worker, UINT64_MAX);
    worker_tcp_finish(worker);
    message_sink_push(&worker->sink);
    while (worker->sink.pending_count > 0)
        message_sink_give_up(&worker->sink, COUNTER_MESSAGES_STOPPED);
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
