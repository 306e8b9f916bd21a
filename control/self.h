/* SPDX-License-Identifier: MPL-2.0
 *
 * self.h - hekad's own messages: reports, and what became of plugins.
 *
 * Place:   plugins_life.c and report.c put messages; an input of hekad's own, "hekad", which no
 *          configuration names, injects them, so that the main thread never waits for a lane.
 * Threads: self_put [any]; new and free [main]; the input has a thread of its own.
 * Memory:  messages are copied.
 * Failure: with SELF_MESSAGES_MAX waiting a further one is dropped and counted (`dropped`).
 */
#ifndef CONTROL_SELF_H
#define CONTROL_SELF_H

#include "control/plugins/input.h"

enum { SELF_MESSAGES_MAX = 256, SELF_FIELDS_MAX = 8 };

struct self;

struct self_field {
    const char *name, *representation;
    const char *text; /* NULL: `number` is the value */
    int64_t number;
};

struct self_message {
    const char *type;
    const char *payload; /* NULL: none */
    const struct self_field *fields;
    unsigned field_count; /* at most SELF_FIELDS_MAX */
};

struct self *self_new(void); /* NULL without memory */
void self_free(struct self *self);
void self_put(struct self *self, const struct self_message *message);

struct self_options { /* of the input's instance */
    struct self *self;
};
extern const struct input_ops self_input;

#endif
