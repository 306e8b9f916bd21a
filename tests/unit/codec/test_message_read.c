/* SPDX-License-Identifier: MPL-2.0
 *
 * test_message_read.c - messages from JSON and from NAME=VALUE.
 *
 * Whatever tests/golden/message says a message is as JSON must come back the same.
 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/message_json.h"
#include "codec/message_read.h"
#include "core/check.h"

static void append_json(const struct buffer *message, struct buffer *json)
{
    struct msg_view view;
    assert_int_equal(msg_view_init(&view, message->data, message->size), 0);
    assert_int_equal(message_json(&view, json), 0);
}

static void check_golden(const char *path)
{
    char text[65536];
    struct buffer message = {0}, json = {0};
    struct err err = {0};
    size_t used;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    if (text[0] == '{') {
        assert_int_equal(message_read_json(text, len, &used, &message, &err), 1);
        assert_int_equal(used, len - 1);
        append_json(&message, &json);
        assert_int_equal(json.size, len - 1);
        assert_memory_equal(json.data, text, json.size);
        assert_int_equal(message_read_json(text + used, len - used, &used, &message, &err), 0);
    }
    buffer_fini(&message);
    buffer_fini(&json);
}

/* JSON cannot tell -0 from 0 in the form that message_json writes. */
static void test_golden(void **state)
{
    glob_t found;
    (void)state;
    assert_int_equal(glob(TEST_SOURCE_DIR "/golden/message/*.expect", 0, NULL, &found), 0);
    assert_true(found.gl_pathc > 50);
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (strstr(found.gl_pathv[i], "/doubles.expect") == NULL)
            check_golden(found.gl_pathv[i]);
    globfree(&found);
}

static void expect_json(const char *text, const char *wanted)
{
    struct buffer message = {0}, json = {0};
    struct err err = {0};
    size_t used;
    assert_int_equal(message_read_json(text, strlen(text), &used, &message, &err), 1);
    append_json(&message, &json);
    assert_int_equal(buffer_append(&json, "", 1), 0);
    assert_string_equal(json.data, wanted);
    buffer_fini(&message);
    buffer_fini(&json);
}

static void test_json(void **state)
{
    (void)state;
    expect_json("{}", "{\"Uuid\":\"00000000-0000-0000-0000-000000000000\",\"Timestamp\":0}");
    expect_json("\n {\"lane\": 0, \"message\": {\"Type\": \"t\", \"Timestamp\": -5}}",
                "{\"Uuid\":\"00000000-0000-0000-0000-000000000000\",\"Timestamp\":-5,"
                "\"Type\":\"t\"}");
    expect_json("{\"Fields\":[{\"name\":\"b\",\"type\":\"bytes\",\"values\":[\"\",\"Zg==\","
                "\"Zm8=\",\"Zm9v\",\"+/+/\"]},{\"name\":\"none\",\"type\":\"integer\","
                "\"values\":[]}]}",
                "{\"Uuid\":\"00000000-0000-0000-0000-000000000000\",\"Timestamp\":0,"
                "\"Fields\":[{\"name\":\"b\",\"type\":\"bytes\",\"values\":[\"\",\"Zg==\","
                "\"Zm8=\",\"Zm9v\",\"+/+/\"]},{\"name\":\"none\",\"type\":\"integer\","
                "\"values\":[]}]}");
}

static void test_json_stream(void **state)
{
    static const char text[] = "{\"Type\":\"a\"}\n{\"stages\":[],\"counters\":{}} {\"Pid\":1} \n";
    struct buffer message = {0};
    size_t at = 0, used, messages = 0, calls = 0;
    (void)state;
    while (at < sizeof(text) - 1) {
        int rc = message_read_json(text + at, sizeof(text) - 1 - at, &used, &message, NULL);
        assert_true(rc >= 0);
        messages += rc == 1;
        at += used;
        calls++;
    }
    assert_int_equal(messages, 2);
    assert_int_equal(calls, 4);
    buffer_fini(&message);
}

