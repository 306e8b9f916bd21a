/* SPDX-License-Identifier: MPL-2.0 */
#include "control/filters/filters.h"

const struct filter_ops *const builtin_filters[] = {
    &counter_filter,
    &sandbox_filter,
    &sandbox_manager_filter,
    &stat_filter,
    NULL,
};
