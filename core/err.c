/* SPDX-License-Identifier: MPL-2.0 */
#include "core/err.h"

#include <string.h>

int err_addv(struct err *err, const char *format, va_list args)
{
    if (err == NULL)
        return -1;
    if (err->count < ERR_LIST_MAX)
        vsnprintf(err->texts[err->count], ERR_TEXT_SIZE, format, args);
    err->count++;
    return -1;
}

int err_add(struct err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_addv(err, format, args);
    va_end(args);
    return -1;
}

int err_at(struct err *err, const char *file, unsigned line, const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (line > 0)
        return err_add(err, "%s:%u: %s", file, line, text);
    return err_add(err, "%s: %s", file, text);
}

void err_print(const struct err *err, FILE *out)
{
    unsigned kept = err->count < ERR_LIST_MAX ? err->count : ERR_LIST_MAX;
    for (unsigned i = 0; i < kept; i++)
        fprintf(out, "%s\n", err->texts[i]);
    if (err->count > kept)
        fprintf(out, "... and %u more errors\n", err->count - kept);
}
