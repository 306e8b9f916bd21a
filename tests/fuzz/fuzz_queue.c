/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_queue.c - a queue's folder with any bytes in it.
 *
 * It opens, and gives what a plain walk over the same bytes finds behind the checkpoint, no more
 * and no less, with the same bytes counted as skipped; a killed queue goes on behind its
 * checkpoint; a message that is appended comes last. Tools that only look change nothing.
 * Input: how many to acknowledge before the kill, sizes of checkpoint, 3.log and 4.log (one byte
 * each, files in units of 4), then these bytes; the rest is 9.log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/queue/queue_tool.h"
#include "core/check.h"
#include "core/frame.h"
#include "tests/unit/control/queue/sim_disk.h"

#define DIR "/base/output_queue/out"
enum { FILES = 3, MESSAGE_MAX = 300, INPUT_MAX = 4096, HEAD = 4, READS_MAX = 3 * INPUT_MAX };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t ids[FILES] = {3, 4, 9};

struct input {
    const uint8_t *files[FILES];
    size_t sizes[FILES];
    const uint8_t *checkpoint;
    size_t checkpoint_size;
    unsigned kill_after;
};

struct model_record {
    struct queue_position end;
    const uint8_t *message;
    uint32_t size;
};

struct model { /* a plain walk */
    struct model_record records[INPUT_MAX];
    unsigned count, first; /* first: behind the checkpoint */
    uint64_t skipped;      /* bytes that are no record, in files from the checkpoint's on */
};

static void split(const uint8_t *data, size_t size, struct input *input)
{
    size_t wanted[HEAD - 1] = {data[1], data[2] * (size_t)4, data[3] * (size_t)4};
    const uint8_t **parts[] = {&input->checkpoint, &input->files[0], &input->files[1]};
    size_t *sizes[] = {&input->checkpoint_size, &input->sizes[0], &input->sizes[1]};
    const uint8_t *at = data + HEAD;
    size_t left = size - HEAD;
    input->kill_after = data[0];
    for (unsigned i = 0; i < HEAD - 1; i++) {
        *parts[i] = at;
        *sizes[i] = wanted[i] < left ? wanted[i] : left;
        at += *sizes[i];
        left -= *sizes[i];
    }
    input->files[2] = at;
    input->sizes[2] = left;
}

static void put_files(struct sim_disk *disk, const struct input *input)
{
    char path[SIM_PATH_SIZE];
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(path, sizeof(path), DIR "/%u.log", ids[i]);
        if (input->sizes[i] > 0)
            sim_disk_put(disk, path, input->files[i], input->sizes[i]);
    }
    sim_disk_put(disk, DIR "/lock", "", 0);
    if (input->checkpoint_size > 0)
        sim_disk_put(disk, DIR "/checkpoint.txt", input->checkpoint, input->checkpoint_size);
}

/* ---- the model ---- */

/* Bytes at the end that are taken for an incomplete record, or, with a header longer than what is
 * left, those before the next separator. */
static size_t end_size(const uint8_t *bytes, size_t size, bool *is_last)
{
    const uint8_t *next = NULL;
    if (size >= 2 && size < 3 + (size_t)bytes[1])
        next = memchr(bytes + 1, FRAME_RECORD_SEPARATOR, size - 1);
    *is_last = next == NULL;
    return next == NULL ? size : (size_t)(next - bytes);
}

/* Records of one file; returns the bytes from `from` on that are none. */
static uint64_t walk(struct model *model, unsigned index, const struct input *input, uint64_t from)
{
    size_t at = 0, consumed;
    uint64_t skipped = 0;
    bool is_last = false;
    while (!is_last) {
        struct frame frame;
        enum frame_status status = frame_scan(input->files[index] + at, input->sizes[index] - at,
                                              MESSAGE_MAX, &frame, &consumed);
        if (status == FRAME_MORE)
            consumed = end_size(input->files[index] + at, input->sizes[index] - at, &is_last);
        if (status == FRAME_OK)
            model->records[model->count++] = (struct model_record){
                {ids[index], at + consumed}, frame.message, frame.message_size};
        else if (at + consumed > from)
            skipped += at >= from ? consumed : at + consumed - from;
        at += consumed;
    }
    return skipped;
}

/* Where reading starts: at the checkpoint when it can be true. */
static struct queue_position start_of(const struct input *input, const struct model *model)
{
    struct queue_position position, oldest = {UINT32_MAX, 0};
    const char *why;
    uint32_t newest = 0;
    for (unsigned i = 0; i < FILES; i++) {
        if (input->sizes[i] == 0)
            continue;
        newest = ids[i];
        if (oldest.id == UINT32_MAX)
            oldest.id = ids[i];
    }
    if (input->checkpoint_size == 0 || newest == 0 ||
        queue_checkpoint_parse((const char *)input->checkpoint, input->checkpoint_size, &position,
                               &why) != 0)
        return oldest;
    if (position.id > newest)
        return position.id == newest + 1 && position.offset == 0 ? position : oldest;
    for (unsigned i = 0; i < FILES; i++) {
        if (input->sizes[i] > 0 && ids[i] == position.id && position.offset > 0) {
            for (unsigned r = 0; r < model->count; r++) {
                if (queue_position_compare(model->records[r].end, position) == 0)
                    return position;
            }
            return oldest;
        }
    }
    return position;
}

