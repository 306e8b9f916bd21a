/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_internal.h - what the parts of the engine share.
 *
 * Place:   private to sandbox/. sandbox.c has the calls, limits.c what bounds them,
 *          environment.c what a script can reach, pattern.c its string functions, modules.c
 *          require, api_*.c Heka's functions, preserve.c and restore*.c state. Modules: peg_*.c
 *          (lpeg), cjson_*.c, circular_buffer.c with cbuf_*.c, and the others by name; userdata.h
 *          is what their objects have in common.
 * Threads: the instance's, but for `stop_serial` and `serial`.
 * Failure: functions that take a lua_State may throw Lua errors; they run under lua_pcall or
 *          lua_cpcall only, and hold nothing that an error would lose.
 */
#ifndef SANDBOX_SANDBOX_INTERNAL_H
#define SANDBOX_SANDBOX_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdatomic.h>

#include "codec/time_parser.h"
#include "core/buffer.h"
#include "core/msg_edit.h"
#include "sandbox/sandbox.h"

enum {
    SANDBOX_PATTERN_STEPS = 16,    /* of pattern matching that count as one instruction */
    SANDBOX_EDIT_ROOM = 64 * 1024, /* bytes that write_message may add to a message */
    SANDBOX_INJECT_ROOM = 1024     /* for the header members of an injected message */
};

enum { SANDBOX_CLASSES_MAX = 8 };

enum sandbox_trip { /* a limit that was exceeded; stays */
                    TRIP_NONE,
                    TRIP_INSTRUCTIONS,
                    TRIP_C_STACK,
                    TRIP_WATCHDOG
};

enum sandbox_call { CALL_INIT, CALL_PROCESS, CALL_TIMER };

enum cjson_invalid { CJSON_INVALID_ERROR, CJSON_INVALID_TEXT, CJSON_INVALID_NULL };

struct cjson_options { /* what a script may set */
    int sparse_ratio, sparse_safe, precision;
    bool sparse_converts, decodes_null, decodes_invalid;
    enum cjson_invalid invalid_numbers;
};

struct sandbox {
    /* hot */
    lua_State *lua;
    const struct msg_view *message; /* that is processed; NULL: none */
    bool is_terminated;
    enum sandbox_trip trip;
    int process_ref, timer_ref, collect_ref;
    uint32_t injects_left;
    uint32_t step; /* of the count hook */
    uint64_t steps_used, pattern_steps;
    uintptr_t stack_limit; /* addresses below it are too deep */
    struct msg_field next_field;
    bool next_field_begun, next_field_ended;
    enum sandbox_call call;

    /* memory */
    lua_Alloc alloc;
    void *alloc_ud;
    size_t memory_limit; /* 0 until armed */

    struct msg_view view;  /* decoders and encoders: of the message, or of what was made of it */
    struct buffer payload; /* of add_to_payload */
    struct buffer encoded; /* of inject_message */
    struct buffer edited;  /* of write_message */
    struct buffer result;  /* an encoder's last injection */
    struct buffer scratch; /* of modules that make texts; empty when a call begins */
    bool is_edited, has_result;
    struct msg_edit edit;
    struct time_parser *times; /* decoders and encoders */
    uint32_t peg_frames_max;   /* lpeg.setmaxstack */
    struct cjson_options cjson;
    const void *metatables[SANDBOX_CLASSES_MAX]; /* of the modules' objects; NULL: none yet */

    struct sandbox_config config; /* its texts are copies */
    char *texts[4];
    double status;
    char text[SANDBOX_TEXT_SIZE];
    struct sandbox_usage usage;
    uint64_t random_state;

    _Atomic uint64_t serial;
    _Atomic uint64_t stop_serial;
};

/* ---- sandbox.c ---- */

/* A protected call has failed, and its error is on top, or a limit was exceeded. */
enum sandbox_outcome sandbox_terminate_by_error(struct sandbox *sandbox);
bool sandbox_collect_garbage(struct sandbox *sandbox);

/* ---- limits.c ---- */

/* The instance of a state. */
struct sandbox *sandbox_of(lua_State *lua);
/* Opens the state with its own allocator wrapped; 0 or -ENOMEM. */
int limits_open(struct sandbox *sandbox);
/* From here on memory_limit holds; throws when it does not already. */
void limits_arm_memory(lua_State *lua);
void limits_close(struct sandbox *sandbox);
/* Around each call into the script. `base`: an address in the caller's frame. */
void limits_begin(struct sandbox *sandbox, const void *base);
void limits_end(struct sandbox *sandbox);
/* For C functions that may take long or nest: throws when the call has to end. `steps` of
 * SANDBOX_PATTERN_STEPS are an instruction. */
void limits_charge(lua_State *lua, uint64_t steps);
/* Throws when a limit was exceeded that the script must not outlive. */
void limits_check(lua_State *lua);
/* For what recurses without charging: throws when the C stack is too deep. */
static inline void limits_check_stack(lua_State *lua, const struct sandbox *sandbox)
{
    if ((uintptr_t)__builtin_frame_address(0) < sandbox->stack_limit)
        limits_check(lua);
}
const char *limits_trip_text(enum sandbox_trip trip);

/* ---- environment.c, pattern.c, modules.c, os_time.c ---- */

/* The globals of a script, out of nothing but what is named there. */
void environment_open(lua_State *lua);
/* string.find, match, gmatch and gsub into the table on top. */
void pattern_open(lua_State *lua);
/* os.date and os.time in UTC into the table on top. */
void os_time_open(lua_State *lua);
/* require; the table on top has the built-in modules by name. Pops it. */
void modules_open(lua_State *lua);
/* Pushes a module that is built in and not of Lua's own; false: there is none of that name. */
bool modules_push_library(lua_State *lua, const char *name);
/* In the registry: name -> module that require gave. */
#define MODULES_LOADED "modules-loaded"
/* Reads a file of at most SANDBOX_SCRIPT_SIZE_MAX bytes. 0 or negative errno. */
int modules_read(const char *path, struct buffer *out);

/* ---- api_*.c: Heka's functions ---- */

int api_read_message(lua_State *lua);
int api_read_next_field(lua_State *lua);
int api_read_config(lua_State *lua);
int api_write_message(lua_State *lua);
int api_add_to_payload(lua_State *lua);
int api_inject_payload(lua_State *lua);
int api_inject_message(lua_State *lua);
int api_decode_message(lua_State *lua);

/* "Fields[name]". */
bool api_field_name(struct msg_slice name, struct msg_slice *field);
/* Encodes the table at index 1 into sandbox->encoded; throws. */
void api_encode_table(lua_State *lua, struct sandbox *sandbox);
int64_t api_now_ns(struct sandbox *sandbox);
void api_random_uuid(struct sandbox *sandbox, uint8_t uuid[MSG_UUID_SIZE]);
struct msg_slice api_slice(const char *text);
/* Arguments; throw when they are none. A missing index is 0, one below throws `error`. */
struct msg_slice api_check_slice(lua_State *lua, int index);
uint32_t api_check_index(lua_State *lua, int index, const char *error);

#endif
