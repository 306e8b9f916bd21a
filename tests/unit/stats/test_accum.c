/* SPDX-License-Identifier: MPL-2.0
 *
 * test_accum.c - merging and flushing: Heka's names and values, chunks, bounds, configuration.
 *
 * [option StatAccumInput.emit_in_payload] [option StatAccumInput.emit_in_fields]
 * [option StatAccumInput.global_prefix] [option StatAccumInput.counter_prefix]
 * [option StatAccumInput.gauge_prefix] [option StatAccumInput.statsd_prefix]
 * [option StatAccumInput.timer_prefix] [option StatAccumInput.legacy_namespaces]
 * [option StatAccumInput.percent_threshold] [option StatAccumInput.delete_idle_stats]
 */
#include "stats/accum.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/buffer.h"
#include "core/message.h"
#include "tests/unit/stats/accum_rig.h"
#include "tests/unit/stats/stats_model.h"

/* ---- names and values ---- */

static void add_one_of_each(struct fixture *fixture)
{
    add(fixture, 0, model_counter("sample.counter", 303));
    add(fixture, 0, model_gauge("sample.gauge", 42.5));
    const double timers[] = {20, 10, 20, 10};
    for (unsigned i = 0; i < 4; i++)
        add(fixture, i % 3, model_timer("sample.timer", timers[i]));
    assert_int_equal(merge(fixture, 0) + merge(fixture, 1) + merge(fixture, 2), 6);
}

#define T " 1380047333\n"

static void test_default_names(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    open_fixture(&fixture, &config);
    add_one_of_each(&fixture);
    assert_string_equal(
        flush(&fixture),
        "stats.counters.sample.counter.rate 30.300000" T "stats.counters.sample.counter.count 303" T
        "stats.gauges.sample.gauge 42.500000" T "stats.timers.sample.timer.count 4" T
        "stats.timers.sample.timer.count_ps 0.400000" T
        "stats.timers.sample.timer.lower 10.000000" T "stats.timers.sample.timer.upper 20.000000" T
        "stats.timers.sample.timer.sum 60.000000" T "stats.timers.sample.timer.mean 15.000000" T
        "stats.timers.sample.timer.mean_90 15.000000" T
        "stats.timers.sample.timer.upper_90 20.000000" T "stats.statsd.numStats 3" T);
    assert_int_equal(fixture.chunks, 1);
    /* Idle: counters and timers are 0, gauges are kept. */
    assert_string_equal(
        flush(&fixture),
        "stats.counters.sample.counter.rate 0.000000" T "stats.counters.sample.counter.count 0" T
        "stats.gauges.sample.gauge 42.500000" T "stats.timers.sample.timer.count 0" T
        "stats.timers.sample.timer.count_ps 0.000000" T "stats.timers.sample.timer.lower 0.000000" T
        "stats.timers.sample.timer.upper 0.000000" T "stats.timers.sample.timer.sum 0.000000" T
        "stats.timers.sample.timer.mean 0.000000" T "stats.timers.sample.timer.mean_90 0.000000" T
        "stats.timers.sample.timer.upper_90 0.000000" T "stats.statsd.numStats 3" T);
    close_fixture(&fixture);
}

static void test_legacy_names(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    config.legacy_namespaces = true;
    config.percent_threshold.count = 0;
    open_fixture(&fixture, &config);
    add_one_of_each(&fixture);
    assert_string_equal(
        flush(&fixture),
        "stats.sample.counter 30.300000" T "stats_counts.sample.counter 303" T
        "stats.gauges.sample.gauge 42.500000" T "stats.timers.sample.timer.count 4" T
        "stats.timers.sample.timer.count_ps 0.400000" T
        "stats.timers.sample.timer.lower 10.000000" T "stats.timers.sample.timer.upper 20.000000" T
        "stats.timers.sample.timer.sum 60.000000" T "stats.timers.sample.timer.mean 15.000000" T
        "statsd.numStats 3" T);
    close_fixture(&fixture);
}

