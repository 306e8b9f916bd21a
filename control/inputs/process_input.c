/* SPDX-License-Identifier: MPL-2.0
 *
 * process_input.c - ProcessInput: what commands write, as messages.
 *
 * Place:   builtin_inputs; process_chain.h runs the commands.
 * Threads: the host's, for commands and all that they write.
 * Memory:  a stream (input_stream.h) for each of stdout and stderr, and with NullSplitter a body of
 *          one record.
 * Failure: a command that cannot be started is a failure of the input, which is tried again
 *          ([retries]); one that ends badly says so in the fields of its messages. Records: the
 *          stage `text`.
 * Source:  Heka 0.11 ProcessInput: options, fields and texts; docs/formats/processes.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "control/plugins/input_stream.h"
#include "control/inputs/inputs.h"
#include "control/inputs/process_chain.h"
#include "core/buffer.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    NAME_SIZE = 512,
    READ_SIZE = 65536,
    WHY_SIZE = 1024,
    PAUSE_MS = 1000, /* without output, for splitters that end a group of lines then */
    GRACE_MS = 1000  /* for output that others hold open when all commands have ended */
};

enum { RUNS, FAILED_STARTS, FAILED_RUNS, TIMEOUTS, BYTES };
static const struct input_counter counters[] = {
    [RUNS] = {"runs", "times that the commands were started"},
    [FAILED_STARTS] = {"failed_starts", "times that this failed"},
    [FAILED_RUNS] = {"failed_runs", "runs in which a command did not end with status 0"},
    [TIMEOUTS] = {"timeouts", "commands that were killed when their time was over"},
    [BYTES] = {"bytes", "bytes read of them"},
    {NULL, NULL},
};

struct process_options {
    const struct conf_node *command;
    int64_t ticker_interval, timeout; /* s */
    bool immediate_start, wants_stdout, wants_stderr;
    const char *process_name;
};

#define PROCESS(member) .key = #member, .offset = offsetof(struct process_options, member)
static const struct schema_key keys[] = {
    {PROCESS(command), .type = SCHEMA_NODE, .unit = "tables [X.command.0], [X.command.1]...",
     .help = "Commands that run at the same time, each one's output the next one's input: bin, "
             "args, env (the whole environment, list of NAME=VALUE), directory."},
    {PROCESS(ticker_interval), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "15",
     .unit = "s", .help = "Time between two starts; 0: once, and then the input ends."},
    {PROCESS(immediate_start), .type = SCHEMA_BOOL, .def = "false",
     .help = "The first run is at once, not after ticker_interval."},
    {PROCESS(timeout), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "0", .unit = "s",
     .help = "A command that runs longer is killed; 0: none is."},
    {.key = "stdout",
     .offset = offsetof(struct process_options, wants_stdout),
     .type = SCHEMA_BOOL,
     .def = "true",
     .help = "Messages of what the last command writes."},
    {.key = "stderr",
     .offset = offsetof(struct process_options, wants_stderr),
     .type = SCHEMA_BOOL,
     .def = "false",
     .help = "Messages of its error output."},
    {PROCESS(process_name), .type = SCHEMA_STRING,
     .help = "Logger, and in ProcessInputName, instead of the plugin's name; "
             "ProcessDirectoryInput gives its commands the path of their file."},
    {0},
};
static const struct schema schema = {"ProcessInput", keys};

struct process_state;

struct output { /* stdout or stderr */
    struct process_state *process;
    char name[NAME_SIZE];         /* ProcessInputName */
    struct input_stream *records; /* NULL: not wanted */
    bool is_whole;                /* NullSplitter: a run's output is one record */
    struct buffer body;
    bool is_cut, has_paused;
    uint64_t last_ns;
};

struct process_state {
    struct input_host *host;
    const struct process_options *options;
    struct process_command commands[PROCESS_COMMANDS_MAX];
    struct process_chain chain;
    struct output outputs[2];
    int exit_status; /* of the last run that has ended */
    char errors[PROCESS_ERRORS_SIZE];
};

/* ---- commands of the configuration ---- */

static int check_strings(const struct conf_node *node, const char *index, struct err *err)
{
    if (node->type != CONF_ARRAY)
        return err_add(err, "command: %s.%s is %s, allowed a list of strings", index, node->key,
                       conf_type_name(node->type));
    for (const struct conf_node *item = node->first; item != NULL; item = item->next) {
        if (item->type != CONF_STRING)
            return err_add(err, "command: %s.%s holds %s, allowed are strings", index, node->key,
                           conf_type_name(item->type));
        if (strlen(item->str) != item->str_len)
            return err_add(err, "command: %s.%s holds a NUL byte", index, node->key);
    }
    return 0;
}

