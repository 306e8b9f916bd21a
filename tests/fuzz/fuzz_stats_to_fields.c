/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_stats_to_fields.c - any payload: StatsToFieldsDecoder gives a field for each line, and one
 * timestamp for each message, or names an error. The first byte chooses the room of a message.
 */
#include <string.h>

#include "core/check.h"
#include "tests/support/decoder_rig.h"

enum { INPUT_MAX = 8192, ROOM = 65536, TIMES_MAX = 16 };

static unsigned lines_of(struct msg_slice payload)
{
    unsigned lines = 0;
    bool is_blank = true;
    for (uint32_t i = 0; i <= payload.len; i++) {
        bool ends = i == payload.len || payload.ptr[i] == '\n';
        lines += ends && !is_blank;
        if (ends)
            is_blank = true;
        else if (strchr(" \t\r", payload.ptr[i]) == NULL || payload.ptr[i] == '\0')
            is_blank = false;
    }
    return lines;
}

/* Fields of one message behind the first, which is its timestamp. */
static unsigned fields_of(const struct decoder_rig *rig, unsigned index)
{
    struct msg_view view;
    struct msg_field field;
    unsigned fields = 0;
    CHECK(msg_view_init(&view, rig->messages[index], rig->sizes[index]) == 0);
    CHECK(msg_field_first(&view, &field) && field.value_type == MSG_INTEGER);
    while (msg_field_next(&view, &field)) {
        CHECK(field.value_type == MSG_DOUBLE && field.value_count == 1);
        fields++;
    }
    return fields;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decoder_rig rigs[2];
    struct err err = {0};
    if (size < 1 || size > INPUT_MAX)
        return 0;
    unsigned small = data[0] % 2;
    struct decoder_rig *rig = &rigs[small];
    rig->room_size = small ? 100 : ROOM;
    if (rig->runner == NULL)
        CHECK(decoder_rig_init(rig, "[main]\ntype = 'StatsToFieldsDecoder'\n", "main", &err) == 0);
    struct msg_slice payload = {(const char *)data + 1, (uint32_t)size - 1};
    int rc = decoder_rig_decode_text(rig, payload, 1000);
    if (rc != 0) {
        CHECK(rig->message_count == 0 && rig->reason.size > 0);
        CHECK(rc == DECODE_E_MALFORMED || rc == DECODE_E_LIMIT || rc == DECODE_E_ROOM);
        return 0;
    }
    CHECK(rig->message_count >= 1 && rig->message_count <= TIMES_MAX);
    unsigned fields = 0;
    for (unsigned i = 0; i < rig->message_count; i++)
        fields += fields_of(rig, i);
    if (small == 0)
        CHECK(fields == lines_of(payload) && rig->notes[DECODE_NOTE_LOST] == 0);
    else
        CHECK(fields <= lines_of(payload));
    return 0;
}
