/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/queue/queue_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/frame.h"

#define DIR "/base/output_queue/out"
enum {
    MESSAGE_MAX = 200,
    MESSAGE_HEAD = 12, /* message, serial, checksum */
    BURST_MAX = 8,
    FINISH_STEPS_MAX = 20000,
    OPEN_TRIES_MAX = 1000,
    RECORD_MAX = FRAME_OVERHEAD_MAX + MESSAGE_MAX
};

/* As CHECK(), and says which world it was. */
#define CHECK_WORLD(world, condition)                                                              \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "world of seed %llu, call %llu\n", (unsigned long long)(world)->seed,  \
                    (unsigned long long)(world)->disk->calls);                                     \
            CHECK(condition);                                                                      \
        }                                                                                          \
    } while (0)

static uint32_t below(struct world *world, uint32_t bound)
{
    return (uint32_t)sim_below(&world->random, bound);
}

/* ---- messages ---- */

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ (i >= 8 && i < 12 ? 0 : bytes[i])) * 16777619u;
    return sum;
}

/* Bytes that look like pieces of frames, too. */
static size_t make_message(struct world *world, uint32_t message, uint32_t serial, uint8_t *bytes)
{
    static const uint8_t marks[] = {FRAME_RECORD_SEPARATOR, FRAME_UNIT_SEPARATOR, 2, 8, 0};
    size_t size = MESSAGE_HEAD + below(world, MESSAGE_MAX - MESSAGE_HEAD + 1);
    for (size_t i = MESSAGE_HEAD; i < size; i++)
        bytes[i] =
            below(world, 4) == 0 ? marks[below(world, sizeof(marks))] : (uint8_t)below(world, 256);
    memcpy(bytes, &message, 4);
    memcpy(bytes + 4, &serial, 4);
    uint32_t sum = checksum(bytes, size);
    memcpy(bytes + 8, &sum, 4);
    return size;
}

/* The serial, or UINT32_MAX for bytes that we did not write. */
static uint32_t serial_of(const struct world *world, const struct queue_record *record)
{
    uint32_t message, serial, sum;
    if (record->size < MESSAGE_HEAD)
        return UINT32_MAX;
    memcpy(&message, record->bytes, 4);
    memcpy(&serial, record->bytes + 4, 4);
    memcpy(&sum, record->bytes + 8, 4);
    if (sum != checksum(record->bytes, record->size) || serial >= world->serial_count ||
        world->serials[serial].message != message)
        return UINT32_MAX;
    return serial;
}

/* ---- appending ---- */

static uint32_t next_message(const struct world *world, uint32_t from)
{
    while (from < world->message_count && world->fates[from] != WORLD_NEW)
        from++;
    return from;
}

static void take(struct world *world, uint32_t serial)
{
    uint32_t message = world->serials[serial].message;
    world->fates[message] = WORLD_PENDING;
    world->pending[world->pending_count++] = serial;
}

static void end_pending(struct world *world, enum world_fate fate)
{
    for (unsigned i = 0; i < world->pending_count; i++)
        world->fates[world->serials[world->pending[i]].message] = (uint8_t)fate;
    world->pending_count = 0;
}

static void append(struct world *world)
{
    static uint8_t bytes[BURST_MAX][MESSAGE_MAX];
    struct queue_message messages[BURST_MAX];
    uint32_t serials[BURST_MAX];
    unsigned count = 0, count_max = 1 + below(world, BURST_MAX);
    int why;
    for (uint32_t message = next_message(world, 0);
         message < world->message_count && count < count_max;
         message = next_message(world, message + 1)) {
        uint32_t serial = world->serial_count++;
        CHECK_WORLD(world, serial < WORLD_SERIALS_MAX);
        world->serials[serial] = (struct world_serial){.message = message};
        messages[count].bytes = bytes[count];
        messages[count].size = make_message(world, message, serial, bytes[count]);
        serials[count++] = serial;
    }
    unsigned taken = queue_append(world->queue, messages, count, &why);
    CHECK_WORLD(world, taken <= count && (taken == count || why == 0 || why <= QUEUE_E_BLOCK ||
                                          why == QUEUE_E_DROP || why == QUEUE_E_SHUTDOWN));
    CHECK_WORLD(world, why != QUEUE_E_TOO_LARGE);
    for (unsigned i = 0; i < taken; i++)
        take(world, serials[i]);
    world->serial_count -= count - taken;
    CHECK_WORLD(world, queue_pending(world->queue) == world->pending_count);
    if (taken < count && why == QUEUE_E_DROP) {
        world->fates[world->serials[serials[taken]].message] = WORLD_DROPPED;
        queue_count_dropped(world->queue, 1);
    }
}

static void sync_world(struct world *world)
{
    int rc = queue_sync(world->queue);
    if (rc == 0) {
        CHECK_WORLD(world, queue_pending(world->queue) == 0);
        end_pending(world, WORLD_CONFIRMED);
        return;
    }
    CHECK_WORLD(world, queue_pending(world->queue) == world->pending_count);
    for (unsigned i = 0; i < world->pending_count; i++)
        world->serials[world->pending[i]].may_be_twice = true;
    world->corrupt_allowed += world->pending_count;
    if (rc == QUEUE_E_DROP && !world->disk->has_crashed) {
        CHECK_WORLD(world, queue_discard(world->queue) == world->pending_count);
        end_pending(world, WORLD_DROPPED);
    }
}

