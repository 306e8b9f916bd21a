/* SPDX-License-Identifier: MPL-2.0
 *
 * decoder_host.h - decoders at work: made from their sections, with one set of expressions each.
 *
 * Place:   listeners of the data plane and inputs of hekad; between codec/decoder.h, which knows no
 *          engine, and capture_set.h, which knows no decoders.
 * Threads: a program is immutable and shared; a runner belongs to one thread. new and free [main],
 *          decode [worker].
 * Memory:  a program borrows the documents of its sections, which outlive it, as it does its
 *          runners. Decoding allocates for texts only (decode_io.log, decode_io.reason).
 * Failure: new: all errors of the sections, with file and line. decode: DECODE_E_*, each with a
 *          counter: decoder_counter().
 */
#ifndef MATCHER_DECODER_HOST_H
#define MATCHER_DECODER_HOST_H

#include "codec/decoder.h"
#include "core/conf.h"
#include "core/counters.h"

enum {
    DECODER_INSTANCES_MAX = 4096,  /* of one program: a section may be there more than once */
    DECODER_ERROR_TEXT_MAX = 500 /* bytes of the field decode_error, as in Heka */
};

struct decoder_program; /* a section and all that it names: options, expressions compiled */
struct decoder_runner;  /* instances of these for one stream */

struct decoder_program_config {
    const char *name; /* of the section */
    /* A section by its name, and the document that it lies in; NULL: there is none. ProtobufDecoder
     * exists without. */
    const struct conf_node *(*find)(void *context, const char *name, struct conf_doc **doc);
    void *context; /* used by decoder_program_new() only */
    const struct schema *common; /* options that are not the types' own; not looked at here */
    size_t message_size_max;
};

/* 0, or -1 after adding to err. */
int decoder_program_new(const struct decoder_program_config *config, struct decoder_program **out,
                        struct err *err);
void decoder_program_free(struct decoder_program *program); /* NULL is fine */
const struct decoder_ops *decoder_program_type(const struct decoder_program *program);
/* True when one of its decoders is of a type with runs_in_hekad. */
bool decoder_program_runs_in_hekad(const struct decoder_program *program);
uint32_t decoder_program_expressions(const struct decoder_program *program);

int decoder_runner_new(const struct decoder_program *program, struct decoder_runner **out,
                       struct err *err);
void decoder_runner_free(struct decoder_runner *runner); /* NULL is fine */

/* One message, by the program's decoder; io as decoder.h says. 0 or DECODE_E_*. */
int decoder_runner_decode(struct decoder_runner *runner, const struct msg_view *message,
                          struct decode_io *io);
struct decoder decoder_runner_root(const struct decoder_runner *runner);

/* The counter of a DECODE_E_* code, an end of the stage `text`. */
enum counter_id decoder_counter(int code);
/* Adds what decode_io.notes says. */
void decoder_count_notes(struct counters *counters, const struct decode_io *io);

/* What send_decode_failures sends: the message as it was with the fields decode_failure (true) and
 * decode_error (the reason, cut). */
void decoder_write_failure(struct msg_builder *builder, const struct msg_view *message,
                           const char *reason, size_t reason_len);

#endif
