/* SPDX-License-Identifier: MPL-2.0 */
#include "core/message.h"

#include "core/message_tags.h"
#include "core/wire.h"

enum { VALUE_TYPES = MSG_BOOL + 1 };

const char *msg_error_text(int code)
{
    static const char *const texts[] = {
        "truncated",
        "varint too long",
        "bad tag",
        "wrong wire type of a known member",
        "uuid, timestamp or field name missing",
        "uuid is not 16 bytes",
        "message, field count or group depth over the limit",
        "the field has values of another type",
        "field or value index beyond the last",
    };
    int index = MSG_E_TRUNCATED - code;
    if (index < 0 || (size_t)index >= ARRAY_COUNT(texts))
        return "unknown error";
    return texts[index];
}

const char *msg_value_type_name(enum msg_value_type type)
{
    static const char *const names[VALUE_TYPES] = {"string", "bytes", "integer", "double", "bool"};
    return names[type];
}

/* A tag that is none of the expected ones: a known number means that the wire type is wrong. */
static inline int skip_unknown(struct wire_reader *in, uint32_t tag, uint32_t number_max)
{
    uint32_t number = tag >> 3;
    uint32_t type = tag & 7;
    if (type == WIRE_GROUP_END || type > WIRE_FIXED32)
        return MSG_E_TAG;
    if (number >= 1 && number <= number_max)
        return MSG_E_WIRE_TYPE;
    struct wire_reader rest = *in; /* the address of `in` itself is not taken: see wire.h */
    int rc = wire_skip(&rest, tag);
    *in = rest;
    return rc;
}

/* ---- one Field ---- */

struct value_arrays { /* value_type may come behind the values, so all five are noted */
    uint32_t counts[VALUE_TYPES];
    uint32_t offsets[VALUE_TYPES]; /* of the first member with a value of that type */
};

/* Counts packed varints; each has to be a good one. */
static inline int count_varints(struct msg_slice packed, uint32_t *count)
{
    struct wire_reader in = wire_reader_of(packed.ptr, packed.len);
    uint32_t found = 0;
    while (in.at < in.end) {
        uint64_t value;
        int rc = wire_read_varint(&in, &value);
        if (rc != 0)
            return rc;
        found++;
    }
    *count = found;
    return 0;
}

/* One member with values: `tag` has been read. */
static inline int read_values(struct wire_reader *in, uint32_t tag, uint32_t *count)
{
    uint64_t value;
    struct msg_slice bytes;
    int rc;
    *count = 1;
    switch (tag) {
    case TAG_STRING:
    case TAG_BYTES:
        return wire_read_bytes(in, &bytes);
    case TAG_INTEGER:
    case TAG_BOOL:
        return wire_read_varint(in, &value);
    case TAG_DOUBLE:
        return wire_read_fixed64(in, &value);
    case TAG_DOUBLE_PACKED:
        rc = wire_read_bytes(in, &bytes);
        *count = rc == 0 ? bytes.len / 8 : 0;
        return rc == 0 && bytes.len % 8 != 0 ? MSG_E_TRUNCATED : rc;
    default: /* TAG_INTEGER_PACKED, TAG_BOOL_PACKED */
        rc = wire_read_bytes(in, &bytes);
        return rc == 0 ? count_varints(bytes, count) : rc;
    }
}

static inline int read_value_type(struct wire_reader *in, enum msg_value_type *type)
{
    uint64_t value;
    int rc = wire_read_varint(in, &value);
    if (rc == 0 && (uint32_t)value < VALUE_TYPES)
        *type = (enum msg_value_type)(uint32_t)value;
    return rc;
}

