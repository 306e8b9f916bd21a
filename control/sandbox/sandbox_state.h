/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_state.h - what scripts keep: a file for each plugin with preserve_data.
 *
 * Place:   BASE_DIR/sandbox_preservation/NAME.data, as Heka has it; its content is the engine's
 *          (docs/formats/sandbox.md), or Heka's until it is written first.
 * Threads: each state belongs to one thread; who may have the file is decided under a lock.
 * Memory:  none that stays but paths.
 * Failure: a file is whole or as it was before: written beside, then renamed.
 *
 * In a reload a plugin that takes another one's place is there before that one has ended. It waits
 * with the file until it is its turn.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_STATE_H
#define CONTROL_SANDBOX_SANDBOX_STATE_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/err.h"

struct sandbox_state;

/* NULL after adding to `err`. */
struct sandbox_state *sandbox_state_open(const char *base_dir, const char *name, struct err *err);
void sandbox_state_close(struct sandbox_state *state); /* the next one's turn. NULL is fine */
/* True when all that opened it before have closed it. */
bool sandbox_state_is_mine(const struct sandbox_state *state);
const char *sandbox_state_path(const struct sandbox_state *state);

/* Appends the file's content, nothing when there is no file. 0, or -1 after adding to `err`. */
int sandbox_state_read(const struct sandbox_state *state, struct buffer *out, struct err *err);
/* 0 or negative errno. */
int sandbox_state_write(const struct sandbox_state *state, const void *bytes, size_t size);
void sandbox_state_remove(const struct sandbox_state *state);

#endif
