/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/config/hekad_config.h"
#include "core/clock.h"
#include "core/paths.h"

/* A name below share_dir, or, where that has none, of what is installed with hekad. */
static int find_script(const struct hekad_globals *globals, const char *name, char *path,
                       size_t size)
{
    char installed[PATH_MAX];
    int len = snprintf(path, size, "%s/%s", globals->share_dir, name);
    if (len >= 0 && (size_t)len < size && access(path, F_OK) != 0 &&
        paths_share_dir(installed, sizeof(installed)) == 0) {
        char other[2 * PATH_MAX];
        snprintf(other, sizeof(other), "%s/%s", installed, name);
        if (strlen(other) < size && access(other, F_OK) == 0)
            len = snprintf(path, size, "%s", other);
    }
    return len;
}

static int find_modules(const struct hekad_globals *globals, char *folders, size_t size)
{
    char installed[PATH_MAX];
    if (paths_share_dir(installed, sizeof(installed)) != 0)
        return snprintf(folders, size, "%s/lua_modules", globals->share_dir);
    return snprintf(folders, size, "%s/lua_modules;%s/lua_modules", globals->share_dir, installed);
}

int sandbox_options_paths(const struct sandbox_options *options,
                          const struct hekad_globals *globals, struct sandbox_paths *paths,
                          struct err *err)
{
    const char *name = options->filename;
    int len = name[0] == '/' ? snprintf(paths->script, sizeof(paths->script), "%s", name)
                             : find_script(globals, name, paths->script, sizeof(paths->script));
    if (len < 0 || (size_t)len >= sizeof(paths->script))
        return err_add(err, "filename: the path is too long");
    const char *folders = options->module_directory;
    len = folders != NULL ? snprintf(paths->modules, sizeof(paths->modules), "%s", folders)
                          : find_modules(globals, paths->modules, sizeof(paths->modules));
    if (len < 0 || (size_t)len >= sizeof(paths->modules))
        return err_add(err, "module_directory: the path is too long");
    return 0;
}

static int check_script(const char *path, struct err *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc = 0;
    if (fd < 0)
        return err_add(err, "filename: %s: cannot be read: %s", path, strerror(errno));
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        rc = err_add(err, "filename: %s: is not a file", path);
    else if (status.st_size > SANDBOX_SCRIPT_SIZE_MAX)
        rc = err_add(err, "filename: %s: larger than %d bytes", path, SANDBOX_SCRIPT_SIZE_MAX);
    close(fd);
    return rc;
}

int sandbox_options_check(const struct sandbox_options *options,
                          const struct hekad_globals *globals, struct err *err)
{
    struct sandbox_paths paths;
    int rc = 0;
    if (options->script_type != NULL && strcmp(options->script_type, "lua") != 0)
        rc = err_add(err, "script_type: unsupported script type: %s", options->script_type);
    if (options->config != NULL && options->config->type != CONF_TABLE)
        rc = err_add(err, "config: is %s, allowed a table", conf_type_name(options->config->type));
    if (options->filename == NULL || options->filename[0] == '\0')
        return options->filename == NULL ? -1 : err_add(err, "filename: is empty");
    if (sandbox_options_paths(options, globals, &paths, err) != 0)
        return -1;
    return check_script(paths.script, err) | rc;
}

void sandbox_options_apply(const struct sandbox_options *options,
                           const struct hekad_globals *globals,
                           struct sandbox_client_config *config)
{
    config->limits = (struct sandbox_limits){
        .memory_limit = (size_t)options->memory_limit,
        .instruction_limit = (uint64_t)options->instruction_limit,
        .output_limit = (size_t)options->output_limit,
        .max_process_inject = (uint32_t)globals->max_process_inject,
        .max_timer_inject = (uint32_t)globals->max_timer_inject,
    };
    config->config = options->config;
    if (options->jit)
        config->class = SANDBOX_CLASS_JIT;
}

int sandbox_options_zone(const struct sandbox_options *options, struct time_zone **zone,
                         struct err *err)
{
    const struct conf_node *tz = options->config != NULL ? conf_get(options->config, "tz") : NULL;
    *zone = NULL;
    if (tz == NULL || tz->type != CONF_STRING || strcmp(tz->str, "UTC") == 0)
        return 0;
    return time_zone_load(tz->str, zone, err);
}

int64_t sandbox_options_in_zone(const struct time_zone *zone, int64_t ns)
{
    const int64_t second = (int64_t)CLOCK_NS_PER_S;
    int64_t rest = ns % second;
    int64_t seconds = ns / second;
    if (rest < 0) {
        rest += second;
        seconds--;
    }
    return time_zone_to_unix(zone, seconds) * second + rest;
}
