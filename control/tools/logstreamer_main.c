/* SPDX-License-Identifier: MPL-2.0
 *
 * logstreamer_main.c - heka-logstreamer: which streams a LogstreamerInput would find, and which
 * files in which order.
 *
 * Source: Heka 0.11 heka-logstreamer: flags, texts, exit status.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/logstreamer/logstream_options.h"
#include "control/tools/tool_option.h"

enum { EXIT_BAD = 1, FILES_MAX = 1024, TEXT_SIZE = 4096 };

static const struct schema_key common_keys[] = {
    /* Of all inputs: accepted and not looked at. */
    {.key = "type", .type = SCHEMA_NODE},
    {.key = "ticker_interval", .type = SCHEMA_NODE},
    {.key = "decoder", .type = SCHEMA_NODE},
    {.key = "splitter", .type = SCHEMA_NODE},
    {.key = "synchronous_decode", .type = SCHEMA_NODE},
    {.key = "send_decode_failures", .type = SCHEMA_NODE},
    {.key = "log_decode_failures", .type = SCHEMA_NODE},
    {.key = "can_exit", .type = SCHEMA_NODE},
    {.key = "retries", .type = SCHEMA_NODE},
    {0},
};
static const struct schema common_schema = {"all inputs", common_keys};

struct documents {
    struct conf_doc *items[FILES_MAX];
    unsigned count;
};

/* ---- one section ---- */

static void print_stream(const struct logstream *stream)
{
    printf("\nLogstream name: [%s]\n", stream->name);
    printf("Stream Choosing Filename: %s, SeekPosition: %" PRIu64 "\n", stream->position.path,
           stream->position.seek);
    printf("Files: %u (printing oldest to newest)\n", stream->entry_count);
    for (unsigned i = 0; i < stream->entry_count; i++)
        printf("\t%s\n", stream->entries[i].path);
}

/* All errors in one line, as Heka has them. */
static int fail_scan(const struct err *notes, struct err *err)
{
    char text[TEXT_SIZE] = "";
    size_t len = 0;
    for (unsigned i = 0; i < notes->count && i < ERR_LIST_MAX && len < sizeof(text); i++) {
        int put = snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? " :: " : "",
                           notes->texts[i]);
        len += put > 0 ? (size_t)put : 0;
    }
    return err_add(err, "Error scanning: %s", text);
}

static int show(const char *name, const struct logstreamer_options *options, struct err *err)
{
    static struct err notes;
    struct logstream_set_config config;
    struct logstream_set set;
    memset(&notes, 0, sizeof(notes));
    logstreamer_options_config(options, name, NULL, &config);
    if (logstream_set_init(&set, &config, &notes) != 0)
        return err_add(err, "Error initializing LogstreamSet: %s", notes.texts[0]);
    int rc = logstream_set_scan(&set, &notes);
    if (rc != 0 || set.unsorted_count > 0) {
        if (rc != 0)
            err_add(&notes, "%s", strerror(-rc));
        logstream_set_fini(&set);
        return fail_scan(&notes, err);
    }
    err_print(&notes, stderr);
    printf("Found %u Logstream(s) for section [%s].\n", set.stream_count, name);
    for (unsigned i = 0; i < set.stream_count; i++)
        print_stream(set.streams[i]);
    logstream_set_fini(&set);
    return 0;
}

static bool is_logstreamer(const struct conf_node *section)
{
    if (section->type != CONF_TABLE)
        return false;
    const struct conf_node *type = conf_get(section, "type");
    return strcmp(section->key, "LogstreamerInput") == 0 ||
           (type != NULL && type->type == CONF_STRING &&
            strcmp(type->str, "LogstreamerInput") == 0);
}

static int show_section(struct conf_doc *doc, const struct conf_node *section, struct err *err)
{
    static const struct schema *const also[] = {&common_schema, NULL};
    struct logstreamer_options options = {0};
    if (schema_apply(&logstreamer_schema, section, section->key, also, doc, &options, err) != 0)
        return -1;
    return show(section->key, &options, err);
}

/* A section of that name in a later file takes its place. */
static bool is_replaced(const struct documents *documents, unsigned index, const char *name)
{
    for (unsigned i = index + 1; i < documents->count; i++) {
        if (conf_get(conf_root(documents->items[i]), name) != NULL)
            return true;
    }
    return false;
}

static int show_all(const struct documents *documents, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < documents->count; i++) {
        const struct conf_node *section = conf_root(documents->items[i])->first;
        for (; section != NULL; section = section->next) {
            if (is_logstreamer(section) && !is_replaced(documents, i, section->key))
                rc |= show_section(documents->items[i], section, err);
        }
    }
    return rc;
}

/* ---- files ---- */

static const char *environment(const char *name)
{
    return getenv(name);
}

static int load(struct documents *documents, const char *path, struct err *err)
{
    if (documents->count == FILES_MAX)
        return err_add(err, "more than %d files", FILES_MAX);
    struct conf_doc *doc = NULL;
    if (toml_load(path, environment, &doc, err) != 0) {
        conf_doc_free(doc);
        return err_add(err, "Error decoding config file: %s", path);
    }
    documents->items[documents->count++] = doc;
    return 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);
    return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

static int is_relevant(const struct dirent *entry)
{
    const char *name = entry->d_name;
    return name[0] != '.' && !ends_with(name, ".bak") && !ends_with(name, ".tmp") &&
           !ends_with(name, "~");
}

static int load_folder(struct documents *documents, const char *folder, struct err *err)
{
    struct dirent **entries;
    char path[PATH_MAX];
    int rc = 0, count = scandir(folder, &entries, is_relevant, alphasort);
    if (count < 0)
        return err_add(err, "Error opening config file: %s", folder);
    for (int i = 0; i < count; i++) {
        int len = snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        if (len < 0 || (size_t)len >= sizeof(path))
            rc |= err_add(err, "%s: the path is too long", entries[i]->d_name);
        else
            rc |= load(documents, path, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int run(const char *config, struct err *err)
{
    static struct documents documents;
    struct stat status;
    if (stat(config, &status) != 0)
        return err_add(err, "Error opening config file: open %s: no such file or directory",
                       config);
    int rc = S_ISDIR(status.st_mode) ? load_folder(&documents, config, err)
                                     : load(&documents, config, err);
    if (rc == 0)
        rc = show_all(&documents, err);
    for (unsigned i = 0; i < documents.count; i++)
        conf_doc_free(documents.items[i]);
    return rc;
}

int main(int argc, char **argv)
{
    static struct err err;
    const char *config = "logstreamer.toml";
    const struct tool_option options[] = {
        {"config", TOOL_TEXT, &config, 0, 0, "Heka Logstreamer configuration file"},
    };
    const struct tool tool = {"heka-logstreamer",
                              "shows the streams that a LogstreamerInput finds, and their files",
                              "", options, sizeof(options) / sizeof(options[0])};
    struct tool_arguments arguments;
    int status = EXIT_BAD;
    if (tool_parse(&tool, argc, argv, &arguments, &err) != 0) {
        status = EXIT_BAD;
    } else if (!arguments.is_done && arguments.given == 0) { /* as Heka: nothing asked, help */
        tool_print_help(&tool, stdout);
        status = 0;
    } else if (arguments.is_done || run(config, &err) == 0) {
        status = 0;
    }
    err_print(&err, stderr);
    return status;
}
