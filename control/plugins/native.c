/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/native.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/hekaline.h"
#include "control/plugins/native_api.h"

enum { PATH_SIZE = 1024, ROWS_MAX = 64, STATE_MAX = 64 << 20 };

struct native_object {
    dev_t dev;
    ino_t ino;
    char *path;
};

struct native_row {
    const struct plugin_ops *ops;
    enum plugin_category category;
    const char *path;
};

static struct {
    pthread_mutex_t lock;
    struct native_object objects[NATIVE_FILES_MAX];
    unsigned object_count;
    struct native_row rows[NATIVE_TYPES_MAX];
    _Atomic unsigned row_count;                               /* those before it are whole */
    const struct decoder_ops *decoders[NATIVE_TYPES_MAX + 1]; /* of these, ended by NULL */
    unsigned decoder_count;
} loaded = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- what is loaded ---- */

const struct plugin_ops *native_type(enum plugin_category category, unsigned index)
{
    /* R1 pairs with A1 in add_rows. */
    unsigned count = atomic_load_explicit(&loaded.row_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++)
        if (loaded.rows[i].category == category && index-- == 0)
            return loaded.rows[i].ops;
    return NULL;
}

const char *native_file(const struct plugin_ops *ops)
{
    unsigned count = atomic_load_explicit(&loaded.row_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++)
        if (loaded.rows[i].ops == ops)
            return loaded.rows[i].path;
    return NULL;
}

/* ---- one type ---- */

static size_t ops_size(enum plugin_category category)
{
    static const size_t sizes[PLUGIN_CATEGORY_COUNT] = {
        [PLUGIN_INPUT] = sizeof(struct input_ops),
        [PLUGIN_SPLITTER] = sizeof(struct splitter_ops),
        [PLUGIN_DECODER] = sizeof(struct decoder_ops),
        [PLUGIN_FILTER] = sizeof(struct filter_ops),
        [PLUGIN_ENCODER] = sizeof(struct encoder_ops),
        [PLUGIN_OUTPUT] = sizeof(struct output_ops),
    };
    return sizes[category];
}

/* A function that every type of its kind has. */
static const char *missing_function(enum plugin_category category, const void *ops)
{
    const struct input_ops *input = ops;
    const struct splitter_ops *splitter = ops;
    const struct decoder_ops *decoder = ops;
    const struct filter_ops *filter = ops;
    const struct encoder_ops *encoder = ops;
    const struct output_ops *output = ops;
    switch (category) {
    case PLUGIN_INPUT:
        return input->init == NULL ? "init" : input->run == NULL ? "run" : NULL;
    case PLUGIN_SPLITTER:
        return splitter->common == NULL ? "common" : splitter->find == NULL ? "find" : NULL;
    case PLUGIN_DECODER:
        return decoder->init == NULL     ? "init"
               : decoder->decode == NULL ? "decode"
               : decoder->fini == NULL   ? "fini"
                                         : NULL;
    case PLUGIN_FILTER:
        return filter->init == NULL      ? "init"
               : filter->process == NULL ? "process"
               : filter->fini == NULL    ? "fini"
                                         : NULL;
    case PLUGIN_ENCODER:
        return encoder->encode == NULL ? "encode" : NULL;
    case PLUGIN_OUTPUT:
        return output->init == NULL      ? "init"
               : output->deliver == NULL ? "deliver"
               : output->fini == NULL    ? "fini"
                                         : NULL;
    default:
        return NULL;
    }
}

static bool is_taken(const char *name, const struct heka_plugin *rows, unsigned before)
{
    for (unsigned i = 0; i < before; i++)
        if (strcmp(rows[i].ops->name, name) == 0)
            return true;
    return plugin_type_find(name) != NULL;
}

static int check_row(const char *path, const struct heka_plugin *rows, unsigned index,
                     struct err *err)
{
    const struct plugin_ops *ops = rows[index].ops;
    if (ops->abi != PLUGIN_ABI)
        return err_at(err, path, 0, "type %u is made for plugin ABI %u; this hekad has %d", index,
                      ops->abi, PLUGIN_ABI);
    if (ops->name == NULL || ops->schema == NULL || ops->schema->keys == NULL)
        return err_at(err, path, 0, "type %u has no name or no schema", index);
    enum plugin_category category = plugin_category_of(ops->name);
    if (category == PLUGIN_CATEGORY_COUNT)
        return err_at(err, path, 0,
                      "'%s': a type's name ends in Input, Splitter, Decoder, Filter, Encoder or "
                      "Output",
                      ops->name);
    if (rows[index].ops_size != ops_size(category))
        return err_at(err, path, 0, "'%s': its ops struct has %zu bytes; this hekad's has %zu",
                      ops->name, rows[index].ops_size, ops_size(category));
    const char *missing = missing_function(category, ops);
    if (missing != NULL)
        return err_at(err, path, 0, "'%s': no function '%s'", ops->name, missing);
    if (ops->state_size > STATE_MAX || ops->config_size > STATE_MAX)
        return err_at(err, path, 0, "'%s': more than %d bytes of state", ops->name, STATE_MAX);
    if (is_taken(ops->name, rows, index))
        return err_at(err, path, 0, "'%s': there is a type of that name already", ops->name);
    const struct decoder_ops *decoder = (const void *)ops;
    if (category == PLUGIN_DECODER && !decoder->runs_in_hekad)
        return err_at(err, path, 0, "'%s': runs_in_hekad has to be set", ops->name);
    return 0;
}

