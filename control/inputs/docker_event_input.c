/* SPDX-License-Identifier: MPL-2.0
 *
 * docker_event_input.c - DockerEventInput: Docker's events as messages.
 *
 * Place:   builtin_inputs. The connection: docker_link.h.
 * Failure: while Docker is away its events are missed, as in Heka; `connects` tells.
 * Source:  Heka 0.11 DockerEventInput.
 */
#include <inttypes.h>
#include <string.h>

#include "control/plugins/input_stream.h"
#include "control/inputs/docker_link.h"
#include "control/inputs/inputs.h"

static const struct input_counter counters[] = {DOCKER_COUNTER_ROWS, {NULL, NULL}};

static const struct schema_key keys[] = {DOCKER_LINK_ROWS, {0}};
static const struct schema schema = {"DockerEventInput", keys};

struct docker_event_state {
    struct input_host *host;
    struct docker_link link;
    struct input_stream *stream;
    const struct docker_event *event; /* in work */
    struct buffer payload;
};

static void add_text(struct msg_builder *builder, const char *name, const char *value)
{
    msg_builder_field_string(builder, name, value, strlen(value), NULL);
}

static void write_event(void *arg, struct msg_builder *builder, struct msg_slice payload)
{
    static const char type[] = "DockerEvent";
    const struct docker_event_state *state = arg;
    const struct docker_event *event = state->event;
    const char *hostname = input_host_hostname(state->host);
    msg_builder_type(builder, type, sizeof(type) - 1);
    msg_builder_logger(builder, event->id, strlen(event->id));
    msg_builder_severity(builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(builder, payload.ptr, payload.len);
    msg_builder_hostname(builder, hostname, strlen(hostname));
    add_text(builder, "ID", event->id);
    add_text(builder, "Status", event->status);
    add_text(builder, "From", event->from);
    msg_builder_field_integer(builder, "Time", event->time_s, "ts");
}

static int take_event(void *arg, const struct docker_event *event)
{
    struct docker_event_state *state = arg;
    buffer_clear(&state->payload);
    state->event = event;
    if (buffer_printf(&state->payload, "id:%s status:%s from:%s time:%" PRId64, event->id,
                      event->status, event->from, event->time_s) != 0)
        return 0;
    return input_stream_body(state->stream, state->payload.data, state->payload.size, false);
}

static int check(const void *config, struct err *err)
{
    return docker_options_check(config, err);
}

static int init(void *state, const void *config, struct input_host *host, struct err *err)
{
    static const struct docker_link_ops ops = {.event = take_event};
    struct docker_event_state *docker = state;
    struct docker_link_config link = {config, &ops, docker, host};
    docker->host = host;
    docker->stream = input_host_stream(host, err);
    if (docker->stream == NULL)
        return -1;
    input_stream_set_decorator(docker->stream, write_event, docker);
    return docker_link_open(&docker->link, &link, err);
}

static void run(void *state)
{
    struct docker_event_state *docker = state;
    docker_link_run(&docker->link);
}

static void fini(void *state)
{
    struct docker_event_state *docker = state;
    docker_link_close(&docker->link);
    input_stream_free(docker->stream);
    buffer_fini(&docker->payload);
}

const struct input_ops docker_event_input = {
    .plugin = {PLUGIN_ABI, "DockerEventInput", &schema, sizeof(struct docker_options),
               sizeof(struct docker_event_state)},
    .default_splitter = "NullSplitter",
    .counters = counters,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
