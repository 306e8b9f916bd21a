/* SPDX-License-Identifier: MPL-2.0 */
#include "control/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    return json_pack("{s:i, s:s, s:o, s:o, s:i, s:o, s:o, s:o}", "pid", dataplane->pid, "state",
                     dataplane->state, "restarts", number(dataplane->restarts), "heartbeat_age_ms",
                     number(dataplane->heartbeat_age_ms), "workers", (int)dataplane->workers,
                     "accum_bytes", number(dataplane->accum_bytes), "series",
                     number(dataplane->series), "counters", counters);
}

static json_t *ends_json(const struct consumer_status *consumer)
{
    json_t *ends = json_object();
    for (unsigned i = 0; i < consumer->end_count; i++)
        if (consumer->ends[i].count > 0)
            json_object_set_new(ends, consumer->ends[i].reason, number(consumer->ends[i].count));
    return ends;
}

static json_t *plugin_json(const struct consumer_status *consumer)
{
    json_t *plugin = json_object();
    for (unsigned i = 0; consumer->counters != NULL && consumer->counters[i].name != NULL; i++)
        json_object_set_new(plugin, consumer->counters[i].name,
                            number(consumer->counter_values[i]));
    return plugin;
}

static json_t *consumer_json(const struct consumer_status *consumer)
{
    json_t *object = json_pack("{s:s, s:s}", "name", consumer->name, "type", consumer->type);
    json_object_set_new(object, "matched", number(consumer->matched));
    json_object_set_new(object, "lane_full", number(consumer->lane_full));
    json_object_set_new(object, "read", number(consumer->read));
    json_object_set_new(object, "in_flight", number(consumer->in_flight));
    json_object_set_new(object, "held", number(consumer->held));
    json_object_set_new(object, "delivered", number(consumer->delivered));
    json_object_set_new(object, "ends", ends_json(consumer));
    json_object_set_new(object, "residual", number(consumer->residual));
    json_object_set_new(object, "plugin", plugin_json(consumer));
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
    deliveries->in += consumer->matched;
    deliveries->in_flight += consumer->in_flight + consumer->held;
    deliveries->ended += consumer->delivered;
    add_to_ends(deliveries->ends, "delivered", consumer->delivered);
    for (unsigned i = 0; i < consumer->end_count; i++) {
        deliveries->ended += consumer->ends[i].count;
        add_to_ends(deliveries->ends, consumer->ends[i].reason, consumer->ends[i].count);
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
    json_t *stages = input->dataplane.counters != NULL
                         ? ledger_json_stages(input->dataplane.counters, "dataplane", &residual)
                         : json_array();
    json_array_append_new(stages, delivery_stage(&deliveries));
    return json_pack("{s:s, s:i, s:s, s:o, s:i, s:o, s:o, s:o, s:I}", "version", HEKA_VERSION,
                     "pid", (int)getpid(), "state", input->state, "uptime_s",
                     number(input->uptime_s), "generation", (int)input->generation, "dataplane",
                     dataplane_json(&input->dataplane), "stages", stages, "consumers", consumers,
                     "residual", (json_int_t)residual);
}

/* ---- text ---- */

static long long integer(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "";
}

static void print_head(const json_t *status, FILE *out)
{
    const json_t *dataplane = json_object_get(status, "dataplane");
    fprintf(out, "hekad %s: pid %lld, %s, up %lld s, generation %lld\n", text(status, "version"),
            integer(status, "pid"), text(status, "state"), integer(status, "uptime_s"),
            integer(status, "generation"));
    fprintf(out, "data plane: pid %lld, %s, %lld workers, %lld restarts, heartbeat %lld ms ago\n",
            integer(dataplane, "pid"), text(dataplane, "state"), integer(dataplane, "workers"),
            integer(dataplane, "restarts"), integer(dataplane, "heartbeat_age_ms"));
    fprintf(out, "accumulators: %lld series, %lld bytes\n", integer(dataplane, "series"),
            integer(dataplane, "accum_bytes"));
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
    json_array_foreach((json_t *)(uintptr_t)stages, i, stage)
        fprintf(out, "%-12s %-12s %16lld %16lld %12lld %10lld\n", text(stage, "stage"),
                text(stage, "unit"), integer(stage, "in"), integer(stage, "ended"),
                integer(stage, "in_flight"), integer(stage, "residual"));
    fprintf(out, "\nwhere they ended\n");
    json_array_foreach((json_t *)(uintptr_t)stages, i, stage)
    {
        const json_t *ends = json_object_get(stage, "ends");
        if (json_object_size(ends) == 0)
            continue;
        fprintf(out, "  %s\n", text(stage, "stage"));
        print_pairs(ends, "    ", out);
    }
}

static void print_consumers(const json_t *consumers, FILE *out)
{
    size_t i;
    json_t *consumer;
    fprintf(out, "\n%-20s %-14s %12s %10s %12s %10s %12s %10s\n", "output", "type", "matched",
            "lane full", "read", "in flight", "delivered", "residual");
    json_array_foreach((json_t *)(uintptr_t)consumers, i, consumer)
    {
        fprintf(out, "%-20s %-14s %12lld %10lld %12lld %10lld %12lld %10lld\n",
                text(consumer, "name"), text(consumer, "type"), integer(consumer, "matched"),
                integer(consumer, "lane_full"), integer(consumer, "read"),
                integer(consumer, "in_flight") + integer(consumer, "held"),
                integer(consumer, "delivered"), integer(consumer, "residual"));
        print_pairs(json_object_get(consumer, "ends"), "    ended: ", out);
        print_pairs(json_object_get(consumer, "plugin"), "    ", out);
    }
}

void status_print(const json_t *status, FILE *out)
{
    print_head(status, out);
    print_stages(json_object_get(status, "stages"), out);
    print_consumers(json_object_get(status, "consumers"), out);
    fprintf(out, "\nresidual %lld\n", integer(status, "residual"));
}
