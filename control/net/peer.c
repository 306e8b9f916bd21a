/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/peer.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/net/peer_owed.h"
#include "control/net/resolve.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    CONNECT_TIMEOUT_MS = 5000,
    CLOSING_CONNECT_TIMEOUT_MS = 1000,
    FINISH_TIMEOUT_MS = 2000,
    SLICE_MS = 50, /* how long a wait does not look whether it has to stop */
    ACK_SLICE_MS = 2,
    CHECK_AGAIN_MS = 1000, /* peer_check() and a peer that cannot be reached */
    OWED_AGAIN_MS = 10000, /* a look for files of one that has ended since */
    REFUSED_MS = 250, /* before the next connection, when TLS was refused behind the handshake */
    DISCARD_BYTES = 4096,
    DISCARD_READS_MAX = 64 /* at a time */
};

void peer_init(struct peer *peer, const struct peer_config *config)
{
    memset(peer, 0, sizeof(*peer));
    peer->config = *config;
    peer->trouble.name = output_host_name(config->host);
}

struct buffer *peer_stage(struct peer *peer)
{
    buffer_clear(&peer->staged.bytes);
    return &peer->staged.bytes;
}

static bool has_to_stop(const struct peer *peer)
{
    return !peer->is_closing && output_host_stopping(peer->config.host);
}

static int fail(struct peer *peer, int code, const char *what)
{
    const char *why = peer->tls != NULL ? tls_session_error(peer->tls) : "";
    return output_host_fail(peer->config.host, code, "%s %s: %s%s", what, peer->config.address,
                            why[0] != '\0' ? "TLS: " : "", why[0] != '\0' ? why : strerror(-code));
}

static struct peer_chunk *chunk_at(struct peer *peer, unsigned index)
{
    return &peer->chunks[(peer->first + index) % PEER_CHUNKS_MAX];
}

static void drop_first(struct peer *peer)
{
    struct peer_chunk *chunk = chunk_at(peer, 0);
    peer->kept_bytes -= chunk->bytes.size;
    buffer_fini(&chunk->bytes);
    peer->first = (peer->first + 1) % PEER_CHUNKS_MAX;
    peer->count--;
}

void peer_forget(struct peer *peer)
{
    while (peer->count > 0)
        drop_first(peer);
}

static void close_fd(struct peer *peer)
{
    if (peer->is_open)
        close(peer->fd);
    tls_session_free(peer->tls);
    peer->tls = NULL;
    peer->is_open = peer->has_notified = false;
    peer->written = 0;
}

/* Bytes that the peer's kernel has not acknowledged. */
static uint64_t unacknowledged(const struct peer *peer)
{
    int queued = 0;
    if (ioctl(peer->fd, SIOCOUTQ, &queued) != 0 || queued < 0)
        return UINT64_MAX;
    return (uint64_t)queued;
}

static bool is_too_much(const struct peer *peer)
{
    return peer->count == PEER_CHUNKS_MAX || peer->kept_bytes > PEER_KEPT_BYTES;
}

/* Lets go of the oldest chunks when there are too many or they are old, and the peer's kernel has
 * them. The others are kept, acknowledged or not: only how the connection ends tells whether
 * they were read. */
static void trim(struct peer *peer)
{
    uint64_t queued = unacknowledged(peer), now_ns = clock_mono_ns();
    uint64_t taken = queued < peer->written ? peer->written - queued : 0;
    while (
        peer->count > 0 && chunk_at(peer, 0)->end <= taken &&
        (is_too_much(peer) || now_ns - chunk_at(peer, 0)->sent_ns >= PEER_KEPT_S * CLOCK_NS_PER_S))
        drop_first(peer);
}

enum life { ALIVE, ENDED, RESET };

/* A reset that came behind the peer's end does not show when reading. */
static enum life how_ended(const struct peer *peer)
{
    int code = 0;
    socklen_t size = sizeof(code);
    getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    return code == 0 ? ENDED : RESET;
}

static int wait_for(const struct peer *peer, int fd, short events, uint64_t until_ns);

/* Says that no more comes. 0, or negative: it is not said. */
static int end_writing(struct peer *peer, uint64_t until_ns)
{
    int rc = 0;
    while (peer->tls != NULL && (rc = tls_session_finish(peer->tls)) == -EAGAIN)
        if ((rc = wait_for(peer, peer->fd, tls_session_events(peer->tls), until_ns)) != 0)
            break;
    peer->has_notified = true;
    return rc == 0 && shutdown(peer->fd, SHUT_WR) != 0 ? -errno : rc;
}

/* As recv(). A peer that has said that no more comes (0) gets the same answer, and ends the
 * connection then: only whether that is a reset tells whether it read everything. One that ends it
 * without a word (-ECONNRESET) has to know that no more comes from us. */
