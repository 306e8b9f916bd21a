/* SPDX-License-Identifier: MPL-2.0 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/check.h"
#include "core/clock.h"
#include "sandbox/sandbox_internal.h"

const struct sandbox_limits sandbox_limits_default = {
    .memory_limit = SANDBOX_MEMORY_LIMIT,
    .instruction_limit = SANDBOX_INSTRUCTION_LIMIT,
    .output_limit = SANDBOX_OUTPUT_LIMIT,
    .max_process_inject = SANDBOX_MAX_PROCESS_INJECT,
    .max_timer_inject = SANDBOX_MAX_TIMER_INJECT,
};

static const char *const call_names[] = {
    [CALL_INIT] = "Init()", [CALL_PROCESS] = "process_message()", [CALL_TIMER] = "timer_event()"};

/* ---- ends of calls ---- */

static enum sandbox_outcome terminate(struct sandbox *sandbox, const char *text)
{
    snprintf(sandbox->text, sizeof(sandbox->text), "%s %s", call_names[sandbox->call], text);
    sandbox->is_terminated = true;
    return SANDBOX_TERMINATED;
}

/* The error is opaque unless it is a text. */
enum sandbox_outcome sandbox_terminate_by_error(struct sandbox *sandbox)
{
    lua_State *lua = sandbox->lua;
    const char *text = "unknown error";
    if (sandbox->trip != TRIP_NONE)
        text = limits_trip_text(sandbox->trip);
    else if (lua_type(lua, -1) == LUA_TSTRING)
        text = lua_tostring(lua, -1);
    enum sandbox_outcome outcome = terminate(sandbox, text);
    lua_settop(lua, 0);
    return outcome;
}

/* ---- the script's status ---- */

static enum sandbox_outcome outcome_of(struct sandbox *sandbox)
{
    if (sandbox->status == 0)
        return SANDBOX_OK;
    if (sandbox->status == -2 && sandbox->config.type == SANDBOX_ENCODER)
        return SANDBOX_NO_OUTPUT;
    if (sandbox->status > 0) {
        sandbox->is_terminated = true;
        return SANDBOX_TERMINATED;
    }
    return SANDBOX_FAILED;
}

/* The two results on the stack. */
static enum sandbox_outcome read_status(struct sandbox *sandbox)
{
    lua_State *lua = sandbox->lua;
    int text_type = lua_type(lua, 2);
    enum sandbox_outcome outcome;
    if (lua_type(lua, 1) != LUA_TNUMBER) {
        outcome = terminate(sandbox, "must return a numeric status code");
    } else if (text_type != LUA_TNIL && text_type != LUA_TSTRING) {
        outcome = terminate(sandbox, "must return a nil or string error message");
    } else {
        sandbox->status = lua_tonumber(lua, 1);
        if (text_type == LUA_TSTRING)
            snprintf(sandbox->text, sizeof(sandbox->text), "%s", lua_tostring(lua, 2));
        outcome = sandbox->status == sandbox->status
                      ? outcome_of(sandbox)
                      : terminate(sandbox, "must return a numeric status code");
    }
    lua_settop(lua, 0);
    return outcome;
}

/* ---- calls ---- */

static void begin_message(struct sandbox *sandbox, const struct msg_view *message)
{
    enum sandbox_type type = sandbox->config.type;
    sandbox->message = message;
    if (message != NULL && (type == SANDBOX_DECODER || type == SANDBOX_ENCODER)) {
        sandbox->view = *message;
        sandbox->message = &sandbox->view;
    }
    sandbox->next_field_begun = false;
    sandbox->next_field_ended = false;
    sandbox->is_edited = false;
    sandbox->has_result = false;
    sandbox->text[0] = '\0';
    sandbox->status = 0;
}

/* The call of an input lasts until its host stops it. That is nobody's fault, and the globals are
 * as the script has left them. */
static enum sandbox_outcome interrupt(struct sandbox *sandbox)
{
    snprintf(sandbox->text, sizeof(sandbox->text), "%s shutting down", call_names[CALL_PROCESS]);
    sandbox->trip = TRIP_NONE;
    lua_settop(sandbox->lua, 0);
    return SANDBOX_FAILED;
}

