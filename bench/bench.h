/* SPDX-License-Identifier: MPL-2.0
 *
 * bench.h - what all benchmarks share: options, repeated runs, medians, exactness, JSON.
 *
 * Place:   every program of bench/ calls bench_main() with a table of cases; bench/README.md has
 *          the options, the meaning of each printed value and an example of a whole program.
 * Threads: all calls of one run come from the thread that runs the case.
 * Memory:  a case keeps what it builds in run->state between its runs; `teardown` frees it.
 * Failure: a case whose totals are not exact says so with bench_inexact(), and the program exits 1.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BENCH_RUNS_MAX = 33,                  /* --runs */
    BENCH_TRIES_MAX = 3 * BENCH_RUNS_MAX, /* with repeated far runs */
    BENCH_NOTES_MAX = 24,                 /* parameters, and figures, of one case */
    BENCH_HOP_NEAR_NS = 80,               /* --near: cores with a longer cache-line hop are far */
    BENCH_CPUS_MAX = 1024
};

struct bench_note {
    char key[40];
    char text[80];                  /* a parameter given as text; else empty */
    double values[BENCH_TRIES_MAX]; /* a parameter's in [0], a figure's by run; NAN: none */
};

/* One case under way; zero-initialised by bench_main() before `setup`. */
struct bench_run {
    const struct bench *bench;
    const struct bench_case *bench_case;
    bool quick;         /* --quick: all cases of a program together end within 30 s */
    uint64_t target_ns; /* how long one timed part should last: 0.5 s, with --quick 0.1 s */
    unsigned index;     /* of this run, from 0 */
    void *state;        /* the case's own */

    /* filled by bench_start() and bench_stop(), or by bench_result() */
    uint64_t start_ns, start_cycles;
    double value;           /* of this run, in the case's unit */
    double cycles_per_item; /* 0: not known */
    double hop_ns[2];       /* before and after this run; 0: not measured */

    struct bench_note params[BENCH_NOTES_MAX], figures[BENCH_NOTES_MAX];
    unsigned param_count, figure_count;
    unsigned inexact_count, error_count;
    bool disturbed; /* this run: see bench_disturbed() */
    char skip_reason[160];
};

struct bench_case {
    const char *name;
    int (*run)(struct bench_run *run);   /* once for each run; non-zero ends the case as failed */
    const char *unit;                    /* "metrics/s"; larger is better when it ends in "/s" */
    int (*setup)(struct bench_run *run); /* once before the runs, not timed; may be NULL */
    void (*teardown)(struct bench_run *run); /* once after them, also after failures; may be NULL */
    const void *arg;                         /* the case's parameters, for shared functions */
    unsigned runs;                           /* 0: 5 */
    unsigned runs_quick;                     /* with --quick; 0: 3, or `runs` if that is less */
    /* Two threads or processes on two cores: the hop between bench_cpu(0) and bench_cpu(1) is
     * measured before and after each run. Far runs are repeated (at most 3 times as many in all;
     * not with --quick), and left out of the median when there were near ones. */
    bool two_cores;
};

struct bench_option { /* --NAME VALUE; all values are printed with the parameters of each case */
    const char *name;
    const char *help;
    uint64_t value; /* default, replaced by what was given */
    uint64_t min, max;
};

struct bench {
    const char *name; /* of the program */
    const char *help; /* what it measures, one sentence */
    const struct bench_case *cases;
    unsigned case_count;
    struct bench_option *options; /* may be NULL */
    unsigned option_count;
};

/* The whole program: parses options, runs the cases, prints. Returns the exit code: 0, 1 when a
 * case failed or was not exact, 2 for a wrong command line. */
int bench_main(const struct bench *bench, int argc, char **argv);

/* Around the timed part: the run's value becomes `items` per second, and cycles per item is derived
 * from the time-stamp counter. */
void bench_start(struct bench_run *run);
void bench_stop(struct bench_run *run, uint64_t items);
/* True while bench_start() is less than run->target_ns ago: call it once per batch. */
bool bench_goes_on(const struct bench_run *run);
/* Instead of both, for a case that measures in its own way. cycles_per_item 0: not known. */
void bench_result(struct bench_run *run, double value, double cycles_per_item);

/* What the case was run with; setting a key again replaces it. */
void bench_param(struct bench_run *run, const char *key, double value);
void bench_param_text(struct bench_run *run, const char *key, const char *text);
/* Another measured value beside the main one; the median over the runs is printed. */
void bench_figure(struct bench_run *run, const char *key, double value);

/* A total was wrong. Printed on stderr. Always returns -1. */
int bench_inexact(struct bench_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The case could not be run. Printed on stderr. Always returns -1. */
int bench_error(struct bench_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* This machine lacks what the case needs: reported, no failure. From `setup` only. Returns -1. */
int bench_skip(struct bench_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Something else took the machine during this run. It is repeated as a far run is, and left out of
 * the median when there were others. */
void bench_disturbed(struct bench_run *run);

/* Value of an option of the program's table; the name must be there. */
uint64_t bench_option_value(const struct bench_run *run, const char *name);

/* The n-th CPU that this process may run on (as it was at start), or -1. */
int bench_cpu(unsigned n);
/* Binds the calling thread to one CPU. 0 or negative. */
int bench_pin(int cpu);
/* Nanoseconds for a cache line from one core to the other: half of a round trip between two
 * threads, of the faster batches of many, as others may use the cores. Takes some milliseconds;
 * negative when it could not be measured. */
double bench_hop_ns(int cpu_a, int cpu_b);

/* Time-stamp counter; 0 where there is none. */
static inline uint64_t bench_cycles(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

/* The optimiser must assume that `pointer`'s bytes are used. */
static inline void bench_keep(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

#endif
