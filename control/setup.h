/* SPDX-License-Identifier: MPL-2.0
 *
 * setup.h - what a configuration becomes: options, core map, plugin instances, paths.
 *
 * Place:   main.c loads the first, reload.c the later ones.
 * Threads: references [main]; everything else is immutable after setup_load().
 * Memory:  counted references: one for the daemon, one for each consumer made from it.
 * Failure: all errors at once; *out is NULL then.
 */
#ifndef CONTROL_SETUP_H
#define CONTROL_SETUP_H

#include "control/dataplane_process.h"
#include "control/plugins/instances.h"

enum { SETUP_PATH_SIZE = 1024 };

struct setup {
    struct hekad_config *config;
    struct core_map *core_map; /* NULL: no data plane */
    struct instances *instances;
    char program[SETUP_PATH_SIZE], profile_dir[SETUP_PATH_SIZE], run_dir[SETUP_PATH_SIZE];
    unsigned references;
};

/* `path`: file or folder. `run_dir` NULL: as configured. `notes` takes remarks that are no errors.
 *  */
int setup_load(const char *path, const char *run_dir, struct setup **out, struct err *err,
               struct err *notes);

struct setup_source {
    const char *run_dir; /* NULL: as configured */
    struct config_files *files;
    bool is_check;      /* of a dynamic section: plugin_dir is not looked at again */
    bool is_incomplete; /* not all could be read: an error, after all others are found */
    const struct config_extra *extras; /* dynamic sections */
    unsigned extra_count;
    char *const *excluded; /* names of sections that are left out */
    unsigned excluded_count;
};
/* The same from texts that have been read. [any] */
int setup_make(const struct setup_source *source, struct setup **out, struct err *err,
               struct err *notes);

struct setup *setup_get(struct setup *setup);
void setup_put(struct setup *setup); /* NULL is fine; the last one frees */

/* How to start the data plane; program NULL: the configuration has none. plan and run_dir are the
 * caller's to set. */
struct dataplane_command setup_dataplane_command(const struct setup *setup);

#endif
