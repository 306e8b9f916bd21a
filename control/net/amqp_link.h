/* SPDX-License-Identifier: MPL-2.0
 *
 * amqp_link.h - one connection and channel to an AMQP 0-9-1 broker: the only user of librabbitmq.
 *
 * Place:   inputs/amqp_input.c, outputs/amqp_output.c.
 * Threads: one owner.
 * Memory:  librabbitmq's: what the broker sent and was not taken yet; prefetch_count bounds it.
 * Failure: negative; amqp_link_error() says it in words, and the link is to be closed. Nothing
 *          waits longer than AMQP_TIMEOUT_S.
 * Source:  AMQP 0-9-1; publisher confirms are RabbitMQ's extension.
 */
#ifndef CONTROL_AMQP_LINK_H
#define CONTROL_AMQP_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/net/tls_options.h"

enum { AMQP_TIMEOUT_S = 5, AMQP_HEARTBEAT_S = 30, AMQP_ERROR_SIZE = 256, AMQP_WINDOW = 256 };

struct amqp_link;

struct amqp_exchange_options { /* of both plugins */
    const char *url, *exchange, *exchange_type, *routing_key;
    bool exchange_durability, exchange_auto_delete;
    struct tls_options tls;
};

/* Their rows in a schema; NAME is the macro that makes .key and .offset of a member. */
/* clang-format off */
#define AMQP_EXCHANGE_ROWS(NAME)                                                                   \
    {NAME(url), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,                                   \
     .help = "amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps://..."},                              \
    {NAME(exchange), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .help = "Its name."},        \
    {NAME(exchange_type), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,                         \
     .help = "fanout, direct, topic or headers."},                                                 \
    {NAME(exchange_durability), .type = SCHEMA_BOOL, .def = "false",                               \
     .help = "Whether the exchange survives the broker's restart."},                               \
    {NAME(exchange_auto_delete), .type = SCHEMA_BOOL, .def = "true",                               \
     .help = "Whether it is deleted when its last queue has gone."},                               \
    {NAME(routing_key), .type = SCHEMA_STRING, .def = "",                                          \
     .help = "Of the messages; an input's queue is bound with it."},                               \
    {NAME(tls), .type = SCHEMA_TABLE, .sub = &tls_schema, .help = "Of amqps."}
/* clang-format on */

struct amqp_queue_options {
    const char *queue; /* "": the broker makes a name */
    bool durable, exclusive, auto_delete;
    int64_t ttl_ms; /* -1: none */
};

struct amqp_delivery { /* until the next call */
    const void *body;
    size_t size;
    uint64_t tag;
};

/* URL, exchange type and TLS options. 0, or -1 after adding to `err`. */
int amqp_options_check(const struct amqp_exchange_options *options, struct err *err);

struct amqp_link *amqp_link_new(const struct amqp_exchange_options *options); /* NULL: no memory */
void amqp_link_free(struct amqp_link *link);                                  /* NULL is fine */
const char *amqp_link_error(const struct amqp_link *link);

/* Connects, logs in, opens the channel and, with `declares`, declares the exchange. */
int amqp_link_open(struct amqp_link *link, bool declares);
void amqp_link_close(struct amqp_link *link);
bool amqp_link_is_open(const struct amqp_link *link);
int amqp_link_fd(const struct amqp_link *link);

/* ---- consuming ---- */

/* Declares the queue and binds it; NULL: it is there. Then consumes from `queue`. */
int amqp_link_consume(struct amqp_link *link, const struct amqp_queue_options *declared,
                      const char *queue, bool is_exclusive, uint16_t prefetch_count);
/* 1, or 0 when there is nothing now. */
int amqp_link_take(struct amqp_link *link, struct amqp_delivery *delivery);
/* All deliveries up to this one. */
int amqp_link_acknowledge(struct amqp_link *link, uint64_t tag);

/* ---- publishing ---- */

struct amqp_message {
    const void *body;
    size_t size;
    const char *content_type;
    bool is_persistent;
    uint64_t timestamp_s;
};

/* The broker is to confirm what it takes. */
int amqp_link_confirm(struct amqp_link *link);
/* Begins a new window of at most AMQP_WINDOW messages: what was not confirmed is forgotten. */
void amqp_link_begin(struct amqp_link *link);
int amqp_link_publish(struct amqp_link *link, const struct amqp_message *message);
/* How many of the window's first messages are confirmed, after waiting up to `timeout_ms` for all
 * of them. `*refused`: the one behind them is refused. */
int amqp_link_confirmed(struct amqp_link *link, unsigned timeout_ms, bool *refused);
/* Answers the broker's heartbeats. */
int amqp_link_turn(struct amqp_link *link);

#endif
