/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/docker_link.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"

enum { PAUSE_MS_MIN = 500, PAUSE_MS_MAX = 30000, RETRY_MS = 1000, ANSWER_MS = 60000 };
enum { TURN_MS = 100, CONNECT_MS = 10000, STATUS_OK = 200, STATUS_GONE = 404 };

enum { /* of a container */
    ASKED_FOR,  /* until due_ns, then it is inspected */
    INSPECTING, /* the answer is to be there by due_ns */
    KNOWN,      /* the answer is there: its stream is to be started */
    FOLLOWED,
    OVER /* to be forgotten */
};

/* ---- requests ---- */

static struct http_stream *ask(struct docker_link *link, const char *path,
                               const struct http_stream_ops *ops, void *arg)
{
    char url[sizeof(link->base) + DOCKER_PATH_SIZE];
    snprintf(url, sizeof(url), "%s%s", link->base, path);
    struct http_request request = {.method = "GET", .url = url};
    return http_client_start(link->client, &request, ops, arg);
}

static void fail(struct docker_link *link, const char *what, const char *why)
{
    input_host_count(link->host, DOCKER_FAILURES, 1);
    trouble_say(&link->trouble, "Docker at %s: %s: %s", link->options->endpoint, what, why);
}

/* The link is made again after a pause. */
static void fail_link(struct docker_link *link, const char *what, const char *why)
{
    fail(link, what, why);
    link->has_failed = true;
}

static int keep(struct buffer *text, const void *bytes, size_t size)
{
    return buffer_append(text, bytes, size) == 0 ? 0 : -1;
}

static json_t *parse(const struct buffer *text)
{
    json_error_t error;
    return text->size > 0 ? json_loadb(text->data, text->size, 0, &error) : NULL;
}

/* ---- containers ---- */

static struct docker_container *find(struct docker_link *link, const char *id)
{
    struct docker_container *container = link->containers;
    while (container != NULL && strncmp(container->id, id, DOCKER_ID_LEN) != 0)
        container = container->next;
    return container;
}

static void set_state(struct docker_container *container, int state, unsigned pause_ms)
{
    container->state = state;
    container->due_ns = clock_mono_ns() + pause_ms * CLOCK_NS_PER_MS;
}

static void attach(struct docker_link *link, const char *id)
{
    struct docker_container *container = find(link, id);
    if (container != NULL) {
        container->starts_again = container->state == FOLLOWED;
        if (container->state == OVER) { /* and not yet forgotten */
            container->tries = 0;
            set_state(container, ASKED_FOR, 0);
        }
        return;
    }
    if (strlen(id) < DOCKER_ID_LEN)
        return;
    if (link->container_count == DOCKER_CONTAINERS_MAX) {
        fail(link, id, "too many containers");
        return;
    }
    container = calloc(1, sizeof(*container));
    if (container == NULL)
        return;
    memcpy(container->id, id, DOCKER_ID_LEN);
    container->link = link;
    container->text.max_size = DOCKER_TEXT_MAX;
    container->next = link->containers;
    link->containers = container;
    link->container_count++;
}

static void try_again(struct docker_container *container)
{
    if (++container->tries > DOCKER_TRIES_MAX)
        container->state = OVER;
    else
        set_state(container, ASKED_FOR, RETRY_MS);
}

static void forget(struct docker_link *link, struct docker_container *container)
{
    if (container->stream != NULL)
        http_client_stop(link->client, container->stream);
    buffer_fini(&container->text);
    docker_fields_fini(&container->fields);
    free(container);
    link->container_count--;
}

/* ---- inspecting one ---- */

static int take_inspection(void *arg, const void *bytes, size_t size)
{
    struct docker_container *container = arg;
    return keep(&container->text, bytes, size);
}

static void end_inspection(void *arg, int rc, long status, const char *error)
{
    struct docker_container *container = arg;
    struct docker_link *link = container->link;
    container->stream = NULL;
    if (rc == 0 && status == STATUS_GONE) { /* it was there for a moment only */
        container->state = OVER;
        return;
    }
    json_t *root = rc == 0 && status == STATUS_OK ? parse(&container->text) : NULL;
    buffer_clear(&container->text);
    docker_fields_fini(&container->fields);
    if (root != NULL && docker_fields_read(&container->fields, link->options, container->id,
                                           root) == 0) {
        container->state = KNOWN;
    } else {
        fail(link, container->id, rc != 0 ? error : "what it is is not known");
        try_again(container);
    }
    json_decref(root);
}

