/* SPDX-License-Identifier: MPL-2.0
 *
 * json_oracle.h - what JsonDecoder has to make of a payload, by jansson.
 *
 * Place:   tests/unit/codec/test_json_decoder.c, tests/fuzz/fuzz_json_decoder.c.
 * Failure: a difference ends the program.
 */
#ifndef TESTS_SUPPORT_JSON_ORACLE_H
#define TESTS_SUPPORT_JSON_ORACLE_H

#include "core/message.h"

/* `rc` is what decode() returned with the defaults of all options for a message without fields,
 * and `message` what it committed (NULL unless rc is 0). */
void json_oracle_check(struct msg_slice payload, int rc, const struct msg_view *message);

#endif
