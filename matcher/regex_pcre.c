/* SPDX-License-Identifier: MPL-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "matcher/regex_pcre.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

#include "matcher/regex_emit.h"
#include "matcher/regex_shape.h"

struct regex_pcre {
    pcre2_code *code;
    bool utf8;
};

struct regex_pcre_scratch {
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

int regex_pcre_new(const struct regex_span *span, struct regex_pcre **out)
{
    bool utf8 = !regex_shape_of(span).is_byte_safe;
    struct buffer text = {0};
    struct regex_pcre *code = calloc(1, sizeof *code);
    uint32_t options = PCRE2_NO_AUTO_CAPTURE | (utf8 ? PCRE2_UTF | PCRE2_NO_UTF_CHECK : 0);
    int error;
    PCRE2_SIZE error_at;
    int rc = code ? regex_emit(span, utf8 ? REGEX_AS_UTF8 : REGEX_AS_BYTES, &text) : -ENOMEM;

    if (rc < 0)
        goto out;
    code->utf8 = utf8;
    code->code = pcre2_compile((PCRE2_SPTR)text.data, text.size, options, &error, &error_at, NULL);
    if (!code->code) {
        rc = error == PCRE2_ERROR_HEAP_FAILED ? -ENOMEM : -EINVAL;
        goto out;
    }
    (void)pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE); /* else interpreted */
    *out = code;
    code = NULL;
out:
    buffer_fini(&text);
    regex_pcre_free(code);
    return rc;
}

void regex_pcre_free(struct regex_pcre *code)
{
    if (!code)
        return;
    pcre2_code_free(code->code);
    free(code);
}

bool regex_pcre_wants_utf8(const struct regex_pcre *code)
{
    return code->utf8;
}

int regex_pcre_scratch_new(struct regex_pcre_scratch **out)
{
    struct regex_pcre_scratch *scratch = calloc(1, sizeof *scratch);

    if (!scratch)
        return -ENOMEM;
    scratch->match = pcre2_match_data_create(1, NULL);
    scratch->context = pcre2_match_context_create(NULL);
    scratch->stack = pcre2_jit_stack_create(32 * 1024, REGEX_PCRE_STACK_SIZE, NULL);
    if (!scratch->match || !scratch->context || !scratch->stack) {
        regex_pcre_scratch_free(scratch);
        return -ENOMEM;
    }
    pcre2_set_match_limit(scratch->context, REGEX_PCRE_STEPS_MAX);
    pcre2_set_depth_limit(scratch->context, REGEX_PCRE_STEPS_MAX);
    pcre2_set_heap_limit(scratch->context, REGEX_PCRE_HEAP_KIB);
    pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    *out = scratch;
    return 0;
}

void regex_pcre_scratch_free(struct regex_pcre_scratch *scratch)
{
    if (!scratch)
        return;
    pcre2_match_data_free(scratch->match);
    pcre2_match_context_free(scratch->context);
    pcre2_jit_stack_free(scratch->stack);
    free(scratch);
}

int regex_pcre_match(const struct regex_pcre *code, struct regex_pcre_scratch *scratch,
                     const char *value, size_t len)
{
    int rc = pcre2_match(code->code, (PCRE2_SPTR)value, len, 0, code->utf8 ? PCRE2_NO_UTF_CHECK : 0,
                         scratch->match, scratch->context);

    if (rc >= 0)
        return 1;
    return rc == PCRE2_ERROR_NOMATCH ? 0 : -E2BIG;
}
