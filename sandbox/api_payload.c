/* SPDX-License-Identifier: MPL-2.0
 *
 * api_payload.c - add_to_payload, inject_payload, inject_message.
 *
 * Source:  Heka 0.11.
 */
#include "sandbox/sandbox_internal.h"

#include <string.h>

#include "core/clock.h"
#include "sandbox/userdata.h"

int64_t api_now_ns(struct sandbox *sandbox)
{
    const struct sandbox_host *host = &sandbox->config.host;
    return host->now_ns != NULL ? host->now_ns(host->host) : (int64_t)clock_wall_ns();
}

static uint64_t random_word(struct sandbox *sandbox)
{
    const struct sandbox_host *host = &sandbox->config.host;
    if (host->random != NULL)
        return host->random(host->host);
    /* splitmix64 */
    uint64_t x = sandbox->random_state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

void api_random_uuid(struct sandbox *sandbox, uint8_t uuid[MSG_UUID_SIZE])
{
    uint64_t a = random_word(sandbox);
    msg_uuid_from_random(uuid, a, random_word(sandbox));
}

/* ---- add_to_payload ---- */

static int append(lua_State *lua, const char *text, size_t len)
{
    struct buffer *payload = &sandbox_of(lua)->payload;
    if (buffer_append(payload, text, len) != 0)
        return luaL_error(lua, "output_limit exceeded");
    return 0;
}

static int append_object(lua_State *lua, int index)
{
    const struct userdata_class *class = userdata_class_of(lua, index);
    if (class == NULL || class->output == NULL)
        return luaL_argerror(lua, index, "unknown userdata type");
    if (class->output(lua, index, &sandbox_of(lua)->payload) != 0)
        return luaL_error(lua, "output_limit exceeded");
    return 0;
}

static int append_value(lua_State *lua, int index)
{
    char number[API_NUMBER_SIZE];
    size_t len;
    const char *text;
    switch (lua_type(lua, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(lua, index, &len);
        return append(lua, text, len);
    case LUA_TNUMBER:
        return append(lua, number, api_number_text(lua_tonumber(lua, index), number));
    case LUA_TBOOLEAN:
        text = lua_toboolean(lua, index) ? "true" : "false";
        return append(lua, text, strlen(text));
    case LUA_TNIL:
        return append(lua, "nil", 3);
    case LUA_TUSERDATA:
        return append_object(lua, index);
    default:
        return luaL_argerror(lua, index, "unsupported type");
    }
}

int api_add_to_payload(lua_State *lua)
{
    int args = lua_gettop(lua);
    luaL_argcheck(lua, args > 0, 0, "must have at least one argument");
    for (int i = 1; i <= args; i++)
        append_value(lua, i);
    return 0;
}

/* ---- injection ---- */

static void set_output(struct sandbox *sandbox, size_t size)
{
    sandbox->usage.output_bytes = size;
    if (size > sandbox->usage.output_max_bytes)
        sandbox->usage.output_max_bytes = size;
}

/* An encoder's injection is its output. */
static void keep_result(lua_State *lua, const char *data, size_t size)
{
    struct sandbox *sandbox = sandbox_of(lua);
    buffer_clear(&sandbox->result);
    if (buffer_append(&sandbox->result, data, size) != 0)
        luaL_error(lua, "output_limit exceeded");
    sandbox->has_result = true;
    sandbox->usage.injected_count++;
    sandbox->usage.injected_bytes += size;
}

/* Hands the message in `encoded` to the host. */
static enum sandbox_inject hand_over(struct sandbox *sandbox)
{
    const struct sandbox_host *host = &sandbox->config.host;
    if (sandbox->config.type == SANDBOX_FILTER) {
        if (sandbox->injects_left == 0)
            return SANDBOX_INJECT_COUNT;
        sandbox->injects_left--;
    }
    enum sandbox_inject rc = SANDBOX_INJECT_OK;
    if (host->inject_message != NULL)
        rc = host->inject_message(host->host, sandbox->encoded.data, sandbox->encoded.size);
    if (rc == SANDBOX_INJECT_OK) {
        sandbox->usage.injected_count++;
        sandbox->usage.injected_bytes += sandbox->encoded.size;
    }
    return rc;
}

/* At the top level nobody takes messages yet: as in Heka they go to the log. */
static int say_injection(struct sandbox *sandbox, const char *function)
{
    enum { SHOWN_MAX = 160 };
    const struct sandbox_host *host = &sandbox->config.host;
    struct msg_view view;
    char shown[SHOWN_MAX + 1] = "", text[SANDBOX_TEXT_SIZE];
    if (sandbox->injects_left == 0 || host->log == NULL)
        return 0;
    sandbox->injects_left--;
    if (msg_view_init(&view, sandbox->encoded.data, sandbox->encoded.size) == 0)
        snprintf(shown, sizeof(shown), "%.*s", (int)view.payload.len,
                 view.payload.ptr != NULL ? view.payload.ptr : "");
    for (char *at = shown; *at != '\0'; at++)
        *at = (unsigned char)*at < ' ' ? ' ' : *at;
    snprintf(text, sizeof(text), "Init() %s() is for the log only: %s%s", function, shown,
             sandbox->injects_left == 0 ? " (more are not shown)" : "");
    host->log(host->host, text);
    return 0;
}

static int inject(lua_State *lua, const char *function)
{
    static const char *const texts[] = {
        "",
        "protobuf unmarshal failed",
        "exceeded InjectMessage count",
        "exceeded MaxMsgLoops",
        "creates a circular reference (matches this plugin's message_matcher)",
        "aborted"};
    if (sandbox_of(lua)->call == CALL_INIT)
        return say_injection(sandbox_of(lua), function);
    enum sandbox_inject rc = hand_over(sandbox_of(lua));
    if (rc == SANDBOX_INJECT_OK)
        return 0;
    if ((unsigned)rc > SANDBOX_INJECT_ABORTED)
        rc = SANDBOX_INJECT_ABORTED;
    return luaL_error(lua, "%s() %s", function, texts[rc]);
}

/* ---- inject_payload ---- */

static void build_payload(struct sandbox *sandbox, struct msg_builder *builder,
                          struct msg_slice type, struct msg_slice name)
{
    const struct sandbox_config *config = &sandbox->config;
    static const struct msg_slice output = {"heka.sandbox-output", 19};
    uint8_t uuid[MSG_UUID_SIZE];
    struct msg_value type_value = {.type = MSG_STRING, .slice = type};
    struct msg_value name_value = {.type = MSG_STRING, .slice = name};
    api_random_uuid(sandbox, uuid);
    msg_builder_uuid(builder, uuid);
    msg_builder_timestamp(builder, api_now_ns(sandbox));
    msg_builder_type(builder, output.ptr, output.len);
    msg_builder_logger(builder, config->name, strlen(config->name));
    msg_builder_payload(builder, sandbox->payload.data, sandbox->payload.size);
    msg_builder_pid(builder, config->pid);
    msg_builder_hostname(builder, config->hostname, strlen(config->hostname));
    msg_builder_field(builder, api_slice("payload_type"), &type_value, api_slice("file-extension"));
    msg_builder_field(builder, api_slice("payload_name"), &name_value, api_slice(""));
}

static int inject_built(lua_State *lua, struct msg_slice type, struct msg_slice name)
{
    struct sandbox *sandbox = sandbox_of(lua);
    struct buffer *encoded = &sandbox->encoded;
    struct msg_builder builder;
    size_t room = sandbox->payload.size + type.len + name.len + SANDBOX_INJECT_ROOM +
                  strlen(sandbox->config.name) + strlen(sandbox->config.hostname);
    buffer_clear(encoded);
    if (buffer_reserve(encoded, room) != 0)
        return luaL_error(lua, "not enough memory");
    msg_builder_init(&builder, encoded->data, room);
    build_payload(sandbox, &builder, type, name);
    int64_t size = msg_builder_finish(&builder);
    if (size < 0)
        return luaL_error(lua, "output_limit exceeded");
    encoded->size = (size_t)size;
    buffer_clear(&sandbox->payload);
    return inject(lua, "inject_payload");
}

static struct msg_slice option_text(lua_State *lua, int index, int args, const char *missing)
{
    size_t len = strlen(missing);
    const char *text = index <= args ? luaL_checklstring(lua, index, &len) : missing;
    return (struct msg_slice){text, (uint32_t)len};
}

int api_inject_payload(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    int args = lua_gettop(lua);
    struct msg_slice type = option_text(lua, 1, args, "txt");
    struct msg_slice name = option_text(lua, 2, args, "");
    if (type.len == 0)
        type = api_slice("txt");
    for (int i = 3; i <= args; i++)
        append_value(lua, i);
    if (sandbox->payload.size == 0)
        return 0;
    set_output(sandbox, sandbox->payload.size);
    if (sandbox->config.type == SANDBOX_ENCODER) {
        keep_result(lua, sandbox->payload.data, sandbox->payload.size);
        buffer_clear(&sandbox->payload);
        return 0;
    }
    return inject_built(lua, type, name);
}

/* ---- inject_message ---- */

/* What Heka forces on the messages of filters. */
static int force_members(struct sandbox *sandbox, const struct msg_view *view)
{
    static const char prefix[] = "heka.sandbox.";
    enum { PREFIX = sizeof(prefix) - 1, TYPE_MAX = 4096 };
    struct buffer *encoded = &sandbox->encoded;
    char type[TYPE_MAX];
    struct msg_edit edit;
    if (view->type.len > TYPE_MAX - PREFIX)
        return -1;
    memcpy(type, prefix, PREFIX);
    if (view->type.len > 0)
        memcpy(type + PREFIX, view->type.ptr, view->type.len);
    struct msg_slice slice = {type, PREFIX + view->type.len};
    size_t room = encoded->size + SANDBOX_INJECT_ROOM + strlen(sandbox->config.name) +
                  strlen(sandbox->config.hostname);
    if (buffer_reserve(encoded, room - encoded->size) != 0 ||
        msg_edit_init(&edit, encoded->data, encoded->size, room) != 0 ||
        msg_edit_text(&edit, MSG_MEMBER_TYPE, slice) != 0 ||
        msg_edit_text(&edit, MSG_MEMBER_LOGGER, api_slice(sandbox->config.name)) != 0 ||
        msg_edit_text(&edit, MSG_MEMBER_HOSTNAME, api_slice(sandbox->config.hostname)) != 0)
        return -1;
    encoded->size = edit.size;
    return 0;
}

/* A message that the script made itself. False: an empty text, nothing to inject. */
static bool take_text(lua_State *lua, struct sandbox *sandbox)
{
    size_t len;
    const char *text = lua_tolstring(lua, 1, &len);
    size_t limit = sandbox->config.limits.output_limit;
    if (limit != 0 && len > limit)
        luaL_error(lua, "inject_message() output_limit exceeded");
    buffer_clear(&sandbox->encoded);
    if (buffer_append(&sandbox->encoded, text, len) != 0)
        luaL_error(lua, "inject_message() output_limit exceeded");
    return len > 0;
}

int api_inject_message(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    struct msg_view view;
    int kind = lua_type(lua, 1);
    if (lua_gettop(lua) != 1 || (kind != LUA_TSTRING && kind != LUA_TTABLE))
        return luaL_error(lua, "inject_message() takes a single string or table argument");
    if (kind == LUA_TTABLE)
        api_encode_table(lua, sandbox);
    else if (!take_text(lua, sandbox))
        return 0;
    struct buffer *encoded = &sandbox->encoded;
    set_output(sandbox, encoded->size);
    if (sandbox->config.type == SANDBOX_ENCODER) {
        keep_result(lua, encoded->data, encoded->size);
        return 0;
    }
    if (msg_view_init(&view, encoded->data, encoded->size) != 0 ||
        (sandbox->config.type == SANDBOX_FILTER && force_members(sandbox, &view) != 0))
        return luaL_error(lua, "inject_message() protobuf unmarshal failed");
    return inject(lua, "inject_message");
}
