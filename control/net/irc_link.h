/* SPDX-License-Identifier: MPL-2.0
 *
 * irc_link.h - a connection to an IRC server: registration, PING, lines in and out.
 *
 * Place:   outputs/irc_output.c.
 * Threads: the output's. Only irc_link_open() waits, and no longer than the timeout or until the
 *          output has to stop.
 * Memory:  two buffers of at most IRC_OUT_MAX bytes.
 * Failure: negative errno, with a text by output_host_fail(); the link is closed then. A line that
 *          is longer than IRC_LINE_MAX is cut.
 * Source:  RFC 1459, RFC 2812.
 */
#ifndef CONTROL_IRC_LINK_H
#define CONTROL_IRC_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "control/plugins/output.h"
#include "control/net/tls.h"
#include "core/buffer.h"

enum { IRC_LINE_MAX = 8704, IRC_OUT_MAX = 65536, IRC_ARGS_MAX = 15, IRC_NICK_SIZE = 64 };

struct irc_line {       /* one of the server's; texts end with the event */
    const char *prefix; /* "" when there is none */
    const char *command;
    const char *args[IRC_ARGS_MAX];
    unsigned count;
};

struct irc_link_config {                          /* borrowed */
    const char *server, *nick, *ident, *password; /* password may be NULL */
    unsigned timeout_s;
    bool is_verbose;
    struct tls_context *tls; /* NULL: none */
    struct output_host *host;
    void (*event)(void *arg, const struct irc_line *line);
    void *arg;
};

struct irc_link { /* zeroed is fine for irc_link_close() */
    struct irc_link_config config;
    bool is_open;
    bool is_registered; /* the server has said welcome */
    int fd;
    struct tls_session *tls;
    char nick[IRC_NICK_SIZE]; /* as the server has it */
    struct buffer in, out;
};

void irc_link_init(struct irc_link *link, const struct irc_link_config *config);

/* Connects and registers; the welcome comes by irc_link_turn(). */
int irc_link_open(struct irc_link *link);
/* Sends what waits and reads what there is; calls config.event for each line. */
int irc_link_turn(struct irc_link *link);
/* One line without its end; it is cut at a NUL, CR or LF, and at 510 bytes. */
int irc_link_send(struct irc_link *link, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* QUIT, then waits until all is sent, at most `timeout_ms`. */
void irc_link_quit(struct irc_link *link, unsigned timeout_ms);
void irc_link_close(struct irc_link *link);
/* Frees the buffers, too. */
void irc_link_fini(struct irc_link *link);

/* Splits a line in place; false for an empty one. */
bool irc_line_parse(char *text, struct irc_line *line);
/* Our nick's line? */
bool irc_link_is_ours(const struct irc_link *link, const char *prefix_or_nick);

#endif
