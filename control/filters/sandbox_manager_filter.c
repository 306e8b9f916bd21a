/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_manager_filter.c - SandboxManagerFilter: SandboxFilters that signed messages load,
 *                            replace and unload while hekad runs.
 *
 * Place:   control/plugins/filter_host.c drives it; sections go in by control/dynamic.h, which
 *          brings them into force as a reload does: no message is lost.
 * Threads: the filter's own; init [main].
 * Memory:  up to max_filters sections.
 * Failure: what cannot be loaded is in the log and in heka.sandbox-terminated, with the manager as
 *          plugin; a script that is not better than the one it replaces leaves that one running.
 * Source:  Heka 0.11 SandboxManagerFilter: messages, names, files, texts. It refuses a name that
 *          runs already, we replace it; its max_filters is 0 unless given.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "control/dynamic.h"
#include "control/filters/filters.h"
#include "control/folder.h"
#include "control/sandbox/sandbox_report.h"
#include "control/sandbox/sandbox_section.h"
#include "control/sandbox/sandbox_store.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/siphash.h"

enum { FILTERS_MAX = 200, FOLDER_MODE = 0700, SKEW_S_MAX = 5 };

enum manager_count {
    COUNT_RUNNING,
    COUNT_LOADED,
    COUNT_UNLOADED,
    COUNT_FAILED,
    COUNT_STALE,
    COUNT_UNKNOWN
};

struct manager_config {
    int64_t max_filters;
    const char *working_directory, *module_directory;
    int64_t memory_limit, instruction_limit, output_limit;
};

struct state {
    struct filter_host *host;
    const struct manager_config *config;
    struct dynamic *dynamic;
    char dir[PATH_MAX], modules[PATH_MAX];
    struct sandbox_store store;
    char *pending[FILTERS_MAX]; /* names that are not in force yet */
    unsigned pending_count;
};

/* ---- what went wrong ---- */

static void report(struct state *state, const char *text)
{
    sandbox_report_end(state->host, text);
    filter_host_count(state->host, COUNT_FAILED, 1);
    log_error("Plugin '%s' error: %s", filter_host_name(state->host), text);
}

static void report_err(struct state *state, const char *what, const struct err *err)
{
    char text[2 * ERR_TEXT_SIZE];
    snprintf(text, sizeof(text), "%s failed: %s", what,
             err->count > 0 ? err->texts[0] : "out of memory");
    report(state, text);
}

/* ---- load ---- */

static uint64_t revision_of(struct msg_slice script)
{
    const struct siphash_key key = {{0, 0}}; /* against nobody: it only tells one from another */
    return siphash(&key, script.ptr, script.len);
}

/* Brings a section into force, whose files are there. */
static int put(struct state *state, const char *name, struct msg_slice script,
               struct msg_slice text, struct err *err)
{
    char path[PATH_MAX];
    struct buffer section = {.max_size = DYNAMIC_TEXT_MAX};
    struct sandbox_forced forced = {
        .script = path,
        .module_directory = state->modules,
        .memory_limit = state->config->memory_limit,
        .instruction_limit = state->config->instruction_limit,
        .output_limit = state->config->output_limit,
        .revision = revision_of(script),
    };
    int rc = sandbox_store_script(&state->store, name, path, sizeof(path));
    if (rc == 0)
        rc = sandbox_section_write(text.ptr, text.len, name, &forced, &section, err);
    if (rc == 0)
        rc = dynamic_put(state->dynamic, filter_host_name(state->host), name, section.data, err);
    buffer_fini(&section);
    return rc;
}

static bool is_known(struct state *state, const char *name)
{
    enum dynamic_state now =
        dynamic_state(state->dynamic, filter_host_name(state->host), name, NULL, 0);
    return now == DYNAMIC_RUNNING || now == DYNAMIC_PENDING;
}

static void expect(struct state *state, const char *name)
{
    for (unsigned i = 0; i < state->pending_count; i++)
        if (strcmp(state->pending[i], name) == 0)
            return;
    char *copy = state->pending_count < FILTERS_MAX ? strdup(name) : NULL;
    if (copy != NULL)
        state->pending[state->pending_count++] = copy;
}

static int load(struct state *state, struct msg_slice script, struct msg_slice text,
                struct err *err)
{
    const char *manager = filter_host_name(state->host);
    char name[SANDBOX_SECTION_NAME_SIZE];
    if (sandbox_section_name_of(manager, text.ptr, text.len, name, sizeof(name), err) != 0)
        return -1;
    if (!is_known(state, name) &&
        dynamic_count(state->dynamic, manager) >= (unsigned)state->config->max_filters) {
        filter_host_count(state->host, COUNT_FAILED, 1);
        log_error("Plugin '%s' error: %s attempted to load more than %lld filters", manager,
                  manager, (long long)state->config->max_filters);
        return 0;
    }
    log_info("Plugin '%s': Loading: %s", manager, name);
    if (sandbox_store_put(&state->store, name, script, text, err) != 0 ||
        put(state, name, script, text, err) != 0) {
        sandbox_store_go_back(&state->store, name);
        return -1;
    }
    expect(state, name);
    return 0;
}

