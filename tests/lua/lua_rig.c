/* SPDX-License-Identifier: MPL-2.0
 *
 * lua_rig.c - runs Lua plugins on given messages and says what comes of them.
 *
 *     lua_rig < CASES > RESULTS
 *
 * CASES is a JSON array of {"kind": "decoder|encoder|filter", "script": PATH, "modules": FOLDERS,
 * "config": {OPTION: VALUE}, "limits": {LIMIT: NUMBER}, "steps": [STEP]}. A STEP is
 * {"message": HEX}, {"tick": NS}, {"now": NS}, or {"restart": {OPTION: VALUE}}: another instance
 * with that configuration, and perhaps "script" and "modules" of its own, which gets the state of
 * the one before.
 * RESULTS has a line of JSON for each: {"init": TEXT, "steps": [{"outcome", "status", "text",
 * "injected": [MESSAGE], "logged": [TEXT], "result": MESSAGE or TEXT}]}. Messages are as
 * codec/message_json.h writes them.
 *
 * Place:   tests/lua; a program of its own, so that other people's scripts can be run, too.
 * Threads: one.
 * Failure: CASES that are none end it with a text.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/message_json.h"
#include "core/check.h"
#include "sandbox/sandbox.h"

enum { MESSAGE_SIZE = 128 * 1024, INSTRUCTIONS = 10 * 1000 * 1000 };

struct rig {
    const json_t *config;
    struct sandbox_config sandbox;
    int64_t now_ns;
    uint64_t random;
    struct buffer injected, logged; /* members of JSON arrays */
};

static void put(struct buffer *out, const char *text)
{
    CHECK(buffer_append_text(out, text) == 0);
}

static void put_bytes(struct buffer *out, const char *bytes, size_t size)
{
    json_t *string = json_stringn(bytes, size);
    char *text = string != NULL ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    put(out, text != NULL ? text : "\"(not UTF-8)\"");
    free(text);
    json_decref(string);
}

static void put_message(struct buffer *out, const void *bytes, size_t size)
{
    struct msg_view view;
    if (msg_view_init(&view, bytes, size) == 0)
        CHECK(message_json(&view, out) == 0);
    else
        put_bytes(out, bytes, size);
}

/* ---- the host ---- */

enum { NOW_S = 1700000000 };

/* LuaJIT's os.date() asks libc; so that results do not depend on the day, libc asks us. */
time_t time(time_t *now)
{
    if (now != NULL)
        *now = NOW_S;
    return NOW_S;
}

static enum sandbox_inject inject_message(void *host, const void *message, size_t size)
{
    struct rig *rig = host;
    if (rig->injected.size > 0)
        put(&rig->injected, ",");
    put_message(&rig->injected, message, size);
    return SANDBOX_INJECT_OK;
}

static void read_config(void *host, struct msg_slice name, struct sandbox_value *value)
{
    const struct rig *rig = host;
    char key[64];
    snprintf(key, sizeof(key), "%.*s", (int)name.len, (const char *)name.ptr);
    const json_t *option = json_object_get(rig->config, key);
    if (json_is_string(option)) {
        value->kind = SANDBOX_STRING;
        value->string.ptr = (const void *)json_string_value(option);
        value->string.len = (uint32_t)json_string_length(option);
    } else if (json_is_number(option)) {
        value->kind = SANDBOX_NUMBER;
        value->number = json_number_value(option);
    } else if (json_is_boolean(option)) {
        value->kind = SANDBOX_BOOL;
        value->boolean = json_is_true(option);
    }
}

static void log_text(void *host, const char *text)
{
    struct rig *rig = host;
    if (rig->logged.size > 0)
        put(&rig->logged, ",");
    put_bytes(&rig->logged, text, strlen(text));
}

static int64_t now_ns(void *host)
{
    const struct rig *rig = host;
    return rig->now_ns;
}

static uint64_t random_word(void *host)
{
    struct rig *rig = host;
    return ++rig->random;
}

