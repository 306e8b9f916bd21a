/* SPDX-License-Identifier: MPL-2.0
 *
 * test_tcp_input.c - streams to messages: frames, signatures, lines, and connections that come and
 *                    go.
 *
 * [option TcpInput.address] [option TcpInput.net] [option TcpInput.connections_max]
 * [option HekaFramingSplitter.signer]
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/frame.h"
#include "tests/unit/control/input_rig.h"

#define ADDRESS "@heka-test-tcp-input"

static const char framed[] = "[in]\ntype = \"TcpInput\"\nnet = \"unix\"\naddress = \"" ADDRESS
                             "\"\nconnections_max = 3\nsplitter = \"signed\"\n"
                             "[signed]\ntype = \"HekaFramingSplitter\"\n"
                             "[signed.signer.alice_1]\nhmac_key = \"secret\"\n"
                             "[signed.signer.bob_1]\nhmac_key = \"other\"\n";

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(ADDRESS);
    memcpy(address.sun_path, ADDRESS, len);
    address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&address,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    return fd;
}

static void send_bytes(int fd, const void *bytes, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);
        assert_true(n > 0);
        sent += (size_t)n;
    }
}

static size_t make_frame(uint8_t *frame, size_t capacity, const char *payload,
                         const struct frame_signer *signer)
{
    uint8_t message[1024];
    const uint8_t uuid[MSG_UUID_SIZE] = {1};
    struct msg_builder builder;
    msg_builder_init(&builder, message, sizeof(message));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    msg_builder_type(&builder, "TEST", 4);
    msg_builder_payload(&builder, payload, strlen(payload));
    int64_t size = frame_write(frame, capacity, message, (size_t)msg_builder_finish(&builder), 1024,
                               signer);
    assert_true(size > 0);
    return (size_t)size;
}

static void send_frame(int fd, const char *payload, const char *name, const char *key)
{
    uint8_t frame[2048];
    struct frame_signer signer = {
        .name = name, .version = 1, .hash = FRAME_SHA1, .key = key,
        .key_size = key != NULL ? strlen(key) : 0};
    size_t size = make_frame(frame, sizeof(frame), payload, name != NULL ? &signer : NULL);
    send_bytes(fd, frame, size);
}

static void test_signed(void **state)
{
    static const char no_hmac[] = "\x1e\x09\x08\x00\x22\x05"
                                  "alice\x1f"; /* names alice, proves nothing; no message */
    struct input_rig rig;
    struct counters ledger;
    bool is_signed;
    (void)state;
    input_rig_init(&rig, framed);
    int fd = dial();
    send_frame(fd, "unsigned", NULL, NULL);
    send_frame(fd, "signed", "alice", "secret");
    send_frame(fd, "forged", "alice", "wrong");
    send_frame(fd, "by bob", "bob", "other");
    send_frame(fd, "unknown", "mallory", "secret");
    send_bytes(fd, no_hmac, sizeof(no_hmac) - 1);
    send_bytes(fd, "garbage", 7);
    send_frame(fd, "last", NULL, NULL);
    input_rig_wait_count(&rig, 0, 4);
    static const struct {
        const char *payload;
        bool is_alices;
    } expected[] = {{"unsigned", false}, {"signed", true}, {"by bob", false}, {"last", false}};
    for (unsigned i = 0; i < 4; i++) {
        struct msg_view view = input_rig_message(&rig, 0, i, &is_signed);
        assert_int_equal(view.payload.len, strlen(expected[i].payload));
        assert_memory_equal(view.payload.ptr, expected[i].payload, view.payload.len);
        assert_int_equal(is_signed, expected[i].is_alices);
        assert_memory_equal(view.type.ptr, "TEST", 4);
        assert_int_equal(view.timestamp_ns, 1);
    }
    send_bytes(fd, "\x1e\x02", 2);
    close(fd);
    input_rig_wait_counter(&rig, 0, "connections_open", 0);
    input_rig_stop(&rig, &ledger);
    assert_int_equal(ledger.values[COUNTER_TEXT_MESSAGES], 4);
    assert_int_equal(ledger.values[COUNTER_TEXT_BAD_HMAC], 1);
    assert_int_equal(ledger.values[COUNTER_TEXT_UNKNOWN_SIGNER], 1);
    assert_int_equal(ledger.values[COUNTER_TEXT_NO_HMAC], 1);
    assert_true(ledger.values[COUNTER_TEXT_GARBAGE] >= 1);
    assert_int_equal(ledger.values[COUNTER_TEXT_INCOMPLETE], 1);
    assert_int_equal(ledger.values[COUNTER_MESSAGES_COMMITTED], 4);
    input_rig_fini(&rig);
}