/* An empty part adds nothing, a part that ends with a dot gets no second one. */
static void test_parts_of_names(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    config.global_prefix = "";
    config.counter_prefix = "c.";
    config.gauge_prefix = "";
    config.statsd_prefix = "";
    open_fixture(&fixture, &config);
    add(&fixture, 0, model_counter("key.", 1));
    add(&fixture, 0, model_counter(".", 1));
    add(&fixture, 0, model_gauge("g.", 1));
    merge(&fixture, 0);
    assert_string_equal(flush(&fixture),
                        "c.key.rate 0.100000" T "c.key.count 1" T "c..rate 0.100000" T
                        "c..count 1" T "g. 1.000000" T "numStats 3" T);
    close_fixture(&fixture);
    config.global_prefix = "a.b.";
    config.counter_prefix = "";
    config.statsd_prefix = "own.";
    open_fixture(&fixture, &config);
    add(&fixture, 0, model_counter("k", 1));
    merge(&fixture, 0);
    assert_string_equal(flush(&fixture),
                        "a.b.k.rate 0.100000" T "a.b.k.count 1" T "a.b.own.numStats 1" T);
    close_fixture(&fixture);
}

static void test_idle_stats_are_deleted(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    uint64_t counts[STATSD_TYPE_COUNT];
    config.delete_idle_stats = true;
    config.percent_threshold.count = 0;
    open_fixture(&fixture, &config);
    add_one_of_each(&fixture);
    accum_series(fixture.accum, counts);
    assert_true(counts[0] == 1 && counts[1] == 1 && counts[2] == 1);
    assert_non_null(strstr(flush(&fixture), "stats.statsd.numStats 3" T));
    accum_series(fixture.accum, counts);
    assert_true(counts[0] == 0 && counts[1] == 0 && counts[2] == 0);
    assert_string_equal(flush(&fixture), "stats.statsd.numStats 0" T);
    add(&fixture, 1, model_gauge("sample.gauge", 7));
    merge(&fixture, 1);
    assert_string_equal(flush(&fixture),
                        "stats.gauges.sample.gauge 7.000000" T "stats.statsd.numStats 1" T);
    close_fixture(&fixture);
}

static void test_no_stats(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    config.emit_in_fields = true;
    open_fixture(&fixture, &config);
    assert_string_equal(flush(&fixture), "stats.statsd.numStats 0" T);
    assert_int_equal(fixture.chunks, 1);
    assert_true(accum_bytes(fixture.accum) > 0);
    close_fixture(&fixture);
}

/* Rates are over the true length of the interval. */
static void test_elapsed(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    open_fixture(&fixture, &config);
    const double elapsed[] = {4, 0, -1, NAN};
    const char *const rates[] = {".rate 25.000000", ".rate 10.000000", ".rate 10.000000",
                                 ".rate 10.000000"};
    for (unsigned i = 0; i < 4; i++) {
        add(&fixture, 0, model_counter("c", 100));
        merge(&fixture, 0);
        buffer_clear(&fixture.payload);
        assert_int_equal(
            accum_flush(fixture.accum, NOW_NS, elapsed[i], CHUNK_MAX, keep_chunk, &fixture), 0);
        assert_int_equal(buffer_append(&fixture.payload, "", 1), 0);
        assert_non_null(strstr(fixture.payload.data, rates[i]));
    }
    close_fixture(&fixture);
}

