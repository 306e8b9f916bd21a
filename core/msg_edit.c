/* SPDX-License-Identifier: MPL-2.0
 *
 * msg_edit.c - each change is a few patches of the message's bytes: of the members, and of the
 *              lengths in front of what they are in. They are worked out on the message as it is,
 *              and made when it is known that there is room for all of them.
 */
#include "core/msg_edit.h"

#include <errno.h>

#include "core/message_tags.h"

/* ---- patches ---- */

enum { PATCHES_MAX = 5, HEAD_MAX = 1 + WIRE_VARINT_SIZE_MAX };

struct patch {
    size_t start, end; /* what goes */
    uint8_t head[HEAD_MAX];
    size_t head_size;
    struct msg_slice body; /* comes behind the head */
    bool is_made;
};

struct patches { /* sorted by start; equal ones in the order in which they were added */
    struct patch items[PATCHES_MAX];
    unsigned count;
    int64_t growth;
};

static size_t patch_size(const struct patch *patch)
{
    return patch->head_size + patch->body.len;
}

static void add_patch(struct patches *patches, const struct patch *patch)
{
    unsigned at = patches->count++;
    CHECK(patches->count <= PATCHES_MAX);
    for (; at > 0 && patches->items[at - 1].start > patch->start; at--)
        patches->items[at] = patches->items[at - 1];
    patches->items[at] = *patch;
    patches->growth += (int64_t)patch_size(patch) - (int64_t)(patch->end - patch->start);
}

static void put_head(struct patch *patch, uint32_t tag, uint64_t value)
{
    patch->head[0] = (uint8_t)tag;
    patch->head_size = (size_t)(wire_put_varint(patch->head + 1, value) - patch->head);
}

/* A member of bytes. */
static struct patch bytes_patch(size_t start, size_t end, uint32_t tag, struct msg_slice bytes)
{
    struct patch patch = {.start = start, .end = end, .body = bytes};
    put_head(&patch, tag, bytes.len);
    return patch;
}

static struct patch length_patch(size_t start, size_t end, uint64_t value)
{
    struct patch patch = {.start = start, .end = end};
    patch.head_size = (size_t)(wire_put_varint(patch.head, value) - patch.head);
    return patch;
}

/* Makes one patch; those behind it move along. */
static void apply_one(struct msg_edit *edit, struct patches *patches, unsigned index)
{
    const struct patch *patch = &patches->items[index];
    size_t new_size = patch_size(patch), old_size = patch->end - patch->start;
    uint8_t *at = edit->bytes + patch->start;
    memmove(at + new_size, at + old_size, edit->size - patch->end);
    memcpy(at, patch->head, patch->head_size);
    if (patch->body.len > 0)
        memcpy(at + patch->head_size, patch->body.ptr, patch->body.len);
    edit->size = edit->size - old_size + new_size;
    for (unsigned i = index + 1; i < patches->count; i++) {
        patches->items[i].start = patches->items[i].start - old_size + new_size;
        patches->items[i].end = patches->items[i].end - old_size + new_size;
    }
}

/* First those that take no room: in between, too, the message must not be larger than it may. */
static int apply(struct msg_edit *edit, struct patches *patches)
{
    if ((int64_t)edit->size + patches->growth > (int64_t)edit->capacity)
        return -ENOSPC;
    for (unsigned grows = 0; grows < 2; grows++) {
        for (unsigned i = 0; i < patches->count; i++) {
            const struct patch *patch = &patches->items[i];
            bool is_growing = patch_size(patch) > patch->end - patch->start;
            if (is_growing == (grows == 1) && !patch->is_made) {
                patches->items[i].is_made = true;
                apply_one(edit, patches, i);
            }
        }
    }
    return 0;
}

/* ---- walking ---- */

struct member { /* offsets in the message */
    uint32_t tag;
    size_t start;  /* of the tag */
    size_t length; /* of the length, for bytes */
    size_t body;   /* of what is behind it */
    size_t end;
};

