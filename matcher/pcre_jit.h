/* SPDX-License-Identifier: MPL-2.0
 *
 * pcre_jit.h - PCRE2-JIT as regex_pcre.c and capture_pcre.c set it up.
 *
 * Place:   private to these two.
 * Threads: code is immutable and shared; a scratch belongs to one thread.
 * Memory:  compiling and the scratch allocate.
 * Failure: negative errno; matching ends at the limits of matcher/regex_pcre.h.
 */
#ifndef MATCHER_PCRE_JIT_H
#define MATCHER_PCRE_JIT_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdbool.h>

#include "core/buffer.h"

struct pcre_jit_scratch {
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* 0, -ENOMEM, or -EINVAL: PCRE2 refuses (too large), or its JIT does. With `may_interpret` the JIT
 * may refuse: then the code is interpreted. */
int pcre_jit_compile(const struct buffer *pattern, uint32_t options, bool may_interpret,
                     pcre2_code **code);

/* `pairs`: positions kept of a match. `stack_size`: of the JIT's stack at first. 0, or -ENOMEM and
 * nothing to free. */
int pcre_jit_scratch_init(struct pcre_jit_scratch *scratch, uint32_t pairs, size_t stack_size);
void pcre_jit_scratch_fini(struct pcre_jit_scratch *scratch); /* zeroed is fine */

#endif
