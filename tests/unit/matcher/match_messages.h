/* SPDX-License-Identifier: MPL-2.0
 *
 * match_messages.h - messages for the matcher's tests.
 *
 * Place:   tests/unit/matcher, tests/fuzz/fuzz_match.c, bench/match.c.
 * Memory:  a message lies in its own fixed buffer.
 */
#ifndef TESTS_MATCH_MESSAGES_H
#define TESTS_MATCH_MESSAGES_H

#include "core/message.h"

enum { MATCH_MESSAGE_SIZE = 4096 };

struct match_message {
    uint8_t bytes[MATCH_MESSAGE_SIZE];
    struct msg_view view;
};

/* A field with any number of values, numbers packed or not; pieces follow each other. */
struct match_field {
    const char *name;
    enum msg_value_type type;
    bool packed;
    unsigned count;
    const char *strings[4]; /* STRING, BYTES */
    double numbers[4];      /* the others */
};

void match_field_add(struct msg_builder *builder, const struct match_field *field);

/* Messages A, B and C of the golden cases. */
void match_message_golden(char name, struct match_message *message);

/* Fills message->view; the builder has written to message->bytes. Checks that all is well. */
void match_message_finish(struct match_message *message, const struct msg_builder *builder);

#endif
