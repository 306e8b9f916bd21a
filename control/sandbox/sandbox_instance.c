/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_instance.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "control/sandbox/sandbox_blob.h"
#include "core/bell.h"
#include "core/check.h"
#include "core/clock.h"

enum { ROOM_PAUSE_NS = 50000, GIVE_BACK_REQUESTS = 16 };
#define ROOM_LIMIT_NS (10 * CLOCK_NS_PER_S) /* a reader that is gone for so long has gone */

static const char *text_of(const struct sandbox_instance *instance, const char *key)
{
    return sandbox_blob_text(instance->channel.blob, instance->channel.blob_bytes, key);
}

static uint64_t number_of(const struct sandbox_instance *instance, const char *key)
{
    return sandbox_blob_number(instance->channel.blob, instance->channel.blob_bytes, key);
}

/* ---- replies ---- */

static void ring_hekad(struct sandbox_instance *instance)
{
    struct sandbox_header *header = instance->channel.header;
    instance->has_replied = false;
    bell_ring_shared(&header->reply_bell, &header->hekad_waits);
}

/* Room was there before the call began. */
static int reply(struct sandbox_instance *instance, enum sandbox_reply type, uint64_t value,
                 const void *body, size_t size)
{
    const struct sandbox_frame frame = {
        .type = (uint16_t)type,
        .hops = instance->hops,
        .code = instance->request,
        .value = value,
    };
    instance->has_replied = true;
    return sandbox_ring_write(&instance->channel.replies, &frame, body, size);
}

static void reply_text(struct sandbox_instance *instance, enum sandbox_reply type, uint64_t value,
                       const char *text)
{
    reply(instance, type, value, text, strlen(text));
}

static void set_state(struct sandbox_instance *instance, enum sandbox_phase state, const char *text)
{
    struct sandbox_header *header = instance->channel.header;
    if (text != NULL)
        snprintf(header->text, sizeof(header->text), "%.*s", SANDBOX_TEXT_SIZE - 1, text);
    /* S1 pairs with S2 in sandbox_client.c: the text is whole. */
    atomic_store_explicit(&header->state, (uint32_t)state, memory_order_release);
    ring_hekad(instance);
}

static void set_figure(struct sandbox_header *header, enum sandbox_figure figure, uint64_t value)
{
    atomic_store_explicit(&header->figures[figure], value, memory_order_relaxed);
}

static void publish_usage(struct sandbox_instance *instance)
{
    struct sandbox_header *header = instance->channel.header;
    const struct sandbox_usage usage = sandbox_usage(instance->sandbox);
    set_figure(header, SANDBOX_FIGURE_MEMORY, usage.memory_bytes);
    set_figure(header, SANDBOX_FIGURE_MEMORY_MAX, usage.memory_max_bytes);
    set_figure(header, SANDBOX_FIGURE_INSTRUCTIONS, usage.instructions);
    set_figure(header, SANDBOX_FIGURE_INSTRUCTIONS_MAX, usage.instructions_max);
    set_figure(header, SANDBOX_FIGURE_OUTPUT, usage.output_bytes);
    set_figure(header, SANDBOX_FIGURE_OUTPUT_MAX, usage.output_max_bytes);
    set_figure(header, SANDBOX_FIGURE_PROCESSED, usage.process_message_count);
    set_figure(header, SANDBOX_FIGURE_FAILURES, usage.process_message_failures);
    set_figure(header, SANDBOX_FIGURE_SAMPLES, usage.process_message_samples);
    set_figure(header, SANDBOX_FIGURE_SAMPLE_NS, usage.process_message_ns);
    set_figure(header, SANDBOX_FIGURE_TIMERS, usage.timer_event_count);
    set_figure(header, SANDBOX_FIGURE_INJECTED, usage.injected_count);
    set_figure(header, SANDBOX_FIGURE_TURNS_NS, instance->turns_ns);
}

/* ---- the script's host ---- */

/* Only filters have a number of messages for which there is room before a call begins. Others wait:
 * their owner reads as long as the call lasts. */
