/* SPDX-License-Identifier: MPL-2.0
 *
 * test_admin.c - the admin socket with good, bad, slow and many clients; the status as JSON and
 * text.
 */
#include "control/admin.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/status.h"
#include "core/clock.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/lane_rig.h"

static struct admin admin;
static char path[64];
static _Atomic bool stopping;
static _Atomic uint64_t ahead_ns; /* of the server's clock */
static _Atomic unsigned client_count;
static pthread_t thread;

static json_t *command(void *arg, const char *name)
{
    assert_ptr_equal(arg, &admin);
    if (strcmp(name, "large") == 0) {
        json_t *list = json_array();
        for (int i = 0; i < 200000; i++)
            json_array_append_new(list, json_integer(i));
        return list;
    }
    return strcmp(name, "echo") == 0 ? json_pack("{s:b}", "ok", 1) : NULL;
}

static void *serve(void *arg)
{
    (void)arg;
    while (!stopping) {
        struct pollfd fds[1 + ADMIN_CLIENTS_MAX];
        unsigned n = admin_poll_fds(&admin, fds);
        assert_in_range(n, 1, 1 + ADMIN_CLIENTS_MAX);
        poll(fds, n, 2);
        admin_step(&admin, clock_mono_ns() + ahead_ns);
        client_count = admin.client_count;
    }
    return NULL;
}

static int start(void **state)
{
    struct err err = {0};
    (void)state;
    strcpy(path, "/tmp/admin-XXXXXX");
    close(mkstemp(path)); /* a leftover in its place is replaced */
    stopping = false;
    ahead_ns = 0;
    assert_int_equal(admin_open(&admin, path, command, &admin, &err), 0);
    return pthread_create(&thread, NULL, serve, NULL);
}

static int stop(void **state)
{
    (void)state;
    stopping = true;
    pthread_join(thread, NULL);
    admin_close(&admin);
    assert_int_equal(access(path, F_OK), -1);
    return 0;
}

static int connect_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Sends bytes, returns the reply up to the end of the connection. */
static const char *exchange(const char *bytes, size_t size)
{
    static char reply[512];
    size_t got_size = 0;
    ssize_t got;
    int fd = connect_client();
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
    while ((got = recv(fd, reply + got_size, sizeof(reply) - 1 - got_size, 0)) > 0)
        got_size += (size_t)got;
    reply[got_size] = '\0';
    close(fd);
    return reply;
}

static void test_requests(void **state)
{
    static char too_long[ADMIN_REQUEST_MAX];
    struct stat status;
    (void)state;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0660);
    memset(too_long, ' ', sizeof(too_long));
    assert_string_equal(exchange("{\"command\": \"echo\"}\n", 20), "{\"ok\":true}\n");
    assert_string_equal(exchange("{\"command\": \"dance\"}\n", 21),
                        "{\"error\":\"the command is not known: status, stop, reload\"}\n");
    assert_string_equal(exchange("{}\n", 3), "{\"error\":\"the request has no command\"}\n");
    assert_string_equal(exchange("[1]\n", 4), "{\"error\":\"the request has no command\"}\n");
    assert_string_equal(exchange("{\"command\": 7}\n", 15),
                        "{\"error\":\"the request has no command\"}\n");
    assert_string_equal(exchange("status\n", 7), "{\"error\":\"the request is no JSON\"}\n");
    assert_string_equal(exchange("\n", 1), "{\"error\":\"the request is no JSON\"}\n");
    assert_string_equal(exchange("\0\0\n", 3), "{\"error\":\"the request is no JSON\"}\n");
    assert_string_equal(exchange(too_long, sizeof(too_long)),
                        "{\"error\": \"the request is too long\"}\n");
}

static void test_ask(void **state)
{
    struct err err = {0};
    (void)state;
    json_t *reply = admin_ask(path, "echo", false, &err);
    assert_true(json_is_true(json_object_get(reply, "ok")));
    json_decref(reply);
    reply = admin_ask(path, "large", false, &err);
    assert_int_equal(json_array_size(reply), 200000);
    json_decref(reply);
    assert_int_equal(err.count, 0);
    assert_null(admin_ask(path, "dance", false, &err));
    assert_non_null(strstr(err.texts[0], "the command is not known"));
    assert_null(admin_ask("/tmp/no-such-socket", "echo", false, &err));
    assert_non_null(strstr(err.texts[1], "is it running?"));
}

