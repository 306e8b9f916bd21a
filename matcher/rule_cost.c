/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/rule_cost.h"

#include <errno.h>
#include <stdlib.h>

#include "core/check.h"
#include "core/cycles.h"

enum { BURST = 64 };

struct measurement {
    const struct ruleset *set;
    struct ruleset_scratch *scratch;
    const struct msg_view *messages;
    unsigned message_count;
    uint64_t *masks;
    size_t mask_words;
};

/* Cycles of one pass over all messages. */
static uint64_t run_round(const struct measurement *run)
{
    uint64_t start = cycles_now();

    for (unsigned first = 0; first < run->message_count; first += BURST) {
        unsigned count = run->message_count - first < BURST ? run->message_count - first : BURST;

        ruleset_match(run->set, run->scratch, run->messages + first, NULL, count,
                      run->masks + first * run->mask_words, run->mask_words);
    }
    return cycles_now() - start;
}

static uint64_t count_accepted(const struct measurement *run)
{
    uint64_t accepted = 0;

    for (unsigned m = 0; m < run->message_count; m++) {
        uint64_t any = 0;

        for (size_t w = 0; w < run->mask_words; w++)
            any |= run->masks[m * run->mask_words + w];
        accepted += any != 0;
    }
    return accepted;
}

static void measure(const struct measurement *run, struct rule_cost *cost)
{
    uint64_t start_ns = clock_mono_ns(), least = UINT64_MAX;
    uint64_t spent_ms = 0;

    for (unsigned round = 0; round < RULE_COST_ROUNDS || spent_ms < RULE_COST_MS; round++) {
        uint64_t cycles = run_round(run);

        least = cycles < least ? cycles : least;
        spent_ms = (clock_mono_ns() - start_ns) / CLOCK_NS_PER_MS;
        if (spent_ms >= RULE_COST_MS_MAX)
            break;
    }
    cost->accepted = count_accepted(run);
    cost->cycles = (double)least / run->message_count;
}

int rule_cost_measure(const struct rule_text *rules, size_t count, const struct msg_view *messages,
                      unsigned message_count, struct rule_cost *cost, struct err *err)
{
    struct measurement run = {.messages = messages, .message_count = message_count};
    struct ruleset *set = NULL;

    CHECK(message_count > 0);
    int rc = ruleset_compile(rules, count, &set, err);
    if (rc < 0)
        return rc;
    run.set = set;
    run.mask_words = count / 64 + 1;
    run.masks = calloc(message_count * run.mask_words, sizeof *run.masks);
    rc = run.masks ? ruleset_scratch_new(set, &run.scratch) : -ENOMEM;
    if (rc == 0)
        measure(&run, cost);
    else
        err_add(err, "out of memory");
    free(run.masks);
    ruleset_scratch_free(run.scratch);
    ruleset_free(set);
    return rc;
}
