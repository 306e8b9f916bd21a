/* SPDX-License-Identifier: MPL-2.0
 *
 * main.c - hekad: arguments, configuration, -check; then daemon.c.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/admin.h"
#include "control/daemon.h"
#include "control/dynamic.h"
#include "control/commands/explain_command.h"
#include "control/config/option.h"
#include "control/commands/queue_command.h"
#include "control/rule_report.h"
#include "control/commands/selftest_command.h"
#include "control/setup.h"
#include "control/config/start_check.h"
#include "control/status.h"
#include "control/commands/top_command.h"
#include "control/commands/types_command.h"
#include "core/check.h"
#include "core/log.h"
#include "core/paths.h"
#include "stats/name_hash.h"

enum { PATH_SIZE = 1024, SOCKET_SIZE = PATH_SIZE + 16, NUMBER_MAX = 86400, INTERVAL_MS_MIN = 100 };

struct arguments {
    const char *command; /* NULL, or one of those that take the common options */
    const char *config, *run_dir, *interval, *count;
    bool has_config;
    bool check, json, rules, version, help, help_config;
};

static void print_help(FILE *out)
{
    fputs("hekad: collects, routes and aggregates messages and metrics\n\n"
          "  hekad [-config PATH]                   run\n"
          "  hekad -check [-json] [-config PATH]    all errors that a start would meet, at once\n"
          "  hekad status [-json] [-rules] [-run-dir DIR]   what the running hekad does, with its\n"
          "      books; -rules: and what each matcher costs, measured now\n"
          "  hekad stop [-run-dir DIR]              stop it in order, and wait\n"
          "  hekad reload [-run-dir DIR]            take over its configuration as it is now\n"
          "  hekad top [-interval S] [-n N] [-run-dir DIR]   the same again and again; q ends it\n"
          "  hekad plugins [-json] [-config PATH]   plugin types, and where they come from\n"
          "  hekad explain [-json] [-config PATH] RULE MESSAGE   how each test of it comes out\n"
          "  hekad selftest [-config PATH] [-json] [OPTION]...   the rate of this machine without\n"
          "      loss; hekad selftest -help\n"
          "  hekad queue ls [-json]                 disk queues of the outputs\n"
          "  hekad queue verify [-json] NAME        reads all of one, and says what is wrong\n"
          "  hekad queue dump [-format text|json|heka] [-all] [-n N] NAME   its messages\n"
          "  hekad queue skip NAME N|all            gives up its next messages; not while it runs\n"
          "      all of them: -config PATH or -base-dir DIR, -max-message-size N\n\n"
          "  -config PATH    file, or folder of *.toml; default /etc/hekad.toml\n"
          "  -run-dir DIR    default: /run/hekaline, or $XDG_RUNTIME_DIR/hekaline without root\n"
          "  -help-config    the options of all plugins, as Markdown\n"
          "  -version, -help\n\n"
          "One or two dashes are the same; -option VALUE and -option=VALUE, too.\n\n"
          "Exit status: 0 when all is well; 1 for errors of command or configuration, and when a\n"
          "plugin or a full queue made hekad stop; 2: wrong options of selftest.\n",
          out);
}

/* ---- arguments, in Go's style ---- */

