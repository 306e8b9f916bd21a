/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_rate.c - TCP into records on one core: segments from an in-process peer through dataplane/tcp
 *              and a splitter.
 *
 * Place:   build/PRESET/bench/tcp_rate. Segments carry 1,448 bytes (an MTU of 1,500 with
 *          timestamps); connections take turns, a segment each. Cases `lines`: newline-delimited
 *          lines of 100 bytes, split and counted. Cases `frames`: Heka frames of 1 KB messages,
 *          split, validated, and matched against 100 rules, of which one in ten messages meets one.
 *          Each connection has sent a segment before it is measured. The bytes are made in setup;
 *          the peer writes 12 bytes of each header, and verifying the checksum, which a port does,
 *          is not part of it. Case `syn-flood`: `lines` with 10 SYN of strangers beside each burst,
 *          a million a second at 20 Gbit/s of lines.
 * Threads: one.
 * Failure: another number of records than were sent, or bytes that the books do not have, make the
 *          case inexact.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "codec/splitter_options.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/frame.h"
#include "dataplane/octets.h"
#include "dataplane/streams.h"
#include "matcher/ruleset.h"

enum {
    PORT = 5565,
    PAYLOAD = 1448,
    HEADER = 32, /* with timestamps */
    PACKET = 1536,
    BURST = 16,
    LINE = 100,
    MESSAGE = 1026,
    FRAME = 1032, /* 8 x 129: PAYLOAD / 8 of them are FRAME / 8 packets */
    RULES = 100,
    RULE_SIZE = 128,
    MATCH_BURST = 64,
    MESSAGE_MAX = 65536
};

struct tcp_case {
    unsigned connections;
    bool is_frames;
    unsigned syns; /* of strangers, with each burst */
};

struct peer {
    uint32_t seq, ack;
    unsigned phase; /* which of the prepared payloads comes next */
};

struct tcp_state {
    const struct tcp_case *parameters;
    struct streams *streams;
    struct splitter splitter;
    struct token_split_config token;
    struct framing_split_config framing;
    struct splitter_options common;
    unsigned phases;
    uint8_t *packets; /* phases x BURST, PACKET bytes each */
    struct peer *peers;
    unsigned next_peer;
    uint64_t now_ns;
    uint64_t records, record_bytes, others, answers, segments, syns;
    uint32_t last_seq; /* of the last SYN-ACK */
    /* matching */
    char (*texts)[RULE_SIZE];
    struct rule_text rules[RULES];
    struct ruleset *set;
    struct ruleset_scratch *scratch;
    struct msg_view views[MATCH_BURST];
    uint64_t masks[MATCH_BURST][(RULES + 63) / 64];
    unsigned view_count;
    uint64_t matched, malformed;
};

/* ---- what takes the records ---- */

static int find_listener(void *context, const struct tcp_flow *flow)
{
    (void)context;
    return ntohs(flow->local_port_be) == PORT ? 0 : -1;
}

static const struct splitter *splitter_of(void *context, int listener)
{
    struct tcp_state *state = context;
    (void)listener;
    return &state->splitter;
}

static bool has_room(void *context)
{
    (void)context;
    return true;
}

static void match_pending(struct tcp_state *state)
{
    ruleset_match(state->set, state->scratch, state->views, NULL, state->view_count,
                  state->masks[0], ARRAY_COUNT(state->masks[0]));
    for (unsigned i = 0; i < state->view_count; i++)
        state->matched += (state->masks[i][0] | state->masks[i][1]) != 0;
    state->view_count = 0;
}

static void piece(void *context, int listener, const struct tcp_flow *flow,
                  const struct split_piece *piece)
{
    struct tcp_state *state = context;
    (void)listener;
    (void)flow;
    if (!split_is_record(piece->outcome)) {
        state->others++;
        return;
    }
    state->records++;
    state->record_bytes += piece->record.len;
    if (!state->parameters->is_frames)
        return;
    if (msg_view_init(&state->views[state->view_count], piece->record.ptr, piece->record.len) != 0)
        state->malformed++;
    else if (++state->view_count == MATCH_BURST)
        match_pending(state);
}

