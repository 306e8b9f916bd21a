/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/command.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"

int command_open(struct command_server *server, const char *run_dir, gid_t group, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    server->client_fd = -1;
    int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/dataplane.sock", run_dir);
    if (len < 0 || (size_t)len >= sizeof(address.sun_path)) {
        server->listen_fd = -1;
        return err_add(err, "%s: too long a path for a socket", run_dir);
    }
    unlink(address.sun_path); /* the lock on the run directory is ours: nobody listens there */
    server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server->listen_fd < 0 ||
        bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        (group != (gid_t)-1 && chown(address.sun_path, (uid_t)-1, group) != 0) ||
        chmod(address.sun_path, 0660) != 0 || listen(server->listen_fd, 4) != 0)
        return err_add(err, "%s: %s", address.sun_path, strerror(errno));
    return 0;
}

static void end_client(struct command_server *server)
{
    if (server->client_fd >= 0)
        close(server->client_fd);
    server->client_fd = -1;
    server->is_reloading = false;
}

void command_close(struct command_server *server)
{
    end_client(server);
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    server->listen_fd = -1;
}

/* Takes the answer and ends the client. It fits a socket's buffer, so it is written whole or the
 * client is gone. */
static void answer(struct command_server *server, json_t *take_object)
{
    char *text = take_object != NULL ? json_dumps(take_object, JSON_COMPACT) : NULL;
    if (text != NULL) {
        struct iovec parts[2] = {{text, strlen(text)}, {(void *)(uintptr_t)"\n", 1}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        sendmsg(server->client_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    free(text);
    json_decref(take_object);
    end_client(server);
}

static void answer_errors(struct command_server *server, const struct err *err)
{
    json_t *texts = json_array();
    for (unsigned i = 0; i < err->count && i < ERR_LIST_MAX; i++)
        json_array_append_new(texts, json_string(err->texts[i]));
    answer(server, json_pack("{s:b, s:o}", "ok", 0, "errors", texts));
}

static void answer_generation(struct command_server *server)
{
    uint32_t generation = atomic_load_explicit(
        &server->housekeeping->segment->header->generation, memory_order_relaxed);
    answer(server, json_pack("{s:b, s:I}", "ok", 1, "generation", (json_int_t)generation));
}

static int offer(struct command_server *server, struct plan *plan, uint64_t now_ns,
                 struct err *err)
{
    struct housekeeping *housekeeping = server->housekeeping;
    struct generation *generation = NULL;
    if (plan->generation <= housekeeping->generation->plan->generation)
        return err_add(err, "generation: found %lld, a reload needs more than %lld",
                       (long long)plan->generation,
                       (long long)housekeeping->generation->plan->generation);
    if (housekeeping->offered != NULL)
        return err_add(err, "a reload is still under way");
    if (generation_new(plan, housekeeping->worker_count, housekeeping->generation, now_ns,
                       &generation, err) != 0)
        return -1;
    if (housekeeping_offer(housekeeping, generation, err) != 0) {
        generation_discard(generation);
        return -1;
    }
    server->generation = (uint32_t)plan->generation;
    return 0;
}

static void reload(struct command_server *server, uint64_t now_ns)
{
    static struct err err;
    struct plan *plan = NULL;
    err.count = 0;
    int rc = plan_load(server->plan_path, &plan, &err);
    if (rc == 0 && plan->database.file == NULL)
        log_info("the rules were compiled here: the plan names no database");
    if (rc == 0)
        rc = offer(server, plan, now_ns, &err);
    plan_free(plan); /* the generation has a reference of its own */
    if (rc != 0)
        answer_errors(server, &err);
    else
        server->is_reloading = true; /* answered when all producers have adopted it */
}

static void handle(struct command_server *server, uint64_t now_ns)
{
    static struct err err;
    json_t *request = json_loads(server->request, JSON_REJECT_DUPLICATES, NULL);
    const char *command = json_string_value(json_object_get(request, "command"));
    if (command != NULL && strcmp(command, "ping") == 0) {
        answer_generation(server);
    } else if (command != NULL && strcmp(command, "reload") == 0) {
        reload(server, now_ns);
    } else {
        err.count = 0;
        err_add(&err, "command: allowed {\"command\": \"ping\"} and {\"command\": \"reload\"}");
        answer_errors(server, &err);
    }
    json_decref(request);
}

static void receive(struct command_server *server, uint64_t now_ns)
{
    ssize_t got = recv(server->client_fd, server->request + server->received,
                       sizeof(server->request) - 1 - server->received, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) { /* also: a request that fills the buffer without a newline */
        end_client(server);
        return;
    }
    server->received += (size_t)got;
    server->request[server->received] = '\0';
    char *newline = memchr(server->request, '\n', server->received);
    if (newline != NULL) {
        *newline = '\0';
        handle(server, now_ns);
    }
}

static void accept_client(struct command_server *server, uint64_t now_mono_ns)
{
    server->client_fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    server->received = 0;
    server->deadline_ns = now_mono_ns + COMMAND_PATIENCE_MS * CLOCK_NS_PER_MS;
}

void command_step(struct command_server *server, uint64_t now_ns, uint64_t now_mono_ns)
{
    if (server->listen_fd < 0)
        return;
    if (server->client_fd < 0)
        accept_client(server, now_mono_ns);
    if (server->client_fd < 0)
        return;
    if (server->is_reloading) {
        if (server->housekeeping->generation->plan->generation == server->generation)
            answer_generation(server);
        return;
    }
    receive(server, now_ns);
    if (server->client_fd >= 0 && !server->is_reloading && now_mono_ns > server->deadline_ns)
        end_client(server);
}
