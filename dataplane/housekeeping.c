/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/housekeeping.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "stats/statsd_talkers.h"

enum { /* docs/formats/lane.md has the figures */
    LIVELY_NS = 100 * 1000 * 1000, /* after the last message */
    RING_LIVELY_NS = 200 * 1000,
    RING_IDLE_NS = 2 * 1000 * 1000
};

static void adopt(struct housekeeping *housekeeping, struct generation *generation)
{
    housekeeping->generation = generation;
    message_sink_adopt(&housekeeping->sink, &generation->plan->sink,
                       generation->scratches[generation->worker_count]);
    flusher_adopt(&housekeeping->flusher, generation);
    atomic_store_explicit(&housekeeping->segment->header->generation,
                          (uint32_t)generation->plan->generation, memory_order_release);
}

int housekeeping_init(struct housekeeping *housekeeping, const struct housekeeping_config *config,
                      struct err *err)
{
    struct segment *segment = config->segment;
    unsigned lane = config->worker_count; /* behind the workers' */
    memset(housekeeping, 0, sizeof(*housekeeping));
    housekeeping->segment = segment;
    housekeeping->workers = config->workers;
    housekeeping->worker_count = config->worker_count;
    housekeeping->ports = config->ports;
    housekeeping->port_count = config->port_count;
    lane_writer_init(&housekeeping->lane, segment->lanes[lane], segment_cursor(segment, lane, 0),
                     segment->header->consumer_count, lane, segment->header->lane_bytes);
    struct message_sink_config sink = {
        .lane = &housekeeping->lane,
        .consumers = segment_consumer(segment, lane, 0),
        .max_message_size = (uint64_t)config->generation->plan->max_message_size,
        .counters = &housekeeping->counters,
        .seed = config->seed,
    };
    if (message_sink_init(&housekeeping->sink, &sink, err) != 0)
        return -1;
    housekeeping->flusher =
        (struct flusher){.sink = &housekeeping->sink, .counters = &housekeeping->counters};
    adopt(housekeeping, config->generation);
    return 0;
}

void housekeeping_fini(struct housekeeping *housekeeping)
{
    flusher_fini(&housekeeping->flusher);
    message_sink_fini(&housekeeping->sink);
    generation_free(housekeeping->generation);
}

/* ---- reload ---- */

int housekeeping_offer(struct housekeeping *housekeeping, struct generation *take_generation,
                       struct err *err)
{
    const struct plan *now = housekeeping->generation->plan, *next = take_generation->plan;
    if (housekeeping->offered != NULL || flusher_is_crowded(&housekeeping->flusher)) {
        err_add(err, "a reload is still under way");
        return -EBUSY;
    }
    if (next->max_message_size > now->max_message_size) {
        err_add(err, "max_message_size: found %lld, a reload cannot raise it above %lld",
                (long long)next->max_message_size, (long long)now->max_message_size);
        return -EINVAL;
    }
    housekeeping->offered = take_generation;
    for (unsigned i = 0; i < housekeeping->worker_count; i++)
        /* O1 pairs with O2 in worker.c. */
        atomic_store_explicit(&housekeeping->workers[i].offered, take_generation,
                              memory_order_release);
    return 0;
}

static void change_over_if_adopted(struct housekeeping *housekeeping)
{
    struct generation *offered = housekeeping->offered;
    if (offered == NULL)
        return;
    for (unsigned i = 0; i < housekeeping->worker_count; i++)
        /* P2 pairs with P1 in worker.c. */
        if (atomic_load_explicit(&housekeeping->workers[i].adopted, memory_order_acquire) !=
            offered)
            return;
    struct generation *former = housekeeping->generation;
    adopt(housekeeping, offered);
    housekeeping->offered = NULL;
    generation_free(former);
}

static void publish(struct housekeeping *housekeeping, uint64_t now_mono_ns)
{
    struct segment_header *header = housekeeping->segment->header;
    unsigned block = header->lane_count - 1;
    counters_publish(&housekeeping->segment->blocks[block], &housekeeping->counters);
    atomic_store_explicit(&header->heartbeat_ns[block], now_mono_ns, memory_order_relaxed);
}

static void state_sizes(struct housekeeping *housekeeping)
{
    struct segment_header *header = housekeeping->segment->header;
    atomic_store_explicit(&header->accum_bytes, flusher_bytes(&housekeeping->flusher),
                          memory_order_relaxed);
    atomic_store_explicit(&header->series, flusher_series(&housekeeping->flusher),
                          memory_order_relaxed);
}

/* Who sends and who was refused, for everybody who reads the segment. */
static void show_talkers(struct housekeeping *housekeeping)
{
    struct talkers talkers = {0};
    for (unsigned i = 0; i < housekeeping->worker_count; i++)
        statsd_talkers_senders(&talkers, housekeeping->workers[i].statsd.senders, "");
    flusher_talkers(&housekeeping->flusher, &talkers);
    talkers_publish(housekeeping->segment->talkers, &talkers);
}

bool housekeeping_step(struct housekeeping *housekeeping, uint64_t now_ns, uint64_t now_mono_ns)
{
    uint64_t flushes = housekeeping->counters.values[COUNTER_FLUSHES];
    change_over_if_adopted(housekeeping);
    bool busy = flush_step(&housekeeping->flusher, now_ns);
    if (now_mono_ns >= housekeeping->next_stats_ns ||
        flushes != housekeeping->counters.values[COUNTER_FLUSHES]) {
        port_stats(housekeeping->ports, housekeeping->port_count, &housekeeping->counters);
        state_sizes(housekeeping);
        show_talkers(housekeeping);
        housekeeping->next_stats_ns = now_mono_ns + CLOCK_NS_PER_S;
    }
    publish(housekeeping, now_mono_ns);
    return busy;
}

uint64_t housekeeping_ring(struct housekeeping *housekeeping, uint64_t now_mono_ns)
{
    if (segment_ring(housekeeping->segment))
        housekeeping->moved_ns = now_mono_ns;
    return now_mono_ns - housekeeping->moved_ns < LIVELY_NS ? RING_LIVELY_NS : RING_IDLE_NS;
}