static void send_answer(void *context, const struct tcp_answer *answer)
{
    struct tcp_state *state = context;
    state->last_seq = octets_load_be32(answer->header + 4);
    state->answers++;
}

static const struct streams_user user = {find_listener, splitter_of, has_room, piece, send_answer};

/* ---- the peer ---- */

static void store_be32(uint8_t *at, uint32_t value)
{
    value = htonl(value);
    memcpy(at, &value, sizeof(value));
}

static struct tcp_packet packet_of(unsigned connection, const uint8_t *bytes, uint32_t size)
{
    struct tcp_packet packet = {.bytes = bytes, .size = size};
    packet.flow.remote_port_be = htons((uint16_t)(1024 + connection % 50000));
    packet.flow.local_port_be = htons(PORT);
    packet.flow.remote_ip[0] = 10;
    packet.flow.remote_ip[3] = (uint8_t)(1 + connection / 50000);
    packet.flow.local_ip[0] = 10;
    packet.flow.local_ip[3] = 200;
    return packet;
}

static void write_header(const struct tcp_state *state, unsigned connection, uint8_t flags,
                         uint8_t *bytes)
{
    static const uint8_t timestamp[] = {1, 1, 8, 10};
    const struct peer *peer = &state->peers[connection];
    struct tcp_packet packet = packet_of(connection, bytes, 0);
    memset(bytes, 0, HEADER);
    memcpy(bytes, &packet.flow.remote_port_be, 2);
    memcpy(bytes + 2, &packet.flow.local_port_be, 2);
    store_be32(bytes + 4, peer->seq);
    store_be32(bytes + 8, peer->ack);
    bytes[12] = HEADER / 4 << 4;
    bytes[13] = flags;
    bytes[14] = bytes[15] = 0xff;
    memcpy(bytes + 20, timestamp, sizeof(timestamp));
    store_be32(bytes + 24, (uint32_t)(state->now_ns / CLOCK_NS_PER_MS));
}

static void give(struct tcp_state *state, unsigned connection, const uint8_t *bytes, uint32_t size)
{
    struct tcp_packet packet = packet_of(connection, bytes, size);
    streams_take(state->streams, &packet, 1, state->now_ns);
}

static void connect_peer(struct tcp_state *state, unsigned connection)
{
    struct peer *peer = &state->peers[connection];
    uint8_t bytes[HEADER + 8];
    peer->seq = connection * 7919;
    write_header(state, connection, 0x02, bytes);
    bytes[12] = (HEADER + 8) / 4 << 4;
    static const uint8_t options[] = {4, 2, 3, 3, 7, 1, 1, 1}; /* SACK, scale */
    memcpy(bytes + HEADER, options, sizeof(options));
    give(state, connection, bytes, sizeof(bytes));
    peer->seq++;
    peer->ack = state->last_seq + 1;
    write_header(state, connection, 0x10, bytes);
    give(state, connection, bytes, HEADER);
}

/* From addresses that never answer. */
static void send_syns(struct tcp_state *state)
{
    struct tcp_packet packets[BURST];
    uint8_t bytes[BURST][TCP_HEADER_SIZE] = {{0}};
    unsigned count = state->parameters->syns;
    for (unsigned i = 0; i < count; i++, state->syns++) {
        uint32_t ip_be = htonl(0xC6120000u + (uint32_t)(state->syns & 0x1ffff)); /* 198.18/15 */
        packets[i] = packet_of(0, bytes[i], TCP_HEADER_SIZE);
        packets[i].flow.remote_port_be = htons((uint16_t)(1024 + (state->syns >> 17)));
        memcpy(packets[i].flow.remote_ip, &ip_be, sizeof(ip_be));
        memcpy(bytes[i], &packets[i].flow.remote_port_be, 2);
        memcpy(bytes[i] + 2, &packets[i].flow.local_port_be, 2);
        store_be32(bytes[i] + 4, (uint32_t)state->syns);
        bytes[i][12] = TCP_HEADER_SIZE / 4 << 4;
        bytes[i][13] = 0x02;
    }
    streams_take(state->streams, packets, count, state->now_ns);
}

