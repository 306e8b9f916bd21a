/* SPDX-License-Identifier: MPL-2.0
 *
 * test_producer.c - producers and filters that feed each other through tiny lanes: nobody waits for
 *                   ever, and every message is in the books.
 *
 * Source:  control/lanes/producer.h, control/plugins/wait_graph.h, control/plugins/filter_host.h.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/plugins/filter_host.h"
#include "control/config/hekad_config.h"
#include "control/plugins/instances.h"
#include "control/lanes/intake.h"
#include "control/lanes/producer.h"
#include "control/lanes/producer_folder.h"
#include "control/plugins/wait_graph.h"
#include "core/clock.h"
#include "core/ledger.h"
#include "tests/support/test_dir.h"

enum { FILTERS_MAX = 3, OUTPUT_SLOT = 0, PADDING = 2000, SOURCES = 400, PATIENCE_S = 60 };

struct rig {
    char dir[64];
    struct hekad_config *config;
    struct instances *instances;
    struct producer_plan *plan;
    struct bell bell;
    struct wait_graph graph;
    struct filter_host *filters[FILTERS_MAX];
    unsigned filter_count;
    struct producer *source;
    struct intake *output;
    pthread_t output_thread;
    _Atomic bool output_stalls, output_ends;
    bool has_output_thread;
    struct counters sum;
};

/* ---- a filter that answers each message with others ---- */

static unsigned copies;      /* messages for each message */
static unsigned ring_count;  /* filter i answers with messages for filter (i + 1) % ring_count */
static _Atomic int codes[8]; /* how often an injection ended with which PRODUCER_E_* */

struct echo {
    struct filter_host *host;
    unsigned number;
};

static int echo_init(void *memory, const void *config, struct filter_host *host, struct err *err)
{
    struct echo *echo = memory;
    (void)config;
    (void)err;
    echo->host = host;
    echo->number = (unsigned)strtoul(filter_host_name(host) + 1, NULL, 10);
    return 0;
}

static void build(struct msg_builder *builder, unsigned type)
{
    static const char padding[PADDING];
    char text[16];
    int len = snprintf(text, sizeof(text), "t%u", type);
    msg_builder_type(builder, text, (size_t)len);
    msg_builder_payload(builder, padding, sizeof(padding));
}

static int echo_process(void *memory, const struct msg_view *message, const struct record *record)
{
    struct echo *echo = memory;
    (void)message;
    (void)record;
    for (unsigned i = 0; i < copies; i++) {
        struct msg_builder builder;
        filter_host_begin(echo->host, &builder, 1);
        build(&builder, (echo->number + 1) % ring_count);
        int code = filter_host_inject(echo->host, &builder);
        if (code != PRODUCER_OK)
            atomic_fetch_add(&codes[PRODUCER_E_LOOPS - code], 1);
    }
    return 0;
}

static void echo_fini(void *memory)
{
    (void)memory;
}

static const struct filter_ops echo_filter = {
    .plugin = {PLUGIN_ABI, "EchoFilter", NULL, 0, sizeof(struct echo)},
    .init = echo_init,
    .process = echo_process,
    .fini = echo_fini,
};

/* ---- the rig ---- */

static void write_config(struct rig *rig, unsigned filter_count, unsigned loops)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/hekad.toml", rig->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "[hekad]\nmax_message_size = 4096\nmax_message_loops = %u\nhostname = \"h\"\n"
            "[out]\ntype = \"LogOutput\"\nmessage_matcher = \"TRUE\"\n"
            "encoder = \"ProtobufEncoder\"\n",
            loops);
    for (unsigned i = 0; i < filter_count; i++)
        fprintf(file, "[f%u]\ntype = \"CounterFilter\"\nmessage_matcher = \"Type == 't%u'\"\n", i,
                i);
    fclose(file);
    static struct err err;
    err.count = 0;
    int rc = hekad_config_load(path, NULL, &rig->config, &err, NULL);
    rc |= instances_build(rig->config, NULL, &rig->instances, &err, NULL);
    err_print(&err, stderr);
    assert_int_equal(rc, 0);
    rig->plan = producer_plan_new(rig->instances, 1, &err);
    assert_non_null(rig->plan);
}