/* ---- reading ---- */

/* After each call that may write a checkpoint. */
static void look_at_checkpoint(struct world *world)
{
    struct queue_stats stats;
    queue_stats(world->queue, &stats);
    if (stats.counters[QUEUE_CHECKPOINTS] > world->checkpoints) {
        for (unsigned i = 0; i < world->uncovered_count; i++)
            world->serials[world->uncovered[i]].is_covered = true;
        world->uncovered_count = 0;
    }
    world->checkpoints = stats.counters[QUEUE_CHECKPOINTS];
    CHECK_WORLD(world, stats.bytes_max == 0 || stats.bytes <= stats.bytes_max ||
                           stats.bytes <= world->bytes_found);
    CHECK_WORLD(world, stats.unacknowledged == world->unacknowledged_count);
}

/* Half of a record that nobody confirmed; it may come again as others do. */
static void note_corrupt(struct world *world, const struct queue_record *record)
{
    uint32_t sum = checksum(record->bytes, record->size);
    for (unsigned i = 0; i < world->corrupt; i++) {
        if (world->corrupt_sums[i] == sum)
            return;
    }
    CHECK_WORLD(world, world->corrupt < WORLD_MESSAGES_MAX);
    world->corrupt_sums[world->corrupt++] = sum;
}

static void deliver(struct world *world, const struct queue_record *record)
{
    uint32_t serial = serial_of(world, record);
    CHECK_WORLD(world, world->unacknowledged_count < WORLD_SERIALS_MAX);
    world->unacknowledged[world->unacknowledged_count++] = serial;
    if (serial == UINT32_MAX) {
        note_corrupt(world, record);
        return;
    }
    const struct world_serial *known = &world->serials[serial];
    CHECK_WORLD(world, !known->is_covered || known->may_be_twice);
    CHECK_WORLD(world, world->delivery_count < WORLD_DELIVERIES_MAX);
    world->deliveries[world->delivery_count++] = known->message;
}

static int read_world(struct world *world)
{
    struct queue_record records[BURST_MAX];
    int count = queue_read(world->queue, records, 1 + below(world, BURST_MAX));
    CHECK_WORLD(world, count <= BURST_MAX);
    for (int i = 0; i < count; i++)
        deliver(world, &records[i]);
    look_at_checkpoint(world);
    return count;
}

static void acknowledge(struct world *world, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK_WORLD(world, world->uncovered_count < WORLD_DELIVERIES_MAX);
        if (world->unacknowledged[i] != UINT32_MAX)
            world->uncovered[world->uncovered_count++] = world->unacknowledged[i];
    }
    world->unacknowledged_count -= count;
    memmove(world->unacknowledged, world->unacknowledged + count,
            world->unacknowledged_count * sizeof(world->unacknowledged[0]));
    queue_acknowledge(world->queue, count);
    look_at_checkpoint(world);
}

static void rewind_world(struct world *world)
{
    queue_rewind(world->queue);
    world->replays_made += world->unacknowledged_count;
    world->unacknowledged_count = 0;
}

/* ---- life and death ---- */

void world_open(struct world *world)
{
    static struct err err, notes;
    for (unsigned tries = 0; world->queue == NULL; tries++) {
        struct queue_stats stats;
        memset(&err, 0, sizeof(err));
        memset(&notes, 0, sizeof(notes));
        CHECK_WORLD(world, tries < OPEN_TRIES_MAX);
        world->queue = queue_open(DIR, &world->options, &err, &notes);
        world->opens++;
        if (world->queue == NULL) {
            CHECK_WORLD(world, err.count > 0);
            CHECK_WORLD(world, world->has_faults || world->disk->has_crashed);
            world->crashes += world->disk->has_crashed;
            if (world->disk->has_crashed)
                sim_disk_reboot(world->disk);
            continue;
        }
        queue_stats(world->queue, &stats);
        world->bytes_found = stats.bytes; /* names that were not gone for good may be back */
        world->checkpoints = 0;
        if (stats.counters[QUEUE_CHECKPOINTS_UNUSABLE] == 0)
            continue;
        CHECK_WORLD(world, world->has_faults || world->disk->has_crashed); /* could not be read */
        for (uint32_t i = 0; i < world->serial_count; i++)
            world->serials[i].is_covered = false;
    }
}

/* What the host had in memory is gone. */
static void forget(struct world *world)
{
    world->corrupt_allowed += world->pending_count;
    end_pending(world, WORLD_NEW);
    world->unacknowledged_count = 0;
    world->uncovered_count = 0;
    world->crashes++;
}

bool world_restart_if_crashed(struct world *world)
{
    if (!world->disk->has_crashed)
        return false;
    queue_close(world->queue);
    world->queue = NULL;
    forget(world);
    sim_disk_reboot(world->disk);
    world_open(world);
    return true;
}

