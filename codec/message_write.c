/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/message_write.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/message_template.h"

static const struct header {
    const char *name;
    enum msg_member member;
    bool is_number;
} headers[] = {
    {"Uuid", MSG_MEMBER_UUID, false},
    {"Timestamp", MSG_MEMBER_TIMESTAMP, true},
    {"Type", MSG_MEMBER_TYPE, false},
    {"Logger", MSG_MEMBER_LOGGER, false},
    {"Severity", MSG_MEMBER_SEVERITY, true},
    {"Payload", MSG_MEMBER_PAYLOAD, false},
    {"EnvVersion", MSG_MEMBER_ENV_VERSION, false},
    {"Pid", MSG_MEMBER_PID, true},
    {"Hostname", MSG_MEMBER_HOSTNAME, false},
};

static const struct header *find_header(struct msg_slice name)
{
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (strlen(headers[i].name) == name.len && memcmp(headers[i].name, name.ptr, name.len) == 0)
            return &headers[i];
    }
    return NULL;
}

static int refuse(const char **reason, const char *text)
{
    *reason = text;
    return -EINVAL;
}

/* ---- header members ---- */

/* Decimal, 0x hexadecimal or 0 octal, the whole text. */
static bool read_integer(struct msg_slice text, int64_t *integer)
{
    enum { DIGITS_MAX = 31 };
    char digits[DIGITS_MAX + 1];
    char *end;
    if (text.len == 0 || text.len > DIGITS_MAX || (*text.ptr > 0 && *text.ptr <= ' '))
        return false;
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    errno = 0;
    *integer = strtoll(digits, &end, 0);
    return errno == 0 && end == digits + text.len;
}

static bool is_within(double number, double min, double max)
{
    return number >= min && number < max; /* a fraction is cut off; NaN is neither */
}

#define INT64_LIMIT 9223372036854775808.0 /* 2^63 */

static int write_number(struct msg_edit *edit, const struct header *header, double number,
                        const char **reason)
{
    bool is_wide = header->member == MSG_MEMBER_TIMESTAMP;
    if (!header->is_number)
        return refuse(reason, "a number for a member that is a text");
    if (is_wide ? !is_within(number, -INT64_LIMIT, INT64_LIMIT)
                : !is_within(trunc(number), INT32_MIN, INT32_MAX + 1.0))
        return refuse(reason, "the number is out of range");
    return msg_edit_number(edit, header->member, (int64_t)number);
}

static int write_number_text(struct msg_edit *edit, const struct header *header,
                             const struct message_write *write, const struct time_parser *times,
                             int64_t now_ns, const char **reason)
{
    int64_t integer = 0;
    int32_t number;
    if (header->member != MSG_MEMBER_TIMESTAMP) {
        if (!message_template_number(write->string.ptr, write->string.len, &number))
            return refuse(reason, "the text is not a number of 32 bits");
        return msg_edit_number(edit, header->member, number);
    }
    if (!read_integer(write->string, &integer) &&
        (times == NULL || write->string.len == 0 ||
         time_parser_parse(times, write->string.ptr, write->string.len, now_ns, &integer) < 0))
        return refuse(reason, "the text is neither a number nor a time");
    return msg_edit_number(edit, header->member, integer);
}

static int write_text(struct msg_edit *edit, const struct header *header, struct msg_slice text,
                      const char **reason)
{
    uint8_t uuid[MSG_UUID_SIZE];
    if (text.len > 0)
        text.len = (uint32_t)strnlen(text.ptr, text.len); /* cut at a NUL, as Heka does */
    if (header->member == MSG_MEMBER_UUID) {
        if (!msg_uuid_parse(text.ptr, text.len, uuid))
            return refuse(reason, "the text is not a UUID");
        text = (struct msg_slice){(const char *)uuid, sizeof(uuid)};
    }
    return msg_edit_text(edit, header->member, text);
}

/* ---- fields ---- */

