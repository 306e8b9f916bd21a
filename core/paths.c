/* SPDX-License-Identifier: MPL-2.0 */
#include "core/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"

enum { PATH_SIZE = 1024 };

int paths_program_dir(char *buf, size_t size)
{
    char path[PATH_SIZE];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (len < 0)
        return -errno;
    path[len] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL || (size_t)(slash - path) >= size)
        return -ENAMETOOLONG;
    *slash = '\0';
    memcpy(buf, path, (size_t)(slash - path) + 1);
    return 0;
}

int paths_profile_dir(char *buf, size_t size)
{
    static const char *const places[] = {"../share/hekaline/nic-profiles",
                                         "../../../nic-profiles"};
    char dir[PATH_SIZE];
    int rc = paths_program_dir(dir, sizeof(dir));
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < ARRAY_COUNT(places); i++) {
        int len = snprintf(buf, size, "%s/%s", dir, places[i]);
        if (len > 0 && (size_t)len < size && access(buf, R_OK) == 0)
            return 0;
    }
    return -ENOENT;
}

int paths_share_dir(char *buf, size_t size)
{
    char dir[PATH_SIZE];
    int rc = paths_program_dir(dir, sizeof(dir));
    if (rc != 0)
        return rc;
    int len = snprintf(buf, size, "%s/../share/hekaline", dir);
    return len > 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

void paths_run_dir(char *buf, size_t size)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0)
        snprintf(buf, size, "/run/hekaline");
    else if (runtime != NULL && runtime[0] == '/')
        snprintf(buf, size, "%s/hekaline", runtime);
    else
        snprintf(buf, size, "/tmp/hekaline-%u", (unsigned)getuid());
}
