/* SPDX-License-Identifier: MPL-2.0
 *
 * utf8_text.h - UTF-8 as RE2 reads it: a byte that begins no valid character counts as U+FFFD.
 *
 * Place:   regex parsing and matching; ruleset_match.c repairs values before engines that need
 *          UTF-8.
 * Threads: any, no state.
 * Memory:  the caller's.
 */
#ifndef MATCHER_UTF8_TEXT_H
#define MATCHER_UTF8_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    UTF8_MAX = 4,         /* bytes of one character */
    UTF8_GROWTH_MAX = 3,  /* utf8_repair() writes at most so many bytes for one */
    UTF8_INVALID = 0xFFFD /* what an invalid byte reads as */
};

/* The character at text[*at]; moves *at behind it, by one byte when it is invalid. *at < size. */
uint32_t utf8_decode(const char *text, size_t size, size_t *at);

/* Writes `point` (no surrogate) and returns its length. */
size_t utf8_encode(uint32_t point, char text[UTF8_MAX]);

/* Bytes of the valid prefix: `size` when all of the text is valid. */
size_t utf8_valid_size(const char *text, size_t size);

/* Copies with each invalid byte replaced by U+FFFD; `out` has room for size * UTF8_GROWTH_MAX
 * bytes. Returns the size of the copy. */
size_t utf8_repair(const char *text, size_t size, char *out);

#endif
