/* SPDX-License-Identifier: MPL-2.0
 *
 * test_decoder_host.c - programs and runners: sharing, sections without options, limits, counters.
 *
 * What decoders do is tested in tests/unit/codec, by way of this host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matcher/decoder_host.h"

enum { ROOM_SIZE = 4096 };

static struct err err;

struct bench {
    struct conf_doc *doc;
    struct decoder_program *program;
    uint8_t room[ROOM_SIZE];
    size_t size; /* committed */
};

static const struct conf_node *find(void *context, const char *name, struct conf_doc **doc)
{
    struct bench *bench = context;
    *doc = bench->doc;
    return conf_get(conf_root(bench->doc), name);
}

struct common {
    const char *type;
};
static const struct schema_key common_keys[] = {
    {.key = "type", .type = SCHEMA_STRING, .offset = offsetof(struct common, type)},
    {.key = NULL},
};
static const struct schema common = {.name = "decoder", .keys = common_keys};

static int load(struct bench *bench, const char *toml, const char *name)
{
    err.count = 0;
    *bench = (struct bench){0};
    assert_int_equal(toml_parse(toml, strlen(toml), "x.toml", NULL, &bench->doc, &err), 0);
    struct decoder_program_config config = {
        .name = name, .find = find, .context = bench, .common = &common,
        .message_size_max = ROOM_SIZE};
    return decoder_program_new(&config, &bench->program, &err);
}

static void unload(struct bench *bench)
{
    decoder_program_free(bench->program);
    conf_doc_free(bench->doc);
}

static uint8_t *begin(void *context, size_t *capacity)
{
    struct bench *bench = context;
    *capacity = ROOM_SIZE;
    return bench->room;
}

static void commit(void *context, size_t size)
{
    struct bench *bench = context;
    bench->size = size;
}

/* Decodes a message with this payload; the code, and the result in `out` when it is 0. */
static int decode(struct bench *bench, struct decoder_runner *runner, const char *payload,
                  struct msg_view *out)
{
    uint8_t bytes[512], uuid[MSG_UUID_SIZE] = {1};
    struct msg_builder builder;
    struct msg_view message;
    struct decode_io io = {.context = bench, .begin = begin, .commit = commit};
    msg_builder_init(&builder, bytes, sizeof(bytes));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    msg_builder_payload(&builder, payload, strlen(payload));
    assert_int_equal(msg_view_init(&message, bytes, builder.size), 0);
    bench->size = 0;
    int rc = decoder_runner_decode(runner, &message, &io);
    assert_int_equal(rc == 0, bench->size > 0);
    if (rc == 0)
        assert_int_equal(msg_view_init(out, bench->room, bench->size), 0);
    return rc;
}

static const char many[] =
    "[main]\ntype = 'MultiDecoder'\nsubs = ['a', 'b', 'c', 'd', 'a']\n"
    "[a]\ntype = 'PayloadRegexDecoder'\nmatch_regex = '^alpha (?P<V>\\w+)'\n"
    "[a.message_fields]\nType = 'a-%V%'\n"
    "[b]\ntype = 'PayloadRegexDecoder'\nmatch_regex = '^beta (?P<V>\\w+)'\n"
    "[b.message_fields]\nType = 'b-%V%'\n"
    "[c]\ntype = 'PayloadRegexDecoder'\nmatch_regex = '^gamma (?P<V>\\w+)'\n"
    "[c.message_fields]\nType = 'c-%V%'\n"
    "[d]\ntype = 'PayloadRegexDecoder'\nmatch_regex = '^delta (?P<V>\\w+)'\n"
    "[d.message_fields]\nType = 'd-%V%'\n";

/* Two runners of one program, turn by turn: neither knows of the other's texts. */
static void test_runners(void **state)
{
    static const char *const payloads[] = {"alpha one", "beta two", "gamma three", "delta four"};
    static const char *const types[] = {"a-one", "b-two", "c-three", "d-four"};
    struct bench bench;
    struct decoder_runner *runners[2];
    struct msg_view view;
    (void)state;
    assert_int_equal(load(&bench, many, "main"), 0);
    assert_ptr_equal(decoder_program_type(bench.program), &multi_decoder);
    assert_int_equal(decoder_program_expressions(bench.program), 5); /* "a" is there twice */
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(decoder_runner_new(bench.program, &runners[i], &err), 0);
    assert_ptr_not_equal(decoder_runner_root(runners[0]).state,
                         decoder_runner_root(runners[1]).state);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(decode(&bench, runners[i % 2], payloads[i / 2 % 4], &view), 0);
        assert_memory_equal(view.type.ptr, types[i / 2 % 4], view.type.len);
        assert_int_equal(decode(&bench, runners[i % 2], "epsilon five", &view),
                         DECODE_E_ALL_FAILED);
    }
    decoder_runner_free(runners[0]);
    decoder_runner_free(runners[1]);
    unload(&bench);
}

