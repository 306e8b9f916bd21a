/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <string.h>

#include "core/clock.h"
#include "dataplane/tcp/tcp.h"
#include "tests/support/tcp_script.h"

enum { QUEUE_MAX = 256, STEP_MS = 5 };

static struct {
    struct tcp *tcp;
    struct tcp_connection *connection;
    uint64_t now_ns;
    size_t room;
    uint64_t delivered;
    enum script_end end;
    uint8_t answers[QUEUE_MAX][TCP_HEADER_SIZE_MAX];
    size_t sizes[QUEUE_MAX];
    unsigned first, count;
} ours;

static int find_listener(void *context, const struct tcp_flow *flow)
{
    (void)context;
    return ntohs(flow->local_port_be) == SCRIPT_PORT ? 0 : -1;
}

static void *opened(void *context, struct tcp_connection *connection, int listener,
                    const struct tcp_flow *flow)
{
    (void)context;
    (void)listener;
    (void)flow;
    ours.connection = connection;
    return &ours;
}

static size_t take_data(void *context, void *user, const uint8_t *bytes, size_t size)
{
    (void)context;
    (void)user;
    size_t taken = size < ours.room ? size : ours.room;
    for (size_t i = 0; i < taken; i++)
        if (bytes[i] != script_byte(ours.delivered + i))
            script_die("a wrong byte");
    ours.delivered += taken;
    if (ours.room != SIZE_MAX)
        ours.room -= taken;
    return taken;
}

static void closed(void *context, void *user, enum tcp_end end)
{
    (void)context;
    (void)user;
    ours.connection = NULL;
    ours.end = end == TCP_END_FIN ? SCRIPT_EOF : SCRIPT_RESET;
}

static void take_answer(void *context, const struct tcp_answer *answer)
{
    (void)context;
    unsigned at = (ours.first + ours.count) % QUEUE_MAX;
    if (ours.count == QUEUE_MAX)
        script_die("too many answers");
    memcpy(ours.answers[at], answer->header, answer->header_size);
    ours.sizes[at] = answer->header_size;
    ours.count++;
}

static void open_ours(bool reads)
{
    static const struct tcp_handler handler = {find_listener, opened, take_data, closed,
                                               take_answer};
    struct tcp_config config = {.connections_max = 8, .handler = &handler};
    struct err err = {0};
    memset(&ours, 0, sizeof(ours));
    ours.now_ns = 1000 * CLOCK_NS_PER_S;
    ours.room = reads ? SIZE_MAX : 0;
    if (tcp_new(&config, &ours.tcp, &err) != 0)
        script_die(err.texts[0]);
}

static void close_ours(void)
{
    tcp_abort_all(ours.tcp, ours.now_ns);
    if (tcp_blocks_used(ours.tcp) != 0)
        script_die("blocks are held at the end");
    tcp_free(ours.tcp);
}

static void send_ours(uint8_t *segment, size_t size)
{
    struct tcp_packet packet = {.bytes = segment, .size = (uint32_t)size};
    packet.flow.remote_ip[0] = packet.flow.local_ip[0] = 10;
    packet.flow.local_ip[3] = 1;
    memcpy(&packet.flow.remote_port_be, segment, 2);
    memcpy(&packet.flow.local_port_be, segment + 2, 2);
    tcp_take(ours.tcp, &packet, ours.now_ns);
    tcp_flush(ours.tcp, ours.now_ns);
}

static void wait_ours(unsigned ms)
{
    for (unsigned waited = 0; waited < ms; waited += STEP_MS) {
        ours.now_ns += STEP_MS * CLOCK_NS_PER_MS;
        tcp_expire(ours.tcp, ours.now_ns);
    }
}

static size_t receive_ours(uint8_t *segment, size_t capacity, unsigned wait_ms)
{
    for (unsigned waited = 0; ours.count == 0 && waited < wait_ms; waited += STEP_MS)
        wait_ours(STEP_MS);
    if (ours.count == 0)
        return 0;
    size_t size = ours.sizes[ours.first];
    if (size > capacity)
        script_die("answer too long");
    memcpy(segment, ours.answers[ours.first], size);
    ours.first = (ours.first + 1) % QUEUE_MAX;
    ours.count--;
    return size;
}

static void read_ours(size_t size)
{
    ours.room = ours.room == SIZE_MAX ? SIZE_MAX : ours.room + size;
    if (ours.connection != NULL)
        tcp_credit(ours.tcp, ours.connection, ours.now_ns);
}

static uint64_t delivered_ours(void)
{
    return ours.delivered;
}

static enum script_end end_ours(void)
{
    return ours.end;
}

const struct script_stack script_ours = {
    "ours",    open_ours, close_ours,     send_ours, receive_ours,
    wait_ours, read_ours, delivered_ours, end_ours,  60,
};
