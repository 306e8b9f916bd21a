/* SPDX-License-Identifier: MPL-2.0
 *
 * main.c - hekad: arguments, configuration, -check; then daemon.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/admin.h"
#include "control/daemon.h"
#include "control/explain_command.h"
#include "control/folder.h"
#include "control/input_instances.h"
#include "control/option.h"
#include "control/plan_writer.h"
#include "control/queue_command.h"
#include "control/rule_report.h"
#include "control/rule_store.h"
#include "control/setup.h"
#include "control/status.h"
#include "core/log.h"
#include "core/paths.h"
#include "stats/name_hash.h"

enum { PATH_SIZE = 1024 };

struct arguments {
    const char *command; /* NULL, "status", "stop" or "reload" */
    const char *config, *run_dir;
    bool check, json, rules, version, help, help_config;
};

static void print_help(FILE *out)
{
    fputs("hekad: collects, routes and aggregates messages and metrics\n\n"
          "  hekad [-config PATH] [-check]          run, or only check the configuration\n"
          "  hekad status [-json] [-rules] [-run-dir DIR]   what the running hekad does, with its\n"
          "      books; -rules: and what each matcher costs, measured now\n"
          "  hekad stop [-run-dir DIR]              stop it in order, and wait\n"
          "  hekad reload [-run-dir DIR]            take over its configuration as it is now\n"
          "  hekad explain [-json] [-config PATH] RULE MESSAGE   how each test of it comes out\n"
          "  hekad queue ls [-json]                 disk queues of the outputs\n"
          "  hekad queue verify [-json] NAME        reads all of one, and says what is wrong\n"
          "  hekad queue dump [-format text|json|heka] [-all] [-n N] NAME   its messages\n"
          "  hekad queue skip NAME N|all            gives up its next messages; not while it runs\n"
          "      all of them: -config PATH or -base-dir DIR, -max-message-size N\n\n"
          "  -config PATH    file, or folder of *.toml; default /etc/hekad.toml\n"
          "  -check          all errors of the configuration at once; exit status 1 if any\n"
          "  -run-dir DIR    default: /run/hekaline, or $XDG_RUNTIME_DIR/hekaline without root\n"
          "  -help-config    the options of all plugins, as Markdown\n"
          "  -version, -help\n\n"
          "One or two dashes are the same; -option VALUE and -option=VALUE, too.\n",
          out);
}

/* ---- arguments, in Go's style ---- */

static int set_option(struct arguments *arguments, int argc, char **argv, int *at, struct err *err)
{
    const struct {
        const char *name, **text;
        bool *flag;
    } options[] = {
        {"config", &arguments->config, NULL},   {"run-dir", &arguments->run_dir, NULL},
        {"check", NULL, &arguments->check},     {"json", NULL, &arguments->json},
        {"rules", NULL, &arguments->rules},
        {"version", NULL, &arguments->version}, {"help", NULL, &arguments->help},
        {"h", NULL, &arguments->help},          {"help-config", NULL, &arguments->help_config},
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
        return 0;
    }
    return err_add(err, "option '%s' is not known; see hekad -help", argv[*at]);
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments, struct err *err)
{
    static const char *const commands[] = {"status", "stop", "reload"};
    for (int at = 1; at < argc; at++) {
        bool is_command = false;
        for (unsigned i = 0; i < 3 && arguments->command == NULL; i++)
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

static int ask(const struct arguments *arguments, struct err *err)
{
    char run_dir[PATH_SIZE], path[PATH_SIZE + 16];
    paths_run_dir(run_dir, sizeof(run_dir));
    snprintf(path, sizeof(path), "%s/hekad.sock",
             arguments->run_dir != NULL ? arguments->run_dir : run_dir);
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

/* ---- configuration ---- */

/* The data plane reads the plan as it would at start. */
static int check_dataplane(const struct setup *setup, struct err *err)
{
    struct dataplane_command command = setup_dataplane_command(setup);
    const char *base = getenv("TMPDIR");
    char dir[PATH_SIZE], plan[PATH_SIZE + 16];
    if (command.program == NULL)
        return 0;
    snprintf(dir, sizeof(dir), "%s/hekad-check-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(dir) == NULL)
        return err_add(err, "%s: %s", dir, strerror(errno));
    snprintf(plan, sizeof(plan), "%s/plan.json", dir);
    command.plan = plan;
    int rc = plan_writer_write(setup->instances, 1, plan, err);
    if (rc == 0)
        rc = dataplane_process_check(&command, err);
    unlink(plan);
    rule_store_sweep(dir, NULL);
    rmdir(dir);
    return rc;
}

/* All matchers together. */
static int check_rules(const struct setup *setup, struct err *err)
{
    struct rule_store *rules = NULL;
    int rc = rule_store_open(setup->instances, &rules, err);
    rule_store_put(rules);
    return rc;
}

/* What the start would need, and make. */
static int check_start(const struct setup *setup, struct err *err, struct err *notes)
{
    int rc = folder_check(setup->config->globals.base_dir, "base_dir", err);
    rc |= folder_check(setup->run_dir, "run directory", err);
    rc |= input_instances_probe(setup->instances, err, notes);
    return check_rules(setup, err) != 0 ? -1 : check_dataplane(setup, err) | rc;
}

static void log_notes(const struct err *notes)
{
    for (unsigned i = 0; i < notes->count && i < ERR_LIST_MAX; i++)
        log_info("%s", notes->texts[i]);
}

static int check(const struct setup *setup, const char *path, struct err *notes, struct err *err)
{
    if (check_start(setup, err, notes) != 0)
        return 1;
    err_print(notes, stdout);
    printf("%s: OK\n", path);
    return 0;
}

/* Takes the setup. */
static int run(const struct arguments *arguments, struct setup *take_setup, struct err *err)
{
    log_set_flags((unsigned)take_setup->config->globals.log_flags);
    struct daemon_result result = daemon_run(
        &(struct daemon_config){
            .setup = take_setup,
            .config_path = arguments->config,
            .run_dir = arguments->run_dir,
            .dataplane = setup_dataplane_command(take_setup),
        },
        err);
    if (!result.has_threads)
        return result.exit_code;
    err_print(err, stderr);
    fflush(NULL);
    _exit(result.exit_code);
}

static int check_or_run(const struct arguments *arguments, struct err *err)
{
    static struct err notes;
    struct setup *setup = NULL;
    if (setup_load(arguments->config, arguments->run_dir, &setup, err, &notes) != 0)
        return 1;
    if (!arguments->check) {
        log_notes(&notes);
        return run(arguments, setup, err);
    }
    int exit_code = check(setup, arguments->config, &notes, err);
    setup_put(setup);
    return exit_code;
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
    else if (parse_arguments(argc, argv, &arguments, &err) != 0)
        exit_code = 1;
    else if (arguments.help)
        print_help(stdout);
    else if (arguments.version)
        puts(HEKA_VERSION);
    else if (arguments.help_config)
        plugin_types_print(stdout);
    else if (arguments.command != NULL)
        exit_code = ask(&arguments, &err) != 0;
    else {
        name_key_seed();
        exit_code = check_or_run(&arguments, &err);
    }
    err_print(&err, stderr);
    return exit_code;
}
