/* SPDX-License-Identifier: MPL-2.0
 *
 * test_buffered_output.c - consumers with a disk queue: lanes, queue and output together.
 *
 * [option buffering.max_file_size] [option buffering.max_buffer_size]
 * [option buffering.full_action]
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/lanes/consumer.h"
#include "control/lanes/spool.h"
#include "tests/support/test_dir.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/lane_rig.h"

enum { SMALL_QUEUE = 40000, ROUNDS = 6, EACH = 500 };

static struct fake_output fake;

struct bench {
    struct lane_rig rig;
    char base_dir[64];
    struct hekad_globals globals;
    struct consumer_options options;
    struct bell bell;
    struct output_instance instance;
    struct consumer *consumer;
    struct attachment *attachment;
};

static void open_bench(struct bench *bench)
{
    memset(bench, 0, sizeof(*bench));
    memset(&fake, 0, sizeof(fake));
    lane_rig_init(&bench->rig, 1, 1);
    bench->attachment = lane_rig_attach(&bench->rig);
    strcpy(bench->base_dir, "/tmp/buffered-XXXXXX");
    assert_int_equal(test_dir_make(bench->base_dir), 0);
    bench->globals = fake_globals;
    bench->globals.base_dir = bench->base_dir;
    bench->options = (struct consumer_options){.globals = &bench->globals, .bell = &bench->bell};
    fake_output_instance(&fake, "out.put", NULL, &bench->instance);
    bench->instance.use_buffering = true;
    bench->instance.common.buffering.cursor_update_count = 1;
}

static struct consumer *make(struct bench *bench)
{
    struct err err = {0};
    struct consumer *consumer = consumer_new(&bench->instance, 0, &bench->options, &err);
    err_print(&err, stderr);
    assert_non_null(consumer);
    return consumer;
}

static void attach_and_start(struct bench *bench, struct consumer *consumer)
{
    struct err err = {0};
    assert_int_equal(consumer_attach(consumer, bench->attachment, 0, &err), 0);
    assert_int_equal(consumer_start(consumer), 0);
}

static void start(struct bench *bench)
{
    bench->consumer = make(bench);
    attach_and_start(bench, bench->consumer);
}

static void stop(struct bench *bench)
{
    consumer_free(bench->consumer);
    bench->consumer = NULL;
}

static void close_bench(struct bench *bench)
{
    stop(bench);
    attachment_put(bench->attachment);
    lane_rig_fini(&bench->rig);
    assert_int_equal(test_dir_remove(bench->base_dir), 0);
}

static void put(struct bench *bench, int first, int last)
{
    for (int i = first; i < last; i++)
        WAIT_UNTIL(lane_rig_put(&bench->rig, 0, i, "payload", 1));
    bell_ring(&bench->bell);
}

static struct consumer_status status_of(struct bench *bench)
{
    struct consumer_status status;
    consumer_status(bench->consumer, &status);
    return status;
}

static uint64_t end_of(const struct consumer_status *status, const char *reason)
{
    for (unsigned i = 0; i < status->ends.count; i++)
        if (strcmp(status->ends.list[i].reason, reason) == 0)
            return status->ends.list[i].count;
    return 0;
}

static uint64_t tail_of(const struct bench *bench)
{
    return atomic_load(&segment_cursor(&bench->rig.segment, 0, 0)->tail);
}

static bool has_released_all(const struct bench *bench)
{
    return tail_of(bench) == bench->rig.writers[0].head;
}

/* Everything is on disk while the output takes nothing; then it comes in order, and nothing is
 * left. */
static void test_through_the_disk(void **state)
{
    struct bench bench;
    struct consumer_status status;
    (void)state;
    open_bench(&bench);
    fake.blocked = true;
    start(&bench);
    put(&bench, 0, 5000); /* several times around the lane */
    WAIT_UNTIL(has_released_all(&bench));
    WAIT_UNTIL((status = status_of(&bench)).queued == 5000);
    assert_int_equal(status.matched, 5000);
    assert_int_equal(status.delivered, 0);
    assert_int_equal(status.residual, 0);
    assert_int_equal(status.queue.stats.counters[QUEUE_APPENDED], 5000);
    assert_true(status.queue.is_open && status.queue.stats.unread_bytes > 5000 * 10);
    assert_false(consumer_is_drained(bench.consumer));
    fake.blocked = false;
    WAIT_UNTIL((status = status_of(&bench)).delivered == 5000);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(fake.numbers[i], i);
    assert_int_equal(status.queued + status.held + status.in_flight + status.residual, 0);
    WAIT_UNTIL(status_of(&bench).queue.stats.unread_bytes == 0);
    attachment_set_final(bench.attachment);
    WAIT_UNTIL(consumer_is_drained(bench.consumer));
    close_bench(&bench);
}

