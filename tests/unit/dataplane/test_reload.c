/* SPDX-License-Identifier: MPL-2.0
 *
 * test_reload.c - generations change under load: nothing is lost, no message is matched by two
 *                 plans.
 *
 * The whole data plane on a loop-back port (net_ring): a worker thread polls, this thread sends,
 * does housekeeping, offers generations and is all consumers.
 */
#include "dataplane/appliance.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <rte_ethdev.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/ledger.h"
#include "tests/support/test_dir.h"

enum {
    GENERATIONS = 60,
    GENERATIONS_MAX = 200000,
    BURST = 16,        /* datagrams of each kind in a burst */
    BURSTS_BETWEEN = 4, /* in each generation, beside those sent while it is adopted */
    STATSD_PORT = 8125,
    TEXT_PORT = 514,
    HEADERS = 42
};

static const char core_map_text[] =
    "{\"main_core\": 0, \"workers\": [0], \"force\": true, \"memory\": {\"pages\": \"normal\"},"
    " \"idle_sleep\": true, \"lane_mbytes\": 4,"
    " \"ports\": [{\"name\": \"p\", \"profile\": \"ring\", \"addresses\": [\"10.0.0.1/24\"]}]}";

/* Consumer 0 takes everything, always. Slot 1 is there in odd generations and takes text; slot 5 in
 * every third and takes statistics. The accumulator changes in every fifth generation. */
static bool has_slot(uint64_t generation, unsigned slot)
{
    return slot == 0 || (slot == 1 && generation % 2 == 1) || (slot == 5 && generation % 3 == 0);
}

static struct plan *make_plan(uint64_t generation)
{
    char text[2048];
    static struct err err;
    struct plan *plan = NULL;
    int len = snprintf(text, sizeof(text),
                       "{\"generation\": %llu, \"accumulators\": [{\"name\": \"a\","
                       " \"ticker_interval\": 1, \"names_max\": 1000, \"timer_samples_max\": 1000,"
                       " \"percent_threshold\": [%llu]}], \"listeners\": ["
                       "{\"name\": \"s\", \"kind\": \"statsd\", \"address\": \":8125\","
                       " \"accumulator\": \"a\"},"
                       "{\"name\": \"text\", \"kind\": \"text\", \"address\": \"10.0.0.1:514\"}],"
                       " \"consumers\": [{\"name\": \"all\", \"message_matcher\": \"TRUE\"}%s%s]}",
                       (unsigned long long)generation,
                       (unsigned long long)(generation / 5 % 100 + 1),
                       has_slot(generation, 1) ? ", {\"name\": \"odd\", \"slot\": 1,"
                                                 " \"message_matcher\": \"Type == 'text'\"}"
                                               : "",
                       has_slot(generation, 5)
                           ? ", {\"name\": \"third\", \"slot\": 5,"
                             " \"message_matcher\": \"Type == 'heka.statmetric'\"}"
                           : "");
    int rc = plan_parse(text, (size_t)len, "plan", &plan, &err);
    err_print(&err, stderr);
    assert_int_equal(rc, 0);
    return plan;
}

/* ---- rig ---- */

struct rig {
    char run_dir[32];
    struct core_map *map;
    struct appliance appliance;
    struct segment view;
    struct rte_mempool *pool;
    uint64_t datagrams_sent[2]; /* text, statsd */
    /* what consumer 0 saw */
    uint64_t texts, statistics, counted, wanted_by_1, wanted_by_5, wrong_masks;
    uint64_t read_by_1, read_by_5;
    uint64_t seconds; /* that the test took */
    int64_t flushed_at; /* of the last statistics */
    uint64_t flush_times_twice;
    bool is_open[8];
    uint64_t opened_at[8]; /* generation that the slot's reader waits for */
    struct lane_reader readers[8][2];
    bool reader_ready[8][2];
};

static void write16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

/* A UDP datagram to us; the UDP checksum is left out, as RFC 768 allows. */
static struct rte_mbuf *make_frame(struct rig *rig, unsigned port, const char *payload)
{
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig->pool);
    if (mbuf == NULL)
        return NULL;
    size_t size = strlen(payload);
    uint8_t *frame = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)(HEADERS + size));
    static const uint8_t ip[20] = {0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0,
                                   10,   0, 0, 2, 10, 0, 0, 1};
    memset(frame, 0, HEADERS);
    memcpy(frame, &rig->appliance.ports[0].mac, 6);
    frame[6] = 2;
    write16(frame + 12, 0x0800);
    memcpy(frame + 14, ip, sizeof(ip));
    write16(frame + 16, (unsigned)(28 + size));
    uint32_t sum = 0;
    for (unsigned i = 14; i < 34; i += 2)
        sum += (uint32_t)frame[i] << 8 | frame[i + 1];
    sum = (sum & 0xFFFF) + (sum >> 16);
    write16(frame + 24, (unsigned)(~((sum & 0xFFFF) + (sum >> 16)) & 0xFFFF));
    write16(frame + 34, 4000);
    write16(frame + 36, port);
    write16(frame + 38, (unsigned)(8 + size));
    memcpy(frame + HEADERS, payload, size);
    return mbuf;
}

