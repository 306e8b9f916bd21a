/* SPDX-License-Identifier: MPL-2.0
 *
 * sim_disk.h - a disk in memory for the queue: full, broken, slow to remember, and one that
 * crashes.
 *
 * Place:   tests of control/queue and its fuzz target.
 * Model:   what was not synced may be there after a crash or not: names one by one; bytes up to a
 *          cut at any byte, or in pages of 16 bytes that are new, old or noise, and the size
 *          anywhere between. A sync that fails has written some of the pages, and forgets the
 *          others: the next sync says that all is well. Bytes that were synced and not touched
 *          since stay.
 */
#ifndef TESTS_UNIT_CONTROL_QUEUE_SIM_DISK_H
#define TESTS_UNIT_CONTROL_QUEUE_SIM_DISK_H

#include "control/queue/queue_io.h"

enum { SIM_PATH_SIZE = 96 };

struct sim_inode {
    bool is_dir;
    uint8_t *data, *dirty; /* dirty: 0 as on disk, 1 to be written, 2 forgotten */
    size_t size, capacity;
    uint8_t *synced;
    size_t synced_size, synced_capacity;
};

struct sim_name {
    char path[SIM_PATH_SIZE];
    struct sim_inode *inode; /* NULL: removed */
    bool follows; /* happens when the change before it does: the other half of a rename */
};

struct sim_names { /* a table, or a journal of changes to one */
    struct sim_name *names;
    unsigned count, capacity;
};

struct sim_open {
    struct sim_inode *inode; /* NULL: not open */
    bool has_lock;
};

struct sim_disk {
    struct queue_io io;
    uint64_t random;
    struct sim_names now, on_disk, changes;
    struct sim_inode **inodes;
    unsigned inode_count, inode_capacity;
    struct sim_open files[32];
    bool has_crashed, is_clean_cut; /* the last crash cut files and left no holes in them */
    uint64_t calls;

    /* for the test to set */
    uint64_t crash_at;       /* call number; 0: never */
    uint64_t fail_at;        /* the first call that fails; 0: none */
    unsigned fail_count;     /* how many do */
    int fail_code;           /* with this */
    unsigned fail_percent;   /* of all calls that change something, with fail_code */
    unsigned short_percent;  /* of writes that take less than all */
    uint64_t capacity_bytes; /* 0: endless */
};

struct sim_disk *sim_disk_new(uint64_t seed);
void sim_disk_free(struct sim_disk *disk);

/* The machine comes back after it lost power; faults are off. */
void sim_disk_reboot(struct sim_disk *disk);
/* The process is gone, the machine is not. */
void sim_disk_kill(struct sim_disk *disk);

uint64_t sim_random(uint64_t *state);
static inline uint64_t sim_below(uint64_t *state, uint64_t bound)
{
    return sim_random(state) % bound;
}

/* Makes a file with folders, durable at once. */
void sim_disk_put(struct sim_disk *disk, const char *path, const void *bytes, size_t size);
/* NULL when there is none. Valid until the file changes. */
const uint8_t *sim_disk_get(struct sim_disk *disk, const char *path, size_t *size);
uint64_t sim_disk_bytes(const struct sim_disk *disk);

#endif
