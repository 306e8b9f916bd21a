/* SPDX-License-Identifier: MPL-2.0 */
#include "control/config/config_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/conf_build.h"

static int add_file(struct config_files *files, const char *path, struct err *err)
{
    if (files->count >= CONFIG_FILES_MAX)
        return err_at(err, path, 0, "more than %d files", CONFIG_FILES_MAX);
    struct config_file *file = &files->files[files->count];
    int rc = conf_file_read(path, &file->text, err);
    if (rc == 0 && (file->path = strdup(path)) == NULL)
        rc = err_add(err, "out of memory");
    if (rc == 0)
        files->count++;
    else
        buffer_fini(&file->text);
    return rc;
}

static int is_toml(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".toml") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_folder(struct config_files *files, const char *path, struct err *err)
{
    struct dirent **entries = NULL;
    int rc = 0, count = scandir(path, &entries, is_toml, by_name);
    if (count < 0)
        return err_at(err, path, 0, "cannot be read: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        char file[CONFIG_PATH_SIZE];
        int len = snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        if (len < 0 || (size_t)len >= sizeof(file))
            rc = err_at(err, path, 0, "name of %s is too long", entries[i]->d_name);
        else if (add_file(files, file, err) != 0)
            rc = -1;
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int config_files_read(const char *path, struct config_files **out, struct err *err)
{
    struct stat status;
    struct config_files *files = calloc(1, sizeof(*files));
    *out = NULL;
    if (files == NULL || (files->path = strdup(path)) == NULL) {
        free(files);
        return err_add(err, "out of memory");
    }
    atomic_init(&files->references, 1);
    *out = files;
    if (stat(path, &status) != 0)
        return err_at(err, path, 0, "cannot be opened: %s", strerror(errno));
    return S_ISDIR(status.st_mode) ? add_folder(files, path, err) : add_file(files, path, err);
}

struct config_files *config_files_get(struct config_files *files)
{
    atomic_fetch_add_explicit(&files->references, 1, memory_order_relaxed);
    return files;
}

void config_files_put(struct config_files *files)
{
    /* Acquire and release: the last one sees what the others did. */
    if (files == NULL ||
        atomic_fetch_sub_explicit(&files->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < files->count; i++) {
        free(files->files[i].path);
        buffer_fini(&files->files[i].text);
    }
    free(files->path);
    free(files);
}
