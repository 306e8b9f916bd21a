/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/bench.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_internal.h"
#include "core/check.h"
#include "core/clock.h"

enum {
    RUNS_DEFAULT = 5,
    RUNS_QUICK = 3,
    CASES_MAX = 256, /* of one program */
    TARGET_MS = 500,
    TARGET_QUICK_MS = 100
};

struct settings { /* the command line */
    bool json, quick, list, help;
    unsigned runs; /* 0: not given */
    double near_ns;
    bool chosen[CASES_MAX];
    bool any_chosen;
};

/* ---- command line ---- */

static void print_help(const struct bench *bench, FILE *out)
{
    fprintf(out, "usage: %s [--json] [--quick] [--runs N] [--list] [OPTION VALUE]... [CASE]...\n",
            bench->name);
    fprintf(out, "%s\n\n", bench->help);
    fprintf(out,
            "  --json     one JSON object a line for each case\n"
            "  --quick    shorter runs: all cases end within 30 s\n"
            "  --runs N   runs of each case, 1 to %d\n"
            "  --near N   cores with a longer cache-line hop are far, ns (default %d)\n"
            "  --list     names of the cases\n",
            BENCH_RUNS_MAX, BENCH_HOP_NEAR_NS);
    for (unsigned i = 0; i < bench->option_count; i++) {
        const struct bench_option *option = &bench->options[i];
        fprintf(out, "  --%s N   %s (%llu to %llu, default %llu)\n", option->name, option->help,
                (unsigned long long)option->min, (unsigned long long)option->max,
                (unsigned long long)option->value);
    }
    fprintf(out, "\nExit: 0; 1 when a case failed or its totals were not exact; 2 for a wrong "
                 "command line.\n");
}

static int parse_number(const struct bench *bench, const char *option, const char *text,
                        const uint64_t range[2], uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    if (text != NULL && isdigit((unsigned char)text[0]))
        *value = strtoull(text, &end, 10);
    if (end == NULL || *end != '\0' || errno != 0 || *value < range[0] || *value > range[1]) {
        fprintf(stderr, "%s: %s is %s; allowed is a number from %llu to %llu\n", bench->name,
                option, text != NULL ? text : "missing", (unsigned long long)range[0],
                (unsigned long long)range[1]);
        return -1;
    }
    return 0;
}

static int choose_case(const struct bench *bench, const char *name, struct settings *settings)
{
    for (unsigned i = 0; i < bench->case_count; i++) {
        if (strcmp(bench->cases[i].name, name) == 0) {
            settings->chosen[i] = settings->any_chosen = true;
            return 0;
        }
    }
    fprintf(stderr, "%s: there is no case %s; there are:", bench->name, name);
    for (unsigned i = 0; i < bench->case_count; i++)
        fprintf(stderr, " %s", bench->cases[i].name);
    fprintf(stderr, "\n");
    return -1;
}

/* Options with a value. 1: `name` is none of them. */
static int parse_valued(const struct bench *bench, const char *name, const char *text,
                        struct settings *settings)
{
    if (strcmp(name, "--runs") == 0) {
        const uint64_t range[2] = {1, BENCH_RUNS_MAX};
        uint64_t runs = 0;
        int rc = parse_number(bench, name, text, range, &runs);
        settings->runs = (unsigned)runs;
        return rc;
    }
    if (strcmp(name, "--near") == 0) {
        const uint64_t range[2] = {1, 100000};
        uint64_t near_ns = 0;
        int rc = parse_number(bench, name, text, range, &near_ns);
        settings->near_ns = (double)near_ns;
        return rc;
    }
    for (unsigned i = 0; i < bench->option_count; i++) {
        struct bench_option *option = &bench->options[i];
        const uint64_t range[2] = {option->min, option->max};
        if (strncmp(name, "--", 2) == 0 && strcmp(name + 2, option->name) == 0)
            return parse_number(bench, name, text, range, &option->value);
    }
    return 1;
}

