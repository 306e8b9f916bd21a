/* SPDX-License-Identifier: MPL-2.0
 *
 * docker_stats_input.c - DockerStatsInput: what Docker measures of each container, as it says it.
 *
 * Place:   builtin_inputs. The connection: docker_link.h.
 * Failure: a line that is no JSON object is counted (bad_stats).
 * Bounds:  LINE_MAX bytes of one measurement.
 * Source:  Heka 0.11 DockerStatsInput, which loses the first measurement of each container, and
 *          writes the JSON with the members that it knows; here it is Docker's own text.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "codec/time_parser.h"
#include "control/plugins/input_stream.h"
#include "control/inputs/docker_link.h"
#include "control/inputs/inputs.h"
#include "core/clock.h"

enum { LINE_SIZE_MAX = 1 << 20 };

enum { BAD_STATS = DOCKER_COUNTERS };
static const struct input_counter counters[] = {
    DOCKER_COUNTER_ROWS,
    [BAD_STATS] = {"bad_stats", "measurements that made no sense"},
    {NULL, NULL},
};

static const struct schema_key keys[] = {DOCKER_LINK_ROWS, DOCKER_FIELD_ROWS, {0}};
static const struct schema schema = {"DockerStatsInput", keys};

struct docker_stats_state {
    struct input_host *host;
    struct docker_link link;
    struct input_stream *stream;
    struct time_parser *times;
    const struct docker_container *container; /* in work */
};

static void write_stats(void *arg, struct msg_builder *builder, struct msg_slice payload)
{
    static const char type[] = "DockerStats";
    const struct docker_stats_state *docker = arg;
    const char *name = docker_fields_name(&docker->container->fields);
    const char *hostname = input_host_hostname(docker->host);
    msg_builder_type(builder, type, sizeof(type) - 1);
    msg_builder_logger(builder, name, strlen(name));
    msg_builder_severity(builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(builder, payload.ptr, payload.len);
    msg_builder_hostname(builder, hostname, strlen(hostname));
    docker_fields_write(&docker->container->fields, builder);
}

/* Of the member `read`; 0 when it has none that fits, as that of a container which has ended. */
static uint64_t time_of(const struct docker_stats_state *docker, const json_t *root)
{
    const char *text = json_string_value(json_object_get(root, "read"));
    int64_t time_ns;
    if (text == NULL || time_parser_parse(docker->times, text, strlen(text),
                                          (int64_t)clock_wall_ns(), &time_ns) != 0)
        return 0;
    return time_ns > 0 ? (uint64_t)time_ns : 0;
}

static int take_line(struct docker_stats_state *docker, const char *line, size_t size)
{
    json_error_t error;
    while (size > 0 && line[size - 1] == '\r')
        size--;
    if (size == 0)
        return 0;
    json_t *root = json_loadb(line, size, 0, &error);
    int rc = 0;
    if (json_is_object(root)) {
        input_stream_set_time(docker->stream, time_of(docker, root));
        rc = input_stream_body(docker->stream, line, size, false);
    } else {
        input_host_count(docker->host, BAD_STATS, 1);
    }
    json_decref(root);
    return rc;
}

static int take_data(void *arg, struct docker_container *container, const char *bytes, size_t size)
{
    struct docker_stats_state *docker = arg;
    struct buffer *text = container->user;
    const char *end;
    int rc = 0;
    docker->container = container;
    while (rc == 0 && (end = memchr(bytes, '\n', size)) != NULL) {
        size_t part = (size_t)(end - bytes);
        rc = buffer_append(text, bytes, part);
        if (rc == 0)
            rc = take_line(docker, text->data, text->size);
        buffer_clear(text);
        bytes += part + 1;
        size -= part + 1;
    }
    if (rc == 0 && size > 0)
        rc = buffer_append(text, bytes, size);
    return rc;
}

static int open_container(void *arg, struct docker_container *container, char *path)
{
    struct buffer *text = calloc(1, sizeof(*text));
    (void)arg;
    if (text == NULL)
        return -1;
    text->max_size = LINE_SIZE_MAX;
    container->user = text;
    snprintf(path, DOCKER_PATH_SIZE, "/containers/%s/stats?stream=1", container->id);
    return 0;
}

static void close_container(void *arg, struct docker_container *container)
{
    (void)arg;
    buffer_fini(container->user);
    free(container->user);
    container->user = NULL;
}

static int check(const void *config, struct err *err)
{
    return docker_options_check(config, err);
}

static int init(void *state, const void *config, struct input_host *host, struct err *err)
{
    static const struct docker_link_ops ops = {
        .open = open_container, .data = take_data, .close = close_container};
    struct docker_stats_state *docker = state;
    struct docker_link_config link = {config, &ops, docker, host};
    docker->host = host;
    docker->stream = input_host_stream(host, err);
    if (docker->stream == NULL || time_parser_new("", "", &docker->times, err) != 0)
        return -1;
    input_stream_set_decorator(docker->stream, write_stats, docker);
    return docker_link_open(&docker->link, &link, err);
}

static void run(void *state)
{
    struct docker_stats_state *docker = state;
    docker_link_run(&docker->link);
}

static void fini(void *state)
{
    struct docker_stats_state *docker = state;
    docker_link_close(&docker->link);
    input_stream_free(docker->stream);
    time_parser_free(docker->times);
}

const struct input_ops docker_stats_input = {
    .plugin = {PLUGIN_ABI, "DockerStatsInput", &schema, sizeof(struct docker_options),
               sizeof(struct docker_stats_state)},
    .default_splitter = "NullSplitter",
    .counters = counters,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
