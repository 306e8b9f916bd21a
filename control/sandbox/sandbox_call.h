/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_call.h - a script that is called like a function: a message in, its answer out.
 *
 * Place:   decoders/sandbox_decoder.c, encoders/sandbox_encoder.c, outputs/sandbox_output.c. The
 *          script runs in a worker (sandbox_client.h); the caller waits for it.
 * Threads: one owner.
 * Memory:  what a call injects and answers is kept until the next call, SANDBOX_CALL_BYTES_MAX of
 *          it; more is counted as lost.
 * Failure: a script that has ended answers SANDBOX_TERMINATED from then on, with the reason.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_CALL_H
#define CONTROL_SANDBOX_SANDBOX_CALL_H

#include "control/sandbox/sandbox_options.h"

enum { SANDBOX_CALL_BYTES_MAX = 16 << 20, SANDBOX_GOODBYE_MS = 2000 };

struct sandbox_call_config {
    const char *name;
    enum sandbox_type type; /* SANDBOX_DECODER, SANDBOX_ENCODER, SANDBOX_OUTPUT */
    enum sandbox_class class;
    const struct sandbox_options *options;
};

struct sandbox_call;

/* Loads the script. *out is NULL with 0 when this process has no workers (hekad -check): then only
 * the options and the script's file are checked. 0, or -1 after adding to `err`. */
int sandbox_call_new(const struct sandbox_call_config *config, struct sandbox_call **out,
                     struct err *err);
/* For -check: the options, and the script (sandbox_trial.h). */
int sandbox_call_check(const struct sandbox_options *options, enum sandbox_type type,
                       struct err *err);
/* Keeps the script's state, if it has to. NULL is fine. */
void sandbox_call_free(struct sandbox_call *call);

/* process_message with a whole message. */
enum sandbox_outcome sandbox_call_process(struct sandbox_call *call, const void *message,
                                          size_t size);
/* timer_event. */
enum sandbox_outcome sandbox_call_timer(struct sandbox_call *call, int64_t ns);

/* ---- about the last call ---- */

/* What it made (encoders: bytes; decoders: the message as write_message left it), or the text of
 * why not. */
struct msg_slice sandbox_call_answer(const struct sandbox_call *call);
/* The messages that it injected, one after the other: start with *at = 0. False behind the last. */
bool sandbox_call_injected(const struct sandbox_call *call, size_t *at, struct msg_slice *message);
/* Of those for which there was no memory. */
unsigned sandbox_call_lost(const struct sandbox_call *call);

/* ---- for whoever has a client: here, and inputs/sandbox_input.c ---- */

/* Until everything that was sent is done, at most SANDBOX_GOODBYE_MS. */
void sandbox_call_drain(struct sandbox_client *client);
/* A last checkpoint, if the script lives and does nothing; the client's `preserved` gets it. */
void sandbox_call_preserve(struct sandbox_client *client);

/* Any owner's question; safe in any thread. */
const struct sandbox_client *sandbox_call_client(const struct sandbox_call *call);

#endif
