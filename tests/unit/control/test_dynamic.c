/* SPDX-License-Identifier: MPL-2.0
 *
 * test_dynamic.c - sections that plugins add: what is refused, what is tried again, and 1,000
 * changes under load, by which no message is lost or comes twice
 * (80, unless HEKA_SOAK is above 1).
 *
 * In the last one hekad runs in a child process, with a thread that stands for a plugin.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/admin.h"
#include "control/daemon.h"
#include "control/config/dynamic_file.h"
#include "core/check.h"
#include "core/clock.h"
#include "tests/support/test_dir.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/fake_server.h"

enum { SECTIONS = 20, ROUNDS = 2, SOAK_ROUNDS = 25, SETTLED_ROUNDS = 5, NUMBERS_MAX = 1 << 22 };

static char dir[64];
static uint16_t far_port; /* not 0: the plugin adds an output to it, and nothing else */

static const char config[] =
    "[hekad]\nhostname = \"h\"\nbase_dir = \"%1$s/base\"\n"
    "[lines]\ntype = \"UdpInput\"\nnet = \"unixgram\"\naddress = \"%1$s/sock\"\n"
    "[manager]\ntype = \"CounterFilter\"\nmessage_matcher = \"Type == 'none'\"\n"
    "[other]\ntype = \"CounterFilter\"\nmessage_matcher = \"Type == 'none'\"\n"
    "[all]\ntype = \"FileOutput\"\nmessage_matcher = \"Type == 'lines'\"\n"
    "path = \"%1$s/out\"\nencoder = \"PayloadEncoder\"\n[PayloadEncoder]\n";

static int write_config(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/hekad.toml", dir);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return -1;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    fprintf(file, config, dir);
#pragma GCC diagnostic pop
    return fclose(file);
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/dynamic-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : write_config();
}

