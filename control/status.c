/* SPDX-License-Identifier: MPL-2.0 */
#include "control/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/member.h"
#include "control/rule_report.h"
#include "control/talkers_json.h"
#include "core/ledger_json.h"

/* ---- JSON ---- */

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *dataplane_json(const struct status_dataplane *dataplane)
{
    json_t *counters =
        dataplane->counters != NULL ? ledger_json_counters(dataplane->counters) : json_object();
    return json_pack(
        "{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o}", "pid", dataplane->pid, "state",
        dataplane->state, "restarts", number(dataplane->restarts), "hung", number(dataplane->hung),
        "lost_samples", number(dataplane->lost_samples), "lost_fragments",
        number(dataplane->lost_fragments), "heartbeat_age_ms", number(dataplane->heartbeat_age_ms),
        "workers", (int)dataplane->workers, "accum_bytes", number(dataplane->accum_bytes), "series",
        number(dataplane->series), "counters", counters);
}

/* How well flushes keep their times, both processes together. */
static json_t *flushes_json(const struct status_input *input)
{
    static const struct {
        const char *key;
        enum counter_id counter;
    } rows[] = {
        {"flushes", COUNTER_FLUSHES},
        {"late_us", COUNTER_FLUSH_LATE_US},
        {"samples_late", COUNTER_SAMPLES_LATE},
        {"timestamps", COUNTER_STATSD_TIMESTAMPS},
        {"timestamps_late", COUNTER_STATSD_TIMESTAMPS_LATE},
    };
    json_t *object = json_object();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t sum = input->producers.values[rows[i].counter];
        if (input->dataplane.counters != NULL)
            sum += input->dataplane.counters->values[rows[i].counter];
        json_object_set_new(object, rows[i].key, number(sum));
    }
    return object;
}

static json_t *ends_json(const struct ends *ends)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < ends->count; i++)
        if (ends->list[i].count > 0)
            json_object_set_new(object, ends->list[i].reason, number(ends->list[i].count));
    return object;
}

static json_t *plugin_json(const struct consumer_status *consumer)
{
    json_t *plugin = json_object();
    for (unsigned i = 0; consumer->counters != NULL && consumer->counters[i].name != NULL; i++)
        json_object_set_new(plugin, consumer->counters[i].name,
                            number(consumer->counter_values[i]));
    return plugin;
}

static json_t *queue_json(const struct consumer_queue_status *queue)
{
    const struct queue_stats *stats = &queue->stats;
    char cursor[32];
    snprintf(cursor, sizeof(cursor), "%u %llu", stats->cursor.id,
             (unsigned long long)stats->cursor.offset);
    json_t *counters = json_object();
    for (unsigned i = 0; i < QUEUE_COUNTER_COUNT; i++)
        json_object_set_new(counters, queue_counter_names[i].name, number(stats->counters[i]));
    return json_pack("{s:s, s:b, s:i, s:o, s:o, s:o, s:s, s:o, s:o}", "dir", queue->dir, "open",
                     queue->is_open, "files", (int)stats->files, "bytes", number(stats->bytes),
                     "bytes_max", number(stats->bytes_max), "unread_bytes",
                     number(stats->unread_bytes), "cursor", cursor, "counters", counters,
                     "residual", number(queue->residual));
}

static void set_intake(json_t *object, const struct intake_status *intake)
{
    json_object_set_new(object, "matched", number(intake->matched));
    json_object_set_new(object, "lane_full", number(intake->lane_full));
    json_object_set_new(object, "read", number(intake->read));
    json_object_set_new(object, "in_flight", number(intake->in_flight));
    json_object_set_new(object, "held", number(intake->held));
}