static void test_protobuf(void **state)
{
    static const char message[] = "\x0a\x10" "0123456789abcdef" "\x10\x05" "\x1a\x01" "t";
    static const char cut[] = "\x0a\x10" "0123456789abcdef" "\x10\x05" "\x1a\x02" "t";
    struct bench bench;
    struct decoder_runner *runner;
    struct msg_view view;
    (void)state;
    assert_int_equal(load(&bench, "", "ProtobufDecoder"), 0); /* exists without a section */
    assert_int_equal(decoder_runner_new(bench.program, &runner, &err), 0);
    assert_int_equal(decode(&bench, runner, message, &view), 0);
    assert_int_equal(view.timestamp_ns, 5);
    assert_int_equal(decode(&bench, runner, cut, &view), DECODE_E_MALFORMED);
    assert_int_equal(decode(&bench, runner, "", &view), DECODE_E_MALFORMED);
    decoder_runner_free(runner);
    unload(&bench);
    assert_int_equal(load(&bench, "[ProtobufDecoder]\nno = 1\n", "ProtobufDecoder"), -1);
    assert_string_equal(err.texts[0],
                        "x.toml:2: unknown config setting for 'ProtobufDecoder': no");
    unload(&bench);
}

static void expect_refused(const char *toml, unsigned count, const char *text)
{
    struct bench bench;
    assert_int_equal(load(&bench, toml, "main"), -1);
    assert_null(bench.program);
    if (err.count != count || strcmp(err.texts[0], text) != 0)
        fail_msg("%u: %s", err.count, err.texts[0]);
    unload(&bench);
}

static void test_refused(void **state)
{
    (void)state;
    expect_refused("", 1, "there is no decoder 'main'");
    expect_refused("[main]\ntype = 'FileOutput'\n", 1,
                   "x.toml:1: 'main' is no decoder of this version");
    /* a bad section that is named twice is said once */
    expect_refused("[main]\ntype = 'MultiDecoder'\nsubs = ['a', 'a']\n"
                   "[a]\ntype = 'PayloadRegexDecoder'\nmatch_regex = '('\n",
                   1,
                   "x.toml:4: 'a': PayloadRegexDecoder: match_regex: position 1: expected \")\" "
                   "for the \"(\" here");
    expect_refused("[main]\ntype = 'MultiDecoder'\nsubs = ['a', 'b']\n"
                   "[a]\ntype = 'MultiDecoder'\nsubs = ['b']\n"
                   "[b]\ntype = 'MultiDecoder'\nsubs = ['a']\n",
                   1, "x.toml:1: 'main': circular dependency detected: a > b > a");
}

/* Sections that name each other twice over and over: 2 to the 15 instances. */
static void test_too_many(void **state)
{
    char toml[2048] = "[main]\ntype = 'MultiDecoder'\nsubs = ['m1', 'm1']\n";
    size_t len = strlen(toml);
    (void)state;
    for (int i = 1; i < 15; i++)
        len += (size_t)snprintf(toml + len, sizeof(toml) - len,
                                "[m%d]\ntype = 'MultiDecoder'\nsubs = ['m%d', 'm%d']\n", i, i + 1,
                                i + 1);
    snprintf(toml + len, sizeof(toml) - len,
             "[m15]\ntype = 'ScribbleDecoder'\n[m15.message_fields]\nType = 'x'\n");
    expect_refused(toml, 1, "x.toml:40: 'm13': over 4096 decoders in 'main'");
}

static void test_counters(void **state)
{
    struct counters counters = {0};
    struct decode_io io = {.notes = {3, 4, 5, 6, 7}};
    (void)state;
    for (int code = DECODE_E_NO_MATCH; code >= DECODE_E_MALFORMED; code--) {
        char name[64];
        snprintf(name, sizeof(name), "decode_%s", decode_error_name(code));
        assert_string_equal(counter_name(decoder_counter(code)), name);
    }
    decoder_count_notes(&counters, &io);
    for (int note = 0; note < DECODE_NOTES; note++) {
        char name[64];
        snprintf(name, sizeof(name), "decode_%s", decode_note_name((enum decode_note)note));
        assert_int_equal(counters.values[counter_find(name)], note + 3);
    }
}

static void test_failure(void **state)
{
    uint8_t bytes[1024], plain[128], uuid[MSG_UUID_SIZE] = {2};
    char reason[600];
    struct msg_builder builder;
    struct msg_view message, failed;
    struct msg_field field;
    struct msg_slice text;
    bool value = false;
    (void)state;
    memset(reason, 'r', sizeof(reason));
    msg_builder_init(&builder, plain, sizeof(plain));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    msg_builder_payload(&builder, "p", 1);
    assert_int_equal(msg_view_init(&message, plain, builder.size), 0);
    msg_builder_init(&builder, bytes, sizeof(bytes));
    decoder_write_failure(&builder, &message, reason, sizeof(reason));
    assert_int_equal(msg_view_init(&failed, bytes, (size_t)msg_builder_finish(&builder)), 0);
    assert_memory_equal(failed.payload.ptr, "p", 1);
    assert_true(msg_field_find(&failed, "decode_failure", 14, 0, &field));
    assert_true(msg_field_bool(&field, 0, &value) && value);
    assert_true(msg_field_find(&failed, "decode_error", 12, 0, &field));
    assert_true(msg_field_slice(&field, 0, &text));
    assert_int_equal(text.len, DECODER_ERROR_TEXT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runners),  cmocka_unit_test(test_protobuf),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_counters), cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