static enum sandbox_outcome call_process(struct sandbox *sandbox)
{
    lua_State *lua = sandbox->lua;
    if (sandbox->process_ref == LUA_NOREF)
        return terminate(sandbox, "function was not found");
    limits_begin(sandbox, __builtin_frame_address(0));
    lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->process_ref);
    int rc = lua_pcall(lua, 0, 2, 0);
    limits_end(sandbox);
    if (sandbox->trip == TRIP_WATCHDOG && sandbox->config.type == SANDBOX_INPUT)
        return interrupt(sandbox);
    if (rc != 0 || sandbox->trip != TRIP_NONE)
        return sandbox_terminate_by_error(sandbox);
    return read_status(sandbox);
}

enum sandbox_outcome sandbox_process_message(struct sandbox *sandbox,
                                             const struct msg_view *message)
{
    struct sandbox_usage *usage = &sandbox->usage;
    if (sandbox->is_terminated)
        return SANDBOX_TERMINATED;
    begin_message(sandbox, message);
    sandbox->call = CALL_PROCESS;
    sandbox->injects_left = sandbox->config.limits.max_process_inject;
    bool is_timed = usage->process_message_count++ % SANDBOX_SAMPLE == 0;
    uint64_t start_ns = is_timed ? clock_mono_ns() : 0;
    enum sandbox_outcome outcome = call_process(sandbox);
    if (is_timed) {
        usage->process_message_samples++;
        usage->process_message_ns += clock_mono_ns() - start_ns;
    }
    usage->process_message_failures += outcome == SANDBOX_FAILED || outcome == SANDBOX_TERMINATED;
    return outcome;
}

static int collect(lua_State *lua)
{
    lua_gc(lua, LUA_GCCOLLECT, 0);
    return 0;
}

/* A full collection; finalisers are the host's only. */
bool sandbox_collect_garbage(struct sandbox *sandbox)
{
    lua_rawgeti(sandbox->lua, LUA_REGISTRYINDEX, sandbox->collect_ref);
    return lua_pcall(sandbox->lua, 0, 0, 0) == 0;
}

enum sandbox_outcome sandbox_timer_event(struct sandbox *sandbox, int64_t ns)
{
    lua_State *lua = sandbox->lua;
    if (sandbox->is_terminated)
        return SANDBOX_TERMINATED;
    begin_message(sandbox, NULL);
    sandbox->call = CALL_TIMER;
    if (sandbox->timer_ref == LUA_NOREF)
        return terminate(sandbox, "function was not found");
    sandbox->usage.timer_event_count++;
    sandbox->injects_left = sandbox->config.limits.max_timer_inject;
    limits_begin(sandbox, __builtin_frame_address(0));
    lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->timer_ref);
    lua_pushnumber(lua, (lua_Number)ns);
    int rc = lua_pcall(lua, 1, 0, 0);
    if (rc == 0 && sandbox->trip == TRIP_NONE)
        rc = sandbox_collect_garbage(sandbox) ? 0 : -1;
    limits_end(sandbox);
    if (rc != 0 || sandbox->trip != TRIP_NONE)
        return sandbox_terminate_by_error(sandbox);
    lua_settop(lua, 0);
    return SANDBOX_OK;
}

/* ---- results ---- */

double sandbox_status(const struct sandbox *sandbox)
{
    return sandbox->status;
}

const char *sandbox_text(const struct sandbox *sandbox)
{
    return sandbox->text;
}

bool sandbox_is_terminated(const struct sandbox *sandbox)
{
    return sandbox->is_terminated;
}

struct msg_slice sandbox_message(const struct sandbox *sandbox)
{
    if (sandbox->message != &sandbox->view)
        return (struct msg_slice){NULL, 0};
    return (struct msg_slice){(const char *)sandbox->view.bytes, sandbox->view.size};
}

struct msg_slice sandbox_output(const struct sandbox *sandbox)
{
    if (!sandbox->has_result)
        return sandbox_message(sandbox);
    return (struct msg_slice){sandbox->result.data, (uint32_t)sandbox->result.size};
}

