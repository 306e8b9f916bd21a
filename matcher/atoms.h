/* SPDX-License-Identifier: MPL-2.0
 *
 * atoms.h - the different yes-or-no facts about a message that a rule set asks for.
 *
 * Place:   gates.c turns each test of a rule into one or more atoms; match_plan.c builds the tables
 *          that answer them. An atom is false unless something in the message makes it true
 *          ("fires" it), so what is not in a message costs nothing.
 * Threads: one owner while compiling; read-only afterwards.
 * Memory:  keys and texts are kept until atoms_fini(). Regex spans borrow the rules.
 * Failure: -ENOMEM.
 */
#ifndef MATCHER_ATOMS_H
#define MATCHER_ATOMS_H

#include "matcher/intern.h"
#include "matcher/regex.h"
#include "matcher/rule_parse.h"

enum { ATOM_SIGNER = RULE_VARIABLES /* the variable that message_signer compares */ };

enum atom_type {
    ATOM_EQUALS,  /* text */
    ATOM_PREFIX,  /* text */
    ATOM_SUFFIX,  /* text */
    ATOM_ORDER,   /* text; compare is GT GE LT LE */
    ATOM_REGEX,   /* text: the pattern for the engines */
    ATOM_NUMBER,  /* number; compare is EQ GT GE LT LE */
    ATOM_EXISTS,  /* the rest are about fields */
    ATOM_IS_TRUE, /* boolean values */
    ATOM_IS_FALSE,
    ATOM_TEXT_OR_FALSE,
    ATOM_NUMBER_OR_FALSE,
    ATOM_GATE /* another gate's result */
};

/* A variable that some rule looks at. */
struct atom_input {
    unsigned variable; /* enum rule_variable or ATOM_SIGNER */
    const char *name;  /* RULE_FIELD */
    uint32_t name_len;
    uint32_t field_index, value_index;
};

struct atom {
    enum atom_type type;
    uint32_t input;
    enum rule_compare compare;
    const char *text;
    size_t text_len;
    double number;
    struct regex_span span; /* ATOM_REGEX */
    bool utf8;              /* ATOM_REGEX: the pattern is for UTF mode */
    uint32_t gate;          /* ATOM_GATE */
};

/* Zero-initialise. */
struct atoms {
    struct intern input_keys;
    struct atom_input *inputs;
    struct intern keys;
    struct atom *items;
    uint32_t capacity;
    uint32_t input_capacity;
};

static inline uint32_t atoms_count(const struct atoms *atoms)
{
    return atoms->keys.count;
}

static inline uint32_t atoms_input_count(const struct atoms *atoms)
{
    return atoms->input_keys.count;
}

/* Number of the input; `name` is copied. */
int64_t atoms_input(struct atoms *atoms, const struct atom_input *input);

/* Number of the atom; its text is copied. */
int64_t atoms_put(struct atoms *atoms, const struct atom *atom);
void atoms_fini(struct atoms *atoms);

#endif