static json_t *consumer_json(const struct consumer_status *consumer)
{
    json_t *object = json_pack("{s:s, s:s}", "name", consumer->name, "type", consumer->type);
    const struct intake_status intake = {.matched = consumer->matched,
                                         .lane_full = consumer->lane_full,
                                         .read = consumer->read,
                                         .in_flight = consumer->in_flight,
                                         .held = consumer->held};
    set_intake(object, &intake);
    json_object_set_new(object, "recovered", number(consumer->recovered));
    json_object_set_new(object, "queued", number(consumer->queued));
    json_object_set_new(object, "delivered", number(consumer->delivered));
    json_object_set_new(object, "ends", ends_json(&consumer->ends));
    json_object_set_new(object, "residual", number(consumer->residual));
    json_object_set_new(object, "plugin", plugin_json(consumer));
    if (consumer->queue.dir != NULL)
        json_object_set_new(object, "queue", queue_json(&consumer->queue));
    return object;
}

/* hekad's own stage of the ledger: what the lanes hold for all consumers together. */
struct deliveries {
    uint64_t in, ended, in_flight;
    json_t *ends;
};

static void add_to_ends(json_t *ends, const char *name, uint64_t count)
{
    json_t *old = json_object_get(ends, name);
    if (count > 0)
        json_object_set_new(ends, name, number(count + (uint64_t)json_integer_value(old)));
}

static void add_deliveries(struct deliveries *deliveries, const struct consumer_status *consumer)
{
    deliveries->in += consumer->matched + consumer->recovered;
    deliveries->in_flight += consumer->in_flight + consumer->held + consumer->queued;
    deliveries->ended += consumer->delivered;
    add_to_ends(deliveries->ends, "delivered", consumer->delivered);
    for (unsigned i = 0; i < consumer->ends.count; i++) {
        const struct end *end = &consumer->ends.list[i];
        deliveries->ended += end->count;
        add_to_ends(deliveries->ends, end->reason, end->count);
    }
}

static json_t *consumers_json(const struct status_input *input, struct deliveries *deliveries,
                              int64_t *residual)
{
    json_t *consumers = json_array();
    for (unsigned i = 0; i < input->consumer_count; i++) {
        struct consumer_status consumer;
        consumer_status(input->consumers[i], &consumer);
        json_array_append_new(consumers, consumer_json(&consumer));
        add_deliveries(deliveries, &consumer);
        *residual += (int64_t)consumer.residual;
    }
    return consumers;
}

/* ---- filters and inputs ---- */

static json_t *filter_json(const struct filter_status *filter)
{
    const struct intake_status *intake = &filter->intake;
    json_t *object = json_pack("{s:s, s:s}", "name", filter->name, "type", filter->type);
    json_t *plugin = json_object();
    for (unsigned i = 0; filter->counters != NULL && filter->counters[i].name != NULL; i++)
        json_object_set_new(plugin, filter->counters[i].name, number(filter->counter_values[i]));
    set_intake(object, intake);
    json_object_set_new(object, "delivered", number(intake->delivered));
    json_object_set_new(object, "deadlocks", number(filter->deadlocks));
    json_object_set_new(object, "ends", ends_json(&intake->ends));
    json_object_set_new(object, "residual", number(intake->residual));
    json_object_set_new(object, "plugin", plugin);
    return object;
}

static json_t *filters_json(const struct status_input *input, struct deliveries *deliveries,
                            int64_t *residual)
{
    json_t *filters = json_array();
    for (unsigned i = 0; i < input->filter_count; i++) {
        struct filter_status filter;
        filter_host_status(input->filters[i], &filter);
        json_array_append_new(filters, filter_json(&filter));
        deliveries->in += filter.intake.matched;
        deliveries->in_flight += filter.intake.in_flight + filter.intake.held;
        deliveries->ended += filter.intake.delivered + ends_sum(&filter.intake.ends);
        add_to_ends(deliveries->ends, "filtered", filter.intake.delivered);
        for (unsigned j = 0; j < filter.intake.ends.count; j++)
            add_to_ends(deliveries->ends, filter.intake.ends.list[j].reason,
                        filter.intake.ends.list[j].count);
        *residual += (int64_t)filter.intake.residual;
    }
    return filters;
}

