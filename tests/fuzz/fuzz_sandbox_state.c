/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_sandbox_state.c - bytes and Heka's text as the state of a script. What is taken is saved
 * again, and what comes of that is taken, too.
 */
#include <stdlib.h>

#include "core/check.h"
#include "sandbox/sandbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sandbox *new_sandbox(void)
{
    static struct err err;
    struct sandbox *sandbox = NULL;
    struct sandbox_config config = {
        .type = SANDBOX_FILTER,
        .name = "fuzz",
        .script = "require 'circular_buffer' data = circular_buffer.new(2, 1, 1, true)",
        .script_filename = "fuzz.lua",
        .limits = sandbox_limits_default};
    err = (struct err){0};
    CHECK(sandbox_new(&config, &sandbox, &err) == 0);
    return sandbox;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct err err;
    struct buffer state = {.max_size = 1 << 20};
    struct sandbox *sandbox = new_sandbox();
    err = (struct err){0};
    if (sandbox_restore(sandbox, data, size, &err) == 0 &&
        sandbox_preserve(sandbox, &state, &err) == 0) {
        sandbox_free(sandbox);
        sandbox = new_sandbox();
        /* The data of a script may have shapes that its top level has not. */
        if (sandbox_restore(sandbox, state.data, state.size, &err) != 0)
            CHECK(err.count > 0);
    }
    sandbox_free(sandbox);
    buffer_fini(&state);
    return 0;
}
