/* SPDX-License-Identifier: MPL-2.0
 *
 * test_match_differential.c - the rule set against the plain evaluator: random rules times random
 * messages, a million pairs. MATCH_SEED=n repeats a run; MATCH_SETS=n makes it longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matcher/evaluate.h"
#include "matcher/ruleset.h"
#include "tests/unit/matcher/match_random.h"

enum { SETS = 50, RULES_MAX = 100, MESSAGES = 400, BURST = 32, MASK_WORDS = 3 };

static const char *const signers[] = {NULL, "", "ops", "dev"};

struct set_under_test {
    char texts[RULES_MAX][MATCH_RULE_SIZE];
    struct rule_text rules[RULES_MAX];
    struct rule *parsed[RULES_MAX];
    struct evaluator *evaluators[RULES_MAX];
    unsigned count;
    struct ruleset *set;
    struct ruleset_scratch *scratch;
    struct evaluator_scratch *evaluator_scratch;
    uint64_t pairs;
    uint64_t matches;
};

static uint64_t setting(const char *name, uint64_t standard)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : standard;
}

static void open_set(struct set_under_test *test, struct match_random *random)
{
    struct err *err = calloc(1, sizeof *err);

    test->count = 1 + match_random_below(random, RULES_MAX);
    for (unsigned i = 0; i < test->count; i++) {
        struct rule_fault fault;

        match_random_rule(random, test->texts[i]);
        test->rules[i] = (struct rule_text){"random", test->texts[i],
                                            signers[match_random_below(random, 12) % 9 % 4]};
        if (rule_parse(test->texts[i], &test->parsed[i], &fault) != 0)
            fail_msg("%s: %zu: %s", test->texts[i], fault.position, fault.text);
        assert_int_equal(evaluator_new(test->parsed[i], &test->evaluators[i]), 0);
        assert_int_equal(evaluator_scratch_fit(test->evaluator_scratch, test->evaluators[i]), 0);
    }
    if (ruleset_compile(test->rules, test->count, &test->set, err) != 0)
        fail_msg("compile: %s", err->texts[0]);
    assert_int_equal(ruleset_scratch_new(test->set, &test->scratch), 0);
    free(err);
}

static void close_set(struct set_under_test *test)
{
    ruleset_scratch_free(test->scratch);
    ruleset_free(test->set);
    for (unsigned i = 0; i < test->count; i++) {
        evaluator_free(test->evaluators[i]);
        rule_free(test->parsed[i]);
    }
}

static bool expect(struct set_under_test *test, unsigned rule, const struct msg_view *message,
                   const char *signer)
{
    const char *wanted = test->rules[rule].signer;

    if (wanted && wanted[0] && (!signer || strcmp(wanted, signer) != 0))
        return false;
    return evaluate(test->evaluators[rule], test->evaluator_scratch, message);
}

static void check_message(struct set_under_test *test, const struct msg_view *message,
                          const char *signer, const uint64_t *mask)
{
    for (unsigned r = 0; r < test->count; r++) {
        bool got = mask[r / 64] >> r % 64 & 1;
        bool wanted = expect(test, r, message, signer);

        if (got != wanted) {
            print_error("rule %s (signer %s)\nmessage ", test->texts[r], signer ? signer : "-");
            for (uint32_t i = 0; i < message->size; i++)
                print_error("%02x", message->bytes[i]);
            fail_msg("\ngot %d, wanted %d", got, wanted);
        }
        test->pairs++;
        test->matches += wanted;
    }
    for (unsigned r = test->count; r < MASK_WORDS * 64; r++)
        assert_int_equal(mask[r / 64] >> r % 64 & 1, 0);
}

static void check_burst(struct set_under_test *test, struct match_random *random)
{
    static struct match_message messages[BURST];
    static struct msg_view views[BURST];
    static uint64_t masks[BURST * MASK_WORDS];
    const char *burst_signers[BURST];
    bool with_signers = match_random_below(random, 4) > 0;

    for (unsigned m = 0; m < BURST; m++) {
        match_random_message(random, &messages[m]);
        views[m] = messages[m].view;
        burst_signers[m] = with_signers ? signers[match_random_below(random, 4)] : NULL;
    }
    memset(masks, 0xA5, sizeof masks);
    ruleset_match(test->set, test->scratch, views, with_signers ? burst_signers : NULL, BURST,
                  masks, MASK_WORDS);
    for (unsigned m = 0; m < BURST; m++)
        check_message(test, &views[m], burst_signers[m], masks + m * MASK_WORDS);
}

static void test_random_sets(void **state)
{
    uint64_t seed = setting("MATCH_SEED", 20160501);
    uint64_t sets = setting("MATCH_SETS", SETS);
    struct match_random random = {.state = seed};
    struct set_under_test *test = calloc(1, sizeof *test);

    (void)state;
    assert_non_null(test);
    assert_int_equal(evaluator_scratch_new(&test->evaluator_scratch), 0);
    for (uint64_t s = 0; s < sets; s++) {
        open_set(test, &random);
        for (unsigned done = 0; done < MESSAGES; done += BURST)
            check_burst(test, &random);
        assert_int_equal(ruleset_scratch_limits(test->scratch), 0);
        close_set(test);
    }
    assert_int_equal(evaluator_scratch_limits(test->evaluator_scratch), 0);
    evaluator_scratch_free(test->evaluator_scratch);
    print_message("seed %llu: %llu pairs, %llu matches\n", (unsigned long long)seed,
                  (unsigned long long)test->pairs, (unsigned long long)test->matches);
    assert_true(test->matches > test->pairs / 20 && test->matches < test->pairs / 20 * 19);
    free(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_sets),
    };

    return cmocka_run_group_tests_name("match_differential", tests, NULL, NULL);
}
