/* SPDX-License-Identifier: MPL-2.0
 *
 * test_streams.c - records of TCP streams however they are cut into segments, in whatever order
 *                  these come, and whenever there is no room: always those that the splitter finds
 *                  in the whole stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "codec/splitter_options.h"
#include "core/clock.h"
#include "core/frame.h"
#include "dataplane/octets.h"
#include "dataplane/streams.h"
#include "matcher/split_regex.h"
#include "tests/support/chance.h"

enum {
    PEERS = 3,
    PORT = 5565,
    STREAM_MAX = 400000,
    SEGMENT_MAX = 3000,
    HEADER = 20,
    RECORDS_MAX = 60000,
    MESSAGE_MAX = 4096
};

struct outcome {
    enum split_outcome outcome;
    uint32_t len;
    uint64_t sum; /* of the record's bytes */
};

struct record_list {
    struct outcome items[RECORDS_MAX];
    unsigned count;
};

struct rig {
    struct streams *streams;
    struct splitter splitter;
    struct record_list got[PEERS], wanted[PEERS];
    char *bytes[PEERS];
    uint32_t size[PEERS], acked[PEERS];
    uint32_t seq_endpoint;
    unsigned room; /* records until there is none */
    uint64_t random, now_ns;
    bool is_gone;
};

static struct rig rig;

static uint32_t next_random(uint32_t limit)
{
    return chance_below(&rig.random, limit);
}

static void add(struct record_list *list, const struct split_piece *piece)
{
    /* How much garbage is one piece depends on how it comes: split_counts. */
    if (piece->outcome == SPLIT_GARBAGE)
        return;
    struct outcome *item = &list->items[list->count++];
    assert_true(list->count < RECORDS_MAX);
    *item = (struct outcome){.outcome = piece->outcome, .len = piece->record.len};
    for (uint32_t i = 0; i < piece->record.len; i++)
        item->sum = item->sum * 31 + (uint8_t)piece->record.ptr[i];
}

/* ---- the user ---- */

static int find_listener(void *context, const struct tcp_flow *flow)
{
    (void)context;
    return ntohs(flow->local_port_be) == PORT ? 3 : -1;
}

static const struct splitter *splitter_of(void *context, int listener)
{
    (void)context;
    assert_int_equal(listener, 3);
    return &rig.splitter;
}

static bool has_room(void *context)
{
    (void)context;
    return rig.room > 0;
}

static void take_piece(void *context, int listener, const struct tcp_flow *flow,
                       const struct split_piece *piece)
{
    (void)context;
    (void)listener;
    assert_true(rig.room > 0);
    rig.room--;
    add(&rig.got[ntohs(flow->remote_port_be) - 1000], piece);
}

static void take_answer(void *context, const struct tcp_answer *answer)
{
    (void)context;
    unsigned peer = ntohs(answer->flow->remote_port_be) - 1000u;
    rig.seq_endpoint = octets_load_be32(answer->header + 4);
    rig.acked[peer] = octets_load_be32(answer->header + 8) - 1; /* the SYN's number is 0 */
}

static const struct streams_user user = {find_listener, splitter_of, has_room, take_piece,
                                         take_answer};

/* ---- peers ---- */

static void send_segment(unsigned peer, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t size)
{
    uint8_t bytes[HEADER + SEGMENT_MAX] = {0};
    struct tcp_packet packet = {.bytes = bytes, .size = HEADER + size};
    packet.flow.remote_port_be = htons((uint16_t)(1000 + peer));
    packet.flow.local_port_be = htons(PORT);
    memcpy(bytes, &packet.flow.remote_port_be, 2);
    memcpy(bytes + 2, &packet.flow.local_port_be, 2);
    uint32_t seq_be = htonl(seq), ack_be = htonl(ack);
    memcpy(bytes + 4, &seq_be, 4);
    memcpy(bytes + 8, &ack_be, 4);
    bytes[12] = 0x50;
    bytes[13] = flags;
    if (size > 0)
        memcpy(bytes + HEADER, rig.bytes[peer] + (seq - 1), size);
    streams_take(rig.streams, &packet, 1, rig.now_ns);
}

static uint32_t acks[PEERS];

static void connect_peer(unsigned peer)
{
    send_segment(peer, 0x02, 0, 0, 0);
    acks[peer] = rig.seq_endpoint + 1;
    send_segment(peer, 0x10, 1, acks[peer], 0);
}

