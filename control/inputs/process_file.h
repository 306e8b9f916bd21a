/* SPDX-License-Identifier: MPL-2.0
 *
 * process_file.h - a file of a ProcessDirectoryInput as the section of a ProcessInput.
 *
 * Place:   process_directory_input.c; control/dynamic.h takes the section.
 * Threads: no state.
 * Failure: what the configuration dialect cannot express is an error.
 * Source:  Heka 0.11: each file has a [ProcessInput]; the folder's name is its ticker_interval,
 *          can_exit is true unless given, retries are fixed.
 */
#ifndef CONTROL_INPUTS_PROCESS_FILE_H
#define CONTROL_INPUTS_PROCESS_FILE_H

#include <stdint.h>

#include "core/buffer.h"
#include "core/err.h"

/* The text of a section called `name` that does what the file at `path` says. 0, or -1 after adding
 * to err. */
int process_file_section(const char *path, const char *name, int64_t interval_s,
                         struct buffer *text, struct err *err);

#endif
