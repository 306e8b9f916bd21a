/* SPDX-License-Identifier: MPL-2.0
 *
 * lane_rate.c - benchmark `lane`: 256-byte records from a producer core through a lane to another
 *               core.
 *
 * Place:   bench/README.md has the convention.
 * Threads: the producer on the first core; one thread with all consumers' cursors on the second.
 * Method:  the value is records per second from end to end. producer_cycles is what a record costs
 *          the producer in bursts that did not have to wait for room, so that it can be compared
 *          between numbers of consumers although one core serves them all. Every consumer adds up
 *          what it reads. In consumers-4-drop a consumer with LANE_DROP, which the lane does not
 *          wait for, never reads; what it misses is checked in the end.
 */
#include "core/lane.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "core/check.h"

enum {
    MESSAGE_BYTES = 256,
    BURST = 32,           /* records between two lane_publish() */
    CAPACITY = 1 << 20,   /* stays in the second-level cache of both cores */
    CONSUMERS_MAX = 4
};

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
}

struct lane_case {
    unsigned consumer_count;
    bool last_stands_still;
};

struct rig {
    struct lane_header *header;
    struct lane_cursor *cursors;
    struct lane_writer writer;
    struct lane_bounds *bounds; /* of the one that stands still */
    struct lane_place places[LANE_PLACES];
    unsigned consumer_count, reading_count;
    uint8_t message[MESSAGE_BYTES];
    uint64_t burst_cycles, bursts; /* of bursts without waiting */
};

struct reading {
    struct rig *rig;
    int cpu;
    _Atomic uint64_t total; /* records to expect; UINT64_MAX: not known yet */
    uint64_t counts[CONSUMERS_MAX], sums[CONSUMERS_MAX];
    int error;
};

static void *read_all(void *arg)
{
    struct reading *reading = arg;
    struct rig *rig = reading->rig;
    struct lane_reader readers[CONSUMERS_MAX];
    bench_pin(reading->cpu);
    for (unsigned c = 0; c < rig->reading_count; c++)
        reading->error |= lane_reader_init(&readers[c], rig->header, &rig->cursors[c], c);
    for (bool done = reading->error != 0; !done;) {
        uint64_t total = atomic_load_explicit(&reading->total, memory_order_acquire);
        done = true;
        for (unsigned c = 0; c < rig->reading_count; c++) {
            const struct record *record;
            uint64_t skipped = 0;
            while ((record = lane_next(&readers[c], &skipped, &reading->error)) != NULL) {
                uint64_t first;
                memcpy(&first, record->message, sizeof(first));
                reading->sums[c] += first + record->message[MESSAGE_BYTES - 1];
                reading->counts[c]++;
            }
            lane_release(&readers[c]);
            done &= reading->counts[c] >= total || reading->error != 0;
        }
        if (!done)
            cpu_relax();
    }
    return NULL;
}

static struct record *reserve(struct rig *rig, bool *waited)
{
    struct record *record;
    while ((record = lane_reserve(&rig->writer, MESSAGE_BYTES)) == NULL) {
        *waited = true;
        cpu_relax();
    }
    return record;
}

static void produce_burst(struct rig *rig, uint64_t first)
{
    uint64_t mask = (UINT64_C(1) << rig->consumer_count) - 1;
    bool waited = false;
    uint64_t before = bench_cycles();
    for (uint64_t i = 0; i < BURST; i++) {
        struct record *record = reserve(rig, &waited);
        uint64_t value = first + i;
        record->hops = 0;
        record->generation = 1;
        record->message_size = MESSAGE_BYTES;
        record->ingest_ns = value;
        record->origin = 0;
        record->signer = 0;
        record->mask[0] = mask;
        record->mask[1] = record->mask[2] = record->mask[3] = 0;
        memcpy(record->message, rig->message, MESSAGE_BYTES);
        memcpy(record->message, &value, sizeof(value));
        lane_commit(&rig->writer, record);
    }
    lane_publish(&rig->writer);
    if (!waited) {
        rig->burst_cycles += bench_cycles() - before;
        rig->bursts++;
    }
}

static int setup(struct bench_run *run)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    if (bench_cpu(1) < 0)
        return bench_skip(run, "one core only");
    if (rig == NULL)
        return bench_error(run, "no memory");
    const struct lane_case *lane_case = run->bench_case->arg;
    rig->consumer_count = lane_case->consumer_count;
    rig->reading_count = rig->consumer_count - (lane_case->last_stands_still ? 1 : 0);
    rig->header = aligned_alloc(4096, LANE_HEADER_BYTES + CAPACITY);
    rig->cursors = aligned_alloc(64, CONSUMERS_MAX * sizeof(struct lane_cursor));
    rig->bounds = aligned_alloc(64, sizeof(struct lane_bounds));
    run->state = rig;
    if (rig->header == NULL || rig->cursors == NULL || rig->bounds == NULL)
        return bench_error(run, "no memory");
    memset(rig->message, 0xA5, sizeof(rig->message));
    bench_param(run, "message_bytes", MESSAGE_BYTES);
    bench_param(run, "burst_records", BURST);
    bench_param(run, "lane_bytes", CAPACITY);
    bench_param(run, "consumers", rig->consumer_count);
    return 0;
}