/* ---- a case ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL) {
        fprintf(stderr, "lua_rig: a case without \"%s\"\n", key);
        exit(1);
    }
    return text;
}

static enum sandbox_type type_of(const char *kind)
{
    return strcmp(kind, "decoder") == 0   ? SANDBOX_DECODER
           : strcmp(kind, "encoder") == 0 ? SANDBOX_ENCODER
                                          : SANDBOX_FILTER;
}

static size_t from_hex(const char *text, uint8_t *bytes)
{
    size_t size = strlen(text) / 2;
    CHECK(size <= MESSAGE_SIZE);
    for (size_t i = 0; i < size; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return size;
}

static enum sandbox_outcome run_message(struct sandbox *sandbox, const char *hex)
{
    static uint8_t bytes[MESSAGE_SIZE];
    struct msg_view view;
    size_t size = from_hex(hex, bytes);
    CHECK(msg_view_init(&view, bytes, size) == 0);
    return sandbox_process_message(sandbox, &view);
}

static void put_list(struct buffer *out, const char *name, struct buffer *list)
{
    CHECK(buffer_printf(out, ",\"%s\":[", name) == 0);
    CHECK(buffer_append(out, list->data, list->size) == 0);
    put(out, "]");
    buffer_clear(list);
}

static void put_result(struct buffer *out, enum sandbox_type type, const struct sandbox *sandbox)
{
    if (type == SANDBOX_FILTER)
        return;
    struct msg_slice result =
        type == SANDBOX_ENCODER ? sandbox_output(sandbox) : sandbox_message(sandbox);
    put(out, ",\"result\":");
    put_message(out, result.ptr, result.len);
}

static void run_step(const json_t *step, struct sandbox *sandbox, struct rig *rig,
                     struct buffer *out)
{
    static const char *const outcomes[] = {"ok", "failed", "no_output", "terminated"};
    const json_t *message = json_object_get(step, "message");
    enum sandbox_outcome outcome;
    if (message != NULL)
        outcome = run_message(sandbox, json_string_value(message));
    else
        outcome = sandbox_timer_event(sandbox, json_integer_value(json_object_get(step, "tick")));
    CHECK(buffer_printf(out, "{\"outcome\":\"%s\",\"status\":%g,\"text\":", outcomes[outcome],
                        sandbox_status(sandbox)) == 0);
    put_bytes(out, sandbox_text(sandbox), strlen(sandbox_text(sandbox)));
    bool was_injected = rig->injected.size > 0;
    put_list(out, "injected", &rig->injected);
    put_list(out, "logged", &rig->logged);
    if (outcome == SANDBOX_OK && message != NULL && !was_injected)
        put_result(out, rig->sandbox.type, sandbox);
    put(out, "}");
}

/* 0, or -1 and `err`. */
static int restart(const json_t *step, struct sandbox **sandbox, struct rig *rig, struct err *err)
{
    struct buffer state = {0};
    if (json_object_get(step, "script") != NULL) {
        rig->sandbox.script_filename = text_of(step, "script");
        rig->sandbox.module_directory = text_of(step, "modules");
    }
    int rc = sandbox_preserve(*sandbox, &state, err);
    sandbox_free(*sandbox);
    *sandbox = NULL;
    rig->config = json_object_get(step, "restart");
    if (rc == 0)
        rc = sandbox_new(&rig->sandbox, sandbox, err);
    if (rc == 0)
        rc = sandbox_restore(*sandbox, state.data, state.size, err);
    buffer_fini(&state);
    return rc;
}

static void run_steps(const json_t *steps, struct sandbox **sandbox, struct rig *rig,
                      struct buffer *out)
{
    struct err err = {0};
    const char *comma = "";
    size_t i;
    json_t *step;
    json_array_foreach(steps, i, step)
    {
        const json_t *now = json_object_get(step, "now");
        if (now != NULL) {
            rig->now_ns = json_integer_value(now);
            continue;
        }
        if (json_object_get(step, "restart") == NULL) {
            put(out, comma);
            run_step(step, *sandbox, rig, out);
            comma = ",";
        } else if (restart(step, sandbox, rig, &err) != 0) {
            fprintf(stderr, "lua_rig: restart: %s\n", err.texts[0]);
            exit(1);
        }
    }
}

/* Heka's limits of a filter, but for more instructions; and those of the case. */
static struct sandbox_limits limits_of(const json_t *limits)
{
    struct sandbox_limits out = sandbox_limits_default;
    const json_t *memory = json_object_get(limits, "memory_limit");
    const json_t *instructions = json_object_get(limits, "instruction_limit");
    const json_t *output = json_object_get(limits, "output_limit");
    out.instruction_limit = INSTRUCTIONS;
    const json_t *injections = json_object_get(limits, "max_process_inject");
    if (injections != NULL)
        out.max_process_inject = (uint32_t)json_integer_value(injections);
    if (memory != NULL)
        out.memory_limit = (size_t)json_integer_value(memory);
    if (instructions != NULL)
        out.instruction_limit = (uint64_t)json_integer_value(instructions);
    if (output != NULL)
        out.output_limit = (size_t)json_integer_value(output);
    return out;
}

static void run_case(const json_t *test, struct buffer *out)
{
    struct rig rig = {.config = json_object_get(test, "config"),
                      .now_ns = NOW_S * INT64_C(1000000000) + 123456789};
    rig.sandbox = (struct sandbox_config){
        .type = type_of(text_of(test, "kind")),
        .name = "plugin",
        .hostname = "rig.example.com",
        .pid = 77,
        .script_filename = text_of(test, "script"),
        .module_directory = text_of(test, "modules"),
        .limits = limits_of(json_object_get(test, "limits")),
        .host = {.host = &rig,
                 .inject_message = inject_message,
                 .read_config = read_config,
                 .log = log_text,
                 .now_ns = now_ns,
                 .random = random_word},
    };
    struct sandbox *sandbox = NULL;
    struct err err = {0};
    if (sandbox_new(&rig.sandbox, &sandbox, &err) != 0) {
        put(out, "{\"init\":");
        put_bytes(out, err.texts[0], strlen(err.texts[0]));
        put(out, ",\"steps\":[");
    } else {
        put(out, "{\"init\":\"ok\",\"steps\":[");
        run_steps(json_object_get(test, "steps"), &sandbox, &rig, out);
    }
    put(out, "]}\n");
    sandbox_free(sandbox);
    buffer_fini(&rig.injected);
    buffer_fini(&rig.logged);
}

int main(void)
{
    json_error_t error;
    json_t *tests = json_loadf(stdin, 0, &error), *test;
    size_t i;
    if (!json_is_array(tests)) {
        fprintf(stderr, "lua_rig: no JSON array of cases: %s\n", error.text);
        return 1;
    }
    json_array_foreach(tests, i, test)
    {
        struct buffer out = {0};
        run_case(test, &out);
        fwrite(out.data, 1, out.size, stdout);
        buffer_fini(&out);
    }
    json_decref(tests);
    return 0;
}