static int parse_args(const struct bench *bench, int argc, char **argv, struct settings *settings)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        int rc = 0;
        if (strcmp(arg, "--json") == 0)
            settings->json = true;
        else if (strcmp(arg, "--quick") == 0)
            settings->quick = true;
        else if (strcmp(arg, "--list") == 0)
            settings->list = true;
        else if (strcmp(arg, "--help") == 0)
            settings->help = true;
        else if ((rc = parse_valued(bench, arg, argv[i + 1], settings)) == 0)
            i++;
        else if (rc > 0 && arg[0] != '-')
            rc = choose_case(bench, arg, settings);
        else if (rc > 0)
            fprintf(stderr, "%s: there is no option %s; see --help\n", bench->name, arg);
        if (rc != 0)
            return -1;
    }
    return 0;
}

/* ---- what cases call ---- */

void bench_start(struct bench_run *run)
{
    run->start_ns = clock_mono_ns();
    run->start_cycles = bench_cycles();
}

void bench_stop(struct bench_run *run, uint64_t items)
{
    uint64_t cycles = bench_cycles() - run->start_cycles;
    uint64_t elapsed_ns = clock_mono_ns() - run->start_ns;
    if (items == 0 || elapsed_ns == 0) {
        bench_error(run, "nothing was measured");
        return;
    }
    bench_result(run, (double)items * (double)CLOCK_NS_PER_S / (double)elapsed_ns,
                 (double)cycles / (double)items);
}

bool bench_goes_on(const struct bench_run *run)
{
    return clock_mono_ns() - run->start_ns < run->target_ns;
}

void bench_result(struct bench_run *run, double value, double cycles_per_item)
{
    run->value = value;
    run->cycles_per_item = cycles_per_item;
}

static struct bench_note *find_note(struct bench_note *notes, unsigned *count, const char *key)
{
    for (unsigned i = 0; i < *count; i++)
        if (strcmp(notes[i].key, key) == 0)
            return &notes[i];
    CHECK(*count < BENCH_NOTES_MAX); /* the table is the program's own */
    struct bench_note *note = &notes[(*count)++];
    snprintf(note->key, sizeof(note->key), "%s", key);
    for (unsigned i = 0; i < BENCH_TRIES_MAX; i++)
        note->values[i] = (double)NAN;
    return note;
}

void bench_param(struct bench_run *run, const char *key, double value)
{
    struct bench_note *note = find_note(run->params, &run->param_count, key);
    note->values[0] = value;
    note->text[0] = '\0';
}

void bench_param_text(struct bench_run *run, const char *key, const char *text)
{
    struct bench_note *note = find_note(run->params, &run->param_count, key);
    snprintf(note->text, sizeof(note->text), "%s", text);
}

void bench_figure(struct bench_run *run, const char *key, double value)
{
    find_note(run->figures, &run->figure_count, key)->values[run->index] = value;
}

static void complain(const struct bench_run *run, const char *what, const char *format,
                     va_list args)
{
    fprintf(stderr, "%s %s: %s: ", run->bench->name, run->bench_case->name, what);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
}

int bench_inexact(struct bench_run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(run, "not exact", format, args);
    va_end(args);
    run->inexact_count++;
    return -1;
}

int bench_error(struct bench_run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(run, "error", format, args);
    va_end(args);
    run->error_count++;
    return -1;
}

void bench_disturbed(struct bench_run *run)
{
    run->disturbed = true;
}

int bench_skip(struct bench_run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(run->skip_reason, sizeof(run->skip_reason), format, args);
    va_end(args);
    return -1;
}

uint64_t bench_option_value(const struct bench_run *run, const char *name)
{
    const struct bench *bench = run->bench;
    unsigned i = 0;
    while (i < bench->option_count && strcmp(bench->options[i].name, name) != 0)
        i++;
    CHECK(i < bench->option_count); /* the name is the program's own */
    return bench->options[i].value;
}

/* ---- running ---- */

static double measure_hop(const struct bench_run *run)
{
    double hop = run->bench_case->two_cores ? bench_hop_ns(bench_cpu(0), bench_cpu(1)) : 0;
    return hop > 0 ? hop : 0;
}