static void teardown(struct bench_run *run)
{
    struct rig *rig = run->state;
    if (rig == NULL)
        return;
    free(rig->header);
    free(rig->cursors);
    free(rig->bounds);
    free(rig);
}

static int check(struct bench_run *run, const struct reading *reading, uint64_t total)
{
    uint64_t sum = total * (total - 1) / 2 + total * 0xA5;
    for (unsigned c = 0; c < reading->rig->reading_count; c++)
        if (reading->error != 0 || reading->counts[c] != total || reading->sums[c] != sum)
            return bench_inexact(run, "consumer %u read %llu of %llu records", c,
                                 (unsigned long long)reading->counts[c],
                                 (unsigned long long)total);
    return 0;
}

/* The one that stood still: what is there and what it missed is all there was. */
static int check_still(struct bench_run *run, const struct rig *rig, uint64_t total)
{
    unsigned still = rig->consumer_count - 1;
    struct lane_admission admission = {rig->bounds, 1, LANE_DROP};
    struct lane_reader reader;
    uint64_t ahead = 0, dropped = 0;
    int rc = lane_reader_init_admitted(&reader, rig->header, &rig->cursors[still], still,
                                       &admission);
    if (rc == 0)
        lane_look_ahead(&reader, &ahead, &dropped);
    dropped += reader.dropped;
    bench_figure(run, "dropped_share", (double)dropped / (double)total);
    if (rc != 0 || ahead + dropped != total)
        return bench_inexact(run, "%llu there and %llu dropped of %llu", (unsigned long long)ahead,
                             (unsigned long long)dropped, (unsigned long long)total);
    return 0;
}

static void init_lane(struct rig *rig)
{
    memset(rig->header, 0, LANE_HEADER_BYTES + CAPACITY);
    memset(rig->cursors, 0, CONSUMERS_MAX * sizeof(struct lane_cursor));
    memset(rig->bounds, 0, sizeof(*rig->bounds));
    lane_writer_init(&rig->writer, rig->header, rig->cursors, rig->consumer_count, 0, CAPACITY);
    lane_set_places(&rig->writer, rig->places);
    if (rig->reading_count < rig->consumer_count)
        lane_admit(&rig->writer, rig->consumer_count - 1, LANE_DROP, rig->bounds);
    rig->burst_cycles = rig->bursts = 0;
}

static int run_once(struct bench_run *run)
{
    struct rig *rig = run->state;
    struct reading reading = {.rig = rig, .cpu = bench_cpu(1), .total = UINT64_MAX};
    pthread_t thread;
    uint64_t total = 0;
    init_lane(rig);
    bench_pin(bench_cpu(0));
    if (pthread_create(&thread, NULL, read_all, &reading) != 0)
        return bench_error(run, "no thread");
    bench_start(run);
    while (bench_goes_on(run)) {
        for (unsigned i = 0; i < 64; i++, total += BURST)
            produce_burst(rig, total);
    }
    atomic_store_explicit(&reading.total, total, memory_order_release);
    pthread_join(thread, NULL);
    bench_stop(run, total);
    if (rig->bursts > 0)
        bench_figure(run, "producer_cycles",
                     (double)rig->burst_cycles / (double)(rig->bursts * BURST));
    int rc = check(run, &reading, total);
    if (rc == 0 && rig->reading_count < rig->consumer_count)
        rc = check_still(run, rig, total);
    return rc;
}

static const struct lane_case one = {1, false}, four = {4, false}, four_drop = {4, true};
static const struct bench_case cases[] = {
    {.name = "consumers-1", .run = run_once, .unit = "records/s", .setup = setup,
     .teardown = teardown, .arg = &one, .two_cores = true},
    {.name = "consumers-4", .run = run_once, .unit = "records/s", .setup = setup,
     .teardown = teardown, .arg = &four, .two_cores = true},
    {.name = "consumers-4-drop", .run = run_once, .unit = "records/s", .setup = setup,
     .teardown = teardown, .arg = &four_drop, .two_cores = true},
};

int main(int argc, char **argv)
{
    static const struct bench bench = {
        .name = "lane",
        .help = "Records per second through a lane, one producer core to one consumer core.",
        .cases = cases,
        .case_count = sizeof(cases) / sizeof(cases[0]),
    };
    return bench_main(&bench, argc, argv);
}