/* ---- control messages ---- */

static struct msg_slice text_field(const struct msg_view *message, const char *name)
{
    struct msg_field field;
    struct msg_slice text = {NULL, 0};
    if (!msg_field_find(message, name, strlen(name), 0, &field) ||
        !msg_field_slice(&field, 0, &text))
        text = (struct msg_slice){NULL, 0};
    return text;
}

static bool is_text(struct msg_slice slice, const char *text)
{
    return slice.ptr != NULL && slice.len == strlen(text) &&
           memcmp(slice.ptr, text, slice.len) == 0;
}

static int do_load(struct state *state, const struct msg_view *message)
{
    struct msg_slice config = text_field(message, "config");
    struct err *err = calloc(1, sizeof(*err));
    int rc = -ENOMEM;
    if (config.ptr == NULL)
        rc = filter_host_fail(state->host, -EINVAL, "load: no field config with a text");
    else if (err != NULL) {
        rc = load(state, message->payload, config, err);
        if (rc != 0)
            report_err(state, "loadSandbox", err);
        rc = 0;
    }
    free(err);
    return rc;
}

static int do_unload(struct state *state, const struct msg_view *message)
{
    const char *manager = filter_host_name(state->host);
    struct msg_slice filter = text_field(message, "name");
    char text[SANDBOX_SECTION_NAME_SIZE], name[SANDBOX_SECTION_NAME_SIZE];
    if (filter.ptr == NULL || filter.len >= sizeof(text))
        return filter_host_fail(state->host, -EINVAL, "unload: no field name with a text");
    snprintf(text, sizeof(text), "%.*s", (int)filter.len, filter.ptr);
    if (sandbox_section_name(manager, text, name, sizeof(name)) != 0 ||
        dynamic_remove(state->dynamic, manager, name) != 0)
        return filter_host_fail(state->host, -ENOENT, "unload: %s is not loaded", name);
    log_info("Plugin '%s': Unloading: %s", manager, name);
    sandbox_store_remove(&state->store, name);
    filter_host_count(state->host, COUNT_UNLOADED, 1);
    return 0;
}

static int process(void *state_memory, const struct msg_view *message, const struct record *record)
{
    struct state *state = state_memory;
    struct msg_slice action = text_field(message, "action");
    int64_t skew_ns = (int64_t)clock_wall_ns() - message->timestamp_ns;
    (void)record;
    if (llabs(skew_ns) >= (int64_t)(SKEW_S_MAX * CLOCK_NS_PER_S)) {
        filter_host_count(state->host, COUNT_STALE, 1);
        return filter_host_fail(state->host, -ESTALE,
                                "Discarded control message: %lld seconds skew",
                                (long long)(skew_ns / (int64_t)CLOCK_NS_PER_S));
    }
    if (is_text(action, "load"))
        return do_load(state, message);
    if (is_text(action, "unload"))
        return do_unload(state, message);
    filter_host_count(state->host, COUNT_UNKNOWN, 1);
    return filter_host_fail(state->host, -EINVAL,
                            "a control message without action load or unload");
}

/* ---- what became of it ---- */

/* True when it is known. */
static bool settle(struct state *state, const char *name)
{
    char text[ERR_TEXT_SIZE];
    switch (
        dynamic_state(state->dynamic, filter_host_name(state->host), name, text, sizeof(text))) {
    case DYNAMIC_PENDING:
        return false;
    case DYNAMIC_RUNNING:
        sandbox_store_keep(&state->store, name);
        filter_host_count(state->host, COUNT_LOADED, 1);
        return true;
    case DYNAMIC_FAILED:
        sandbox_store_go_back(&state->store, name);
        report(state, text);
        return true;
    case DYNAMIC_NONE: /* unloaded meanwhile */
        break;
    }
    return true;
}

static void turn(void *state_memory)
{
    struct state *state = state_memory;
    unsigned left = 0;
    for (unsigned i = 0; i < state->pending_count; i++) {
        if (settle(state, state->pending[i]))
            free(state->pending[i]);
        else
            state->pending[left++] = state->pending[i];
    }
    state->pending_count = left;
    filter_host_set(state->host, COUNT_RUNNING,
                    dynamic_count(state->dynamic, filter_host_name(state->host)));
}

/* ---- start ---- */

