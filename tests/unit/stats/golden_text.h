/* SPDX-License-Identifier: MPL-2.0
 *
 * golden_text.h - reading golden files, and bytes as readable text.
 */
#ifndef TESTS_GOLDEN_TEXT_H
#define TESTS_GOLDEN_TEXT_H

#include <stddef.h>

/* A whole file, NUL-terminated, to be freed; NULL when it cannot be read. */
char *golden_read(const char *path, size_t *size);

/* \t \r \n \\ and \xHH to bytes; \{N:TEXT} is TEXT N times. Returns the number of bytes, -1 when
 * the text is wrong or longer than `size`. */
long golden_unescape(const char *text, char *bytes, size_t size);

/* The other way, without repetition: bytes below 0x20, above 0x7e and "\" as \xHH. */
void golden_escape(const char *bytes, size_t len, char *text, size_t size);

#endif
