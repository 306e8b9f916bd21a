/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox.h - one instance of a Lua plugin: a script, its limits, its calls.
 *
 * Place:   workers that run SandboxFilter, SandboxDecoder, SandboxEncoder, SandboxInput and
 *          SandboxOutput. What a script sees is in docs/formats/sandbox.md; why the engine is built
 *          as it is, in docs/decisions/0011-luajit-interpreter.md.
 * Threads: an instance belongs to one thread, whose stack has to have room for
 *          SANDBOX_C_STACK_SIZE and 1 MiB more. Only sandbox_call_serial(), sandbox_stop() and
 *          sandbox_escalate() are for others.
 * Memory:  sandbox_new() copies its texts; the Lua heap is bounded by memory_limit, output by
 *          output_limit. What the calls return borrows until the next call.
 * Failure: a script that errs or exceeds a limit is terminated: sandbox_text() says why, and all
 *          later calls return SANDBOX_TERMINATED. The process is never brought down.
 * Source:  Heka 0.11: options, functions, error texts.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/err.h"
#include "core/message.h"

enum {
    SANDBOX_MEMORY_LIMIT = 8 * 1024 * 1024, /* Heka's defaults */
    SANDBOX_INSTRUCTION_LIMIT = 1000000,
    SANDBOX_OUTPUT_LIMIT = 63 * 1024,
    SANDBOX_MAX_PROCESS_INJECT = 1,
    SANDBOX_MAX_TIMER_INJECT = 10,
    SANDBOX_TEXT_SIZE = 256,               /* of an error text with its NUL; longer ones are cut */
    SANDBOX_C_STACK_SIZE = 1024 * 1024,    /* of C that a script may make grow */
    SANDBOX_COUNT_STEP = 1000,             /* instructions between two looks at the limits */
    SANDBOX_SCRIPT_SIZE_MAX = 1024 * 1024, /* of a script or a module */
    SANDBOX_INIT_LOGS = 10,
    SANDBOX_SAMPLE = 1000                  /* of as many process_message calls one is timed */
};

enum sandbox_type {
    SANDBOX_FILTER,
    SANDBOX_DECODER,
    SANDBOX_ENCODER,
    SANDBOX_INPUT,
    SANDBOX_OUTPUT
};

enum sandbox_inject { /* what the host answers to a message; the texts are Heka's */
                      SANDBOX_INJECT_OK = 0,
                      SANDBOX_INJECT_UNMARSHAL = 1, /* "protobuf unmarshal failed" */
                      SANDBOX_INJECT_COUNT = 2,     /* "exceeded InjectMessage count" */
                      SANDBOX_INJECT_LOOPS = 3,     /* "exceeded MaxMsgLoops" */
                      SANDBOX_INJECT_CIRCULAR = 4,  /* "creates a circular reference ..." */
                      SANDBOX_INJECT_ABORTED = 5    /* "aborted" */
};

enum sandbox_value_kind { SANDBOX_NIL, SANDBOX_STRING, SANDBOX_NUMBER, SANDBOX_BOOL };

struct sandbox_value { /* of the plugin's configuration; the member that `kind` names is set */
    enum sandbox_value_kind kind;
    struct msg_slice string;
    double number;
    bool boolean;
};

/* The host. Each function may be NULL. They run in the instance's thread while a call is under
 * way, borrow their arguments, and must neither call the instance nor block. */
struct sandbox_host {
    void *host;
    /* One whole message, checked. Filters: Type, Logger and Hostname are those that Heka gives it.
     * NULL: everything is accepted. */
    enum sandbox_inject (*inject_message)(void *host, const void *message, size_t size);
    /* The option `name` of the plugin's [X.config]; *value is nil before. */
    void (*read_config)(void *host, struct msg_slice name, struct sandbox_value *value);
    /* Text of a module; `path` is FOLDER/NAME.lua of module_directory. 0, or negative errno
     * (ENOENT: it may be in the next folder). NULL: it is read from the file. */
    int (*read_module)(void *host, const char *path, struct buffer *out);
    /* A reason why a call failed that the script is not told (write_message), and what is injected
     * at the top level, SANDBOX_INIT_LOGS of them. */
    void (*log)(void *host, const char *text);
    int64_t (*now_ns)(void *host);  /* NULL: the system's clock */
    uint64_t (*random)(void *host); /* for Uuids; NULL: seeded by the system */
};

struct sandbox_limits { /* 0 is what Heka makes of it: no limit, but memory_limit's, the default */
    size_t memory_limit;
    uint64_t instruction_limit;                    /* inputs and outputs: forced to 0 */
    size_t output_limit;                           /* 0: BUFFER_MAX_DEFAULT */
    uint32_t max_process_inject, max_timer_inject; /* filters only */
};
extern const struct sandbox_limits sandbox_limits_default;