/* Runs that end with a full queue: the next ones deliver first what is there, and count it. */
static void test_next_runs(void **state)
{
    struct bench bench;
    struct consumer_status status;
    (void)state;
    open_bench(&bench);
    for (int round = 0; round < ROUNDS; round++) {
        fake.blocked = true;
        start(&bench);
        put(&bench, round * EACH, (round + 1) * EACH);
        WAIT_UNTIL(status_of(&bench).queued >= EACH);
        status = status_of(&bench);
        assert_int_equal(status.residual, 0);
        assert_int_equal(status.matched, EACH);
        stop(&bench);
    }
    fake.blocked = false;
    start(&bench);
    WAIT_UNTIL((status = status_of(&bench)).delivered == ROUNDS * EACH);
    assert_int_equal(status.recovered, ROUNDS * EACH);
    assert_int_equal(status.matched, 0);
    assert_int_equal(status.residual, 0);
    for (int i = 0; i < ROUNDS * EACH; i++)
        assert_int_equal(fake.numbers[i], i);
    close_bench(&bench);
}

/* Also across lanes and queue, while messages move from one to the other. */
static void assert_balanced(struct bench *bench)
{
    struct consumer_status status = status_of(bench);
    assert_int_equal(status.residual, 0);
    assert_int_equal(status.matched + status.recovered, status.in_flight + status.held +
                                                            status.queued + status.delivered +
                                                            ends_sum(&status.ends));
}

/* Takes random parts, fails at random, drops some: nothing twice, nothing missing, residual 0 at
 * every moment. */
static void test_random_output(void **state)
{
    struct bench bench;
    struct consumer_status status;
    (void)state;
    open_bench(&bench);
    fake.seed = 77;
    fake.drop_every = 9;
    bench.instance.common.buffering.max_file_size = 70000;
    bench.instance.common.buffering.cursor_update_count = 50;
    start(&bench);
    for (int i = 0; i < 3000; i += 100) {
        put(&bench, i, i + 100);
        assert_balanced(&bench);
    }
    WAIT_UNTIL(fake.count >= 3000);
    WAIT_UNTIL((status = status_of(&bench)).queued == 0);
    assert_int_equal(fake.count, 3000);
    assert_int_equal(end_of(&status, "test_drop"), 3000 / 9);
    assert_int_equal(status.delivered, 3000 - 3000 / 9);
    assert_int_equal(status.residual, 0);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(fake.numbers[i], i);
    assert_true(status.queue.stats.counters[QUEUE_FILES_MADE] > 1);
    close_bench(&bench);
}

static void fill(struct bench *bench, enum queue_full_action action)
{
    open_bench(bench);
    bench->instance.common.buffering.max_buffer_size = SMALL_QUEUE;
    bench->instance.common.buffering.full_action = (int)action;
    fake.blocked = true;
    start(bench);
}

static void test_full_drops(void **state)
{
    struct bench bench;
    struct consumer_status status;
    (void)state;
    fill(&bench, QUEUE_DROP);
    put(&bench, 0, 4000);
    WAIT_UNTIL(has_released_all(&bench));
    WAIT_UNTIL((status = status_of(&bench)).held == 0 && status.in_flight == 0);
    assert_true(end_of(&status, "queue_full") > 1000);
    assert_int_equal(status.queued + end_of(&status, "queue_full"), 4000);
    assert_int_equal(status.queue.stats.counters[QUEUE_DROPPED], end_of(&status, "queue_full"));
    assert_true(status.queue.stats.bytes <= SMALL_QUEUE);
    assert_int_equal(status.residual, 0);
    assert_true(consumer_is_nearly_full(bench.consumer));
    uint64_t dropped = end_of(&status, "queue_full");
    fake.blocked = false;
    WAIT_UNTIL((status = status_of(&bench)).delivered == 4000 - dropped);
    WAIT_UNTIL(status_of(&bench).queue.stats.bytes == 0);
    put(&bench, 4000, 4100); /* there is room again */
    WAIT_UNTIL((status = status_of(&bench)).delivered == 4100 - dropped);
    assert_int_equal(status.residual, 0);
    assert_false(consumer_wants_shutdown(bench.consumer));
    close_bench(&bench);
}

