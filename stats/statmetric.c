/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/statmetric.h"

#include <string.h>

#include "core/clock.h"

/* Headers of a statmetric message take up to this much beside payload and fields. */
enum { STATMETRIC_OVERHEAD_BYTES = 768, NS_PER_MICROSECOND = 1000 };

void flush_times_init(struct flush_times *times, int64_t interval_s, uint64_t now_ns)
{
    uint64_t interval_ns = (uint64_t)interval_s * CLOCK_NS_PER_S;
    *times = (struct flush_times){
        .interval_ns = interval_ns,
        .next_ns = (now_ns / interval_ns + 1) * interval_ns,
    };
}

/* That time, or the first second behind the last flush. */
static uint64_t own_second(const struct flush_times *times, uint64_t ns)
{
    uint64_t next_ns = (times->last_ns / CLOCK_NS_PER_S + 1) * CLOCK_NS_PER_S;
    return times->last_ns != 0 && ns < next_ns ? next_ns : ns;
}

void flush_times_begin_now(struct flush_times *times, uint64_t now_ns)
{
    times->flush_ns = own_second(times, now_ns);
}

bool flush_times_begin(struct flush_times *times, uint64_t now_ns)
{
    if (now_ns < times->next_ns)
        return false;
    times->flush_ns = own_second(times, times->next_ns);
    times->next_ns = (now_ns / times->interval_ns + 1) * times->interval_ns;
    return true;
}

void flush_times_count(const struct flush_times *times, uint64_t now_ns, struct counters *counters)
{
    if (now_ns > times->flush_ns)
        counters->values[COUNTER_FLUSH_LATE_US] += (now_ns - times->flush_ns) / NS_PER_MICROSECOND;
}

void flush_times_end(struct flush_times *times)
{
    times->last_ns = times->flush_ns;
}

void flush_times_follow(struct flush_times *times, const struct flush_times *former)
{
    if (times->last_ns < former->last_ns)
        times->last_ns = former->last_ns;
    if (times->next_ns <= former->last_ns)
        times->next_ns = (former->last_ns / times->interval_ns + 1) * times->interval_ns;
}

double flush_times_elapsed_s(const struct flush_times *times)
{
    uint64_t intervals = 1;
    if (times->last_ns != 0 && times->flush_ns > times->last_ns + times->interval_ns)
        intervals = (times->flush_ns - times->last_ns + times->interval_ns / 2) /
                    times->interval_ns;
    return (double)intervals * (double)times->interval_ns / (double)CLOCK_NS_PER_S;
}

size_t statmetric_chunk_max(size_t message_max)
{
    return message_max - STATMETRIC_OVERHEAD_BYTES;
}

void statmetric_build(struct msg_builder *builder, const struct statmetric_origin *origin,
                      const struct accum_chunk *chunk)
{
    msg_builder_type(builder, origin->message_type, strlen(origin->message_type));
    msg_builder_logger(builder, origin->logger, strlen(origin->logger));
    msg_builder_severity(builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(builder, chunk->payload, chunk->payload_size);
    msg_builder_pid(builder, origin->pid);
    msg_builder_hostname(builder, origin->hostname, strlen(origin->hostname));
    msg_builder_raw(builder, chunk->fields, chunk->fields_size);
}

void statmetric_collect(struct statmetric_seen *seen, const struct accum *accum,
                        struct counters *counters)
{
    const struct accum_counts *counts = accum_counts(accum);
    uint64_t *values = counters->values;
    values[COUNTER_SAMPLES_NO_SERIES_ROOM] += counts->refused_samples - seen->no_series_room;
    values[COUNTER_STATMETRIC_LONG_LINES] += counts->long_lines - seen->long_lines;
    seen->no_series_room = counts->refused_samples;
    seen->long_lines = counts->long_lines;
}