static inline int read_field_member(struct wire_reader *in, uint32_t tag, uint32_t offset,
                                    struct msg_field *field, struct value_arrays *arrays)
{
    switch (tag) {
    case TAG_NAME:
        return wire_read_bytes(in, &field->name);
    case TAG_VALUE_TYPE:
        return read_value_type(in, &field->value_type);
    case TAG_REPRESENTATION:
        return wire_read_bytes(in, &field->representation);
    case TAG_STRING:
    case TAG_BYTES:
    case TAG_INTEGER:
    case TAG_INTEGER_PACKED:
    case TAG_DOUBLE:
    case TAG_DOUBLE_PACKED:
    case TAG_BOOL:
    case TAG_BOOL_PACKED: {
        uint32_t type = (tag >> 3) - (TAG_STRING >> 3);
        uint32_t count;
        int rc = read_values(in, tag, &count);
        if (arrays->counts[type] == 0)
            arrays->offsets[type] = offset;
        arrays->counts[type] += rc == 0 ? count : 0;
        return rc;
    }
    default:
        return skip_unknown(in, tag, FIELD_NUMBER_MAX);
    }
}

/* A varint, and nothing behind it. */
static inline bool is_one_varint(const uint8_t *at, const uint8_t *end)
{
    if (end - at > WIRE_VARINT_SIZE_MAX)
        return false;
    while (end - at > 1 && *at >= 0x80)
        at++;
    return end - at == 1 && *at < 0x80;
}

/* One member with one value, packed (as Heka's) or not. */
static inline bool is_one_value(const uint8_t *at, const uint8_t *end, uint32_t type)
{
    bool is_bytes = at[1] < 0x80 && end - at == 2 + at[1];
    switch (type) {
    case MSG_STRING:
    case MSG_BYTES:
        return at[0] == TAG_STRING + (type << 3) && is_bytes;
    case MSG_DOUBLE:
        return at[0] == TAG_DOUBLE_PACKED ? is_bytes && at[1] == 8
                                          : at[0] == TAG_DOUBLE && end - at == 9;
    default: /* MSG_INTEGER, MSG_BOOL */
        if (at[0] == TAG_INTEGER_PACKED + ((type - MSG_INTEGER) << 3))
            return is_bytes && is_one_varint(at + 2, end);
        return at[0] == TAG_INTEGER + ((type - MSG_INTEGER) << 3) && is_one_varint(at + 1, end);
    }
}

/* Fields as they mostly are: name, perhaps value_type, perhaps representation, one value, each
 * once, in this order, with short lengths. False: any other one. */
static inline bool read_plain(struct msg_slice member, struct msg_field *field)
{
    const uint8_t *start = (const uint8_t *)member.ptr, *at = start, *end = start + member.len;
    uint32_t type = MSG_STRING;
    if (member.len < 4 || at[0] != TAG_NAME || at[1] >= 0x80 || at[1] + 4U > member.len)
        return false;
    field->name = (struct msg_slice){(const char *)at + 2, at[1]};
    at += 2 + at[1];
    if (at[0] == TAG_VALUE_TYPE) {
        type = at[1];
        at += 2;
    }
    if (type >= VALUE_TYPES || end - at < 2)
        return false;
    field->representation = (struct msg_slice){0};
    if (at[0] == TAG_REPRESENTATION) {
        if (at[1] >= 0x80 || end - at < at[1] + 4)
            return false;
        field->representation = (struct msg_slice){(const char *)at + 2, at[1]};
        at += 2 + at[1];
    }
    if (!is_one_value(at, end, type))
        return false;
    field->value_type = (enum msg_value_type)type;
    field->value_count = 1;
    field->bytes = start;
    field->size = member.len;
    field->first_value = (uint32_t)(at - start);
    return true;
}

static int read_members(struct msg_slice member, struct msg_field *field);

/* Fills all of `field` but `next`. */
static inline int read_field(struct msg_slice member, struct msg_field *field)
{
    if (LIKELY(read_plain(member, field)))
        return 0;
    return read_members(member, field);
}

