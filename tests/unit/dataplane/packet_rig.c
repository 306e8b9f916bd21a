/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/dataplane/packet_rig.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "core/check.h"
#include "core/ledger.h"

static struct rte_mempool *pool;
static struct rte_ring *sent;
static uint16_t port;
static struct listener_table *listeners;
static struct core_map_address addresses[RIG_ADDRESS_COUNT];

static void start_eal(void)
{
    char prefix[64], core[16];
    snprintf(prefix, sizeof(prefix), "--file-prefix=hekaline-test-%ld", (long)getpid());
    snprintf(core, sizeof(core), "%d", sched_getcpu());
    char program[] = "test", huge[] = "--no-huge", memory[] = "-m", size[] = "64",
         shared[] = "--no-shconf", telemetry[] = "--no-telemetry", pci[] = "--no-pci",
         list[] = "-l", level[] = "--log-level=error";
    char *arguments[] = {program, huge, memory, size,   shared, telemetry,
                         pci,     list, core,   prefix, level,  NULL};
    CHECK(rte_eal_init((int)ARRAY_COUNT(arguments) - 1, arguments) >= 0);
}

static void start_port(void)
{
    const struct rte_eth_conf conf = {0};
    struct rte_ring *received = rte_ring_create("rig_rx", 64, SOCKET_ID_ANY, 0);
    sent = rte_ring_create("rig_tx", RIG_ANSWERS_MAX + 1, SOCKET_ID_ANY, 0);
    CHECK(received != NULL && sent != NULL);
    int id = rte_eth_from_rings("rig", &received, 1, &sent, 1, 0);
    CHECK(id >= 0);
    port = (uint16_t)id;
    CHECK(rte_eth_dev_configure(port, 1, 1, &conf) == 0);
    CHECK(rte_eth_rx_queue_setup(port, 0, 64, 0, NULL, pool) == 0);
    CHECK(rte_eth_tx_queue_setup(port, 0, 64, 0, NULL) == 0);
    CHECK(rte_eth_dev_start(port) == 0);
}

static void set_addresses(void)
{
    CHECK(inet_pton(AF_INET, "192.0.2.1", &addresses[0].ip4) == 1);
    CHECK(inet_pton(AF_INET, "192.0.2.2", &addresses[1].ip4) == 1);
    CHECK(inet_pton(AF_INET6, "2001:db8::1", &addresses[2].ip6) == 1);
    CHECK(inet_pton(AF_INET6, "fe80::1", &addresses[3].ip6) == 1);
    addresses[2].is_ipv6 = addresses[3].is_ipv6 = true;
}

static void set_listeners(void)
{
    static const char *const texts[] = {"192.0.2.1:8125", "0.0.0.0:8126", "[2001:db8::1]:8125",
                                        "[::]:8127"};
    struct listener_address parsed[ARRAY_COUNT(texts)];
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        CHECK(listener_address_parse(texts[i], &parsed[i]) == 0);
    CHECK(listener_table_build(parsed, ARRAY_COUNT(texts), &listeners, NULL) == 0);
}

static void start(void)
{
    start_eal();
    pool = rte_pktmbuf_pool_create("rig", RIG_POOL_SIZE, 0, 0,
                                   RTE_PKTMBUF_HEADROOM + RIG_ROOM_SIZE, SOCKET_ID_ANY);
    CHECK(pool != NULL);
    start_port();
    set_addresses();
    set_listeners();
}

struct packet_config rig_config(void)
{
    if (pool == NULL)
        start();
    return (struct packet_config){.port_id = port,
                                  .queue_id = 0,
                                  .mac = {{0x02, 0, 0, 0, 0, 0x01}},
                                  .addresses = addresses,
                                  .address_count = RIG_ADDRESS_COUNT,
                                  .pool = pool,
                                  .listeners = listeners,
                                  .fragments_max = RIG_FRAGMENTS_MAX};
}

void rig_open(struct packet_rig *rig, struct packet_config config)
{
    *rig = (struct packet_rig){0};
    config.counters = &rig->counters;
    struct err err = {0};
    if (packet_stage_new(&config, &rig->stage, &err) != 0)
        err_print(&err, stderr);
    CHECK(rig->stage != NULL);
}

