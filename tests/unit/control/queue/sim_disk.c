/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/queue/sim_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

enum { PAGE = 16 };

uint64_t sim_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static bool chance(struct sim_disk *disk, unsigned percent)
{
    return percent > 0 && sim_below(&disk->random, 100) < percent;
}

/* ---- names ---- */

static void *grow(void *array, unsigned count, unsigned *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity > 0 ? *capacity * 2 : 16;
    array = realloc(array, *capacity * size);
    CHECK(array != NULL);
    return array;
}

static void append_name(struct sim_names *names, const char *path, struct sim_inode *inode)
{
    CHECK(strlen(path) < SIM_PATH_SIZE);
    names->names = grow(names->names, names->count, &names->capacity, sizeof(names->names[0]));
    struct sim_name *name = &names->names[names->count++];
    memcpy(name->path, path, strlen(path) + 1);
    name->inode = inode;
    name->follows = false;
}

static struct sim_name *find_name(const struct sim_names *names, const char *path)
{
    for (unsigned i = 0; i < names->count; i++) {
        if (strcmp(names->names[i].path, path) == 0)
            return &names->names[i];
    }
    return NULL;
}

/* `inode` NULL removes. */
static void set_name(struct sim_names *names, const char *path, struct sim_inode *inode)
{
    struct sim_name *name = find_name(names, path);
    if (name != NULL && inode != NULL)
        name->inode = inode;
    else if (name != NULL)
        *name = names->names[--names->count];
    else if (inode != NULL)
        append_name(names, path, inode);
}

/* Now, and on disk after the next sync_dir. */
static void change_name(struct sim_disk *disk, const char *path, struct sim_inode *inode)
{
    set_name(&disk->now, path, inode);
    append_name(&disk->changes, path, inode);
}

static struct sim_inode *find_inode(const struct sim_disk *disk, const char *path)
{
    struct sim_name *name = find_name(&disk->now, path);
    return name != NULL ? name->inode : NULL;
}

static struct sim_inode *make_inode(struct sim_disk *disk, bool is_dir)
{
    struct sim_inode *inode = calloc(1, sizeof(*inode));
    CHECK(inode != NULL);
    inode->is_dir = is_dir;
    disk->inodes =
        grow(disk->inodes, disk->inode_count, &disk->inode_capacity, sizeof(struct sim_inode *));
    disk->inodes[disk->inode_count++] = inode;
    return inode;
}

static bool is_in(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && path[len] == '/' && strchr(path + len + 1, '/') == NULL;
}

/* ---- bytes ---- */

static void resize(struct sim_inode *inode, size_t size)
{
    if (size > inode->capacity) {
        inode->capacity = size * 2;
        inode->data = realloc(inode->data, inode->capacity);
        inode->dirty = realloc(inode->dirty, inode->capacity);
        CHECK(inode->data != NULL && inode->dirty != NULL);
    }
    if (size > inode->size) {
        memset(inode->data + inode->size, 0, size - inode->size);
        memset(inode->dirty + inode->size, 1, size - inode->size);
    }
    inode->size = size;
}

static void resize_synced(struct sim_inode *inode, size_t size)
{
    if (size > inode->synced_capacity) {
        inode->synced_capacity = size * 2;
        inode->synced = realloc(inode->synced, inode->synced_capacity);
        CHECK(inode->synced != NULL);
    }
    if (size > inode->synced_size)
        memset(inode->synced + inode->synced_size, 0, size - inode->synced_size);
    inode->synced_size = size;
}

static void sync_inode(struct sim_inode *inode)
{
    resize_synced(inode, inode->size);
    for (size_t i = 0; i < inode->size; i++) {
        if (inode->dirty[i] == 1) {
            inode->synced[i] = inode->data[i];
            inode->dirty[i] = 0;
        }
    }
}

/* Some pages reach the disk, the others are taken for written. */
static void sync_badly(struct sim_disk *disk, struct sim_inode *inode)
{
    if (inode->size > inode->synced_size)
        resize_synced(inode, inode->size);
    for (size_t page = 0; page < inode->size; page += PAGE) {
        bool is_written = chance(disk, 50);
        for (size_t i = page; i < inode->size && i < page + PAGE; i++) {
            if (inode->dirty[i] != 1)
                continue;
            inode->dirty[i] = is_written ? 0 : 2;
            if (is_written)
                inode->synced[i] = inode->data[i];
        }
    }
}

uint64_t sim_disk_bytes(const struct sim_disk *disk)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < disk->now.count; i++)
        bytes += disk->now.names[i].inode->size;
    return bytes;
}

/* ---- faults ---- */

