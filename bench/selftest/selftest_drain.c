/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/selftest/selftest_drain.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/bench.h"
#include "core/message.h"

enum { PAUSE_US = 2000, NICEST = 19, PORTION = 256 };

static void look_at(struct selftest_drain *drain, const struct record *record)
{
    struct msg_view view;
    if (msg_view_init(&view, record->message, record->message_size) != 0)
        drain->malformed++;
    else
        statsd_check_payload(drain->check, view.payload.ptr, view.payload.len);
}

/* A portion of one reader's records. True when there was something. */
static bool read_some(struct selftest_drain *drain, struct lane_reader *reader)
{
    uint64_t skipped = 0;
    unsigned count = 0;
    const struct record *record;
    while (count < PORTION && (record = lane_next(reader, &skipped, &drain->error)) != NULL) {
        if (drain->check != NULL && reader->consumer == drain->own_consumer)
            look_at(drain, record);
        count++;
    }
    lane_release(reader);
    drain->records += count;
    return count > 0 || skipped > 0;
}

static void *read_lanes(void *arg)
{
    struct selftest_drain *drain = arg;
    if (drain->is_gentle)
        setpriority(PRIO_PROCESS, (id_t)gettid(), NICEST);
    bench_pin(drain->cpu);
    while (drain->error == 0) {
        /* A4 pairs with R4 in selftest_drain_finish(): read before the look, so that the look
         * behind it sees all that was committed before. */
        bool last = atomic_load_explicit(&drain->last_look, memory_order_acquire);
        bool busy = false;
        for (unsigned i = 0; i < drain->reader_count; i++)
            busy |= read_some(drain, &drain->readers[i]);
        if (last && !busy)
            break;
        if (!busy)
            usleep(PAUSE_US);
    }
    return NULL;
}

/* Slots that nobody has are -EAGAIN. */
static int open_readers(struct selftest_drain *drain)
{
    const struct segment_header *header = drain->segment->header;
    for (unsigned lane = 0; lane < header->lane_count; lane++)
        for (unsigned consumer = 0; consumer < header->consumer_count; consumer++) {
            struct lane_reader *reader = &drain->readers[drain->reader_count];
            int rc = segment_reader_init(drain->segment, lane, consumer, 0, reader);
            if (rc == 0)
                drain->reader_count++;
            else if (rc != -EAGAIN)
                return rc;
        }
    return 0;
}

int selftest_drain_start(struct selftest_drain *drain, const struct segment *segment,
                         unsigned own_consumer)
{
    const struct segment_header *header = segment->header;
    drain->segment = segment;
    drain->own_consumer = own_consumer;
    drain->readers =
        calloc((size_t)header->lane_count * header->consumer_count + 1, sizeof(*drain->readers));
    int rc = drain->readers != NULL ? open_readers(drain) : -ENOMEM;
    if (rc == 0)
        rc = -pthread_create(&drain->thread, NULL, read_lanes, drain);
    drain->started = rc == 0;
    if (rc != 0)
        free(drain->readers);
    return rc;
}

void selftest_drain_finish(struct selftest_drain *drain)
{
    if (!drain->started)
        return;
    atomic_store_explicit(&drain->last_look, true, memory_order_release); /* R4 */
    pthread_join(drain->thread, NULL);
    free(drain->readers);
    drain->started = false;
}

uint64_t selftest_drain_matched(const struct segment *segment)
{
    const struct segment_header *header = segment->header;
    uint64_t matched = 0;
    for (unsigned lane = 0; lane < header->lane_count; lane++)
        for (unsigned consumer = 0; consumer < header->consumer_count; consumer++)
            matched += atomic_load_explicit(&segment_consumer(segment, lane, consumer)->matched,
                                            memory_order_relaxed);
    return matched;
}
