/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/sandbox/sandbox_blob.h"
#include "control/sandbox/sandbox_describe.h"
#include "control/sandbox/sandbox_spin.h"
#include "core/bell.h"
#include "core/check.h"
#include "core/clock.h"

enum {
    START_MS = 20000,
    START_LOOK_MS = 20,
    START_DEATHS_MAX = 3,
    CHECKPOINT_MS = 1000,
    EXPENSIVE_PART = 10, /* of a script's time that checkpoints may take */
    PUBLISH_REQUESTS = 16,
    NAP_REQUESTS_MIN = 512,
    NAP_US_MAX = 1000
};

struct request {  /* that is under way */
    uint64_t end; /* position of the ring behind it */
    uint16_t hops;
    bool is_message, is_preserve;
    bool is_done; /* it is done again, by another worker */
    bool has_failed;
    uint32_t injected; /* so far, at most */
    uint32_t replayed; /* of them, again */
};

struct checkpoint {
    uint32_t number; /* of the first request behind it */
    uint64_t position;
    uint64_t taken_ns;        /* when it was asked for */
    uint64_t turns_ns;        /* of the script, until then */
    bool is_wanted, is_exact; /* has_checkpoints, must_preserve */
    bool is_under_way;
    struct buffer state;
    bool has_state;
};

struct sandbox_client {
    struct sandbox_pool *pool;
    struct sandbox_client_ops ops;
    struct sandbox_limits limits;
    bool is_counted; /* a call makes at most as many messages as they say */
    char *name;
    struct sandbox_channel channel;
    struct sandbox_link link;
    bool has_joined, is_rung;
    struct sandbox_spin spin;

    struct request requests[SANDBOX_REQUESTS_MAX]; /* [number % SANDBOX_REQUESTS_MAX] */
    uint32_t first, next;   /* numbers: the oldest under way; of the next one */
    unsigned message_count; /* of those under way */
    unsigned given_up;
    struct checkpoint checkpoint;
    struct buffer reply; /* private copy */
    bool has_ended;
    char text[SANDBOX_TEXT_SIZE];
};

/* ---- its channel ---- */

/* What the script begins with, also when its first worker dies before a checkpoint. */
static int put_first_state(struct sandbox_client *client,
                           const struct sandbox_client_config *config, struct err *err)
{
    struct checkpoint *checkpoint = &client->checkpoint;
    if (config->state == NULL)
        return 0;
    if (buffer_append(&checkpoint->state, config->state, config->state_size) != 0 ||
        sandbox_channel_put_state(&client->channel, config->state, config->state_size) != 0)
        return err_add(err, "'%s': Init() the state is too large", config->name);
    checkpoint->has_state = true;
    client->channel.header->restore_bytes = config->state_size;
    return 0;
}

static int make_channel(struct sandbox_client *client, const struct sandbox_client_config *config,
                        struct err *err)
{
    struct buffer blob = {.max_size = SANDBOX_BLOB_MAX};
    uint64_t memory = config->limits.memory_limit;
    const struct sandbox_channel_size size = {
        .message_max = config->message_max,
        .replies_need = sandbox_describe_replies(config),
        .state_max = 2 * (memory != 0 ? memory : SANDBOX_MEMORY_LIMIT),
    };
    int rc = sandbox_describe(config, &blob, err);
    if (rc == 0)
        rc = sandbox_channel_make(&client->channel, &size, blob.data, blob.size, err);
    buffer_fini(&blob);
    return rc == 0 ? put_first_state(client, config, err) : rc;
}

/* ---- the end of a plugin ---- */

void sandbox_client_stop_call(struct sandbox_client *client, bool is_stopping)
{
    sandbox_pool_stop_call(client->pool, &client->link, is_stopping);
}

