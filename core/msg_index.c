/* SPDX-License-Identifier: MPL-2.0 */
#include "core/msg_index.h"

#include <string.h>

#include "core/check.h"

/* Length, first and last bytes: names that are alike in these are compared in vain, no more. */
static uint32_t hash_of(const char *name, size_t len)
{
    uint64_t first = 0, last = 0;
    if (len >= 8) {
        memcpy(&first, name, 8);
        memcpy(&last, name + len - 8, 8);
    } else if (len > 0) {
        memcpy(&first, name, len);
    }
    uint64_t mixed =
        (first ^ (last * UINT64_C(0x9E3779B97F4A7C15)) ^ len) * UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(mixed >> 32);
}

void msg_index_build(struct msg_index *index, const struct msg_view *view)
{
    struct msg_field field = {.next = view->first_field};
    index->view = view;
    index->count = 0;
    index->rest = view->first_field;
    while (index->count < MSG_INDEX_MAX && index->count < view->field_count) {
        index->offsets[index->count] = field.next;
        bool more = msg_field_next(view, &field);
        CHECK(more);
        index->hashes[index->count++] = hash_of(field.name.ptr, field.name.len);
        index->rest = field.next;
    }
}

static bool has_name(const struct msg_field *field, const char *name, size_t name_len)
{
    return field->name.len == name_len &&
           (name_len == 0 || memcmp(field->name.ptr, name, name_len) == 0);
}

bool msg_index_find(const struct msg_index *index, const char *name, size_t name_len,
                    uint32_t field_index, struct msg_field *field)
{
    uint32_t hash = hash_of(name, name_len);
    for (uint32_t i = 0; i < index->count; i++) {
        if (index->hashes[i] != hash)
            continue;
        field->next = index->offsets[i];
        bool more = msg_field_next(index->view, field);
        CHECK(more);
        if (has_name(field, name, name_len) && field_index-- == 0)
            return true;
    }
    if (index->count == index->view->field_count)
        return false;
    field->next = index->rest;
    while (msg_field_next(index->view, field)) {
        if (has_name(field, name, name_len) && field_index-- == 0)
            return true;
    }
    return false;
}
