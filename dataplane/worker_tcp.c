/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/worker_tcp.h"

#include <string.h>

#include "codec/split_ledger.h"
#include "core/clock.h"
#include "dataplane/worker.h"

enum {
    EXPIRE_INTERVAL_NS = 10 * 1000 * 1000,
    MESSAGES_OF_PIECE = 4, /* for which there is room; more that a decoder makes may wait */
    RECORD_EXTRA_MAX = 2048  /* bytes of splitter_buffer_max() beyond the message, and more */
};

#define TCP_COUNTER(id, name, help)                                                                \
    _Static_assert((int)COUNTER_TCP_##id - (int)COUNTER_TCP_SEGMENTS == (int)TCP_##id,             \
                   "the ledger has them in this order");
#include "core/tcp_counters.def"

/* ---- the user of streams.h ---- */

static const struct plan *plan_of(const struct worker *worker)
{
    return worker->generation->plan;
}

static int find_listener(void *context, const struct tcp_flow *flow)
{
    const struct worker *worker = context;
    const struct plan_addresses *addresses = &plan_of(worker)->addresses[PLAN_TCP];
    uint16_t index =
        listener_find(addresses->table, flow->is_ipv6, flow->local_ip, flow->local_port_be);
    return index == LISTENER_NONE ? -1 : addresses->listeners[index];
}

static const struct splitter *splitter_of(void *context, int listener)
{
    const struct worker *worker = context;
    return plan_of(worker)->listeners[listener].splitter;
}

static bool has_room(void *context)
{
    struct worker *worker = context;
    return worker->tcp.is_forced || (spill_push(&worker->tcp.spill, &worker->sink) &&
                                     message_sink_make_room(&worker->sink, MESSAGES_OF_PIECE));
}

static void take_text(struct worker *worker, int index, const struct tcp_flow *flow,
                      const struct split_piece *piece)
{
    const struct text_source source = {
        .listener = &plan_of(worker)->listeners[index],
        .decoder = &worker->generation->decoders[worker->index][index],
        .sink = &worker->sink,
        .spill = &worker->tcp.spill,
        .peer_ip = flow->remote_ip,
        .now_ns = worker->tcp.wall_ns,
        .origin = (uint32_t)index,
        .peer_port_be = flow->remote_port_be,
        .is_ipv6 = flow->is_ipv6,
    };
    text_listener_piece(&source, piece);
}

/* A line. Samples point into it: they cannot wait for more. */
static void take_statsd(struct worker *worker, int index, const struct tcp_flow *flow,
                        const struct split_piece *piece)
{
    const struct plan_listener *listener = &plan_of(worker)->listeners[index];
    struct datagram line = {
        .payload = (const uint8_t *)piece->record.ptr,
        .size = piece->record.len,
        .is_ipv6 = flow->is_ipv6,
        .source_port_be = flow->remote_port_be,
    };
    memcpy(line.source_ip, flow->remote_ip, sizeof(line.source_ip));
    statsd_intake_begin(&worker->statsd, worker->tcp.wall_ns);
    statsd_intake_take(&worker->statsd, listener, (uint32_t)index, &line,
                       worker->shards[listener->accumulator]->shard);
    statsd_intake_flush(&worker->statsd);
}

static void take_piece(void *context, int listener, const struct tcp_flow *flow,
                       const struct split_piece *piece)
{
    struct worker *worker = context;
    if (plan_of(worker)->listeners[listener].kind == PLAN_TEXT)
        take_text(worker, listener, flow, piece);
    else if (split_is_record(piece->outcome))
        take_statsd(worker, listener, flow, piece);
    else
        split_ledger_count(&worker->counters, piece->outcome);
}

static void send_answer(void *context, const struct tcp_answer *answer)
{
    struct worker *worker = context;
    struct packet_path path;
    memcpy(&path, answer->path, sizeof(path));
    packet_send_segment(worker->queues[path.queue].stage, answer);
    worker->tcp.has_sent = true;
}

static const struct streams_user user = {find_listener, splitter_of, has_room, take_piece,
                                         send_answer};

/* ---- a turn ---- */

void worker_tcp_begin(struct worker *worker, uint64_t now_ns)
{
    struct worker_tcp *tcp = &worker->tcp;
    tcp->wall_ns = now_ns;
    if (tcp->is_on)
        tcp->now_ns = tcp->is_traced ? now_ns : clock_mono_ns();
}

void worker_tcp_take(struct worker *worker, struct worker_queue *queue)
{
    const struct tcp_packet *segments;
    unsigned count = packet_segments(queue->stage, &segments);
    if (count > 0)
        streams_take(worker->tcp.streams, segments, count, worker->tcp.now_ns);
}