/* 0: go on. `*dies` tells that this call is the last one, of which some may happen. */
static int enter(struct sim_disk *disk, bool changes, bool *dies)
{
    *dies = false;
    if (disk->has_crashed)
        return -EIO;
    disk->calls++;
    if (disk->calls == disk->crash_at) {
        disk->has_crashed = true;
        *dies = true;
        return 0;
    }
    if (disk->fail_at > 0 && disk->calls >= disk->fail_at &&
        disk->calls < disk->fail_at + disk->fail_count)
        return disk->fail_code;
    return changes && chance(disk, disk->fail_percent) ? disk->fail_code : 0;
}

/* For calls that happen or do not. */
static int enter_whole(struct sim_disk *disk, bool changes)
{
    bool dies;
    int rc = enter(disk, changes, &dies);
    return rc == 0 && dies && chance(disk, 50) ? -EIO : rc;
}

/* What a call that did something says when the machine died with it. */
static int leave(const struct sim_disk *disk, int rc)
{
    return disk->has_crashed ? -EIO : rc;
}

/* ---- struct queue_io ---- */

static struct sim_inode *inode_of(struct sim_disk *disk, int file)
{
    CHECK(file >= 0 && (size_t)file < ARRAY_COUNT(disk->files));
    CHECK(disk->files[file].inode != NULL);
    return disk->files[file].inode;
}

static int take_file(struct sim_disk *disk, struct sim_inode *inode)
{
    unsigned file = 0;
    while (file < ARRAY_COUNT(disk->files) && disk->files[file].inode != NULL)
        file++;
    CHECK(file < ARRAY_COUNT(disk->files)); /* somebody does not close */
    disk->files[file] = (struct sim_open){.inode = inode};
    return (int)file;
}

static int sim_open(void *context, const char *path, enum queue_open_mode mode)
{
    struct sim_disk *disk = context;
    struct sim_inode *inode = find_inode(disk, path);
    bool makes = mode != QUEUE_OPEN_READ && mode != QUEUE_OPEN_WRITE;
    int rc = enter_whole(disk, makes);
    if (rc != 0)
        return rc;
    if (inode == NULL && !makes)
        return -ENOENT;
    if (inode != NULL && mode == QUEUE_OPEN_NEW)
        return -EEXIST;
    if (inode == NULL) {
        if (disk->capacity_bytes > 0 && sim_disk_bytes(disk) >= disk->capacity_bytes)
            return -ENOSPC;
        inode = make_inode(disk, false);
        change_name(disk, path, inode);
    }
    if (mode == QUEUE_OPEN_REPLACE)
        resize(inode, 0);
    return disk->has_crashed ? -EIO : take_file(disk, inode);
}

static int sim_close(void *context, int file)
{
    struct sim_disk *disk = context;
    inode_of(disk, file);
    disk->files[file] = (struct sim_open){0};
    return 0;
}

static int64_t sim_read(void *context, int file, void *bytes, size_t size, uint64_t offset)
{
    struct sim_disk *disk = context;
    const struct sim_inode *inode = inode_of(disk, file);
    int rc = enter_whole(disk, false);
    if (rc != 0)
        return rc;
    if (inode->is_dir)
        return -EISDIR;
    if (offset >= inode->size)
        return 0;
    if (size > inode->size - offset)
        size = (size_t)(inode->size - offset);
    if (size > 1 && chance(disk, disk->short_percent))
        size = 1 + (size_t)sim_below(&disk->random, size - 1);
    memcpy(bytes, inode->data + offset, size);
    return (int64_t)size;
}

static int64_t sim_write(void *context, int file, const void *bytes, size_t size, uint64_t offset)
{
    struct sim_disk *disk = context;
    struct sim_inode *inode = inode_of(disk, file);
    bool dies;
    int rc = enter(disk, true, &dies);
    if (rc != 0)
        return rc;
    if (size > 1 && chance(disk, disk->short_percent))
        size = 1 + (size_t)sim_below(&disk->random, size - 1);
    if (dies)
        size = (size_t)sim_below(&disk->random, size + 1);
    if (disk->capacity_bytes > 0 && offset + size > inode->size) {
        uint64_t used = sim_disk_bytes(disk);
        uint64_t room = used < disk->capacity_bytes ? disk->capacity_bytes - used : 0;
        if (offset + size > inode->size + room)
            size = offset < inode->size + room ? (size_t)(inode->size + room - offset) : 0;
        if (size == 0)
            return leave(disk, -ENOSPC);
    }
    if (offset + size > inode->size)
        resize(inode, (size_t)offset + size);
    if (size > 0) {
        memcpy(inode->data + offset, bytes, size);
        memset(inode->dirty + offset, 1, size);
    }
    return dies ? -EIO : (int64_t)size;
}