static ssize_t discard(struct peer *peer, char *bytes, size_t size)
{
    ssize_t got = 0;
    if (peer->tls == NULL)
        return recv(peer->fd, bytes, size, MSG_DONTWAIT);
    got = tls_session_read(peer->tls, bytes, size);
    if (got == 0 && !peer->has_notified)
        end_writing(peer, 0);
    if (got == 0 || (got == -ECONNRESET && peer->has_notified))
        return recv(peer->fd, bytes, size, MSG_DONTWAIT);
    if (got > 0)
        return got;
    errno = (int)-got;
    return -1;
}

/* Reads and discards what the peer says. */
static enum life look(struct peer *peer)
{
    char bytes[DISCARD_BYTES];
    for (unsigned i = 0; i < DISCARD_READS_MAX; i++) {
        ssize_t got = discard(peer, bytes, sizeof(bytes));
        if (got == 0)
            return how_ended(peer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? ALIVE : RESET;
    }
    return ALIVE;
}

/* The connection is over. When the peer closed it in order, with everything acknowledged, it had
 * read everything: unread bytes make the kernel reset the connection. */
static void lose(struct peer *peer, enum life life)
{
    if (life == ENDED && unacknowledged(peer) == 0)
        peer_forget(peer);
    if (life == RESET && peer->tls != NULL && tls_session_error(peer->tls)[0] != '\0') {
        trouble_say(&peer->trouble, "connection with %s: TLS: %s", peer->config.address,
                    tls_session_error(peer->tls));
        peer->next_connect_ns = clock_mono_ns() + REFUSED_MS * CLOCK_NS_PER_MS;
    }
    close_fd(peer);
}

/* ---- connecting ---- */

static void set_options(const struct peer *peer, int fd)
{
    int on = 1, period = (int)peer->config.keep_alive_period;
    /* We send whole batches: nothing to wait for. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!peer->config.keep_alive)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (period > 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &period, sizeof(period));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &period, sizeof(period));
    }
}

static int bind_local(struct peer *peer, int fd, int family)
{
    const struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list;
    int on = 1;
    if (peer->config.local_address == NULL || peer->config.local_address[0] == '\0')
        return 0;
    int rc = resolve_text(peer->config.local_address, &hints, &list);
    if (rc != 0)
        return output_host_fail(peer->config.host, -EADDRNOTAVAIL, "local_address %s: %s",
                                peer->config.local_address, gai_strerror(rc));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    rc = bind(fd, list->ai_addr, list->ai_addrlen) != 0 ? -errno : 0;
    freeaddrinfo(list);
    if (rc != 0)
        return output_host_fail(peer->config.host, rc, "local_address %s: %s",
                                peer->config.local_address, strerror(-rc));
    return 0;
}

/* Waits for `events`; 0, or -ETIMEDOUT, -ECANCELED. */
static int wait_for(const struct peer *peer, int fd, short events, uint64_t until_ns)
{
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = events};
        if (poll(&wait, 1, SLICE_MS) > 0)
            return 0;
        if (has_to_stop(peer))
            return -ECANCELED;
        if (clock_mono_ns() >= until_ns)
            return -ETIMEDOUT;
    }
}

static int shake_hands(struct peer *peer, int fd, uint64_t until_ns)
{
    int rc;
    peer->tls = tls_session_new(peer->config.tls, fd, peer->config.address);
    if (peer->tls == NULL)
        return fail(peer, -ENOMEM, "connect to");
    while ((rc = tls_session_handshake(peer->tls)) == -EAGAIN)
        if ((rc = wait_for(peer, fd, tls_session_events(peer->tls), until_ns)) != 0)
            break;
    if (rc != 0 && rc != -ECANCELED)
        fail(peer, rc, "connect to");
    peer->written = tls_session_sent(peer->tls);
    return rc;
}

static int connect_one(struct peer *peer, const struct addrinfo *to)
{
    int timeout_ms = peer->is_closing ? CLOSING_CONNECT_TIMEOUT_MS : CONNECT_TIMEOUT_MS, code = 0;
    uint64_t until_ns = clock_mono_ns() + (uint64_t)timeout_ms * CLOCK_NS_PER_MS;
    socklen_t code_size = sizeof(code);
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, to->ai_protocol);
    if (fd < 0)
        return fail(peer, -errno, "socket for");
    set_options(peer, fd);
    int rc = bind_local(peer, fd, to->ai_family);
    if (rc == 0 && connect(fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)
        rc = fail(peer, -errno, "connect to");
    else if (rc == 0)
        rc = wait_for(peer, fd, POLLOUT, until_ns);
    if (rc == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &code_size) == 0 && code != 0)
        rc = fail(peer, -code, "connect to");
    if (rc == -ETIMEDOUT)
        rc = fail(peer, rc, "connect to");
    if (rc == 0 && peer->config.tls != NULL)
        rc = shake_hands(peer, fd, until_ns);
    if (rc != 0) {
        tls_session_free(peer->tls);
        peer->tls = NULL;
        close(fd);
        return rc;
    }
    peer->fd = fd;
    peer->is_open = true;
    return 0;
}

