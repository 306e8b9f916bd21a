/* SPDX-License-Identifier: MPL-2.0
 *
 * cjson.h - the module cjson, for the two files that it is made of.
 *
 * Place:   private to sandbox/. cjson_encode.c has the module and cjson.encode, cjson_decode.c
 *          cjson.decode.
 * Threads: the instance's.
 * Memory:  texts grow in the sandbox's scratch: encoded ones up to output_limit, decoded strings
 *          up to the length of what is decoded.
 * Failure: Lua errors, with lua-cjson's texts.
 * Source:  lua-cjson 2.1 as lua_sandbox has it: no null members unless decode_null(true), output
 *          bounded by output_limit, nesting by CJSON_DEPTH_MAX, which no script may change.
 */
#ifndef SANDBOX_CJSON_H
#define SANDBOX_CJSON_H

#include "sandbox/sandbox_internal.h"

enum { CJSON_DEPTH_MAX = 1000 };

void cjson_open(lua_State *lua); /* leaves the module on the stack */
int cjson_decode(lua_State *lua);

#endif
