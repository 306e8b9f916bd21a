/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/bench_internal.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/check.h"

enum {
    JSON_DIGITS = 6,
    WHOLE_FROM = 10000 /* numbers from here on are printed without a fraction */
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct bench_summary bench_summarise(const double *values, const bool *chosen, unsigned count)
{
    double sorted[BENCH_TRIES_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++)
        if (chosen[i] && !isnan(values[i]))
            sorted[n++] = values[i];
    if (n == 0)
        return (struct bench_summary){0};
    qsort(sorted, n, sizeof(double), compare_doubles);
    double median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    return (struct bench_summary){median, sorted[0], sorted[n - 1], n};
}

/* The runs that count: good ones when there are any, else all. */
static void choose_runs(const struct bench_tries *tries, bool chosen[BENCH_TRIES_MAX])
{
    for (unsigned i = 0; i < tries->count; i++)
        chosen[i] = tries->good_count == 0 || tries->good[i];
}

/* "AMD EPYC ..." from /proc/cpuinfo, or the machine type. */
static void read_cpu_name(char *name, size_t size)
{
    char line[256];
    struct utsname uts;
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(name, size, "%s", uname(&uts) == 0 ? uts.machine : "unknown");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(name, size, "%s", colon + 1 + strspn(colon + 1, " "));
        break;
    }
    if (file != NULL)
        fclose(file);
}

/* Whole numbers stay whole, and large ones become whole. */
static json_t *json_number_of(double value)
{
    if (isnan(value) || isinf(value))
        return json_null();
    if (fabs(value) < 1e15 && (value == floor(value) || fabs(value) >= WHOLE_FROM))
        return json_integer((json_int_t)llround(value));
    return json_real(value);
}

static const char *distance_of(const struct bench_run *run, const struct bench_tries *tries)
{
    if (!run->bench_case->two_cores)
        return "one core";
    return tries->good_count > 0 || tries->far_count == 0 ? "near" : "far";
}

static json_t *json_machine(const struct bench_run *run, const struct bench_tries *tries,
                            const bool *chosen)
{
    char cpu[128];
    struct utsname uts;
    read_cpu_name(cpu, sizeof(cpu));
    json_t *machine = json_object();
    json_object_set_new(machine, "cpu", json_string(cpu));
    json_object_set_new(machine, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(machine, "kernel", json_string(uname(&uts) == 0 ? uts.release : ""));
    if (run->bench_case->two_cores && tries->count > 0) {
        struct bench_summary before = bench_summarise(tries->hop_before, chosen, tries->count);
        struct bench_summary after = bench_summarise(tries->hop_after, chosen, tries->count);
        json_object_set_new(
            machine, "hop_ns",
            json_pack("{s:f, s:f}", "before", before.median, "after", after.median));
        json_object_set_new(machine, "distance", json_string(distance_of(run, tries)));
        json_object_set_new(machine, "far_runs", json_integer(tries->far_count));
    }
    json_object_set_new(machine, "disturbed_runs", json_integer(tries->disturbed_count));
    return machine;
}

static json_t *json_params(const struct bench_run *run)
{
    json_t *params = json_object();
    for (unsigned i = 0; i < run->param_count; i++) {
        const struct bench_note *note = &run->params[i];
        json_object_set_new(params, note->key,
                            note->text[0] != '\0' ? json_string(note->text)
                                                  : json_number_of(note->values[0]));
    }
    return params;
}

static json_t *json_figures(const struct bench_run *run, const struct bench_tries *tries,
                            const bool *chosen)
{
    json_t *figures = json_object();
    for (unsigned i = 0; i < run->figure_count; i++) {
        struct bench_summary figure = bench_summarise(run->figures[i].values, chosen, tries->count);
        if (figure.count > 0)
            json_object_set_new(figures, run->figures[i].key, json_number_of(figure.median));
    }
    return figures;
}

static void json_values(json_t *object, const struct bench_tries *tries, const bool *chosen)
{
    struct bench_summary values = bench_summarise(tries->values, chosen, tries->count);
    struct bench_summary cycles = bench_summarise(tries->cycles, chosen, tries->count);
    json_object_set_new(object, "median", json_number_of(values.median));
    json_object_set_new(object, "min", json_number_of(values.min));
    json_object_set_new(object, "max", json_number_of(values.max));
    json_object_set_new(object, "runs", json_integer(values.count));
    if (cycles.count > 0)
        json_object_set_new(object, "cycles_per_item", json_number_of(cycles.median));
    json_t *all = json_array();
    for (unsigned i = 0; i < tries->count; i++)
        if (chosen[i])
            json_array_append_new(all, json_number_of(tries->values[i]));
    json_object_set_new(object, "values", all);
}

void bench_report_json(const struct bench_run *run, const struct bench_tries *tries)
{
    bool chosen[BENCH_TRIES_MAX] = {false};
    choose_runs(tries, chosen);
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(run->bench->name));
    json_object_set_new(object, "case", json_string(run->bench_case->name));
    json_object_set_new(object, "unit", json_string(run->bench_case->unit));
    if (run->skip_reason[0] != '\0')
        json_object_set_new(object, "skipped", json_string(run->skip_reason));
    json_values(object, tries, chosen);
    json_object_set_new(object, "exact", json_boolean(run->inexact_count == 0));
    json_object_set_new(object, "failed", json_boolean(run->error_count > 0));
    json_object_set_new(object, "figures", json_figures(run, tries, chosen));
    json_object_set_new(object, "parameters", json_params(run));
    json_object_set_new(object, "machine", json_machine(run, tries, chosen));
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(JSON_DIGITS));
    putchar('\n');
    fflush(stdout);
    json_decref(object);
}

