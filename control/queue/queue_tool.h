/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_tool.h - `hekad queue ls|verify|dump|skip`.
 *
 * Place:   main.c; docs/formats/queue.md says what the columns mean.
 * Threads: [main] of a process of its own. ls, verify and dump change nothing and take no lock:
 *          hekad may be at work. skip takes the queue's lock, so hekad must not be.
 * Memory:  one buffer of two records.
 * Failure: texts in `err`; bad bytes in a queue are findings of verify, not failures.
 */
#ifndef CONTROL_QUEUE_QUEUE_TOOL_H
#define CONTROL_QUEUE_QUEUE_TOOL_H

#include <stdio.h>

#include "control/queue/queue.h"

struct queue_tool { /* 0 or NULL is the default */
    FILE *out;
    bool json;                 /* ls and verify */
    size_t message_size_max;   /* [hekad] max_message_size; MSG_SIZE_DEFAULT_MAX */
    const struct queue_io *io; /* queue_io_posix */
};

enum queue_dump_format {
    QUEUE_DUMP_TEXT, /* as RstEncoder */
    QUEUE_DUMP_JSON, /* one line a message, codec/message_json.h */
    QUEUE_DUMP_HEKA  /* framed, as heka-cat reads it */
};

struct queue_dump_options {
    enum queue_dump_format format;
    bool with_acknowledged; /* from the oldest file instead of from the checkpoint */
    uint64_t count_max;     /* 0: all */
};

/* A line, or an object of an array, for each queue under base_dir. 0, or -1 after adding to
 * `err`. */
int queue_tool_list(const struct queue_tool *tool, const char *base_dir, struct err *err);

/* A line for each file, then the checkpoint; or one object. 0: all is well; 1: something is not,
 * and printed; -1 after adding to `err`. */
int queue_tool_verify(const struct queue_tool *tool, const char *dir, struct err *err);

/* Messages in order. 0; 1: records that are no message were left out, which is said in `err`; -1
 * after adding to `err`. */
int queue_tool_dump(const struct queue_tool *tool, const char *dir,
                    const struct queue_dump_options *options, struct err *err);

/* Acknowledges the next `count` records without delivering them, UINT64_MAX for all, and prints how
 * many there were. 0, or -1 after adding to `err`. */
int queue_tool_skip(const struct queue_tool *tool, const char *dir, uint64_t count,
                    struct err *err);

#endif
