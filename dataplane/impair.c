/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/impair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

enum {
    PERMILLE = 1000,
    PASSING_MAX = 8,
    BURST_MAX = 512,
    PROTOCOL_TCP = 6,
    TCP_CHECKSUM_AT = 16
};

struct impair_queue {
    const struct impair_config *config;
    uint64_t random;
    struct rte_mbuf *held[IMPAIR_HELD_MAX];
    unsigned passing[IMPAIR_HELD_MAX]; /* frames, or polls, until it comes */
    struct rte_mbuf *over[IMPAIR_HELD_MAX]; /* for which the last burst had no room */
    unsigned over_count;
    const struct rte_eth_rxtx_callback *on_receive, *on_send;
};

struct impair {
    struct impair_config config;
    uint16_t port_id;
    unsigned queue_count;
    struct impair_queue queues[];
};

/* ---- arguments ---- */

static unsigned *permille_of(struct impair_config *config, const char *key)
{
    if (strcmp(key, "loss") == 0)
        return &config->loss;
    if (strcmp(key, "ack_loss") == 0)
        return &config->ack_loss;
    if (strcmp(key, "reorder") == 0)
        return &config->reorder;
    return strcmp(key, "duplicate") == 0 ? &config->duplicate : NULL;
}

static int parse_one(char *word, struct impair_config *config, struct err *err)
{
    char *value = strchr(word, '='), *end = NULL;
    if (value != NULL) {
        *value++ = '\0';
        unsigned *permille = permille_of(config, word);
        errno = 0;
        uint64_t number = strtoull(value, &end, 10);
        bool is_number = errno == 0 && end != value && *end == '\0' && *value != '-';
        if (is_number && permille != NULL && number < PERMILLE) {
            *permille = (unsigned)number;
            return 0;
        }
        if (is_number && strcmp(word, "seed") == 0) {
            config->seed = number;
            return 0;
        }
    }
    return err_add(err, "--impair: found '%s%s%s', allowed loss, ack_loss, reorder, duplicate "
                   "(=0 to 999) and seed", word, value != NULL ? "=" : "",
                   value != NULL ? value : "");
}

int impair_parse(const char *text, struct impair_config *config, struct err *err)
{
    char *copy = strdup(text), *rest = NULL;
    int rc = copy != NULL ? 0 : err_add(err, "out of memory");
    *config = (struct impair_config){.seed = 1};
    if (copy == NULL)
        return rc;
    for (char *word = strtok_r(copy, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest))
        rc |= parse_one(word, config, err);
    free(copy);
    return rc;
}

/* ---- frames ---- */

/* splitmix64, as in matcher/message_sink.c. */
static bool happens(struct impair_queue *queue, unsigned permille)
{
    if (permille == 0)
        return false;
    uint64_t z = queue->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % PERMILLE < permille;
}

/* Where the TCP header of an untagged frame is, or NULL. */
static uint8_t *tcp_of(struct rte_mbuf *mbuf)
{
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    uint16_t size = rte_pktmbuf_data_len(mbuf);
    const size_t ip_at = RTE_ETHER_HDR_LEN;
    if (size < ip_at + sizeof(struct rte_ipv4_hdr))
        return NULL;
    uint16_t type = (uint16_t)(frame[12] << 8 | frame[13]);
    bool is_ip4 = type == RTE_ETHER_TYPE_IPV4 && frame[ip_at + 9] == PROTOCOL_TCP;
    bool is_ip6 = type == RTE_ETHER_TYPE_IPV6 && frame[ip_at + 6] == PROTOCOL_TCP;
    size_t at = ip_at + (is_ip4 ? (size_t)(frame[ip_at] & 15) * 4 : sizeof(struct rte_ipv6_hdr));
    return (is_ip4 || is_ip6) && size >= at + TCP_CHECKSUM_AT + 2 ? frame + at : NULL;
}

static bool hold(struct impair_queue *queue, struct rte_mbuf *mbuf)
{
    for (unsigned i = 0; i < IMPAIR_HELD_MAX; i++) {
        if (queue->held[i] != NULL)
            continue;
        queue->held[i] = mbuf;
        queue->passing[i] = 1 + (unsigned)(queue->random >> 32) % PASSING_MAX;
        return true;
    }
    return false;
}

struct burst {
    struct rte_mbuf *mbufs[BURST_MAX + IMPAIR_HELD_MAX];
    unsigned count, count_max; /* what is above it is for the next one */
};

static void let_pass(struct impair_queue *queue, struct burst *burst, unsigned reserved)
{
    for (unsigned i = 0; i < IMPAIR_HELD_MAX; i++) {
        if (queue->held[i] == NULL)
            continue;
        if (queue->passing[i] > 0)
            queue->passing[i]--;
        if (queue->passing[i] > 0 || burst->count + reserved >= burst->count_max + IMPAIR_HELD_MAX)
            continue;
        burst->mbufs[burst->count++] = queue->held[i];
        queue->held[i] = NULL;
    }
}