struct sandbox_usage sandbox_usage(const struct sandbox *sandbox)
{
    return sandbox->usage;
}

/* ---- creation ---- */

static void set_global(lua_State *lua, const char *name, lua_CFunction function)
{
    lua_pushstring(lua, name);
    if (function != NULL)
        lua_pushcfunction(lua, function);
    else
        lua_pushnil(lua);
    lua_rawset(lua, LUA_GLOBALSINDEX);
}

static void open_api(lua_State *lua, const struct sandbox *sandbox)
{
    enum sandbox_type type = sandbox->config.type;
    set_global(lua, "read_config", api_read_config);
    set_global(lua, "decode_message", api_decode_message);
    if (type != SANDBOX_INPUT) {
        set_global(lua, "read_message", api_read_message);
        set_global(lua, "read_next_field", api_read_next_field);
    }
    if (type == SANDBOX_DECODER || type == SANDBOX_ENCODER)
        set_global(lua, "write_message", api_write_message);
    if (type != SANDBOX_OUTPUT)
        set_global(lua, "inject_message", api_inject_message);
    if (type == SANDBOX_FILTER || type == SANDBOX_DECODER || type == SANDBOX_ENCODER)
        set_global(lua, "inject_payload", api_inject_payload);
}

/* A global function as a reference that the script cannot change, or LUA_NOREF. */
static int take_function(lua_State *lua, const char *name)
{
    lua_pushstring(lua, name);
    lua_rawget(lua, LUA_GLOBALSINDEX);
    if (lua_type(lua, -1) == LUA_TFUNCTION)
        return luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_pop(lua, 1);
    return LUA_NOREF;
}

/* Under lua_cpcall: everything that may throw. */
static int load(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    bool has_payload = sandbox->config.type != SANDBOX_INPUT;
    environment_open(lua);
    open_api(lua, sandbox);
    lua_pushcfunction(lua, collect);
    sandbox->collect_ref = luaL_ref(lua, LUA_REGISTRYINDEX);
    limits_arm_memory(lua);
    /* Heka renames it after the top level was run. */
    if (has_payload)
        set_global(lua, "output", api_add_to_payload);
    if (luaL_loadbufferx(lua, sandbox->config.script, strlen(sandbox->config.script),
                         sandbox->texts[3], "t") != 0)
        lua_error(lua);
    if (sandbox->config.parse_only)
        return 0;
    lua_call(lua, 0, 0);
    if (has_payload) {
        set_global(lua, "output", NULL);
        set_global(lua, "add_to_payload", api_add_to_payload);
    }
    sandbox->process_ref = take_function(lua, "process_message");
    sandbox->timer_ref = take_function(lua, "timer_event");
    return 0;
}

static int copy_text(const char *text, char **out)
{
    *out = text != NULL ? strdup(text) : NULL;
    return text != NULL && *out == NULL ? -ENOMEM : 0;
}

/* The chunk's name is "@FILE" so that error texts begin with FILE:LINE. */
static int copy_texts(struct sandbox *sandbox, const struct sandbox_config *config)
{
    struct sandbox_config *own = &sandbox->config;
    const char *name = config->script_filename != NULL ? config->script_filename : "script";
    if (copy_text(config->name != NULL ? config->name : "", &sandbox->texts[0]) != 0 ||
        copy_text(config->hostname != NULL ? config->hostname : "", &sandbox->texts[1]) != 0 ||
        copy_text(config->module_directory, &sandbox->texts[2]) != 0 ||
        asprintf(&sandbox->texts[3], "@%s", name) < 0)
        return -ENOMEM;
    own->name = sandbox->texts[0];
    own->hostname = sandbox->texts[1];
    own->module_directory = sandbox->texts[2];
    own->script_filename = sandbox->texts[3] + 1;
    return 0;
}

