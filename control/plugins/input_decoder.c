/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/input_decoder.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"

enum { REASON_SIZE_MORE = 256 /* in front of the payload */, LOG_EVERY_S = 10 };

struct input_decoder {
    struct input_decoder_host host;
    const struct input_common *options;
    struct decoder_runner *runner;
    uint8_t *plain; /* the message that is to be decoded */
    size_t message_max;
    struct buffer reason;
    uint64_t next_log_ns, unlogged;
    /* Of the record that is being decoded: */
    struct msg_builder staged; /* its room is the producer's */
    bool is_open;
    const char *signer;
    int rc; /* of injecting */
};

struct input_decoder *input_decoder_new(const struct input_decoder_config *config, struct err *err)
{
    struct input_decoder *decoder = calloc(1, sizeof(*decoder));
    if (decoder == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    decoder->host = config->host;
    decoder->options = config->options;
    decoder->message_max = config->message_max;
    decoder->reason.max_size = config->message_max + REASON_SIZE_MORE;
    decoder->plain = malloc(config->message_max);
    if (decoder->plain == NULL)
        err_add(err, "out of memory");
    else if (decoder_runner_new(config->program, &decoder->runner, err) == 0)
        return decoder;
    input_decoder_free(decoder);
    return NULL;
}

void input_decoder_free(struct input_decoder *decoder)
{
    if (decoder == NULL)
        return;
    decoder_runner_free(decoder->runner);
    buffer_fini(&decoder->reason);
    free(decoder->plain);
    free(decoder);
}

/* ---- rooms ---- */

static uint8_t *begin(void *context, size_t *capacity)
{
    struct input_decoder *decoder = context;
    if (!decoder->is_open)
        decoder->host.begin(decoder->host.context, &decoder->staged, clock_wall_ns());
    decoder->is_open = true;
    *capacity = decoder->staged.capacity;
    return decoder->staged.bytes;
}

static void inject(struct input_decoder *decoder)
{
    int rc = decoder->host.inject(decoder->host.context, &decoder->staged, decoder->signer);
    if (rc != 0)
        decoder->rc = rc;
    decoder->is_open = false;
}

static void commit(void *context, size_t size)
{
    struct input_decoder *decoder = context;
    decoder->staged.size = size;
    inject(decoder);
}

/* The message has the Uuid of the room that its result goes to. */
void input_decoder_begin(struct input_decoder *decoder, struct msg_builder *builder,
                         uint64_t timestamp_ns)
{
    decoder->host.begin(decoder->host.context, &decoder->staged, timestamp_ns);
    decoder->is_open = true;
    msg_builder_init(builder, decoder->plain, decoder->message_max);
    msg_builder_raw(builder, decoder->staged.bytes, decoder->staged.size);
}

/* ---- failures ---- */

static const char *reason_of(const struct input_decoder *decoder, int code, size_t *len)
{
    const char *text = decoder->reason.size > 0 ? decoder->reason.data : decode_error_name(code);
    *len = decoder->reason.size > 0 ? decoder->reason.size : strlen(text);
    return text;
}

static void log_failure(struct input_decoder *decoder, int code)
{
    size_t len;
    const char *text = reason_of(decoder, code, &len);
    uint64_t now_ns = clock_mono_ns();
    decoder->unlogged++;
    if (now_ns < decoder->next_log_ns)
        return;
    if (len > DECODER_ERROR_TEXT_MAX)
        len = DECODER_ERROR_TEXT_MAX;
    log_error("Input '%s' error: decoding failed (%llu times since this was said last): %.*s",
              decoder->host.name, (unsigned long long)decoder->unlogged, (int)len, text);
    decoder->unlogged = 0;
    decoder->next_log_ns = now_ns + LOG_EVERY_S * CLOCK_NS_PER_S;
}

static void send_failure(struct input_decoder *decoder, const struct msg_view *view, int code)
{
    size_t len, capacity;
    const char *text = reason_of(decoder, code, &len);
    uint8_t *room = begin(decoder, &capacity);
    msg_builder_init(&decoder->staged, room, capacity);
    decoder_write_failure(&decoder->staged, view, text, len);
    inject(decoder);
}

/* ---- one record ---- */

static int fail(struct input_decoder *decoder, const struct msg_view *view, int code)
{
    const struct input_common *options = decoder->options;
    uint64_t *values = decoder->host.counters(decoder->host.context)->values;
    bool is_told = code != DECODE_E_IGNORED;
    bool is_sent = options->send_decode_failures && view->bytes != NULL && is_told;
    values[COUNTER_TEXT_MESSAGES]--;
    values[is_sent ? COUNTER_DECODE_FAILURES_SENT : decoder_counter(code)]++;
    if (options->log_decode_failures && is_told)
        log_failure(decoder, code);
    if (is_sent)
        send_failure(decoder, view, code);
    return decoder->rc;
}

/* What becomes of the record is counted before a message of it is injected, which may wait and show
 * the books meanwhile. */
int input_decoder_take_message(struct input_decoder *decoder, const struct msg_view *message,
                               const char *signer)
{
    struct counters *ledger = decoder->host.counters(decoder->host.context);
    struct decode_io io = {
        .context = decoder,
        .begin = begin,
        .commit = commit,
        .reason = &decoder->reason,
        .now_ns = (int64_t)clock_wall_ns(),
    };
    buffer_clear(&decoder->reason);
    decoder->signer = signer;
    decoder->rc = 0;
    ledger->values[COUNTER_TEXT_MESSAGES]++;
    int rc = message->bytes != NULL ? decoder_runner_decode(decoder->runner, message, &io)
                                    : DECODE_E_ROOM;
    decoder_count_notes(ledger, &io);
    return rc == 0 ? decoder->rc : fail(decoder, message, rc);
}

int input_decoder_take(struct input_decoder *decoder, const struct msg_builder *builder,
                       const char *signer)
{
    int64_t size = msg_builder_finish(builder);
    struct msg_view view;
    if (size < 0 || msg_view_init(&view, builder->bytes, (size_t)size) != 0)
        view.bytes = NULL; /* it does not fit */
    return input_decoder_take_message(decoder, &view, signer);
}
