/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/pcre_jit.h"

#include <errno.h>

#include "matcher/regex_pcre.h"

int pcre_jit_compile(const struct buffer *pattern, uint32_t options, bool may_interpret,
                     pcre2_code **code)
{
    int error;
    PCRE2_SIZE error_at;

    *code =
        pcre2_compile((PCRE2_SPTR)pattern->data, pattern->size, options, &error, &error_at, NULL);
    if (!*code)
        return error == PCRE2_ERROR_HEAP_FAILED ? -ENOMEM : -EINVAL;
    if (pcre2_jit_compile(*code, PCRE2_JIT_COMPLETE) == 0 || may_interpret)
        return 0;
    pcre2_code_free(*code);
    *code = NULL;
    return -EINVAL;
}

int pcre_jit_scratch_init(struct pcre_jit_scratch *scratch, uint32_t pairs, size_t stack_size)
{
    *scratch = (struct pcre_jit_scratch){
        .match = pcre2_match_data_create(pairs, NULL),
        .context = pcre2_match_context_create(NULL),
        .stack = pcre2_jit_stack_create(stack_size, REGEX_PCRE_STACK_SIZE, NULL),
    };
    if (!scratch->match || !scratch->context || !scratch->stack) {
        pcre_jit_scratch_fini(scratch);
        return -ENOMEM;
    }
    pcre2_set_match_limit(scratch->context, REGEX_PCRE_STEPS_MAX);
    pcre2_set_depth_limit(scratch->context, REGEX_PCRE_STEPS_MAX);
    pcre2_set_heap_limit(scratch->context, REGEX_PCRE_HEAP_KIB);
    pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    return 0;
}

void pcre_jit_scratch_fini(struct pcre_jit_scratch *scratch)
{
    pcre2_match_data_free(scratch->match);
    pcre2_match_context_free(scratch->context);
    pcre2_jit_stack_free(scratch->stack);
    *scratch = (struct pcre_jit_scratch){0};
}
