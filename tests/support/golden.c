/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/golden.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_file(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "rb");
    char block[4096];
    size_t size;
    if (file == NULL)
        return false;
    while ((size = fread(block, 1, sizeof(block), file)) > 0)
        buffer_append(out, block, size);
    fclose(file);
    if (buffer_append(out, "", 1) != 0)
        return false;
    out->size--;
    return true;
}

static void print_text(const char *title, const struct buffer *text)
{
    fprintf(stderr, "---- %s\n%.*s", title, (int)text->size, text->data);
    if (text->size == 0 || text->data[text->size - 1] != '\n')
        fprintf(stderr, "\n---- (no newline at the end)\n");
}

static bool run_case(const char *folder, const char *name, golden_fn run)
{
    char path[1024];
    struct buffer in = {0};
    struct buffer expected = {0};
    struct buffer out = {0};
    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/golden/%s/%s.in", folder, name);
    bool ok = read_file(path, &in);
    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/golden/%s/%s.expect", folder, name);
    ok = ok && read_file(path, &expected);
    if (ok)
        run(name, &in, &out);
    else
        fprintf(stderr, "%s/%s: .in or .expect is missing\n", folder, name);
    if (ok && (out.size != expected.size ||
               (out.size > 0 && memcmp(out.data, expected.data, out.size) != 0))) {
        fprintf(stderr, "%s/%s differs\n", folder, name);
        print_text("expected", &expected);
        print_text("found", &out);
        ok = false;
    }
    buffer_fini(&in);
    buffer_fini(&expected);
    buffer_fini(&out);
    return ok;
}

/* Either of the two files makes a case; "x.expect" without "x.in" is found only so. */
static int is_case(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && (strcmp(dot, ".in") == 0 || strcmp(dot, ".expect") == 0);
}

unsigned golden_run(const char *folder, unsigned least, golden_fn run)
{
    char path[1024];
    char last[256] = "";
    struct dirent **entries;
    unsigned count = 0;
    unsigned failed = 0;
    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/golden/%s", folder);
    int found = scandir(path, &entries, is_case, alphasort);
    for (int i = 0; i < found; i++) {
        *strrchr(entries[i]->d_name, '.') = '\0';
        if (strcmp(entries[i]->d_name, last) != 0) {
            snprintf(last, sizeof(last), "%s", entries[i]->d_name);
            failed += run_case(folder, last, run) ? 0 : 1;
            count++;
        }
        free(entries[i]);
    }
    if (found >= 0)
        free(entries);
    if (count < least) {
        fprintf(stderr, "%s: %u cases, expected at least %u\n", path, count, least);
        failed++;
    }
    return failed;
}
