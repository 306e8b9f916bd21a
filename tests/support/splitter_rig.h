/* SPDX-License-Identifier: MPL-2.0
 *
 * splitter_rig.h - a splitter from its TOML, and streams cut in any way through it.
 *
 * Place:   splitter tests and fuzz_splitter.
 * Failure: CHECK() for what must never be: a piece outside its bytes, a byte in no piece.
 */
#ifndef TESTS_SUPPORT_SPLITTER_RIG_H
#define TESTS_SUPPORT_SPLITTER_RIG_H

#include "codec/splitter.h"
#include "core/buffer.h"
#include "matcher/split_regex.h"

struct splitter_rig {
    struct conf_doc *doc;
    struct split_regexes regexes;
    void *config;
    struct splitter splitter;
    bool is_open;
};

/* The section [splitter] of `toml`. 0, or -1 and err is filled. */
int splitter_rig_open(struct splitter_rig *rig, const char *toml, size_t message_max,
                      struct err *err);
void splitter_rig_close(struct splitter_rig *rig);

struct rig_feed {
    const char *bytes;
    size_t size;
    size_t first;   /* bytes of the first portion; the others have `portion` */
    size_t portion; /* 0: all that is left */
    enum split_source end;
};

/* Splits a stream that comes in portions. Each piece is appended to `out` as a line, "record 5
 * signer: text" (`out` NULL: none), and counted. Each time the bytes are at another place in
 * memory, with nothing behind them. Returns how many bytes were consumed. */
size_t splitter_rig_feed(const struct splitter_rig *rig, const struct rig_feed *feed,
                         struct buffer *out, struct split_counts *counts);

#endif