static void send_answers(struct worker *worker)
{
    for (unsigned i = 0; worker->tcp.has_sent && i < worker->queue_count; i++)
        packet_send_answers(worker->queues[i].stage);
    worker->tcp.has_sent = false;
}

void worker_tcp_turn(struct worker *worker)
{
    struct worker_tcp *tcp = &worker->tcp;
    spill_push(&tcp->spill, &worker->sink);
    if (!tcp->is_on)
        return;
    tcp->is_waiting = !streams_resume(tcp->streams, tcp->now_ns);
    if (tcp->now_ns >= tcp->next_expire_ns) {
        streams_expire(tcp->streams, tcp->now_ns);
        tcp->next_expire_ns = tcp->now_ns + EXPIRE_INTERVAL_NS;
    }
    send_answers(worker);
}

/* ---- generations ---- */

/* The same listener in the next plan, or -1: a stream keeps its splitter. */
static int next_index(void *context, int listener)
{
    const struct worker *worker = context;
    const struct plan *next = worker->tcp.next->plan;
    const struct plan_listener *former = &plan_of(worker)->listeners[listener];
    const struct plan_listener *same = plan_find_same(next, former);
    return same != NULL && same->splitter == former->splitter ? (int)(same - next->listeners) : -1;
}

static const char *find_signer(const struct plan *plan, const char *name)
{
    for (unsigned i = 0; i < plan->listener_count; i++) {
        const struct splitter *splitter = plan->listeners[i].splitter;
        for (uint32_t s = 0; splitter != NULL && s < splitter->signers.count; s++)
            if (strcmp(splitter->signers.names[s], name) == 0)
                return splitter->signers.names[s];
    }
    return NULL;
}

/* Staged messages are matched again, and the names of their signers live in the plan. A signer that
 * nobody knows any more is none. */
static void move_signers(struct message_sink *sink, struct spill *spill, const struct plan *next)
{
    for (unsigned i = 0; i < sink->pending_count; i++)
        if (sink->signers[i] != NULL)
            sink->signers[i] = find_signer(next, sink->signers[i]);
    for (unsigned i = spill->done_count; i < spill->count; i++)
        if (spill->items[i].source.signer != NULL)
            spill->items[i].source.signer = find_signer(next, spill->items[i].source.signer);
}

static void drop_listeners(struct worker *worker, const struct generation *next)
{
    struct worker_tcp *tcp = &worker->tcp;
    streams_resume(tcp->streams, tcp->now_ns);
    tcp->next = next;
    tcp->is_forced = true;
    streams_renumber(tcp->streams, next_index, tcp->now_ns);
    tcp->is_forced = false;
    send_answers(worker);
}

void worker_tcp_adopt(struct worker *worker, const struct generation *next)
{
    struct worker_tcp *tcp = &worker->tcp;
    if (worker->generation != NULL && tcp->is_on)
        drop_listeners(worker, next);
    move_signers(&worker->sink, &tcp->spill, next->plan);
    tcp->is_on = next->plan->addresses[PLAN_TCP].count > 0;
    for (unsigned i = 0; i < worker->queue_count; i++)
        packet_set_tcp(worker->queues[i].stage, tcp->is_on);
}

/* ---- start and end ---- */

int worker_tcp_init(struct worker *worker, const struct worker_tcp_config *config,
                    struct err *err)
{
    struct tcp_config tcp = {
        .connections_max = config->connections_max,
        .is_traced = config->is_traced,
    };
    memcpy(tcp.secret, config->secret, sizeof(tcp.secret));
    worker->tcp.is_traced = config->is_traced;
    if (spill_init(&worker->tcp.spill, config->message_max, err) != 0)
        return -1;
    return streams_new(&tcp, &user, worker, config->message_max + RECORD_EXTRA_MAX,
                       &worker->tcp.streams, err);
}

void worker_tcp_fini(struct worker *worker)
{
    streams_free(worker->tcp.streams);
    worker->tcp.streams = NULL;
    spill_fini(&worker->tcp.spill);
}

void worker_tcp_finish(struct worker *worker)
{
    struct worker_tcp *tcp = &worker->tcp;
    if (tcp->is_on) {
        streams_resume(tcp->streams, tcp->now_ns);
        tcp->is_forced = true;
        streams_drop_all(tcp->streams, tcp->now_ns);
        tcp->is_forced = false;
        send_answers(worker);
    }
    spill_push(&tcp->spill, &worker->sink);
    spill_give_up(&tcp->spill, &worker->sink, COUNTER_MESSAGES_STOPPED);
}

void worker_tcp_publish(struct worker *worker)
{
    const uint64_t *counted = streams_tcp_counters(worker->tcp.streams);
    memcpy(&worker->counters.values[COUNTER_TCP_SEGMENTS], counted,
           TCP_COUNTER_COUNT * sizeof(*counted));
}
