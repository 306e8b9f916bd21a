/* SPDX-License-Identifier: MPL-2.0 */
#include "control/commands/feed_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

enum { SLICE_MS = 10 };

extern char **environ;

/* A socket, so that a program that does not read cannot raise SIGPIPE here. */
static int start(const struct feed_command *command, int input, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    union { /* posix_spawnp() does not change them */
        const char *const *in;
        char *const *out;
    } args = {.in = command->args};
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int rc = posix_spawnp(pid, command->args[0], &actions, &attributes, args.out, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -rc;
}

/* Gives it more of the text. How much there is still to give. */
static size_t feed(int fd, const char *text, size_t left)
{
    ssize_t sent = send(fd, text, left, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? left : 0; /* it does not want more */
    return left - (size_t)sent;
}

static int end_of(const struct feed_command *command, int status, char *why, size_t why_size)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status))
        snprintf(why, why_size, "%s: exit status %d", command->args[0], WEXITSTATUS(status));
    else
        snprintf(why, why_size, "%s: signal %d", command->args[0], WTERMSIG(status));
    return -EIO;
}

static int give_up(pid_t pid, int rc, const char *text, char *why, size_t why_size)
{
    int status;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    snprintf(why, why_size, "%s", text);
    return rc;
}

static int wait_for(const struct feed_command *command, pid_t pid, int fd, char *why,
                    size_t why_size)
{
    uint64_t until_ns = clock_mono_ns() + command->timeout_ns;
    size_t left = command->size;
    bool is_closed = false;
    char late[64];
    int status;
    for (;;) {
        if (left > 0)
            left = feed(fd, command->text + command->size - left, left);
        if (left == 0 && !is_closed)
            is_closed = shutdown(fd, SHUT_WR) == 0 || errno == ENOTCONN;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return end_of(command, status, why, why_size);
        if (clock_mono_ns() >= until_ns) {
            snprintf(late, sizeof(late), "the command did not end within %llu ms",
                     (unsigned long long)(command->timeout_ns / CLOCK_NS_PER_MS));
            return give_up(pid, -ETIMEDOUT, late, why, why_size);
        }
        if (command->is_stopping != NULL && command->is_stopping(command->arg))
            return give_up(pid, -ECANCELED, "stopped", why, why_size);
        struct timespec slice = {0, SLICE_MS * (long)CLOCK_NS_PER_MS};
        nanosleep(&slice, NULL);
    }
}

int feed_command_run(const struct feed_command *command, char *why, size_t why_size)
{
    int pair[2];
    pid_t pid;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        snprintf(why, why_size, "socketpair: %s", strerror(errno));
        return -errno;
    }
    int rc = start(command, pair[1], &pid);
    close(pair[1]);
    if (rc != 0)
        snprintf(why, why_size, "%s: %s", command->args[0], strerror(-rc));
    else
        rc = wait_for(command, pid, pair[0], why, why_size);
    close(pair[0]);
    return rc;
}
