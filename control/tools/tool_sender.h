/* SPDX-License-Identifier: MPL-2.0
 *
 * tool_sender.h - a TCP connection, with TLS or without, or UDP socket of a command line tool.
 *
 * Place:   heka-inject, heka-flood, heka-sbmgr and heka-sbmgrload.
 * Threads: one owner; calls block, but no longer than TOOL_SENDER_WAIT_S each, unless the peer
 *          takes something in between.
 * Failure: a text in err with the address; the sender is closed then.
 */
#ifndef CONTROL_TOOLS_TOOL_SENDER_H
#define CONTROL_TOOLS_TOOL_SENDER_H

#include <stdbool.h>
#include <stddef.h>

#include "control/net/tls.h"
#include "core/err.h"

enum { TOOL_SENDER_WAIT_S = 30 };

struct tool_sender {
    int fd; /* -1: closed */
    bool is_udp;
    const char *address;     /* "host:port", borrowed */
    struct tls_session *tls; /* NULL: none */
};

/* `tls`: NULL, or the context to use. 0, or -1 after adding to err, with fd -1. */
int tool_sender_open(struct tool_sender *sender, const char *address, bool is_udp,
                     struct tls_context *tls, struct err *err);
void tool_sender_close(struct tool_sender *sender);

/* All of the bytes; one datagram with UDP. 0, or -1 after adding to err, and it is closed. */
int tool_sender_send(struct tool_sender *sender, const void *bytes, size_t size, struct err *err);

/* No more from us; with TCP waits until the peer closes, which it does when it has read all. 0, or
 * -1 after adding to err when that is not known. Closes. */
int tool_sender_finish(struct tool_sender *sender, struct err *err);

#endif
