/* SPDX-License-Identifier: MPL-2.0 */
#include "control/tools/tool_option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "control/config/option.h"

static int set_flag(const struct tool_option *option, const char *text, struct err *err)
{
    bool *flag = option->value;
    if (text == NULL || strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
        *flag = true;
    else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
        *flag = false;
    else
        return err_add(err, "-%s: found '%s', allowed true or false", option->name, text);
    return 0;
}

static int set_number(const struct tool_option *option, const char *text, struct err *err)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool is_number = (text[0] >= '0' && text[0] <= '9') || (text[0] == '-' && text[1] != '\0');
    if (!is_number || *end != '\0' || errno != 0 || value < option->min || value > option->max)
        return err_add(err, "-%s: found '%s', allowed %" PRId64 " to %" PRId64, option->name, text,
                       option->min, option->max);
    *(int64_t *)option->value = value;
    return 0;
}

/* argv[*at] is an option; *at moves on to its value if that is an argument of its own. */
static int set_option(const struct tool *tool, int argc, char **argv, int *at, struct err *err)
{
    for (size_t i = 0; i < tool->count; i++) {
        const struct tool_option *option = &tool->options[i];
        const char *value;
        if (!option_is(argv[*at], option->name, &value))
            continue;
        if (option->kind == TOOL_FLAG)
            return set_flag(option, value, err);
        if (value == NULL && *at + 1 < argc)
            value = argv[++*at];
        if (value == NULL)
            return err_add(err, "-%s needs a value; see %s -help", option->name, tool->name);
        if (option->kind == TOOL_NUMBER)
            return set_number(option, value, err);
        *(const char **)option->value = value;
        return 0;
    }
    return err_add(err, "option '%s' is not known; see %s -help", argv[*at], tool->name);
}

static bool is_answered(const struct tool *tool, const char *text)
{
    const char *value;
    if (option_is(text, "version", &value))
        puts(HEKA_VERSION);
    else if (option_is(text, "help", &value) || option_is(text, "h", &value))
        tool_print_help(tool, stdout);
    else
        return false;
    return true;
}

int tool_parse(const struct tool *tool, int argc, char **argv, struct tool_arguments *arguments,
               struct err *err)
{
    bool is_open = true; /* options may come */
    *arguments = (struct tool_arguments){.operands = argv + 1};
    for (int at = 1; at < argc; at++) {
        const char *text = argv[at];
        if (!is_open || text[0] != '-' || text[1] == '\0') {
            arguments->operands[arguments->operand_count++] = argv[at];
        } else if (strcmp(text, "--") == 0) {
            is_open = false;
        } else if (is_answered(tool, text)) {
            arguments->is_done = true;
            return 0;
        } else {
            if (set_option(tool, argc, argv, &at, err) != 0)
                return -1;
            arguments->given++;
        }
    }
    return 0;
}

static void print_default(const struct tool_option *option, FILE *out)
{
    if (option->kind == TOOL_NUMBER)
        fprintf(out, " (%" PRId64 ")", *(const int64_t *)option->value);
    else if (option->kind == TOOL_TEXT && **(const char *const *)option->value != '\0')
        fprintf(out, " (\"%s\")", *(const char *const *)option->value);
    fputc('\n', out);
}

void tool_print_help(const struct tool *tool, FILE *out)
{
    static const char *const values[] = {" TEXT", "", " N"};
    fprintf(out, "%s: %s\n\n  %s [OPTION...]%s\n\n", tool->name, tool->purpose, tool->name,
            tool->operands);
    for (size_t i = 0; i < tool->count; i++) {
        const struct tool_option *option = &tool->options[i];
        fprintf(out, "  -%s%s: %s", option->name, values[option->kind], option->help);
        print_default(option, out);
    }
    fputs("  -version, -help\n\n"
          "One or two dashes are the same; -option VALUE and -option=VALUE, too.\n",
          out);
}
