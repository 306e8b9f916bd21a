/* SPDX-License-Identifier: MPL-2.0
 *
 * address.h - "HOST:PORT" texts of the configuration.
 *
 * Place:   listeners and inputs (numeric) and outputs (resolved when they connect).
 * Threads: no state.
 */
#ifndef CORE_ADDRESS_H
#define CORE_ADDRESS_H

#include "core/core_map.h"
#include "core/err.h"

enum { ADDRESS_HOST_SIZE = 256, ADDRESS_PORT_SIZE = 16 };

struct address_parts {
    char host[ADDRESS_HOST_SIZE]; /* without brackets; empty in ":PORT" */
    char port[ADDRESS_PORT_SIZE]; /* number or service name */
};

/* Splits "host:port", "1.2.3.4:port", "[::1]:port", ":port". 0 or -1. */
int address_split(const char *text, struct address_parts *parts);

/* 0, or -1 after adding to `err` that the option `key` is not HOST:PORT. */
int address_check(const char *key, const char *text, struct err *err);

/* Numeric IP and port: fills both. An empty host is the IPv4 any-address. 0 or -1. */
int address_parse(const char *text, struct core_map_address *address, uint16_t *port);

/* True for 0.0.0.0 and ::. */
bool address_is_any(const struct core_map_address *address);

#endif
