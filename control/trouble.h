/* SPDX-License-Identifier: MPL-2.0
 *
 * trouble.h - says in the log that something of a plugin fails, and that it works again, now and
 * then only.
 *
 * Place:   consumer.c for an output's deliveries, spool.c for its disk queue.
 * Threads: the one that has the trouble.
 * Bounds:  the same text every 30 s, other texts every second.
 */
#ifndef CONTROL_TROUBLE_H
#define CONTROL_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

enum { TROUBLE_TEXT_SIZE = 256 };

struct trouble {      /* zero-initialise, and set the name */
    const char *name; /* of the plugin */
    uint64_t last_log_ns;
    uint64_t failures; /* in a row */
    bool has_logged;   /* one of them */
    char last_text[TROUBLE_TEXT_SIZE];
};

void trouble_say(struct trouble *trouble, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* It works. */
void trouble_end(struct trouble *trouble);

#endif