static json_t *inputs_json(const struct status_input *input)
{
    json_t *inputs = json_array();
    for (unsigned i = 0; i < input->input_count; i++) {
        struct input_status status;
        input_host_status(input->inputs[i], &status);
        json_t *plugin = json_object();
        for (unsigned j = 0; status.counters != NULL && status.counters[j].name != NULL; j++)
            json_object_set_new(plugin, status.counters[j].name, number(status.counter_values[j]));
        json_t *report = json_object();
        input_host_report(input->inputs[i], report);
        json_array_append_new(inputs, json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", status.name,
                                                "type", status.type, "ended", status.has_ended,
                                                "plugin", plugin, "report", report));
    }
    return inputs;
}

/* Those stages of hekad's own producers that something has come to. */
static void add_own_stages(const struct status_input *input, json_t *stages, int64_t *residual)
{
    json_t *own = ledger_json_stages(&input->producers, "hekad", residual), *stage;
    size_t i;
    json_array_foreach(own, i, stage) if (json_integer_value(json_object_get(stage, "in")) != 0 ||
                                          json_integer_value(json_object_get(stage, "residual")) !=
                                              0) json_array_append(stages, stage);
    json_decref(own);
}

static json_t *delivery_stage(const struct deliveries *deliveries)
{
    int64_t residual =
        (int64_t)deliveries->in - (int64_t)deliveries->ended - (int64_t)deliveries->in_flight;
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:o}", "process", "hekad", "stage",
                     "delivery", "unit", "deliveries", "in", number(deliveries->in), "ended",
                     number(deliveries->ended), "in_flight", number(deliveries->in_flight),
                     "residual", (json_int_t)residual, "ends", deliveries->ends);
}

json_t *status_json(const struct status_input *input)
{
    struct deliveries deliveries = {.ends = json_object()};
    int64_t residual = 0;
    /* The consumers first: what the data plane commits meanwhile is not missing anywhere. */
    json_t *consumers = consumers_json(input, &deliveries, &residual);
    json_t *filters = filters_json(input, &deliveries, &residual);
    json_t *stages = input->dataplane.counters != NULL
                         ? ledger_json_stages(input->dataplane.counters, "dataplane", &residual)
                         : json_array();
    add_own_stages(input, stages, &residual);
    json_array_append_new(stages, delivery_stage(&deliveries));
    json_t *status =
        json_pack("{s:s, s:i, s:s, s:o, s:i, s:b, s:o, s:o, s:o, s:o, s:o}", "version",
                  HEKA_VERSION, "pid", (int)getpid(), "state", input->state, "uptime_s",
                  number(input->uptime_s), "generation", (int)input->generation, "changing",
                  input->is_changing, "dataplane", dataplane_json(&input->dataplane), "stages",
                  stages, "inputs", inputs_json(input), "filters", filters, "consumers", consumers);
    json_object_set_new(status, "flushes", flushes_json(input));
    json_object_set_new(status, "senders", talkers_json_senders(&input->talkers));
    json_object_set_new(status, "refused_names", talkers_json_prefixes(&input->talkers));
    json_object_set_new(status, "residual", json_integer((json_int_t)residual));
    return status;
}

/* ---- text ---- */

