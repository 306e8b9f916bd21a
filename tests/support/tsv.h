/* SPDX-License-Identifier: MPL-2.0
 *
 * tsv.h - tables of test cases: fields between tabs, \\ and \xHH in them, lines with # in front are
 * remarks.
 *
 * Place:   golden tests.
 * Memory:  one line at a time, in the reader.
 */
#ifndef TESTS_SUPPORT_TSV_H
#define TESTS_SUPPORT_TSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TSV_FIELDS_MAX = 8, TSV_LINE_MAX = 16384 };

struct tsv {
    FILE *file;
    unsigned line; /* of the row, from 1 */
    unsigned count;
    char *fields[TSV_FIELDS_MAX]; /* NUL-terminated; may hold NUL bytes before their end */
    size_t lens[TSV_FIELDS_MAX];
    char text[TSV_LINE_MAX];
};

/* False when it cannot be read. */
bool tsv_open(struct tsv *tsv, const char *path);

/* The next row; false when there is none, and the file is closed. */
bool tsv_next(struct tsv *tsv);

#endif
