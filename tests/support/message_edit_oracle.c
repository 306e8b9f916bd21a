/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/message_edit_oracle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/msg_index.h"
#include "tests/support/message_oracle.h"

enum edit_kind { SET_TEXT, SET_NUMBER, CLEAR, SET_VALUE, CLEAR_FIELD, CLEAR_VALUE, EDIT_KINDS };

struct change {
    enum edit_kind kind;
    enum msg_member member;
    struct msg_slice text;
    int64_t number;
    struct msg_place place;
    struct msg_value value;
    bool has_representation;
    struct msg_slice representation;
};

/* ---- a script ---- */

static const char pool[] = "nameabcdefghijklmnopqrstuvwxyz0123456789nameabcdefghijklmnopqrstuvwxyz";

static struct msg_slice text_of(uint8_t byte)
{
    return (struct msg_slice){pool + byte % 7, byte % 11 == 0 ? 60 : byte % 17 % 5};
}

/* The name of a field of the message, or one of a few others. */
static struct msg_slice name_of(const struct msg_view *view, uint8_t byte, char copy[64])
{
    struct msg_field field;
    uint32_t index = byte % 8;
    bool more = byte % 5 != 0 && msg_field_first(view, &field);
    while (more && index-- > 0)
        more = msg_field_next(view, &field);
    if (!more || field.name.len > 64)
        return (struct msg_slice){pool + byte % 3, byte % 4};
    memcpy(copy, field.name.ptr, field.name.len);
    return (struct msg_slice){copy, field.name.len};
}

/* Mostly of the type that the field has. */
static enum msg_value_type type_of(const struct msg_view *view, const struct msg_place *place,
                                   uint8_t byte)
{
    struct msg_field field;
    if (byte % 8 != 0 &&
        msg_field_find(view, place->name.ptr, place->name.len, place->field_index, &field))
        return field.value_type;
    return (enum msg_value_type)(byte / 8 % (MSG_BOOL + 1));
}

static struct msg_value value_of(enum msg_value_type type, uint8_t a, uint8_t b)
{
    struct msg_value value = {.type = type};
    uint64_t bits = (uint64_t)a << (b % 57);
    switch (type) {
    case MSG_INTEGER:
        value.integer = b % 2 ? (int64_t)bits : -(int64_t)(bits >> 1);
        break;
    case MSG_DOUBLE:
        memcpy(&value.number, &bits, sizeof(bits));
        break;
    case MSG_BOOL:
        value.boolean = a % 2;
        break;
    default:
        value.slice = text_of(a);
    }
    return value;
}

static struct change change_of(const struct msg_view *view, const uint8_t *step, char copy[64])
{
    static const uint8_t kinds[16] = {SET_TEXT,    SET_TEXT,    SET_NUMBER,  CLEAR,
                                      SET_VALUE,   SET_VALUE,   SET_VALUE,   SET_VALUE,
                                      SET_VALUE,   SET_VALUE,   SET_VALUE,   CLEAR_FIELD,
                                      CLEAR_VALUE, CLEAR_VALUE, CLEAR_VALUE, SET_NUMBER};
    struct change change = {
        .kind = (enum edit_kind)kinds[step[0] % 16],
        .member = (enum msg_member)(step[1] % 11),
        .text =
            step[1] % 11 == 1 ? (struct msg_slice){pool, 16u + step[2] % 8 / 7} : text_of(step[2]),
        .has_representation = step[4] % 3 != 0,
        .representation = text_of(step[4]),
    };
    change.number = value_of(MSG_INTEGER, step[2], step[3]).integer;
    change.place.name = name_of(view, step[5], copy);
    change.place.field_index = step[6] % 16 / 13;
    change.place.value_index = step[6] / 16u * 3 / 16;
    change.value = value_of(type_of(view, &change.place, step[7]), step[2], step[3]);
    return change;
}

/* ---- the same with protobuf-c; returns what msg_edit should ---- */

static char *string_of(struct msg_slice text)
{
    char *string = message_oracle_memory(text.len + (size_t)1);
    if (text.len > 0)
        memcpy(string, text.ptr, text.len);
    string[text.len] = '\0';
    return string;
}

