/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_text.c - datagrams for a text listener: frames where it takes these, else log lines.
 */
#include <string.h>

#include "bench/capture_file.h"
#include "bench/message_traffic.h"
#include "bench/selftest/selftest.h"

enum { DATAGRAMS = 2048, LINES = 10, LINE_SIZE = 200 };

static const char *splitter_of(const json_t *listener)
{
    json_t *splitter = json_object_get(listener, "splitter");
    const char *type = json_is_string(splitter)
                           ? json_string_value(splitter)
                           : json_string_value(json_object_get(splitter, "type"));
    return type != NULL ? type : "NullSplitter";
}

/* RFC 3164. */
static uint32_t write_lines(unsigned datagram, unsigned lines, char *payload, size_t size)
{
    size_t used = 0;
    for (unsigned i = 0; i < lines; i++) {
        unsigned n = datagram * lines + i;
        int len = snprintf(payload + used, size - used,
                           "<13>Oct 11 22:14:15 host%02u app[%u]: request %06u took %u ms, %s%s",
                           n % 50, 1000 + n % 977, n, n % 400,
                           n % 10 == 0 ? "failed with status 503" : "answered with status 200",
                           lines > 1 ? "\n" : "");
        used += (size_t)len;
    }
    return (uint32_t)used;
}

static int write_capture(struct selftest_target *target, unsigned lines)
{
    char payload[LINES * LINE_SIZE];
    uint8_t frame[TRAFFIC_FRAME_MAX];
    struct capture_file capture;
    int rc = capture_file_open(&capture, target->capture);
    for (unsigned i = 0; i < DATAGRAMS && rc == 0; i++) {
        uint32_t size = write_lines(i, lines, payload, sizeof(payload));
        capture_file_add(&capture, frame,
                         traffic_udp_frame(&target->route, 0, payload, size, frame));
    }
    return rc == 0 ? capture_file_close(&capture) : rc;
}

int selftest_text(struct selftest *test, const json_t *listener, struct err *err)
{
    struct selftest_target *target = &test->target;
    const char *splitter = splitter_of(listener);
    bool is_null = strcmp(splitter, "NullSplitter") == 0;
    bool is_token = strcmp(splitter, "TokenSplitter") == 0;
    int rc;
    target->kind = SELFTEST_TEXT;
    snprintf(target->capture, sizeof(target->capture), "%s/text.pcap", test->rig.dir);
    if (strcmp(splitter, "HekaFramingSplitter") == 0) {
        rc = message_traffic_write(target->capture, &target->route);
        target->pieces = MESSAGE_TRAFFIC_FRAMES;
    } else {
        json_t *options = json_object_get(listener, "splitter");
        bool is_plain = is_null || (is_token && json_object_get(options, "delimiter") == NULL &&
                                    json_object_get(options, "count") == NULL);
        rc = write_capture(target, is_null ? 1 : LINES);
        target->pieces = !is_plain ? 0 : is_null ? 1 : LINES;
    }
    return rc == 0 ? 0 : err_add(err, "%s: %s", target->capture, strerror(-rc));
}
