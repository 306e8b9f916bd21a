/* SPDX-License-Identifier: MPL-2.0
 *
 * log_output.c - LogOutput: encoded messages as log lines on stdout.
 *
 * Place:   builtin_outputs.
 * Failure: a stdout that is closed ends messages as "write_failed"; one that nobody reads holds
 *          them back.
 * Source:  Heka 0.11 LogOutput: log prefix by log_flags, newline added when missing.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "control/outputs/outputs.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    PREFIX_SIZE = 64,
    PIECE_BYTES = 4096, /* what a pipe takes at once without blocking when it is writable */
    SLICE_MS = 50
};

struct log_state {
    struct output_host *host;
    struct buffer line;
    size_t written; /* of the first item's line, when stdout took only a part */
};

static const struct schema_key keys[] = {{0}};
static const struct schema schema = {"LogOutput", keys};

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct log_state *log = state;
    (void)config;
    (void)err;
    log->host = host;
    return 0;
}

static int make_line(struct log_state *log, const struct output_item *item)
{
    char prefix[PREFIX_SIZE];
    size_t prefix_len =
        log_prefix(prefix, sizeof(prefix), output_host_log_flags(log->host), clock_wall_ns());
    buffer_clear(&log->line);
    int rc = buffer_append(&log->line, prefix, prefix_len);
    if (rc == 0)
        rc = buffer_append(&log->line, item->bytes, item->size);
    if (rc == 0 && (item->size == 0 || item->bytes[item->size - 1] != '\n'))
        rc = buffer_append(&log->line, "\n", 1);
    return rc;
}

/* 0, -ECANCELED when it has to stop first, or another negative errno. */
static int write_line(struct log_state *log)
{
    while (log->written < log->line.size) {
        struct pollfd wait = {.fd = STDOUT_FILENO, .events = POLLOUT};
        size_t left = log->line.size - log->written;
        if (poll(&wait, 1, SLICE_MS) <= 0) {
            if (output_host_stopping(log->host))
                return -ECANCELED;
            continue;
        }
        ssize_t put = write(STDOUT_FILENO, log->line.data + log->written,
                            left < PIECE_BYTES ? left : PIECE_BYTES);
        if (put < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        if (put > 0)
            log->written += (size_t)put;
    }
    return 0;
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct log_state *log = state;
    for (unsigned i = 0; i < count; i++) {
        int rc = log->written > 0 ? 0 : make_line(log, &items[i]);
        if (rc == 0)
            rc = write_line(log);
        if (rc == -ECANCELED)
            return (int)i;
        if (rc != 0)
            output_host_drop(log->host, "write_failed");
        log->written = 0;
    }
    return (int)count;
}

static void fini(void *state)
{
    struct log_state *log = state;
    buffer_fini(&log->line);
}

const struct output_ops log_output = {
    .plugin = {PLUGIN_ABI, "LogOutput", &schema, 0, sizeof(struct log_state)},
    .encoder_required = true,
    .takes_encoder = true,
    .init = init,
    .deliver = deliver,
    .fini = fini,
};
