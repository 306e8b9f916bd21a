/* SPDX-License-Identifier: MPL-2.0
 *
 * test_filters.c - CounterFilter's texts, and StatFilter's variables, without a host around them.
 *
 * Source:  Heka 0.11: the payloads of CounterFilter, and how StatFilter replaces %Variable%.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/filters/filters.h"
#include "control/stat_accum.h"
#include "core/conf.h"
#include "core/counters.h"
#include "core/message.h"

enum { TEXT_SIZE = 4096, MESSAGE_SIZE = 4096 };

struct filter_host { /* a fake one */
    uint64_t counts[FILTER_COUNTERS_MAX];
    struct counters counters;
    uint8_t message[MESSAGE_SIZE];
    char injected[TEXT_SIZE]; /* payloads, a line each */
    char posted[TEXT_SIZE];   /* "c NAME VALUE", a line each */
    char accum_name[64];
};

static struct filter_host *the_host;
static char last_accum[64]; /* of the StatFilter that ran last */

const char *filter_host_name(const struct filter_host *host)
{
    (void)host;
    return "name";
}

const char *filter_host_hostname(const struct filter_host *host)
{
    (void)host;
    return "host";
}

void filter_host_begin(struct filter_host *host, struct msg_builder *builder, uint64_t timestamp_ns)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {1};
    msg_builder_init(builder, host->message, sizeof(host->message));
    msg_builder_uuid(builder, uuid);
    msg_builder_timestamp(builder, (int64_t)timestamp_ns);
}

int filter_host_inject(struct filter_host *host, const struct msg_builder *builder)
{
    struct msg_view view;
    int64_t size = msg_builder_finish(builder);
    size_t used = strlen(host->injected);
    assert_int_equal(msg_view_init(&view, host->message, (size_t)size), 0);
    assert_true(view.type.len == 19 && memcmp(view.type.ptr, "heka.counter-output", 19) == 0);
    assert_true(view.logger.len == 4 && memcmp(view.logger.ptr, "name", 4) == 0);
    assert_true(view.hostname.len == 4 && memcmp(view.hostname.ptr, "host", 4) == 0);
    assert_int_equal(view.timestamp_ns, 77);
    snprintf(host->injected + used, TEXT_SIZE - used, "%.*s\n", (int)view.payload.len,
             view.payload.ptr);
    return 0;
}

void filter_host_count(struct filter_host *host, unsigned index, uint64_t n)
{
    host->counts[index] += n;
}

struct counters *filter_host_ledger(struct filter_host *host)
{
    return &host->counters;
}

struct stat_accum *filter_host_accum(struct filter_host *host, const char *name, struct err *err)
{
    (void)err;
    snprintf(host->accum_name, sizeof(host->accum_name), "%s", name);
    return (struct stat_accum *)(void *)host; /* only given back */
}

void stat_accum_add_value(struct stat_accum *accum, enum statsd_type type, const char *name,
                          size_t name_len, double value, struct counters *counters)
{
    struct filter_host *host = (struct filter_host *)(void *)accum;
    size_t used = strlen(host->posted);
    assert_ptr_equal(counters, &host->counters);
    const char *letter = type == STATSD_COUNTER ? "c" : type == STATSD_TIMER ? "t" : "g";
    snprintf(host->posted + used, TEXT_SIZE - used, "%s %.*s %.17g\n", letter, (int)name_len, name,
             value);
}

/* ---- CounterFilter ---- */

static void *make(const struct filter_ops *ops, const void *config)
{
    struct err err = {0};
    the_host = calloc(1, sizeof(*the_host));
    void *state = calloc(1, ops->plugin.state_size);
    assert_true(the_host != NULL && state != NULL);
    assert_int_equal(ops->init(state, config, the_host, &err), 0);
    return state;
}

static void unmake(const struct filter_ops *ops, void *state)
{
    ops->fini(state);
    free(state);
    free(the_host);
}