/* Those that say nothing are dropped; until then others wait, and are served. */
static void test_slow_clients(void **state)
{
    int fds[ADMIN_CLIENTS_MAX];
    char byte;
    struct err err = {0};
    (void)state;
    for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++)
        fds[i] = connect_client();
    assert_int_equal(send(fds[0], "{\"comm", 6, MSG_NOSIGNAL), 6);
    WAIT_UNTIL(client_count == ADMIN_CLIENTS_MAX);
    ahead_ns = 2 * ADMIN_TIMEOUT_MS * CLOCK_NS_PER_MS;
    for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++) {
        assert_true(recv(fds[i], &byte, 1, 0) <= 0);
        close(fds[i]);
    }
    json_t *reply = admin_ask(path, "echo", false, &err);
    assert_non_null(reply);
    json_decref(reply);
}

/* One that does not read a large reply does not hold up the others. */
static void test_reader_asleep(void **state)
{
    struct err err = {0};
    (void)state;
    int fd = connect_client();
    assert_int_equal(send(fd, "{\"command\": \"large\"}\n", 21, MSG_NOSIGNAL), 21);
    WAIT_UNTIL(client_count == 1);
    json_t *reply = admin_ask(path, "echo", false, &err);
    assert_non_null(reply);
    json_decref(reply);
    close(fd);
    WAIT_UNTIL(client_count == 0);
}

