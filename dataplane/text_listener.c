/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/text_listener.h"

#include <arpa/inet.h>
#include <string.h>

static void add_message(const struct plan_listener *listener, uint32_t origin,
                        const struct datagram *datagram, struct msg_slice payload,
                        uint64_t now_ns, struct message_sink *sink)
{
    struct msg_builder builder;
    size_t name_len = strlen(listener->name);
    message_sink_begin(sink, &builder, now_ns);
    msg_builder_type(&builder, listener->name, name_len);
    msg_builder_logger(&builder, listener->name, name_len);
    msg_builder_severity(&builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(&builder, payload.ptr, payload.len);
    if (listener->set_hostname) {
        char text[INET6_ADDRSTRLEN];
        inet_ntop(datagram->is_ipv6 ? AF_INET6 : AF_INET, datagram->source_ip, text,
                  sizeof(text));
        msg_builder_hostname(&builder, text, strlen(text));
    }
    message_sink_add(sink, &builder, origin, now_ns);
    sink->counters->values[COUNTER_TEXT_MESSAGES]++;
}

/* Length of the next record: up to and with the count-th delimiter; 0 when there is none. */
static size_t token_len(const struct plan_listener *listener, const char *bytes, size_t size)
{
    const char *end = bytes;
    for (int64_t i = 0; i < listener->token_count; i++) {
        end = memchr(end, listener->delimiter[0], size - (size_t)(end - bytes));
        if (end == NULL)
            return 0;
        end++;
    }
    return (size_t)(end - bytes);
}

void text_listener_take(const struct plan_listener *listener, uint32_t origin,
                        const struct datagram *datagram, uint64_t now_ns,
                        struct message_sink *sink)
{
    const char *bytes = (const char *)datagram->payload;
    size_t left = datagram->size;
    uint64_t *values = sink->counters->values;
    if (left == 0) {
        values[COUNTER_TEXT_PIECES]++;
        values[COUNTER_TEXT_EMPTY]++;
    }
    while (left > 0) {
        size_t len = listener->splitter == PLAN_TOKEN ? token_len(listener, bytes, left) : left;
        values[COUNTER_TEXT_PIECES]++;
        if (len == 0 && !listener->deliver_incomplete_final) {
            values[COUNTER_TEXT_INCOMPLETE]++;
            return;
        }
        if (len == 0)
            len = left;
        add_message(listener, origin, datagram, (struct msg_slice){bytes, (uint32_t)len}, now_ns,
                    sink);
        bytes += len;
        left -= len;
    }
}
