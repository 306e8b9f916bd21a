/* SPDX-License-Identifier: MPL-2.0
 *
 * lane_file.h - where the files of lanes are: in the run directory, or in a hugetlbfs.
 *
 * Place:   core/segment.c makes and attaches them.
 * Threads: [init].
 * Failure: without a hugetlbfs that can hold them there are no places; the caller takes the run
 *          directory.
 *
 * A hugetlbfs is one for all programs, so that the names there carry a hash of the run directory.
 */
#ifndef CORE_LANE_FILE_H
#define CORE_LANE_FILE_H

#include <stddef.h>
#include <stdint.h>

enum {
    LANE_FILE_PREFIX_SIZE = 512,
    LANE_FILE_HUGE_PREFIX_SIZE = 192, /* in a hugetlbfs */
    LANE_FILE_PLACES_MAX = 4
};

struct lane_file_place {
    char prefix[LANE_FILE_PREFIX_SIZE]; /* path, up to the lane's number */
    size_t map_bytes;                   /* of each file: a multiple of the page's size */
};

/* The run directory's own. -1 when the path is too long. */
int lane_file_plain(const char *run_dir, uint64_t lane_bytes, struct lane_file_place *place);

/* Mounted hugetlbfs whose pages are no larger than a lane, as /proc/mounts has them. Returns how
 * many. */
unsigned lane_file_huge(const char *run_dir, uint64_t lane_bytes,
                        struct lane_file_place places[LANE_FILE_PLACES_MAX]);

/* Removes up to `count` lanes of an earlier process. */
void lane_file_remove(const struct lane_file_place *place, unsigned count);

#endif
