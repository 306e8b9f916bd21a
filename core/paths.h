/* SPDX-License-Identifier: MPL-2.0
 *
 * paths.h - where installed files are, relative to the running program.
 *
 * Place:   defaults of --profile-dir, [dataplane] program and run_dir; Lua plugins of our own.
 * Threads: any.
 */
#ifndef CORE_PATHS_H
#define CORE_PATHS_H

#include <stddef.h>

/* Folder of the running executable, without a slash at the end. 0 or negative errno. */
int paths_program_dir(char *buf, size_t size);

/* NIC profiles: PREFIX/share/hekaline/nic-profiles when the program is in PREFIX/bin, or those of
 * the source tree when it is in build/PRESET/bin. 0 or -ENOENT. */
int paths_profile_dir(char *buf, size_t size);

/* What is installed beside the program, PREFIX/share/hekaline; in a build folder its links to the
 * sources. 0 or negative errno. */
int paths_share_dir(char *buf, size_t size);

/* /run/hekaline for root, else $XDG_RUNTIME_DIR/hekaline, else /tmp/hekaline-UID. */
void paths_run_dir(char *buf, size_t size);

#endif