/* One burst: a segment of each of the next connections. */
static void send_burst(struct tcp_state *state)
{
    struct tcp_packet packets[BURST];
    for (unsigned i = 0; i < BURST; i++) {
        struct peer *peer = &state->peers[state->next_peer];
        uint8_t *bytes = state->packets + ((size_t)peer->phase * BURST + i) * PACKET;
        packets[i] = packet_of(state->next_peer, bytes, HEADER + PAYLOAD);
        store_be32(bytes + 4, peer->seq);
        store_be32(bytes + 8, peer->ack);
        store_be32(bytes + 24, (uint32_t)(state->now_ns / CLOCK_NS_PER_MS));
        peer->seq += PAYLOAD;
        peer->phase = peer->phase + 1 == state->phases ? 0 : peer->phase + 1;
        if (++state->next_peer == state->parameters->connections)
            state->next_peer = 0;
    }
    streams_take(state->streams, packets, BURST, state->now_ns);
    if (state->parameters->syns > 0)
        send_syns(state);
    state->segments += BURST;
    state->now_ns += 10000; /* 20 Gbit/s or so */
}

/* ---- setup ---- */

static void write_lines(uint8_t *stream, size_t size)
{
    for (size_t i = 0; i < size; i++)
        stream[i] = i % LINE == LINE - 1 ? '\n' : (uint8_t)('a' + (i * 7 + i / LINE) % 26);
}

static size_t write_message(unsigned n, uint8_t *bytes)
{
    static char filler[MESSAGE];
    struct msg_builder builder;
    uint8_t uuid[MSG_UUID_SIZE];
    char text[64];
    memset(filler, 'x', sizeof(filler));
    for (size_t len = MESSAGE - 200; len < MESSAGE; len++) { /* until it has the wanted size */
        msg_uuid_from_random(uuid, n, n);
        msg_builder_init(&builder, bytes, MESSAGE);
        msg_builder_uuid(&builder, uuid);
        msg_builder_timestamp(&builder, 1416840893000000000);
        snprintf(text, sizeof(text), "app%03u.log", n % 1000);
        msg_builder_type(&builder, text, strlen(text));
        msg_builder_logger(&builder, "bench", 5);
        msg_builder_severity(&builder, 6);
        msg_builder_payload(&builder, filler, len);
        msg_builder_hostname(&builder, "host17.example.net", 18);
        msg_builder_field_integer(&builder, "status", 200 + n % 400, "");
        if (msg_builder_finish(&builder) == MESSAGE)
            return MESSAGE;
    }
    return 0;
}

static int write_frames(struct bench_run *run, uint8_t *stream, size_t size)
{
    uint8_t message[MESSAGE];
    for (size_t at = 0; at + FRAME <= size; at += FRAME) {
        size_t len = write_message((unsigned)(at / FRAME), message);
        if (len == 0 || frame_write(stream + at, FRAME, message, len, MESSAGE_MAX, NULL) != FRAME)
            return bench_error(run, "a frame has not %d bytes", FRAME);
    }
    return 0;
}

static int make_packets(struct bench_run *run, struct tcp_state *state)
{
    bool is_frames = state->parameters->is_frames;
    state->phases = is_frames ? FRAME / 8 : LINE / 4;
    size_t size = (size_t)state->phases * PAYLOAD;
    uint8_t *stream = malloc(size);
    state->packets = aligned_alloc(64, (size_t)state->phases * BURST * PACKET);
    if (stream == NULL || state->packets == NULL)
        return bench_error(run, "no memory");
    if (is_frames && write_frames(run, stream, size) != 0)
        return -1;
    if (!is_frames)
        write_lines(stream, size);
    for (unsigned phase = 0; phase < state->phases; phase++)
        for (unsigned i = 0; i < BURST; i++) {
            uint8_t *bytes = state->packets + ((size_t)phase * BURST + i) * PACKET;
            write_header(state, 0, 0x18, bytes);
            memcpy(bytes + HEADER, stream + (size_t)phase * PAYLOAD, PAYLOAD);
        }
    free(stream);
    return 0;
}

