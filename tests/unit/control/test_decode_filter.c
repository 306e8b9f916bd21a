/* SPDX-License-Identifier: MPL-2.0
 *
 * test_decode_filter.c - a decoder that only hekad can run, of the test's own: what the plan says
 *                        of its input, and what becomes of records that come undecoded.
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

#include "control/plugins/decode_filter.h"
#include "control/plugins/filter_host.h"
#include "control/config/hekad_config.h"
#include "control/plugins/instances.h"
#include "control/lanes/intake.h"
#include "control/plan_writer.h"
#include "control/plugins/wait_graph.h"
#include "core/clock.h"
#include "core/ledger.h"
#include "tests/support/test_dir.h"
#include "tests/unit/control/lane_rig.h"

enum { PATIENCE_S = 60, DECODERS = 6 };

/* ---- a decoder that makes two messages of "two", one of "one", and takes nothing else ---- */

static int double_init(void *state, const void *config, const struct decoder_host *host,
                       struct err *err)
{
    (void)state;
    (void)config;
    (void)host;
    (void)err;
    return 0;
}

static bool is_payload(const struct msg_view *message, const char *text)
{
    return message->payload.len == strlen(text) &&
           memcmp(message->payload.ptr, text, message->payload.len) == 0;
}

static int double_decode(void *state, const void *config, const struct msg_view *message,
                         struct decode_io *io)
{
    unsigned copies = is_payload(message, "two") ? 2 : is_payload(message, "one") ? 1 : 0;
    (void)state;
    (void)config;
    for (unsigned i = 0; i < copies; i++) {
        size_t capacity;
        uint8_t *room = io->begin(io->context, &capacity);
        assert_true(room != NULL && capacity >= message->size);
        memcpy(room, message->bytes, message->size);
        io->commit(io->context, message->size);
    }
    return copies > 0 ? 0 : is_payload(message, "hush") ? DECODE_E_IGNORED : DECODE_E_NO_MATCH;
}

static void double_fini(void *state)
{
    (void)state;
}

static const struct schema_key no_keys[] = {{0}};
static const struct schema double_schema = {"DoubleDecoder", no_keys};
static const struct decoder_ops double_decoder = {
    .plugin = {.abi = PLUGIN_ABI, .name = "DoubleDecoder", .schema = &double_schema},
    .init = double_init,
    .decode = double_decode,
    .fini = double_fini,
    .runs_in_hekad = true,
};

static const struct decoder_ops *const own_types[] = {&double_decoder, NULL};

/* ---- a configuration ---- */

static char dir[] = "/tmp/hekad-decode-XXXXXX";
static struct err err;

static const char config_text[] =
    "[hekad]\nbase_dir = \"base\"\n[dataplane]\ncore_map = \"none.json\"\n"
    "[direct]\ntype = \"UdpInput\"\naddress = \"192.0.2.1:1\"\ndecoder = \"Double\"\n"
    "log_decode_failures = false\n"
    "[nested]\ntype = \"UdpInput\"\naddress = \"192.0.2.1:2\"\ndecoder = \"multi\"\n"
    "send_decode_failures = true\n"
    "[own]\ntype = \"UdpInput\"\naddress = \"192.0.2.1:3\"\ndecoder = \"json\"\n"
    "[Double]\ntype = \"DoubleDecoder\"\n"
    "[json]\ntype = \"JsonDecoder\"\n"
    "[multi]\ntype = \"MultiDecoder\"\nsubs = [\"json\", \"Double\"]\n"
    "[out]\ntype = \"LogOutput\"\nencoder = \"R\"\nmessage_matcher = \"TRUE\"\n"
    "[R]\ntype = \"RstEncoder\"\n";

struct rig {
    struct hekad_config *config;
    struct instances *instances;
};

static void set_up(struct rig *rig)
{
    FILE *file = fopen("hekad.toml", "w");
    fputs(config_text, file);
    fclose(file);
    err.count = 0;
    int rc = hekad_config_load("hekad.toml", NULL, &rig->config, &err, NULL);
    if (rc == 0)
        rc = instances_build(rig->config, NULL, &rig->instances, &err, NULL);
    err_print(&err, stderr);
    assert_int_equal(rc, 0);
}

static void tear_down(struct rig *rig)
{
    instances_free(rig->instances);
    hekad_config_free(rig->config);
}

static void expect(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in\n%s", part, text);
}

static void test_plan(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    assert_int_equal(rig.instances->filter_count, 2);
    char *text = plan_writer_text(rig.instances, 1, NULL);
    assert_non_null(text);
    expect(text, "\"decodes\": \"direct\"");
    expect(text, "\"decodes\": \"nested\"");
    expect(text, "\"message_matcher\": \"FALSE\"");
    expect(text, "\"decoder\": \"json\"");
    assert_null(strstr(text, "\"decodes\": \"own\""));
    assert_null(strstr(text, "DoubleDecoder")); /* sections that it could not read */
    assert_null(strstr(text, "MultiDecoder"));
    assert_null(strstr(text, "send_decode_failures"));
    free(text);
    tear_down(&rig);
}

