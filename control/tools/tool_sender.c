/* SPDX-License-Identifier: MPL-2.0 */
#include "control/tools/tool_sender.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "control/net/resolve.h"
#include "core/address.h"

enum { ANSWERS_MAX = 4096 /* reads of what nobody asked for */ };

static int fail(struct tool_sender *sender, const char *what, int error, struct err *err)
{
    /* The limit of SO_SNDTIMEO comes as one of these two. */
    bool is_late = error == EAGAIN || error == EINPROGRESS;
    err_add(err, "%s: %s: %s", sender->address, what, strerror(is_late ? ETIMEDOUT : error));
    tool_sender_close(sender);
    return -1;
}

/* -EAGAIN is the end of the socket's limit. */
static int fail_tls(struct tool_sender *sender, int code, struct err *err)
{
    const char *why = tls_session_error(sender->tls);
    err_add(err, "%s: TLS: %s", sender->address,
            code == -EAGAIN  ? strerror(ETIMEDOUT)
            : why[0] != '\0' ? why
                             : strerror(-code));
    tool_sender_close(sender);
    return -1;
}

static int shake_hands(struct tool_sender *sender, struct tls_context *tls, struct err *err)
{
    sender->tls = tls_session_new(tls, sender->fd, sender->address);
    if (sender->tls == NULL)
        return fail(sender, "TLS", ENOMEM, err);
    int rc = tls_session_handshake(sender->tls);
    return rc == 0 ? 0 : fail_tls(sender, rc, err);
}

/* Linux limits connect() by it, too. */
static int open_socket(struct tool_sender *sender, const struct addrinfo *info)
{
    struct timeval wait = {.tv_sec = TOOL_SENDER_WAIT_S};
    sender->fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, info->ai_protocol);
    if (sender->fd < 0)
        return errno;
    if (setsockopt(sender->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
        setsockopt(sender->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
        connect(sender->fd, info->ai_addr, info->ai_addrlen) == 0)
        return 0;
    int error = errno;
    tool_sender_close(sender);
    return error;
}

int tool_sender_open(struct tool_sender *sender, const char *address, bool is_udp,
                     struct tls_context *tls, struct err *err)
{
    *sender = (struct tool_sender){.fd = -1, .is_udp = is_udp, .address = address};
    const struct addrinfo hints = {.ai_socktype = is_udp ? SOCK_DGRAM : SOCK_STREAM};
    struct addrinfo *found;
    struct address_parts parts;
    if (address_split(address, &parts) != 0)
        return err_add(err, "'%s' is no address, allowed is HOST:PORT", address);
    int rc = resolve_text(address, &hints, &found);
    if (rc != 0)
        return err_add(err, "%s: %s", address, gai_strerror(rc));
    int error = 0;
    for (const struct addrinfo *info = found; info != NULL && sender->fd < 0; info = info->ai_next)
        error = open_socket(sender, info);
    freeaddrinfo(found);
    if (sender->fd < 0)
        return fail(sender, "cannot connect", error, err);
    return tls != NULL ? shake_hands(sender, tls, err) : 0;
}

void tool_sender_close(struct tool_sender *sender)
{
    tls_session_free(sender->tls);
    sender->tls = NULL;
    if (sender->fd >= 0)
        close(sender->fd);
    sender->fd = -1;
}

int tool_sender_send(struct tool_sender *sender, const void *bytes, size_t size, struct err *err)
{
    const char *at = bytes;
    do {
        ssize_t sent = sender->tls != NULL ? tls_session_write(sender->tls, at, size)
                                           : send(sender->fd, at, size, MSG_NOSIGNAL);
        if (sent < 0 && sender->tls != NULL)
            return fail_tls(sender, (int)sent, err);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return fail(sender, "cannot send", errno, err);
        at += sent;
        size -= (size_t)sent;
    } while (size > 0);
    return 0;
}

/* As recv() without waiting: 0 when the peer has closed. What TLS says is passed over up to its
 * end. */
static ssize_t discard(struct tool_sender *sender, char *bytes, size_t size)
{
    if (sender->tls != NULL) {
        ssize_t got = tls_session_read(sender->tls, bytes, size);
        if (got > 0)
            return got;
        if (got != 0 && got != -ECONNRESET) {
            errno = (int)-got;
            return -1;
        }
    }
    return recv(sender->fd, bytes, size, MSG_DONTWAIT);
}

int tool_sender_finish(struct tool_sender *sender, struct err *err)
{
    char ignored[256];
    unsigned answers = 0;
    ssize_t got = 0;
    if (sender->is_udp) {
        tool_sender_close(sender);
        return 0;
    }
    int rc = sender->tls != NULL ? tls_session_finish(sender->tls) : 0;
    if (rc != 0)
        return fail_tls(sender, rc, err);
    if (shutdown(sender->fd, SHUT_WR) != 0)
        return fail(sender, "cannot end the connection", errno, err);
    do {
        struct pollfd poll_fd = {.fd = sender->fd, .events = POLLIN};
        int ready = poll(&poll_fd, 1, TOOL_SENDER_WAIT_S * 1000);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return fail(sender, "it does not close; whether it has read all is not known",
                        ready == 0 ? ETIMEDOUT : errno, err);
        got = discard(sender, ignored, sizeof(ignored));
        if (got > 0 && ++answers == ANSWERS_MAX)
            return fail(sender, "it sends instead of closing", EPROTO, err);
    } while (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)));
    if (got < 0 && sender->tls != NULL && tls_session_error(sender->tls)[0] != '\0')
        return fail_tls(sender, -errno, err);
    if (got < 0)
        return fail(sender, "whether it has read all is not known", errno, err);
    tool_sender_close(sender);
    return 0;
}
