/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_emit.h - a parsed expression as pattern text for PCRE2 and Hyperscan.
 *
 * Place:   between regex_parse.c and the engines (regex_pcre.c, scan_db.c). Only constructs that
 *          mean the same in both are written: explicit characters, \A \z \b \B, groups without
 *          capture.
 * Threads: any, no state.
 * Memory:  appends to the caller's buffer.
 * Failure: the buffer's errors.
 */
#ifndef MATCHER_REGEX_EMIT_H
#define MATCHER_REGEX_EMIT_H

#include "core/buffer.h"
#include "matcher/regex.h"

enum regex_coding {
    REGEX_AS_BYTES,    /* bytes, for every value; only when is_byte_safe */
    REGEX_AS_UTF8,     /* for an engine in UTF mode and valid UTF-8 */
    REGEX_AS_SCAN,     /* bytes, for valid UTF-8; only when is_scannable */
    REGEX_AS_ROUGHLY,  /* bytes, for valid UTF-8: small, and matches at least what it should */
    REGEX_BATCH = 0x10 /* added to the last two: values stand in one text, each between its two
                          separators; only when is_batchable */
};

/* Bytes that UTF-8 does not have, in front of and behind each value of a batch. */
enum { REGEX_BATCH_BEGIN = 0xFE, REGEX_BATCH_END = 0xFF };

int regex_emit(const struct regex_span *span, unsigned coding, struct buffer *out);

#endif
