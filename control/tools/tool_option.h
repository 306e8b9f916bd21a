/* SPDX-License-Identifier: MPL-2.0
 *
 * tool_option.h - the arguments of a command line tool, as a table.
 *
 * Place:   main functions of heka-cat, heka-inject and heka-flood.
 * Threads: no state.
 * Memory:  texts point into argv.
 * Failure: a text in err that names the option and what is allowed.
 * Source:  Go's flag package: one or two dashes, "-name value" and "-name=value", "--" ends them.
 *          Options may stand behind operands, too, which Go would not see.
 */
#ifndef CONTROL_TOOLS_TOOL_OPTION_H
#define CONTROL_TOOLS_TOOL_OPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

enum tool_option_kind { TOOL_TEXT, TOOL_FLAG, TOOL_NUMBER };

struct tool_option {
    const char *name;
    enum tool_option_kind kind;
    void *value;      /* const char **, bool * or int64_t *; holds the default before */
    int64_t min, max; /* of a TOOL_NUMBER */
    const char *help;
};

struct tool {
    const char *name, *purpose, *operands; /* operands: for the synopsis */
    const struct tool_option *options;
    size_t count;
};

struct tool_arguments {
    unsigned given; /* options that were there */
    int operand_count;
    char **operands;
    bool is_done; /* -help or -version was asked for, and is answered on stdout */
};

/* Moves the operands of argv to its front. 0, or -1 after adding to err. */
int tool_parse(const struct tool *tool, int argc, char **argv, struct tool_arguments *arguments,
               struct err *err);

/* Purpose, synopsis, options with their defaults. To be called before tool_parse() changes them, or
 * behind it, for what holds now. */
void tool_print_help(const struct tool *tool, FILE *out);

#endif
