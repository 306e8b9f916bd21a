/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/output_host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/check.h"
#include "core/clock.h"

enum { SLEEP_SLICE_MS = 20 };

bool output_host_stopping(const struct output_host *host)
{
    return atomic_load_explicit(&host->stopping, memory_order_relaxed);
}

const char *output_host_name(const struct output_host *host)
{
    return host->name;
}

unsigned output_host_log_flags(const struct output_host *host)
{
    return host->log_flags;
}

const char *output_host_hostname(const struct output_host *host)
{
    return host->hostname != NULL ? host->hostname : "";
}

unsigned output_host_ticker_s(const struct output_host *host)
{
    return host->ticker_s;
}

size_t output_host_message_max(const struct output_host *host)
{
    return host->message_max > 0 ? host->message_max : MSG_SIZE_DEFAULT_MAX;
}

static int path_below(const char *folder, const char *path, char *full, size_t size,
                      struct err *err)
{
    bool is_below = path[0] != '/' && folder != NULL && folder[0] != '\0';
    int len = snprintf(full, size, "%s%s%s", is_below ? folder : "", is_below ? "/" : "", path);
    return len >= 0 && (size_t)len < size ? 0 : err_add(err, "found '%s', which is too long", path);
}

int output_host_base_path(const struct output_host *host, const char *path, char *full, size_t size,
                          struct err *err)
{
    return path_below(host->base_dir, path, full, size, err);
}

int output_host_share_path(const struct output_host *host, const char *path, char *full,
                           size_t size, struct err *err)
{
    return path_below(host->share_dir, path, full, size, err);
}

void output_host_drop(struct output_host *host, const char *reason)
{
    ends_add(&host->drops, reason, 1);
    CHECK(host->drops.count <= OUTPUT_REASONS_MAX);
}

void output_host_forget_drops(struct output_host *host)
{
    for (unsigned i = 0; i < host->drops.count; i++)
        host->drops.list[i].count = 0;
}

int output_host_fail(struct output_host *host, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(host->failure, sizeof(host->failure), format, args);
    va_end(args);
    return code < 0 ? code : -EIO;
}

int output_host_end(struct output_host *host, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(host->end, sizeof(host->end), format, args);
    va_end(args);
    snprintf(host->failure, sizeof(host->failure), "%s", host->end);
    host->is_over = true;
    return code;
}

void output_host_count(struct output_host *host, unsigned index, uint64_t n)
{
    CHECK(index < OUTPUT_COUNTERS_MAX);
    atomic_fetch_add_explicit(&host->counters[index], n, memory_order_relaxed);
}

void output_host_sleep(const struct output_host *host, uint64_t ns)
{
    uint64_t until_ns = clock_mono_ns() + ns;
    for (;;) {
        uint64_t now_ns = clock_mono_ns();
        if (now_ns >= until_ns || output_host_stopping(host))
            return;
        uint64_t slice_ns = until_ns - now_ns;
        if (slice_ns > SLEEP_SLICE_MS * CLOCK_NS_PER_MS)
            slice_ns = SLEEP_SLICE_MS * CLOCK_NS_PER_MS;
        struct timespec pause = {0, (long)slice_ns};
        nanosleep(&pause, NULL);
    }
}
