/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/queue/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/frame.h"

void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    rig->disk = sim_disk_new(1);
    sim_disk_put(rig->disk, RIG_BASE "/x", "", 0);
    rig->options.io = &rig->disk->io;
    rig->options.message_size_max = 1000;
}

void rig_fini(struct rig *rig)
{
    queue_close(rig->queue);
    sim_disk_free(rig->disk);
}

void rig_open(struct rig *rig)
{
    memset(&rig->err, 0, sizeof(rig->err));
    memset(&rig->notes, 0, sizeof(rig->notes));
    rig->queue = queue_open(RIG_DIR, &rig->options, &rig->err, &rig->notes);
    if (rig->queue == NULL)
        fail_msg("%s", rig->err.texts[0]);
}

void rig_close(struct rig *rig)
{
    assert_int_equal(queue_close(rig->queue), 0);
    rig->queue = NULL;
}

void rig_kill(struct rig *rig)
{
    rig->disk->has_crashed = true;
    queue_close(rig->queue);
    rig->queue = NULL;
    sim_disk_kill(rig->disk);
}

void rig_crash(struct rig *rig)
{
    rig->disk->has_crashed = true;
    queue_close(rig->queue);
    rig->queue = NULL;
    sim_disk_reboot(rig->disk);
}

unsigned rig_append(struct rig *rig, const char *text, int *why)
{
    struct queue_message message = {text, strlen(text)};
    return queue_append(rig->queue, &message, 1, why);
}

void rig_put(struct rig *rig, const char *text)
{
    int why;
    if (rig_append(rig, text, &why) == 0) {
        assert_int_equal(why, 0);
        assert_int_equal(queue_sync(rig->queue), 0);
        assert_int_equal(rig_append(rig, text, &why), 1);
    }
    assert_int_equal(queue_sync(rig->queue), 0);
}

static void add_text(char *text, size_t *len, const struct queue_record *record)
{
    int written = snprintf(text + *len, RIG_TEXT_SIZE - *len, "%s%.*s", *len > 0 ? " " : "",
                           (int)record->size, (const char *)record->bytes);
    *len += (size_t)written;
    assert_true(*len < RIG_TEXT_SIZE);
}

const char *rig_read(struct rig *rig, unsigned count)
{
    static char text[RIG_TEXT_SIZE];
    struct queue_record records[RIG_BATCH_MAX];
    size_t len = 0;
    assert_true(count <= RIG_BATCH_MAX);
    int got = queue_read(rig->queue, records, count);
    assert_true(got >= 0);
    text[0] = '\0';
    for (int i = 0; i < got; i++)
        add_text(text, &len, &records[i]);
    return text;
}

const char *rig_drain(struct rig *rig)
{
    static char text[RIG_TEXT_SIZE];
    struct queue_record record;
    size_t len = 0;
    int got;
    text[0] = '\0';
    while ((got = queue_read(rig->queue, &record, 1)) > 0) {
        add_text(text, &len, &record);
        assert_int_equal(queue_acknowledge(rig->queue, 1), 0);
    }
    assert_int_equal(got, 0);
    return text;
}

uint64_t rig_counter(struct rig *rig, enum queue_counter counter)
{
    struct queue_stats stats;
    queue_stats(rig->queue, &stats);
    return stats.counters[counter];
}

const char *rig_file(struct rig *rig, const char *name)
{
    static char text[RIG_TEXT_SIZE];
    char path[SIM_PATH_SIZE];
    size_t size;
    snprintf(path, sizeof(path), "%s/%s", RIG_DIR, name);
    const uint8_t *bytes = sim_disk_get(rig->disk, path, &size);
    if (bytes == NULL)
        return "none";
    snprintf(text, sizeof(text), "%.*s", (int)size, (const char *)bytes);
    return text;
}

size_t rig_file_size(struct rig *rig, const char *name)
{
    char path[SIM_PATH_SIZE];
    size_t size = 0;
    snprintf(path, sizeof(path), "%s/%s", RIG_DIR, name);
    assert_non_null(sim_disk_get(rig->disk, path, &size));
    return size;
}

void rig_put_file(struct rig *rig, const char *name, const void *bytes, size_t size)
{
    char path[SIM_PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s", RIG_DIR, name);
    sim_disk_put(rig->disk, path, bytes, size);
}

size_t rig_frame(const char *texts, uint8_t *bytes)
{
    size_t size = 0;
    while (*texts != '\0') {
        size_t len = strcspn(texts, " ");
        int64_t framed = frame_write(bytes + size, RIG_TEXT_SIZE - size, texts, len, 1000, NULL);
        assert_true(framed > 0);
        size += (size_t)framed;
        texts += len + (texts[len] == ' ');
    }
    return size;
}
