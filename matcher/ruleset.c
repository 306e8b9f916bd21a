/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/ruleset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/ruleset_internal.h"

static int copy_text(const char *text, char **out)
{
    *out = text ? strdup(text) : NULL;
    return text && !*out ? -ENOMEM : 0;
}

static int copy_texts(struct ruleset *set, const struct rule_text *rules)
{
    set->texts = calloc(set->count + 1, sizeof *set->texts);
    if (!set->texts)
        return -ENOMEM;
    for (size_t i = 0; i < set->count; i++) {
        char *copies[3] = {0};
        int rc = copy_text(rules[i].name, &copies[0]);

        if (rc == 0)
            rc = copy_text(rules[i].text, &copies[1]);
        if (rc == 0)
            rc = copy_text(rules[i].signer, &copies[2]);
        set->texts[i] = (struct rule_text){copies[0], copies[1], copies[2]};
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void free_text(const char *text)
{
    union {
        const char *text;
        void *memory;
    } own = {.text = text};

    free(own.memory);
}

/* Parses all rules, so that all errors are told at once. */
static int parse_all(const struct rule_text *rules, size_t count, struct rule **parsed,
                     struct err *err)
{
    int result = 0;

    for (size_t i = 0; i < count; i++) {
        struct rule_fault fault;
        int rc = rule_parse(rules[i].text, &parsed[i], &fault);

        if (rc == -EINVAL)
            err_add(err, "%s: message_matcher: position %zu: %s", rules[i].name, fault.position + 1,
                    fault.text);
        if (rc == -ENOMEM)
            return rc;
        result = rc < 0 ? rc : result;
    }
    return result;
}

static int build_plan(struct ruleset *set, struct rule *const *parsed, struct scan_reader *saved,
                      struct err *err)
{
    uint32_t *rule_gates = malloc((set->count + 1) * sizeof *rule_gates);
    int64_t gate = rule_gates ? 0 : -ENOMEM;

    for (size_t i = 0; i < set->count && gate >= 0; i++) {
        const char *signer = set->texts[i].signer;

        gate = gates_add_rule(&set->gates, parsed[i], signer && signer[0] ? signer : NULL);
        rule_gates[i] = (uint32_t)gate;
    }
    if (gate >= 0)
        gate =
            match_plan_new(&set->gates, rule_gates, (uint32_t)set->count, saved, &set->plan, err);
    free(rule_gates);
    return gate < 0 ? (int)gate : 0;
}

static int keep_notes(struct ruleset *set, struct rule *const *parsed)
{
    size_t room = 0;

    for (size_t i = 0; i < set->count; i++)
        room += parsed[i]->note_count < RULE_NOTES_MAX ? parsed[i]->note_count : RULE_NOTES_MAX;
    set->notes = calloc(room + 1, sizeof *set->notes);
    if (!set->notes)
        return -ENOMEM;
    for (size_t i = 0; i < set->count; i++) {
        for (uint32_t n = 0; n < parsed[i]->note_count && n < RULE_NOTES_MAX; n++)
            set->notes[set->note_count++] = (struct ruleset_note){
                set->texts[i].name, parsed[i]->notes[n].position, parsed[i]->notes[n].text};
    }
    return 0;
}

static int build_set(struct ruleset *set, const struct rule_text *rules, struct rule **parsed,
                     struct scan_reader *saved, struct err *err)
{
    int rc = parse_all(rules, set->count, parsed, err);

    if (rc == 0)
        rc = copy_texts(set, rules);
    if (rc == 0)
        rc = keep_notes(set, parsed);
    if (rc < 0)
        return rc;
    rc = build_plan(set, parsed, saved, err);
    if (rc == -EINVAL)
        err_add(err, "message_matcher: a regular expression is too large for every engine");
    return rc;
}

int ruleset_build(const struct rule_text *rules, size_t count, struct scan_reader *saved,
                  struct ruleset **out, struct err *err)
{
    struct ruleset *set;
    struct rule **parsed;
    int rc = -ENOMEM;

    if (count > RULESET_RULES_MAX)
        return err_add(err, "message_matcher: over %d rules", RULESET_RULES_MAX), -E2BIG;
    set = calloc(1, sizeof *set);
    parsed = calloc(count + 1, sizeof(struct rule *));
    if (set && parsed) {
        set->count = count;
        rc = build_set(set, rules, parsed, saved, err);
    }
    for (size_t i = 0; parsed && i < count; i++)
        rule_free(parsed[i]);
    free(parsed);
    if (rc == -ENOMEM)
        err_add(err, "message_matcher: out of memory");
    if (rc < 0)
        ruleset_free(set);
    else
        *out = set;
    return rc;
}

int ruleset_compile(const struct rule_text *rules, size_t count, struct ruleset **out,
                    struct err *err)
{
    return ruleset_build(rules, count, NULL, out, err);
}

void ruleset_free(struct ruleset *set)
{
    if (!set)
        return;
    match_plan_free(set->plan);
    gates_fini(&set->gates);
    for (size_t i = 0; set->texts && i < set->count; i++) {
        free_text(set->texts[i].name);
        free_text(set->texts[i].text);
        free_text(set->texts[i].signer);
    }
    free(set->texts);
    free(set->notes);
    free(set);
}

size_t ruleset_count(const struct ruleset *set)
{
    return set->count;
}

size_t ruleset_notes(const struct ruleset *set, const struct ruleset_note **notes)
{
    *notes = set->notes;
    return set->note_count;
}

static int fit_scans(struct ruleset_scratch *scratch, const struct match_plan *plan)
{
    int rc = scan_scratch_new(&scratch->scan);

    if (rc == 0)
        rc = scan_batch_scratch_new(&scratch->batch);
    for (uint32_t i = 0; i < plan->scan_count && rc == 0; i++) {
        rc = scan_scratch_fit(scratch->scan, plan->scans[i]);
        if (rc == 0 && plan->batches[i])
            rc = scan_batch_scratch_fit(scratch->batch, plan->batches[i]);
    }
    return rc;
}

static int fit_scratch(struct ruleset_scratch *scratch, const struct match_plan *plan)
{
    size_t words = plan->state_words + 1;
    size_t values = plan->scan_count + 1;

    scratch->plan = plan;
    scratch->seen = calloc(plan->name_count + 1, sizeof *scratch->seen);
    scratch->states = malloc(RULESET_BURST * words * sizeof *scratch->states);
    scratch->values = calloc(RULESET_BURST * values, sizeof *scratch->values);
    if (!scratch->seen || !scratch->states || !scratch->values)
        return -ENOMEM;
    for (unsigned m = 0; m < RULESET_BURST; m++) {
        scratch->messages[m].state = scratch->states + m * words;
        scratch->messages[m].values = scratch->values + m * values;
    }
    return fit_scans(scratch, plan);
}

int ruleset_scratch_new(const struct ruleset *set, struct ruleset_scratch **out)
{
    struct ruleset_scratch *scratch = calloc(1, sizeof *scratch);
    int rc = scratch ? fit_scratch(scratch, set->plan) : -ENOMEM;

    if (rc < 0)
        ruleset_scratch_free(scratch);
    else
        *out = scratch;
    return rc;
}

void ruleset_scratch_free(struct ruleset_scratch *scratch)
{
    if (!scratch)
        return;
    scan_scratch_free(scratch->scan);
    scan_batch_scratch_free(scratch->batch);
    free(scratch->seen);
    free(scratch->states);
    free(scratch->values);
    free(scratch);
}

uint64_t ruleset_scratch_limits(const struct ruleset_scratch *scratch)
{
    return scan_scratch_limits(scratch->scan);
}