/* ---- at work ---- */

static void wait_until_read(struct filter_host *host, uint64_t count)
{
    struct filter_status status;
    uint64_t start_ns = clock_mono_ns();
    do {
        usleep(1000);
        filter_host_status(host, &status);
        assert_true(clock_mono_ns() - start_ns < PATIENCE_S * CLOCK_NS_PER_S);
    } while (status.intake.delivered < count);
    assert_int_equal(status.intake.residual, 0);
    assert_string_equal(status.type, "decoder");
}

struct result {
    struct counters counters;
    unsigned hops_sum, marked;
};

/* What came into the lane of the filter's own. */
static void read_lane(struct filter_host *host, struct result *result)
{
    struct intake *intake = intake_new(&(struct intake_config){.name = "out", .consumer = 0});
    struct reader_item items[16];
    assert_int_equal(
        intake_attach(intake, producer_attachment(filter_host_producer(host)), 0, &err), 0);
    unsigned count = intake_next(intake, items, 16, 1 << 20);
    for (unsigned i = 0; i < count; i++) {
        struct msg_view view;
        const struct record *record = items[i].record;
        assert_int_equal(msg_view_init(&view, record->message, record->message_size), 0);
        assert_true(view.type.len == 4 && memcmp(view.type.ptr, "TEST", 4) == 0);
        result->hops_sum += record->hops;
        result->marked += msg_field_first(&view, &(struct msg_field){0});
    }
    intake_deliver(intake, count);
    intake_release_all(intake);
    intake_free(intake);
}

static void run(struct rig *rig, unsigned index, const char *const *payloads, unsigned count,
                struct result *result)
{
    struct lane_rig lanes;
    static struct bell bell;
    static struct wait_graph graph;
    const struct filter_instance *filter = &rig->instances->filters[index];
    struct producer_plan *plan = producer_plan_new(rig->instances, 1, &err);
    assert_non_null(plan);
    lane_rig_init(&lanes, 1, DECODERS);
    const struct filter_host_config config = {.instance = filter,
                                              .run_dir = dir,
                                              .plan = plan,
                                              .number = index + 1,
                                              .bell = &bell,
                                              .graph = &graph};
    struct filter_host *host = filter_host_new(&config, &err);
    err_print(&err, stderr);
    assert_non_null(host);
    struct attachment *attachment = lane_rig_attach(&lanes);
    assert_int_equal(intake_attach(filter_host_intake(host), attachment, 0, &err), 0);
    assert_int_equal(filter_host_start(host), 0);
    for (unsigned i = 0; i < count; i++)
        assert_true(lane_rig_put(&lanes, 0, (int)i, payloads[i], UINT64_C(1) << filter->slot));
    wait_until_read(host, count);
    read_lane(host, result);
    filter_host_stop(host);
    while (!filter_host_has_ended(host))
        usleep(1000);
    producer_counters(filter_host_producer(host), &result->counters);
    filter_host_free(host);
    attachment_put(attachment);
    producer_plan_put(plan);
    lane_rig_fini(&lanes);
}

static uint64_t count_of(const struct result *result, enum counter_id id)
{
    return result->counters.values[id];
}

static void test_decodes(void **state)
{
    static const char *const payloads[] = {"one", "two", "three", "hush", "one"};
    struct result result = {0};
    struct rig rig;
    (void)state;
    set_up(&rig);
    run(&rig, 0, payloads, 5, &result);
    assert_int_equal(count_of(&result, COUNTER_TEXT_PIECES), 5);
    assert_int_equal(count_of(&result, COUNTER_TEXT_MESSAGES), 3);
    assert_int_equal(count_of(&result, COUNTER_DECODE_NO_MATCH), 1);
    assert_int_equal(count_of(&result, COUNTER_DECODE_IGNORED), 1);
    assert_int_equal(count_of(&result, COUNTER_MESSAGES_COMMITTED), 4);
    assert_int_equal(result.hops_sum, 0); /* it is the input's message */
    assert_int_equal(result.marked, 0);
    tear_down(&rig);
}

static void test_failures_are_sent(void **state)
{
    static const char *const payloads[] = {"{\"a\": 1}", "two", "three"};
    struct result result = {0};
    struct rig rig;
    (void)state;
    set_up(&rig);
    run(&rig, 1, payloads, 3, &result);
    assert_int_equal(count_of(&result, COUNTER_TEXT_PIECES), 3);
    assert_int_equal(count_of(&result, COUNTER_TEXT_MESSAGES), 2);
    assert_int_equal(count_of(&result, COUNTER_DECODE_FAILURES_SENT), 1);
    assert_int_equal(count_of(&result, COUNTER_MESSAGES_COMMITTED), 4);
    assert_int_equal(result.marked, 2); /* JSON's field, and the failure's */
    tear_down(&rig);
}

static int make_dir(void **state)
{
    (void)state;
    decoder_add_types(own_types);
    return mkdtemp(dir) == NULL || chdir(dir) != 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_failures_are_sent),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
