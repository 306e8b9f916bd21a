/* SPDX-License-Identifier: MPL-2.0
 *
 * test_match_memory.c - every allocation of a compilation, a scratch, a load and an explanation
 * made to fail once.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matcher/database.h"
#include "matcher/explain.h"
#include "tests/unit/core/alloc_fail.h"
#include "tests/unit/matcher/match_messages.h"

static const struct rule_text rules[] = {
    {"a", "Type == 'x' && Severity < 3 || Fields[f][1] > 'a' && Logger =~ /^pre/", "ops"},
    {"b", "Payload =~ /a.b|[^\\n]{3}\\pL/ && Payload !~ /suffix$/ || (Pid != 3 || Type != 'y')",
     NULL},
    {"c", "Fields[f] != NIL && Fields[g] == TRUE && Fields[h] > 3 && Type != 'z' && Pid > 1", NULL},
    {"d", "TRUE FALSE TRUE '", NULL},
};

enum { RULES = 4, FAILURES_MAX = 20000 };

/* Calls `attempt` with each of its allocations failing in turn, until none is left to fail. */
static void fail_each(int (*attempt)(struct err *err))
{
    struct err *err = calloc(1, sizeof *err);
    bool failed = true;
    unsigned i;

    assert_non_null(err);
    for (i = 0; failed; i++) {
        int rc;

        assert_true(i < FAILURES_MAX);
        err->count = 0;
        alloc_fail_at(i);
        rc = attempt(err);
        failed = alloc_fail_stop();
        if (failed && rc != 0) {
            assert_int_equal(rc, -ENOMEM);
            assert_int_equal(err->count, 1);
        } else {
            assert_int_equal(rc, 0);
            assert_int_equal(err->count, 0);
        }
    }
    assert_true(i > 20);
    free(err);
}

static int try_compile(struct err *err)
{
    struct ruleset *set = NULL;
    int rc = ruleset_compile(rules, RULES, &set, err);

    ruleset_free(set);
    return rc;
}

static void test_compile(void **state)
{
    (void)state;
    assert_int_equal(try_compile(NULL), 0); /* the tables of Unicode stay */
    fail_each(try_compile);
}

static struct ruleset *shared;

static int try_scratch(struct err *err)
{
    struct ruleset_scratch *scratch = NULL;
    int rc = ruleset_scratch_new(shared, &scratch);

    if (rc != 0)
        err_add(err, "as the others");
    ruleset_scratch_free(scratch);
    return rc;
}

static int try_save(struct err *err)
{
    struct buffer bytes = {0};
    int rc = ruleset_save(shared, &bytes);

    if (rc != 0)
        err_add(err, "as the others");
    buffer_fini(&bytes);
    return rc;
}

static struct buffer saved;

static int try_load(struct err *err)
{
    struct ruleset *set = NULL;
    int rc = ruleset_load(saved.data, saved.size, &set, err);

    ruleset_free(set);
    return rc;
}

static int try_explain(struct err *err)
{
    struct match_message message;
    struct buffer out = {0};
    int rc;

    match_message_golden('A', &message);
    rc = explain_text(rules[1].text, &message.view, &out, err);
    if (rc != 0 && err->count == 0)
        err_add(err, "the caller's buffer");
    buffer_fini(&out);
    return rc;
}

static void test_others(void **state)
{
    struct ruleset_scratch *scratch = NULL;

    (void)state;
    assert_int_equal(ruleset_compile(rules, RULES, &shared, NULL), 0);
    assert_int_equal(ruleset_save(shared, &saved), 0);
    assert_int_equal(ruleset_scratch_new(shared, &scratch), 0);
    ruleset_scratch_free(scratch);
    fail_each(try_load);
    fail_each(try_explain);
    alloc_fail_at(0);
    assert_int_equal(try_scratch(NULL), -ENOMEM);
    assert_true(alloc_fail_stop());
    alloc_fail_at(0);
    assert_int_equal(try_save(NULL), -ENOMEM);
    assert_true(alloc_fail_stop());
    for (unsigned i = 0; i < 12; i++) {
        alloc_fail_at(i);
        try_scratch(NULL);
        try_save(NULL);
        alloc_fail_stop();
    }
    ruleset_free(shared);
    buffer_fini(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compile),
        cmocka_unit_test(test_others),
    };

    return cmocka_run_group_tests_name("match_memory", tests, NULL, NULL);
}