static int check_member(const struct conf_node *node, const char *index, struct err *err)
{
    if (strcasecmp(node->key, "args") == 0 || strcasecmp(node->key, "env") == 0)
        return check_strings(node, index, err);
    if (strcasecmp(node->key, "bin") != 0 && strcasecmp(node->key, "directory") != 0)
        return err_add(err, "command: unknown config setting for '%s': %s", index, node->key);
    if (node->type != CONF_STRING || strlen(node->str) != node->str_len)
        return err_add(err, "command: %s.%s is %s, allowed a string", index, node->key,
                       conf_type_name(node->type));
    return 0;
}

static int check_command(const struct conf_node *command, const char *index, struct err *err)
{
    int rc = 0;
    if (command->type != CONF_TABLE)
        return err_add(err, "command: %s is %s, allowed a table", index,
                       conf_type_name(command->type));
    for (const struct conf_node *node = command->first; node != NULL; node = node->next)
        rc |= check_member(node, index, err);
    const struct conf_node *bin = conf_get(command, "bin");
    if (bin == NULL || (bin->type == CONF_STRING && bin->str_len == 0))
        return err_add(err, "command: %s has no bin", index);
    return rc;
}

/* The command at a place, or NULL after adding to err. */
static const struct conf_node *command_at(const struct conf_node *commands, unsigned place,
                                          struct err *err)
{
    char index[16];
    snprintf(index, sizeof(index), "%u", place);
    const struct conf_node *command = conf_get(commands, index);
    if (command == NULL)
        err_add(err, "command: Expected to find a command at index [%s]", index);
    else if (check_command(command, index, err) != 0)
        return NULL;
    return command;
}

static int check(const void *config, struct err *err)
{
    const struct process_options *options = config;
    const struct conf_node *commands = options->command;
    int rc = 0;
    if (commands == NULL || commands->type != CONF_TABLE || commands->count == 0)
        return err_add(err, "command: No Command Configured");
    if (commands->count > PROCESS_COMMANDS_MAX)
        return err_add(err, "command: found %u, allowed up to %d", commands->count,
                       PROCESS_COMMANDS_MAX);
    for (unsigned i = 0; i < commands->count; i++)
        rc |= command_at(commands, i, err) != NULL ? 0 : -1;
    return rc;
}

/* `first` (may be NULL) and the strings of a list, ended by NULL; NULL: no memory. */
static char **strings_of(const char *first, const struct conf_node *list)
{
    size_t count = 0;
    char **strings = calloc((list != NULL ? list->count : 0) + 2, sizeof(*strings));
    if (strings == NULL)
        return NULL;
    if (first != NULL)
        strings[count++] = (char *)(uintptr_t)first;
    for (const struct conf_node *item = list != NULL ? list->first : NULL; item != NULL;
         item = item->next)
        strings[count++] = (char *)(uintptr_t)item->str;
    return strings;
}

static int take_commands(struct process_state *process, struct err *err)
{
    const struct conf_node *commands = process->options->command;
    for (unsigned i = 0; i < commands->count; i++) {
        struct process_command *command = &process->commands[i];
        const struct conf_node *node = command_at(commands, i, err);
        if (node == NULL)
            return -1;
        const struct conf_node *environment = conf_get(node, "env");
        const struct conf_node *directory = conf_get(node, "directory");
        if (directory != NULL && directory->str_len > 0)
            command->directory = directory->str;
        command->argv = strings_of(conf_get(node, "bin")->str, conf_get(node, "args"));
        if (environment != NULL)
            command->environment = strings_of(NULL, environment);
        if (command->argv == NULL || (environment != NULL && command->environment == NULL))
            return err_add(err, "out of memory");
    }
    process->chain.commands = process->commands;
    process->chain.count = commands->count;
    process->chain.timeout_ns = (uint64_t)process->options->timeout * CLOCK_NS_PER_S;
    return 0;
}

/* ---- messages ---- */

static const char *name_of(const struct process_state *process)
{
    const char *given = process->options->process_name;
    return given != NULL && given[0] != '\0' ? given : input_host_name(process->host);
}

