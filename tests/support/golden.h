/* SPDX-License-Identifier: MPL-2.0
 *
 * golden.h - test cases that are files: NAME.in and what has to come of it, NAME.expect.
 *
 * Place:   golden tests; the folders are tests/golden/FOLDER.
 * Failure: each difference is printed with both texts; a case without its other file, or a folder
 *          with fewer cases than `least`, fails too.
 */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include "core/buffer.h"

/* Appends to `out` what comes of the text `in` (its data ends with a NUL that is not counted). */
typedef void (*golden_fn)(const char *name, const struct buffer *in, struct buffer *out);

/* Runs all cases of a folder in the order of their names; returns how many failed. */
unsigned golden_run(const char *folder, unsigned least, golden_fn run);

#endif
