/* SPDX-License-Identifier: MPL-2.0
 *
 * thread_time.h - how much of its core a thread of another process really had.
 *
 * Place:   bench/statsd_rate.c: a worker that others push from its core makes a run worthless.
 * Threads: any; no state.
 * Source:  /proc/PID/task/TID/schedstat, /proc/stat (proc(5)).
 */
#ifndef BENCH_THREAD_TIME_H
#define BENCH_THREAD_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct thread_time {
    uint64_t run_ns;   /* it ran */
    uint64_t wait_ns;  /* it could have run, but another one did */
    uint64_t steal_ns; /* the host took the core away from this machine */
};

/* The first thread of `pid` whose name starts with `prefix`; 0 when there is none. */
pid_t thread_time_find(pid_t pid, const char *prefix);

/* False, and zeros, when the kernel does not tell. */
bool thread_time_read(pid_t pid, pid_t tid, int cpu, struct thread_time *time);

#endif