static void test_path_too_long(void **state)
{
    char long_path[300];
    struct admin other;
    struct err err = {0};
    (void)state;
    memset(long_path, 'x', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    assert_int_equal(admin_open(&other, long_path, command, NULL, &err), -1);
    assert_int_equal(err.count, 1);
    assert_null(admin_ask(long_path, "echo", false, &err));
    assert_int_equal(admin_open(&other, "/nowhere/x.sock", command, NULL, &err), -1);
}

/* ---- status ---- */

static long long at(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static const char *text_at(const json_t *object, const char *key)
{
    assert_true(json_is_string(json_object_get(object, key)));
    return json_string_value(json_object_get(object, key));
}

static void check_text(const json_t *status, const char *const *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    status_print(status, out);
    fclose(out);
    for (; *expected != NULL; expected++) {
        if (strstr(text, *expected) == NULL)
            fail_msg("'%s' is not in:\n%s", *expected, text);
    }
    free(text);
}

static struct fake_output fake;

struct books { /* a consumer with known books */
    struct lane_rig rig;
    struct attachment *attachment;
    struct output_instance instance;
    struct consumer *consumer;
};

/* Five messages: one does not encode, one is dropped, two are delivered, one waits. */
static void books_init(struct books *books)
{
    struct err err = {0};
    memset(&fake, 0, sizeof(fake));
    lane_rig_init(&books->rig, 1, 1);
    books->attachment = lane_rig_attach(&books->rig);
    fake_output_instance(&fake, "fake", &fake_encoder, &books->instance);
    books->consumer = consumer_new(&books->instance, 0, &fake_options, &err);
    assert_int_equal(consumer_attach(books->consumer, books->attachment, 0, &err), 0);
    fake.drop_every = 2;
    for (int i = 0; i < 4; i++)
        assert_true(lane_rig_put(&books->rig, 0, i, i == 3 ? "fail" : "text", 1));
    assert_int_equal(consumer_start(books->consumer), 0);
    WAIT_UNTIL(fake.count == 3);
    fake.blocked = true;
    WAIT_UNTIL(fake.timers > 0);
    assert_true(lane_rig_put(&books->rig, 0, 4, "text", 1));
}

static void books_fini(struct books *books)
{
    consumer_free(books->consumer);
    attachment_put(books->attachment);
    lane_rig_fini(&books->rig);
}

static void check_data_plane(const json_t *plane)
{
    assert_int_equal(at(plane, "pid"), 4711);
    assert_string_equal(text_at(plane, "state"), "running");
    assert_int_equal(at(plane, "restarts"), 2);
    assert_int_equal(at(plane, "heartbeat_age_ms"), 3);
    assert_int_equal(at(plane, "workers"), 5);
    assert_int_equal(at(plane, "accum_bytes"), 1000);
    assert_int_equal(at(plane, "series"), 6);
    assert_int_equal(json_object_size(json_object_get(plane, "counters")), COUNTER_COUNT);
    assert_int_equal(at(json_object_get(plane, "counters"), "frames_rx"), 10);
}

static void check_stages(const json_t *stages)
{
    const json_t *frame = json_array_get(stages, 0);
    assert_string_equal(text_at(frame, "process"), "dataplane");
    assert_string_equal(text_at(frame, "stage"), "frame");
    assert_string_equal(text_at(frame, "unit"), "frames");
    assert_int_equal(at(frame, "in"), 10);
    assert_int_equal(at(frame, "ended"), 9);
    assert_int_equal(at(frame, "residual"), 1);
    assert_int_equal(json_object_size(json_object_get(frame, "ends")), 2);
    const json_t *delivery = json_array_get(stages, json_array_size(stages) - 1);
    assert_string_equal(text_at(delivery, "process"), "hekad");
    assert_int_equal(at(delivery, "in"), 5);
    assert_int_equal(at(delivery, "ended"), 4);
    assert_int_equal(at(delivery, "in_flight"), 1);
    assert_int_equal(at(delivery, "residual"), 0);
}

static void check_consumer(const json_t *row)
{
    assert_string_equal(text_at(row, "name"), "fake");
    assert_string_equal(text_at(row, "type"), "FakeOutput");
    assert_int_equal(at(row, "matched"), 5);
    assert_int_equal(at(row, "lane_full"), 0);
    assert_int_equal(at(row, "read") + at(row, "in_flight"), 5);
    assert_int_equal(at(row, "held") + at(row, "in_flight"), 1);
    assert_int_equal(at(row, "delivered"), 2);
    assert_int_equal(at(row, "residual"), 0);
    assert_int_equal(at(json_object_get(row, "ends"), "test_drop"), 1);
    assert_int_equal(at(json_object_get(row, "ends"), "encode_failed"), 1);
    assert_int_equal(at(json_object_get(row, "plugin"), "taken"), 3);
}

static void test_status(void **state)
{
    static const char *const expected[] = {"data plane: pid 4711, running, 5 workers",
                                           "frame        frames",
                                           "arp_answered",
                                           "test_drop",
                                           "fake                 FakeOutput",
                                           "residual 8",
                                           NULL};
    struct books books;
    struct counters counters = {0};
    (void)state;
    books_init(&books);
    counters.values[COUNTER_FRAMES_RX] = 10;
    counters.values[COUNTER_ARP_ANSWERED] = 2;
    counters.values[COUNTER_PACKETS_WHOLE] =
        7; /* one frame is missing, and these 7 ended nowhere */
    struct status_input input = {
        .state = "running",
        .uptime_s = 77,
        .generation = 1,
        .dataplane = {.pid = 4711,
                      .state = "running",
                      .restarts = 2,
                      .heartbeat_age_ms = 3,
                      .workers = 5,
                      .accum_bytes = 1000,
                      .series = 6,
                      .counters = &counters},
        .consumers = {books.consumer},
        .consumer_count = 1,
    };
    json_t *status = status_json(&input);
    assert_non_null(status);
    assert_string_equal(text_at(status, "version"), HEKA_VERSION);
    assert_string_equal(text_at(status, "state"), "running");
    assert_int_equal(at(status, "pid"), getpid());
    assert_int_equal(at(status, "uptime_s"), 77);
    assert_int_equal(at(status, "generation"), 1);
    check_data_plane(json_object_get(status, "dataplane"));
    check_stages(json_object_get(status, "stages"));
    check_consumer(json_array_get(json_object_get(status, "consumers"), 0));
    assert_int_equal(at(status, "residual"), 8);
    check_text(status, expected);
    json_decref(status);
    input.dataplane = (struct status_dataplane){.state = "none"};
    status = status_json(&input);
    assert_int_equal(json_array_size(json_object_get(status, "stages")), 1);
    assert_int_equal(at(status, "residual"), 0);
    json_decref(status);
    books_fini(&books);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(test_requests),
        TEST(test_ask),
        TEST(test_slow_clients),
        TEST(test_reader_asleep),
        cmocka_unit_test(test_path_too_long),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
