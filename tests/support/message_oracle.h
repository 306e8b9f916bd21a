/* SPDX-License-Identifier: MPL-2.0
 *
 * message_oracle.h - the message view against protobuf-c on the same bytes.
 *
 * Place:   tests/unit/core/test_message_oracle.c and tests/fuzz/fuzz_message.c.
 * Threads: one; the memory that protobuf-c works in is static.
 * Failure: a difference that is not one of the five below is returned as text.
 *
 * Both accept the same bytes, but for these, which are on purpose:
 * - a uuid that is not 16 bytes: refused by the view (MSG_E_UUID), Heka's messages need it;
 * - a tag with number 0 in two or more bytes, or above 2^29 - 1: MSG_E_TAG, protobuf forbids it;
 * - value_bool as fixed32 or fixed64: MSG_E_WIRE_TYPE, protobuf-c forgets to look;
 * - more than MSG_FIELDS_MAX fields: MSG_E_LIMIT;
 * - groups as unknown members: skipped by the view as protobuf demands, refused by protobuf-c.
 */
#ifndef TESTS_SUPPORT_MESSAGE_ORACLE_H
#define TESTS_SUPPORT_MESSAGE_ORACLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/heka.pb-c.h"
#include "core/message.h"

enum oracle_end {
    ORACLE_BOTH_ACCEPT,
    ORACLE_BOTH_REFUSE,
    ORACLE_REFUSED_UUID, /* the deliberate differences */
    ORACLE_REFUSED_TAG,
    ORACLE_REFUSED_BOOL,
    ORACLE_REFUSED_LIMIT,
    ORACLE_ACCEPTED_GROUP,
    ORACLE_ENDS
};

/* NULL when view and protobuf-c agree, and *end says in what; else what differs. size up to 64 KiB.
 */
const char *message_oracle_check(const uint8_t *bytes, size_t size, enum oracle_end *end);

/* ---- for message_edit_oracle.c ---- */

/* Forgets what was unpacked before; NULL when protobuf-c refuses. */
Heka__Message *message_oracle_unpack(const uint8_t *bytes, size_t size);
/* More of the memory that it is in; a text that compare takes has its NUL counted. */
void *message_oracle_memory(size_t size);
/* NULL, or what differs. */
const char *message_oracle_compare(const struct msg_view *view, const Heka__Message *expected);

#endif
