/* SPDX-License-Identifier: MPL-2.0
 *
 * search.h - the highest rate that a box takes without loss, by halving, from answers to trials.
 *
 * Place:   bench/selftest/selftest_main.c makes the trials. Nothing in here knows what a trial is.
 * Threads: no state but the struct's.
 * Failure: bounded: after `trials_max` trials it is over, with or without a rate.
 * Source:  RFC 2544 section 26.1; a rate that fails is tried once more, because one pause of a
 *          virtual machine is not the box's limit, and the rate that is found has to pass three
 *          times in a row.
 */
#ifndef BENCH_SELFTEST_SEARCH_H
#define BENCH_SELFTEST_SEARCH_H

#include <stdbool.h>

enum { SEARCH_CONFIRMATIONS = 3, SEARCH_FAILURES = 2 };

enum search_phase { SEARCH_HALVE, SEARCH_CONFIRM, SEARCH_FOUND, SEARCH_GIVEN_UP };

struct search {
    enum search_phase phase;
    double precision;             /* share of the rate: 0.01 */
    double low;                   /* highest rate that passed; 0: none yet */
    double high;                  /* lowest rate that failed, or where the search began */
    double rate;                  /* to be tried next, or found */
    double lowest;                /* below it the search gives up: the box takes nothing */
    double step_back;             /* share of the rate, when it is not confirmed; doubles */
    unsigned failures, confirmed; /* of `rate`, so far */
    unsigned trials, trials_max;
};

/* `rate_max`: above 0; it is the first to be tried. */
void search_init(struct search *search, double rate_max, double precision, unsigned trials_max);

/* True while `search->rate` is to be tried: then call search_take() with what came of it. */
bool search_goes_on(const struct search *search);
void search_take(struct search *search, bool passed);

/* How many trials it takes at most when no answer contradicts another. */
unsigned search_trials(double precision);

#endif
