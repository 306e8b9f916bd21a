/* SPDX-License-Identifier: MPL-2.0
 *
 * docker_log_input.c - DockerLogInput: what containers write to stdout and stderr.
 *
 * Place:   builtin_inputs. The connection: docker_link.h; where it goes on after a restart:
 *          docker_since.h.
 * Failure: after a restart, or when a connection breaks, lines of the last seconds come again
 *          (Docker counts in seconds); none is left out. A frame that makes no sense ends the
 *          answer, which is asked for again (bad_frames).
 * Bounds:  DOCKER_FRAME_MAX bytes of a frame are put together; longer ones go on in parts.
 * Source:  Heka 0.11 DockerLogInput; the frames are those of Docker's API. Of a container with a
 *          terminal, which has no frames, everything is stdout.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/folder.h"
#include "control/plugins/input_stream.h"
#include "control/inputs/docker_frames.h"
#include "control/inputs/docker_link.h"
#include "control/inputs/docker_since.h"
#include "control/inputs/inputs.h"
#include "core/clock.h"
#include "core/log.h"

enum { BEHIND_S = 1 };

enum { BAD_FRAMES = DOCKER_COUNTERS, SINCE_FAILURES };
static const struct input_counter counters[] = {
    DOCKER_COUNTER_ROWS,
    [BAD_FRAMES] = {"bad_frames", "frames that made no sense"},
    [SINCE_FAILURES] = {"since_failures", "times that since_path could not be written"},
    {NULL, NULL},
};

struct docker_log_options {
    struct docker_options docker; /* first: DOCKER_LINK_ROWS */
    const char *since_path;
    int64_t since_interval, container_expiry_days;
    bool new_containers_replay_logs;
};

#define LOGS(member) .key = #member, .offset = offsetof(struct docker_log_options, member)
static const struct schema_key keys[] = {
    DOCKER_LINK_ROWS,
    DOCKER_FIELD_ROWS,
    {LOGS(since_path), .type = SCHEMA_STRING, .def = "docker/logs_since.txt",
     .help = "File with the times up to which logs are read; relative to base_dir."},
    {LOGS(since_interval), .type = SCHEMA_DURATION, .min = 0, .max = 9e18, .def = "5s",
     .help = "Time between two writes of it; \"0s\": at the end only."},
    {LOGS(container_expiry_days), .type = SCHEMA_INT, .min = 0, .max = 36500, .def = "30",
     .unit = "days", .help = "A container that ended so long ago is forgotten."},
    {LOGS(new_containers_replay_logs), .type = SCHEMA_BOOL, .def = "true",
     .help = "Containers not seen before are read from the beginning of their logs."},
    {0},
};
static const struct schema schema = {"DockerLogInput", keys};

struct docker_log_state {
    struct input_host *host;
    const struct docker_log_options *options;
    struct docker_link link;
    struct docker_since since;
    int64_t read_s; /* all logs before this are read */
    uint64_t next_write_ns;
};

struct log_source { /* stdout or stderr of a container */
    const struct docker_log_state *docker;
    const struct docker_container *container;
    const char *logger;
    struct input_stream *stream;
};

struct log_follow {
    struct log_source sources[2];
    struct docker_frames frames;
};

/* ---- messages ---- */