void sandbox_client_end(struct sandbox_client *client, const char *text)
{
    if (client->has_ended)
        return;
    client->has_ended = true;
    snprintf(client->text, sizeof(client->text), "%s", text);
    client->given_up += client->message_count;
    client->message_count = 0;
    client->first = client->next;
    if (client->has_joined)
        sandbox_pool_leave(client->pool, &client->link);
    client->has_joined = false;
}

bool sandbox_client_has_ended(const struct sandbox_client *client)
{
    return client->has_ended;
}

const char *sandbox_client_text(const struct sandbox_client *client)
{
    return client->text;
}

unsigned sandbox_client_give_up(struct sandbox_client *client)
{
    unsigned count = client->given_up;
    client->given_up = 0;
    return count;
}

/* Shared text, which may be anything by now. */
static void end_by_header(struct sandbox_client *client)
{
    char text[SANDBOX_TEXT_SIZE];
    memcpy(text, client->channel.header->text, sizeof(text));
    text[sizeof(text) - 1] = '\0';
    sandbox_client_end(client, text);
}

static uint32_t state_of(const struct sandbox_client *client)
{
    /* S2 pairs with S1 in sandbox_instance.c. */
    return atomic_load_explicit(&client->channel.header->state, memory_order_acquire);
}

/* ---- its worker ---- */

static struct request *request_of(struct sandbox_client *client, uint32_t number)
{
    return &client->requests[number % SANDBOX_REQUESTS_MAX];
}

static uint32_t link_state(const struct sandbox_client *client)
{
    return atomic_load_explicit(&client->link.state, memory_order_acquire); /* L2 */
}

static void ring_worker(struct sandbox_client *client)
{
    sandbox_ring_publish(&client->channel.requests);
    client->is_rung = true;
    if (link_state(client) == SANDBOX_LINK_UP)
        sandbox_pool_ring(client->pool, &client->link);
}

/* ---- replies ---- */

/* The next worker begins there. */
static void move_checkpoint(struct sandbox_client *client, uint32_t number, uint64_t position)
{
    client->checkpoint.number = number;
    client->checkpoint.position = position;
    if (client->checkpoint.is_wanted)
        client->channel.requests.floor = position;
}

static bool is_under_way(const struct sandbox_client *client, uint32_t number)
{
    return number - client->first < client->next - client->first;
}

/* No script can make more than the engine lets it; what comes beyond is not the engine. */
static void take_message(struct sandbox_client *client, struct request *request)
{
    uint32_t max =
        request->is_message ? client->limits.max_process_inject : client->limits.max_timer_inject;
    if (request->replayed++ >= max && client->is_counted) {
        sandbox_client_end(client, "its worker sent more messages than allowed");
        return;
    }
    if (request->replayed <= request->injected)
        return; /* a worker that died has sent it */
    request->injected = request->replayed;
    client->ops.inject(client->ops.arg, client->reply.data, client->reply.size, request->hops);
}

static const char *reply_text(struct sandbox_client *client)
{
    return buffer_append(&client->reply, "", 1) == 0 ? client->reply.data : "";
}

/* The state area is the worker's until the request is done: a private copy. */
static void take_state(struct sandbox_client *client, const struct request *request,
                       const struct sandbox_frame *frame)
{
    struct checkpoint *checkpoint = &client->checkpoint;
    uint64_t size = frame->value;
    const char *error = client->reply.size > 0 ? reply_text(client) : NULL;
    if (!request->is_preserve || !checkpoint->is_under_way || size > client->channel.state_bytes) {
        sandbox_client_end(client, "its worker's replies make no sense");
        return;
    }
    checkpoint->is_under_way = false;
    move_checkpoint(client, frame->code + 1, request->end);
    buffer_clear(&checkpoint->state);
    checkpoint->has_state =
        error == NULL && buffer_append(&checkpoint->state, client->channel.state, size) == 0;
    sandbox_channel_drop_state(&client->channel, size);
    if (client->ops.preserved != NULL)
        client->ops.preserved(client->ops.arg, checkpoint->state.data, checkpoint->state.size,
                              checkpoint->has_state ? NULL
                              : error != NULL       ? error
                                                    : "no memory");
}

