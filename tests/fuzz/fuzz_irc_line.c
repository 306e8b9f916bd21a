/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_irc_line.c - any line of an IRC server.
 *
 * Prefix, command and arguments lie in the line, in order, and none but the last has a blank.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/net/irc_link.h"
#include "core/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct irc_line *line, const char *text, size_t size)
{
    const char *behind = text;
    CHECK(line->command >= text && line->command[0] != '\0');
    CHECK(line->prefix[0] == '\0' || (line->prefix > text && line->prefix < line->command));
    CHECK(strchr(line->prefix, ' ') == NULL && strchr(line->command, ' ') == NULL);
    CHECK(line->count <= IRC_ARGS_MAX);
    for (unsigned i = 0; i < line->count; i++) {
        const char *arg = line->args[i];
        CHECK(arg > behind && arg + strlen(arg) <= text + size);
        CHECK(i + 1 == line->count || strchr(arg, ' ') == NULL);
        behind = arg;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct irc_line line;
    CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    size = strlen(text);
    if (irc_line_parse(text, &line))
        check_line(&line, text, size);
    free(text);
    return 0;
}