static void test_json_errors(void **state)
{
    static const char *const cases[][2] = {
        {"{", "JSON: line 1, column 1: string or '}' expected near end of file"},
        {"[]", "JSON: found an array, allowed an object"},
        {"{\"Type\": 5}", "Type: found an integer, allowed a text"},
        {"{\"Pid\": \"5\"}", "Pid: found a text, allowed an integer"},
        {"{\"Pid\": 5000000000}", "Pid: found a larger number, allowed 32 bits"},
        {"{\"Uuid\": \"abc\"}", "Uuid: found abc, allowed 32 hexadecimal digits"},
        {"{\"Uuid\": \"72de6a05-1b99-4a88-84c2-90797624c68f0\"}",
         "Uuid: found 72de6a05-1b99-4a88-84c2-90797624c68f0, allowed 32 hexadecimal digits"},
        {"{\"type\": \"x\"}", "message: found type, allowed Uuid, Timestamp, Type, Logger, "
                              "Severity, Payload, EnvVersion, Pid, Hostname, Fields"},
        {"{\"Fields\": {}}", "Fields: found an object, allowed an array"},
        {"{\"Fields\": [1]}", "Fields: found an integer, allowed objects"},
        {"{\"Fields\": [{\"type\": \"string\"}]}",
         "Fields: found a field without name, allowed objects with a name"},
        {"{\"Fields\": [{\"name\": \"a\", \"type\": \"int\"}]}",
         "type: found int, allowed string, bytes, integer, double, bool"},
        {"{\"Fields\": [{\"name\": \"a\", \"x\": \"\"}]}",
         "Fields: found x, allowed name, type, representation, values"},
        {"{\"Fields\": [{\"name\": \"a\", \"values\": 5}]}",
         "values: found an integer, allowed a text, and for values an array"},
        {"{\"Fields\": [{\"name\": \"a\", \"values\": [5]}]}",
         "values: found an integer, allowed string"},
        {"{\"Fields\": [{\"name\": \"a\", \"type\": \"bytes\", \"values\": [\"Zg=\"]}]}",
         "values: found a text, allowed bytes"},
        {"{\"Fields\": [{\"name\": \"a\", \"type\": \"bytes\", \"values\": [\"Z===\"]}]}",
         "values: found a text, allowed bytes"},
        {"{\"Fields\": [{\"name\": \"a\", \"type\": \"bool\", \"values\": [1]}]}",
         "values: found an integer, allowed bool"},
        {"{\"Fields\": [{\"name\": \"a\", \"type\": \"integer\", \"values\": [1.5]}]}",
         "values: found a number, allowed integer"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buffer out = {0};
        struct err err = {0};
        size_t used;
        assert_int_equal(
            message_read_json(cases[i][0], strlen(cases[i][0]), &used, &out, &err), -1);
        assert_int_equal(err.count, 1);
        assert_string_equal(err.texts[0], cases[i][1]);
        assert_int_equal(out.size, 0);
        buffer_fini(&out);
    }
}

static void test_pairs(void **state)
{
    static const char *const pairs[] = {
        "Fields[n]=200",
        "Severity=-3",
        "Type=a=b",
        "Fields[d]=-1.5e3",
        "Fields[q]='200'",
        "Fields[yes]=TRUE",
        "Fields[n]=text",
        "Timestamp=1400000000000000000",
        "Fields[e]=",
        "Fields[a.b=c]=FALSE",
        "Fields[long]=99999999999999999999",
        "Uuid=72de6a05-1b99-4a88-84c2-90797624c68f",
        "Fields[m]=1-2",
        "Fields[i]=inf",
    };
    struct buffer message = {0}, json = {0};
    struct err err = {0};
    (void)state;
    assert_int_equal(message_read_pairs(pairs, ARRAY_COUNT(pairs), &message, &err), 0);
    append_json(&message, &json);
    assert_int_equal(buffer_append(&json, "", 1), 0);
    assert_string_equal(
        json.data,
        "{\"Uuid\":\"72de6a05-1b99-4a88-84c2-90797624c68f\",\"Timestamp\":1400000000000000000,"
        "\"Type\":\"a=b\",\"Severity\":-3,\"Fields\":["
        "{\"name\":\"n\",\"type\":\"integer\",\"values\":[200]},"
        "{\"name\":\"d\",\"type\":\"double\",\"values\":[-1500]},"
        "{\"name\":\"q\",\"type\":\"string\",\"values\":[\"200\"]},"
        "{\"name\":\"yes\",\"type\":\"bool\",\"values\":[true]},"
        "{\"name\":\"n\",\"type\":\"string\",\"values\":[\"text\"]},"
        "{\"name\":\"e\",\"type\":\"string\",\"values\":[\"\"]},"
        "{\"name\":\"a.b=c\",\"type\":\"bool\",\"values\":[false]},"
        "{\"name\":\"long\",\"type\":\"double\",\"values\":[1e+20]},"
        "{\"name\":\"m\",\"type\":\"string\",\"values\":[\"1-2\"]},"
        "{\"name\":\"i\",\"type\":\"string\",\"values\":[\"inf\"]}]}");
    buffer_fini(&message);
    buffer_fini(&json);
}

static void test_pair_errors(void **state)
{
    static const char *const cases[][3] = {
        {"Type", NULL, "message: found 'Type', allowed NAME=VALUE"},
        {"Fields[a", NULL, "message: found 'Fields[a', allowed NAME=VALUE"},
        {"Fields[a]x=1", NULL, "message: found 'Fields[a]x=1', allowed NAME=VALUE"},
        {"Fields[]=1", NULL, "message: a field without name: 'Fields[]=1'"},
        {"Pid=1", "Pid=2", "Pid: found it twice, allowed once"},
        {"Pid=x", NULL, "Pid: found x, allowed an integer"},
        {"Pid=", NULL, "Pid: found , allowed an integer"},
        {"Pid=3000000000", NULL, "Pid: found 3000000000, allowed 32 bits"},
        {"Timestamp=now", NULL, "Timestamp: found now, allowed nanoseconds since 1970"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buffer out = {0};
        struct err err = {0};
        assert_int_equal(message_read_pairs(cases[i], cases[i][1] != NULL ? 2 : 1, &out, &err),
                         -1);
        assert_string_equal(err.texts[0], cases[i][2]);
        assert_int_equal(out.size, 0);
        buffer_fini(&out);
    }
}

static void test_limits(void **state)
{
    char deep[200];
    struct buffer out = {.max_size = 20};
    struct err err = {0};
    size_t used;
    static const char *const pair = "Type=longer than that";
    (void)state;
    assert_int_equal(message_read_pairs(&pair, 1, &out, &err), -1);
    assert_string_equal(err.texts[0], "the message is too large");
    assert_int_equal(out.size, 0);
    memset(deep, '[', 100);
    snprintf(deep, sizeof(deep), "{\"a\":");
    memset(deep + 5, '[', 50);
    memset(deep + 55, ']', 50);
    memcpy(deep + 105, "}", 2);
    assert_int_equal(message_read_json(deep, strlen(deep), &used, &out, &err), -1);
    assert_string_equal(err.texts[1],
                        "message: over 32 objects and arrays within each other");
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),      cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_stream), cmocka_unit_test(test_json_errors),
        cmocka_unit_test(test_pairs),       cmocka_unit_test(test_pair_errors),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
