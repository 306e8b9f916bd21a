/* SPDX-License-Identifier: MPL-2.0
 *
 * test_traffic.c - the traffic's stated totals against a plain reading of its datagrams.
 */
#include "bench/traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <cmocka.h>
// clang-format on

enum { NAMES_MAX = 3000 };

struct plain { /* totals by a slow second way */
    char name[TRAFFIC_NAME_MAX + 1];
    char type;
    uint64_t samples;
    double sum, last;
};

static struct plain plains[NAMES_MAX];
static unsigned plain_count;

static struct plain *plain_find(const char *name, char type)
{
    for (unsigned i = 0; i < plain_count; i++)
        if (strcmp(plains[i].name, name) == 0 && plains[i].type == type)
            return &plains[i];
    assert_true(plain_count < NAMES_MAX);
    struct plain *plain = &plains[plain_count++];
    memset(plain, 0, sizeof(*plain));
    snprintf(plain->name, sizeof(plain->name), "%s", name);
    plain->type = type;
    return plain;
}

static void read_line(char *line)
{
    char name[TRAFFIC_NAME_MAX + 1], type[4] = "";
    double value = 0, rate = 1;
    int fields = sscanf(line, "%200[^:]:%lf|%2[a-z]|@%lf", name, &value, type, &rate);
    assert_in_range(fields, 3, 4);
    struct plain *plain = plain_find(name, type[0]);
    plain->samples++;
    plain->sum += value / rate;
    plain->last = value / rate;
}

static void read_payload(const char *payload, uint32_t size)
{
    char text[TRAFFIC_PAYLOAD_MAX + 1], *save = NULL;
    memcpy(text, payload, size);
    text[size] = '\0';
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        read_line(line);
}

static void assert_range_agrees(const struct traffic_params *params, uint64_t first, uint64_t count)
{
    static const char types[TRAFFIC_TYPE_COUNT] = {'c', 'g', 'm'};
    struct traffic *traffic = NULL;
    struct traffic_sum sum, plain_sum = {0};
    assert_int_equal(traffic_new(params, &traffic, NULL), 0);
    struct traffic_total *totals = calloc(params->names, sizeof(*totals));
    plain_count = 0;
    for (uint64_t k = first; k < first + count; k++) {
        uint32_t size;
        const char *payload = traffic_payload(traffic, k, &size);
        assert_true(params->payload_bytes == 0 || size <= params->payload_bytes);
        read_payload(payload, size);
        plain_sum.payload_bytes += size;
    }
    traffic_totals(traffic, first, count, totals);
    unsigned seen = 0;
    for (uint32_t i = 0; i < params->names; i++) {
        char name[TRAFFIC_NAME_MAX + 1];
        uint32_t len = traffic_name(traffic, i, name);
        assert_int_equal(strlen(name), len);
        assert_int_equal(traffic_find(traffic, name, len), i);
        if (totals[i].samples == 0)
            continue;
        enum traffic_type type = traffic_type(traffic, i);
        const struct plain *plain = plain_find(name, types[type]);
        assert_int_equal(plain->samples, totals[i].samples);
        assert_true(plain->sum == totals[i].sum);
        assert_true(plain->last == totals[i].last);
        plain_sum.samples[type] += plain->samples;
        plain_sum.sums[type] += plain->sum;
        seen++;
    }
    assert_int_equal(seen, plain_count);
    traffic_sum(traffic, first, count, &sum);
    assert_int_equal(sum.datagrams, count);
    assert_int_equal(sum.payload_bytes, plain_sum.payload_bytes);
    for (int type = 0; type < TRAFFIC_TYPE_COUNT; type++) {
        assert_int_equal(sum.samples[type], plain_sum.samples[type]);
        assert_true(sum.sums[type] == plain_sum.sums[type]);
        plain_sum.metrics += plain_sum.samples[type];
    }
    assert_int_equal(sum.metrics, plain_sum.metrics);
    free(totals);
    traffic_free(traffic);
}

static struct traffic_params small_params(const struct traffic_params *base, uint32_t names)
{
    struct traffic_params params = *base;
    params.names = names;
    params.sampled_percent = 20;
    return params;
}

static void test_totals_agree_within_a_cycle(void **state)
{
    (void)state;
    struct traffic_params packed = small_params(&traffic_packed, 97);
    assert_range_agrees(&packed, 0, 1);
    assert_range_agrees(&packed, 5, 40);
    struct traffic_params single = small_params(&traffic_single, 97);
    assert_range_agrees(&single, 0, 97);
    assert_range_agrees(&single, 1000, 1048);
}

static void test_totals_agree_over_cycles(void **state)
{
    (void)state;
    struct traffic_params single = small_params(&traffic_single, 300);
    assert_range_agrees(&single, 0, 2048);
    assert_range_agrees(&single, 2047, 2);
    assert_range_agrees(&single, 1234, 3 * 2048 + 77);
    struct traffic_params packed = small_params(&traffic_packed, 50);
    packed.payload_bytes = 100;
    assert_range_agrees(&packed, 2000, 5000);
    assert_range_agrees(&packed, 7, 0);
}