static void set_limits(struct sandbox *sandbox)
{
    struct sandbox_limits *limits = &sandbox->config.limits;
    enum sandbox_type type = sandbox->config.type;
    if (limits->memory_limit == 0)
        limits->memory_limit = SANDBOX_MEMORY_LIMIT;
    bool is_io = type == SANDBOX_INPUT || type == SANDBOX_OUTPUT;
    if (is_io || sandbox->config.jit)
        limits->instruction_limit = 0;
    sandbox->config.io = sandbox->config.io && is_io;
    sandbox->payload.max_size = limits->output_limit;
    sandbox->result.max_size = limits->output_limit;
    sandbox->scratch.max_size = limits->memory_limit;
    sandbox->process_ref = sandbox->timer_ref = sandbox->collect_ref = LUA_NOREF;
}

/* All but the script's run. */
static int prepare(struct sandbox *sandbox, const struct sandbox_config *config, struct err *err)
{
    enum sandbox_type type = config->type;
    sandbox->config = *config;
    set_limits(sandbox);
    if (copy_texts(sandbox, config) != 0)
        return err_add(err, "out of memory");
    if (getrandom(&sandbox->random_state, sizeof(sandbox->random_state), GRND_NONBLOCK) < 0)
        sandbox->random_state = clock_wall_ns();
    if ((type == SANDBOX_DECODER || type == SANDBOX_ENCODER) &&
        time_parser_new("", "UTC", &sandbox->times, err) != 0)
        return -1;
    if (limits_open(sandbox) != 0)
        return err_add(err, "out of memory");
    return 0;
}

static int run_script(struct sandbox *sandbox, struct err *err)
{
    sandbox->call = CALL_INIT;
    sandbox->injects_left = SANDBOX_INIT_LOGS;
    limits_begin(sandbox, __builtin_frame_address(0));
    int rc = lua_cpcall(sandbox->lua, load, NULL);
    limits_end(sandbox);
    if (rc == 0 && sandbox->trip == TRIP_NONE) {
        lua_settop(sandbox->lua, 0);
        return 0;
    }
    sandbox_terminate_by_error(sandbox);
    return err_add(err, "%s", sandbox->text);
}

static int read_script(const struct sandbox_config *config, struct buffer *text, struct err *err)
{
    const char *name = config->script_filename;
    int rc = -EINVAL;
    if (config->script != NULL)
        rc = buffer_append(text, config->script,
                           strnlen(config->script, SANDBOX_SCRIPT_SIZE_MAX + 1));
    else if (name != NULL)
        rc = modules_read(name, text);
    if (rc == 0 && text->size > SANDBOX_SCRIPT_SIZE_MAX)
        rc = -EFBIG;
    if (rc == 0)
        rc = buffer_append(text, "", 1);
    if (rc == 0 && strlen(text->data) + 1 != text->size)
        return err_add(err, "Init() %s: a NUL byte in the script", name != NULL ? name : "script");
    if (rc < 0)
        return err_add(err, "Init() cannot read %s: %s", name != NULL ? name : "the script",
                       strerror(-rc));
    return 0;
}

int sandbox_new(const struct sandbox_config *config, struct sandbox **out, struct err *err)
{
    struct buffer text = {0};
    struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    int rc = -1;
    if (sandbox == NULL) {
        err_add(err, "out of memory");
        goto out;
    }
    if (read_script(config, &text, err) != 0 || prepare(sandbox, config, err) != 0)
        goto out;
    sandbox->config.script = text.data;
    if (run_script(sandbox, err) != 0)
        goto out;
    sandbox->config.script = NULL;
    *out = sandbox;
    sandbox = NULL;
    rc = 0;
out:
    buffer_fini(&text);
    sandbox_free(sandbox);
    return rc;
}

void sandbox_free(struct sandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    limits_close(sandbox);
    buffer_fini(&sandbox->payload);
    buffer_fini(&sandbox->encoded);
    buffer_fini(&sandbox->edited);
    buffer_fini(&sandbox->result);
    buffer_fini(&sandbox->scratch);
    time_parser_free(sandbox->times);
    for (size_t i = 0; i < ARRAY_COUNT(sandbox->texts); i++)
        free(sandbox->texts[i]);
    free(sandbox);
}