/* The next member between `at` and `end`, of bytes that were checked. */
static bool next_member(const struct msg_edit *edit, size_t at, size_t end, struct member *member)
{
    struct wire_reader in = {edit->bytes + at, edit->bytes + end};
    struct msg_slice bytes = {0};
    if (at == end)
        return false;
    member->tag = 0;
    int rc = wire_read_tag(&in, &member->tag);
    CHECK(rc == 0);
    member->start = at;
    member->length = member->body = (size_t)(in.at - edit->bytes);
    if ((member->tag & 7) == WIRE_BYTES) {
        rc = wire_read_bytes(&in, &bytes);
        member->body = (size_t)((const uint8_t *)bytes.ptr - edit->bytes);
    } else {
        rc = wire_skip(&in, member->tag);
    }
    CHECK(rc == 0);
    member->end = (size_t)(in.at - edit->bytes);
    return true;
}

int msg_edit_init(struct msg_edit *edit, void *buffer, size_t size, size_t capacity)
{
    struct msg_view view;
    CHECK(size <= capacity);
    int rc = msg_view_init(&view, buffer, size);
    if (rc != 0)
        return rc;
    *edit = (struct msg_edit){.bytes = buffer,
                              .size = size,
                              .capacity = capacity < INT32_MAX ? capacity : INT32_MAX,
                              .field_count = view.field_count};
    return 0;
}

/* ---- members of the message ---- */

/* The last member with that number; or, when there is none, start and end of its place. */
static void find_place(const struct msg_edit *edit, uint32_t number, struct member *place)
{
    struct member member;
    bool is_found = false, is_behind = false;
    *place = (struct member){.start = edit->size, .end = edit->size};
    for (size_t at = 0; next_member(edit, at, edit->size, &member); at = member.end) {
        if (member.tag >> 3 == number) {
            *place = member;
            is_found = true;
        } else if (!is_found && !is_behind && member.tag >> 3 > number) {
            *place = (struct member){.start = member.start, .end = member.start};
            is_behind = true;
        }
    }
}

static int set_member(struct msg_edit *edit, uint32_t number, struct patch *patch)
{
    struct member place;
    struct patches patches = {0};
    find_place(edit, number, &place);
    patch->start = place.start;
    patch->end = place.end;
    add_patch(&patches, patch);
    return apply(edit, &patches);
}

int msg_edit_text(struct msg_edit *edit, enum msg_member member, struct msg_slice text)
{
    switch (member) {
    case MSG_MEMBER_UUID:
        if (text.len != MSG_UUID_SIZE)
            return -EINVAL;
        break;
    case MSG_MEMBER_TYPE:
    case MSG_MEMBER_LOGGER:
    case MSG_MEMBER_PAYLOAD:
    case MSG_MEMBER_ENV_VERSION:
    case MSG_MEMBER_HOSTNAME:
        break;
    default:
        return -EINVAL;
    }
    struct patch patch = bytes_patch(0, 0, WIRE_TAG(member, WIRE_BYTES), text);
    return set_member(edit, (uint32_t)member, &patch);
}

int msg_edit_number(struct msg_edit *edit, enum msg_member member, int64_t number)
{
    struct patch patch = {0};
    if (member == MSG_MEMBER_SEVERITY || member == MSG_MEMBER_PID)
        number = (int32_t)(uint32_t)(uint64_t)number;
    else if (member != MSG_MEMBER_TIMESTAMP)
        return -EINVAL;
    put_head(&patch, WIRE_TAG(member, WIRE_VARINT), (uint64_t)number);
    return set_member(edit, (uint32_t)member, &patch);
}

static void remove_bytes(struct msg_edit *edit, size_t start, size_t end)
{
    memmove(edit->bytes + start, edit->bytes + end, edit->size - end);
    edit->size -= end - start;
}

/* All of them: an earlier one must not come to light. */
int msg_edit_clear(struct msg_edit *edit, enum msg_member number)
{
    struct member member;
    int found = 0;
    if (number <= MSG_MEMBER_TIMESTAMP || number > MSG_MEMBER_HOSTNAME)
        return -EINVAL;
    for (size_t at = 0; next_member(edit, at, edit->size, &member);) {
        at = member.end;
        if (member.tag >> 3 == (uint32_t)number) {
            remove_bytes(edit, member.start, member.end);
            at = member.start;
            found = 1;
        }
    }
    return found;
}

