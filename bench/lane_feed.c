/* SPDX-License-Identifier: MPL-2.0
 *
 * lane_feed.c - stands in for the data plane: writes ready-made messages to a lane as fast as there
 *               is room, for one consumer of hekad's plan.
 *
 * Place:   build/PRESET/bench/lane_feed; bench/sandbox_lane.c names it as [dataplane] program. What
 *          it has in common with heka-dataplane are the segment, the counters and the bell.
 * Threads: one, on the CPU that it is told. LANE_FEED in the environment: "CPU CONSUMER [line]";
 *          `line`: payloads are lines of an access log.
 * Memory:  the segment; the messages (access_message.h) are made at the start.
 * Failure: SIGUSR1 ends the writing, SIGTERM the program when all is read or DRAIN_S have passed.
 *
 * After each burst, and when there is no room, it lets others have the CPU: hekad's threads share
 * it.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/access_message.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/conf.h"
#include "core/segment.h"

enum {
    LANES = 2,            /* one worker's, and housekeeping's, which stays empty */
    LANE_BYTES = 1 << 20, /* stays in the second-level cache */
    BURST = 256,
    DRAIN_S = 20,
    NAP_NS = 200000,
    FULL_NS = 20000, /* doubled while there is no room for a burst, up to: */
    FULL_NS_MAX = 1000000
};

struct feed {
    struct segment segment;
    struct lane_writer writer;
    struct counters counters;
    unsigned consumer, consumer_count;
    int cpu;
    char name[64];
    bool has_line;
    uint64_t next;
    uint32_t sizes[ACCESS_MESSAGES];
    uint8_t messages[ACCESS_MESSAGES][ACCESS_MESSAGE_SIZE];
};

static volatile sig_atomic_t pause_asked, stop_asked;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        pause_asked = 1;
    else
        stop_asked = 1;
}

static int fail(const char *text)
{
    fprintf(stderr, "lane_feed: %s\n", text);
    return 1;
}

static const char *option(char **argv, const char *name)
{
    for (; *argv != NULL; argv++)
        if (strcmp(*argv, name) == 0)
            return argv[1];
    return NULL;
}

/* ---- start ---- */

static void read_settings(struct feed *feed)
{
    const char *settings = getenv("LANE_FEED");
    char line[8] = "";
    feed->cpu = -1;
    if (settings != NULL && sscanf(settings, "%d %63s %7s", &feed->cpu, feed->name, line) >= 2)
        feed->has_line = strcmp(line, "line") == 0;
}

/* Slots of the plan's consumers. */
static int read_plan(struct feed *feed, const char *path, struct err *err)
{
    struct conf_doc *doc = NULL;
    bool is_found = false;
    if (path == NULL || json_load(path, &doc, err) != 0)
        return -1;
    const struct conf_node *consumers = conf_get(conf_root(doc), "consumers");
    unsigned place = 0;
    for (const struct conf_node *at = consumers->first; at != NULL; at = at->next, place++) {
        const struct conf_node *slot = conf_get(at, "slot");
        unsigned index = slot != NULL ? (unsigned)slot->i : place;
        if (index >= feed->consumer_count)
            feed->consumer_count = index + 1;
        if (strcmp(conf_get(at, "name")->str, feed->name) == 0) {
            feed->consumer = index;
            is_found = true;
        }
    }
    conf_doc_free(doc);
    return is_found ? 0 : err_add(err, "the plan has no consumer '%s'", feed->name);
}

static int make_segment(struct feed *feed, const char *run_dir, struct err *err)
{
    const struct segment_config config = {
        .dir = run_dir,
        .lane_count = LANES,
        .consumer_count = feed->consumer_count,
        .lane_bytes = LANE_BYTES,
        .generation = 1,
        .group = (gid_t)-1,
    };
    if (segment_create(&config, &feed->segment, err) != 0)
        return -1;
    for (unsigned i = LANES; i-- > 0;)
        lane_writer_init(&feed->writer, feed->segment.lanes[i],
                         segment_cursor(&feed->segment, i, 0), feed->consumer_count, i, LANE_BYTES);
    for (unsigned i = 0; i < LANES * feed->consumer_count; i++)
        atomic_store_explicit(&feed->segment.consumers[i].admitted, 1, memory_order_relaxed);
    return 0;
}