static void inspect(struct docker_link *link, struct docker_container *container)
{
    static const struct http_stream_ops ops = {.on_body = take_inspection,
                                               .on_end = end_inspection};
    char path[DOCKER_PATH_SIZE];
    snprintf(path, sizeof(path), "/containers/%s/json", container->id);
    buffer_clear(&container->text);
    container->stream = ask(link, path, &ops, container);
    if (container->stream != NULL)
        set_state(container, INSPECTING, ANSWER_MS);
    else
        try_again(container);
}

/* ---- following one ---- */

static int take_head(void *arg, long status)
{
    struct docker_container *container = arg;
    if (status != STATUS_OK) {
        char text[32];
        snprintf(text, sizeof(text), "status %ld", status);
        fail(container->link, container->id, text);
        return -1;
    }
    input_host_count(container->link->host, DOCKER_ATTACHED, 1);
    container->is_answered = true;
    return 0;
}

static int take_body(void *arg, const void *bytes, size_t size)
{
    struct docker_container *container = arg;
    container->tries = 0;
    return container->link->ops->data(container->link->arg, container, bytes, size);
}

static void end_body(void *arg, int rc, long status, const char *error)
{
    struct docker_container *container = arg;
    struct docker_link *link = container->link;
    container->stream = NULL;
    container->is_answered = false;
    link->ops->close(link->arg, container);
    if (rc != 0 && rc != -ECANCELED)
        fail(link, container->id, error);
    if (container->starts_again)
        set_state(container, ASKED_FOR, 0);
    else if (rc != 0 && status != STATUS_GONE)
        try_again(container);
    else
        container->state = OVER;
    container->starts_again = false;
}

static void follow(struct docker_link *link, struct docker_container *container)
{
    static const struct http_stream_ops ops = {
        .on_head = take_head, .on_body = take_body, .on_end = end_body};
    char path[DOCKER_PATH_SIZE];
    if (link->ops->open(link->arg, container, path) != 0) {
        container->state = OVER;
        return;
    }
    log_info("Input '%s': Attaching container: %s", input_host_name(link->host), container->id);
    container->stream = ask(link, path, &ops, container);
    if (container->stream != NULL) {
        container->state = FOLLOWED;
        return;
    }
    link->ops->close(link->arg, container);
    try_again(container);
}

static void step_container(struct docker_link *link, struct docker_container *container)
{
    bool is_due = clock_mono_ns() >= container->due_ns;
    if (container->state == ASKED_FOR && is_due && link->events != NULL) {
        inspect(link, container);
    } else if (container->state == KNOWN) {
        follow(link, container);
    } else if (container->state == INSPECTING && is_due) {
        http_client_stop(link->client, container->stream);
        container->stream = NULL;
        fail(link, container->id, "no answer");
        try_again(container);
    }
}

static void step_containers(struct docker_link *link)
{
    struct docker_container **at = &link->containers;
    unsigned followed = 0;
    while (*at != NULL) {
        struct docker_container *container = *at;
        step_container(link, container);
        followed += container->state == FOLLOWED;
        if (container->state != OVER) {
            at = &container->next;
            continue;
        }
        *at = container->next;
        forget(link, container);
    }
    input_host_set(link->host, DOCKER_CONTAINERS, followed);
}

/* ---- the list ---- */

static int take_list(void *arg, const void *bytes, size_t size)
{
    struct docker_link *link = arg;
    return keep(&link->list_text, bytes, size);
}

static void end_list(void *arg, int rc, long status, const char *error)
{
    struct docker_link *link = arg;
    link->list = NULL;
    json_t *root = rc == 0 && status == STATUS_OK ? parse(&link->list_text) : NULL;
    buffer_clear(&link->list_text);
    if (!json_is_array(root))
        fail_link(link, "list of containers", rc != 0 ? error : "it makes no sense");
    for (size_t i = 0; i < json_array_size(root); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(root, i), "Id"));
        const struct docker_container *known = id != NULL ? find(link, id) : NULL;
        if (id != NULL && (known == NULL || known->state == OVER))
            attach(link, id);
    }
    if (json_is_array(root))
        trouble_end(&link->trouble);
    json_decref(root);
}

/* ---- events ---- */

static const char *text_of(const json_t *object, const char *key, const char *other)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        text = other;
    return text != NULL ? text : "";
}

