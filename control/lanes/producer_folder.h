/* SPDX-License-Identifier: MPL-2.0
 *
 * producer_folder.h - the folders RUN_DIR/producers/NAME.N that lanes inside hekad live in.
 *
 * Place:   producer.c makes one; lanes_table.c deletes it when everything in it is delivered; the
 *          next hekad finds those that an earlier one left.
 * Threads: [main].
 * Failure: a folder that cannot be deleted is logged, and found again by the next hekad.
 */
#ifndef CONTROL_PRODUCER_FOLDER_H
#define CONTROL_PRODUCER_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

struct segment;

enum { PRODUCER_FOLDER_SIZE = 768 };

/* RUN_DIR/producers/NAME.NUMBER; characters of the name other than letters, digits, "-" and "_"
 * become %XX, and a long name is cut. -1 when the path is too long. */
int producer_folder_path(const char *run_dir, const char *name, uint64_t number, char *path,
                         size_t size);

/* The name that a folder's last part says, as it was given, unless it was cut. */
void producer_folder_name(const char *folder, char *name, size_t size);

/* Calls `visit` for each folder with a number below `below`, in the order of their numbers. Returns
 * the lowest number above all there are, from 1. */
typedef void (*producer_folder_fn)(void *arg, const char *folder);
uint64_t producer_folder_each(const char *run_dir, uint64_t below, producer_folder_fn visit,
                              void *arg);

/* Deletes the files of a segment, and the folder. */
void producer_folder_delete(const char *folder);

/* True when no consumer that was ever admitted has a record in it. */
bool producer_folder_is_drained(const struct segment *segment);

#endif
