/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/telemetry.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_telemetry.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/core_map.h"
#include "core/ledger.h"

static const struct segment *segment; /* set once, before EAL's thread can ask */

static int show_counters(const char *command, const char *parameters, struct rte_tel_data *data)
{
    struct counters counters;
    (void)command, (void)parameters;
    segment_counters(segment, &counters);
    rte_tel_data_start_dict(data);
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        rte_tel_data_add_dict_u64(data, counter_name(i), counters.values[i]);
    return 0;
}

static int add_stage(struct rte_tel_data *data, const struct counters *counters,
                     enum ledger_stage stage)
{
    struct ledger_balance balance = ledger_balance(counters, stage);
    struct rte_tel_data *row = rte_tel_data_alloc();
    if (row == NULL)
        return -rte_errno;
    rte_tel_data_start_dict(row);
    rte_tel_data_add_dict_string(row, "unit", ledger_stage_unit(stage));
    rte_tel_data_add_dict_u64(row, "in", (uint64_t)balance.in);
    rte_tel_data_add_dict_u64(row, "ended", (uint64_t)balance.ended);
    rte_tel_data_add_dict_int(row, "in_flight", (int)balance.in_flight);
    rte_tel_data_add_dict_int(row, "residual", (int)balance.residual);
    return rte_tel_data_add_dict_container(data, ledger_stage_name(stage), row, 0);
}

static int show_ledger(const char *command, const char *parameters, struct rte_tel_data *data)
{
    struct counters counters;
    (void)command, (void)parameters;
    segment_counters(segment, &counters);
    rte_tel_data_start_dict(data);
    for (unsigned stage = 0; stage < LEDGER_STAGE_COUNT; stage++) {
        int rc = add_stage(data, &counters, stage);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int show_workers(const char *command, const char *parameters, struct rte_tel_data *data)
{
    uint64_t now_ns = clock_mono_ns();
    (void)command, (void)parameters;
    rte_tel_data_start_array(data, RTE_TEL_U64_VAL);
    for (unsigned i = 0; i + 1 < segment->header->lane_count; i++) {
        uint64_t beat = atomic_load_explicit(&segment->header->heartbeat_ns[i],
                                             memory_order_relaxed);
        rte_tel_data_add_array_u64(data, now_ns > beat ? (now_ns - beat) / CLOCK_NS_PER_MS : 0);
    }
    return 0;
}

static void add_pool(struct rte_mempool *pool, void *data)
{
    rte_tel_data_add_dict_u64(data, pool->name, rte_mempool_in_use_count(pool));
}

/* Those in the caches of cores are free. While traffic flows a few may be missed. */
static int show_mbufs(const char *command, const char *parameters, struct rte_tel_data *data)
{
    (void)command, (void)parameters;
    rte_tel_data_start_dict(data);
    rte_mempool_walk(add_pool, data);
    return 0;
}

/* ---- who sends ---- */

static pthread_mutex_t senders_lock = PTHREAD_MUTEX_INITIALIZER; /* of these two */
static const struct senders *senders[CORE_MAP_WORKERS_MAX];
static unsigned sender_tables;

void telemetry_add_senders(const struct senders *of)
{
    pthread_mutex_lock(&senders_lock);
    CHECK(sender_tables < CORE_MAP_WORKERS_MAX);
    senders[sender_tables++] = of;
    pthread_mutex_unlock(&senders_lock);
}

void telemetry_forget_senders(void)
{
    pthread_mutex_lock(&senders_lock);
    sender_tables = 0;
    pthread_mutex_unlock(&senders_lock);
}

/* Telemetry takes no points in names, so an address is a value. */
static void add_sender(struct rte_tel_data *data, unsigned worker, unsigned place,
                       const struct sender_total *total)
{
    char address[INET6_ADDRSTRLEN], name[48];
    struct rte_tel_data *row = rte_tel_data_alloc();
    if (row == NULL)
        return;
    inet_ntop(total->is_ipv6 ? AF_INET6 : AF_INET, total->ip, address, sizeof(address));
    snprintf(name, sizeof(name), "worker_%u/%u", worker, place);
    rte_tel_data_start_dict(row);
    rte_tel_data_add_dict_string(row, "address", address);
    rte_tel_data_add_dict_u64(row, "samples", total->samples);
    rte_tel_data_add_dict_u64(row, "over_quota", total->over_quota);
    rte_tel_data_add_dict_container(data, name, row, 0);
}

/* Each worker's top talkers; a dictionary of telemetry has room for 256 entries. */
static int show_senders(const char *command, const char *parameters, struct rte_tel_data *data)
{
    (void)command, (void)parameters;
    rte_tel_data_start_dict(data);
    pthread_mutex_lock(&senders_lock);
    unsigned each = sender_tables > 8 ? 256 / sender_tables : SENDERS_TOP_MAX;
    for (unsigned i = 0; i < sender_tables; i++) {
        struct sender_total top[SENDERS_TOP_MAX];
        unsigned count = senders_top(senders[i], top, each);
        for (unsigned j = 0; j < count; j++)
            add_sender(data, i, j, &top[j]);
    }
    pthread_mutex_unlock(&senders_lock);
    return 0;
}

int telemetry_register(const struct segment *of, struct err *err)
{
    static const struct {
        const char *name;
        telemetry_cb callback;
        const char *help;
    } commands[] = {
        {"/hekaline/counters", show_counters, "Sum of all counters. No parameters"},
        {"/hekaline/ledger", show_ledger, "Balance of each stage. No parameters"},
        {"/hekaline/workers", show_workers,
         "Milliseconds since each worker's heartbeat. No parameters"},
        {"/hekaline/mbufs", show_mbufs, "Mbufs of each pool that are in use. No parameters"},
        {"/hekaline/senders", show_senders,
         "Samples of the senders that each worker has most from. No parameters"},
    };
    segment = of;
    for (unsigned i = 0; i < ARRAY_COUNT(commands); i++) {
        int rc = rte_telemetry_register_cmd(commands[i].name, commands[i].callback,
                                            commands[i].help);
        if (rc != 0)
            return err_add(err, "telemetry command %s: %d", commands[i].name, rc);
    }
    return 0;
}
