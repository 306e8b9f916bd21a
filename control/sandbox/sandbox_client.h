/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_client.h - one sandboxed plugin as hekad sees it: what goes in, what comes out, and what
 *                    became of it.
 *
 * Place:   the sandboxed plugin types (filters/sandbox_filter.c). Workers: sandbox_pool.h.
 * Threads: new [main]; everything else [owner], the plugin's one thread; figures [any].
 * Memory:  a channel; requests that are under way are remembered, SANDBOX_REQUESTS_MAX of them.
 * Failure: a plugin that ends (its script, its worker, or replies that make no sense) has a text,
 *          and everything that was under way with it comes back as not done. When its worker died
 *          by somebody else, the next one gets the state of the last checkpoint and all requests
 *          since; what the script makes of them again is passed over.
 *
 * How to use it: sandbox_client_send() until it says -EAGAIN or there is nothing more to send;
 * sandbox_client_serve() takes replies and calls back; when nothing else is to be done
 * sandbox_client_wait(). Call serve() now and then in any case: it is what notices a new worker.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_CLIENT_H
#define CONTROL_SANDBOX_SANDBOX_CLIENT_H

#include "control/sandbox/sandbox_channel.h"
#include "control/sandbox/sandbox_pool.h"
#include "core/err.h"

struct conf_node;

enum { SANDBOX_REQUESTS_MAX = 8192 };

struct sandbox_client_config {
    struct sandbox_pool *pool;
    enum sandbox_class class;
    enum sandbox_type type;
    const char *name, *hostname;
    const char *filename;         /* path of the script */
    const char *module_directory; /* folders, ';' between them; may be NULL */
    struct sandbox_limits limits;
    const struct conf_node *config; /* [X.config], or NULL */
    uint64_t message_max, loops_max;
    bool is_parse_only;   /* the script is read, and nothing of it runs */
    bool has_checkpoints; /* the owner takes them when they are due; requests are kept until then */
    bool must_preserve;   /* however long that takes; else one takes at most a tenth of the time */
    const void *state;    /* to begin with; NULL: none */
    size_t state_size;
};

struct sandbox_client_ops { /* from sandbox_client_serve(), in the owner's thread */
    void *arg;
    /* A message that the script made, caused by one with `hops`; a private copy, not checked. */
    void (*inject)(void *arg, const void *message, size_t size, uint16_t hops);
    /* The script said no to a message, with a text, perhaps "". */
    void (*failed)(void *arg, const char *text);
    void (*output)(void *arg, int outcome, const void *bytes, size_t size); /* may be NULL */
    void (*log)(void *arg, const char *text);                                /* may be NULL */
    /* A checkpoint: the script's state, or why there is none. May be NULL. */
    void (*preserved)(void *arg, const void *state, size_t size, const char *error);
};

struct sandbox_client;

/* Loads the script in a worker, and waits for it. NULL after adding to `err`. */
struct sandbox_client *sandbox_client_new(const struct sandbox_client_config *config,
                                          const struct sandbox_client_ops *ops, struct err *err);
/* NULL is fine. */
void sandbox_client_free(struct sandbox_client *client);

/* 0; -EAGAIN when there is no room: serve, wait; -EPIPE when the plugin has ended. The worker is
 * told by sandbox_client_serve() or _wait(). */
int sandbox_client_send_message(struct sandbox_client *client, const void *message, size_t size,
                                uint16_t hops);
int sandbox_client_send_timer(struct sandbox_client *client, int64_t ns);

/* Sets the script's globals, after what was sent before. */
int sandbox_client_send_state(struct sandbox_client *client, const void *state, size_t size);

/* True when something was sent since the last checkpoint and the next one is due. */
bool sandbox_client_is_checkpoint_due(const struct sandbox_client *client, uint64_t now_ns);
/* Takes one, of what was sent before. The requests since the last one are not kept any more when it
 * is done. */
int sandbox_client_send_checkpoint(struct sandbox_client *client, uint64_t now_ns);

/* Takes what there is. Returns how many messages were done, also those that failed. */
unsigned sandbox_client_serve(struct sandbox_client *client);
/* Until there may be something to take, at most timeout_ns. */
void sandbox_client_wait(struct sandbox_client *client, uint64_t timeout_ns);

/* Messages that were sent and are not done. When the plugin has ended: 0, and how many of them were
 * never done is what the function answers then, once. */
unsigned sandbox_client_pending(const struct sandbox_client *client);
/* Requests of any kind. */
bool sandbox_client_is_idle(const struct sandbox_client *client);
unsigned sandbox_client_give_up(struct sandbox_client *client);

bool sandbox_client_has_ended(const struct sandbox_client *client);
const char *sandbox_client_text(const struct sandbox_client *client); /* why */
/* SANDBOX_CLASS_INPUT: ends the call that is under way, and those to come; or does so no more. */
void sandbox_client_stop_call(struct sandbox_client *client, bool is_stopping);
/* Ends it for a reason of the host's. */
void sandbox_client_end(struct sandbox_client *client, const char *text);

/* ---- [any] ---- */
uint64_t sandbox_client_figure(const struct sandbox_client *client, enum sandbox_figure figure);
pid_t sandbox_client_pid(struct sandbox_client *client); /* of its worker */
uint32_t sandbox_client_restarts(const struct sandbox_client *client);

#endif
