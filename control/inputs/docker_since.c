/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/docker_since.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/folder.h"
#include "core/whole_file.h"

enum { FOLDER_MODE = 0700, FILE_MODE = 0666, DAY_S = 86400, ENTRIES_MIN = 16 };

/* ---- entries ---- */

static struct docker_since_entry *find(struct docker_since *since, const char *id)
{
    for (unsigned i = 0; i < since->count; i++)
        if (strcmp(since->entries[i].id, id) == 0)
            return &since->entries[i];
    return NULL;
}

static void drop(struct docker_since *since, unsigned index)
{
    since->entries[index] = since->entries[--since->count];
}

/* Of those that have ended the one that did so first. */
static void drop_oldest(struct docker_since *since)
{
    unsigned oldest = since->count;
    for (unsigned i = 0; i < since->count; i++)
        if (since->entries[i].since_s != 0 &&
            (oldest == since->count || since->entries[i].since_s < since->entries[oldest].since_s))
            oldest = i;
    if (oldest < since->count)
        drop(since, oldest);
}

/* NULL when there is no room. */
static struct docker_since_entry *add(struct docker_since *since, const char *id)
{
    if (since->count == DOCKER_SINCE_MAX)
        drop_oldest(since);
    if (since->count == DOCKER_SINCE_MAX)
        return NULL;
    if (since->count == since->capacity) {
        unsigned capacity = since->capacity > 0 ? since->capacity * 2 : ENTRIES_MIN;
        void *entries = realloc(since->entries, capacity * sizeof(since->entries[0]));
        if (entries == NULL)
            return NULL;
        since->entries = entries;
        since->capacity = capacity;
    }
    struct docker_since_entry *entry = &since->entries[since->count++];
    *entry = (struct docker_since_entry){.since_s = 0};
    snprintf(entry->id, sizeof(entry->id), "%s", id);
    return entry;
}

int64_t docker_since_begin(struct docker_since *since, const char *id, bool replays)
{
    struct docker_since_entry *entry = find(since, id);
    if (entry == NULL) {
        add(since, id);
        return replays ? 0 : since->since_s;
    }
    int64_t from_s = entry->since_s != 0 ? entry->since_s : since->since_s;
    entry->since_s = 0;
    return from_s;
}

void docker_since_end(struct docker_since *since, const char *id, int64_t now_s)
{
    struct docker_since_entry *entry = find(since, id);
    if (entry == NULL)
        entry = add(since, id);
    if (entry != NULL)
        entry->since_s = now_s;
}

/* ---- the file ---- */

/* As a whole: who reads it never finds a part. */
static int write_file(const char *path, const char *text)
{
    char fresh[PATH_MAX + 8];
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    return whole_file_replace(path, fresh, FILE_MODE, text, strlen(text));
}

static json_t *to_json(const struct docker_since *since)
{
    json_t *root = json_object(), *containers = json_object();
    json_object_set_new(root, "Since", json_integer(since->since_s));
    for (unsigned i = 0; i < since->count; i++)
        json_object_set_new(containers, since->entries[i].id,
                            json_integer(since->entries[i].since_s));
    json_object_set_new(root, "Containers", containers);
    return root;
}

int docker_since_write(struct docker_since *since, int64_t since_s, int64_t now_s)
{
    since->since_s = since_s;
    for (unsigned i = 0; i < since->count;) {
        int64_t seen_s = since->entries[i].since_s;
        if (seen_s != 0 && seen_s < now_s - since->expiry_s)
            drop(since, i);
        else
            i++;
    }
    json_t *root = to_json(since);
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (text == NULL)
        return -ENOMEM;
    size_t len = strlen(text);
    char *line = realloc(text, len + 2);
    if (line == NULL) {
        free(text);
        return -ENOMEM;
    }
    memcpy(line + len, "\n", 2);
    int rc = write_file(since->path, line);
    free(line);
    return rc;
}

static int take_json(struct docker_since *since, const json_t *root, struct err *err)
{
    const char *id;
    json_t *value, *containers = json_object_get(root, "Containers");
    since->since_s = json_integer_value(json_object_get(root, "Since"));
    json_object_foreach(containers, id, value)
    {
        if (strlen(id) != DOCKER_ID_LEN || !json_is_integer(value))
            continue;
        struct docker_since_entry *entry = add(since, id);
        if (entry == NULL)
            return err_add(err, "since_path: too many containers in '%s'", since->path);
        entry->since_s = json_integer_value(value);
    }
    return 0;
}

static int load(struct docker_since *since, struct err *err)
{
    json_error_t error;
    json_t *root = json_load_file(since->path, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        json_decref(root);
        return err_add(err, "since_path: Can't decode \"since\" file '%s': %s", since->path,
                       root == NULL ? error.text : "no JSON object");
    }
    int rc = take_json(since, root, err);
    json_decref(root);
    return rc;
}

int docker_since_open(struct docker_since *since, const char *path, int64_t expiry_days,
                      struct err *err)
{
    char folder[PATH_MAX];
    since->expiry_s = expiry_days * DAY_S;
    if ((size_t)snprintf(since->path, PATH_MAX, "%s", path) >= PATH_MAX ||
        folder_of(path, folder, sizeof(folder)) != 0)
        return err_add(err, "since_path: found '%s', which is too long", path);
    if (access(path, F_OK) == 0)
        return load(since, err);
    int rc = folder_make(folder, FOLDER_MODE);
    if (rc != 0)
        return err_add(err, "since_path: Can't create storage directory '%s': %s", folder,
                       strerror(-rc));
    rc = docker_since_write(since, 0, 0);
    if (rc != 0)
        return err_add(err, "since_path: Can't create \"since\" file '%s': %s", path,
                       strerror(-rc));
    return 0;
}

void docker_since_fini(struct docker_since *since)
{
    free(since->entries);
    memset(since, 0, sizeof(*since));
}