static struct attachment *lane_of(struct rig *rig, unsigned index)
{
    return producer_attachment(index < rig->filter_count ? filter_host_producer(rig->filters[index])
                                                         : rig->source);
}

static void attach_all(struct rig *rig)
{
    static struct err err;
    for (unsigned lane = 0; lane <= rig->filter_count; lane++) {
        assert_int_equal(intake_attach(rig->output, lane_of(rig, lane), 1, &err), 0);
        for (unsigned i = 0; i < rig->filter_count; i++)
            if (i != lane)
                assert_int_equal(
                    intake_attach(filter_host_intake(rig->filters[i]), lane_of(rig, lane), 1, &err),
                    0);
    }
}

static void pause_ms(void)
{
    const struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
}

/* The output reads what is there. */
static unsigned drain_output(struct rig *rig)
{
    struct reader_item items[64];
    unsigned count, total = 0;
    while ((count = intake_next(rig->output, items, 64, 1 << 20)) > 0) {
        intake_deliver(rig->output, count);
        intake_release_all(rig->output);
        total += count;
    }
    return total;
}

static void *run_output(void *arg)
{
    struct rig *rig = arg;
    while (!atomic_load(&rig->output_ends))
        if (atomic_load(&rig->output_stalls) || drain_output(rig) == 0)
            pause_ms();
    return NULL;
}

static void start_output(struct rig *rig)
{
    assert_int_equal(pthread_create(&rig->output_thread, NULL, run_output, rig), 0);
    rig->has_output_thread = true;
}

static void open_rig(struct rig *rig, unsigned filter_count, unsigned loops)
{
    static struct err err;
    memset(rig, 0, sizeof(*rig));
    memset(codes, 0, sizeof(codes));
    strcpy(rig->dir, "/tmp/producer-XXXXXX");
    assert_int_equal(test_dir_make(rig->dir), 0);
    write_config(rig, filter_count, loops);
    rig->filter_count = filter_count;
    for (unsigned i = 0; i < filter_count; i++) {
        rig->instances->filters[i].ops = &echo_filter;
        struct filter_host_config config = {.instance = &rig->instances->filters[i],
                                            .run_dir = rig->dir,
                                            .number = i + 1,
                                            .lane_bytes = LANE_BYTES_MIN,
                                            .plan = rig->plan,
                                            .bell = &rig->bell,
                                            .graph = &rig->graph};
        rig->filters[i] = filter_host_new(&config, &err);
        assert_non_null(rig->filters[i]);
    }
    struct producer_config source = {.name = "source",
                                     .run_dir = rig->dir,
                                     .number = filter_count + 1,
                                     .lane_bytes = LANE_BYTES_MIN,
                                     .bell = &rig->bell,
                                     .slot = PRODUCER_NO_SLOT};
    rig->source = producer_new(&source, rig->plan, &err);
    assert_non_null(rig->source);
    struct intake_config output = {.name = "out", .consumer = OUTPUT_SLOT, .bell = &rig->bell};
    rig->output = intake_new(&output);
    attach_all(rig);
    for (unsigned i = 0; i < filter_count; i++)
        assert_int_equal(filter_host_start(rig->filters[i]), 0);
}

static void inject_sources(struct rig *rig, unsigned count)
{
    const struct producer_source from = {.ingest_ns = 1};
    for (unsigned i = 0; i < count; i++) {
        struct msg_builder builder;
        producer_begin(rig->source, &builder, 1);
        build(&builder, 0);
        assert_int_equal(producer_inject(rig->source, &builder, &from), PRODUCER_OK);
    }
}

static bool all_idle(struct rig *rig)
{
    struct intake_status status;
    intake_status(rig->output, &status);
    if (status.in_flight + status.held > 0)
        return false;
    for (unsigned i = 0; i < rig->filter_count; i++)
        if (!filter_host_is_idle(rig->filters[i]))
            return false;
    return true;
}

