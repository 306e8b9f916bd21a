/* SPDX-License-Identifier: MPL-2.0 */
#include "control/outputs/outputs.h"

const struct output_ops *const builtin_outputs[] = {
    &carbon_output,
    &elasticsearch_output,
    &file_output,
    &http_output,
    &log_output,
    &nagios_output,
    &tcp_output,
    &udp_output,
    &whisper_output,
    &irc_output,
    &sandboxed_output,
    &smtp_output,
    &dashboard_output,
    &amqp_output,
    &kafka_output,
    NULL,
};
