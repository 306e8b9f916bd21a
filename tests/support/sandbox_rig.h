/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_rig.h - a host for sandboxes under test: a fixed clock and random numbers, a fixed
 *                 configuration, and a text of all that was injected.
 *
 * Place:   tests/unit/sandbox.
 * Threads: one, but for the watchdog's own.
 */
#ifndef TESTS_SUPPORT_SANDBOX_RIG_H
#define TESTS_SUPPORT_SANDBOX_RIG_H

#include "core/buffer.h"
#include "sandbox/sandbox.h"

enum { RIG_MESSAGE_SIZE = 1024 };

struct sandbox_rig {
    struct buffer log; /* "inject JSON", "log TEXT"; a line each */
    uint64_t random;
    enum sandbox_inject answer;
    unsigned injected_count;
    uint8_t message[RIG_MESSAGE_SIZE];
    struct msg_view view; /* a message with fields of all types */
};

void sandbox_rig_init(struct sandbox_rig *rig);
void sandbox_rig_fini(struct sandbox_rig *rig);

/* A configuration with Heka's limits whose host is the rig; the folder of modules is
 * tests/golden/sandbox/modules. */
struct sandbox_config sandbox_rig_config(struct sandbox_rig *rig, enum sandbox_type type,
                                         const char *script, const char *filename);

const char *sandbox_outcome_name(enum sandbox_outcome outcome);

/* The value of a line "-- KEY: VALUE" of a script, cut to `size`; false: no such line. */
bool sandbox_rig_option(const char *script, const char *key, char *value, size_t size);

#endif