/* ---- fields ---- */

struct found_field {
    struct member member;
    struct msg_field field; /* its next, first_value are not those of a view */
    uint32_t namesakes;     /* fields of that name, up to the one looked for */
};

static bool find_field(const struct msg_edit *edit, struct msg_slice name, uint32_t index,
                       struct found_field *found)
{
    const struct msg_view view = {.bytes = edit->bytes, .size = (uint32_t)edit->size};
    found->namesakes = 0;
    for (size_t at = 0; next_member(edit, at, edit->size, &found->member); at = found->member.end) {
        if (found->member.tag != TAG_FIELDS)
            continue;
        found->field.next = (uint32_t)found->member.start;
        CHECK(msg_field_next(&view, &found->field));
        if (found->field.name.len != name.len ||
            (name.len > 0 && memcmp(found->field.name.ptr, name.ptr, name.len) != 0))
            continue;
        if (found->namesakes++ == index)
            return true;
    }
    return false;
}

bool msg_edit_find(const struct msg_edit *edit, struct msg_slice name, uint32_t field_index,
                   struct msg_field *field)
{
    const struct msg_view view = {.bytes = edit->bytes, .size = (uint32_t)edit->size};
    return msg_field_find(&view, name.ptr, name.len, field_index, field);
}

int msg_edit_clear_field(struct msg_edit *edit, struct msg_slice name, uint32_t field_index)
{
    struct found_field found;
    if (!find_field(edit, name, field_index, &found))
        return 0;
    remove_bytes(edit, found.member.start, found.member.end);
    edit->field_count--;
    return 1;
}

struct found_value { /* offsets in the message */
    struct member member;
    size_t start, end; /* of the value: of the member, or within it when it is packed */
    bool is_packed;
};

static size_t packed_end(const struct msg_edit *edit, enum msg_value_type type, size_t at,
                         size_t end)
{
    struct wire_reader in = {edit->bytes + at, edit->bytes + end};
    uint64_t value;
    CHECK((type == MSG_DOUBLE ? wire_read_fixed64(&in, &value) : wire_read_varint(&in, &value)) ==
          0);
    return (size_t)(in.at - edit->bytes);
}

/* The index-th value in the packed member of `value`; else `index` is less by what is in it. */
static bool find_packed(const struct msg_edit *edit, enum msg_value_type type, uint32_t *index,
                        struct found_value *value)
{
    value->is_packed = true;
    for (value->start = value->member.body; value->start < value->member.end;
         value->start = value->end) {
        value->end = packed_end(edit, type, value->start, value->member.end);
        if ((*index)-- == 0)
            return true;
    }
    return false;
}

/* There is such a value. */
static void find_value(const struct msg_edit *edit, const struct found_field *found, uint32_t index,
                       struct found_value *value)
{
    enum msg_value_type type = found->field.value_type;
    for (size_t at = found->member.body; next_member(edit, at, found->member.end, &value->member);
         at = value->member.end) {
        if (value->member.tag >> 3 != FIELD_NUMBER(type))
            continue;
        if (type > MSG_BYTES && (value->member.tag & 7) == WIRE_BYTES) {
            if (find_packed(edit, type, &index, value))
                return;
        } else if (index-- == 0) {
            value->is_packed = false;
            value->start = value->member.start;
            value->end = value->member.end;
            return;
        }
    }
    CHECK(false);
}

/* The length in front of a member that patches change. */
static void add_length(struct patches *patches, const struct member *member)
{
    uint64_t size = (uint64_t)((int64_t)(member->end - member->body) + patches->growth);
    struct patch patch = length_patch(member->length, member->body, size);
    add_patch(patches, &patch);
}

