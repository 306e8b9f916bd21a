/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_input.c - StatsdInput: statsd over UDP, TCP and UNIX sockets into an accumulator of hekad.
 *
 * Place:   builtin_inputs; on an address of the core map it runs in the data plane
 *          (dataplane/worker.c).
 * Memory:  LINE_SIZE_MAX for each connection.
 * Failure: datagram_socket.h, stream_socket.h; lines: the stage `line`.
 * Source:  Heka 0.11 StatsdInput (docs/formats/statsd.md).
 */
#include <stdlib.h>
#include <string.h>

#include "control/inputs/datagram_socket.h"
#include "control/inputs/inputs.h"
#include "control/inputs/stream_socket.h"
#include "control/stat_accum.h"
#include "core/clock.h"
#include "stats/shard_senders.h"
#include "stats/shard_totals.h"
#include "stats/statsd_message.h"
#include "stats/statsd_talkers.h"

enum { LINE_SIZE_MAX = 16384 /* of a stream */ };

static const struct input_counter counters[] = {
    DATAGRAM_COUNTER_ROWS,
    STREAM_COUNTER_ROWS(DATAGRAM_COUNTERS),
    {NULL, NULL},
};
_Static_assert((int)DATAGRAM_COUNTERS + (int)STREAM_COUNTERS <= (int)INPUT_COUNTERS_MAX, "input.h");

#define STATSD(member) .key = #member, .offset = offsetof(struct statsd_input_options, member)
static const struct schema_key keys[] = {
    {STATSD(address), .type = SCHEMA_STRING, .def = "127.0.0.1:8125",
     .help = "HOST:PORT; with unixgram and unix a path or @NAME."},
    {STATSD(net), .type = SCHEMA_STRING, .def = "udp",
     .help = "udp, udp4, udp6, unixgram, tcp, tcp4, tcp6 or unix."},
    {STATSD(connections_max), .type = SCHEMA_INT, .min = 1, .max = 65536, .def = "4096",
     .help = "With tcp and unix: connections at the same time; more are closed at once, and "
             "counted."},
    {STATSD(stat_accum_name), .type = SCHEMA_STRING, .def = "StatAccumInput",
     .help = "Name of the StatAccumInput that aggregates."},
    {STATSD(max_msg_size), .type = SCHEMA_INT, .min = 0, .max = 65535, .def = "0", .unit = "bytes",
     .help = "Longer datagrams are cut here, and counted; 0: never."},
    STATSD_OPTION_ROWS(struct statsd_input_options, lines),
    {0},
};
static const struct schema schema = {"StatsdInput", keys};

struct statsd_state {
    struct input_host *host;
    const struct statsd_input_options *options;
    struct datagram_socket socket; /* or */
    struct stream_socket streams;
    struct stat_accum *accum;
    struct statsd_parser parser;
    struct shard_traffic seen; /* of its counts */
    struct senders *senders;
    uint64_t now_ns; /* of the burst in hand */
    struct statsd_sample samples[2 * STATSD_BURST]; /* not yet added */
    unsigned sample_count;
};

struct peer { /* a connection */
    struct statsd_state *statsd;
    struct sockaddr_storage source;
    bool is_skipping; /* a line that is too long, up to its end */
    size_t size;
    char bytes[LINE_SIZE_MAX]; /* of lines that are not whole yet */
};

static const char *address(const void *config, const char **net)
{
    const struct statsd_input_options *options = config;
    *net = options->net;
    return options->address;
}

static int check(const void *config, struct err *err)
{
    const struct statsd_input_options *options = config;
    struct statsd_settings settings;
    struct listen_address parsed;
    int rc = statsd_options_settings(&options->lines, &settings, err);
    if (listen_address_parse(options->net, options->address, &parsed, err) != 0)
        return -1;
    if (options->max_msg_size > 0 && parsed.socket_type == SOCK_STREAM)
        rc = err_add(err, "max_msg_size: streams have no datagrams to cut; lines may have %d bytes",
                     LINE_SIZE_MAX);
    return rc;
}

/* An event or a service check becomes a message. What cannot wait any more has been counted. */
static void take_notice(void *arg, const struct statsd_notice *notice)
{
    struct statsd_state *statsd = arg;
    struct msg_builder builder;
    input_host_begin(statsd->host, &builder, statsd->now_ns);
    statsd_message_put(&builder, notice, input_host_name(statsd->host),
                       input_host_hostname(statsd->host));
    (void)input_host_inject(statsd->host, &builder, NULL);
}

