/* SPDX-License-Identifier: MPL-2.0
 *
 * userdata.h - what the engine knows of the objects of its own modules: their text form, and their
 *              state as bytes.
 *
 * Place:   private to sandbox/. A module registers a class; add_to_payload, inject_message and
 *          the preservation of globals find it by the object's metatable, which no script reaches.
 * Threads: the instance's.
 */
#ifndef SANDBOX_USERDATA_H
#define SANDBOX_USERDATA_H

#include "sandbox/sandbox_internal.h"

enum userdata_id { /* of a class: its metatable's place in struct sandbox */
                   USERDATA_CBUF,
                   USERDATA_HYPERLOGLOG,
                   USERDATA_BLOOM_FILTER,
                   USERDATA_CUCKOO_FILTER,
                   USERDATA_SAX_WINDOW,
                   USERDATA_SAX_WORD
};

struct userdata_class {
    enum userdata_id id;
    const char *name; /* of the metatable, and in error texts */
    const luaL_Reg *methods;
    /* Appends the object's text. 0; or negative: no room. NULL: it has none. May throw. */
    int (*output)(lua_State *lua, int index, struct buffer *out);
    /* Appends the object's state; the same results. NULL: it is not preserved. */
    int (*save)(lua_State *lua, int index, struct buffer *out);
    /* Pushes an object with that state, or returns false: not what save() makes. May throw. */
    bool (*load)(lua_State *lua, const uint8_t *state, size_t size);
    /* Gives the object at `index` that state; false: it is not of that shape. NULL: never. */
    bool (*adopt)(lua_State *lua, int index, const uint8_t *state, size_t size);
};

/* Pushes the class's metatable. */
void userdata_push_metatable(lua_State *lua, const struct userdata_class *class);
/* A new object on top, zeroed; throws "not enough memory" when it is beyond memory_limit. */
void *userdata_new(lua_State *lua, const struct userdata_class *class, size_t size);
/* The object at `index`; throws when it is none of that class. */
void *userdata_check(lua_State *lua, int index, const struct userdata_class *class);
/* The class of the value at `index`, or NULL. */
const struct userdata_class *userdata_class_of(lua_State *lua, int index);
/* For methods: throws "incorrect number of arguments" unless there are that many, the object
 * included. */
void userdata_check_count(lua_State *lua, int least, int most);
/* Leaves a module with `new` alone on the stack. */
void userdata_open_module(lua_State *lua, lua_CFunction new_object);
/* The object on top, which was made for a state, adopts it; or is popped. */
bool userdata_adopt(lua_State *lua, const struct userdata_class *class, const uint8_t *state,
                    size_t size);
/* Restores an object of the class `name`: pushes it, or returns false. */
bool userdata_load(lua_State *lua, struct msg_slice name, const uint8_t *state, size_t size);

struct userdata_key { /* the bytes of a string, or of a number's double */
    const void *bytes;
    size_t size;
    double number;
};
/* The key at `index`, borrowed; throws when it is neither. */
void userdata_check_key(lua_State *lua, int index, struct userdata_key *key);
/* Hash (MurmurHash64A) of the key at `index`: the bytes of a string, or of a number's double. */
uint64_t userdata_hash_key(lua_State *lua, int index, uint64_t seed);

/* Number text as Heka has it: at most API_NUMBER_SIZE bytes. Returns its length. */
enum { API_NUMBER_SIZE = 40 };
size_t api_number_text(double number, char text[API_NUMBER_SIZE]);
size_t api_integer_text(int64_t integer, char *text); /* as many bytes are enough */
int api_append_number(struct buffer *out, double number);

/* The modules: each leaves its table on the stack. */
void cbuf_open(lua_State *lua);
void hyperloglog_open(lua_State *lua);
void bloom_filter_open(lua_State *lua);
void cuckoo_filter_open(lua_State *lua);
void sax_open(lua_State *lua);
void struct_open(lua_State *lua);
extern const struct userdata_class cbuf_class, hyperloglog_class, bloom_filter_class,
    cuckoo_filter_class, sax_window_class, sax_word_class;

#endif
