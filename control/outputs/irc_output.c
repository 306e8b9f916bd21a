/* SPDX-License-Identifier: MPL-2.0
 *
 * irc_output.c - IrcOutput: encoded messages to IRC channels, slowly enough for their servers.
 *
 * Place:   builtin_outputs. The connection: control/net/irc_link.h.
 * Memory:  a backlog of queue_size messages for each channel.
 * Failure: without a server, and while a channel is being joined, messages wait in their lanes.
 *          What is for a channel that is full for now waits in its backlog; beyond that it is
 *          dropped for this channel and counted. A channel that cannot be joined is left out. When
 *          that is all of them, or the server bans us, the output ends, and begins again as
 *          [retries] says.
 * Source:  Heka 0.11 IrcOutput. Unlike there a kick counts only when it is ours, no line break of a
 *          message becomes a command, and nothing is lost while there is no server.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/net/irc_link.h"
#include "control/outputs/outputs.h"
#include "control/trouble.h"
#include "core/address.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    CHANNELS_MAX = 64,
    CHANNEL_SIZE = 64,
    PIECE_LEN_MAX = 400, /* of 512, with "PRIVMSG" and what the server puts in front */
    WAIT_MS = 500,       /* in one call of deliver() */
    SLICE_MS = 20,
    QUIT_MS = 1000
};

enum { CONNECTIONS, LINES, JOINS, BACKLOGGED, BACKLOG_FULL, BACKLOG_LOST };
static const struct output_counter counters[] = {
    [CONNECTIONS] = {"connections", "connections made"},
    [LINES] = {"lines", "lines sent to channels"},
    [JOINS] = {"joins", "channels joined"},
    [BACKLOGGED] = {"backlogged", "messages that waited for a channel that was full"},
    [BACKLOG_FULL] = {"backlog_full", "messages dropped for a channel: its backlog was full"},
    [BACKLOG_LOST] = {"backlog_lost", "messages of a backlog that were not sent before the end"},
    {NULL, NULL},
};

struct irc_options {
    const char *server, *nick, *ident, *password;
    struct schema_list channels;
    int64_t timeout, queue_size, time_before_reconnect, time_before_rejoin, max_join_retries;
    bool use_tls, rejoin_on_kick, verbose_irc_logging;
    struct tls_options tls;
};

#define IRC(member) .key = #member, .offset = offsetof(struct irc_options, member)
static const struct schema_key keys[] = {
    {IRC(server), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .help = "HOST:PORT."},
    {IRC(nick), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "Nick; with \"_\" behind it when it is taken."},
    {IRC(ident), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .help = "User name."},
    {IRC(password), .type = SCHEMA_STRING, .help = "Password of the server."},
    {IRC(channels), .type = SCHEMA_STRINGS, .flags = SCHEMA_REQUIRED,
     .help = "\"#name\" or \"#name key\"; each message goes to all of them."},
    {IRC(timeout), .type = SCHEMA_INT, .min = 1, .max = 3600, .def = "10", .unit = "s",
     .help = "For connecting, registering and joining."},
    {IRC(use_tls), .type = SCHEMA_BOOL, .def = "false", .help = "TLS, see [X.tls]."},
    {IRC(tls), .type = SCHEMA_TABLE, .sub = &tls_schema, .help = "Only with use_tls."},
    {IRC(queue_size), .type = SCHEMA_INT, .min = 1, .max = 65536, .def = "100",
     .help = "Messages that wait for a channel that is full."},
    {IRC(rejoin_on_kick), .type = SCHEMA_BOOL, .def = "false",
     .help = "Whether a channel that kicked us is joined again."},
    {IRC(time_before_reconnect), .type = SCHEMA_INT, .min = 0, .max = 86400, .def = "3",
     .unit = "s", .help = "Pause after the connection has ended."},
    {IRC(time_before_rejoin), .type = SCHEMA_INT, .min = 0, .max = 86400, .def = "3", .unit = "s",
     .help = "Pause before a channel that was full is joined again."},
    {IRC(max_join_retries), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "3",
     .help = "How often that is tried."},
    {IRC(verbose_irc_logging), .type = SCHEMA_BOOL, .def = "false",
     .help = "Log all lines of the protocol."},
    {0},
};
static const struct schema schema = {"IrcOutput", keys};

