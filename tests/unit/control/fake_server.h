/* SPDX-License-Identifier: MPL-2.0
 *
 * fake_server.h - a TCP or UDP server on the loopback in a thread, which can be as rude as a test
 * wants.
 */
#ifndef TESTS_UNIT_CONTROL_FAKE_SERVER_H
#define TESTS_UNIT_CONTROL_FAKE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"

struct fake_server {
    int fd;
    uint16_t port;
    char address[32]; /* "127.0.0.1:PORT" */
    bool is_udp;
    pthread_t thread;
    _Atomic bool stopping;
    _Atomic bool paused;     /* does not read */
    _Atomic bool has_paused; /* its thread knows: a connection waits unread */
    _Atomic bool stays_open; /* does not close when the client has */
    _Atomic unsigned
        reset_after; /* resets a connection after so many bytes, with others unread; 0: never */
    _Atomic unsigned close_after; /* closes a connection in order after so many bytes; 0: never */
    _Atomic uint64_t seed;        /* not 0: resets or closes at random places */
    _Atomic unsigned connections; /* or datagrams */
    _Atomic unsigned resets;
    _Atomic size_t longest; /* read at once: for UDP, the datagram */
    pthread_mutex_t lock;
    struct buffer whole; /* whole lines, read from all connections; the part behind the last newline
                           * of a connection is dropped, as Carbon does it */
    struct buffer stream; /* every byte, of all connections */
};

/* Listens; port 0: any. */
void fake_server_start(struct fake_server *server, bool is_udp, uint16_t port);
/* Ends the thread and closes what is open; what was read stays. */
void fake_server_stop(struct fake_server *server);
void fake_server_fini(struct fake_server *server);

/* Comes back when the connection that it serves is not read any more. */
void fake_server_pause(struct fake_server *server);

/* Lines (with their newline) that were read, how often. */
unsigned fake_server_count(struct fake_server *server, const char *line);
size_t fake_server_size(struct fake_server *server); /* of `stream` */

#endif
