/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/inputs.h"

const struct input_ops *const builtin_inputs[] = {
    &docker_event_input,
    &docker_log_input,
    &docker_stats_input,
    &http_input,
    &http_listen_input,
    &file_polling_input,
    &logstreamer_input,
    &process_directory_input,
    &process_input,
    &sandbox_input,
    &stat_accum_input,
    &statsd_input,
    &tcp_input,
    &udp_input,
    &amqp_input,
    &kafka_input,
    NULL,
};
