/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_es_names.c - names with %{...} and messages with any text: each pair of lines of the
 *                   encoders is two lines of valid JSON.
 *
 * Up to the first NUL: index, type_name and id; behind it: what the message has in all its texts.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "codec/encoder.h"
#include "core/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAME_SIZE = 256, TEXT_MAX = 2048, MESSAGE_SIZE = 32768 };

static size_t make_message(uint8_t bytes[MESSAGE_SIZE], const char *text, size_t size)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {1};
    struct msg_builder builder;
    msg_builder_init(&builder, bytes, MESSAGE_SIZE);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, (int64_t)size * 1000000007);
    msg_builder_type(&builder, text, size);
    msg_builder_logger(&builder, text, size);
    msg_builder_payload(&builder, text, size);
    msg_builder_hostname(&builder, text, size);
    msg_builder_field_string(&builder, "field", text, size, NULL);
    msg_builder_field_bytes(&builder, "a.b", text, size, NULL);
    CHECK(msg_builder_finish(&builder) > 0);
    return builder.size;
}

/* Members may come twice: a field can be called as a header. */
static void check_line(const char *line, size_t size)
{
    json_error_t error;
    json_t *root = json_loadb(line, size, JSON_ALLOW_NUL, &error);
    CHECK(json_is_object(root));
    json_decref(root);
}

static void run(const struct encoder_ops *ops, const char *name, const struct msg_view *message)
{
    struct buffer out = {.size = 0};
    void *config = calloc(1, ops->plugin.config_size), *state = calloc(1, ops->plugin.state_size);
    struct conf_doc *doc = NULL;
    CHECK(config != NULL && state != NULL && toml_parse("", 0, "", NULL, &doc, NULL) == 0);
    CHECK(schema_apply(ops->plugin.schema, NULL, "x", NULL, doc, config, NULL) == 0);
    const char **names = config; /* index, type_name, id: the first members */
    names[0] = names[1] = names[2] = name;
    CHECK(ops->init(state, config, "encoder", NULL) == 0);
    CHECK(ops->encode(state, config, message, &out) == 0);
    const char *end = memchr(out.data, '\n', out.size);
    CHECK(end != NULL && out.data[out.size - 1] == '\n');
    size_t first = (size_t)(end - out.data);
    check_line(out.data, first);
    CHECK(memchr(end + 1, '\n', out.size - first - 2) == NULL);
    check_line(end + 1, out.size - first - 2);
    buffer_fini(&out);
    conf_doc_free(doc);
    free(config);
    free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[MESSAGE_SIZE];
    char name[NAME_SIZE];
    struct msg_view message;
    const char *text = (const char *)data;
    size_t len = size > 0 ? strnlen(text, size) : 0;
    if (len >= sizeof(name) || size - len > TEXT_MAX)
        return 0;
    memcpy(name, text, len);
    name[len] = '\0';
    size_t rest = size > len ? size - len - 1 : 0;
    size_t made = make_message(bytes, text + len + (size > len), rest);
    CHECK(msg_view_init(&message, bytes, made) == 0);
    run(&es_json_encoder, name, &message);
    run(&es_logstash_v0_encoder, name, &message);
    return 0;
}