static int sim_truncate(void *context, int file, uint64_t size)
{
    struct sim_disk *disk = context;
    struct sim_inode *inode = inode_of(disk, file);
    int rc = enter_whole(disk, true);
    if (rc != 0)
        return rc;
    resize(inode, (size_t)size);
    return leave(disk, 0);
}

static int sim_sync(void *context, int file)
{
    struct sim_disk *disk = context;
    struct sim_inode *inode = inode_of(disk, file);
    bool dies;
    int rc = enter(disk, true, &dies);
    if (rc != 0) {
        if (!disk->has_crashed)
            sync_badly(disk, inode);
        return rc;
    }
    if (!dies || chance(disk, 50))
        sync_inode(inode);
    return leave(disk, 0);
}

static int sim_lock(void *context, int file, bool only_look)
{
    struct sim_disk *disk = context;
    const struct sim_inode *inode = inode_of(disk, file);
    for (size_t i = 0; i < ARRAY_COUNT(disk->files); i++) {
        if (disk->files[i].has_lock && disk->files[i].inode == inode && (int)i != file)
            return -EBUSY;
    }
    disk->files[file].has_lock = !only_look;
    return 0;
}

static int64_t sim_size(void *context, const char *path)
{
    struct sim_disk *disk = context;
    const struct sim_inode *inode = find_inode(disk, path);
    int rc = enter_whole(disk, false);
    if (rc != 0)
        return rc;
    if (inode == NULL)
        return -ENOENT;
    return inode->is_dir ? -EINVAL : (int64_t)inode->size;
}

static int sim_rename(void *context, const char *from, const char *to)
{
    struct sim_disk *disk = context;
    struct sim_inode *inode = find_inode(disk, from);
    int rc = enter_whole(disk, true);
    if (rc != 0)
        return rc;
    if (inode == NULL)
        return -ENOENT;
    change_name(disk, to, inode);
    change_name(disk, from, NULL);
    disk->changes.names[disk->changes.count - 1].follows = true;
    return leave(disk, 0);
}

static int sim_unlink(void *context, const char *path)
{
    struct sim_disk *disk = context;
    int rc = enter_whole(disk, true);
    if (rc != 0)
        return rc;
    if (find_inode(disk, path) == NULL)
        return -ENOENT;
    change_name(disk, path, NULL);
    return leave(disk, 0);
}

static int sim_make_dir(void *context, const char *path)
{
    struct sim_disk *disk = context;
    int rc = enter_whole(disk, true);
    if (rc != 0)
        return rc;
    if (find_inode(disk, path) != NULL)
        return -EEXIST;
    change_name(disk, path, make_inode(disk, true));
    return leave(disk, 0);
}

static int sim_sync_dir(void *context, const char *path)
{
    struct sim_disk *disk = context;
    unsigned kept = 0;
    int rc = enter_whole(disk, true);
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < disk->changes.count; i++) {
        struct sim_name *change = &disk->changes.names[i];
        if (is_in(change->path, path))
            set_name(&disk->on_disk, change->path, change->inode);
        else
            disk->changes.names[kept++] = *change;
    }
    disk->changes.count = kept;
    return leave(disk, 0);
}

static int sim_list(void *context, const char *path, queue_name_fn each, void *arg)
{
    struct sim_disk *disk = context;
    const struct sim_inode *inode = find_inode(disk, path);
    int rc = enter_whole(disk, false);
    if (rc == 0 && (inode == NULL || !inode->is_dir))
        return inode == NULL ? -ENOENT : -ENOTDIR;
    for (unsigned i = 0; i < disk->now.count && rc == 0; i++) {
        const char *name = disk->now.names[i].path;
        if (is_in(name, path))
            rc = each(arg, name + strlen(path) + 1);
    }
    return rc;
}

static const struct queue_io sim_io = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .truncate = sim_truncate,
    .sync = sim_sync,
    .lock = sim_lock,
    .size = sim_size,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .make_dir = sim_make_dir,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
};

/* ---- for the tests ---- */

struct sim_disk *sim_disk_new(uint64_t seed)
{
    struct sim_disk *disk = calloc(1, sizeof(*disk));
    CHECK(disk != NULL);
    disk->io = sim_io;
    disk->io.context = disk;
    disk->random = seed;
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    for (unsigned i = 0; i < disk->inode_count; i++) {
        free(disk->inodes[i]->data);
        free(disk->inodes[i]->dirty);
        free(disk->inodes[i]->synced);
        free(disk->inodes[i]);
    }
    free(disk->inodes);
    free(disk->now.names);
    free(disk->on_disk.names);
    free(disk->changes.names);
    free(disk);
}

