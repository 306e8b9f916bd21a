/* SPDX-License-Identifier: MPL-2.0
 *
 * udp_input.c - UdpInput: datagrams of UDP and UNIX sockets to messages.
 *
 * Place:   builtin_inputs; on an address of the core map it runs in the data plane
 *          (dataplane/text_listener.c).
 * Failure: datagram_socket.h; pieces of datagrams: the stage `text`.
 * Source:  Heka 0.11 UdpInput.
 */
#include <string.h>

#include "control/plugins/input_stream.h"
#include "control/inputs/datagram_socket.h"
#include "control/inputs/inputs.h"
#include "control/inputs/source_text.h"

static const struct input_counter counters[] = {DATAGRAM_COUNTER_ROWS, {NULL, NULL}};

#define UDP(member) .key = #member, .offset = offsetof(struct udp_input_options, member)
static const struct schema_key keys[] = {
    {UDP(address), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "HOST:PORT; with unixgram a path or @NAME; fd:N for a socket that is open already."},
    {UDP(net), .type = SCHEMA_STRING, .def = "udp", .help = "udp, udp4, udp6 or unixgram."},
    {UDP(set_hostname), .type = SCHEMA_BOOL, .def = "false",
     .help = "The sender's IP address becomes the Hostname; not with unixgram."},
    {0},
};
static const struct schema schema = {"UdpInput", keys};

struct udp_state {
    struct input_host *host;
    const struct udp_input_options *options;
    struct datagram_socket socket;
    struct input_stream *stream;
};

static const char *address(const void *config, const char **net)
{
    const struct udp_input_options *options = config;
    *net = options->net;
    return options->address;
}

static int check(const void *config, struct err *err)
{
    const struct udp_input_options *options = config;
    struct listen_address parsed;
    if (options->address == NULL) /* said so already */
        return -1;
    if (listen_address_parse(options->net, options->address, &parsed, err) != 0)
        return -1;
    if (parsed.socket_type != SOCK_DGRAM)
        return err_add(err, "net: found '%s', allowed udp, udp4, udp6, unixgram", options->net);
    if (options->set_hostname && parsed.kind != LISTEN_IP)
        return err_add(err, "set_hostname: senders to %s have no IP address", options->address);
    return 0;
}

static int init(void *state, const void *config, struct input_host *host, struct err *err)
{
    struct udp_state *udp = state;
    struct listen_address parsed;
    udp->host = host;
    udp->options = config;
    if (listen_address_parse(udp->options->net, udp->options->address, &parsed, err) != 0)
        return -1;
    udp->stream = input_host_stream(host, err);
    return udp->stream != NULL ? datagram_socket_open(&udp->socket, &parsed, host, err) : -1;
}

static void set_hostname(struct udp_state *udp, const struct sockaddr *source)
{
    char text[INET6_ADDRSTRLEN];
    source_text(source, text);
    input_stream_set_hostname(udp->stream, text);
}

static int take(void *arg, const struct datagram *datagrams, unsigned count)
{
    struct udp_state *udp = arg;
    for (unsigned i = 0; i < count; i++) {
        if (udp->options->set_hostname)
            set_hostname(udp, datagrams[i].source);
        int rc = input_stream_datagram(udp->stream, datagrams[i].bytes, datagrams[i].size,
                                       datagrams[i].is_truncated);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void run(void *state)
{
    struct udp_state *udp = state;
    datagram_socket_run(&udp->socket, take, udp);
}

static void observe(void *state)
{
    struct udp_state *udp = state;
    datagram_socket_observe(&udp->socket);
}

static void fini(void *state)
{
    struct udp_state *udp = state;
    datagram_socket_close(&udp->socket);
    input_stream_free(udp->stream);
}

const struct input_ops udp_input = {
    .plugin = {PLUGIN_ABI, "UdpInput", &schema, sizeof(struct udp_input_options),
               sizeof(struct udp_state)},
    .default_splitter = "NullSplitter",
    .counters = counters,
    .is_in_dataplane = true,
    .address = address,
    .check = check,
    .init = init,
    .run = run,
    .observe = observe,
    .fini = fini,
};
