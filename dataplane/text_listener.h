/* SPDX-License-Identifier: MPL-2.0
 *
 * text_listener.h - bytes to messages: one for each piece of a splitter, decoded if wanted.
 *
 * Place:   worker.c gives it the datagrams of PLAN_TEXT listeners, worker_tcp.c the pieces of their
 *          streams.
 * Threads: the sink's; the decoders of a worker are made and freed by housekeeping.
 * Memory:  allocated by text_decoders_new(); nothing per datagram.
 * Failure: counted in the stage `text` of core/counters.def. Nothing is logged here: what Heka logs
 *          about a failure is a counter. A message that finds its lane full is dropped and counted:
 *          streams ask message_sink_make_room() before.
 * Source:  Heka 0.11 UdpInput and TcpInput: Type and Logger are the input's name, Payload is the
 *          record of the splitter; what is behind the last record of a datagram is not carried over
 *          to the next one. With a decoder that message is what it gets.
 */
#ifndef DATAPLANE_TEXT_LISTENER_H
#define DATAPLANE_TEXT_LISTENER_H

#include "dataplane/packet.h"
#include "dataplane/plan.h"
#include "dataplane/spill.h"
#include "matcher/message_sink.h"

struct text_decoder { /* of one text listener in one worker */
    struct split_stream *splitting; /* of datagrams; NULL: TCP */
    struct decoder_runner *runner;  /* NULL: none */
    bool takes_bytes;  /* ProtobufDecoder: the piece is the message */
    uint8_t *plain;    /* the message that is to be decoded: max_message_size bytes */
    struct buffer reason; /* of a failure, when failures are sent; never grows */
};

/* One for each listener of the plan, in its order. 0, or -1 after adding to err. */
int text_decoders_new(const struct plan *plan, struct text_decoder **out, struct err *err);
void text_decoders_free(const struct plan *plan, struct text_decoder *decoders); /* NULL is fine */

struct text_source { /* of the bytes in hand */
    const struct plan_listener *listener;
    struct text_decoder *decoder;
    struct message_sink *sink;
    struct spill *spill; /* takes what finds no room; NULL: it is lost */
    const uint8_t *peer_ip; /* 4 or 16 bytes, network order */
    uint64_t now_ns;
    uint32_t origin;       /* the listener's index */
    uint16_t peer_port_be; /* 0: it is not said; of streams */
    bool is_ipv6;
};

void text_listener_datagram(const struct text_source *source, const void *bytes, size_t size);
/* Also what is no record. */
void text_listener_piece(const struct text_source *source, const struct split_piece *piece);

/* Before the sink's owner changes over: undecoded messages that are staged go to the consumer that
 * decodes for the listener of the same name in the next plan, or end as messages_decoder_gone. */
void text_listener_adopt(struct message_sink *sink, const struct plan *now, struct plan *next);

#endif