/* A random part of what is not acknowledged, often the first. */
static void send_some(unsigned peer)
{
    uint32_t from = rig.acked[peer], left = rig.size[peer] - from;
    if (left == 0)
        return;
    if (next_random(3) == 0)
        from += next_random(left < 20000 ? left : 20000);
    uint32_t size = 1 + next_random(next_random(4) == 0 ? 20 : SEGMENT_MAX - 1);
    if (size > rig.size[peer] - from)
        size = rig.size[peer] - from;
    send_segment(peer, 0x18, 1 + from, acks[peer], size);
}

static bool step(void)
{
    bool is_done = true;
    for (unsigned peer = 0; peer < PEERS; peer++) {
        if (rig.acked[peer] > rig.size[peer]) /* the FIN, too */
            continue;
        is_done = false;
        if (rig.acked[peer] == rig.size[peer])
            send_segment(peer, 0x11, 1 + rig.size[peer], acks[peer], 0);
        else
            send_some(peer);
    }
    if (next_random(4) == 0)
        rig.room = next_random(30);
    streams_resume(rig.streams, rig.now_ns);
    if (next_random(50) == 0) {
        rig.now_ns += 300 * CLOCK_NS_PER_MS;
        streams_expire(rig.streams, rig.now_ns);
    }
    return is_done;
}

/* ---- a whole run ---- */

static struct split_regexes regexes;

static void begin(const struct splitter_ops *ops, const void *config)
{
    static struct splitter_options common;
    struct splitter_host host = {
        .context = &regexes, .message_max = MESSAGE_MAX, .compile = split_regexes_compile};
    struct tcp_config tcp = {.connections_max = 16};
    struct err err = {0};
    common = (struct splitter_options){.deliver_incomplete_final = true};
    rig.now_ns = CLOCK_NS_PER_S;
    assert_int_equal(splitter_init(&rig.splitter, ops, config, &common, &host, &err), 0);
    assert_int_equal(streams_new(&tcp, &user, NULL, splitter_buffer_max(&rig.splitter),
                                 &rig.streams, &err),
                     0);
}

static void want(unsigned peer)
{
    struct split_piece piece;
    struct msg_slice left = {rig.bytes[peer], rig.size[peer]};
    struct split_stream *stream = aligned_alloc(64, 4096);
    assert_non_null(stream);
    split_stream_init(stream, &rig.splitter);
    /* In portions, as a stream is: a record may be longer than a buffer. */
    while (left.len > 0) {
        bool is_all = left.len <= splitter_buffer_max(&rig.splitter);
        struct msg_slice part = left;
        if (!is_all)
            part.len = (uint32_t)splitter_buffer_max(&rig.splitter);
        if (split_next(stream, part, is_all ? SPLIT_ENDS : SPLIT_GOES_ON, &piece, NULL) ==
            SPLIT_MORE)
            break;
        add(&rig.wanted[peer], &piece);
        left.ptr += piece.consumed;
        left.len -= (uint32_t)piece.consumed;
    }
    free(stream);
}

static void compare(void)
{
    for (unsigned peer = 0; peer < PEERS; peer++) {
        const struct record_list *got = &rig.got[peer], *wanted = &rig.wanted[peer];
        assert_true(wanted->count > 10);
        assert_int_equal(got->count, wanted->count);
        assert_memory_equal(got->items, wanted->items, got->count * sizeof(got->items[0]));
    }
}

static void run(void)
{
    for (unsigned peer = 0; peer < PEERS; peer++) {
        want(peer);
        connect_peer(peer);
    }
    assert_int_equal(streams_count(rig.streams), PEERS);
    unsigned steps = 0;
    while (!step())
        assert_true(++steps < 2000000);
    rig.room = UINT32_MAX;
    assert_true(streams_resume(rig.streams, rig.now_ns));
    compare();
    assert_int_equal(streams_count(rig.streams), 0);
    assert_int_equal(streams_open_bytes(rig.streams), 0);
    assert_int_equal(streams_tcp_counters(rig.streams)[TCP_BYTES_HELD], 0);
}

static int end(void **state)
{
    (void)state;
    streams_drop_all(rig.streams, rig.now_ns);
    streams_free(rig.streams);
    splitter_fini(&rig.splitter);
    split_regexes_fini(&regexes);
    for (unsigned peer = 0; peer < PEERS; peer++)
        free(rig.bytes[peer]);
    memset(&rig, 0, sizeof(rig));
    return 0;
}

static void make_lines(unsigned peer)
{
    rig.bytes[peer] = malloc(STREAM_MAX);
    assert_non_null(rig.bytes[peer]);
    rig.size[peer] = STREAM_MAX / 2 + next_random(STREAM_MAX / 2);
    uint32_t left = 0;
    for (uint32_t i = 0; i < rig.size[peer]; i++) {
        bool is_end = left == 0;
        if (is_end) /* some longer than a record may be */
            left = next_random(next_random(40) == 0 ? 12000 : 150);
        else
            left--;
        rig.bytes[peer][i] = is_end ? '\n' : (char)('a' + next_random(26));
    }
}

