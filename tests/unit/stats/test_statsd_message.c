/* SPDX-License-Identifier: MPL-2.0
 *
 * test_statsd_message.c - events and service checks as messages, and StatsdInput's options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "stats/statsd_message.h"
#include "stats/statsd_options.h"

static struct statsd_text text(const char *at)
{
    return (struct statsd_text){at, strlen(at)};
}

static int64_t build(const struct statsd_notice *notice, uint8_t *bytes, size_t size)
{
    struct msg_builder builder;
    msg_builder_init(&builder, bytes, size);
    statsd_message_put(&builder, notice, "StatsdInput", "here");
    return msg_builder_finish(&builder);
}

static void view(const struct statsd_notice *notice, uint8_t bytes[4096], struct msg_view *out)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {1};
    struct msg_builder builder;
    msg_builder_init(&builder, bytes, 4096);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    statsd_message_put(&builder, notice, "StatsdInput", "here");
    int64_t size = msg_builder_finish(&builder);
    assert_true(size > 0);
    assert_int_equal(msg_view_init(out, bytes, (size_t)size), 0);
}

static void is(struct msg_slice found, const char *expected)
{
    assert_int_equal(found.len, strlen(expected));
    assert_memory_equal(found.ptr, expected, found.len);
}

static void test_event(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    struct msg_view message;
    struct statsd_notice notice = {.name = text("title"), .text = text("one\\ntwo\\"),
                                   .alert_type = text("error"), .tags = text("a:b,alone,,:x")};
    view(&notice, bytes, &message);
    is(message.type, "statsd.event");
    is(message.logger, "StatsdInput");
    is(message.payload, "one\ntwo\\");
    is(message.hostname, "here");
    assert_int_equal(message.severity, 3);
    notice.alert_type = text("warning");
    notice.hostname = text("there");
    view(&notice, bytes, &message);
    assert_int_equal(message.severity, 4);
    is(message.hostname, "there");
    notice.alert_type = text("success");
    view(&notice, bytes, &message);
    assert_int_equal(message.severity, 6);
}

static void test_check(void **state)
{
    (void)state;
    static const int severities[] = {6, 4, 2, 7};
    uint8_t bytes[4096];
    struct msg_view message;
    for (int status = 0; status < 4; status++) {
        struct statsd_notice notice = {.is_check = true, .name = text("db"), .status = status};
        view(&notice, bytes, &message);
        is(message.type, "statsd.service_check");
        is(message.payload, "");
        assert_int_equal(message.severity, severities[status]);
    }
}

static void test_no_room(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    struct statsd_notice notice = {.name = text("title"), .text = text("a text of some length"),
                                   .tags = text("key:value")};
    int64_t full = build(&notice, bytes, sizeof(bytes));
    assert_true(full > 0);
    for (size_t size = 0; size < (size_t)full; size++)
        assert_true(build(&notice, bytes, size) < 0);
    assert_int_equal(build(&notice, bytes, (size_t)full), full);
}

static void test_options(void **state)
{
    (void)state;
    static const char *const some[] = {"etsy", "influx"}, *const all[] = {"all"};
    static const char *const bad[] = {"etsy", "nonsense", "Dog"};
    struct statsd_options options = {.dialects = {some, 2}, .tags = STATSD_TAGS_DROP};
    struct statsd_settings settings;
    static struct err err;
    assert_int_equal(statsd_options_settings(&options, &settings, &err), 0);
    assert_int_equal(settings.dialects,
                     1 << STATSD_HEKA | 1 << STATSD_ETSY | 1 << STATSD_INFLUX);
    assert_int_equal(settings.tags, STATSD_TAGS_DROP);
    options.dialects = (struct schema_list){all, 1};
    assert_int_equal(statsd_options_settings(&options, &settings, &err), 0);
    assert_int_equal(settings.dialects, (1 << STATSD_DIALECT_COUNT) - 1);
    options.dialects = (struct schema_list){NULL, 0};
    assert_int_equal(statsd_options_settings(&options, &settings, &err), 0);
    assert_int_equal(settings.dialects, 1 << STATSD_HEKA);
    options.dialects = (struct schema_list){bad, 3};
    assert_int_equal(statsd_options_settings(&options, &settings, &err), -1);
    assert_int_equal(err.count, 2);
    assert_string_equal(err.texts[0], "dialects: found \"nonsense\", allowed are heka, etsy, spec, "
                                      "dogstatsd, influx, signalfx, graphite, all");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