static int read_members(struct msg_slice member, struct msg_field *field)
{
    struct value_arrays arrays = {0};
    struct wire_reader in = wire_reader_of(member.ptr, member.len);
    const uint8_t *start = in.at;
    field->name = (struct msg_slice){0};
    field->representation = (struct msg_slice){0};
    field->value_type = MSG_STRING;
    while (in.at < in.end) {
        uint32_t offset = (uint32_t)(in.at - start);
        uint32_t tag;
        int rc = wire_read_tag(&in, &tag);
        if (LIKELY(rc == 0))
            rc = read_field_member(&in, tag, offset, field, &arrays);
        if (UNLIKELY(rc != 0))
            return rc;
    }
    if (field->name.ptr == NULL)
        return MSG_E_MISSING;
    field->bytes = start;
    field->size = member.len;
    field->value_count = arrays.counts[field->value_type];
    field->first_value = field->value_count > 0 ? arrays.offsets[field->value_type] : member.len;
    return 0;
}

/* ---- the message ---- */

struct view_state { /* what the view does not keep */
    struct msg_slice uuid;
    bool has_timestamp;
};

static inline int read_int32(struct wire_reader *in, int32_t *value)
{
    uint64_t varint;
    int rc = wire_read_varint(in, &varint);
    if (rc == 0)
        *value = (int32_t)(uint32_t)varint;
    return rc;
}

static inline int read_timestamp(struct wire_reader *in, struct msg_view *view,
                                 struct view_state *state)
{
    uint64_t varint;
    int rc = wire_read_varint(in, &varint);
    if (rc == 0) {
        view->timestamp_ns = (int64_t)varint;
        state->has_timestamp = true;
    }
    return rc;
}

static inline int check_field(struct wire_reader *in, uint32_t offset, struct msg_view *view)
{
    struct msg_slice member;
    struct msg_field field;
    int rc = wire_read_bytes(in, &member);
    if (rc == 0)
        rc = read_field(member, &field);
    if (rc != 0)
        return rc;
    /* Of several names the last one counts: it is behind its tag and a length of one byte only
     * when there is no other. */
    view->has_late_names |= field.name.ptr != member.ptr + 2;
    if (view->field_count == MSG_FIELDS_MAX)
        return MSG_E_LIMIT;
    if (view->field_count++ == 0)
        view->first_field = offset;
    return 0;
}

static inline int read_member(struct wire_reader *in, uint32_t tag, uint32_t offset,
                              struct msg_view *view, struct view_state *state)
{
    switch (tag) {
    case TAG_UUID:
        return wire_read_bytes(in, &state->uuid);
    case TAG_TIMESTAMP:
        return read_timestamp(in, view, state);
    case TAG_TYPE:
        view->present |= MSG_HAS_TYPE;
        return wire_read_bytes(in, &view->type);
    case TAG_LOGGER:
        view->present |= MSG_HAS_LOGGER;
        return wire_read_bytes(in, &view->logger);
    case TAG_SEVERITY:
        view->present |= MSG_HAS_SEVERITY;
        return read_int32(in, &view->severity);
    case TAG_PAYLOAD:
        view->present |= MSG_HAS_PAYLOAD;
        return wire_read_bytes(in, &view->payload);
    case TAG_ENV_VERSION:
        view->present |= MSG_HAS_ENV_VERSION;
        return wire_read_bytes(in, &view->env_version);
    case TAG_PID:
        view->present |= MSG_HAS_PID;
        return read_int32(in, &view->pid);
    case TAG_HOSTNAME:
        view->present |= MSG_HAS_HOSTNAME;
        return wire_read_bytes(in, &view->hostname);
    case TAG_FIELDS:
        return check_field(in, offset, view);
    default:
        return skip_unknown(in, tag, MESSAGE_NUMBER_MAX);
    }
}

int msg_view_init(struct msg_view *view, const void *bytes, size_t size)
{
    if (UNLIKELY(size > INT32_MAX))
        return MSG_E_LIMIT;
    struct view_state state = {0};
    struct wire_reader in = wire_reader_of(bytes, size);
    *view = (struct msg_view){.bytes = in.at,
                              .size = (uint32_t)size,
                              .severity = MSG_SEVERITY_DEFAULT,
                              .first_field = (uint32_t)size};
    while (in.at < in.end) {
        uint32_t offset = (uint32_t)(in.at - view->bytes);
        uint32_t tag;
        int rc = wire_read_tag(&in, &tag);
        if (LIKELY(rc == 0))
            rc = read_member(&in, tag, offset, view, &state);
        if (UNLIKELY(rc != 0))
            return rc;
    }
    if (state.uuid.ptr == NULL || !state.has_timestamp)
        return MSG_E_MISSING;
    if (state.uuid.len != MSG_UUID_SIZE)
        return MSG_E_UUID;
    view->uuid = (const uint8_t *)state.uuid.ptr;
    return 0;
}

