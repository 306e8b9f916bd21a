/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_main.c - heka-selftest: certifies this machine with one configuration.
 *
 *     heka-selftest DIR      DIR/request.json is hekad's (docs/formats/selftest.md); DIR is removed
 *
 * Place:   `hekad selftest` becomes this program.
 * Failure: exit status 0 certified, 1 not, with all that was started ended and removed.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/selftest/selftest.h"
#include "core/clock.h"

static void __attribute__((format(printf, 2, 3)))
conclude(struct selftest *test, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(test->verdict, sizeof(test->verdict), format, args);
    va_end(args);
}

static bool is_over(const struct selftest *test)
{
    return (double)(clock_mono_ns() - test->started_ns) / 1e9 > test->limit_s;
}

static double hop(const struct selftest *test)
{
    if (test->cpus.worker_count == 0 || test->target.kind == SELFTEST_WATCH)
        return 0;
    return bench_hop_ns(test->cpus.generator, test->cpus.workers[0]);
}

static struct selftest_trial *try_rate(struct selftest *test, double rate, struct err *err)
{
    struct selftest_trial *trial = selftest_run(test, rate, err);
    if (test->rig.sent.dpdk[0] != '\0')
        snprintf(test->dpdk, sizeof(test->dpdk), "%s", test->rig.sent.dpdk);
    if (trial != NULL)
        selftest_print_trial(test, trial, stdout);
    return trial;
}

/* What an interval brings at that rate, which a short trial does not show. */
static void note_interval(struct selftest *test, double metrics_per_s)
{
    double values = metrics_per_s * test->params.timer_percent / 100 *
                    (double)test->target.ticker_s / test->target.queues;
    if (test->target.kind == SELFTEST_STATSD && values > (double)test->target.timer_samples_max)
        selftest_note(test,
                      "an interval of %lld s of this traffic, %u %% of it timers, has %.0f timer "
                      "values a worker; timer_samples_max is %lld",
                      (long long)test->target.ticker_s, test->params.timer_percent, values,
                      (long long)test->target.timer_samples_max);
}

/* On a virtual machine the host takes the cores away for milliseconds, and rings overflow. */
static void conclude_unconfirmed(struct selftest *test)
{
    const struct selftest_trial *best = selftest_final_trial(test);
    char passed[80] = "none passed";
    if (best != NULL && best->passed)
        snprintf(passed, sizeof(passed), "%.0f packets/s passed", best->packets_per_s);
    if (is_over(test))
        conclude(test, "the time was over before a rate was confirmed; %s", passed);
    else
        conclude(test,
                 "no rate passed %u times in a row in %u trials; %s. -loss=0.01%% allows for "
                 "pauses that the host makes",
                 SEARCH_CONFIRMATIONS, test->search.trials, passed);
}

static void conclude_search(struct selftest *test, const struct selftest_trial *last)
{
    const char *item = selftest_item(test);
    test->certified = test->search.phase == SEARCH_FOUND;
    if (test->certified) {
        conclude(test, "%.0f packets/s, %.0f %s/s without %s, %u times in a row, all totals exact",
                 last->packets_per_s, last->items_per_s, item,
                 test->options.loss > 0 ? "more loss than allowed" : "loss", SEARCH_CONFIRMATIONS);
        note_interval(test, last->items_per_s);
    } else {
        conclude_unconfirmed(test);
    }
}

/* From what went in at once down to what goes in without loss. */
static int search(struct selftest *test, const struct selftest_trial *fastest, struct err *err)
{
    const struct selftest_trial *trial = NULL;
    double rate_max = fastest->packets_per_s;
    if (test->options.rate_max > 0 && test->options.rate_max < rate_max)
        rate_max = test->options.rate_max;
    search_init(&test->search, rate_max, test->options.precision, test->trials_max);
    while (search_goes_on(&test->search) && !is_over(test)) {
        trial = try_rate(test, test->search.rate, err);
        if (trial == NULL)
            return -1;
        if (!trial->exact) {
            conclude(test, "not exact: %.200s", trial->why);
            return 0;
        }
        search_take(&test->search, trial->passed);
    }
    conclude_search(test, trial);
    return 0;
}

static int certify(struct selftest *test, struct err *err)
{
    test->hop_ns[0] = hop(test);
    const struct selftest_trial *fastest = try_rate(test, 0, err);
    if (fastest == NULL)
        return -1;
    int rc = 0;
    if (!fastest->exact) {
        conclude(test, "not exact: %.200s", fastest->why);
    } else if (test->cpus.shares_worker) {
        test->certified = fastest->dropped == 0;
        conclude(test, "totals are %s; generator and worker share a core, so there is no rate",
                 fastest->dropped == 0 ? "exact" : "exact, but something was dropped");
    } else {
        rc = search(test, fastest, err);
    }
    test->hop_ns[1] = hop(test);
    return rc;
}

static int watch(struct selftest *test, struct err *err)
{
    const struct selftest_trial *trial = selftest_watch(test, err);
    if (trial == NULL)
        return -1;
    test->certified = trial->exact && trial->loss <= test->options.loss;
    if (test->certified)
        conclude(test, "%llu frames, at most %.0f packets/s in a second, without loss in the books",
                 (unsigned long long)trial->sent, trial->packets_per_s);
    else
        conclude(test, "%s%.200s", trial->exact ? "" : "not exact: ", trial->why);
    return 0;
}

static int run(struct selftest *test, const char *dir, struct err *err)
{
    int rc = selftest_open(test, dir, err);
    if (rc != 0)
        return rc;
    bench_pin(test->cpus.drain);
    selftest_print_head(test, stdout);
    rc = test->target.kind == SELFTEST_WATCH ? watch(test, err) : certify(test, err);
    if (rc != 0)
        conclude(test, "%.200s", err->count > 0 ? err->texts[0] : "");
    selftest_print_result(test, stdout);
    return rc;
}

int main(int argc, char **argv)
{
    static struct selftest test;
    static struct err err;
    if (argc != 2 || argv[1][0] == '-') {
        fputs("usage: heka-selftest DIR    (hekad selftest starts it)\n", stderr);
        return 2;
    }
    plane_rig_catch_signals();
    bench_cpu(0); /* reads what we may use, before anything is pinned */
    int rc = run(&test, argv[1], &err);
    err_print(&err, stderr);
    selftest_close(&test);
    return rc == 0 && test.certified ? 0 : 1;
}