static int set_option(struct arguments *arguments, int argc, char **argv, int *at, struct err *err)
{
    const struct {
        const char *name, **text;
        bool *flag;
    } options[] = {
        {"config", &arguments->config, NULL},
        {"run-dir", &arguments->run_dir, NULL},
        {"interval", &arguments->interval, NULL},
        {"n", &arguments->count, NULL},
        {"check", NULL, &arguments->check},
        {"json", NULL, &arguments->json},
        {"rules", NULL, &arguments->rules},
        {"version", NULL, &arguments->version},
        {"help", NULL, &arguments->help},
        {"h", NULL, &arguments->help},
        {"help-config", NULL, &arguments->help_config},
    };
    for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const char *value;
        if (!option_is(argv[*at], options[i].name, &value))
            continue;
        if (options[i].flag != NULL) {
            *options[i].flag = value == NULL || strcmp(value, "true") == 0;
            return 0;
        }
        if (value == NULL && ++*at < argc)
            value = argv[*at];
        if (value == NULL || value[0] == '\0')
            return err_add(err, "-%s needs a value; see hekad -help", options[i].name);
        *options[i].text = value;
        arguments->has_config |= options[i].text == &arguments->config;
        return 0;
    }
    return err_add(err, "option '%s' is not known; see hekad -help", argv[*at]);
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments, struct err *err)
{
    static const char *const commands[] = {"status", "stop", "reload", "top", "plugins"};
    for (int at = 1; at < argc; at++) {
        bool is_command = false;
        for (unsigned i = 0; i < ARRAY_COUNT(commands) && arguments->command == NULL; i++)
            is_command |= strcmp(argv[at], commands[i]) == 0;
        if (is_command)
            arguments->command = argv[at];
        else if (argv[at][0] != '-')
            return err_add(err, "argument '%s' is not understood; see hekad -help", argv[at]);
        else if (set_option(arguments, argc, argv, &at, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- commands to a running hekad ---- */

/* Here, not in the hekad that answers. */
static int measure_rules(const char *path, json_t *status, struct err *err)
{
    json_t *samples = admin_ask(path, "samples", false, err);
    int rc = samples != NULL ? rule_report_measure(status, samples, err) : -1;
    json_decref(samples);
    return rc;
}

static void socket_path(const struct arguments *arguments, char path[SOCKET_SIZE])
{
    char run_dir[PATH_SIZE];
    paths_run_dir(run_dir, sizeof(run_dir));
    snprintf(path, SOCKET_SIZE, "%s/hekad.sock",
             arguments->run_dir != NULL ? arguments->run_dir : run_dir);
}

static int ask(const struct arguments *arguments, struct err *err)
{
    char path[SOCKET_SIZE];
    socket_path(arguments, path);
    bool is_stop = strcmp(arguments->command, "stop") == 0;
    json_t *reply = admin_ask(path, arguments->command, is_stop, err);
    if (reply == NULL || (arguments->rules && !is_stop && measure_rules(path, reply, err) != 0)) {
        json_decref(reply);
        return -1;
    }
    if (arguments->json)
        json_dumpf(reply, stdout, JSON_INDENT(2));
    if (arguments->json)
        putchar('\n');
    else if (strcmp(arguments->command, "status") == 0)
        status_print(reply, stdout);
    json_t *ok = json_object_get(reply, "ok"), *text;
    size_t index;
    json_array_foreach(json_object_get(reply, "errors"), index, text)
        err_add(err, "%s", json_string_value(text));
    int rc = ok != NULL && !json_is_true(ok) ? -1 : 0;
    json_decref(reply);
    return rc;
}

/* A number of the command line; `text` NULL: `def`. Negative after adding to `err`. */
static long number_of(const char *name, const char *text, long def, struct err *err)
{
    char *end = NULL;
    long value = text != NULL ? strtol(text, &end, 10) : def;
    if (text != NULL && (end == text || *end != '\0' || value < 0 || value > NUMBER_MAX))
        return err_add(err, "-%s: found '%s', allowed 0 to %d", name, text, NUMBER_MAX);
    return value;
}

static int top(const struct arguments *arguments, struct err *err)
{
    char path[SOCKET_SIZE];
    long interval_s = number_of("interval", arguments->interval, 1, err);
    long count = number_of("n", arguments->count, 0, err);
    if (interval_s < 0 || count < 0)
        return 1;
    socket_path(arguments, path);
    const struct top_config config = {
        .socket_path = path,
        .interval_ms = interval_s > 0 ? (unsigned)interval_s * 1000 : INTERVAL_MS_MIN,
        .count = (unsigned)count,
    };
    return top_command(&config, stdout, err);
}

static int do_command(const struct arguments *arguments, struct err *err)
{
    bool has_config = arguments->has_config || access(arguments->config, F_OK) == 0;
    if (strcmp(arguments->command, "top") == 0)
        return top(arguments, err);
    if (strcmp(arguments->command, "plugins") == 0)
        return types_command(has_config ? arguments->config : NULL, arguments->json, stdout, err);
    return ask(arguments, err) != 0;
}

/* ---- configuration ---- */

static void log_notes(const struct err *notes)
{
    for (unsigned i = 0; i < notes->count && i < ERR_LIST_MAX; i++)
        log_info("%s", notes->texts[i]);
}

/* Takes the setup. */
static int run(const struct arguments *arguments, struct setup *take_setup, struct err *err)
{
    struct dynamic *dynamic = dynamic_new(arguments->run_dir);
    log_set_flags((unsigned)take_setup->config->globals.log_flags);
    if (dynamic == NULL) {
        setup_put(take_setup);
        err_add(err, "out of memory");
        return 1;
    }
    struct daemon_result result = daemon_run(
        &(struct daemon_config){
            .setup = take_setup,
            .config_path = arguments->config,
            .run_dir = arguments->run_dir,
            .dynamic = dynamic,
            .dataplane = setup_dataplane_command(take_setup),
        },
        err);
    if (!result.has_threads) {
        dynamic_free(dynamic);
        return result.exit_code;
    }
    err_print(err, stderr);
    fflush(NULL);
    _exit(result.exit_code);
}

static int check_or_run(const struct arguments *arguments, struct err *err)
{
    static struct err notes;
    struct setup *setup = NULL;
    if (arguments->check) {
        const struct start_check_config config = {
            .config_path = arguments->config,
            .run_dir = arguments->run_dir,
            .json = arguments->json,
        };
        return start_check(&config, stdout, err);
    }
    if (setup_load(arguments->config, arguments->run_dir, &setup, err, &notes) != 0)
        return 1;
    log_notes(&notes);
    return run(arguments, setup, err);
}

int main(int argc, char **argv)
{
    static struct err err;
    struct arguments arguments = {.config = "/etc/hekad.toml"};
    int exit_code = 0;
    if (argc > 1 && strcmp(argv[1], "explain") == 0)
        exit_code = explain_command(argc - 2, argv + 2, stdout, &err);
    else if (argc > 1 && strcmp(argv[1], "queue") == 0)
        exit_code = queue_command(argc - 2, argv + 2, stdout, &err);
    else if (argc > 1 && strcmp(argv[1], "selftest") == 0)
        exit_code = selftest_command(argc - 2, argv + 2, stdout, &err);
    else if (parse_arguments(argc, argv, &arguments, &err) != 0)
        exit_code = 1;
    else if (arguments.help)
        print_help(stdout);
    else if (arguments.version)
        puts(HEKA_VERSION);
    else if (arguments.help_config)
        plugin_types_print(stdout);
    else if (arguments.command != NULL)
        exit_code = do_command(&arguments, &err);
    else {
        name_key_seed();
        exit_code = check_or_run(&arguments, &err);
    }
    err_print(&err, stderr);
    return exit_code;
}
