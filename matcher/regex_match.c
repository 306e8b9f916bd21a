/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/regex_match.h"

#include <errno.h>
#include <stdlib.h>

#include "matcher/utf8_text.h"

struct regex_matcher {
    struct regex_pcre *pcre; /* NULL: too large for PCRE2 */
    struct regex_program *program;
};

int regex_matcher_new(const struct regex_span *span, struct regex_matcher **out)
{
    struct regex_matcher *matcher = calloc(1, sizeof *matcher);
    int rc = matcher ? regex_pcre_new(span, &matcher->pcre) : -ENOMEM;

    if (rc == 0 || rc == -EINVAL)
        rc = regex_program_new(span, &matcher->program);
    if (rc < 0)
        regex_matcher_free(matcher);
    else
        *out = matcher;
    return rc;
}

void regex_matcher_free(struct regex_matcher *matcher)
{
    if (!matcher)
        return;
    regex_pcre_free(matcher->pcre);
    regex_program_free(matcher->program);
    free(matcher);
}

int regex_match_scratch_init(struct regex_match_scratch *scratch)
{
    scratch->repaired_size = (size_t)REGEX_REPAIR_SIZE * UTF8_GROWTH_MAX;
    scratch->repaired = malloc(scratch->repaired_size);
    return scratch->repaired ? regex_pcre_scratch_new(&scratch->pcre) : -ENOMEM;
}

int regex_match_scratch_fit(struct regex_match_scratch *scratch,
                            const struct regex_matcher *matcher)
{
    return regex_run_scratch_fit(&scratch->run, matcher->program);
}

void regex_match_scratch_fini(struct regex_match_scratch *scratch)
{
    regex_pcre_scratch_free(scratch->pcre);
    regex_run_scratch_fini(&scratch->run);
    free(scratch->repaired);
}

bool regex_match_repair(struct regex_match_scratch *scratch, const char **value, size_t *len)
{
    if (utf8_valid_size(*value, *len) == *len)
        return true;
    if (*len * UTF8_GROWTH_MAX > scratch->repaired_size) {
        char *larger = realloc(scratch->repaired, *len * UTF8_GROWTH_MAX);

        if (!larger) {
            scratch->limits++;
            return false;
        }
        scratch->repaired = larger;
        scratch->repaired_size = *len * UTF8_GROWTH_MAX;
    }
    *len = utf8_repair(*value, *len, scratch->repaired);
    *value = scratch->repaired;
    return true;
}

bool regex_match(const struct regex_matcher *matcher, struct regex_match_scratch *scratch,
                 const char *value, size_t len)
{
    int rc = -E2BIG;

    if (matcher->pcre) {
        if (regex_pcre_wants_utf8(matcher->pcre) && !regex_match_repair(scratch, &value, &len))
            return false;
        rc = regex_pcre_match(matcher->pcre, scratch->pcre, value, len);
    }
    if (rc < 0)
        rc = regex_run(matcher->program, &scratch->run, value, len);
    scratch->limits += rc < 0;
    return rc == 1;
}
