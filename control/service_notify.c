/* SPDX-License-Identifier: MPL-2.0 */
#include "control/service_notify.h"

#include <systemd/sd-daemon.h>

void service_notify_begin(struct service_notify *notify)
{
    uint64_t us = 0;
    if (sd_watchdog_enabled(0, &us) > 0)
        notify->watchdog_ns = us * 1000 / 2;
}

void service_notify_ready(struct service_notify *notify, unsigned generation)
{
    if (notify->is_ready)
        return;
    notify->is_ready = true;
    sd_notifyf(0, "READY=1\nSTATUS=running, generation %u", generation);
}

void service_notify_reloading(struct service_notify *notify, uint64_t now_mono_ns)
{
    if (notify->is_ready)
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
                   (unsigned long long)(now_mono_ns / 1000));
}

void service_notify_reloaded(struct service_notify *notify, unsigned generation)
{
    notify->is_ready = false;
    service_notify_ready(notify, generation);
}

void service_notify_stopping(struct service_notify *notify)
{
    if (!notify->is_stopping)
        sd_notify(0, "STOPPING=1\nSTATUS=stopping");
    notify->is_stopping = true;
}

void service_notify_alive(struct service_notify *notify, uint64_t now_mono_ns)
{
    if (notify->watchdog_ns == 0 || now_mono_ns < notify->next_ns)
        return;
    notify->next_ns = now_mono_ns + notify->watchdog_ns;
    sd_notify(0, "WATCHDOG=1");
}
