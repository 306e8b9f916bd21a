/* SPDX-License-Identifier: MPL-2.0
 *
 * kafka_options.h - options that KafkaInput and KafkaOutput share: of the client and its
 *                   connections.
 *
 * Place:   inputs/kafka_input.c, outputs/kafka_output.c; kafka_link.c gives them to librdkafka.
 * Threads: constant.
 * Source:  Heka 0.11; names are its own, `max_open_reqests` too.
 */
#ifndef CONTROL_KAFKA_OPTIONS_H
#define CONTROL_KAFKA_OPTIONS_H

#include "control/net/tls_options.h"

struct kafka_client_options {
    const char *id; /* NULL: [hekad] hostname */
    struct schema_list addrs;
    int64_t metadata_retries, wait_for_election, background_refresh_frequency;
    bool use_tls;
    struct tls_options tls;
    int64_t max_open_reqests, dial_timeout, read_timeout, write_timeout;
};

/* Rows of a schema whose struct has `struct kafka_client_options client`; NAME is the macro that
 * makes .key and .offset of a member of it. */
#define KAFKA_CLIENT_ROWS(NAME)                                                                    \
    {NAME(id), .type = SCHEMA_STRING, .help = "Our name at the brokers. Default: hostname."},      \
        {NAME(addrs), .type = SCHEMA_STRINGS, .flags = SCHEMA_REQUIRED,                            \
         .help = "HOST:PORT of some of the brokers."},                                             \
        {NAME(metadata_retries),                                                                   \
         .type = SCHEMA_INT,                                                                       \
         .min = 0,                                                                                 \
         .max = 10000,                                                                             \
         .def = "3",                                                                               \
         .help = "How often metadata are asked for before a topic or leader is said not to be "    \
                 "there."},                                                                        \
        {NAME(wait_for_election),                                                                  \
         .type = SCHEMA_INT,                                                                       \
         .min = 1,                                                                                 \
         .max = 60000,                                                                             \
         .def = "250",                                                                             \
         .unit = "ms",                                                                             \
         .help = "Time between these."},                                                           \
        {NAME(background_refresh_frequency),                                                       \
         .type = SCHEMA_INT,                                                                       \
         .min = 10,                                                                                \
         .max = 3600000,                                                                           \
         .def = "600000",                                                                          \
         .unit = "ms",                                                                             \
         .help = "Time after which metadata are asked for again."},                                \
        {NAME(use_tls), .type = SCHEMA_BOOL, .def = "false", .help = "TLS, see [X.tls]."},         \
        {NAME(tls), .type = SCHEMA_TABLE, .sub = &tls_schema, .help = "Only with use_tls."},       \
        {NAME(max_open_reqests),                                                                   \
         .type = SCHEMA_INT,                                                                       \
         .min = 1,                                                                                 \
         .max = 1000000,                                                                           \
         .def = "4",                                                                               \
         .help = "Requests to a broker that are under way at once (spelled so)."},                 \
        {NAME(dial_timeout), .type = SCHEMA_INT,       .min = 1, .max = INT32_MAX, .def = "60000", \
         .unit = "ms",       .help = "For connecting."},                                           \
        {NAME(read_timeout), .type = SCHEMA_INT,    .min = 1, .max = INT32_MAX, .def = "60000",    \
         .unit = "ms",       .help = "For answers."},                                              \
    {                                                                                              \
        NAME(write_timeout), .type = SCHEMA_INT, .min = 1, .max = INT32_MAX, .def = "60000",       \
                             .unit = "ms",                                                         \
                             .help = "For requests; the longer one of the two holds for both."     \
    }

/* 0, or -1 after adding to `err`. */
int kafka_client_check(const struct kafka_client_options *options, struct err *err);

#endif