/* ---- timers against the formulas ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

static void put_expected(struct buffer *out, const char *name, double value)
{
    buffer_printf(out, "stats.timers.t.%s %f" T, name, value);
}

static void put_percentile(struct buffer *out, const double *values, unsigned count, int percent)
{
    char name[20];
    int inside = (int)count - (int)floor((100.0 - percent) / 100.0 * count + 0.5);
    double sum = 0;
    for (int i = 0; i < inside; i++)
        sum += values[i];
    snprintf(name, sizeof(name), "mean_%d", percent);
    put_expected(out, name, inside > 0 ? sum / inside : values[0]);
    snprintf(name, sizeof(name), "upper_%d", percent);
    put_expected(out, name, inside > 0 ? values[inside - 1] : values[count - 1]);
}

static void test_percentiles(void **state)
{
    (void)state;
    static const int64_t percents[] = {90, 0, 50, 99, 100, 1};
    static double values[30000];
    struct accum_config config = config_default();
    struct fixture fixture;
    uint64_t seed = 1;
    config.percent_threshold = (struct schema_list){percents, 6};
    open_fixture(&fixture, &config);
    unsigned counts[] = {1, 2, 3, 5, 10, 23, 24, 25, 47, 48, 49, 99, 100, 1000, 30000};
    for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct buffer expected = {0};
        double sum = 0;
        for (unsigned i = 0; i < counts[c]; i++) {
            values[i] = (double)(int64_t)(model_random(&seed) % 100000) / 16 - 1000;
            add(&fixture, i % 3, model_timer("t", values[i]));
        }
        assert_int_equal(merge(&fixture, 2) + merge(&fixture, 0) + merge(&fixture, 1), counts[c]);
        qsort(values, counts[c], sizeof(values[0]), compare_doubles);
        for (unsigned i = 0; i < counts[c]; i++)
            sum += values[i];
        buffer_printf(&expected, "stats.timers.t.count %u" T, counts[c]);
        put_expected(&expected, "count_ps", counts[c] / 10.0);
        put_expected(&expected, "lower", values[0]);
        put_expected(&expected, "upper", values[counts[c] - 1]);
        put_expected(&expected, "sum", sum);
        put_expected(&expected, "mean", sum / counts[c]);
        for (unsigned i = 0; i < 6; i++)
            put_percentile(&expected, values, counts[c], (int)percents[i]);
        buffer_printf(&expected, "stats.statsd.numStats 1" T);
        assert_int_equal(buffer_append(&expected, "", 1), 0);
        assert_string_equal(flush(&fixture), expected.data);
        buffer_fini(&expected);
    }
    close_fixture(&fixture);
}

static void test_values_stay_finite(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    open_fixture(&fixture, &config);
    add(&fixture, 0, model_timer("t", DBL_MAX));
    add(&fixture, 1, model_timer("t", DBL_MAX));
    add(&fixture, 0, model_counter("c", INT64_MAX));
    add(&fixture, 1, model_counter("c", INT64_MAX));
    add(&fixture, 0, model_counter("d", INT64_MIN));
    add(&fixture, 1, model_counter("d", -1));
    merge(&fixture, 0);
    merge(&fixture, 1);
    const char *payload = flush(&fixture);
    assert_non_null(strstr(payload, ".c.count 9223372036854775807" T));
    assert_non_null(strstr(payload, ".d.count -9223372036854775808" T));
    assert_non_null(strstr(payload, ".t.sum 17976931348623157"));
    assert_null(strstr(payload, "inf"));
    assert_null(strstr(payload, "nan"));
    close_fixture(&fixture);
}

/* ---- merging ---- */

static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

