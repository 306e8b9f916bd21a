/* SPDX-License-Identifier: MPL-2.0
 *
 * test_statsd_check.c - right payloads are exact, and each kind of wrong one is noticed.
 */
#include "bench/statsd_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { NAMES = 200, DATAGRAMS = 5000, PAYLOAD_SIZE = 1 << 20 };

static struct traffic *traffic;
static struct traffic_total totals[NAMES];
static char payload[PAYLOAD_SIZE];
static size_t payload_size;

static int make_traffic(void **state)
{
    (void)state;
    struct traffic_params params = traffic_packed;
    params.names = NAMES;
    params.gauge_percent = params.timer_percent = 20;
    params.sampled_percent = 10;
    return traffic_new(&params, &traffic, NULL);
}

static int free_traffic(void **state)
{
    (void)state;
    traffic_free(traffic);
    return 0;
}

__attribute__((format(printf, 1, 2))) static void add_line(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(payload + payload_size, PAYLOAD_SIZE - payload_size, format, args);
    va_end(args);
    assert_true(len > 0 && payload_size + (size_t)len < PAYLOAD_SIZE);
    payload_size += (size_t)len;
}

/* One flush of datagrams first .. first + count - 1, as the accumulator writes it. */
static void write_flush(uint64_t first, uint64_t count)
{
    payload_size = 0;
    traffic_totals(traffic, first, count, totals);
    for (uint32_t i = 0; i < NAMES; i++) {
        char name[TRAFFIC_NAME_MAX + 1];
        traffic_name(traffic, i, name);
        const struct traffic_total *total = &totals[i];
        switch (traffic_type(traffic, i)) {
        case TRAFFIC_COUNTER:
            add_line("stats.counters.%s.rate %f 100\n", name, total->sum);
            add_line("stats.counters.%s.count %.0f 100\n", name, total->sum);
            break;
        case TRAFFIC_GAUGE:
            add_line("stats.gauges.%s %f 100\n", name, total->last);
            break;
        default:
            add_line("stats.timers.%s.count %llu 100\n", name, (unsigned long long)total->samples);
            add_line("stats.timers.%s.lower 1.000000 100\n", name);
            add_line("stats.timers.%s.sum %f 100\n", name, total->sum);
            add_line("stats.timers.%s.upper_90 7.000000 100\n", name);
        }
    }
    add_line("stats.statsd.numStats %d 100\n", NAMES);
}

static struct statsd_check *check_of_two_flushes(void)
{
    struct statsd_check *check = NULL;
    assert_int_equal(statsd_check_new(traffic, &check), 0);
    write_flush(0, 1234);
    statsd_check_payload(check, payload, payload_size);
    write_flush(1234, DATAGRAMS - 1234);
    statsd_check_payload(check, payload, payload_size);
    return check;
}

static void test_what_was_sent_is_exact(void **state)
{
    (void)state;
    struct statsd_verdict verdict;
    struct statsd_check *check = check_of_two_flushes();
    assert_true(statsd_check_compare(check, &(uint64_t){DATAGRAMS}, 1, &verdict));
    assert_string_equal(verdict.first_wrong, "");
    statsd_check_free(check);
}

static void test_one_lost_datagram_is_noticed(void **state)
{
    (void)state;
    struct statsd_verdict verdict;
    struct statsd_check *check = check_of_two_flushes();
    assert_false(statsd_check_compare(check, &(uint64_t){DATAGRAMS + 1}, 1, &verdict));
    assert_true(verdict.wrong[TRAFFIC_COUNTER] > 0);
    assert_true(verdict.first_wrong[0] != '\0');
    statsd_check_free(check);
}

static void assert_noticed(const char *line, int type)
{
    struct statsd_verdict verdict;
    struct statsd_check *check = check_of_two_flushes();
    statsd_check_payload(check, line, strlen(line));
    assert_false(statsd_check_compare(check, &(uint64_t){DATAGRAMS}, 1, &verdict));
    if (type >= 0)
        assert_int_equal(verdict.wrong[type], 1);
    else
        assert_int_equal(verdict.unknown_lines + verdict.malformed_lines, 1);
    statsd_check_free(check);
}

static uint32_t first_of(enum traffic_type type)
{
    uint32_t i = 0;
    while (traffic_type(traffic, i) != type)
        assert_true(++i < NAMES);
    return i;
}

static void test_one_wrong_line_is_noticed(void **state)
{
    (void)state;
    char name[TRAFFIC_NAME_MAX + 1], line[TRAFFIC_NAME_MAX + 100];
    traffic_name(traffic, first_of(TRAFFIC_COUNTER), name);
    snprintf(line, sizeof(line), "stats.counters.%s.count 1 100\n", name);
    assert_noticed(line, TRAFFIC_COUNTER);
    snprintf(line, sizeof(line), "stats.gauges.%s 1 100\n", name); /* of another type */
    assert_noticed(line, -1);
    traffic_name(traffic, first_of(TRAFFIC_GAUGE), name);
    snprintf(line, sizeof(line), "stats.gauges.%s 0.125000 100\n", name);
    assert_noticed(line, TRAFFIC_GAUGE);
    traffic_name(traffic, first_of(TRAFFIC_TIMER), name);
    snprintf(line, sizeof(line), "stats.timers.%s.count 1 100\n", name);
    assert_noticed(line, TRAFFIC_TIMER);
    snprintf(line, sizeof(line), "stats.timers.%s.sum 1.000000 100\n", name);
    assert_noticed(line, TRAFFIC_TIMER);
}

static void test_strange_lines_are_noticed(void **state)
{
    (void)state;
    assert_noticed("stats.statsd.overflow 3 100\n", -1);
    assert_noticed("stats.counters.other.count 3 100\n", -1);
    assert_noticed("nothing\n", -1);
    assert_noticed("stats.counters.a.count x 100\n", -1);
    assert_noticed("stats.statsd.numStats 3 100", -1); /* the line does not end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_sent_is_exact),
        cmocka_unit_test(test_one_lost_datagram_is_noticed),
        cmocka_unit_test(test_one_wrong_line_is_noticed),
        cmocka_unit_test(test_strange_lines_are_noticed),
    };
    return cmocka_run_group_tests(tests, make_traffic, free_traffic);
}