static void make_model(const struct input *input, struct model *model)
{
    model->count = 0;
    for (unsigned i = 0; i < FILES; i++)
        walk(model, i, input, 0);
    struct queue_position start = start_of(input, model);
    model->count = 0;
    model->first = 0;
    model->skipped = 0;
    for (unsigned i = 0; i < FILES; i++) {
        uint64_t from = ids[i] < start.id ? input->sizes[i] : ids[i] == start.id ? start.offset : 0;
        model->skipped += walk(model, i, input, from);
    }
    while (model->first < model->count &&
           queue_position_compare(model->records[model->first].end, start) <= 0)
        model->first++;
}

/* ---- the queue ---- */

static struct queue *open_queue(struct sim_disk *disk)
{
    static struct err err, notes;
    struct queue_options options = {
        .message_size_max = MESSAGE_MAX,
        .max_file_size = MESSAGE_MAX + FRAME_OVERHEAD_MAX,
        .buffer_bytes = 1000,
        .unacknowledged_max = 7,
        .io = &disk->io,
    };
    memset(&err, 0, sizeof(err));
    memset(&notes, 0, sizeof(notes));
    struct queue *queue = queue_open(DIR, &options, &err, &notes);
    CHECK(queue != NULL);
    return queue;
}

static void check_record(const struct queue_record *record, const struct model_record *expected)
{
    CHECK(queue_position_compare(record->end, expected->end) == 0);
    CHECK(record->size == expected->size);
    CHECK(memcmp(record->bytes, expected->message, record->size) == 0);
}

/* Reads and acknowledges records from number `next` of the model on, at most `count_max`. */
static unsigned read_records(struct queue *queue, const struct model *model, unsigned next,
                             unsigned count_max)
{
    struct queue_record records[5];
    unsigned done = 0, reads = 0;
    while (done < count_max && !queue_is_drained(queue)) {
        unsigned wanted = count_max - done < 5 ? count_max - done : 5;
        int count = queue_read(queue, records, wanted);
        CHECK(count >= 0 && ++reads < READS_MAX);
        for (int i = 0; i < count; i++) {
            CHECK(next < model->count);
            check_record(&records[i], &model->records[next++]);
        }
        CHECK(queue_acknowledge(queue, (unsigned)count) == 0);
        done += (unsigned)count;
    }
    return next;
}

static void check_appended(struct queue *queue)
{
    struct queue_message message = {"appended", 8};
    struct queue_record record;
    int why;
    CHECK(queue_append(queue, &message, 1, &why) == 1);
    CHECK(queue_sync(queue) == 0);
    CHECK(queue_read(queue, &record, 1) == 1);
    CHECK(record.size == 8 && memcmp(record.bytes, "appended", 8) == 0);
    CHECK(queue_acknowledge(queue, 1) == 0);
    CHECK(queue_is_drained(queue));
}

static uint64_t skipped_bytes(struct queue *queue)
{
    struct queue_stats stats;
    queue_stats(queue, &stats);
    CHECK(stats.counters[QUEUE_MISSING_BYTES] == 0 && stats.counters[QUEUE_READ_FAILURES] == 0);
    return stats.counters[QUEUE_GARBAGE_BYTES] + stats.counters[QUEUE_TORN_BYTES];
}

/* All in one life, after the one that was killed. */
static void check_queue(struct sim_disk *disk, const struct input *input, const struct model *model)
{
    struct queue *queue = open_queue(disk);
    unsigned next = read_records(queue, model, model->first, input->kill_after);
    bool is_whole = input->kill_after == 0;  /* then the one below sees all that is skipped */
    uint64_t skipped = skipped_bytes(queue); /* that the open has cut off */
    disk->has_crashed = true;
    queue_close(queue);
    sim_disk_kill(disk);
    queue = open_queue(disk);
    next = read_records(queue, model, next, UINT32_MAX);
    CHECK(next == model->count);
    if (is_whole)
        CHECK(skipped + skipped_bytes(queue) == model->skipped);
    check_appended(queue);
    CHECK(queue_close(queue) == 0);
}

static void check_tools(struct sim_disk *disk)
{
    struct queue_dump_options options = {.format = QUEUE_DUMP_JSON, .with_acknowledged = true};
    static struct err err;
    struct queue_tool tool = {
        .out = fopen("/dev/null", "w"), .message_size_max = MESSAGE_MAX, .io = &disk->io};
    uint64_t changes = disk->changes.count;
    CHECK(tool.out != NULL);
    memset(&err, 0, sizeof(err));
    CHECK(queue_tool_list(&tool, "/base", &err) == 0);
    CHECK(queue_tool_verify(&tool, DIR, &err) >= 0);
    CHECK(queue_tool_dump(&tool, DIR, &options, &err) >= 0);
    fclose(tool.out);
    CHECK(disk->changes.count == changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model model;
    struct input input = {0};
    if (size < HEAD || size > INPUT_MAX)
        return 0;
    split(data, size, &input);
    make_model(&input, &model);
    struct sim_disk *disk = sim_disk_new(1);
    put_files(disk, &input);
    check_tools(disk);
    check_queue(disk, &input, &model);
    sim_disk_free(disk);
    return 0;
}
