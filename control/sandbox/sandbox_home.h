/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_home.h - where plugin kinds whose init gets no host of hekad's (decoders, encoders) find
 *                  its sandbox workers and the options that scripts depend on.
 *
 * Place:   setup.c sets the options, daemon.c the workers, sandbox_call.c takes both. hekad -check
 *          (start_check.c) has workers for trials only.
 * Threads: set [main], before plugins are made and when they have ended; get [any].
 * Memory:  one for the process; get copies.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_HOME_H
#define CONTROL_SANDBOX_SANDBOX_HOME_H

#include <limits.h>

#include "control/config/hekad_config.h"

struct sandbox_pool;

struct sandbox_home {
    struct sandbox_pool *pool;
    struct sandbox_pool *trials;  /* hekad -check: where scripts are tried */
    struct hekad_globals globals; /* its texts are those below; others are not to be used */
    char share_dir[PATH_MAX], base_dir[PATH_MAX], hostname[256];
};

/* Of the configuration that is loaded. */
void sandbox_home_set_options(const struct hekad_globals *globals);
/* NULL: there are none, or none any more. */
void sandbox_home_set_pool(struct sandbox_pool *pool);
void sandbox_home_set_trials(struct sandbox_pool *pool);
/* home->pool is NULL when there are no workers. */
void sandbox_home_get(struct sandbox_home *home);

#endif
