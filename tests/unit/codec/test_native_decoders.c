/* SPDX-License-Identifier: MPL-2.0
 *
 * test_native_decoders.c - SyslogDecoder and JsonDecoder where the golden cases do not reach:
 * rooms, memory, bytes that no text has, many keys, and JSON against jansson.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/chance.h"
#include "tests/support/decoder_rig.h"
#include "tests/support/json_oracle.h"
#include "tests/unit/core/alloc_fail.h"

#define NOW_NS (INT64_C(1718445600) * 1000000000)

enum { ROUNDS = 20000, DOCUMENT_MAX = 2000, MANY_KEYS = 2048 };

static const char syslog_toml[] = "[main]\ntype = 'SyslogDecoder'\ntz = 'Europe/Berlin'\n"
                                  "rawmsg_keep = true\nmessage_type = 'x'\n";
static const char json_toml[] =
    "[main]\ntype = 'JsonDecoder'\n[main.severity_map]\nwarn = 4\n"
    "[main.message_members]\nSeverity = 'level'\nPayload = 'msg'\nTimestamp = 'ts'\n";
static const char syslog_line[] =
    "<165>1 2003-10-11T22:14:15.003Z host.example.com program 77 ID47 "
    "[a@1 k=\"v\\\"w\" l=\"\"][b@2] text";
static const char json_line[] =
    "{\"ts\":\"2024-06-15T11:00:00Z\",\"level\":\"warn\",\"msg\":\"a\\nb\",\"n\":{\"list\":[1,2],"
    "\"mixed\":[1,\"x\"],\"s\":[\"\\u0041\"]},\"e\":\"\\\"\",\"f\":1.5}";

static void start(struct decoder_rig *rig, const char *toml)
{
    struct err err = {0};
    if (decoder_rig_init(rig, toml, "main", &err) != 0)
        fail_msg("%s", err.texts[0]);
}

static int decode(struct decoder_rig *rig, const char *payload, size_t len)
{
    return decoder_rig_decode_text(rig, (struct msg_slice){payload, (uint32_t)len}, NOW_NS);
}

/* ---- room ---- */

/* In each room that is too small: the error and nothing else; in any other the same message. */
static void check_rooms(const char *toml, const char *line)
{
    struct decoder_rig whole = {.is_quiet = true};
    start(&whole, toml);
    assert_int_equal(decode(&whole, line, strlen(line)), 0);
    for (size_t room = 1; room < whole.sizes[0] + 200; room++) {
        struct decoder_rig rig = {.room_size = room, .is_quiet = room % 2 == 0};
        start(&rig, toml);
        int rc = decode(&rig, line, strlen(line));
        if (room < whole.sizes[0]) {
            assert_int_equal(rc, DECODE_E_ROOM);
            assert_int_equal(rig.message_count, 0);
        } else {
            assert_int_equal(rc, 0);
            assert_int_equal(rig.sizes[0], whole.sizes[0]);
            assert_memory_equal(rig.messages[0], whole.messages[0], rig.sizes[0]);
        }
        decoder_rig_fini(&rig);
    }
    decoder_rig_fini(&whole);
}

static void test_rooms(void **state)
{
    (void)state;
    check_rooms(syslog_toml, syslog_line);
    check_rooms(json_toml, json_line);
}

/* ---- memory ---- */

static void check_init(const char *toml)
{
    unsigned refused = 0;
    for (unsigned i = 0;; i++) {
        struct decoder_rig rig = {0};
        struct err err = {0};
        alloc_fail_at(i);
        int rc = decoder_rig_init(&rig, toml, "main", &err);
        bool failed = alloc_fail_stop();
        decoder_rig_fini(&rig);
        if (!failed) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_true(rc == 0 || err.count > 0);
        refused += rc != 0;
    }
    assert_true(refused > 5);
}

/* What the rig allocates for the text and the copy of the message. */
enum { RIG_ALLOCATIONS = 3 };

static void check_decode(const char *toml, const char *line)
{
    struct decoder_rig rig = {.is_quiet = true};
    start(&rig, toml);
    alloc_fail_at(RIG_ALLOCATIONS);
    int rc = decode(&rig, line, strlen(line));
    assert_false(alloc_fail_stop());
    assert_int_equal(rc, 0);
    decoder_rig_fini(&rig);
}

static void test_memory(void **state)
{
    (void)state;
    check_init(syslog_toml);
    check_init(json_toml);
    check_decode(syslog_toml, syslog_line);
    check_decode(json_toml, json_line);
}

/* ---- syslog ---- */

