/* SPDX-License-Identifier: MPL-2.0
 *
 * lane_shim.h - included in front of core/lane*.c for test_lane_paths: every access to memory that
 *               threads share becomes a call of the test, and lanes may be very small.
 */
#ifndef TESTS_UNIT_CORE_LANE_SHIM_H
#define TESTS_UNIT_CORE_LANE_SHIM_H

#include "core/lane.h"
#include "tests/unit/core/lane_paths.h"

#define LANE_BYTES_MIN PATHS_LANE_BYTES

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef lane_fence
#define atomic_load_explicit(object, order) paths_load((object), (order))
#define atomic_store_explicit(object, value, order) paths_store((object), (value), (order))
#define lane_fence(order) paths_fence(order)

#endif
