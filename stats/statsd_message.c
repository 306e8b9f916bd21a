/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/statsd_message.h"

#include <string.h>

enum { SEVERITY_CRITICAL = 2, SEVERITY_ERROR = 3, SEVERITY_WARNING = 4, SEVERITY_INFO = 6 };

static bool is_text(struct statsd_text text, const char *what)
{
    return text.len == strlen(what) && memcmp(text.at, what, text.len) == 0;
}

static int32_t severity_of(const struct statsd_notice *notice)
{
    static const int32_t of_status[] = {SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL,
                                        MSG_SEVERITY_DEFAULT};
    if (notice->is_check)
        return of_status[notice->status];
    if (is_text(notice->alert_type, "error"))
        return SEVERITY_ERROR;
    return is_text(notice->alert_type, "warning") ? SEVERITY_WARNING : SEVERITY_INFO;
}

/* "\n" stands for a line feed. */
static void put_payload(struct msg_builder *builder, struct statsd_text text)
{
    size_t room, used = 0;
    char *payload = msg_builder_payload_begin(builder, &room);
    size_t len = text.len < room ? text.len : room;
    if (payload == NULL || len < text.len) { /* fails, and the builder says so */
        msg_builder_payload(builder, text.at, text.len);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        bool is_feed = text.at[i] == '\\' && i + 1 < len && text.at[i + 1] == 'n';
        payload[used++] = is_feed ? '\n' : text.at[i];
        i += is_feed;
    }
    msg_builder_payload_end(builder, used);
}

static void put_field(struct msg_builder *builder, const char *name, struct statsd_text text)
{
    if (text.len > 0)
        msg_builder_field_string(builder, name, text.at, text.len, "");
}

/* One field for each tag; a tag without a value is "true". */
static void put_tags(struct msg_builder *builder, struct statsd_text tags)
{
    const char *at = tags.at, *end = tags.at + tags.len;
    for (unsigned i = 0; at < end && i < STATSD_TAGS_MAX; i++) {
        const char *stop = memchr(at, ',', (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        const char *colon = memchr(at, ':', (size_t)(stop - at));
        struct msg_slice name = {at, (uint32_t)((colon != NULL ? colon : stop) - at)};
        struct statsd_text value = {"true", 4};
        if (colon != NULL)
            value = (struct statsd_text){colon + 1, (size_t)(stop - colon - 1)};
        if (name.len > 0) {
            char key[256];
            size_t len = name.len < sizeof(key) - 1 ? name.len : sizeof(key) - 1;
            memcpy(key, name.ptr, len);
            key[len] = '\0';
            msg_builder_field_string(builder, key, value.at, value.len, "tag");
        }
        at = stop + 1;
    }
}

void statsd_message_put(struct msg_builder *builder, const struct statsd_notice *notice,
                        const char *logger, const char *hostname)
{
    const char *type = notice->is_check ? "statsd.service_check" : "statsd.event";
    msg_builder_type(builder, type, strlen(type));
    msg_builder_logger(builder, logger, strlen(logger));
    msg_builder_severity(builder, severity_of(notice));
    put_payload(builder, notice->text);
    if (notice->hostname.len > 0)
        msg_builder_hostname(builder, notice->hostname.at, notice->hostname.len);
    else if (hostname != NULL)
        msg_builder_hostname(builder, hostname, strlen(hostname));
    put_field(builder, notice->is_check ? "name" : "title", notice->name);
    if (notice->is_check)
        msg_builder_field_integer(builder, "status", notice->status, "");
    if (notice->timestamp != 0)
        msg_builder_field_integer(builder, "timestamp", notice->timestamp, "s");
    put_field(builder, "priority", notice->priority);
    put_field(builder, "alert_type", notice->alert_type);
    put_field(builder, "aggregation_key", notice->aggregation_key);
    put_field(builder, "source_type", notice->source_type);
    put_tags(builder, notice->tags);
}
