/* SPDX-License-Identifier: MPL-2.0 */
#include "control/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "control/folder.h"

enum { PID_FILE_MODE = 0644, RUN_DIR_MODE = 0755, PID_TEXT_SIZE = 32 };

static int write_pid(int fd)
{
    char text[PID_TEXT_SIZE];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return -1;
    return 0;
}

static int lock(struct run_dir *dir, struct err *err)
{
    char text[PID_TEXT_SIZE] = "";
    snprintf(dir->pid_path, sizeof(dir->pid_path), "%s/hekad.pid", dir->path);
    dir->pid_fd = open(dir->pid_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, PID_FILE_MODE);
    if (dir->pid_fd < 0)
        return err_add(err, "%s: %s", dir->pid_path, strerror(errno));
    if (flock(dir->pid_fd, LOCK_EX | LOCK_NB) != 0) {
        if (pread(dir->pid_fd, text, sizeof(text) - 1, 0) < 0)
            text[0] = '\0';
        close(dir->pid_fd);
        return err_add(err, "%s: hekad is running already with this run directory (pid %d)",
                       dir->path, (int)strtol(text, NULL, 10));
    }
    dir->is_locked = true;
    if (write_pid(dir->pid_fd) != 0)
        return err_add(err, "%s: %s", dir->pid_path, strerror(errno));
    return 0;
}

/* A living process in the file is an error, as in Heka; anything else is replaced. */
static int check_pid_file(const char *path, struct err *err)
{
    char text[PID_TEXT_SIZE] = "", *end;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    long pid = strtol(text, &end, 10);
    if (got <= 0 || end == text || pid <= 0 || pid > INT32_MAX || pid == getpid())
        return 0;
    if (kill((pid_t)pid, 0) == 0 || errno == EPERM)
        return err_add(err, "%s: process %ld of this file is running", path, pid);
    return 0;
}

static int make_pid_file(struct run_dir *dir, const char *path, struct err *err)
{
    if (path == NULL || path[0] == '\0')
        return 0;
    if (strlen(path) >= sizeof(dir->own_pid_file))
        return err_add(err, "pid_file: the path is too long");
    if (check_pid_file(path, err) != 0)
        return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, PID_FILE_MODE);
    if (fd < 0 || write_pid(fd) != 0) {
        err_add(err, "pid_file %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    memcpy(dir->own_pid_file, path, strlen(path) + 1);
    return 0;
}

int run_dir_open(struct run_dir *dir, const char *path, const char *pid_file, struct err *err)
{
    *dir = (struct run_dir){0};
    if (strlen(path) >= sizeof(dir->path))
        return err_add(err, "%s: the run directory's path is too long", path);
    memcpy(dir->path, path, strlen(path) + 1);
    int rc = folder_make(path, RUN_DIR_MODE);
    if (rc != 0)
        err_add(err, "%s: cannot be made: %s", path, strerror(-rc));
    else if (lock(dir, err) == 0 && make_pid_file(dir, pid_file, err) == 0)
        return 0;
    run_dir_close(dir);
    return -1;
}

void run_dir_close(struct run_dir *dir)
{
    if (dir->own_pid_file[0] != '\0')
        unlink(dir->own_pid_file);
    if (dir->is_locked) {
        unlink(dir->pid_path);
        close(dir->pid_fd);
    }
    *dir = (struct run_dir){0};
}

bool run_dir_has_dataplane(const struct run_dir *dir)
{
    char path[544];
    snprintf(path, sizeof(path), "%s/lock", dir->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == EACCES; /* it is another user's: if in doubt, it lives */
    bool is_held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return is_held;
}