/* The value as the field has to have it: of the type that it has, or of Lua's. */
static int value_of(const struct msg_edit *edit, const struct message_write *write,
                    struct msg_slice name, struct msg_value *value, const char **reason)
{
    struct msg_field field;
    bool is_there = msg_edit_find(edit, name, write->field_index, &field);
    enum msg_value_type type = is_there ? field.value_type : MSG_STRING;
    if (write->kind == WRITE_STRING) {
        *value = (struct msg_value){.type = is_there && type == MSG_BYTES ? MSG_BYTES : MSG_STRING,
                                    .slice = write->string};
    } else if (write->kind == WRITE_BOOL) {
        *value = (struct msg_value){.type = MSG_BOOL, .boolean = write->boolean};
    } else if (is_there && type == MSG_INTEGER) {
        if (!is_within(write->number, -INT64_LIMIT, INT64_LIMIT) ||
            trunc(write->number) != write->number)
            return refuse(reason, "the field takes whole numbers of 64 bits only");
        *value = (struct msg_value){.type = MSG_INTEGER, .integer = (int64_t)write->number};
    } else {
        *value = (struct msg_value){.type = MSG_DOUBLE, .number = write->number};
    }
    return 0;
}

/* A field that is not there is deleted already; a field or value beyond the last is an error. */
static int delete_part(struct msg_edit *edit, const struct message_write *write,
                       struct msg_slice name, const char **reason)
{
    const struct msg_place place = {name, write->field_index, write->value_index};
    struct msg_field field;
    if (!msg_edit_find(edit, name, 0, &field))
        return 0;
    int rc = write->has_value_index ? msg_edit_clear_value(edit, &place)
                                    : msg_edit_clear_field(edit, name, write->field_index);
    if (rc == 0)
        return refuse(reason, "field or value index beyond the last");
    return rc < 0 ? rc : 0;
}

static int write_field(struct msg_edit *edit, const struct message_write *write,
                       struct msg_slice name, const char **reason)
{
    struct msg_place place = {name, write->field_index, write->value_index};
    struct msg_value value;
    if (write->kind == WRITE_NIL)
        return delete_part(edit, write, name, reason);
    int rc = value_of(edit, write, name, &value, reason);
    return rc < 0 ? rc : msg_edit_value(edit, &place, &value, &write->representation);
}

/* ---- all ---- */

/* "Fields[name]". */
static bool is_field(struct msg_slice name, struct msg_slice *field)
{
    static const char start[] = "Fields[";
    enum { START = sizeof(start) - 1 };
    if (name.len <= START || memcmp(name.ptr, start, START) != 0 || name.ptr[name.len - 1] != ']')
        return false;
    *field = (struct msg_slice){name.ptr + START, name.len - START - 1};
    return true;
}

static const char *reason_of(int rc)
{
    if (rc == -ENOSPC)
        return "the message gets too large";
    return rc == -EINVAL ? "not for this member" : msg_error_text(rc);
}

static int write_header(struct msg_edit *edit, const struct message_write *write,
                        const struct time_parser *times, int64_t now_ns, const char **reason)
{
    const struct header *header = find_header(write->name);
    if (header == NULL)
        return refuse(reason, "no such member");
    switch (write->kind) {
    case WRITE_NIL:
        return refuse(reason, "a member of the header cannot be deleted");
    case WRITE_BOOL:
        return refuse(reason, "a boolean is for fields only");
    case WRITE_NUMBER:
        return write_number(edit, header, write->number, reason);
    default:
        return header->is_number ? write_number_text(edit, header, write, times, now_ns, reason)
                                 : write_text(edit, header, write->string, reason);
    }
}

int message_write(struct msg_edit *edit, const struct message_write *write,
                  const struct time_parser *times, int64_t now_ns, const char **reason)
{
    struct msg_slice field;
    *reason = NULL;
    int rc = is_field(write->name, &field) ? write_field(edit, write, field, reason)
                                           : write_header(edit, write, times, now_ns, reason);
    if (rc < 0 && *reason == NULL)
        *reason = reason_of(rc);
    return rc;
}
