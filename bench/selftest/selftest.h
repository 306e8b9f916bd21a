/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest.h - what a selftest is made of: the request, the box as it is started, trials, verdict.
 *
 * Place:   hekad writes the request and becomes heka-selftest (selftest_command.c of control);
 *          selftest_request.c reads it, selftest_plan.c makes plan and core map of it,
 *          selftest_trial.c measures, selftest_report.c prints. docs/formats/selftest.md.
 * Threads: one, and the one of selftest_drain.c.
 * Memory:  one struct selftest; JSON belongs to `request`.
 * Failure: texts; nothing of the configuration is written to, and no output is opened.
 */
#ifndef BENCH_SELFTEST_SELFTEST_H
#define BENCH_SELFTEST_SELFTEST_H

#include <jansson.h>

#include "bench/plane_rig.h"
#include "bench/selftest/search.h"
#include "bench/traffic.h"
#include "core/counters.h"

enum {
    SELFTEST_TRIALS_MAX = 128, /* kept for the report */
    SELFTEST_WORKERS_MAX = 64,
    SELFTEST_NOTES_MAX = 16,
    SELFTEST_TEXT_SIZE = 240,
    SELFTEST_NAMES = 10000
};

enum selftest_kind {
    SELFTEST_STATSD,  /* our own traffic, every total checked */
    SELFTEST_TEXT,    /* our own lines or frames; the number of messages is checked */
    SELFTEST_CAPTURE, /* the operator's frames; the books are checked */
    SELFTEST_WATCH    /* somebody else sends to the real port */
};

struct selftest_options {
    double seconds;         /* measured in each trial */
    double precision, loss; /* shares */
    double rate_max;        /* packets/s; 0: what goes in */
    const char *traffic;    /* auto, statsd, statsd-single, text, or a capture's path */
    const char *port;       /* name of a real port; empty: none */
    bool json;
};

struct selftest_target { /* whom the traffic is for */
    enum selftest_kind kind;
    const char *listener, *address, *port, *profile; /* NULL: none */
    struct traffic_route route;
    uint64_t pieces;                   /* in each datagram of text; 0: not known */
    char capture[PLANE_RIG_PATH_SIZE]; /* what blast sends; empty: statsd */
    unsigned queues;
    int64_t ticker_s, timer_samples_max; /* of the accumulator */
    bool flushes;                        /* statsd: its accumulator does by itself */
};

struct selftest_cpus {
    int workers[SELFTEST_WORKERS_MAX];
    unsigned worker_count;
    int main, generator, drain;
    bool shares_worker; /* generator and a worker are on one core */
    bool shares_main;   /* generator and housekeeping are */
};

struct selftest_trial {
    double rate; /* asked for; 0: as fast as it goes */
    double packets_per_s, items_per_s, gbit_per_s;
    double cycles_per_packet, cycles_per_item, busy_percent, lost_percent;
    uint64_t sent, late, dropped;
    double loss; /* share of sent */
    bool passed, exact;
    char why[SELFTEST_TEXT_SIZE]; /* it did not pass */
    const char *limit;            /* what was full first; "" when nothing was */
    struct counters counters;
};

struct selftest {
    json_t *request;
    struct selftest_options options;
    struct selftest_target target;
    struct selftest_cpus cpus;
    struct traffic_params params; /* SELFTEST_STATSD */
    struct traffic *traffic;
    struct plane_rig rig;
    char notes[SELFTEST_NOTES_MAX][SELFTEST_TEXT_SIZE];
    unsigned note_count;

    struct search search;
    struct selftest_trial trials[SELFTEST_TRIALS_MAX];
    unsigned trial_count, trials_max;
    double limit_s; /* when no other trial begins any more */
    uint64_t started_ns;
    double hop_ns[2]; /* between generator and first worker, before and after */
    char dpdk[64];
    bool certified;
    char verdict[SELFTEST_TEXT_SIZE];
};

/* A remark for the report; too many are left out. */
void selftest_note(struct selftest *test, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

const char *selftest_item(const struct selftest *test); /* "metrics" or "messages" */

/* Reads DIR/request.json and makes the rig's files. 0, or -1 after adding to `err`. */
int selftest_open(struct selftest *test, const char *dir, struct err *err);
void selftest_close(struct selftest *test);

/* selftest_plan.c: target, core map and plan, written to the rig. */
int selftest_plan(struct selftest *test, struct err *err);
/* selftest_cpus.c: which CPU does what, from the core map that is started. */
void selftest_choose_cpus(struct selftest *test, const json_t *core_map);
/* selftest_text.c: the capture that blast sends to a text listener, by its splitter. */
int selftest_text(struct selftest *test, const json_t *listener, struct err *err);

/* One trial, at that rate (0: as fast as it goes), into the list. NULL after adding to `err`. */
struct selftest_trial *selftest_run(struct selftest *test, double rate, struct err *err);
/* The real ports: as long as somebody sends. NULL after adding to `err`. */
struct selftest_trial *selftest_watch(struct selftest *test, struct err *err);

/* selftest_books.c: what is not exact (trial->exact), and what was dropped and why. */
void selftest_check_books(const struct selftest *test, struct selftest_trial *trial);

/* The trial that counts: the last that passed at the rate that was found; without one, the fastest
 * that passed, else the last. NULL without trials. */
const struct selftest_trial *selftest_final_trial(const struct selftest *test);

/* Before the trials, after each, and at the end; nothing but the end with options.json. */
void selftest_print_head(const struct selftest *test, FILE *out);
void selftest_print_trial(const struct selftest *test, const struct selftest_trial *trial,
                          FILE *out);
void selftest_print_result(const struct selftest *test, FILE *out);

#endif
