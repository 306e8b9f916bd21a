/* SPDX-License-Identifier: MPL-2.0
 *
 * packet_frames.h - frames for tests, with checksums from a plain loop that shares no code with the
 *                   data plane.
 *
 * Place:   the test_packet_*.c programs. From 02:00:00:00:00:99 and 192.0.2.9, UDP port 40000, to
 *          the rig's first address and port 8125.
 * Memory:  the caller's; FRAME_SIZE_MAX bytes are always enough.
 */
#ifndef TESTS_UNIT_DATAPLANE_PACKET_FRAMES_H
#define TESTS_UNIT_DATAPLANE_PACKET_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_SIZE_MAX = 14 + 65535, FRAME_UDP_HEADERS = 14 + 20 + 8, FRAME_IP_HEADERS = 14 + 20 };

/* RFC 1071, 16 bits at a time; result as a number. */
uint16_t frame_checksum(const uint8_t *data, size_t size);

/* Ethernet and IPv4 headers, with `size` bytes of `payload` behind them. `place`: the header's
 * flags and fragment offset in units of 8 bytes. Returns the size of the frame. */
size_t frame_ip4(uint8_t *frame, uint8_t protocol, uint16_t id, uint16_t place,
                 const uint8_t *payload, size_t size);

/* A UDP segment (header and data), with its checksum. Returns its size. */
size_t frame_udp_segment(uint8_t *segment, const uint8_t *data, size_t size);

/* A frame with a UDP datagram of these data. Returns its size. */
size_t frame_udp4(uint8_t *frame, const void *data, size_t size);

/* An ICMP echo request of `size` bytes, header included. */
void frame_echo_segment(uint8_t *segment, size_t size);

#endif