static void take_reply(struct sandbox_client *client, const struct sandbox_frame *frame)
{
    struct request *request = request_of(client, frame->code);
    if (!is_under_way(client, frame->code) && frame->type != SANDBOX_REPLY_LOG) {
        sandbox_client_end(client, "its worker's replies make no sense");
        return;
    }
    switch (frame->type) {
    case SANDBOX_REPLY_INJECT:
        take_message(client, request);
        break;
    case SANDBOX_REPLY_FAILED:
        if (request->has_failed || !request->is_message)
            break; /* said by the worker before */
        request->has_failed = true;
        client->ops.failed(client->ops.arg, reply_text(client));
        break;
    case SANDBOX_REPLY_TERMINATED:
        sandbox_client_end(client, reply_text(client));
        break;
    case SANDBOX_REPLY_OUTPUT:
        if (client->ops.output != NULL)
            client->ops.output(client->ops.arg, (int)frame->value, client->reply.data,
                               client->reply.size);
        break;
    case SANDBOX_REPLY_PRESERVED:
        take_state(client, request, frame);
        break;
    case SANDBOX_REPLY_LOG:
        if (client->ops.log != NULL)
            client->ops.log(client->ops.arg, reply_text(client));
        break;
    default:
        sandbox_client_end(client, "its worker's replies make no sense");
        break;
    }
}

/* False when there is none. */
static bool take_next_reply(struct sandbox_client *client)
{
    struct sandbox_ring *ring = &client->channel.replies;
    struct sandbox_frame frame;
    const void *body;
    int rc = sandbox_ring_read(ring, &frame, &body);
    buffer_clear(&client->reply);
    if (rc > 0 && buffer_append(&client->reply, body, frame.body_size) != 0)
        return false; /* memory is out: later */
    if (rc < 0)
        sandbox_client_end(client, "its worker's replies make no sense");
    if (rc <= 0)
        return false;
    sandbox_ring_release(ring, &frame);
    take_reply(client, &frame);
    return !client->has_ended;
}

/* What the worker has released is done. Its replies are there before. */
static unsigned take_done(struct sandbox_client *client, uint64_t tail)
{
    unsigned count = 0;
    while (client->first != client->next && request_of(client, client->first)->end <= tail) {
        const struct request *request = request_of(client, client->first);
        if (request->is_message && !request->is_done) {
            client->message_count--;
            count++;
        }
        if (!client->checkpoint.is_wanted)
            move_checkpoint(client, client->first + 1, request->end);
        client->first++;
    }
    return count;
}

/* ---- another worker ---- */

/* Back to the last checkpoint. */
static int rewind_requests(struct sandbox_client *client)
{
    struct checkpoint *checkpoint = &client->checkpoint;
    checkpoint->is_under_way = false;
    for (uint32_t number = checkpoint->number; number != client->next; number++) {
        struct request *request = request_of(client, number);
        request->is_done |= number - checkpoint->number < client->first - checkpoint->number;
        request->replayed = 0;
        checkpoint->is_under_way |= request->is_preserve;
    }
    client->first = checkpoint->number;
    sandbox_ring_rewind(&client->channel.requests, checkpoint->position);
    if (!checkpoint->has_state)
        return 0;
    client->channel.header->restore_bytes = checkpoint->state.size;
    return sandbox_channel_put_state(&client->channel, checkpoint->state.data,
                                     checkpoint->state.size);
}

/* A new worker goes on at the last checkpoint. What the old one replied is taken before. Returns
 * how many messages before the checkpoint nobody knew to be done. */
