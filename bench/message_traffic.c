/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/message_traffic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/capture_file.h"
#include "bench/traffic.h"
#include "core/check.h"
#include "core/frame.h"
#include "core/message.h"

enum {
    MESSAGES = MESSAGE_TRAFFIC_DATAGRAMS * MESSAGE_TRAFFIC_FRAMES,
    NUMBER_LEN = 6, /* what a payload begins with */
    LINE_SIZE = 512,
    PORT = 5565
};

static bool is_wanted(unsigned n)
{
    return n % MESSAGE_TRAFFIC_WANTED_EACH == 0;
}

static size_t build(unsigned n, const char *payload, size_t payload_len, uint8_t *bytes)
{
    uint8_t uuid[MSG_UUID_SIZE];
    struct msg_builder builder;
    char type[32];
    msg_uuid_from_random(uuid, n, n);
    snprintf(type, sizeof(type), "bench.type%03u", n % 300);
    const char *chosen = is_wanted(n) ? MESSAGE_TRAFFIC_TYPE : type;
    msg_builder_init(&builder, bytes, MESSAGE_TRAFFIC_SIZE);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1416840893000000000);
    msg_builder_type(&builder, chosen, strlen(chosen));
    msg_builder_logger(&builder, "bench", 5);
    msg_builder_severity(&builder, (int32_t)(n % 8));
    msg_builder_payload(&builder, payload, payload_len);
    msg_builder_hostname(&builder, "host17.example.net", 18);
    msg_builder_field_integer(&builder, "status", 200 + n % 400, "");
    CHECK(msg_builder_finish(&builder) > 0);
    return builder.size;
}

/* A message of exactly MESSAGE_TRAFFIC_SIZE bytes, whose payload begins with its number. */
static void write_message(unsigned n, uint8_t *bytes)
{
    char payload[MESSAGE_TRAFFIC_SIZE];
    int len = snprintf(payload, sizeof(payload), "%0*u ", NUMBER_LEN, n);
    memset(payload + len, 'x', sizeof(payload) - (size_t)len);
    size_t room = MESSAGE_TRAFFIC_SIZE - build(n, payload, 0, bytes);
    size_t payload_len = room - (room > 127); /* a longer length takes one byte more */
    CHECK(build(n, payload, payload_len, bytes) == MESSAGE_TRAFFIC_SIZE);
}

static uint32_t write_datagram(unsigned index, uint8_t *payload)
{
    uint8_t message[MESSAGE_TRAFFIC_SIZE];
    size_t size = 0;
    for (unsigned i = 0; i < MESSAGE_TRAFFIC_FRAMES; i++) {
        write_message(index * MESSAGE_TRAFFIC_FRAMES + i, message);
        int64_t written = frame_write(payload + size, TRAFFIC_PAYLOAD_MAX - size, message,
                                      sizeof(message), sizeof(message), NULL);
        CHECK(written > 0);
        size += (size_t)written;
    }
    return (uint32_t)size;
}

int message_traffic_write(const char *path, const struct traffic_route *destination)
{
    struct traffic_route route = destination != NULL ? *destination : traffic_route_default;
    uint8_t payload[TRAFFIC_PAYLOAD_MAX], frame[TRAFFIC_FRAME_MAX];
    struct capture_file capture;
    route.dst_port = destination != NULL ? destination->dst_port : PORT;
    int rc = capture_file_open(&capture, path);
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < MESSAGE_TRAFFIC_DATAGRAMS; i++) {
        uint32_t size = write_datagram(i, payload);
        capture_file_add(&capture, frame, traffic_udp_frame(&route, 0, payload, size, frame));
    }
    return capture_file_close(&capture);
}

/* ---- what was delivered ---- */

static int count_lines(const char *path, uint64_t counts[MESSAGES],
                       struct message_traffic_found *found)
{
    char line[LINE_SIZE];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -errno;
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned n = 0;
        if (sscanf(line, "%6u x", &n) == 1 && n < MESSAGES && strchr(line, '\n') != NULL)
            counts[n]++;
        else
            found->malformed++;
        found->found++;
    }
    fclose(file);
    return 0;
}

int message_traffic_check(const char *path, uint64_t datagrams, struct message_traffic_found *found)
{
    *found = (struct message_traffic_found){0};
    uint64_t *counts = calloc(MESSAGES, sizeof(*counts));
    CHECK(counts != NULL);
    int rc = count_lines(path, counts, found);
    uint64_t turns = datagrams / MESSAGE_TRAFFIC_DATAGRAMS;
    uint64_t rest = datagrams % MESSAGE_TRAFFIC_DATAGRAMS * MESSAGE_TRAFFIC_FRAMES;
    for (unsigned n = 0; n < MESSAGES && rc == 0; n++) {
        uint64_t sent = is_wanted(n) ? turns + (n < rest) : 0;
        found->expected += sent;
        found->wrong += counts[n] != sent;
    }
    free(counts);
    return rc;
}
