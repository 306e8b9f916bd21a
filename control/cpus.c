/* SPDX-License-Identifier: MPL-2.0 */
#include "control/cpus.h"

#include <sched.h>
#include <stdbool.h>

static cpu_set_t at_start;
static bool is_known;

void cpus_leave(const unsigned *cpus, unsigned count)
{
    if (!is_known && sched_getaffinity(0, sizeof(at_start), &at_start) != 0)
        return;
    is_known = true;
    cpu_set_t left = at_start;
    for (unsigned i = 0; i < count; i++)
        if (cpus[i] < CPU_SETSIZE)
            CPU_CLR(cpus[i], &left);
    if (CPU_COUNT(&left) > 0)
        sched_setaffinity(0, sizeof(left), &left);
}

void cpus_restore(void)
{
    if (is_known)
        sched_setaffinity(0, sizeof(at_start), &at_start);
}