static bool wait_for_room(struct sandbox_instance *instance)
{
    const struct timespec pause = {0, ROOM_PAUSE_NS};
    uint64_t until_ns = clock_mono_ns() + ROOM_LIMIT_NS;
    while (!sandbox_ring_has_room(&instance->channel.replies, instance->replies_need,
                                  instance->reply_max)) {
        if (clock_mono_ns() > until_ns)
            return false;
        ring_hekad(instance);
        nanosleep(&pause, NULL);
    }
    return true;
}

static enum sandbox_inject inject(void *host, const void *message, size_t size)
{
    struct sandbox_instance *instance = host;
    if (instance->hops >= instance->loops_max)
        return SANDBOX_INJECT_LOOPS;
    if (size > instance->message_max)
        return SANDBOX_INJECT_UNMARSHAL;
    if (instance->type != SANDBOX_FILTER && !wait_for_room(instance))
        return SANDBOX_INJECT_ABORTED;
    return reply(instance, SANDBOX_REPLY_INJECT, 0, message, size) == 0 ? SANDBOX_INJECT_OK
                                                                        : SANDBOX_INJECT_ABORTED;
}

static void read_config(void *host, struct msg_slice name, struct sandbox_value *value)
{
    const struct sandbox_instance *instance = host;
    const struct sandbox_channel *channel = &instance->channel;
    struct sandbox_blob_item item;
    if (sandbox_blob_find(channel->blob, channel->blob_bytes, SANDBOX_BLOB_CONFIG_TEXT, name.ptr,
                          name.len, &item)) {
        value->kind = SANDBOX_STRING;
        value->string = (struct msg_slice){item.value, (uint32_t)item.size};
    } else if (sandbox_blob_find(channel->blob, channel->blob_bytes, SANDBOX_BLOB_CONFIG_NUMBER,
                                 name.ptr, name.len, &item) &&
               item.size == sizeof(value->number)) {
        value->kind = SANDBOX_NUMBER;
        memcpy(&value->number, item.value, sizeof(value->number));
    } else if (sandbox_blob_find(channel->blob, channel->blob_bytes, SANDBOX_BLOB_CONFIG_BOOL,
                                 name.ptr, name.len, &item) &&
               item.size == 1) {
        value->kind = SANDBOX_BOOL;
        value->boolean = *(const char *)item.value != 0;
    }
}

static int read_module(void *host, const char *path, struct buffer *out)
{
    const struct sandbox_instance *instance = host;
    struct sandbox_blob_item item;
    if (!sandbox_blob_find(instance->channel.blob, instance->channel.blob_bytes,
                           SANDBOX_BLOB_MODULE, path, strlen(path), &item))
        return -ENOENT;
    return item.size > 0 ? buffer_append(out, item.value, item.size) : 0;
}

static void log_text(void *host, const char *text)
{
    reply_text(host, SANDBOX_REPLY_LOG, 0, text);
}

/* ---- loading ---- */

int sandbox_instance_open(struct sandbox_instance *instance, int take_fd)
{
    *instance = (struct sandbox_instance){0};
    return sandbox_channel_open(&instance->channel, take_fd);
}

static struct sandbox_config make_config(struct sandbox_instance *instance)
{
    instance->type = (enum sandbox_type)number_of(instance, "type");
    instance->message_max = number_of(instance, "message_max");
    instance->loops_max = number_of(instance, "loops_max");
    instance->replies_need = number_of(instance, "replies_need");
    instance->reply_max = number_of(instance, "reply_max");
    return (struct sandbox_config){
        .type = instance->type,
        .name = text_of(instance, "name"),
        .hostname = text_of(instance, "hostname"),
        .pid = (int32_t)number_of(instance, "pid"),
        .script = text_of(instance, "script"),
        .script_filename = text_of(instance, "filename"),
        .module_directory = text_of(instance, "module_directory"),
        .limits =
            {
                .memory_limit = number_of(instance, "memory_limit"),
                .instruction_limit = number_of(instance, "instruction_limit"),
                .output_limit = number_of(instance, "output_limit"),
                .max_process_inject = (uint32_t)number_of(instance, "max_process_inject"),
                .max_timer_inject = (uint32_t)number_of(instance, "max_timer_inject"),
            },
        .io = number_of(instance, "io") != 0,
        .jit = number_of(instance, "jit") != 0,
        .parse_only = number_of(instance, "parse_only") != 0,
        .host =
            {
                .host = instance,
                .inject_message = inject,
                .read_config = read_config,
                .read_module = read_module,
                .log = log_text,
            },
    };
}

