/* SPDX-License-Identifier: MPL-2.0
 *
 * outputs.h - the outputs of this version; adding one is a row here, one in outputs.c, and its
 * file.
 */
#ifndef CONTROL_OUTPUTS_OUTPUTS_H
#define CONTROL_OUTPUTS_OUTPUTS_H

#include "control/plugins/output.h"

extern const struct output_ops carbon_output;
extern const struct output_ops elasticsearch_output;
extern const struct output_ops file_output;
extern const struct output_ops http_output;
extern const struct output_ops log_output;
extern const struct output_ops nagios_output;
extern const struct output_ops tcp_output;
extern const struct output_ops udp_output;
extern const struct output_ops whisper_output;
extern const struct output_ops irc_output;
extern const struct output_ops sandboxed_output;
extern const struct output_ops smtp_output;
extern const struct output_ops dashboard_output;
extern const struct output_ops amqp_output;
extern const struct output_ops kafka_output;

#endif
