/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_sandbox_modules.c - what scripts hand to the modules that are written in C. The first byte
 * says which; for lpeg, the input up to a NUL builds a pattern on a stack, and the rest is matched.
 */
#include <stdlib.h>

#include "core/check.h"
#include "sandbox/sandbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4096, MESSAGE_SIZE = 2 * INPUT_MAX };

static const char script[] =
    "require 'lpeg' require 'cjson' require 'struct' require 'circular_buffer' require 'string' "
    "require 'sax' local l = lpeg "
    "local function pop(stack) return table.remove(stack) or l.P'a' end "
    "require 'table' "
    "local ops = { "
    "function(s, b) return l.P(string.char(b)) end, function(s, b) return l.P(b % 5 - 2) end, "
    "function(s) return l.S(string.char(97, 98)) end, function(s) return l.R'az' end, "
    "function(s) return pop(s) * pop(s) end, function(s) return pop(s) + pop(s) end, "
    "function(s) return pop(s) - pop(s) end, function(s, b) return pop(s) ^ (b % 7 - 3) end, "
    "function(s) return -pop(s) end, function(s) return #pop(s) end, "
    "function(s) return l.C(pop(s)) end, function(s) return l.Ct(pop(s)) end, "
    "function(s) return l.Cs(pop(s)) end, function(s) return l.Cg(pop(s)) end, "
    "function(s) return l.Cg(pop(s), 'n') end, function(s) return l.Cb'n' end, "
    "function(s) return l.Cp() end, function(s, b) return l.Cc(b, 'c') end, "
    "function(s) return l.Cf(pop(s), function(a, b) return b end) end, "
    "function(s) return pop(s) / '<%0%1>' end, function(s, b) return pop(s) / (b % 4) end, "
    "function(s) return pop(s) / {a = 'b', ab = true} end, "
    "function(s) return pop(s) / function(...) return ... end end, "
    "function(s, b) return l.Cmt(pop(s), function(t, i) if b % 3 == 0 then return false end "
    "return i + b % 3 - 1, t end) end, "
    "function(s) return l.B(pop(s)) end, function(s) return l.V(1) end, "
    "function(s) return l.V'x' end, "
    "function(s) return l.P{pop(s), x = pop(s)} end, function(s) local p = pop(s) s[#s + 1] = p "
    "return p end } "
    "local kinds = { "
    "function(s) local cut = s:find('\\0', 1, true) or #s local stack = {} "
    "for i = 1, math.min(cut - 1, 200), 2 do "
    "stack[#stack + 1] = ops[s:byte(i) % #ops + 1](stack, s:byte(i + 1) or 0) end "
    "pop(stack):match(s:sub(cut + 1), 1, 'one') end, "
    "function(s) cjson.encode(cjson.decode(s)) end, "
    "function(s) struct.unpack(s:sub(1, 9), s:sub(10)) struct.pack(s:sub(1, 9), 1, 'a', 2, 3) end, "
    "function(s) local cb = circular_buffer.new(3, 2, 1, true) cb:fromstring(s) "
    "add_to_payload(cb:format('cbufd'), cb:format('cbuf')) end, "
    "function(s) inject_message(decode_message(s)) end, "
    "function(s) inject_message(s) end, "
    "function(s) for w in s:gmatch('%S+') do string.find(s, w) string.gsub(s, w, '%0') end end } "
    "require 'math' "
    "function process_message() local s = read_message('Payload') "
    "pcall(kinds[(s:byte(1) or 0) % #kinds + 1], s:sub(2)) inject_payload() return 0 end";

static struct sandbox *new_sandbox(void)
{
    static struct err err;
    struct sandbox *sandbox = NULL;
    struct sandbox_config config = {.type = SANDBOX_FILTER,
                                    .name = "fuzz",
                                    .script = script,
                                    .script_filename = "fuzz.lua",
                                    .limits = sandbox_limits_default};
    config.limits.instruction_limit = 50000;
    config.limits.max_process_inject = 3;
    err = (struct err){0};
    if (sandbox_new(&config, &sandbox, &err) != 0)
        fprintf(stderr, "%s\n", err.texts[0]);
    CHECK(sandbox != NULL);
    return sandbox;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sandbox *sandbox;
    static const uint8_t uuid[MSG_UUID_SIZE] = {1};
    uint8_t bytes[MESSAGE_SIZE];
    struct msg_builder builder;
    struct msg_view view;
    if (size > INPUT_MAX)
        return 0;
    if (sandbox == NULL)
        sandbox = new_sandbox();
    msg_builder_init(&builder, bytes, sizeof(bytes));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    msg_builder_payload(&builder, (const char *)data, size);
    int64_t message_size = msg_builder_finish(&builder);
    CHECK(message_size > 0 && msg_view_init(&view, bytes, (size_t)message_size) == 0);
    if (sandbox_process_message(sandbox, &view) == SANDBOX_TERMINATED) {
        sandbox_free(sandbox);
        sandbox = NULL;
    }
    return 0;
}
