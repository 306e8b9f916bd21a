/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_folder.h - what is in a queue's folder: its files, its checkpoint, and their names.
 *
 * Place:   all of the queue and its tools. Bytes: docs/formats/queue.md.
 * Threads: no state of its own.
 * Failure: negative errno, or a text in *why for a checkpoint that says nothing useful.
 * Bounds:  QUEUE_FILES_MAX files.
 * Source:  Heka 0.11's names and checkpoint.
 */
#ifndef CONTROL_QUEUE_QUEUE_FOLDER_H
#define CONTROL_QUEUE_QUEUE_FOLDER_H

#include "control/queue/queue_io.h"

#define QUEUE_CHECKPOINT_NAME "checkpoint.txt"
#define QUEUE_CHECKPOINT_TEMP "checkpoint.tmp"
#define QUEUE_LOCK_NAME       "lock"
#define QUEUE_FOLDER          "output_queue" /* in [hekad] base_dir */

enum {
    QUEUE_FILES_MAX = 1 << 20,
    QUEUE_PATH_SIZE = 1024,
    QUEUE_NAME_SIZE = 256,
    QUEUE_CHECKPOINT_SIZE = 64 /* Heka reads no more than that */
};

struct queue_position {
    uint32_t id;     /* of the file */
    uint64_t offset; /* in it */
};

/* Negative, 0, positive as a is before, at, behind b. */
int queue_position_compare(struct queue_position a, struct queue_position b);

struct queue_file {
    uint32_t id;
    bool is_sealed;   /* nothing will be appended */
    uint64_t size;    /* durable bytes */
    uint64_t waiting; /* records of this run that were not read yet */
};

struct queue_folder {         /* zero-initialise */
    struct queue_file *files; /* by id */
    unsigned count, capacity;
    uint64_t bytes;      /* of all files together */
    unsigned left_alone; /* names that end in .log and are none of ours */
};

/* Fills `folder` from the folder at `dir`; all files are sealed. 0, -ENOMEM, -E2BIG when there are
 * more than QUEUE_FILES_MAX, or what listing said. */
int queue_folder_list(const struct queue_io *io, const char *dir, struct queue_folder *folder);
void queue_folder_fini(struct queue_folder *folder);

/* Room for one more file, so that queue_folder_add() cannot fail. 0, -ENOMEM or -E2BIG. */
int queue_folder_reserve(struct queue_folder *folder);
void queue_folder_add(struct queue_folder *folder,
                      struct queue_file file); /* id above all others */
void queue_folder_remove(struct queue_folder *folder, unsigned index);
/* Index of the first file whose id is at least `id`; count when there is none. */
unsigned queue_folder_find(const struct queue_folder *folder, uint64_t id);

/* DIR/NAME and DIR/ID.log. */
void queue_folder_path(const char *dir, const char *name, char path[QUEUE_PATH_SIZE]);
void queue_folder_file_path(const char *dir, uint32_t id, char path[QUEUE_PATH_SIZE]);

/* BASE_DIR/output_queue/NAME, each character of NAME that is no ASCII letter, digit or underscore
 * made an underscore. 0, -EINVAL for an empty name, -ENAMETOOLONG. */
int queue_dir(const char *base_dir, const char *name, char path[QUEUE_PATH_SIZE]);

/* Makes the folder with its parents, durably. 0 or negative errno. */
int queue_folder_make(const struct queue_io *io, const char *dir);

/* "<id> <offset>", perhaps with a line end. 0, or -EINVAL and *why says what is wrong with it. */
int queue_checkpoint_parse(const char *text, size_t size, struct queue_position *position,
                           const char **why);

/* 0; -ENOENT: there is none; -EINVAL: *why; other: it cannot be read. `text` takes what is in it,
 * as far as it can be printed. */
int queue_checkpoint_read(const struct queue_io *io, const char *dir,
                          struct queue_position *position, char text[QUEUE_CHECKPOINT_SIZE + 1],
                          const char **why);

/* Durable when it returns 0. Else the old or the new one is in force, never half of one. */
int queue_checkpoint_write(const struct queue_io *io, const char *dir,
                           struct queue_position position);

#endif
