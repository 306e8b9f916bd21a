/* SPDX-License-Identifier: MPL-2.0
 *
 * test_decoder_golden.c - a folder of tests/golden (decoder, or the argument): decoders by their
 * configuration, messages in, messages out.
 *
 * NAME.in: TOML. [main] is the decoder, other sections are those that it names; [test] has `now`,
 * and `payloads`, one for each message; other members of the messages are always the same.
 * NAME.expect: for each payload its log lines, then each message as JSON, or the name of the error
 * and its text; or "refused:" and the errors of the configuration.
 *
 * [option MultiDecoder.subs] [option MultiDecoder.cascade_strategy]
 * [option MultiDecoder.log_sub_errors] [option PayloadRegexDecoder.match_regex]
 * [option PayloadRegexDecoder.severity_map] [option PayloadRegexDecoder.message_fields]
 * [option PayloadRegexDecoder.timestamp_layout] [option PayloadRegexDecoder.timestamp_location]
 * [option PayloadRegexDecoder.log_errors] [option ScribbleDecoder.message_fields]
 * [option JsonDecoder.message_type] [option JsonDecoder.message_members]
 * [option JsonDecoder.message_members.Type] [option JsonDecoder.message_members.Logger]
 * [option JsonDecoder.message_members.Payload] [option JsonDecoder.message_members.EnvVersion]
 * [option JsonDecoder.message_members.Hostname] [option JsonDecoder.message_members.Uuid]
 * [option JsonDecoder.message_members.Timestamp] [option JsonDecoder.message_members.Severity]
 * [option JsonDecoder.message_members.Pid] [option JsonDecoder.severity_map]
 * [option JsonDecoder.timestamp_layout] [option JsonDecoder.timestamp_location]
 * [option JsonDecoder.separator] [option JsonDecoder.maximum_depth]
 * [option JsonDecoder.duplicate_keys] [option JsonDecoder.payload_keep]
 * [option JsonDecoder.log_errors] [option SyslogDecoder.tz] [option SyslogDecoder.message_type]
 * [option SyslogDecoder.hostname_keep] [option SyslogDecoder.rawmsg_keep]
 * [option SyslogDecoder.log_errors]
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/message_json.h"
#include "tests/support/decoder_rig.h"
#include "tests/support/golden.h"

enum { MESSAGE_SIZE = 8192 };

static size_t write_message(uint8_t *bytes, const struct conf_node *payload)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {0x72, 0xde, 0x6a, 0x05, 0xab, 0xaf, 0x49, 0xee,
                                                0xb1, 0x11, 0x51, 0xa6, 0x71, 0xb3, 0x2e, 0x62};
    struct msg_builder builder;
    msg_builder_init(&builder, bytes, MESSAGE_SIZE);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1000000007);
    msg_builder_type(&builder, "log", 3);
    msg_builder_logger(&builder, "input", 5);
    msg_builder_payload(&builder, payload->str, payload->str_len);
    msg_builder_hostname(&builder, "host-1", 6);
    msg_builder_field_integer(&builder, "size", 5, "B");
    assert_true(msg_builder_finish(&builder) > 0);
    return builder.size;
}

static void print_messages(const struct decoder_rig *rig, struct buffer *out)
{
    for (unsigned i = 0; i < rig->message_count; i++) {
        struct msg_view view;
        assert_int_equal(msg_view_init(&view, rig->messages[i], rig->sizes[i]), 0);
        assert_int_equal(message_json(&view, out), 0);
        buffer_append_text(out, "\n");
    }
}

static void run_payload(struct decoder_rig *rig, const struct conf_node *payload, int64_t now_ns,
                        struct buffer *out)
{
    uint8_t bytes[MESSAGE_SIZE];
    struct msg_view message;
    assert_int_equal(msg_view_init(&message, bytes, write_message(bytes, payload)), 0);
    int rc = decoder_rig_decode(rig, &message, now_ns);
    buffer_printf(out, "> ");
    buffer_append(out, payload->str, payload->str_len);
    buffer_append_text(out, "\n");
    buffer_append(out, rig->log.data, rig->log.size);
    for (int note = 0; note < DECODE_NOTES; note++) {
        if (rig->notes[note] > 0)
            buffer_printf(out, "%s %" PRIu64 "\n", decode_note_name((enum decode_note)note),
                          rig->notes[note]);
    }
    if (rc != 0) {
        assert_int_equal(rig->message_count, 0);
        buffer_printf(out, "%s: ", decode_error_name(rc));
        buffer_append(out, rig->reason.data, rig->reason.size);
        buffer_append_text(out, "\n");
    }
    print_messages(rig, out);
}

static void run(const char *name, const struct buffer *in, struct buffer *out)
{
    (void)name;
    struct decoder_rig rig = {0};
    struct err err = {0};
    if (decoder_rig_init(&rig, in->data, "main", &err) != 0) {
        assert_true(err.count > 0);
        buffer_append_text(out, "refused:\n");
        for (unsigned i = 0; i < err.count; i++)
            buffer_printf(out, "%s\n", err.texts[i]);
    } else {
        const struct conf_node *test = conf_get(conf_root(rig.doc), "test");
        const struct conf_node *now = test != NULL ? conf_get(test, "now") : NULL;
        const struct conf_node *payloads = test != NULL ? conf_get(test, "payloads") : NULL;
        assert_non_null(payloads);
        for (const struct conf_node *at = payloads->first; at != NULL; at = at->next)
            run_payload(&rig, at, now != NULL ? now->i : 0, out);
    }
    decoder_rig_fini(&rig);
}

static const char *folder = "decoder";
static unsigned least = 32;

static void test_golden_decoders(void **state)
{
    (void)state;
    assert_int_equal(golden_run(folder, least, run), 0);
}

/* test_decoder_golden [FOLDER LEAST] */
int main(int argc, char **argv)
{
    if (argc == 3) {
        folder = argv[1];
        least = (unsigned)strtoul(argv[2], NULL, 10);
    }
    setenv("ZONEINFO", TEST_SOURCE_DIR "/golden/time/zones", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_decoders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
