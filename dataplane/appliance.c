/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/appliance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "core/clock.h"
#include "dataplane/telemetry.h"

enum { FRAGMENTS_MAX = 1024, FRAGMENT_TIMEOUT_S = 30 };

/* ---- start ---- */

static int check_lanes(const struct appliance_config *config, struct err *err)
{
    uint64_t lane_bytes = (uint64_t)config->map->lane_mbytes << 20;
    if (lane_bytes / 4 < (uint64_t)config->plan->max_message_size + sizeof(struct record))
        return err_add(err, "core map: lane_mbytes: found %u, a lane must hold four messages of "
                       "max_message_size %lld", config->map->lane_mbytes,
                       (long long)config->plan->max_message_size);
    return 0;
}

/* What "auto" comes to: EAL takes its hugepages later. */
static enum segment_pages lane_pages(const struct core_map *map)
{
    struct core_map_machine machine;
    if (map->lane_pages != LANE_PAGES_AUTO)
        return map->lane_pages == LANE_PAGES_HUGE ? SEGMENT_PAGES_HUGE : SEGMENT_PAGES_NORMAL;
    core_map_machine_read(&machine);
    unsigned lanes_mbytes = (map->worker_count + 1) * 2 * map->lane_mbytes; /* rounded up */
    unsigned needed_mbytes = lanes_mbytes + (map->pages == PAGES_HUGE ? map->memory_mbytes : 0);
    return machine.huge_pages_free_mbytes >= needed_mbytes ? SEGMENT_PAGES_AUTO
                                                           : SEGMENT_PAGES_NORMAL;
}

static int make_segment(const struct appliance_config *config, struct appliance *appliance,
                        struct err *err)
{
    struct segment_config segment = {
        .dir = config->run_dir,
        .lane_count = config->map->worker_count + 1,
        .consumer_count = RECORD_CONSUMERS_MAX, /* slots: a reload brings new consumers */
        .lane_bytes = (uint64_t)config->map->lane_mbytes << 20,
        .lane_pages = lane_pages(config->map),
        .generation = (uint32_t)config->plan->generation,
        .group = config->group,
    };
    return segment_create(&segment, &appliance->segment, err);
}

static int open_ports(const struct appliance_config *config, struct appliance *appliance,
                      struct err *err)
{
    for (unsigned i = 0; i < appliance->map->port_count; i++) {
        struct port *port = &appliance->ports[appliance->port_count++];
        if (port_open(appliance->map, i, port, err) != 0)
            return -1;
        if (config->impair != NULL &&
            impair_attach(config->impair, port->port_id, appliance->map->ports[i].queue_count,
                          &port->impair, err) != 0)
            return -1;
    }
    return 0;
}

/* A trace gets the same answers each time. */
static int make_secret(const struct appliance_config *config, struct worker_tcp_config *tcp,
                       struct err *err)
{
    if (config->is_traced ||
        getrandom(tcp->secret, sizeof(tcp->secret), 0) == (ssize_t)sizeof(tcp->secret))
        return 0;
    return err_add(err, "no random numbers: %s", strerror(errno));
}

static int open_workers(const struct appliance_config *config, struct appliance *appliance,
                        struct err *err)
{
    unsigned count = config->map->worker_count;
    void *memory = NULL;
    if (posix_memalign(&memory, 64, count * sizeof(struct worker)) != 0)
        return err_add(err, "no memory for %u workers", count);
    memset(memory, 0, count * sizeof(struct worker));
    appliance->workers = memory;
    if (generation_new(config->plan, count, NULL, config->now_ns, &appliance->generation, err) !=
        0)
        return -1;
    appliance->worker_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct worker_config worker = {
            .index = i,
            .generation = appliance->generation,
            .segment = &appliance->segment,
            .idle_sleep = config->map->idle_sleep,
            .seed = config->seed + i + 1,
            .tcp = {.connections_max = config->map->tcp_connections,
                    .message_max = (uint64_t)config->plan->max_message_size,
                    .is_traced = config->is_traced},
        };
        if (make_secret(config, &worker.tcp, err) != 0)
            return -1;
        if (worker_init(&appliance->workers[i], &worker, err) != 0)
            return -1;
        telemetry_add_senders(appliance->workers[i].statsd.senders);
    }
    return 0;
}

static struct worker *worker_on_core(struct appliance *appliance, unsigned core)
{
    for (unsigned i = 0; i < appliance->worker_count; i++)
        if (appliance->map->workers[i] == core)
            return &appliance->workers[i];
    return NULL;
}

static int add_queue(const struct appliance_config *config, struct appliance *appliance,
                     unsigned port_index, unsigned queue_index, struct err *err)
{
    const struct core_map_port *wanted = &config->map->ports[port_index];
    const struct core_map_queue *queue = &wanted->queues[queue_index];
    const struct port *port = &appliance->ports[port_index];
    struct worker *worker = worker_on_core(appliance, queue->core);
    if (worker == NULL)
        return err_add(err, "port '%s': queue %u is on core %u, which is no worker", wanted->name,
                       queue->queue, queue->core);
    struct packet_config packet = {
        .port_id = port->port_id,
        .queue_id = queue->queue,
        .index = (uint8_t)worker->queue_count,
        .mac = port->mac,
        .vlan = wanted->vlan,
        .accept_any_mac = config->is_traced,
        .trust_rx_checksum = port->rx_checksum,
        .checksum_unfinished = wanted->profile->checksum_unfinished,
        .addresses = wanted->addresses,
        .address_count = wanted->address_count,
        .pool = port->pool,
        .listeners = config->plan->addresses[PLAN_UDP].table,
        .fragments_max = FRAGMENTS_MAX,
        /* all queues of a port share its pool */
        .fragment_mbufs_max = config->map->mbufs_per_port / 4 / wanted->queue_count,
        .fragment_timeout_ns = FRAGMENT_TIMEOUT_S * CLOCK_NS_PER_S,
        .counters = &worker->counters,
    };
    struct worker_queue slot = {.port_id = port->port_id,
                                .queue_id = queue->queue,
                                .burst = (uint16_t)wanted->profile->burst};
    if (packet_stage_new(&packet, &slot.stage, err) != 0)
        return -1;
    worker_add_queue(worker, &slot);
    return 0;
}

