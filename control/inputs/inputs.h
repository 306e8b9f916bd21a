/* SPDX-License-Identifier: MPL-2.0
 *
 * inputs.h - the inputs of this version and their options; adding one is a row here, one in
 *            inputs.c, and its file.
 */
#ifndef CONTROL_INPUTS_INPUTS_H
#define CONTROL_INPUTS_INPUTS_H

#include "control/plugins/input.h"
#include "control/net/tls_options.h"
#include "stats/statsd_options.h"

struct statsd_input_options { /* StatsdInput */
    const char *address, *net, *stat_accum_name;
    int64_t connections_max;
    int64_t max_msg_size;
    struct statsd_options lines;
};

struct udp_input_options { /* UdpInput */
    const char *address, *net;
    bool set_hostname;
};

struct tcp_input_options { /* TcpInput */
    const char *address, *net;
    bool use_tls, keep_alive;
    int64_t keep_alive_period; /* s */
    int64_t connections_max;
    struct tls_options tls;
};

extern const struct input_ops docker_event_input;
extern const struct input_ops docker_log_input;
extern const struct input_ops docker_stats_input;
extern const struct input_ops http_input;
extern const struct input_ops http_listen_input;
extern const struct input_ops stat_accum_input; /* options: struct accum_config */
extern const struct input_ops file_polling_input;
extern const struct input_ops logstreamer_input;
extern const struct input_ops process_directory_input;
extern const struct input_ops process_input;
extern const struct input_ops sandbox_input;
extern const struct input_ops statsd_input;
extern const struct input_ops tcp_input;
extern const struct input_ops udp_input;
extern const struct input_ops amqp_input;
extern const struct input_ops kafka_input;

#endif
