/* SPDX-License-Identifier: MPL-2.0 */
#include "control/setup.h"

#include <stdlib.h>

#include "control/cpus.h"
#include "control/plugins/native.h"
#include "control/sandbox/sandbox_home.h"
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
    cpus_machine_read(&machine);
    return core_map_load(setup->config->core_map_path, setup->profile_dir, &machine,
                         &setup->core_map, err);
}

/* Goes on after errors, to find them all. */
static int load(struct setup *setup, const struct setup_source *source, struct err *err,
                struct err *notes)
{
    struct config_source config = {
        .files = source->files,
        .are_complete = !source->is_incomplete,
        .environment = environment,
        .extras = source->extras,
        .extra_count = source->extra_count,
        .excluded = source->excluded,
        .excluded_count = source->excluded_count,
    };
    int rc = hekad_config_make(&config, &setup->config, err, notes);
    if (setup->config == NULL)
        return -1;
    set_paths(setup, source->run_dir);
    if (!source->is_check)
        rc |= native_load(setup->config->globals.plugin_dir, err);
    rc |= load_core_map(setup, err);
    sandbox_home_set_options(&setup->config->globals);
    return instances_build(setup->config, setup->core_map, &setup->instances, err, notes) | rc;
}

static int make(const struct setup_source *source, struct setup **out, struct err *err,
                struct err *notes)
{
    struct setup *setup = calloc(1, sizeof(*setup));
    if (setup == NULL)
        return err_add(err, "out of memory");
    setup->references = 1;
    if (load(setup, source, err, notes) != 0) {
        setup_put(setup);
        return -1;
    }
    *out = setup;
    return 0;
}

int setup_make(const struct setup_source *source, struct setup **out, struct err *err,
               struct err *notes)
{
    *out = NULL;
    if (make(source, out, err, notes) == 0 && !source->is_incomplete)
        return 0;
    setup_put(*out);
    *out = NULL;
    return err_add(err, "%u errors loading plugins", err->count);
}

int setup_load(const char *path, const char *run_dir, struct setup **out, struct err *err,
               struct err *notes)
{
    struct setup_source source = {.run_dir = run_dir};
    *out = NULL;
    source.is_incomplete = config_files_read(path, &source.files, err) != 0;
    if (source.files == NULL)
        return -1;
    int rc = setup_make(&source, out, err, notes);
    config_files_put(source.files);
    return rc;
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
