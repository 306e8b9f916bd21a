/* SPDX-License-Identifier: MPL-2.0 */
#include "control/logstreamer/logstream_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/folder.h"
#include "core/check.h"
#include "core/whole_file.h"

enum {
    JOURNAL_SIZE_MAX = 2 * PATH_MAX + 1024,
    JOURNAL_MODE = 0660,
    FOLDER_MODE = 0744,
    SHA1_SIZE = 20
};

void logstream_hash(const uint8_t tail[LOGSTREAM_TAIL_SIZE], char hash[LOGSTREAM_HASH_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int done = EVP_Digest(tail, LOGSTREAM_TAIL_SIZE, digest, &size, EVP_sha1(), NULL);
    CHECK(done == 1 && size == SHA1_SIZE);
    for (unsigned i = 0; i < SHA1_SIZE; i++)
        snprintf(hash + 2 * (size_t)i, 3, "%02x", digest[i]);
}

void logstream_position_advance(struct logstream_position *position, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    position->seek += size;
    position->has_tail = true;
    if (size >= LOGSTREAM_TAIL_SIZE) {
        memcpy(position->tail, from + size - LOGSTREAM_TAIL_SIZE, LOGSTREAM_TAIL_SIZE);
    } else if (size > 0) {
        memmove(position->tail, position->tail + size, LOGSTREAM_TAIL_SIZE - size);
        memcpy(position->tail + LOGSTREAM_TAIL_SIZE - size, from, size);
    }
}

void logstream_position_start(struct logstream_position *position, const char *path)
{
    memset(position, 0, sizeof(*position));
    snprintf(position->path, sizeof(position->path), "%s", path);
    position->has_tail = true;
}

/* ---- the file ---- */

static int read_file(const char *path, char *text, size_t size, size_t *len, struct err *err)
{
    *len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_add(err, "%s: %s", path, strerror(errno));
    ssize_t got = read(fd, text, size);
    int code = errno;
    close(fd);
    if (got < 0)
        return err_add(err, "%s: %s", path, strerror(code));
    if ((size_t)got == size)
        return err_add(err, "%s: is too large for a journal", path);
    *len = (size_t)got;
    return 0;
}

static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0')
            return false;
    }
    return true;
}

static int take_values(const json_t *root, struct logstream_position *position)
{
    const json_t *seek = json_object_get(root, "seek");
    const char *file = json_string_value(json_object_get(root, "file_name"));
    const char *hash = json_string_value(json_object_get(root, "last_hash"));
    if (!json_is_integer(seek) || json_integer_value(seek) < 0 || file == NULL ||
        strlen(file) >= sizeof(position->path))
        return -1;
    if (hash != NULL && hash[0] != '\0' && strlen(hash) != LOGSTREAM_HASH_SIZE - 1)
        return -1;
    logstream_position_start(position, file);
    position->seek = (uint64_t)json_integer_value(seek);
    position->has_tail = position->seek == 0;
    snprintf(position->hash, sizeof(position->hash), "%s", hash != NULL ? hash : "");
    return 0;
}

int logstream_journal_load(const char *path, struct logstream_position *position, struct err *err)
{
    char text[JOURNAL_SIZE_MAX];
    size_t len;
    json_error_t fault;
    memset(position, 0, sizeof(*position));
    if (read_file(path, text, sizeof(text), &len, err) != 0)
        return -1;
    if (is_blank(text, len))
        return 0;
    json_t *root = json_loadb(text, len, 0, &fault);
    int rc = root != NULL ? take_values(root, position) : -1;
    if (root == NULL)
        err_add(err, "%s: Error parsing the journal file: %s", path, fault.text);
    else if (rc != 0)
        err_add(err, "%s: Error parsing the journal file: seek, file_name or last_hash", path);
    json_decref(root);
    return rc == 0 ? position->path[0] != '\0' : -1;
}

/* A path that is no UTF-8 cannot stand in JSON; the hash finds its file. */
static json_t *text_of(const char *path)
{
    char plain[PATH_MAX];
    json_t *text = json_string(path);
    if (text != NULL)
        return text;
    snprintf(plain, sizeof(plain), "%s", path);
    for (char *at = plain; *at != '\0'; at++) {
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    }
    return json_string(plain);
}

static char *print(const struct logstream_position *position)
{
    char hash[LOGSTREAM_HASH_SIZE];
    logstream_hash(position->tail, hash);
    json_t *root = json_pack("{s:I,s:o,s:s}", "seek", (json_int_t)position->seek, "file_name",
                             text_of(position->path), "last_hash", hash);
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(root);
    return text;
}

static int make_folder_of(const char *path)
{
    char folder[PATH_MAX];
    if (folder_of(path, folder, sizeof(folder)) != 0)
        return -ENAMETOOLONG;
    return folder_make(folder, FOLDER_MODE);
}

int logstream_journal_save(const char *path, const struct logstream_position *position)
{
    char fresh[PATH_MAX + 8];
    int len = snprintf(fresh, sizeof(fresh), "%s.new~", path);
    CHECK(position->has_tail);
    if (len < 0 || (size_t)len >= PATH_MAX)
        return -ENAMETOOLONG;
    char *text = print(position);
    if (text == NULL)
        return -ENOMEM;
    int rc = whole_file_replace(path, fresh, JOURNAL_MODE, text, strlen(text));
    if (rc == -ENOENT && make_folder_of(path) == 0)
        rc = whole_file_replace(path, fresh, JOURNAL_MODE, text, strlen(text));
    free(text);
    return rc;
}
