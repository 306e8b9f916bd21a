/* SPDX-License-Identifier: MPL-2.0
 *
 * peg.h - the module lpeg: patterns, the programs made of them, and the machine that runs these.
 *
 * Place:   private to sandbox/. peg_tree.c makes patterns, peg_grammar.c checks grammars,
 *          peg_code.c compiles, peg_match.c runs, peg_capture.c makes values of captures.
 * Threads: the instance's.
 * Memory:  everything is userdata of the state, so that memory_limit counts it and no error can
 *          lose it. A pattern's environment holds what it refers to (enum peg_anchor).
 * Failure: Lua errors. Every step of the machine is charged to the instruction limit, and what
 *          recurses looks at the C stack.
 * Source:  the manual of LPeg 1.0 (same functions and results; none of its code), and its paper
 *          "A Text Pattern-Matching Tool based on Parsing Expression Grammars" (2009).
 */
#ifndef SANDBOX_PEG_H
#define SANDBOX_PEG_H

#include "sandbox/sandbox_internal.h"

enum peg_kind {
    PEG_TEXT, /* a literal; the empty one always matches */
    PEG_SET,
    PEG_ANY, /* `count` bytes */
    PEG_FALSE,
    PEG_SEQUENCE,
    PEG_CHOICE,
    PEG_LEAST, /* a^count: at least */
    PEG_MOST,  /* a^-count: at most */
    PEG_NOT,
    PEG_AND,
    PEG_BEHIND,
    PEG_RULE, /* V(name); `count` is the name's number */
    PEG_GRAMMAR,
    PEG_CAPTURE,
    PEG_FUNCTION /* Cmt */
};

enum peg_capture {
    CAP_CLOSE,
    CAP_SIMPLE,
    CAP_POSITION,
    CAP_CONSTANT,
    CAP_ARGUMENT,
    CAP_BACK,
    CAP_GROUP,
    CAP_TABLE,
    CAP_SUBSTITUTE,
    CAP_FOLD,
    CAP_TEXT,     /* patt / "text" */
    CAP_SELECT,   /* patt / number */
    CAP_QUERY,    /* patt / table */
    CAP_CALL,     /* patt / function */
    CAP_FUNCTION, /* Cmt, until it is closed */
    CAP_RUNTIME   /* a value of a Cmt */
};

enum peg_flag {
    PEG_IS_EMPTY = 1,     /* may match the empty text; rules are taken as if they could not */
    PEG_HAS_RULES = 2,    /* V() that no grammar inside binds */
    PEG_HAS_CAPTURES = 4, /* but for those of rules */
    PEG_HAS_VALUE = 8,    /* an anchored Lua value goes with it */
    PEG_IS_SURE = 16      /* cannot fail */
};

enum peg_anchor { ANCHOR_A = 1, ANCHOR_B, ANCHOR_VALUE, ANCHOR_PROGRAM, ANCHOR_VALUES };

struct peg_set {
    uint32_t words[8];
};

struct peg_node {
    uint8_t kind, capture, flags;
    int32_t count;
    int32_t fixed_len; /* of every match, or -1 */
    uint32_t size;     /* bytes of a text, rules of a grammar */
    const struct peg_node *a, *b;
    union {
        struct peg_set set;
        uint64_t align;
    } u;
};

struct peg_rule { /* behind a grammar's node; the first one is where it starts */
    const struct peg_node *body;
    uint32_t name; /* number of peg_name_number() */
    bool is_empty, is_used;
};

enum peg_op { /* low byte of a word; 24 bits of argument above it, operands behind */
              OP_END,
              OP_FAIL,
              OP_CHAR,           /* argument: byte */
              OP_SET,            /* set */
              OP_SPAN,           /* set */
              OP_ANY,            /* argument: count */
              OP_TEXT,           /* argument: size; bytes */
              OP_TEST_CHAR,      /* argument: byte; target if not there */
              OP_TEST_SET,       /* target; set */
              OP_CHOICE,         /* target */
              OP_COMMIT,         /* target */
              OP_PARTIAL_COMMIT, /* target */
              OP_BACK_COMMIT,    /* target */
              OP_FAIL_TWICE,
              OP_BEHIND,    /* argument: count */
              OP_JUMP,      /* target */
              OP_CALL,      /* target */
              OP_OPEN_CALL, /* rule of the grammar around; only while it is compiled */
              OP_RETURN,
              OP_FULL, /* argument: capture; value, size */
              OP_OPEN, /* argument: capture; value */
              OP_CLOSE,
              OP_CLOSE_FUNCTION
};

