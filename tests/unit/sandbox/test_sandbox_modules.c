/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_modules.c - the built-in modules: tests/golden/sandbox/module. What a script adds to
 * its payload, one call of process_message each, and how the last call ended.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/check.h"
#include "tests/support/golden.h"
#include "tests/support/sandbox_rig.h"

enum { CASES_MIN = 5, CALLS_MAX = 100 };

static enum sandbox_inject take_payload(void *host, const void *message, size_t size)
{
    struct sandbox_rig *rig = host;
    struct msg_view view;
    CHECK(msg_view_init(&view, message, size) == 0);
    CHECK(buffer_append(&rig->log, view.payload.ptr, view.payload.len) == 0);
    return SANDBOX_INJECT_OK;
}

/* The value of a line "-- calls: N" or "-- memory: N". */
static unsigned option(const char *script, const char *key, unsigned missing)
{
    char value[32];
    if (!sandbox_rig_option(script, key, value, sizeof(value)))
        return missing;
    return (unsigned)strtoul(value, NULL, 10);
}

static void run_case(const char *name, const struct buffer *in, struct buffer *out)
{
    static struct err err;
    struct sandbox_rig rig;
    struct sandbox *sandbox;
    enum sandbox_outcome outcome = SANDBOX_OK;
    unsigned calls = option(in->data, "calls", 1);
    (void)name;
    err = (struct err){0};
    sandbox_rig_init(&rig);
    struct sandbox_config config =
        sandbox_rig_config(&rig, SANDBOX_FILTER, in->data, "case.lua");
    config.host.inject_message = take_payload;
    config.limits.memory_limit = option(in->data, "memory", SANDBOX_MEMORY_LIMIT);
    config.limits.output_limit = option(in->data, "output", SANDBOX_OUTPUT_LIMIT);
    if (sandbox_new(&config, &sandbox, &err) != 0) {
        CHECK(buffer_printf(out, "%s\n", err.texts[0]) == 0);
    } else {
        for (unsigned i = 0; i < calls && i < CALLS_MAX && outcome == SANDBOX_OK; i++)
            outcome = sandbox_process_message(sandbox, &rig.view);
        CHECK(buffer_append(out, rig.log.data, rig.log.size) == 0);
        CHECK(buffer_printf(out, "%s %s\n", sandbox_outcome_name(outcome),
                            sandbox_text(sandbox)) == 0);
        sandbox_free(sandbox);
    }
    sandbox_rig_fini(&rig);
}

static void modules_give_their_results(void **state)
{
    (void)state;
    assert_int_equal(golden_run("sandbox/module", CASES_MIN, run_case), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(modules_give_their_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
