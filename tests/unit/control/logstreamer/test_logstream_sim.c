/* SPDX-License-Identifier: MPL-2.0
 *
 * test_logstream_sim.c - seeded worlds: a writer, logrotate in all its ways, and a reader that
 *                        looks now and then, is stopped and is killed. In order and each line once:
 *                        what was taken before a kill and not saved does not count.
 *
 * LOGSTREAM_SEED is the first seed, LOGSTREAM_WORLDS how many there are. A failure prints its seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/control/logstreamer/log_rig.h"

enum { STEPS = 120, FILES_MAX = 7, LINES_MAX = 40, LINE_SIZE = 64, WORLDS = 24 };

struct world {
    struct log_rig rig;
    uint64_t random;
    unsigned lines; /* written so far */
    bool may_kill;
};

static uint64_t next(struct world *world, uint64_t below)
{
    uint64_t z = world->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % below;
}

static size_t make_line(unsigned number, char line[LINE_SIZE])
{
    return (size_t)snprintf(line, LINE_SIZE, "line %u %.*s\n", number, (int)(number * 7 % 40),
                            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop");
}

static bool is_there(struct world *world, const char *name)
{
    char path[PATH_MAX];
    log_rig_path(&world->rig, name, path);
    return access(path, F_OK) == 0;
}

/* ---- the writer and logrotate ---- */

static void write_lines(struct world *world, const char *name, unsigned count)
{
    char line[LINE_SIZE];
    for (unsigned i = 0; i < count; i++) {
        make_line(world->lines++, line);
        log_rig_append(&world->rig, name, line);
    }
}

static void read_text(struct world *world, const char *name, char *text, size_t size)
{
    char path[PATH_MAX];
    log_rig_path(&world->rig, name, path);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* a.N to a.N+1, plain or compressed. The last one goes, when all of it was read. */
static bool shift(struct world *world)
{
    char from[32], to[32];
    static const char *const ends[] = {"", ".gz"};
    for (unsigned e = 0; e < 2; e++) {
        snprintf(from, sizeof(from), "a.%u%s", FILES_MAX, ends[e]);
        if (is_there(world, from)) {
            log_rig_drain(&world->rig);
            log_rig_remove(&world->rig, from);
        }
    }
    for (unsigned n = FILES_MAX; n > 1; n--) {
        for (unsigned e = 0; e < 2; e++) {
            snprintf(from, sizeof(from), "a.%u%s", n - 1, ends[e]);
            snprintf(to, sizeof(to), "a.%u%s", n, ends[e]);
            if (is_there(world, from))
                log_rig_rename(&world->rig, from, to);
        }
    }
    return is_there(world, "a");
}

static void rotate_by_name(struct world *world)
{
    if (!shift(world))
        return;
    log_rig_rename(&world->rig, "a", "a.1");
    if (next(world, 2) == 0) /* who writes has it open still */
        write_lines(world, "a.1", (unsigned)next(world, 4));
    if (next(world, 2) == 0)
        write_lines(world, "a", (unsigned)next(world, 4));
}

static void rotate_by_copy(struct world *world)
{
    static char text[1 << 16];
    if (!shift(world))
        return;
    read_text(world, "a", text, sizeof(text));
    log_rig_write(&world->rig, "a.1", text);
    log_rig_write(&world->rig, "a", "");
    if (next(world, 2) == 0)
        write_lines(world, "a", (unsigned)next(world, 10));
}

static void compress_one(struct world *world)
{
    static char text[1 << 16];
    char plain[32], packed[32];
    unsigned n = 2 + (unsigned)next(world, FILES_MAX - 1);
    snprintf(plain, sizeof(plain), "a.%u", n);
    snprintf(packed, sizeof(packed), "a.%u.gz", n);
    if (!is_there(world, plain))
        return;
    read_text(world, plain, text, sizeof(text));
    log_rig_write_gzip(&world->rig, packed, text, 0);
    log_rig_remove(&world->rig, plain);
}

/* ---- the reader ---- */

static void restart(struct world *world)
{
    log_rig_stop(&world->rig); /* what was not saved is read again: nothing, unless it was killed */
    log_rig_start(&world->rig);
}

/* What was taken and not saved comes again. */
static void kill_reader(struct world *world)
{
    char bytes[4096];
    size_t got;
    for (unsigned i = 0; i < world->rig.set.stream_count; i++) {
        struct logstream *stream = world->rig.set.streams[i];
        if (logstream_read(stream, bytes, sizeof(bytes), &got) == LOGSTREAM_DATA)
            assert_int_equal(logstream_consume(stream, bytes, got, got / 2), 0);
    }
    restart(world);
}

static void step(struct world *world)
{
    switch (next(world, 12)) {
    case 0:
        rotate_by_name(world);
        break;
    case 1:
        rotate_by_copy(world);
        break;
    case 2:
        compress_one(world);
        break;
    case 3:
        restart(world);
        break;
    case 4:
        if (world->may_kill)
            kill_reader(world);
        break;
    case 5:
        assert_int_equal(logstream_set_scan(&world->rig.set, &world->rig.notes), 0);
        break;
    case 6:
        if (world->rig.set.stream_count > 0)
            logstream_park(world->rig.set.streams[0]);
        break;
    case 7:
    case 8:
        log_rig_drain(&world->rig);
        break;
    default:
        write_lines(world, "a", 1 + (unsigned)next(world, LINES_MAX));
    }
}

static void expect_all(struct world *world)
{
    char line[LINE_SIZE];
    const char *at = world->rig.text, *end = at + world->rig.size;
    for (unsigned i = 0; i < world->lines; i++) {
        size_t len = make_line(i, line);
        if ((size_t)(end - at) < len || memcmp(at, line, len) != 0)
            fail_msg("line %u is not at its place: '%.*s'", i, (int)(end - at < 60 ? end - at : 60),
                     at);
        at += len;
    }
    assert_ptr_equal(at, end);
}

static void run_world(uint64_t seed, bool may_kill)
{
    static const char *const down[] = {"^N", NULL};
    struct world world = {.random = seed, .may_kill = may_kill};
    print_message("seed %llu\n", (unsigned long long)seed);
    log_rig_init(&world.rig, "a(\\.(?P<N>\\d+))?(\\.gz)?", down);
    write_lines(&world, "a", 1);
    log_rig_start(&world.rig);
    for (unsigned i = 0; i < STEPS; i++)
        step(&world);
    write_lines(&world, "a", 1); /* behind an empty file nobody knows that it is the next */
    assert_int_equal(logstream_set_scan(&world.rig.set, &world.rig.notes), 0);
    log_rig_drain(&world.rig);
    expect_all(&world);
    assert_int_equal(world.rig.notes.count, 0);
    log_rig_fini(&world.rig);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void test_worlds(void **state)
{
    uint64_t first = number("LOGSTREAM_SEED", 1), count = number("LOGSTREAM_WORLDS", WORLDS);
    (void)state;
    for (uint64_t seed = first; seed < first + count; seed++)
        run_world(seed, seed % 2 == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_worlds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
