/* SPDX-License-Identifier: MPL-2.0
 *
 * test_whisper_file.c - files of the whisper format: layouts, rolling up, what is no such file. The
 * same bytes as whisper's own program makes: tests/system/test_whisper.py.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/outputs/whisper_file.h"

enum { NOW_S = 1700000000 };

static char dir[64], path[96];
static struct buffer scratch;

static struct whisper_layout layout_of(enum whisper_method method)
{
    struct whisper_layout layout = {
        .method = method,
        .x_files_factor = 0.5F,
        .count = 2,
        .archives = {{.step_s = 4, .points = 10}, {.step_s = 1, .points = 8}},
    };
    assert_int_equal(whisper_layout_init(&layout, NULL), 0);
    return layout;
}

static void make_file(struct whisper_file *file, enum whisper_method method)
{
    struct whisper_layout layout = layout_of(method);
    unlink(path);
    assert_int_equal(whisper_file_make(path, &layout), 0);
    assert_int_equal(whisper_file_make(path, &layout), -EEXIST);
    assert_int_equal(whisper_file_open(file, path), 0);
}

static double point_at(const struct whisper_file *file, unsigned archive, unsigned index,
                       uint32_t *time_s)
{
    uint8_t bytes[12];
    uint64_t bits = 0;
    double value;
    off_t offset = file->layout.archives[archive].offset + 12 * (off_t)index;
    assert_int_equal(pread(file->fd, bytes, sizeof(bytes), offset), sizeof(bytes));
    *time_s =
        (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    for (unsigned i = 4; i < 12; i++)
        bits = bits << 8 | bytes[i];
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void put(struct whisper_file *file, uint32_t time_s, double value)
{
    assert_int_equal(whisper_file_update(file, time_s, value, NOW_S, &scratch), 0);
}

static void test_layouts(void **state)
{
    struct whisper_layout layout = layout_of(WHISPER_SUM);
    struct err err = {0};
    (void)state;
    assert_int_equal(layout.archives[0].step_s, 1);
    assert_int_equal(layout.archives[0].offset, 16 + 24);
    assert_int_equal(layout.archives[1].offset, 16 + 24 + 96);
    static const struct {
        struct whisper_archive archives[2];
        const char *text;
    } bad[] = {
        {{{0, 0, 1}, {0, 1, 1}}, "at least 1"},
        {{{0, 1, 0}, {0, 2, 1}}, "at least 1"},
        {{{0, 1, 5}, {0, 1, 9}}, "the same seconds"},
        {{{0, 2, 5}, {0, 3, 9}}, "multiple"},
        {{{0, 1, 5}, {0, 10, 9}}, "too few points"},
        {{{0, 1, 5}, {0, 5, UINT32_MAX / 4}}, "4 GiB"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        layout.count = 2;
        memcpy(layout.archives, bad[i].archives, sizeof(bad[i].archives));
        err.count = 0;
        assert_int_equal(whisper_layout_init(&layout, &err), -1);
        assert_non_null(strstr(err.texts[0], bad[i].text));
    }
    layout.count = 0;
    assert_int_equal(whisper_layout_init(&layout, &err), -1);
}

static void test_rolling_up(void **state)
{
    static const struct {
        enum whisper_method method;
        double expected;
    } cases[] = {
        {WHISPER_AVERAGE, -1},      {WHISPER_SUM, -3},         {WHISPER_LAST, -9},
        {WHISPER_MAX, 5},           {WHISPER_MIN, -9},         {WHISPER_AVERAGE_ZERO, -0.75},
        {WHISPER_ABSOLUTE_MAX, -9}, {WHISPER_ABSOLUTE_MIN, 1},
    };
    struct whisper_file file;
    uint32_t time_s;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_file(&file, cases[i].method);
        put(&file, NOW_S - 4, 5);
        point_at(&file, 1, 0, &time_s);
        assert_int_equal(time_s, 0); /* one of four is too few */
        put(&file, NOW_S - 3, 1);
        put(&file, NOW_S - 1, -9);
        assert_true(point_at(&file, 1, 0, &time_s) == cases[i].expected);
        assert_int_equal(time_s, NOW_S - 4);
        whisper_file_close(&file);
    }
}

static void test_ring(void **state)
{
    struct whisper_file file;
    uint32_t time_s;
    (void)state;
    make_file(&file, WHISPER_LAST);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(whisper_file_update(&file, NOW_S - 20 + i, i, NOW_S - 20 + i, &scratch),
                         0);
    for (unsigned i = 0; i < 8; i++) {
        double value = point_at(&file, 0, i, &time_s);
        assert_true(value >= 12 && time_s == NOW_S - 20 + (uint32_t)value);
    }
    put(&file, NOW_S - 12, 7); /* too old for the finest */
    point_at(&file, 1, 2, &time_s);
    assert_int_equal(time_s, NOW_S - 12);
    assert_int_equal(whisper_file_update(&file, NOW_S + 1, 0, NOW_S, &scratch),
                     WHISPER_E_NOT_COVERED);
    assert_int_equal(whisper_file_update(&file, NOW_S - 40, 0, NOW_S, &scratch),
                     WHISPER_E_NOT_COVERED);
    assert_int_equal(whisper_file_update(&file, NOW_S - 39, 0, NOW_S, &scratch), 0);
    whisper_file_close(&file);
}

static void test_corrupt(void **state)
{
    struct whisper_file file;
    (void)state;
    make_file(&file, WHISPER_LAST);
    whisper_file_close(&file);
    for (off_t at = 0; at < 40; at++) {
        uint8_t byte, bad = 0xFF;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        assert_int_equal(pwrite(fd, &bad, 1, at), 1);
        int rc = whisper_file_open(&file, path);
        /* maxRetention, which nobody reads, and the end of xFilesFactor's fraction. */
        bool is_free = (at >= 4 && at < 8) || at == 10 || at == 11;
        assert_int_equal(rc, is_free ? 0 : WHISPER_E_CORRUPT);
        if (rc == 0)
            whisper_file_close(&file);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    assert_int_equal(truncate(path, 255), 0);
    assert_int_equal(whisper_file_open(&file, path), WHISPER_E_CORRUPT);
    assert_int_equal(whisper_file_open(&file, "/nothing/there"), -ENOENT);
    assert_string_equal(whisper_error_text(WHISPER_E_CORRUPT), "not a whisper file");
    assert_string_equal(whisper_error_text(-ENOENT), "No such file or directory");
}

static void test_no_room(void **state)
{
    struct whisper_layout layout = layout_of(WHISPER_LAST);
    char folder[160];
    (void)state;
    snprintf(folder, sizeof(folder), "%s/none/x.wsp", dir);
    assert_int_equal(whisper_file_make(folder, &layout), -ENOENT);
    unlink(path);
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/whisper-file-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/series.wsp", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    buffer_fini(&scratch);
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts), cmocka_unit_test(test_rolling_up),
        cmocka_unit_test(test_ring),    cmocka_unit_test(test_corrupt),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