static int compare_lines(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* The lines of a payload in alphabetical order, for series that came in another order. */
static char *sorted_lines(const char *payload)
{
    static const char *lines[100000];
    size_t count = 0, size = strlen(payload) + 1, at = 0;
    char *copy = strdup(payload), *sorted = calloc(1, size);
    assert_true(copy != NULL && sorted != NULL);
    for (char *line = copy; *line != '\0';) {
        char *feed = strchr(line, '\n');
        *feed = '\0';
        lines[count++] = line;
        line = feed + 1;
    }
    qsort(lines, count, sizeof(lines[0]), compare_lines);
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(sorted + at, size - at, "%s\n", lines[i]);
    free(copy);
    return sorted;
}

static void test_any_order_of_merging(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    char *first = NULL;
    static struct model model;
    for (unsigned o = 0; o < 6; o++) {
        struct fixture fixture;
        uint64_t seed = 77, samples = 0;
        open_fixture(&fixture, &config);
        model_clear(&model);
        for (unsigned i = 0; i < 20000; i++) {
            struct statsd_sample sample = model_sample(&model, &seed);
            add(&fixture, (unsigned)(model_random(&seed) % 3), sample);
        }
        for (unsigned i = 0; i < 3; i++)
            samples += merge(&fixture, orders[o][i]);
        assert_int_equal(samples, 20000);
        char *sorted = sorted_lines(flush(&fixture));
        if (first == NULL)
            first = sorted;
        else {
            assert_string_equal(sorted, first);
            free(sorted);
        }
        close_fixture(&fixture);
    }
    free(first);
}

/* The last write wins, whichever shard it went to and whichever is merged last. */
static void test_last_gauge_wins(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    for (unsigned o = 0; o < 6; o++) {
        struct fixture fixture;
        open_fixture(&fixture, &config);
        add(&fixture, 2, model_gauge("g", 9));
        add(&fixture, 0, model_gauge("g", 5));
        add(&fixture, 1, model_gauge("g", 1));
        for (unsigned i = 0; i < 3; i++)
            merge(&fixture, orders[o][i]);
        assert_string_equal(flush(&fixture),
                            "stats.gauges.g 1.000000" T "stats.statsd.numStats 1" T);
        close_fixture(&fixture);
    }
}

static void test_names_beyond_the_bound(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    config.names_max = 3;
    open_fixture(&fixture, &config);
    add(&fixture, 0, model_counter("a", 1));
    add(&fixture, 0, model_gauge("a", 1));
    assert_int_equal(merge(&fixture, 0), 2);
    assert_null(strstr(flush(&fixture), "overflow"));
    add(&fixture, 0, model_counter("b", 1));
    add(&fixture, 1, model_counter("c", 1));
    add(&fixture, 1, model_counter("c", 1));
    add(&fixture, 1, model_timer("c", 1));
    add(&fixture, 1, model_counter("a", 5));
    assert_int_equal(merge(&fixture, 0), 1);
    assert_int_equal(merge(&fixture, 1), 1);
    assert_int_equal(accum_counts(fixture.accum)->refused_samples, 3);
    accum_overflow(fixture.accum, 10);
    assert_int_equal(accum_counts(fixture.accum)->overflow, 13);
    const char *payload = flush(&fixture);
    assert_non_null(strstr(payload, "stats.counters.a.count 5" T));
    assert_non_null(strstr(payload, "stats.statsd.overflow 13" T "stats.statsd.numStats 3" T));
    assert_non_null(strstr(flush(&fixture), "stats.statsd.overflow 0" T));
    close_fixture(&fixture);
    config.legacy_namespaces = true;
    open_fixture(&fixture, &config);
    accum_overflow(fixture.accum, 1);
    assert_string_equal(flush(&fixture), "statsd.overflow 1" T "statsd.numStats 0" T);
    close_fixture(&fixture);
}

/* ---- fields ---- */

static void check_field(const struct msg_field *field, const char *line, bool cut)
{
    const char *space = strrchr(line, ' ');
    while (*--space != ' ')
        ;
    assert_int_equal(field->name.len, space - line);
    assert_memory_equal(field->name.ptr, line, field->name.len);
    assert_int_equal(field->representation.len, 0);
    assert_int_equal(field->value_count, 1);
    if (strchr(space, '.') == NULL || cut) {
        int64_t value;
        assert_true(msg_field_integer(field, 0, &value));
        assert_int_equal(value, strtoll(space, NULL, 10));
    } else {
        double value;
        char text[400];
        assert_true(msg_field_double(field, 0, &value));
        int len = snprintf(text, sizeof(text), " %f ", value);
        assert_memory_equal(text, space, (size_t)len);
    }
}

/* One field for each line of the payload, behind "timestamp", which each chunk has. */
static void check_fields(struct fixture *fixture, const char *payload, bool legacy)
{
    uint8_t *bytes = malloc(fixture->fields.size + 100);
    struct msg_builder builder;
    struct msg_view view;
    struct msg_field field;
    unsigned timestamps = 0;
    assert_non_null(bytes);
    msg_builder_init(&builder, bytes, fixture->fields.size + 100);
    msg_builder_uuid(&builder, (const uint8_t[MSG_UUID_SIZE]){1});
    msg_builder_timestamp(&builder, 1);
    msg_builder_raw(&builder, fixture->fields.data, fixture->fields.size);
    int64_t size = msg_builder_finish(&builder);
    assert_true(size > 0);
    assert_int_equal(msg_view_init(&view, bytes, (size_t)size), 0);
    for (bool more = msg_field_first(&view, &field); more; more = msg_field_next(&view, &field)) {
        int64_t now_s;
        if (field.name.len == 9 && memcmp(field.name.ptr, "timestamp", 9) == 0) {
            assert_true(msg_field_integer(&field, 0, &now_s));
            assert_int_equal(now_s, NOW_S);
            timestamps++;
            continue;
        }
        assert_true(timestamps > 0);
        char line[2000];
        size_t len = strcspn(payload, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)len, payload);
        check_field(&field, line, legacy && strncmp(line, "stats.sample.counter ", 21) == 0);
        payload += len + 1;
    }
    assert_int_equal(*payload, '\0');
    assert_int_equal(timestamps, fixture->chunks);
    free(bytes);
}