static void send_burst(struct rig *rig)
{
    struct rte_mbuf *mbufs[2 * BURST];
    unsigned count = 0;
    for (unsigned i = 0; i < BURST; i++) {
        mbufs[count] = make_frame(rig, TEXT_PORT, "a line of text\n");
        count += mbufs[count] != NULL;
        mbufs[count] = make_frame(rig, STATSD_PORT, "requests:3|c\nload:1|g\nbad");
        count += mbufs[count] != NULL;
    }
    unsigned sent = rte_eth_tx_burst(0, 0, mbufs, (uint16_t)count);
    for (unsigned i = 0; i < sent; i++)
        rig->datagrams_sent[i % 2]++; /* pairs, as long as all could be made */
    assert_int_equal(count, 2 * BURST);
    for (unsigned i = sent; i < count; i++)
        rte_pktmbuf_free(mbufs[i]);
}

static uint64_t count_in(const struct msg_view *view)
{
    static const char name[] = "stats.counters.requests.count ";
    const char *found = memmem(view->payload.ptr, view->payload.len, name, sizeof(name) - 1);
    return found != NULL ? strtoull(found + sizeof(name) - 1, NULL, 10) : 0;
}

static void check_record(struct rig *rig, const struct record *record)
{
    struct msg_view view;
    assert_int_equal(msg_view_init(&view, record->message, record->message_size), 0);
    bool is_text = view.type.len == 4;
    uint64_t expected = 1;
    if (is_text && has_slot(record->generation, 1))
        expected |= 1 << 1;
    if (!is_text && has_slot(record->generation, 5))
        expected |= 1 << 5;
    rig->wrong_masks += record->mask[0] != expected;
    rig->wanted_by_1 += (record->mask[0] >> 1) & 1;
    rig->wanted_by_5 += (record->mask[0] >> 5) & 1;
    rig->texts += is_text;
    rig->statistics += !is_text;
    if (is_text)
        return;
    rig->counted += count_in(&view);
    rig->flush_times_twice += view.timestamp_ns <= rig->flushed_at;
    rig->flushed_at = view.timestamp_ns;
}

static void drain_slot(struct rig *rig, unsigned slot)
{
    for (unsigned lane = 0; lane < 2; lane++) {
        struct lane_reader *reader = &rig->readers[slot][lane];
        uint64_t skipped = 0;
        int error = 0;
        const struct record *record;
        if (!rig->reader_ready[slot][lane])
            rig->reader_ready[slot][lane] =
                segment_reader_init(&rig->view, lane, slot, rig->opened_at[slot], reader) == 0;
        if (!rig->reader_ready[slot][lane])
            continue;
        while ((record = lane_next(reader, &skipped, &error)) != NULL) {
            if (slot == 0)
                check_record(rig, record);
            rig->read_by_1 += slot == 1;
            rig->read_by_5 += slot == 5;
        }
        assert_int_equal(error, 0);
        lane_release(reader);
    }
}

static bool drain(void *arg)
{
    struct rig *rig = arg;
    for (unsigned slot = 0; slot < 8; slot++)
        if (rig->is_open[slot])
            drain_slot(rig, slot);
    return true;
}

static void step(struct rig *rig)
{
    housekeeping_step(&rig->appliance.housekeeping, clock_wall_ns(), clock_mono_ns());
    drain(rig);
}

/* As hekad does it: a consumer that is new is opened when the generation is offered, one that goes
 * is read to its end after everybody has changed over. */
static void change_to(struct rig *rig, uint64_t number)
{
    static struct err err;
    struct housekeeping *housekeeping = &rig->appliance.housekeeping;
    struct plan *plan = make_plan(number);
    struct generation *generation = NULL;
    assert_int_equal(generation_new(plan, 1, housekeeping->generation, clock_wall_ns(),
                                    &generation, &err), 0);
    plan_free(plan);
    while (flusher_is_crowded(&housekeeping->flusher))
        step(rig);
    for (unsigned slot = 0; slot < 8; slot++) {
        if (has_slot(number, slot) && !has_slot(number - 1, slot)) {
            rig->is_open[slot] = true;
            rig->opened_at[slot] = number;
            rig->reader_ready[slot][0] = rig->reader_ready[slot][1] = false;
        }
    }
    assert_int_equal(housekeeping_offer(housekeeping, generation, &err), 0);
    while (atomic_load(&rig->view.header->generation) != number) {
        send_burst(rig);
        step(rig);
    }
    drain(rig);
    for (unsigned slot = 0; slot < 8; slot++)
        if (!has_slot(number, slot))
            rig->is_open[slot] = false;
}

