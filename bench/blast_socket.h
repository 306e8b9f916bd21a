/* SPDX-License-Identifier: MPL-2.0
 *
 * blast_socket.h - sends the datagrams of a traffic through the kernel's UDP, for servers without
 *                  a port of their own; exact counts of what the kernel took.
 *
 * Place:   bench/blast.c with --udp; bench/peers measures others with it.
 * Threads: one.
 * Memory:  borrows the traffic's datagrams; one socket for each flow, at most BLAST_SOCKETS_MAX.
 * Failure: what the kernel refuses because nobody listens, or for room, is offered again until
 *          blast_plan.stall_s has passed without progress. UDP itself may lose what it took: only
 *          the receiver's account shows that.
 */
#ifndef BENCH_BLAST_SOCKET_H
#define BENCH_BLAST_SOCKET_H

#include <signal.h>

#include "bench/blast_plan.h"
#include "bench/traffic.h"
#include "core/err.h"

enum { BLAST_SOCKETS_MAX = 256 };

/* Sends to route->dst_ip and dst_port until the plan's limits or *stop; sources are the kernel's
 * choice. Binds the thread to `cpu` (negative: not). 0, or -1 after adding to err. */
int blast_socket_send(const struct traffic *traffic, const struct traffic_route *route, int cpu,
                      const struct blast_plan *plan, const volatile sig_atomic_t *stop,
                      struct blast_sent *sent, struct err *err);

#endif
