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

#include "control/lanes/consumer.h"
#include "control/plugins/filter_host.h"
#include "control/config/hekad_config.h"
#include "control/plan_writer.h"
#include "control/lanes/producer_folder.h"
#include "control/rule_store.h"
#include "control/status.h"
#include "control/plugins/wait_graph.h"
#include "tests/support/test_dir.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/lane_rig.h"
#include "tests/unit/core/alloc_fail.h"

enum { TRIES_MAX = 20000 };

static const char config_text[] =
    "[hekad]\nhostname = \"h\"\n[StatAccumInput]\n[PayloadEncoder]\n[TokenSplitter]\n"
    "[LogOutput]\nmessage_matcher = \"TRUE\"\nencoder = \"PayloadEncoder\"\n"
    "[FileOutput]\nmessage_matcher = \"Type == 'x'\"\npath = \"/dev/null\"\n"
    "encoder = \"ProtobufEncoder\"\n"
    "[PayloadRegexDecoder]\nmatch_regex = '^(?P<A>x)'\n[PayloadRegexDecoder.message_fields]\n"
    "Type = '%A%'\n[MultiDecoder]\nsubs = ['PayloadRegexDecoder', 'ProtobufDecoder']\n"
    "[CounterFilter]\n[CarbonOutput]\nmessage_matcher = \"TRUE\"\n"
    "[TcpOutput]\nmessage_matcher = \"TRUE\"\n";

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
        *plan = plan_writer_text(*instances, 1, NULL);
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

/* Compiled rules, their file and the plan that names it. */
static void test_rules(void **state)
{
    static struct hekad_config *config;
    struct instances *instances;
    char *plan, dir[] = "/tmp/control-memory-run-XXXXXX";
    bool failed = true;
    unsigned failures = 0;
    (void)state;
    assert_true(load(&config, &instances, &plan));
    assert_int_equal(test_dir_make(dir), 0);
    config->globals.base_dir = dir;
    char *plan_path = NULL;
    assert_true(asprintf(&plan_path, "%s/plan.json", dir) > 0);
    for (unsigned i = 0; i < TRIES_MAX && failed; i++) {
        struct err err = {0};
        alloc_fail_at(i);
        int rc = plan_writer_write(instances, 1, plan_path, &err);
        failed = alloc_fail_stop();
        assert_int_equal(rc != 0, err.count > 0);
        failures += rc != 0;
        rule_store_put(*instances->rules); /* from the start again */
        *instances->rules = NULL;
    }
    assert_false(failed);
    assert_true(failures > 20);
    assert_int_equal(test_dir_remove(dir), 0);
    free(plan_path);
    free(plan);
    instances_free(instances);
    hekad_config_free(config);
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
    config->globals.base_dir = rig.dir; /* of TcpOutput's queue */
    struct consumer_options options = {.globals = &config->globals};
    for (unsigned o = 0; o < instances->output_count; o++) {
        bool failed = true;
        for (unsigned i = 0; i < TRIES_MAX && failed; i++) {
            struct err err = {0};
            alloc_fail_at(i);
            struct consumer *consumer = consumer_new(&instances->outputs[o], o, &options, &err);
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

static void delete_folder(void *arg, const char *folder)
{
    (void)arg;
    producer_folder_delete(folder);
}

/* A filter with its producer and intake; a failed one leaves nothing but its folder. */
static void test_filters(void **state)
{
    static struct hekad_config *config;
    static struct bell bell;
    static struct wait_graph graph;
    struct instances *instances;
    struct err err = {0};
    char *plan_text, dir[] = "/tmp/control-filters-XXXXXX";
    bool failed = true;
    unsigned failures = 0;
    (void)state;
    assert_int_equal(test_dir_make(dir), 0);
    assert_true(load(&config, &instances, &plan_text));
    struct producer_plan *plan = producer_plan_new(instances, 1, &err);
    assert_non_null(plan);
    assert_int_equal(instances->filter_count, 1);
    for (unsigned i = 0; i < TRIES_MAX && failed; i++) {
        struct filter_host_config host_config = {.instance = &instances->filters[0],
                                                 .run_dir = dir,
                                                 .number = i + 1,
                                                 .plan = plan,
                                                 .bell = &bell,
                                                 .graph = &graph};
        err.count = 0;
        alloc_fail_at(i);
        struct filter_host *host = filter_host_new(&host_config, &err);
        failed = alloc_fail_stop();
        assert_int_equal(host == NULL, err.count > 0);
        failures += host == NULL;
        filter_host_free(host);
    }
    assert_false(failed);
    assert_true(failures > 5);
    producer_folder_each(dir, UINT64_MAX, delete_folder, NULL);
    char producers[64];
    snprintf(producers, sizeof(producers), "%s/producers", dir);
    assert_int_equal(rmdir(producers), 0);
    assert_int_equal(rmdir(dir), 0);
    producer_plan_put(plan);
    free(plan_text);
    instances_free(instances);
    hekad_config_free(config);
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
    struct consumer *consumer = consumer_new(&instance, 0, &fake_options, &err);
    struct status_input input = {
        .state = "running",
        .dataplane = {.state = "running", .counters = &counters},
        .consumers = {consumer},
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
        cmocka_unit_test(test_load),      cmocka_unit_test(test_rules),
        cmocka_unit_test(test_consumers), cmocka_unit_test(test_filters),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, write_config, remove_config);
}