/* A tenth of the messages meets a rule: "app%03u" has 0 to 180, of which 19 end in 9. */
static int make_rules(struct bench_run *run, struct tcp_state *state)
{
    static struct err err;
    state->texts = calloc(RULES, RULE_SIZE);
    if (state->texts == NULL)
        return bench_error(run, "no memory");
    for (unsigned i = 0; i < RULES; i++) {
        static const char *const forms[] = {"Type == 'app%u9.log' && Severity < 7",
                                            "Logger =~ /^service-%u\\./",
                                            "Fields[status] == %u", "Payload =~ /error-%u: \\w+/"};
        unsigned number = i % 4 == 2 ? 1000 + i : i / 4;
        snprintf(state->texts[i], RULE_SIZE, forms[i % 4], number);
        if (i % 4 == 0)
            snprintf(state->texts[i], RULE_SIZE, "Type == 'app%03u.log' && Severity < 7",
                     10 * (i / 4) + 9);
        state->rules[i] = (struct rule_text){.name = "rule", .text = state->texts[i]};
    }
    if (ruleset_compile(state->rules, RULES, &state->set, &err) != 0 ||
        ruleset_scratch_new(state->set, &state->scratch) != 0)
        return bench_error(run, "%s", err.texts[0]);
    return 0;
}

static int make_splitter(struct bench_run *run, struct tcp_state *state)
{
    static struct err err;
    const struct splitter_host host = {.message_max = MESSAGE_MAX};
    const struct splitter_ops *ops =
        state->parameters->is_frames ? &framing_split_ops : &token_split_ops;
    const void *config =
        state->parameters->is_frames ? (const void *)&state->framing : (const void *)&state->token;
    state->token = (struct token_split_config){.delimiter = "\n", .count = 1};
    if (splitter_init(&state->splitter, ops, config, &state->common, &host, &err) != 0)
        return bench_error(run, "%s", err.texts[0]);
    return 0;
}

static int setup(struct bench_run *run)
{
    static struct err err;
    struct tcp_state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return bench_error(run, "no memory");
    run->state = state;
    state->parameters = run->bench_case->arg;
    state->now_ns = CLOCK_NS_PER_S;
    unsigned connections = state->parameters->connections;
    state->peers = calloc(connections, sizeof(*state->peers));
    struct tcp_config config = {.connections_max = connections + 1, /* SYN are answered */
                                .secret = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};
    if (state->peers == NULL || make_packets(run, state) != 0 || make_rules(run, state) != 0 ||
        make_splitter(run, state) != 0)
        return -1;
    if (streams_new(&config, &user, state, splitter_buffer_max(&state->splitter),
                    &state->streams, &err) != 0)
        return bench_error(run, "%s", err.texts[0]);
    for (unsigned i = 0; i < connections; i++)
        connect_peer(state, i);
    bench_param(run, "connections", connections);
    bench_param(run, "payload_bytes", PAYLOAD);
    bench_param(run, "record_bytes", state->parameters->is_frames ? MESSAGE : LINE);
    if (streams_count(state->streams) != connections)
        return bench_error(run, "%u of %u connections", streams_count(state->streams),
                           connections);
    /* What is touched for the first time is not what is measured. */
    for (unsigned i = 0; i < connections; i += BURST)
        send_burst(state);
    return 0;
}

static void teardown(struct bench_run *run)
{
    struct tcp_state *state = run->state;
    if (state == NULL)
        return;
    streams_free(state->streams);
    splitter_fini(&state->splitter);
    ruleset_scratch_free(state->scratch);
    ruleset_free(state->set);
    free(state->texts);
    free(state->packets);
    free(state->peers);
    free(state);
}

/* ---- a run ---- */

