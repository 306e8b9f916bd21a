/* SPDX-License-Identifier: MPL-2.0 */
#include "control/rule_report.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "control/member.h"
#include "control/plugins/instances.h"
#include "control/rule_store.h"
#include "matcher/rule_cost.h"

enum { SHOWN_MAX = 60 /* characters of a rule in the table */ };

/* ---- samples ---- */

static struct {
    pthread_mutex_t lock;
    unsigned count, next; /* next: the oldest, when the ring is full */
    uint32_t sizes[RULE_SAMPLES_MAX];
    uint8_t bytes[RULE_SAMPLES_MAX][RULE_SAMPLE_BYTES];
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void keep(const struct record *record)
{
    memcpy(ring.bytes[ring.next], record->message, record->message_size);
    ring.sizes[ring.next] = record->message_size;
    ring.next = (ring.next + 1) % RULE_SAMPLES_MAX;
    ring.count += ring.count < RULE_SAMPLES_MAX;
}

void rule_samples_offer(const struct reader_item *items, unsigned count)
{
    static _Thread_local unsigned seen;
    /* Somebody else offers now, or status looks: these are no samples. */
    if (pthread_mutex_trylock(&ring.lock) != 0)
        return;
    for (unsigned i = 0; i < count; i++) {
        bool is_due = ring.count < RULE_SAMPLES_MAX || seen++ % RULE_SAMPLE_EVERY == 0;
        if (is_due && items[i].record->message_size <= RULE_SAMPLE_BYTES)
            keep(items[i].record);
    }
    pthread_mutex_unlock(&ring.lock);
}

static json_t *hex(const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * RULE_SAMPLE_BYTES];
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return json_stringn(text, 2 * size);
}

json_t *rule_samples_json(void)
{
    json_t *samples = json_array();
    pthread_mutex_lock(&ring.lock);
    for (unsigned i = 0; i < ring.count; i++)
        json_array_append_new(samples, hex(ring.bytes[i], ring.sizes[i]));
    pthread_mutex_unlock(&ring.lock);
    return json_pack("{s:o}", "samples", samples);
}

/* ---- in hekad ---- */

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *database_json(const struct rule_store *store)
{
    static const char *const origins[] = {"compiled", "cached", "not_saved"};
    struct rule_store_status status;
    if (store == NULL)
        return json_object();
    rule_store_status(store, &status);
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "origin",
                     origins[status.origin], "rules", (int)status.rules, "bytes",
                     number(status.bytes), "ready_us", number(status.ready_ns / 1000),
                     "compilations", number(status.compilations), "cache_hits",
                     number(status.cache_hits), "unsaved", number(status.unsaved), "files_written",
                     number(status.files_written), "files_again", number(status.files_again));
}

static json_t *pass_json(const struct counters *counters)
{
    uint64_t messages = counters != NULL ? counters->values[COUNTER_MATCH_MESSAGES] : 0;
    uint64_t cycles = counters != NULL ? counters->values[COUNTER_MATCH_CYCLES] : 0;
    return json_pack("{s:o, s:o, s:o}", "sampled_messages", number(messages), "sampled_cycles",
                     number(cycles), "cycles_per_message",
                     number(messages > 0 ? cycles / messages : 0));
}

/* A consumer's row in an array of status, or NULL. */
static const json_t *find_row(const json_t *rows, const char *name)
{
    size_t index;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, index, row)
    {
        const char *found = json_string_value(json_object_get(row, "name"));
        if (found != NULL && strcmp(found, name) == 0)
            return row;
    }
    return NULL;
}

static json_t *rule_json(const struct consumer_ref *consumer, const json_t *status)
{
    const json_t *rows = json_object_get(status, consumer->is_filter ? "filters" : "consumers");
    json_t *hits = json_object_get(find_row(rows, consumer->name), "matched");
    const char *signer = consumer->message_signer;
    json_t *rule = json_pack("{s:s, s:s, s:I}", "name", consumer->name, "rule",
                             consumer->message_matcher, "hits", json_integer_value(hits));
    if (signer != NULL && signer[0] != '\0')
        json_object_set_new(rule, "signer", json_string(signer));
    return rule;
}

json_t *rule_report_json(const struct instances *instances, const struct counters *dataplane,
                         const struct counters *producers, const json_t *status)
{
    json_t *rules = json_array();
    struct consumer_ref consumer;
    for (unsigned i = 0; instances_consumer(instances, i, &consumer); i++)
        if (!consumer.is_decoder)
            json_array_append_new(rules, rule_json(&consumer, status));
    return json_pack("{s:o, s:o, s:o, s:o}", "database", database_json(*instances->rules),
                     "dataplane", pass_json(dataplane), "hekad", pass_json(producers), "rules",
                     rules);
}

/* ---- measuring, in the process of the command ---- */

struct sample_set {
    struct msg_view views[RULE_SAMPLES_MAX];
    unsigned count;
    uint8_t *bytes;
};

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