/* Until nothing moves any more; who waits for ever fails here. */
static void settle(struct rig *rig)
{
    uint64_t until_ns = clock_mono_ns() + PATIENCE_S * CLOCK_NS_PER_S;
    unsigned quiet = 0;
    while (quiet < 3) {
        if (clock_mono_ns() > until_ns)
            fail_msg("somebody waits for ever");
        quiet = all_idle(rig) ? quiet + 1 : 0;
        pause_ms();
    }
}

static uint64_t value(const struct rig *rig, enum counter_id id)
{
    return rig->sum.values[id];
}

/* All stages and all consumers balance, and what one side counts the other one has. */
static void check_books(struct rig *rig)
{
    struct intake_status output;
    uint64_t matched = 0, deadlocks = 0;
    memset(&rig->sum, 0, sizeof(rig->sum));
    producer_counters(rig->source, &rig->sum);
    for (unsigned i = 0; i < rig->filter_count; i++)
        producer_counters(filter_host_producer(rig->filters[i]), &rig->sum);
    for (unsigned stage = 0; stage < LEDGER_STAGE_COUNT; stage++)
        assert_int_equal(ledger_balance(&rig->sum, stage).residual, 0);
    assert_int_equal(value(rig, COUNTER_MESSAGES_STAGED), 0);
    intake_status(rig->output, &output);
    assert_int_equal(output.residual, 0);
    assert_int_equal(output.delivered, value(rig, COUNTER_MESSAGES_COMMITTED));
    for (unsigned i = 0; i < rig->filter_count; i++) {
        struct filter_status status;
        filter_host_status(rig->filters[i], &status);
        assert_int_equal(status.intake.residual, 0);
        assert_int_equal(status.intake.delivered, status.intake.matched);
        matched += status.intake.matched;
        deadlocks += status.deadlocks;
    }
    assert_int_equal(deadlocks, value(rig, COUNTER_MESSAGES_DEADLOCK));
    assert_int_equal(wait_graph_deadlocks(&rig->graph, OUTPUT_SLOT), 0);
    assert_int_equal(matched * copies + SOURCES, value(rig, COUNTER_MESSAGES_CREATED));
    assert_int_equal(codes[0], value(rig, COUNTER_MESSAGES_LOOPS));
    assert_int_equal(codes[1], value(rig, COUNTER_MESSAGES_OWN));
    assert_int_equal(codes[4], value(rig, COUNTER_MESSAGES_DEADLOCK));
}

static void delete_folder(void *arg, const char *folder)
{
    (void)arg;
    producer_folder_delete(folder);
}

static void close_rig(struct rig *rig)
{
    for (unsigned i = 0; i < rig->filter_count; i++)
        filter_host_free(rig->filters[i]);
    atomic_store(&rig->output_ends, true);
    if (rig->has_output_thread)
        pthread_join(rig->output_thread, NULL);
    intake_free(rig->output);
    producer_free(rig->source);
    producer_plan_put(rig->plan);
    instances_free(rig->instances);
    hekad_config_free(rig->config);
    assert_int_equal(producer_folder_each(rig->dir, UINT64_MAX, delete_folder, NULL),
                     rig->filter_count + 2);
    assert_int_equal(test_dir_remove(rig->dir), 0);
}

/* ---- loops ---- */

/* Its own messages are refused: it cannot loop at all. */
static void test_own(void **state)
{
    static struct rig rig;
    (void)state;
    copies = 2;
    ring_count = 1;
    open_rig(&rig, 1, 4);
    start_output(&rig);
    inject_sources(&rig, SOURCES);
    producer_turn(rig.source);
    settle(&rig);
    check_books(&rig);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_OWN), 2 * SOURCES);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_COMMITTED), SOURCES);
    close_rig(&rig);
}

