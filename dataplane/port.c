/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/port.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "core/check.h"

/* ---- EAL ---- */

enum { EAL_ARGS_MAX = 64, EAL_ARG_SIZE = 1024, MEMPOOL_CACHE = 256 };

struct eal_args {
    int count;
    char texts[EAL_ARGS_MAX][EAL_ARG_SIZE];
};

__attribute__((format(printf, 2, 3))) static void add_arg(struct eal_args *args,
                                                           const char *format, ...)
{
    va_list list;
    CHECK(args->count < EAL_ARGS_MAX);
    va_start(list, format);
    vsnprintf(args->texts[args->count++], EAL_ARG_SIZE, format, list);
    va_end(list);
}

/* A socket left behind by an earlier run would make the driver's bind fail. */
static void remove_stale_socket(const struct core_map_port *port)
{
    struct stat status;
    if (port->profile->creates_socket && port->device != NULL &&
        lstat(port->device, &status) == 0 && S_ISSOCK(status.st_mode))
        unlink(port->device);
}

static int add_devices(const struct core_map *map, struct eal_args *args, struct err *err)
{
    bool pci = false;
    for (unsigned i = 0; i < map->port_count; i++)
        pci |= map->ports[i].profile->bus == NIC_PCI;
    if (!pci)
        add_arg(args, "--no-pci");
    for (unsigned i = 0; i < map->port_count; i++) {
        const struct core_map_port *port = &map->ports[i];
        char device[EAL_ARG_SIZE - 8];
        remove_stale_socket(port);
        if (nic_profile_device(port->profile, i, port->device, port->queue_count, device,
                               sizeof(device)) < 0)
            return err_add(err, "port '%s': device '%s' is too long", port->name, port->device);
        add_arg(args, port->profile->bus == NIC_PCI ? "-a%s" : "--vdev=%s", device);
    }
    return 0;
}

static void add_cores(const struct core_map *map, struct eal_args *args)
{
    char lcores[EAL_ARG_SIZE];
    int len = snprintf(lcores, sizeof(lcores), "--lcores=0@%u", map->main_core);
    for (unsigned i = 0; i < map->worker_count; i++)
        len += snprintf(lcores + len, sizeof(lcores) - (size_t)len, ",%u@%u", i + 1,
                        map->workers[i]);
    add_arg(args, "%s", lcores);
    add_arg(args, "--main-lcore=0");
}

static void add_memory(const struct core_map *map, struct eal_args *args)
{
    add_arg(args, "-m");
    add_arg(args, "%u", map->memory_mbytes);
    if (map->pages == PAGES_HUGE) {
        add_arg(args, "--in-memory");
        add_arg(args, "--single-file-segments");
    } else {
        add_arg(args, "--no-huge");
        add_arg(args, "--no-shconf");
    }
}

int eal_start(const struct core_map *map, const char *program, bool telemetry, struct err *err)
{
    static struct eal_args args; /* EAL keeps pointers */
    static char *argv[EAL_ARGS_MAX + 1];
    add_arg(&args, "%s", program);
    add_cores(map, &args);
    add_memory(map, &args);
    add_arg(&args, "--file-prefix=%s", map->file_prefix);
    add_arg(&args, "--log-level=lib.*:error");
    add_arg(&args, "--log-level=pmd.*:error");
    if (!telemetry)
        add_arg(&args, "--no-telemetry");
    if (add_devices(map, &args, err) != 0)
        return -1;
    for (int i = 0; i < args.count; i++)
        argv[i] = args.texts[i];
    if (rte_eal_init(args.count, argv) < 0) {
        err_add(err, "DPDK's EAL does not start: %s", rte_strerror(rte_errno));
        for (unsigned i = 0; i < map->port_count; i++)
            err_add(err, "port '%s' (%s) needs: %s", map->ports[i].name,
                    map->ports[i].profile->name,
                    map->ports[i].profile->needs ? map->ports[i].profile->needs : "nothing");
        return -1;
    }
    return 0;
}

/* ---- ports ---- */

static int make_pool(const struct core_map *map, unsigned index, struct port *port,
                     struct err *err)
{
    char name[RTE_MEMPOOL_NAMESIZE];
    unsigned data_bytes = core_map_mbuf_data_bytes(&map->ports[index]) + RTE_PKTMBUF_HEADROOM;
    snprintf(name, sizeof(name), "port%u", index);
    port->pool = rte_pktmbuf_pool_create(name, map->mbufs_per_port, MEMPOOL_CACHE, 0,
                                         (uint16_t)data_bytes, (int)rte_socket_id());
    if (port->pool == NULL)
        return err_add(err, "port '%s': no memory for %u mbufs of %u bytes: %s",
                       map->ports[index].name, map->mbufs_per_port, data_bytes,
                       rte_strerror(rte_errno));
    return 0;
}

static void choose_offloads(const struct core_map_port *wanted,
                            const struct rte_eth_dev_info *info, struct rte_eth_conf *conf,
                            struct port *port)
{
    const uint64_t checksums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
    const uint64_t rss = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;
    if (wanted->profile->rx_checksum && (info->rx_offload_capa & checksums) == checksums) {
        conf->rxmode.offloads |= checksums;
        port->rx_checksum = true;
    }
    if (wanted->profile->rss && wanted->queue_count > 1) {
        conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf->rx_adv_conf.rss_conf.rss_hf = rss & info->flow_type_rss_offloads;
    }
}

