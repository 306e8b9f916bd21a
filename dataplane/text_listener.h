/* SPDX-License-Identifier: MPL-2.0
 *
 * text_listener.h - datagrams to messages: one for each datagram or token.
 *
 * Place:   called by worker.c for datagrams of PLAN_TEXT listeners.
 * Threads: the sink's.
 * Failure: counted in the stage `text` of core/counters.def.
 * Source:  Heka 0.11 UdpInput with NullSplitter or TokenSplitter: Type and Logger are the input's
 *          name, Payload is the record with its delimiter; what is behind the last delimiter of a
 *          datagram is not carried over to the next one.
 */
#ifndef DATAPLANE_TEXT_LISTENER_H
#define DATAPLANE_TEXT_LISTENER_H

#include "dataplane/packet.h"
#include "dataplane/plan.h"
#include "matcher/message_sink.h"

void text_listener_take(const struct plan_listener *listener, uint32_t origin,
                        const struct datagram *datagram, uint64_t now_ns,
                        struct message_sink *sink);

#endif
