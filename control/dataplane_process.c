/* SPDX-License-Identifier: MPL-2.0 */
#include "control/dataplane_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/cpus.h"

enum { ARGUMENTS_MAX = 16, EXIT_NO_PROGRAM = 127, EXIT_BY_SIGNAL = 128 };

/* execv() takes them without const, and changes nothing. */
static char *argument(const char *text)
{
    union {
        const char *from;
        char *to;
    } cast = {.from = text};
    return cast.to;
}

static void make_arguments(const struct dataplane_command *command, bool is_check,
                           char *arguments[ARGUMENTS_MAX])
{
    const struct {
        const char *option, *value;
    } pairs[] = {
        {"--core-map", command->core_map}, {"--plan", command->plan},
        {"--run-dir", command->run_dir},   {"--profile-dir", command->profile_dir},
        {"--user", command->user},
    };
    unsigned n = 0;
    arguments[n++] = argument(command->program);
    if (is_check)
        arguments[n++] = argument("--check");
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i].value == NULL || pairs[i].value[0] == '\0')
            continue;
        arguments[n++] = argument(pairs[i].option);
        arguments[n++] = argument(pairs[i].value);
    }
    arguments[n] = NULL;
}

/* In the child, between fork and exec: only what is safe there. */
static void become(char *const arguments[], pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    if (getppid() != parent) /* it died already; later the data plane goes on without it */
        _exit(EXIT_NO_PROGRAM);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    cpus_restore();
    execv(arguments[0], arguments);
    _exit(EXIT_NO_PROGRAM);
}

static int start(struct dataplane_process *process, const struct dataplane_command *command,
                 bool is_check, struct err *err)
{
    char *arguments[ARGUMENTS_MAX];
    if (access(command->program, X_OK) != 0)
        return err_add(err, "%s: cannot be run: %s", command->program, strerror(errno));
    make_arguments(command, is_check, arguments);
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return err_add(err, "%s: cannot be started: %s", command->program, strerror(errno));
    if (pid == 0)
        become(arguments, parent);
    process->pid = pid;
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    process->is_child = true;
    return 0;
}

int dataplane_process_start(struct dataplane_process *process,
                            const struct dataplane_command *command, struct err *err)
{
    return start(process, command, false, err);
}

int dataplane_process_adopt(struct dataplane_process *process, pid_t pid, struct err *err)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return err_add(err, "process %d cannot be watched: %s", (int)pid, strerror(errno));
    *process = (struct dataplane_process){.pid = pid, .pidfd = pidfd};
    return 0;
}

static void forget(struct dataplane_process *process, int exit_code)
{
    if (process->pidfd >= 0)
        close(process->pidfd);
    process->pid = 0;
    process->pidfd = -1;
    process->exit_code = exit_code;
}

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BY_SIGNAL + WTERMSIG(status);
}

bool dataplane_process_has_ended(struct dataplane_process *process)
{
    if (process->pid == 0)
        return false;
    if (process->is_child) {
        int status = 0;
        if (waitpid(process->pid, &status, WNOHANG) != process->pid)
            return false;
        forget(process, code_of(status));
        return true;
    }
    struct pollfd wait = {.fd = process->pidfd, .events = POLLIN};
    if (poll(&wait, 1, 0) <= 0)
        return false;
    forget(process, -1);
    return true;
}

void dataplane_process_signal(const struct dataplane_process *process, int signal_number)
{
    if (process->pid == 0)
        return;
    if (process->pidfd < 0 ||
        syscall(SYS_pidfd_send_signal, process->pidfd, signal_number, NULL, 0) != 0)
        kill(process->pid, signal_number);
}

int dataplane_process_check(const struct dataplane_command *command, struct err *err)
{
    struct dataplane_process process = {0};
    int status = 0;
    if (start(&process, command, true, err) != 0)
        return -1;
    while (waitpid(process.pid, &status, 0) < 0 && errno == EINTR)
        ;
    forget(&process, code_of(status));
    if (process.exit_code != 0)
        return err_add(err, "%s --check: exit status %d", command->program, process.exit_code);
    return 0;
}
