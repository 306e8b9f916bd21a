/* SPDX-License-Identifier: MPL-2.0
 *
 * finite.h - sums of doubles are held at the largest one: no infinity reaches an output.
 */
#ifndef STATS_FINITE_H
#define STATS_FINITE_H

#include <float.h>
#include <math.h>

static inline double hold_finite(double value)
{
    return fmin(fmax(value, -DBL_MAX), DBL_MAX);
}

#endif