static void add_sample(struct sample_set *set, const json_t *text)
{
    const char *digits = json_string_value(text);
    size_t size = json_string_length(text) / 2;
    uint8_t *bytes = set->bytes + (size_t)set->count * RULE_SAMPLE_BYTES;
    if (digits == NULL || size > RULE_SAMPLE_BYTES || set->count == RULE_SAMPLES_MAX)
        return;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(nibble(digits[2 * i]) << 4 | nibble(digits[2 * i + 1]));
    set->count += msg_view_init(&set->views[set->count], bytes, size) == 0;
}

static int measure_one(json_t *rule, const struct sample_set *set, struct err *err)
{
    const struct rule_text text = {member_text(rule, "name"), member_text(rule, "rule"), NULL};
    struct rule_cost cost;
    if (rule_cost_measure(&text, 1, set->views, set->count, &cost, err) != 0)
        return -1;
    json_object_set_new(rule, "samples_accepted", number(cost.accepted));
    json_object_set_new(rule, "cycles_alone", json_real(cost.cycles));
    return 0;
}

static int measure_all(json_t *matcher, const struct sample_set *set, struct err *err)
{
    const json_t *rules = json_object_get(matcher, "rules");
    struct rule_text *texts = calloc(json_array_size(rules) + 1, sizeof(*texts));
    struct rule_cost cost;
    size_t index;
    json_t *rule;
    int rc = texts != NULL ? 0 : err_add(err, "out of memory");
    json_array_foreach((json_t *)(uintptr_t)rules, index, rule)
    {
        if (rc != 0)
            break;
        texts[index] =
            (struct rule_text){member_text(rule, "name"), member_text(rule, "rule"), NULL};
        rc = measure_one(rule, set, err);
    }
    if (rc == 0)
        rc = rule_cost_measure(texts, json_array_size(rules), set->views, set->count, &cost, err);
    if (rc == 0)
        json_object_set_new(matcher, "cycles_together", json_real(cost.cycles));
    free(texts);
    return rc == 0 ? 0 : -1;
}

int rule_report_measure(json_t *status, const json_t *samples, struct err *err)
{
    json_t *matcher = json_object_get(status, "matcher"), *text;
    struct sample_set *set = calloc(1, sizeof(*set));
    size_t index;
    int rc = 0;
    if (set != NULL)
        set->bytes = malloc((size_t)(RULE_SAMPLES_MAX + 1) * RULE_SAMPLE_BYTES);
    if (set == NULL || set->bytes == NULL) {
        free(set);
        return err_add(err, "out of memory");
    }
    json_array_foreach(json_object_get(samples, "samples"), index, text) add_sample(set, text);
    json_object_set_new(matcher, "samples", number(set->count));
    if (set->count > 0)
        rc = measure_all(matcher, set, err);
    free(set->bytes);
    free(set);
    return rc;
}

/* ---- text ---- */

static void print_pass(const json_t *matcher, const char *who, const char *key, FILE *out)
{
    const json_t *pass = json_object_get(matcher, key);
    if (member_integer(pass, "sampled_messages") > 0)
        fprintf(out, "  %-20s %lld cycles a message (of %lld messages that were timed)\n", who,
                member_integer(pass, "cycles_per_message"),
                member_integer(pass, "sampled_messages"));
}

static void print_rule(const json_t *rule, bool is_measured, FILE *out)
{
    const char *text = member_text(rule, "rule");
    fprintf(out, "  %-20s %16lld", member_text(rule, "name"), member_integer(rule, "hits"));
    if (is_measured)
        fprintf(out, " %10lld %10.1f", member_integer(rule, "samples_accepted"),
                json_number_value(json_object_get(rule, "cycles_alone")));
    fprintf(out, "  %.*s%s\n", SHOWN_MAX, text, strlen(text) > SHOWN_MAX ? "..." : "");
}

void rule_report_print(const json_t *status, FILE *out)
{
    const json_t *matcher = json_object_get(status, "matcher");
    const json_t *database = json_object_get(matcher, "database"), *rules, *rule;
    const json_t *together = json_object_get(matcher, "cycles_together");
    rules = json_object_get(matcher, "rules");
    if (json_array_size(rules) == 0)
        return;
    fprintf(out, "\nmatching: %zu rules, %lld bytes compiled, %s in %.1f ms\n",
            json_array_size(rules), member_integer(database, "bytes"),
            member_text(database, "origin"), (double)member_integer(database, "ready_us") / 1e3);
    print_pass(matcher, "data plane", "dataplane", out);
    print_pass(matcher, "hekad's producers", "hekad", out);
    fprintf(out, "  %-20s %16s", "rule of", "hits");
    if (together != NULL)
        fprintf(out, " %10s %10s", "of samples", "cycles");
    fprintf(out, "  matcher\n");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        rule = json_array_get(rules, i);
        print_rule(rule, together != NULL, out);
    }
    if (together != NULL)
        fprintf(out,
                "  each rule alone on %lld messages that were read lately, measured now; "
                "together %.1f cycles a message\n",
                member_integer(matcher, "samples"), json_number_value(together));
    else if (json_object_get(matcher, "samples") != NULL)
        fprintf(out, "  no message was read yet to measure the rules with\n");
}
