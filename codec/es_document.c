/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/es_document.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "codec/strftime.h"

static const char *const member_names[ES_MEMBER_COUNT] = {
    [ES_UUID] = "Uuid",           [ES_TIMESTAMP] = "Timestamp",
    [ES_TYPE] = "Type",           [ES_LOGGER] = "Logger",
    [ES_SEVERITY] = "Severity",   [ES_PAYLOAD] = "Payload",
    [ES_ENV_VERSION] = "EnvVersion", [ES_PID] = "Pid",
    [ES_HOSTNAME] = "Hostname",   [ES_DYNAMIC_FIELDS] = "DynamicFields",
};

/* ---- options ---- */

static int find_member(const char *name)
{
    if (strcasecmp(name, "fields") == 0) /* an older name */
        return ES_DYNAMIC_FIELDS;
    for (int i = 0; i < ES_MEMBER_COUNT; i++)
        if (strcasecmp(member_names[i], name) == 0)
            return i;
    return -1;
}

int es_members_parse(const struct es_options *options, struct es_members *members, struct err *err)
{
    const char *const *names = options->fields.items;
    bool has_dynamic = false;
    int rc = 0;
    members->count = 0;
    if (options->fields.count > ES_MEMBERS_MAX)
        return err_add(err, "fields: found %zu, allowed up to %d", options->fields.count,
                       ES_MEMBERS_MAX);
    for (size_t i = 0; i < options->fields.count; i++) {
        int member = find_member(names[i]);
        if (member < 0)
            rc = err_add(err,
                         "Unsupported value \"%s\" in 'fields' list, must be one of Uuid, "
                         "Timestamp, Type, Logger, Severity, Payload, EnvVersion, Pid, Hostname, "
                         "DynamicFields",
                         names[i]);
        else
            members->list[members->count++] = (enum es_member)member;
        has_dynamic |= member == ES_DYNAMIC_FIELDS;
    }
    if (options->dynamic_fields.count > 0 && !has_dynamic)
        rc = err_add(err,
                     "\"DynamicFields\" must be in 'fields' list if using 'dynamic_fields'");
    return rc;
}

/* ---- members ---- */

void es_put_name(struct es_object *object, struct msg_slice name)
{
    if (object->has_members)
        text_string(object->text, ",");
    object->has_members = true;
    text_json_string_hex(object->text, name);
    text_string(object->text, ":");
}

static struct msg_slice slice_of(const char *text)
{
    return (struct msg_slice){text, (uint32_t)strlen(text)};
}

void es_put_string(struct es_object *object, const char *name, struct msg_slice value)
{
    es_put_name(object, slice_of(name));
    text_json_string_hex(object->text, value);
}

static void put_time(struct es_object *object, const char *name, const struct es_options *options,
                     int64_t time_ns)
{
    struct buffer value = {0};
    int rc = strftime_append(&value, options->timestamp, time_ns, STRFTIME_UTC);
    if (rc == 0)
        es_put_string(object, name, (struct msg_slice){value.data, (uint32_t)value.size});
    else if (object->text->rc == 0)
        object->text->rc = rc;
    buffer_fini(&value);
}

static void put_number(struct es_object *object, const char *name, int32_t value)
{
    es_put_name(object, slice_of(name));
    text_printf(object->text, "%d", value);
}

void es_put_member(struct es_object *object, enum es_member member, const char *name,
                   const struct es_options *options, const struct msg_view *message)
{
    char uuid[MSG_UUID_TEXT_LEN];
    switch (member) {
    case ES_UUID:
        msg_uuid_text(message->uuid, uuid);
        es_put_string(object, name, (struct msg_slice){uuid, sizeof(uuid)});
        break;
    case ES_TIMESTAMP:
        put_time(object, name, options, message->timestamp_ns);
        break;
    case ES_LOGGER:
        es_put_string(object, name, message->logger);
        break;
    case ES_SEVERITY:
        put_number(object, name, message->severity);
        break;
    case ES_PAYLOAD:
        es_put_string(object, name, message->payload);
        break;
    case ES_ENV_VERSION:
        es_put_string(object, name, message->env_version);
        break;
    case ES_PID:
        put_number(object, name, message->pid);
        break;
    case ES_HOSTNAME:
        es_put_string(object, name, message->hostname);
        break;
    case ES_TYPE:
    case ES_DYNAMIC_FIELDS:
    case ES_MEMBER_COUNT:
        break;
    }
}

/* ---- message fields ---- */

static bool is_listed(const struct schema_list *names, struct msg_slice name)
{
    const char *const *list = names->items;
    for (size_t i = 0; i < names->count; i++)
        if (strlen(list[i]) == name.len && memcmp(list[i], name.ptr, name.len) == 0)
            return true;
    return false;
}

static void put_field_name(struct es_object *object, struct msg_slice name, const char *instead)
{
    struct buffer replaced = {0};
    if (strcmp(instead, ".") == 0 || memchr(name.ptr, '.', name.len) == NULL) {
        es_put_name(object, name);
        return;
    }
    struct text text = text_start(&replaced);
    for (uint32_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '.')
            text_string(&text, instead);
        else
            text_bytes(&text, name.ptr + i, 1);
    }
    es_put_name(object, (struct msg_slice){replaced.data, (uint32_t)replaced.size});
    if (object->text->rc == 0)
        object->text->rc = text.rc;
    buffer_fini(&replaced);
}

/* JSON as it is, but in one line: outside of its strings a newline is a blank, inside there is
 * none. */
static void put_raw(struct text *text, struct msg_slice value)
{
    size_t start = text->out->size;
    if (value.len == 0) {
        text_string(text, "null");
        return;
    }
    text_slice(text, value);
    for (size_t i = start; i < text->out->size; i++)
        if (text->out->data[i] == '\n' || text->out->data[i] == '\r')
            text->out->data[i] = ' ';
}

static void put_base64(struct text *text, struct msg_slice value)
{
    text_string(text, "\"");
    text_base64(text, value);
    text_string(text, "\"");
}

static void put_value(struct text *text, const struct msg_value *value, bool is_raw, bool is_list)
{
    bool is_text = value->type == MSG_STRING || value->type == MSG_BYTES;
    if (is_text && is_raw)
        put_raw(text, value->slice);
    else if (value->type == MSG_BYTES && is_list)
        put_base64(text, value->slice);
    else if (is_text)
        text_json_string_hex(text, value->slice);
    else if (value->type == MSG_DOUBLE && !isfinite(value->number))
        text_string(text, "null"); /* JSON has no such numbers */
    else
        text_number(text, value);
}

static void put_field(struct es_object *object, const struct es_options *options,
                      const struct msg_field *field)
{
    struct msg_values values;
    struct msg_value value;
    bool is_raw = is_listed(&options->raw_bytes_fields, field->name);
    bool is_list = field->value_count > 1;
    const char *comma = "";
    put_field_name(object, field->name, options->replace_dots_with);
    text_string(object->text, is_list ? "[" : field->value_count == 0 ? "null" : "");
    msg_values_init(&values, field);
    for (; msg_values_next(&values, &value); comma = ",") {
        text_string(object->text, comma);
        put_value(object->text, &value, is_raw, is_list);
    }
    text_string(object->text, is_list ? "]" : "");
}

void es_put_fields(struct es_object *object, const struct es_options *options,
                   const struct msg_view *message)
{
    struct msg_field field;
    for (bool more = msg_field_first(message, &field); more; more = msg_field_next(message, &field))
        if (options->dynamic_fields.count == 0 || is_listed(&options->dynamic_fields, field.name))
            put_field(object, options, &field);
}
