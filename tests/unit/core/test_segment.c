/* SPDX-License-Identifier: MPL-2.0
 *
 * test_segment.c - what a segment is refused for, and lanes in hugepages.
 *
 * The cases with hugepages reserve a few, in a mount namespace of their own; they are skipped where
 * that is not allowed or there is no memory for it.
 */
#include "core/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>

#include "tests/support/test_dir.h"
// clang-format on

enum { LANES = 2, HUGE_PAGES = 6, HUGE_LANE_BYTES = 2 << 20 };

static const char nr_path[] = "/proc/sys/vm/nr_hugepages";
static char dir[] = "/tmp/heka-test-segment-XXXXXX";
static char mount_dir[64];
static long reserved_before = -1;

static struct segment_config config_of(enum segment_pages pages)
{
    return (struct segment_config){.dir = dir,
                                   .lane_count = LANES,
                                   .consumer_count = 2,
                                   .lane_bytes = HUGE_LANE_BYTES,
                                   .lane_pages = pages,
                                   .generation = 1,
                                   .group = (gid_t)-1};
}

static void must_create(enum segment_pages pages, struct segment *segment)
{
    struct segment_config config = config_of(pages);
    static struct err err;
    err.count = 0;
    int rc = segment_create(&config, segment, &err);
    if (rc != 0)
        print_error("%s\n", err.texts[0]);
    assert_int_equal(rc, 0);
    for (unsigned i = 0; i < LANES; i++) {
        struct lane_writer *writer = calloc(1, sizeof(*writer));
        assert_non_null(writer);
        lane_writer_init(writer, segment->lanes[i], segment_cursor(segment, i, 0), 2, i,
                         HUGE_LANE_BYTES);
        free(writer);
    }
    atomic_store(&segment->header->state, SEGMENT_RUNNING);
}

static void test_layouts_that_make_no_sense(void **state)
{
    (void)state;
    struct segment owner, view;
    static struct err err;
    must_create(SEGMENT_PAGES_NORMAL, &owner);
    struct segment_header good = *owner.header;
    for (unsigned i = 0; i < 9; i++) {
        struct segment_header *header = owner.header;
        switch (i) {
        case 0: header->version++; break;
        case 1: header->counter_count--; break;
        case 2: header->lane_count = 0; break;
        case 3: header->lane_count = SEGMENT_LANES_MAX + 1; break;
        case 4: header->consumer_count = RECORD_CONSUMERS_MAX; break; /* file too short */
        case 5: header->lane_map_bytes = HUGE_LANE_BYTES; break;
        case 6: header->lane_map_bytes = UINT64_MAX; break;
        case 7: memset(header->lane_prefix, 'x', sizeof(header->lane_prefix)); break;
        default: strcpy(header->lane_prefix, "/nowhere/lane."); break;
        }
        err.count = 0;
        assert_int_equal(segment_attach(dir, &view, &err), -EPROTO);
        assert_int_equal(err.count, 1);
        memcpy(header, &good, sizeof(good));
    }
    assert_int_equal(segment_attach(dir, &view, &err), 0);
    segment_detach(&view);
    segment_detach(&owner);
}

/* ---- hugepages ---- */

static bool write_reserved(long count)
{
    FILE *file = fopen(nr_path, "w");
    if (file == NULL)
        return false;
    int written = fprintf(file, "%ld\n", count);
    return fclose(file) == 0 && written > 0;
}

static long read_reserved(void)
{
    long count = -1;
    FILE *file = fopen(nr_path, "r");
    if (file == NULL)
        return -1;
    if (fscanf(file, "%ld", &count) != 1)
        count = -1;
    fclose(file);
    return count;
}

