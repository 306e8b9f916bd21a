/* SPDX-License-Identifier: MPL-2.0
 *
 * test_udp_input.c - datagrams of every kind of socket to messages; sockets that come and go.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/plugins/input_instances.h"
#include "tests/unit/control/input_rig.h"

static int unix_sender(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    memcpy(address.sun_path, path, len);
    bool is_abstract = path[0] == '@';
    if (is_abstract)
        address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !is_abstract);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&address, size), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

static int udp_sender(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)),
                     0);
    return fd;
}

static const char tokens[] = "[in]\ntype = \"UdpInput\"\nnet = \"unixgram\"\n"
                             "address = \"@heka-test-udp-input\"\nsplitter = \"TokenSplitter\"\n";

static void test_tokens(void **state)
{
    struct input_rig rig;
    struct counters ledger;
    (void)state;
    input_rig_init(&rig, tokens);
    int fd = unix_sender("@heka-test-udp-input");
    send_text(fd, "one\ntwo\nrest");
    assert_int_equal(send(fd, "", 0, 0), 0);
    send_text(fd, "three\n");
    input_rig_wait_count(&rig, 0, 3);
    input_rig_expect(&rig, 0, 0, "one\n");
    input_rig_expect(&rig, 0, 1, "two\n");
    input_rig_expect(&rig, 0, 2, "three\n");
    struct msg_view view = input_rig_message(&rig, 0, 0, NULL);
    assert_memory_equal(view.type.ptr, "in", 2);
    assert_memory_equal(view.logger.ptr, "in", 2);
    assert_int_equal(view.severity, 7);
    assert_int_equal(view.hostname.len, 0);
    assert_int_equal(input_rig_counter(&rig, 0, "datagrams"), 3);
    assert_int_equal(input_rig_counter(&rig, 0, "bytes"), 18);
    assert_int_equal(input_rig_counter(&rig, 0, "socket_drops"), 0);
    input_rig_stop(&rig, &ledger);
    assert_int_equal(ledger.values[COUNTER_TEXT_PIECES], 5);
    assert_int_equal(ledger.values[COUNTER_TEXT_MESSAGES], 3);
    assert_int_equal(ledger.values[COUNTER_TEXT_INCOMPLETE], 1);
    assert_int_equal(ledger.values[COUNTER_TEXT_EMPTY], 1);
    close(fd);
    input_rig_fini(&rig);
}

/* [option UdpInput.set_hostname] */
static void test_hostname(void **state)
{
    struct input_rig rig;
    char toml[256], text[64];
    uint16_t port = input_rig_free_port(SOCK_DGRAM);
    (void)state;
    snprintf(toml, sizeof(toml),
             "[in]\ntype = \"UdpInput\"\naddress = \":%u\"\nset_hostname = true\n", port);
    input_rig_init(&rig, toml);
    int fd = udp_sender(port);
    send_text(fd, "whole\ndatagram");
    input_rig_wait_count(&rig, 0, 1);
    input_rig_expect(&rig, 0, 0, "whole\ndatagram");
    struct msg_view view = input_rig_message(&rig, 0, 0, NULL);
    snprintf(text, sizeof(text), "%.*s", (int)view.hostname.len, view.hostname.ptr);
    assert_string_equal(text, "127.0.0.1");
    close(fd);
    input_rig_fini(&rig);
}

static const char path_toml[] = "[in]\ntype = \"UdpInput\"\nnet = \"unixgram\"\n"
                                "address = \"/tmp/heka-test-udp-input.sock\"\n";

static void test_path(void **state)
{
    static const char path[] = "/tmp/heka-test-udp-input.sock";
    struct input_rig rig, other;
    static struct err err;
    struct stat stat;
    (void)state;
    /* What a killed program left behind is replaced. */
    unlink(path);
    int left = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    assert_int_equal(bind(left, (const struct sockaddr *)(const void *)&address, sizeof(address)),
                     0);
    close(left);
    input_rig_init(&rig, path_toml);
    assert_int_equal(lstat(path, &stat), 0);
    assert_int_equal(stat.st_mode & 0777, 0666);
    int fd = unix_sender(path);
    send_text(fd, "x");
    input_rig_wait_count(&rig, 0, 1);
    close(fd);
    input_rig_fini(&rig);
    assert_int_equal(lstat(path, &stat), -1);
    /* What is no socket stays. */
    FILE *file = fopen(path, "we");
    fclose(file);
    input_rig_load(&other, path_toml);
    input_rig_refused(&other, 0, &err);
    assert_non_null(strstr(err.texts[0],
                           "Input 'in' failed to start: address: /tmp/heka-test-udp-input.sock "
                           "cannot be listened on: Address already in use"));
    input_rig_fini(&other);
    assert_int_equal(unlink(path), 0);
}

