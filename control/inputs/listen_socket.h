/* SPDX-License-Identifier: MPL-2.0
 *
 * listen_socket.h - sockets that inputs of hekad listen on, which outlive the inputs of a reload.
 *
 * Place:   udp_input.c, statsd_input.c, tcp_input.c.
 * Threads: [main]. The sockets themselves are the inputs' threads'.
 * Memory:  one list for the process, because a socket is one for the process: who opens an address
 *          that is open already gets the same socket, and the last one who closes it closes it. An
 *          input that a reload replaces thus hands its socket, and what waits in it, to the next
 *          one.
 * Failure: an address that another program holds is an error; a UNIX socket's file that nobody
 *          listens on any more is replaced.
 */
#ifndef CONTROL_INPUTS_LISTEN_SOCKET_H
#define CONTROL_INPUTS_LISTEN_SOCKET_H

#include <stddef.h>

#include "control/inputs/listen_address.h"

enum { LISTEN_TEXT_SIZE = 160, LISTEN_SOCKETS_MAX = 1024 };

/* A non-blocking socket that is bound, and listens when it is a stream; -1 after adding to
 * `err`. */
int listen_socket_open(const struct listen_address *address, struct err *err);
void listen_socket_close(int fd); /* -1 is fine; removes the file of a UNIX socket */

/* Whether it could be opened, without keeping it: for `hekad -check`. What is open now, here or in
 * another program, is a remark. 0, or -1 after adding to `err`. */
int listen_socket_probe(const struct listen_address *address, struct err *err, struct err *notes);

/* Where it is bound, with the port that the kernel chose: "127.0.0.1:8125", "@name". */
void listen_socket_text(int fd, char text[LISTEN_TEXT_SIZE]);

/* Asks for as large a receive buffer as the kernel allows, at most LISTEN_BUFFER_BYTES_MAX, and
 * returns its size. */
size_t listen_socket_grow(int fd);
enum { LISTEN_BUFFER_BYTES_MAX = 64 << 20 };

#endif
