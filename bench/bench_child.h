/* SPDX-License-Identifier: MPL-2.0
 *
 * bench_child.h - other programs that a benchmark runs: started, waited for and ended by their pid.
 *
 * Place:   bench/statsd_rate.c.
 * Threads: one. A child is killed by the kernel when the thread that started it ends.
 * Failure: bench_child_end() leaves no child behind, and nothing waits without a limit.
 */
#ifndef BENCH_BENCH_CHILD_H
#define BENCH_BENCH_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bench_child { /* zero-initialised: no child */
    pid_t pid;       /* 0: none */
    int in, out;     /* pipes to its standard input and from its standard output, when asked for */
    bool has_pipes;
    int status; /* of waitpid(), once it has ended */
};

/* Starts argv[0] on all CPUs that we may use. What it prints goes to `log_path`; with `pipes` only
 * its errors do. 0 or negative errno (a program that cannot be run ends with status 127). */
int bench_child_start(struct bench_child *child, const char *const argv[], const char *log_path,
                      bool pipes);

/* True while it runs. Notes its status when it has ended. */
bool bench_child_runs(struct bench_child *child);

/* One line from its standard output without the newline; -ETIMEDOUT, -EPIPE, -EMSGSIZE, or -EINTR
 * as soon as *stop is set. */
int bench_child_read_line(struct bench_child *child, char *line, size_t size, int timeout_ms,
                          const volatile sig_atomic_t *stop);

void bench_child_close_input(struct bench_child *child);

/* Sends `signal_number` (0: none), waits, and after the limit kills. 0 when it ended with code 0,
 * else -1. */
int bench_child_end(struct bench_child *child, int signal_number, int timeout_ms);

#endif
