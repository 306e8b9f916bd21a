/* SPDX-License-Identifier: MPL-2.0
 *
 * datagram_socket.h - datagrams from a kernel socket, many with one system call, and how many the
 *                     kernel dropped.
 *
 * Place:   udp_input.c, statsd_input.c.
 * Threads: open and close [main]; receive [the input]; observe [any, one at a time].
 * Memory:  DATAGRAM_BURST datagrams of DATAGRAM_SIZE_MAX bytes, of which only the pages are used
 *          that something was written to.
 * Failure: a datagram that is longer is cut and marked; errors of the socket are counted.
 */
#ifndef CONTROL_INPUTS_DATAGRAM_SOCKET_H
#define CONTROL_INPUTS_DATAGRAM_SOCKET_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "control/plugins/input.h"
#include "control/inputs/listen_address.h"

enum {
    DATAGRAM_BURST = 64,
    DATAGRAM_SIZE_MAX = 65536, /* UDP has at most 65,527 */
    DATAGRAM_BURSTS_MAX = 16   /* before the input looks after its host */
};

/* The first rows of the counters of an input that has one. */
enum {
    DATAGRAM_COUNT,
    DATAGRAM_BYTES,
    DATAGRAM_TRUNCATED,
    DATAGRAM_DROPS,
    DATAGRAM_ERRORS,
    DATAGRAM_BUFFER,
    DATAGRAM_COUNTERS
};
/* clang-format off */
#define DATAGRAM_COUNTER_ROWS                                                                      \
    [DATAGRAM_COUNT] = {"datagrams", "datagrams received"},                                        \
    [DATAGRAM_BYTES] = {"bytes", "bytes of those"},                                                \
    [DATAGRAM_TRUNCATED] = {"truncated", "datagrams that were longer than 65,536 bytes"},          \
    [DATAGRAM_DROPS] = {"socket_drops", "datagrams that the kernel dropped, mostly for room"},     \
    [DATAGRAM_ERRORS] = {"socket_errors", "errors of the socket"},                                 \
    [DATAGRAM_BUFFER] = {"socket_buffer_bytes", "size of the kernel's receive buffer"}
/* clang-format on */

struct datagram {
    const void *bytes;
    size_t size;
    bool is_truncated;
    const struct sockaddr *source; /* NULL: not known */
};

struct datagram_memory;

struct datagram_socket { /* zeroed: not open */
    struct input_host *host;
    bool is_open;
    int fd;
    uint32_t drops_seen; /* as the kernel counts them, over all inputs that had the socket */
    uint64_t drops;
    struct datagram_memory *memory;
};

int datagram_socket_open(struct datagram_socket *socket, const struct listen_address *address,
                         struct input_host *host, struct err *err);
void datagram_socket_close(struct datagram_socket *socket);

/* What is there now: up to DATAGRAM_BURST, good until the next call. 0: nothing. */
unsigned datagram_socket_receive(struct datagram_socket *socket,
                                 struct datagram datagrams[DATAGRAM_BURST]);

/* Waits and takes, until the input has to end; then what is there once more. `take` gets each
 * burst; not 0: end at once. */
typedef int (*datagram_take_fn)(void *arg, const struct datagram *datagrams, unsigned count);
void datagram_socket_run(struct datagram_socket *socket, datagram_take_fn take, void *arg);

void datagram_socket_observe(struct datagram_socket *socket);

#endif