static void restore(void *state_memory, const char *name)
{
    struct state *state = state_memory;
    struct buffer script = {0}, section = {0};
    struct err *err = calloc(1, sizeof(*err));
    if (err == NULL)
        return;
    log_info("Plugin '%s': Loading: %s", filter_host_name(state->host), name);
    int rc = sandbox_store_read(&state->store, name, ".lua", &script, err);
    if (rc == 0)
        rc = sandbox_store_read(&state->store, name, ".toml", &section, err);
    if (rc == 0)
        rc = put(state, name, (struct msg_slice){script.data, (uint32_t)script.size},
                 (struct msg_slice){section.data, (uint32_t)section.size}, err);
    if (rc == 0)
        expect(state, name);
    else
        report_err(state, "restoreSandboxes", err);
    buffer_fini(&script);
    buffer_fini(&section);
    free(err);
}

static int set_paths(struct state *state, const struct hekad_globals *globals, struct err *err)
{
    const struct manager_config *config = state->config;
    const char *dir = config->working_directory;
    int len = snprintf(state->dir, sizeof(state->dir), "%s%s%s",
                       dir[0] == '/' ? "" : globals->base_dir, dir[0] == '/' ? "" : "/", dir);
    if (len < 0 || (size_t)len >= sizeof(state->dir))
        return err_add(err, "working_directory: the path is too long");
    len = config->module_directory != NULL
              ? snprintf(state->modules, sizeof(state->modules), "%s", config->module_directory)
              : snprintf(state->modules, sizeof(state->modules), "%s/lua_modules",
                         globals->share_dir);
    if (len < 0 || (size_t)len >= sizeof(state->modules))
        return err_add(err, "module_directory: the path is too long");
    return 0;
}

static int init(void *state_memory, const void *config_memory, struct filter_host *host,
                struct err *err)
{
    struct state *state = state_memory;
    char manager[SANDBOX_SECTION_NAME_SIZE];
    state->host = host;
    state->config = config_memory;
    state->dynamic = filter_host_dynamic(host);
    if (state->dynamic == NULL)
        return err_add(err, "'%s': no sections can be added", filter_host_name(host));
    if (set_paths(state, filter_host_globals(host), err) != 0)
        return -1;
    int rc = folder_make(state->dir, FOLDER_MODE);
    if (rc != 0)
        return err_add(err, "working_directory: %s: cannot be made: %s", state->dir, strerror(-rc));
    state->store.dir = state->dir;
    if (sandbox_section_name(filter_host_name(host), "", manager, sizeof(manager)) != 0)
        return err_add(err, "'%s': the name is too long", filter_host_name(host));
    manager[strlen(manager) - 1] = '\0'; /* without its "-" */
    sandbox_store_each(&state->store, manager, restore, state);
    return 0;
}

static void fini(void *state_memory)
{
    struct state *state = state_memory;
    for (unsigned i = 0; i < state->pending_count; i++)
        free(state->pending[i]);
    state->pending_count = 0;
}

static const struct filter_counter counters[] = {
    [COUNT_RUNNING] = {"running_filters", "that are loaded now"},
    [COUNT_LOADED] = {"loaded", "filters that came into force"},
    [COUNT_UNLOADED] = {"unloaded", "filters that were told to go"},
    [COUNT_FAILED] = {"load_failed", "that could not be loaded"},
    [COUNT_STALE] = {"stale", "control messages with another time than ours"},
    [COUNT_UNKNOWN] = {"unknown", "control messages that make no sense"},
    {NULL, NULL},
};

#define OPTION(member) .key = #member, .offset = offsetof(struct manager_config, member)
static const struct schema_key keys[] = {
    {OPTION(max_filters), .type = SCHEMA_INT, .min = 0, .max = FILTERS_MAX, .def = "32",
     .help = "More are not loaded."},
    {OPTION(working_directory), .type = SCHEMA_STRING, .def = "sbxmgrs",
     .help = "Scripts and sections are kept there; relative to base_dir."},
    {OPTION(module_directory), .type = SCHEMA_STRING,
     .help = "Folders of Lua modules for all of them. Default: share_dir/lua_modules."},
    {OPTION(memory_limit), .type = SCHEMA_INT, .min = 0, .max = 1 << 30, .def = "8388608",
     .unit = "bytes", .help = "Of each script's heap."},
    {OPTION(instruction_limit), .type = SCHEMA_INT, .min = 0, .max = 9e18, .def = "1000000",
     .help = "Of each call."},
    {OPTION(output_limit), .type = SCHEMA_INT, .min = 0, .max = 64 << 20, .def = "64512",
     .unit = "bytes", .help = "Of a payload or message that a script makes."},
    {0},
};
static const struct schema schema = {"SandboxManagerFilter", keys};

const struct filter_ops sandbox_manager_filter = {
    .plugin = {PLUGIN_ABI, "SandboxManagerFilter", &schema, sizeof(struct manager_config),
               sizeof(struct state)},
    .default_matcher = "Type == 'heka.control.sandbox'",
    .counters = counters,
    .init = init,
    .process = process,
    .turn = turn,
    .fini = fini,
};