static char **text_member(Heka__Message *message, enum msg_member member)
{
    switch (member) {
    case MSG_MEMBER_TYPE:
        return &message->type;
    case MSG_MEMBER_LOGGER:
        return &message->logger;
    case MSG_MEMBER_PAYLOAD:
        return &message->payload;
    case MSG_MEMBER_ENV_VERSION:
        return &message->env_version;
    case MSG_MEMBER_HOSTNAME:
        return &message->hostname;
    default:
        return NULL;
    }
}

static int set_text(Heka__Message *message, const struct change *change)
{
    char **text = text_member(message, change->member);
    if (change->member == MSG_MEMBER_UUID && change->text.len == MSG_UUID_SIZE)
        message->uuid.data = (uint8_t *)string_of(change->text);
    else if (text == NULL)
        return -EINVAL;
    else
        *text = string_of(change->text);
    return 0;
}

static int set_number(Heka__Message *message, const struct change *change)
{
    switch (change->member) {
    case MSG_MEMBER_TIMESTAMP:
        message->timestamp = change->number;
        return 0;
    case MSG_MEMBER_SEVERITY:
        message->has_severity = true;
        message->severity = (int32_t)change->number;
        return 0;
    case MSG_MEMBER_PID:
        message->has_pid = true;
        message->pid = (int32_t)change->number;
        return 0;
    default:
        return -EINVAL;
    }
}

static int clear(Heka__Message *message, const struct change *change)
{
    char **text = text_member(message, change->member);
    int was = text != NULL && *text != NULL;
    if (text != NULL) {
        *text = NULL;
    } else if (change->member == MSG_MEMBER_SEVERITY) {
        was = message->has_severity;
        message->has_severity = false;
        message->severity = MSG_SEVERITY_DEFAULT;
    } else if (change->member == MSG_MEMBER_PID) {
        was = message->has_pid;
        message->has_pid = false;
        message->pid = 0;
    } else {
        return -EINVAL;
    }
    return was;
}

/* Its place in message->fields; n_fields when there is none. *namesakes: fields of that name. */
static size_t field_place(const Heka__Message *message, const struct msg_view *view,
                          const struct msg_place *place, uint32_t *namesakes)
{
    struct msg_field field;
    size_t index = 0;
    *namesakes = 0;
    for (bool more = msg_field_first(view, &field); more; more = msg_field_next(view, &field)) {
        if (field.name.len == place->name.len &&
            (field.name.len == 0 || memcmp(field.name.ptr, place->name.ptr, field.name.len) == 0) &&
            (*namesakes)++ == place->field_index)
            return index;
        index++;
    }
    return message->n_fields;
}

/* An array with room for one more. */
static void *wider(const void *items, size_t count, size_t item_size)
{
    uint8_t *copy = message_oracle_memory((count + 1) * item_size);
    if (count > 0)
        memcpy(copy, items, count * item_size);
    return copy;
}

