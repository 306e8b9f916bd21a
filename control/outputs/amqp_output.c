/* SPDX-License-Identifier: MPL-2.0
 *
 * amqp_output.c - AMQPOutput: encoded messages to an exchange of an AMQP broker.
 *
 * Place:   builtin_outputs. The connection: control/net/amqp_link.h.
 * Failure: a message is delivered when the broker has confirmed it. One that it refuses comes
 *          again. When the connection ends the output ends, and begins again as [retries] says;
 *          what was not confirmed is published again (at least once).
 * Source:  Heka 0.11 AMQPOutput, which did not ask for confirmations.
 */
#include <errno.h>

#include "control/net/amqp_link.h"
#include "control/outputs/outputs.h"
#include "core/clock.h"

enum { CONFIRM_SLICE_MS = 100, CONFIRM_MAX_S = 30 };

enum { CONNECTIONS, REFUSED, BYTES };
static const struct output_counter counters[] = {
    [CONNECTIONS] = {"connections", "connections made"},
    [REFUSED] = {"refused", "times that the broker refused a message, which came again"},
    [BYTES] = {"bytes", "bytes of confirmed messages"},
    {NULL, NULL},
};

struct amqp_output_options {
    struct amqp_exchange_options exchange;
    const char *content_type;
    bool persistent, serialize;
};

#define EXCHANGE(member)                                                                           \
    .key = #member, .offset = offsetof(struct amqp_output_options, exchange.member)
#define AMQP(member) .key = #member, .offset = offsetof(struct amqp_output_options, member)
static const struct schema_key keys[] = {
    AMQP_EXCHANGE_ROWS(EXCHANGE),
    {AMQP(persistent), .type = SCHEMA_BOOL, .def = "false",
     .help = "Whether messages survive the broker's restart."},
    {AMQP(content_type), .type = SCHEMA_STRING, .def = "application/hekad",
     .help = "Of the messages."},
    {AMQP(serialize), .type = SCHEMA_BOOL, .def = "true", .help = "Accepted and ignored."},
    {0},
};
static const struct schema schema = {"AMQPOutput", keys};

struct amqp_output_state {
    const struct amqp_output_options *options;
    struct output_host *host;
    struct amqp_link *link;
};

static int check(const void *config, struct err *err)
{
    const struct amqp_output_options *options = config;
    return amqp_options_check(&options->exchange, err);
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct amqp_output_state *amqp = state;
    amqp->options = config;
    amqp->host = host;
    amqp->link = amqp_link_new(&amqp->options->exchange);
    return amqp->link != NULL ? 0 : err_add(err, "'%s': out of memory", output_host_name(host));
}

static int give_up(struct amqp_output_state *amqp, int code)
{
    output_host_end(amqp->host, code, "%s", amqp_link_error(amqp->link));
    amqp_link_close(amqp->link);
    return code;
}

static int connect_to_broker(struct amqp_output_state *amqp)
{
    if (amqp_link_is_open(amqp->link))
        return 0;
    int rc = amqp_link_open(amqp->link, true);
    if (rc == 0)
        rc = amqp_link_confirm(amqp->link);
    if (rc == 0)
        output_host_count(amqp->host, CONNECTIONS, 1);
    return rc;
}

static int publish(struct amqp_output_state *amqp, const struct output_item *items, unsigned count)
{
    int rc = 0;
    amqp_link_begin(amqp->link);
    for (unsigned i = 0; i < count && rc == 0; i++) {
        struct amqp_message message = {
            .body = items[i].bytes,
            .size = items[i].size,
            .content_type = amqp->options->content_type,
            .is_persistent = amqp->options->persistent,
            .timestamp_s = clock_wall_ns() / CLOCK_NS_PER_S,
        };
        rc = amqp_link_publish(amqp->link, &message);
    }
    return rc;
}

/* How many of the first ones the broker has. */
static int wait_for_confirms(struct amqp_output_state *amqp, unsigned count)
{
    uint64_t until_ns = clock_mono_ns() + CONFIRM_MAX_S * CLOCK_NS_PER_S;
    bool refused = false;
    int rc = 0;
    while (rc >= 0 && (unsigned)rc < count && !refused && clock_mono_ns() < until_ns &&
           !output_host_stopping(amqp->host))
        rc = amqp_link_confirmed(amqp->link, CONFIRM_SLICE_MS, &refused);
    if (refused)
        output_host_count(amqp->host, REFUSED, 1);
    return rc;
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct amqp_output_state *amqp = state;
    unsigned window = count < AMQP_WINDOW ? count : AMQP_WINDOW;
    int rc = connect_to_broker(amqp);
    if (rc == 0)
        rc = publish(amqp, items, window);
    if (rc == 0)
        rc = wait_for_confirms(amqp, window);
    if (rc < 0)
        return give_up(amqp, rc);
    for (int i = 0; i < rc; i++)
        output_host_count(amqp->host, BYTES, items[i].size);
    return rc;
}

static void timer(void *state, uint64_t now_ns)
{
    struct amqp_output_state *amqp = state;
    (void)now_ns;
    if (!amqp_link_is_open(amqp->link) || output_host_stopping(amqp->host))
        return;
    int rc = amqp_link_turn(amqp->link);
    if (rc < 0)
        give_up(amqp, rc);
}

static void fini(void *state)
{
    struct amqp_output_state *amqp = state;
    amqp_link_free(amqp->link);
    amqp->link = NULL;
}

const struct output_ops amqp_output = {
    .plugin = {PLUGIN_ABI, "AMQPOutput", &schema, sizeof(struct amqp_output_options),
               sizeof(struct amqp_output_state)},
    .default_encoder = "ProtobufEncoder",
    .encoder_required = true,
    .takes_encoder = true,
    .frames_by_default = true,
    .restarts = true,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .timer = timer,
    .fini = fini,
};
