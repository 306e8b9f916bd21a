/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static void refuse(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n", text, what);
    exit(2);
}

static uint64_t number_of(const char *text)
{
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        refuse("no number", text);
    return value;
}

static const struct argument *find_row(const struct argument *rows, const char *text)
{
    if (strncmp(text, "--", 2) == 0)
        for (const struct argument *row = rows; row->name != NULL; row++)
            if (strcmp(row->name, text + 2) == 0)
                return row;
    refuse("no option", text);
    return NULL;
}

void arguments_read(int argc, char **argv, const struct argument *rows)
{
    for (int i = 1; i < argc; i++) {
        const struct argument *row = find_row(rows, argv[i]);
        if (row->flag != NULL) {
            *row->flag = true;
            continue;
        }
        if (i + 1 == argc)
            refuse("no value", argv[i]);
        i++;
        if (row->text != NULL)
            *row->text = argv[i];
        else
            *row->number = number_of(argv[i]);
    }
}

void arguments_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
