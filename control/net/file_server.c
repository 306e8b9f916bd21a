/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/file_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/inputs/listen_socket.h"
#include "core/buffer.h"

enum { NAME_SIZE = 256, DATE_SIZE = 64, LISTING_MAX = 4 << 20, CONNECTION_BYTES = 32768 };

struct file_server {
    struct MHD_Daemon *daemon;
    int listen_fd;
    const char *folder;
    const struct http_headers *headers;
    _Atomic uint64_t requests;
};

static const struct {
    const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".tsv", "text/tab-separated-values; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
};

static const char *type_of(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t suffix_len = strlen(types[i].suffix);
        if (len > suffix_len && strcasecmp(path + len - suffix_len, types[i].suffix) == 0)
            return types[i].type;
    }
    return "text/plain; charset=utf-8";
}

bool file_server_path_is_good(const char *path)
{
    if (path[0] != '/')
        return false;
    for (const char *at = path; *at != '\0'; at++)
        if (at[0] == '/' && at[1] == '.' && at[2] == '.' && (at[3] == '/' || at[3] == '\0'))
            return false;
    return true;
}

/* ---- answers ---- */

static void add_headers(const struct file_server *server, struct MHD_Response *response)
{
    for (unsigned i = 0; i < server->headers->count; i++) {
        char name[NAME_SIZE];
        const char *line = server->headers->lines[i], *colon = strchr(line, ':');
        if (colon == NULL || (size_t)(colon - line) >= sizeof(name))
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(colon - line), line);
        MHD_add_response_header(response, name, colon + 1 + strspn(colon + 1, " "));
    }
}

/* Takes the response. */
static enum MHD_Result queue(const struct file_server *server, struct MHD_Connection *connection,
                             unsigned status, struct MHD_Response *response)
{
    if (response == NULL)
        return MHD_NO;
    add_headers(server, response);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_text(const struct file_server *server,
                                   struct MHD_Connection *connection, unsigned status,
                                   const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (response != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                "text/plain; charset=utf-8");
    if (response != NULL && status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    return queue(server, connection, status, response);
}

static enum MHD_Result not_found(const struct file_server *server,
                                 struct MHD_Connection *connection)
{
    return answer_text(server, connection, MHD_HTTP_NOT_FOUND, "404 page not found\n");
}

static enum MHD_Result answer_file(const struct file_server *server,
                                   struct MHD_Connection *connection, const char *path, int take_fd,
                                   const struct stat *status)
{
    char date[DATE_SIZE];
    struct tm tm;
    gmtime_r(&status->st_mtime, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    const char *since =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MODIFIED_SINCE);
    if (since != NULL && strcmp(since, date) == 0) {
        close(take_fd);
        return queue(server, connection, MHD_HTTP_NOT_MODIFIED,
                     MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
    }
    struct MHD_Response *response =
        MHD_create_response_from_fd64((uint64_t)status->st_size, take_fd);
    if (response == NULL) {
        close(take_fd);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type_of(path));
    MHD_add_response_header(response, MHD_HTTP_HEADER_LAST_MODIFIED, date);
    return queue(server, connection, MHD_HTTP_OK, response);
}

/* ---- folders ---- */

static int append_escaped(struct buffer *out, const char *name, bool is_url)
{
    int rc = 0;
    for (; *name != '\0' && rc == 0; name++) {
        bool is_plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
                        (*name >= '0' && *name <= '9') || strchr("-_./", *name) != NULL;
        if (is_plain)
            rc = buffer_append(out, name, 1);
        else
            rc = buffer_printf(out, is_url ? "%%%02X" : "&#%u;", (unsigned)(uint8_t)*name);
    }
    return rc;
}

static int append_entry(struct buffer *out, const struct dirent *entry)
{
    const char *end = entry->d_type == DT_DIR ? "/" : "";
    int rc = buffer_append_text(out, "<a href=\"./");
    if (rc == 0)
        rc = append_escaped(out, entry->d_name, true);
    if (rc == 0)
        rc = buffer_printf(out, "%s\">", end);
    if (rc == 0)
        rc = append_escaped(out, entry->d_name, false);
    return rc == 0 ? buffer_printf(out, "%s</a>\n", end) : rc;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static enum MHD_Result answer_listing(const struct file_server *server,
                                      struct MHD_Connection *connection, const char *folder)
{
    struct buffer text = {.max_size = LISTING_MAX};
    struct dirent **entries;
    int count = scandir(folder, &entries, is_visible, alphasort);
    if (count < 0)
        return not_found(server, connection);
    int rc = buffer_append_text(&text, "<!doctype html>\n<pre>\n");
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = append_entry(&text, entries[i]);
        free(entries[i]);
    }
    free(entries);
    if (rc == 0)
        rc = buffer_append_text(&text, "</pre>\n");
    struct MHD_Response *response =
        rc == 0 ? MHD_create_response_from_buffer(text.size, text.data, MHD_RESPMEM_MUST_COPY)
                : NULL;
    buffer_fini(&text);
    if (response != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/html; charset=utf-8");
    return queue(server, connection, MHD_HTTP_OK, response);
}

static int open_file(const char *path, struct stat *status)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, status) == 0 && (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode)))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* index.html, or what is in it. */
static enum MHD_Result answer_folder(const struct file_server *server,
                                     struct MHD_Connection *connection, const char *url,
                                     const char *folder)
{
    char path[PATH_MAX], location[PATH_MAX];
    struct stat status;
    if (url[strlen(url) - 1] != '/') {
        const char *name = strrchr(url, '/') + 1;
        struct MHD_Response *response =
            MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        snprintf(location, sizeof(location), "%s/", name);
        if (response != NULL)
            MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, location);
        return queue(server, connection, MHD_HTTP_MOVED_PERMANENTLY, response);
    }
    int len = snprintf(path, sizeof(path), "%sindex.html", folder);
    if (len < 0 || (size_t)len >= sizeof(path))
        return not_found(server, connection);
    int fd = open_file(path, &status);
    if (fd >= 0 && S_ISREG(status.st_mode))
        return answer_file(server, connection, path, fd, &status);
    if (fd >= 0)
        close(fd);
    return answer_listing(server, connection, folder);
}

