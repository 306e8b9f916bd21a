/* SPDX-License-Identifier: MPL-2.0
 *
 * test_logstream_memory.c - a set of streams when an allocation fails: an error, nothing left
 * behind, and everything is read when there is memory again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/control/logstreamer/log_rig.h"
#include "tests/unit/core/alloc_fail.h"

enum { ALLOCATIONS_MAX = 2000, READS_MAX = 64, CHUNK = 4096 };

/* In two parts, so that a gzip file has to keep the second. */
static int take(struct logstream *stream, char *bytes, size_t got, size_t *size)
{
    size_t half = got / 2;
    int rc = logstream_consume(stream, bytes, got, half);
    if (rc == 0)
        rc = logstream_rest(stream, bytes, CHUNK, &got);
    if (rc == 0)
        rc = logstream_consume(stream, bytes, got, got);
    *size += half + got;
    return rc;
}

static int read_some(struct logstream *stream, size_t *size)
{
    char bytes[CHUNK];
    int rc = 0;
    for (unsigned i = 0; rc >= 0 && i < READS_MAX; i++) {
        size_t got;
        rc = logstream_read(stream, bytes, sizeof(bytes), &got);
        if (rc == LOGSTREAM_ENDS)
            logstream_next(stream);
        if (rc == LOGSTREAM_DATA)
            rc = take(stream, bytes, got, size);
    }
    return rc < 0 ? rc : 0;
}

static int try_all(struct log_rig *rig, size_t *size)
{
    struct err err = {0};
    int rc = logstream_set_init(&rig->set, &rig->config, &err);
    if (rc != 0) {
        assert_true(err.count > 0);
        rig->set = (struct logstream_set){.watch_fd = -1};
        return -ENOMEM;
    }
    rc = logstream_set_scan(&rig->set, &err);
    for (unsigned i = 0; rc == 0 && i < rig->set.stream_count; i++)
        rc = read_some(rig->set.streams[i], size);
    logstream_set_fini(&rig->set);
    return rc;
}

static void test_set(void **state)
{
    static const char *const down[] = {"^N", NULL};
    struct log_rig rig;
    unsigned failures = 0;
    bool is_hit = true;
    (void)state;
    log_rig_init(&rig, "(?P<Name>\\w+)(\\.(?P<N>\\d+))?(\\.gz)?", down);
    rig.differentiator[0] = "Name";
    rig.config.pattern.differentiator = (struct schema_list){rig.differentiator, 1};
    log_rig_write(&rig, "a.2", "one\n");
    log_rig_write_gzip(&rig, "a.1.gz", "two, a little longer\n", 0);
    log_rig_write(&rig, "a", "three\n");
    log_rig_write(&rig, "b", "four\n");
    for (unsigned i = 0; is_hit; i++) {
        size_t size = 0;
        assert_true(i < ALLOCATIONS_MAX);
        alloc_fail_at(i);
        int rc = try_all(&rig, &size);
        is_hit = alloc_fail_stop();
        assert_true(rc == -ENOMEM || (rc == 0 && size == 4 + 21 + 6 + 5));
        assert_true(is_hit || rc == 0);
        failures += rc != 0;
    }
    assert_true(failures >= 10);
    log_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_set)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
