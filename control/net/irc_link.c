/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/irc_link.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/net/resolve.h"
#include "core/clock.h"
#include "core/log.h"

enum { SLICE_MS = 50, LINE_SIZE = 513, READ_SIZE = 4096, READS_MAX = 64 };

void irc_link_init(struct irc_link *link, const struct irc_link_config *config)
{
    *link = (struct irc_link){.config = *config, .fd = -1};
    link->in.max_size = IRC_OUT_MAX;
    link->out.max_size = IRC_OUT_MAX;
}

void irc_link_close(struct irc_link *link)
{
    tls_session_free(link->tls);
    link->tls = NULL;
    if (link->is_open)
        close(link->fd);
    link->is_open = link->is_registered = false;
    buffer_clear(&link->in);
    buffer_clear(&link->out);
}

void irc_link_fini(struct irc_link *link)
{
    irc_link_close(link);
    buffer_fini(&link->in);
    buffer_fini(&link->out);
}

static int fail(struct irc_link *link, int code, const char *what, const char *why)
{
    char server[128];
    snprintf(server, sizeof(server), "%s", link->config.server);
    int rc = output_host_fail(link->config.host, code, "irc server %s: %s: %s", server, what, why);
    irc_link_close(link);
    return rc;
}

static void show(const struct irc_link *link, const char *arrow, const char *text)
{
    if (link->config.is_verbose)
        log_info("Plugin '%s': irc %s %s", output_host_name(link->config.host), arrow, text);
}

/* ---- connecting ---- */

static int wait_for(const struct irc_link *link, short events, uint64_t until_ns)
{
    for (;;) {
        struct pollfd wait = {.fd = link->fd, .events = events};
        if (poll(&wait, 1, SLICE_MS) > 0)
            return 0;
        if (output_host_stopping(link->config.host))
            return -ECANCELED;
        if (clock_mono_ns() >= until_ns)
            return -ETIMEDOUT;
    }
}

static int connect_one(struct irc_link *link, const struct addrinfo *to, uint64_t until_ns)
{
    int code = 0;
    socklen_t size = sizeof(code);
    link->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, to->ai_protocol);
    if (link->fd < 0)
        return -errno;
    link->is_open = true;
    int rc = 0;
    if (connect(link->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)
        rc = -errno;
    if (rc == 0)
        rc = wait_for(link, POLLOUT, until_ns);
    if (rc == 0 && getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0)
        rc = -code;
    if (rc != 0)
        irc_link_close(link);
    return rc;
}

static int connect_any(struct irc_link *link, uint64_t until_ns)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int rc = resolve_text(link->config.server, &hints, &list);
    if (rc != 0)
        return fail(link, -EHOSTUNREACH, "resolve", gai_strerror(rc));
    rc = -EHOSTUNREACH;
    for (const struct addrinfo *to = list; to != NULL && rc != 0 && rc != -ECANCELED;
         to = to->ai_next)
        rc = connect_one(link, to, until_ns);
    freeaddrinfo(list);
    return rc == 0 ? 0 : fail(link, rc, "connect", strerror(-rc));
}

static int shake_hands(struct irc_link *link, uint64_t until_ns)
{
    if (link->config.tls == NULL)
        return 0;
    link->tls = tls_session_new(link->config.tls, link->fd, link->config.server);
    int rc = link->tls != NULL ? tls_session_handshake(link->tls) : -ENOMEM;
    while (rc == -EAGAIN) {
        rc = wait_for(link, tls_session_events(link->tls), until_ns);
        if (rc == 0)
            rc = tls_session_handshake(link->tls);
    }
    if (rc == 0)
        return 0;
    char why[TLS_ERROR_SIZE];
    const char *text = link->tls != NULL ? tls_session_error(link->tls) : "";
    snprintf(why, sizeof(why), "%s", text[0] != '\0' ? text : strerror(-rc));
    return fail(link, rc, "TLS", why);
}

int irc_link_open(struct irc_link *link)
{
    const struct irc_link_config *config = &link->config;
    uint64_t until_ns = clock_mono_ns() + config->timeout_s * CLOCK_NS_PER_S;
    irc_link_close(link);
    int rc = connect_any(link, until_ns);
    if (rc == 0)
        rc = shake_hands(link, until_ns);
    if (rc != 0)
        return rc;
    snprintf(link->nick, sizeof(link->nick), "%s", config->nick);
    if (config->password != NULL && config->password[0] != '\0')
        rc = irc_link_send(link, "PASS %s", config->password);
    if (rc == 0)
        rc = irc_link_send(link, "NICK %s", link->nick);
    if (rc == 0)
        rc = irc_link_send(link, "USER %s 0.0.0.0 0.0.0.0 :%s", config->ident, config->ident);
    return rc;
}

/* ---- bytes ---- */

static ssize_t read_some(struct irc_link *link, void *bytes, size_t size)
{
    if (link->tls != NULL)
        return tls_session_read(link->tls, bytes, size);
    ssize_t got = recv(link->fd, bytes, size, MSG_DONTWAIT);
    return got < 0 ? -errno : got;
}