/* From the state area. */
static int restore(struct sandbox_instance *instance, uint64_t size, struct err *err)
{
    if (size == 0)
        return 0;
    if (size > instance->channel.state_bytes)
        return err_add(err, "Init() the state is too large");
    int rc = sandbox_restore(instance->sandbox, instance->channel.state, size, err);
    instance->is_over |= rc != 0;
    return rc;
}

void sandbox_instance_load(struct sandbox_instance *instance)
{
    const struct sandbox_config config = make_config(instance);
    struct sandbox *sandbox = NULL;
    struct err err = {0};
    int rc = -1;
    if (config.script == NULL || config.name == NULL)
        err_add(&err, "Init() no script");
    else
        rc = sandbox_new(&config, &sandbox, &err);
    if (rc != 0) {
        instance->is_over = true;
        set_state(instance, SANDBOX_STATE_FAILED, err.count > 0 ? err.texts[0] : "out of memory");
        return;
    }
    instance->sandbox = sandbox;
    publish_usage(instance);
    if (restore(instance, instance->channel.header->restore_bytes, &err) == 0)
        set_state(instance, SANDBOX_STATE_READY, NULL);
    else
        set_state(instance, SANDBOX_STATE_FAILED, err.texts[0]);
}

/* ---- turns ---- */

static void end(struct sandbox_instance *instance, const char *text)
{
    instance->is_over = true;
    reply_text(instance, SANDBOX_REPLY_TERMINATED, 0, text);
    set_state(instance, SANDBOX_STATE_TERMINATED, text);
}

/* What decoders, encoders and outputs are asked for, or why there is none. */
static void reply_output(struct sandbox_instance *instance, enum sandbox_outcome outcome)
{
    const char *text = sandbox_text(instance->sandbox);
    struct msg_slice output = {text, (uint32_t)strlen(text)};
    if (outcome == SANDBOX_OK && instance->type == SANDBOX_ENCODER)
        output = sandbox_output(instance->sandbox);
    else if (outcome == SANDBOX_OK && instance->type == SANDBOX_DECODER)
        output = sandbox_message(instance->sandbox);
    reply(instance, SANDBOX_REPLY_OUTPUT, (uint64_t)outcome, output.ptr, output.len);
}

static void note_outcome(struct sandbox_instance *instance, enum sandbox_outcome outcome)
{
    const char *text = sandbox_text(instance->sandbox);
    if (instance->type != SANDBOX_FILTER)
        reply_output(instance, outcome);
    if (outcome == SANDBOX_TERMINATED)
        end(instance, text[0] != '\0' ? text : "the script ended itself");
    else if (outcome == SANDBOX_FAILED && instance->type == SANDBOX_FILTER)
        reply_text(instance, SANDBOX_REPLY_FAILED, 0, text);
}

static void process_message(struct sandbox_instance *instance, const struct sandbox_frame *frame,
                            const void *body)
{
    struct msg_view message;
    instance->hops = frame->hops;
    if (instance->type == SANDBOX_INPUT) { /* it has none */
        note_outcome(instance, sandbox_process_message(instance->sandbox, NULL));
        return;
    }
    int rc = msg_view_init(&message, body, frame->body_size);
    if (rc != 0)
        reply_text(instance, SANDBOX_REPLY_FAILED, 0, msg_error_text(rc));
    else
        note_outcome(instance, sandbox_process_message(instance->sandbox, &message));
}

/* To the state area, or why not. */
static void preserve(struct sandbox_instance *instance)
{
    struct buffer state = {.max_size = instance->channel.state_bytes};
    struct err err = {0};
    uint64_t start_ns = clock_mono_ns();
    if (sandbox_preserve(instance->sandbox, &state, &err) == 0) {
        memcpy(instance->channel.state, state.data, state.size);
        reply(instance, SANDBOX_REPLY_PRESERVED, state.size, NULL, 0);
    } else {
        reply_text(instance, SANDBOX_REPLY_PRESERVED, 0,
                   err.count > 0 ? err.texts[0] : "Destroy() out of memory");
    }
    buffer_fini(&state);
    set_figure(instance->channel.header, SANDBOX_FIGURE_PRESERVE_NS, clock_mono_ns() - start_ns);
}

