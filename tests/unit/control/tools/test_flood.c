/* SPDX-License-Identifier: MPL-2.0
 *
 * test_flood.c - heka-flood's messages, read by the scanner that receivers have: each kind is seen
 * for what it is; shares are exact; the seed decides. And what a configuration may not say.
 */
#include "control/tools/flood.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/buffer.h"
#include "core/frame.h"

enum { MESSAGES = 2000 };

static const struct flood_source source = {"host", 77};

struct seen {
    uint64_t good, is_signed, bad_hmac, bad_header, unreadable, too_large;
};

struct sent {
    uint64_t messages[FLOOD_KINDS];
    struct buffer stream;
};

static struct conf_doc *parse(const char *text, struct flood_config *config, struct err *err)
{
    struct conf_doc *doc = NULL;
    if (toml_parse(text, strlen(text), "flood.toml", NULL, &doc, err) == 0)
        flood_config_read(doc, "default", config, err);
    return doc;
}

static void make(const char *text, unsigned count, struct sent *sent)
{
    struct err err = {0};
    struct flood_config config;
    struct flood flood;
    struct conf_doc *doc = parse(text, &config, &err);
    *sent = (struct sent){.stream = {.max_size = (size_t)1 << 30}};
    err_print(&err, stderr);
    assert_int_equal(err.count, 0);
    assert_int_equal(flood_init(&flood, &config, &source, &err), 0);
    for (unsigned i = 0; i < count; i++) {
        enum flood_kind kind;
        size_t size;
        assert_int_equal(flood_next(&flood, 1700000000000000000 + i, &size, &kind), 0);
        assert_int_equal(buffer_append(&sent->stream, flood.frame, size), 0);
        sent->messages[kind]++;
    }
    flood_fini(&flood);
    conf_doc_free(doc);
}

static void look_at(const struct frame *frame, struct seen *seen)
{
    struct msg_view view;
    if (frame->has_hmac && !frame_authentic(frame, "key", 3))
        seen->bad_hmac++;
    else if (msg_view_init(&view, frame->message, frame->message_size) != 0)
        seen->unreadable++;
    else if (frame->has_hmac)
        seen->is_signed++;
    else
        seen->good++;
}

static struct seen receive(const struct buffer *stream, size_t message_max)
{
    struct seen seen = {0};
    for (size_t at = 0, consumed; at < stream->size; at += consumed) {
        struct frame frame;
        enum frame_status status =
            frame_scan(stream->data + at, stream->size - at, message_max, &frame, &consumed);
        assert_int_not_equal(status, FRAME_MORE);
        if (status == FRAME_OK)
            look_at(&frame, &seen);
        seen.bad_header += status == FRAME_BAD_HEADER;
        seen.too_large += status == FRAME_TOO_LARGE;
    }
    return seen;
}

#define SHARES                                                                                     \
    "signed_percentage = 30\nsigned_corrupt_percentage = 10\ncorrupt_percentage = 20\n"            \
    "oversized_percentage = 12.5\n"
#define SIGNER "[default.signer]\nname = \"me\"\nhmac_key = \"key\"\n"

static void check_kinds(const char *text, unsigned count, size_t message_max)
{
    struct sent sent;
    make(text, count, &sent);
    struct seen seen = receive(&sent.stream, message_max);
    assert_int_equal(seen.good, sent.messages[FLOOD_GOOD]);
    assert_int_equal(seen.is_signed, sent.messages[FLOOD_SIGNED]);
    assert_int_equal(seen.bad_hmac, sent.messages[FLOOD_SIGNED_CORRUPT]);
    assert_int_equal(seen.bad_header, sent.messages[FLOOD_CORRUPT_HEADER]);
    assert_int_equal(seen.unreadable, sent.messages[FLOOD_CORRUPT_MESSAGE]);
    assert_int_equal(seen.too_large, sent.messages[FLOOD_OVERSIZED]);
    uint64_t is_signed = sent.messages[FLOOD_SIGNED] + sent.messages[FLOOD_SIGNED_CORRUPT];
    assert_int_equal(is_signed, count * 3 / 10);
    assert_in_range(sent.messages[FLOOD_OVERSIZED], count / 8 - 1, count / 8);
    for (unsigned kind = 0; kind < FLOOD_KINDS; kind++)
        assert_true(sent.messages[kind] > 0);
    buffer_fini(&sent.stream);
}

static void test_kinds(void **state)
{
    (void)state;
    check_kinds("[default]\nip_address = \"x:1\"\n" SHARES SIGNER, MESSAGES, 65536);
    check_kinds("[default]\nip_address = \"x:1\"\nvariable_size_messages = true\n" SHARES SIGNER,
                400, 65536);
}

/* Sizes in whose length a byte could begin a frame. */
static void test_oversized_headers(void **state)
{
    (void)state;
    static const char *const sizes[] = {"2700", "2800", "2900", "245000", "250000"};
    for (unsigned i = 0; i < 5; i++) {
        char text[512];
        long size = strtol(sizes[i], NULL, 10);
        snprintf(text, sizeof(text),
                 "[default]\nip_address = \"x:1\"\nmax_message_size = %s\n"
                 "static_message_size = %ld\noversized_percentage = 50\n",
                 sizes[i], size > 4000 ? size - 1000 : 1000);
        struct sent sent;
        make(text, 60, &sent);
        struct seen seen = receive(&sent.stream, (size_t)size);
        assert_int_equal(seen.too_large, 30);
        assert_int_equal(seen.good, 30);
        assert_int_equal(seen.bad_header, 0);
        buffer_fini(&sent.stream);
    }
}

