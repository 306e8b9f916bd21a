/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_logstream.c - the bytes as a journal, which is refused or written back with the same
 *                    meaning; as the name of a log file; and as a compressed log, read to its end
 *                    in portions of all sizes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/logstreamer/logstream_file.h"
#include "control/logstreamer/logstream_pattern.h"
#include "core/check.h"

enum { READS_MAX = 4096, NAME_MAX_SIZE = 512 };

static char dir[64], path[96], copy[96];
static struct logstream_pattern *pattern;

static void clean_up(void)
{
    logstream_pattern_free(pattern);
    rmdir(dir);
}

static void prepare(void)
{
    static const char *const priority[] = {"^N", "MonthName"};
    static const char *const differentiator[] = {"x-", "Name"};
    const struct logstream_pattern_config config = {
        .log_directory = dir,
        .file_match = "(?P<Name>.*)-(?P<MonthName>\\w*)(\\.(?P<N>\\d+))?",
        .priority = {priority, 2},
        .differentiator = {differentiator, 2},
    };
    struct err err = {0};
    if (dir[0] != '\0')
        return;
    snprintf(dir, sizeof(dir), "/tmp/heka-fuzz-%d", (int)getpid());
    int rc = mkdir(dir, 0700);
    (void)rc;
    snprintf(path, sizeof(path), "%s/journal", dir);
    snprintf(copy, sizeof(copy), "%s/copy", dir);
    pattern = logstream_pattern_new(&config, &err);
    CHECK(pattern != NULL);
    atexit(clean_up);
}

static void put(const uint8_t *head, size_t head_size, const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, head, head_size) == (ssize_t)head_size &&
          write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void try_journal(const uint8_t *data, size_t size)
{
    struct logstream_position first, second;
    struct err err = {0};
    put(NULL, 0, data, size);
    int rc = logstream_journal_load(path, &first, &err);
    CHECK((rc < 0) == (err.count > 0));
    if (rc != 1)
        return;
    first.has_tail = true; /* as if its file had been found */
    CHECK(logstream_journal_save(copy, &first) == 0);
    CHECK(logstream_journal_load(copy, &second, &err) == 1);
    CHECK(second.seek == first.seek && strcmp(second.path, first.path) == 0);
    unlink(copy);
}

static void try_name(const uint8_t *data, size_t size)
{
    char name[NAME_MAX_SIZE + sizeof(dir) + 2];
    struct logstream_key key;
    struct err notes = {0};
    if (size > NAME_MAX_SIZE || memchr(data, '\0', size) != NULL)
        return;
    snprintf(name, sizeof(name), "%s/%.*s", dir, (int)size, (const char *)data);
    if (logstream_pattern_match(pattern, name, &key, &notes) != 1)
        return;
    CHECK(strncmp(key.name, "x-", 2) == 0 && strlen(key.name) < LOGSTREAM_NAME_SIZE);
    CHECK(notes.count <= 1); /* the month */
}

static void try_gzip(const uint8_t *data, size_t size)
{
    static const uint8_t magic[] = {0x1f, 0x8b, 8};
    struct logstream_file file;
    uint8_t bytes[1024];
    uint64_t seek = 0;
    int64_t got = 1;
    put(magic, sizeof(magic), data, size);
    CHECK(logstream_file_open(&file, path) == 0);
    for (unsigned i = 0; got > 0 && i < READS_MAX; i++) {
        size_t wanted = 1 + (i * 37) % sizeof(bytes);
        got = logstream_file_read(&file, seek, bytes, wanted);
        CHECK(got <= (int64_t)wanted);
        if (got <= 0)
            break;
        size_t consumed = i % 3 == 0 ? (size_t)got / 2 : (size_t)got;
        CHECK(logstream_file_keep(&file, bytes + consumed, (size_t)got - consumed) == 0);
        seek += consumed;
    }
    logstream_file_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prepare();
    try_journal(data, size);
    try_name(data, size);
    try_gzip(data, size);
    unlink(path);
    return 0;
}
