/* SPDX-License-Identifier: MPL-2.0 */
#include "control/commands/queue_command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config/hekad_config.h"
#include "control/queue/queue_tool.h"
#include "core/check.h"

#define CONFIG_DEFAULT "/etc/hekad.toml"
#define USAGE          "hekad queue ls | verify NAME | dump NAME | skip NAME N"

enum { OPERANDS_MAX = 2 };

struct command {
    const char *config, *base_dir, *format, *limit, *message_size;
    bool json, all;
    const char *verb;
    const char *operands[OPERANDS_MAX]; /* NAME, N */
    unsigned operand_count;
    struct queue_tool tool;
    char base_dir_found[QUEUE_PATH_SIZE];
};

/* ---- arguments ---- */

/* Matches "-name", "--name" and "--name=value"; *value points behind the "=" or is NULL. */
static bool is_named(const char *text, const char *name, const char **value)
{
    const char *at = text + strspn(text, "-");
    size_t len = strcspn(at, "=");
    *value = at[len] == '=' ? at + len + 1 : NULL;
    return at - text <= 2 && strlen(name) == len && memcmp(at, name, len) == 0;
}

static int set_option(struct command *command, int count, char **arguments, int *at,
                      struct err *err)
{
    const struct {
        const char *name, **text;
        bool *flag;
    } options[] = {
        {"config", &command->config, NULL},
        {"base-dir", &command->base_dir, NULL},
        {"format", &command->format, NULL},
        {"n", &command->limit, NULL},
        {"json", NULL, &command->json},
        {"all", NULL, &command->all},
        {"max-message-size", &command->message_size, NULL},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(options); i++) {
        const char *value;
        if (!is_named(arguments[*at], options[i].name, &value))
            continue;
        if (options[i].flag != NULL) {
            *options[i].flag = value == NULL || strcmp(value, "true") == 0;
            return 0;
        }
        if (value == NULL && *at + 1 < count)
            value = arguments[++*at];
        if (value == NULL || value[0] == '\0')
            return err_add(err, "-%s needs a value; see hekad -help", options[i].name);
        *options[i].text = value;
        return 0;
    }
    return err_add(err, "option '%s' is not known; see hekad -help", arguments[*at]);
}

static int parse(struct command *command, int count, char **arguments, struct err *err)
{
    for (int at = 0; at < count; at++) {
        const char *text = arguments[at];
        if (text[0] == '-' && text[1] != '\0') {
            if (set_option(command, count, arguments, &at, err) != 0)
                return -1;
        } else if (command->verb == NULL) {
            command->verb = text;
        } else if (command->operand_count == OPERANDS_MAX) {
            return err_add(err, "argument '%s' is not understood: " USAGE, text);
        } else {
            command->operands[command->operand_count++] = text;
        }
    }
    return command->verb != NULL ? 0 : err_add(err, USAGE);
}

static int parse_number(const char *what, const char *text, uint64_t *number, struct err *err)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        return err_add(err, "%s: found '%s', allowed a number", what, text);
    *number = value;
    return 0;
}

/* ---- where the queues are ---- */

static const char *environment(const char *name)
{
    return getenv(name);
}

/* base_dir and max_message_size of [hekad], as far as the options do not say. */
static int use_config(struct command *command, struct err *err)
{
    struct hekad_config *config = NULL;
    const char *path = command->config;
    if (path == NULL && command->base_dir != NULL)
        return 0;
    if (path == NULL && access(CONFIG_DEFAULT, F_OK) != 0)
        return err_add(err, "%s is not there: say -config PATH or -base-dir DIR", CONFIG_DEFAULT);
    int rc =
        hekad_config_load(path != NULL ? path : CONFIG_DEFAULT, environment, &config, err, NULL);
    if (rc == 0) {
        snprintf(command->base_dir_found, sizeof(command->base_dir_found), "%s",
                 config->globals.base_dir);
        command->tool.message_size_max = (size_t)config->globals.max_message_size;
    }
    hekad_config_free(config);
    if (command->base_dir == NULL)
        command->base_dir = command->base_dir_found;
    return rc;
}

