/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_message.h - a Heka message of an event or a service check.
 *
 * Place:   dataplane/worker.c and hekad's StatsdInput, in their statsd_notice_fn.
 * Threads: no state.
 * Memory:  writes to the builder only.
 * Failure: what finds no room is the builder's to report.
 */
#ifndef STATS_STATSD_MESSAGE_H
#define STATS_STATSD_MESSAGE_H

#include "core/message.h"
#include "stats/statsd.h"

/* Adds Type ("statsd.event", "statsd.service_check"), Logger, Severity, Payload, Hostname and
 * Fields to a message that has Uuid and Timestamp: docs/formats/statsd.md. `hostname` is used when
 * the notice has none; it may be NULL. */
void statsd_message_put(struct msg_builder *builder, const struct statsd_notice *notice,
                        const char *logger, const char *hostname);

#endif
