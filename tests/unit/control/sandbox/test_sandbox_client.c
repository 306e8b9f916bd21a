/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_client.c - hekad's side against workers that are not themselves any more, and
 *                         against the real one.
 */
#include "control/sandbox/sandbox_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/clock.h"
#include "core/log.h"
#include "core/message.h"

enum { GARBAGES = 60, WAIT_S = 60, MESSAGES = 3000 };

static char script_path[64];

struct seen {
    unsigned injected, failed, done, preserved;
    char text[64];
    size_t state_size;
};

static void on_inject(void *arg, const void *message, size_t size, uint16_t hops)
{
    struct seen *seen = arg;
    (void)message;
    (void)size;
    (void)hops;
    seen->injected++;
}

static void on_failed(void *arg, const char *text)
{
    struct seen *seen = arg;
    seen->failed++;
    snprintf(seen->text, sizeof(seen->text), "%s", text);
}

static void on_preserved(void *arg, const void *state, size_t size, const char *error)
{
    struct seen *seen = arg;
    (void)state;
    assert_null(error);
    seen->preserved++;
    seen->state_size = size;
}

static struct sandbox_client *make(struct sandbox_pool *pool, const char *name, struct seen *seen,
                                   struct err *err)
{
    const struct sandbox_client_config config = {
        .pool = pool,
        .type = SANDBOX_FILTER,
        .name = name,
        .hostname = "here",
        .filename = script_path,
        .limits =
            {
                .memory_limit = SANDBOX_MEMORY_LIMIT,
                .instruction_limit = SANDBOX_INSTRUCTION_LIMIT,
                .output_limit = SANDBOX_OUTPUT_LIMIT,
                .max_process_inject = SANDBOX_MAX_PROCESS_INJECT,
                .max_timer_inject = SANDBOX_MAX_TIMER_INJECT,
            },
        .message_max = MSG_SIZE_DEFAULT_MAX,
        .loops_max = 4,
        .has_checkpoints = true,
    };
    const struct sandbox_client_ops ops = {
        .arg = seen, .inject = on_inject, .failed = on_failed, .preserved = on_preserved};
    return sandbox_client_new(&config, &ops, err);
}

static void write_script(const char *text)
{
    snprintf(script_path, sizeof(script_path), "/tmp/heka-client-XXXXXX");
    int fd = mkstemp(script_path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static size_t make_message(uint8_t *bytes, size_t size)
{
    struct msg_builder builder;
    const uint8_t uuid[MSG_UUID_SIZE] = {1};
    msg_builder_init(&builder, bytes, size);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    msg_builder_payload(&builder, "x", 1);
    return (size_t)msg_builder_finish(&builder);
}

/* Until everything is done, or the plugin has ended. */
static void drain(struct sandbox_client *client, struct seen *seen)
{
    uint64_t until_ns = clock_mono_ns() + WAIT_S * CLOCK_NS_PER_S;
    while (!sandbox_client_is_idle(client) && !sandbox_client_has_ended(client)) {
        seen->done += sandbox_client_serve(client);
        if (!sandbox_client_is_idle(client))
            sandbox_client_wait(client, 5 * CLOCK_NS_PER_MS);
        assert_true(clock_mono_ns() < until_ns);
    }
    seen->done += sandbox_client_serve(client);
}

static void send_one(struct sandbox_client *client, struct seen *seen)
{
    uint8_t bytes[256];
    size_t size = make_message(bytes, sizeof(bytes));
    int rc;
    while ((rc = sandbox_client_send_message(client, bytes, size, 0)) == -EAGAIN) {
        seen->done += sandbox_client_serve(client);
        if (sandbox_client_is_checkpoint_due(client, clock_mono_ns()))
            sandbox_client_send_checkpoint(client, clock_mono_ns());
        sandbox_client_wait(client, CLOCK_NS_PER_MS);
    }
    assert_true(rc == 0 || rc == -EPIPE);
}

/* ---- taken over ---- */

static void test_misbehaviour(void **state)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"many", "its worker sent more messages than allowed"},
        {"number", "its worker's replies make no sense"},
        {"state", "its worker's replies make no sense"},
        {"type", "its worker's replies make no sense"},
        {"tail", "its worker's positions make no sense"},
        {"crash", "its worker died: signal 6 (Aborted)"},
    };
    struct err err = {0};
    struct sandbox_pool *pool = sandbox_pool_new(FAKE_SANDBOX, &err);
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen = {0};
        struct sandbox_client *client = make(pool, cases[i].name, &seen, &err);
        assert_non_null(client);
        send_one(client, &seen);
        drain(client, &seen);
        assert_true(sandbox_client_has_ended(client));
        assert_string_equal(sandbox_client_text(client), cases[i].text);
        assert_int_equal(sandbox_client_give_up(client) + seen.done, 1);
        assert_int_equal(sandbox_client_send_timer(client, 1), -EPIPE);
        sandbox_client_free(client);
    }
    sandbox_pool_free(pool);
}

