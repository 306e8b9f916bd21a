/* SPDX-License-Identifier: MPL-2.0
 *
 * test_plugin_memory.c - each allocation of making outputs and hekad's own decoders fails once:
 * that is an error with a text, and nothing is lost or used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/decoders/decoders.h"
#include "control/outputs/outputs.h"
#include "core/clock.h"
#include "tests/support/decoder_rig.h"
#include "tests/support/test_dir.h"
#include "tests/unit/control/output_rig.h"
#include "tests/unit/core/alloc_fail.h"

enum { ALLOCATIONS_MAX = 2000 };

static struct output_rig rig;
static char dir[64];

/* False when all allocations worked. */
static bool init_fails_once(const struct output_ops *ops, const char *options, unsigned index)
{
    output_rig_open(&rig, ops, options);
    rig.host.base_dir = rig.host.share_dir = dir;
    rig.host.hostname = "box";
    alloc_fail_at(index);
    int rc = output_rig_init(&rig);
    bool has_failed = alloc_fail_stop();
    assert_true(has_failed || rc == 0);
    assert_true(rc == 0 || rig.err.count > 0);
    output_rig_close(&rig);
    return has_failed;
}

static void check_output(const struct output_ops *ops, const char *options, unsigned least)
{
    unsigned index = 0;
    while (init_fails_once(ops, options, index)) {
        index++;
        assert_true(index < ALLOCATIONS_MAX);
    }
    assert_true(index >= least);
}

static void test_outputs(void **state)
{
    (void)state;
    check_output(&irc_output,
                 "server = \"a:1\"\nnick = \"n\"\nident = \"i\"\nchannels = [\"#a\", \"#b k\"]\n",
                 2);
    check_output(&smtp_output, "send_to = [\"a@b\"]\n", 3);
    check_output(&amqp_output, "url = \"amqp://a\"\nexchange = \"e\"\nexchange_type = \"topic\"\n",
                 1);
    check_output(&kafka_output, "addrs = [\"a:1\"]\ntopic = \"t\"\n", 2);
    check_output(&dashboard_output, "address = \"127.0.0.1:0\"\n[Output.headers]\nX = [\"a\"]\n",
                 4);
}

/* A point that finds no memory comes again. */
static void test_whisper(void **state)
{
    char line[64];
    (void)state;
    snprintf(line, sizeof(line), "a.b 1 %llu",
             (unsigned long long)(clock_wall_ns() / CLOCK_NS_PER_S - 5));
    output_rig_open(&rig, &whisper_output, "");
    rig.host.base_dir = dir;
    assert_int_equal(output_rig_init(&rig), 0);
    output_rig_add(&rig, line);
    unsigned index = 0;
    for (bool has_failed = true; has_failed; index++) {
        alloc_fail_at(index);
        int rc = output_rig_deliver(&rig);
        has_failed = alloc_fail_stop();
        assert_true(has_failed ? rc <= 0 : rc == 1);
        assert_true(index < ALLOCATIONS_MAX);
    }
    assert_true(index > 1);
    assert_int_equal(output_rig_counter(&rig, "points"), 1);
    output_rig_close(&rig);
}

static const char xml[] = "[main]\ntype = 'PayloadXmlDecoder'\n[main.xpath_map]\na = '//a'\n"
                          "Timestamp = '/x/@t'\n[main.message_fields]\nf = '%a%'\n"
                          "[main.severity_map]\nx = 1\n";

static void test_decoders(void **state)
{
    (void)state;
    decoders_add();
    for (unsigned i = 0; i < ALLOCATIONS_MAX; i++) {
        struct decoder_rig decoder = {0};
        struct err err = {0};
        alloc_fail_at(i);
        int rc = decoder_rig_init(&decoder, xml, "main", &err);
        bool has_failed = alloc_fail_stop();
        decoder_rig_fini(&decoder);
        assert_true(rc == 0 || err.count > 0);
        if (!has_failed) {
            assert_int_equal(rc, 0);
            assert_true(i > 5);
            return;
        }
    }
    fail_msg("more than %d allocations", ALLOCATIONS_MAX);
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/plugin-memory-XXXXXX");
    return test_dir_make(dir);
}

static int remove_dir(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_whisper),
        cmocka_unit_test(test_decoders),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
