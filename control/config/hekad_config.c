/* SPDX-License-Identifier: MPL-2.0 */
#include "control/config/hekad_config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"
#include "core/log.h"
#include "core/message.h"

enum {
    MESSAGE_SIZE_MIN = 1025,     /* Heka: 1..1024 is an error */
    MESSAGE_SIZE_MAX = 16 << 20, /* the data plane's limit */
    LOG_FLAGS_MAX = 63,
    LOG_FLAGS_OF_SOURCE = 8 | 16 /* Go's long and short file names: this is no Go */
};

#define GLOBAL(member) .key = #member, .offset = offsetof(struct hekad_globals, member)
static const struct schema_key global_keys[] = {
    {GLOBAL(maxprocs), .type = SCHEMA_INT, .min = 1, .max = 65536, .def = "1",
     .help = "Accepted and ignored: each output has a thread of its own."},
    {GLOBAL(poolsize), .type = SCHEMA_INT, .min = 1, .max = INT32_MAX, .def = "100",
     .help = "Accepted and ignored: messages wait in the lanes (core map, lane_mbytes)."},
    {GLOBAL(plugin_chansize), .type = SCHEMA_INT, .min = 0, .max = INT32_MAX, .def = "30",
     .help = "Accepted and ignored, as poolsize."},
    {GLOBAL(cpuprof), .type = SCHEMA_STRING, .help = "Accepted and ignored: use perf."},
    {GLOBAL(memprof), .type = SCHEMA_STRING, .help = "Accepted and ignored: use heaptrack."},
    {GLOBAL(max_message_loops), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "4",
     .help = "How often a message may cause another one; 0 means 1."},
    {GLOBAL(max_process_inject), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "1",
     .help = "Messages that a filter may inject for one message."},
    {GLOBAL(max_process_duration), .type = SCHEMA_INT, .min = 0, .max = 9e18, .def = "100000",
     .unit = "ns", .help = "Time that a managed filter may take for one message."},
    {GLOBAL(max_timer_inject), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "10",
     .help = "Messages that a filter may inject for one tick."},
    {GLOBAL(max_pack_idle), .type = SCHEMA_DURATION, .def = "2m",
     .help = "Accepted and ignored: there are no packs to leak."},
    {GLOBAL(base_dir), .type = SCHEMA_STRING, .def = "/var/cache/hekad",
     .help = "Folder for data; made at start."},
    {GLOBAL(share_dir), .type = SCHEMA_STRING, .def = "/usr/share/heka",
     .help = "Folder of scripts and static files."},
    {GLOBAL(sample_denominator), .type = SCHEMA_INT, .min = 1, .max = INT32_MAX, .def = "1000",
     .help = "Accepted and ignored: every message is counted."},
    {GLOBAL(pid_file), .type = SCHEMA_STRING,
     .help = "File for the process number; a living process in it is an error."},
    {GLOBAL(hostname), .type = SCHEMA_STRING, .help = "Default: the host's name."},
    {GLOBAL(max_message_size), .type = SCHEMA_INT, .min = 0, .max = MESSAGE_SIZE_MAX, .def = "0",
     .unit = "bytes", .help = "Above 1024, or 0 for 65536; larger messages are counted."},
    {GLOBAL(log_flags), .type = SCHEMA_INT, .min = 0, .max = LOG_FLAGS_MAX, .def = "3",
     .help = "Sum of 1 date, 2 time, 4 microseconds, 32 UTC; also for LogOutput."},
    {GLOBAL(full_buffer_max_retries), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "10",
     .help = "Seconds to wait at start for a disk queue that is 90 % full, before inputs start."},
    {GLOBAL(report_interval), .type = SCHEMA_INT, .min = 0, .max = 86400, .def = "0", .unit = "s",
     .help = "Seconds between heka.all-report messages; 0: every 5 s when a matcher names them."},
    {GLOBAL(plugin_dir), .type = SCHEMA_STRING,
     .help = "Folder of shared objects with plugin types; all of its *.so files are loaded."},
    {0},
};
const struct schema hekad_globals_schema = {"hekad", global_keys};

#define DATAPLANE(member) .key = #member, .offset = offsetof(struct dataplane_options, member)
static const struct schema_key dataplane_keys[] = {
    {DATAPLANE(core_map), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "JSON file; a relative path starts at the file that names it."},
    {DATAPLANE(program), .type = SCHEMA_STRING,
     .help = "Default: heka-dataplane beside hekad's own program."},
    {DATAPLANE(profile_dir), .type = SCHEMA_STRING,
     .help = "Folder of NIC profiles. Default: the installed one."},
    {DATAPLANE(run_dir), .type = SCHEMA_STRING,
     .help = "Default: /run/hekaline, or $XDG_RUNTIME_DIR/hekaline without root."},
    {DATAPLANE(user), .type = SCHEMA_STRING,
     .help = "User that the data plane becomes when its ports are open."},
    {0},
};
const struct schema dataplane_options_schema = {"dataplane", dataplane_keys};