enum join_state { NOT_JOINED, JOINING, JOINED, CANNOT_JOIN };

struct channel {
    const char *option; /* with its key */
    char name[CHANNEL_SIZE];
    enum join_state state;
    uint64_t join_at_ns; /* NOT_JOINED: when it is tried again; 0: it is not */
    uint64_t joining_until_ns;
    int64_t retries;
    char **backlog; /* ring of queue_size texts */
    unsigned first, count;
    size_t backlog_at; /* how much of the first one is sent */
};

struct irc_state {
    const struct irc_options *options;
    struct output_host *host;
    struct tls_context *tls;
    struct irc_link link;
    struct trouble trouble;
    struct channel channels[CHANNELS_MAX];
    unsigned channel_count;
    bool was_connected, gives_up;
    uint64_t next_connect_ns, register_until_ns, next_send_ns;
    /* The message in work: */
    unsigned channel; /* of which it is the turn */
    size_t at;        /* how much of it this channel has */
};

/* ---- options ---- */

static bool is_word(const char *text)
{
    return text != NULL && text[0] != '\0' && text[strcspn(text, " \r\n")] == '\0';
}

static int check_channels(const struct schema_list *list, struct err *err)
{
    const char *const *names = list->items;
    int rc = 0;
    if (list->count == 0)
        return err_add(err, "channels: Need at least 1 channel to join.");
    if (list->count > CHANNELS_MAX)
        return err_add(err, "channels: found %zu, allowed 1 to %d", list->count, CHANNELS_MAX);
    for (size_t i = 0; i < list->count; i++) {
        size_t len = strcspn(names[i], " ");
        if (len == 0 || len >= CHANNEL_SIZE || strpbrk(names[i], "\r\n,") != NULL)
            rc = err_add(err, "channels: found '%s', allowed \"#name\" or \"#name key\"", names[i]);
    }
    return rc;
}

static int check(const void *config, struct err *err)
{
    const struct irc_options *options = config;
    int rc = 0;
    if (options->server == NULL || options->nick == NULL || options->ident == NULL)
        return -1; /* said so already */
    if (options->server[0] == '\0')
        rc = err_add(err, "server: Irc server cannot be blank.");
    else
        rc = address_check("server", options->server, err);
    if (!is_word(options->nick) || strlen(options->nick) >= IRC_NICK_SIZE / 2)
        rc = err_add(err, "nick: found '%s': Nick or Ident cannot be blank, or have blanks",
                     options->nick);
    if (!is_word(options->ident))
        rc = err_add(err, "ident: found '%s': Nick or Ident cannot be blank, or have blanks",
                     options->ident);
    if (options->use_tls && tls_check(&options->tls, TLS_CLIENT, err) != 0)
        rc = -1;
    return check_channels(&options->channels, err) | rc;
}

static void event(void *arg, const struct irc_line *line);

static int init_channels(struct irc_state *irc)
{
    const char *const *names = irc->options->channels.items;
    for (size_t i = 0; i < irc->options->channels.count; i++) {
        struct channel *channel = &irc->channels[irc->channel_count++];
        channel->option = names[i];
        memcpy(channel->name, names[i], strcspn(names[i], " "));
        channel->backlog = calloc((size_t)irc->options->queue_size, sizeof(char *));
        if (channel->backlog == NULL)
            return -1;
    }
    return 0;
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct irc_state *irc = state;
    const struct irc_options *options = config;
    irc->options = options;
    irc->host = host;
    irc->trouble.name = output_host_name(host);
    if (options->use_tls && tls_context_new(&options->tls, TLS_CLIENT, &irc->tls, err) != 0)
        return -1;
    irc_link_init(&irc->link, &(struct irc_link_config){
                                  .server = options->server,
                                  .nick = options->nick,
                                  .ident = options->ident,
                                  .password = options->password,
                                  .timeout_s = (unsigned)options->timeout,
                                  .is_verbose = options->verbose_irc_logging,
                                  .tls = irc->tls,
                                  .host = host,
                                  .event = event,
                                  .arg = irc,
                              });
    return init_channels(irc) == 0 ? 0
                                   : err_add(err, "'%s': out of memory", output_host_name(host));
}

/* ---- joining ---- */

