/* SPDX-License-Identifier: MPL-2.0
 *
 * carbon_output.c - CarbonOutput: the lines of statmetric payloads to Graphite's Carbon.
 *
 * Place:   builtin_outputs. TCP: control/net/peer.h. Lines: carbon_lines.h.
 * Failure: lines that Carbon cannot take are counted and skipped; a message without any other ends
 *          as "bad_line". Unlike Heka nothing is lost while Carbon is away: the batch comes again.
 *          Over TCP a batch counts as delivered when Carbon has read it and closed the connection,
 *          or, with tcp_keep_alive, see peer.h. UDP tells nothing but a refusal.
 * Source:  Heka 0.11 CarbonOutput. A connection for each batch instead of each message.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/address.h"
#include "control/outputs/carbon_lines.h"
#include "control/outputs/outputs.h"
#include "control/net/peer.h"
#include "control/net/resolve.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    DATAGRAM_BYTES_MAX = 63488, /* 62 KiB, as in Heka */
    FINISH_MS = 5000,
    LOG_AGAIN_S = 30,
    LOG_LINE_MAX = 120
};

enum { LINES, BAD_LINES, CONNECTIONS, RESENT, UNCONFIRMED };
static const struct output_counter counters[] = {
    [LINES] = {"lines", "lines sent, without those sent again"},
    [BAD_LINES] = {"bad_lines", "lines skipped: not \"name value time\", or too long for UDP"},
    [CONNECTIONS] = {"connections", "connections made, or UDP sockets opened"},
    [RESENT] = {"resent", "messages sent again because a connection ended out of order"},
    [UNCONFIRMED] = {"unconfirmed", "batches that the peer's kernel took, but it did not close"},
    {NULL, NULL},
};

struct carbon_options {
    const char *address, *protocol;
    bool tcp_keep_alive;
};

#define CARBON(member) .key = #member, .offset = offsetof(struct carbon_options, member)
static const struct schema_key keys[] = {
    {CARBON(address), .type = SCHEMA_STRING, .def = "localhost:2003", .help = "HOST:PORT."},
    {CARBON(protocol), .type = SCHEMA_STRING, .def = "tcp", .help = "tcp or udp."},
    {CARBON(tcp_keep_alive), .type = SCHEMA_BOOL, .def = "false",
     .help = "Keep the connection; otherwise each batch has its own."},
    {0},
};
static const struct schema schema = {"CarbonOutput", keys};

struct carbon_state {
    const struct carbon_options *options;
    struct output_host *host;
    bool is_udp;
    struct peer peer;
    bool udp_is_open;
    int udp_fd;
    struct buffer datagram;
    uint64_t last_bad_log_ns;
    /* of the batch in work */
    uint64_t lines, bad_lines;
    unsigned bad_messages, empty_messages;
};

static bool is_udp(const struct carbon_options *options)
{
    return options->protocol != NULL && strcmp(options->protocol, "udp") == 0;
}

static int check(const void *config, struct err *err)
{
    const struct carbon_options *options = config;
    int rc = 0;
    if (options->protocol != NULL && options->protocol[0] != '\0' &&
        strcmp(options->protocol, "tcp") != 0 && !is_udp(options))
        rc = err_add(err, "protocol: found '%s', allowed tcp or udp", options->protocol);
    return address_check("address", options->address, err) | rc;
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct carbon_state *carbon = state;
    (void)err;
    carbon->options = config;
    carbon->host = host;
    carbon->is_udp = is_udp(config);
    peer_init(&carbon->peer, &(struct peer_config){
                                 .address = carbon->options->address,
                                 .keep_alive = carbon->options->tcp_keep_alive,
                                 .host = host,
                                 .connects_counter = CONNECTIONS,
                                 .resent_counter = RESENT,
                             });
    return 0;
}

/* ---- lines ---- */

static void log_bad_line(struct carbon_state *carbon, const struct carbon_line *line)
{
    uint64_t now_ns = clock_mono_ns();
    if (carbon->last_bad_log_ns != 0 &&
        now_ns - carbon->last_bad_log_ns < LOG_AGAIN_S * CLOCK_NS_PER_S)
        return;
    carbon->last_bad_log_ns = now_ns;
    log_error("Plugin '%s' error: malformed statmetric line: '%.*s'",
              output_host_name(carbon->host),
              line->len < LOG_LINE_MAX ? (int)line->len : LOG_LINE_MAX, line->text);
}

static int append_line(struct buffer *out, const struct carbon_line *line)
{
    int rc = buffer_reserve(out, line->len + 1);
    if (rc != 0)
        return rc;
    memcpy(out->data + out->size, line->text, line->len);
    out->data[out->size + line->len] = '\n';
    out->size += line->len + 1;
    return 0;
}

typedef int (*put_line_fn)(struct carbon_state *carbon, const struct carbon_line *line);

static int put_message(struct carbon_state *carbon, const struct msg_slice *payload,
                       put_line_fn put)
{
    struct carbon_line line;
    size_t offset = 0, line_max = carbon->is_udp ? DATAGRAM_BYTES_MAX - 1 : SIZE_MAX;
    uint64_t lines = carbon->lines, bad_lines = carbon->bad_lines;
    while (carbon_lines_next(payload->ptr, payload->len, &offset, &line)) {
        if (!line.is_good || line.len > line_max) {
            log_bad_line(carbon, &line);
            carbon->bad_lines++;
            continue;
        }
        int rc = put(carbon, &line);
        if (rc != 0)
            return rc;
        carbon->lines++;
    }
    if (carbon->lines == lines) {
        carbon->bad_messages += carbon->bad_lines > bad_lines;
        carbon->empty_messages += carbon->bad_lines == bad_lines;
    }
    return 0;
}

