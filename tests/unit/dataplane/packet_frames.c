/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/dataplane/packet_frames.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"

static const uint8_t source_ip[4] = {192, 0, 2, 9}, our_ip[4] = {192, 0, 2, 1};

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

uint16_t frame_checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

size_t frame_ip4(uint8_t *frame, uint8_t protocol, uint16_t id, uint16_t place,
                 const uint8_t *payload, size_t size)
{
    static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x99, 8, 0};
    uint8_t *ip = frame + 14;
    CHECK(size <= 65535 - 20);
    memcpy(frame, ethernet, sizeof(ethernet));
    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, 20 + size);
    put16(ip + 4, id);
    put16(ip + 6, place);
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, source_ip, 4);
    memcpy(ip + 16, our_ip, 4);
    put16(ip + 10, frame_checksum(ip, 20));
    memmove(ip + 20, payload, size);
    return 14 + 20 + size;
}

size_t frame_udp_segment(uint8_t *segment, const uint8_t *data, size_t size)
{
    size_t total = 8 + size;
    uint8_t *pseudo = malloc(12 + total);
    CHECK(pseudo != NULL && total <= 65535);
    put16(segment, 40000);
    put16(segment + 2, 8125);
    put16(segment + 4, total);
    put16(segment + 6, 0);
    memmove(segment + 8, data, size);
    memcpy(pseudo, source_ip, 4);
    memcpy(pseudo + 4, our_ip, 4);
    pseudo[8] = 0;
    pseudo[9] = 17;
    put16(pseudo + 10, total);
    memcpy(pseudo + 12, segment, total);
    uint16_t checksum = frame_checksum(pseudo, 12 + total);
    put16(segment + 6, checksum != 0 ? checksum : 0xFFFF);
    free(pseudo);
    return total;
}

size_t frame_udp4(uint8_t *frame, const void *data, size_t size)
{
    size_t total = frame_udp_segment(frame + FRAME_IP_HEADERS, data, size);
    return frame_ip4(frame, 17, 1, 0, frame + FRAME_IP_HEADERS, total);
}

void frame_echo_segment(uint8_t *segment, size_t size)
{
    for (size_t i = 0; i < size; i++)
        segment[i] = (uint8_t)(i * 7);
    segment[0] = 8;
    segment[1] = 0;
    put16(segment + 2, 0);
    put16(segment + 2, frame_checksum(segment, size));
}