static int add_queues(const struct appliance_config *config, struct appliance *appliance,
                      struct err *err)
{
    for (unsigned port = 0; port < config->map->port_count; port++)
        for (unsigned queue = 0; queue < config->map->ports[port].queue_count; queue++)
            if (add_queue(config, appliance, port, queue, err) != 0)
                return -1;
    return 0;
}

static int open_housekeeping(const struct appliance_config *config, struct appliance *appliance,
                             struct err *err)
{
    struct housekeeping_config housekeeping = {
        .generation = appliance->generation,
        .segment = &appliance->segment,
        .workers = appliance->workers,
        .worker_count = appliance->worker_count,
        .ports = appliance->ports,
        .port_count = appliance->port_count,
        .seed = config->seed,
    };
    if (housekeeping_init(&appliance->housekeeping, &housekeeping, err) != 0)
        return -1;
    appliance->generation = NULL; /* housekeeping's */
    return 0;
}

int appliance_open(const struct appliance_config *config, struct appliance *appliance,
                   struct err *err)
{
    memset(appliance, 0, sizeof(*appliance));
    appliance->map = config->map;
    if (check_lanes(config, err) != 0 || make_segment(config, appliance, err) != 0)
        return -1;
    if (eal_start(config->map, config->program, config->telemetry, err) != 0) {
        segment_detach(&appliance->segment);
        return -1;
    }
    if (open_ports(config, appliance, err) != 0 || open_workers(config, appliance, err) != 0 ||
        add_queues(config, appliance, err) != 0 ||
        open_housekeeping(config, appliance, err) != 0) {
        appliance_close(appliance);
        return -1;
    }
    return 0;
}

void appliance_close(struct appliance *appliance)
{
    housekeeping_fini(&appliance->housekeeping);
    generation_discard(appliance->generation);
    telemetry_forget_senders();
    for (unsigned i = 0; i < appliance->worker_count; i++)
        worker_fini(&appliance->workers[i]);
    free(appliance->workers);
    for (unsigned i = 0; i < appliance->port_count; i++)
        if (appliance->ports[i].pool != NULL)
            port_close(&appliance->ports[i]);
    rte_eal_cleanup();
    rmdir(rte_eal_get_runtime_dir()); /* EAL leaves it; another user's stays */
    segment_detach(&appliance->segment);
}

/* ---- threads ---- */

int appliance_launch(struct appliance *appliance, struct err *err)
{
    for (unsigned i = 0; i < appliance->worker_count; i++) {
        int rc = rte_eal_remote_launch(worker_run, &appliance->workers[i], i + 1);
        if (rc != 0) {
            appliance_join(appliance);
            return err_add(err, "worker %u does not start: %d", i, rc);
        }
    }
    return 0;
}

void appliance_join(struct appliance *appliance)
{
    for (unsigned i = 0; i < appliance->worker_count; i++)
        worker_stop(&appliance->workers[i]);
    rte_eal_mp_wait_lcore();
    for (unsigned i = 0; i < appliance->worker_count; i++) {
        /* S2 pairs with S1 in worker_run; a worker that was never launched has not stored it. */
        (void)atomic_load_explicit(&appliance->workers[i].stopped, memory_order_acquire);
        worker_finish(&appliance->workers[i]);
    }
}

/* ---- end ---- */

static bool flush_until_idle(struct appliance *appliance, uint64_t now_ns,
                             appliance_wait_fn wait, void *arg)
{
    for (;;) {
        for (unsigned i = 0; i < appliance->worker_count; i++)
            worker_hand_over(&appliance->workers[i]);
        bool busy = housekeeping_step(&appliance->housekeeping, now_ns, clock_mono_ns());
        if (!busy)
            return true;
        if (appliance->housekeeping.counters.values[COUNTER_FLUSH_WAITS] > 0 && !wait(arg))
            return false;
    }
}

void appliance_last_flush(struct appliance *appliance, uint64_t now_ns, appliance_wait_fn wait,
                          void *arg)
{
    struct flusher *flusher = &appliance->housekeeping.flusher;
    if (flush_until_idle(appliance, now_ns, wait, arg)) {
        flush_all(flusher, now_ns);
        flush_until_idle(appliance, now_ns, wait, arg);
    }
    flush_abandon(flusher);
    for (unsigned i = 0; i < appliance->worker_count; i++)
        worker_publish(&appliance->workers[i], clock_mono_ns());
    housekeeping_step(&appliance->housekeeping, 0, clock_mono_ns()); /* publishes */
}

bool appliance_drained(struct appliance *appliance)
{
    bool drained = lane_drained(&appliance->housekeeping.lane);
    for (unsigned i = 0; i < appliance->worker_count; i++)
        drained &= lane_drained(&appliance->workers[i].lane);
    return drained;
}