static void test_large(void **state)
{
    static char bytes[70000];
    struct input_rig rig;
    struct counters ledger;
    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    input_rig_init(&rig, tokens);
    int fd = unix_sender("@heka-test-udp-input");
    assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    input_rig_wait_counter(&rig, 0, "truncated", 1);
    input_rig_stop(&rig, &ledger);
    assert_int_equal(ledger.values[COUNTER_TEXT_CUT], 1);
    assert_int_equal(ledger.values[COUNTER_TEXT_PIECES], 1);
    close(fd);
    input_rig_fini(&rig);
}

/* A reload makes the new one before it ends the old one: nothing is lost in between. */
static void test_handed_over(void **state)
{
    struct input_rig rig, next;
    (void)state;
    input_rig_init(&rig, tokens);
    int fd = unix_sender("@heka-test-udp-input");
    send_text(fd, "1\n");
    input_rig_wait_count(&rig, 0, 1);
    input_rig_init(&next, tokens);
    for (unsigned i = 2; i < 100; i++)
        send_text(fd, "x\n");
    struct counters ledger;
    input_rig_stop(&rig, &ledger);
    send_text(fd, "last\n");
    unsigned before = input_rig_count(&rig, 0);
    input_rig_wait_count(&next, 0, 100 - before);
    input_rig_expect(&next, 0, 99 - before, "last\n");
    close(fd);
    input_rig_fini(&next);
    input_rig_fini(&rig);
}

/* While the lane is full nothing is read, and senders of a UNIX socket wait; nothing is lost. */
static void test_back_pressure(void **state)
{
    static char line[1000];
    struct input_rig rig;
    unsigned sent = 0;
    (void)state;
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    input_rig_init(&rig, tokens);
    input_rig_close_lane(&rig, 0, true);
    int fd = unix_sender("@heka-test-udp-input");
    for (unsigned refused = 0; refused < 100;) {
        if (send(fd, line, sizeof(line), MSG_DONTWAIT) > 0) {
            sent++;
        } else {
            refused++;
            usleep(1000);
        }
    }
    assert_true(sent > 60); /* a lane full of them */
    input_rig_close_lane(&rig, 0, false);
    input_rig_wait_count(&rig, 0, sent);
    /* One that waits for room ends when its producer is told to. */
    input_rig_close_lane(&rig, 0, true);
    for (unsigned i = 0; i < 70; i++)
        assert_int_equal(send(fd, line, sizeof(line), 0), sizeof(line));
    while (input_rig_counter(&rig, 0, "datagrams") == sent)
        usleep(1000);
    producer_stop(rig.lanes[0].producer);
    close(fd);
    input_rig_fini(&rig);
}

static void test_in_use(void **state)
{
    struct input_rig rig;
    static struct err err, notes;
    char toml[256];
    uint16_t port = input_rig_free_port(SOCK_DGRAM);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    (void)state;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    snprintf(toml, sizeof(toml), "[in]\ntype = \"UdpInput\"\naddress = \"127.0.0.1:%u\"\n", port);
    input_rig_load(&rig, toml);
    assert_int_equal(input_instances_probe(rig.instances, &err, &notes), 0);
    assert_int_equal(err.count, 0);
    assert_non_null(strstr(notes.texts[0], "Address already in use"));
    input_rig_refused(&rig, 0, &err);
    close(fd);
    notes.count = 0;
    assert_int_equal(input_instances_probe(rig.instances, &err, &notes), 0);
    assert_int_equal(notes.count, 0);
    input_rig_fini(&rig);
}

static void test_unusable(void **state)
{
    struct input_rig rig;
    static struct err err, notes;
    (void)state;
    input_rig_load(&rig, "[a]\ntype = \"UdpInput\"\naddress = \"203.0.113.77:5514\"\n"
                         "[b]\ntype = \"UdpInput\"\nnet = \"unixgram\"\n"
                         "address = \"/no/such/folder/socket\"\n");
    assert_int_equal(input_instances_probe(rig.instances, &err, &notes), -1);
    assert_int_equal(err.count, 2);
    assert_non_null(strstr(err.texts[0], "hekad.toml:14: address: 203.0.113.77:5514 cannot be "
                                         "listened on: Cannot assign requested address"));
    assert_non_null(strstr(err.texts[1], "hekad.toml:18: address: /no/such/folder/socket cannot be "
                                         "listened on: No such file or directory"));
    input_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),      cmocka_unit_test(test_hostname),
        cmocka_unit_test(test_path),        cmocka_unit_test(test_large),
        cmocka_unit_test(test_handed_over), cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_in_use),      cmocka_unit_test(test_unusable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
