/* SPDX-License-Identifier: MPL-2.0
 *
 * msg_index.h - where a message's fields are, by name: for those who look for several.
 *
 * Place:   sandboxes' read_message, templates; built once for each message. One field is found
 *          faster with msg_field_find(): figures in docs/formats/message.md, "Finding fields". The
 *          matcher does without: it passes over all fields once for all rules (field_walk.h).
 * Threads: one owner.
 * Memory:  fixed size; borrows the view and its bytes.
 * Failure: none: fields beyond MSG_INDEX_MAX are found by walking.
 */
#ifndef CORE_MSG_INDEX_H
#define CORE_MSG_INDEX_H

#include "core/message.h"

enum { MSG_INDEX_MAX = 64 };

struct msg_index {
    const struct msg_view *view;
    uint32_t count;
    uint32_t rest;                   /* offset in the view behind the fields that are in it */
    uint32_t hashes[MSG_INDEX_MAX];  /* of names */
    uint32_t offsets[MSG_INDEX_MAX]; /* for msg_field.next */
};

void msg_index_build(struct msg_index *index, const struct msg_view *view);

/* As msg_field_find(): the `field_index`-th (from 0) field with that name. */
bool msg_index_find(const struct msg_index *index, const char *name, size_t name_len,
                    uint32_t field_index, struct msg_field *field);

#endif
