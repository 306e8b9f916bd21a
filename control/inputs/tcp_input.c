/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_input.c - TcpInput: streams of TCP and UNIX sockets to messages, with TLS or without.
 *
 * Place:   builtin_inputs.
 * Threads: stream_socket.h. While the lane is full it does not read: that is back-pressure.
 * Memory:  a buffer for each connection (input_stream.h), at most connections_max of them.
 * Failure: records: the stage `text`; connections: stream_socket.h.
 * Source:  Heka 0.11 TcpInput.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/plugins/input_stream.h"
#include "control/inputs/inputs.h"
#include "control/inputs/stream_socket.h"

enum { PEER_SIZE = NI_MAXHOST + 16 };

enum { BYTES = STREAM_COUNTERS, TLS };
static const struct input_counter counters[] = {
    STREAM_COUNTER_ROWS(0),
    [BYTES] = {"bytes", "bytes received"},
    STREAM_TLS_COUNTER_ROWS(TLS),
    {NULL, NULL},
};

#define TCP(member) .key = #member, .offset = offsetof(struct tcp_input_options, member)
static const struct schema_key keys[] = {
    {TCP(address), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "HOST:PORT; with unix a path or @NAME."},
    {TCP(net), .type = SCHEMA_STRING, .def = "tcp", .help = "tcp, tcp4, tcp6 or unix."},
    {TCP(use_tls), .type = SCHEMA_BOOL, .def = "false",
     .help = "TLS, as [X.tls] says; not on an address of the core map."},
    {TCP(tls), .type = SCHEMA_TABLE, .sub = &tls_listener_schema, .help = "Only with use_tls."},
    {TCP(keep_alive), .type = SCHEMA_BOOL, .def = "false", .help = "TCP keep-alive probes."},
    {TCP(keep_alive_period), .type = SCHEMA_INT, .min = 0, .max = 32767, .def = "0", .unit = "s",
     .help = "Time between probes; 0: the system's."},
    {TCP(connections_max), .type = SCHEMA_INT, .min = 1, .max = 65536, .def = "4096",
     .help = "Connections at the same time; more are closed at once, and counted."},
    {0},
};
static const struct schema schema = {"TcpInput", keys};

struct tcp_state {
    struct input_host *host;
    const struct tcp_input_options *options;
    struct tls_context *tls; /* NULL: none */
    struct stream_socket socket;
};

struct peer { /* a connection */
    struct input_host *host;
    struct input_stream *stream;
};

static const char *address(const void *config, const char **net)
{
    const struct tcp_input_options *options = config;
    *net = options->net;
    return options->address;
}

static int check(const void *config, struct err *err)
{
    const struct tcp_input_options *options = config;
    struct listen_address parsed;
    int rc = 0;
    if (options->use_tls)
        rc = tls_check(&options->tls, TLS_SERVER, err);
    if (options->address == NULL) /* said so already */
        return -1;
    if (listen_address_parse(options->net, options->address, &parsed, err) != 0)
        return -1;
    if (parsed.socket_type != SOCK_STREAM)
        rc = err_add(err, "net: found '%s', allowed tcp, tcp4, tcp6, unix", options->net);
    return rc;
}

/* ---- connections ---- */

/* "ip:port" is the Hostname of messages that are made of its bytes, as in Heka. */
static void name_peer(struct peer *peer, const struct sockaddr *source, socklen_t size)
{
    char host[NI_MAXHOST], port[NI_MAXSERV], text[PEER_SIZE];
    if (source->sa_family == AF_UNIX ||
        getnameinfo(source, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(text, sizeof(text), source->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    input_stream_set_hostname(peer->stream, text);
}

static void *opened(void *arg, struct stream_connection *connection, const struct sockaddr *source,
                    socklen_t size)
{
    struct tcp_state *tcp = arg;
    struct peer *peer = calloc(1, sizeof(*peer));
    (void)connection;
    if (peer == NULL)
        return NULL;
    peer->host = tcp->host;
    peer->stream = input_host_stream(tcp->host, NULL);
    if (peer->stream == NULL) {
        free(peer);
        return NULL;
    }
    name_peer(peer, source, size);
    return peer;
}

/* All of it, unless memory is out or the input has to end. */
static size_t data(void *user, const char *bytes, size_t size)
{
    struct peer *peer = user;
    size_t taken = 0, room;
    while (taken < size) {
        void *place = input_stream_room(peer->stream, &room);
        if (place == NULL)
            break;
        if (room > size - taken)
            room = size - taken;
        memcpy(place, bytes + taken, room);
        taken += room;
        if (input_stream_filled(peer->stream, room) != 0)
            break;
    }
    return taken;
}

static void pause_stream(void *user)
{
    struct peer *peer = user;
    input_stream_pause(peer->stream);
}

static int closed(void *user, enum stream_end end)
{
    struct peer *peer = user;
    (void)end;
    int rc = input_stream_end(peer->stream);
    if (rc == 0)
        rc = input_host_flush(peer->host);
    input_stream_free(peer->stream);
    free(peer);
    return rc;
}

static const struct stream_handler handler = {
    .opened = opened,
    .data = data,
    .pause = pause_stream,
    .closed = closed,
};

/* ---- the input ---- */

static int init(void *state, const void *config, struct input_host *host, struct err *err)
{
    struct tcp_state *tcp = state;
    struct listen_address parsed;
    tcp->host = host;
    tcp->options = config;
    if (listen_address_parse(tcp->options->net, tcp->options->address, &parsed, err) != 0)
        return -1;
    if (tcp->options->use_tls &&
        tls_context_new(&tcp->options->tls, TLS_SERVER, &tcp->tls, err) != 0)
        return -1;
    const struct stream_socket_config streams = {
        .address = &parsed,
        .host = host,
        .handler = &handler,
        .arg = tcp,
        .bytes_counter = BYTES,
        .tls_counter = TLS,
        .tls = tcp->tls,
        .connections_max = (unsigned)tcp->options->connections_max,
        .keep_alive = tcp->options->keep_alive,
        .keep_alive_period_s = (int)tcp->options->keep_alive_period,
    };
    return stream_socket_open(&tcp->socket, &streams, err);
}

static void run(void *state)
{
    struct tcp_state *tcp = state;
    stream_socket_run(&tcp->socket);
}

static void fini(void *state)
{
    struct tcp_state *tcp = state;
    stream_socket_close(&tcp->socket);
    tls_context_free(tcp->tls);
}

const struct input_ops tcp_input = {
    .plugin = {PLUGIN_ABI, "TcpInput", &schema, sizeof(struct tcp_input_options),
               sizeof(struct tcp_state)},
    .default_splitter = "HekaFramingSplitter",
    .default_decoder = "ProtobufDecoder",
    .counters = counters,
    .is_in_dataplane = true,
    .address = address,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