/* Filters that feed each other more than fits anywhere. */
static void run_ring(unsigned count, unsigned answers, unsigned loops)
{
    static struct rig rig;
    copies = answers;
    ring_count = count;
    open_rig(&rig, count, loops);
    start_output(&rig);
    inject_sources(&rig, SOURCES); /* it waits for them as an input does */
    producer_turn(rig.source);
    settle(&rig);
    check_books(&rig);
    if (answers > 1)
        assert_true(value(&rig, COUNTER_MESSAGES_LOOPS) > 0);
    close_rig(&rig);
}

static void test_two(void **state)
{
    (void)state;
    run_ring(2, 3, 4);
}

static void test_three(void **state)
{
    (void)state;
    run_ring(3, 3, 4);
}

/* One answer for each message, cut by the number of hops: nothing else ends. */
static void test_hops(void **state)
{
    static struct rig rig;
    (void)state;
    copies = 1;
    ring_count = 2;
    open_rig(&rig, 2, 7);
    start_output(&rig);
    for (unsigned i = 0; i < SOURCES; i++) {
        inject_sources(&rig, 1);
        producer_turn(rig.source);
        if (i % 4 == 0) /* so that lanes never fill */
            settle(&rig);
    }
    settle(&rig);
    check_books(&rig);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_LOOPS), SOURCES);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_COMMITTED), SOURCES * 8);
    close_rig(&rig);
}

/* ---- a stalled output ---- */

static bool waits_for_output(struct rig *rig)
{
    for (unsigned i = 0; i < rig->filter_count; i++) {
        unsigned slot = rig->instances->filters[i].slot;
        uint64_t edge = atomic_load(&rig->graph.nodes[slot].edge);
        if ((edge & 0xFFFF) == OUTPUT_SLOT + 1)
            return true;
    }
    return false;
}

/* Nobody is in a circle: they wait, and nothing is lost. */
static void test_stalled_output(void **state)
{
    static struct rig rig;
    unsigned sent = 0;
    (void)state;
    copies = 4;
    ring_count = 3; /* f0 feeds f1; t2 is nobody's but the output's */
    open_rig(&rig, 2, 8);
    atomic_store(&rig.output_stalls, true);
    start_output(&rig);
    uint64_t until_ns = clock_mono_ns() + PATIENCE_S * CLOCK_NS_PER_S;
    for (; sent < 8; sent++)
        inject_sources(&rig, 1);
    producer_turn(rig.source);
    while (!waits_for_output(&rig)) {
        assert_true(clock_mono_ns() < until_ns);
        pause_ms();
    }
    for (unsigned i = 0; i < 50; i++) /* and go on waiting */
        pause_ms();
    assert_true(waits_for_output(&rig));
    atomic_store(&rig.output_stalls, false);
    inject_sources(&rig, SOURCES - sent);
    producer_turn(rig.source);
    settle(&rig);
    check_books(&rig);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_DEADLOCK), 0);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_COMMITTED), SOURCES * (1 + 4 + 16));
    close_rig(&rig);
}

/* Who waits when hekad stops gives up, under a name. */
static void test_stop(void **state)
{
    static struct rig rig;
    (void)state;
    copies = 1;
    ring_count = 2;
    open_rig(&rig, 0, 4);
    const struct producer_source from = {.ingest_ns = 1};
    producer_stop(rig.source);
    unsigned sent = 0;
    int rc = PRODUCER_OK;
    for (; sent < SOURCES && rc == PRODUCER_OK; sent++) {
        struct msg_builder builder;
        producer_begin(rig.source, &builder, 1);
        build(&builder, 0);
        assert_int_equal(producer_inject(rig.source, &builder, &from), PRODUCER_OK);
        rc = producer_turn(rig.source);
    }
    assert_int_equal(rc, PRODUCER_E_STOPPED);
    producer_counters(rig.source, &rig.sum);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_STOPPED), 1);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_COMMITTED), sent - 1);
    assert_int_equal(drain_output(&rig), sent - 1);
    close_rig(&rig);
}

/* ---- generations ---- */