static unsigned rejoin(struct sandbox_client *client)
{
    unsigned count = take_done(client, client->checkpoint.position);
    sandbox_ring_publish(&client->channel.requests);
    if (sandbox_channel_reset(&client->channel) != 0 || rewind_requests(client) != 0)
        sandbox_client_end(client, "its worker died, and its replies make no sense");
    else if (sandbox_pool_rejoin(client->pool, &client->link) == 0)
        ring_worker(client);
    return count;
}

static unsigned look_at_worker(struct sandbox_client *client)
{
    switch (link_state(client)) {
    case SANDBOX_LINK_EMPTY:
        return rejoin(client);
    case SANDBOX_LINK_ENDED:
        sandbox_client_end(client, client->link.text);
        break;
    default:
        if (state_of(client) == SANDBOX_STATE_FAILED)
            end_by_header(client);
        break;
    }
    return 0;
}

unsigned sandbox_client_serve(struct sandbox_client *client)
{
    struct sandbox_ring *requests = &client->channel.requests;
    bool has_replies = false;
    if (client->has_ended)
        return 0;
    if (sandbox_ring_look(requests) != 0)
        sandbox_client_end(client, "its worker's positions make no sense");
    uint64_t tail = requests->tail;
    while (!client->has_ended && take_next_reply(client))
        has_replies = true;
    if (client->has_ended)
        return 0;
    unsigned count = take_done(client, tail);
    count += look_at_worker(client);
    if (!client->has_ended && (has_replies || !client->is_rung))
        ring_worker(client);
    return count;
}

/* How long half of what is under way should take; 0: nobody knows. Whoever waits by the clock need
 * not be woken: that costs the worker 60,000 cycles each time, on a virtual machine. */
static uint64_t half_ns(struct sandbox_client *client)
{
    uint64_t processed = sandbox_client_figure(client, SANDBOX_FIGURE_PROCESSED);
    uint64_t turns_ns = sandbox_client_figure(client, SANDBOX_FIGURE_TURNS_NS);
    uint64_t half = (client->next - client->first) / 2;
    uint64_t ns = processed > 0 ? turns_ns / processed * half : 0;
    return ns < NAP_US_MAX * UINT64_C(1000) ? ns : 0;
}

/* To be served; with `is_all`, all requests are done. */
static bool has_something(struct sandbox_client *client, bool is_all)
{
    const struct sandbox_channel *channel = &client->channel;
    uint32_t number = is_all ? client->next - 1 : client->first;
    return (client->first != client->next &&
            request_of(client, number)->end <= channel->requests.tail) ||
           (!is_all && atomic_load_explicit(&channel->header->replies.head, memory_order_acquire) !=
                           channel->replies.tail);
}

void sandbox_client_wait(struct sandbox_client *client, uint64_t timeout_ns)
{
    struct sandbox_header *header = client->channel.header;
    if (client->has_ended)
        return;
    uint64_t nap_ns = client->next - client->first >= NAP_REQUESTS_MIN ? half_ns(client) : 0;
    uint32_t seen = atomic_load_explicit(&header->reply_bell, memory_order_acquire);
    if (nap_ns > 0)
        timeout_ns = nap_ns;
    if (client->first != client->next) /* the other half is done while we go on */
        atomic_store_explicit(
            &header->wake_at,
            nap_ns > 0
                ? UINT64_MAX
                : request_of(client, client->first + (client->next - client->first) / 2)->end,
            memory_order_relaxed);
    if (!client->is_rung)
        ring_worker(client);
    if (sandbox_ring_look(&client->channel.requests) != 0 || has_something(client, nap_ns > 0))
        return;
    /* Whoever waits for one call has nothing else to do. */
    if (client->checkpoint.is_wanted || !sandbox_spin(&client->spin, &header->reply_bell, seen))
        bell_wait_shared(&header->reply_bell, &header->hekad_waits, seen, timeout_ns);
}

/* ---- requests ---- */

