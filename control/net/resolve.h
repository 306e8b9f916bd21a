/* SPDX-License-Identifier: MPL-2.0
 *
 * resolve.h - the addresses that a "HOST:PORT" of the configuration stands for now.
 *
 * Place:   outputs and tools, each time they connect.
 * Threads: no state; blocks as the system's resolver does.
 * Memory:  freeaddrinfo() frees a list.
 */
#ifndef CONTROL_RESOLVE_H
#define CONTROL_RESOLVE_H

#include <netdb.h>

/* `hints` as for getaddrinfo(). 0, or what gai_strerror() has a text for: EAI_NONAME, too, for a
 * text that is no HOST:PORT. An empty host is this machine, or with AI_PASSIVE any address. */
int resolve_text(const char *text, const struct addrinfo *hints, struct addrinfo **list);

/* For datagrams: nothing would tell us that nobody listens on the other one. As Go has it. */
const struct addrinfo *resolve_prefer_ip4(const struct addrinfo *list);

#endif
