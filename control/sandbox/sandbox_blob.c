/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf.h"
#include "sandbox/sandbox.h"

struct item_head { /* then the key, then the value, then padding to 8 bytes */
    uint32_t kind, key_len;
    uint64_t size;
};
_Static_assert(sizeof(struct item_head) == 16, "docs/formats/sandbox_worker.md");

enum { ITEM_ALIGN = 8, READ_PART = 65536 };

/* ---- writing ---- */

int sandbox_blob_add(struct buffer *blob, enum sandbox_blob_kind kind, const char *key,
                     const void *value, size_t size)
{
    static const char padding[ITEM_ALIGN];
    size_t key_len = strlen(key);
    const struct item_head head = {(uint32_t)kind, (uint32_t)key_len, size};
    size_t left = (ITEM_ALIGN - (key_len + size) % ITEM_ALIGN) % ITEM_ALIGN;
    if (buffer_append(blob, &head, sizeof(head)) != 0 || buffer_append(blob, key, key_len) != 0 ||
        (size > 0 && buffer_append(blob, value, size) != 0) ||
        (left > 0 && buffer_append(blob, padding, left) != 0))
        return -ENOMEM;
    return 0;
}

int sandbox_blob_add_text(struct buffer *blob, const char *key, const char *text)
{
    if (text == NULL)
        return 0;
    return sandbox_blob_add(blob, SANDBOX_BLOB_TEXT, key, text, strlen(text) + 1);
}

int sandbox_blob_add_number(struct buffer *blob, const char *key, uint64_t number)
{
    return sandbox_blob_add(blob, SANDBOX_BLOB_NUMBER, key, &number, sizeof(number));
}

static int add_value(struct buffer *blob, const struct conf_node *node)
{
    double number = node->type == CONF_INT ? (double)node->i : node->d;
    switch (node->type) {
    case CONF_STRING:
        return sandbox_blob_add(blob, SANDBOX_BLOB_CONFIG_TEXT, node->key, node->str,
                                node->str_len);
    case CONF_INT:
    case CONF_FLOAT:
        return sandbox_blob_add(blob, SANDBOX_BLOB_CONFIG_NUMBER, node->key, &number,
                                sizeof(number));
    case CONF_BOOL:
        return sandbox_blob_add(blob, SANDBOX_BLOB_CONFIG_BOOL, node->key, &node->b,
                                sizeof(node->b));
    default: /* nil for the script, as in Heka */
        return 0;
    }
}

int sandbox_blob_add_config(struct buffer *blob, const struct conf_node *table)
{
    int rc = 0;
    if (table == NULL)
        return 0;
    for (const struct conf_node *node = table->first; node != NULL && rc == 0; node = node->next)
        rc = add_value(blob, node);
    return rc;
}

/* ---- modules ---- */

static int read_file(int folder, const char *name, struct buffer *text)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = 0;
    if (fd < 0)
        return -errno;
    do {
        if (buffer_reserve(text, READ_PART) != 0) {
            close(fd);
            return -ENOMEM;
        }
        size = read(fd, text->data + text->size, READ_PART);
        text->size += size > 0 ? (size_t)size : 0;
    } while (size > 0 && text->size <= SANDBOX_SCRIPT_SIZE_MAX);
    int rc = size < 0 ? -errno : 0;
    close(fd);
    return text->size > SANDBOX_SCRIPT_SIZE_MAX ? -EFBIG : rc;
}

static int add_module(struct buffer *blob, int folder, const char *name, const char *path,
                      struct err *err)
{
    struct buffer text = {0};
    int rc = read_file(folder, name, &text);
    if (rc == 0)
        rc = sandbox_blob_add(blob, SANDBOX_BLOB_MODULE, path, text.data, text.size);
    buffer_fini(&text);
    if (rc != 0)
        return err_add(err, "%s: cannot be read: %s", path, strerror(-rc));
    return 0;
}

static bool is_lua(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".lua") == 0;
}

static int add_folder(struct buffer *blob, int take_fd, const char *path, unsigned depth,
                      struct err *err);

static int add_entry(struct buffer *blob, int folder, const char *path, const char *name,
                     unsigned depth, struct err *err)
{
    char full[PATH_MAX];
    struct stat status;
    int len = snprintf(full, sizeof(full), "%s/%s", path, name);
    if (name[0] == '.' || len < 0 || (size_t)len >= sizeof(full) ||
        fstatat(folder, name, &status, 0) != 0)
        return 0;
    if (S_ISREG(status.st_mode) && is_lua(name))
        return add_module(blob, folder, name, full, err);
    if (!S_ISDIR(status.st_mode) || depth == SANDBOX_MODULE_DEPTH_MAX)
        return 0;
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? 0 : add_folder(blob, fd, full, depth + 1, err);
}

static int add_folder(struct buffer *blob, int take_fd, const char *path, unsigned depth,
                      struct err *err)
{
    int rc = 0;
    DIR *folder = fdopendir(take_fd);
    if (folder == NULL) {
        close(take_fd);
        return 0;
    }
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(folder)) != NULL)
        rc = add_entry(blob, take_fd, path, entry->d_name, depth, err);
    closedir(folder);
    return rc;
}

int sandbox_blob_add_modules(struct buffer *blob, const char *folders, struct err *err)
{
    char path[PATH_MAX];
    int rc = 0;
    while (folders != NULL && *folders != '\0' && rc == 0) {
        int len = (int)strcspn(folders, ";");
        int fd = -1;
        if (len > 0 && len < PATH_MAX) {
            snprintf(path, sizeof(path), "%.*s", len, folders);
            fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd >= 0)
            rc = add_folder(blob, fd, path, 0, err);
        folders += len + (folders[len] == ';');
    }
    return rc;
}

/* ---- reading ---- */

bool sandbox_blob_find(const void *blob, size_t blob_size, enum sandbox_blob_kind kind,
                       const char *key, size_t key_len, struct sandbox_blob_item *item)
{
    const char *bytes = blob;
    size_t at = 0;
    while (blob_size - at >= sizeof(struct item_head)) {
        struct item_head head;
        memcpy(&head, bytes + at, sizeof(head));
        at += sizeof(head);
        if (head.key_len > blob_size - at || head.size > blob_size - at - head.key_len)
            return false;
        if (head.kind == (uint32_t)kind && head.key_len == key_len &&
            memcmp(bytes + at, key, key_len) == 0) {
            *item = (struct sandbox_blob_item){bytes + at + key_len, head.size};
            return true;
        }
        size_t size = (head.key_len + head.size + ITEM_ALIGN - 1) & ~(size_t)(ITEM_ALIGN - 1);
        if (size > blob_size - at)
            return false;
        at += size;
    }
    return false;
}

const char *sandbox_blob_text(const void *blob, size_t blob_size, const char *key)
{
    struct sandbox_blob_item item;
    if (!sandbox_blob_find(blob, blob_size, SANDBOX_BLOB_TEXT, key, strlen(key), &item))
        return NULL;
    const char *text = item.value;
    return item.size > 0 && text[item.size - 1] == '\0' ? text : NULL;
}

uint64_t sandbox_blob_number(const void *blob, size_t blob_size, const char *key)
{
    struct sandbox_blob_item item;
    uint64_t number = 0;
    if (sandbox_blob_find(blob, blob_size, SANDBOX_BLOB_NUMBER, key, strlen(key), &item) &&
        item.size == sizeof(number))
        memcpy(&number, item.value, sizeof(number));
    return number;
}
