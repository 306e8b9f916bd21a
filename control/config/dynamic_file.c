/* SPDX-License-Identifier: MPL-2.0 */
#include "control/config/dynamic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/whole_file.h"

enum { FILE_MODE = 0600 };

static void path_of(const char *run_dir, char path[DYNAMIC_FILE_PATH_SIZE])
{
    snprintf(path, DYNAMIC_FILE_PATH_SIZE, "%s/dynamic.json", run_dir);
}

static json_t *to_json(const struct dynamic_sections *sections)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < sections->count; i++) {
        const struct config_extra *extra = &sections->extras[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "owner", extra->owner, "name",
                                              extra->name, "text", extra->text));
    }
    return json_pack("{s:o}", "sections", list);
}

void dynamic_file_save(const char *run_dir, const struct dynamic_sections *sections)
{
    char path[DYNAMIC_FILE_PATH_SIZE], fresh[DYNAMIC_FILE_PATH_SIZE + 8];
    path_of(run_dir, path);
    if (sections->count == 0) {
        unlink(path);
        return;
    }
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    json_t *object = to_json(sections);
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    int rc = -ENOMEM;
    if (text != NULL)
        rc = whole_file_replace(path, fresh, FILE_MODE, text, strlen(text));
    if (rc != 0)
        log_error("%s: %s", path, strerror(-rc));
    free(text);
    json_decref(object);
}

static int add_row(struct dynamic_sections *out, const json_t *row)
{
    const char *owner = json_string_value(json_object_get(row, "owner"));
    const char *name = json_string_value(json_object_get(row, "name"));
    const char *text = json_string_value(json_object_get(row, "text"));
    if (owner == NULL || name == NULL || text == NULL || strlen(text) > DYNAMIC_TEXT_MAX ||
        out->count == DYNAMIC_SECTIONS_MAX)
        return -1;
    return dynamic_sections_add(out, owner, name, text);
}

void dynamic_file_load(const char *run_dir, struct dynamic_sections *out)
{
    char path[DYNAMIC_FILE_PATH_SIZE];
    json_error_t error;
    size_t index;
    json_t *row;
    out->count = 0;
    path_of(run_dir, path);
    if (access(path, F_OK) != 0)
        return;
    json_t *object = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    bool is_good = json_is_array(json_object_get(object, "sections"));
    json_array_foreach(json_object_get(object, "sections"), index, row) is_good =
        is_good && add_row(out, row) == 0;
    if (!is_good) {
        log_error("%s: cannot be read; dynamic sections of an earlier run are left out", path);
        dynamic_sections_fini(out);
    }
    json_decref(object);
}