/* Mounts a hugetlbfs and reserves pages. NULL, or why not. */
static const char *reserve(void)
{
    snprintf(mount_dir, sizeof(mount_dir), "%s/huge", dir);
    mkdir(mount_dir, 0755);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return "no mount namespace";
    if (mount("none", mount_dir, "hugetlbfs", 0, "pagesize=2M") != 0)
        return "no hugetlbfs";
    reserved_before = read_reserved();
    if (reserved_before < 0 || !write_reserved(reserved_before + HUGE_PAGES))
        return "hugepages cannot be reserved";
    if (read_reserved() < reserved_before + HUGE_PAGES)
        return "no memory for hugepages";
    return NULL;
}

static int give_back(void **state)
{
    (void)state;
    if (reserved_before >= 0)
        write_reserved(reserved_before);
    umount(mount_dir);
    return 0;
}

static bool is_on_hugetlbfs(const struct segment *segment)
{
    return strncmp(segment->header->lane_prefix, mount_dir, strlen(mount_dir)) == 0 &&
           segment->header->lane_pages == SEGMENT_PAGES_HUGE;
}

static void use_both_views(struct segment *owner)
{
    struct segment view;
    static struct err err;
    assert_int_equal(segment_attach(dir, &view, &err), 0);
    size_t last = LANE_HEADER_BYTES + HUGE_LANE_BYTES - 1;
    atomic_store((_Atomic uint8_t *)owner->lanes[1] + last, 42);
    assert_int_equal(atomic_load((_Atomic uint8_t *)view.lanes[1] + last), 42);
    segment_detach(&view);
}

static void test_huge_pages(void **state)
{
    (void)state;
    struct segment owner;
    struct stat status;
    char lane[LANE_FILE_PREFIX_SIZE + 16];
    const char *why_not = reserve();
    if (why_not != NULL) {
        print_message("skipped: %s\n", why_not);
        skip();
    }
    /* Two lanes take four pages: the second time they have to replace those of the first. */
    for (unsigned round = 0; round < 2; round++) {
        must_create(round == 0 ? SEGMENT_PAGES_HUGE : SEGMENT_PAGES_AUTO, &owner);
        assert_true(is_on_hugetlbfs(&owner));
        use_both_views(&owner);
        snprintf(lane, sizeof(lane), "%s1", owner.header->lane_prefix);
        segment_detach(&owner);
        assert_int_equal(stat(lane, &status), 0); /* stays, for hekad to read */
    }
    must_create(SEGMENT_PAGES_NORMAL, &owner);
    assert_int_equal(stat(lane, &status), -1); /* the orphan is gone */
    assert_int_equal(owner.header->lane_pages, SEGMENT_PAGES_NORMAL);
    segment_detach(&owner);

    write_reserved(reserved_before); /* now there are none */
    if (read_reserved() == 0) {
        struct segment_config config = config_of(SEGMENT_PAGES_HUGE);
        static struct err err;
        assert_int_equal(segment_create(&config, &owner, &err), -1);
        assert_non_null(strstr(err.texts[0], "lane_huge_pages: none of the"));
        must_create(SEGMENT_PAGES_AUTO, &owner);
        assert_int_equal(owner.header->lane_pages, SEGMENT_PAGES_NORMAL);
        use_both_views(&owner);
        segment_detach(&owner);
    }
}

static void test_no_hugetlbfs(void **state)
{
    (void)state;
    struct segment owner;
    must_create(SEGMENT_PAGES_AUTO, &owner); /* whatever there is */
    use_both_views(&owner);
    segment_detach(&owner);
    must_create(SEGMENT_PAGES_NORMAL, &owner);
    assert_int_equal(owner.header->lane_pages, SEGMENT_PAGES_NORMAL);
    assert_int_equal(owner.header->lane_prefix[0], '\0');
    segment_detach(&owner);
}

static int make_dir(void **state)
{
    (void)state;
    return test_dir_make(dir);
}

static int remove_dir(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts_that_make_no_sense),
        cmocka_unit_test(test_no_hugetlbfs),
        cmocka_unit_test_teardown(test_huge_pages, give_back),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
