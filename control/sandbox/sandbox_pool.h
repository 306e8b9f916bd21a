/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_pool.h - hekad's sandbox workers: started, watched, ended, restarted.
 *
 * Place:   one for each hekad; sandbox_client.c puts plugins into it. The other side:
 *          sandbox_worker.h. Bytes: docs/formats/sandbox_worker.md.
 * Threads: one of its own, which watches; every function [any].
 * Memory:  SANDBOX_WORKERS_MAX workers; a page of each is mapped until the pool is freed.
 * Failure: a worker that dies, or whose watchdog stands still, is started again, at once or after a
 *          pause that grows. The plugin that brought it down (by a fault or a call that never
 *          ended) is named and ended; the others are told, and rejoin.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_POOL_H
#define CONTROL_SANDBOX_SANDBOX_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/sandbox/sandbox_page.h"
#include "core/err.h"

enum { SANDBOX_WORKERS_MAX = 64, SANDBOX_LINK_TEXT_SIZE = 128 };

enum sandbox_link_state {
    SANDBOX_LINK_UP,    /* the worker has it */
    SANDBOX_LINK_DOWN,  /* the worker died, and is not there again yet */
    SANDBOX_LINK_EMPTY, /* it is there again, without this plugin: sandbox_pool_rejoin() */
    SANDBOX_LINK_ENDED  /* this plugin brought it down: `text` */
};

struct sandbox_link { /* a plugin's place in a worker; the pool writes it */
    const char *name; /* of the plugin, for the log; borrowed, as the descriptor is */
    int channel_fd;
    unsigned worker, index;
    _Atomic uint32_t state;
    char text[SANDBOX_LINK_TEXT_SIZE]; /* written before `state` becomes ENDED */
    _Atomic uint32_t restarts;         /* of its worker, by others or by itself */
};

struct sandbox_pool;

/* `program`: path of heka-sandbox; NULL: beside this program. Starts nothing yet. NULL after adding
 * to `err`. */
struct sandbox_pool *sandbox_pool_new(const char *program, struct err *err);
/* All plugins have left. Kills what does not end by itself. NULL is fine. */
void sandbox_pool_free(struct sandbox_pool *pool);

/* Each worker that is started from now on is pinned to one of these CPUs, the one that the fewest
 * are on, and stays there when it is started again. None: workers run where hekad does. At most
 * SANDBOX_WORKERS_MAX are taken. */
void sandbox_pool_pin(struct sandbox_pool *pool, const unsigned *cpus, unsigned count);

/* Workers come and go without a line in the log. */
void sandbox_pool_set_quiet(struct sandbox_pool *pool);

/* Gives a plugin (`name` and `channel_fd` are set) to a worker of the class, which is started when
 * there is none with a place. 0, or -1 after adding to `err`. */
int sandbox_pool_join(struct sandbox_pool *pool, enum sandbox_class class,
                      struct sandbox_link *link, struct err *err);
/* After EMPTY: into the same worker again. 0 or negative errno. */
int sandbox_pool_rejoin(struct sandbox_pool *pool, struct sandbox_link *link);
/* The worker forgets it; the place is free. */
void sandbox_pool_leave(struct sandbox_pool *pool, struct sandbox_link *link);

/* There is something in one of its channels. A system call only when the worker sleeps. */
void sandbox_pool_ring(struct sandbox_pool *pool, const struct sandbox_link *link);

/* Ends the call of a plugin of SANDBOX_CLASS_INPUT that is under way, and those to come; or does so
 * no more. */
void sandbox_pool_stop_call(struct sandbox_pool *pool, const struct sandbox_link *link,
                            bool is_stopping);

/* Of its worker; 0: none runs. */
pid_t sandbox_pool_pid(struct sandbox_pool *pool, const struct sandbox_link *link);

struct sandbox_worker_info {
    pid_t pid;
    const char *class;
    unsigned plugins;
    char cpus[SANDBOX_LINK_TEXT_SIZE]; /* that it may run on, as "3" or "0-2,5" */
};
/* Those that run; the number of rows. */
unsigned sandbox_pool_list(struct sandbox_pool *pool,
                           struct sandbox_worker_info rows[SANDBOX_WORKERS_MAX]);

#endif
