/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/hekad_rig.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/paths.h"

enum { STEP_US = 2000, START_LIMIT_S = 30, LOG_BYTES_SHOWN = 2000 };

const char *hekad_rig_path(const struct hekad_rig *rig, const char *name, char *path)
{
    snprintf(path, HEKAD_RIG_PATH_SIZE, "%s/%s", rig->dir, name);
    return path;
}

FILE *hekad_rig_create(const struct hekad_rig *rig, const char *name)
{
    char path[HEKAD_RIG_PATH_SIZE];
    FILE *file = fopen(hekad_rig_path(rig, name, path), "we");
    if (file == NULL)
        bench_error(rig->run, "cannot write %s: %s", path, strerror(errno));
    return file;
}

int hekad_rig_program(const struct hekad_rig *rig, const char *relative, char *path)
{
    char dir[HEKAD_RIG_DIR_SIZE];
    if (paths_program_dir(dir, sizeof(dir)) != 0)
        return bench_error(rig->run, "where this program is cannot be found");
    snprintf(path, HEKAD_RIG_PATH_SIZE, "%s/%s", dir, relative);
    if (access(path, X_OK) == 0)
        return 0;
    return bench_error(rig->run, "%s is missing: build the whole preset", path);
}

int hekad_rig_open(struct hekad_rig *rig, struct bench_run *run)
{
    const char *tmp = getenv("TMPDIR");
    *rig = (struct hekad_rig){.run = run};
    snprintf(rig->dir, sizeof(rig->dir), "%s/hekad_rig.XXXXXX",
             tmp != NULL && strlen(tmp) < HEKAD_RIG_DIR_SIZE / 2 ? tmp : "/tmp");
    if (mkdtemp(rig->dir) != NULL)
        return 0;
    rig->dir[0] = '\0';
    return bench_error(run, "cannot make a folder: %s", strerror(errno));
}

int hekad_rig_failed(struct hekad_rig *rig, const char *what)
{
    char path[HEKAD_RIG_PATH_SIZE], line[256];
    FILE *file = fopen(hekad_rig_path(rig, "log", path), "re");
    int rc = bench_error(rig->run, "hekad %s; the end of its log:", what);
    if (file == NULL)
        return rc;
    if (fseek(file, -LOG_BYTES_SHOWN, SEEK_END) != 0)
        rewind(file);
    while (fgets(line, sizeof(line), file) != NULL)
        fprintf(stderr, "  | %s", line);
    fclose(file);
    return rc;
}

static bool is_running(struct hekad_rig *rig)
{
    char path[HEKAD_RIG_PATH_SIZE];
    if (!rig->attached)
        rig->attached = segment_attach(hekad_rig_path(rig, "run", path), &rig->segment, NULL) == 0;
    return rig->attached && atomic_load_explicit(&rig->segment.header->state,
                                                 memory_order_acquire) == SEGMENT_RUNNING;
}

int hekad_rig_start(struct hekad_rig *rig)
{
    char program[HEKAD_RIG_PATH_SIZE], config[HEKAD_RIG_PATH_SIZE], log[HEKAD_RIG_PATH_SIZE];
    int rc = hekad_rig_program(rig, "../bin/hekad", program);
    if (rc != 0)
        return rc;
    const char *const argv[] = {program, "-config", hekad_rig_path(rig, "hekad.toml", config),
                                NULL};
    rc = bench_child_start(&rig->hekad, argv, hekad_rig_path(rig, "log", log), false);
    if (rc != 0)
        return bench_error(rig->run, "cannot start %s: %s", program, strerror(-rc));
    uint64_t limit_ns = clock_mono_ns() + START_LIMIT_S * CLOCK_NS_PER_S;
    while (!is_running(rig)) {
        if (!bench_child_runs(&rig->hekad))
            return hekad_rig_failed(rig, "ended at once");
        if (clock_mono_ns() > limit_ns)
            return hekad_rig_failed(rig, "does not start");
        usleep(STEP_US);
    }
    return 0;
}

int hekad_rig_stop(struct hekad_rig *rig, int timeout_ms)
{
    if (bench_child_end(&rig->hekad, SIGTERM, timeout_ms) != 0)
        return hekad_rig_failed(rig, "did not end in order");
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void hekad_rig_close(struct hekad_rig *rig)
{
    if (rig->hekad.pid != 0)
        bench_child_end(&rig->hekad, SIGKILL, 0);
    if (rig->attached)
        segment_detach(&rig->segment);
    rig->attached = false;
    if (rig->dir[0] != '\0')
        nftw(rig->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    rig->dir[0] = '\0';
}
