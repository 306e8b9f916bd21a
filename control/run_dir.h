/* SPDX-License-Identifier: MPL-2.0
 *
 * run_dir.h - folders and process files that hekad makes at start and removes at the end.
 *
 * Place:   daemon.c.
 * Threads: [main].
 * Failure: texts; what was made before stays.
 */
#ifndef CONTROL_RUN_DIR_H
#define CONTROL_RUN_DIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"

struct run_dir { /* zeroed is fine for run_dir_close() */
    char path[512];
    char pid_path[544]; /* RUN_DIR/hekad.pid, locked while we live */
    int pid_fd;
    bool is_locked;
    char own_pid_file[512]; /* [hekad] pid_file, or empty */
};

/* Makes RUN_DIR, takes hekad.pid, writes `pid_file` (may be NULL or empty). A hekad that lives in
 * this run directory, or a living process in `pid_file`, is an error. */
int run_dir_open(struct run_dir *dir, const char *path, const char *pid_file, struct err *err);
void run_dir_close(struct run_dir *dir);

/* True when a data plane holds the run directory. */
bool run_dir_has_dataplane(const struct run_dir *dir);

#endif
