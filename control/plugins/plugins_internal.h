/* SPDX-License-Identifier: MPL-2.0
 *
 * plugins_internal.h - what plugins.c, plugins_make.c and plugins_end.c share.
 *
 * Place:   private to these three.
 * Threads: [main].
 */
#ifndef CONTROL_PLUGINS_INTERNAL_H
#define CONTROL_PLUGINS_INTERNAL_H

#include "control/plugins/plugins.h"

static inline bool plugins_runs(const struct running_consumer *running)
{
    return running->output != NULL || running->filter != NULL;
}

static inline const char *plugins_kind(const struct running_consumer *running)
{
    if (running->output != NULL)
        return "Output";
    return plugin_category_of(running->section->type) == PLUGIN_INPUT ? "Decoder of input"
                                                                      : "Filter";
}

/* True when its thread has ended. */
static inline bool plugins_has_ended(const struct running_consumer *running)
{
    return running->output != NULL ? consumer_has_ended(running->output)
                                   : filter_host_has_ended(running->filter);
}

void plugins_stop_consumer(struct running_consumer *running);
void plugins_free_consumer(struct daemon *daemon, unsigned slot);
/* Messages that wait for it, in lanes or in its hands. */
unsigned long long plugins_undelivered(const struct running_consumer *running);
/* Says how many nobody reads for it any more. */
void plugins_log_dropped(const struct running_consumer *running);
void plugins_free_input(struct daemon *daemon, struct running_input *input);

/* True when the instance of another setup is what runs already. */
bool plugins_is_same_input(const struct running_input *running, const struct setup *setup,
                           const struct input_instance *instance);

#endif