/* Whole records of each stream so far, from its own number of segments. */
static uint64_t expected_records(const struct tcp_state *state)
{
    uint64_t record = state->parameters->is_frames ? FRAME : LINE, sum = 0;
    for (unsigned i = 0; i < state->parameters->connections; i++) {
        uint32_t sent = state->peers[i].seq - (i * 7919 + 1);
        sum += sent / record;
    }
    return sum;
}

static int check(struct bench_run *run, const struct tcp_state *state)
{
    const uint64_t *counters = streams_tcp_counters(state->streams);
    uint64_t bytes = state->segments * PAYLOAD;
    if (counters[TCP_BYTES_DELIVERED] != bytes || counters[TCP_BYTES_HELD] != 0)
        return bench_inexact(run, "%llu bytes delivered of %llu",
                             (unsigned long long)counters[TCP_BYTES_DELIVERED],
                             (unsigned long long)bytes);
    uint64_t answered = counters[TCP_SEGMENT_SYN] + counters[TCP_SEGMENT_SYN_COOKIE] -
                        state->parameters->connections;
    if (state->syns != answered || counters[TCP_OPENED] != state->parameters->connections)
        return bench_inexact(run, "%llu SYN answered of %llu", (unsigned long long)answered,
                             (unsigned long long)state->syns);
    if (state->others != 0 || state->malformed != 0)
        return bench_inexact(run, "%llu pieces are no records, %llu no messages",
                             (unsigned long long)state->others,
                             (unsigned long long)state->malformed);
    /* 32-bit sequence numbers tell how much was sent while nobody has sent 4 GB. */
    bool is_known = bytes / state->parameters->connections < UINT32_MAX - PAYLOAD;
    if (is_known && state->records != expected_records(state))
        return bench_inexact(run, "%llu records of %llu", (unsigned long long)state->records,
                             (unsigned long long)expected_records(state));
    return 0;
}

static int run_case(struct bench_run *run)
{
    struct tcp_state *state = run->state;
    uint64_t segments = state->segments, records = state->records;
    bench_start(run);
    do {
        for (unsigned i = 0; i < 256; i++)
            send_burst(state);
        streams_expire(state->streams, state->now_ns);
    } while (bench_goes_on(run));
    uint64_t took_ns = clock_mono_ns() - run->start_ns;
    uint64_t cycles = bench_cycles() - run->start_cycles;
    segments = state->segments - segments;
    records = state->records - records;
    bench_result(run, (double)segments * PAYLOAD * 8 / (double)took_ns,
                 (double)cycles / (double)segments);
    if (state->syns > 0)
        bench_figure(run, "syns_per_s",
                     (double)segments / BURST * state->parameters->syns * 1e9 / (double)took_ns);
    bench_figure(run, "records_per_s", (double)records * 1e9 / (double)took_ns);
    bench_figure(run, "cycles_per_segment", (double)cycles / (double)segments);
    if (state->parameters->is_frames)
        bench_figure(run, "matched_share", (double)state->matched / (double)state->records);
    return check(run, state);
}

static const struct tcp_case lines = {100, false, 0}, lines_10k = {10000, false, 0};
static const struct tcp_case frames = {100, true, 0}, frames_10k = {10000, true, 0};
static const struct tcp_case flood = {100, false, 10};

static const struct bench_case cases[] = {
    {"lines", run_case, "Gbit/s", setup, teardown, &lines, 0, 0, false},
    {"lines-10k", run_case, "Gbit/s", setup, teardown, &lines_10k, 0, 0, false},
    {"frames", run_case, "Gbit/s", setup, teardown, &frames, 0, 0, false},
    {"frames-10k", run_case, "Gbit/s", setup, teardown, &frames_10k, 0, 0, false},
    {"syn-flood", run_case, "Gbit/s", setup, teardown, &flood, 0, 0, false},
};

int main(int argc, char **argv)
{
    static const struct bench bench = {
        .name = "tcp_rate",
        .help = "TCP segments from an in-process peer into records, on one core",
        .cases = cases,
        .case_count = ARRAY_COUNT(cases),
    };
    return bench_main(&bench, argc, argv);
}