struct sandbox_config {
    enum sandbox_type type;
    const char *name;             /* of the plugin; Logger of what a filter injects */
    const char *hostname;         /* NULL: "" */
    int32_t pid;                  /* of what inject_payload makes */
    const char *script;           /* text; NULL: script_filename is read */
    const char *script_filename;  /* also the name in error texts; needed with `script`, too */
    const char *module_directory; /* folders with Lua modules, ';' between them; NULL: none */
    struct sandbox_limits limits;
    /* Inputs and outputs only, in a process of their class: io, all of os but exit and setlocale,
     * coroutine, collectgarbage, and modules in C (module_directory, and Debian's: socket, ssl). */
    bool io;
    /* LuaJIT's compiler. No instruction limit holds, and no sandbox_stop() reaches a compiled
     * loop: for trusted scripts, in a process that is killed when it uses too much CPU time. */
    bool jit;
    bool parse_only; /* the top level does not run, and nothing can be called */
    struct sandbox_host host;
};

struct sandbox;

/* Loads the script and runs its top level, with the limits. 0; or -1 and a text in err, which
 * starts with "Init() " when it is the script's fault. */
int sandbox_new(const struct sandbox_config *config, struct sandbox **out, struct err *err);
void sandbox_free(struct sandbox *sandbox); /* may be NULL */

enum sandbox_outcome {
    SANDBOX_OK = 0,
    SANDBOX_FAILED,    /* a negative status; sandbox_text() is the script's text or "" */
    SANDBOX_NO_OUTPUT, /* an encoder's -2 */
    SANDBOX_TERMINATED /* an error, a limit or a status above 0; the instance is done */
};

/* Calls the script's process_message. `message` is borrowed during the call; inputs have none
 * (NULL). */
enum sandbox_outcome sandbox_process_message(struct sandbox *sandbox,
                                             const struct msg_view *message);

/* Calls the script's timer_event(ns), if it has one, and collects all garbage. */
enum sandbox_outcome sandbox_timer_event(struct sandbox *sandbox, int64_t ns);

/* Status that the script returned last, and why the last call failed (never NULL). */
double sandbox_status(const struct sandbox *sandbox);
const char *sandbox_text(const struct sandbox *sandbox);
bool sandbox_is_terminated(const struct sandbox *sandbox);

/* Encoders and decoders, after SANDBOX_OK: the message as write_message left it, or the one that
 * was processed. */
struct msg_slice sandbox_message(const struct sandbox *sandbox);

/* Encoders, after SANDBOX_OK: the bytes of the last injection of the call; without any, the
 * message as sandbox_message() has it. */
struct msg_slice sandbox_output(const struct sandbox *sandbox);

/* ---- state, between calls ---- */

/* Appends the script's globals as bytes (docs/formats/sandbox.md): strings, numbers, booleans,
 * tables and the objects of built-in modules. The instance goes on as if nothing was. 0; or -1, a
 * text in err that starts with "Destroy() ", and `out` as it was: a key is of another type, or
 * out->max_size does not suffice. */
int sandbox_preserve(struct sandbox *sandbox, struct buffer *out, struct err *err);

/* Sets globals from what sandbox_preserve() made, or from a .data file of Heka's (Lua text, which
 * is parsed and never run); right after sandbox_new(). Nothing happens when the script has a
 * _PRESERVATION_VERSION, and the state another one. 0; or -1, a text in err that starts with
 * "Init() ", and the instance is terminated. */
int sandbox_restore(struct sandbox *sandbox, const void *state, size_t size, struct err *err);

struct sandbox_usage {
    size_t memory_bytes, memory_max_bytes;   /* Lua heap */
    uint64_t instructions, instructions_max; /* of the last call, in steps of SANDBOX_COUNT_STEP */
    size_t output_bytes, output_max_bytes;   /* of the last injection */
    uint64_t process_message_count, process_message_failures;
    uint64_t process_message_samples, process_message_ns; /* the timed calls, and their time */
    uint64_t timer_event_count;
    uint64_t injected_count, injected_bytes;
};
struct sandbox_usage sandbox_usage(const struct sandbox *sandbox);

/* ---- for a watchdog, from any thread ---- */

/* Odd while a call is under way, and another value with each. */
uint64_t sandbox_call_serial(const struct sandbox *sandbox);
/* Ends the call with that serial at the next look at the limits; does nothing to another one. An
 * input has failed then, with "shutting down", and can be preserved; others are terminated. */
void sandbox_stop(struct sandbox *sandbox, uint64_t serial);
/* For a call that does not end by sandbox_stop(): a look at each instruction and call. Best from a
 * signal handler of the instance's thread; the instance must live. What does not end by this, ends
 * with the process only. */
void sandbox_escalate(struct sandbox *sandbox, uint64_t serial);

#endif
