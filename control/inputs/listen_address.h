/* SPDX-License-Identifier: MPL-2.0
 *
 * listen_address.h - where an input of hekad listens, as its options say it: syntax and conflicts.
 *
 * Place:   input_instances.c checks with it; listen_socket.c opens.
 * Threads: no state.
 * Source:  Heka 0.11: net and address of UdpInput, TcpInput and StatsdInput, which are Go's.
 */
#ifndef CONTROL_INPUTS_LISTEN_ADDRESS_H
#define CONTROL_INPUTS_LISTEN_ADDRESS_H

#include <stdbool.h>
#include <sys/un.h>

#include "core/address.h"
#include "core/err.h"

enum listen_kind {
    LISTEN_IP,       /* host and port */
    LISTEN_PATH,     /* a UNIX socket in the file system */
    LISTEN_ABSTRACT, /* a UNIX socket with a name of its own */
    LISTEN_FD        /* "fd:N": a socket that whoever started us left open */
};

struct listen_address {
    enum listen_kind kind;
    int socket_type;            /* SOCK_DGRAM, SOCK_STREAM */
    int family;                 /* LISTEN_IP: AF_INET, AF_INET6, AF_UNSPEC: what the host is */
    struct address_parts parts; /* LISTEN_IP; an empty host is any address */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* LISTEN_PATH, LISTEN_ABSTRACT */
    int fd;                                                 /* LISTEN_FD */
};

/* `net`: udp, udp4, udp6, unixgram; tcp, tcp4, tcp6, unix. 0, or -1 after adding to `err` texts
 * that begin with "net: " or "address: ". Host names are not looked up here. */
int listen_address_parse(const char *net, const char *text, struct listen_address *address,
                         struct err *err);

/* True when both cannot be listened on at the same time. Names are compared as they are written. */
bool listen_address_conflicts(const struct listen_address *a, const struct listen_address *b);

#endif
