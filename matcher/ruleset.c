/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/ruleset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/evaluate.h"

struct member {
    struct rule *rule;
    struct evaluator *evaluator;
    char *signer; /* NULL: any */
};

struct ruleset {
    size_t count;
    struct member members[];
};

struct ruleset_scratch {
    struct evaluator_scratch *evaluator;
};

static int compile_rule(struct member *member, const struct rule_text *text, struct err *err)
{
    struct rule_fault fault;
    int rc = rule_parse(text->text, &member->rule, &fault);

    if (rc == -EINVAL)
        err_add(err, "%s: message_matcher, position %zu: %s", text->name, fault.position + 1,
                fault.text);
    if (rc < 0)
        return rc;
    rc = evaluator_new(member->rule, &member->evaluator);
    if (rc == -EINVAL)
        err_add(err, "%s: message_matcher: a regular expression is too large", text->name);
    if (rc == 0 && text->signer && text->signer[0] != '\0') {
        member->signer = strdup(text->signer);
        rc = member->signer ? 0 : -ENOMEM;
    }
    return rc;
}

int ruleset_compile(const struct rule_text *rules, size_t count, struct ruleset **out,
                    struct err *err)
{
    struct ruleset *set = calloc(1, sizeof *set + count * sizeof set->members[0]);
    int result = 0;

    if (!set)
        return -ENOMEM;
    set->count = count;
    for (size_t i = 0; i < count; i++) {
        int rc = compile_rule(&set->members[i], &rules[i], err);

        result = rc < 0 ? rc : result;
        if (rc == -ENOMEM)
            break;
    }
    if (result < 0) {
        ruleset_free(set);
        return result;
    }
    *out = set;
    return 0;
}

void ruleset_free(struct ruleset *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++) {
        evaluator_free(set->members[i].evaluator);
        rule_free(set->members[i].rule);
        free(set->members[i].signer);
    }
    free(set);
}

size_t ruleset_count(const struct ruleset *set)
{
    return set->count;
}

int ruleset_scratch_new(const struct ruleset *set, struct ruleset_scratch **out)
{
    struct ruleset_scratch *scratch = calloc(1, sizeof *scratch);
    int rc = scratch ? evaluator_scratch_new(&scratch->evaluator) : -ENOMEM;

    (void)set;
    if (rc < 0)
        free(scratch);
    else
        *out = scratch;
    return rc;
}

void ruleset_scratch_free(struct ruleset_scratch *scratch)
{
    if (!scratch)
        return;
    evaluator_scratch_free(scratch->evaluator);
    free(scratch);
}

void ruleset_match(const struct ruleset *set, struct ruleset_scratch *scratch,
                   const struct msg_view *messages, const char *const *signers, unsigned count,
                   uint64_t *masks, size_t mask_words)
{
    memset(masks, 0, count * mask_words * sizeof *masks);
    for (unsigned m = 0; m < count; m++) {
        const char *signer = signers ? signers[m] : NULL;

        for (size_t r = 0; r < set->count; r++) {
            const struct member *member = &set->members[r];

            if (member->signer && (!signer || strcmp(member->signer, signer) != 0))
                continue;
            if (evaluate(member->evaluator, scratch->evaluator, &messages[m]))
                masks[m * mask_words + r / 64] |= (uint64_t)1 << r % 64;
        }
    }
}