static struct channel *find_channel(struct irc_state *irc, const struct irc_line *line,
                                    unsigned arg)
{
    for (unsigned i = 0; arg < line->count && i < irc->channel_count; i++)
        if (strcasecmp(irc->channels[i].name, line->args[arg]) == 0)
            return &irc->channels[i];
    return NULL;
}

static void join(struct irc_state *irc, struct channel *channel)
{
    channel->state = JOINING;
    channel->join_at_ns = 0;
    channel->joining_until_ns = clock_mono_ns() + (uint64_t)irc->options->timeout * CLOCK_NS_PER_S;
    irc_link_send(&irc->link, "JOIN %s", channel->option);
}

static void give_up(struct irc_state *irc, const char *why)
{
    irc->gives_up = true;
    output_host_end(irc->host, -EPERM, "%s Exiting plugin.", why);
}

static void cannot_join(struct irc_state *irc, struct channel *channel, const char *reason)
{
    log_error("Plugin '%s' error: An error occurred joining channel: %s. Reason: %s",
              output_host_name(irc->host), channel->name, reason);
    channel->state = CANNOT_JOIN;
    for (unsigned i = 0; i < irc->channel_count; i++)
        if (irc->channels[i].state != CANNOT_JOIN)
            return;
    give_up(irc, "No joinable channels.");
}

static void is_full(struct irc_state *irc, struct channel *channel, const char *reason)
{
    const struct irc_options *options = irc->options;
    if (channel->retries >= options->max_join_retries) {
        cannot_join(irc, channel, "Used up retry attempts.");
        return;
    }
    channel->retries++;
    channel->state = NOT_JOINED;
    channel->join_at_ns = clock_mono_ns() + (uint64_t)options->time_before_rejoin * CLOCK_NS_PER_S;
    log_error("Plugin '%s' error: An error occurred joining channel: %s. Reason: %s. Retrying in "
              "%lld seconds.",
              output_host_name(irc->host), channel->name, reason,
              (long long)options->time_before_rejoin);
}

static void was_kicked(struct irc_state *irc, struct channel *channel)
{
    if (irc->options->rejoin_on_kick)
        join(irc, channel);
    else
        cannot_join(irc, channel, "We were kicked.");
}

static void on_join_failure(struct irc_state *irc, const struct irc_line *line)
{
    static const char *const finals[] = {"403", "473", "474", "475"};
    struct channel *channel = find_channel(irc, line, 1);
    const char *reason = line->count > 2 ? line->args[2] : "";
    if (channel == NULL)
        return;
    if (strcmp(line->command, "471") == 0)
        is_full(irc, channel, reason);
    for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++)
        if (strcmp(line->command, finals[i]) == 0)
            cannot_join(irc, channel, reason);
}

static void on_welcome(struct irc_state *irc)
{
    if (irc->was_connected)
        log_info("Plugin '%s': Reconnected to Irc!", output_host_name(irc->host));
    irc->was_connected = true;
    for (unsigned i = 0; i < irc->channel_count; i++) {
        irc->channels[i].retries = 0;
        join(irc, &irc->channels[i]);
    }
}

static void on_joined(struct irc_state *irc, struct channel *channel)
{
    if (channel == NULL || channel->state == JOINED)
        return;
    channel->state = JOINED;
    channel->retries = 0;
    output_host_count(irc->host, JOINS, 1);
}

static void event(void *arg, const struct irc_line *line)
{
    struct irc_state *irc = arg;
    struct channel *channel;
    if (strcmp(line->command, "001") == 0) {
        on_welcome(irc);
    } else if (strcmp(line->command, "366") == 0) { /* the end of the list of names */
        on_joined(irc, find_channel(irc, line, 1));
    } else if (strcmp(line->command, "465") == 0) {
        give_up(irc, "Banned from irc server.");
    } else if (strcasecmp(line->command, "KICK") == 0) {
        channel = find_channel(irc, line, 0);
        if (channel != NULL && line->count > 1 && irc_link_is_ours(&irc->link, line->args[1]))
            was_kicked(irc, channel);
    } else if (strcasecmp(line->command, "PART") == 0) {
        channel = find_channel(irc, line, 0);
        if (channel != NULL && irc_link_is_ours(&irc->link, line->prefix))
            is_full(irc, channel, "We were made to leave");
    } else {
        on_join_failure(irc, line);
    }
}

/* ---- the connection ---- */

