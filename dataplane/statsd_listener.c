/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/statsd_listener.h"

#include <string.h>

#include "core/check.h"
#include "stats/statsd_message.h"

static void put_message(void *arg, const struct statsd_notice *notice)
{
    struct statsd_intake *intake = arg;
    struct msg_builder builder;
    if (!message_sink_make_room(intake->sink, 1)) {
        message_sink_drop(intake->sink);
        return;
    }
    message_sink_begin(intake->sink, &builder, intake->now_ns);
    statsd_message_put(&builder, notice, intake->listener->name, intake->sink->plan->hostname);
    message_sink_add(intake->sink, &builder, intake->origin, intake->now_ns);
}

int statsd_intake_init(struct statsd_intake *intake, struct message_sink *sink, struct err *err)
{
    const struct statsd_settings settings = {.notice = put_message, .notice_arg = intake};
    intake->sink = sink;
    statsd_init(&intake->parser, &settings);
    return senders_new(&intake->senders) == 0 ? 0 : err_add(err, "out of memory");
}

void statsd_intake_fini(struct statsd_intake *intake)
{
    senders_free(intake->senders);
    intake->senders = NULL;
}

void statsd_intake_flush(struct statsd_intake *intake)
{
    unsigned done = 0;
    statsd_release(&intake->parser);
    while (done < intake->sample_count) {
        unsigned count = intake->sample_count - done;
        if (count > STATSD_BURST)
            count = STATSD_BURST;
        shard_add(intake->shard, intake->samples + done, count);
        done += count;
    }
    intake->sample_count = 0;
    if (intake->shard != NULL)
        shard_note_traffic(intake->shard, &intake->seen, &intake->parser.counts, intake->packets);
    intake->packets = 0;
}

/* The parser reads by this listener's settings from here on. */
static void follow(struct statsd_intake *intake, const struct plan_listener *listener)
{
    struct statsd_settings settings = intake->parser.settings;
    intake->listener = listener;
    intake->parser.interval_s = listener->interval_s;
    intake->parser.now_ns = intake->now_ns;
    if (LIKELY(settings.dialects == listener->settings.dialects &&
               settings.tags == listener->settings.tags))
        return;
    settings.dialects = listener->settings.dialects;
    settings.tags = listener->settings.tags;
    statsd_change(&intake->parser, &settings);
}

/* Samples are collected over datagrams, so that the shard can prefetch for a whole burst even when
 * each datagram holds one. */
static void parse(struct statsd_intake *intake, const char *bytes, size_t size)
{
    uint64_t quota = (uint64_t)intake->listener->lines.sender_quota;
    size_t offset = 0;
    while (offset < size) {
        unsigned count = statsd_parse(&intake->parser, bytes, size, &offset,
                                      intake->samples + intake->sample_count);
        unsigned admitted = senders_admit(intake->senders, intake->parser.sender, count, quota,
                                          intake->now_ns);
        intake->over_quota += count - admitted;
        intake->sample_count += admitted;
        if (intake->sample_count >= STATSD_BURST || statsd_is_full(&intake->parser))
            statsd_intake_flush(intake);
    }
}

void statsd_intake_take(struct statsd_intake *intake, const struct plan_listener *listener,
                        uint32_t origin, const struct datagram *datagram, struct shard *shard)
{
    size_t size = datagram->size;
    uint64_t *values = intake->sink->counters->values;
    if (listener->max_msg_size > 0 && size > (size_t)listener->max_msg_size) {
        size = (size_t)listener->max_msg_size;
        values[COUNTER_STATSD_TRUNCATED]++;
    }
    if (shard != intake->shard) {
        statsd_intake_flush(intake);
        intake->shard = shard;
    }
    follow(intake, listener);
    intake->packets++;
    intake->origin = origin;
    intake->parser.sender = senders_find(intake->senders, datagram->source_ip, datagram->is_ipv6,
                                         intake->now_ns);
    parse(intake, (const char *)datagram->payload, size);
}
