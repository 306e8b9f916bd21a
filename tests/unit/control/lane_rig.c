/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/lane_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/message.h"
#include "tests/support/test_dir.h"

enum { MESSAGE_BYTES_MAX = 16000 };

static void make(struct lane_rig *rig, unsigned lane_count, unsigned consumer_count)
{
    struct err err = {0};
    struct segment_config config = {
        .dir = rig->dir,
        .lane_count = lane_count,
        .consumer_count = consumer_count,
        .lane_bytes = LANE_BYTES_MIN,
        .generation = 1,
        .group = (gid_t)-1,
    };
    int rc = segment_create(&config, &rig->segment, &err);
    if (rc != 0)
        print_error("%s\n", err.texts[0]);
    assert_int_equal(rc, 0);
    rig->lane_count = lane_count;
    for (unsigned i = 0; i < lane_count; i++)
        lane_writer_init(&rig->writers[i], rig->segment.lanes[i],
                         segment_cursor(&rig->segment, i, 0), consumer_count, i, LANE_BYTES_MIN);
    for (unsigned i = 0; i < lane_count * consumer_count; i++)
        atomic_store_explicit(&rig->segment.consumers[i].admitted, 1, memory_order_relaxed);
    atomic_store_explicit(&rig->segment.header->state, SEGMENT_RUNNING, memory_order_release);
}

void lane_rig_init(struct lane_rig *rig, unsigned lane_count, unsigned consumer_count)
{
    memset(rig, 0, sizeof(*rig));
    strcpy(rig->dir, "/tmp/lane-rig-XXXXXX");
    assert_int_equal(test_dir_make(rig->dir), 0);
    make(rig, lane_count, consumer_count);
}

void lane_rig_again(struct lane_rig *rig, unsigned lane_count, unsigned consumer_count)
{
    make(rig, lane_count, consumer_count);
}

void lane_rig_end(struct lane_rig *rig)
{
    segment_detach(&rig->segment);
}

void lane_rig_fini(struct lane_rig *rig)
{
    lane_rig_end(rig);
    assert_int_equal(test_dir_remove(rig->dir), 0);
}

struct attachment *lane_rig_attach(struct lane_rig *rig)
{
    struct segment segment;
    struct err err = {0};
    assert_int_equal(segment_attach(rig->dir, &segment, &err), 0);
    struct attachment *attachment = attachment_new(&segment);
    assert_non_null(attachment);
    return attachment;
}

bool lane_rig_put_bytes(struct lane_rig *rig, unsigned lane, const void *bytes, size_t size,
                        uint64_t mask)
{
    struct record *record = lane_reserve(&rig->writers[lane], (uint32_t)size);
    if (record == NULL) {
        unsigned slowest = rig->writers[lane].slowest;
        atomic_fetch_add(&segment_consumer(&rig->segment, lane, slowest)->lane_full, 1);
        return false;
    }
    record->message_size = (uint32_t)size;
    memset(record->mask, 0, sizeof(record->mask));
    record->mask[0] = mask;
    memcpy(record->message, bytes, size);
    lane_commit(&rig->writers[lane], record);
    for (unsigned i = 0; i < rig->segment.header->consumer_count; i++)
        if (mask >> i & 1)
            atomic_fetch_add(&segment_consumer(&rig->segment, lane, i)->matched, 1);
    lane_publish(&rig->writers[lane]);
    return true;
}

bool lane_rig_put(struct lane_rig *rig, unsigned lane, int number, const char *payload,
                  uint64_t mask)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {1, 2, 3};
    uint8_t bytes[MESSAGE_BYTES_MAX];
    struct msg_builder builder;
    msg_builder_init(&builder, bytes, sizeof(bytes));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1000000000);
    msg_builder_type(&builder, "TEST", 4);
    msg_builder_payload(&builder, payload, strlen(payload));
    msg_builder_pid(&builder, number);
    int64_t size = msg_builder_finish(&builder);
    assert_true(size > 0);
    return lane_rig_put_bytes(rig, lane, bytes, (size_t)size, mask);
}