static int send_request(struct sandbox_client *client, const struct sandbox_frame *frame,
                        const void *body, size_t size)
{
    struct sandbox_frame own = *frame;
    if (client->has_ended)
        return -EPIPE;
    if (client->next - client->checkpoint.number == SANDBOX_REQUESTS_MAX)
        return -EAGAIN;
    own.code = client->next;
    int rc = sandbox_ring_add(&client->channel.requests, &own, body, size);
    if (rc == -EPROTO || rc == -EMSGSIZE) {
        sandbox_client_end(client, "its worker's positions make no sense");
        return -EPIPE;
    }
    if (rc != 0)
        return rc;
    bool is_message = frame->type == SANDBOX_REQUEST_MESSAGE;
    *request_of(client, client->next++) = (struct request){
        .end = client->channel.requests.head,
        .hops = frame->hops,
        .is_message = is_message,
        .is_preserve = frame->type == SANDBOX_REQUEST_PRESERVE,
    };
    client->message_count += is_message;
    client->is_rung = false;
    if (client->next % PUBLISH_REQUESTS == 0)
        sandbox_ring_publish(&client->channel.requests);
    return 0;
}

int sandbox_client_send_message(struct sandbox_client *client, const void *message, size_t size,
                                uint16_t hops)
{
    const struct sandbox_frame frame = {.type = SANDBOX_REQUEST_MESSAGE, .hops = hops};
    return send_request(client, &frame, message, size);
}

int sandbox_client_send_timer(struct sandbox_client *client, int64_t ns)
{
    const struct sandbox_frame frame = {.type = SANDBOX_REQUEST_TIMER, .value = (uint64_t)ns};
    return send_request(client, &frame, NULL, 0);
}

int sandbox_client_send_state(struct sandbox_client *client, const void *state, size_t size)
{
    const struct sandbox_frame frame = {.type = SANDBOX_REQUEST_RESTORE, .value = size};
    struct checkpoint *checkpoint = &client->checkpoint;
    CHECK(sandbox_client_is_idle(client) && !checkpoint->is_under_way);
    int rc = sandbox_channel_put_state(&client->channel, state, size);
    buffer_clear(&checkpoint->state);
    if (rc == 0)
        rc = buffer_append(&checkpoint->state, state, size);
    if (rc == 0)
        rc = send_request(client, &frame, NULL, 0);
    if (rc == 0) { /* another worker begins with it */
        checkpoint->has_state = true;
        move_checkpoint(client, client->next, client->channel.requests.head);
    }
    return rc;
}

/* ---- checkpoints ---- */

bool sandbox_client_is_checkpoint_due(const struct sandbox_client *client, uint64_t now_ns)
{
    const struct checkpoint *checkpoint = &client->checkpoint;
    const struct sandbox_ring *ring = &client->channel.requests;
    uint32_t count = client->next - checkpoint->number;
    if (client->has_ended || count == 0 || checkpoint->is_under_way)
        return false;
    return count > SANDBOX_REQUESTS_MAX / 2 ||
           ring->head - checkpoint->position > ring->capacity / 2 ||
           now_ns - checkpoint->taken_ns >= CHECKPOINT_MS * CLOCK_NS_PER_MS;
}

/* It would take more than a tenth of the script's time. */
static bool is_too_expensive(struct sandbox_client *client)
{
    uint64_t preserve_ns = sandbox_client_figure(client, SANDBOX_FIGURE_PRESERVE_NS);
    uint64_t turns_ns = sandbox_client_figure(client, SANDBOX_FIGURE_TURNS_NS);
    return !client->checkpoint.is_exact &&
           preserve_ns > (turns_ns - client->checkpoint.turns_ns) / EXPENSIVE_PART;
}

