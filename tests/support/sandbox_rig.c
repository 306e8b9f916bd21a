/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/sandbox_rig.h"

#include <string.h>

#include "codec/message_json.h"
#include "core/check.h"

static enum sandbox_inject inject_message(void *host, const void *message, size_t size)
{
    struct sandbox_rig *rig = host;
    struct msg_view view;
    rig->injected_count++;
    CHECK(msg_view_init(&view, message, size) == 0);
    if (rig->log.size > (1 << 20)) /* a flood is counted and not kept */
        return rig->answer;
    CHECK(buffer_append_text(&rig->log, "inject ") == 0 && message_json(&view, &rig->log) == 0 &&
          buffer_append_text(&rig->log, "\n") == 0);
    return rig->answer;
}

static bool is_name(struct msg_slice name, const char *text)
{
    return name.len == strlen(text) && memcmp(name.ptr, text, name.len) == 0;
}

static void read_config(void *host, struct msg_slice name, struct sandbox_value *value)
{
    (void)host;
    if (is_name(name, "text"))
        *value = (struct sandbox_value){.kind = SANDBOX_STRING, .string = {"a text", 6}};
    else if (is_name(name, "number"))
        *value = (struct sandbox_value){.kind = SANDBOX_NUMBER, .number = 2.5};
    else if (is_name(name, "yes"))
        *value = (struct sandbox_value){.kind = SANDBOX_BOOL, .boolean = true};
}

static void log_text(void *host, const char *text)
{
    struct sandbox_rig *rig = host;
    CHECK(buffer_printf(&rig->log, "log %s\n", text) == 0);
}

static int64_t now_ns(void *host)
{
    (void)host;
    return INT64_C(1700000000123456789);
}

static uint64_t random_word(void *host)
{
    struct sandbox_rig *rig = host;
    return ++rig->random;
}

static void build_message(struct sandbox_rig *rig)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {1, 2,  3,  4,  5,  6,  7,  8,
                                                9, 10, 11, 12, 13, 14, 15, 16};
    /* Fields[list] = "a", "b" */
    static const uint8_t list[] = {0x52, 0x0E, 0x0A, 4, 'l', 'i',  's', 't',
                                   0x10, 0,    0x22, 1, 'a', 0x22, 1,   'b'};
    struct msg_builder builder;
    msg_builder_init(&builder, rig->message, sizeof(rig->message));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, INT64_C(1500000000000000000));
    msg_builder_type(&builder, "TEST", 4);
    msg_builder_logger(&builder, "GoSpec", 6);
    msg_builder_severity(&builder, 6);
    msg_builder_payload(&builder, "Test Payload", 12);
    msg_builder_pid(&builder, 1234);
    msg_builder_hostname(&builder, "host.example.com", 16);
    msg_builder_field_string(&builder, "text", "bar", 3, "");
    msg_builder_field_bytes(&builder, "bytes", "data", 4, "");
    msg_builder_field_integer(&builder, "int", 999, "count");
    msg_builder_field_double(&builder, "number", 64.5, "km");
    msg_builder_field_bool(&builder, "bool", true, "");
    msg_builder_field_string(&builder, "text", "second", 6, "");
    msg_builder_field_bytes(&builder, "empty", "", 0, "");
    msg_builder_raw(&builder, list, sizeof(list));
    int64_t size = msg_builder_finish(&builder);
    CHECK(size > 0 && msg_view_init(&rig->view, rig->message, (size_t)size) == 0);
}

void sandbox_rig_init(struct sandbox_rig *rig)
{
    *rig = (struct sandbox_rig){.answer = SANDBOX_INJECT_OK};
    build_message(rig);
}

void sandbox_rig_fini(struct sandbox_rig *rig)
{
    buffer_fini(&rig->log);
}

struct sandbox_config sandbox_rig_config(struct sandbox_rig *rig, enum sandbox_type type,
                                         const char *script, const char *filename)
{
    return (struct sandbox_config){
        .type = type,
        .name = "plugin",
        .hostname = "rig.example.com",
        .pid = 77,
        .script = script,
        .script_filename = filename,
        .module_directory = "/nowhere;" TEST_SOURCE_DIR "/golden/sandbox/modules",
        .limits = sandbox_limits_default,
        .host = {.host = rig,
                 .inject_message = inject_message,
                 .read_config = read_config,
                 .log = log_text,
                 .now_ns = now_ns,
                 .random = random_word},
    };
}

const char *sandbox_outcome_name(enum sandbox_outcome outcome)
{
    static const char *const names[] = {"ok", "failed", "no_output", "terminated"};
    return names[outcome];
}

bool sandbox_rig_option(const char *script, const char *key, char *value, size_t size)
{
    char start[64];
    snprintf(start, sizeof(start), "\n-- %s: ", key);
    const char *at = strstr(script, start);
    if (at == NULL)
        return false;
    at += strlen(start);
    snprintf(value, size, "%.*s", (int)strcspn(at, "\n"), at);
    return true;
}