static void decorate(void *arg, struct msg_builder *builder, struct msg_slice payload)
{
    const struct output *output = arg;
    const struct process_state *process = output->process;
    const char *logger = name_of(process), *hostname = input_host_hostname(process->host);
    msg_builder_type(builder, "ProcessInput", strlen("ProcessInput"));
    msg_builder_logger(builder, logger, strlen(logger));
    msg_builder_severity(builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(builder, payload.ptr, payload.len);
    msg_builder_pid(builder, (int32_t)getpid());
    msg_builder_hostname(builder, hostname, strlen(hostname));
    msg_builder_field_string(builder, "ProcessInputName", output->name, strlen(output->name), "");
    msg_builder_field_integer(builder, "ExitStatus", process->exit_status, "");
    if (process->errors[0] != '\0')
        msg_builder_field_string(builder, "SubcmdErrors", process->errors, strlen(process->errors),
                                 "");
}

static int init_output(struct process_state *process, struct output *output, const char *kind,
                       struct err *err)
{
    output->process = process;
    snprintf(output->name, sizeof(output->name), "%s.%s", name_of(process), kind);
    output->records = input_host_stream(process->host, err);
    if (output->records == NULL)
        return -1;
    input_stream_set_decorator(output->records, decorate, output);
    output->body.max_size = input_stream_body_max(output->records);
    output->is_whole = output->body.max_size != SIZE_MAX;
    return 0;
}

static int take_bytes(struct output *output, const char *bytes, size_t size)
{
    int rc = 0;
    if (output->is_whole) {
        size_t left = output->body.max_size - output->body.size;
        output->is_cut |= size > left;
        rc = buffer_append(&output->body, bytes, size < left ? size : left);
        output->is_cut |= rc != 0;
        return 0;
    }
    while (rc == 0 && size > 0) {
        size_t room;
        char *to = input_stream_room(output->records, &room);
        if (to == NULL)
            return -ENOMEM;
        size_t part = size < room ? size : room;
        memcpy(to, bytes, part);
        bytes += part;
        size -= part;
        rc = input_stream_filled(output->records, part);
    }
    return rc;
}

/* All that one of them has for us. 0 or -ECANCELED. */
static int read_output(struct output *output, int *fd)
{
    char bytes[READ_SIZE];
    struct process_state *process = output->process;
    ssize_t got = read(*fd, bytes, sizeof(bytes));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        process_chain_close(fd);
    if (got <= 0)
        return 0;
    input_host_count(process->host, BYTES, (uint64_t)got);
    output->last_ns = clock_mono_ns();
    output->has_paused = false;
    return take_bytes(output, bytes, (size_t)got);
}

static int pause_output(struct output *output, uint64_t now_ns)
{
    if (output->records == NULL || output->is_whole || output->has_paused ||
        now_ns - output->last_ns < PAUSE_MS * CLOCK_NS_PER_MS)
        return 0;
    output->has_paused = true;
    return input_stream_pause(output->records);
}

/* The run is over. */
static int end_output(struct output *output)
{
    int rc = 0;
    if (output->records == NULL)
        return 0;
    if (!output->is_whole)
        return input_stream_end(output->records);
    if (output->body.size > 0)
        rc = input_stream_body(output->records, output->body.data, output->body.size,
                               output->is_cut);
    buffer_clear(&output->body);
    output->is_cut = false;
    return rc;
}

/* ---- a run ---- */

static int read_both(struct process_state *process, const struct pollfd fds[2])
{
    struct process_chain *chain = &process->chain;
    int rc = 0;
    if (chain->output_fd >= 0 && fds[0].revents != 0)
        rc = read_output(&process->outputs[0], &chain->output_fd);
    if (rc == 0 && chain->error_fd >= 0 && fds[1].revents != 0)
        rc = read_output(&process->outputs[1], &chain->error_fd);
    return rc;
}

/* What is left in the pipes, when nobody reads on. */
static int drain(struct process_state *process)
{
    int rc = 0;
    int *const fds[2] = {&process->chain.output_fd, &process->chain.error_fd};
    for (unsigned i = 0; rc == 0 && i < 2; i++) {
        if (*fds[i] >= 0)
            rc = read_output(&process->outputs[i], fds[i]);
    }
    return rc;
}

/* Until all commands have ended and their output is read. 0, or -ECANCELED. */
static int follow(struct process_state *process)
{
    struct process_chain *chain = &process->chain;
    uint64_t ended_ns = 0, now_ns = clock_mono_ns();
    process->outputs[0].last_ns = process->outputs[1].last_ns = now_ns;
    for (;;) {
        struct pollfd fds[3] = {{chain->output_fd, POLLIN, 0},
                                {chain->error_fd, POLLIN, 0},
                                {chain->pid_fd, POLLIN, 0}};
        int rc = input_host_wait(process->host, fds, 3, 100);
        now_ns = clock_mono_ns();
        if (rc >= 0)
            rc = read_both(process, fds);
        if (rc == 0)
            rc = pause_output(&process->outputs[0], now_ns) |
                 pause_output(&process->outputs[1], now_ns);
        if (rc < 0)
            return -ECANCELED;
        if (!process_chain_poll(chain, now_ns))
            continue;
        if (ended_ns == 0)
            ended_ns = now_ns;
        if ((chain->output_fd < 0 && chain->error_fd < 0) ||
            now_ns - ended_ns > GRACE_MS * CLOCK_NS_PER_MS)
            return 0;
    }
}

static void note_run(struct process_state *process)
{
    struct process_chain *chain = &process->chain;
    input_host_count(process->host, TIMEOUTS, chain->timeouts);
    chain->timeouts = 0;
    input_host_count(process->host, FAILED_RUNS, chain->errors[0] != '\0');
    process->exit_status = chain->exit_status;
    snprintf(process->errors, sizeof(process->errors), "%s", chain->errors);
}

/* 0, -ECANCELED, or a failure that was said. */
static int run_once(struct process_state *process)
{
    struct process_chain *chain = &process->chain;
    char why[WHY_SIZE];
    int rc = process_chain_start(chain, process->outputs[0].records != NULL,
                                 process->outputs[1].records != NULL, why, sizeof(why));
    if (rc != 0) {
        input_host_count(process->host, FAILED_STARTS, 1);
        return input_host_fail(process->host, rc, "CommandChain::Start() error: [%s]", why);
    }
    input_host_count(process->host, RUNS, 1);
    rc = follow(process);
    if (rc == 0)
        note_run(process);
    if (rc == -ECANCELED) /* what was written until now is not lost */
        drain(process);
    process_chain_stop(chain);
    int ends = end_output(&process->outputs[0]) | end_output(&process->outputs[1]);
    if (rc == 0 && input_host_flush(process->host) != 0)
        rc = -ECANCELED;
    return rc != 0 || ends != 0 ? -ECANCELED : 0;
}

/* ---- the input ---- */

static int init(void *memory, const void *config, struct input_host *host, struct err *err)
{
    struct process_state *process = memory;
    process->host = host;
    process->options = config;
    process->chain.output_fd = process->chain.error_fd = process->chain.pid_fd = -1;
    if (take_commands(process, err) != 0)
        return -1;
    if (process->options->wants_stdout &&
        init_output(process, &process->outputs[0], "stdout", err) != 0)
        return -1;
    if (process->options->wants_stderr &&
        init_output(process, &process->outputs[1], "stderr", err) != 0)
        return -1;
    return 0;
}

/* Until the next tick; ticks that passed while the commands ran are left out. */
static int wait_for_tick(struct process_state *process, uint64_t *tick_ns)
{
    uint64_t interval_ns = (uint64_t)process->options->ticker_interval * CLOCK_NS_PER_S;
    uint64_t now_ns = clock_mono_ns();
    *tick_ns += interval_ns;
    if (*tick_ns < now_ns)
        *tick_ns += (now_ns - *tick_ns + interval_ns - 1) / interval_ns * interval_ns;
    while (now_ns < *tick_ns) {
        uint64_t left_ms = (*tick_ns - now_ns) / CLOCK_NS_PER_MS + 1;
        int rc = input_host_wait(process->host, NULL, 0, left_ms < 1000 ? (int)left_ms : 1000);
        if (rc < 0)
            return rc;
        now_ns = clock_mono_ns();
    }
    return 0;
}

static void run(void *memory)
{
    struct process_state *process = memory;
    uint64_t tick_ns = clock_mono_ns();
    int rc = 0;
    if (process->options->ticker_interval == 0) {
        run_once(process);
        return;
    }
    if (process->options->immediate_start)
        rc = run_once(process);
    while (rc == 0 && (rc = wait_for_tick(process, &tick_ns)) == 0)
        rc = run_once(process);
}

static void fini(void *memory)
{
    struct process_state *process = memory;
    if (process->chain.commands != NULL)
        process_chain_stop(&process->chain);
    for (unsigned i = 0; i < PROCESS_COMMANDS_MAX; i++) {
        free(process->commands[i].argv);
        free(process->commands[i].environment);
    }
    for (unsigned i = 0; i < 2; i++) {
        input_stream_free(process->outputs[i].records);
        buffer_fini(&process->outputs[i].body);
    }
}

const struct input_ops process_input = {
    .plugin = {PLUGIN_ABI, "ProcessInput", &schema, sizeof(struct process_options),
               sizeof(struct process_state)},
    .default_splitter = "NullSplitter",
    .restarts = true,
    .counters = counters,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
