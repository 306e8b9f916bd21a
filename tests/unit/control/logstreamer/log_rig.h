/* SPDX-License-Identifier: MPL-2.0
 *
 * log_rig.h - log folders for tests, and a reader of streams that splits lines.
 *
 * Place:   tests of control/logstreamer.
 * Threads: the test's.
 */
#ifndef TESTS_UNIT_CONTROL_LOGSTREAMER_LOG_RIG_H
#define TESTS_UNIT_CONTROL_LOGSTREAMER_LOG_RIG_H

#include "control/logstreamer/logstream_set.h"

enum { RIG_TEXT_SIZE = 1 << 20 };

struct log_rig {
    char dir[64]; /* logs are in dir/logs, journals in dir/journal */
    struct logstream_set_config config;
    struct logstream_set set;
    const char *priority[LOGSTREAM_PARTS_MAX];
    const char *differentiator[4];
    char *text; /* what was read, of all streams */
    size_t size;
    bool takes_all; /* without regard to lines */
    unsigned scans;
    struct err notes;
};

/* Makes the folder. file_match and priority (ended by NULL) may be set in config afterwards. */
void log_rig_init(struct log_rig *rig, const char *file_match, const char *const *priority);
void log_rig_fini(struct log_rig *rig);
/* A new set, as after a restart; scans. */
void log_rig_start(struct log_rig *rig);
void log_rig_stop(struct log_rig *rig);
/* What drain() found since is forgotten. */
void log_rig_clear(struct log_rig *rig);

/* Paths below dir/logs; folders are made. */
void log_rig_write(struct log_rig *rig, const char *name, const char *text);
void log_rig_append(struct log_rig *rig, const char *name, const char *text);
void log_rig_write_gzip(struct log_rig *rig, const char *name, const char *text, size_t cut);
void log_rig_rename(struct log_rig *rig, const char *from, const char *to);
void log_rig_remove(struct log_rig *rig, const char *name);
void log_rig_set_age(struct log_rig *rig, const char *name, int64_t age_s);
void log_rig_path(struct log_rig *rig, const char *name, char path[PATH_MAX]);

/* Reads whole lines of all streams until nothing comes; scans when a stream asks for it. Saves. */
void log_rig_drain(struct log_rig *rig);
/* Fails the test when what was drained is something else. */
void log_rig_expect(struct log_rig *rig, const char *text);
/* The only stream. */
struct logstream *log_rig_stream(struct log_rig *rig);
/* Contents of a journal. */
void log_rig_journal(struct log_rig *rig, const char *name, char *text, size_t size);

/* An independent statement of the hash: of the last 500 bytes of text, zeros in front. */
void log_rig_hash(const char *text, size_t size, char hash[LOGSTREAM_HASH_SIZE]);

#endif
