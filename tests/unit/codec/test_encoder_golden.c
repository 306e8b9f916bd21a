/* SPDX-License-Identifier: MPL-2.0
 *
 * test_encoder_golden.c - tests/golden/encoder: a message and an encoder with options, to bytes.
 *
 * NAME.in is TOML: `encoder`, `zone` (TZ), [options] as in a configuration, [message] with the
 * header members, and one [field.N] for each field (name, type, representation, values as strings).
 * NAME.expect: what the encoder appends, or one "refused: " line for each error in the options.
 *
 * [option PayloadEncoder.append_newlines] [option PayloadEncoder.prefix_ts]
 * [option PayloadEncoder.ts_format]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "codec/encoder.h"
#include "core/heka.pb-c.h"
#include "tests/support/golden.h"

enum { FIELDS_MAX = 16, VALUES_MAX = 16, MESSAGE_MAX = 4096 };

struct case_field {
    Heka__Field field;
    char *strings[VALUES_MAX];
    ProtobufCBinaryData bytes[VALUES_MAX];
    int64_t integers[VALUES_MAX];
    double doubles[VALUES_MAX];
    protobuf_c_boolean bools[VALUES_MAX];
};

struct case_message {
    Heka__Message message;
    Heka__Field *field_list[FIELDS_MAX];
    struct case_field fields[FIELDS_MAX];
    uint8_t uuid[MSG_UUID_SIZE];
};

/* protobuf-c's structs want strings that could be changed; they are not. */
static char *text_of(const struct conf_node *table, const char *key)
{
    const struct conf_node *node = conf_get(table, key);
    union {
        const char *in;
        char *out;
    } text = {.in = NULL};
    if (node != NULL) {
        assert_int_equal(node->type, CONF_STRING);
        text.in = node->str;
    }
    return text.out;
}

static bool integer_of(const struct conf_node *table, const char *key, int64_t *value)
{
    const struct conf_node *node = conf_get(table, key);
    if (node == NULL)
        return false;
    assert_int_equal(node->type, CONF_INT);
    *value = node->i;
    return true;
}

static void read_uuid(const char *text, uint8_t *uuid)
{
    assert_int_equal(strlen(text), MSG_UUID_TEXT_LEN);
    for (unsigned i = 0; i < MSG_UUID_SIZE; i++) {
        text += *text == '-';
        char pair[3] = {text[0], text[1], '\0'};
        uuid[i] = (uint8_t)strtoul(pair, NULL, 16);
        text += 2;
    }
}

static void read_value(const struct conf_node *node, struct case_field *into)
{
    Heka__Field *field = &into->field;
    assert_int_equal(node->type, CONF_STRING);
    union {
        const char *in;
        char *out;
    } text = {.in = node->str};
    switch (field->value_type) {
    case HEKA__FIELD__VALUE_TYPE__STRING:
        into->strings[field->n_value_string++] = text.out;
        break;
    case HEKA__FIELD__VALUE_TYPE__BYTES:
        into->bytes[field->n_value_bytes++] =
            (ProtobufCBinaryData){node->str_len, (uint8_t *)text.out};
        break;
    case HEKA__FIELD__VALUE_TYPE__INTEGER:
        into->integers[field->n_value_integer++] = strtoll(node->str, NULL, 10);
        break;
    case HEKA__FIELD__VALUE_TYPE__DOUBLE:
        into->doubles[field->n_value_double++] = strtod(node->str, NULL);
        break;
    default:
        into->bools[field->n_value_bool++] = strcmp(node->str, "true") == 0;
    }
}

