/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_encoder.c - SandboxEncoder: messages encoded by a Lua script.
 *
 * Place:   hekad_encoders; the script runs in a worker, and each message waits for its answer
 *          (control/sandbox/sandbox_call.h).
 * Failure: a message that the script refuses ends as encode_failed, as do all when it has ended;
 *          a status of -2 is nothing to send.
 * Source:  Heka 0.11 SandboxEncoder: options, texts; without an injection the message itself goes
 *          out, as write_message left it.
 */
#include <errno.h>
#include <string.h>

#include "control/encoders/encoders.h"
#include "control/sandbox/sandbox_call.h"
#include "core/clock.h"
#include "core/log.h"

enum { LOG_EACH_S = 10 };

struct sandbox_encoder_config {
    struct sandbox_options options;
};

struct sandbox_encoder_state {
    struct sandbox_call *call; /* NULL: hekad -check */
    const char *name;
    uint64_t logged_ns;
    bool is_told; /* that the script has ended */
};

static const struct schema_key keys[] = {
    SANDBOX_OPTION_KEYS(struct sandbox_encoder_config),
    SANDBOX_OPTION_JIT(struct sandbox_encoder_config),
    {0},
};
static const struct schema schema = {"SandboxEncoder", keys};

static int init(void *state, const void *config, const char *name, struct err *err)
{
    struct sandbox_encoder_state *encoder = state;
    const struct sandbox_encoder_config *options = config;
    const struct sandbox_call_config call = {.name = name,
                                             .type = SANDBOX_ENCODER,
                                             .class = SANDBOX_CLASS_CONFIGURED,
                                             .options = &options->options};
    encoder->name = name;
    return sandbox_call_new(&call, &encoder->call, err);
}

static void fini(void *state)
{
    struct sandbox_encoder_state *encoder = state;
    sandbox_call_free(encoder->call);
    *encoder = (struct sandbox_encoder_state){0};
}

/* Now and then: the output counts each. */
static void tell(struct sandbox_encoder_state *encoder, const char *what, struct msg_slice text)
{
    uint64_t now_ns = clock_mono_ns();
    if (encoder->logged_ns != 0 && now_ns - encoder->logged_ns < LOG_EACH_S * CLOCK_NS_PER_S)
        return;
    encoder->logged_ns = now_ns;
    log_error("Plugin '%s' error: %s: %.*s", encoder->name, what, (int)text.len,
              text.ptr != NULL ? text.ptr : "");
}

static void tell_end(struct sandbox_encoder_state *encoder, struct msg_slice text)
{
    if (!encoder->is_told)
        log_error("Plugin '%s' error: FATAL: %.*s", encoder->name, (int)text.len,
                  text.ptr != NULL ? text.ptr : "");
    encoder->is_told = true;
}

static int encode(void *state, const void *config, const struct msg_view *message,
                  struct buffer *out)
{
    struct sandbox_encoder_state *encoder = state;
    (void)config;
    enum sandbox_outcome outcome =
        sandbox_call_process(encoder->call, message->bytes, message->size);
    struct msg_slice answer = sandbox_call_answer(encoder->call);
    switch (outcome) {
    case SANDBOX_OK:
        return buffer_append(out, answer.ptr, answer.len);
    case SANDBOX_NO_OUTPUT:
        return 0;
    case SANDBOX_FAILED:
        tell(encoder, "Failed serializing", answer);
        return -EINVAL;
    case SANDBOX_TERMINATED:
        tell_end(encoder, answer);
        return -EPIPE;
    }
    return -EINVAL;
}

const struct encoder_ops sandbox_encoder = {
    .plugin = {PLUGIN_ABI, "SandboxEncoder", &schema, sizeof(struct sandbox_encoder_config),
               sizeof(struct sandbox_encoder_state)},
    .init = init,
    .encode = encode,
    .fini = fini,
};
