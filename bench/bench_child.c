/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/bench_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "core/clock.h"

enum { STEP_MS = 5, CODE_CANNOT_RUN = 127 };

static void allow_all_cpus(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned n = 0; bench_cpu(n) >= 0; n++)
        CPU_SET((unsigned)bench_cpu(n), &set);
    sched_setaffinity(0, sizeof(set), &set);
}

/* In the child, between fork and exec. */
static void become(const char *const argv[], int log, const int in[2], const int out[2],
                   pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(CODE_CANNOT_RUN); /* it ended before the line above */
    setpgid(0, 0);              /* an interrupt from the terminal goes to us, who end it in order */
    allow_all_cpus();
    dup2(log, STDERR_FILENO);
    dup2(out[1] >= 0 ? out[1] : log, STDOUT_FILENO);
    if (in[0] >= 0)
        dup2(in[0], STDIN_FILENO);
    /* execv() changes nothing in the strings */
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(CODE_CANNOT_RUN);
}

static void close_both(const int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

int bench_child_start(struct bench_child *child, const char *const argv[], const char *log_path,
                      bool pipes)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, rc = 0;
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    *child = (struct bench_child){0};
    if (log < 0 || (pipes && (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)))
        rc = -errno;
    pid_t parent = getpid(), pid = rc == 0 ? fork() : -1;
    if (pid == 0)
        become(argv, log, in, out, parent);
    if (pid < 0) {
        rc = rc != 0 ? rc : -errno;
        close_both(in);
        close_both(out);
    } else {
        *child = (struct bench_child){.pid = pid, .in = in[1], .out = out[0], .has_pipes = pipes};
        if (pipes) {
            close(in[0]);
            close(out[1]);
        }
    }
    if (log >= 0)
        close(log);
    return rc;
}

bool bench_child_runs(struct bench_child *child)
{
    if (child->pid == 0)
        return false;
    pid_t ended = waitpid(child->pid, &child->status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR))
        return true;
    child->pid = 0;
    return false;
}

int bench_child_read_line(struct bench_child *child, char *line, size_t size, int timeout_ms,
                          const volatile sig_atomic_t *stop)
{
    uint64_t limit_ns = clock_mono_ns() + (uint64_t)timeout_ms * CLOCK_NS_PER_MS;
    size_t used = 0;
    while (used + 1 < size) {
        struct pollfd wait = {.fd = child->out, .events = POLLIN};
        if (*stop)
            return -EINTR;
        if (clock_mono_ns() > limit_ns)
            return -ETIMEDOUT;
        if (poll(&wait, 1, 10 * STEP_MS) <= 0)
            continue;
        ssize_t got = read(child->out, line + used, 1);
        if (got <= 0)
            return -EPIPE;
        if (line[used] == '\n') {
            line[used] = '\0';
            return 0;
        }
        used++;
    }
    return -EMSGSIZE;
}

void bench_child_close_input(struct bench_child *child)
{
    if (child->has_pipes && child->in >= 0)
        close(child->in);
    child->in = -1;
}

int bench_child_end(struct bench_child *child, int signal_number, int timeout_ms)
{
    uint64_t limit_ns = clock_mono_ns() + (uint64_t)timeout_ms * CLOCK_NS_PER_MS;
    bench_child_close_input(child);
    if (bench_child_runs(child) && signal_number != 0)
        kill(child->pid, signal_number);
    while (bench_child_runs(child)) {
        if (clock_mono_ns() > limit_ns && kill(child->pid, SIGKILL) == 0)
            limit_ns = UINT64_MAX; /* it ends now */
        usleep(STEP_MS * 1000);
    }
    if (child->has_pipes && child->out >= 0)
        close(child->out);
    child->has_pipes = false;
    return WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0 ? 0 : -1;
}
