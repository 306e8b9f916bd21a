/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/housekeeping.h"

#include <string.h>

#include "core/clock.h"

int housekeeping_init(struct housekeeping *housekeeping, const struct housekeeping_config *config,
                      struct err *err)
{
    struct segment *segment = config->segment;
    unsigned lane = config->worker_count; /* behind the workers' */
    memset(housekeeping, 0, sizeof(*housekeeping));
    housekeeping->plan = config->plan;
    housekeeping->segment = segment;
    housekeeping->ports = config->ports;
    housekeeping->port_count = config->port_count;
    lane_writer_init(&housekeeping->lane, segment->lanes[lane], segment_cursor(segment, lane, 0),
                     segment->header->consumer_count, lane, segment->header->lane_bytes);
    struct message_sink_config sink = {
        .lane = &housekeeping->lane,
        .consumers = segment_consumer(segment, lane, 0),
        .plan = config->plan,
        .counters = &housekeeping->counters,
        .seed = config->seed,
    };
    if (message_sink_init(&housekeeping->sink, &sink, err) != 0)
        return -1;
    housekeeping->flusher = (struct flusher){
        .plan = config->plan,
        .workers = config->workers,
        .worker_count = config->worker_count,
        .sink = &housekeeping->sink,
        .counters = &housekeeping->counters,
    };
    return flusher_init(&housekeeping->flusher, config->now_ns, err);
}

void housekeeping_fini(struct housekeeping *housekeeping)
{
    flusher_fini(&housekeeping->flusher);
    message_sink_fini(&housekeeping->sink);
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

bool housekeeping_step(struct housekeeping *housekeeping, uint64_t now_ns, uint64_t now_mono_ns)
{
    uint64_t flushes = housekeeping->counters.values[COUNTER_FLUSHES];
    bool busy = flush_step(&housekeeping->flusher, now_ns);
    if (now_mono_ns >= housekeeping->next_stats_ns ||
        flushes != housekeeping->counters.values[COUNTER_FLUSHES]) {
        port_stats(housekeeping->ports, housekeeping->port_count, &housekeeping->counters);
        state_sizes(housekeeping);
        housekeeping->next_stats_ns = now_mono_ns + CLOCK_NS_PER_S;
    }
    publish(housekeeping, now_mono_ns);
    return busy;
}
