/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_section.h - the section of a managed SandboxFilter: from the text that a control message
 *                     brings to the text that hekad's configuration gets.
 *
 * Place:   sandbox_manager_filter.c.
 * Threads: none of its own.
 * Failure: -1 after adding to `err`; the texts are Heka's where it has them.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_SECTION_H
#define CONTROL_SANDBOX_SANDBOX_SECTION_H

#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/err.h"

enum { SANDBOX_SECTION_NAME_SIZE = 256 };

struct sandbox_forced { /* what the manager decides, whatever the text says */
    const char *script, *module_directory;
    int64_t memory_limit, instruction_limit, output_limit;
    uint64_t revision; /* of the script: another one replaces what runs */
};

/* "MANAGER-FILTER" with _ for everything but letters, digits and _. -1 when it is too long. */
int sandbox_section_name(const char *manager, const char *filter, char *name, size_t size);
/* The same for the first section of the text. */
int sandbox_section_name_of(const char *manager, const char *text, size_t text_len, char *name,
                            size_t size, struct err *err);
/* The first section of the text, which must be a SandboxFilter's, as [name], with a NUL. */
int sandbox_section_write(const char *text, size_t text_len, const char *name,
                          const struct sandbox_forced *forced, struct buffer *out,
                          struct err *err);

#endif
