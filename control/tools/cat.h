/* SPDX-License-Identifier: MPL-2.0
 *
 * cat.h - framed messages of any stream: matched, counted, written; what is none is reported.
 *
 * Place:   cat_main.c reads files with it. Bytes: docs/formats/message.md; docs/man/heka-cat.md.
 * Threads: one owner.
 * Memory:  a buffer that holds the largest frame; it grows with what is there, not with what a
 *          header says.
 * Failure: every byte ends in one of the counts: record_bytes, corrupt_bytes, incomplete_bytes. A
 *          frame whose message cannot be read is looked through for frames behind its start, as
 *          its length may be what is wrong; so is a frame that the end of the stream cuts off.
 * Source:  Heka 0.11 heka-cat, which lost what such a frame covered.
 */
#ifndef CONTROL_TOOLS_CAT_H
#define CONTROL_TOOLS_CAT_H

#include <stdio.h>

#include "core/buffer.h"
#include "core/message.h"
#include "matcher/ruleset.h"

enum { CAT_BURST = 64 };

enum cat_format { CAT_TXT, CAT_JSON, CAT_HEKA, CAT_COUNT };

struct cat_options {
    enum cat_format format;
    size_t message_max;          /* bytes; a larger frame is corrupt data */
    const struct ruleset *rules; /* of one rule */
    FILE *out;                   /* messages */
    FILE *notes;                 /* what is wrong */
};

struct cat_counts {
    uint64_t processed;  /* frames, with those whose message cannot be read */
    uint64_t unreadable; /* these */
    uint64_t matched;
    uint64_t encode_failed;  /* matched and not written, as their text would be too long */
    uint64_t corrupt_places; /* runs of corrupt bytes */
    uint64_t bytes;          /* of the input, from its offset on; the sum of the next three */
    uint64_t record_bytes, corrupt_bytes, incomplete_bytes;
};

struct cat_record {
    const uint8_t *bytes; /* of the frame, in the buffer */
    size_t size;
};

struct cat {
    struct cat_options options;
    struct cat_counts counts;
    struct ruleset_scratch *scratch;
    char *bytes;
    size_t start, end, capacity; /* of what is not consumed yet */
    uint64_t offset;             /* of bytes[start] in the stream */
    uint64_t corrupt_run;        /* bytes of a run that ends at `offset` */
    uint64_t searched;           /* bytes of unreadable frames that were looked through */
    uint64_t first;              /* offset at which the stream began */
    unsigned count;              /* of the burst */
    struct cat_record records[CAT_BURST];
    struct msg_view views[CAT_BURST];
    struct buffer text;
    int write_rc; /* first error of `out` */
};

/* Bytes read, 0 at the end, or negative errno. */
typedef int64_t (*cat_read_fn)(void *context, void *bytes, size_t size);

/* 0 or -ENOMEM. cat_fini() is for both, and for a zeroed one. */
int cat_init(struct cat *cat, const struct cat_options *options);
void cat_fini(struct cat *cat);

/* Reads to the end; may be called again for the next stream. `offset` is where the stream begins,
 * for the notes. 0, or negative: of `read`, -ENOMEM, or that of `out`, then cat->write_rc is it. */
int cat_stream(struct cat *cat, cat_read_fn read, void *context, uint64_t offset);

#endif
