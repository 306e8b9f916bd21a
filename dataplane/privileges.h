/* SPDX-License-Identifier: MPL-2.0
 *
 * privileges.h - root only until EAL, ports and lanes are up.
 *
 * Threads: [main], with all DPDK threads already there: glibc changes them all.
 */
#ifndef DATAPLANE_PRIVILEGES_H
#define DATAPLANE_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"

struct privileges_user {
    uid_t uid;
    gid_t gid;
    const char *name;
};

/* True for root who can become somebody else. Root of a user namespace in which nobody else exists
 * is an ordinary user outside it, and has nothing to drop. */
bool privileges_can_drop(const struct privileges_user *user);

/* Finds who to become: `name`, or when it is NULL "heka" if there is such a user, else "nobody". */
int privileges_find(const char *name, struct privileges_user *user, struct err *err);

/* Becomes that user for good. Does nothing when not root. */
int privileges_drop(const struct privileges_user *user, struct err *err);

/* Gives up all capabilities, those of an ordinary user (ambient ones of a service) too. */
int privileges_clear(struct err *err);

#endif
