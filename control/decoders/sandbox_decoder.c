/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_decoder.c - SandboxDecoder: messages decoded by a Lua script.
 *
 * Place:   hekad_decoders; the script runs in a worker, and each message waits for its answer
 *          (control/sandbox/sandbox_call.h). An instance for each stream has its own script.
 * Failure: a message that the script refuses is not decoded; a script that has ended decodes
 *          nothing any more, and each message says why.
 * Source:  Heka 0.11 SandboxDecoder: options, texts, what injected messages inherit, `tz`.
 */
#include <stdlib.h>
#include <string.h>

#include "control/decoders/decoders.h"
#include "control/sandbox/sandbox_call.h"
#include "core/msg_edit.h"

struct sandbox_decoder_config {
    struct sandbox_options options;
};

struct sandbox_decoder_state {
    struct sandbox_call *call; /* NULL: hekad -check */
    struct time_zone *zone;    /* of the script's times; NULL: UTC */
};

static const struct schema_key keys[] = {
    SANDBOX_OPTION_KEYS(struct sandbox_decoder_config),
    SANDBOX_OPTION_JIT(struct sandbox_decoder_config),
    {0},
};
static const struct schema schema = {"SandboxDecoder", keys};

static int init(void *state, const void *config, const struct decoder_host *host, struct err *err)
{
    struct sandbox_decoder_state *decoder = state;
    const struct sandbox_decoder_config *options = config;
    const struct sandbox_call_config call = {.name = host->name,
                                             .type = SANDBOX_DECODER,
                                             .class = SANDBOX_CLASS_CONFIGURED,
                                             .options = &options->options};
    if (sandbox_options_zone(&options->options, &decoder->zone, err) != 0)
        return -1;
    return sandbox_call_new(&call, &decoder->call, err);
}

static void fini(void *state)
{
    struct sandbox_decoder_state *decoder = state;
    sandbox_call_free(decoder->call);
    time_zone_free(decoder->zone);
    *decoder = (struct sandbox_decoder_state){0};
}

/* ---- what becomes of the script's messages ---- */

/* Headers that the script did not set are those of the message that was decoded. */
static int inherit(struct msg_edit *edit, const struct msg_view *made, const struct msg_view *from)
{
    uint32_t missing = from->present & ~made->present;
    int rc = 0;
    if (missing & MSG_HAS_TYPE)
        rc |= msg_edit_text(edit, MSG_MEMBER_TYPE, from->type);
    if (missing & MSG_HAS_LOGGER)
        rc |= msg_edit_text(edit, MSG_MEMBER_LOGGER, from->logger);
    if (missing & MSG_HAS_SEVERITY)
        rc |= msg_edit_number(edit, MSG_MEMBER_SEVERITY, from->severity);
    if (missing & MSG_HAS_PID)
        rc |= msg_edit_number(edit, MSG_MEMBER_PID, from->pid);
    if (missing & MSG_HAS_HOSTNAME)
        rc |= msg_edit_text(edit, MSG_MEMBER_HOSTNAME, from->hostname);
    return rc;
}

/* 0; 1: there is no room for it; -1: it is no message. */
static int commit(const struct sandbox_decoder_state *decoder, struct msg_slice made,
                  const struct msg_view *from, struct decode_io *io)
{
    struct msg_view view;
    struct msg_edit edit;
    size_t capacity = 0;
    uint8_t *room = io->begin(io->context, &capacity);
    if (msg_view_init(&view, made.ptr, made.len) != 0)
        return -1;
    if (room == NULL || made.len > capacity)
        return 1;
    memcpy(room, made.ptr, made.len);
    if (msg_edit_init(&edit, room, made.len, capacity) != 0 || inherit(&edit, &view, from) != 0)
        return 1;
    if (decoder->zone != NULL &&
        msg_edit_number(&edit, MSG_MEMBER_TIMESTAMP,
                        sandbox_options_in_zone(decoder->zone, view.timestamp_ns)) != 0)
        return 1;
    io->commit(io->context, edit.size);
    return 0;
}

static int commit_all(const struct sandbox_decoder_state *decoder, const struct msg_view *message,
                      struct decode_io *io)
{
    struct msg_slice made;
    unsigned committed = 0;
    int rc;
    for (size_t at = 0; sandbox_call_injected(decoder->call, &at, &made);) {
        if ((rc = commit(decoder, made, message, io)) == 0)
            committed++;
        else if (rc < 0)
            return committed > 0 ? 0 : DECODE_E_MALFORMED;
        else
            io->notes[DECODE_NOTE_LOST]++;
    }
    io->notes[DECODE_NOTE_LOST] += sandbox_call_lost(decoder->call);
    return committed > 0 ? 0 : DECODE_E_ROOM;
}

static int refuse(struct decode_io *io, const char *what, struct msg_slice text,
                  const struct msg_view *message)
{
    if (io->reason != NULL)
        (void)buffer_printf(io->reason, "%s: %.*s payload: %.*s", what, (int)text.len, text.ptr,
                            (int)message->payload.len,
                            message->payload.ptr != NULL ? message->payload.ptr : "");
    return DECODE_E_NO_MATCH;
}

static int decode(void *state, const void *config, const struct msg_view *message,
                  struct decode_io *io)
{
    struct sandbox_decoder_state *decoder = state;
    size_t at = 0;
    struct msg_slice first;
    (void)config;
    enum sandbox_outcome outcome =
        sandbox_call_process(decoder->call, message->bytes, message->size);
    struct msg_slice answer = sandbox_call_answer(decoder->call);
    if (outcome == SANDBOX_TERMINATED)
        return refuse(io, "SandboxDecoder has been terminated", answer, message);
    if (outcome != SANDBOX_OK)
        return refuse(io, "Failed parsing", answer, message);
    if (sandbox_call_injected(decoder->call, &at, &first) || sandbox_call_lost(decoder->call) > 0)
        return commit_all(decoder, message, io);
    int rc = commit(decoder, answer, message, io);
    return rc == 0 ? 0 : rc < 0 ? DECODE_E_MALFORMED : DECODE_E_ROOM;
}

const struct decoder_ops sandbox_decoder = {
    .plugin = {PLUGIN_ABI, "SandboxDecoder", &schema, sizeof(struct sandbox_decoder_config),
               sizeof(struct sandbox_decoder_state)},
    .init = init,
    .decode = decode,
    .fini = fini,
    .runs_in_hekad = true,
};
