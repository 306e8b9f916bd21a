/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_segment.c - bytes of a segment to its parts, and back.
 */
#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "dataplane/octets.h"
#include "dataplane/tcp/tcp_internal.h"

enum {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_SHIFT = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMP = 8,
    SHIFT_MAX = 14, /* RFC 7323 section 2.3 */
    URGENT_AT = 18
};

static void parse_option(const uint8_t *option, unsigned size, struct tcp_segment *segment)
{
    bool is_syn = (segment->flags & TCP_SYN) != 0;
    switch (option[0]) {
    case OPTION_TIMESTAMP:
        if (size != 10)
            return;
        segment->has_timestamp = true;
        segment->tsval = octets_load_be32(option + 2);
        segment->tsecr = octets_load_be32(option + 6);
        return;
    case OPTION_MSS:
        if (size == 4 && is_syn)
            segment->mss = octets_load_be16(option + 2);
        return;
    case OPTION_SHIFT:
        if (size == 3 && is_syn)
            segment->shift = option[2] < SHIFT_MAX ? option[2] : SHIFT_MAX;
        return;
    case OPTION_SACK_PERMITTED:
        segment->has_sack_permitted |= size == 2 && is_syn;
        return;
    default: /* SACK and unknown ones mean nothing to who sends no data */
        return;
    }
}

/* An option that reaches behind the header ends the list (RFC 9293 section 3.1: illegal lengths
 * must be survived). */
static void parse_options(const uint8_t *options, unsigned size, struct tcp_segment *segment)
{
    unsigned at = 0;
    while (at < size && options[at] != OPTION_END) {
        if (options[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (at + 2 > size || options[at + 1] < 2 || at + options[at + 1] > size)
            return;
        parse_option(options + at, options[at + 1], segment);
        at += options[at + 1];
    }
}

bool tcp_segment_parse(const struct tcp_packet *packet, struct tcp_segment *segment)
{
    const uint8_t *header = packet->bytes;
    if (packet->size < TCP_HEADER_SIZE)
        return false;
    unsigned header_size = (unsigned)(header[12] >> 4) * 4;
    if (header_size < TCP_HEADER_SIZE || header_size > packet->size)
        return false;
    *segment = (struct tcp_segment){
        .seq = octets_load_be32(header + 4),
        .ack = octets_load_be32(header + 8),
        .flags = header[13] & 0x3f, /* without ECE and CWR, which an ECN peer sets in its SYN */
        .window = octets_load_be16(header + 14),
        .payload = header + header_size,
        .size = packet->size - header_size,
        .shift = TCP_NO_SHIFT,
    };
    uint8_t flags = segment->flags;
    if ((flags & TCP_SYN) && (flags & (TCP_FIN | TCP_RST)))
        return false;
    parse_options(header + TCP_HEADER_SIZE, header_size - TCP_HEADER_SIZE, segment);
    return true;
}

/* ---- writing ---- */

static uint8_t *put_be16(uint8_t *at, uint16_t value)
{
    octets_store_be16(at, value);
    return at + 2;
}

static uint8_t *put_be32(uint8_t *at, uint32_t value)
{
    octets_store_be32(at, value);
    return at + 4;
}

/* Those of a SYN, a timestamp, four SACK blocks: never all at once. */
enum { OPTIONS_ALL_SIZE = 12 + 12 + 36 };

static uint8_t *put_syn_options(uint8_t *at, const struct tcp_header *header)
{
    if (header->mss > 0) {
        *at++ = OPTION_MSS;
        *at++ = 4;
        at = put_be16(at, header->mss);
    }
    if (header->shift != TCP_NO_SHIFT) {
        *at++ = OPTION_NOP;
        *at++ = OPTION_SHIFT;
        *at++ = 3;
        *at++ = header->shift;
    }
    if (header->has_sack_permitted) {
        *at++ = OPTION_NOP;
        *at++ = OPTION_NOP;
        *at++ = OPTION_SACK_PERMITTED;
        *at++ = 2;
    }
    return at;
}

static uint8_t *put_options(uint8_t *at, const struct tcp_header *header)
{
    at = put_syn_options(at, header);
    if (header->has_timestamp) {
        *at++ = OPTION_NOP;
        *at++ = OPTION_NOP;
        *at++ = OPTION_TIMESTAMP;
        *at++ = 10;
        at = put_be32(put_be32(at, header->tsval), header->tsecr);
    }
    if (header->sack_count > 0) {
        *at++ = OPTION_NOP;
        *at++ = OPTION_NOP;
        *at++ = OPTION_SACK;
        *at++ = (uint8_t)(2 + 8 * header->sack_count);
        for (unsigned i = 0; i < header->sack_count; i++)
            at = put_be32(put_be32(at, header->sacks[i].start), header->sacks[i].end);
    }
    return at;
}

void tcp_send_header(struct tcp *tcp, const struct tcp_flow *flow, const uint8_t *path,
                     const struct tcp_header *header)
{
    uint8_t bytes[TCP_HEADER_SIZE + OPTIONS_ALL_SIZE] = {0};
    memcpy(bytes, &flow->local_port_be, 2);
    memcpy(bytes + 2, &flow->remote_port_be, 2);
    put_be32(put_be32(bytes + 4, header->seq), header->ack);
    uint8_t *end = put_options(bytes + TCP_HEADER_SIZE, header);
    CHECK(end - bytes <= TCP_HEADER_SIZE_MAX);
    bytes[12] = (uint8_t)((unsigned)(end - bytes) / 4 << 4);
    bytes[13] = header->flags;
    put_be16(bytes + 14, header->window);
    put_be16(bytes + URGENT_AT, 0);
    struct tcp_answer answer = {flow, path, bytes, (unsigned)(end - bytes)};
    tcp_count(tcp, TCP_SENT);
    tcp->config.handler->send(tcp->config.context, &answer);
}

static bool may_reset(struct tcp *tcp)
{
    uint64_t second = tcp->now_ns / CLOCK_NS_PER_S;
    if (second != tcp->reset_second) {
        tcp->reset_second = second;
        tcp->resets = 0;
    }
    if (tcp->resets >= tcp->config.resets_per_s) {
        tcp_count(tcp, TCP_RESETS_LIMITED);
        return false;
    }
    tcp->resets++;
    return true;
}

void tcp_send_reset_for(struct tcp *tcp, const struct tcp_packet *packet,
                        const struct tcp_segment *segment)
{
    struct tcp_header header = {.flags = TCP_RST, .shift = TCP_NO_SHIFT};
    if ((segment->flags & TCP_RST) || !may_reset(tcp))
        return;
    if (segment->flags & TCP_ACK) {
        header.seq = segment->ack;
    } else {
        header.flags |= TCP_ACK;
        header.ack = segment->seq + segment->size + ((segment->flags & TCP_SYN) ? 1 : 0) +
                     ((segment->flags & TCP_FIN) ? 1 : 0);
    }
    tcp_count(tcp, TCP_SENT_RESETS);
    tcp_send_header(tcp, &packet->flow, packet->path, &header);
}