static void write_line(void *arg, struct msg_builder *builder, struct msg_slice payload)
{
    static const char type[] = "DockerLog";
    const struct log_source *source = arg;
    const char *hostname = input_host_hostname(source->docker->host);
    msg_builder_type(builder, type, sizeof(type) - 1);
    msg_builder_logger(builder, source->logger, strlen(source->logger));
    msg_builder_severity(builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(builder, payload.ptr, payload.len);
    msg_builder_hostname(builder, hostname, strlen(hostname));
    docker_fields_write(&source->container->fields, builder);
}

static int feed(const struct log_source *source, const char *bytes, size_t size)
{
    int rc = 0;
    while (rc == 0 && size > 0) {
        size_t room;
        char *to = input_stream_room(source->stream, &room);
        if (to == NULL)
            return -ENOMEM;
        room = room < size ? room : size;
        memcpy(to, bytes, room);
        bytes += room;
        size -= room;
        rc = input_stream_filled(source->stream, room);
    }
    return rc;
}

/* ---- frames ---- */

static int take_frame(void *arg, bool is_stderr, const char *bytes, size_t size)
{
    const struct log_follow *follow = arg;
    return feed(&follow->sources[is_stderr], bytes, size);
}

static int take_data(void *arg, struct docker_container *container, const char *bytes, size_t size)
{
    struct docker_log_state *docker = arg;
    struct log_follow *follow = container->user;
    if (container->fields.has_terminal)
        return feed(&follow->sources[0], bytes, size);
    int rc = docker_frames_take(&follow->frames, bytes, size, take_frame, follow);
    if (rc == -EBADMSG)
        input_host_count(docker->host, BAD_FRAMES, 1);
    return rc;
}

/* ---- containers ---- */

static void free_follow(struct log_follow *follow)
{
    for (unsigned i = 0; i < 2; i++)
        input_stream_free(follow->sources[i].stream);
    docker_frames_fini(&follow->frames);
    free(follow);
}

static struct log_follow *new_follow(struct docker_log_state *docker,
                                     const struct docker_container *container)
{
    static const char *const names[] = {"stdout", "stderr"};
    struct log_follow *follow = calloc(1, sizeof(*follow));
    if (follow == NULL)
        return NULL;
    for (unsigned i = 0; i < 2; i++) {
        struct log_source *source = &follow->sources[i];
        *source =
            (struct log_source){docker, container, names[i], input_host_stream(docker->host, NULL)};
        if (source->stream == NULL) {
            free_follow(follow);
            return NULL;
        }
        input_stream_set_decorator(source->stream, write_line, source);
    }
    return follow;
}

static int open_container(void *arg, struct docker_container *container, char *path)
{
    struct docker_log_state *docker = arg;
    container->user = new_follow(docker, container);
    if (container->user == NULL)
        return -1;
    int64_t since_s = docker_since_begin(&docker->since, container->id,
                                         docker->options->new_containers_replay_logs);
    snprintf(path, DOCKER_PATH_SIZE,
             "/containers/%s/logs?follow=1&since=%lld&stderr=1&stdout=1&tail=all", container->id,
             (long long)since_s);
    return 0;
}

/* When hekad ends the container goes on: then it is not over. */
static void close_container(void *arg, struct docker_container *container)
{
    struct docker_log_state *docker = arg;
    struct log_follow *follow = container->user;
    for (unsigned i = 0; i < 2; i++)
        input_stream_end(follow->sources[i].stream);
    if (!input_host_stopping(docker->host)) {
        int64_t now_s = (int64_t)(clock_wall_ns() / CLOCK_NS_PER_S);
        docker_since_end(&docker->since, container->id, now_s - BEHIND_S);
        log_info("Input '%s': Disconnecting from %s", input_host_name(docker->host), container->id);
    }
    free_follow(follow);
    container->user = NULL;
}

/* ---- since ---- */

static void write_since(struct docker_log_state *docker, int64_t now_s)
{
    int rc = input_host_flush(docker->host); /* what is read is in the lane, and survives */
    if (rc == 0)
        rc = docker_since_write(&docker->since, docker->read_s, now_s);
    if (rc == 0 || rc == -ECANCELED)
        return;
    input_host_count(docker->host, SINCE_FAILURES, 1);
    log_error("Input '%s': Can't write to \"since\" file '%s': %s", input_host_name(docker->host),
              docker->since.path, strerror(-rc));
}

static void turn(void *arg, bool is_idle)
{
    struct docker_log_state *docker = arg;
    uint64_t now_ns = clock_mono_ns();
    int64_t now_s = (int64_t)(clock_wall_ns() / CLOCK_NS_PER_S);
    if (is_idle && now_s - BEHIND_S > docker->read_s)
        docker->read_s = now_s - BEHIND_S;
    if (docker->options->since_interval == 0 || now_ns < docker->next_write_ns)
        return;
    docker->next_write_ns = now_ns + (uint64_t)docker->options->since_interval;
    write_since(docker, now_s);
}

/* ---- its life ---- */

static int since_path(const struct docker_log_options *options, const char *base_dir,
                      char path[PATH_MAX], struct err *err)
{
    bool is_absolute = options->since_path[0] == '/';
    int len = snprintf(path, PATH_MAX, "%s%s%s", is_absolute ? "" : base_dir,
                       is_absolute ? "" : "/", options->since_path);
    if (options->since_path[0] == '\0' || len < 0 || len >= PATH_MAX)
        return err_add(err, "since_path: found '%s', allowed the path of a file",
                       options->since_path);
    return 0;
}

static int check(const void *config, struct err *err)
{
    const struct docker_log_options *options = config;
    char path[PATH_MAX];
    return docker_options_check(&options->docker, err) | since_path(options, "", path, err);
}

static int open_since(struct docker_log_state *docker, struct err *err)
{
    char path[PATH_MAX];
    docker_since_fini(&docker->since);
    if (since_path(docker->options, input_host_base_dir(docker->host), path, err) != 0)
        return -1;
    return docker_since_open(&docker->since, path, docker->options->container_expiry_days, err);
}

static int init(void *state, const void *config, struct input_host *host, struct err *err)
{
    static const struct docker_link_ops ops = {
        .open = open_container, .data = take_data, .close = close_container, .turn = turn};
    struct docker_log_state *docker = state;
    const struct docker_log_options *options = config;
    struct docker_link_config link = {&options->docker, &ops, docker, host};
    docker->host = host;
    docker->options = options;
    if (open_since(docker, err) != 0)
        return -1;
    docker->next_write_ns = clock_mono_ns() + (uint64_t)options->since_interval;
    return docker_link_open(&docker->link, &link, err);
}

static void run(void *state)
{
    struct docker_log_state *docker = state;
    /* Once more: when a reload made this one, its predecessor has written since then. */
    if (open_since(docker, NULL) != 0) {
        input_host_fail(docker->host, -EIO, "Can't read \"since\" file '%s'", docker->since.path);
        return;
    }
    docker->read_s = docker->since.since_s;
    docker_link_run(&docker->link);
    write_since(docker, (int64_t)(clock_wall_ns() / CLOCK_NS_PER_S));
}

static void fini(void *state)
{
    struct docker_log_state *docker = state;
    docker_link_close(&docker->link);
    docker_since_fini(&docker->since);
}

const struct input_ops docker_log_input = {
    .plugin = {PLUGIN_ABI, "DockerLogInput", &schema, sizeof(struct docker_log_options),
               sizeof(struct docker_log_state)},
    .default_splitter = "NullSplitter",
    .counters = counters,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