/* ---- requests ---- */

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    struct file_server *server = arg;
    char path[PATH_MAX];
    struct stat status;
    (void)version;
    (void)upload;
    if (*state == NULL) { /* the head only: the request is not whole yet */
        *state = server;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    atomic_fetch_add_explicit(&server->requests, 1, memory_order_relaxed);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_text(server, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                           "405 method not allowed\n");
    int len = snprintf(path, sizeof(path), "%s%s", server->folder, url);
    if (!file_server_path_is_good(url) || len < 0 || (size_t)len >= sizeof(path))
        return not_found(server, connection);
    int fd = open_file(path, &status);
    if (fd < 0)
        return not_found(server, connection);
    if (S_ISREG(status.st_mode))
        return answer_file(server, connection, path, fd, &status);
    close(fd);
    return answer_folder(server, connection, url, path);
}

/* ---- its life ---- */

struct file_server *file_server_start(const struct listen_address *address, const char *folder,
                                      const struct http_headers *headers, struct err *err)
{
    struct file_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    server->folder = folder;
    server->headers = headers;
    server->listen_fd = listen_socket_open(address, err);
    if (server->listen_fd < 0) {
        free(server);
        return NULL;
    }
    server->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ITC, 0, NULL, NULL, on_request,
        server, MHD_OPTION_LISTEN_SOCKET, server->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)FILE_SERVER_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)FILE_SERVER_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
        MHD_OPTION_END);
    if (server->daemon != NULL)
        return server;
    err_add(err, "the HTTP server does not start: %s", strerror(errno));
    listen_socket_close(server->listen_fd);
    free(server);
    return NULL;
}

/* The socket stays open for the one that takes our place in a reload. */
void file_server_stop(struct file_server *server)
{
    if (server == NULL)
        return;
    MHD_quiesce_daemon(server->daemon);
    MHD_stop_daemon(server->daemon);
    listen_socket_close(server->listen_fd);
    free(server);
}

uint64_t file_server_requests(const struct file_server *server)
{
    return atomic_load_explicit(&((struct file_server *)(uintptr_t)server)->requests,
                                memory_order_relaxed);
}
