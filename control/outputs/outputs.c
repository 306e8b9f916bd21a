/* SPDX-License-Identifier: MPL-2.0 */
#include "control/outputs/outputs.h"

const struct output_ops *const builtin_outputs[] = {
    &carbon_output, &file_output, &log_output, &tcp_output, NULL,
};