static void has_ended(struct irc_state *irc)
{
    uint64_t pause_s = (uint64_t)irc->options->time_before_reconnect;
    irc_link_close(&irc->link);
    for (unsigned i = 0; i < irc->channel_count; i++)
        irc->channels[i].state = NOT_JOINED;
    irc->next_connect_ns = clock_mono_ns() + pause_s * CLOCK_NS_PER_S;
    log_info("Plugin '%s': Disconnected from Irc. Retrying to connect in %llu seconds..",
             output_host_name(irc->host), (unsigned long long)pause_s);
}

static int connect_when_due(struct irc_state *irc)
{
    uint64_t now_ns = clock_mono_ns();
    if (now_ns < irc->next_connect_ns)
        return 0;
    irc->next_connect_ns = now_ns + (uint64_t)irc->options->time_before_reconnect * CLOCK_NS_PER_S;
    int rc = irc_link_open(&irc->link);
    if (rc != 0)
        return rc;
    irc->register_until_ns = now_ns + 2 * (uint64_t)irc->options->timeout * CLOCK_NS_PER_S;
    output_host_count(irc->host, CONNECTIONS, 1);
    return 0;
}

static void look_after_channels(struct irc_state *irc, uint64_t now_ns)
{
    for (unsigned i = 0; i < irc->channel_count; i++) {
        struct channel *channel = &irc->channels[i];
        if (channel->state == NOT_JOINED && channel->join_at_ns != 0 &&
            now_ns >= channel->join_at_ns)
            join(irc, channel);
        else if (channel->state == JOINING && now_ns >= channel->joining_until_ns)
            is_full(irc, channel, "The server does not answer");
    }
}

/* Everything but messages. Negative: there is no server. */
static int turn(struct irc_state *irc)
{
    if (!irc->link.is_open)
        return connect_when_due(irc);
    int rc = irc_link_turn(&irc->link);
    if (rc == 0 && !irc->link.is_registered && clock_mono_ns() >= irc->register_until_ns)
        rc = output_host_fail(irc->host, -ETIMEDOUT,
                              "irc server %s: it does not register us within %lld s",
                              irc->options->server, (long long)irc->options->timeout);
    if (rc == 0 && irc->link.is_registered)
        look_after_channels(irc, clock_mono_ns());
    if (irc->gives_up)
        return -EPERM;
    if (rc != 0 || !irc->link.is_open)
        has_ended(irc);
    return rc;
}

/* ---- messages ---- */

/* The next line of a text from `*at` on, at most PIECE_LEN_MAX bytes of whole characters. */
static bool next_piece(const char *text, size_t size, size_t *at, struct msg_slice *piece)
{
    while (*at < size && (text[*at] == '\n' || text[*at] == '\r' || text[*at] == '\0'))
        (*at)++;
    size_t start = *at, end = start;
    while (end < size && end - start < PIECE_LEN_MAX && text[end] != '\n' && text[end] != '\r' &&
           text[end] != '\0')
        end++;
    if (end < size && end - start == PIECE_LEN_MAX)
        for (unsigned i = 0; i < 3 && end > start + 1 && ((uint8_t)text[end] & 0xC0) == 0x80; i++)
            end--;
    *piece = (struct msg_slice){text + start, (uint32_t)(end - start)};
    *at = end;
    return end > start;
}

static bool may_send(const struct irc_state *irc)
{
    return irc->link.is_registered && clock_mono_ns() >= irc->next_send_ns;
}

static bool send_piece(struct irc_state *irc, const struct channel *channel, struct msg_slice piece)
{
    irc->next_send_ns = clock_mono_ns() + output_host_ticker_s(irc->host) * CLOCK_NS_PER_S;
    if (irc_link_send(&irc->link, "PRIVMSG %s :%.*s", channel->name, (int)piece.len, piece.ptr) !=
        0)
        return false;
    output_host_count(irc->host, LINES, 1);
    return true;
}

static void drop_first(const struct irc_state *irc, struct channel *channel)
{
    free(channel->backlog[channel->first]);
    channel->first = (channel->first + 1) % (unsigned)irc->options->queue_size;
    channel->count--;
    channel->backlog_at = 0;
}

