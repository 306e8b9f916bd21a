/* SPDX-License-Identifier: MPL-2.0
 *
 * exact_sum_bytes.h - an exact sum as bytes (docs/formats/sketch.md): each sum has one form only.
 *
 * Place:   stats/ddsketch_bytes.c, stats/partial_bytes.c.
 */
#ifndef STATS_EXACT_SUM_BYTES_H
#define STATS_EXACT_SUM_BYTES_H

#include "stats/exact_sum.h"
#include "stats/sketch_bytes.h"

int exact_sum_write(const struct exact_sum *sum, struct buffer *out);
/* `sum` is zeroed by the caller. Sets in->is_bad for what exact_sum_write() does not write. */
void exact_sum_read(struct sketch_reader *in, struct exact_sum *sum);

#endif
