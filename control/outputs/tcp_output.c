/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_output.c - TcpOutput: a stream of encoded messages to a TCP server.
 *
 * Place:   builtin_outputs. The connection: control/net/peer.h.
 * Failure: a message comes again until the peer's kernel took it; after a reset the last batches
 *          are sent again (at least once).
 * Source:  Heka 0.11 TcpOutput.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/address.h"
#include "control/outputs/outputs.h"
#include "control/net/peer.h"
#include "control/config/plugin_types.h"
#include "control/queue/queue.h"
#include "core/clock.h"

enum { FINISH_MS = 2000, OWED_DIR_SIZE = 1024, NAME_SIZE = 256 };

enum { CONNECTIONS, RESENT, BYTES };
static const struct output_counter counters[] = {
    [CONNECTIONS] = {"connections", "connections made"},
    [RESENT] = {"resent", "messages sent again because a connection ended out of order"},
    [BYTES] = {"bytes", "bytes sent, without those sent again"},
    {NULL, NULL},
};

struct tcp_options {
    const char *address, *local_address;
    bool use_tls;
    struct tls_options tls;
    bool keep_alive;
    int64_t keep_alive_period, reconnect_after;
};

#define TCP(member) .key = #member, .offset = offsetof(struct tcp_options, member)
static const struct schema_key keys[] = {
    {TCP(address), .type = SCHEMA_STRING, .def = "localhost:9125", .help = "HOST:PORT."},
    {TCP(local_address), .type = SCHEMA_STRING, .help = "HOST:PORT to send from."},
    {TCP(use_tls), .type = SCHEMA_BOOL, .def = "false", .help = "TLS, as [X.tls] says."},
    {TCP(tls), .type = SCHEMA_TABLE, .sub = &tls_schema, .help = "Only with use_tls."},
    {TCP(keep_alive), .type = SCHEMA_BOOL, .def = "false", .help = "TCP keep-alive probes."},
    {TCP(keep_alive_period), .type = SCHEMA_INT, .min = 0, .max = 32767, .def = "0", .unit = "s",
     .help = "Time between probes; 0: the system's."},
    {TCP(reconnect_after), .type = SCHEMA_INT, .min = 0, .max = INT32_MAX, .def = "0",
     .help = "New connection after so many messages; 0: never."},
    {0},
};
static const struct schema schema = {"TcpOutput", keys};

struct tcp_state {
    const struct tcp_options *options;
    struct output_host *host;
    struct tls_context *tls; /* NULL: none */
    char owed_dir[OWED_DIR_SIZE];
    struct peer peer;
    int64_t sent; /* messages on this connection */
};

static int check(const void *config, struct err *err)
{
    const struct tcp_options *options = config;
    const char *local = options->local_address;
    int rc = 0;
    if (options->use_tls)
        rc = tls_check(&options->tls, TLS_CLIENT, err);
    rc |= address_check("address", options->address, err);
    if (local != NULL && local[0] != '\0')
        rc |= address_check("local_address", local, err);
    return rc;
}

/* base_dir/output_owed/NAME, with "_" for what is no letter or digit of the name. */
static int set_owed_dir(struct tcp_state *tcp, struct err *err)
{
    char path[NAME_SIZE + 16];
    const char *name = output_host_name(tcp->host);
    if (strlen(name) >= NAME_SIZE)
        return err_add(err, "the name has %zu bytes, allowed are %d", strlen(name), NAME_SIZE - 1);
    int len = snprintf(path, sizeof(path), "output_owed/");
    for (const char *c = name; *c != '\0'; c++)
        path[len++] = isalnum((unsigned char)*c) || *c == '-' ? *c : '_';
    path[len] = '\0';
    if (output_host_base_path(tcp->host, path, tcp->owed_dir, sizeof(tcp->owed_dir), err) != 0)
        return -1;
    if (strcmp(tcp->owed_dir, path) == 0) /* there is no base_dir */
        tcp->owed_dir[0] = '\0';
    return 0;
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct tcp_state *tcp = state;
    tcp->options = config;
    tcp->host = host;
    if (set_owed_dir(tcp, err) != 0)
        return -1;
    if (tcp->options->use_tls &&
        tls_context_new(&tcp->options->tls, TLS_CLIENT, &tcp->tls, err) != 0)
        return -1;
    peer_init(&tcp->peer, &(struct peer_config){
                              .address = tcp->options->address,
                              .local_address = tcp->options->local_address,
                              .keep_alive = tcp->options->keep_alive,
                              .keep_alive_period = tcp->options->keep_alive_period,
                              .tls = tcp->tls,
                              .owed_dir = tcp->owed_dir[0] != '\0' ? tcp->owed_dir : NULL,
                              .host = host,
                              .connects_counter = CONNECTIONS,
                              .resent_counter = RESENT,
                          });
    return 0;
}

/* How many of `count` still go over this connection. */
static unsigned room_on_connection(struct tcp_state *tcp, unsigned count)
{
    int64_t limit = tcp->options->reconnect_after;
    if (limit == 0)
        return count;
    if (tcp->sent >= limit) {
        /* What is not taken stays with the peer and comes first on the next connection. */
        peer_finish(&tcp->peer, FINISH_MS * CLOCK_NS_PER_MS);
        tcp->sent = 0;
    }
    int64_t room = limit - tcp->sent;
    return room < (int64_t)count ? (unsigned)room : count;
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct tcp_state *tcp = state;
    unsigned taken = room_on_connection(tcp, count);
    struct buffer *chunk = peer_stage(&tcp->peer);
    for (unsigned i = 0; i < taken; i++) {
        int rc = buffer_append(chunk, items[i].bytes, items[i].size);
        if (rc != 0)
            return rc;
    }
    size_t size = chunk->size;
    int rc = peer_send(&tcp->peer, taken);
    if (rc != 0)
        return rc == -ECANCELED ? 0 : rc;
    tcp->sent += taken;
    output_host_count(tcp->host, BYTES, size);
    return (int)taken;
}

static void timer(void *state, uint64_t now_ns)
{
    struct tcp_state *tcp = state;
    (void)now_ns;
    peer_check(&tcp->peer);
}

static void fini(void *state)
{
    struct tcp_state *tcp = state;
    peer_fini(&tcp->peer);
    tls_context_free(tcp->tls);
}

static const struct buffering_options buffering = {
    .max_file_size = 128 << 20,
    .full_action = QUEUE_SHUTDOWN,
    .cursor_update_count = 50,
};

const struct output_ops tcp_output = {
    .plugin = {PLUGIN_ABI, "TcpOutput", &schema, sizeof(struct tcp_options),
               sizeof(struct tcp_state)},
    .default_encoder = "ProtobufEncoder",
    .encoder_required = true,
    .takes_encoder = true,
    .frames_protobuf = true,
    .buffers_by_default = true,
    .buffering = &buffering,
    .refuses_ticker = true,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .timer = timer,
    .fini = fini,
};
