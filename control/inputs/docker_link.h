/* SPDX-License-Identifier: MPL-2.0
 *
 * docker_link.h - a connection to Docker: its events, and an endless answer for each container that
 * runs.
 *
 * Place:   docker_event_input.c, docker_log_input.c, docker_stats_input.c. HTTP: http_client.h.
 * Threads: the input's.
 * Memory:  DOCKER_CONTAINERS_MAX containers with their fields; a line of events or a list of at
 *          most DOCKER_TEXT_MAX bytes.
 * Failure: when events end, or cannot be had, the link is made again, after 500 ms doubling to
 *          30 s, and then all containers are looked for anew; it never gives up (Heka does after
 *          ten times). A container's answer that breaks off is asked for again, up to
 *          DOCKER_TRIES_MAX times in a row, a second apart.
 * Source:  Docker's Engine API: /events, /containers/json, /containers/ID/json.
 */
#ifndef CONTROL_INPUTS_DOCKER_LINK_H
#define CONTROL_INPUTS_DOCKER_LINK_H

#include "control/net/http_client.h"
#include "control/plugins/input.h"
#include "control/inputs/docker_fields.h"
#include "control/net/tls_options.h"
#include "control/trouble.h"

enum {
    DOCKER_CONTAINERS_MAX = 1024,
    DOCKER_TEXT_MAX = 8 << 20,
    DOCKER_TRIES_MAX = 10,
    DOCKER_PATH_SIZE = 256
};

/* Rows of the counters of an input that has a link. */
enum {
    DOCKER_CONNECTS,
    DOCKER_EVENTS,
    DOCKER_BAD_EVENTS,
    DOCKER_CONTAINERS,
    DOCKER_ATTACHED,
    DOCKER_FAILURES,
    DOCKER_COUNTERS
};
/* clang-format off */
#define DOCKER_COUNTER_ROWS                                                                        \
    [DOCKER_CONNECTS] = {"connects", "connections to Docker's events"},                            \
    [DOCKER_EVENTS] = {"events", "events that came"},                                              \
    [DOCKER_BAD_EVENTS] = {"bad_events", "of these that made no sense"},                           \
    [DOCKER_CONTAINERS] = {"containers", "containers that are followed now"},                      \
    [DOCKER_ATTACHED] = {"attached", "times that one began to be followed"},                       \
    [DOCKER_FAILURES] = {"failures", "requests that failed, or answers that broke off"}
/* clang-format on */

struct docker_event { /* borrowed; texts are "" when Docker does not say */
    const char *id, *status, *from;
    int64_t time_s;
};

struct docker_container {
    char id[DOCKER_ID_LEN + 1];
    struct docker_fields fields;
    void *user; /* the input's, from open to close */
    /* the link's */
    struct docker_link *link;
    struct docker_container *next;
    int state;
    bool starts_again; /* Docker said so while it was still followed */
    bool is_answered;  /* the answer has begun */
    unsigned tries;
    uint64_t due_ns;
    struct http_stream *stream;
    struct buffer text;
};

struct docker_link_ops {
    /* Each event; may be NULL. 0, or negative when the input has to end. */
    int (*event)(void *arg, const struct docker_event *event);
    /* What follows is for inputs that follow containers; else NULL. */
    /* A container with its fields: writes the path to ask for, of DOCKER_PATH_SIZE. 0, or
     * negative: it is not followed. */
    int (*open)(void *arg, struct docker_container *container, char *path);
    /* More of the answer. 0, or negative when the input has to end. */
    int (*data)(void *arg, struct docker_container *container, const char *bytes, size_t size);
    /* It has ended; once for each open. */
    void (*close)(void *arg, struct docker_container *container);
    /* Between two turns; `is_idle`: nothing waits to be read, and all containers that run are
     * followed, as far as Docker has said. May be NULL. */
    void (*turn)(void *arg, bool is_idle);
};

struct docker_link { /* zeroed: not open */
    const struct docker_options *options;
    const struct docker_link_ops *ops;
    void *arg;
    struct input_host *host;
    struct http_client *client;
    char base[512]; /* of URLs */
    char ca[4096], cert[4096], key[4096];
    struct tls_options tls;
    struct trouble trouble;

    struct http_stream *events, *list;
    struct buffer events_text, list_text;
    bool has_events, wants_list, has_failed;
    uint64_t due_ns, pause_ns, list_due_ns; /* monotonic */
    struct docker_container *containers;
    unsigned container_count;
};

struct docker_link_config {
    const struct docker_options *options;
    const struct docker_link_ops *ops; /* a constant of the input's type */
    void *arg;
    struct input_host *host;
};

/* Connects to nothing yet. 0, or -1 after adding to `err`; close it in any case. */
int docker_link_open(struct docker_link *link, const struct docker_link_config *config,
                     struct err *err);
void docker_link_close(struct docker_link *link); /* without calls */

/* Until the input has to end; then all containers are closed. */
void docker_link_run(struct docker_link *link);

#endif