static int connect_any(struct peer *peer)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list;
    int rc = resolve_text(peer->config.address, &hints, &list);
    if (rc != 0)
        return output_host_fail(peer->config.host, -EHOSTUNREACH, "%s: %s", peer->config.address,
                                gai_strerror(rc));
    rc = -EHOSTUNREACH;
    for (const struct addrinfo *to = list; to != NULL && rc != 0 && rc != -ECANCELED;
         to = to->ai_next)
        rc = connect_one(peer, to);
    freeaddrinfo(list);
    if (rc == 0)
        output_host_count(peer->config.host, peer->config.connects_counter, 1);
    return rc;
}

/* ---- sending ---- */

/* As send(), and a negative code; -EAGAIN: *events have to come first. */
static ssize_t write_some(struct peer *peer, const char *bytes, size_t size, short *events)
{
    ssize_t put;
    *events = POLLOUT;
    if (peer->tls != NULL) {
        put = tls_session_write(peer->tls, bytes, size);
        peer->written = tls_session_sent(peer->tls);
        *events = tls_session_events(peer->tls);
        return put;
    }
    put = send(peer->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0)
        return -errno;
    peer->written += (uint64_t)put;
    return put;
}

/* Writes all; a peer that does not read holds us here until it does, or leaves, or we have to
 * stop. */
static int write_all(struct peer *peer, const char *bytes, size_t size)
{
    short events;
    while (size > 0) {
        ssize_t put = write_some(peer, bytes, size, &events);
        if (put >= 0) {
            bytes += put;
            size -= (size_t)put;
            continue;
        }
        if (put == -EINTR)
            continue;
        if (put != -EAGAIN && put != -EWOULDBLOCK)
            return fail(peer, (int)put, "write to");
        int rc = wait_for(peer, peer->fd, (short)(events | POLLRDHUP), UINT64_MAX);
        if (rc != 0)
            return rc;
        if (look(peer) != ALIVE)
            return fail(peer, -EPIPE, "write to");
    }
    return 0;
}

static int send_chunk(struct peer *peer, struct peer_chunk *chunk)
{
    int rc = write_all(peer, chunk->bytes.data, chunk->bytes.size);
    if (rc != 0)
        lose(peer, RESET);
    chunk->end = peer->written;
    chunk->sent_ns = clock_mono_ns();
    return rc;
}

static int send_again(struct peer *peer)
{
    for (unsigned i = 0; i < peer->count; i++) {
        struct peer_chunk *chunk = chunk_at(peer, i);
        int rc = send_chunk(peer, chunk);
        if (rc != 0)
            return rc;
        output_host_count(peer->config.host, peer->config.resent_counter, chunk->messages);
    }
    return 0;
}

static void forget_files(struct peer *peer)
{
    if (peer->has_loaded)
        peer_owed_remove(peer);
    peer->has_loaded = false;
}

/* A connection that lives and owes nothing from the one before it. */
static int make_ready(struct peer *peer)
{
    if (peer->is_open) {
        enum life life = look(peer);
        if (life == ALIVE)
            return 0;
        lose(peer, life);
    }
    if (!peer->is_closing && clock_mono_ns() < peer->next_connect_ns)
        return output_host_fail(peer->config.host, -EPROTO, "%s", peer->trouble.last_text);
    int rc = connect_any(peer);
    if (rc == 0)
        rc = send_again(peer);
    if (rc == 0)
        forget_files(peer);
    return rc;
}

/* What others of this name owed when they ended. */
static void take_owed(struct peer *peer)
{
    unsigned before = peer->count;
    uint64_t now_ns = clock_mono_ns();
    if (peer->config.owed_dir == NULL || now_ns < peer->next_owed_ns)
        return;
    peer->next_owed_ns = now_ns + OWED_AGAIN_MS * CLOCK_NS_PER_MS;
    int count = peer_owed_load(peer);
    if (count < 0)
        log_error("Plugin '%s' error: %s: %s", output_host_name(peer->config.host),
                  peer->config.owed_dir, strerror(-count));
    if (count <= 0)
        return;
    peer->has_loaded = true;
    /* A connection that is not there yet begins with them. */
    int rc = peer->is_open ? 0 : -ENOTCONN;
    for (unsigned i = before; rc == 0 && i < peer->count; i++)
        rc = send_chunk(peer, chunk_at(peer, i));
    if (rc == 0)
        forget_files(peer);
}

