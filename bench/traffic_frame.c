/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include "bench/traffic.h"

enum {
    ETH_BYTES = 14,
    IP_BYTES = 20,
    UDP_BYTES = 8,
    HEADERS_BYTES = ETH_BYTES + IP_BYTES + UDP_BYTES,
    PROTOCOL_UDP = 17,
    TIME_TO_LIVE = 64
};

const struct traffic_route traffic_route_default = {.src_mac = {0x02, 0, 0, 0, 0, 0x02},
                                                    .dst_mac = {0x02, 0, 0, 0, 0, 0x01},
                                                    .src_ip = 0x0a000002,
                                                    .dst_ip = 0x0a000001,
                                                    .src_port = 40000,
                                                    .dst_port = 8125,
                                                    .flows = 1};

static uint8_t *put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    return put16(put16(at, value >> 16), value & 0xffff);
}

/* One's complement sum of big-endian words (RFC 1071). */
static uint32_t add_words(uint32_t sum, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    if (size % 2 != 0)
        sum += (uint32_t)bytes[size - 1] << 8;
    return sum;
}

static unsigned finish_sum(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static void write_ip(const struct traffic_route *route, uint32_t payload_size, uint8_t *ip)
{
    uint8_t *at = put16(ip, 0x4500);
    at = put16(at, IP_BYTES + UDP_BYTES + payload_size);
    at = put32(at, 0x00004000); /* identification 0, do not fragment */
    at = put16(at, TIME_TO_LIVE << 8 | PROTOCOL_UDP);
    at = put16(at, 0);
    at = put32(at, route->src_ip);
    put32(at, route->dst_ip);
    put16(ip + 10, finish_sum(add_words(0, ip, IP_BYTES)));
}

/* The payload is there already. */
static void write_udp(const struct traffic_route *route, uint32_t flow, uint32_t payload_size,
                      uint8_t *ip)
{
    uint32_t size = UDP_BYTES + payload_size;
    uint8_t *udp = ip + IP_BYTES;
    uint8_t *at = put16(udp, (route->src_port + flow) & 0xffff);
    at = put16(at, route->dst_port);
    at = put16(at, size);
    put16(at, 0);
    uint32_t sum = add_words(PROTOCOL_UDP + size, ip + 12, 8); /* pseudo header: both addresses */
    unsigned checksum = finish_sum(add_words(sum, udp, size));
    put16(udp + 6, checksum != 0 ? checksum : 0xffff);
}

uint32_t traffic_udp_frame(const struct traffic_route *route, uint32_t flow, const void *payload,
                           uint32_t payload_size, uint8_t *frame)
{
    uint32_t size = HEADERS_BYTES + payload_size;
    memcpy(frame, route->dst_mac, 6);
    memcpy(frame + 6, route->src_mac, 6);
    put16(frame + 12, 0x0800);
    memcpy(frame + HEADERS_BYTES, payload, payload_size);
    write_ip(route, payload_size, frame + ETH_BYTES);
    write_udp(route, flow, payload_size, frame + ETH_BYTES);
    if (size < TRAFFIC_FRAME_MIN) {
        memset(frame + size, 0, TRAFFIC_FRAME_MIN - size);
        size = TRAFFIC_FRAME_MIN;
    }
    return size;
}

uint32_t traffic_frame(const struct traffic *traffic, const struct traffic_route *route, uint64_t k,
                       uint8_t *frame)
{
    uint32_t payload_size;
    const char *payload = traffic_payload(traffic, k, &payload_size);
    uint32_t flows = route->flows > 0 ? route->flows : 1;
    uint32_t flow = (uint32_t)(k % traffic_cycle(traffic)) % flows;
    return traffic_udp_frame(route, flow, payload, payload_size, frame);
}
