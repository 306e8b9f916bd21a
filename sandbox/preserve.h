/* SPDX-License-Identifier: MPL-2.0
 *
 * preserve.h - what saving and restoring a script's globals share. Bytes: docs/formats/sandbox.md.
 *
 * Place:   private to sandbox/. preserve.c saves, restore.c loads, restore_text.c reads the Lua
 *          text that Heka wrote.
 * Threads: the instance's.
 */
#ifndef SANDBOX_PRESERVE_H
#define SANDBOX_PRESERVE_H

#include "sandbox/sandbox_internal.h"

#define PRESERVE_VERSION_NAME "_PRESERVATION_VERSION"

enum { PRESERVE_MAGIC_SIZE = 8 };
extern const char preserve_magic[PRESERVE_MAGIC_SIZE];

enum preserve_tag {
    PRESERVE_END, /* of a table */
    PRESERVE_FALSE,
    PRESERVE_TRUE,
    PRESERVE_NUMBER, /* double */
    PRESERVE_STRING, /* varint length, bytes */
    PRESERVE_TABLE,  /* the next table; its pairs come later */
    PRESERVE_OBJECT, /* class as a string, varint length, state */
    PRESERVE_REF     /* varint number of a table or object that came before */
};

/* The script's version, 0 when it has none. */
double preserve_version(lua_State *lua, bool *has_version);
/* Heka's text at `text`; into the globals. Throws. */
void preserve_import(lua_State *lua, const char *text, size_t size);

#endif
