/* SPDX-License-Identifier: MPL-2.0
 *
 * traffic.h - seeded statsd traffic with known totals: datagram k, and what k datagrams add up to.
 *
 * Place:   bench/blast.c sends it, bench/statsd_rate.c checks what arrived. No DPDK in here.
 * Threads: immutable once made.
 * Memory:  traffic_new() makes the datagrams of one cycle; datagram k is number k modulo the cycle.
 * Failure: parameters that cannot be served are refused with all reasons.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum {
    TRAFFIC_NAMES_MAX = 4000000,
    TRAFFIC_NAME_MAX = 200,     /* bytes */
    TRAFFIC_PAYLOAD_MAX = 8958, /* UDP payload of a 9,000-byte IP packet */
    TRAFFIC_FRAME_MAX = TRAFFIC_PAYLOAD_MAX + 42,
    TRAFFIC_FRAME_MIN = 60,  /* without the check sequence: 64 on a wire */
    TRAFFIC_CYCLE_MIN = 2048 /* datagrams before they repeat */
};

enum traffic_type { TRAFFIC_COUNTER, TRAFFIC_GAUGE, TRAFFIC_TIMER, TRAFFIC_TYPE_COUNT };

struct traffic_params {
    uint64_t seed;
    uint32_t names;         /* distinct series; each has one type and one length */
    uint32_t gauge_percent; /* of the names; counters are what is left */
    uint32_t timer_percent;
    uint32_t sampled_percent; /* of the counter samples: sent with |@0.5 */
    uint32_t payload_bytes;   /* lines are packed up to this; 0: one line in each datagram */
    uint32_t name_bytes_min, name_bytes_max; /* with the digits of the largest index at the end */
    uint32_t value_max;                      /* values are 1 to this */
    bool fractions;                          /* gauges have quarters */
};
extern const struct traffic_params traffic_packed; /* 1,432-byte datagrams, 10,000 names */
extern const struct traffic_params traffic_single; /* one line each in 64-byte frames */

/* So many names; the shortest become long enough for the digits of the largest index. */
void traffic_set_names(struct traffic_params *params, uint32_t names);

struct traffic;
int traffic_new(const struct traffic_params *params, struct traffic **out, struct err *err);
void traffic_free(struct traffic *traffic); /* NULL is fine */

uint32_t traffic_names(const struct traffic *traffic);
/* Number of different datagrams. */
uint32_t traffic_cycle(const struct traffic *traffic);
/* Payload of datagram k; borrowed from `traffic`. */
const char *traffic_payload(const struct traffic *traffic, uint64_t k, uint32_t *size);

struct traffic_route {
    uint8_t src_mac[6], dst_mac[6];
    uint32_t src_ip, dst_ip; /* host byte order */
    uint16_t src_port;       /* datagram k of the cycle comes from src_port + k % flows */
    uint16_t dst_port, flows;
};
/* 02:00:00:00:00:02, 10.0.0.2:40000 to 02:00:00:00:00:01, 10.0.0.1:8125, one flow */
extern const struct traffic_route traffic_route_default;

/* Writes datagram k as an Ethernet frame with right checksums, padded to TRAFFIC_FRAME_MIN.
 * `frame` has TRAFFIC_FRAME_MAX bytes. Returns the size. */
uint32_t traffic_frame(const struct traffic *traffic, const struct traffic_route *route, uint64_t k,
                       uint8_t *frame);

/* Any payload, up to TRAFFIC_PAYLOAD_MAX bytes, in the same way; from src_port + flow. */
uint32_t traffic_udp_frame(const struct traffic_route *route, uint32_t flow, const void *payload,
                           uint32_t payload_size, uint8_t *frame);

/* Series i: its type; its name (`text` has TRAFFIC_NAME_MAX + 1 bytes), returns the length. */
enum traffic_type traffic_type(const struct traffic *traffic, uint32_t i);
uint32_t traffic_name(const struct traffic *traffic, uint32_t i, char *text);
/* Which series has that name; -1 for none. */
int64_t traffic_find(const struct traffic *traffic, const char *name, size_t name_len);

struct traffic_total { /* of one series */
    uint64_t samples;
    double sum;  /* counters: with the sample rate applied; timers */
    double last; /* gauges */
};
/* What datagrams first .. first + count - 1 add up to, into totals[names]. */
void traffic_totals(const struct traffic *traffic, uint64_t first, uint64_t count,
                    struct traffic_total *totals);

struct traffic_sum {
    uint64_t datagrams, metrics, payload_bytes;
    uint64_t samples[TRAFFIC_TYPE_COUNT];
    double sums[TRAFFIC_TYPE_COUNT]; /* of all samples' values */
};
void traffic_sum(const struct traffic *traffic, uint64_t first, uint64_t count,
                 struct traffic_sum *sum);

#endif
