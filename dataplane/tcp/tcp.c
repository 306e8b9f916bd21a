/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/tcp/tcp.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/page_alloc.h"
#include "dataplane/tcp/tcp_internal.h"

static const struct {
    const char *name, *help;
} counter_texts[TCP_COUNTER_COUNT] = {
#define TCP_COUNTER(id, name, help) {name, help},
#include "core/tcp_counters.def"
};

const char *tcp_counter_name(enum tcp_counter id)
{
    return counter_texts[id].name;
}

const char *tcp_counter_help(enum tcp_counter id)
{
    return counter_texts[id].help;
}

/* ---- configuration ---- */

static void default_to(uint64_t *value, uint64_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value != 0 ? value : otherwise;
}

static void set_defaults(struct tcp_config *config)
{
    config->connections_max = or_default(config->connections_max, 16384);
    config->half_open_max = or_default(config->half_open_max, 4096);
    default_to(&config->pool_bytes, 64u << 20);
    config->window_initial = or_default(config->window_initial, 64u << 10);
    config->window_max = or_default(config->window_max, TCP_WINDOW_MAX);
    default_to(&config->window_budget, 16 * config->pool_bytes);
    config->mss4 = (uint16_t)or_default(config->mss4, 1460);
    config->mss6 = (uint16_t)or_default(config->mss6, 1440);
    default_to(&config->delayed_ack_ns, 40 * CLOCK_NS_PER_MS);
    default_to(&config->keepalive_ns, 600 * CLOCK_NS_PER_S);
    default_to(&config->probe_ns, 15 * CLOCK_NS_PER_S);
    config->probes = or_default(config->probes, 8);
    config->challenges_per_s = or_default(config->challenges_per_s, 10);
    config->resets_per_s = or_default(config->resets_per_s, 1000);
}

static int check_config(const struct tcp_config *config, struct err *err)
{
    if (config->window_max > TCP_WINDOW_MAX || config->window_initial > config->window_max)
        return err_add(err, "TCP windows: found %u and %u bytes, at most %d are possible",
                       config->window_initial, config->window_max, TCP_WINDOW_MAX);
    if (config->pool_bytes / TCP_BLOCK_SIZE < 4 ||
        config->pool_bytes / TCP_BLOCK_SIZE >= UINT32_MAX)
        return err_add(err, "TCP pool: found %llu bytes, from 8,192 to 8 TB are possible",
                       (unsigned long long)config->pool_bytes);
    return 0;
}

/* ---- the instance ---- */

static void make_free_lists(struct tcp *tcp)
{
    const struct tcp_config *config = &tcp->config;
    for (unsigned i = 0; i < config->connections_max; i++)
        tcp->connections[i].next_free = i + 1 < config->connections_max ? i + 1 : TCP_NONE;
    for (unsigned i = 0; i < config->half_open_max; i++)
        tcp->half_opens[i].next = i + 1 < config->half_open_max ? i + 1 : TCP_NONE;
    for (uint32_t i = 0; i < tcp->block_count; i++)
        tcp->free_blocks[i] = tcp->block_count - 1 - i;
    tcp->free_block_count = tcp->block_count;
    for (unsigned i = 0; i < TCP_LIST_COUNT; i++)
        tcp->lists[i] = (struct tcp_list){TCP_NONE, TCP_NONE};
    tcp->half_open_list = (struct tcp_list){TCP_NONE, TCP_NONE};
}

/* Each use of the secret has a key of its own. */
static struct siphash_key derive(const struct siphash_key *secret, const char *use)
{
    uint64_t low = siphash(secret, use, strlen(use));
    return (struct siphash_key){{low, siphash(secret, &low, sizeof(low))}};
}

static void make_keys(struct tcp *tcp)
{
    struct siphash_key secret = siphash_key_from(tcp->config.secret);
    tcp->sequence_key = derive(&secret, "sequence");
    tcp->cookie_key = derive(&secret, "cookie");
    tcp->timestamp_key = derive(&secret, "timestamp");
}

