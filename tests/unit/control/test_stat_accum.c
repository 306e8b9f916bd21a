/* SPDX-License-Identifier: MPL-2.0
 *
 * test_stat_accum.c - samples of several inputs and of filters into one accumulator of hekad, and
 *                     what comes of them.
 *
 * [option StatsdInput.max_msg_size]
 */
#include "control/stat_accum.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <arpa/inet.h>

#include "core/ledger.h"
#include "tests/unit/control/input_rig.h"

static const struct shard_limits limits = {.names_max = 100, .timer_samples_max = 100};

/* Its document has to live as long. */
static struct accum *make_accum(struct accum_config *config, struct conf_doc **doc)
{
    struct err err = {0};
    struct accum *accum = NULL;
    assert_int_equal(toml_parse("", 0, "empty", NULL, doc, &err), 0);
    assert_int_equal(schema_apply(&accum_schema, NULL, "a", NULL, *doc, config, &err), 0);
    assert_int_equal(accum_new(config, &accum, &err), 0);
    return accum;
}

static void add(struct stat_accum *accum, enum statsd_type type, const char *name, double value,
                struct counters *counters)
{
    stat_accum_add_value(accum, type, name, strlen(name), value, counters);
}

static int64_t residual(const struct counters *counters, enum ledger_stage stage)
{
    return ledger_balance(counters, stage).residual;
}

static void test_values(void **state)
{
    static char long_name[STATSD_NAME_MAX + 1];
    struct stat_accums *accums = stat_accums_new();
    struct stat_accum *accum = stat_accums_get(accums, "a", NULL);
    struct counters counters = {0};
    struct shard *shard;
    (void)state;
    /* Nobody flushes it yet. */
    add(accum, STATSD_COUNTER, "early", 1, &counters);
    assert_int_equal(counters.values[COUNTER_SAMPLES_NO_NAME_ROOM], 1);
    assert_int_equal(shard_new(&limits, &shard), 0);
    assert_null(stat_accum_exchange(accum, shard));
    memset(long_name, 'x', sizeof(long_name));
    add(accum, STATSD_COUNTER, "c", 2.9, &counters);
    add(accum, STATSD_COUNTER, "c", -1, &counters);
    add(accum, STATSD_GAUGE, "g", -0.0, &counters);
    add(accum, STATSD_TIMER, "t", 3.5, &counters);
    add(accum, STATSD_TIMER, "", 1, &counters);
    add(accum, STATSD_TIMER, "nan", NAN, &counters);
    add(accum, STATSD_GAUGE, "inf", INFINITY, &counters);
    add(accum, STATSD_COUNTER, "huge", 0x1p63, &counters);
    stat_accum_add_value(accum, STATSD_GAUGE, long_name, sizeof(long_name), 1, &counters);
    assert_int_equal(counters.values[COUNTER_SAMPLES_DIRECT], 10);
    assert_int_equal(counters.values[COUNTER_SAMPLES_COUNTER], 2);
    assert_int_equal(counters.values[COUNTER_SAMPLES_GAUGE], 1);
    assert_int_equal(counters.values[COUNTER_SAMPLES_TIMER], 1);
    assert_int_equal(counters.values[COUNTER_STATSD_REJECT_EMPTY_NAME], 1);
    assert_int_equal(counters.values[COUNTER_STATSD_REJECT_BAD_VALUE], 3);
    assert_int_equal(counters.values[COUNTER_STATSD_REJECT_NAME_TOO_LONG], 1);
    assert_int_equal(residual(&counters, LEDGER_LINE), 0);
    assert_int_equal(residual(&counters, LEDGER_SAMPLE), 0);
    assert_int_equal(ledger_balance(&counters, LEDGER_SAMPLE).in_flight, 4);
    struct accum_config config;
    struct conf_doc *doc;
    struct accum *into = make_accum(&config, &doc);
    struct stat_accum_taken taken = stat_accum_take(accum, into);
    assert_int_equal(taken.samples, 4);
    assert_int_equal(taken.flushed, 4);
    assert_int_equal(taken.refused, 1);
    taken = stat_accum_take(accum, into);
    assert_int_equal(taken.samples + taken.flushed + taken.refused, 0);
    accum_free(into);
    conf_doc_free(doc);
    stat_accum_put(accum);
    stat_accums_free(accums);
}

/* What is added when the flush is due is late; before, and without a time, it is not. */
static void test_late(void **state)
{
    struct stat_accums *accums = stat_accums_new();
    struct stat_accum *accum = stat_accums_get(accums, "a", NULL);
    struct counters counters = {0};
    struct accum_config config;
    struct conf_doc *doc;
    struct accum *into = make_accum(&config, &doc);
    struct shard *shard;
    (void)state;
    assert_int_equal(shard_new(&limits, &shard), 0);
    assert_null(stat_accum_exchange(accum, shard));
    add(accum, STATSD_COUNTER, "c", 1, &counters);
    stat_accum_set_due(accum, UINT64_MAX, 10);
    assert_int_equal(stat_accum_interval_s(accum), 10);
    add(accum, STATSD_COUNTER, "c", 1, &counters);
    assert_int_equal(stat_accum_take(accum, into).late, 0);
    stat_accum_set_due(accum, 1, 10);
    add(accum, STATSD_COUNTER, "c", 1, &counters);
    add(accum, STATSD_COUNTER, "", 1, &counters);
    assert_int_equal(stat_accum_take(accum, into).late, 1);
    assert_int_equal(stat_accum_take(accum, into).late, 0);
    accum_free(into);
    conf_doc_free(doc);
    stat_accum_put(accum);
    stat_accums_free(accums);
}