static void test_line_ends(void **state)
{
    static const struct {
        const char *line;
        size_t len;
    } cases[] = {{"<13>p: a\0", 9}, {"<13>p: a\r\n", 10}, {"<13>p: a\n\0\0", 11}, {"<13>p: a", 8}};
    struct decoder_rig rig = {0};
    (void)state;
    start(&rig, "[main]\ntype = 'SyslogDecoder'\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct msg_view view;
        assert_int_equal(decode(&rig, cases[i].line, cases[i].len), 0);
        assert_int_equal(msg_view_init(&view, rig.messages[0], rig.sizes[0]), 0);
        assert_int_equal(view.payload.len, 1);
        assert_int_equal(view.payload.ptr[0], 'a');
    }
    assert_int_equal(decode(&rig, "<13>p: a\0b", 10), 0);
    struct msg_view view;
    assert_int_equal(msg_view_init(&view, rig.messages[0], rig.sizes[0]), 0);
    assert_int_equal(view.payload.len, 3);
    decoder_rig_fini(&rig);
}

/* ---- JSON ---- */

static void test_bad_utf8(void **state)
{
    static const char *const bad[] = {"\x80",
                                      "\xc0\xaf",
                                      "\xc3",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xe2\x82",
                                      "\xf5\x80\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf0\x9f\x98",
                                      "\xfe",
                                      "\xff"};
    struct decoder_rig rig = {0};
    (void)state;
    start(&rig, json_toml);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[64];
        int len = snprintf(line, sizeof(line), "{\"a\":\"12345678%s\"}", bad[i]);
        assert_int_equal(decode(&rig, line, (size_t)len), DECODE_E_MALFORMED);
        assert_non_null(strstr(rig.reason.data, "not UTF-8 at byte 14"));
        len = snprintf(line, sizeof(line), "{\"%s\":1}", bad[i]);
        assert_int_equal(decode(&rig, line, (size_t)len), DECODE_E_MALFORMED);
    }
    decoder_rig_fini(&rig);
}

/* `count` different keys, and one more like the first. */
static int decode_keys(struct decoder_rig *rig, unsigned count, bool again)
{
    struct buffer line = {0};
    assert_int_equal(buffer_printf(&line, "{\"k\":0"), 0);
    for (unsigned i = 1; i < count; i++)
        assert_int_equal(buffer_printf(&line, ",\"k%u\":0", i * 7), 0);
    assert_int_equal(buffer_printf(&line, again ? ",\"k\":0}" : "}"), 0);
    int rc = decode(rig, line.data, line.size);
    buffer_fini(&line);
    return rc;
}

static void test_many_keys(void **state)
{
    struct decoder_rig rig = {0};
    (void)state;
    start(&rig, json_toml);
    for (unsigned count = 2; count < MANY_KEYS; count += count / 3 + 1) {
        assert_int_equal(decode_keys(&rig, count, false), 0);
        assert_int_equal(decode_keys(&rig, count, true), DECODE_E_MALFORMED);
    }
    assert_int_equal(decode_keys(&rig, MANY_KEYS, false), 0);
    assert_int_equal(decode_keys(&rig, MANY_KEYS, true), DECODE_E_LIMIT);
    assert_int_equal(decode_keys(&rig, MANY_KEYS + 1, false), DECODE_E_LIMIT);
    decoder_rig_fini(&rig);
}

static void test_long_numbers(void **state)
{
    char line[2000];
    struct decoder_rig rig = {0};
    (void)state;
    start(&rig, json_toml);
    int len = snprintf(line, sizeof(line), "{\"a\":0.%0*d1}", 1021, 0);
    assert_int_equal(decode(&rig, line, (size_t)len), 0);
    len = snprintf(line, sizeof(line), "{\"a\":0.%0*d1}", 1022, 0);
    assert_int_equal(decode(&rig, line, (size_t)len), DECODE_E_LIMIT);
    len = snprintf(line, sizeof(line), "{\"a\":1%0*d}", 400, 0);
    assert_int_equal(decode(&rig, line, (size_t)len), DECODE_E_MALFORMED);
    decoder_rig_fini(&rig);
}

/* A note belongs to a message that was decoded. */
static void test_notes_of_failures(void **state)
{
    static const char good[] = "{\"level\":\"x\",\"a\":null}";
    static const char bad[] = "{\"level\":\"x\",\"a\":null";
    struct decoder_rig rig = {.is_quiet = true};
    (void)state;
    start(&rig, json_toml);
    assert_int_equal(decode(&rig, good, strlen(good)), 0);
    assert_int_equal(rig.notes[DECODE_NOTE_SEVERITY], 1);
    assert_int_equal(rig.notes[DECODE_NOTE_NULL], 1);
    assert_int_equal(decode(&rig, bad, strlen(bad)), DECODE_E_MALFORMED);
    assert_int_equal(rig.notes[DECODE_NOTE_SEVERITY], 0);
    assert_int_equal(rig.notes[DECODE_NOTE_NULL], 0);
    decoder_rig_fini(&rig);
}