static int setup_queues(const struct core_map_port *wanted, const struct rte_eth_dev_info *info,
                        const struct rte_eth_conf *conf, struct port *port, struct err *err)
{
    uint16_t rx_count = (uint16_t)wanted->profile->rx_descriptors;
    uint16_t tx_count = (uint16_t)wanted->profile->tx_descriptors;
    int socket = rte_eth_dev_socket_id(port->port_id);
    int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->port_id, &rx_count, &tx_count);
    if (rc != 0)
        return err_add(err, "port '%s': descriptors: %s", wanted->name, rte_strerror(-rc));
    for (uint16_t queue = 0; queue < wanted->queue_count; queue++) {
        struct rte_eth_rxconf rx = info->default_rxconf;
        rx.offloads = conf->rxmode.offloads;
        rc = rte_eth_rx_queue_setup(port->port_id, queue, rx_count, (unsigned)socket, &rx,
                                    port->pool);
        if (rc == 0)
            rc = rte_eth_tx_queue_setup(port->port_id, queue, tx_count, (unsigned)socket,
                                        &info->default_txconf);
        if (rc != 0)
            return err_add(err, "port '%s': queue %u: %s", wanted->name, queue,
                           rte_strerror(-rc));
    }
    return 0;
}

static int settle_mac(const struct core_map_port *wanted, struct port *port, struct err *err)
{
    struct rte_ether_addr own;
    memcpy(&own, &wanted->mac, sizeof(own));
    int rc = rte_eth_macaddr_get(port->port_id, &port->mac);
    if (rc != 0)
        return err_add(err, "port '%s': no MAC address: %s", wanted->name, rte_strerror(-rc));
    if (!rte_is_zero_ether_addr(&own)) {
        /* Not every driver can; packet.c accepts the address in any case. */
        rte_eth_dev_default_mac_addr_set(port->port_id, &own);
        port->mac = own;
    }
    return 0;
}

static int configure(const struct core_map_port *wanted, struct port *port, struct err *err)
{
    struct rte_eth_dev_info info;
    struct rte_eth_conf conf = {0};
    int rc = rte_eth_dev_info_get(port->port_id, &info);
    if (rc != 0)
        return err_add(err, "port '%s': %s", wanted->name, rte_strerror(-rc));
    if (wanted->queue_count > info.max_rx_queues || wanted->queue_count > info.max_tx_queues)
        return err_add(err, "port '%s': %u queues asked for, the device has %u for receiving, "
                       "%u for sending", wanted->name, wanted->queue_count, info.max_rx_queues,
                       info.max_tx_queues);
    choose_offloads(wanted, &info, &conf, port);
    rc = rte_eth_dev_configure(port->port_id, (uint16_t)wanted->queue_count,
                               (uint16_t)wanted->queue_count, &conf);
    if (rc != 0)
        return err_add(err, "port '%s': cannot be configured: %s", wanted->name,
                       rte_strerror(-rc));
    if (wanted->profile->mtu_settable) {
        rc = rte_eth_dev_set_mtu(port->port_id, wanted->mtu);
        if (rc != 0)
            return err_add(err, "port '%s': MTU %u: %s", wanted->name, wanted->mtu,
                           rte_strerror(-rc));
    }
    return setup_queues(wanted, &info, &conf, port, err);
}

int port_open(const struct core_map *map, unsigned index, struct port *port, struct err *err)
{
    const struct core_map_port *wanted = &map->ports[index];
    *port = (struct port){.port_id = (uint16_t)index};
    if (!rte_eth_dev_is_valid_port(port->port_id))
        return err_add(err, "port '%s': device '%s' (%s) was not found; it needs: %s",
                       wanted->name, wanted->device ? wanted->device : "",
                       wanted->profile->name,
                       wanted->profile->needs ? wanted->profile->needs : "nothing");
    if (make_pool(map, index, port, err) != 0 || configure(wanted, port, err) != 0)
        return -1;
    int rc = rte_eth_dev_start(port->port_id);
    if (rc != 0)
        return err_add(err, "port '%s': does not start: %s", wanted->name, rte_strerror(-rc));
    if (wanted->promiscuous)
        rte_eth_promiscuous_enable(port->port_id); /* best effort: replay ports cannot */
    return settle_mac(wanted, port, err);
}

void port_close(struct port *port)
{
    rte_eth_dev_stop(port->port_id);
    impair_detach(port->impair);
    port->impair = NULL;
    rte_eth_dev_close(port->port_id);
    rte_mempool_free(port->pool);
    port->pool = NULL;
}

void port_stats(const struct port *ports, unsigned port_count, struct counters *counters)
{
    uint64_t missed = 0, errors = 0, no_mbuf = 0;
    for (unsigned i = 0; i < port_count; i++) {
        struct rte_eth_stats stats;
        if (rte_eth_stats_get(ports[i].port_id, &stats) != 0)
            continue;
        missed += stats.imissed;
        errors += stats.ierrors;
        no_mbuf += stats.rx_nombuf;
    }
    counters->values[COUNTER_PORT_MISSED] = missed;
    counters->values[COUNTER_PORT_ERRORS] = errors;
    counters->values[COUNTER_PORT_NO_MBUF] = no_mbuf;
}