/* `left`: frames behind it, which need room, too. */
static void take_one(struct impair_queue *queue, struct rte_mbuf *mbuf, struct burst *burst,
                     unsigned left)
{
    const struct impair_config *config = queue->config;
    bool is_tcp = tcp_of(mbuf) != NULL;
    if (is_tcp && happens(queue, config->loss)) {
        rte_pktmbuf_free(mbuf);
        return;
    }
    if (is_tcp && happens(queue, config->reorder) && hold(queue, mbuf))
        return;
    burst->mbufs[burst->count++] = mbuf;
    if (is_tcp && burst->count + left < burst->count_max + IMPAIR_HELD_MAX &&
        happens(queue, config->duplicate)) {
        struct rte_mbuf *copy = rte_pktmbuf_copy(mbuf, mbuf->pool, 0, UINT32_MAX);
        if (copy != NULL)
            burst->mbufs[burst->count++] = copy;
    }
    let_pass(queue, burst, left);
}

static uint16_t on_receive(uint16_t port_id, uint16_t queue_id, struct rte_mbuf *mbufs[],
                           uint16_t count, uint16_t count_max, void *arg)
{
    struct impair_queue *queue = arg;
    struct burst burst = {.count = queue->over_count, .count_max = count_max};
    (void)port_id;
    (void)queue_id;
    if (count_max > BURST_MAX || count_max < IMPAIR_HELD_MAX)
        return count;
    memcpy(burst.mbufs, queue->over, queue->over_count * sizeof(*mbufs));
    for (unsigned i = 0; i < count; i++)
        take_one(queue, mbufs[i], &burst, count - i - 1u);
    if (count == 0)
        let_pass(queue, &burst, 0);
    count = (uint16_t)(burst.count < count_max ? burst.count : count_max);
    queue->over_count = burst.count - count;
    memcpy(mbufs, burst.mbufs, count * sizeof(*mbufs));
    memcpy(queue->over, burst.mbufs + count, queue->over_count * sizeof(*mbufs));
    return count;
}

static uint16_t on_send(uint16_t port_id, uint16_t queue_id, struct rte_mbuf *mbufs[],
                        uint16_t count, void *arg)
{
    struct impair_queue *queue = arg;
    (void)port_id;
    (void)queue_id;
    for (unsigned i = 0; i < count; i++) {
        uint8_t *tcp = tcp_of(mbufs[i]);
        if (tcp != NULL && happens(queue, queue->config->ack_loss))
            tcp[TCP_CHECKSUM_AT] ^= 0x55;
    }
    return count;
}

/* ---- its life ---- */

static int attach_queue(struct impair *impair, uint16_t queue_id, struct err *err)
{
    struct impair_queue *queue = &impair->queues[queue_id];
    queue->config = &impair->config;
    queue->random = impair->config.seed + queue_id;
    queue->on_receive =
        rte_eth_add_rx_callback(impair->port_id, queue_id, on_receive, queue);
    queue->on_send = rte_eth_add_tx_callback(impair->port_id, queue_id, on_send, queue);
    if (queue->on_receive == NULL || queue->on_send == NULL)
        return err_add(err, "--impair: this DPDK has no callbacks");
    return 0;
}

int impair_attach(const struct impair_config *config, uint16_t port_id, unsigned queue_count,
                  struct impair **out, struct err *err)
{
    struct impair *impair =
        calloc(1, sizeof(*impair) + queue_count * sizeof(impair->queues[0]));
    if (impair == NULL)
        return err_add(err, "out of memory");
    impair->config = *config;
    impair->port_id = port_id;
    impair->queue_count = queue_count;
    int rc = 0;
    for (unsigned i = 0; i < queue_count && rc == 0; i++)
        rc = attach_queue(impair, (uint16_t)i, err);
    if (rc == 0)
        *out = impair;
    else
        impair_detach(impair);
    return rc;
}

void impair_detach(struct impair *impair)
{
    if (impair == NULL)
        return;
    for (unsigned i = 0; i < impair->queue_count; i++) {
        struct impair_queue *queue = &impair->queues[i];
        if (queue->on_receive != NULL)
            rte_eth_remove_rx_callback(impair->port_id, (uint16_t)i, queue->on_receive);
        if (queue->on_send != NULL)
            rte_eth_remove_tx_callback(impair->port_id, (uint16_t)i, queue->on_send);
        rte_pktmbuf_free_bulk(queue->held, IMPAIR_HELD_MAX);
        rte_pktmbuf_free_bulk(queue->over, queue->over_count);
    }
    free(impair);
}