static int count_chunk(void *arg, const struct accum_chunk *chunk)
{
    unsigned *found = arg;
    const char *line = memmem(chunk->payload, chunk->payload_size, "stats.counters.c.count 2 ", 25);
    *found += line != NULL;
    return 0;
}

/* The one that a reload makes gets what the one before has, once; without it there is nobody. */
static void test_heir(void **state)
{
    struct stat_accums *accums = stat_accums_new();
    struct stat_accum *accum = stat_accums_get(accums, "a", NULL);
    struct counters counters = {0};
    struct accum_config configs[2];
    struct conf_doc *docs[2];
    struct accum *former = make_accum(&configs[0], &docs[0]);
    struct accum *next = make_accum(&configs[1], &docs[1]);
    struct stat_accum_heir heir = {.accum = next}, other = {0};
    const struct flush_times times = {.last_ns = 7};
    struct shard *shard;
    unsigned found = 0;
    (void)state;
    assert_int_equal(shard_new(&limits, &shard), 0);
    assert_null(stat_accum_exchange(accum, shard));
    add(accum, STATSD_COUNTER, "c", 2, &counters);
    assert_int_equal(stat_accum_take(accum, former).flushed, 1);
    assert_false(stat_accum_hand_on(accum, former, &times));
    stat_accum_set_heir(accum, &heir);
    stat_accum_clear_heir(accum, &other); /* not the one that is set */
    assert_true(stat_accum_hand_on(accum, former, &times));
    assert_int_equal(heir.former.last_ns, 7);
    stat_accum_clear_heir(accum, &heir);
    assert_false(stat_accum_hand_on(accum, former, &times));
    assert_int_equal(accum_flush(former, 1, 1, 60000, count_chunk, &found), 0);
    assert_int_equal(found, 0);
    assert_int_equal(accum_flush(next, 1, 1, 60000, count_chunk, &found), 0);
    assert_int_equal(found, 1);
    accum_free(former);
    accum_free(next);
    conf_doc_free(docs[0]);
    conf_doc_free(docs[1]);
    stat_accum_put(accum);
    stat_accums_free(accums);
}

static void test_names(void **state)
{
    struct stat_accums *accums = stat_accums_new();
    struct stat_accum *a = stat_accums_get(accums, "a", NULL);
    struct stat_accum *b = stat_accums_get(accums, "b", NULL);
    (void)state;
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(stat_accums_get(accums, "a", NULL), a);
    stat_accum_put(a);
    stat_accum_put(a);
    stat_accum_put(b);
    stat_accum_put(NULL);
    for (unsigned i = 0; i < 5000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "n%u", i);
        struct stat_accum *one = stat_accums_get(accums, name, NULL);
        assert_non_null(one);
        stat_accum_put(one);
    }
    stat_accums_free(accums);
    stat_accums_free(NULL);
}

/* Several threads add while another one takes: nothing is lost or counted twice. */

enum { FEEDERS = 3, BURSTS = 2000, BURST = 16 };

struct feeder {
    struct stat_accum *accum;
    struct counters counters;
    pthread_t thread;
};

static void *feed(void *arg)
{
    struct feeder *feeder = arg;
    struct statsd_sample samples[BURST];
    for (unsigned i = 0; i < BURST; i++)
        samples[i] = (struct statsd_sample){.name = "shared",
                                            .name_len = 6,
                                            .type = STATSD_COUNTER,
                                            .hash = statsd_name_hash("shared", 6),
                                            .count = 1};
    for (unsigned i = 0; i < BURSTS; i++)
        stat_accum_add(feeder->accum, samples, BURST, &feeder->counters);
    return NULL;
}

static void test_threads(void **state)
{
    struct stat_accums *accums = stat_accums_new();
    struct stat_accum *accum = stat_accums_get(accums, "a", NULL);
    static struct feeder feeders[FEEDERS];
    struct accum_config config;
    struct conf_doc *doc;
    struct accum *into = make_accum(&config, &doc);
    struct shard *shard;
    uint64_t flushed = 0, samples = 0, all = (uint64_t)FEEDERS * BURSTS * BURST;
    (void)state;
    assert_int_equal(shard_new(&limits, &shard), 0);
    stat_accum_exchange(accum, shard);
    memset(feeders, 0, sizeof(feeders));
    for (unsigned i = 0; i < FEEDERS; i++) {
        feeders[i].accum = accum;
        assert_int_equal(pthread_create(&feeders[i].thread, NULL, feed, &feeders[i]), 0);
    }
    while (samples < all) {
        struct stat_accum_taken taken = stat_accum_take(accum, into);
        samples += taken.samples;
        flushed += taken.flushed;
        assert_int_equal(taken.refused, 0);
    }
    assert_int_equal(samples, all);
    assert_int_equal(flushed, all);
    for (unsigned i = 0; i < FEEDERS; i++) {
        pthread_join(feeders[i].thread, NULL);
        assert_int_equal(feeders[i].counters.values[COUNTER_SAMPLES_COUNTER], BURSTS * BURST);
        assert_int_equal(feeders[i].counters.values[COUNTER_SAMPLES_HANDED], BURSTS * BURST);
    }
    accum_free(into);
    conf_doc_free(doc);
    stat_accum_put(accum);
    stat_accums_free(accums);
}

