/* SPDX-License-Identifier: MPL-2.0 */
#include "control/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"

enum { SOCKET_MODE = 0660, ASK_TIMEOUT_S = 30, REPLY_MAX = 16 << 20, READ_SIZE = 65536 };

/* ---- server ---- */

static int set_address(struct sockaddr_un *address, const char *path, struct err *err)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path))
        return err_add(err, "%s: longer than %zu bytes", path, sizeof(address->sun_path) - 1);
    memcpy(address->sun_path, path, strlen(path) + 1);
    return 0;
}

int admin_open(struct admin *admin, const char *path, admin_command_fn command, void *arg,
               struct err *err)
{
    struct sockaddr_un address;
    *admin = (struct admin){.fd = -1, .command = command, .arg = arg};
    if (set_address(&address, path, err) != 0)
        return -1;
    admin->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    admin->path = strdup(path);
    /* Nobody may hold it: the caller is the only hekad of this run directory. */
    unlink(path);
    if (admin->fd >= 0 && admin->path != NULL &&
        bind(admin->fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        chmod(path, SOCKET_MODE) == 0 && listen(admin->fd, ADMIN_CLIENTS_MAX) == 0)
        return 0;
    err_add(err, "%s: %s", path, strerror(errno));
    admin_close(admin);
    return -1;
}

static void drop_client(struct admin *admin, unsigned index)
{
    struct admin_client *client = &admin->clients[index];
    close(client->fd);
    buffer_fini(&client->reply);
    *client = admin->clients[--admin->client_count];
    admin->clients[admin->client_count] = (struct admin_client){0};
}

void admin_close(struct admin *admin)
{
    while (admin->client_count > 0)
        drop_client(admin, 0);
    if (admin->path != NULL) {
        unlink(admin->path);
        if (admin->fd >= 0)
            close(admin->fd);
    }
    free(admin->path);
    *admin = (struct admin){.fd = -1};
}

unsigned admin_poll_fds(const struct admin *admin, struct pollfd *fds)
{
    unsigned n = 0;
    if (admin->path == NULL)
        return 0;
    if (admin->client_count < ADMIN_CLIENTS_MAX)
        fds[n++] = (struct pollfd){.fd = admin->fd, .events = POLLIN};
    for (unsigned i = 0; i < admin->client_count; i++)
        fds[n++] = (struct pollfd){
            .fd = admin->clients[i].fd,
            .events = admin->clients[i].reply.size > 0 ? POLLOUT : POLLIN,
        };
    return n;
}

static void accept_clients(struct admin *admin, uint64_t now_ns)
{
    while (admin->client_count < ADMIN_CLIENTS_MAX) {
        int fd = accept4(admin->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        admin->clients[admin->client_count++] = (struct admin_client){
            .fd = fd,
            .until_ns = now_ns + ADMIN_TIMEOUT_MS * CLOCK_NS_PER_MS,
        };
    }
}

static json_t *error_json(const char *text)
{
    return json_pack("{s:s}", "error", text);
}

static json_t *answer(struct admin *admin, const char *request, size_t size)
{
    json_error_t error;
    json_t *object = json_loadb(request, size, JSON_REJECT_DUPLICATES, &error);
    const char *command = json_string_value(json_object_get(object, "command"));
    json_t *reply = command != NULL ? admin->command(admin->arg, command) : NULL;
    if (object == NULL)
        reply = error_json("the request is no JSON");
    else if (command == NULL)
        reply = error_json("the request has no command");
    else if (reply == NULL)
        reply = error_json("the command is not known: status, stop, reload");
    json_decref(object);
    return reply;
}

static void make_reply(struct admin *admin, struct admin_client *client, size_t size)
{
    json_t *reply = answer(admin, client->request, size);
    char *text = reply != NULL ? json_dumps(reply, JSON_COMPACT) : NULL;
    buffer_append_text(&client->reply, text != NULL ? text : "{\"error\": \"out of memory\"}");
    buffer_append_text(&client->reply, "\n");
    free(text);
    json_decref(reply);
}

/* False when the client is to go. */
static bool read_request(struct admin *admin, struct admin_client *client)
{
    char *newline = NULL;
    while (newline == NULL && client->request_size < ADMIN_REQUEST_MAX) {
        ssize_t got = recv(client->fd, client->request + client->request_size,
                           ADMIN_REQUEST_MAX - client->request_size, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        if (got == 0)
            return false;
        client->request_size += (size_t)got;
        newline = memchr(client->request, '\n', client->request_size);
    }
    if (newline != NULL) {
        make_reply(admin, client, (size_t)(newline - client->request));
        return true;
    }
    buffer_append_text(&client->reply, "{\"error\": \"the request is too long\"}\n");
    return true;
}

/* False when the client is to go: all is sent, or it went. */
static bool write_reply(struct admin_client *client)
{
    while (client->sent < client->reply.size) {
        ssize_t put = send(client->fd, client->reply.data + client->sent,
                           client->reply.size - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        client->sent += (size_t)put;
    }
    return false;
}

void admin_step(struct admin *admin, uint64_t now_mono_ns)
{
    if (admin->path == NULL)
        return;
    accept_clients(admin, now_mono_ns);
    for (unsigned i = 0; i < admin->client_count;) {
        struct admin_client *client = &admin->clients[i];
        bool stays = now_mono_ns < client->until_ns;
        if (stays && client->reply.size == 0)
            stays = read_request(admin, client);
        if (stays && client->reply.size > 0)
            stays = write_reply(client);
        if (stays)
            i++;
        else
            drop_client(admin, i);
    }
}

/* ---- client ---- */

static int connect_to(const char *path, struct err *err)
{
    struct sockaddr_un address;
    struct timeval timeout = {.tv_sec = ASK_TIMEOUT_S};
    if (set_address(&address, path, err) != 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_add(err, "socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    err_add(err, "%s: %s (is it running?)", path, strerror(errno));
    close(fd);
    return -1;
}

static int send_command(int fd, const char *command)
{
    char request[ADMIN_REQUEST_MAX];
    int len = snprintf(request, sizeof(request), "{\"command\": \"%s\"}\n", command);
    return send(fd, request, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -1;
}

static int receive_reply(int fd, struct buffer *reply)
{
    reply->max_size = REPLY_MAX;
    while (reply->size == 0 || reply->data[reply->size - 1] != '\n') {
        if (buffer_reserve(reply, READ_SIZE) != 0)
            return -1;
        ssize_t got = recv(fd, reply->data + reply->size, READ_SIZE, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        reply->size += (size_t)got;
    }
    return 0;
}

/* A descriptor that is readable when the process behind the socket has ended, or -1. */
static int open_peer(int fd)
{
    struct ucred credentials = {.pid = -1};
    socklen_t size = sizeof(credentials);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return -1;
    return (int)syscall(SYS_pidfd_open, credentials.pid, 0);
}

static int wait_until_gone(int pidfd, struct err *err)
{
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    if (poll(&wait, 1, ASK_TIMEOUT_S * 1000) > 0)
        return 0;
    return err_add(err, "hekad is still stopping after %d s", ASK_TIMEOUT_S);
}

json_t *admin_ask(const char *path, const char *command, bool wait_for_end, struct err *err)
{
    struct buffer reply = {0};
    json_error_t error;
    json_t *object = NULL;
    int fd = connect_to(path, err);
    if (fd < 0)
        return NULL;
    int pidfd = wait_for_end ? open_peer(fd) : -1;
    if (send_command(fd, command) != 0 || receive_reply(fd, &reply) != 0)
        err_add(err, "%s: no reply", path);
    else if ((object = json_loadb(reply.data, reply.size, 0, &error)) == NULL)
        err_add(err, "%s: the reply is no JSON: %s", path, error.text);
    close(fd);
    buffer_fini(&reply);
    if (object != NULL && json_object_get(object, "error") != NULL) {
        err_add(err, "%s: %s", path, json_string_value(json_object_get(object, "error")));
        json_decref(object);
        object = NULL;
    }
    if (object != NULL && pidfd >= 0 && wait_until_gone(pidfd, err) != 0) {
        json_decref(object);
        object = NULL;
    }
    if (pidfd >= 0)
        close(pidfd);
    return object;
}
