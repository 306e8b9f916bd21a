/* SPDX-License-Identifier: MPL-2.0
 *
 * test_impair.c - the bad network of tests: what its argument may say.
 *
 * What it does to frames is seen by tests/system/test_tcp_flows.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/impair.h"

static struct err err;

static void test_good(void **state)
{
    struct impair_config config;
    (void)state;
    assert_int_equal(impair_parse("loss=10,ack_loss=20,reorder=30,duplicate=999,seed=7", &config,
                                  &err), 0);
    assert_int_equal(config.loss, 10);
    assert_int_equal(config.ack_loss, 20);
    assert_int_equal(config.reorder, 30);
    assert_int_equal(config.duplicate, 999);
    assert_int_equal(config.seed, 7);
    assert_int_equal(impair_parse("loss=1", &config, &err), 0);
    assert_int_equal(config.loss, 1);
    assert_int_equal(config.duplicate, 0);
    assert_int_equal(config.seed, 1);
}

static void test_bad(void **state)
{
    static const char *const texts[][2] = {
        {"loss", "'loss'"},          {"loss=", "'loss='"},      {"loss=1000", "'loss=1000'"},
        {"loss=-1", "'loss=-1'"},    {"loss=1x", "'loss=1x'"},  {"late=1", "'late=1'"},
        {"seed=1,loss=y", "'loss=y'"}};
    struct impair_config config;
    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        err.count = 0;
        assert_int_equal(impair_parse(texts[i][0], &config, &err), -1);
        assert_int_equal(err.count, 1);
        assert_non_null(strstr(err.texts[0], texts[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
