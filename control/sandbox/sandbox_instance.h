/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_instance.h - one plugin in a worker: its channel, its script, its turns.
 *
 * Place:   sandbox_worker.c has up to SANDBOX_WORKER_INSTANCES_MAX of them.
 * Threads: [engine], all of it; `sandbox` is looked at by the watchdog, under the worker's lock.
 * Memory:  the channel's, and the engine's within its limits.
 * Failure: a script that fails to load or is terminated leaves a text in the channel; a channel
 *          that makes no sense ends the instance in the same way.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_INSTANCE_H
#define CONTROL_SANDBOX_SANDBOX_INSTANCE_H

#include "control/sandbox/sandbox_channel.h"

enum { SANDBOX_TURN_REQUESTS_MAX = 64 };

struct sandbox_instance {
    struct sandbox_channel channel;
    struct sandbox *sandbox; /* NULL: not loaded */
    bool is_over;            /* failed or terminated: it has no more turns */
    enum sandbox_type type;
    uint64_t message_max, loops_max, replies_need, reply_max;
    uint32_t request;  /* number of the one that is processed */
    uint16_t hops;     /* of the message that was processed last */
    bool has_replied;  /* or done something, since hekad's bell was rung last */
    uint64_t turns_ns; /* of all turns together */
};

/* Maps the channel; takes `fd`. 0 or negative errno. */
int sandbox_instance_open(struct sandbox_instance *instance, int take_fd);
/* Runs the script's top level and says how that went in the channel. */
void sandbox_instance_load(struct sandbox_instance *instance);
/* Up to SANDBOX_TURN_REQUESTS_MAX requests. Returns how many. */
unsigned sandbox_instance_turn(struct sandbox_instance *instance);
/* Ends the engine's part; the channel stays. */
struct sandbox *sandbox_instance_take_engine(struct sandbox_instance *instance);
/* Says GONE, and unmaps. */
void sandbox_instance_close(struct sandbox_instance *instance);

#endif
