/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/tsv.h"

#include <string.h>

bool tsv_open(struct tsv *tsv, const char *path)
{
    tsv->file = fopen(path, "r");
    tsv->line = 0;
    return tsv->file != NULL;
}

static int hex_value(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* In place; returns the length. */
static size_t unescape(char *text)
{
    char *out = text;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\' && at[1] == 'x') {
            *out++ = (char)(hex_value(at[2]) << 4 | hex_value(at[3]));
            at += 3;
        } else {
            at += *at == '\\';
            *out++ = *at;
        }
    }
    *out = '\0';
    return (size_t)(out - text);
}

static void split(struct tsv *tsv)
{
    char *at = tsv->text;
    tsv->text[strcspn(tsv->text, "\n")] = '\0';
    for (tsv->count = 0; at != NULL && tsv->count < TSV_FIELDS_MAX; tsv->count++) {
        char *tab = strchr(at, '\t');
        if (tab != NULL)
            *tab++ = '\0';
        tsv->fields[tsv->count] = at;
        tsv->lens[tsv->count] = unescape(at);
        at = tab;
    }
}

bool tsv_next(struct tsv *tsv)
{
    while (fgets(tsv->text, sizeof(tsv->text), tsv->file) != NULL) {
        tsv->line++;
        if (tsv->text[0] == '#')
            continue;
        split(tsv);
        return true;
    }
    fclose(tsv->file);
    tsv->file = NULL;
    return false;
}
