/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/regex_pcre.h"

#include <errno.h>
#include <stdlib.h>

#include "matcher/pcre_jit.h"
#include "matcher/regex_emit.h"
#include "matcher/regex_shape.h"

enum { STACK_SIZE = 32 * 1024 }; /* at first */

struct regex_pcre {
    pcre2_code *code;
    bool utf8;
};

struct regex_pcre_scratch {
    struct pcre_jit_scratch jit;
};

int regex_pcre_new(const struct regex_span *span, struct regex_pcre **out)
{
    bool utf8 = !regex_shape_of(span).is_byte_safe;
    struct buffer text = {0};
    struct regex_pcre *code = calloc(1, sizeof *code);
    uint32_t options = PCRE2_NO_AUTO_CAPTURE | (utf8 ? PCRE2_UTF | PCRE2_NO_UTF_CHECK : 0);
    int rc = code ? regex_emit(span, utf8 ? REGEX_AS_UTF8 : REGEX_AS_BYTES, &text) : -ENOMEM;

    if (rc == 0) {
        code->utf8 = utf8;
        rc = pcre_jit_compile(&text, options, true, &code->code);
    }
    buffer_fini(&text);
    if (rc < 0)
        regex_pcre_free(code);
    else
        *out = code;
    return rc < 0 ? rc : 0;
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

    if (!scratch || pcre_jit_scratch_init(&scratch->jit, 1, STACK_SIZE) < 0) {
        free(scratch);
        return -ENOMEM;
    }
    *out = scratch;
    return 0;
}

void regex_pcre_scratch_free(struct regex_pcre_scratch *scratch)
{
    if (!scratch)
        return;
    pcre_jit_scratch_fini(&scratch->jit);
    free(scratch);
}

int regex_pcre_match(const struct regex_pcre *code, struct regex_pcre_scratch *scratch,
                     const char *value, size_t len)
{
    int rc = pcre2_match(code->code, (PCRE2_SPTR)value, len, 0, code->utf8 ? PCRE2_NO_UTF_CHECK : 0,
                         scratch->jit.match, scratch->jit.context);

    if (rc >= 0)
        return 1;
    return rc == PCRE2_ERROR_NOMATCH ? 0 : -E2BIG;
}
