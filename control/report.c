/* SPDX-License-Identifier: MPL-2.0 */
#include "control/report.h"

#include <ctype.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "control/lanes/batch.h"
#include "control/plugins/filter_host.h"
#include "core/clock.h"

enum { INTERVAL_S = 5 };

static const char *const categories[] = {"globals", "inputs",  "splitters", "decoders",
                                         "filters", "outputs", "encoders"};

/* ---- when ---- */

static bool wants_reports(const char *matcher)
{
    return matcher != NULL &&
           (strstr(matcher, "heka.all-report") != NULL || strstr(matcher, "heka.memstat") != NULL);
}

static void take_interval(unsigned *interval_s, const char *matcher, int64_t ticker_s)
{
    unsigned wanted_s = ticker_s > 0 ? (unsigned)ticker_s : INTERVAL_S;
    if (wants_reports(matcher) && (*interval_s == 0 || wanted_s < *interval_s))
        *interval_s = wanted_s;
}

unsigned report_interval_s(const struct instances *instances)
{
    unsigned interval_s = (unsigned)instances->config->globals.report_interval;
    if (interval_s > 0)
        return interval_s;
    for (unsigned i = 0; i < instances->output_count; i++)
        take_interval(&interval_s, instances->outputs[i].common.message_matcher,
                      instances->outputs[i].common.ticker_interval);
    for (unsigned i = 0; i < instances->filter_count; i++)
        take_interval(&interval_s, instances->filters[i].common.message_matcher,
                      instances->filters[i].common.ticker_interval);
    return interval_s;
}

bool report_is_due(struct report *report, unsigned interval_s, uint64_t now_ns)
{
    bool is_first = report->next_ns == 0;
    if (interval_s == 0 || now_ns < report->next_ns)
        return false;
    report->next_ns = now_ns + interval_s * CLOCK_NS_PER_S;
    return !is_first;
}

/* ---- what ---- */

static void add(json_t *plugin, const char *name, json_int_t value, const char *representation)
{
    json_object_set_new(plugin, name,
                        json_pack("{s:s, s:I}", "representation", representation, "value", value));
}

static json_int_t value_of(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

static json_int_t sum_of(const json_t *object)
{
    json_int_t sum = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) sum += json_integer_value(value);
    return sum;
}

static json_t *new_plugin(const char *name)
{
    return json_pack("{s:s}", "Name", name);
}

/* The plugin's own counters. */
static void add_counters(json_t *plugin, const json_t *row)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(row, "plugin"), key, value) if (json_is_integer(value))
        add(plugin, key, json_integer_value(value), "count");
}

/* What an input says of itself. */
static void add_own(json_t *plugin, const json_t *row)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(row, "report"), key, value) if (json_is_integer(value))
        add(plugin, key, json_integer_value(value), "count");
    else json_object_set_new(plugin, key,
                             json_pack("{s:s, s:O}", "representation", "", "value", value));
}

/* Messages wait in lanes, which are limited in bytes: their capacity in messages is 0. */
static void add_consumer(json_t *list, const json_t *row, json_int_t capacity)
{
    json_t *plugin = new_plugin(json_string_value(json_object_get(row, "name")));
    json_int_t dropped = sum_of(json_object_get(row, "ends"));
    add(plugin, "InChanCapacity", capacity, "count");
    add(plugin, "InChanLength", value_of(row, "held"), "count");
    add(plugin, "MatchChanCapacity", 0, "count");
    add(plugin, "MatchChanLength", value_of(row, "in_flight"), "count");
    add(plugin, "LeakCount", 0, "count");
    add(plugin, "ProcessMessageCount", value_of(row, "delivered") + dropped, "count");
    add(plugin, "DropMessageCount", dropped, "count");
    add_counters(plugin, row);
    json_array_append_new(list, plugin);
}

static void add_consumers(json_t *report, const char *category, const json_t *rows,
                          json_int_t capacity)
{
    json_t *list = json_array(), *row;
    size_t index;
    json_array_foreach((json_t *)(uintptr_t)rows, index, row) add_consumer(list, row, capacity);
    if (json_array_size(list) > 0)
        json_object_set(report, category, list);
    json_decref(list);
}

static json_t *find_row(const json_t *rows, const char *name)
{
    size_t index;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, index,
                       row) if (strcmp(json_string_value(json_object_get(row, "name")), name) ==
                                0) return row;
    return NULL;
}

static void add_inputs(json_t *report, const json_t *rows, const struct instances *instances)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < instances->input_count; i++) {
        const struct input_instance *input = &instances->inputs[i];
        json_t *plugin = new_plugin(input->name);
        add_counters(plugin, find_row(rows, input->name));
        add_own(plugin, find_row(rows, input->name));
        if (input->common.synchronous_decode)
            json_object_set_new(plugin, "SynchronousDecode",
                                json_pack("{s:s, s:s}", "representation", "", "value", "true"));
        json_array_append_new(list, plugin);
    }
    if (json_array_size(list) > 0)
        json_object_set(report, "inputs", list);
    json_decref(list);
}

/* Types that only have names to say. */
typedef const char *(*name_at_fn)(const struct instances *instances, unsigned index);
static void add_names(json_t *report, const char *category, name_at_fn name_at,
                      const struct instances *instances, unsigned count)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list, new_plugin(name_at(instances, i)));
    if (count > 0)
        json_object_set(report, category, list);
    json_decref(list);
}

