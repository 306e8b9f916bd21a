/* SPDX-License-Identifier: MPL-2.0
 *
 * decoder_rig.h - a decoder (matcher/decoder_host.h) from a text, and what it commits.
 *
 * Place:   tests of decoders and of their host.
 * Threads: one owner.
 * Memory:  everything is freed by decoder_rig_fini(), also after a failed init.
 */
#ifndef TESTS_SUPPORT_DECODER_RIG_H
#define TESTS_SUPPORT_DECODER_RIG_H

#include "matcher/decoder_host.h"

enum { DECODER_RIG_MESSAGES = 64 };

struct decoder_rig { /* zero-initialise */
    struct conf_doc *doc;
    struct decoder_program *program;
    struct decoder_runner *runner;
    struct decoder root;
    /* what was committed since decoder_rig_decode() began */
    uint8_t *room;
    size_t room_size; /* 0 before init: MSG_SIZE_DEFAULT_MAX */
    uint8_t *messages[DECODER_RIG_MESSAGES];
    size_t sizes[DECODER_RIG_MESSAGES];
    unsigned message_count;
    struct buffer log;    /* a text a line */
    struct buffer reason; /* of a failure */
    bool is_quiet;        /* neither texts nor reasons, as in the data plane */
    uint64_t notes[DECODE_NOTES];
};

/* `toml` is the configuration; `name` the section of the decoder to use. */
int decoder_rig_init(struct decoder_rig *rig, const char *toml, const char *name, struct err *err);
void decoder_rig_fini(struct decoder_rig *rig);

/* The code of decode(). */
int decoder_rig_decode(struct decoder_rig *rig, const struct msg_view *message, int64_t now_ns);

/* The same for a message of a payload, a Uuid and a Timestamp of 1 ns, in an allocation of exactly
 * its size with the payload at the end, so that reading behind it is seen. */
int decoder_rig_decode_text(struct decoder_rig *rig, struct msg_slice payload, int64_t now_ns);

#endif
