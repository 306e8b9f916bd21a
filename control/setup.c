/* SPDX-License-Identifier: MPL-2.0 */
#include "control/setup.h"

#include <stdlib.h>

#include "core/paths.h"

static const char *environment(const char *name)
{
    return getenv(name);
}

static void set_paths(struct setup *setup, const char *run_dir)
{
    const struct dataplane_options *options = &setup->config->dataplane;
    char dir[SETUP_PATH_SIZE - 32] = "";
    paths_program_dir(dir, sizeof(dir));
    paths_run_dir(setup->run_dir, sizeof(setup->run_dir));
    paths_profile_dir(setup->profile_dir, sizeof(setup->profile_dir));
    snprintf(setup->program, sizeof(setup->program), "%s/heka-dataplane", dir);
    if (run_dir != NULL || options->run_dir != NULL)
        snprintf(setup->run_dir, sizeof(setup->run_dir), "%s",
                 run_dir != NULL ? run_dir : options->run_dir);
    if (options->profile_dir != NULL)
        snprintf(setup->profile_dir, sizeof(setup->profile_dir), "%s", options->profile_dir);
    if (options->program != NULL)
        snprintf(setup->program, sizeof(setup->program), "%s", options->program);
}

static int load_core_map(struct setup *setup, struct err *err)
{
    struct core_map_machine machine;
    if (setup->config->dataplane_node == NULL || setup->config->core_map_path[0] == '\0')
        return 0;
    core_map_machine_read(&machine);
    return core_map_load(setup->config->core_map_path, setup->profile_dir, &machine,
                         &setup->core_map, err);
}

/* Goes on after errors, to find them all. */
static int load(struct setup *setup, const char *path, const char *run_dir, struct err *err,
                struct err *notes)
{
    int rc = hekad_config_load(path, environment, &setup->config, err, notes);
    if (setup->config == NULL)
        return -1;
    set_paths(setup, run_dir);
    rc |= load_core_map(setup, err);
    return instances_build(setup->config, setup->core_map, &setup->instances, err, notes) | rc;
}

int setup_load(const char *path, const char *run_dir, struct setup **out, struct err *err,
               struct err *notes)
{
    struct setup *setup = calloc(1, sizeof(*setup));
    *out = NULL;
    if (setup == NULL)
        return err_add(err, "out of memory");
    setup->references = 1;
    if (load(setup, path, run_dir, err, notes) != 0) {
        setup_put(setup);
        return err_add(err, "%u errors loading plugins", err->count);
    }
    *out = setup;
    return 0;
}

struct setup *setup_get(struct setup *setup)
{
    setup->references++;
    return setup;
}

void setup_put(struct setup *setup)
{
    if (setup == NULL || --setup->references > 0)
        return;
    instances_free(setup->instances);
    core_map_free(setup->core_map);
    hekad_config_free(setup->config);
    free(setup);
}

struct dataplane_command setup_dataplane_command(const struct setup *setup)
{
    if (setup->config->dataplane_node == NULL)
        return (struct dataplane_command){0};
    return (struct dataplane_command){
        .program = setup->program,
        .core_map = setup->config->core_map_path,
        .profile_dir = setup->profile_dir,
        .user = setup->config->dataplane.user,
    };
}
