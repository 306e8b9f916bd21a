/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_contained.c - hostile scripts, a file each: tests/golden/sandbox/escape, none of
 * which may get out, and tests/golden/sandbox/runaway, each of which has to be stopped.
 *
 * "-- expect: A|B" in a script says with what it ends: "contained", or a part of the error text.
 * "-- limits:" takes the instruction limit away, so that only the watchdog ends the script. The
 * environment's SANDBOX_CASE=FILE.lua runs one script alone. A script that is not stopped at all is
 * ended by alarm(), which fails the test.
 */
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/check.h"
#include "tests/support/sandbox_rig.h"

enum { ALARM_S = 60, ESCAPES_MIN = 65, RUNAWAYS_MIN = 31, INJECTS = 1000 };

static const char prelude[] =
    "do local inject, error = inject_payload, error; "
    "function escaped() inject('txt', 'escaped', 'x') error('escaped', 0) end "
    "function contained() inject('txt', 'contained', 'x') end end ";

/* ---- a watchdog that gives every call some time ---- */

struct watchdog {
    struct sandbox *sandbox;
    atomic_bool is_over;
    pthread_t thread;
};

static void *watch(void *arg)
{
    struct watchdog *watchdog = arg;
    uint64_t last = 0;
    while (!atomic_load(&watchdog->is_over)) {
        uint64_t serial = sandbox_call_serial(watchdog->sandbox);
        usleep(100000);
        if (serial % 2 == 0 || sandbox_call_serial(watchdog->sandbox) != serial)
            continue;
        if (last == serial)
            sandbox_escalate(watchdog->sandbox, serial);
        else
            sandbox_stop(watchdog->sandbox, serial);
        last = serial;
    }
    return NULL;
}

/* ---- one script ---- */

static char *read_script(const char *folder, const char *name)
{
    char path[1024];
    struct buffer text = {0};
    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/golden/sandbox/%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && buffer_append(&text, prelude, strlen(prelude)) == 0);
    char block[4096];
    size_t size;
    while ((size = fread(block, 1, sizeof(block), file)) > 0)
        CHECK(buffer_append(&text, block, size) == 0);
    fclose(file);
    CHECK(buffer_append(&text, "", 1) == 0);
    return text.data;
}

/* One of the texts between '|' is in `text`. */
static bool is_expected(const char *text, const char *expected)
{
    while (*expected != '\0') {
        size_t len = strcspn(expected, "|");
        if (memmem(text, strlen(text), expected, len) != NULL)
            return true;
        expected += len + (expected[len] == '|');
    }
    return false;
}

/* Scripts with limits end by these alone. */
static void run_calls(struct sandbox *sandbox, struct sandbox_rig *rig, bool is_watched,
                      struct buffer *end)
{
    struct watchdog watchdog = {.sandbox = sandbox, .is_over = !is_watched};
    CHECK(pthread_create(&watchdog.thread, NULL, watch, &watchdog) == 0);
    enum sandbox_outcome outcome = sandbox_process_message(sandbox, &rig->view);
    if (outcome == SANDBOX_OK)
        outcome = sandbox_process_message(sandbox, &rig->view);
    atomic_store(&watchdog.is_over, true);
    pthread_join(watchdog.thread, NULL);
    if (outcome == SANDBOX_TERMINATED) /* and stays so */
        CHECK(sandbox_process_message(sandbox, &rig->view) == SANDBOX_TERMINATED);
    CHECK(buffer_append_text(end, sandbox_text(sandbox)) == 0);
    CHECK(buffer_append_text(end, outcome == SANDBOX_OK ? "ok" : "") == 0);
}

/* What became of it: an error text, "ok", and "contained" or "escaped" if the script said so. */
static void run_script(const char *script, const char *name, struct buffer *end)
{
    static struct err err;
    struct sandbox_rig rig;
    struct sandbox *sandbox = NULL;
    char limits[64];
    err = (struct err){0};
    sandbox_rig_init(&rig);
    struct sandbox_config config = sandbox_rig_config(&rig, SANDBOX_FILTER, script, name);
    config.limits.max_process_inject = strstr(script, "_flood") != NULL ? 1 : INJECTS;
    bool is_watched = sandbox_rig_option(script, "limits", limits, sizeof(limits));
    if (is_watched)
        config.limits.instruction_limit = 0;
    if (sandbox_new(&config, &sandbox, &err) != 0)
        CHECK(buffer_append_text(end, err.texts[0]) == 0);
    else
        run_calls(sandbox, &rig, is_watched, end);
    sandbox_free(sandbox);
    CHECK(buffer_append(&rig.log, "", 1) == 0);
    if (strstr(rig.log.data, "[\"contained\"]") != NULL)
        CHECK(buffer_append_text(end, " contained") == 0);
    if (strstr(rig.log.data, "[\"escaped\"]") != NULL)
        CHECK(buffer_append_text(end, " escaped") == 0);
    CHECK(buffer_append(end, "", 1) == 0);
    sandbox_rig_fini(&rig);
}

static bool run_file(const char *folder, const char *name)
{
    char expected[256] = "";
    struct buffer end = {0};
    char *script = read_script(folder, name);
    bool ok = sandbox_rig_option(script, "expect", expected, sizeof(expected));
    alarm(ALARM_S);
    run_script(script, name, &end);
    alarm(0);
    ok = ok && is_expected(end.data, expected) && strstr(end.data, "escaped") == NULL;
    if (!ok)
        fprintf(stderr, "%s/%s: expected '%s', found '%s'\n", folder, name, expected, end.data);
    buffer_fini(&end);
    free(script);
    return ok;
}

static int is_script(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    const char *only = getenv("SANDBOX_CASE");
    return dot != NULL && strcmp(dot, ".lua") == 0 &&
           (only == NULL || strcmp(only, entry->d_name) == 0);
}

static void run_folder(const char *folder, int least)
{
    char path[1024];
    struct dirent **entries;
    unsigned failures = 0;
    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/golden/sandbox/%s", folder);
    int count = scandir(path, &entries, is_script, alphasort);
    for (int i = 0; i < count; i++) {
        failures += !run_file(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    assert_int_equal(failures, 0);
    assert_true(count >= least || getenv("SANDBOX_CASE") != NULL);
}

static void no_script_escapes(void **state)
{
    (void)state;
    run_folder("escape", ESCAPES_MIN);
}

static void every_runaway_is_stopped(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    print_message("ThreadSanitizer keeps no stack as deep as some of these scripts go\n");
    skip();
#endif
    run_folder("runaway", RUNAWAYS_MIN);
}

/* The folders' rule can fail: what reports an escape is seen. */
static void an_escape_would_be_seen(void **state)
{
    (void)state;
    char script[1024];
    struct buffer end = {0};
    snprintf(script, sizeof(script), "%s function process_message() pcall(escaped) return 0 end",
             prelude);
    run_script(script, "control.lua", &end);
    assert_string_equal(end.data, "ok escaped");
    buffer_fini(&end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_escape_would_be_seen),
        cmocka_unit_test(no_script_escapes),
        cmocka_unit_test(every_runaway_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
