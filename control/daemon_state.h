/* SPDX-License-Identifier: MPL-2.0
 *
 * daemon_state.h - what daemon.c, plane.c, plugins.c and reload.c know together: one running hekad.
 *
 * Place:   private to these four.
 * Threads: [main], all of it.
 */
#ifndef CONTROL_DAEMON_STATE_H
#define CONTROL_DAEMON_STATE_H

#include "control/admin.h"
#include "control/lanes/consumer.h"
#include "control/daemon.h"
#include "control/dynamic.h"
#include "control/plugins/filter_host.h"
#include "control/plugins/input_host.h"
#include "control/lanes/lane_table.h"
#include "control/report.h"
#include "control/run_dir.h"
#include "control/self.h"
#include "control/service_notify.h"
#include "control/plugins/wait_graph.h"
#include "core/clock.h"

enum {
    /* Consumers take 256 lanes at once: those of a reload's new producers beside the old ones. */
    DAEMON_PRODUCERS_MAX = 120,
    DAEMON_INPUTS_MAX = 2 * DAEMON_PRODUCERS_MAX
};

enum hekad_state {
    HEKAD_RUNNING,
    HEKAD_DRAINING, /* inputs end, filters and outputs read what is there */
    HEKAD_ENDING,   /* outputs end */
    HEKAD_DONE
};

enum drain_step {               /* of HEKAD_DRAINING; each waits until filters have nothing to do */
                  DRAIN_INPUTS, /* that take something in, and the data plane */
                  DRAIN_ACCUMS, /* accumulators flush once more */
                  DRAIN_FILTERS, /* end */
                  DRAIN_OUTPUTS  /* read on */
};

enum plane_state {
    PLANE_NONE,     /* the configuration has none */
    PLANE_STARTING, /* runs, does not poll yet */
    PLANE_RUNNING,
    PLANE_STOPPING, /* told to stop */
    PLANE_STOPPED,  /* gone, as told */
    PLANE_DEAD      /* gone, not told */
};

struct lane_watch;
struct sandbox_pool;
struct stat_accums;

struct plane {
    struct dataplane_command command;
    struct dataplane_process process;
    enum plane_state state;
    uint64_t since_ns;
    bool ran_once;        /* a data plane has polled in this run */
    bool restart_at_once; /* it was stopped to be replaced */
    uint64_t restart_ns, restart_pause_ms, restarts;
    uint64_t hung; /* times that it was killed because its heartbeat stood still */
    uint64_t lost_samples, lost_fragments; /* with data planes that died */
    bool said_unread;
    struct attachment *last; /* of the last one, also when it is gone; a reference, or NULL */
    struct counters counters;
    bool has_counters;
};

struct running_consumer { /* by slot; an output, or a filter, or neither: the slot is free */
    struct consumer *output;
    struct filter_host *filter;
    const char *name;
    const struct config_section *section;
    struct setup *setup; /* a reference: the instance lives in it */
    bool is_retired;     /* in no plan any more: ends when it is drained */
    bool is_new;         /* made for a generation that is not taken yet */
    bool has_exited;     /* by itself */
};

struct running_input { /* host NULL: the place is free */
    struct input_host *host;
    struct producer *producer;
    const struct input_instance *instance;
    struct setup *setup;
    bool is_new, is_started, is_stopping;
    bool has_exited; /* by itself */
    bool is_self;    /* hekad's own messages: of no configuration */
    int former;      /* place of the input that has to end before this one starts, or -1 */
};

struct daemon {
    const struct daemon_config *config;
    struct setup *setup;       /* of the plan in force */
    struct setup *first_setup; /* with the texts of the data plane's command; or NULL */
    unsigned generation;       /* its number */
    struct producer_plan *plan;
    bool is_changing;         /* a generation is offered that not all producers have adopted */
    struct setup *next_setup; /* of that one */
    uint64_t changing_since_ns;
    bool said_changing;
    struct dynamic *dynamic;
    bool is_change_dynamic; /* no reload of the user's */
    /* Sections of plugins that ended by themselves: left out until a reload of the user's. */
    char *exited[CONFIG_EXCLUDED_MAX];
    unsigned exited_count;
    bool is_exit_pending;
    struct self *self; /* messages of hekad's own */
    struct report report;
    struct service_notify notify;

    struct run_dir run_dir;
    char plan_path[600], socket_path[600];
    enum hekad_state state;
    enum drain_step drain;
    int exit_code;
    int signal_fd;
    struct admin admin;
    uint64_t started_ns, now_ns; /* CLOCK_MONOTONIC */
    uint64_t state_since_ns;     /* also of `drain` */
    bool in_haste;               /* the second signal: do not wait for outputs */

    struct plane plane;
    struct lane_table lanes;
    struct bell bell;
    struct wait_graph graph;
    struct lane_watch *watch; /* rings the bell for the data plane's lanes */
    struct stat_accums *accums;
    struct sandbox_pool *sandboxes; /* workers for Lua */
    uint64_t next_folder;
    struct counters ended_producers; /* counters of those that are gone */
    struct running_consumer consumers[RECORD_CONSUMERS_MAX];
    bool may_start_inputs, said_nearly_full;
    uint64_t processed_when_idle; /* messages of all filters, 0: they were not idle */
    struct running_input inputs[DAEMON_INPUTS_MAX];
};

static inline bool daemon_is_over(const struct daemon *daemon, uint64_t since_ns, uint64_t ms)
{
    return daemon->now_ns - since_ns >= ms * CLOCK_NS_PER_MS;
}

/* daemon.c: begins to stop in order; a second time: in haste. */
void daemon_stop(struct daemon *daemon);

#endif
