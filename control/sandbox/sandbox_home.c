/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_home.h"

#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sandbox_home current;

static void point_to_own(struct sandbox_home *home)
{
    home->globals.share_dir = home->share_dir;
    home->globals.base_dir = home->base_dir;
    home->globals.hostname = home->hostname;
}

void sandbox_home_set_options(const struct hekad_globals *globals)
{
    pthread_mutex_lock(&lock);
    current.globals = *globals;
    snprintf(current.share_dir, sizeof(current.share_dir), "%s", globals->share_dir);
    snprintf(current.base_dir, sizeof(current.base_dir), "%s", globals->base_dir);
    snprintf(current.hostname, sizeof(current.hostname), "%s", globals->hostname);
    pthread_mutex_unlock(&lock);
}

void sandbox_home_set_pool(struct sandbox_pool *pool)
{
    pthread_mutex_lock(&lock);
    current.pool = pool;
    pthread_mutex_unlock(&lock);
}

void sandbox_home_set_trials(struct sandbox_pool *pool)
{
    pthread_mutex_lock(&lock);
    current.trials = pool;
    pthread_mutex_unlock(&lock);
}

void sandbox_home_get(struct sandbox_home *home)
{
    pthread_mutex_lock(&lock);
    *home = current;
    pthread_mutex_unlock(&lock);
    point_to_own(home);
}