static void record_try(const struct bench_run *run, double near_ns, struct bench_tries *tries)
{
    unsigned i = tries->count++;
    bool far = run->hop_ns[0] > near_ns || run->hop_ns[1] > near_ns;
    tries->values[i] = run->value;
    tries->cycles[i] = run->cycles_per_item > 0 ? run->cycles_per_item : (double)NAN;
    tries->hop_before[i] = run->hop_ns[0];
    tries->hop_after[i] = run->hop_ns[1];
    tries->good[i] = !far && !run->disturbed;
    tries->good_count += tries->good[i];
    tries->far_count += far;
    tries->disturbed_count += run->disturbed;
}

static unsigned runs_of(const struct bench_case *bench_case, const struct settings *settings)
{
    unsigned runs = bench_case->runs != 0 ? bench_case->runs : RUNS_DEFAULT;
    if (settings->runs != 0)
        return settings->runs;
    if (settings->quick && bench_case->runs_quick != 0)
        return bench_case->runs_quick;
    return settings->quick && runs > RUNS_QUICK ? RUNS_QUICK : runs;
}

/* Runs until `runs` good ones, or three times as many in all; --quick repeats none. */
static int run_tries(struct bench_run *run, const struct settings *settings,
                     struct bench_tries *tries)
{
    unsigned runs = runs_of(run->bench_case, settings);
    unsigned tries_max = settings->quick ? runs : 3 * runs;
    double hop = measure_hop(run);
    while (tries->good_count < runs && tries->count < tries_max) {
        run->index = tries->count;
        run->value = run->cycles_per_item = 0;
        run->disturbed = false;
        run->hop_ns[0] = hop;
        int rc = run->bench_case->run(run);
        run->hop_ns[1] = hop = measure_hop(run);
        if (rc != 0 && run->inexact_count + run->error_count == 0)
            bench_error(run, "run %u failed with %d", run->index, rc);
        if (run->error_count > 0)
            return -1; /* a run that only was not exact still has a value to show */
        record_try(run, settings->near_ns, tries);
        if (run->inexact_count > 0)
            return -1;
    }
    return 0;
}

static bool run_case(const struct bench *bench, const struct bench_case *bench_case,
                     const struct settings *settings)
{
    struct bench_run *run = calloc(1, sizeof(*run));
    struct bench_tries *tries = calloc(1, sizeof(*tries));
    CHECK(run != NULL && tries != NULL);
    run->bench = bench;
    run->bench_case = bench_case;
    run->quick = settings->quick;
    run->target_ns = (settings->quick ? TARGET_QUICK_MS : TARGET_MS) * CLOCK_NS_PER_MS;
    for (unsigned i = 0; i < bench->option_count; i++)
        bench_param(run, bench->options[i].name, (double)bench->options[i].value);
    int rc = 0;
    if (bench_case->two_cores && bench_cpu(1) < 0)
        rc = bench_skip(run, "needs two CPUs");
    if (rc == 0 && bench_case->setup != NULL)
        rc = bench_case->setup(run);
    if (rc == 0)
        run_tries(run, settings, tries);
    else if (run->skip_reason[0] == '\0' && run->error_count + run->inexact_count == 0)
        bench_error(run, "setup failed with %d", rc);
    if (bench_case->teardown != NULL)
        bench_case->teardown(run);
    (settings->json ? bench_report_json : bench_report_text)(run, tries);
    bool fine = run->error_count + run->inexact_count == 0;
    free(tries);
    free(run);
    return fine;
}

int bench_main(const struct bench *bench, int argc, char **argv)
{
    struct settings settings = {.near_ns = BENCH_HOP_NEAR_NS};
    bool fine = true;
    CHECK(bench->case_count <= CASES_MAX);
    bench_cpu(0); /* before a case pins itself */
    if (parse_args(bench, argc, argv, &settings) != 0)
        return 2;
    if (settings.help) {
        print_help(bench, stdout);
        return 0;
    }
    for (unsigned i = 0; i < bench->case_count; i++) {
        if (settings.any_chosen && !settings.chosen[i])
            continue;
        if (settings.list)
            puts(bench->cases[i].name);
        else
            fine &= run_case(bench, &bench->cases[i], &settings);
    }
    return fine ? 0 : 1;
}
