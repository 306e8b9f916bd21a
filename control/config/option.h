/* SPDX-License-Identifier: MPL-2.0
 *
 * option.h - command-line options in Go's style.
 *
 * Place:   main.c and the commands that parse their own arguments.
 * Threads: no state.
 */
#ifndef CONTROL_OPTION_H
#define CONTROL_OPTION_H

#include <stdbool.h>
#include <string.h>

/* Matches "-name", "--name" and "--name=value". *value points behind the "=" or is NULL. */
static inline bool option_is(const char *text, const char *name, const char **value)
{
    size_t len = strlen(name);
    text += text[0] == '-' && text[1] == '-' ? 2 : 1;
    if (strncmp(text, name, len) != 0 || (text[len] != '\0' && text[len] != '='))
        return false;
    *value = text[len] == '=' ? text + len + 1 : NULL;
    return true;
}

#endif
