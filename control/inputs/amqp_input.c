/* SPDX-License-Identifier: MPL-2.0
 *
 * amqp_input.c - AMQPInput: what a queue of an AMQP broker has.
 *
 * Place:   builtin_inputs. The connection: control/net/amqp_link.h.
 * Failure: a delivery is acknowledged when its messages are in the lane: what is not comes again.
 *          When the connection ends the input fails, and starts again as [retries] says.
 * Source:  Heka 0.11 AMQPInput: one delivery is split by itself, its rest dropped (`text`). A
 *          connection for each plugin instead of each URL.
 */
#include <errno.h>
#include <string.h>

#include "control/net/amqp_link.h"
#include "control/plugins/input_stream.h"
#include "control/inputs/inputs.h"

enum { TURN_MS = 100, TAKE_MAX = 256 };

enum { CONNECTIONS, DELIVERIES, BYTES };
static const struct input_counter counters[] = {
    [CONNECTIONS] = {"connections", "connections made"},
    [DELIVERIES] = {"deliveries", "deliveries of the broker"},
    [BYTES] = {"bytes", "bytes of their bodies"},
    {NULL, NULL},
};

struct amqp_input_options {
    struct amqp_exchange_options exchange;
    const char *queue;
    bool bind_queue, queue_durability, queue_exclusive, queue_auto_delete, read_only;
    int64_t prefetch_count, queue_ttl;
};

#define EXCHANGE(member)                                                                           \
    .key = #member, .offset = offsetof(struct amqp_input_options, exchange.member)
#define AMQP(member) .key = #member, .offset = offsetof(struct amqp_input_options, member)
static const struct schema_key keys[] = {
    AMQP_EXCHANGE_ROWS(EXCHANGE),
    {AMQP(prefetch_count), .type = SCHEMA_INT, .min = 0, .max = 65535, .def = "2",
     .help = "Deliveries that are under way at once; 0: no limit."},
    {AMQP(queue), .type = SCHEMA_STRING, .def = "", .help = "Empty: the broker makes a name."},
    {AMQP(bind_queue), .type = SCHEMA_BOOL, .def = "true",
     .help = "Declare the queue and bind it to the exchange."},
    {AMQP(queue_durability), .type = SCHEMA_BOOL, .def = "false",
     .help = "Whether the queue survives the broker's restart."},
    {AMQP(queue_exclusive), .type = SCHEMA_BOOL, .def = "false",
     .help = "Whether nobody else may use the queue."},
    {AMQP(queue_auto_delete), .type = SCHEMA_BOOL, .def = "true",
     .help = "Whether it is deleted when its last consumer has gone."},
    {AMQP(queue_ttl), .type = SCHEMA_INT, .min = -1, .max = INT32_MAX, .def = "-1", .unit = "ms",
     .help = "How long a message stays in the queue; -1: for ever."},
    {AMQP(read_only), .type = SCHEMA_BOOL, .def = "false",
     .help = "Declare nothing: exchange and queue are there."},
    {0},
};
static const struct schema schema = {"AMQPInput", keys};

struct amqp_input_state {
    const struct amqp_input_options *options;
    struct input_host *host;
    struct input_stream *stream;
    struct amqp_link *link;
};

static bool declares_queue(const struct amqp_input_options *options)
{
    return options->bind_queue && !options->read_only;
}

static int check(const void *config, struct err *err)
{
    const struct amqp_input_options *options = config;
    int rc = amqp_options_check(&options->exchange, err);
    if (options->queue[0] == '\0' && !declares_queue(options))
        rc = err_add(err, "queue: has to be given with read_only, or without bind_queue");
    return rc;
}

static int init(void *state, const void *config, struct input_host *host, struct err *err)
{
    struct amqp_input_state *amqp = state;
    amqp->options = config;
    amqp->host = host;
    amqp->link = amqp_link_new(&amqp->options->exchange);
    if (amqp->link == NULL)
        return err_add(err, "out of memory");
    amqp->stream = input_host_stream(host, err);
    if (amqp->stream == NULL)
        return -1;
    input_stream_set_source(amqp->stream, "amqp", input_host_name(host));
    return 0;
}

static int connect_to_broker(struct amqp_input_state *amqp)
{
    const struct amqp_input_options *options = amqp->options;
    const struct amqp_queue_options queue = {
        .queue = options->queue,
        .durable = options->queue_durability,
        .exclusive = options->queue_exclusive,
        .auto_delete = options->queue_auto_delete,
        .ttl_ms = options->queue_ttl,
    };
    int rc = amqp_link_open(amqp->link, !options->read_only);
    if (rc == 0)
        rc = amqp_link_consume(amqp->link, declares_queue(options) ? &queue : NULL, options->queue,
                               options->queue_exclusive, (uint16_t)options->prefetch_count);
    if (rc == 0)
        input_host_count(amqp->host, CONNECTIONS, 1);
    return rc;
}

/* What there is now. How many deliveries, or negative; the last one's tag is to be acknowledged. */
static int take_all(struct amqp_input_state *amqp, uint64_t *tag)
{
    unsigned count = 0;
    while (count < TAKE_MAX && !input_host_stopping(amqp->host)) {
        struct amqp_delivery delivery;
        int rc = amqp_link_take(amqp->link, &delivery);
        if (rc <= 0)
            return rc < 0 ? rc : (int)count;
        input_host_count(amqp->host, DELIVERIES, 1);
        input_host_count(amqp->host, BYTES, delivery.size);
        if (input_stream_datagram(amqp->stream, delivery.body, delivery.size, false) != 0)
            return -ECANCELED;
        *tag = delivery.tag;
        count++;
    }
    return (int)count;
}

static int turn(struct amqp_input_state *amqp)
{
    uint64_t tag = 0;
    int count = take_all(amqp, &tag);
    if (count < 0)
        return count;
    if (tag != 0) {
        int rc = input_host_flush(amqp->host);
        return rc != 0 ? rc : amqp_link_acknowledge(amqp->link, tag);
    }
    struct pollfd wait = {.fd = amqp_link_fd(amqp->link), .events = POLLIN};
    int rc = input_host_wait(amqp->host, &wait, 1, TURN_MS);
    return rc < 0 ? rc : 0;
}

static void run(void *state)
{
    struct amqp_input_state *amqp = state;
    int rc = connect_to_broker(amqp);
    while (rc == 0)
        rc = turn(amqp);
    if (rc != -ECANCELED)
        input_host_fail(amqp->host, rc, "%s", amqp_link_error(amqp->link));
    amqp_link_close(amqp->link);
}

static void fini(void *state)
{
    struct amqp_input_state *amqp = state;
    input_stream_free(amqp->stream);
    amqp_link_free(amqp->link);
    *amqp = (struct amqp_input_state){0};
}

const struct input_ops amqp_input = {
    .plugin = {PLUGIN_ABI, "AMQPInput", &schema, sizeof(struct amqp_input_options),
               sizeof(struct amqp_input_state)},
    .default_splitter = "NullSplitter",
    .counters = counters,
    .restarts = true,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