static void test_full_blocks(void **state)
{
    struct bench bench;
    struct consumer_status status;
    int count = 0;
    (void)state;
    fill(&bench, QUEUE_BLOCK);
    while (status_of(&bench).queue.stats.counters[QUEUE_REFUSED] == 0)
        if (lane_rig_put(&bench.rig, 0, count, "payload", 1))
            count++;
    while (lane_rig_put(&bench.rig, 0, count, "payload", 1))
        count++;
    status = status_of(&bench);
    assert_int_equal(status.matched, count);
    assert_true(status.held + status.in_flight > 0);
    assert_int_equal(status.residual, 0);
    assert_false(consumer_wants_shutdown(bench.consumer));
    fake.blocked = false;
    WAIT_UNTIL((status = status_of(&bench)).delivered == (uint64_t)count);
    for (int i = 0; i < count; i++)
        assert_int_equal(fake.numbers[i], i);
    assert_int_equal(status.ends.count, 0);
    assert_int_equal(status.residual, 0);
    close_bench(&bench);
}

/* hekad has to stop; the message that found no room is in the lane, and the next run has it. */
static void test_full_shuts_down(void **state)
{
    struct bench bench;
    struct consumer_status status;
    int count = 0;
    (void)state;
    fill(&bench, QUEUE_SHUTDOWN);
    while (!consumer_wants_shutdown(bench.consumer)) {
        if (lane_rig_put(&bench.rig, 0, count, "payload", 1))
            count++;
        else
            usleep(100);
    }
    status = status_of(&bench);
    assert_int_equal(status.residual, 0);
    assert_int_equal(status.ends.count, 0);
    stop(&bench);
    fake.blocked = false;
    start(&bench);
    assert_true(consumer_is_nearly_full(bench.consumer));
    WAIT_UNTIL(fake.count == (unsigned)count);
    for (int i = 0; i < count; i++)
        assert_int_equal(fake.numbers[i], i);
    WAIT_UNTIL((status = status_of(&bench)).delivered == (uint64_t)count);
    assert_int_equal(status.matched + status.recovered, count);
    assert_int_equal(status.residual, 0);
    close_bench(&bench);
}

static void test_too_large(void **state)
{
    struct bench bench;
    struct consumer_status status;
    static char payload[3000];
    (void)state;
    open_bench(&bench);
    memset(payload, 'x', sizeof(payload) - 1);
    bench.globals.max_message_size = 2000;
    start(&bench);
    put(&bench, 0, 2);
    assert_true(lane_rig_put(&bench.rig, 0, 2, payload, 1));
    put(&bench, 3, 5);
    WAIT_UNTIL((status = status_of(&bench)).delivered == 4);
    assert_int_equal(end_of(&status, "queue_too_large"), 1);
    assert_int_equal(status.residual, 0);
    assert_int_equal(fake.numbers[2], 3);
    WAIT_UNTIL(has_released_all(&bench));
    close_bench(&bench);
}

static void newest_file(const struct bench *bench, char *path, size_t size)
{
    struct queue_folder folder = {0};
    char dir[QUEUE_PATH_SIZE], file[QUEUE_PATH_SIZE];
    assert_int_equal(queue_dir(bench->base_dir, "out.put", dir), 0);
    assert_int_equal(queue_folder_list(&queue_io_posix, dir, &folder), 0);
    assert_true(folder.count > 0);
    queue_folder_file_path(dir, folder.files[folder.count - 1].id, file);
    assert_true((size_t)snprintf(path, size, "%s", file) < size);
    queue_folder_fini(&folder);
}

/* Between two runs the newest file loses its last bytes, or gets junk: the last message is gone, or
 * none is, and the books say so. */
