/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_report.c - what a selftest says, as text and as JSON; both are made of the same object.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/selftest/selftest.h"
#include "bench/selftest/selftest_machine.h"
#include "core/ledger_json.h"

static const char *kind_name(enum selftest_kind kind)
{
    static const char *const names[] = {"statsd", "text", "capture", "external"};
    return names[kind];
}

static const char *request_text(const struct selftest *test, const char *key)
{
    const char *text = json_string_value(json_object_get(test->request, key));
    return text != NULL ? text : "";
}

/* ---- the head ---- */

static void print_cpus(const struct selftest *test, FILE *out)
{
    const struct selftest_cpus *cpus = &test->cpus;
    fprintf(out, "cores      workers");
    for (unsigned i = 0; i < cpus->worker_count; i++)
        fprintf(out, " %d", cpus->workers[i]);
    fprintf(out, "; housekeeping %d; reader of the lanes %d", cpus->main, cpus->drain);
    if (test->target.kind != SELFTEST_WATCH)
        fprintf(out, "; generator %d%s", cpus->generator,
                cpus->shares_worker ? " (a worker's)"
                : cpus->shares_main ? " (shared)"
                                    : "");
    fputc('\n', out);
    if (cpus->shares_worker)
        fprintf(out,
                "           Generator and worker share a core: this shows that totals are "
                "exact,\n           and not how fast the machine is. No rate is looked for.\n");
    else if (cpus->shares_main && test->target.kind != SELFTEST_WATCH)
        fprintf(out, "           The generator shares its core with housekeeping and with the "
                     "reader of\n           the lanes: three cores or more would show higher "
                     "rates.\n");
}

static void print_traffic(const struct selftest *test, FILE *out)
{
    const struct selftest_target *target = &test->target;
    fprintf(out, "port       %s, profile %s%s, %u queue%s\n", target->port, target->profile,
            target->kind == SELFTEST_WATCH ? "" : ", a vhost socket in its place", target->queues,
            target->queues == 1 ? "" : "s");
    if (target->kind == SELFTEST_STATSD)
        fprintf(out, "traffic    statsd for %s (%s): %u names, %s\n", target->listener,
                target->address, test->params.names,
                test->params.payload_bytes > 0 ? "packed datagrams" : "one line in each frame");
    else if (target->kind == SELFTEST_TEXT)
        fprintf(out, "traffic    text for %s (%s)\n", target->listener, target->address);
    else if (target->kind == SELFTEST_CAPTURE)
        fprintf(out, "traffic    the frames of %s\n", target->capture);
    else
        fprintf(out, "traffic    whatever arrives. Send now, for instance with bench/pktgen:\n"
                     "             export HEKA_SECONDS=10; pktgen ... -f bench/pktgen/rfc2544.lua\n"
                     "           It ends 3 s after the last frame, or with Ctrl-C.\n");
}

void selftest_print_head(const struct selftest *test, FILE *out)
{
    if (test->options.json)
        return;
    fprintf(out, "Hekaline selftest of %s (digest %.16s)\n", request_text(test, "config"),
            request_text(test, "digest"));
    print_cpus(test, out);
    print_traffic(test, out);
    for (unsigned i = 0; i < test->note_count; i++)
        fprintf(out, "note       %s\n", test->notes[i]);
    if (test->target.kind == SELFTEST_WATCH)
        fprintf(out, "time       at most %.0f s\n", test->limit_s);
    else
        fprintf(out,
                "time       at most %u trials of %.3g s; none begins after %.0f s\n\n"
                "%5s %12s %12s %12s %8s %6s %9s %9s\n",
                test->trials_max + 1, test->options.seconds, test->limit_s, "trial", "asked/s",
                "packets/s", test->target.kind == SELFTEST_STATSD ? "metrics/s" : "messages/s",
                "Gbit/s", "busy", "late", "dropped");
    fflush(out);
}

