/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/process_chain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"

enum { COMMAND_TEXT_SIZE = 512 };

struct ends { /* of what one command reads and writes */
    int input, output, errors;
};

/* The command line, for texts. */
static void join(const struct process_command *command, char text[COMMAND_TEXT_SIZE])
{
    size_t len = 0;
    text[0] = '\0';
    for (char **arg = command->argv; *arg != NULL && len < COMMAND_TEXT_SIZE; arg++) {
        int put = snprintf(text + len, COMMAND_TEXT_SIZE - len, "%s%s", len > 0 ? " " : "", *arg);
        len += put > 0 ? (size_t)put : 0;
    }
}

/* ---- starting ---- */

static void set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                             POSIX_SPAWN_SETSIGDEF);
}

static int add_end(posix_spawn_file_actions_t *actions, int fd, int as, int flags)
{
    return fd >= 0 ? posix_spawn_file_actions_adddup2(actions, fd, as)
                   : posix_spawn_file_actions_addopen(actions, as, "/dev/null", flags, 0);
}

static int add_actions(posix_spawn_file_actions_t *actions, const struct process_command *command,
                       const struct ends *ends)
{
    int rc = add_end(actions, ends->input, STDIN_FILENO, O_RDONLY);
    if (rc == 0)
        rc = add_end(actions, ends->output, STDOUT_FILENO, O_WRONLY);
    if (rc == 0)
        rc = add_end(actions, ends->errors, STDERR_FILENO, O_WRONLY);
    if (rc == 0 && command->directory != NULL)
        rc = posix_spawn_file_actions_addchdir_np(actions, command->directory);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    return rc;
}

/* 0 or negative errno, also of the exec. */
static int spawn(const struct process_command *command, const struct ends *ends, pid_t *pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int rc = posix_spawnattr_init(&attributes);
    if (rc != 0)
        return -rc;
    rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        set_attributes(&attributes);
        rc = add_actions(&actions, command, ends);
        if (rc == 0)
            rc = posix_spawnp(pid, command->argv[0], &actions, &attributes, command->argv,
                              command->environment != NULL ? command->environment : environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return -rc;
}

/* Our end of a pipe that is read. */
static int open_pipe(int *ours, int *theirs)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    *ours = ends[0];
    *theirs = ends[1];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

void process_chain_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The command at index; *input is the one before's output, and becomes its own. */
static int start_one(struct process_chain *chain, unsigned index, int *input, bool wants_output,
                     bool wants_errors)
{
    struct ends ends = {*input, -1, -1};
    int between[2] = {-1, -1}, rc = 0;
    bool is_last = index + 1 == chain->count;
    if (!is_last)
        rc = pipe2(between, O_CLOEXEC) == 0 ? 0 : -errno;
    if (is_last && wants_output)
        rc = open_pipe(&chain->output_fd, &ends.output);
    if (rc == 0 && is_last && wants_errors)
        rc = open_pipe(&chain->error_fd, &ends.errors);
    if (!is_last)
        ends.output = between[1];
    if (rc == 0)
        rc = spawn(&chain->commands[index], &ends, &chain->pids[index]);
    if (rc != 0)
        chain->pids[index] = 0;
    process_chain_close(&ends.output);
    process_chain_close(&ends.errors);
    process_chain_close(input);
    *input = between[0];
    return rc;
}

/* Waits for the one that is to end first. */
static void watch_first(struct process_chain *chain, uint64_t now_ns)
{
    process_chain_close(&chain->pid_fd);
    chain->is_killed = false;
    chain->deadline_ns = chain->timeout_ns > 0 ? now_ns + chain->timeout_ns : 0;
    if (chain->first < chain->count)
        chain->pid_fd = (int)syscall(SYS_pidfd_open, chain->pids[chain->first], 0);
}

int process_chain_start(struct process_chain *chain, bool wants_output, bool wants_errors,
                        char *why, size_t why_size)
{
    char command[COMMAND_TEXT_SIZE];
    int rc = 0, input = -1;
    chain->output_fd = chain->error_fd = chain->pid_fd = -1;
    chain->first = 0;
    chain->exit_status = 0;
    chain->errors[0] = '\0';
    memset(chain->pids, 0, sizeof(chain->pids));
    for (unsigned i = 0; rc == 0 && i < chain->count; i++) {
        rc = start_one(chain, i, &input, wants_output, wants_errors);
        join(&chain->commands[i], command);
    }
    process_chain_close(&input);
    if (rc != 0) {
        process_chain_stop(chain);
        snprintf(why, why_size, "Command [%s] triggered an error: [%s]", command, strerror(-rc));
        return rc;
    }
    watch_first(chain, clock_mono_ns());
    return 0;
}

/* ---- ends ---- */

static void add_error(struct process_chain *chain, const char *text)
{
    size_t len = strlen(chain->errors);
    snprintf(chain->errors + len, sizeof(chain->errors) - len,
             "%sSubcommand[%u] returned an error: [%s]", len > 0 ? "\n" : "", chain->first, text);
}

static void note_end(struct process_chain *chain, int status)
{
    char text[COMMAND_TEXT_SIZE + 128] = "", command[COMMAND_TEXT_SIZE];
    chain->exit_status = 0;
    if (chain->is_killed) {
        join(&chain->commands[chain->first], command);
        snprintf(text, sizeof(text),
                 "ManagedCmd was stopped with error: [subprocess was killed: [%s]]", command);
    } else if (WIFSIGNALED(status)) {
        chain->exit_status = -1;
        snprintf(text, sizeof(text), "signal: %s", strsignal(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) != 0) {
        chain->exit_status = WEXITSTATUS(status);
        snprintf(text, sizeof(text), "exit status %d", chain->exit_status);
    }
    if (text[0] != '\0')
        add_error(chain, text);
}

bool process_chain_poll(struct process_chain *chain, uint64_t now_ns)
{
    int status = 0;
    while (chain->first < chain->count) {
        pid_t pid = chain->pids[chain->first];
        if (chain->deadline_ns != 0 && now_ns >= chain->deadline_ns && !chain->is_killed) {
            chain->is_killed = true;
            chain->timeouts++;
            kill(-pid, SIGKILL);
        }
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == 0 || (ended < 0 && errno == EINTR))
            return false;
        note_end(chain, status);
        chain->pids[chain->first++] = 0;
        watch_first(chain, now_ns);
    }
    return true;
}

void process_chain_stop(struct process_chain *chain)
{
    int status;
    for (unsigned i = 0; i < chain->count; i++) {
        if (chain->pids[i] > 0)
            kill(-chain->pids[i], SIGKILL);
    }
    for (unsigned i = 0; i < chain->count; i++) {
        while (chain->pids[i] > 0 && waitpid(chain->pids[i], &status, 0) < 0 && errno == EINTR)
            continue;
        chain->pids[i] = 0;
    }
    chain->first = chain->count;
    process_chain_close(&chain->output_fd);
    process_chain_close(&chain->error_fd);
    process_chain_close(&chain->pid_fd);
}
