/* SPDX-License-Identifier: MPL-2.0
 *
 * test_daemon.c - hekad with a fake data plane: starts, crashes, kills, restarts; no message is
 * lost.
 *
 * hekad runs in a child process; its log is in the run directory. FAKE_DATAPLANE is the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/admin.h"
#include "control/daemon.h"
#include "control/dynamic.h"
#include "tests/support/test_dir.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/fake_server.h"

enum { NUMBERS_MAX = 5000 };

static char dir[64];
static pid_t hekad;

static const char file_config[] =
    "[FileOutput]\nmessage_matcher = \"TRUE\"\npath = \"%s/out\"\nencoder = \"PayloadEncoder\"\n"
    "[PayloadEncoder]\nappend_newlines = false\n";

static int make_dir(void **state)
{
    char path[128];
    (void)state;
    strcpy(dir, "/tmp/daemon-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/map.json", dir);
    fclose(fopen(path, "w"));
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

static void write_config(const char *format)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/hekad.toml", dir);
    FILE *file = fopen(path, "w");
    fprintf(file, "[hekad]\nhostname = \"h\"\nbase_dir = \"%s/base\"\n", dir);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    fprintf(file, format, dir);
#pragma GCC diagnostic pop
    fclose(file);
}

static int run_hekad(void)
{
    static struct err err;
    char path[128], map[128], run_dir[128];
    struct setup *setup = calloc(1, sizeof(*setup));
    assert_non_null(setup);
    setup->references = 1;
    snprintf(path, sizeof(path), "%s/hekad.toml", dir);
    snprintf(map, sizeof(map), "%s/map.json", dir);
    snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
    snprintf(setup->run_dir, sizeof(setup->run_dir), "%s", run_dir);
    if (hekad_config_load(path, NULL, &setup->config, &err, NULL) != 0 ||
        instances_build(setup->config, NULL, &setup->instances, &err, NULL) != 0) {
        err_print(&err, stderr);
        return 99;
    }
    struct daemon_config daemon_config = {
        .setup = setup,
        .dynamic = dynamic_new(run_dir),
        .dataplane = {.program = FAKE_DATAPLANE, .core_map = map, .profile_dir = "profiles"},
    };
    struct daemon_result result = daemon_run(&daemon_config, &err);
    err_print(&err, stderr);
    dynamic_free(daemon_config.dynamic);
    return result.exit_code;
}

static void start_hekad(const char *mode)
{
    char path[128];
    fflush(NULL);
    hekad = fork();
    assert_true(hekad >= 0);
    if (hekad > 0)
        return;
    snprintf(path, sizeof(path), "%s/log", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    setenv("FAKE_PLANE", mode, 1);
    int rc = run_hekad();
    fflush(NULL);
    _exit(rc);
}

static int wait_for_hekad(void)
{
    int status = 0;
    assert_int_equal(waitpid(hekad, &status, 0), hekad);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int stop_hekad(void)
{
    kill(hekad, SIGTERM);
    return wait_for_hekad();
}

static bool log_has(const char *text)
{
    char path[128], line[512];
    bool found = false;
    snprintf(path, sizeof(path), "%s/log", dir);
    FILE *file = fopen(path, "r");
    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
        found = strstr(line, text) != NULL;
    if (file != NULL)
        fclose(file);
    return found;
}

/* How often each number is in RUN/out; returns how many lines there are. */
static unsigned count_numbers(unsigned counts[NUMBERS_MAX], const char *name)
{
    char path[128], line[64];
    unsigned lines = 0;
    memset(counts, 0, NUMBERS_MAX * sizeof(*counts));
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        long number = strtol(line, NULL, 10);
        if (strchr(line, '\n') == NULL) /* being written */
            break;
        assert_true(number >= 0 && number < NUMBERS_MAX);
        counts[number]++;
        lines++;
    }
    if (file != NULL)
        fclose(file);
    return lines;
}

static unsigned lines_of(const char *name)
{
    static unsigned counts[NUMBERS_MAX];
    return count_numbers(counts, name);
}

static void expect_each_once(const char *name, unsigned total)
{
    static unsigned counts[NUMBERS_MAX];
    assert_int_equal(count_numbers(counts, name), total);
    for (unsigned i = 0; i < total; i++)
        assert_int_equal(counts[i], 1);
}

static json_t *ask(const char *command)
{
    static struct err err;
    char path[128];
    err.count = 0;
    snprintf(path, sizeof(path), "%s/run/hekad.sock", dir);
    return admin_ask(path, command, false, &err);
}

static bool status_is(const char *state, long long delivered)
{
    json_t *status = ask("status");
    json_t *plane = json_object_get(status, "dataplane");
    json_t *consumer = json_array_get(json_object_get(status, "consumers"), 0);
    bool is = status != NULL &&
              strcmp(json_string_value(json_object_get(plane, "state")), state) == 0 &&
              json_integer_value(json_object_get(consumer, "delivered")) == delivered &&
              json_integer_value(json_object_get(status, "residual")) == 0;
    json_decref(status);
    return is;
}