static void print_head(const json_t *status, FILE *out)
{
    const json_t *dataplane = json_object_get(status, "dataplane");
    fprintf(out, "hekad %s: pid %lld, %s, up %lld s, generation %lld\n",
            member_text(status, "version"), member_integer(status, "pid"),
            member_text(status, "state"), member_integer(status, "uptime_s"),
            member_integer(status, "generation"));
    fprintf(out, "data plane: pid %lld, %s, %lld workers, %lld restarts, heartbeat %lld ms ago\n",
            member_integer(dataplane, "pid"), member_text(dataplane, "state"),
            member_integer(dataplane, "workers"), member_integer(dataplane, "restarts"),
            member_integer(dataplane, "heartbeat_age_ms"));
    if (member_integer(dataplane, "hung") > 0 || member_integer(dataplane, "lost_samples") > 0)
        fprintf(out, "data planes that died: %lld had hung, %lld samples and %lld fragments lost\n",
                member_integer(dataplane, "hung"), member_integer(dataplane, "lost_samples"),
                member_integer(dataplane, "lost_fragments"));
    fprintf(out, "accumulators: %lld series, %lld bytes\n", member_integer(dataplane, "series"),
            member_integer(dataplane, "accum_bytes"));
    const json_t *flushes = json_object_get(status, "flushes");
    fprintf(out,
            "flushes: %lld, late by %lld us in all; taken after their interval's end: %lld "
            "samples; with an earlier timestamp: %lld lines\n",
            member_integer(flushes, "flushes"), member_integer(flushes, "late_us"),
            member_integer(flushes, "samples_late"), member_integer(flushes, "timestamps_late"));
}

static void print_pairs(const json_t *object, const char *indent, FILE *out)
{
    const char *key;
    json_t *value;
    void *at;
    for (at = json_object_iter((json_t *)(uintptr_t)object); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        key = json_object_iter_key(at);
        value = json_object_iter_value(at);
        fprintf(out, "%s%-24s %16lld\n", indent, key, (long long)json_integer_value(value));
    }
}

static void print_stages(const json_t *stages, FILE *out)
{
    size_t i;
    json_t *stage;
    fprintf(out, "\n%-12s %-12s %16s %16s %12s %10s\n", "stage", "unit", "in", "ended", "in flight",
            "residual");
    json_array_foreach((json_t *)(uintptr_t)stages, i, stage) fprintf(
        out, "%-12s %-12s %16lld %16lld %12lld %10lld\n", member_text(stage, "stage"),
        member_text(stage, "unit"), member_integer(stage, "in"), member_integer(stage, "ended"),
        member_integer(stage, "in_flight"), member_integer(stage, "residual"));
    fprintf(out, "\nwhere they ended\n");
    json_array_foreach((json_t *)(uintptr_t)stages, i, stage)
    {
        const json_t *ends = json_object_get(stage, "ends");
        if (json_object_size(ends) == 0)
            continue;
        fprintf(out, "  %s\n", member_text(stage, "stage"));
        print_pairs(ends, "    ", out);
    }
}

static void print_queue(const json_t *consumer, FILE *out)
{
    const json_t *queue = json_object_get(consumer, "queue"), *value;
    const json_t *counters = json_object_get(queue, "counters");
    const char *key;
    if (queue == NULL)
        return;
    fprintf(out, "    queue %s%s: %lld files, %lld bytes (%lld unread), checkpoint %s\n",
            member_text(queue, "dir"),
            json_is_true(json_object_get(queue, "open")) ? "" : " (not open)",
            member_integer(queue, "files"), member_integer(queue, "bytes"),
            member_integer(queue, "unread_bytes"), member_text(queue, "cursor"));
    json_object_foreach((json_t *)(uintptr_t)counters, key,
                        value) if (json_integer_value(value) > 0)
        fprintf(out, "    queue: %-24s %16lld\n", key, (long long)json_integer_value(value));
}

static void print_consumers(const json_t *consumers, FILE *out)
{
    size_t i;
    json_t *consumer;
    fprintf(out, "\n%-20s %-14s %12s %10s %12s %10s %10s %12s %10s\n", "output", "type", "matched",
            "lane full", "read", "in flight", "queued", "delivered", "residual");
    json_array_foreach((json_t *)(uintptr_t)consumers, i, consumer)
    {
        fprintf(out, "%-20s %-14s %12lld %10lld %12lld %10lld %10lld %12lld %10lld\n",
                member_text(consumer, "name"), member_text(consumer, "type"),
                member_integer(consumer, "matched"), member_integer(consumer, "lane_full"),
                member_integer(consumer, "read"),
                member_integer(consumer, "in_flight") + member_integer(consumer, "held"),
                member_integer(consumer, "queued"), member_integer(consumer, "delivered"),
                member_integer(consumer, "residual"));
        print_pairs(json_object_get(consumer, "ends"), "    ended: ", out);
        print_queue(consumer, out);
        print_pairs(json_object_get(consumer, "plugin"), "    ", out);
    }
}

