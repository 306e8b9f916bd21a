/* SPDX-License-Identifier: MPL-2.0
 *
 * plugins.h - the inputs, filters and outputs that run: started, given lanes, retired, ended.
 *
 * Place:   daemon.c starts and ends them all; reload.c some of them.
 * Threads: [main].
 * Memory:  slots of struct daemon; each holds a reference to the setup that it came from.
 * Failure: what does not start is an error of the configuration's; what does not end is abandoned.
 */
#ifndef CONTROL_PLUGINS_H
#define CONTROL_PLUGINS_H

#include "control/daemon_state.h"

/* ---- start ---- */

/* Makes those consumers and kernel inputs of a setup that do not run yet, matching by `plan`. They
 * get no lanes and inputs take nothing in until plugins_take(). 0, or -1 after adding to `err`. */
int plugins_make(struct daemon *daemon, struct setup *setup, struct producer_plan *plan,
                 struct err *err);
/* Gives up what was made and not taken. */
void plugins_give_up(struct daemon *daemon);
/* What was made gets its lanes and starts; lanes of its own go to everybody. An input that replaces
 * another one starts when that has ended. 0, or -1 after adding to `err`. */
int plugins_take(struct daemon *daemon, struct err *err);

/* Every consumer that is in the plan is to read these lanes. */
void plugins_want(struct daemon *daemon, struct lane_entry *entry);

/* ---- while they run ---- */

/* Attaches lanes, and ends what is retired or replaced. */
void plugins_step(struct daemon *daemon);
/* Runs `visit` for every producer. */
void plugins_each_producer(struct daemon *daemon, void (*visit)(void *arg, struct producer *),
                           void *arg);
/* A producer for which it says false, or NULL. */
struct producer *plugins_find_producer(struct daemon *daemon, bool (*is_fine)(struct producer *));
/* Counters of all producers, also of those that are gone. */
void plugins_counters(struct daemon *daemon, struct counters *sum);
/* False when some consumer has as many unread lanes as it can keep. */
bool plugins_have_room(struct daemon *daemon);
/* Right after the start, inputs wait until disk queues that are nearly full have shrunk, at most
 * full_buffer_max_retries seconds. */
bool plugins_may_start_inputs(struct daemon *daemon);
/* Some producer has waited for room for so long, and nothing went through. */
bool plugins_are_stuck(struct daemon *daemon, uint64_t ms);
/* An output whose disk queue is full and says so, or NULL. */
const char *plugins_full_queue(struct daemon *daemon);

/* Plugins that have ended by themselves: said, and left out, or hekad stops. */
void plugins_watch(struct daemon *daemon);
/* A reload has brought them back. */
void plugins_forget_exited(struct daemon *daemon);

/* ---- in a reload ---- */

/* Consumers and inputs that `setup` has not, or has in another way, read and deliver what is theirs
 * and end; unchanged ones open their files again. */
void plugins_retire_others(struct daemon *daemon, struct setup *setup);
/* Slot of the running consumer that is the same in another setup, or -1. */
int plugins_keep_slot(const struct daemon *daemon, const struct setup *setup,
                      const struct consumer_ref *consumer);

/* ---- the end ---- */

void plugins_stop_inputs(struct daemon *daemon, bool accums_too);
/* They give up what waits for room. */
void plugins_hurry_inputs(struct daemon *daemon);
bool plugins_have_inputs(const struct daemon *daemon, bool accums_too);
/* No filter had anything to do, now and the last time. */
bool plugins_are_idle(struct daemon *daemon);
void plugins_stop_filters(struct daemon *daemon);
bool plugins_have_filters(const struct daemon *daemon);
/* They have ended: outputs read what is in their lanes, and no more is to come. */
void plugins_close_filters(struct daemon *daemon);
bool plugins_are_drained(struct daemon *daemon); /* all outputs */
void plugins_log_undelivered(struct daemon *daemon);
void plugins_stop_outputs(struct daemon *daemon);
bool plugins_have_ended(const struct daemon *daemon);
/* Frees all. A plugin that does not come back is left to the end of the process: freeing would wait
 * for it. False then. */
bool plugins_free(struct daemon *daemon);

#endif