/* ---- one object ---- */

static int check_table(const char *path, const struct heka_plugins *table, unsigned *count,
                       struct err *err)
{
    int rc = 0;
    if (table->abi != PLUGIN_ABI)
        return err_at(err, path, 0, "made for plugin ABI %u; this hekad has %d", table->abi,
                      PLUGIN_ABI);
    if (table->row_size != sizeof(struct heka_plugin) || table->rows == NULL)
        return err_at(err, path, 0, "heka_plugins: rows of %u bytes; this hekad's have %zu",
                      table->row_size, sizeof(struct heka_plugin));
    for (*count = 0; rc == 0 && table->rows[*count].ops != NULL; ++*count) {
        if (*count == ROWS_MAX)
            return err_at(err, path, 0, "more than %d types", ROWS_MAX);
        rc = check_row(path, table->rows, *count, err);
    }
    if (rc == 0 && loaded.row_count + *count > NATIVE_TYPES_MAX)
        rc = err_at(err, path, 0, "more than %d types in all", NATIVE_TYPES_MAX);
    return rc;
}

static void add_rows(const struct heka_plugins *table, unsigned count, const char *path)
{
    unsigned at = loaded.row_count;
    for (unsigned i = 0; i < count; i++) {
        const struct plugin_ops *ops = table->rows[i].ops;
        loaded.rows[at + i] = (struct native_row){ops, plugin_category_of(ops->name), path};
        if (loaded.rows[at + i].category == PLUGIN_DECODER)
            loaded.decoders[loaded.decoder_count++] = (const void *)ops;
    }
    /* A1 pairs with R1 in native_type. */
    atomic_store_explicit(&loaded.row_count, at + count, memory_order_release);
}

/* The handle is kept for ever when all is well. */
static int open_object(const char *path, const char *kept_path, struct err *err)
{
    unsigned count = 0;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        const char *text = dlerror();
        return err_at(err, path, 0, "cannot be loaded: %s", text != NULL ? text : "no reason");
    }
    const struct heka_plugins *table = dlsym(handle, "heka_plugins");
    int rc = table == NULL ? err_at(err, path, 0, "no symbol heka_plugins: it is no plugin")
                           : check_table(path, table, &count, err);
    if (rc == 0)
        add_rows(table, count, kept_path);
    else
        dlclose(handle);
    return rc;
}

static bool is_loaded(const struct stat *status)
{
    for (unsigned i = 0; i < loaded.object_count; i++)
        if (loaded.objects[i].dev == status->st_dev && loaded.objects[i].ino == status->st_ino)
            return true;
    return false;
}

static int load_object(const char *path, struct err *err)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return err_at(err, path, 0, "%s", strerror(errno));
    if (is_loaded(&status))
        return 0;
    if (status.st_mode & S_IWOTH)
        return err_at(err, path, 0, "everybody may write it; it is not loaded");
    if (loaded.object_count == NATIVE_FILES_MAX)
        return err_at(err, path, 0, "more than %d files", NATIVE_FILES_MAX);
    struct native_object *object = &loaded.objects[loaded.object_count];
    *object = (struct native_object){status.st_dev, status.st_ino, strdup(path)};
    if (object->path == NULL)
        return err_add(err, "out of memory");
    int rc = open_object(path, object->path, err);
    if (rc == 0)
        loaded.object_count++;
    else
        free(object->path);
    return rc;
}

/* ---- the folder ---- */

static int is_object(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_folder(const char *dir, struct err *err)
{
    struct dirent **entries = NULL;
    int rc = 0, count = scandir(dir, &entries, is_object, by_name);
    if (count < 0)
        return err_add(err, "plugin_dir %s: cannot be read: %s", dir, strerror(errno));
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        int len = snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        if (len < 0 || (size_t)len >= sizeof(path))
            rc = err_add(err, "plugin_dir %s: name of %s is too long", dir, entries[i]->d_name);
        else if (load_object(path, err) != 0)
            rc = -1;
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int native_load(const char *dir, struct err *err)
{
    if (dir == NULL || dir[0] == '\0')
        return 0;
    native_api_keep();
    decoder_add_types(loaded.decoders);
    pthread_mutex_lock(&loaded.lock);
    int rc = load_folder(dir, err);
    pthread_mutex_unlock(&loaded.lock);
    return rc;
}