void selftest_print_trial(const struct selftest *test, const struct selftest_trial *trial,
                          FILE *out)
{
    char asked[32] = "all";
    if (test->options.json)
        return;
    if (trial->rate > 0)
        snprintf(asked, sizeof(asked), "%.0f", trial->rate);
    fprintf(out, "%5u %12s %12.0f %12.0f %8.3f %5.0f%% %9llu %9llu  %s%s%s\n", test->trial_count,
            asked, trial->packets_per_s, trial->items_per_s, trial->gbit_per_s, trial->busy_percent,
            (unsigned long long)(trial->rate > 0 ? trial->late : 0),
            (unsigned long long)trial->dropped,
            !trial->exact      ? "INEXACT: "
            : trial->rate <= 0 ? ""
            : trial->passed    ? "ok"
                               : "no: ",
            trial->passed ? "" : trial->why, "");
    fflush(out);
}

/* ---- the result as an object ---- */

static json_t *trial_json(const struct selftest *test, const struct selftest_trial *trial)
{
    char rate_key[32];
    snprintf(rate_key, sizeof(rate_key), "%s_per_s", selftest_item(test));
    json_t *object = json_pack(
        "{s:o, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:f, s:b, s:b, s:s, s:s}",
        "asked_packets_per_s", trial->rate > 0 ? json_real(trial->rate) : json_null(),
        "packets_per_s", trial->packets_per_s, rate_key, trial->items_per_s, "gbit_per_s",
        trial->gbit_per_s, "cycles_per_packet", trial->cycles_per_packet, "cycles_per_item",
        trial->cycles_per_item, "busy_percent", trial->busy_percent, "lost_percent",
        trial->lost_percent, "sent", (json_int_t)trial->sent, "late", (json_int_t)trial->late,
        "dropped", (json_int_t)trial->dropped, "loss", trial->loss, "passed", trial->passed,
        "exact", trial->exact, "why", trial->why, "limit", trial->limit);
    return object;
}

const struct selftest_trial *selftest_final_trial(const struct selftest *test)
{
    const struct selftest_trial *final =
        test->trial_count > 0 ? &test->trials[test->trial_count - 1] : NULL;
    if (test->certified)
        return final;
    for (unsigned i = 0; i < test->trial_count; i++) {
        const struct selftest_trial *trial = &test->trials[i];
        bool counts = trial->passed && trial->rate > 0;
        if (counts && (!final->passed || trial->packets_per_s > final->packets_per_s))
            final = trial;
    }
    return final;
}

/* Of the lowest rate that did not pass; else of the fastest trial. */
static const char *limit_of(const struct selftest *test)
{
    const struct selftest_trial *lowest = NULL;
    for (unsigned i = 0; i < test->trial_count; i++) {
        const struct selftest_trial *trial = &test->trials[i];
        bool failed = trial->rate > 0 && !trial->passed;
        if (failed && (lowest == NULL || trial->rate < lowest->rate))
            lowest = trial;
    }
    if (lowest == NULL && test->trial_count > 0)
        lowest = &test->trials[0];
    return lowest != NULL ? lowest->limit : "";
}

static json_t *cpus_json(const struct selftest_cpus *cpus)
{
    json_t *workers = json_array();
    for (unsigned i = 0; i < cpus->worker_count; i++)
        json_array_append_new(workers, json_integer(cpus->workers[i]));
    return json_pack("{s:o, s:i, s:i, s:i, s:b, s:b}", "workers", workers, "main", cpus->main,
                     "generator", cpus->generator, "reader", cpus->drain, "shares_worker",
                     cpus->shares_worker, "shares_main", cpus->shares_main);
}

static json_t *traffic_json(const struct selftest *test)
{
    const struct selftest_target *target = &test->target;
    bool is_statsd = target->kind == SELFTEST_STATSD;
    return json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:i, s:i, s:i}", "kind",
                     kind_name(target->kind), "listener", target->listener, "address",
                     target->address, "port", target->port, "profile", target->profile, "queues",
                     (int)target->queues, "names", is_statsd ? (int)test->params.names : 0,
                     "payload_bytes", is_statsd ? (int)test->params.payload_bytes : 0);
}

