/* SPDX-License-Identifier: MPL-2.0
 *
 * msg_edit.h - changing a message in place: members, fields and values set, replaced, deleted.
 *
 * Place:   sandboxes' write_message (decoders, encoders), scribbling decoders. What the functions
 *          do to the bytes is in docs/formats/message.md, "Changing".
 * Threads: one owner.
 * Memory:  the caller's buffer; nothing allocates. Arguments must not point into it.
 * Failure: a negative code, and the message is as it was. After success it is one that
 *          msg_view_init(), Heka and protobuf-c accept; all that was not asked for is there as it
 *          was and in its order, unknown members too.
 * Source:  Heka 0.11 write_message (its errors are in formats.md); a field of type INTEGER or BYTES
 *          can be changed, which Heka could not.
 */
#ifndef CORE_MSG_EDIT_H
#define CORE_MSG_EDIT_H

#include "core/message.h"

struct msg_edit {
    uint8_t *bytes;
    size_t size;     /* of the message */
    size_t capacity; /* of the buffer: what the message may grow to */
    uint32_t field_count;
};

enum msg_member { /* numbers of message.proto */
                  MSG_MEMBER_UUID = 1,
                  MSG_MEMBER_TIMESTAMP = 2,
                  MSG_MEMBER_TYPE = 3,
                  MSG_MEMBER_LOGGER = 4,
                  MSG_MEMBER_SEVERITY = 5,
                  MSG_MEMBER_PAYLOAD = 6,
                  MSG_MEMBER_ENV_VERSION = 7,
                  MSG_MEMBER_PID = 8,
                  MSG_MEMBER_HOSTNAME = 9
};

/* `size` bytes of `buffer` are a message. 0, or MSG_E_*. */
int msg_edit_init(struct msg_edit *edit, void *buffer, size_t size, size_t capacity);

/* Sets a member that is a text, the uuid (16 bytes), or a number (of severity and pid the lower 32
 * bits). One that is absent comes to where message.proto has it. 0; -EINVAL: not such a member, or
 * a uuid of another size; -ENOSPC. */
int msg_edit_text(struct msg_edit *edit, enum msg_member member, struct msg_slice text);
int msg_edit_number(struct msg_edit *edit, enum msg_member member, int64_t number);
/* Deletes a member; 1, or 0 when there was none, or -EINVAL: uuid and timestamp have to stay. */
int msg_edit_clear(struct msg_edit *edit, enum msg_member member);

struct msg_place { /* of a value: Fields[name][field_index][value_index] */
    struct msg_slice name;
    uint32_t field_index; /* among the fields of that name */
    uint32_t value_index;
};

/* Replaces a value, and the field's representation unless `representation` is NULL. The value
 * behind the last one is added; a field behind the last one of that name, too, at the end of the
 * message (representation: "" when NULL). 0; MSG_E_TYPE: the field has values of another type;
 * MSG_E_INDEX: an index beyond; MSG_E_LIMIT: too many fields; -ENOSPC. */
int msg_edit_value(struct msg_edit *edit, const struct msg_place *place,
                   const struct msg_value *value, const struct msg_slice *representation);

/* The `field_index`-th field of that name, as it is now; borrows the message's bytes. */
bool msg_edit_find(const struct msg_edit *edit, struct msg_slice name, uint32_t field_index,
                   struct msg_field *field);

/* Deletes a whole field, or one value (the field stays). 1, or 0 when there is no such one. */
int msg_edit_clear_field(struct msg_edit *edit, struct msg_slice name, uint32_t field_index);
int msg_edit_clear_value(struct msg_edit *edit, const struct msg_place *place);

#endif
