/* SPDX-License-Identifier: MPL-2.0
 *
 * test_decoder_memory.c - each allocation of making decoders, zones and sets fails once, and
 * nothing is lost or used.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/time_parser.h"
#include "tests/support/decoder_rig.h"
#include "tests/unit/core/alloc_fail.h"

enum { ALLOCATIONS_MAX = 5000 };

static const char config[] =
    "[main]\ntype = 'MultiDecoder'\nsubs = ['a', 'b', 'c', 'd']\ncascade_strategy = 'all'\n"
    "[a]\ntype = 'PayloadRegexDecoder'\nmatch_regex = '^(?P<Timestamp>\\S+) \"(x|[ab]+)\" "
    "y(.*)z$'\n"
    "timestamp_location = 'Europe/Berlin'\n"
    "[a.severity_map]\nx = 1\ny = 2\n[a.message_fields]\nf = '%1% %x%'\nPayload = 'p'\n"
    "[b]\ntype = 'PayloadRegexDecoder'\nmatch_regex = '(?i)(\\pL*)*key'\n"
    "[c]\ntype = 'PayloadRegexDecoder'\nmatch_regex = '(?P<n>\\d{1,3})-literal'\n"
    "[d]\ntype = 'ScribbleDecoder'\n";

static void test_every_allocation(void **state)
{
    (void)state;
    unsigned refused = 0;
    for (unsigned i = 0; i < ALLOCATIONS_MAX; i++) {
        struct decoder_rig rig = {0};
        struct err err = {0};
        alloc_fail_at(i);
        int rc = decoder_rig_init(&rig, config, "main", &err);
        bool failed = alloc_fail_stop();
        decoder_rig_fini(&rig);
        if (!failed) {
            assert_int_equal(rc, 0);
            assert_true(refused > 100);
            return;
        }
        if (rc != 0)
            assert_true(err.count > 0);
        refused += rc != 0;
    }
    fail_msg("more than %d allocations", ALLOCATIONS_MAX);
}

int main(void)
{
    setenv("ZONEINFO", TEST_SOURCE_DIR "/golden/time/zones", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