static const char *splitter_at(const struct instances *instances, unsigned i)
{
    return instances->splitters[i].name;
}

static const char *decoder_at(const struct instances *instances, unsigned i)
{
    return instances->decoders[i].name;
}

static const char *encoder_at(const struct instances *instances, unsigned i)
{
    return instances->encoders[i].name;
}

/* Messages that were created, in both processes. */
static json_int_t created(const json_t *status)
{
    json_int_t sum = 0;
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(status, "stages"), index, row)
    {
        const char *stage = json_string_value(json_object_get(row, "stage"));
        if (stage != NULL && strcmp(stage, "message") == 0)
            sum += value_of(row, "in");
    }
    return sum;
}

static void add_globals(json_t *report, const json_t *status)
{
    static const char *const pools[] = {"inputRecycleChan", "injectRecycleChan"};
    json_t *list = json_array();
    for (unsigned i = 0; i < 2; i++) { /* there are none that could run out */
        json_t *pool = new_plugin(pools[i]);
        add(pool, "InChanCapacity", 0, "count");
        add(pool, "InChanLength", 0, "count");
        json_array_append_new(list, pool);
    }
    json_t *router = new_plugin("Router");
    add(router, "InChanCapacity", 0, "count");
    add(router, "InChanLength", 0, "count");
    add(router, "ProcessMessageCount", created(status), "count");
    json_array_append_new(list, router);
    json_object_set_new(report, "globals", list);
}

json_t *report_json(const json_t *status, const struct instances *instances)
{
    json_t *report = json_object();
    if (report == NULL || status == NULL)
        return report;
    add_globals(report, status);
    add_inputs(report, json_object_get(status, "inputs"), instances);
    add_names(report, "splitters", splitter_at, instances, instances->splitter_count);
    add_names(report, "decoders", decoder_at, instances, instances->decoder_count);
    add_names(report, "encoders", encoder_at, instances, instances->encoder_count);
    add_consumers(report, "filters", json_object_get(status, "filters"), FILTER_BATCH_MAX);
    add_consumers(report, "outputs", json_object_get(status, "consumers"), BATCH_MAX);
    return report;
}

/* ---- messages ---- */

static void send_memory(struct self *self)
{
    struct mallinfo2 info = mallinfo2();
    const struct self_field fields[] = {
        {"HeapSys", "B", NULL, (int64_t)(info.arena + info.hblkhd)},
        {"HeapAlloc", "B", NULL, (int64_t)(info.uordblks + info.hblkhd)},
        {"HeapIdle", "B", NULL, (int64_t)info.fordblks},
        {"HeapInuse", "B", NULL, (int64_t)(info.uordblks + info.hblkhd)},
        {"HeapReleased", "B", NULL, 0}, /* the allocator does not say */
        {"HeapObjects", "count", NULL, 0},
    };
    const struct self_message message = {.type = "heka.memstat",
                                         .fields = fields,
                                         .field_count = sizeof(fields) / sizeof(fields[0])};
    self_put(self, &message);
}

void report_send(struct self *self, const json_t *report)
{
    char *text = json_dumps(report, JSON_COMPACT | JSON_SORT_KEYS);
    char *payload = NULL;
    if (text != NULL && asprintf(&payload, "%s\n", text) >= 0) {
        const struct self_message message = {.type = "heka.all-report", .payload = payload};
        self_put(self, &message);
        free(payload);
    }
    free(text);
    send_memory(self);
}

/* ---- text ---- */

static void print_value(const json_t *value, FILE *out)
{
    if (json_is_string(value))
        fprintf(out, "%s\n", json_string_value(value));
    else
        fprintf(out, "%lld\n", (long long)json_integer_value(value));
}

static void print_plugin(const json_t *plugin, FILE *out)
{
    static const char *const columns[] = {
        "InChanCapacity",
        "InChanLength",
        "MatchChanCapacity",
        "MatchChanLength",
        "MatchAvgDuration",
        "ProcessMessageCount",
        "InjectMessageCount",
        "Memory",
        "MaxMemory",
        "MaxInstructions",
        "MaxOutput",
        "ProcessMessageAvgDuration",
        "TimerEventAvgDuration",
        "SynchronousDecode",
    };
    fprintf(out, "%s:\n", json_string_value(json_object_get(plugin, "Name")));
    for (unsigned i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        const json_t *field = json_object_get(plugin, columns[i]);
        if (field == NULL)
            continue;
        fprintf(out, "    %s: ", columns[i]);
        print_value(json_object_get(field, "value"), out);
    }
}

void report_print(const json_t *report, FILE *out)
{
    fputs("========[heka.all-report]========\n", out);
    for (unsigned i = 0; i < sizeof(categories) / sizeof(categories[0]); i++) {
        const char *category = categories[i];
        json_t *list = json_object_get(report, category), *plugin;
        size_t index;
        fprintf(out, "\n====%c%s====\n", toupper(category[0]), category + 1);
        if (json_array_size(list) == 0)
            fputs("NONE\n\n", out);
        json_array_foreach(list, index, plugin) print_plugin(plugin, out);
    }
    fputs("========\n", out);
    fflush(out);
}
