/* SPDX-License-Identifier: MPL-2.0
 *
 * message_tags.h - tags of Heka's message.proto, as docs/formats/message.md has them.
 *
 * Place:   private to core/message.c, core/msg_builder.c, core/msg_edit.c and core/frame.c.
 */
#ifndef CORE_MESSAGE_TAGS_H
#define CORE_MESSAGE_TAGS_H

#include "core/wire.h"

/* Message; numbers above are unknown members. */
enum {
    TAG_UUID = WIRE_TAG(1, WIRE_BYTES),
    TAG_TIMESTAMP = WIRE_TAG(2, WIRE_VARINT),
    TAG_TYPE = WIRE_TAG(3, WIRE_BYTES),
    TAG_LOGGER = WIRE_TAG(4, WIRE_BYTES),
    TAG_SEVERITY = WIRE_TAG(5, WIRE_VARINT),
    TAG_PAYLOAD = WIRE_TAG(6, WIRE_BYTES),
    TAG_ENV_VERSION = WIRE_TAG(7, WIRE_BYTES),
    TAG_PID = WIRE_TAG(8, WIRE_VARINT),
    TAG_HOSTNAME = WIRE_TAG(9, WIRE_BYTES),
    TAG_FIELDS = WIRE_TAG(10, WIRE_BYTES),
    MESSAGE_NUMBER_MAX = 10
};

/* Field. */
enum {
    TAG_NAME = WIRE_TAG(1, WIRE_BYTES),
    TAG_VALUE_TYPE = WIRE_TAG(2, WIRE_VARINT),
    TAG_REPRESENTATION = WIRE_TAG(3, WIRE_BYTES),
    TAG_STRING = WIRE_TAG(4, WIRE_BYTES),
    TAG_BYTES = WIRE_TAG(5, WIRE_BYTES),
    TAG_INTEGER = WIRE_TAG(6, WIRE_VARINT),
    TAG_INTEGER_PACKED = WIRE_TAG(6, WIRE_BYTES),
    TAG_DOUBLE = WIRE_TAG(7, WIRE_FIXED64),
    TAG_DOUBLE_PACKED = WIRE_TAG(7, WIRE_BYTES),
    TAG_BOOL = WIRE_TAG(8, WIRE_VARINT),
    TAG_BOOL_PACKED = WIRE_TAG(8, WIRE_BYTES),
    FIELD_NUMBER_MAX = 8
};

/* The member with values of a type. */
#define FIELD_NUMBER(type) ((uint32_t)(type) + (TAG_STRING >> 3))

/* docs/formats/message.md, its tables of tag bytes and limits. */
_Static_assert(TAG_UUID == 0x0A && TAG_TIMESTAMP == 0x10 && TAG_TYPE == 0x1A, "Message 1-3");
_Static_assert(TAG_LOGGER == 0x22 && TAG_SEVERITY == 0x28 && TAG_PAYLOAD == 0x32, "Message 4-6");
_Static_assert(TAG_ENV_VERSION == 0x3A && TAG_PID == 0x40 && TAG_HOSTNAME == 0x4A, "Message 7-9");
_Static_assert(TAG_FIELDS == 0x52, "Message 10");
_Static_assert(TAG_NAME == 0x0A && TAG_VALUE_TYPE == 0x10 && TAG_REPRESENTATION == 0x1A,
               "Field 1-3");
_Static_assert(TAG_STRING == 0x22 && TAG_BYTES == 0x2A, "Field 4-5");
_Static_assert(TAG_INTEGER == 0x30 && TAG_INTEGER_PACKED == 0x32, "Field 6");
_Static_assert(TAG_DOUBLE == 0x39 && TAG_DOUBLE_PACKED == 0x3A, "Field 7");
_Static_assert(TAG_BOOL == 0x40 && TAG_BOOL_PACKED == 0x42, "Field 8");
_Static_assert(MSG_STRING == 0 && MSG_BYTES == 1 && MSG_INTEGER == 2 && MSG_DOUBLE == 3 &&
                   MSG_BOOL == 4,
               "value_type");
_Static_assert(MSG_UUID_SIZE == 16 && MSG_SEVERITY_DEFAULT == 7, "members");
_Static_assert(MSG_FIELDS_MAX == 65536 && WIRE_GROUP_DEPTH_MAX == 32, "limits");
_Static_assert(WIRE_VARINT_SIZE_MAX == 10 && WIRE_LENGTH_SIZE_MAX == 5, "numbers");

#endif