static void test_torn_and_garbage(void **state)
{
    struct bench bench;
    struct consumer_status status;
    struct stat file;
    char path[QUEUE_PATH_SIZE];
    (void)state;
    open_bench(&bench);
    fake.blocked = true;
    start(&bench);
    put(&bench, 0, 100);
    WAIT_UNTIL(status_of(&bench).queued == 100);
    stop(&bench);
    newest_file(&bench, path, sizeof(path));
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(truncate(path, file.st_size - 3), 0);
    start(&bench);
    put(&bench, 100, 200);
    WAIT_UNTIL(status_of(&bench).queue.stats.counters[QUEUE_APPENDED] == 100);
    stop(&bench);
    newest_file(&bench, path, sizeof(path));
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "\x1e\x02\x08\xff garbage \x1e\x1f", 15), 15);
    close(fd);
    fake.blocked = false;
    start(&bench);
    WAIT_UNTIL((status = status_of(&bench)).delivered == 199);
    assert_int_equal(status.recovered, 199);
    assert_int_equal(status.residual, 0);
    for (int i = 0; i < 199; i++)
        assert_int_equal(fake.numbers[i], i < 99 ? i : i + 1);
    close_bench(&bench);
}

/* Buffering is switched off: what is in the queue comes first, then the lanes. */
static void test_former_queue(void **state)
{
    struct bench bench;
    struct consumer_status status;
    (void)state;
    open_bench(&bench);
    fake.blocked = true;
    start(&bench);
    put(&bench, 0, 50);
    WAIT_UNTIL(status_of(&bench).queued == 50);
    stop(&bench);
    bench.instance.use_buffering = false;
    start(&bench);
    put(&bench, 50, 80);
    WAIT_UNTIL(fake.calls > 1);
    status = status_of(&bench);
    assert_int_equal(status.in_flight, 30);
    assert_int_equal(status.residual, 0);
    assert_false(consumer_is_drained(bench.consumer));
    fake.blocked = false;
    WAIT_UNTIL((status = status_of(&bench)).delivered == 80);
    for (int i = 0; i < 80; i++)
        assert_int_equal(fake.numbers[i], i);
    assert_int_equal(status.recovered, 50);
    assert_int_equal(status.matched, 30);
    assert_int_equal(status.residual, 0);
    assert_false(status.queue.is_open);
    attachment_set_final(bench.attachment);
    WAIT_UNTIL(consumer_is_drained(bench.consumer));
    close_bench(&bench);
}

static bool has_queue(struct consumer *consumer)
{
    struct consumer_status status;
    consumer_status(consumer, &status);
    return status.queue.is_open;
}