/* The older members, or where newer Docker has them. */
static int take_event(struct docker_link *link, const json_t *root)
{
    const json_t *actor = json_object_get(root, "Actor");
    const json_t *attributes = json_object_get(actor, "Attributes");
    const char *type = json_string_value(json_object_get(root, "Type"));
    struct docker_event event = {
        .id = text_of(root, "id", json_string_value(json_object_get(actor, "ID"))),
        .status = text_of(root, "status", json_string_value(json_object_get(root, "Action"))),
        .from = text_of(root, "from", json_string_value(json_object_get(attributes, "image"))),
        .time_s = json_integer_value(json_object_get(root, "time")),
    };
    input_host_count(link->host, DOCKER_EVENTS, 1);
    if (link->ops->open != NULL && strcmp(event.status, "start") == 0 &&
        (type == NULL || strcmp(type, "container") == 0))
        attach(link, event.id);
    return link->ops->event != NULL ? link->ops->event(link->arg, &event) : 0;
}

/* The next event of the text, and how many bytes it takes; 0: there is none yet. */
static size_t next_event(const struct buffer *text, size_t at, json_t **root)
{
    json_error_t error;
    *root = NULL;
    while (at < text->size && strchr(" \r\n\t", text->data[at]) != NULL &&
           text->data[at] != '\0')
        at++;
    if (at == text->size)
        return 0;
    const char *start = text->data + at;
    *root = json_loadb(start, text->size - at, JSON_DISABLE_EOF_CHECK, &error);
    if (*root != NULL)
        return at + (size_t)error.position;
    const char *end = memchr(start, '\n', text->size - at); /* a whole line, and no event */
    return end != NULL ? (size_t)(end + 1 - text->data) : 0;
}

static int take_events(void *arg, const void *bytes, size_t size)
{
    struct docker_link *link = arg;
    struct buffer *text = &link->events_text;
    size_t done = 0, next;
    json_t *root;
    int rc = keep(text, bytes, size);
    while (rc == 0 && (next = next_event(text, done, &root)) > 0) {
        done = next;
        if (json_is_object(root))
            rc = take_event(link, root);
        else
            input_host_count(link->host, DOCKER_BAD_EVENTS, 1);
        json_decref(root);
    }
    if (done > 0)
        memmove(text->data, text->data + done, text->size - done);
    text->size -= done;
    return rc;
}

static int take_events_head(void *arg, long status)
{
    struct docker_link *link = arg;
    if (status != STATUS_OK)
        return -1;
    input_host_count(link->host, DOCKER_CONNECTS, 1);
    link->has_events = true;
    link->wants_list = link->ops->open != NULL;
    link->pause_ns = PAUSE_MS_MIN * CLOCK_NS_PER_MS;
    if (!link->wants_list)
        trouble_end(&link->trouble);
    return 0;
}

static void end_events(void *arg, int rc, long status, const char *error)
{
    struct docker_link *link = arg;
    char text[32];
    link->events = NULL;
    link->has_events = false;
    snprintf(text, sizeof(text), "status %ld", status);
    fail_link(link, "events", rc == 0 ? "they ended" : status > STATUS_OK ? text : error);
}

/* ---- the link ---- */

static void stop_requests(struct docker_link *link)
{
    if (link->events != NULL)
        http_client_stop(link->client, link->events);
    if (link->list != NULL)
        http_client_stop(link->client, link->list);
    link->events = link->list = NULL;
    link->has_events = link->wants_list = link->has_failed = false;
    buffer_clear(&link->events_text);
    buffer_clear(&link->list_text);
}

static void connect_again(struct docker_link *link)
{
    uint64_t pause_max_ns = PAUSE_MS_MAX * CLOCK_NS_PER_MS;
    stop_requests(link);
    link->due_ns = clock_mono_ns() + link->pause_ns;
    link->pause_ns = link->pause_ns * 2 < pause_max_ns ? link->pause_ns * 2 : pause_max_ns;
}