/* ---- the inputs ---- */

static void send_to(uint16_t port, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(sendto(fd, text, strlen(text), 0,
                            (const struct sockaddr *)(const void *)&address, sizeof(address)),
                     strlen(text));
    close(fd);
}

static const char statsd_toml[] = "[sums]\ntype = \"StatAccumInput\"\nticker_interval = 86400\n"
                                  "[one]\ntype = \"StatsdInput\"\nstat_accum_name = \"sums\"\n"
                                  "address = \"127.0.0.1:%u\"\n"
                                  "[two]\ntype = \"StatsdInput\"\nstat_accum_name = \"sums\"\n"
                                  "address = \"127.0.0.1:%u\"\nmax_msg_size = 8\n";

/* True when the payload has this line, whatever its time. */
static bool has_line(const struct msg_view *view, const char *line)
{
    char *text = strndup(view->payload.ptr, view->payload.len);
    bool found = strstr(text, line) != NULL;
    free(text);
    return found;
}

static void test_statsd(void **state)
{
    struct input_rig rig;
    struct counters ledger;
    char toml[512];
    uint16_t one = input_rig_free_port(SOCK_DGRAM), two = input_rig_free_port(SOCK_DGRAM);
    (void)state;
    snprintf(toml, sizeof(toml), statsd_toml, one, two);
    input_rig_init(&rig, toml);
    send_to(one, "hits:3|c\nbad\nload:1.5|g\n");
    send_to(two, "hits:4|c\ncut off:1|c");
    input_rig_wait_counter(&rig, 1, "datagrams", 1);
    input_rig_wait_counter(&rig, 2, "datagrams", 1);
    input_rig_stop(&rig, &ledger);
    assert_int_equal(ledger.values[COUNTER_STATSD_LINES], 4);
    assert_int_equal(ledger.values[COUNTER_STATSD_TRUNCATED], 1);
    assert_int_equal(ledger.values[COUNTER_SAMPLES_COUNTER], 2);
    assert_int_equal(ledger.values[COUNTER_SAMPLES_GAUGE], 1);
    assert_int_equal(ledger.values[COUNTER_STATSD_REJECT_NO_COLON], 1);
    assert_int_equal(ledger.values[COUNTER_SAMPLES_FLUSHED], 3);
    assert_int_equal(ledger.values[COUNTER_FLUSHES], 1);
    assert_int_equal(ledger_balance(&ledger, LEDGER_SAMPLE).in_flight, 0);
    input_rig_wait_count(&rig, 0, 1);
    bool is_signed;
    struct msg_view view = input_rig_message(&rig, 0, 0, &is_signed);
    assert_false(is_signed);
    assert_memory_equal(view.type.ptr, "heka.statmetric", view.type.len);
    assert_memory_equal(view.logger.ptr, "sums", view.logger.len);
    assert_true(has_line(&view, "stats.counters.hits.count 7 "));
    assert_true(has_line(&view, "stats.gauges.load 1.5"));
    assert_int_equal(view.pid, getpid());
    input_rig_fini(&rig);
}

/* The interval ends by the clock, and each line is there once. */
static void test_flush(void **state)
{
    struct input_rig rig;
    char toml[512];
    uint16_t port = input_rig_free_port(SOCK_DGRAM);
    (void)state;
    snprintf(toml, sizeof(toml),
             "[StatAccumInput]\nticker_interval = 1\n"
             "[StatsdInput]\naddress = \"127.0.0.1:%u\"\n", port);
    input_rig_init(&rig, toml);
    while (input_rig_count(&rig, 0) == 0)
        usleep(1000);
    send_to(port, "hits:3|c");
    unsigned seen = 0, messages = 0;
    while (seen == 0) {
        for (; messages < input_rig_count(&rig, 0); messages++) {
            struct msg_view view = input_rig_message(&rig, 0, messages, NULL);
            seen += has_line(&view, "stats.counters.hits.count 3 ");
            assert_int_equal(view.timestamp_ns % 1000000000, 0);
        }
        usleep(1000);
    }
    assert_int_equal(seen, 1);
    assert_true(input_rig_counter(&rig, 0, "series") >= 1);
    input_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_late),
        cmocka_unit_test(test_heir),   cmocka_unit_test(test_names),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_statsd),
        cmocka_unit_test(test_flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