static int put_messages(struct carbon_state *carbon, const struct output_item *items,
                        unsigned count, put_line_fn put)
{
    carbon->lines = carbon->bad_lines = 0;
    carbon->bad_messages = carbon->empty_messages = 0;
    for (unsigned i = 0; i < count; i++) {
        int rc = put_message(carbon, &items[i].message.payload, put);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- TCP ---- */

static int put_tcp(struct carbon_state *carbon, const struct carbon_line *line)
{
    return append_line(&carbon->peer.staged.bytes, line);
}

static int deliver_tcp(struct carbon_state *carbon, const struct output_item *items, unsigned count)
{
    peer_stage(&carbon->peer);
    int rc = put_messages(carbon, items, count, put_tcp);
    if (rc != 0 || carbon->lines == 0)
        return rc;
    rc = peer_send(&carbon->peer, count);
    if (rc != 0 || carbon->options->tcp_keep_alive)
        return rc;
    rc = peer_finish(&carbon->peer, FINISH_MS * CLOCK_NS_PER_MS);
    peer_forget(&carbon->peer); /* when it failed, the batch comes again anyway */
    if (rc == 1)
        output_host_count(carbon->host, UNCONFIRMED, 1);
    return rc < 0 ? rc : 0;
}

/* ---- UDP ---- */

static void close_udp(struct carbon_state *carbon)
{
    if (carbon->udp_is_open)
        close(carbon->udp_fd);
    carbon->udp_is_open = false;
}

static int open_udp(struct carbon_state *carbon)
{
    const char *address = carbon->options->address;
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *list;
    if (carbon->udp_is_open)
        return 0;
    int rc = resolve_text(address, &hints, &list);
    if (rc != 0)
        return output_host_fail(carbon->host, -EHOSTUNREACH, "%s: %s", address, gai_strerror(rc));
    const struct addrinfo *to = resolve_prefer_ip4(list);
    carbon->udp_fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, to->ai_protocol);
    carbon->udp_is_open = carbon->udp_fd >= 0;
    if (!carbon->udp_is_open || connect(carbon->udp_fd, to->ai_addr, to->ai_addrlen) != 0) {
        rc = output_host_fail(carbon->host, -errno, "%s: %s", address, strerror(errno));
        close_udp(carbon);
    } else {
        output_host_count(carbon->host, CONNECTIONS, 1);
    }
    freeaddrinfo(list);
    return rc;
}

/* Nobody answers UDP, but a host that refuses it says so. */
static int send_datagram(struct carbon_state *carbon)
{
    int code = 0;
    socklen_t code_size = sizeof(code);
    if (carbon->datagram.size == 0)
        return 0;
    int rc = open_udp(carbon);
    if (rc != 0)
        return rc;
    if (send(carbon->udp_fd, carbon->datagram.data, carbon->datagram.size, MSG_NOSIGNAL) < 0)
        code = errno;
    else
        getsockopt(carbon->udp_fd, SOL_SOCKET, SO_ERROR, &code, &code_size);
    buffer_clear(&carbon->datagram);
    if (code == 0)
        return 0;
    close_udp(carbon);
    return output_host_fail(carbon->host, -code, "send to %s: %s", carbon->options->address,
                            strerror(code));
}

static int put_udp(struct carbon_state *carbon, const struct carbon_line *line)
{
    if (carbon->datagram.size + line->len + 1 > DATAGRAM_BYTES_MAX) {
        int rc = send_datagram(carbon);
        if (rc != 0)
            return rc;
    }
    return append_line(&carbon->datagram, line);
}

static int deliver_udp(struct carbon_state *carbon, const struct output_item *items, unsigned count)
{
    buffer_clear(&carbon->datagram);
    int rc = put_messages(carbon, items, count, put_udp);
    return rc != 0 ? rc : send_datagram(carbon);
}

/* ---- */

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct carbon_state *carbon = state;
    int rc = carbon->is_udp ? deliver_udp(carbon, items, count) : deliver_tcp(carbon, items, count);
    if (rc != 0)
        return rc == -ECANCELED ? 0 : rc;
    output_host_count(carbon->host, LINES, carbon->lines);
    output_host_count(carbon->host, BAD_LINES, carbon->bad_lines);
    for (unsigned i = 0; i < carbon->bad_messages; i++)
        output_host_drop(carbon->host, "bad_line");
    for (unsigned i = 0; i < carbon->empty_messages; i++)
        output_host_drop(carbon->host, "no_lines");
    return (int)count;
}

static void timer(void *state, uint64_t now_ns)
{
    struct carbon_state *carbon = state;
    (void)now_ns;
    peer_check(&carbon->peer);
}

static void fini(void *state)
{
    struct carbon_state *carbon = state;
    peer_fini(&carbon->peer);
    close_udp(carbon);
    buffer_fini(&carbon->datagram);
}

const struct output_ops carbon_output = {
    .plugin = {PLUGIN_ABI, "CarbonOutput", &schema, sizeof(struct carbon_options),
               sizeof(struct carbon_state)},
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .timer = timer,
    .fini = fini,
};