static void rig_open(struct rig *rig)
{
    static struct err err;
    struct core_map_machine machine;
    memset(rig, 0, sizeof(*rig));
    snprintf(rig->run_dir, sizeof(rig->run_dir), "/tmp/heka-test-reload-XXXXXX");
    assert_int_equal(test_dir_make(rig->run_dir), 0);
    core_map_machine_read(&machine);
    machine.cpu_count = 1;
    assert_int_equal(core_map_parse(core_map_text, strlen(core_map_text), "map",
                                    TEST_SOURCE_DIR "/../nic-profiles", &machine, &rig->map, &err),
                     0);
    struct plan *plan = make_plan(1);
    struct appliance_config config = {.program = "test_reload", .map = rig->map, .plan = plan,
                                      .run_dir = rig->run_dir, .group = (gid_t)-1,
                                      .now_ns = clock_wall_ns(), .seed = 1};
    int rc = appliance_open(&config, &rig->appliance, &err);
    err_print(&err, stderr);
    assert_int_equal(rc, 0);
    plan_free(plan);
    rig->pool = rte_pktmbuf_pool_create("sender", 4095, 0, 0, 512, (int)rte_socket_id());
    assert_non_null(rig->pool);
    atomic_store(&rig->appliance.segment.header->state, SEGMENT_RUNNING);
    assert_int_equal(segment_attach(rig->run_dir, &rig->view, &err), 0);
    rig->is_open[0] = rig->is_open[1] = true;
    rig->opened_at[0] = rig->opened_at[1] = 1;
    assert_int_equal(appliance_launch(&rig->appliance, &err), 0);
}

static void rig_close(struct rig *rig)
{
    segment_detach(&rig->view);
    appliance_close(&rig->appliance);
    core_map_free(rig->map);
    assert_int_equal(test_dir_remove(rig->run_dir), 0);
}

static void wait_for_frames(struct rig *rig)
{
    struct counters sum;
    uint64_t sent = rig->datagrams_sent[0] + rig->datagrams_sent[1];
    do {
        step(rig);
        assert_true(segment_counters(&rig->view, &sum));
    } while (sum.values[COUNTER_FRAMES_RX] < sent);
}

/* Some flushes fall into generations with consumer 5 and some into others; a fast machine has not
 * had both by the last generation, and needs more of them. */
static bool goes_on(const struct rig *rig, uint64_t number)
{
    bool has_both = rig->wanted_by_5 > 0 && rig->wanted_by_5 < rig->statistics;
    return number <= GENERATIONS || (!has_both && number <= GENERATIONS_MAX);
}

static void test_generations_under_load(void **state)
{
    (void)state;
    static struct rig rig;
    struct counters sum;
    uint64_t start_ns = clock_wall_ns();
    rig_open(&rig);
    for (uint64_t number = 2; goes_on(&rig, number); number++) {
        for (unsigned i = 0; i < BURSTS_BETWEEN; i++) {
            send_burst(&rig);
            step(&rig);
        }
        change_to(&rig, number);
    }
    wait_for_frames(&rig);
    appliance_join(&rig.appliance);
    appliance_last_flush(&rig.appliance, clock_wall_ns(), drain, &rig);
    drain(&rig);
    rig.seconds = (clock_wall_ns() - start_ns) / CLOCK_NS_PER_S;

    assert_true(segment_counters(&rig.view, &sum));
    for (unsigned stage = 0; stage < LEDGER_STAGE_COUNT; stage++)
        assert_int_equal(ledger_balance(&sum, stage).residual, 0);
    assert_int_equal(sum.values[COUNTER_MESSAGES_LANE_FULL], 0);
    assert_int_equal(sum.values[COUNTER_SAMPLES_OPEN], 0);
    assert_int_equal(sum.values[COUNTER_SAMPLES_FLUSHED], 2 * rig.datagrams_sent[1]);
    assert_int_equal(sum.values[COUNTER_BAD_CURSORS], 0);
    assert_int_equal(rig.wrong_masks, 0);
    /* A changed accumulator hands on what it has: no interval is flushed twice. */
    assert_int_equal(rig.flush_times_twice, 0);
    assert_true(rig.statistics <= rig.seconds + 2); /* ends of intervals, and the last flush */
    assert_int_equal(rig.texts, rig.datagrams_sent[0]);
    assert_int_equal(rig.counted, 3 * rig.datagrams_sent[1]);
    assert_int_equal(rig.read_by_1, rig.wanted_by_1);
    assert_int_equal(rig.read_by_5, rig.wanted_by_5);
    assert_true(rig.wanted_by_1 > 0 && rig.wanted_by_1 < rig.texts);
    assert_true(rig.wanted_by_5 > 0 && rig.wanted_by_5 < rig.statistics);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_generations_under_load)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
