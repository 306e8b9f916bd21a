/* SPDX-License-Identifier: MPL-2.0
 *
 * service_notify.h - tells systemd how hekad is: ready, reloading, stopping, alive.
 *
 * Place:   daemon.c. Without NOTIFY_SOCKET in the environment nothing happens.
 * Threads: [main].
 * Source:  sd_notify(3), sd_watchdog_enabled(3).
 */
#ifndef CONTROL_SERVICE_NOTIFY_H
#define CONTROL_SERVICE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct service_notify { /* zero-initialise */
    bool is_ready, is_stopping;
    uint64_t watchdog_ns, next_ns; /* half of what systemd waits; 0: no watchdog */
};

void service_notify_begin(struct service_notify *notify);
/* Inputs run, and the data plane if there is one. Once. */
void service_notify_ready(struct service_notify *notify, unsigned generation);
void service_notify_reloading(struct service_notify *notify, uint64_t now_mono_ns);
void service_notify_reloaded(struct service_notify *notify, unsigned generation);
void service_notify_stopping(struct service_notify *notify); /* once */
/* The main loop is alive. */
void service_notify_alive(struct service_notify *notify, uint64_t now_mono_ns);

#endif