int sandbox_client_send_checkpoint(struct sandbox_client *client, uint64_t now_ns)
{
    const struct sandbox_frame frame = {.type = SANDBOX_REQUEST_PRESERVE};
    bool is_early = now_ns - client->checkpoint.taken_ns < CHECKPOINT_MS * CLOCK_NS_PER_MS;
    if (is_early && is_too_expensive(client)) {
        if (client->first != client->checkpoint.number)
            move_checkpoint(client, client->first, request_of(client, client->first - 1)->end);
        return 0;
    }
    client->checkpoint.turns_ns = sandbox_client_figure(client, SANDBOX_FIGURE_TURNS_NS);
    int rc = send_request(client, &frame, NULL, 0);
    client->checkpoint.is_under_way = rc == 0;
    client->checkpoint.taken_ns = now_ns;
    return rc;
}

unsigned sandbox_client_pending(const struct sandbox_client *client)
{
    return client->message_count;
}

bool sandbox_client_is_idle(const struct sandbox_client *client)
{
    return client->first == client->next;
}

/* ---- making ---- */

/* Until the script's top level has run. */
static int wait_for_script(struct sandbox_client *client, struct err *err)
{
    uint64_t until_ns = clock_mono_ns() + START_MS * CLOCK_NS_PER_MS;
    while (!client->has_ended && state_of(client) != SANDBOX_STATE_READY) {
        sandbox_client_wait(client, START_LOOK_MS * CLOCK_NS_PER_MS);
        if (state_of(client) != SANDBOX_STATE_READY)
            look_at_worker(client);
        if (sandbox_client_restarts(client) >= START_DEATHS_MAX)
            sandbox_client_end(client, "Init() its worker dies again and again");
        if (clock_mono_ns() >= until_ns)
            sandbox_client_end(client, "Init() its worker does not answer");
    }
    return client->has_ended ? err_add(err, "'%s': %s", client->name, client->text) : 0;
}

struct sandbox_client *sandbox_client_new(const struct sandbox_client_config *config,
                                          const struct sandbox_client_ops *ops, struct err *err)
{
    struct sandbox_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        err_add(err, "'%s': out of memory", config->name);
        return NULL;
    }
    client->pool = config->pool;
    client->ops = *ops;
    client->is_counted = config->type == SANDBOX_FILTER;
    client->limits = config->limits;
    client->channel.fd = -1;
    client->reply.max_size = SANDBOX_REPLY_BYTES_MAX;
    client->checkpoint.state.max_size = SIZE_MAX;
    client->checkpoint.taken_ns = clock_mono_ns();
    client->checkpoint.is_wanted = config->has_checkpoints;
    client->checkpoint.is_exact = config->must_preserve;
    client->name = strdup(config->name);
    if (client->name == NULL)
        err_add(err, "out of memory");
    else if (make_channel(client, config, err) == 0) {
        client->link.name = client->name;
        if (client->checkpoint.is_wanted)
            client->channel.requests.floor = 0;
        client->link.channel_fd = client->channel.fd;
        client->has_joined =
            sandbox_pool_join(client->pool, config->class, &client->link, err) == 0;
        if (client->has_joined && wait_for_script(client, err) == 0)
            return client;
    }
    sandbox_client_free(client);
    return NULL;
}

void sandbox_client_free(struct sandbox_client *client)
{
    if (client == NULL)
        return;
    if (client->has_joined)
        sandbox_pool_leave(client->pool, &client->link);
    sandbox_channel_close(&client->channel);
    buffer_fini(&client->reply);
    buffer_fini(&client->checkpoint.state);
    free(client->name);
    free(client);
}

/* ---- [any] ---- */

uint64_t sandbox_client_figure(const struct sandbox_client *client, enum sandbox_figure figure)
{
    return atomic_load_explicit(&client->channel.header->figures[figure], memory_order_relaxed);
}

pid_t sandbox_client_pid(struct sandbox_client *client)
{
    return sandbox_pool_pid(client->pool, &client->link);
}

uint32_t sandbox_client_restarts(const struct sandbox_client *client)
{
    return atomic_load_explicit(&client->link.restarts, memory_order_relaxed);
}