/* Reloads: each successor opens the queue when all before it have left it, in their order. */
static void test_successors(void **state)
{
    struct bench bench;
    struct consumer_status status;
    struct consumer *consumers[3];
    struct err err = {0};
    (void)state;
    open_bench(&bench);
    fake.blocked = true;
    start(&bench);
    put(&bench, 0, 100);
    WAIT_UNTIL(status_of(&bench).queued == 100);
    consumers[0] = bench.consumer;
    for (unsigned i = 1; i < 3; i++) {
        consumers[i] = make(&bench);
        assert_int_equal(consumer_start(consumers[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_true(has_queue(consumers[i]) && !has_queue(consumers[i + 1]));
        consumer_retire(consumers[i]);
        WAIT_UNTIL(consumer_is_drained(consumers[i])); /* what is on disk stays there */
        consumer_free(consumers[i]);
        WAIT_UNTIL(has_queue(consumers[i + 1]));
    }
    bench.consumer = consumers[2];
    assert_int_equal(consumer_attach(bench.consumer, bench.attachment, 0, &err), 0);
    put(&bench, 100, 120);
    fake.blocked = false;
    WAIT_UNTIL((status = status_of(&bench)).delivered == 120);
    for (int i = 0; i < 120; i++)
        assert_int_equal(fake.numbers[i], i);
    assert_int_equal(status.recovered, 100);
    assert_int_equal(status.residual, 0);
    close_bench(&bench);
}

/* A reload because the queue is full: what is in the lanes goes beyond the limit, and the successor
 * has it. */
static void test_successor_of_a_full_queue(void **state)
{
    struct bench bench;
    struct consumer_status status;
    int count = 0;
    (void)state;
    fill(&bench, QUEUE_BLOCK);
    while (status_of(&bench).queue.stats.counters[QUEUE_REFUSED] == 0)
        if (lane_rig_put(&bench.rig, 0, count, "payload", 1))
            count++;
    bench.instance.common.buffering.max_buffer_size = 0;
    struct consumer *first = bench.consumer, *second = make(&bench);
    assert_int_equal(consumer_start(second), 0);
    consumer_retire(first);
    WAIT_UNTIL(consumer_is_drained(first));
    assert_true(status_of(&bench).queue.stats.bytes > SMALL_QUEUE);
    consumer_free(first);
    bench.consumer = second;
    fake.blocked = false;
    WAIT_UNTIL((status = status_of(&bench)).delivered == (uint64_t)count);
    for (int i = 0; i < count; i++)
        assert_int_equal(fake.numbers[i], i);
    assert_int_equal(status.residual, 0);
    close_bench(&bench);
}

/* Somebody else's is no reason to wait. */
static void test_queue_in_use(void **state)
{
    struct bench bench;
    struct queue_options options = {0};
    struct err err = {0};
    char dir[QUEUE_PATH_SIZE];
    (void)state;
    open_bench(&bench);
    assert_int_equal(queue_dir(bench.base_dir, bench.instance.name, dir), 0);
    struct queue *queue = queue_open(dir, &options, &err, NULL);
    assert_null(consumer_new(&bench.instance, 0, &bench.options, &err));
    assert_non_null(strstr(err.texts[0], "another queue has this folder"));
    queue_close(queue);
    start(&bench);
    assert_true(has_queue(bench.consumer));
    close_bench(&bench);
}

/* ---- a disk that fails ---- */

static struct queue_io broken_io;
static _Atomic int broken; /* result of every sync; 0: works */

static int broken_sync(void *context, int file)
{
    int rc = atomic_load(&broken);
    return rc != 0 ? rc : queue_io_posix.sync(context, file);
}

static int broken_make_dir(void *context, const char *path)
{
    int rc = atomic_load(&broken);
    return rc != 0 ? rc : queue_io_posix.make_dir(context, path);
}

struct spool_bench {
    struct bench bench;
    struct intake *intake;
    struct spool *spool;
};

/* The disk works, and fails with `code` when the folder is there, or `at_once`. */
static void open_spool(struct spool_bench *bench, enum queue_full_action action, int code,
                       bool at_once)
{
    struct err err = {0};
    open_bench(&bench->bench);
    broken_io = queue_io_posix;
    broken_io.sync = broken_sync;
    broken_io.make_dir = broken_make_dir;
    atomic_store(&broken, at_once ? code : 0);
    bench->intake = intake_new(&(struct intake_config){.name = "out.put"});
    assert_non_null(bench->intake);
    assert_int_equal(intake_attach(bench->intake, bench->bench.attachment, 0, &err), 0);
    struct spool_config config = {
        .name = "out.put",
        .base_dir = bench->bench.base_dir,
        .intake = bench->intake,
        .queue = {.full_action = action, .io = &broken_io},
    };
    bench->spool = spool_new(&config, &err);
    assert_non_null(bench->spool);
    atomic_store(&broken, code);
    assert_int_equal(spool_start(bench->spool), 0);
}

static void close_spool(struct spool_bench *bench)
{
    spool_free(bench->spool);
    intake_free(bench->intake);
    close_bench(&bench->bench);
}

static struct spool_status spool_status_of(struct spool_bench *bench)
{
    struct spool_status status;
    spool_status(bench->spool, &status);
    return status;
}

/* Nothing is released as long as it is not on the disk; then it comes once. */
static void test_failing_disk(void **state)
{
    static const int codes[] = {-EIO, -ENOSPC};
    struct spool_bench bench;
    struct queue_record records[64];
    (void)state;
    for (unsigned c = 0; c < 2; c++) {
        open_spool(&bench, QUEUE_BLOCK, codes[c], false);
        put(&bench.bench, 0, 20);
        WAIT_UNTIL(spool_status_of(&bench).queue.counters[QUEUE_WRITE_FAILURES] >= 2);
        assert_int_equal(tail_of(&bench.bench), 0);
        assert_int_equal(spool_next(bench.spool, records, 64), 0);
        assert_false(spool_wants_shutdown(bench.spool));
        atomic_store(&broken, 0);
        WAIT_UNTIL(has_released_all(&bench.bench));
        assert_int_equal(spool_next(bench.spool, records, 64), 20);
        spool_deliver(bench.spool, 20);
        spool_release(bench.spool, 20);
        struct spool_status status = spool_status_of(&bench);
        assert_int_equal(status.delivered, 20);
        assert_int_equal(status.residual, 0);
        assert_true(spool_is_drained(bench.spool));
        close_spool(&bench);
    }
}

/* Not even the folder can be made: no reason not to start. */
static void test_full_disk_at_start(void **state)
{
    struct spool_bench bench;
    (void)state;
    open_spool(&bench, QUEUE_SHUTDOWN, -ENOSPC, true);
    put(&bench.bench, 0, 20);
    assert_false(spool_is_open(bench.spool));
    assert_int_equal(spool_status_of(&bench).residual, 0);
    atomic_store(&broken, 0);
    WAIT_UNTIL(has_released_all(&bench.bench));
    assert_int_equal(spool_status_of(&bench).queued, 20);
    assert_false(spool_wants_shutdown(bench.spool));
    close_spool(&bench);
}

static void test_full_disk_drops(void **state)
{
    struct spool_bench bench;
    struct intake_status status;
    (void)state;
    open_spool(&bench, QUEUE_DROP, -ENOSPC, false);
    put(&bench.bench, 0, 20);
    WAIT_UNTIL((intake_status(bench.intake, &status),
                status.ends.count > 0 && status.held == 0 && status.in_flight == 0));
    assert_string_equal(status.ends.list[0].reason, "disk_full");
    assert_int_equal(status.ends.list[0].count, 20);
    assert_int_equal(status.residual, 0);
    WAIT_UNTIL(has_released_all(&bench.bench));
    atomic_store(&broken, 0);
    put(&bench.bench, 20, 30);
    WAIT_UNTIL(spool_status_of(&bench).queued == 10);
    assert_int_equal(spool_status_of(&bench).residual, 0);
    close_spool(&bench);
}

/* Stopped while the disk fails: the lanes keep everything for the next run. */
static void test_stop_on_full_disk(void **state)
{
    struct spool_bench bench;
    (void)state;
    open_spool(&bench, QUEUE_SHUTDOWN, -ENOSPC, false);
    put(&bench.bench, 0, 20);
    WAIT_UNTIL(spool_wants_shutdown(bench.spool));
    spool_close(bench.spool);
    assert_int_equal(tail_of(&bench.bench), 0);
    assert_int_equal(spool_status_of(&bench).residual, 0);
    spool_free(bench.spool);
    intake_free(bench.intake);
    start(&bench.bench);
    WAIT_UNTIL(fake.count == 20);
    close_bench(&bench.bench);
}

/* A folder that cannot be is an error at the start, with its name. */
static void test_no_folder(void **state)
{
    struct bench bench;
    struct err err = {0};
    char path[96];
    (void)state;
    open_bench(&bench);
    snprintf(path, sizeof(path), "%s/output_queue", bench.base_dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_null(consumer_new(&bench.instance, 0, &bench.options, &err));
    assert_non_null(strstr(err.texts[0], "can't make queue directory"));
    assert_non_null(strstr(err.texts[0], "out_put"));
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_through_the_disk),  cmocka_unit_test(test_next_runs),
        cmocka_unit_test(test_random_output),     cmocka_unit_test(test_full_drops),
        cmocka_unit_test(test_full_blocks),       cmocka_unit_test(test_full_shuts_down),
        cmocka_unit_test(test_too_large),         cmocka_unit_test(test_torn_and_garbage),
        cmocka_unit_test(test_former_queue),      cmocka_unit_test(test_successors),
        cmocka_unit_test(test_queue_in_use),      cmocka_unit_test(test_successor_of_a_full_queue),
        cmocka_unit_test(test_failing_disk),      cmocka_unit_test(test_full_disk_drops),
        cmocka_unit_test(test_stop_on_full_disk), cmocka_unit_test(test_full_disk_at_start),
        cmocka_unit_test(test_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