static void read_field(const struct conf_node *table, struct case_field *into)
{
    static const char *const types[] = {"string", "bytes", "integer", "double", "bool"};
    const char *type = text_of(table, "type");
    heka__field__init(&into->field);
    into->field.name = text_of(table, "name");
    into->field.representation = text_of(table, "representation");
    into->field.has_value_type = true;
    while (strcmp(types[into->field.value_type], type) != 0)
        assert_true(++into->field.value_type <= HEKA__FIELD__VALUE_TYPE__BOOL);
    into->field.value_string = into->strings;
    into->field.value_bytes = into->bytes;
    into->field.value_integer = into->integers;
    into->field.value_double = into->doubles;
    into->field.value_bool = into->bools;
    const struct conf_node *values = conf_get(table, "values");
    assert_true(values->count <= VALUES_MAX);
    for (const struct conf_node *value = values->first; value != NULL; value = value->next)
        read_value(value, into);
}

static void read_message(const struct conf_node *root, struct case_message *into)
{
    const struct conf_node *table = conf_get(root, "message");
    const struct conf_node *fields = conf_get(root, "field");
    Heka__Message *message = &into->message;
    int64_t value;
    heka__message__init(message);
    read_uuid(text_of(table, "uuid"), into->uuid);
    message->uuid = (ProtobufCBinaryData){MSG_UUID_SIZE, into->uuid};
    assert_true(integer_of(table, "timestamp", &message->timestamp));
    message->type = text_of(table, "type");
    message->logger = text_of(table, "logger");
    message->payload = text_of(table, "payload");
    message->env_version = text_of(table, "env_version");
    message->hostname = text_of(table, "hostname");
    if ((message->has_severity = integer_of(table, "severity", &value)))
        message->severity = (int32_t)value;
    if ((message->has_pid = integer_of(table, "pid", &value)))
        message->pid = (int32_t)value;
    message->fields = into->field_list;
    for (const struct conf_node *field = fields ? fields->first : NULL; field;
         field = field->next) {
        assert_true(message->n_fields < FIELDS_MAX);
        read_field(field, &into->fields[message->n_fields]);
        into->field_list[message->n_fields] = &into->fields[message->n_fields].field;
        message->n_fields++;
    }
}

static void encode(const struct encoder_ops *ops, const void *config, const struct conf_node *root,
                   struct buffer *out, struct err *err)
{
    struct case_message *message = calloc(1, sizeof(*message));
    uint8_t bytes[MESSAGE_MAX];
    struct msg_view view;
    read_message(root, message);
    size_t size = heka__message__get_packed_size(&message->message);
    assert_true(size <= sizeof(bytes));
    heka__message__pack(&message->message, bytes);
    assert_int_equal(msg_view_init(&view, bytes, size), 0);
    void *state = calloc(1, ops->plugin.state_size + 1);
    if (ops->init == NULL || ops->init(state, config, "encoder", err) == 0)
        assert_int_equal(ops->encode(state, config, &view, out), 0);
    if (ops->fini != NULL)
        ops->fini(state);
    free(state);
    free(message);
}

static void run(const char *name, const struct buffer *in, struct buffer *out)
{
    struct err *err = calloc(1, sizeof(*err));
    struct conf_doc *doc = NULL;
    if (toml_parse(in->data, in->size, name, NULL, &doc, err) != 0)
        fail_msg("%s", err->texts[0]);
    const struct conf_node *root = conf_root(doc);
    const char *encoder = text_of(root, "encoder");
    const struct encoder_ops *ops = encoder_by_name(encoder);
    assert_non_null(ops);
    const char *zone = text_of(root, "zone");
    setenv("TZ", zone != NULL ? zone : "UTC0", 1);
    tzset();
    void *config = calloc(1, ops->plugin.config_size + 1);
    schema_apply(ops->plugin.schema, conf_get(root, "options"), encoder, NULL, doc, config, err);
    if (err->count == 0)
        encode(ops, config, root, out, err);
    for (unsigned i = 0; i < err->count; i++)
        buffer_printf(out, "refused: %s\n", err->texts[i]);
    free(config);
    free(err);
    conf_doc_free(doc);
}

static void test_golden_encoders(void **state)
{
    (void)state;
    assert_int_equal(golden_run("encoder", 34, run), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_encoders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
