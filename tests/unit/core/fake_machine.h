/* SPDX-License-Identifier: MPL-2.0
 *
 * fake_machine.h - any machine for a core map, described by a small text.
 */
#ifndef TESTS_UNIT_CORE_FAKE_MACHINE_H
#define TESTS_UNIT_CORE_FAKE_MACHINE_H

#include "core/core_map.h"

enum { FAKE_CPUS_MAX = 256, FAKE_DEVICES_MAX = 4 };

struct fake_machine {
    struct core_map_machine machine;
    int nodes[FAKE_CPUS_MAX];
    bool is_denied[FAKE_CPUS_MAX];
    struct {
        char name[64];
        int node;
    } devices[FAKE_DEVICES_MAX];
    unsigned device_count;
};

/* CPUs of one unknown node, all allowed, no huge pages. */
void fake_machine_init(struct fake_machine *fake, unsigned cpu_count);

/* From a text of lines: "cpus N", "nodes FROM TO NODE", "deny FROM TO", "device NAME NODE",
 * "huge MBYTES"; 8 CPUs without file. */
void fake_machine_read(struct fake_machine *fake, const char *path);

#endif