static void step_link(struct docker_link *link)
{
    static const struct http_stream_ops events_ops = {
        .on_head = take_events_head, .on_body = take_events, .on_end = end_events};
    static const struct http_stream_ops list_ops = {.on_body = take_list, .on_end = end_list};
    uint64_t now_ns = clock_mono_ns();
    if (link->list != NULL && now_ns >= link->list_due_ns)
        fail_link(link, "list of containers", "no answer");
    if (link->has_failed)
        connect_again(link);
    if (link->events == NULL && now_ns >= link->due_ns) {
        link->events = ask(link, "/events", &events_ops, link);
        if (link->events == NULL)
            link->has_failed = true;
    }
    if (link->wants_list && link->list == NULL) {
        link->wants_list = false;
        link->list = ask(link, "/containers/json", &list_ops, link);
        link->list_due_ns = now_ns + ANSWER_MS * CLOCK_NS_PER_MS;
        if (link->list == NULL)
            link->has_failed = true;
    }
}

static void close_all(struct docker_link *link)
{
    stop_requests(link);
    while (link->containers != NULL) {
        struct docker_container *container = link->containers;
        link->containers = container->next;
        if (container->state == FOLLOWED)
            link->ops->close(link->arg, container);
        forget(link, container);
    }
}

static bool is_settled(const struct docker_link *link)
{
    const struct docker_container *container = link->containers;
    while (container != NULL && container->is_answered)
        container = container->next;
    return container == NULL && link->has_events && !link->wants_list && link->list == NULL &&
           !link->has_failed;
}

void docker_link_run(struct docker_link *link)
{
    for (;;) {
        struct pollfd fd = {.fd = http_client_fd(link->client), .events = POLLIN};
        step_link(link);
        step_containers(link);
        int timeout_ms = http_client_timeout_ms(link->client);
        if (timeout_ms < 0 || timeout_ms > TURN_MS)
            timeout_ms = TURN_MS;
        int ready = input_host_wait(link->host, &fd, 1, timeout_ms);
        if (ready < 0)
            break;
        http_client_turn(link->client);
        if (link->ops->turn != NULL)
            link->ops->turn(link->arg, ready == 0 && is_settled(link));
    }
    close_all(link);
}

/* ---- its life ---- */

static int make_base(struct docker_link *link, const char **unix_path, struct err *err)
{
    const char *endpoint = link->options->endpoint, *host = strstr(endpoint, "://");
    bool has_tls = tls_option_is_set(link->options->cert_path);
    if (host == NULL)
        return err_add(err, "endpoint: found '%s', allowed a URL", endpoint);
    host += 3;
    *unix_path = strncmp(endpoint, "unix:", 5) == 0 ? host : NULL;
    if (*unix_path != NULL)
        host = "docker";
    bool is_https = strncmp(endpoint, "https:", 6) == 0 || (has_tls && *unix_path == NULL);
    int len = snprintf(link->base, sizeof(link->base), "%s://%s", is_https ? "https" : "http",
                       host);
    if (len < 0 || (size_t)len >= sizeof(link->base))
        return err_add(err, "endpoint: found '%s', which is too long", endpoint);
    while (len > 0 && link->base[len - 1] == '/')
        link->base[--len] = '\0';
    return 0;
}

static void set_tls(struct docker_link *link)
{
    const char *folder = link->options->cert_path;
    if (!tls_option_is_set(folder))
        return;
    snprintf(link->ca, sizeof(link->ca), "%s/ca.pem", folder);
    snprintf(link->cert, sizeof(link->cert), "%s/cert.pem", folder);
    snprintf(link->key, sizeof(link->key), "%s/key.pem", folder);
    link->tls.root_cafile = link->ca;
    link->tls.cert_file = link->cert;
    link->tls.key_file = link->key;
}

int docker_link_open(struct docker_link *link, const struct docker_link_config *config,
                     struct err *err)
{
    const char *unix_path = NULL;
    link->options = config->options;
    link->ops = config->ops;
    link->arg = config->arg;
    link->host = config->host;
    link->trouble.name = input_host_name(config->host);
    link->pause_ns = PAUSE_MS_MIN * CLOCK_NS_PER_MS;
    link->events_text.max_size = link->list_text.max_size = DOCKER_TEXT_MAX;
    set_tls(link);
    if (make_base(link, &unix_path, err) != 0)
        return -1;
    link->client = http_client_new(
        &(struct http_client_config){
            .connect_timeout_ms = CONNECT_MS,
            .unix_path = unix_path,
            .tls = tls_option_is_set(config->options->cert_path) ? &link->tls : NULL,
        },
        err);
    return link->client != NULL ? 0 : -1;
}

void docker_link_close(struct docker_link *link)
{
    http_client_free(link->client);
    buffer_fini(&link->events_text);
    buffer_fini(&link->list_text);
}