static void do_request(struct sandbox_instance *instance, const struct sandbox_frame *frame,
                       const void *body)
{
    instance->request = frame->code;
    switch (frame->type) {
    case SANDBOX_REQUEST_MESSAGE:
        process_message(instance, frame, body);
        break;
    case SANDBOX_REQUEST_TIMER:
        note_outcome(instance, sandbox_timer_event(instance->sandbox, (int64_t)frame->value));
        break;
    case SANDBOX_REQUEST_PRESERVE:
        preserve(instance);
        break;
    case SANDBOX_REQUEST_RESTORE: {
        struct err err = {0};
        if (restore(instance, frame->value, &err) != 0)
            end(instance, err.count > 0 ? err.texts[0] : "Init() out of memory");
        break;
    }
    default:
        end(instance, "a request that this worker does not know");
        break;
    }
}

/* What hekad wanted to wait for is done, and there is more to do. */
static void ring_when_awaited(struct sandbox_instance *instance)
{
    const struct sandbox_header *header = instance->channel.header;
    if (atomic_load_explicit(&header->hekad_waits, memory_order_relaxed) != 0 &&
        instance->channel.requests.tail >=
            atomic_load_explicit(&header->wake_at, memory_order_relaxed))
        ring_hekad(instance);
}

/* A worker that dies before it has given a request back leaves it to the next one. A filter's are
 * given back together: the next worker begins before them anyway, at the last checkpoint. */
static void pass(struct sandbox_instance *instance, const struct sandbox_frame *frame,
                 unsigned count)
{
    struct sandbox_ring *requests = &instance->channel.requests;
    sandbox_ring_pass(requests, frame);
    if (instance->type == SANDBOX_FILTER && count % GIVE_BACK_REQUESTS != 0)
        return;
    sandbox_ring_give_back(requests);
    ring_when_awaited(instance);
}

/* Requests, until there are none, or a negative errno. */
static int do_requests(struct sandbox_instance *instance, unsigned *count_out)
{
    unsigned count = 0;
    int rc = 0;
    while (count < SANDBOX_TURN_REQUESTS_MAX && !instance->is_over) {
        struct sandbox_frame frame;
        const void *body;
        if (!sandbox_ring_has_room(&instance->channel.replies, instance->replies_need,
                                   instance->reply_max)) {
            instance->has_replied = true; /* hekad has to read */
            break;
        }
        rc = sandbox_ring_read(&instance->channel.requests, &frame, &body);
        if (rc <= 0)
            break;
        do_request(instance, &frame, body);
        pass(instance, &frame, ++count);
    }
    sandbox_ring_give_back(&instance->channel.requests);
    *count_out = count;
    return rc;
}

unsigned sandbox_instance_turn(struct sandbox_instance *instance)
{
    unsigned count = 0;
    if (instance->is_over || instance->sandbox == NULL)
        return 0;
    uint64_t start_ns = clock_mono_ns();
    if (do_requests(instance, &count) < 0)
        end(instance, "the requests make no sense");
    if (count > 0) {
        instance->turns_ns += clock_mono_ns() - start_ns;
        instance->has_replied = true;
        publish_usage(instance);
    }
    /* Not while there may be more to do: that turn, or an empty one behind it, rings. */
    if (instance->has_replied && count < SANDBOX_TURN_REQUESTS_MAX)
        ring_hekad(instance);
    return count;
}

struct sandbox *sandbox_instance_take_engine(struct sandbox_instance *instance)
{
    struct sandbox *sandbox = instance->sandbox;
    instance->sandbox = NULL;
    return sandbox;
}

void sandbox_instance_close(struct sandbox_instance *instance)
{
    CHECK(instance->sandbox == NULL);
    if (instance->channel.header != NULL)
        set_state(instance, SANDBOX_STATE_GONE, NULL);
    sandbox_channel_close(&instance->channel);
}