/* 12345678 as "12.35 M", ready for a unit behind it */
static const char *scaled(double value, char text[32])
{
    static const struct {
        double factor;
        const char *suffix;
    } scales[] = {{1e9, " G"}, {1e6, " M"}, {1e3, " k"}, {1, ""}};
    for (unsigned i = 0; i < ARRAY_COUNT(scales); i++) {
        if (fabs(value) >= scales[i].factor || i + 1 == ARRAY_COUNT(scales)) {
            snprintf(text, 32, "%.4g%s", value / scales[i].factor, scales[i].suffix);
            break;
        }
    }
    return text;
}

static const char *plain(double value, char text[32])
{
    snprintf(text, 32, "%.9g", value);
    return text;
}

static void print_notes(const struct bench_run *run, const struct bench_tries *tries,
                        const bool *chosen)
{
    char text[32];
    if (run->figure_count > 0)
        printf("    ");
    for (unsigned i = 0; i < run->figure_count; i++) {
        struct bench_summary figure = bench_summarise(run->figures[i].values, chosen, tries->count);
        printf("%s%s %s", i > 0 ? ", " : "", run->figures[i].key, scaled(figure.median, text));
    }
    printf("%s    ", run->figure_count > 0 ? "\n" : "");
    for (unsigned i = 0; i < run->param_count; i++) {
        const struct bench_note *note = &run->params[i];
        printf("%s%s=%s", i > 0 ? " " : "", note->key,
               note->text[0] != '\0' ? note->text : plain(note->values[0], text));
    }
    printf("\n");
}

void bench_report_text(const struct bench_run *run, const struct bench_tries *tries)
{
    bool chosen[BENCH_TRIES_MAX] = {false};
    char median[32], min[32], max[32];
    printf("%-14s %-18s ", run->bench->name, run->bench_case->name);
    if (run->skip_reason[0] != '\0') {
        printf("skipped: %s\n", run->skip_reason);
        return;
    }
    choose_runs(tries, chosen);
    struct bench_summary values = bench_summarise(tries->values, chosen, tries->count);
    struct bench_summary cycles = bench_summarise(tries->cycles, chosen, tries->count);
    printf("%s %s (%s to %s, %u runs)", scaled(values.median, median), run->bench_case->unit,
           scaled(values.min, min), scaled(values.max, max), values.count);
    if (cycles.count > 0)
        printf(", %.4g cycles each", cycles.median);
    if (run->bench_case->two_cores && tries->count > 0) {
        struct bench_summary before = bench_summarise(tries->hop_before, chosen, tries->count);
        struct bench_summary after = bench_summarise(tries->hop_after, chosen, tries->count);
        printf(", %s cores (hop %.0f to %.0f ns, %u far runs)", distance_of(run, tries),
               before.median, after.median, tries->far_count);
    }
    if (tries->disturbed_count > 0)
        printf(", %u disturbed runs", tries->disturbed_count);
    printf("%s%s\n", run->inexact_count > 0 ? ", NOT EXACT" : "",
           run->error_count > 0 ? ", FAILED" : "");
    print_notes(run, tries, chosen);
    fflush(stdout);
}
