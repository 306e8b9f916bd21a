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
    unsigned burst; /* 1 to BLAST_BURST_MAX */
};

struct blast_sent {
    uint64_t frames;   /* taken by the port; frame k was number k modulo the cycle */
    uint64_t refusals; /* times that the port took less than it was offered */
    uint64_t received; /* frames that came back and were thrown away */
    double elapsed_s;
    bool stalled; /* ended because the port took nothing more */
};

/* How many frames may go now: up to the burst, the rest of frames_max, and what the rate allows. */
uint16_t blast_plan_allows(const struct blast_plan *plan, const struct blast_sent *sent);
bool blast_plan_is_over(const struct blast_plan *plan, const struct blast_sent *sent);

#endif
