/* SPDX-License-Identifier: MPL-2.0
 *
 * message_edit_oracle.h - core/msg_edit.h against the same changes made with protobuf-c.
 *
 * Place:   tests/unit/core/test_msg_edit.c and tests/fuzz/fuzz_message.c.
 * Threads: one; the memory that protobuf-c works in is static.
 */
#ifndef TESTS_SUPPORT_MESSAGE_EDIT_ORACLE_H
#define TESTS_SUPPORT_MESSAGE_EDIT_ORACLE_H

#include "core/msg_edit.h"

enum { EDIT_SCRIPT_STEP = 8 }; /* bytes of a script for one change */

struct edit_tally { /* that a test can see that all has happened */
    uint64_t changes, refusals, nothing;
};

/* Makes the changes that `script` says (any bytes) to the message in `buffer`, `*size` bytes of
 * `capacity`, which msg_view_init() accepts. NULL, or what differs. */
const char *message_edit_oracle_run(uint8_t *buffer, size_t *size, size_t capacity,
                                    const uint8_t *script, size_t script_size,
                                    struct edit_tally *tally);

#endif