static void count_messages(void *state, unsigned count)
{
    struct msg_view view = {0};
    struct record record = {0};
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(counter_filter.process(state, &view, &record), 0);
}

static void test_counter(void **unused)
{
    void *state = make(&counter_filter, NULL);
    unsigned long long total;
    double rate, min, max, mean;
    int end = 0;
    (void)unused;
    counter_filter.timer(state, 77); /* no messages, no report */
    assert_string_equal(the_host->injected, "");
    count_messages(state, 3);
    counter_filter.timer(state, 77);
    assert_int_equal(
        sscanf(the_host->injected, "Got %llu messages. %lf msg/sec\n%n", &total, &rate, &end), 2);
    assert_int_equal(the_host->injected[end], '\0');
    assert_int_equal(total, 3);
    assert_true(rate > 0);
    the_host->injected[0] = '\0';
    counter_filter.timer(state, 77);
    assert_string_equal(the_host->injected, "");
    for (unsigned i = 0; i < 9; i++) { /* the tenth report brings the aggregate */
        assert_null(strstr(the_host->injected, "AGG"));
        count_messages(state, 1);
        the_host->injected[0] = '\0';
        counter_filter.timer(state, 77);
    }
    assert_int_equal(sscanf(the_host->injected,
                            "Got %llu messages. %lf msg/sec\n"
                            "AGG Sum. Min: %lf    Max: %lf    Mean: %lf\n%n",
                            &total, &rate, &min, &max, &mean, &end),
                     5);
    assert_int_equal(the_host->injected[end], '\0');
    assert_non_null(strstr(the_host->injected, "    Max: "));
    assert_int_equal(total, 12);
    assert_true(min <= mean && mean <= max);
    for (unsigned i = 0; i < 9; i++) { /* and begins anew */
        count_messages(state, 1);
        the_host->injected[0] = '\0';
        counter_filter.timer(state, 77);
        assert_null(strstr(the_host->injected, "AGG"));
    }
    unmake(&counter_filter, state);
}

/* ---- StatFilter ---- */

struct config { /* as StatFilter's schema fills it; aligned for any */
    union {
        void *pointer;
        char bytes[256];
    };
};

static struct conf_doc *configure(const char *text, struct config *config, struct err *err)
{
    struct conf_doc *doc;
    assert_int_equal(toml_parse(text, strlen(text), "f", NULL, &doc, err), 0);
    assert_true(stat_filter.plugin.config_size <= sizeof(*config));
    assert_int_equal(
        schema_apply(stat_filter.plugin.schema, conf_root(doc), "x", NULL, doc, config, err), 0);
    return doc;
}

static size_t make_message(uint8_t *bytes)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {1};
    struct msg_builder builder;
    msg_builder_init(&builder, bytes, MESSAGE_SIZE);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    msg_builder_type(&builder, "a.type", 6);
    msg_builder_logger(&builder, "log.ger", 7);
    msg_builder_payload(&builder, "1.5", 3);
    msg_builder_hostname(&builder, "h", 1);
    msg_builder_field_string(&builder, "text", "first", 5, "");
    msg_builder_field_string(&builder, "text", "a.b", 3, "");
    msg_builder_field_integer(&builder, "int", -42, "");
    msg_builder_field_double(&builder, "double", 1234567.25, "");
    msg_builder_field_double(&builder, "small", 1.5e-7, "");
    msg_builder_field_double(&builder, "large", 1e21, "");
    msg_builder_field_string(&builder, "Hostname", "field", 5, "");
    msg_builder_field_bool(&builder, "flag", true, "");
    return (size_t)msg_builder_finish(&builder);
}

