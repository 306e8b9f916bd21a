/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_trial.h"

#include <string.h>

#include "control/sandbox/sandbox_home.h"

static void ignore_message(void *arg, const void *message, size_t size, uint16_t hops)
{
    (void)arg;
    (void)message;
    (void)size;
    (void)hops;
}

static void ignore_text(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

/* The client's text, without the name that it was given here. */
static int add_reason(const struct err *reason, struct err *err)
{
    static const char name[] = "'trial': ";
    const char *text = reason->count > 0 ? reason->texts[0] : "no reason";
    if (strncmp(text, name, sizeof(name) - 1) == 0)
        text += sizeof(name) - 1;
    return err_add(err, "filename: %s", text);
}

int sandbox_trial_run(const struct sandbox_options *options, enum sandbox_type type,
                      struct err *err)
{
    const struct sandbox_client_ops ops = {.inject = ignore_message, .failed = ignore_text};
    struct err reason = {0};
    struct sandbox_paths paths;
    struct sandbox_home home;
    sandbox_home_get(&home);
    if (home.trials == NULL)
        return 0;
    if (sandbox_options_paths(options, &home.globals, &paths, err) != 0)
        return -1;
    struct sandbox_client_config config = {
        .pool = home.trials,
        .type = type,
        .name = "trial",
        .hostname = home.hostname,
        .filename = paths.script,
        .module_directory = paths.modules,
        .message_max = (uint64_t)home.globals.max_message_size,
        .loops_max = (uint64_t)home.globals.max_message_loops,
        .is_parse_only = type == SANDBOX_INPUT || type == SANDBOX_OUTPUT,
    };
    sandbox_options_apply(options, &home.globals, &config);
    config.class = SANDBOX_CLASS_CONFIGURED;
    if (options->jit) /* no limit holds there */
        config.limits.instruction_limit = 0;
    struct sandbox_client *client = sandbox_client_new(&config, &ops, &reason);
    if (client == NULL)
        return add_reason(&reason, err);
    sandbox_client_free(client);
    return 0;
}