/* A value as a member of its own (`is_packed` false), or as one of several in a member. */
static struct patch value_patch(size_t start, size_t end, const struct msg_value *value,
                                bool is_packed)
{
    struct patch patch = {.start = start, .end = end};
    uint64_t varint = value->type == MSG_BOOL ? value->boolean : (uint64_t)value->integer;
    if (value->type <= MSG_BYTES)
        return bytes_patch(start, end, WIRE_TAG(FIELD_NUMBER(value->type), WIRE_BYTES),
                           value->slice);
    if (value->type == MSG_DOUBLE) {
        patch.head[0] = TAG_DOUBLE;
        memcpy(patch.head + 1, &value->number, sizeof(value->number));
        patch.head_size = 1 + sizeof(value->number);
    } else {
        put_head(&patch, WIRE_TAG(FIELD_NUMBER(value->type), WIRE_VARINT), varint);
    }
    if (is_packed)
        memmove(patch.head, patch.head + 1, --patch.head_size);
    return patch;
}

/* Replaces the last representation, on which all depends. */
static void add_representation(const struct msg_edit *edit, struct patches *patches,
                               const struct found_field *found, struct msg_slice representation)
{
    struct member member, place = {.start = found->member.end, .end = found->member.end};
    for (size_t at = found->member.body; next_member(edit, at, found->member.end, &member);
         at = member.end) {
        if (member.tag == TAG_REPRESENTATION)
            place = member;
    }
    struct patch patch = bytes_patch(place.start, place.end, TAG_REPRESENTATION, representation);
    add_patch(patches, &patch);
}

static int change_value(struct msg_edit *edit, const struct found_field *found, uint32_t index,
                        const struct msg_value *value, const struct msg_slice *representation)
{
    struct patches patches = {0};
    struct found_value old = {.start = found->member.end, .end = found->member.end};
    if (found->field.value_type != value->type)
        return MSG_E_TYPE;
    if (index > found->field.value_count)
        return MSG_E_INDEX;
    if (index < found->field.value_count)
        find_value(edit, found, index, &old);
    struct patch patch = value_patch(old.start, old.end, value, old.is_packed);
    add_patch(&patches, &patch);
    if (old.is_packed)
        add_length(&patches, &old.member);
    if (representation != NULL)
        add_representation(edit, &patches, found, *representation);
    add_length(&patches, &found->member);
    return apply(edit, &patches);
}

static int add_field(struct msg_edit *edit, struct msg_slice name, const struct msg_value *value,
                     struct msg_slice representation)
{
    struct msg_builder builder;
    if (edit->field_count == MSG_FIELDS_MAX)
        return MSG_E_LIMIT;
    msg_builder_init(&builder, edit->bytes + edit->size, edit->capacity - edit->size);
    msg_builder_field(&builder, name, value, representation);
    int64_t size = msg_builder_finish(&builder);
    if (size < 0)
        return (int)size;
    edit->size += (size_t)size;
    edit->field_count++;
    return 0;
}

int msg_edit_value(struct msg_edit *edit, const struct msg_place *place,
                   const struct msg_value *value, const struct msg_slice *representation)
{
    struct found_field found;
    struct msg_slice none = {0};
    if (find_field(edit, place->name, place->field_index, &found))
        return change_value(edit, &found, place->value_index, value, representation);
    if (found.namesakes != place->field_index || place->value_index != 0)
        return MSG_E_INDEX;
    return add_field(edit, place->name, value, representation != NULL ? *representation : none);
}

int msg_edit_clear_value(struct msg_edit *edit, const struct msg_place *place)
{
    struct found_field found;
    struct found_value value;
    struct patches patches = {0};
    if (!find_field(edit, place->name, place->field_index, &found) ||
        place->value_index >= found.field.value_count)
        return 0;
    find_value(edit, &found, place->value_index, &value);
    struct patch patch = {.start = value.start, .end = value.end};
    add_patch(&patches, &patch);
    if (value.is_packed)
        add_length(&patches, &value.member);
    add_length(&patches, &found.member);
    int rc = apply(edit, &patches);
    return rc == 0 ? 1 : rc;
}
