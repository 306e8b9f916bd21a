/* SPDX-License-Identifier: MPL-2.0
 *
 * test_plan_rules.c - a plan's compiled rules: taken when they are the plan's, refused when not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/plan.h"
#include "matcher/database.h"
#include "tests/support/test_dir.h"

/* Slots 0 and 2; 1 is free. */
static const struct rule_text rules[] = {{"a", "Payload =~ /x+y/", NULL},
                                         {"", "FALSE", NULL},
                                         {"b", "Type == 't'", "ops"}};
static const char consumers[] =
    "[{\"name\": \"a\", \"message_matcher\": \"Payload =~ /x+y/\"},"
    " {\"name\": \"b\", \"message_matcher\": \"Type == 't'\", \"message_signer\": \"ops\","
    " \"slot\": 2}]";

static char dir[] = "/tmp/heka-plan-XXXXXX";
static char digest[RULESET_DIGEST_LEN + 1];
static struct err err;

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static int make_files(void **state)
{
    struct ruleset *set = NULL;
    struct buffer bytes = {0};
    (void)state;
    if (mkdtemp(dir) == NULL || chdir(dir) != 0 ||
        ruleset_compile(rules, 3, &set, NULL) != 0 || ruleset_save(set, &bytes) != 0)
        return -1;
    ruleset_digest(bytes.data, bytes.size, digest);
    write_file("good.db", bytes.data, bytes.size);
    write_file("cut.db", bytes.data, bytes.size / 2);
    ruleset_free(set);
    buffer_fini(&bytes);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

/* Loads a plan at `path` with these consumers and this member "rules". */
static int load(const char *path, const char *member, const char *list, struct plan **plan)
{
    char text[1024];
    int len = snprintf(text, sizeof(text), "{\"consumers\": %s%s%s}", list,
                       member != NULL ? ", \"rules\": " : "", member != NULL ? member : "");
    write_file(path, text, (size_t)len);
    err.count = 0;
    *plan = NULL;
    return plan_load(path, plan, &err);
}

static void expect_refused(const char *member, const char *list, const char *text)
{
    struct plan *plan;
    assert_int_equal(load("plan.json", member, list, &plan), -1);
    assert_null(plan);
    if (strstr(err.texts[0], text) == NULL)
        fail_msg("%s", err.texts[0]);
}

static void test_database(void **state)
{
    char member[160], path[64];
    struct plan *plan;
    (void)state;
    snprintf(member, sizeof(member), "{\"file\": \"good.db\", \"digest\": \"%s\"}", digest);
    assert_int_equal(load("plan.json", member, consumers, &plan), 0);
    assert_int_equal(ruleset_count(plan->rules), 3);
    assert_ptr_equal(plan->sink.rules, plan->rules);
    plan_free(plan);
    snprintf(path, sizeof(path), "%s/plan.json", dir); /* beside the plan, wherever we are */
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(load(path, member, consumers, &plan), 0);
    plan_free(plan);
    assert_int_equal(chdir(dir), 0);
}

static void test_compiled_here(void **state)
{
    struct plan *plan;
    (void)state;
    assert_int_equal(load("plan.json", NULL, consumers, &plan), 0);
    assert_null(plan->database.file);
    assert_int_equal(ruleset_count(plan->rules), 3);
    plan_free(plan);
}

static void test_refused(void **state)
{
    char member[160];
    (void)state;
    snprintf(member, sizeof(member), "{\"file\": \"cut.db\", \"digest\": \"%s\"}", digest);
    expect_refused(member, consumers, "cut.db: ");
    snprintf(member, sizeof(member), "{\"file\": \"none.db\", \"digest\": \"%s\"}", digest);
    expect_refused(member, consumers, "none.db: No such file or directory");
    snprintf(member, sizeof(member), "{\"file\": \"good.db\", \"digest\": \"%s\"}", digest);
    expect_refused(member, "[{\"name\": \"a\", \"message_matcher\": \"TRUE\"}]",
                   "good.db: made of other rules than the plan's");
    expect_refused("{\"file\": \"good.db\"}", consumers,
                   "plan.json:1: rules: digest: found '', allowed 32 hexadecimal digits");
    snprintf(member, sizeof(member), "{\"file\": \"../good.db\", \"digest\": \"%s\"}", digest);
    expect_refused(member, consumers,
                   "plan.json:1: rules: file: found '../good.db', allowed a name without a folder");
    expect_refused("{\"files\": \"good.db\"}", consumers, "files");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_database),
        cmocka_unit_test(test_compiled_here),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
