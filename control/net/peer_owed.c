/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/peer_owed.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/folder.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    NAME_LEN = 20,
    PATH_SIZE = 4096,
    MAGIC_SIZE = 10,
    HEAD_SIZE = 8, /* of a chunk */
    FILE_BYTES_MAX = 64 << 20
};
static const char magic[MAGIC_SIZE + 1] = "HEKAOWED1\n";

static void put_le32(char *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof(value));
}

static uint32_t get_le32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return le32toh(value);
}

static int path_of(const struct peer *peer, uint64_t name, const char *end, char path[PATH_SIZE])
{
    int len = snprintf(path, PATH_SIZE, "%s/%020" PRIu64 "%s", peer->config.owed_dir, name, end);
    return len < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

/* ---- saving ---- */

static int write_chunks(const struct peer *peer, FILE *file)
{
    char head[HEAD_SIZE];
    fwrite(magic, 1, MAGIC_SIZE, file);
    for (unsigned i = 0; i < peer->count; i++) {
        const struct peer_chunk *chunk = &peer->chunks[(peer->first + i) % PEER_CHUNKS_MAX];
        put_le32(head, chunk->messages);
        put_le32(head + 4, (uint32_t)chunk->bytes.size);
        fwrite(head, 1, HEAD_SIZE, file);
        fwrite(chunk->bytes.data, 1, chunk->bytes.size, file);
    }
    errno = 0;
    if (fflush(file) != 0 || ferror(file) || fsync(fileno(file)) != 0)
        return errno != 0 ? -errno : -EIO;
    return 0;
}

int peer_owed_save(const struct peer *peer)
{
    char path[PATH_SIZE], made[PATH_SIZE];
    uint64_t name = clock_wall_ns();
    int rc = folder_make(peer->config.owed_dir, 0700);
    if (rc == 0)
        rc = path_of(peer, name, "", path) | path_of(peer, name, ".new", made);
    if (rc != 0)
        return rc;
    FILE *file = fopen(made, "wxe");
    if (file == NULL)
        return -errno;
    rc = write_chunks(peer, file);
    if (fclose(file) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(made, path) != 0)
        rc = -errno;
    if (rc != 0)
        unlink(made);
    return rc;
}

/* ---- loading ---- */

static int by_name(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

/* Names of files, oldest first; how many. */
static unsigned list_files(const struct peer *peer, uint64_t names[PEER_OWED_FILES_MAX])
{
    unsigned count = 0;
    struct dirent *entry;
    DIR *dir = opendir(peer->config.owed_dir);
    if (dir == NULL)
        return 0;
    while (count < PEER_OWED_FILES_MAX && (entry = readdir(dir)) != NULL) {
        char *end;
        uint64_t name = strtoull(entry->d_name, &end, 10);
        if (*end == '\0' && strlen(entry->d_name) == NAME_LEN)
            names[count++] = name;
    }
    closedir(dir);
    qsort(names, count, sizeof(names[0]), by_name);
    return count;
}

/* 0, or negative errno; -EBADMSG when it is too large to be ours. */
static int read_file(const char *path, struct buffer *bytes)
{
    struct stat about;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -errno;
    int rc = fstat(fileno(file), &about) != 0 ? -errno : 0;
    if (rc == 0 && (about.st_size > FILE_BYTES_MAX || about.st_size < MAGIC_SIZE))
        rc = -EBADMSG;
    if (rc == 0)
        rc = buffer_reserve(bytes, (size_t)about.st_size);
    if (rc == 0) {
        bytes->size = fread(bytes->data, 1, (size_t)about.st_size, file);
        rc = ferror(file) ? -EIO : 0;
    }
    fclose(file);
    return rc;
}

/* How many chunks there are, or -EBADMSG. */
static int count_chunks(const struct buffer *bytes)
{
    int count = 0;
    size_t at = MAGIC_SIZE;
    if (bytes->size < MAGIC_SIZE || memcmp(bytes->data, magic, MAGIC_SIZE) != 0)
        return -EBADMSG;
    while (at < bytes->size) {
        if (bytes->size - at < HEAD_SIZE)
            return -EBADMSG;
        size_t size = get_le32(bytes->data + at + 4);
        at += HEAD_SIZE;
        if (size == 0 || size > bytes->size - at || ++count > PEER_CHUNKS_MAX)
            return -EBADMSG;
        at += size;
    }
    return count > 0 ? count : -EBADMSG;
}

static int append_chunks(struct peer *peer, const struct buffer *bytes)
{
    unsigned before = peer->count;
    for (size_t at = MAGIC_SIZE; at < bytes->size;) {
        size_t size = get_le32(bytes->data + at + 4);
        struct peer_chunk chunk = {.end = UINT64_MAX, .messages = get_le32(bytes->data + at)};
        int rc = buffer_append(&chunk.bytes, bytes->data + at + HEAD_SIZE, size);
        if (rc != 0) {
            while (peer->count > before) {
                peer->count--;
                buffer_fini(&peer->chunks[(peer->first + peer->count) % PEER_CHUNKS_MAX].bytes);
            }
            return rc;
        }
        peer->chunks[(peer->first + peer->count++) % PEER_CHUNKS_MAX] = chunk;
        at += HEAD_SIZE + size;
    }
    for (unsigned i = before; i < peer->count; i++)
        peer->kept_bytes += peer->chunks[(peer->first + i) % PEER_CHUNKS_MAX].bytes.size;
    return 0;
}

/* How many chunks; 0: no room; or negative errno. */
static int load_file(struct peer *peer, uint64_t name)
{
    struct buffer bytes = {0};
    char path[PATH_SIZE], bad[PATH_SIZE];
    int rc = path_of(peer, name, "", path) | path_of(peer, name, ".bad", bad);
    if (rc == 0)
        rc = read_file(path, &bytes);
    int count = rc == 0 ? count_chunks(&bytes) : rc;
    if (count == -EBADMSG && rename(path, bad) == 0)
        log_error("Plugin '%s' error: %s is not whole, and is not sent",
                  output_host_name(peer->config.host), bad);
    if (count > 0 && (unsigned)count > PEER_CHUNKS_MAX - peer->count)
        count = 0;
    else if (count > 0 && (rc = append_chunks(peer, &bytes)) != 0)
        count = rc;
    buffer_fini(&bytes);
    return count;
}

int peer_owed_load(struct peer *peer)
{
    uint64_t names[PEER_OWED_FILES_MAX];
    unsigned files = list_files(peer, names);
    int total = 0;
    for (unsigned i = 0; i < files; i++) {
        if (names[i] <= peer->owed_until)
            continue;
        int count = load_file(peer, names[i]);
        if (count == -EBADMSG)
            continue;
        if (count <= 0)
            return total > 0 ? total : count;
        peer->owed_until = names[i];
        total += count;
    }
    return total;
}

void peer_owed_remove(struct peer *peer)
{
    uint64_t names[PEER_OWED_FILES_MAX];
    unsigned files = list_files(peer, names);
    char path[PATH_SIZE];
    for (unsigned i = 0; i < files && names[i] <= peer->owed_until; i++)
        if (path_of(peer, names[i], "", path) == 0)
            unlink(path);
}