static int remove_dir(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

static const char *filter_text(const char *name, const char *matcher)
{
    static _Thread_local char text[512];
    snprintf(text, sizeof(text),
             "[%s]\ntype = \"CounterFilter\"\nmessage_matcher = \"%s\"\n"
             "ticker_interval = 1\n",
             name, matcher);
    return text;
}

/* ---- without hekad ---- */

static struct setup *load(void)
{
    static struct err err, notes;
    char path[128];
    struct setup *setup = NULL;
    snprintf(path, sizeof(path), "%s/hekad.toml", dir);
    err.count = 0;
    if (setup_load(path, NULL, &setup, &err, &notes) != 0)
        err_print(&err, stderr);
    assert_non_null(setup);
    return setup;
}

static struct dynamic *make(void)
{
    struct dynamic *dynamic = dynamic_new(NULL);
    struct setup *setup = load();
    assert_non_null(dynamic);
    dynamic_set_files(dynamic, setup->config->files);
    setup_put(setup);
    return dynamic;
}

static void expect_refused(struct dynamic *dynamic, const char *owner, const char *name,
                           const char *toml, const char *text)
{
    static struct err err;
    err.count = 0;
    assert_int_equal(dynamic_put(dynamic, owner, name, toml, &err), -1);
    for (unsigned i = 0; i < err.count; i++)
        if (strstr(err.texts[i], text) != NULL)
            return;
    err_print(&err, stderr);
    fail_msg("not said: %s", text);
}

static void test_refused(void **state)
{
    (void)state;
    struct dynamic *dynamic = make();
    expect_refused(dynamic, "manager", "a", "[b]\ntype = \"CounterFilter\"\n",
                   "a of manager: one section, [a], is expected");
    expect_refused(dynamic, "manager", "a", "", "one section, [a], is expected");
    expect_refused(dynamic, "manager", "a", "[a]\ntype = \"CounterFilter\"\n[b]\n",
                   "one section, [a], is expected");
    expect_refused(dynamic, "manager", "a", "[a\n", "a of manager:1: ");
    expect_refused(dynamic, "manager", "a", "[a]\ntype = \"CounterFilter\"\nnonsense = 1\n",
                   "a of manager:3: unknown config setting for 'a': nonsense");
    expect_refused(dynamic, "manager", "a", filter_text("a", "Type == "), "message_matcher");
    expect_refused(dynamic, "manager", "all", filter_text("all", "TRUE"), "is there already");
    expect_refused(dynamic, "manager", "hekad", "[hekad]\n", "no plugin can have this name");
    expect_refused(dynamic, "nobody", "a", filter_text("a", "TRUE"), "there is no plugin 'nobody'");
    expect_refused(dynamic, "manager", "a", "[a]\ntype = \"PayloadEncoder\"\n",
                   "only inputs, filters and outputs can be added");
    assert_int_equal(dynamic_count(dynamic, "manager"), 0);
    assert_int_equal(dynamic_due_ms(dynamic, clock_mono_ns()), -1);
    dynamic_free(dynamic);
}

static void put(struct dynamic *dynamic, const char *name, const char *matcher)
{
    static _Thread_local struct err err;
    err.count = 0;
    if (dynamic_put(dynamic, "manager", name, filter_text(name, matcher), &err) == 0)
        return;
    err_print(&err, stderr);
    fflush(NULL);
    CHECK(false);
}

static enum dynamic_state state_of(struct dynamic *dynamic, const char *name)
{
    return dynamic_state(dynamic, "manager", name, NULL, 0);
}

static struct dynamic_sections sections;

static unsigned offer(struct dynamic *dynamic)
{
    assert_int_equal(dynamic_offer(dynamic, &sections), 0);
    unsigned count = sections.count;
    dynamic_sections_fini(&sections);
    return count;
}

static void test_states(void **state)
{
    static struct err err;
    (void)state;
    struct dynamic *dynamic = make();
    put(dynamic, "a", "TRUE");
    put(dynamic, "b", "TRUE");
    assert_int_equal(state_of(dynamic, "a"), DYNAMIC_PENDING);
    assert_int_equal(dynamic_state(dynamic, "other", "a", NULL, 0), DYNAMIC_NONE);
    assert_int_equal(dynamic_count(dynamic, "manager"), 2);
    assert_int_equal(dynamic_count(dynamic, "other"), 0);
    assert_true(dynamic_due_ms(dynamic, clock_mono_ns()) > 0);
    err.count = 0;
    assert_int_equal(dynamic_put(dynamic, "other", "a", filter_text("a", "TRUE"), &err), -1);
    assert_string_equal(err.texts[0], "'a' is a dynamic section of 'manager' already");
    assert_int_equal(dynamic_remove(dynamic, "other", "a"), -1);
    assert_int_equal(offer(dynamic), 2);
    assert_int_equal(state_of(dynamic, "a"), DYNAMIC_PENDING);
    dynamic_tried(dynamic, true, NULL);
    assert_int_equal(state_of(dynamic, "a"), DYNAMIC_RUNNING);
    put(dynamic, "a", "TRUE"); /* as it is */
    assert_int_equal(state_of(dynamic, "a"), DYNAMIC_RUNNING);
    put(dynamic, "a", "FALSE");
    assert_int_equal(dynamic_remove(dynamic, "manager", "b"), 0);
    assert_int_equal(dynamic_remove(dynamic, "manager", "b"), -1);
    assert_int_equal(state_of(dynamic, "b"), DYNAMIC_PENDING);
    assert_int_equal(dynamic_count(dynamic, "manager"), 1);
    assert_int_equal(dynamic_in_force(dynamic, &sections), 0);
    assert_int_equal(sections.count, 2);
    dynamic_sections_fini(&sections);
    assert_int_equal(offer(dynamic), 1);
    put(dynamic, "b", "FALSE"); /* while it is being removed */
    dynamic_tried(dynamic, true, NULL);
    assert_int_equal(state_of(dynamic, "b"), DYNAMIC_PENDING);
    assert_int_equal(offer(dynamic), 2);
    dynamic_tried(dynamic, true, NULL);
    assert_int_equal(state_of(dynamic, "b"), DYNAMIC_RUNNING);
    dynamic_free(dynamic);
}

/* One of eight does not come into force: the others do. */
static void test_blame(void **state)
{
    char text[64] = "";
    unsigned tries = 0;
    (void)state;
    struct dynamic *dynamic = make();
    for (char name[] = "a"; name[0] < 'i'; name[0]++)
        put(dynamic, name, name[0] == 'f' ? "FALSE" : "TRUE");
    for (bool has_bad; tries < 20; tries++) {
        usleep(1000);
        assert_int_equal(dynamic_offer(dynamic, &sections), 0);
        has_bad = false;
        for (unsigned i = 0; i < sections.count; i++)
            has_bad |= strstr(sections.extras[i].text, "FALSE") != NULL;
        dynamic_sections_fini(&sections);
        dynamic_tried(dynamic, !has_bad, "a reason");
        if (dynamic_due_ms(dynamic, clock_mono_ns()) < 0)
            break;
    }
    assert_true(tries < 20);
    for (char name[] = "a"; name[0] < 'i'; name[0]++)
        assert_int_equal(state_of(dynamic, name),
                         name[0] == 'f' ? DYNAMIC_FAILED : DYNAMIC_RUNNING);
    dynamic_state(dynamic, "manager", "f", text, sizeof(text));
    assert_string_equal(text, "a reason");
    assert_int_equal(dynamic_count(dynamic, "manager"), 7);
    assert_int_equal(dynamic_remove(dynamic, "manager", "f"), 0);
    assert_int_equal(state_of(dynamic, "f"), DYNAMIC_NONE);
    dynamic_free(dynamic);
}

static void test_owners(void **state)
{
    char path[128];
    (void)state;
    struct dynamic *dynamic = make();
    struct setup *setup = load();
    put(dynamic, "a", "TRUE");
    dynamic_keep_owners(dynamic, setup->config);
    assert_int_equal(dynamic_count(dynamic, "manager"), 1);
    setup_put(setup);
    snprintf(path, sizeof(path), "%s/hekad.toml", dir);
    FILE *file = fopen(path, "w");
    fputs("[hekad]\n", file);
    fclose(file);
    setup = load();
    dynamic_keep_owners(dynamic, setup->config);
    assert_int_equal(dynamic_count(dynamic, "manager"), 0);
    setup_put(setup);
    dynamic_free(dynamic);
}

/* ---- in hekad ---- */

static void wait_for(struct dynamic *dynamic, const char *name, enum dynamic_state state)
{
    for (unsigned i = 0; state_of(dynamic, name) != state; i++) {
        CHECK(i < 20000);
        usleep(2000);
    }
}

static void change_round(struct dynamic *dynamic, unsigned round)
{
    char name[32];
    for (unsigned i = 0; i < SECTIONS; i++) {
        snprintf(name, sizeof(name), "counter_%u", i);
        put(dynamic, name, round % 2 == 0 ? "Type == 'lines'" : "Payload =~ /7/");
    }
    for (unsigned i = 0; i < SECTIONS; i++) {
        snprintf(name, sizeof(name), "counter_%u", i);
        wait_for(dynamic, name, DYNAMIC_RUNNING);
    }
    CHECK(dynamic_count(dynamic, "manager") == SECTIONS);
    for (unsigned i = 0; i < SECTIONS; i++) {
        snprintf(name, sizeof(name), "counter_%u", i);
        CHECK(dynamic_remove(dynamic, "manager", name) == 0);
    }
    for (unsigned i = 0; i < SECTIONS; i++) {
        snprintf(name, sizeof(name), "counter_%u", i);
        wait_for(dynamic, name, DYNAMIC_NONE);
    }
}

static long resident_pages(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages;
}

static void *manage(void *arg)
{
    long before = 0;
    char path[128];
    const char *soak = getenv("HEKA_SOAK");
    unsigned rounds = soak != NULL && strtol(soak, NULL, 10) > 1 ? SOAK_ROUNDS : ROUNDS;
    for (unsigned round = 0; round < rounds; round++) {
        change_round(arg, round);
        if (round == SETTLED_ROUNDS)
            before = resident_pages();
    }
    if (before > 0) { /* memory does not grow with the changes */
        printf("resident: %ld pages, then %ld\n", before, resident_pages());
        CHECK(resident_pages() < before + before / 2);
    }
    snprintf(path, sizeof(path), "%s/done", dir);
    fclose(fopen(path, "w"));
    return NULL;
}

/* An output to a server that is away. */
static void *manage_far(void *arg)
{
    static struct err err;
    char path[128], text[512];
    snprintf(text, sizeof(text),
             "[far]\ntype = \"TcpOutput\"\nmessage_matcher = \"Type == 'lines'\"\n"
             "address = \"127.0.0.1:%u\"\nuse_buffering = false\n"
             "encoder = \"PayloadEncoder\"\n",
             far_port);
    CHECK(dynamic_put(arg, "manager", "far", text, &err) == 0);
    wait_for(arg, "far", DYNAMIC_RUNNING);
    snprintf(path, sizeof(path), "%s/ready", dir);
    fclose(fopen(path, "w"));
    return NULL;
}

static int run_hekad(void)
{
    static struct err err;
    char path[128], run_dir[128];
    pthread_t thread;
    snprintf(path, sizeof(path), "%s/hekad.toml", dir);
    snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
    struct dynamic *dynamic = dynamic_new(run_dir);
    struct daemon_config daemon_config = {
        .config_path = path, .run_dir = run_dir, .dynamic = dynamic};
    static struct err notes;
    if (setup_load(path, run_dir, &daemon_config.setup, &err, &notes) != 0)
        return 99;
    dynamic_set_files(dynamic, daemon_config.setup->config->files);
    sigset_t all; /* signals are for hekad's own loop */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    pthread_create(&thread, NULL, far_port != 0 ? manage_far : manage, dynamic);
    struct daemon_result result = daemon_run(&daemon_config, &err);
    pthread_join(thread, NULL);
    err_print(&err, stderr);
    dynamic_free(dynamic);
    return result.exit_code;
}

static pid_t start_hekad(void)
{
    char path[128];
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    snprintf(path, sizeof(path), "%s/log", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    int rc = run_hekad();
    fflush(NULL);
    _exit(rc);
}

/* A UNIX socket has no datagram too many: it makes the sender wait. */
static int open_sender(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.60s/sock", dir);
    WAIT_UNTIL(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

static unsigned send_until_done(pid_t pid)
{
    char path[128], line[16];
    int fd = open_sender();
    unsigned sent = 0;
    snprintf(path, sizeof(path), "%s/done", dir);
    while (access(path, F_OK) != 0 && sent < NUMBERS_MAX) {
        int len = snprintf(line, sizeof(line), "%u", sent);
        assert_int_equal(send(fd, line, (size_t)len, 0), len);
        if (++sent % 64 == 0) {
            usleep(1000);
            assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        }
    }
    close(fd);
    return sent;
}

static json_t *ask_status(void)
{
    static struct err err;
    char path[128];
    err.count = 0;
    snprintf(path, sizeof(path), "%s/run/hekad.sock", dir);
    return admin_ask(path, "status", false, &err);
}

/* In the lanes for it, or in its hands; -1: there is no such output. */
static long long waiting_for_far(void)
{
    json_t *status = ask_status(), *row;
    long long waiting = -1;
    size_t index;
    json_array_foreach(json_object_get(status, "consumers"), index, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "name")), "far") == 0)
            waiting = json_integer_value(json_object_get(row, "in_flight")) +
                      json_integer_value(json_object_get(row, "held"));
    }
    json_decref(status);
    return waiting;
}