/* ---- fields of a view ---- */

bool msg_field_first(const struct msg_view *view, struct msg_field *field)
{
    field->next = view->first_field;
    return msg_field_next(view, field);
}

/* The next member that is a field, from `in` on. */
static inline bool next_member(struct wire_reader *in, struct msg_slice *member)
{
    while (in->at < in->end) {
        uint32_t tag;
        if (wire_read_tag(in, &tag) != 0)
            return false;
        if (tag == TAG_FIELDS)
            return wire_read_bytes(in, member) == 0;
        if (wire_skip(in, tag) != 0)
            return false;
    }
    return false;
}

bool msg_field_next(const struct msg_view *view, struct msg_field *field)
{
    struct wire_reader in = wire_reader_of(view->bytes, view->size);
    struct msg_slice member;
    in.at = field->next < view->size ? in.at + field->next : in.end;
    if (!next_member(&in, &member) || read_field(member, field) != 0)
        return false;
    field->next = (uint32_t)(in.at - view->bytes);
    return true;
}

static bool find_by_walking(const struct msg_view *view, struct msg_slice name, uint32_t index,
                            struct msg_field *field)
{
    for (bool more = msg_field_first(view, field); more; more = msg_field_next(view, field)) {
        if (field->name.len != name.len || memcmp(field->name.ptr, name.ptr, name.len) != 0)
            continue;
        if (index == 0)
            return true;
        index--;
    }
    return false;
}

/* Only the fields with that name are read: 23 ns instead of 138 with ten fields, see message.md. */
bool msg_field_find(const struct msg_view *view, const char *name, size_t name_len, uint32_t index,
                    struct msg_field *field)
{
    struct wire_reader in = wire_reader_of(view->bytes, view->size);
    struct msg_slice member;
    if (view->has_late_names || name_len >= 128)
        return find_by_walking(view, (struct msg_slice){name, (uint32_t)name_len}, index, field);
    in.at = view->first_field < view->size ? in.at + view->first_field : in.end;
    while (next_member(&in, &member)) {
        if ((uint8_t)member.ptr[1] != name_len || memcmp(member.ptr + 2, name, name_len) != 0 ||
            index-- > 0)
            continue;
        if (read_field(member, field) != 0)
            return false;
        field->next = (uint32_t)(in.at - view->bytes);
        return true;
    }
    return false;
}

/* ---- values of a field ---- */

void msg_values_init(struct msg_values *values, const struct msg_field *field)
{
    *values = (struct msg_values){.field = field, .at = field->bytes + field->first_value};
}

/* A bool is false when all its payload bits are 0, those above the 64th too (as protobuf-c). */
static int read_bool(struct wire_reader *in, bool *value)
{
    const uint8_t *at = in->at;
    uint64_t varint;
    int rc = wire_read_varint(in, &varint);
    unsigned bits = 0;
    for (; rc == 0 && at < in->at; at++)
        bits |= *at & 0x7f;
    *value = bits != 0;
    return rc;
}

static bool read_scalar(struct wire_reader *in, struct msg_value *value)
{
    uint64_t bits;
    switch (value->type) {
    case MSG_INTEGER:
        if (wire_read_varint(in, &bits) != 0)
            return false;
        value->integer = (int64_t)bits;
        return true;
    case MSG_DOUBLE:
        if (wire_read_fixed64(in, &bits) != 0)
            return false;
        memcpy(&value->number, &bits, sizeof(value->number));
        return true;
    default:
        return read_bool(in, &value->boolean) == 0;
    }
}