#define PUT(field, array, index, value)                                                            \
    do {                                                                                           \
        (field)->array = wider((field)->array, (field)->n_##array, sizeof(*(field)->array));       \
        (field)->array[index] = (value);                                                           \
        (field)->n_##array += (index) == (field)->n_##array;                                       \
    } while (0)

static void put_value(Heka__Field *field, uint32_t index, const struct msg_value *value)
{
    switch (value->type) {
    case MSG_STRING:
        PUT(field, value_string, index, string_of(value->slice));
        break;
    case MSG_BYTES: {
        ProtobufCBinaryData bytes = {value->slice.len, (uint8_t *)string_of(value->slice)};
        PUT(field, value_bytes, index, bytes);
        break;
    }
    case MSG_INTEGER:
        PUT(field, value_integer, index, value->integer);
        break;
    case MSG_DOUBLE:
        PUT(field, value_double, index, value->number);
        break;
    case MSG_BOOL:
        PUT(field, value_bool, index, value->boolean);
        break;
    }
}

#define CUT(field, array, index)                                                                   \
    do {                                                                                           \
        memmove((field)->array + (index), (field)->array + (index) + 1,                            \
                ((field)->n_##array - (index)-1) * sizeof(*(field)->array));                       \
        (field)->n_##array--;                                                                      \
    } while (0)

static void cut_value(Heka__Field *field, enum msg_value_type type, uint32_t index)
{
    switch (type) {
    case MSG_STRING:
        CUT(field, value_string, index);
        break;
    case MSG_BYTES:
        CUT(field, value_bytes, index);
        break;
    case MSG_INTEGER:
        CUT(field, value_integer, index);
        break;
    case MSG_DOUBLE:
        CUT(field, value_double, index);
        break;
    case MSG_BOOL:
        CUT(field, value_bool, index);
        break;
    }
}

static int add_field(Heka__Message *message, const struct change *change)
{
    Heka__Field *field = message_oracle_memory(sizeof(*field));
    struct msg_slice none = {"", 0};
    heka__field__init(field);
    field->name = string_of(change->place.name);
    field->has_value_type = true;
    field->value_type = (Heka__Field__ValueType)change->value.type;
    field->representation = string_of(change->has_representation ? change->representation : none);
    put_value(field, 0, &change->value);
    PUT(message, fields, message->n_fields, field);
    return 0;
}

static int set_value(Heka__Message *message, const struct msg_view *view,
                     const struct change *change)
{
    uint32_t namesakes;
    struct msg_field field;
    size_t index = field_place(message, view, &change->place, &namesakes);
    if (index == message->n_fields)
        return namesakes == change->place.field_index && change->place.value_index == 0
                   ? add_field(message, change)
                   : MSG_E_INDEX;
    CHECK(msg_field_find(view, change->place.name.ptr, change->place.name.len,
                         change->place.field_index, &field));
    if (field.value_type != change->value.type)
        return MSG_E_TYPE;
    if (change->place.value_index > field.value_count)
        return MSG_E_INDEX;
    put_value(message->fields[index], change->place.value_index, &change->value);
    if (change->has_representation)
        message->fields[index]->representation = string_of(change->representation);
    return 0;
}

static int clear_field(Heka__Message *message, const struct msg_view *view,
                       const struct change *change)
{
    uint32_t namesakes;
    size_t index = field_place(message, view, &change->place, &namesakes);
    if (index == message->n_fields)
        return 0;
    CUT(message, fields, index);
    return 1;
}

static int clear_value(Heka__Message *message, const struct msg_view *view,
                       const struct change *change)
{
    uint32_t namesakes;
    struct msg_field field;
    size_t index = field_place(message, view, &change->place, &namesakes);
    if (index == message->n_fields ||
        !msg_field_find(view, change->place.name.ptr, change->place.name.len,
                        change->place.field_index, &field) ||
        change->place.value_index >= field.value_count)
        return 0;
    cut_value(message->fields[index], field.value_type, change->place.value_index);
    return 1;
}

static int change_by_protobuf(Heka__Message *message, const struct msg_view *view,
                              const struct change *change)
{
    switch (change->kind) {
    case SET_TEXT:
        return set_text(message, change);
    case SET_NUMBER:
        return set_number(message, change);
    case CLEAR:
        return clear(message, change);
    case SET_VALUE:
        return set_value(message, view, change);
    case CLEAR_FIELD:
        return clear_field(message, view, change);
    default:
        return clear_value(message, view, change);
    }
}

static int change_in_place(struct msg_edit *edit, const struct change *change)
{
    switch (change->kind) {
    case SET_TEXT:
        return msg_edit_text(edit, change->member, change->text);
    case SET_NUMBER:
        return msg_edit_number(edit, change->member, change->number);
    case CLEAR:
        return msg_edit_clear(edit, change->member);
    case SET_VALUE:
        return msg_edit_value(edit, &change->place, &change->value,
                              change->has_representation ? &change->representation : NULL);
    case CLEAR_FIELD:
        return msg_edit_clear_field(edit, change->place.name, change->place.field_index);
    default:
        return msg_edit_clear_value(edit, &change->place);
    }
}

/* ---- one change ---- */

/* The index finds what walking finds. */
static const char *check_index(const struct msg_view *view)
{
    static struct msg_index index;
    struct msg_field field, walked, found;
    unsigned i = 0;
    msg_index_build(&index, view);
    for (bool more = msg_field_first(view, &field); more && i < 80;
         more = msg_field_next(view, &field), i++) {
        for (uint32_t n = 0; n < 3; n++) {
            bool is_there = msg_field_find(view, field.name.ptr, field.name.len, n, &walked);
            if (msg_index_find(&index, field.name.ptr, field.name.len, n, &found) != is_there ||
                (is_there && (found.bytes != walked.bytes || found.next != walked.next)))
                return "the index finds another field";
        }
    }
    return msg_index_find(&index, "no such name", 12, 0, &found) !=
                   msg_field_find(view, "no such name", 12, 0, &walked)
               ? "the index finds what is not there"
               : NULL;
}

static const char *check_after(const struct msg_edit *edit, const Heka__Message *expected)
{
    struct msg_view view;
    if (msg_view_init(&view, edit->bytes, edit->size) != 0)
        return "what came of a change is no message";
    if (view.field_count != edit->field_count)
        return "fields are counted wrongly";
    const char *difference = check_index(&view);
    if (difference == NULL && expected != NULL)
        difference = message_oracle_compare(&view, expected);
    if (difference != NULL || expected == NULL)
        return difference;
    Heka__Message *found = message_oracle_unpack(edit->bytes, edit->size); /* expected is gone */
    return found == NULL ? "protobuf-c refuses what came of a change" : NULL;
}

static unsigned count_unknown(const Heka__Message *message)
{
    unsigned count = message->base.n_unknown_fields;
    for (size_t i = 0; i < message->n_fields; i++)
        count += message->fields[i]->base.n_unknown_fields;
    return count;
}

static const char *check_unknown(const struct msg_edit *edit, unsigned expected)
{
    const Heka__Message *found = message_oracle_unpack(edit->bytes, edit->size);
    return found == NULL || count_unknown(found) != expected ? "unknown members are lost" : NULL;
}

static const char *check_change(struct msg_edit *edit, const struct msg_view *view,
                                const struct change *change, const uint8_t *before,
                                struct edit_tally *tally)
{
    size_t size = edit->size;
    Heka__Message *expected = message_oracle_unpack(before, size); /* NULL: it has groups */
    int expected_rc = expected != NULL ? change_by_protobuf(expected, view, change) : 0;
    unsigned unknown = expected != NULL ? count_unknown(expected) : 0;
    int rc = change_in_place(edit, change);
    tally->changes +=
        rc > 0 || (rc == 0 && change->kind < CLEAR) || (rc == 0 && change->kind == SET_VALUE);
    tally->refusals += rc < 0;
    tally->nothing += rc == 0 && change->kind != SET_VALUE && change->kind >= CLEAR;
    if (rc < 0 && (edit->size != size || memcmp(edit->bytes, before, size) != 0))
        return "a refused change has changed something";
    if (rc == -ENOSPC)
        return edit->size + 200 < edit->capacity ? "there was room" : NULL;
    if (expected == NULL)
        return check_after(edit, NULL);
    if (rc != expected_rc)
        return "another result";
    const char *difference = check_after(edit, rc < 0 ? NULL : expected);
    return difference == NULL ? check_unknown(edit, unknown) : difference;
}

const char *message_edit_oracle_run(uint8_t *buffer, size_t *size, size_t capacity,
                                    const uint8_t *script, size_t script_size,
                                    struct edit_tally *tally)
{
    struct msg_edit edit;
    const char *difference = NULL;
    uint8_t *before = malloc(capacity + 1);
    CHECK(before != NULL && msg_edit_init(&edit, buffer, *size, capacity) == 0);
    for (; script_size >= EDIT_SCRIPT_STEP && difference == NULL;
         script += EDIT_SCRIPT_STEP, script_size -= EDIT_SCRIPT_STEP) {
        char copy[64];
        struct msg_view view;
        memcpy(before, edit.bytes, edit.size);
        CHECK(msg_view_init(&view, before, edit.size) == 0);
        struct change change = change_of(&view, script, copy);
        difference = check_change(&edit, &view, &change, before, tally);
    }
    *size = edit.size;
    free(before);
    return difference;
}