/* kill -9: nothing is closed in order, but what was written is there. */
void world_kill(struct world *world)
{
    world->disk->has_crashed = true;
    queue_close(world->queue);
    world->queue = NULL;
    forget(world);
    sim_disk_kill(world->disk);
    world_open(world);
}

static void close_and_open(struct world *world)
{
    bool was_synced = queue_close(world->queue) == 0;
    world->queue = NULL;
    if (was_synced && !world->disk->has_crashed) {
        end_pending(world, WORLD_CONFIRMED);
        for (unsigned i = 0; i < world->uncovered_count; i++)
            world->serials[world->uncovered[i]].is_covered = true;
    }
    for (unsigned i = 0; i < world->pending_count; i++)
        world->serials[world->pending[i]].may_be_twice = true;
    forget(world);
    if (world->disk->has_crashed)
        sim_disk_reboot(world->disk);
    world_open(world);
}

static void change_faults(struct world *world)
{
    static const int codes[] = {-EIO, -ENOSPC, -EDQUOT, -EIO};
    struct sim_disk *disk = world->disk;
    disk->short_percent = below(world, 3) == 0 ? 50 : 0;
    disk->fail_code = codes[below(world, 4)];
    disk->fail_percent = below(world, 3) == 0 ? 1 + below(world, 30) : 0;
    disk->capacity_bytes = below(world, 3) == 0 ? 1 + below(world, 6000) : 0;
}

void world_step(struct world *world)
{
    uint32_t dice = below(world, 100);
    if (dice < 35)
        append(world);
    else if (dice < 60)
        sync_world(world);
    else if (dice < 78)
        read_world(world);
    else if (dice < 94)
        acknowledge(world, below(world, world->unacknowledged_count + 1));
    else if (dice < 96)
        rewind_world(world);
    else if (dice < 97)
        close_and_open(world);
    else if (dice < 98 && world->has_faults)
        change_faults(world);
    else
        queue_is_nearly_full(world->queue);
}

/* ---- the end ---- */

static void check_order(const struct world *world)
{
    unsigned at = 0;
    for (uint32_t i = 0; i < world->message_count; i++) {
        CHECK_WORLD(world, world->fates[i] == WORLD_CONFIRMED || world->fates[i] == WORLD_DROPPED);
        if (world->fates[i] != WORLD_CONFIRMED)
            continue;
        while (at < world->delivery_count && world->deliveries[at] != i)
            at++;
        CHECK_WORLD(world, at < world->delivery_count); /* lost, or out of order */
        at++;
    }
}

static void check_books(const struct world *world)
{
    struct queue_stats stats;
    queue_stats(world->queue, &stats);
    const uint64_t *counters = stats.counters;
    CHECK_WORLD(world, counters[QUEUE_APPENDED] + counters[QUEUE_RECOVERED] ==
                           counters[QUEUE_ACKNOWLEDGED]);
    CHECK_WORLD(world, stats.unacknowledged == 0 && stats.pending == 0);
    CHECK_WORLD(world, world->corrupt <= world->corrupt_allowed);
    CHECK_WORLD(world, stats.files <= 1); /* at most the one that is written to */
}

void world_finish(struct world *world)
{
    unsigned steps = 0;
    world->disk->crash_at = 0;
    world->disk->fail_percent = 0;
    world->disk->short_percent = 0;
    world->disk->capacity_bytes = 0;
    world->has_faults = false;
    while (next_message(world, 0) < world->message_count || world->pending_count > 0 ||
           !queue_is_drained(world->queue)) {
        CHECK_WORLD(world, ++steps < FINISH_STEPS_MAX); /* it does not get on */
        append(world);
        sync_world(world);
        CHECK_WORLD(world, read_world(world) >= 0);
        acknowledge(world, world->unacknowledged_count);
    }
    check_order(world);
    check_books(world);
}

static void choose_options(struct world *world)
{
    static const enum queue_full_action actions[] = {QUEUE_SHUTDOWN, QUEUE_DROP, QUEUE_BLOCK};
    world->options = (struct queue_options){
        .message_size_max = MESSAGE_MAX,
        .max_file_size = RECORD_MAX + below(world, 4) * below(world, 1000),
        .max_buffer_size = below(world, 2) == 0 ? 0 : RECORD_MAX + below(world, 5000),
        .full_action = actions[below(world, 3)],
        .cursor_update_count = below(world, 6),
        .buffer_bytes = RECORD_MAX + below(world, 2000),
        .unacknowledged_max = 1 + below(world, 40),
        .io = &world->disk->io,
    };
}

struct world *world_new(uint64_t seed, uint32_t message_count, bool has_faults)
{
    struct world *world = calloc(1, sizeof(*world));
    CHECK(world != NULL && message_count <= WORLD_MESSAGES_MAX);
    world->seed = seed;
    world->random = seed * 7919 + 1;
    world->disk = sim_disk_new(seed);
    world->message_count = message_count;
    world->has_faults = has_faults;
    sim_disk_put(world->disk, "/base/x", "", 0);
    choose_options(world);
    return world;
}

void world_free(struct world *world)
{
    queue_close(world->queue);
    sim_disk_free(world->disk);
    free(world);
}
