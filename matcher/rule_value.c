/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/rule_value.h"

static void set_slice(struct rule_value *value, struct msg_slice slice)
{
    value->kind = RULE_VALUE_STRING;
    value->text = slice.ptr ? slice.ptr : "";
    value->len = slice.len;
}

static void set_number(struct rule_value *value, double number)
{
    value->kind = RULE_VALUE_NUMBER;
    value->number = number;
}

static void get_field(const struct rule_test *test, const struct msg_view *message,
                      struct rule_value *value)
{
    struct msg_field field;
    struct msg_slice slice;
    int64_t integer;
    double number;

    value->kind = RULE_VALUE_ABSENT;
    if (!msg_field_find(message, test->name, test->name_len, test->field_index, &field))
        return;
    if (msg_field_slice(&field, test->value_index, &slice))
        set_slice(value, slice);
    else if (msg_field_integer(&field, test->value_index, &integer))
        set_number(value, (double)integer);
    else if (msg_field_double(&field, test->value_index, &number))
        set_number(value, number);
    else if (msg_field_bool(&field, test->value_index, &value->boolean))
        value->kind = RULE_VALUE_BOOLEAN;
}

void rule_value_get(const struct rule_test *test, const struct msg_view *message,
                    struct rule_value *value)
{
    switch (test->variable) {
    case RULE_UUID:
        msg_uuid_text(message->uuid, value->uuid);
        set_slice(value, (struct msg_slice){value->uuid, MSG_UUID_TEXT_LEN});
        return;
    case RULE_TYPE:
        set_slice(value, message->type);
        return;
    case RULE_LOGGER:
        set_slice(value, message->logger);
        return;
    case RULE_PAYLOAD:
        set_slice(value, message->payload);
        return;
    case RULE_ENV_VERSION:
        set_slice(value, message->env_version);
        return;
    case RULE_HOSTNAME:
        set_slice(value, message->hostname);
        return;
    case RULE_TIMESTAMP:
        set_number(value, (double)message->timestamp_ns);
        return;
    case RULE_SEVERITY:
        set_number(value, message->severity);
        return;
    case RULE_PID:
        set_number(value, message->pid);
        return;
    case RULE_FIELD:
    case RULE_VARIABLES:
        get_field(test, message, value);
    }
}