static int allocate(struct tcp *tcp)
{
    const struct tcp_config *config = &tcp->config;
    tcp->block_count = (uint32_t)(config->pool_bytes / TCP_BLOCK_SIZE);
    tcp->connections = page_alloc(config->connections_max, sizeof(*tcp->connections));
    tcp->half_opens = calloc(config->half_open_max, sizeof(*tcp->half_opens));
    tcp->burst = calloc(config->connections_max, sizeof(*tcp->burst));
    tcp->free_blocks = calloc(tcp->block_count, sizeof(*tcp->free_blocks));
    /* Pages are not there before their first use. */
    tcp->blocks = aligned_alloc(TCP_BLOCK_SIZE, (size_t)tcp->block_count * TCP_BLOCK_SIZE);
    if (tcp->connections == NULL || tcp->half_opens == NULL || tcp->burst == NULL ||
        tcp->free_blocks == NULL || tcp->blocks == NULL)
        return -1;
    if (tcp_table_init(&tcp->table, tcp->connections, sizeof(*tcp->connections),
                       config->connections_max, config->secret) != 0)
        return -1;
    return tcp_table_init(&tcp->half_open_table, tcp->half_opens, sizeof(*tcp->half_opens),
                          config->half_open_max, config->secret);
}

int tcp_new(const struct tcp_config *config, struct tcp **out, struct err *err)
{
    struct tcp *tcp = calloc(1, sizeof(*tcp));
    if (tcp == NULL)
        return err_add(err, "out of memory");
    tcp->config = *config;
    set_defaults(&tcp->config);
    if (check_config(&tcp->config, err) != 0)
        goto out;
    if (allocate(tcp) != 0) {
        err_add(err, "out of memory for %u TCP connections and %llu bytes",
                tcp->config.connections_max, (unsigned long long)tcp->config.pool_bytes);
        goto out;
    }
    make_free_lists(tcp);
    make_keys(tcp);
    *out = tcp;
    return 0;
out:
    tcp_free(tcp);
    return -1;
}

void tcp_free(struct tcp *tcp)
{
    if (tcp == NULL)
        return;
    tcp_table_fini(&tcp->table);
    tcp_table_fini(&tcp->half_open_table);
    free(tcp->connections);
    free(tcp->half_opens);
    free(tcp->burst);
    free(tcp->free_blocks);
    free(tcp->blocks);
    free(tcp);
}

/* ---- entry ---- */

uint32_t tcp_prefetch(const struct tcp *tcp, const struct tcp_packet *packet)
{
    return tcp_table_prefetch(&tcp->table, &packet->flow);
}

void tcp_prefetch_connection(const struct tcp *tcp, uint32_t hash)
{
    uint32_t index = tcp_table_look(&tcp->table, hash);
    if (index == TCP_NONE)
        return;
    const char *connection = (const char *)&tcp->connections[index];
    for (size_t at = 0; at < sizeof(tcp->connections[0]); at += 64) /* cache lines */
        __builtin_prefetch(connection + at, 1);
}

const void *tcp_prefetch_user(const struct tcp *tcp, uint32_t hash)
{
    uint32_t index = tcp_table_look(&tcp->table, hash);
    return index == TCP_NONE ? NULL : tcp->connections[index].user;
}

void tcp_take(struct tcp *tcp, const struct tcp_packet *packet, uint64_t now_ns)
{
    struct tcp_segment segment;
    tcp->now_ns = now_ns;
    tcp_count(tcp, TCP_SEGMENTS);
    if (!tcp_segment_parse(packet, &segment)) {
        tcp_count(tcp, TCP_SEGMENT_MALFORMED);
        return;
    }
    uint32_t index = tcp_table_find(&tcp->table, &packet->flow);
    if (index != TCP_NONE)
        tcp_receive_take(tcp, &tcp->connections[index], packet, &segment);
    else
        tcp_open_take(tcp, packet, &segment);
}

void tcp_flush(struct tcp *tcp, uint64_t now_ns)
{
    tcp->now_ns = now_ns;
    tcp_ack_flush(tcp);
}

void tcp_expire(struct tcp *tcp, uint64_t now_ns)
{
    tcp->now_ns = now_ns;
    tcp_timer_run(tcp);
}

bool tcp_credit(struct tcp *tcp, struct tcp_connection *connection, uint64_t now_ns)
{
    tcp->now_ns = now_ns;
    tcp_receive_deliver(tcp, connection);
    tcp_ack_window(tcp, connection);
    bool is_done = tcp_is_all_delivered(connection);
    tcp_close_if_done(tcp, connection);
    return is_done;
}

unsigned tcp_connection_count(const struct tcp *tcp)
{
    return tcp->connection_count;
}

unsigned tcp_half_open_count(const struct tcp *tcp)
{
    return tcp->half_open_count;
}

unsigned tcp_blocks_used(const struct tcp *tcp)
{
    return tcp->block_count - tcp->free_block_count;
}

const uint64_t *tcp_counters(const struct tcp *tcp)
{
    return tcp->counters;
}
