/* SPDX-License-Identifier: MPL-2.0
 *
 * test_tools_memory.c - heka-cat's and heka-flood's parts when an allocation fails: an error, and
 * nothing left behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/tools/cat.h"
#include "control/tools/flood.h"
#include "tests/unit/core/alloc_fail.h"

enum { ALLOCATIONS_MAX = 100 };

static int64_t read_garbage(void *context, void *bytes, size_t size)
{
    unsigned *reads = context;
    if ((*reads)-- == 0)
        return 0;
    memset(bytes, 0x1E, size);
    return (int64_t)size;
}

static void test_cat(void **state)
{
    (void)state;
    struct rule_text text = {"-match", "TRUE", NULL};
    struct ruleset *rules = NULL;
    unsigned failures = 0;
    bool is_hit = true;
    assert_int_equal(ruleset_compile(&text, 1, &rules, NULL), 0);
    FILE *none = fopen("/dev/null", "w");
    struct cat_options options = {CAT_TXT, 1000, rules, none, none};
    for (unsigned i = 0; is_hit; i++) {
        struct cat cat;
        unsigned reads = 3;
        assert_true(i < ALLOCATIONS_MAX);
        alloc_fail_at(i);
        int rc = cat_init(&cat, &options);
        if (rc == 0)
            rc = cat_stream(&cat, read_garbage, &reads, 0);
        is_hit = alloc_fail_stop();
        cat_fini(&cat);
        assert_int_equal(rc, is_hit ? -ENOMEM : 0);
        failures += is_hit;
    }
    assert_true(failures >= 2);
    fclose(none);
    ruleset_free(rules);
}

static void test_flood(void **state)
{
    (void)state;
    static const char toml[] = "[default]\nip_address = \"x:1\"\n";
    struct conf_doc *doc = NULL;
    struct flood_config config;
    struct flood_source source = {"host", 1};
    assert_int_equal(toml_parse(toml, strlen(toml), "x", NULL, &doc, NULL), 0);
    assert_int_equal(flood_config_read(doc, "default", &config, &(struct err){0}), 0);
    unsigned failures = 0;
    for (bool is_hit = true; is_hit; failures += is_hit) {
        struct err err = {0};
        struct flood flood;
        alloc_fail_at(failures);
        int rc = flood_init(&flood, &config, &source, &err);
        is_hit = alloc_fail_stop();
        assert_int_equal(rc, is_hit ? -1 : 0);
        assert_int_equal(err.count, is_hit);
        flood_fini(&flood);
    }
    assert_int_equal(failures, 2);
    conf_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cat), cmocka_unit_test(test_flood)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