static void test_seed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[default]\nip_address = \"x:1\"\nascii_only = true\n",
        "[default]\nip_address = \"x:1\"\nascii_only = true\nseed = 1\n",
        "[default]\nip_address = \"x:1\"\nascii_only = true\nseed = 2\n",
    };
    struct sent sent[3];
    for (unsigned i = 0; i < 3; i++)
        make(texts[i], 10, &sent[i]);
    assert_int_equal(sent[0].stream.size, sent[1].stream.size);
    assert_memory_equal(sent[0].stream.data, sent[1].stream.data, sent[0].stream.size);
    assert_memory_not_equal(sent[0].stream.data, sent[2].stream.data, sent[0].stream.size);
    for (unsigned i = 0; i < 3; i++)
        buffer_fini(&sent[i].stream);
}

/* Every option that Heka has, as its files have them. */
static void test_options(void **state)
{
    (void)state;
    struct err err = {0};
    struct flood_config config;
    struct conf_doc *doc = parse("[default]\n"
                                 "ip_address = \"127.0.0.1:5565\"\n"
                                 "sender = \"udp\" # tcp or udp\n"
                                 "pprof_file = \"\"\n"
                                 "encoder = \"protobuf\"\n"
                                 "num_messages = 9\n"
                                 "message_interval = \"1ms\"\n"
                                 "static_message_size = 0\n"
                                 "corrupt_percentage = 0.0001\n"
                                 "signed_percentage = 100\n"
                                 "oversized_percentage = 0.0\n"
                                 "variable_size_messages = false\n"
                                 "ascii_only = true\n"
                                 "use_tls = false\n"
                                 "max_message_size = 70000\n"
                                 "reconnect_on_error = true\n"
                                 "reconnect_interval = 3\n"
                                 "[default.tls]\ncert_file = \"x\"\n"
                                 "[default.signer]\nname = \"test\"\nhmac_hash = \"sha1\"\n"
                                 "hmac_key = \"secret\"\nversion = 4\n",
                                 &config, &err);
    assert_int_equal(err.count, 0);
    assert_int_equal(config.sender, FLOOD_UDP);
    assert_int_equal(config.num_messages, 9);
    assert_int_equal(config.message_interval, 1000000);
    assert_int_equal(config.static_message_size, 1000);
    assert_int_equal(config.max_message_size, 70000);
    assert_int_equal(config.reconnect_interval, 3);
    assert_true(config.ascii_only && config.reconnect_on_error);
    assert_string_equal(config.encoder, "protobuf");
    assert_string_equal(config.signer.name, "test");
    assert_string_equal(config.signer.hmac_key, "secret");
    assert_int_equal(config.signer.hmac_hash, FRAME_SHA1);
    assert_int_equal(config.signer.version, 4);
    conf_doc_free(doc);
}

/* 0.01 % is one in 10,000. */
static void test_rare(void **state)
{
    (void)state;
    struct sent sent;
    make("[default]\nip_address = \"x:1\"\nstatic_message_size = 1\n"
         "corrupt_percentage = 0.01\n",
         20000, &sent);
    assert_int_equal(sent.messages[FLOOD_CORRUPT_START], 1);
    assert_int_equal(sent.messages[FLOOD_CORRUPT_HEADER], 1);
    assert_int_equal(sent.messages[FLOOD_GOOD], 19998);
    buffer_fini(&sent.stream);
}

static void refuse(const char *text, const char *why)
{
    struct err err = {0};
    struct flood_config config;
    struct flood flood;
    struct conf_doc *doc = parse(text, &config, &err);
    if (err.count == 0)
        assert_int_equal(flood_init(&flood, &config, &source, &err), -1);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.texts[0], why);
    conf_doc_free(doc);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("[other]\n", "Configuration test: 'default' was not found");
    refuse("[default]\n", "flood.toml:1: ip_address: missing in 'default', required is a string");
    refuse("[default]\nip_address = \"x:1\"\nsender = \"sctp\"\n",
           "flood.toml:3: sender: found \"sctp\", allowed \"tcp\" or \"udp\"");
    refuse("[default]\nip_address = \"x:1\"\nmesage = 1\n",
           "flood.toml:3: unknown config setting for 'default': mesage");
    refuse("[default]\nip_address = \"x:1\"\nuse_tls = true\nsender = \"udp\"\n",
           "flood.toml:1: use_tls: there is no TLS with sender = \"udp\"");
    refuse("[default]\nip_address = \"x:1\"\nsigned_percentage = 1\n",
           "flood.toml:1: signed_percentage needs a [default.signer] with a name");
    refuse("[default]\nip_address = \"x:1\"\nsigned_corrupt_percentage = 1\n",
           "flood.toml:1: signed_corrupt_percentage needs a signed_percentage over 0");
    refuse("[default]\nip_address = \"x:1\"\nsigned_percentage = 60\noversized_percentage = "
           "41\n" SIGNER,
           "flood.toml:1: signed_percentage and oversized_percentage are more than 100 together");
    refuse("[default]\nip_address = \"x:1\"\nsender = \"udp\"\noversized_percentage = 1\n",
           "flood.toml:1: oversized_percentage: such a message fits in no datagram; "
           "max_message_size may be 61410 at most with sender = \"udp\"");
    refuse("[default]\nip_address = \"x:1\"\nstatic_message_size = 65500\n",
           "static_message_size: such a message has 65576 bytes, allowed are 65536");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds), cmocka_unit_test(test_oversized_headers),
        cmocka_unit_test(test_seed),  cmocka_unit_test(test_options),
        cmocka_unit_test(test_rare),  cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
