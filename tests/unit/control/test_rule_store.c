/* SPDX-License-Identifier: MPL-2.0
 *
 * test_rule_store.c - the matchers of a configuration compiled once: shared, cached, written beside
 *                     the plan, and put right again when somebody changed the files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/plugins/instances.h"
#include "control/plan_writer.h"
#include "control/rule_store.h"
#include "tests/support/test_dir.h"

static char dir[] = "/tmp/hekad-rules-XXXXXX";
static struct err err;

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL || chdir(dir) != 0 || mkdir("run", 0700) != 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

struct config {
    struct hekad_config *config;
    struct instances *instances;
};

static int load(const char *matcher, struct config *config)
{
    FILE *file = fopen("hekad.toml", "w");
    fprintf(file,
            "[hekad]\nbase_dir = \"base\"\n[a]\ntype = \"LogOutput\"\nencoder = \"R\"\n"
            "message_matcher = \"Payload =~ /one|two+/\"\n[R]\ntype = \"RstEncoder\"\n"
            "[b]\ntype = \"LogOutput\"\nencoder = \"R\"\nmessage_matcher = \"%s\"\n",
            matcher);
    fclose(file);
    err.count = 0;
    *config = (struct config){0};
    assert_int_equal(hekad_config_load("hekad.toml", NULL, &config->config, &err, NULL), 0);
    return instances_build(config->config, NULL, &config->instances, &err, NULL);
}

static void unload(struct config *config)
{
    instances_free(config->instances);
    hekad_config_free(config->config);
}

static struct rule_store_status status_of(const struct rule_store *store)
{
    struct rule_store_status status;
    rule_store_status(store, &status);
    return status;
}

static void test_shared(void **state)
{
    struct config config;
    struct rule_store *first, *second, *moved;
    (void)state;
    assert_int_equal(load("Type == 't'", &config), 0);
    assert_int_equal(rule_store_open(config.instances, &first, &err), 0);
    assert_int_equal(rule_store_open(config.instances, &second, &err), 0);
    assert_ptr_equal(first, second);
    assert_int_equal(status_of(first).origin, RULESET_NOT_SAVED); /* no folder */
    assert_int_equal(status_of(first).compilations, 1);
    assert_int_equal(ruleset_count(rule_store_rules(first)), 2);
    config.instances->outputs[1].slot = 5;
    assert_int_equal(rule_store_open(config.instances, &moved, &err), 0);
    assert_ptr_not_equal(first, moved);
    assert_int_equal(ruleset_count(rule_store_rules(moved)), 6);
    unload(&config);
    assert_int_equal(ruleset_count(rule_store_rules(first)), 2); /* a reference keeps it */
    rule_store_put(first);
    rule_store_put(second);
    rule_store_put(moved);
}

static void test_cache(void **state)
{
    struct config config;
    struct rule_store *store;
    enum ruleset_origin wanted[] = {RULESET_COMPILED, RULESET_CACHED};
    (void)state;
    assert_int_equal(rule_store_make_cache("base"), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(load("Type == 't'", &config), 0);
        assert_int_equal(rule_store_open(config.instances, &store, &err), 0);
        assert_int_equal(status_of(store).origin, wanted[i]);
        rule_store_put(store);
        unload(&config);
    }
    /* any garbage in the cache is compiled over */
    assert_int_equal(system("for f in base/rules/*; do echo garbage >$f; done"), 0);
    assert_int_equal(load("Type == 't'", &config), 0);
    assert_int_equal(rule_store_open(config.instances, &store, &err), 0);
    assert_int_equal(status_of(store).origin, RULESET_COMPILED);
    rule_store_put(store);
    unload(&config);
    fclose(fopen("file", "w"));
    assert_int_equal(rule_store_make_cache("file"), -1);
}

static int files_of(const char *command)
{
    FILE *pipe = popen(command, "r");
    int count = -1;
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

static void test_files(void **state)
{
    struct config config, other;
    struct rule_store *store;
    struct ruleset *set = NULL;
    static const struct rule_text rules[] = {{"a", "Payload =~ /one|two+/", NULL},
                                             {"b", "Type == 't'", NULL}};
    char path[256], command[300];
    (void)state;
    assert_int_equal(load("Type == 't'", &config), 0);
    assert_int_equal(plan_writer_write(config.instances, 1, "run/plan.json", &err), 0);
    assert_true(plan_writer_is_same(config.instances, 1, "run/plan.json"));
    assert_false(plan_writer_is_same(config.instances, 2, "run/plan.json"));
    assert_int_equal(rule_store_open(config.instances, &store, &err), 0);
    snprintf(path, sizeof(path), "run/%s", rule_store_file(store));
    assert_int_equal(ruleset_load_file(path, rule_store_digest(store), rules, 2, &set, &err), 0);
    ruleset_free(set);
    /* what somebody did to the file is put right when the plan is written again */
    static const char *const damages[] = {"rm %s", "truncate -s 100 %s",
                                          "printf x | dd of=%s bs=1 seek=200 conv=notrunc 2>&1",
                                          "rm %s; ln -s /dev/zero %s"};
    for (unsigned i = 0; i < 4; i++) {
        snprintf(command, sizeof(command), damages[i], path, path);
        assert_int_equal(system(command), 0);
        assert_int_equal(plan_writer_write(config.instances, 1, "run/plan.json", &err), 0);
        assert_int_equal(ruleset_load_file(path, rule_store_digest(store), rules, 2, &set, &err),
                         0);
        ruleset_free(set);
        assert_int_equal(status_of(store).files_again, i + 1);
    }
    uint64_t written = status_of(store).files_written;
    assert_int_equal(plan_writer_write(config.instances, 1, "run/plan.json", &err), 0);
    assert_int_equal(status_of(store).files_written, written); /* good as it is */
    /* another plan's database goes */
    assert_int_equal(load("Type == 'u'", &other), 0);
    assert_int_equal(plan_writer_write(other.instances, 2, "run/plan.json", &err), 0);
    assert_int_equal(files_of("ls run/rules.*.db | wc -l"), 1);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(files_of("ls run | wc -l"), 2);
    rule_store_put(store);
    unload(&config);
    unload(&other);
}

/* More than fits together is told with the plugin's file and line. */
static void test_too_large(void **state)
{
    char matcher[8192] = "TRUE";
    struct config config;
    struct rule_store *store = NULL;
    size_t len = 0;
    (void)state;
    for (int i = 0; i < 100; i++)
        len +=
            (size_t)snprintf(matcher + len, sizeof(matcher) - len,
                             "%sPayload =~ /(a.{1,990}b%d.{1,990}){10}/", i > 0 ? " || " : "", i);
    int rc = load(matcher, &config);
    if (rc == 0)
        rc = rule_store_open(config.instances, &store, &err);
    assert_int_equal(rc, -1);
    assert_null(store);
    if (strstr(err.texts[0], "hekad.toml:12: ") == NULL)
        fail_msg("%s", err.texts[0]);
    unload(&config);
}

static void test_no_folder(void **state)
{
    struct config config;
    (void)state;
    assert_int_equal(load("TRUE", &config), 0);
    assert_int_equal(plan_writer_write(config.instances, 1, "nowhere/plan.json", &err), -1);
    assert_int_equal(err.count, 1);
    assert_non_null(strstr(err.texts[0], "No such file or directory"));
    unload(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),    cmocka_unit_test(test_cache),
        cmocka_unit_test(test_files),     cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_no_folder),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
