/* SPDX-License-Identifier: MPL-2.0
 *
 * blast_plan.h - how much blast sends and how fast, and what it has sent.
 *
 * Place:   blast_port.c and blast_socket.c follow it.
 * Threads: no state.
 */
#ifndef BENCH_BLAST_PLAN_H
#define BENCH_BLAST_PLAN_H

#include <stdbool.h>
#include <stdint.h>

enum { BLAST_BURST_MAX = 64 };

struct blast_plan {
    uint64_t frames_max; /* 0: no limit */
    double seconds_max;  /* 0: no limit */
    double rate;         /* frames/s; 0: as fast as the port takes them */
    double stall_s;
    double warm_s;  /* what the port refuses before is not counted as late */
    unsigned burst; /* 1 to BLAST_BURST_MAX */
    unsigned depth; /* frames that may be made up for at once; 0: all. With `rate` */
};

struct blast_sent {
    uint64_t frames;   /* taken by the port; frame k was number k modulo the cycle */
    uint64_t refusals; /* times that the port took less than it was offered */
    uint64_t received; /* frames that came back and were thrown away */
    uint64_t late;     /* frames that the port did not take when they were first offered */
    uint64_t forgiven; /* frames that were due by the rate and are not made up for */
    double elapsed_s;
    bool stalled; /* ended because the port took nothing more */
};

/* How many frames may go now: up to the burst, the rest of frames_max, and what the rate allows.
 * Counts what it forgives. */
uint16_t blast_plan_allows(const struct blast_plan *plan, struct blast_sent *sent);
bool blast_plan_is_over(const struct blast_plan *plan, const struct blast_sent *sent);

#endif