static bool next_packed(struct msg_values *values, struct msg_value *value)
{
    struct wire_reader in = {values->packed_at, values->packed_end};
    if (in.at == in.end || !read_scalar(&in, value))
        return false;
    values->packed_at = in.at;
    return true;
}

/* A member of the wanted array, which is packed when a scalar comes as bytes. */
static bool read_member_value(struct wire_reader *in, uint32_t tag, struct msg_values *values,
                              struct msg_value *value)
{
    if (value->type <= MSG_BYTES)
        return wire_read_bytes(in, &value->slice) == 0;
    if ((tag & 7) != WIRE_BYTES)
        return read_scalar(in, value);
    struct msg_slice packed;
    if (wire_read_bytes(in, &packed) != 0)
        return false;
    values->packed_at = (const uint8_t *)packed.ptr;
    values->packed_end = values->packed_at + packed.len;
    return next_packed(values, value);
}

bool msg_values_next(struct msg_values *values, struct msg_value *value)
{
    const struct msg_field *field = values->field;
    value->type = field->value_type;
    if (values->packed_at != values->packed_end && next_packed(values, value))
        return true;
    struct wire_reader in = {values->at, field->bytes + field->size};
    bool found = false;
    while (!found && in.at < in.end) {
        uint32_t tag;
        if (wire_read_tag(&in, &tag) != 0)
            break;
        if (tag >> 3 == (uint32_t)field->value_type + (TAG_STRING >> 3))
            found = read_member_value(&in, tag, values, value); /* false: packed and empty */
        else if (wire_skip(&in, tag) != 0)
            break;
    }
    values->at = in.at;
    return found;
}

static bool value_at(const struct msg_field *field, uint32_t index, struct msg_value *value)
{
    if (index >= field->value_count)
        return false;
    struct msg_values values;
    msg_values_init(&values, field);
    bool found = msg_values_next(&values, value);
    for (uint32_t i = 0; found && i < index; i++)
        found = msg_values_next(&values, value);
    return found;
}

bool msg_field_slice(const struct msg_field *field, uint32_t index, struct msg_slice *value)
{
    struct msg_value found;
    if (field->value_type > MSG_BYTES || !value_at(field, index, &found))
        return false;
    *value = found.slice;
    return true;
}

bool msg_field_integer(const struct msg_field *field, uint32_t index, int64_t *value)
{
    struct msg_value found;
    if (field->value_type != MSG_INTEGER || !value_at(field, index, &found))
        return false;
    *value = found.integer;
    return true;
}

bool msg_field_double(const struct msg_field *field, uint32_t index, double *value)
{
    struct msg_value found;
    if (field->value_type != MSG_DOUBLE || !value_at(field, index, &found))
        return false;
    *value = found.number;
    return true;
}

bool msg_field_bool(const struct msg_field *field, uint32_t index, bool *value)
{
    struct msg_value found;
    if (field->value_type != MSG_BOOL || !value_at(field, index, &found))
        return false;
    *value = found.boolean;
    return true;
}

/* ---- uuid ---- */

void msg_uuid_text(const uint8_t uuid[MSG_UUID_SIZE], char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < MSG_UUID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = digits[uuid[i] >> 4];
        *text++ = digits[uuid[i] & 15];
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool msg_uuid_parse(const char *text, size_t len, uint8_t uuid[MSG_UUID_SIZE])
{
    if (len != MSG_UUID_TEXT_LEN)
        return false;
    for (unsigned i = 0; i < MSG_UUID_SIZE; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
            return false;
        int high = hex_value(text[0]), low = hex_value(text[1]);
        if (high < 0 || low < 0)
            return false;
        uuid[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return true;
}

void msg_uuid_from_random(uint8_t uuid[MSG_UUID_SIZE], uint64_t random_a, uint64_t random_b)
{
    memcpy(uuid, &random_a, 8);
    memcpy(uuid + 8, &random_b, 8);
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40); /* version 4 */
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80); /* RFC 9562 variant */
}
