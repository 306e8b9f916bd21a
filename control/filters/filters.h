/* SPDX-License-Identifier: MPL-2.0
 *
 * filters.h - the filters that are built in.
 *
 * Place:   filters.c lists them in builtin_filters; one file each.
 */
#ifndef CONTROL_FILTERS_FILTERS_H
#define CONTROL_FILTERS_FILTERS_H

#include "control/plugins/filter.h"

extern const struct filter_ops counter_filter, sandbox_filter, sandbox_manager_filter, stat_filter;

#endif