static void test_fields(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    config.emit_in_fields = true;
    for (unsigned legacy = 0; legacy < 2; legacy++) {
        struct fixture fixture;
        config.legacy_namespaces = legacy != 0;
        open_fixture(&fixture, &config);
        add_one_of_each(&fixture);
        check_fields(&fixture, flush(&fixture), legacy != 0);
        add_one_of_each(&fixture);
        fixture.chunk_max = 300;
        check_fields(&fixture, flush(&fixture), legacy != 0);
        assert_true(fixture.chunks > 3);
        close_fixture(&fixture);
    }
}

static void test_fields_only(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture both, only;
    config.emit_in_fields = true;
    open_fixture(&both, &config);
    config.emit_in_payload = false;
    open_fixture(&only, &config);
    add_one_of_each(&both);
    add_one_of_each(&only);
    const char *payload = flush(&both);
    assert_string_equal(flush(&only), "");
    check_fields(&only, payload, false);
    close_fixture(&both);
    close_fixture(&only);
}

/* ---- chunks ---- */

static void add_many(struct fixture *fixture)
{
    uint64_t seed = 4;
    static struct model model;
    model_clear(&model);
    for (unsigned i = 0; i < 5000; i++)
        add(fixture, 0, model_sample(&model, &seed));
    add(fixture, 0, model_gauge("large", -DBL_MAX));
    assert_int_equal(merge(fixture, 0), 5001);
}

/* Whatever the size of the chunks, and however often the taker refuses, the same lines come
 * once. */
static void test_chunks(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    static const int64_t percents[] = {10, 20, 30, 40, 50, 60, 70, 80,
                                       90, 91, 92, 93, 94, 95, 96, 97};
    char *whole = NULL;
    static const size_t sizes[] = {100 << 20, 60000, 9000, 3000, 2500};
    config.percent_threshold = (struct schema_list){percents, 16};
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned refuse = 0; refuse <= 3; refuse++) {
            struct fixture fixture;
            config.emit_in_fields = refuse % 2 == 1;
            open_fixture(&fixture, &config);
            add_many(&fixture);
            fixture.chunk_max = sizes[i] * (config.emit_in_fields ? 2 : 1);
            fixture.refuse_every = refuse >= 2 ? refuse : 0;
            const char *payload = flush(&fixture);
            if (whole == NULL)
                whole = strdup(payload);
            assert_non_null(whole);
            assert_string_equal(payload, whole);
            assert_int_equal(accum_counts(fixture.accum)->long_lines, 0);
            if (config.emit_in_fields)
                check_fields(&fixture, payload, false);
            close_fixture(&fixture);
        }
    }
    free(whole);
}

static void test_lines_too_long_for_a_chunk(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    open_fixture(&fixture, &config);
    add(&fixture, 0, model_gauge("a.long.name.that.does.not.fit.in.fifty.bytes", 1));
    add(&fixture, 0, model_gauge("short", 1));
    merge(&fixture, 0);
    fixture.chunk_max = 50;
    assert_string_equal(flush(&fixture),
                        "stats.gauges.short 1.000000" T "stats.statsd.numStats 2" T);
    assert_int_equal(accum_counts(fixture.accum)->long_lines, 1);
    fixture.chunk_max = 0;
    assert_string_equal(flush(&fixture), "");
    assert_int_equal(accum_counts(fixture.accum)->long_lines, 4);
    close_fixture(&fixture);
}

/* With fields too: what was begun for the long line leaves nothing behind. */
static void test_fields_too_long_for_a_chunk(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    config.emit_in_fields = true;
    open_fixture(&fixture, &config);
    add(&fixture, 0, model_gauge("a.long.name.that.does.not.fit.in.a.hundred.bytes", 1));
    for (char name[] = "a"; name[0] <= 'e'; name[0]++)
        add(&fixture, 0, model_gauge(name, 1));
    merge(&fixture, 0);
    for (size_t size = 100; size <= 150; size++) {
        uint64_t before = accum_counts(fixture.accum)->long_lines;
        fixture.chunk_max = size;
        const char *payload = flush(&fixture);
        assert_non_null(strstr(payload, "stats.gauges.a 1.000000" T "stats.gauges.b 1.000000" T));
        assert_non_null(strstr(payload, "stats.gauges.e 1.000000" T "stats.statsd.numStats 6" T));
        assert_int_equal(accum_counts(fixture.accum)->long_lines, before + 1);
        check_fields(&fixture, payload, false);
    }
    close_fixture(&fixture);
}