static void add_samples(struct statsd_state *statsd)
{
    if (statsd->sample_count > 0)
        stat_accum_add(statsd->accum, statsd->samples, statsd->sample_count,
                       input_host_counters(statsd->host));
    statsd->sample_count = 0;
    statsd_release(&statsd->parser);
}

static uint16_t sender_of(struct statsd_state *statsd, const struct sockaddr *source)
{
    struct sockaddr_in6 six;
    struct sockaddr_in four;
    if (source != NULL && source->sa_family == AF_INET6) {
        memcpy(&six, source, sizeof(six));
        return senders_find(statsd->senders, six.sin6_addr.s6_addr, true, statsd->now_ns);
    }
    if (source == NULL || source->sa_family != AF_INET)
        return 0;
    memcpy(&four, source, sizeof(four));
    return senders_find(statsd->senders, (const uint8_t *)&four.sin_addr, false, statsd->now_ns);
}

static void parse(struct statsd_state *statsd, const char *bytes, size_t size)
{
    uint64_t quota = (uint64_t)statsd->options->lines.sender_quota;
    size_t offset = 0;
    while (offset < size) {
        unsigned count = statsd_parse(&statsd->parser, bytes, size, &offset,
                                      statsd->samples + statsd->sample_count);
        unsigned admitted = senders_admit(statsd->senders, statsd->parser.sender, count, quota,
                                          statsd->now_ns);
        input_host_counters(statsd->host)->values[COUNTER_SAMPLES_OVER_QUOTA] += count - admitted;
        statsd->sample_count += admitted;
        if (statsd->sample_count >= STATSD_BURST || statsd_is_full(&statsd->parser))
            add_samples(statsd);
    }
}

static void begin_burst(struct statsd_state *statsd)
{
    statsd->now_ns = clock_wall_ns();
    statsd->parser.now_ns = statsd->now_ns;
    statsd->parser.interval_s = stat_accum_interval_s(statsd->accum);
}

/* Samples borrow from what was received, so they go at the end of each burst at the latest. */
static void end_burst(struct statsd_state *statsd, unsigned packets)
{
    add_samples(statsd);
    stat_accum_note(statsd->accum, &statsd->seen, &statsd->parser.counts, packets);
    statsd_counts_publish(&statsd->parser.counts, input_host_counters(statsd->host)->values);
}

/* ---- datagrams ---- */

static void parse_datagram(struct statsd_state *statsd, const struct datagram *datagram)
{
    size_t size = datagram->size, most = (size_t)statsd->options->max_msg_size;
    if ((most > 0 && size > most) || datagram->is_truncated)
        input_host_counters(statsd->host)->values[COUNTER_STATSD_TRUNCATED]++;
    if (most > 0 && size > most)
        size = most;
    statsd->parser.sender = sender_of(statsd, datagram->source);
    parse(statsd, datagram->bytes, size);
}

static int take(void *arg, const struct datagram *datagrams, unsigned count)
{
    struct statsd_state *statsd = arg;
    begin_burst(statsd);
    for (unsigned i = 0; i < count; i++)
        parse_datagram(statsd, &datagrams[i]);
    end_burst(statsd, count);
    return 0;
}

/* ---- streams ---- */

static void *opened(void *arg, struct stream_connection *connection,
                    const struct sockaddr *source, socklen_t size)
{
    struct peer *peer = malloc(sizeof(*peer));
    (void)connection;
    if (peer == NULL)
        return NULL;
    *peer = (struct peer){.statsd = arg};
    memcpy(&peer->source, source, size < sizeof(peer->source) ? size : sizeof(peer->source));
    return peer;
}

/* A line of which not everything is here: no number in it can be trusted. */
static void count_cut(struct peer *peer)
{
    struct statsd_state *statsd = peer->statsd;
    statsd->parser.counts.lines++;
    input_host_counters(statsd->host)->values[COUNTER_STATSD_LINE_CUT]++;
    statsd_counts_publish(&statsd->parser.counts, input_host_counters(statsd->host)->values);
    peer->size = 0;
}

static void drop(struct peer *peer, size_t size)
{
    peer->size -= size;
    memmove(peer->bytes, peer->bytes + size, peer->size);
}

/* Passes over what is left of a line that was too long. */
static void skip(struct peer *peer)
{
    const char *end = memchr(peer->bytes, '\n', peer->size);
    peer->is_skipping = end == NULL;
    drop(peer, end != NULL ? (size_t)(end + 1 - peer->bytes) : peer->size);
}

