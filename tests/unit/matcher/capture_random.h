/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_random.h - random log formats: an expression, and lines of it.
 *
 * Place:   tests/unit/matcher. All randomness comes from the seed.
 * Threads: one owner.
 */
#ifndef TESTS_CAPTURE_RANDOM_H
#define TESTS_CAPTURE_RANDOM_H

#include "tests/unit/matcher/match_random.h"

enum { CAPTURE_FORMAT_FIELDS = 8, CAPTURE_FORMAT_SIZE = 1024, CAPTURE_LINE_SIZE = 2048 };

struct capture_format {
    uint32_t fields[CAPTURE_FORMAT_FIELDS]; /* kinds */
    uint32_t separators[CAPTURE_FORMAT_FIELDS];
    uint32_t count;
    uint32_t number; /* a literal "tagN", or 0 */
    char text[CAPTURE_FORMAT_SIZE];
};

void capture_random_format(struct match_random *random, struct capture_format *format);

/* A line of the format, one in three changed somewhere. Returns its length. */
size_t capture_random_line(struct match_random *random, const struct capture_format *format,
                           char line[CAPTURE_LINE_SIZE]);

#endif
