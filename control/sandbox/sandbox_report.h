/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_report.h - heka.sandbox-terminated: why a script, or an attempt to load one, has ended.
 *
 * Place:   sandboxed plugin types and their manager, in their own thread.
 * Source:  Heka 0.11: type, field and payload; docs/formats/sandbox.md.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_REPORT_H
#define CONTROL_SANDBOX_SANDBOX_REPORT_H

#include <stdint.h>

struct filter_host;

void sandbox_report_end(struct filter_host *host, const char *text);

#define SANDBOX_SLOW_TEXT "sandbox is running slowly and blocking the router"

struct sandbox_slowness {
    uint64_t processed, failures; /* messages so far */
    uint64_t samples, samples_ns; /* since others wait for it */
    uint64_t waiting;
};
void sandbox_report_slow(struct filter_host *host, const struct sandbox_slowness *slowness);

#endif