static void parse_lines(struct peer *peer, size_t size)
{
    struct statsd_state *statsd = peer->statsd;
    begin_burst(statsd);
    statsd->parser.sender =
        sender_of(statsd, (const struct sockaddr *)(const void *)&peer->source);
    parse(statsd, peer->bytes, size);
    end_burst(statsd, 1);
    drop(peer, size);
}

static void take_buffered(struct peer *peer)
{
    if (peer->is_skipping)
        skip(peer);
    const char *end = memrchr(peer->bytes, '\n', peer->size);
    if (end != NULL)
        parse_lines(peer, (size_t)(end + 1 - peer->bytes));
    if (peer->size == sizeof(peer->bytes)) {
        count_cut(peer);
        peer->is_skipping = true;
    }
}

static size_t data(void *user, const char *bytes, size_t size)
{
    struct peer *peer = user;
    for (size_t taken = 0, room; taken < size; taken += room) {
        room = sizeof(peer->bytes) - peer->size;
        if (room > size - taken)
            room = size - taken;
        memcpy(peer->bytes + peer->size, bytes + taken, room);
        peer->size += room;
        take_buffered(peer);
    }
    return size;
}

/* The last line needs no line feed when its sender has ended the stream. */
static int closed(void *user, enum stream_end end)
{
    struct peer *peer = user;
    if (peer->size > 0 && end == STREAM_END_FIN)
        parse_lines(peer, peer->size);
    else if (peer->size > 0)
        count_cut(peer);
    int rc = input_host_flush(peer->statsd->host);
    free(peer);
    return rc;
}

static const struct stream_handler handler = {.opened = opened, .data = data, .closed = closed};

/* ---- the input ---- */

static int open_socket(struct statsd_state *statsd, struct err *err)
{
    struct listen_address parsed;
    if (listen_address_parse(statsd->options->net, statsd->options->address, &parsed, err) != 0)
        return -1;
    if (parsed.socket_type == SOCK_DGRAM)
        return datagram_socket_open(&statsd->socket, &parsed, statsd->host, err);
    const struct stream_socket_config streams = {
        .address = &parsed,
        .host = statsd->host,
        .handler = &handler,
        .arg = statsd,
        .first_counter = DATAGRAM_COUNTERS,
        .bytes_counter = DATAGRAM_BYTES,
        .connections_max = (unsigned)statsd->options->connections_max,
    };
    return stream_socket_open(&statsd->streams, &streams, err);
}

static int init(void *state, const void *config, struct input_host *host, struct err *err)
{
    struct statsd_state *statsd = state;
    struct statsd_settings settings;
    statsd->host = host;
    statsd->options = config;
    if (statsd_options_settings(&statsd->options->lines, &settings, err) != 0)
        return -1;
    settings.notice = take_notice;
    settings.notice_arg = statsd;
    statsd_init(&statsd->parser, &settings);
    if (senders_new(&statsd->senders) != 0)
        return err_add(err, "out of memory");
    statsd->accum = input_host_accum(host, statsd->options->stat_accum_name, err);
    return statsd->accum != NULL ? open_socket(statsd, err) : -1;
}

static void run(void *state)
{
    struct statsd_state *statsd = state;
    if (statsd->streams.is_open)
        stream_socket_run(&statsd->streams);
    else
        datagram_socket_run(&statsd->socket, take, statsd);
}

static void observe(void *state)
{
    struct statsd_state *statsd = state;
    if (statsd->socket.is_open)
        datagram_socket_observe(&statsd->socket);
}

static void show_talkers(void *state, struct talkers *talkers)
{
    const struct statsd_state *statsd = state;
    statsd_talkers_senders(talkers, statsd->senders, input_host_name(statsd->host));
}

static void fini(void *state)
{
    struct statsd_state *statsd = state;
    datagram_socket_close(&statsd->socket);
    stream_socket_close(&statsd->streams);
    stat_accum_put(statsd->accum);
    senders_free(statsd->senders);
}

const struct input_ops statsd_input = {
    .plugin = {PLUGIN_ABI, "StatsdInput", &schema, sizeof(struct statsd_input_options),
               sizeof(struct statsd_state)},
    .counters = counters,
    .is_in_dataplane = true,
    .address = address,
    .check = check,
    .init = init,
    .run = run,
    .observe = observe,
    .talkers = show_talkers,
    .fini = fini,
};
