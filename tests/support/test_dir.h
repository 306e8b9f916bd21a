/* SPDX-License-Identifier: MPL-2.0
 *
 * test_dir.h - a folder of a test's own.
 *
 * Place:   unit tests that need files.
 * Failure: not 0, as cmocka's set-up and tear-down functions return it.
 */
#ifndef TESTS_TEST_DIR_H
#define TESTS_TEST_DIR_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* `path` ends with XXXXXX, which becomes something else. */
static inline int test_dir_make(char *path)
{
    return mkdtemp(path) == NULL;
}

/* With all that is in it; it may be the working folder. */
static inline int test_dir_remove(const char *path)
{
    char command[512];
    int len = snprintf(command, sizeof(command), "rm -r '%s'", path);
    return len < 0 || (size_t)len >= sizeof(command) ? -1 : system(command);
}

#endif