/* NAME is an output's name, or, with a slash, a folder. */
static int find_dir(const struct command *command, const char *name, char dir[QUEUE_PATH_SIZE],
                    struct err *err)
{
    int rc = 0;
    if (strchr(name, '/') == NULL)
        rc = queue_dir(command->base_dir, name, dir);
    else if ((size_t)snprintf(dir, QUEUE_PATH_SIZE, "%s", name) >= QUEUE_PATH_SIZE)
        rc = -ENAMETOOLONG;
    return rc == 0 ? 0 : err_add(err, "queue '%.64s': %s", name, strerror(-rc));
}

/* ---- the commands; exit status ---- */

static int list(const struct command *command, struct err *err)
{
    if (command->operand_count > 0)
        return err_add(err, "hekad queue ls takes no NAME"), 1;
    return queue_tool_list(&command->tool, command->base_dir, err) != 0;
}

static int verify(const struct command *command, const char *dir, struct err *err)
{
    return queue_tool_verify(&command->tool, dir, err) != 0;
}

static int dump(const struct command *command, const char *dir, struct err *err)
{
    static const char *const formats[] = {"text", "json", "heka"};
    struct queue_dump_options options = {.with_acknowledged = command->all};
    const char *format = command->format != NULL ? command->format
                         : command->json         ? "json"
                                                 : "text";
    unsigned i = 0;
    while (i < ARRAY_COUNT(formats) && strcmp(format, formats[i]) != 0)
        i++;
    if (i == ARRAY_COUNT(formats))
        return err_add(err, "-format: found '%s', allowed text, json or heka", format), 1;
    options.format = (enum queue_dump_format)i;
    if (command->limit != NULL && parse_number("-n", command->limit, &options.count_max, err) != 0)
        return 1;
    return queue_tool_dump(&command->tool, dir, &options, err) != 0;
}

static int skip(const struct command *command, const char *dir, struct err *err)
{
    uint64_t count = UINT64_MAX;
    if (command->operand_count < 2)
        return err_add(err, "hekad queue skip NAME N: how many messages, or all?"), 1;
    if (strcmp(command->operands[1], "all") != 0 &&
        parse_number("N", command->operands[1], &count, err) != 0)
        return 1;
    if (queue_is_in_use(command->tool.io, dir))
        return err_add(err, "%s: a running hekad has this queue; stop it first", dir), 1;
    return queue_tool_skip(&command->tool, dir, count, err) != 0;
}

static int run(struct command *command, struct err *err)
{
    static const struct {
        const char *verb;
        int (*run)(const struct command *command, const char *dir, struct err *err);
        unsigned operands_max;
    } verbs[] = {{"verify", verify, 1}, {"dump", dump, 1}, {"skip", skip, 2}};
    char dir[QUEUE_PATH_SIZE];
    uint64_t size = 0;
    if (use_config(command, err) != 0)
        return 1;
    if (command->message_size != NULL) {
        if (parse_number("-max-message-size", command->message_size, &size, err) != 0)
            return 1;
        command->tool.message_size_max = size;
    }
    command->tool.json = command->json;
    if (strcmp(command->verb, "ls") == 0)
        return list(command, err);
    for (unsigned i = 0; i < ARRAY_COUNT(verbs); i++) {
        if (strcmp(command->verb, verbs[i].verb) != 0)
            continue;
        if (command->operand_count == 0 || command->operand_count > verbs[i].operands_max)
            return err_add(err, "hekad queue %s: " USAGE, command->verb), 1;
        if (find_dir(command, command->operands[0], dir, err) != 0)
            return 1;
        return verbs[i].run(command, dir, err);
    }
    return err_add(err, "'%s' is not understood: " USAGE, command->verb), 1;
}

int queue_command(int count, char **arguments, FILE *out, struct err *err)
{
    struct command command = {.tool = {.out = out}};
    if (parse(&command, count, arguments, err) != 0)
        return 1;
    return run(&command, err);
}
