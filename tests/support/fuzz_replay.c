/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_replay.c - main() that runs a fuzz target over the files of a corpus folder.
 *
 * Place:   linked to each tests/fuzz target when libFuzzer is not; run by CTest, label fuzz.
 * Failure: exits with 1 when the folder holds no file, so that a lost corpus is noticed.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return -1;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    /* An exact allocation lets ASan see a read past the end. */
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    size_t got = data != NULL && size > 0 ? fread(data, 1, (size_t)size, file) : 0;
    fclose(file);
    if (data == NULL)
        return -1;
    LLVMFuzzerTestOneInput(data, got);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (dir == NULL) {
            fprintf(stderr, "%s: no such corpus folder\n", argv[i]);
            return 1;
        }
        struct dirent *entry;
        while ((entry = readdir(dir)) != NULL) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            if (replay_file(path) != 0) {
                fprintf(stderr, "%s: cannot be read\n", path);
                return 1;
            }
            count++;
        }
        closedir(dir);
    }
    printf("%u inputs replayed\n", count);
    return count > 0 ? 0 : 1;
}