static void test_malformed(void **state)
{
    struct input_rig rig;
    struct counters ledger;
    uint8_t frame[64];
    (void)state;
    input_rig_init(&rig, framed);
    int fd = dial();
    int64_t size = frame_write(frame, sizeof(frame), "no message", 10, 1024, NULL);
    send_bytes(fd, frame, (size_t)size);
    send_frame(fd, "good", NULL, NULL);
    input_rig_wait_count(&rig, 0, 1);
    input_rig_stop(&rig, &ledger);
    assert_int_equal(ledger.values[COUNTER_MESSAGES_MALFORMED], 1);
    assert_int_equal(ledger.values[COUNTER_MESSAGES_COMMITTED], 1);
    close(fd);
    input_rig_fini(&rig);
}

/* However the bytes are cut, and however many connections there are. */
static void test_pieces(void **state)
{
    struct input_rig rig;
    uint8_t frame[2048];
    int fds[3];
    (void)state;
    input_rig_init(&rig, framed);
    for (unsigned i = 0; i < 3; i++)
        fds[i] = dial();
    input_rig_wait_counter(&rig, 0, "connections_open", 3);
    size_t size = make_frame(frame, sizeof(frame), "cut into bytes", NULL);
    for (size_t at = 0; at < size; at++)
        for (unsigned i = 0; i < 3; i++)
            send_bytes(fds[i], frame + at, 1);
    input_rig_wait_count(&rig, 0, 3);
    /* A fourth one is closed at once. */
    int extra = dial();
    char byte;
    assert_int_equal(recv(extra, &byte, 1, 0), 0);
    assert_int_equal(input_rig_counter(&rig, 0, "connections_refused"), 1);
    close(extra);
    close(fds[0]);
    input_rig_wait_counter(&rig, 0, "connections_open", 2);
    fds[0] = dial();
    send_bytes(fds[0], frame, size);
    input_rig_wait_count(&rig, 0, 4);
    for (unsigned i = 0; i < 3; i++)
        close(fds[i]);
    input_rig_fini(&rig);
}

static void test_lines(void **state)
{
    struct input_rig rig;
    struct counters ledger;
    uint16_t port = input_rig_free_port(SOCK_STREAM);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(port)};
    socklen_t size = sizeof(address);
    char toml[256], host[64], expected[64];
    (void)state;
    snprintf(toml, sizeof(toml),
             "[in]\ntype = \"TcpInput\"\naddress = \"127.0.0.1:%u\"\ndecoder = \"\"\n"
             "splitter = \"TokenSplitter\"\nkeep_alive = true\nkeep_alive_period = 5\n",
             port);
    input_rig_init(&rig, toml);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&address, size), 0);
    send_bytes(fd, "one\ntwo\nno end", 14);
    input_rig_wait_count(&rig, 0, 2);
    input_rig_expect(&rig, 0, 0, "one\n");
    input_rig_expect(&rig, 0, 1, "two\n");
    struct msg_view view = input_rig_message(&rig, 0, 0, NULL);
    snprintf(host, sizeof(host), "%.*s", (int)view.hostname.len, view.hostname.ptr);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &size), 0);
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", ntohs(address.sin_port));
    assert_string_equal(host, expected);
    assert_memory_equal(view.type.ptr, "in", 2);
    close(fd);
    input_rig_stop(&rig, &ledger);
    assert_int_equal(ledger.values[COUNTER_TEXT_INCOMPLETE], 1);
    input_rig_fini(&rig);
}

/* What had arrived when it was told to end is taken; the sender learns that there is no more. */
static void test_stop(void **state)
{
    struct input_rig rig;
    struct counters ledger;
    (void)state;
    input_rig_init(&rig, framed);
    int fd = dial();
    for (unsigned i = 0; i < 20; i++)
        send_frame(fd, "x", NULL, NULL);
    input_rig_stop(&rig, &ledger);
    assert_int_equal(input_rig_count(&rig, 0) <= 20, 1);
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    input_rig_fini(&rig);
}

/* A full lane stops the reading of all connections; nothing is lost. */
static void test_back_pressure(void **state)
{
    static char payload[900];
    struct input_rig rig;
    uint8_t frame[2048];
    unsigned sent = 0;
    (void)state;
    memset(payload, 'x', sizeof(payload) - 1);
    input_rig_init(&rig, framed);
    input_rig_close_lane(&rig, 0, true);
    int fd = dial();
    size_t size = make_frame(frame, sizeof(frame), payload, NULL), rest = 0;
    for (unsigned refused = 0; refused < 100;) {
        ssize_t n = send(fd, frame + rest, size - rest, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            rest = (rest + (size_t)n) % size;
            sent += rest == 0;
        } else {
            refused++;
            usleep(1000);
        }
    }
    assert_true(sent > 60); /* a lane full of them */
    input_rig_close_lane(&rig, 0, false);
    input_rig_wait_count(&rig, 0, sent);
    close(fd);
    input_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_pieces), cmocka_unit_test(test_lines),
        cmocka_unit_test(test_stop),   cmocka_unit_test(test_back_pressure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