static void keep_for_later(struct irc_state *irc, struct channel *channel, const char *text,
                           size_t size)
{
    unsigned size_max = (unsigned)irc->options->queue_size;
    char *copy = channel->count < size_max ? strndup(text, size) : NULL;
    if (copy == NULL) {
        output_host_count(irc->host, BACKLOG_FULL, 1);
        if (channel->count == size_max)
            trouble_say(&irc->trouble, "Dropped message. BacklogQueue is full. Channel: %s.",
                        channel->name);
        return;
    }
    channel->backlog[(channel->first + channel->count++) % size_max] = copy;
    output_host_count(irc->host, BACKLOGGED, 1);
}

/* One line of a backlog, if there is a channel for it. */
static bool send_from_backlog(struct irc_state *irc)
{
    struct msg_slice piece;
    for (unsigned i = 0; i < irc->channel_count; i++) {
        struct channel *channel = &irc->channels[i];
        while (channel->state == JOINED && channel->count > 0) {
            const char *text = channel->backlog[channel->first];
            size_t at = channel->backlog_at;
            if (!next_piece(text, strlen(text), &at, &piece)) {
                drop_first(irc, channel);
                continue;
            }
            if (!send_piece(irc, channel, piece))
                return false;
            channel->backlog_at = at;
            return true;
        }
    }
    return false;
}

/* Goes on with the message; true when all channels have it. */
static bool advance(struct irc_state *irc, const struct output_item *item)
{
    while (irc->link.is_registered && irc->channel < irc->channel_count) {
        struct channel *channel = &irc->channels[irc->channel];
        struct msg_slice piece;
        size_t at = irc->at;
        if (channel->state == JOINING)
            return false;
        if (channel->state == JOINED && next_piece(item->bytes, item->size, &at, &piece)) {
            if (!may_send(irc) || !send_piece(irc, channel, piece))
                return false;
            irc->at = at;
            continue;
        }
        if (channel->state == NOT_JOINED)
            keep_for_later(irc, channel, item->bytes + irc->at, item->size - irc->at);
        irc->channel++;
        irc->at = 0;
    }
    return irc->link.is_registered && irc->channel == irc->channel_count;
}

/* Waits for one message, but not for long: it may come again. */
static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct irc_state *irc = state;
    uint64_t until_ns = clock_mono_ns() + WAIT_MS * CLOCK_NS_PER_MS;
    unsigned done = 0;
    while (done < count && !output_host_stopping(irc->host) && clock_mono_ns() < until_ns) {
        int rc = turn(irc);
        if (rc != 0)
            return done > 0 ? (int)done : rc == -ECANCELED ? 0 : rc;
        if (advance(irc, &items[done])) {
            irc->channel = 0;
            irc->at = 0;
            done++;
        } else {
            output_host_sleep(irc->host, SLICE_MS * CLOCK_NS_PER_MS);
        }
    }
    return (int)done;
}

static void timer(void *state, uint64_t now_ns)
{
    struct irc_state *irc = state;
    (void)now_ns;
    if (output_host_stopping(irc->host))
        return;
    int rc = turn(irc);
    if (rc == 0 && irc->channel == 0 && irc->at == 0 && may_send(irc))
        send_from_backlog(irc);
}

static void free_channels(struct irc_state *irc)
{
    unsigned lost = 0;
    for (unsigned i = 0; i < irc->channel_count; i++) {
        struct channel *channel = &irc->channels[i];
        lost += channel->count;
        while (channel->count > 0)
            drop_first(irc, channel);
        free(channel->backlog);
    }
    irc->channel_count = 0;
    if (lost == 0)
        return;
    output_host_count(irc->host, BACKLOG_LOST, lost);
    log_error("Plugin '%s' error: %u messages for channels that are full are lost",
              output_host_name(irc->host), lost);
}

static void fini(void *state)
{
    struct irc_state *irc = state;
    if (irc->link.is_registered) {
        while (send_from_backlog(irc))
            continue;
        irc_link_quit(&irc->link, QUIT_MS);
    }
    free_channels(irc);
    irc_link_fini(&irc->link);
    tls_context_free(irc->tls);
    irc->tls = NULL;
}

const struct output_ops irc_output = {
    .plugin = {PLUGIN_ABI, "IrcOutput", &schema, sizeof(struct irc_options),
               sizeof(struct irc_state)},
    .encoder_required = true,
    .takes_encoder = true,
    .default_ticker_s = 2,
    .restarts = true,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .timer = timer,
    .fini = fini,
};