/* ---- writing ---- */

static void put(struct feed *feed, struct record *record, uint32_t size, uint64_t now_ns)
{
    record->hops = 0;
    record->generation = 1;
    record->message_size = size;
    record->ingest_ns = now_ns;
    record->origin = 0;
    record->signer = 0;
    memset(record->mask, 0, sizeof(record->mask));
    record->mask[feed->consumer / 64] = UINT64_C(1) << (feed->consumer % 64);
    memcpy(record->message, feed->messages[feed->next % ACCESS_MESSAGES], size);
    lane_commit(&feed->writer, record);
    feed->next++;
}

/* False: there was no room for all of it. */
static bool write_burst(struct feed *feed)
{
    struct segment_consumer *counts = segment_consumer(&feed->segment, 0, feed->consumer);
    uint64_t first = feed->next, now_ns = clock_wall_ns();
    while (feed->next - first < BURST) {
        uint32_t size = feed->sizes[feed->next % ACCESS_MESSAGES];
        struct record *record = lane_reserve(&feed->writer, size);
        if (record == NULL)
            break;
        put(feed, record, size, now_ns);
    }
    if (feed->next == first)
        return false;
    atomic_store_explicit(&counts->matched, feed->next, memory_order_relaxed);
    lane_publish(&feed->writer);
    feed->counters.values[COUNTER_MESSAGES_CREATED] = feed->next;
    feed->counters.values[COUNTER_MESSAGES_COMMITTED] = feed->next;
    counters_publish(&feed->segment.blocks[0], &feed->counters);
    segment_ring(&feed->segment);
    return feed->next - first == BURST;
}

static void beat(struct feed *feed)
{
    for (unsigned i = 0; i < LANES; i++)
        atomic_store_explicit(&feed->segment.header->heartbeat_ns[i], clock_mono_ns(),
                              memory_order_relaxed);
}

static void nap(void)
{
    nanosleep(&(struct timespec){0, NAP_NS}, NULL);
}

static void run(struct feed *feed)
{
    long full_ns = FULL_NS;
    while (!stop_asked) {
        beat(feed);
        if (pause_asked) {
            nap();
            continue;
        }
        if (write_burst(feed)) {
            full_ns = FULL_NS;
            sched_yield();
            continue;
        }
        nanosleep(&(struct timespec){0, full_ns}, NULL);
        full_ns = full_ns < FULL_NS_MAX ? 2 * full_ns : FULL_NS_MAX;
    }
}

static void set_state(struct feed *feed, enum segment_state state)
{
    atomic_store_explicit(&feed->segment.header->state, state, memory_order_release);
}

static int start(struct feed *feed, char **argv, struct err *err)
{
    const char *run_dir = option(argv, "--run-dir");
    cpu_set_t cpus;
    read_settings(feed);
    CPU_ZERO(&cpus);
    if (feed->cpu >= 0)
        CPU_SET((unsigned)feed->cpu, &cpus);
    if (run_dir == NULL || feed->cpu < 0 || sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
        return err_add(err, "--run-dir and LANE_FEED=\"CPU CONSUMER\" are needed");
    for (unsigned i = 0; i < ACCESS_MESSAGES; i++)
        feed->sizes[i] = (uint32_t)access_message_build(i, feed->has_line, feed->messages[i]);
    if (read_plan(feed, option(argv, "--plan"), err) != 0)
        return -1;
    return make_segment(feed, run_dir, err);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct feed *feed = calloc(1, sizeof(*feed));
    (void)argc;
    if (feed == NULL)
        return fail("out of memory");
    signal(SIGUSR1, on_signal);
    signal(SIGTERM, on_signal);
    if (start(feed, argv, &err) != 0)
        return fail(err.count > 0 ? err.texts[0] : "cannot start");
    set_state(feed, SEGMENT_RUNNING);
    run(feed);
    set_state(feed, SEGMENT_STOPPING);
    uint64_t until_ns = clock_mono_ns() + DRAIN_S * CLOCK_NS_PER_S;
    while (!lane_drained(&feed->writer) && clock_mono_ns() < until_ns) {
        beat(feed);
        nap();
    }
    set_state(feed, SEGMENT_STOPPED);
    segment_detach(&feed->segment);
    return 0;
}
