/* SPDX-License-Identifier: MPL-2.0 */
#include "core/lane_file.h"

#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/lane.h"

enum { MOUNT_LINE_SIZE = 4096 };

int lane_file_plain(const char *run_dir, uint64_t lane_bytes, struct lane_file_place *place)
{
    int len = snprintf(place->prefix, sizeof(place->prefix), "%s/lane.", run_dir);
    place->map_bytes = LANE_HEADER_BYTES + lane_bytes;
    return len > 0 && (size_t)len < sizeof(place->prefix) ? 0 : -1;
}

/* FNV-1a of the absolute path. */
static uint64_t hash_of(const char *run_dir)
{
    char absolute[PATH_MAX];
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const char *path = realpath(run_dir, absolute) != NULL ? absolute : run_dir;
    for (; *path != '\0'; path++)
        hash = (hash ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
    return hash;
}

static int add_place(const char *mount, uint64_t hash, uint64_t lane_bytes,
                     struct lane_file_place *place)
{
    struct statfs status;
    if (statfs(mount, &status) != 0 || status.f_bsize < LANE_HEADER_BYTES ||
        (uint64_t)status.f_bsize > lane_bytes)
        return -1;
    size_t page = (size_t)status.f_bsize, size = LANE_HEADER_BYTES + lane_bytes;
    int len = snprintf(place->prefix, sizeof(place->prefix), "%s/hekaline-%016llx.lane.", mount,
                       (unsigned long long)hash);
    place->map_bytes = (size + page - 1) / page * page;
    return len > 0 && len < LANE_FILE_HUGE_PREFIX_SIZE ? 0 : -1;
}

unsigned lane_file_huge(const char *run_dir, uint64_t lane_bytes,
                        struct lane_file_place places[LANE_FILE_PLACES_MAX])
{
    char line[MOUNT_LINE_SIZE];
    struct mntent entry;
    unsigned count = 0;
    uint64_t hash = hash_of(run_dir);
    FILE *mounts = setmntent("/proc/mounts", "re");
    if (mounts == NULL)
        return 0;
    while (count < LANE_FILE_PLACES_MAX &&
           getmntent_r(mounts, &entry, line, (int)sizeof(line)) != NULL)
        if (strcmp(entry.mnt_type, "hugetlbfs") == 0 &&
            add_place(entry.mnt_dir, hash, lane_bytes, &places[count]) == 0)
            count++;
    endmntent(mounts);
    return count;
}

void lane_file_remove(const struct lane_file_place *place, unsigned count)
{
    char path[LANE_FILE_PREFIX_SIZE + 16];
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s%u", place->prefix, i);
        unlink(path);
    }
}
