/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_options.h - the options that all sandboxed plugin types have, and what they mean.
 *
 * Place:   each of these types takes SANDBOX_OPTION_KEYS into its schema.
 * Threads: start-up only.
 * Failure: each error text begins with its option and a colon.
 * Source:  Heka 0.11: names, defaults, limits. `jit` is ours.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_OPTIONS_H
#define CONTROL_SANDBOX_SANDBOX_OPTIONS_H

#include <limits.h>

#include "codec/time_zone.h"
#include "control/sandbox/sandbox_client.h"
#include "core/schema.h"

struct hekad_globals;

struct sandbox_options {
    const char *script_type, *filename, *module_directory;
    const char *revision;
    bool preserve_data, jit, timer_event_on_shutdown, profile;
    int64_t memory_limit, instruction_limit, output_limit;
    const struct conf_node *config;
};

#define SANDBOX_OPTION(outer, member)                                                              \
    .key = #member, .offset = offsetof(outer, options.member)
/* `outer` is a struct with a member `struct sandbox_options options`. */
#define SANDBOX_OPTION_KEYS(outer)                                                                 \
    {SANDBOX_OPTION(outer, script_type), .type = SCHEMA_STRING, .def = "lua",                      \
     .help = "Only \"lua\"."},                                                                     \
    {SANDBOX_OPTION(outer, filename), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,             \
     .help = "The script; relative to share_dir, or to what is installed with hekad."},            \
    {SANDBOX_OPTION(outer, module_directory), .type = SCHEMA_STRING,                               \
     .help = "Folders of Lua modules, ; between them. Default: share_dir/lua_modules, then "       \
             "those that are installed with hekad."},                                              \
    {SANDBOX_OPTION(outer, preserve_data), .type = SCHEMA_BOOL, .def = "false",                    \
     .help = "Keep the script's globals over restarts, reloads and crashes."},                     \
    {SANDBOX_OPTION(outer, memory_limit), .type = SCHEMA_INT, .min = 0, .max = 1 << 30,            \
     .def = "8388608", .unit = "bytes", .help = "Of the script's heap; 0 is the default."},        \
    {SANDBOX_OPTION(outer, instruction_limit), .type = SCHEMA_INT, .min = 0, .max = 9e18,          \
     .def = "1000000", .help = "Of a call; 0: none but the watchdog's second."},                   \
    {SANDBOX_OPTION(outer, output_limit), .type = SCHEMA_INT, .min = 0, .max = 64 << 20,           \
     .def = "64512", .unit = "bytes",                                                              \
     .help = "Of a payload or message that the script makes; 0: max_message_size."},               \
    {SANDBOX_OPTION(outer, revision), .type = SCHEMA_STRING,                                       \
     .help = "Any text: with another one a reload loads the script again."},                       \
    {SANDBOX_OPTION(outer, config), .type = SCHEMA_NODE, .unit = "a table [X.config]",             \
     .help = "Strings, numbers and booleans for read_config."}

/* Of those kinds that may do no I/O. */
#define SANDBOX_OPTION_JIT(outer)                                                                  \
    {SANDBOX_OPTION(outer, jit), .type = SCHEMA_BOOL, .def = "false",                              \
     .help = "Compile a script that is trusted, in a process of its own; without "                 \
             "instruction_limit."}

/* The script is there and a script; 0, or -1 after adding to `err`. */
int sandbox_options_check(const struct sandbox_options *options,
                          const struct hekad_globals *globals, struct err *err);

/* The paths that are meant; -1 after adding to `err`. */
struct sandbox_paths {
    char script[PATH_MAX], modules[2 * PATH_MAX];
};
int sandbox_options_paths(const struct sandbox_options *options,
                          const struct hekad_globals *globals, struct sandbox_paths *paths,
                          struct err *err);

/* `tz` of [X.config]: the zone whose local times the script takes for UTC. *zone is NULL when there
 * is none, or UTC. 0, or -1 after adding to `err`. */
int sandbox_options_zone(const struct sandbox_options *options, struct time_zone **zone,
                         struct err *err);
/* Nanoseconds since the epoch of such a time. */
int64_t sandbox_options_in_zone(const struct time_zone *zone, int64_t ns);

/* Limits, configuration and injections of one plugin; the rest is the caller's. */
void sandbox_options_apply(const struct sandbox_options *options,
                           const struct hekad_globals *globals,
                           struct sandbox_client_config *config);

#endif
