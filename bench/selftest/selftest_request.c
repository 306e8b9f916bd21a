/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_request.c - DIR/request.json, which hekad has written, and the rig for it.
 */
#include "bench/selftest/selftest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

enum {
    SPARE_TRIALS = 12, /* for answers that contradict each other */
    OVERHEAD_S = 5,    /* of a trial: start and end of the programs, warm-up */
    WATCH_SPARE_S = 30 /* start and end of the data plane */
};

void selftest_note(struct selftest *test, const char *format, ...)
{
    va_list args;
    if (test->note_count >= SELFTEST_NOTES_MAX)
        return;
    va_start(args, format);
    vsnprintf(test->notes[test->note_count++], SELFTEST_TEXT_SIZE, format, args);
    va_end(args);
}

const char *selftest_item(const struct selftest *test)
{
    return test->target.kind == SELFTEST_STATSD ? "metrics" : "messages";
}

static int read_request(struct selftest *test, const char *dir, struct err *err)
{
    struct selftest_options *options = &test->options;
    char path[PLANE_RIG_PATH_SIZE];
    json_error_t error;
    int json = 0;
    snprintf(path, sizeof(path), "%s/request.json", dir);
    test->request = json_load_file(path, 0, &error);
    if (test->request == NULL)
        return err_add(err, "%s:%d: %s", path, error.line, error.text);
    if (json_unpack_ex(test->request, &error, 0,
                       "{s:s, s:s, s:s, s:s, s:o, s:o, s:{s:F, s:F, s:F, s:F, s:s, s:s, s:b}}",
                       "config", &(const char *){NULL}, "digest", &(const char *){NULL}, "program",
                       &(const char *){NULL}, "profile_dir", &(const char *){NULL}, "core_map",
                       &(json_t *){NULL}, "plan", &(json_t *){NULL}, "options", "seconds",
                       &options->seconds, "precision", &options->precision, "loss", &options->loss,
                       "rate", &options->rate_max, "traffic", &options->traffic, "port",
                       &options->port, "json", &json) != 0)
        return err_add(err, "%s: %s", path, error.text);
    options->json = json;
    return 0;
}

static void bound(struct selftest *test)
{
    const struct selftest_options *options = &test->options;
    unsigned trials = search_trials(options->precision) + SPARE_TRIALS;
    test->trials_max = trials < SELFTEST_TRIALS_MAX - 1 ? trials : SELFTEST_TRIALS_MAX - 1;
    if (test->cpus.shares_worker)
        test->trials_max = 0;
    test->limit_s = (test->trials_max + 1) * (options->seconds + OVERHEAD_S);
    if (test->target.kind == SELFTEST_WATCH)
        test->limit_s = options->seconds + WATCH_SPARE_S;
    test->started_ns = clock_mono_ns();
}

static int make_traffic(struct selftest *test, struct err *err)
{
    if (test->target.kind != SELFTEST_STATSD)
        return 0;
    return traffic_new(&test->params, &test->traffic, err);
}

/* What DPDK leaves in the runtime folder goes with all else. */
static void set_environment(const char *dir)
{
    setenv("RUNTIME_DIRECTORY", dir, 1);
    setenv("XDG_RUNTIME_DIR", dir, 1);
}

int selftest_open(struct selftest *test, const char *dir, struct err *err)
{
    int rc = plane_rig_use_dir(&test->rig, dir, err);
    if (rc == 0)
        rc = read_request(test, dir, err);
    set_environment(dir);
    if (rc == 0)
        rc = selftest_plan(test, err);
    if (rc == 0)
        rc = make_traffic(test, err);
    bound(test);
    return rc;
}

void selftest_close(struct selftest *test)
{
    plane_rig_close(&test->rig);
    traffic_free(test->traffic);
    json_decref(test->request);
}