static void print_filters(const json_t *filters, FILE *out)
{
    size_t i;
    json_t *filter;
    if (json_array_size(filters) > 0)
        fprintf(out, "\n%-20s %-14s %12s %10s %12s %10s %12s %10s\n", "filter", "type", "matched",
                "lane full", "read", "in flight", "processed", "residual");
    json_array_foreach((json_t *)(uintptr_t)filters, i, filter)
    {
        fprintf(out, "%-20s %-14s %12lld %10lld %12lld %10lld %12lld %10lld\n",
                member_text(filter, "name"), member_text(filter, "type"),
                member_integer(filter, "matched"), member_integer(filter, "lane_full"),
                member_integer(filter, "read"),
                member_integer(filter, "in_flight") + member_integer(filter, "held"),
                member_integer(filter, "delivered"), member_integer(filter, "residual"));
        if (member_integer(filter, "deadlocks") > 0)
            fprintf(out, "    %-24s %16lld\n", "deadlocks", member_integer(filter, "deadlocks"));
        print_pairs(json_object_get(filter, "ends"), "    ended: ", out);
        print_pairs(json_object_get(filter, "plugin"), "    ", out);
    }
}

static void print_report(const json_t *report, FILE *out)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)report, key, value) if (json_is_string(value))
        fprintf(out, "    %s: %s\n", key, json_string_value(value));
    else fprintf(out, "    %s: %lld\n", key, (long long)json_integer_value(value));
}

static void print_inputs(const json_t *inputs, FILE *out)
{
    size_t i;
    json_t *input;
    if (json_array_size(inputs) > 0)
        fprintf(out, "\ninputs in hekad\n");
    json_array_foreach((json_t *)(uintptr_t)inputs, i, input)
    {
        fprintf(out, "  %s (%s)%s\n", member_text(input, "name"), member_text(input, "type"),
                json_is_true(json_object_get(input, "ended")) ? ": ended" : "");
        print_pairs(json_object_get(input, "plugin"), "    ", out);
        print_report(json_object_get(input, "report"), out);
    }
}

/* Sections that plugins added, as far as they do not run as they were put. */
static void print_dynamic(const json_t *list, FILE *out)
{
    size_t index;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)list, index, row)
    {
        if (strcmp(member_text(row, "state"), "running") != 0)
            fprintf(out, "dynamic section '%s' of '%s': %s %s\n", member_text(row, "name"),
                    member_text(row, "owner"), member_text(row, "state"),
                    member_text(row, "error"));
    }
}

static void print_sandboxes(const json_t *list, FILE *out)
{
    size_t index;
    json_t *row;
    if (json_array_size(list) > 0)
        fputs("\n", out);
    json_array_foreach((json_t *)(uintptr_t)list, index, row) fprintf(
        out, "sandbox worker: pid %lld, %s, %lld plugins, on CPUs %s\n", member_integer(row, "pid"),
        member_text(row, "class"), member_integer(row, "plugins"), member_text(row, "cpus"));
}

void status_print(const json_t *status, FILE *out)
{
    print_head(status, out);
    print_stages(json_object_get(status, "stages"), out);
    print_inputs(json_object_get(status, "inputs"), out);
    print_filters(json_object_get(status, "filters"), out);
    print_dynamic(json_object_get(status, "dynamic"), out);
    print_sandboxes(json_object_get(status, "sandbox_workers"), out);
    print_consumers(json_object_get(status, "consumers"), out);
    talkers_json_print(status, out);
    rule_report_print(status, out);
    fprintf(out, "\nresidual %lld\n", member_integer(status, "residual"));
}
