/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/logstreamer/log_rig.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/folder.h"
#include "core/check.h"

enum { CHUNK = 4096, ROUNDS_MAX = 200 };

void log_rig_init(struct log_rig *rig, const char *file_match, const char *const *priority)
{
    static char logs[80], journal[80];
    memset(rig, 0, sizeof(*rig));
    snprintf(rig->dir, sizeof(rig->dir),
             "/tmp/heka-logs-XX"
             "XXXX");
    assert_non_null(mkdtemp(rig->dir));
    snprintf(logs, sizeof(logs), "%s/logs", rig->dir);
    snprintf(journal, sizeof(journal), "%s/journal", rig->dir);
    assert_int_equal(mkdir(logs, 0755), 0);
    size_t count = 0;
    while (priority != NULL && priority[count] != NULL) {
        rig->priority[count] = priority[count];
        count++;
    }
    rig->config = (struct logstream_set_config){
        .pattern = {.log_directory = logs,
                    .file_match = file_match,
                    .default_name = "logs",
                    .priority = {rig->priority, count}},
        .journal_dir = journal,
    };
    rig->text = malloc(RIG_TEXT_SIZE);
    assert_non_null(rig->text);
    rig->set.watch_fd = -1;
}

void log_rig_start(struct log_rig *rig)
{
    assert_int_equal(logstream_set_init(&rig->set, &rig->config, &rig->notes), 0);
    assert_int_equal(logstream_set_scan(&rig->set, &rig->notes), 0);
}

void log_rig_stop(struct log_rig *rig)
{
    logstream_set_fini(&rig->set);
}

void log_rig_fini(struct log_rig *rig)
{
    char command[128];
    log_rig_stop(rig);
    free(rig->text);
    snprintf(command, sizeof(command), "rm -rf '%s'", rig->dir);
    assert_int_equal(system(command), 0);
}

void log_rig_clear(struct log_rig *rig)
{
    rig->size = 0;
    rig->scans = 0;
}

/* ---- files ---- */

void log_rig_path(struct log_rig *rig, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/logs/%s", rig->dir, name);
}

static void put(struct log_rig *rig, const char *name, const char *text, int flags)
{
    char path[PATH_MAX], folder[PATH_MAX];
    log_rig_path(rig, name, path);
    assert_int_equal(folder_of(path, folder, sizeof(folder)), 0);
    assert_int_equal(folder_make(folder, 0755), 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

void log_rig_write(struct log_rig *rig, const char *name, const char *text)
{
    put(rig, name, text, O_TRUNC);
}

void log_rig_append(struct log_rig *rig, const char *name, const char *text)
{
    put(rig, name, text, O_APPEND);
}

void log_rig_write_gzip(struct log_rig *rig, const char *name, const char *text, size_t cut)
{
    char path[PATH_MAX];
    struct stat status;
    log_rig_path(rig, name, path);
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), strlen(text));
    assert_int_equal(gzclose(file), Z_OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(truncate(path, status.st_size - (off_t)cut), 0);
}

void log_rig_rename(struct log_rig *rig, const char *from, const char *to)
{
    char old[PATH_MAX], fresh[PATH_MAX];
    log_rig_path(rig, from, old);
    log_rig_path(rig, to, fresh);
    assert_int_equal(rename(old, fresh), 0);
}

void log_rig_remove(struct log_rig *rig, const char *name)
{
    char path[PATH_MAX];
    log_rig_path(rig, name, path);
    assert_int_equal(unlink(path), 0);
}

void log_rig_set_age(struct log_rig *rig, const char *name, int64_t age_s)
{
    char path[PATH_MAX];
    struct timespec times[2];
    log_rig_path(rig, name, path);
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= age_s;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* ---- reading ---- */

static void take(struct log_rig *rig, const char *bytes, size_t size)
{
    assert_true(rig->size + size < RIG_TEXT_SIZE);
    memcpy(rig->text + rig->size, bytes, size);
    rig->size += size;
}

static size_t whole_lines(const char *bytes, size_t size)
{
    const char *end = size > 0 ? memrchr(bytes, '\n', size) : NULL;
    return end != NULL ? (size_t)(end - bytes) + 1 : 0;
}

/* True when there may be more at once. */
static bool read_once(struct log_rig *rig, struct logstream *stream)
{
    char bytes[CHUNK];
    size_t got, lines;
    switch (logstream_read(stream, bytes, sizeof(bytes), &got)) {
    case LOGSTREAM_DATA:
        lines = rig->takes_all ? got : whole_lines(bytes, got);
        take(rig, bytes, lines);
        assert_int_equal(logstream_consume(stream, bytes, got, lines), 0);
        return true;
    case LOGSTREAM_ENDS:
        if (logstream_has_rest(stream)) { /* what has no line end, marked */
            assert_int_equal(logstream_rest(stream, bytes, sizeof(bytes), &got), 0);
            take(rig, bytes, got);
            take(rig, "|", 1);
            assert_int_equal(logstream_consume(stream, bytes, got, got), 0);
        }
        assert_int_equal(logstream_save(stream), 0);
        logstream_next(stream);
        return true;
    case LOGSTREAM_RESCAN:
        rig->scans++;
        assert_int_equal(logstream_set_scan(&rig->set, &rig->notes), 0);
        return true;
    default:
        return false;
    }
}

void log_rig_drain(struct log_rig *rig)
{
    bool more = true;
    for (unsigned round = 0; more; round++) {
        assert_true(round < ROUNDS_MAX);
        more = false;
        for (unsigned i = 0; i < rig->set.stream_count; i++)
            more |= read_once(rig, rig->set.streams[i]);
    }
    for (unsigned i = 0; i < rig->set.stream_count; i++)
        assert_int_equal(logstream_save(rig->set.streams[i]), 0);
}

void log_rig_expect(struct log_rig *rig, const char *text)
{
    rig->text[rig->size] = '\0';
    assert_string_equal(rig->text, text);
    log_rig_clear(rig);
}

struct logstream *log_rig_stream(struct log_rig *rig)
{
    assert_int_equal(rig->set.stream_count, 1);
    return rig->set.streams[0];
}

void log_rig_journal(struct log_rig *rig, const char *name, char *text, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/journal/%s", rig->dir, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

void log_rig_hash(const char *text, size_t size, char hash[LOGSTREAM_HASH_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    static const unsigned char zeros[LOGSTREAM_TAIL_SIZE];
    size_t tail = size < LOGSTREAM_TAIL_SIZE ? size : LOGSTREAM_TAIL_SIZE;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha1(), NULL);
    EVP_DigestUpdate(context, zeros, LOGSTREAM_TAIL_SIZE - tail);
    EVP_DigestUpdate(context, text + size - tail, tail);
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    for (unsigned i = 0; i < 20; i++)
        snprintf(hash + 2 * (size_t)i, 3, "%02x", digest[i]);
}
