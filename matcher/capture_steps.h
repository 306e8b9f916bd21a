/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_steps.h - what a path is made of.
 *
 * Place:   capture_steps.c writes, capture_path.c runs.
 * Threads: immutable once written.
 */
#ifndef MATCHER_CAPTURE_STEPS_H
#define MATCHER_CAPTURE_STEPS_H

#include "matcher/capture_path.h"

enum path_code {
    PATH_MATCH,
    PATH_LITERAL,     /* exactly these bytes */
    PATH_ONE,         /* one byte of the class */
    PATH_RUN,         /* min..max bytes of the class, as many as there are */
    PATH_UNTIL_FIRST, /* at least min bytes of the class, up to the first place of the literal */
    PATH_UNTIL_LAST,  /* the same, up to the last place */
    PATH_SAVE,
    PATH_TRY_CLASS,   /* goes to `target` unless the next byte is of the class */
    PATH_TRY_LITERAL, /* goes to `target` unless these bytes are next */
    PATH_JUMP,
    PATH_ASSERT
};

/* A set of bytes. In a run, bytes over 127 are all in it, or none. */
struct path_class {
    uint8_t has[256];
    uint8_t rows[16]; /* bit r of rows[c]: byte 16 * r + c is in the set */
    bool has_high;
    bool has_end; /* "the end of the text" is a member */
};

struct path_step {
    uint8_t code;    /* enum path_code */
    bool is_guess;   /* other ways are left out by it */
    uint16_t target; /* of PATH_TRY_* and PATH_JUMP */
    uint16_t class;
    uint16_t save_before, save_after; /* slots; path->slot_count: none */
    uint16_t assertion;               /* enum regex_op */
    uint32_t min, max;
    uint32_t literal, literal_len; /* path->literals[literal ..+ literal_len] */
    uint64_t word, mask;           /* the literal when it has up to 8 bytes; else mask 0 */
};

struct capture_path {
    struct path_step *steps;
    uint32_t step_count;
    struct path_class *classes;
    uint32_t class_count;
    uint8_t *literals;
    uint32_t literals_size;
    uint32_t slot_count;
    bool is_anchored;
    bool wants_ascii;
    bool has_starts; /* a match begins with a byte of classes[starts] */
    uint16_t starts;
};

#endif