struct document {
    char text[DOCUMENT_MAX + 64];
    size_t len;
    uint64_t random;
};

static unsigned pick(struct document *document, unsigned limit)
{
    return chance_below(&document->random, limit);
}

static void put(struct document *document, const char *text)
{
    size_t len = strlen(text);
    if (document->len + len < DOCUMENT_MAX) {
        memcpy(document->text + document->len, text, len);
        document->len += len;
    }
}

static void put_string(struct document *document)
{
    static const char *const pieces[] = {
        "a",    "key",     "é",
        "€",    "😀",       "\\n",
        "\\\"", "\\u00e9", "\\ud83d\\ude00",
        "\\/",  "\\u0000", "12345678901234567",
        " ",    "\\\\",    ".",
    };
    put(document, "\"");
    for (unsigned i = pick(document, 5); i > 0; i--)
        put(document, pieces[pick(document, sizeof(pieces) / sizeof(pieces[0]))]);
    put(document, "\"");
}

static void put_number(struct document *document)
{
    char text[64];
    static const char *const odd[] = {"0",
                                      "-0",
                                      "9223372036854775807",
                                      "-9223372036854775808",
                                      "1e308",
                                      "5e-324",
                                      "9007199254740993",
                                      "0.1",
                                      "123456789012345678e-5",
                                      "-1.5E+10"};
    unsigned kind = pick(document, 4);
    if (kind == 0)
        put(document, odd[pick(document, sizeof(odd) / sizeof(odd[0]))]);
    else if (kind == 1)
        put(document, (snprintf(text, sizeof(text), "%u", pick(document, 100000)), text));
    else if (kind == 2)
        put(document,
            (snprintf(text, sizeof(text), "-%u.%u", pick(document, 1000), pick(document, 100000)),
             text));
    else
        put(document, (snprintf(text, sizeof(text), "%u%ue%d", pick(document, UINT32_MAX),
                                pick(document, UINT32_MAX), (int)pick(document, 600) - 330),
                       text));
}

static void put_value(struct document *document, unsigned depth);

static void put_list(struct document *document, unsigned depth, bool is_object)
{
    unsigned count = pick(document, 5);
    unsigned kind = pick(document, 8);
    put(document, is_object ? "{" : "[");
    for (unsigned i = 0; i < count; i++) {
        put(document, i > 0 ? (pick(document, 4) == 0 ? " ,\n" : ",") : "");
        if (is_object) {
            put_string(document);
            put(document, pick(document, 4) == 0 ? " : " : ":");
        }
        if (!is_object && kind < 3)
            put_number(document);
        else if (!is_object && kind == 3)
            put_string(document);
        else
            put_value(document, depth + 1);
    }
    put(document, is_object ? "}" : "]");
}

static void put_value(struct document *document, unsigned depth)
{
    static const char *const words[] = {"true", "false", "null"};
    unsigned kind = pick(document, depth > 4 ? 5 : 9);
    if (kind < 2)
        put_string(document);
    else if (kind < 4)
        put_number(document);
    else if (kind == 4)
        put(document, words[pick(document, 3)]);
    else
        put_list(document, depth, kind < 7);
}

/* Sometimes a byte is another one, or the end is missing. */
static void spoil(struct document *document)
{
    if (pick(document, 3) != 0 || document->len == 0)
        return;
    size_t at = pick(document, (unsigned)document->len);
    if (pick(document, 4) == 0)
        document->len = at;
    else
        document->text[at] = (char)pick(document, 256);
}

static void test_against_jansson(void **state)
{
    struct decoder_rig rig = {0};
    unsigned taken = 0, refused = 0;
    (void)state;
    start(&rig, "[main]\ntype = 'JsonDecoder'\n");
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct document document = {.random = seed * 2654435761u};
        struct msg_view view;
        put_list(&document, 1, true);
        spoil(&document);
        int rc = decode(&rig, document.text, document.len);
        if (rc == 0)
            assert_int_equal(msg_view_init(&view, rig.messages[0], rig.sizes[0]), 0);
        json_oracle_check((struct msg_slice){document.text, (uint32_t)document.len}, rc,
                          rc == 0 ? &view : NULL);
        taken += rc == 0;
        refused += rc != 0;
    }
    assert_true(taken > ROUNDS / 4);
    assert_true(refused > ROUNDS / 10);
    decoder_rig_fini(&rig);
}

int main(void)
{
    setenv("ZONEINFO", TEST_SOURCE_DIR "/golden/time/zones", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rooms),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_bad_utf8),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_long_numbers),
        cmocka_unit_test(test_notes_of_failures),
        cmocka_unit_test(test_against_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
