/* SPDX-License-Identifier: MPL-2.0
 *
 * retry.h - when a plugin that failed is started again: [X.retries].
 *
 * Place:   input_host.c, filter_host.c and consumer.c, one for each plugin.
 * Threads: the plugin's own.
 * Source:  Heka 0.11 RetryHelper: delay, doubled each time up to max_delay, and a random part of
 *          max_jitter on top. A plugin that ran for longer than all that begins anew.
 */
#ifndef CONTROL_RETRY_H
#define CONTROL_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry_options; /* control/config/plugin_types.h */

struct retry { /* zero-initialise */
    unsigned times;
    uint64_t delay_ns; /* of the next time; 0: the first one */
    uint64_t since_ns; /* when the plugin was started last */
};

/* The plugin starts. */
void retry_begin(struct retry *retry, uint64_t now_ns);
/* It has failed: *wait_ns is how long to wait. False when max_retries are used up. */
bool retry_next(struct retry *retry, const struct retry_options *options, uint64_t now_ns,
                uint64_t *wait_ns);

#endif