const struct config_section *hekad_config_find(const struct hekad_config *config, const char *name)
{
    for (unsigned i = 0; i < config->section_count; i++)
        if (strcmp(config->sections[i].name, name) == 0)
            return &config->sections[i];
    return NULL;
}

static const char *section_type(const struct conf_node *node, struct err *err)
{
    const struct conf_node *type = conf_get(node, "type");
    if (type == NULL)
        return node->key;
    if (type->type == CONF_STRING)
        return type->str;
    err_at(err, type->file, type->line, "type: found %s, allowed string",
           conf_type_name(type->type));
    return NULL;
}

static bool is_excluded(const struct hekad_config *config, const char *name)
{
    for (unsigned i = 0; i < config->excluded_count; i++)
        if (strcmp(config->excluded[i], name) == 0)
            return true;
    return false;
}

static int add_plugin(struct hekad_config *config, struct conf_doc *doc,
                      const struct conf_node *node, struct err *err)
{
    if (is_excluded(config, node->key))
        return 0;
    const struct config_section *earlier = hekad_config_find(config, node->key);
    if (earlier != NULL)
        return err_at(err, node->file, node->line, "section '%s' is there already, at %s:%u",
                      node->key, earlier->node->file, earlier->node->line);
    if (config->section_count >= CONFIG_SECTIONS_MAX)
        return err_at(err, node->file, node->line, "more than %d sections", CONFIG_SECTIONS_MAX);
    const char *type = section_type(node, err);
    if (type == NULL)
        return -1;
    config->sections[config->section_count++] =
        (struct config_section){.name = node->key, .type = type, .node = node, .doc = doc};
    return 0;
}

static int add_section(struct hekad_config *config, struct conf_doc *doc,
                       const struct conf_node *node, struct err *err, struct err *notes)
{
    if (node->type != CONF_TABLE)
        return err_at(err, node->file, node->line, "'%s' is outside of every section", node->key);
    if (strcmp(node->key, "hekad") == 0) {
        if (config->globals_node != NULL)
            err_at(notes, node->file, node->line, "this [hekad] replaces the one at %s:%u",
                   config->globals_node->file, config->globals_node->line);
        config->globals_node = node;
        config->globals_doc = doc;
        return 0;
    }
    if (strcmp(node->key, "dataplane") != 0)
        return add_plugin(config, doc, node, err);
    if (config->dataplane_node != NULL)
        return err_at(err, node->file, node->line, "section 'dataplane' is there already, at %s:%u",
                      config->dataplane_node->file, config->dataplane_node->line);
    config->dataplane_node = node;
    config->dataplane_doc = doc;
    return 0;
}

static int add_file(struct hekad_config *config, const struct config_file *file,
                    conf_environment_fn environment, struct err *err, struct err *notes)
{
    struct conf_doc *doc = NULL;
    int rc = 0;
    if (toml_parse(file->text.data, file->text.size, file->path, environment, &doc, err) != 0)
        return -1;
    config->docs[config->doc_count++] = doc;
    for (const struct conf_node *node = conf_root(doc)->first; node != NULL; node = node->next)
        rc |= add_section(config, doc, node, err, notes);
    return rc;
}

/* ---- sections that plugins add ---- */

/* Those of owners that are gone are left out. */
static int add_extra(struct hekad_config *config, const struct config_extra *extra, struct err *err)
{
    char file[CONFIG_PATH_SIZE];
    struct conf_doc *doc = NULL;
    if (hekad_config_find(config, extra->owner) == NULL || is_excluded(config, extra->name))
        return 0;
    snprintf(file, sizeof(file), "%s of %s", extra->name, extra->owner);
    if (config->doc_count >= ARRAY_COUNT(config->docs))
        return err_at(err, file, 0, "more than %zu files and dynamic sections",
                      ARRAY_COUNT(config->docs));
    if (toml_parse(extra->text, strlen(extra->text), file, NULL, &doc, err) != 0)
        return -1;
    config->docs[config->doc_count++] = doc;
    const struct conf_node *node = conf_root(doc)->first;
    if (node == NULL || node->next != NULL || node->type != CONF_TABLE ||
        strcmp(node->key, extra->name) != 0)
        return err_at(err, file, 0, "one section, [%s], is expected", extra->name);
    if (strcmp(node->key, "hekad") == 0 || strcmp(node->key, "dataplane") == 0)
        return err_at(err, file, node->line, "no plugin can have this name");
    return add_plugin(config, doc, node, err);
}