void rig_close(struct packet_rig *rig)
{
    rig_release(rig);
    rig_expire(rig, UINT64_MAX);
    CHECK(rig_count(rig, COUNTER_FRAG_HELD) == 0);
    packet_stage_free(rig->stage);
    rig_drop_answers();
    CHECK(rte_mempool_avail_count(pool) == RIG_POOL_SIZE);
}

struct rte_mbuf *rig_mbuf(const uint8_t *frame, size_t size)
{
    return rig_mbuf_chain(frame, size, RIG_ROOM_SIZE);
}

struct rte_mbuf *rig_mbuf_chain(const uint8_t *frame, size_t size, size_t segment_size)
{
    struct rte_mbuf *head = NULL;
    CHECK(segment_size > 0 && segment_size <= RIG_ROOM_SIZE);
    do {
        size_t part = RTE_MIN(size, segment_size);
        struct rte_mbuf *segment = rte_pktmbuf_alloc(pool);
        CHECK(segment != NULL);
        if (part > 0)
            memcpy(rte_pktmbuf_append(segment, (uint16_t)part), frame, part);
        if (head == NULL) {
            head = segment;
        } else if (rte_pktmbuf_chain(head, segment) != 0) {
            rte_pktmbuf_free(segment);
            rte_pktmbuf_free(head);
            return NULL;
        }
        frame += part;
        size -= part;
    } while (size > 0);
    return head;
}

static void free_exact(void *buffer, void *shared)
{
    free(buffer);
    free(shared);
}

struct rte_mbuf *rig_mbuf_exact(const uint8_t *frame, size_t size)
{
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
    struct rte_mbuf_ext_shared_info *shared = malloc(sizeof(*shared));
    uint8_t *buffer = malloc(size > 0 ? size : 1);
    CHECK(mbuf != NULL && shared != NULL && buffer != NULL && size <= UINT16_MAX);
    if (size > 0)
        memcpy(buffer, frame, size);
    *shared = (struct rte_mbuf_ext_shared_info){.free_cb = free_exact, .fcb_opaque = shared};
    rte_mbuf_ext_refcnt_set(shared, 1);
    rte_pktmbuf_attach_extbuf(mbuf, buffer, 0, (uint16_t)size, shared);
    mbuf->data_off = 0;
    mbuf->data_len = (uint16_t)size;
    mbuf->pkt_len = (uint32_t)size;
    return mbuf;
}

void rig_burst(struct packet_rig *rig, struct rte_mbuf **mbufs, unsigned count, uint64_t now_ns)
{
    rig_release(rig);
    rig->datagram_count = packet_burst(rig->stage, mbufs, count, now_ns, rig->datagrams);
    CHECK(rig->datagram_count <= count);
    rig->counters.values[COUNTER_DATAGRAMS_STATSD] += rig->datagram_count;
    rig_check_books(rig);
}

void rig_burst_one(struct packet_rig *rig, const uint8_t *frame, size_t size)
{
    struct rte_mbuf *mbuf = rig_mbuf(frame, size);
    CHECK(mbuf != NULL);
    rig_burst(rig, &mbuf, 1, 0);
}

void rig_release(struct packet_rig *rig)
{
    packet_release(rig->stage);
    rig->datagram_count = 0;
}

void rig_expire(struct packet_rig *rig, uint64_t now_ns)
{
    packet_expire(rig->stage, now_ns);
    rig_check_books(rig);
}

void rig_check_books(const struct packet_rig *rig)
{
    CHECK(ledger_balance(&rig->counters, LEDGER_FRAME).residual == 0);
    CHECK(ledger_balance(&rig->counters, LEDGER_PACKET).residual == 0);
    CHECK(rig_count(rig, COUNTER_FRAG_HELD) <= rig_count(rig, COUNTER_FRAMES_RX));
}

uint64_t rig_count(const struct packet_rig *rig, enum counter_id counter)
{
    return rig->counters.values[counter];
}

struct rte_mbuf *rig_answer(void)
{
    void *mbuf = NULL;
    return rte_ring_dequeue(sent, &mbuf) == 0 ? mbuf : NULL;
}

void rig_drop_answers(void)
{
    struct rte_mbuf *mbuf;
    while ((mbuf = rig_answer()) != NULL)
        rte_pktmbuf_free(mbuf);
}