static void test_the_goals_traffic_is_as_stated(void **state)
{
    (void)state;
    struct traffic *traffic = NULL;
    struct traffic_sum sum;
    assert_int_equal(traffic_new(&traffic_packed, &traffic, NULL), 0);
    traffic_sum(traffic, 0, traffic_cycle(traffic), &sum);
    struct traffic_total *totals = calloc(traffic_packed.names, sizeof(*totals));
    traffic_totals(traffic, 0, traffic_cycle(traffic), totals);
    for (uint32_t i = 0; i < traffic_packed.names; i++)
        assert_true(totals[i].samples > 0);
    assert_true(sum.payload_bytes / sum.datagrams > 1390);
    assert_in_range(100 * sum.samples[TRAFFIC_COUNTER] / sum.metrics, 88, 92);
    free(totals);
    traffic_free(traffic);

    uint8_t frame[TRAFFIC_FRAME_MAX];
    assert_int_equal(traffic_new(&traffic_single, &traffic, NULL), 0);
    assert_true(traffic_cycle(traffic) >= traffic_single.names);
    for (uint32_t k = 0; k < traffic_cycle(traffic); k++)
        assert_int_equal(traffic_frame(traffic, &traffic_route_default, k, frame), 60);
    traffic_free(traffic);
}

static void test_seeds_differ_and_repeat(void **state)
{
    (void)state;
    struct traffic_params params = small_params(&traffic_packed, 100);
    struct traffic *a, *b, *c;
    uint32_t a_size, b_size, c_size;
    assert_int_equal(traffic_new(&params, &a, NULL), 0);
    assert_int_equal(traffic_new(&params, &b, NULL), 0);
    params.seed = 2;
    assert_int_equal(traffic_new(&params, &c, NULL), 0);
    const char *a_bytes = traffic_payload(a, 9, &a_size);
    const char *b_bytes = traffic_payload(b, 9, &b_size);
    const char *c_bytes = traffic_payload(c, 9, &c_size);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a_bytes, b_bytes, a_size);
    assert_true(a_size != c_size || memcmp(a_bytes, c_bytes, a_size) != 0);
    traffic_free(a);
    traffic_free(b);
    traffic_free(c);
}

static uint32_t sum_of(const uint8_t *bytes, uint32_t size, uint32_t sum)
{
    for (uint32_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] * 256 : bytes[i];
    while (sum > 0xffff)
        sum = sum % 0x10000 + sum / 0x10000;
    return sum;
}

static void test_frames_have_right_checksums(void **state)
{
    (void)state;
    struct traffic *traffic = NULL;
    struct traffic_params params = small_params(&traffic_packed, 100);
    struct traffic_route route = traffic_route_default;
    route.flows = 7;
    uint8_t frame[TRAFFIC_FRAME_MAX];
    assert_int_equal(traffic_new(&params, &traffic, NULL), 0);
    for (uint32_t k = 0; k < 500; k++) {
        uint32_t payload_size;
        const char *payload = traffic_payload(traffic, k, &payload_size);
        uint32_t size = traffic_frame(traffic, &route, k, frame);
        assert_int_equal(size, payload_size + 42);
        assert_memory_equal(frame + 42, payload, payload_size);
        assert_int_equal(sum_of(frame + 14, 20, 0), 0xffff);
        assert_int_equal(sum_of(frame + 26, size - 26, 17 + size - 34), 0xffff);
        assert_int_equal(frame[34] * 256 + frame[35], 40000 + k % 7);
    }
    traffic_free(traffic);
}

static void test_names_of_others_are_not_found(void **state)
{
    (void)state;
    struct traffic *traffic = NULL;
    struct traffic_params params = small_params(&traffic_packed, 100);
    assert_int_equal(traffic_new(&params, &traffic, NULL), 0);
    char name[TRAFFIC_NAME_MAX + 1];
    uint32_t len = traffic_name(traffic, 3, name);
    assert_int_equal(traffic_find(traffic, name, len), 3);
    name[0] = 'x';
    assert_int_equal(traffic_find(traffic, name, len), -1);
    assert_int_equal(traffic_find(traffic, "", 0), -1);
    assert_int_equal(traffic_find(traffic, "numStats", 8), -1);
    assert_int_equal(traffic_find(traffic, "03", 2), -1);
    traffic_free(traffic);
}

static void test_bad_parameters_are_all_named(void **state)
{
    (void)state;
    struct traffic *traffic = NULL;
    struct traffic_params params = {.names = 0,
                                    .gauge_percent = 60,
                                    .timer_percent = 41,
                                    .sampled_percent = 101,
                                    .payload_bytes = 10,
                                    .name_bytes_max = 201};
    struct err err = {0};
    assert_true(traffic_new(&params, &traffic, &err) < 0);
    assert_null(traffic);
    assert_int_equal(err.count, 6);
    assert_string_equal(err.texts[0], "names is 0; allowed is 1 to 4000000");
    params = traffic_single;
    params.names = 1000000; /* 7 digits and one more do not fit into 7 */
    memset(&err, 0, sizeof(err));
    assert_true(traffic_new(&params, &traffic, &err) < 0);
    assert_int_equal(err.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals_agree_within_a_cycle),
        cmocka_unit_test(test_totals_agree_over_cycles),
        cmocka_unit_test(test_the_goals_traffic_is_as_stated),
        cmocka_unit_test(test_seeds_differ_and_repeat),
        cmocka_unit_test(test_frames_have_right_checksums),
        cmocka_unit_test(test_names_of_others_are_not_found),
        cmocka_unit_test(test_bad_parameters_are_all_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