static ssize_t write_some(struct irc_link *link, const void *bytes, size_t size)
{
    if (link->tls != NULL)
        return tls_session_write(link->tls, bytes, size);
    ssize_t put = send(link->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return put < 0 ? -errno : put;
}

static int flush(struct irc_link *link)
{
    while (link->out.size > 0) {
        ssize_t put = write_some(link, link->out.data, link->out.size);
        if (put == -EAGAIN || put == -EINTR)
            return 0;
        if (put <= 0)
            return fail(link, (int)put, "send", strerror((int)-put));
        link->out.size -= (size_t)put;
        memmove(link->out.data, link->out.data + put, link->out.size);
    }
    return 0;
}

int irc_link_send(struct irc_link *link, const char *format, ...)
{
    char line[LINE_SIZE - 2];
    va_list args;
    if (!link->is_open)
        return -ENOTCONN;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    line[strcspn(line, "\r\n")] = '\0';
    show(link, "<-", strncmp(line, "PASS ", 5) == 0 ? "PASS ..." : line);
    if (buffer_printf(&link->out, "%s\r\n", line) != 0)
        return fail(link, -ENOBUFS, "send", "the server does not read");
    return flush(link);
}

/* ---- lines ---- */

bool irc_line_parse(char *text, struct irc_line *line)
{
    *line = (struct irc_line){.prefix = ""};
    if (*text == '@') { /* tags, which we did not ask for */
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    if (*text == ':') {
        line->prefix = text + 1;
        text += strcspn(text, " ");
        if (*text != '\0')
            *text++ = '\0';
        text += strspn(text, " ");
    }
    line->command = text;
    text += strcspn(text, " ");
    while (*text == ' ' && line->count < IRC_ARGS_MAX) {
        *text++ = '\0';
        text += strspn(text, " ");
        if (*text == '\0')
            break;
        bool is_last = *text == ':' || line->count + 1 == IRC_ARGS_MAX;
        line->args[line->count++] = text + (*text == ':');
        text += is_last ? strlen(text) : strcspn(text, " ");
    }
    *text = '\0';
    return line->command[0] != '\0';
}

bool irc_link_is_ours(const struct irc_link *link, const char *prefix_or_nick)
{
    size_t len = strcspn(prefix_or_nick, "!@ ");
    return len == strlen(link->nick) && strncasecmp(prefix_or_nick, link->nick, len) == 0;
}

/* What every client answers in the same way. */
static int answer(struct irc_link *link, const struct irc_line *line)
{
    size_t len = strlen(link->nick);
    if (strcasecmp(line->command, "PING") == 0)
        return irc_link_send(link, "PONG :%s", line->count > 0 ? line->args[0] : "");
    if (strcmp(line->command, "001") == 0) {
        link->is_registered = true;
        if (line->count > 0)
            snprintf(link->nick, sizeof(link->nick), "%s", line->args[0]);
    } else if (strcmp(line->command, "433") == 0 && !link->is_registered) { /* is taken */
        if (len + 1 >= sizeof(link->nick))
            return fail(link, -EADDRINUSE, "nick", "all variants are taken");
        link->nick[len] = '_';
        link->nick[len + 1] = '\0';
        return irc_link_send(link, "NICK %s", link->nick);
    } else if (strcasecmp(line->command, "NICK") == 0 && line->count > 0 &&
               irc_link_is_ours(link, line->prefix)) {
        snprintf(link->nick, sizeof(link->nick), "%s", line->args[0]);
    }
    return 0;
}

static int take_line(struct irc_link *link, char *text)
{
    struct irc_line line;
    show(link, "->", text);
    if (!irc_line_parse(text, &line))
        return 0;
    int rc = answer(link, &line);
    if (rc == 0)
        link->config.event(link->config.arg, &line);
    return rc != 0 ? rc : link->is_open ? 0 : -ECONNRESET;
}

/* Whole lines of what was read. A line without an end that is too long ends here. */
static int take_lines(struct irc_link *link)
{
    struct buffer *in = &link->in;
    size_t at = 0;
    while (at < in->size) {
        char *start = in->data + at, *end = memchr(start, '\n', in->size - at);
        if (end == NULL && in->size - at < IRC_LINE_MAX)
            break;
        if (end == NULL)
            end = start + IRC_LINE_MAX - 1;
        at = (size_t)(end + 1 - in->data);
        *end = '\0';
        start[strcspn(start, "\r")] = '\0';
        int rc = take_line(link, start);
        if (rc != 0)
            return rc;
    }
    in->size -= at;
    memmove(in->data, in->data + at, in->size);
    return 0;
}

int irc_link_turn(struct irc_link *link)
{
    if (!link->is_open)
        return -ENOTCONN;
    int rc = flush(link);
    for (unsigned i = 0; i < READS_MAX && rc == 0; i++) {
        if (buffer_reserve(&link->in, READ_SIZE) != 0)
            return fail(link, -ENOMEM, "read", "out of memory");
        ssize_t got = read_some(link, link->in.data + link->in.size, READ_SIZE);
        if (got == -EAGAIN || got == -EINTR)
            return 0;
        if (got <= 0)
            return fail(link, got == 0 ? -ECONNRESET : (int)got, "read",
                        got == 0 ? "the server has closed the connection" : strerror((int)-got));
        link->in.size += (size_t)got;
        rc = take_lines(link);
    }
    return rc;
}

void irc_link_quit(struct irc_link *link, unsigned timeout_ms)
{
    uint64_t until_ns = clock_mono_ns() + timeout_ms * CLOCK_NS_PER_MS;
    if (!link->is_open || irc_link_send(link, "QUIT") != 0)
        return;
    while (link->is_open && clock_mono_ns() < until_ns) {
        struct pollfd wait = {.fd = link->fd, .events = POLLIN};
        if (link->out.size > 0)
            wait.events |= POLLOUT;
        poll(&wait, 1, SLICE_MS);
        if (irc_link_turn(link) != 0)
            return; /* the server closes when it has read QUIT */
    }
}
