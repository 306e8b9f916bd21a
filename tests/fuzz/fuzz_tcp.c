/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_tcp.c - peers that send what the input says, in any order, to dataplane/tcp; every promise
 *              of tests/support/tcp_rig.h must hold.
 *
 * The first bytes choose options of the peers and limits; then each step takes a byte that says
 * what to do, and up to 7 bytes of arguments.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "tests/support/tcp_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

_Noreturn void rig_fail(const char *what)
{
    fprintf(stderr, "fuzz_tcp: %s\n", what);
    abort();
}

struct input {
    const uint8_t *at, *end;
};

static unsigned take(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static unsigned take16(struct input *input)
{
    unsigned high = take(input);
    return high << 8 | take(input);
}

/* Any header, near the peer's place or far from it. */
static void send_any(struct rig *rig, unsigned index, struct input *input)
{
    const struct rig_peer *peer = &rig->peers[index];
    struct rig_segment segment = {.window = 1000};
    segment.flags = (uint8_t)(take(input) & 0x3f);
    segment.place = (int64_t)peer->ack_max + (int8_t)take(input);
    segment.has_timestamp = (take(input) & 1) != 0;
    uint32_t later = take(input); /* half of them earlier */
    segment.tsval = peer->tsval + later - 128;
    segment.ack_place = (int8_t)take(input) / 32;
    /* A FIN or bytes at places that the model does not know of would be the test's own fault. */
    segment.flags &= (uint8_t)~RIG_FIN;
    segment.has_syn_options = (segment.flags & RIG_SYN) != 0;
    if (segment.flags & RIG_SYN)
        segment.place = -1;
    rig_send(rig, index, &segment);
}

static void send_data(struct rig *rig, unsigned index, struct input *input)
{
    const struct rig_peer *peer = &rig->peers[index];
    int64_t place = (int64_t)peer->ack_max + (int16_t)take16(input);
    uint32_t size = take16(input) % RIG_SEGMENT_MAX;
    if (place < 0)
        place = 0;
    if (peer->fin_sent && place + size > peer->fin_place)
        size = place < peer->fin_place ? (uint32_t)(peer->fin_place - place) : 0;
    if (size > 0)
        rig_data(rig, index, (uint32_t)place, size);
}

static void send_fin(struct rig *rig, unsigned index)
{
    struct rig_peer *peer = &rig->peers[index];
    uint32_t place = peer->fin_sent ? peer->fin_place : peer->sent_max;
    struct rig_segment segment = {.flags = RIG_FIN | RIG_ACK,
                                  .place = place,
                                  .window = 1000,
                                  .has_timestamp = peer->offers_timestamps,
                                  .tsval = peer->tsval};
    if (peer->is_synced)
        rig_send(rig, index, &segment);
}

static void acknowledge_fin(struct rig *rig, unsigned index)
{
    struct rig_peer *peer = &rig->peers[index];
    struct rig_segment segment = {.flags = RIG_ACK,
                                  .place = (int64_t)peer->fin_place + 1,
                                  .ack_place = 1,
                                  .has_timestamp = peer->offers_timestamps,
                                  .tsval = peer->tsval};
    rig_send(rig, index, &segment);
}

static void step(struct rig *rig, struct input *input)
{
    unsigned what = take(input), index = (what >> 4) % RIG_PEERS;
    struct rig_peer *peer = &rig->peers[index];
    switch (what & 15) {
    case 0:
        if (peer->opened == 0)
            rig_connect(rig, index);
        break;
    case 1: case 2: case 3: case 4:
        if (peer->is_synced)
            send_data(rig, index, input);
        break;
    case 5: /* the next bytes */
        if (peer->is_synced && !peer->fin_sent)
            rig_data(rig, index, peer->ack_max, 1 + take16(input) % RIG_SEGMENT_MAX);
        break;
    case 6: rig_flush(rig); break;
    case 7: rig_credit(rig, index, take16(input)); break;
    case 8: rig_credit(rig, index, SIZE_MAX); break;
    case 9: rig_advance(rig, (uint64_t)take16(input) * CLOCK_NS_PER_MS); break;
    case 10: send_any(rig, index, input); break;
    case 11: send_fin(rig, index); break;
    case 12: acknowledge_fin(rig, index); break;
    case 13: peer->tsval += take(input); break;
    case 14:
        if (peer->room == SIZE_MAX)
            peer->room = take16(input);
        break;
    default:
        if (peer->connection != NULL && take(input) < 16)
            tcp_abort(rig->tcp, peer->connection, rig->now_ns);
        break;
    }
    rig_check_books(rig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    struct rig rig;
    unsigned limits = take(&input);
    struct tcp_config config = {
        .connections_max = 1 + (limits & 3),
        .half_open_max = 1 + (limits >> 2 & 1),
        .pool_bytes = (limits >> 3 & 1) ? 16384 : 1 << 20,
        .window_max = (limits >> 4 & 1) ? 65536 : 0,
        .idle_ns = (limits >> 5 & 1) ? 30 * CLOCK_NS_PER_S : 0,
    };
    rig_init(&rig, &config);
    for (unsigned i = 0; i < RIG_PEERS; i++) {
        unsigned options = take(&input);
        rig.peers[i].offers_timestamps = options & 1;
        rig.peers[i].offers_sack = options >> 1 & 1;
        rig.peers[i].offers_scale = options >> 2 & 1;
        rig.peers[i].refuses = (options >> 3 & 7) == 7;
        if (options >> 6 & 1)
            rig.peers[i].iss = UINT32_MAX - 5000; /* numbers wrap around */
    }
    while (input.at < input.end)
        step(&rig, &input);
    rig_flush(&rig);
    rig_fini(&rig);
    return 0;
}
