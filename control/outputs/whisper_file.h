/* SPDX-License-Identifier: MPL-2.0
 *
 * whisper_file.h - one series in a file of Graphite's whisper format: made, opened, updated.
 *
 * Place:   whisper_output.c. Bytes: docs/formats/whisper.md.
 * Threads: one owner.
 * Memory:  the caller's struct, and its scratch buffer for the points that are rolled up.
 * Failure: negative errno, or WHISPER_E_*; an update that failed half way can be made again.
 * Source:  whisper 1.1: the same bytes after the same updates. A file that is there is used as its
 *          header says.
 */
#ifndef CONTROL_OUTPUTS_WHISPER_FILE_H
#define CONTROL_OUTPUTS_WHISPER_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "core/buffer.h"
#include "core/err.h"

enum { WHISPER_ARCHIVES_MAX = 32 };

enum whisper_method { /* numbers of the file */
                      WHISPER_AVERAGE = 1,
                      WHISPER_SUM = 2,
                      WHISPER_LAST = 3,
                      WHISPER_MAX = 4,
                      WHISPER_MIN = 5,
                      WHISPER_AVERAGE_ZERO = 6,
                      WHISPER_ABSOLUTE_MAX = 7,
                      WHISPER_ABSOLUTE_MIN = 8
};

enum {
    WHISPER_E_CORRUPT = -1200,    /* not such a file */
    WHISPER_E_NOT_COVERED = -1201 /* older than all archives, or of the future */
};
const char *whisper_error_text(int code);

struct whisper_archive {
    uint32_t offset; /* in the file */
    uint32_t step_s, points;
};

struct whisper_layout {
    enum whisper_method method;
    float x_files_factor; /* share of known points that rolling up needs */
    unsigned count;
    struct whisper_archive archives[WHISPER_ARCHIVES_MAX]; /* the finest first */
};

struct whisper_file { /* open */
    int fd;
    struct whisper_layout layout;
    uint64_t retention_s;
};

/* Puts the archives in order and sets their offsets. 0, or -1 after adding to `err` when no file
 * can have them. That a coarser archive reaches further back is not asked for: Heka's default does
 * not have that. */
int whisper_layout_init(struct whisper_layout *layout, struct err *err);

/* Makes the file; it is whole when it appears under its name. -EEXIST: it is there. */
int whisper_file_make(const char *path, const struct whisper_layout *layout);

int whisper_file_open(struct whisper_file *file, const char *path);
/* The same of a descriptor, which is the file's then, also after an error. */
int whisper_file_adopt(struct whisper_file *file, int take_fd);
void whisper_file_close(struct whisper_file *file);

/* One point, and what follows from it in the coarser archives. */
int whisper_file_update(struct whisper_file *file, uint32_t time_s, double value, uint32_t now_s,
                        struct buffer *scratch);

#endif