static void make_frames(unsigned peer)
{
    uint8_t message[MESSAGE_MAX];
    rig.bytes[peer] = malloc(STREAM_MAX);
    assert_non_null(rig.bytes[peer]);
    while (rig.size[peer] < STREAM_MAX - 20000) {
        char *at = rig.bytes[peer] + rig.size[peer];
        uint32_t size = next_random(MESSAGE_MAX);
        if (next_random(20) == 0) { /* garbage between frames */
            memset(at, 0x1e + (int)next_random(2), size);
            rig.size[peer] += size;
            continue;
        }
        for (uint32_t i = 0; i < size; i++)
            message[i] = (uint8_t)next_random(256);
        int64_t framed =
            frame_write(at, MESSAGE_MAX + FRAME_OVERHEAD_MAX, message, size, MESSAGE_MAX, NULL);
        assert_true(framed > 0);
        rig.size[peer] += (uint32_t)framed;
    }
}

static void test_lines(void **state)
{
    static const struct token_split_config config = {.delimiter = "\n", .count = 1};
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        rig.random = seed;
        for (unsigned peer = 0; peer < PEERS; peer++)
            make_lines(peer);
        begin(&token_split_ops, &config);
        run();
        end(NULL);
    }
}

static void test_frames(void **state)
{
    static const struct framing_split_config config;
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        rig.random = seed;
        for (unsigned peer = 0; peer < PEERS; peer++)
            make_frames(peer);
        begin(&framing_split_ops, &config);
        run();
        end(NULL);
    }
}

static int index_now(void *context, int listener)
{
    (void)context;
    assert_int_equal(listener, 3);
    return rig.is_gone ? -1 : 3;
}

static void test_dropped_listener_ends_its_streams(void **state)
{
    static const struct token_split_config config = {.delimiter = "\n", .count = 1};
    (void)state;
    for (unsigned peer = 0; peer < PEERS; peer++)
        make_lines(peer);
    begin(&token_split_ops, &config);
    rig.room = UINT32_MAX;
    connect_peer(0);
    send_segment(0, 0x18, 1, acks[0], 1000);
    streams_renumber(rig.streams, index_now, rig.now_ns);
    assert_int_equal(streams_count(rig.streams), 1);
    rig.is_gone = true;
    streams_renumber(rig.streams, index_now, rig.now_ns);
    assert_int_equal(streams_count(rig.streams), 0);
    assert_int_equal(streams_tcp_counters(rig.streams)[TCP_CLOSED_ABORTED], 1);
    end(NULL);
}

static void expect_pieces(unsigned peer, unsigned count, uint32_t len)
{
    assert_int_equal(rig.got[peer].count, count);
    if (count > 0)
        assert_int_equal(rig.got[peer].items[count - 1].len, len);
}

static void pass(uint64_t ms)
{
    rig.now_ns += ms * CLOCK_NS_PER_MS;
    streams_expire(rig.streams, rig.now_ns);
}

/* A group of lines ends when its stream has had no byte for a second; what is no whole line stays,
 * and so does a group for which there is no room. */
static void test_a_pause_ends_a_group(void **state)
{
    static const struct pattern_split_config config = {
        .delimiter = "\n", .grouping = "^a", .max_lines = 99};
    static const char text[] = "a1\na2\na3\na4";
    (void)state;
    for (unsigned peer = 0; peer < 2; peer++) {
        rig.bytes[peer] = strdup(text);
        rig.size[peer] = sizeof(text) - 1;
    }
    begin(&pattern_split_ops, &config);
    rig.room = UINT32_MAX;
    connect_peer(0);
    connect_peer(1);
    send_segment(0, 0x18, 1, acks[0], 8); /* "a1\na2\na3" */
    pass(600);
    send_segment(1, 0x18, 1, acks[1], 3); /* "a1\n" */
    expect_pieces(0, 0, 0);
    pass(600);
    expect_pieces(0, 1, 6);
    expect_pieces(1, 0, 0);
    rig.room = 0;
    pass(600);
    expect_pieces(1, 0, 0);
    rig.room = UINT32_MAX;
    pass(600);
    expect_pieces(1, 0, 0); /* it is looked at again after a second */
    pass(600);
    expect_pieces(1, 1, 3);
    send_segment(0, 0x18, 9, acks[0], 3); /* "\na4" */
    pass(1200);
    expect_pieces(0, 2, 3);
    assert_int_equal(streams_open_bytes(rig.streams), 2);
    end(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_dropped_listener_ends_its_streams),
        cmocka_unit_test(test_a_pause_ends_a_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