static struct producer_plan *plan_of(struct rig *rig, const char *matcher, unsigned generation)
{
    static struct err err;
    rig->instances->outputs[0].common.message_matcher = matcher;
    /* The rules of an instance are cached: a configuration of its own would be the real thing. */
    struct producer_plan *plan = producer_plan_new(rig->instances, generation, &err);
    assert_non_null(plan);
    return plan;
}

/* A plan that is offered while the producer waits for room is adopted at once; what waits is
 * matched by it. */
static void test_adopt_while_waiting(void **state)
{
    static struct rig rig;
    static struct err err;
    (void)state;
    open_rig(&rig, 0, 4);
    struct producer_plan *plan = plan_of(&rig, "TRUE", 2);
    assert_int_equal(producer_prepare(rig.source, plan, &err), 0);
    assert_true(producer_has_adopted(rig.source));
    producer_offer(rig.source);
    assert_false(producer_has_adopted(rig.source));
    inject_sources(&rig, 3);
    assert_int_equal(producer_turn(rig.source), PRODUCER_OK);
    assert_true(producer_has_adopted(rig.source));
    inject_sources(&rig, 2);
    producer_turn(rig.source);
    struct reader_item items[8];
    unsigned count = intake_next(rig.output, items, 8, 1 << 20);
    assert_int_equal(count, 5);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(items[i].record->generation, i < 3 ? 1 : 2);
    intake_deliver(rig.output, count);
    intake_release_all(rig.output);
    producer_plan_put(plan);
    close_rig(&rig);
}

/* ---- what is refused ---- */

static void test_refused(void **state)
{
    static struct rig rig;
    static uint8_t large[5000];
    struct msg_builder builder;
    struct producer_source from = {.hops = 5};
    (void)state;
    open_rig(&rig, 0, 4);
    producer_begin(rig.source, &builder, 1);
    assert_int_equal(producer_inject(rig.source, &builder, &from), PRODUCER_E_LOOPS);
    assert_int_equal(producer_inject_bytes(rig.source, large, 3, &from), PRODUCER_E_LOOPS);
    from.hops = 4;
    assert_int_equal(producer_inject_bytes(rig.source, large, sizeof(large), &from),
                     PRODUCER_E_TOO_LARGE);
    assert_int_equal(producer_inject_bytes(rig.source, "no message", 10, &from),
                     PRODUCER_E_MALFORMED);
    producer_begin(rig.source, &builder, 1);
    msg_builder_payload(&builder, (const char *)large, sizeof(large));
    assert_int_equal(producer_inject(rig.source, &builder, &from), PRODUCER_E_TOO_LARGE);
    producer_begin(rig.source, &builder, 1);
    uint8_t copy[64];
    memcpy(copy, builder.bytes, builder.size);
    assert_int_equal(producer_inject_bytes(rig.source, copy, builder.size, &from), PRODUCER_OK);
    producer_turn(rig.source);
    producer_counters(rig.source, &rig.sum);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_CREATED), 6);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_LOOPS), 2);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_TOO_LARGE), 2);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_MALFORMED), 1);
    assert_int_equal(value(&rig, COUNTER_MESSAGES_COMMITTED), 1);
    assert_int_equal(drain_output(&rig), 1);
    close_rig(&rig);
}

/* ---- folders ---- */

static void test_folders(void **state)
{
    char path[PRODUCER_FOLDER_SIZE], name[64];
    (void)state;
    assert_int_equal(producer_folder_path("/run/x", "a b/../%c", 7, path, sizeof(path)), 0);
    assert_string_equal(path, "/run/x/producers/a%20b%2F%2E%2E%2F%25c.7");
    producer_folder_name(path, name, sizeof(name));
    assert_string_equal(name, "a b/../%c");
    assert_int_equal(producer_folder_path("/run/x", "a", 7, path, 12), -1);
    assert_int_equal(producer_folder_each("/nowhere", 9, delete_folder, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_three),
        cmocka_unit_test(test_hops),
        cmocka_unit_test(test_stalled_output),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_adopt_while_waiting),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
