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

void statsd_intake_begin(struct statsd_intake *intake, uint64_t now_ns)
{
    intake->now_ns = now_ns;
    intake->parser.now_ns = now_ns;
}

/* ---- senders ---- */

/* Counts what was admitted without asking, as there is no quota. */
static void settle_sender(struct statsd_intake *intake)
{
    if (intake->sender_samples > 0)
        senders_admit(intake->senders, intake->parser.sender, intake->sender_samples, 0,
                      intake->now_ns);
    intake->sender_samples = 0;
    intake->sender_is_known = false;
}

static __attribute__((noinline)) void change_sender(struct statsd_intake *intake,
                                                    const struct datagram *datagram)
{
    settle_sender(intake);
    intake->parser.sender =
        senders_find(intake->senders, datagram->source_ip, datagram->is_ipv6, intake->now_ns);
    memcpy(&intake->sender_ip4, datagram->source_ip, sizeof(intake->sender_ip4));
    intake->sender_is_known = !datagram->is_ipv6;
}

static bool is_same_sender(const struct statsd_intake *intake, const struct datagram *datagram)
{
    uint32_t ip4;
    memcpy(&ip4, datagram->source_ip, sizeof(ip4));
    return intake->sender_is_known && !datagram->is_ipv6 && ip4 == intake->sender_ip4;
}

/* How many of the parser's `count` samples may be added. */
static inline unsigned admit(struct statsd_intake *intake, unsigned count)
{
    uint64_t quota = (uint64_t)intake->listener->lines.sender_quota;
    if (LIKELY(quota == 0)) {
        intake->sender_samples += count;
        return count;
    }
    unsigned admitted =
        senders_admit(intake->senders, intake->parser.sender, count, quota, intake->now_ns);
    intake->over_quota += count - admitted;
    return admitted;
}

/* ---- datagrams ---- */

static void flush_samples(struct statsd_intake *intake)
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
}

void statsd_intake_flush(struct statsd_intake *intake)
{
    settle_sender(intake);
    flush_samples(intake);
    if (intake->shard != NULL)
        shard_note_traffic(intake->shard, &intake->seen, &intake->parser.counts, intake->packets);
    intake->packets = 0;
}

/* The parser reads by this listener's settings from here on. */
static void set_dialects(struct statsd_intake *intake, const struct plan_listener *listener)
{
    struct statsd_settings settings = intake->parser.settings;
    if (settings.dialects == listener->settings.dialects &&
        settings.tags == listener->settings.tags)
        return;
    settings.dialects = listener->settings.dialects;
    settings.tags = listener->settings.tags;
    statsd_change(&intake->parser, &settings);
}

static __attribute__((noinline)) void follow(struct statsd_intake *intake,
                                             const struct plan_listener *listener, uint32_t origin,
                                             struct shard *shard)
{
    statsd_intake_flush(intake);
    intake->shard = shard;
    intake->listener = listener;
    intake->origin = origin;
    intake->parser.interval_s = listener->interval_s;
    set_dialects(intake, listener);
}

/* Samples are collected over datagrams, so that the shard can prefetch for a whole burst even when
 * each datagram holds one. */
static inline void keep_samples(struct statsd_intake *intake, unsigned count)
{
    intake->sample_count += admit(intake, count);
    if (UNLIKELY(intake->sample_count >= STATSD_BURST || statsd_is_full(&intake->parser)))
        flush_samples(intake);
}

static __attribute__((noinline)) void parse(struct statsd_intake *intake, const char *bytes,
                                            size_t size)
{
    size_t offset = 0;
    while (offset < size)
        keep_samples(intake, statsd_parse(&intake->parser, bytes, size, &offset,
                                          &intake->samples[intake->sample_count]));
}

void statsd_intake_take(struct statsd_intake *intake, const struct plan_listener *listener,
                        uint32_t origin, const struct datagram *datagram, struct shard *shard)
{
    const char *bytes = (const char *)datagram->payload;
    size_t size = datagram->size;
    if (UNLIKELY(shard != intake->shard || listener != intake->listener))
        follow(intake, listener, origin, shard);
    if (UNLIKELY(!is_same_sender(intake, datagram)))
        change_sender(intake, datagram);
    if (UNLIKELY(listener->max_msg_size > 0 && size > (size_t)listener->max_msg_size)) {
        size = (size_t)listener->max_msg_size;
        intake->sink->counters->values[COUNTER_STATSD_TRUNCATED]++;
    }
    intake->packets++;
    if (datagram->is_framed &&
        statsd_parse_single(&intake->parser, bytes, size, &intake->samples[intake->sample_count]))
        keep_samples(intake, 1);
    else
        parse(intake, bytes, size);
}