struct peg_program {
    uint32_t size; /* words */
    uint32_t code[];
};

struct peg_cap { /* of a match */
    const char *at;
    uint32_t value; /* index in the program's values; of CAP_RUNTIME, on the stack */
    uint32_t size;  /* length + 1 of a whole capture; 0: opens or closes one */
    uint32_t kind;
};

struct peg_frame { /* a choice, or a call (`at` is NULL) */
    const char *at;
    uint32_t pc, caps;
    int top; /* of the stack */
};

enum { PEG_FRAMES = 32, PEG_CAPS = 32, PEG_FRAMES_MAX = 400, PEG_STEPS = 256 };

struct peg_match {
    lua_State *lua;
    struct sandbox *sandbox;
    const uint32_t *code;
    const char *text, *end;
    unsigned steps_left; /* of PEG_STEPS that are charged together */
    uint32_t frame_count, frame_room, frame_max;
    uint32_t cap_count, cap_room;
    struct peg_frame *frames;
    struct peg_cap *caps;
    const struct peg_cap *cap; /* peg_capture.c: the next to be made a value of */
    /* Positions on the stack; what Cmt returned is behind the slots, up to `top`. */
    int frames_slot, caps_slot, values, arguments, argument_count, top;
    struct peg_frame first_frames[PEG_FRAMES];
    struct peg_cap first_caps[PEG_CAPS];
};

/* ---- peg_tree.c ---- */

void peg_open(lua_State *lua); /* leaves the module on the stack */
/* The pattern at `index`, or NULL. */
struct peg_node *peg_node_at(lua_State *lua, int index);
/* Replaces the value at `index` by a pattern of it. */
struct peg_node *peg_to_pattern(lua_State *lua, int index);
/* A new pattern on top; its environment is there when `has_anchors`. */
struct peg_node *peg_push_node(lua_State *lua, enum peg_kind kind, size_t more, bool has_anchors);
/* Pops a value and keeps it with the pattern that is then on top. */
void peg_anchor(lua_State *lua, struct peg_node *node, enum peg_anchor anchor);
/* The Lua value of a node (its ANCHOR_VALUE). */
void peg_push_value(lua_State *lua, const struct peg_node *node);
bool peg_as_set(const struct peg_node *node, struct peg_set *set);
static inline const char *peg_text(const struct peg_node *node)
{
    return (const char *)(node + 1);
}
static inline bool peg_set_has(const struct peg_set *set, uint8_t byte)
{
    return (set->words[byte >> 5] >> (byte & 31) & 1) != 0;
}

/* ---- peg_grammar.c ---- */

/* The grammar of the table at `index` as a pattern on top. */
void peg_push_grammar(lua_State *lua, int index);
/* Number of a rule's name (the value on top, which is popped), the same for equal names. */
uint32_t peg_name_number(lua_State *lua);
/* A text for it in error messages; valid while the state is. */
const char *peg_name_text(lua_State *lua, uint32_t number);
static inline const struct peg_rule *peg_rules(const struct peg_node *grammar)
{
    return (const struct peg_rule *)(grammar + 1);
}
/* Index of the rule with that name, or -1. */
int peg_rule_index(const struct peg_node *grammar, uint32_t name);

/* ---- peg_code.c ---- */

/* Pushes program and values of the pattern at `index`; compiles when it is the first time. */
const struct peg_program *peg_push_program(lua_State *lua, int index);

/* ---- peg_match.c, peg_capture.c ---- */

int peg_match(lua_State *lua); /* lpeg.match */
/* Pushes the values of all captures of a match that came to its end. Their count. */
int peg_push_captures(struct peg_match *match);
/* The captures from `first` on, which are within a Cmt, are its arguments: pushes their values. */
int peg_push_arguments(struct peg_match *match, uint32_t first);

#endif