static void test_start_and_stop(void **state)
{
    (void)state;
    write_config(file_config);
    start_hekad("total=1000");
    WAIT_UNTIL(status_is("running", 1000));
    assert_int_equal(stop_hekad(), 0);
    expect_each_once("out", 1000);
    assert_true(log_has("Starting hekad..."));
    assert_true(log_has("Output started: FileOutput"));
    assert_true(log_has("Data plane running"));
    assert_true(log_has("Shutdown initiated."));
    assert_true(log_has("Shutdown complete."));
}

static void test_stop_in_the_middle(void **state)
{
    (void)state;
    write_config(file_config);
    start_hekad("total=4000");
    WAIT_UNTIL(lines_of("out") > 100);
    assert_int_equal(stop_hekad(), 0);
    unsigned lines = lines_of("out");
    expect_each_once("out", lines); /* what was published is there, up to the last */
    start_hekad("total=4000");
    WAIT_UNTIL(lines_of("out") == 4000);
    assert_int_equal(stop_hekad(), 0);
    expect_each_once("out", 4000);
}

static void test_data_plane_dies(void **state)
{
    (void)state;
    write_config(file_config);
    start_hekad("crash total=1000");
    WAIT_UNTIL(status_is("running", 1000));
    json_t *status = ask("status");
    /* More than once on a busy machine: the killed one may still hold the run directory. */
    assert_true(json_integer_value(json_object_get(json_object_get(status, "dataplane"),
                                                   "restarts")) >= 1);
    json_decref(status);
    assert_int_equal(stop_hekad(), 0);
    expect_each_once("out", 1000);
    assert_true(log_has("starting it again in 250 ms"));
}

static void test_data_plane_refuses(void **state)
{
    (void)state;
    write_config(file_config);
    start_hekad("refuse");
    assert_int_equal(wait_for_hekad(), 1);
    assert_true(log_has("The data plane did not start: status 1"));
}

/* kill -9: nothing is lost, and at most a batch comes twice. */
static void test_hekad_killed(void **state)
{
    static unsigned counts[NUMBERS_MAX];
    unsigned lines = 0, twice = 0;
    (void)state;
    write_config(file_config);
    for (unsigned kills = 1; kills <= 3; kills++) {
        start_hekad("total=3000");
        WAIT_UNTIL((lines = lines_of("out")) > kills * 600);
        kill(hekad, SIGKILL);
        assert_int_equal(wait_for_hekad(), 128 + SIGKILL);
    }
    start_hekad("total=3000");
    WAIT_UNTIL((lines = count_numbers(counts, "out")) >= 3000 && counts[2999] > 0);
    assert_int_equal(stop_hekad(), 0);
    lines = count_numbers(counts, "out");
    for (unsigned i = 0; i < 3000; i++) {
        if (counts[i] == 0)
            fail_msg("%u is lost", i);
        twice += counts[i] - 1;
    }
    assert_true(twice <= 3 * BATCH_MAX);
}

/* A process that nobody waited for may still be there as a zombie. */
static bool is_gone(pid_t pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true;
    if (fscanf(file, "%*d %*s %c", &state) != 1)
        state = 'Z';
    fclose(file);
    return state == 'Z';
}

/* The data plane of a killed hekad goes on; the next hekad keeps it when the plan is the same. */
static void test_data_plane_kept(void **state)
{
    (void)state;
    write_config(file_config);
    start_hekad("survive total=2000");
    WAIT_UNTIL(lines_of("out") > 200);
    json_t *status = ask("status");
    long long pid =
        json_integer_value(json_object_get(json_object_get(status, "dataplane"), "pid"));
    json_decref(status);
    kill(hekad, SIGKILL);
    wait_for_hekad();
    assert_int_equal(kill((pid_t)pid, 0), 0);
    start_hekad("survive total=2000");
    WAIT_UNTIL(log_has("Keeping the data plane"));
    WAIT_UNTIL(lines_of("out") >= 2000);
    WAIT_UNTIL((status = ask("status")) != NULL);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(status, "dataplane"), "pid")), pid);
    assert_int_equal(json_integer_value(json_object_get(status, "residual")), 0);
    json_decref(status);
    assert_int_equal(stop_hekad(), 0);
    assert_true(is_gone((pid_t)pid));
}