/* Room for one more chunk. */
static int wait_for_room(struct peer *peer)
{
    trim(peer);
    while (is_too_much(peer)) {
        struct pollfd wait = {.fd = peer->fd, .events = POLLRDHUP};
        if (has_to_stop(peer))
            return -ECANCELED;
        if (poll(&wait, 1, ACK_SLICE_MS) > 0 && look(peer) != ALIVE) {
            lose(peer, RESET);
            return fail(peer, -EPIPE, "write to");
        }
        trim(peer);
    }
    return 0;
}

int peer_send(struct peer *peer, unsigned messages)
{
    int rc = make_ready(peer);
    if (rc == 0)
        rc = wait_for_room(peer);
    if (rc == 0)
        rc = send_chunk(peer, &peer->staged);
    if (rc != 0)
        return rc;
    peer->staged.messages = messages;
    *chunk_at(peer, peer->count++) = peer->staged;
    peer->kept_bytes += peer->staged.bytes.size;
    peer->staged = (struct peer_chunk){0};
    return 0;
}

void peer_check(struct peer *peer)
{
    take_owed(peer);
    if (peer->is_open) {
        enum life life = look(peer);
        if (life == ALIVE) {
            trim(peer);
            return;
        }
        lose(peer, life);
    }
    if (peer->count == 0 || clock_mono_ns() < peer->next_check_ns)
        return;
    if (make_ready(peer) != 0)
        peer->next_check_ns = clock_mono_ns() + CHECK_AGAIN_MS * CLOCK_NS_PER_MS;
}

/* ---- ending ---- */

static int finish_by(struct peer *peer, uint64_t until_ns)
{
    bool has_ended = false;
    while (clock_mono_ns() < until_ns) {
        struct pollfd wait = {.fd = peer->fd, .events = POLLIN};
        if (has_to_stop(peer))
            return -ECANCELED;
        /* An ended connection is readable all the time: then only the acknowledgement is
         * missing. */
        poll(&wait, has_ended ? 0 : 1, has_ended ? ACK_SLICE_MS : SLICE_MS);
        enum life life = look(peer);
        if (life == RESET)
            return fail(peer, -ECONNRESET, "close");
        has_ended = life == ENDED;
        if (has_ended && unacknowledged(peer) == 0)
            return 0;
    }
    return unacknowledged(peer) == 0 ? 1 : fail(peer, -ETIMEDOUT, "close");
}

/* peer_finish() without letting go of anything but what is known to be read. */
static int finish(struct peer *peer, uint64_t timeout_ns)
{
    if (!peer->is_open)
        return peer->count == 0 ? 0 : -ENOTCONN;
    uint64_t until_ns = clock_mono_ns() + timeout_ns;
    int rc = end_writing(peer, until_ns);
    if (rc == 0)
        rc = finish_by(peer, until_ns);
    else if (rc != -ECANCELED)
        fail(peer, rc, "close");
    if (rc == 0)
        peer_forget(peer);
    close_fd(peer);
    return rc;
}

int peer_finish(struct peer *peer, uint64_t timeout_ns)
{
    int rc = finish(peer, timeout_ns);
    if (rc == 1)
        peer_forget(peer);
    return rc;
}

/* It cannot be sent any more: what was loaded from files is in there, too. */
static void save_owed(struct peer *peer)
{
    unsigned long long messages = 0;
    int rc = -ENOENT;
    for (unsigned i = 0; i < peer->count; i++)
        messages += chunk_at(peer, i)->messages;
    if (peer->count == 0)
        return;
    if (peer->config.owed_dir != NULL)
        rc = peer_owed_save(peer);
    if (rc == 0) {
        forget_files(peer);
        log_info("Plugin '%s': the last %llu messages, which %s may not have read, are in %s",
                 output_host_name(peer->config.host), messages, peer->config.address,
                 peer->config.owed_dir);
        return;
    }
    log_error("Plugin '%s' error: whether %s has read the last %llu messages is not known%s%s",
              output_host_name(peer->config.host), peer->config.address, messages,
              peer->config.owed_dir != NULL ? ", and they cannot be kept: " : "",
              peer->config.owed_dir != NULL ? strerror(-rc) : "");
}

void peer_fini(struct peer *peer)
{
    peer->is_closing = true;
    for (unsigned tries = 0; tries < 2 && (peer->is_open || peer->count > 0); tries++) {
        if (!peer->is_open && make_ready(peer) != 0)
            break;
        if (finish(peer, FINISH_TIMEOUT_MS * CLOCK_NS_PER_MS) >= 0)
            break;
    }
    close_fd(peer);
    save_owed(peer);
    peer_forget(peer);
    buffer_fini(&peer->staged.bytes);
}