/* Between a flush that stopped and its end nothing is merged, and nothing is lost. */
static void test_merging_waits_for_the_flush(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    open_fixture(&fixture, &config);
    add(&fixture, 0, model_counter("c", 1));
    merge(&fixture, 0);
    fixture.refuse_every = 1;
    assert_int_equal(accum_flush(fixture.accum, NOW_NS, 10, CHUNK_MAX, keep_chunk, &fixture),
                     AGAIN);
    add(&fixture, 0, model_counter("c", 7));
    assert_int_equal(merge(&fixture, 0), 0);
    assert_true(shard_ready(fixture.shards[0]));
    fixture.refuse_every = 0;
    /* Other arguments do not matter: it goes on with the same chunk. */
    assert_int_equal(accum_flush(fixture.accum, 5, 1, 7, keep_chunk, &fixture), 0);
    assert_int_equal(buffer_append(&fixture.payload, "", 1), 0);
    assert_non_null(strstr(fixture.payload.data, "stats.counters.c.count 1" T));
    assert_int_equal(accum_merge(fixture.accum, fixture.shards[0]), 1);
    assert_non_null(strstr(flush(&fixture), "stats.counters.c.count 7" T));
    assert_int_equal(accum_merge(fixture.accum, fixture.shards[0]), 0); /* not asked */
    close_fixture(&fixture);
}

/* A NUL byte stays in the payload; a field's name has "_" there. */
static void test_nul_in_a_name(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture fixture;
    config.emit_in_fields = true;
    open_fixture(&fixture, &config);
    struct statsd_sample sample = {.name = "a\0b", .name_len = 3, .type = STATSD_GAUGE, .value = 2};
    sample.hash = statsd_name_hash(sample.name, 3);
    add(&fixture, 0, sample);
    merge(&fixture, 0);
    flush(&fixture);
    assert_memory_equal(fixture.payload.data, "stats.gauges.a\0b 2.000000" T, 37);
    assert_non_null(memmem(fixture.fields.data, fixture.fields.size, "stats.gauges.a_b", 16));
    close_fixture(&fixture);
}

/* ---- configuration ---- */

static void test_schema(void **state)
{
    (void)state;
    struct accum_config config;
    struct conf_doc *doc = NULL;
    static struct err err;
    assert_int_equal(toml_parse("", 0, "test", NULL, &doc, &err), 0);
    assert_int_equal(schema_apply(&accum_schema, NULL, "StatAccumInput", NULL, doc, &config, &err),
                     0);
    assert_true(config.emit_in_payload);
    assert_false(config.emit_in_fields);
    assert_int_equal(config.percent_threshold.count, 1);
    assert_int_equal(*(const int64_t *)config.percent_threshold.items, 90);
    assert_int_equal(config.ticker_interval, 10);
    assert_string_equal(config.message_type, "heka.statmetric");
    assert_false(config.legacy_namespaces);
    assert_string_equal(config.global_prefix, "stats");
    assert_string_equal(config.counter_prefix, "counters");
    assert_string_equal(config.timer_prefix, "timers");
    assert_string_equal(config.gauge_prefix, "gauges");
    assert_string_equal(config.statsd_prefix, "statsd");
    assert_false(config.delete_idle_stats);
    assert_int_equal(config.names_max, 1000000);
    assert_int_equal(config.timer_samples_max, 4000000);
    conf_doc_free(doc);
}

static void expect_error(const struct accum_config *config, const char *text)
{
    static struct err err;
    struct accum *accum = NULL;
    memset(&err, 0, sizeof(err));
    assert_int_equal(accum_new(config, &accum, &err), -1);
    assert_null(accum);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.texts[0], text);
    assert_int_equal(accum_new(config, &accum, NULL), -1);
}

static void test_configuration_errors(void **state)
{
    (void)state;
    static const int64_t wrong[] = {90, 101}, many[17] = {0};
    char prefix[ACCUM_PREFIX_MAX + 2] = {0};
    struct accum_config config = config_default();
    config.ticker_interval = 0;
    expect_error(&config, "TickerInterval must be greater than 0.");
    config = config_default();
    config.emit_in_payload = false;
    expect_error(&config, "One of either `EmitInPayload` or `EmitInFields` must be set to true.");
    config = config_default();
    config.percent_threshold = (struct schema_list){wrong, 2};
    expect_error(&config, "percent_threshold: found 101, allowed is 0 to 100");
    config.percent_threshold = (struct schema_list){many, 17};
    expect_error(&config, "percent_threshold: found 17 numbers, allowed are 16");
    config = config_default();
    config.names_max = 0;
    expect_error(&config, "names_max: found 0, allowed is 1 to 67108864");
    config = config_default();
    memset(prefix, 'p', sizeof(prefix) - 1);
    config.timer_prefix = prefix;
    expect_error(&config, "timer_prefix: found 257 bytes, allowed are 256");
    accum_free(NULL);
}