static void show_log(void)
{
    char command[128];
    snprintf(command, sizeof(command), "tail -n 20 %s/log >&2", dir);
    if (system(command) != 0)
        fputs("no log\n", stderr);
}

static void test_thousand_changes_lose_nothing(void **state)
{
    char path[128], line[32];
    int status = -1;
    unsigned next = 0;
    (void)state;
    pid_t pid = start_hekad();
    unsigned sent = send_until_done(pid);
    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        show_log();
    assert_int_equal(status, 0);
    snprintf(path, sizeof(path), "%s/out", dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (; fgets(line, sizeof(line), file) != NULL; next++)
        if (strtoul(line, NULL, 10) != next)
            fail_msg("%u is expected, not %s", next, line);
    fclose(file);
    assert_int_equal(next, sent);
}

static pid_t start_and_wait(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/ready", dir);
    unlink(path);
    pid_t pid = start_hekad();
    WAIT_UNTIL(access(path, F_OK) == 0);
    return pid;
}

/* What waits for a dynamic output when hekad is killed is delivered by the next one's. */
static void test_killed(void **state)
{
    static struct fake_server server;
    char line[16];
    int status = -1;
    (void)state;
    memset(&server, 0, sizeof(server));
    fake_server_start(&server, false, 0);
    far_port = server.port;
    fake_server_stop(&server);
    pid_t pid = start_and_wait();
    int fd = open_sender();
    for (unsigned i = 100; i < 200; i++) {
        int len = snprintf(line, sizeof(line), "%u", i);
        assert_int_equal(send(fd, line, (size_t)len, 0), len);
    }
    close(fd);
    WAIT_UNTIL(waiting_for_far() == 100);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    pid = start_and_wait();
    WAIT_UNTIL(waiting_for_far() == 100);
    fake_server_start(&server, false, far_port);
    WAIT_UNTIL(fake_server_size(&server) == 100 * 4);
    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    fake_server_stop(&server);
    if (status != 0)
        show_log();
    assert_int_equal(status, 0);
    for (unsigned i = 100; i < 200; i++) {
        snprintf(line, sizeof(line), "%u\n", i);
        assert_int_equal(fake_server_count(&server, line), 1);
    }
    fake_server_fini(&server);
    far_port = 0;
}

static void test_sections_of_an_earlier_run(void **state)
{
    (void)state;
    struct dynamic *dynamic = make();
    struct setup *setup = load();
    assert_int_equal(dynamic_sections_add(&sections, "manager", "other", "unused"), 0);
    assert_int_equal(dynamic_sections_add(&sections, "manager", "gone", "unused"), 0);
    dynamic_file_save(dir, &sections);
    dynamic_sections_fini(&sections);
    dynamic_file_load(dir, &sections);
    assert_int_equal(sections.count, 2);
    assert_string_equal(sections.extras[1].name, "gone");
    assert_int_equal(dynamic_adopt(dynamic, &sections, setup->config), 0);
    assert_int_equal(state_of(dynamic, "other"), DYNAMIC_RUNNING);
    assert_int_equal(state_of(dynamic, "gone"), DYNAMIC_NONE);
    assert_int_equal(dynamic_due_ms(dynamic, clock_mono_ns()), -1);
    assert_int_equal(state_of(dynamic, "other"), DYNAMIC_RUNNING);
    /* Its owner does not put it again. */
    dynamic_due_ms(dynamic, clock_mono_ns() + 11 * CLOCK_NS_PER_S);
    assert_int_equal(state_of(dynamic, "other"), DYNAMIC_PENDING);
    assert_int_equal(dynamic_count(dynamic, "manager"), 0);
    dynamic_sections_fini(&sections);
    dynamic_file_save(dir, &sections); /* none: no file */
    dynamic_file_load(dir, &sections);
    assert_int_equal(sections.count, 0);
    char path[128];
    snprintf(path, sizeof(path), "%s/dynamic.json", dir);
    FILE *file = fopen(path, "w");
    fputs("{\"sections\": [{\"owner\": 1}]}", file);
    fclose(file);
    dynamic_file_load(dir, &sections);
    assert_int_equal(sections.count, 0);
    setup_put(setup);
    dynamic_free(dynamic);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(test_refused),
        TEST(test_states),
        TEST(test_blame),
        TEST(test_owners),
        TEST(test_sections_of_an_earlier_run),
        TEST(test_thousand_changes_lose_nothing),
        TEST(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
