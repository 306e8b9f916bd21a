/* SPDX-License-Identifier: MPL-2.0
 *
 * err.h - error texts for cold paths, several at once.
 *
 * Place:   filled by every loader, parser and init function that a person waits for; printed by
 *          main.c of the program. The packet path counts reasons instead (core/counters.def).
 * Threads: a list belongs to one thread.
 * Memory:  fixed size, no allocation; at most ERR_LIST_MAX texts are kept and the rest is counted.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum {
    ERR_LIST_MAX = 64,  /* texts kept */
    ERR_TEXT_SIZE = 400 /* bytes of one text with its NUL; longer ones are cut */
};

/* Zero-initialise: struct err err = {0}. */
struct err {
    unsigned count; /* errors added, may exceed ERR_LIST_MAX */
    char texts[ERR_LIST_MAX][ERR_TEXT_SIZE];
};

/* Adds one formatted text (no trailing newline). `err` may be NULL. Always returns -1, so that
 * `return err_add(err, ...)` reads well. */
int err_add(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
int err_addv(struct err *err, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* As err_add with "FILE:LINE: " in front; line 0 leaves out the line. */
int err_at(struct err *err, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Writes one text a line to `out`, and how many were left out, if any. */
void err_print(const struct err *err, FILE *out);

#endif
