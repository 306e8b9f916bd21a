/* SPDX-License-Identifier: MPL-2.0
 *
 * outputs.h - the outputs of this version; adding one is a row here, one in outputs.c, and its
 * file.
 */
#ifndef CONTROL_OUTPUTS_OUTPUTS_H
#define CONTROL_OUTPUTS_OUTPUTS_H

#include "control/output.h"

extern const struct output_ops carbon_output;
extern const struct output_ops file_output;
extern const struct output_ops log_output;
extern const struct output_ops tcp_output;

#endif