static void run_metrics(const char *text, const char *expected, uint64_t bad)
{
    static uint8_t bytes[MESSAGE_SIZE];
    struct config config;
    struct err err = {0};
    struct msg_view view;
    struct record record = {0};
    struct conf_doc *doc = configure(text, &config, &err);
    assert_int_equal(stat_filter.check(&config, &err), 0);
    void *state = make(&stat_filter, &config);
    assert_int_equal(msg_view_init(&view, bytes, make_message(bytes)), 0);
    assert_int_equal(stat_filter.process(state, &view, &record), 0);
    assert_string_equal(the_host->posted, expected);
    assert_int_equal(the_host->counts[1], bad);
    assert_string_equal(the_host->accum_name, stat_filter.accum(&config));
    strcpy(last_accum, the_host->accum_name);
    unmake(&stat_filter, state);
    conf_doc_free(doc);
}

#define METRIC(type, name, value)                                                                  \
    "[metric.m]\ntype = \"" type "\"\nname = \"" name "\"\nvalue = \"" value "\"\n"

static void test_variables(void **unused)
{
    (void)unused;
    run_metrics(METRIC("Counter", "a.%Logger%.%Type%", "1"), "c a.log.ger.a.type 1\n", 0);
    run_metrics(METRIC("Timer", "%text%", "%Payload%"), "t a.b 1.5\n", 0);
    run_metrics(METRIC("Gauge", "n", "%int%"), "g n -42\n", 0);
    run_metrics(METRIC("Gauge", "%double%", "%double%"), "g 1234567.25 1234567.25\n", 0);
    run_metrics(METRIC("Gauge", "%small%.%large%", "2"), "g 0.00000015.1000000000000000000000 2\n",
                0);
    run_metrics(METRIC("Gauge", "%Hostname%", "2"), "g field 2\n", 0);
    run_metrics(METRIC("Gauge", "%none%.%flag%", "2"), "g <none>.<flag> 2\n", 0);
    run_metrics(METRIC("Gauge", "100%%int%%x y%%", "2"), "g 100%-42%x y%% 2\n", 0);
    run_metrics(METRIC("Gauge", "n", "%text%"), "", 1);
    run_metrics(METRIC("Gauge", "n", ""), "", 1);
    run_metrics(METRIC("Gauge", "n", " 1"), "", 1);
    run_metrics(METRIC("Gauge", "n", "1x"), "", 1);
    run_metrics(METRIC("Gauge", "n", "inf"), "", 1);
    run_metrics("", "", 0);
}

/* [option StatFilter.stat_accum_name] */
static void test_accumulator(void **unused)
{
    (void)unused;
    run_metrics(METRIC("Gauge", "n", "1e3"), "g n 1000\n", 0);
    assert_string_equal(last_accum, "StatAccumInput");
    run_metrics("stat_accum_name = \"other\"\n" METRIC("Gauge", "n", "1e3"), "g n 1000\n", 0);
    assert_string_equal(last_accum, "other");
}

/* Only the variables, and only of that metric. */
static void test_replace_dot(void **unused)
{
    (void)unused;
    run_metrics("[metric.m]\ntype = \"Counter\"\nname = \"x.%Logger%\"\nvalue = \"1\"\n"
                "replace_dot = true\n"
                "[metric.n]\ntype = \"Counter\"\nname = \"x.%Logger%\"\nvalue = \"1\"\n",
                "c x.log_ger 1\nc x.log.ger 1\n", 0);
}

static void test_refused(void **unused)
{
    static const char *const texts[] = {
        METRIC("Set", "n", "1"),
        "metric = 1\n",
        "[metric]\nm = 1\n",
        "[metric.m]\ntype = \"Counter\"\nname = \"n\"\n",
        "[metric.m]\ntype = \"Counter\"\nname = \"n\"\nvalue = \"1\"\nother = 2\n",
    };
    (void)unused;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct config config;
        struct err err = {0};
        struct conf_doc *doc = configure(texts[i], &config, &err);
        assert_int_equal(stat_filter.check(&config, &err), -1);
        assert_int_equal(err.count, 1);
        conf_doc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter),     cmocka_unit_test(test_variables),
        cmocka_unit_test(test_accumulator), cmocka_unit_test(test_replace_dot),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
