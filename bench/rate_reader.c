/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/rate_reader.h"

#include <sys/resource.h>
#include <unistd.h>

#include "bench/bench.h"
#include "core/message.h"

enum { PAUSE_US = 5000, NICEST = 19, CONSUMER = 0 };

static void take_record(struct rate_reader *reader, const struct record *record)
{
    struct msg_view view;
    reader->messages++;
    if (msg_view_init(&view, record->message, record->message_size) != 0)
        reader->malformed++;
    else
        statsd_check_payload(reader->check, view.payload.ptr, view.payload.len);
}

/* True when there was something. */
static bool read_lane(struct rate_reader *reader, unsigned lane)
{
    uint64_t skipped = 0, before = reader->messages;
    const struct record *record;
    while ((record = lane_next(&reader->lanes[lane], &skipped, &reader->error)) != NULL) {
        take_record(reader, record);
        lane_release(&reader->lanes[lane]);
    }
    lane_release(&reader->lanes[lane]);
    return reader->messages != before || skipped > 0;
}

static void *read_lanes(void *arg)
{
    struct rate_reader *reader = arg;
    unsigned lane_count = reader->segment->header->lane_count;
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICEST);
    bench_pin(reader->cpu);
    while (reader->error == 0) {
        /* A3 pairs with the release in rate_reader_finish(): read before the look, so that the look
         * behind it sees all that was committed before. */
        bool last = atomic_load_explicit(&reader->last_look, memory_order_acquire);
        bool busy = false;
        for (unsigned lane = 0; lane < lane_count; lane++)
            busy |= read_lane(reader, lane);
        if (last && !busy)
            break;
        if (!busy)
            usleep(PAUSE_US);
    }
    return NULL;
}

int rate_reader_start(struct rate_reader *reader, const struct segment *segment,
                      struct statsd_check *check, int cpu)
{
    *reader = (struct rate_reader){.segment = segment, .check = check, .cpu = cpu};
    for (unsigned lane = 0; lane < segment->header->lane_count; lane++) {
        int rc = segment_reader_init(segment, lane, CONSUMER, 0, &reader->lanes[lane]);
        if (rc != 0)
            return rc;
    }
    int rc = -pthread_create(&reader->thread, NULL, read_lanes, reader);
    reader->started = rc == 0;
    return rc;
}

void rate_reader_finish(struct rate_reader *reader)
{
    if (!reader->started)
        return;
    atomic_store_explicit(&reader->last_look, true, memory_order_release); /* R3 */
    pthread_join(reader->thread, NULL);
    reader->started = false;
}
