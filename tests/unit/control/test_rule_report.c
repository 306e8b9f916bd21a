/* SPDX-License-Identifier: MPL-2.0
 *
 * test_rule_report.c - samples of what consumers read, and rules measured on them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/message_read.h"
#include "control/rule_report.h"
#include "core/record.h"

static struct err err;

/* A record with a message of this Type, padded by a payload. */
static struct record *make_record(const char *type, size_t payload)
{
    char *texts[2] = {NULL, NULL};
    struct buffer message = {0};
    assert_true(asprintf(&texts[0], "Type=%s", type) > 0);
    assert_true(asprintf(&texts[1], "Payload=%*s", (int)payload, "x") > 0);
    assert_int_equal(message_read_pairs((const char *const *)texts, 2, &message, &err), 0);
    struct record *record = calloc(1, sizeof(*record) + message.size);
    record->message_size = (uint32_t)message.size;
    memcpy(record->message, message.data, message.size);
    buffer_fini(&message);
    free(texts[0]);
    free(texts[1]);
    return record;
}

static void offer(const char *type, size_t payload, unsigned count)
{
    struct record *record = make_record(type, payload);
    struct reader_item items[8];
    for (unsigned i = 0; i < 8; i++)
        items[i] = (struct reader_item){.record = record};
    for (unsigned left = count; left > 0;) {
        unsigned now = left < 8 ? left : 8;
        rule_samples_offer(items, now);
        left -= now;
    }
    free(record);
}

static json_t *make_status(void)
{
    return json_pack("{s:{s:{s:s}, s:[{s:s,s:s,s:i}, {s:s,s:s,s:i}]}}", "matcher", "database",
                     "origin", "cached", "rules", "name", "a", "rule", "Type == 'a'", "hits", 7,
                     "name", "long", "rule",
                     "Type =~ /a.*b/ || Payload =~ /xx+y/ || Fields[nowhere] == 'nothing at all'",
                     "hits", 0);
}

static unsigned count_samples(void)
{
    json_t *samples = rule_samples_json();
    unsigned count = (unsigned)json_array_size(json_object_get(samples, "samples"));
    json_decref(samples);
    return count;
}

static char *print(const json_t *status)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    rule_report_print(status, out);
    fclose(out);
    return text;
}

static void test_nothing_read(void **state)
{
    json_t *status = make_status(), *samples = rule_samples_json();
    (void)state;
    assert_int_equal(rule_report_measure(status, samples, &err), 0);
    char *text = print(status);
    assert_non_null(strstr(text, "no message was read yet"));
    free(text);
    json_decref(samples);
    json_decref(status);
}

static void test_ring(void **state)
{
    (void)state;
    offer("a", 1, 3);
    assert_int_equal(count_samples(), 3);
    offer("huge", RULE_SAMPLE_BYTES, 5); /* too long for a sample */
    assert_int_equal(count_samples(), 3);
    offer("a", 1, RULE_SAMPLES_MAX);
    assert_int_equal(count_samples(), RULE_SAMPLES_MAX);
    offer("b", 1, 10 * RULE_SAMPLE_EVERY); /* ten of these, in place of the oldest */
}

static void test_measure(void **state)
{
    json_t *status = make_status(), *samples = rule_samples_json();
    json_t *matcher = json_object_get(status, "matcher");
    json_t *rules = json_object_get(matcher, "rules"), *first = json_array_get(rules, 0);
    (void)state;
    assert_int_equal(rule_report_measure(status, samples, &err), 0);
    assert_int_equal(json_integer_value(json_object_get(matcher, "samples")), RULE_SAMPLES_MAX);
    assert_int_equal(json_integer_value(json_object_get(first, "samples_accepted")),
                     RULE_SAMPLES_MAX - 10);
    assert_int_equal(json_integer_value(
                         json_object_get(json_array_get(rules, 1), "samples_accepted")), 0);
    assert_true(json_number_value(json_object_get(first, "cycles_alone")) > 0);
    assert_true(json_number_value(json_object_get(matcher, "cycles_together")) > 0);
    char *text = print(status);
    assert_non_null(strstr(text, "each rule alone on 256 messages"));
    assert_non_null(strstr(text, "Type == 'a'\n"));
    assert_non_null(strstr(text, "ere] == 'n...\n"));
    free(text);
    json_decref(samples);
    json_decref(status);
}

static void test_bad_input(void **state)
{
    json_t *status = make_status();
    json_t *samples = json_pack("{s:[s, s, i, s]}", "samples", "zz", "", 5, "0a");
    json_t *rules = json_object_get(json_object_get(status, "matcher"), "rules");
    (void)state;
    assert_int_equal(rule_report_measure(status, samples, &err), 0); /* none is a message */
    json_decref(samples);
    json_object_set_new(json_array_get(rules, 1), "rule", json_string("Type ="));
    samples = rule_samples_json();
    err.count = 0;
    assert_int_equal(rule_report_measure(status, samples, &err), -1);
    if (strstr(err.texts[0], "long: message_matcher: position 6: expected") == NULL)
        fail_msg("%s", err.texts[0]);
    json_decref(samples);
    json_decref(status);
    status = json_object();
    char *text = print(status);
    assert_string_equal(text, "");
    free(text);
    json_decref(status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_read),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_measure),
        cmocka_unit_test(test_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
