/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_scripts.h - small Lua filters that both benchmarks of sandboxes run.
 *
 * Place:   bench/sandbox_rate.c, bench/sandbox_lane.c. Each adds a timer_event() that says `n`.
 */
#ifndef BENCH_SANDBOX_SCRIPTS_H
#define BENCH_SANDBOX_SCRIPTS_H

#define SCRIPT_EMPTY "local n = 0 function process_message() n = n + 1 return 0 end "

#define SCRIPT_COUNTER                                                                             \
    "local n = 0 local sum = 0 "                                                                   \
    "function process_message() local size = read_message('Fields[size]') "                        \
    "if type(size) ~= 'number' then return -1 end n = n + 1 sum = sum + size return 0 end "

#endif