/* The longest of everything fits. */
static void test_longest_names(void **state)
{
    (void)state;
    char prefix[ACCUM_PREFIX_MAX + 1] = {0}, name[STATSD_NAME_MAX + 1] = {0};
    static const int64_t hundred[] = {100};
    struct accum_config config = config_default();
    struct fixture fixture;
    memset(prefix, 'p', ACCUM_PREFIX_MAX);
    memset(name, 'n', STATSD_NAME_MAX);
    config.emit_in_fields = true;
    config.global_prefix = config.timer_prefix = config.statsd_prefix = prefix;
    config.percent_threshold = (struct schema_list){hundred, 1};
    open_fixture(&fixture, &config);
    add(&fixture, 0, model_timer(name, -DBL_MAX));
    merge(&fixture, 0);
    const char *payload = flush(&fixture);
    assert_non_null(strstr(payload, "nnnn.upper_100 -179769"));
    check_fields(&fixture, payload, false);
    assert_int_equal(accum_counts(fixture.accum)->long_lines, 0);
    close_fixture(&fixture);
}

/* ---- a million series ---- */

struct totals {
    uint64_t lines, bytes, chunks;
};

static int count_chunk(void *arg, const struct accum_chunk *chunk)
{
    struct totals *totals = arg;
    for (size_t i = 0; i < chunk->payload_size; i++)
        totals->lines += chunk->payload[i] == '\n';
    totals->bytes += chunk->payload_size;
    totals->chunks++;
    return 0;
}

static void test_million_series(void **state)
{
    (void)state;
    enum { MILLION = 1000000 };
    const struct shard_limits limits = {MILLION, 0, 1000};
    struct accum_config config = config_default();
    struct totals totals = {0};
    struct accum *accum;
    struct shard *shard;
    assert_int_equal(accum_new(&config, &accum, NULL), 0);
    assert_int_equal(shard_new(&limits, &shard), 0);
    for (unsigned i = 0; i < MILLION; i++) {
        char name[40];
        snprintf(name, sizeof(name), "app%u.host%u.requests.%u", i % 7, i / 7 % 1000, i);
        struct statsd_sample sample = model_counter(name, i);
        shard_add(shard, &sample, 1);
    }
    shard_request(shard);
    shard_poll(shard);
    clock_t start = clock();
    assert_int_equal(accum_merge(accum, shard), MILLION);
    clock_t merged = clock();
    assert_int_equal(accum_flush(accum, NOW_NS, 10, CHUNK_MAX, count_chunk, &totals), 0);
    clock_t flushed = clock();
    assert_int_equal(totals.lines, 2 * MILLION + 1);
    printf("1,000,000 series: %zu MB, merge %.2f s, flush of %" PRIu64 " chunks %.2f s\n",
           accum_bytes(accum) / 1000000, (double)(merged - start) / CLOCKS_PER_SEC, totals.chunks,
           (double)(flushed - merged) / CLOCKS_PER_SEC);
    assert_true(accum_bytes(accum) < 110 * (size_t)MILLION);
    accum_free(accum);
    shard_free(shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_names),
        cmocka_unit_test(test_legacy_names),
        cmocka_unit_test(test_parts_of_names),
        cmocka_unit_test(test_idle_stats_are_deleted),
        cmocka_unit_test(test_no_stats),
        cmocka_unit_test(test_elapsed),
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_values_stay_finite),
        cmocka_unit_test(test_any_order_of_merging),
        cmocka_unit_test(test_last_gauge_wins),
        cmocka_unit_test(test_names_beyond_the_bound),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_fields_only),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_lines_too_long_for_a_chunk),
        cmocka_unit_test(test_fields_too_long_for_a_chunk),
        cmocka_unit_test(test_merging_waits_for_the_flush),
        cmocka_unit_test(test_nul_in_a_name),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_configuration_errors),
        cmocka_unit_test(test_longest_names),
        cmocka_unit_test(test_million_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