static void note_ignored(const struct hekad_config *config, struct err *notes)
{
    static const struct {
        const char *key, *why;
    } ignored[] = {
        {"maxprocs", "each plugin has a thread of its own"},
        {"poolsize", "messages wait in the lanes"},
        {"plugin_chansize", "messages wait in the lanes"},
        {"cpuprof", "use perf"},
        {"memprof", "use heaptrack"},
        {"max_pack_idle", "there are no packs to leak"},
        {"sample_denominator", "every message is counted"},
    };
    const struct hekad_globals *globals = &config->globals;
    const struct conf_node *node = config->globals_node;
    if (node == NULL)
        return;
    for (unsigned i = 0; i < ARRAY_COUNT(ignored); i++) {
        const struct conf_node *key = conf_get(node, ignored[i].key);
        if (key != NULL)
            err_at(notes, key->file, key->line, "%s has no effect: %s", ignored[i].key,
                   ignored[i].why);
    }
    if (globals->log_flags & LOG_FLAGS_OF_SOURCE)
        err_at(notes, node->file, node->line,
               "log_flags 8 and 16 (source file names) have no effect");
}

static int apply_globals(struct hekad_config *config, struct err *err, struct err *notes)
{
    struct hekad_globals *globals = &config->globals;
    int rc = schema_apply(&hekad_globals_schema, config->globals_node, "hekad", NULL,
                          config->globals_doc, globals, err);
    const struct conf_node *size = conf_get(config->globals_node, "max_message_size");
    if (size != NULL && size->type == CONF_INT && size->i > 0 && size->i < MESSAGE_SIZE_MIN)
        rc = err_at(err, size->file, size->line,
                    "max_message_size: found %lld, allowed 0 or more than 1024 bytes",
                    (long long)size->i);
    if (globals->max_message_size == 0)
        globals->max_message_size = MSG_SIZE_DEFAULT_MAX;
    if (globals->max_message_loops == 0)
        globals->max_message_loops = 1;
    if (globals->hostname == NULL || globals->hostname[0] == '\0') {
        if (gethostname(config->own_hostname, sizeof(config->own_hostname) - 1) != 0)
            snprintf(config->own_hostname, sizeof(config->own_hostname), "localhost");
        globals->hostname = config->own_hostname;
    }
    note_ignored(config, notes);
    return rc;
}

static int resolve_core_map(struct hekad_config *config, struct err *err)
{
    const char *core_map = config->dataplane.core_map;
    const char *file = config->dataplane_node->file, *slash = strrchr(file, '/');
    int folder_len = core_map[0] == '/' || slash == NULL ? 0 : (int)(slash - file + 1);
    int len = snprintf(config->core_map_path, sizeof(config->core_map_path), "%.*s%s", folder_len,
                       file, core_map);
    if (len < 0 || (size_t)len >= sizeof(config->core_map_path))
        return err_at(err, file, config->dataplane_node->line, "core_map: the path is too long");
    return 0;
}

static int apply_dataplane(struct hekad_config *config, struct err *err)
{
    if (config->dataplane_node == NULL)
        return 0;
    int rc = schema_apply(&dataplane_options_schema, config->dataplane_node, "dataplane", NULL,
                          config->dataplane_doc, &config->dataplane, err);
    if (config->dataplane.core_map != NULL)
        rc |= resolve_core_map(config, err);
    return rc;
}

static int make(struct hekad_config *config, const struct config_source *source, struct err *err,
                struct err *notes)
{
    int rc = 0;
    config->excluded = source->excluded;
    config->excluded_count = source->excluded_count;
    for (unsigned i = 0; i < source->files->count; i++)
        rc |= add_file(config, &source->files->files[i], source->environment, err, notes);
    if (rc == 0 && source->are_complete && config->section_count == 0 &&
        config->globals_node == NULL && config->dataplane_node == NULL)
        return err_add(err, "%s: Empty configuration, exiting.", source->files->path);
    for (unsigned i = 0; i < source->extra_count; i++)
        rc |= add_extra(config, &source->extras[i], err);
    config->excluded_count = 0; /* the caller's */
    rc |= apply_globals(config, err, notes);
    return rc | apply_dataplane(config, err);
}

int hekad_config_make(const struct config_source *source, struct hekad_config **out,
                      struct err *err, struct err *notes)
{
    struct hekad_config *config = calloc(1, sizeof(*config));
    if (config != NULL)
        config->sections = calloc(CONFIG_SECTIONS_MAX, sizeof(*config->sections));
    if (config == NULL || config->sections == NULL) {
        free(config);
        *out = NULL;
        return err_add(err, "out of memory");
    }
    config->files = config_files_get(source->files);
    *out = config;
    return make(config, source, err, notes) != 0 ? -1 : 0;
}

int hekad_config_load(const char *path, conf_environment_fn environment, struct hekad_config **out,
                      struct err *err, struct err *notes)
{
    struct config_source source = {.environment = environment};
    *out = NULL;
    int rc = config_files_read(path, &source.files, err);
    if (source.files == NULL)
        return -1;
    source.are_complete = rc == 0;
    rc |= hekad_config_make(&source, out, err, notes);
    config_files_put(source.files);
    return rc;
}

void hekad_config_free(struct hekad_config *config)
{
    if (config == NULL)
        return;
    for (unsigned i = 0; i < config->doc_count; i++)
        conf_doc_free(config->docs[i]);
    config_files_put(config->files);
    free(config->sections);
    free(config);
}
