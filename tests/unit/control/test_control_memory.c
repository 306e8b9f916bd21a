/* SPDX-License-Identifier: MPL-2.0
 *
 * test_control_memory.c - each allocation of start-up fails once: an error, no crash, nothing left
 * behind.
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

#include "control/consumer.h"
#include "control/hekad_config.h"
#include "control/plan_writer.h"
#include "control/status.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/lane_rig.h"
#include "tests/unit/core/alloc_fail.h"

enum { TRIES_MAX = 20000 };

static const char config_text[] =
    "[hekad]\nhostname = \"h\"\n[StatAccumInput]\n[PayloadEncoder]\n[TokenSplitter]\n"
    "[LogOutput]\nmessage_matcher = \"TRUE\"\nencoder = \"PayloadEncoder\"\n"
    "[FileOutput]\nmessage_matcher = \"Type == 'x'\"\npath = \"/dev/null\"\n"
    "encoder = \"ProtobufEncoder\"\n"
    "[CarbonOutput]\nmessage_matcher = \"TRUE\"\n[TcpOutput]\nmessage_matcher = \"TRUE\"\n";

static char path[] = "/tmp/control-memory-XXXXXX";

static int write_config(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    ssize_t size = (ssize_t)strlen(config_text);
    int rc = write(fd, config_text, (size_t)size) == size ? 0 : -1;
    close(fd);
    alloc_fail_hook_jansson();
    return rc;
}

static int remove_config(void **state)
{
    (void)state;
    return unlink(path);
}

/* Everything from the file to the plan. True when it worked. */
static bool load(struct hekad_config **config, struct instances **instances, char **plan)
{
    static struct err err;
    err.count = 0;
    *instances = NULL;
    *plan = NULL;
    int rc = hekad_config_load(path, NULL, config, &err, NULL);
    if (rc == 0)
        rc = instances_build(*config, NULL, instances, &err, NULL);
    if (rc == 0)
        *plan = plan_writer_text(*instances, 1);
    assert_int_equal(rc != 0, err.count > 0);
    return rc == 0 && *plan != NULL;
}

static void test_load(void **state)
{
    struct hekad_config *config;
    struct instances *instances;
    char *plan, *whole;
    unsigned failures = 0;
    bool failed = true;
    (void)state;
    assert_true(load(&config, &instances, &whole));
    instances_free(instances);
    hekad_config_free(config);
    for (unsigned i = 0; i < TRIES_MAX && failed; i++) {
        alloc_fail_at(i);
        bool ok = load(&config, &instances, &plan);
        failed = alloc_fail_stop();
        /* A plan with a part missing would be a lie. (jansson can forget a quote when it has no
         * memory: that is no JSON, and the data plane refuses it.) */
        json_t *parsed = ok ? json_loads(plan, 0, NULL) : NULL;
        if (parsed != NULL)
            assert_string_equal(plan, whole);
        json_decref(parsed);
        failures += !ok;
        free(plan);
        instances_free(instances);
        hekad_config_free(config);
    }
    assert_false(failed);
    assert_true(failures > 20);
    free(whole);
}

static void test_consumers(void **state)
{
    static struct hekad_config *config;
    struct instances *instances;
    char *plan;
    struct lane_rig rig;
    (void)state;
    lane_rig_init(&rig, 2, 4);
    struct attachment *attachment = lane_rig_attach(&rig);
    assert_true(load(&config, &instances, &plan));
    for (unsigned o = 0; o < instances->output_count; o++) {
        bool failed = true;
        for (unsigned i = 0; i < TRIES_MAX && failed; i++) {
            struct err err = {0};
            alloc_fail_at(i);
            struct consumer *consumer =
                consumer_new(&instances->outputs[o], o, &config->globals, &err);
            int rc = consumer != NULL ? consumer_attach(consumer, attachment, 0, &err) : -1;
            failed = alloc_fail_stop();
            assert_int_equal(rc != 0, err.count > 0);
            consumer_free(consumer);
        }
        assert_false(failed);
    }
    free(plan);
    instances_free(instances);
    hekad_config_free(config);
    attachment_put(attachment);
    lane_rig_fini(&rig);
}

static void test_status(void **state)
{
    static struct fake_output fake;
    struct output_instance instance;
    struct counters counters = {0};
    struct err err = {0};
    bool failed = true;
    (void)state;
    fake_output_instance(&fake, "fake", NULL, &instance);
    struct consumer *consumer = consumer_new(&instance, 0, &fake_globals, &err);
    struct status_input input = {
        .state = "running",
        .dataplane = {.state = "running", .counters = &counters},
        .consumers = &consumer,
        .consumer_count = 1,
    };
    for (unsigned i = 0; i < TRIES_MAX && failed; i++) {
        alloc_fail_at(i);
        json_t *status = status_json(&input);
        failed = alloc_fail_stop();
        json_decref(status);
    }
    assert_false(failed);
    consumer_free(consumer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_consumers),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, write_config, remove_config);
}