/* With another plan it is stopped and replaced; what it had is delivered. */
static void test_data_plane_replaced(void **state)
{
    static unsigned counts[NUMBERS_MAX];
    (void)state;
    write_config(file_config);
    start_hekad("survive total=2000");
    WAIT_UNTIL(lines_of("out") > 200);
    kill(hekad, SIGKILL);
    wait_for_hekad();
    write_config("[other]\ntype = \"FileOutput\"\nmessage_matcher = \"TRUE\"\n"
                 "path = \"%1$s/other\"\nencoder = \"PayloadEncoder\"\n"
                 "[FileOutput]\nmessage_matcher = \"TRUE\"\npath = \"%1$s/out\"\n"
                 "encoder = \"PayloadEncoder\"\n[PayloadEncoder]\nappend_newlines = false\n");
    start_hekad("survive total=2000");
    WAIT_UNTIL(log_has("Stopping the data plane"));
    WAIT_UNTIL(count_numbers(counts, "out") >= 2000 && counts[1999] > 0);
    assert_int_equal(stop_hekad(), 0);
    count_numbers(counts, "out");
    for (unsigned i = 0; i < 2000; i++)
        if (counts[i] == 0)
            fail_msg("%u is lost", i);
    assert_true(lines_of("other") > 0); /* it gets what the second data plane makes */
    assert_true(lines_of("other") < 2000);
}

/* The server is away when hekad stops: what is left is delivered by the next one. */
static void test_undelivered_stays(void **state)
{
    static struct fake_server server;
    char config[512];
    (void)state;
    memset(&server, 0, sizeof(server));
    fake_server_start(&server, false, 0);
    uint16_t port = server.port;
    fake_server_stop(&server);
    snprintf(config, sizeof(config),
             "[TcpOutput]\nmessage_matcher = \"TRUE\"\naddress = \"127.0.0.1:%u\"\n"
             "use_buffering = false\nencoder = \"PayloadEncoder\"\n"
             "[PayloadEncoder]\nappend_newlines = false\n# %%s\n",
             port);
    write_config(config);
    start_hekad("total=300");
    WAIT_UNTIL(status_is("running", 0) && log_has("Connection refused"));
    assert_int_equal(stop_hekad(), 0);
    assert_true(log_has("are not delivered; they stay in"));
    start_hekad("total=300"); /* before the thread: ThreadSanitizer wants forks without threads */
    fake_server_start(&server, false, port);
    WAIT_UNTIL(fake_server_size(&server) == 10 * 2 + 90 * 3 + 200 * 4);
    assert_int_equal(stop_hekad(), 0);
    fake_server_stop(&server);
    for (int i = 0; i < 300; i++) {
        char line[16];
        snprintf(line, sizeof(line), "%d\n", i);
        assert_int_equal(fake_server_count(&server, line), 1);
    }
    fake_server_fini(&server);
}

static void test_only_one(void **state)
{
    char path[128];
    (void)state;
    write_config(file_config);
    start_hekad("total=10");
    WAIT_UNTIL(status_is("running", 10));
    pid_t first = hekad;
    start_hekad("total=10");
    assert_int_equal(wait_for_hekad(), 1);
    assert_true(log_has("hekad is running already with this run directory"));
    hekad = first;
    snprintf(path, sizeof(path), "%s/run/hekad.pid", dir);
    assert_int_equal(access(path, F_OK), 0);
    json_t *reply = ask("stop");
    assert_true(json_is_true(json_object_get(reply, "ok")));
    json_decref(reply);
    assert_int_equal(wait_for_hekad(), 0);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_signals(void **state)
{
    char from[128], to[128];
    (void)state;
    write_config(file_config);
    start_hekad("total=100");
    WAIT_UNTIL(status_is("running", 100));
    snprintf(from, sizeof(from), "%s/out", dir);
    snprintf(to, sizeof(to), "%s/out.1", dir);
    assert_int_equal(rename(from, to), 0);
    kill(hekad, SIGHUP);
    WAIT_UNTIL(access(from, F_OK) == 0);
    assert_true(log_has("Reload initiated."));
    kill(hekad, SIGUSR1);
    WAIT_UNTIL(log_has("residual 0"));
    kill(hekad, SIGINT);
    assert_int_equal(wait_for_hekad(), 0);
    expect_each_once("out.1", 100);
}

static void test_output_does_not_start(void **state)
{
    char path[128];
    (void)state;
    write_config("[FileOutput]\nmessage_matcher = \"TRUE\"\npath = \"%s/file/out\"\n"
                 "encoder = \"ProtobufEncoder\"\n");
    snprintf(path, sizeof(path), "%s/file", dir);
    fclose(fopen(path, "w"));
    start_hekad("");
    int rc = wait_for_hekad();
    assert_int_equal(rc, 99); /* the check found it, before anything was started */
    assert_true(log_has("is not a folder"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(test_start_and_stop),
        TEST(test_stop_in_the_middle),
        TEST(test_data_plane_dies),
        TEST(test_data_plane_refuses),
        TEST(test_hekad_killed),
        TEST(test_data_plane_kept),
        TEST(test_data_plane_replaced),
        TEST(test_undelivered_stays),
        TEST(test_only_one),
        TEST(test_signals),
        TEST(test_output_does_not_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
