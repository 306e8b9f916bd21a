/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_describe.h - a plugin's configuration as the description that its worker gets.
 *
 * Place:   sandbox_client.c. Bytes: sandbox_blob.h.
 * Threads: none of its own.
 * Failure: a script or module that cannot be read is an error, with Heka's "Init() " before it.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_DESCRIBE_H
#define CONTROL_SANDBOX_SANDBOX_DESCRIBE_H

#include "control/sandbox/sandbox_client.h"
#include "core/buffer.h"

/* 0, or -1 after adding to `err`. */
int sandbox_describe(const struct sandbox_client_config *config, struct buffer *blob,
                     struct err *err);

/* The most bytes that one call can reply. */
uint64_t sandbox_describe_replies(const struct sandbox_client_config *config);

#endif
