/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_emit.h - a parsed expression as pattern text that PCRE2 and Hyperscan read alike.
 *
 * Place:   between regex_parse.c and the engines (regex_pcre.c, scan_db.c). Only constructs that mean
 *          the same in both are written: explicit code points, \A \z \b \B, groups without capture.
 * Threads: any, no state.
 * Memory:  appends to the caller's buffer.
 * Failure: the buffer's errors.
 */
#ifndef MATCHER_REGEX_EMIT_H
#define MATCHER_REGEX_EMIT_H

#include "core/buffer.h"
#include "matcher/regex.h"

enum regex_coding {
    REGEX_AS_BYTES, /* for engines without UTF mode; only when regex_is_byte_safe() */
    REGEX_AS_UTF8   /* for engines in UTF mode; the value has to be valid UTF-8 */
};

enum regex_anchors {
    REGEX_KEEP_LINES,
    REGEX_DROP_LINES /* leaves out (?m) anchors: matches at least what the expression matches */
};

/* True when matching byte by byte gives the same answer as matching character by character, for every
 * value, valid UTF-8 or not. docs/formats/matcher.md has the argument. */
bool regex_is_byte_safe(const struct regex_span *span);

/* True when the tree has (?m) anchors, which engines understand differently. */
bool regex_has_line_anchors(const struct regex_span *span);

int regex_emit(const struct regex_span *span, enum regex_coding coding, enum regex_anchors anchors,
               struct buffer *out);

/* `literal` as a pattern for exactly these bytes. */
int regex_emit_bytes(const char *literal, size_t len, struct buffer *out);

#endif
