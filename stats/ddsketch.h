/* SPDX-License-Identifier: MPL-2.0
 *
 * ddsketch.h - quantiles of any number of values with a stated relative error, in bounded memory.
 *
 * Place:   stats/accum_timer.c: series with more samples than are kept exactly. Bytes:
 *          docs/formats/sketch.md.
 * Threads: one owner.
 * Memory:  allocates; at most 8 bytes for each bin between the smallest and the largest in use, so
 *          16 * bins_max for positive and negative values together, and 664 bytes.
 * Failure: -ENOMEM changes nothing. Sketches of other parameters are not merged: -EINVAL.
 * Source:  Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
 *          relative-error guarantees", VLDB 2019; the collapsing store of its section 2.
 *
 * Merging is exact: whatever the order in which values were added and sketches were merged, the
 * result is the same bit by bit. For that, weights are fixed-point, sums are exact (exact_sum.h),
 * and which bins collapse depends on the largest magnitude alone.
 */
#ifndef STATS_DDSKETCH_H
#define STATS_DDSKETCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "stats/exact_sum.h"

enum { DDSKETCH_BINS_MIN = 16, DDSKETCH_BINS_MAX = 1 << 16, DDSKETCH_BINS_DEFAULT = 2048 };
#define DDSKETCH_ALPHA_MIN     1e-4
#define DDSKETCH_ALPHA_MAX     0.5
#define DDSKETCH_ALPHA_DEFAULT 0.01
/* Weights are multiples of 2^-20; one value without a sample rate weighs DDSKETCH_ONE. */
#define DDSKETCH_ONE (UINT64_C(1) << 20)

struct ddsketch_config { /* of many sketches; must outlive them */
    double alpha;        /* quantiles are within this relative error of the true value */
    uint32_t bins_max;   /* for positive values, and as many for negative ones */
    double log_gamma;    /* bin i holds magnitudes in (gamma^(i-1), gamma^i] */
    double middle;       /* of a bin, over its upper end */
};

struct ddsketch_store { /* bins of one sign */
    int32_t first;      /* index of bins[0] */
    uint32_t count;     /* the first and the last bin are not empty */
    uint32_t capacity;
    uint64_t *bins;     /* weights, held at 2^64 - 1 */
    uint64_t collapsed; /* weight of magnitudes that belong below the first bin */
};

struct ddsketch {
    const struct ddsketch_config *config;
    struct ddsketch_store stores[2]; /* positive, negative */
    uint64_t zero;                   /* weight of magnitudes under 2^-1022 */
    uint64_t weight;                 /* of all, held at 2^64 - 1 */
    double min, max;                 /* when weight is not 0; exact */
    struct exact_sum sum, squares;
};

/* Alpha from DDSKETCH_ALPHA_MIN to _MAX, bins_max from DDSKETCH_BINS_MIN to _MAX; else -EINVAL. */
int ddsketch_config_init(struct ddsketch_config *config, double alpha, uint32_t bins_max);

void ddsketch_init(struct ddsketch *sketch, const struct ddsketch_config *config);
void ddsketch_fini(struct ddsketch *sketch);  /* zeroed state is fine */
void ddsketch_clear(struct ddsketch *sketch); /* keeps the memory */
size_t ddsketch_bytes(const struct ddsketch *sketch);

/* The weight of a sample that was sent with `rate` (above 0; 1: all were sent): 1 / rate, from
 * 2^-20 to 2^43. */
uint64_t ddsketch_weight(double rate);

/* `value` must be finite, `weight` above 0. A bin beyond bins_max makes the bins of the smallest
 * magnitudes one: those are counted in `collapsed`, and only quantiles among them are farther off
 * than alpha. */
int ddsketch_add(struct ddsketch *sketch, double value, uint64_t weight);

/* Adds all that is in `other`. -EINVAL when their alpha or bins_max differ. */
int ddsketch_merge(struct ddsketch *sketch, const struct ddsketch *other);

/* Adds `other` whatever its parameters, bin by bin: each value is then within both errors. The
 * sums, the smallest and the largest value stay exact. -ENOMEM: nothing of it is in. */
int ddsketch_convert(struct ddsketch *sketch, const struct ddsketch *other);

/* The weight in collapsed bins: values whose quantiles may be farther off than alpha. */
uint64_t ddsketch_collapsed(const struct ddsketch *sketch);

/* The smallest value such that the weight of it and all smaller ones is above `below`; within alpha
 * of it. 0 when the sketch is empty; the largest value when `below` is not less than the weight. */
double ddsketch_at(const struct ddsketch *sketch, uint64_t below);

/* Quantile q of 0 to 1: the value of rank q * (n - 1) rounded down, n being the weight. */
double ddsketch_quantile(const struct ddsketch *sketch, double q);

/* Of the lowest values that weigh `weight` together: their sum and that of their squares, each term
 * within alpha (squares: 2 * alpha + alpha^2). All of it is exact. */
struct ddsketch_sums {
    double sum, squares;
};
struct ddsketch_sums ddsketch_lowest(const struct ddsketch *sketch, uint64_t weight);

/* The weight of values below `limit`, as far as bins tell: a bin counts when its middle is. */
uint64_t ddsketch_below(const struct ddsketch *sketch, double limit);

/* ---- bytes (ddsketch_bytes.c) ---- */

/* Appends the sketch. 0, -ENOSPC or -ENOMEM of the buffer, which is as it was then. Equal sketches
 * give equal bytes. */
int ddsketch_write(const struct ddsketch *sketch, struct buffer *out);

/* Reads one sketch from bytes[*offset..size) and moves *offset behind it. `config` gets its
 * parameters; `sketch` refers to it and is to be given to ddsketch_fini(). -EBADMSG for what
 * ddsketch_write() does not write; -ENOMEM. */
int ddsketch_read(const uint8_t *bytes, size_t size, size_t *offset, struct ddsketch_config *config,
                  struct ddsketch *sketch);

#endif
