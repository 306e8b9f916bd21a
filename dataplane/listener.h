/* SPDX-License-Identifier: MPL-2.0
 *
 * listener.h - which UDP address and port belongs to which input.
 *
 * Place:   filled from the plan (dataplane/plan.c); packet_set_listeners() joins it with the port's
 *          addresses to the one hash (udp.h) that is asked for each datagram.
 * Threads: immutable after listener_table_build(); shared by all workers.
 * Memory:  one block of fixed size.
 */
#ifndef DATAPLANE_LISTENER_H
#define DATAPLANE_LISTENER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum {
    LISTENERS_MAX = 256,
    LISTENER_NONE = 0xFFFF,
    LISTENER_TEXT_SIZE = 64 /* of listener_address_print */
};

struct listener_address {
    bool is_ipv6;
    uint8_t ip[16];   /* network order; IPv4 in the first 4; all zero: any of ours */
    uint16_t port_be; /* network order */
};

struct listener_table; /* hash of (family, address, port) */

/* Two listeners with the same address, or more than LISTENERS_MAX, are an error. The addresses are
 * copied. 0, or -1 with all errors. */
int listener_table_build(const struct listener_address *addresses, size_t count,
                         struct listener_table **out, struct err *err);
void listener_table_free(struct listener_table *table);

/* Index into `addresses`, an exact address before "any"; LISTENER_NONE when nothing listens.
 * `ip`: 4 or 16 bytes, network order. */
uint16_t listener_find(const struct listener_table *table, bool is_ipv6, const uint8_t *ip,
                       uint16_t port_be);

size_t listener_count(const struct listener_table *table);
/* The address of listener `index` < listener_count(). */
const struct listener_address *listener_at(const struct listener_table *table, size_t index);

/* "192.0.2.1:8125", "[2001:db8::1]:8125", ":8125" (any IPv4 and IPv6 address is then two entries,
 * of which this gives the IPv4 one), "0.0.0.0:8125", "[::]:8125". Ports are 1 to 65535; names are
 * not looked up. 0 or -1. */
int listener_address_parse(const char *text, struct listener_address *address);
/* As listener_address_parse reads it; `text` has LISTENER_TEXT_SIZE bytes. */
void listener_address_print(const struct listener_address *address, char *text);

#endif