void sim_disk_kill(struct sim_disk *disk)
{
    memset(disk->files, 0, sizeof(disk->files));
    disk->has_crashed = false;
    disk->crash_at = 0;
    disk->fail_at = 0;
    disk->fail_percent = 0;
    disk->short_percent = 0;
}

/* Size after the crash: as synced, as it was last, or between. */
static size_t choose_size(struct sim_disk *disk, const struct sim_inode *inode)
{
    size_t low = inode->size < inode->synced_size ? inode->size : inode->synced_size;
    size_t high = inode->size < inode->synced_size ? inode->synced_size : inode->size;
    switch (sim_below(&disk->random, 3)) {
    case 0:
        return inode->size;
    case 1:
        return inode->synced_size;
    default:
        return low + (size_t)sim_below(&disk->random, high - low + 1);
    }
}

/* The inode's bytes become what the disk has of them. */
static void crash_inode(struct sim_disk *disk, struct sim_inode *inode)
{
    size_t size = choose_size(disk, inode);
    uint8_t *bytes = malloc(size + 1);
    unsigned fate = 0; /* of the page: new, old, noise */
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++) {
        bool is_new = i < inode->size && inode->dirty[i] == 1;
        uint8_t old = i < inode->synced_size ? inode->synced[i] : 0;
        if (i % PAGE == 0)
            fate = disk->is_clean_cut ? 0 : (unsigned)sim_below(&disk->random, 5) % 3;
        bytes[i] = old;
        if (is_new && fate != 1)
            bytes[i] = fate == 0 ? inode->data[i] : (uint8_t)sim_random(&disk->random);
    }
    resize(inode, 0);
    resize(inode, size);
    if (size > 0)
        memcpy(inode->data, bytes, size);
    sync_inode(inode);
    free(bytes);
}

/* What is in a folder that is not there is not there either. */
static void lose_orphans(struct sim_names *names)
{
    char dir[SIM_PATH_SIZE];
    for (unsigned i = 0; i < names->count;) {
        size_t len = (size_t)(strrchr(names->names[i].path, '/') - names->names[i].path);
        memcpy(dir, names->names[i].path, len);
        dir[len] = '\0';
        if (len == 0 || find_name(names, dir) != NULL) {
            i++;
            continue;
        }
        names->names[i] = names->names[--names->count];
        i = 0; /* it may have been a folder */
    }
}

void sim_disk_reboot(struct sim_disk *disk)
{
    sim_disk_kill(disk);
    disk->capacity_bytes = 0;
    disk->is_clean_cut = chance(disk, 50);
    bool happens = false;
    for (unsigned i = 0; i < disk->changes.count; i++) {
        happens = disk->changes.names[i].follows ? happens : chance(disk, 50);
        if (happens)
            set_name(&disk->on_disk, disk->changes.names[i].path, disk->changes.names[i].inode);
    }
    lose_orphans(&disk->on_disk);
    disk->changes.count = 0;
    disk->now.count = 0;
    for (unsigned i = 0; i < disk->on_disk.count; i++)
        append_name(&disk->now, disk->on_disk.names[i].path, disk->on_disk.names[i].inode);
    for (unsigned i = 0; i < disk->inode_count; i++)
        crash_inode(disk, disk->inodes[i]);
}

void sim_disk_put(struct sim_disk *disk, const char *path, const void *bytes, size_t size)
{
    char dir[SIM_PATH_SIZE];
    struct sim_inode *inode = make_inode(disk, false);
    CHECK(strlen(path) < sizeof(dir));
    for (size_t i = 1; path[i] != '\0'; i++) {
        if (path[i] != '/')
            continue;
        memcpy(dir, path, i);
        dir[i] = '\0';
        if (find_inode(disk, dir) == NULL) {
            struct sim_inode *made = make_inode(disk, true);
            set_name(&disk->now, dir, made);
            set_name(&disk->on_disk, dir, made);
        }
    }
    resize(inode, size);
    if (size > 0)
        memcpy(inode->data, bytes, size);
    sync_inode(inode);
    set_name(&disk->now, path, inode);
    set_name(&disk->on_disk, path, inode);
}

const uint8_t *sim_disk_get(struct sim_disk *disk, const char *path, size_t *size)
{
    const struct sim_inode *inode = find_inode(disk, path);
    if (inode == NULL)
        return NULL;
    *size = inode->size;
    return inode->data != NULL ? inode->data : (const uint8_t *)"";
}
