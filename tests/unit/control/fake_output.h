/* SPDX-License-Identifier: MPL-2.0
 *
 * fake_output.h - an output that does what a test tells it, and remembers what it got.
 */
#ifndef TESTS_UNIT_CONTROL_FAKE_OUTPUT_H
#define TESTS_UNIT_CONTROL_FAKE_OUTPUT_H

#include <stdatomic.h>

#include "control/lanes/consumer.h"

enum { FAKE_ITEMS_MAX = 200000 };

struct fake_output {             /* the test's */
    struct fake_output *self;    /* the instance's options */
    _Atomic bool blocked;        /* takes nothing */
    _Atomic int fail_code;       /* negative: deliver returns it */
    _Atomic unsigned take_max;   /* at most so many of a call; 0: all */
    _Atomic unsigned drop_every; /* each n-th item is dropped as "test_drop"; 0: none */
    _Atomic uint64_t seed;       /* not 0: takes random parts, fails at random */
    _Atomic unsigned calls, timers, reloads, finis;
    _Atomic unsigned count; /* items taken, in order: */
    int numbers[FAKE_ITEMS_MAX];
    char last_bytes[256]; /* of the last item */
    size_t last_size;
};

/* A configured output with this fake behind it. `encoder` may be NULL. */
void fake_output_instance(struct fake_output *fake, const char *name,
                          const struct encoder_instance *encoder, struct output_instance *instance);

/* An encoder that writes the payload, fails for payload "fail", and writes nothing for
 * "nothing". */
extern const struct encoder_instance fake_encoder;

extern const struct hekad_globals fake_globals;
extern const struct consumer_options fake_options; /* with them */

/* Waits, at most a minute, until the condition holds; a test fails when it does not. */
#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        bool holds_ = (condition);                                                                 \
        for (unsigned tries_ = 0; tries_ < 60000 && !holds_; tries_++) {                           \
            usleep(1000);                                                                          \
            holds_ = (condition);                                                                  \
        }                                                                                          \
        assert_true(holds_);                                                                       \
    } while (0)

#endif