static json_t *result_json(const struct selftest *test)
{
    const struct selftest_trial *final = selftest_final_trial(test);
    json_t *trials = json_array(), *notes = json_array();
    int64_t residual = 0;
    for (unsigned i = 0; i < test->trial_count; i++)
        json_array_append_new(trials, trial_json(test, &test->trials[i]));
    for (unsigned i = 0; i < test->note_count; i++)
        json_array_append_new(notes, json_string(test->notes[i]));
    json_t *ledger =
        final != NULL ? ledger_json_stages(&final->counters, "dataplane", &residual) : json_array();
    return json_pack(
        "{s:b, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:I, s:o}", "certified",
        test->certified, "verdict", test->verdict, "config", request_text(test, "config"), "digest",
        request_text(test, "digest"), "machine", selftest_machine(test, test->dpdk), "cores",
        cpus_json(&test->cpus), "traffic", traffic_json(test), "result",
        final != NULL ? trial_json(test, final) : json_null(), "trials", trials, "limit",
        limit_of(test), "ledger", ledger, "residual", (json_int_t)residual, "notes", notes);
}

/* ---- the result as text ---- */

static double figure(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print_value(const json_t *object, const char *key, FILE *out)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value)) {
        fprintf(out, "  %-14s %s\n", key, json_string_value(value));
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(4));
    fprintf(out, "  %-14s %s\n", key, json_is_null(value) || text == NULL ? "not known" : text);
    free(text);
}

static void print_figures(const struct selftest *test, const json_t *result, FILE *out)
{
    char key[32];
    snprintf(key, sizeof(key), "%s_per_s", selftest_item(test));
    fprintf(out, "  packets/s      %.0f\n  %s/s %*s%.0f\n  Gbit/s         %.3f\n",
            figure(result, "packets_per_s"), selftest_item(test),
            (int)(12 - strlen(selftest_item(test))), "", figure(result, key),
            figure(result, "gbit_per_s"));
    fprintf(out, "  cycles         %.0f a packet, %.1f of %s\n  worker         %.0f %% busy\n",
            figure(result, "cycles_per_packet"), figure(result, "cycles_per_item"),
            test->target.kind == SELFTEST_STATSD ? "a metric" : "a message",
            figure(result, "busy_percent"));
}

static void print_ledger(const json_t *ledger, FILE *out)
{
    json_t *stage;
    size_t index;
    fprintf(out, "  %-10s %14s %14s %10s %9s\n", "ledger", "in", "ended", "in flight", "residual");
    json_array_foreach(ledger, index, stage)
    {
        if (figure(stage, "in") + figure(stage, "ended") <= 0)
            continue;
        fprintf(out, "  %-10s %14.0f %14.0f %10.0f %9.0f\n",
                json_string_value(json_object_get(stage, "stage")), figure(stage, "in"),
                figure(stage, "ended"), figure(stage, "in_flight"), figure(stage, "residual"));
    }
}

static void print_text(const struct selftest *test, const json_t *object, FILE *out)
{
    static const char *const machine_keys[] = {"cpu",      "cores",      "kernel", "hypervisor",
                                               "governor", "huge_pages", "dpdk",   "hop_ns"};
    const json_t *result = json_object_get(object, "result");
    const char *limit = json_string_value(json_object_get(object, "limit"));
    fprintf(out, "\nmachine\n");
    for (unsigned i = 0; i < sizeof(machine_keys) / sizeof(machine_keys[0]); i++)
        print_value(json_object_get(object, "machine"), machine_keys[i], out);
    if (json_is_object(result)) {
        bool passed = json_is_true(json_object_get(result, "passed"));
        fprintf(out, "\n%s\n",
                test->certified ? "certified"
                : passed        ? "passed, but not confirmed"
                                : "last trial");
        print_figures(test, result, out);
        if (limit[0] != '\0')
            fprintf(out, "  limit          %s\n", limit);
        print_ledger(json_object_get(object, "ledger"), out);
    }
    fprintf(out, "\n%s: %s\n", test->certified ? "CERTIFIED" : "NOT CERTIFIED", test->verdict);
}

void selftest_print_result(const struct selftest *test, FILE *out)
{
    json_t *object = result_json(test);
    if (object == NULL) {
        fprintf(stderr, "heka-selftest: out of memory\n");
        return;
    }
    if (test->options.json) {
        json_dumpf(object, out, JSON_INDENT(2));
        fputc('\n', out);
    } else {
        print_text(test, object, out);
    }
    json_decref(object);
}
