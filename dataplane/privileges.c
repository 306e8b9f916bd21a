/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int privileges_find(const char *name, struct privileges_user *user, struct err *err)
{
    static const char *const defaults[] = {"heka", "nobody"};
    struct passwd *entry = NULL;
    if (name != NULL) {
        entry = getpwnam(name);
        if (entry == NULL)
            return err_add(err, "--user: there is no user '%s'", name);
    }
    for (unsigned i = 0; entry == NULL && i < 2; i++)
        entry = getpwnam(defaults[i]);
    if (entry == NULL)
        return err_add(err, "--user: neither 'heka' nor 'nobody' exists; name a user");
    *user = (struct privileges_user){entry->pw_uid, entry->pw_gid, entry->pw_name};
    return 0;
}

/* True when the map of a user namespace (user_namespaces(7): inside, outside, count) has the id. */
static bool is_mapped(const char *path, unsigned long id)
{
    unsigned long inside, outside, count;
    bool found = false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return true; /* a kernel without user namespaces */
    while (!found && fscanf(file, "%lu %lu %lu", &inside, &outside, &count) == 3)
        found = id >= inside && id - inside < count;
    fclose(file);
    return found;
}

bool privileges_can_drop(const struct privileges_user *user)
{
    return geteuid() == 0 && is_mapped("/proc/self/uid_map", user->uid) &&
           is_mapped("/proc/self/gid_map", user->gid);
}

int privileges_drop(const struct privileges_user *user, struct err *err)
{
    if (geteuid() != 0)
        return 0;
    if (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_add(err, "cannot become user '%s': %s", user->name, strerror(errno));
    if (user->uid != 0 && setuid(0) == 0)
        return err_add(err, "user '%s' could become root again", user->name);
    return 0;
}

int privileges_clear(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
        syscall(SYS_capset, &header, none) != 0)
        return err_add(err, "capabilities cannot be given up: %s", strerror(errno));
    return 0;
}
