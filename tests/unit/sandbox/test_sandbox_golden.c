/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_golden.c - scripts and what they inject, write and return: tests/golden/sandbox/api.
 * A script's type is the first word of its name. It gets two messages and a tick.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/message_json.h"
#include "core/check.h"
#include "tests/support/golden.h"
#include "tests/support/sandbox_rig.h"

enum { CASES_MIN = 20 };

static const struct {
    const char *prefix;
    enum sandbox_type type;
} types[] = {{"filter_", SANDBOX_FILTER},
             {"decoder_", SANDBOX_DECODER},
             {"encoder_", SANDBOX_ENCODER},
             {"input_", SANDBOX_INPUT},
             {"output_", SANDBOX_OUTPUT}};

static enum sandbox_type type_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (strncmp(name, types[i].prefix, strlen(types[i].prefix)) == 0)
            return types[i].type;
    }
    fprintf(stderr, "%s: a case without a type\n", name);
    abort();
}

static void print_bytes(struct msg_slice bytes, struct buffer *out)
{
    struct msg_view view;
    if (msg_view_init(&view, bytes.ptr, bytes.len) == 0)
        CHECK(message_json(&view, out) == 0);
    else
        CHECK(buffer_append(out, bytes.ptr, bytes.len) == 0);
    CHECK(buffer_append_text(out, "\n") == 0);
}

static void print_call(const char *call, struct sandbox *sandbox, enum sandbox_outcome outcome,
                       struct sandbox_rig *rig, struct buffer *out)
{
    CHECK(buffer_append(out, rig->log.data, rig->log.size) == 0);
    buffer_clear(&rig->log);
    CHECK(buffer_printf(out, "%s %s %g %s\n", call, sandbox_outcome_name(outcome),
                        sandbox_status(sandbox), sandbox_text(sandbox)) == 0);
}

static void process(struct sandbox *sandbox, struct sandbox_rig *rig, enum sandbox_type type,
                    struct buffer *out)
{
    enum sandbox_outcome outcome =
        sandbox_process_message(sandbox, type == SANDBOX_INPUT ? NULL : &rig->view);
    print_call("process_message", sandbox, outcome, rig, out);
    if (outcome != SANDBOX_OK)
        return;
    if (type == SANDBOX_DECODER)
        print_bytes(sandbox_message(sandbox), out);
    if (type == SANDBOX_ENCODER)
        print_bytes(sandbox_output(sandbox), out);
}

static void run_case(const char *name, const struct buffer *in, struct buffer *out)
{
    static struct err err;
    struct sandbox_rig rig;
    struct sandbox *sandbox;
    enum sandbox_type type = type_of(name);
    err = (struct err){0};
    sandbox_rig_init(&rig);
    struct sandbox_config config = sandbox_rig_config(&rig, type, in->data, "case.lua");
    if (sandbox_new(&config, &sandbox, &err) != 0) {
        CHECK(buffer_printf(out, "%s\n", err.texts[0]) == 0);
    } else {
        process(sandbox, &rig, type, out);
        process(sandbox, &rig, type, out);
        if (strstr(in->data, "timer_event") != NULL)
            print_call("timer_event", sandbox, sandbox_timer_event(sandbox, 12345), &rig, out);
        sandbox_free(sandbox);
    }
    sandbox_rig_fini(&rig);
}

static void scripts_give_their_results(void **state)
{
    (void)state;
    assert_int_equal(golden_run("sandbox/api", CASES_MIN, run_case), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scripts_give_their_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