static void test_refused(void **state)
{
    struct err err = {0};
    struct seen seen = {0};
    struct sandbox_pool *pool = sandbox_pool_new(FAKE_SANDBOX, &err);
    (void)state;
    assert_null(make(pool, "refuse", &seen, &err));
    assert_non_null(strstr(err.texts[0], "'refuse': nnn"));
    /* A message fails once, however often the worker says so. */
    struct sandbox_client *client = make(pool, "failed", &seen, &err);
    send_one(client, &seen);
    drain(client, &seen);
    assert_int_equal(seen.failed, 1);
    assert_int_equal(seen.done, 1);
    assert_string_equal(seen.text, "no");
    sandbox_client_free(client);
    sandbox_pool_free(pool);
}

/* Whatever it writes, hekad says what became of the message, and lives. */
static void test_garbage(void **state)
{
    struct err err = {0};
    struct sandbox_pool *pool = sandbox_pool_new(FAKE_SANDBOX, &err);
    (void)state;
    for (unsigned i = 0; i < GARBAGES; i++) {
        char name[32];
        struct seen seen = {0};
        snprintf(name, sizeof(name), "garbage%u", i);
        struct sandbox_client *client = make(pool, name, &seen, &err);
        assert_non_null(client);
        send_one(client, &seen);
        drain(client, &seen);
        assert_int_equal(sandbox_client_give_up(client) + seen.done, 1);
        sandbox_client_free(client);
    }
    sandbox_pool_free(pool);
}

static void test_no_program(void **state)
{
    struct err err = {0};
    struct seen seen = {0};
    struct sandbox_pool *pool = sandbox_pool_new("/nowhere/heka-sandbox", &err);
    (void)state;
    assert_null(make(pool, "x", &seen, &err));
    assert_non_null(strstr(err.texts[0], "/nowhere/heka-sandbox: cannot be run"));
    sandbox_pool_free(pool);
    err.count = 0;
    pool = sandbox_pool_new("/bin/false", &err);
    assert_null(make(pool, "x", &seen, &err));
    assert_non_null(strstr(err.texts[0], "Init() its worker dies again and again"));
    sandbox_pool_free(pool);
}

/* ---- the real one ---- */

static void test_many_messages(void **state)
{
    struct err err = {0};
    struct seen seen = {0};
    struct sandbox_pool *pool = sandbox_pool_new(HEKA_SANDBOX, &err);
    struct sandbox_client *client = make(pool, "real", &seen, &err);
    (void)state;
    assert_non_null(client);
    for (unsigned i = 0; i < MESSAGES; i++)
        send_one(client, &seen);
    drain(client, &seen);
    assert_false(sandbox_client_has_ended(client));
    assert_int_equal(seen.done, MESSAGES);
    assert_int_equal(seen.injected, MESSAGES / 10);
    assert_int_equal(seen.failed, MESSAGES / 100);
    assert_int_equal(sandbox_client_figure(client, SANDBOX_FIGURE_PROCESSED), MESSAGES);
    assert_int_equal(sandbox_client_send_checkpoint(client, clock_mono_ns()), 0);
    drain(client, &seen);
    assert_true(seen.preserved > 0 && seen.state_size > 0);
    sandbox_client_free(client);
    sandbox_pool_free(pool);
}

/* Its state, then requests, then a request that has to come behind them. */
static void test_given_state(void **state)
{
    struct err err = {0};
    struct seen seen = {0};
    struct sandbox_pool *pool = sandbox_pool_new(HEKA_SANDBOX, &err);
    struct sandbox_client *client = make(pool, "real", &seen, &err);
    static const char given[] = "_G[\"n\"] = 99\n";
    (void)state;
    assert_int_equal(sandbox_client_send_state(client, given, sizeof(given) - 1), 0);
    send_one(client, &seen); /* the hundredth */
    drain(client, &seen);
    assert_int_equal(seen.failed, 1);
    assert_int_equal(seen.injected, 1);
    sandbox_client_end(client, "enough");
    assert_string_equal(sandbox_client_text(client), "enough");
    sandbox_client_free(client);
    sandbox_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misbehaviour), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_garbage),      cmocka_unit_test(test_no_program),
        cmocka_unit_test(test_many_messages), cmocka_unit_test(test_given_state),
    };
    write_script("n = 0\nfunction process_message()\n  n = n + 1\n"
                 "  if n % 10 == 0 then inject_payload('txt', 'n', n) end\n"
                 "  if n % 100 == 0 then return -1, 'hundred' end\n  return 0\nend\n"
                 "function timer_event() end\n");
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(script_path);
    return rc;
}
