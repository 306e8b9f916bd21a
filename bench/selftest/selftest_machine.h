/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_machine.h - the fingerprint of this machine: what a certified rate is true for.
 *
 * Place:   selftest_report.c.
 * Threads: no state.
 */
#ifndef BENCH_SELFTEST_SELFTEST_MACHINE_H
#define BENCH_SELFTEST_SELFTEST_MACHINE_H

#include <jansson.h>

#include "bench/selftest/selftest.h"

/* cpu, cores, cores_allowed, kernel, hypervisor, governor, huge_pages_mbytes, dpdk, hop_ns: what
 * cannot be read is null. A new reference. */
json_t *selftest_machine(const struct selftest *test, const char *dpdk);

#endif
