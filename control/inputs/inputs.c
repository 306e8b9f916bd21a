/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/inputs.h"

const struct input_ops *const builtin_inputs[] = {
    &stat_accum_input, &statsd_input, &tcp_input, &udp_input, NULL,
};
