/* SPDX-License-Identifier: MPL-2.0
 *
 * input_host.h - one input at work in hekad: its thread, its producer, its counters.
 *
 * Place:   daemon.c makes one for each input that instances.c placed in hekad (is_kernel); status.c
 *          asks it.
 * Threads: the functions here are for [main]; the input's own thread is the only one that uses the
 *          producer between start and has_ended.
 * Memory:  the producer, its lane and the instance are the caller's and outlive the host.
 * Failure: input_host_new() opens sockets, and says why it cannot. Two hosts may listen on the same
 *          address (control/inputs/listen_socket.h): in a reload the new one is made first, then
 *          the old one is stopped and freed, then the new one started; nothing that arrives
 *          meanwhile is lost.
 */
#ifndef CONTROL_INPUT_HOST_H
#define CONTROL_INPUT_HOST_H

#include "control/plugins/input.h"
#include "control/plugins/instances.h"

struct producer;
struct stat_accums;

struct input_host_config {
    const struct input_instance *instance;
    const struct hekad_globals *globals;
    struct producer *producer;  /* has a plan before input_host_start() */
    struct stat_accums *accums; /* hekad's; they outlive all hosts */
    struct dynamic *dynamic;    /* hekad's, as well */
};

struct input_status {
    const char *name, *type;
    bool has_ended;
    const struct input_counter *counters; /* names, ended by NULL; may be NULL */
    uint64_t counter_values[INPUT_COUNTERS_MAX];
};

/* NULL after adding to `err`: the input did not start. */
struct input_host *input_host_new(const struct input_host_config *config, struct err *err);
int input_host_start(struct input_host *host);
/* Makes the thread end as soon as what it has taken is passed on; then input_host_has_ended(). One
 * that waits for room in its lane goes on waiting until there is some, or producer_stop(). Inputs
 * of which input_host_ends_last() is true are to be stopped when all others have ended. */
void input_host_stop(struct input_host *host);
bool input_host_has_ended(const struct input_host *host);
/* Why it ended by itself; "" when it had no error. When it has ended. */
const char *input_host_failure(const struct input_host *host);
bool input_host_ends_last(const struct input_host *host);
/* Joins the thread (which has to end by itself) and frees. NULL is fine. */
void input_host_free(struct input_host *host);

struct producer *input_host_producer(struct input_host *host);
void input_host_status(struct input_host *host, struct input_status *status);
/* Adds what it says of itself (Heka's report fields) to a JSON object. */
void input_host_report(struct input_host *host, struct json_t *fields);
void input_host_talkers(struct input_host *host, struct talkers *talkers); /* adds its own */

#endif
