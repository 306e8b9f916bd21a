/* SPDX-License-Identifier: MPL-2.0
 *
 * carbon_lines.h - which lines of a payload Carbon can take: "NAME VALUE UNIX-SECONDS".
 *
 * Place:   carbon_output.c, whisper_output.c.
 * Threads: no state.
 * Source:  Heka 0.11 CarbonOutput: three fields, a float, an unsigned 32-bit time; others are
 *          skipped.
 */
#ifndef CONTROL_OUTPUTS_CARBON_LINES_H
#define CONTROL_OUTPUTS_CARBON_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct carbon_line {
    const char *text; /* without blanks around it and without newline; borrowed */
    size_t len;
    bool is_good;
    /* Only of a good one: */
    const char *name;
    size_t name_len;
    double value;
    uint32_t time_s;
};

/* The next line that is not empty, from text[*offset..size); *offset moves behind it. False when
 * there are no more. */
bool carbon_lines_next(const char *text, size_t size, size_t *offset, struct carbon_line *line);

#endif
