/* SPDX-License-Identifier: MPL-2.0
 *
 * logstream_options.h - options of a LogstreamerInput.
 *
 * Place:   control/inputs/logstreamer_input.c and heka-logstreamer.
 * Threads: immutable once filled.
 * Source:  Heka 0.11 LogstreamerInput: names and defaults.
 */
#ifndef CONTROL_LOGSTREAMER_LOGSTREAM_OPTIONS_H
#define CONTROL_LOGSTREAMER_LOGSTREAM_OPTIONS_H

#include "control/logstreamer/logstream_set.h"

struct logstreamer_options {
    const char *hostname, *log_directory, *file_match, *journal_directory;
    struct schema_list priority, differentiator;
    const struct conf_node *translation;
    int64_t oldest_duration, rescan_interval, check_data_interval; /* ns */
    bool initial_tail;
};

extern const struct schema logstreamer_schema;

/* What the engine takes of it; `name`: of streams without differentiator. Borrows. */
void logstreamer_options_config(const struct logstreamer_options *options, const char *name,
                                const char *journal_dir, struct logstream_set_config *config);

#endif
