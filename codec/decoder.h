/* SPDX-License-Identifier: MPL-2.0
 *
 * decoder.h - message to message: what makes sense of a payload.
 *
 * Place:   each input stream of the data plane and of hekad owns an instance of its decoder;
 *          builtin_decoders lists the types that all programs have.
 * Threads: an instance belongs to one thread. init and fini [main], decode [worker]: decode does
 *          not block, and allocates for texts only, when they are wanted.
 * Memory:  `config` (filled from the schema), `state` and the host outlive the instance. Everything
 *          that decode gets is the caller's and borrowed until it returns.
 * Failure: decode returns a DECODE_E_* code, each of which is a named counter of the caller's; then
 *          it has committed nothing. What is wrong with a message beside that is counted in
 *          decode_io.notes.
 */
#ifndef CODEC_DECODER_H
#define CODEC_DECODER_H

#include "core/buffer.h"
#include "core/captures.h"
#include "core/message.h"
#include "core/plugin.h"

enum {                            /* why there is no message */
       DECODE_E_NO_MATCH = -1100, /* not what this decoder takes */
       DECODE_E_IGNORED = -1101,  /* the same, and nobody is to be told (log_errors = false) */
       DECODE_E_LIMIT = -1102,    /* no answer within the limits of the expression or decoder */
       DECODE_E_PID = -1103,      /* a value of message_fields that is no 32-bit number */
       DECODE_E_SEVERITY = -1104,
       DECODE_E_UUID = -1105, /* neither 16 bytes nor the text of a UUID */
       DECODE_E_ROOM = -1106, /* the result is larger than a message may be */
       DECODE_E_ALL_FAILED = -1107,
       DECODE_E_MALFORMED = -1108 /* ProtobufDecoder: no Heka message; JsonDecoder: no JSON */
};

enum decode_note {                        /* a message was decoded, but */
                   DECODE_NOTE_TIMESTAMP, /* not its timestamp, which stays as it was */
                   DECODE_NOTE_SEVERITY,  /* not its severity, likewise */
                   DECODE_NOTE_LOST,      /* of several messages one found no room */
                   DECODE_NOTE_NULL,      /* a null of JSON, which became no field (each counts) */
                   DECODE_NOTE_STRUCTURE, /* not its structured data, which stays in the payload */
                   DECODE_NOTES
};

const char *decode_error_name(int code);             /* "no_match", ...; for ledger and logs */
const char *decode_note_name(enum decode_note note); /* "timestamp_unknown", ... */

struct decode_io {
    void *context;
    /* Room for one message; NULL: none. A second call without commit gives the same room. */
    uint8_t *(*begin)(void *context, size_t *capacity);
    /* `size` bytes of that room are a message. */
    void (*commit)(void *context, size_t size);
    /* Takes a text of Heka's log about an error that does not end decoding. NULL in the data
     * plane. */
    void (*log)(void *log_context, const char *text);
    void *log_context;
    struct buffer *reason; /* a text for the code returned is appended; NULL in the data plane */
    int64_t now_ns;        /* wall clock */
    uint64_t notes[DECODE_NOTES];
};

/* Counts a note about `what`, and logs "Don't recognize WHAT: 'TEXT'" where logging is wanted. */
void decode_io_note(struct decode_io *io, enum decode_note note, const char *what,
                    struct msg_slice text);

struct decoder_ops;

struct decoder { /* an instance */
    const struct decoder_ops *ops;
    void *state;
    const void *config;
    const char *name; /* of its section */
};

struct decoder_host { /* what init may ask for; each pointer may be NULL */
    void *context;
    const char *name; /* of the section that is initialised */
    size_t message_size_max;
    /* Compiles an expression and says how to match it; the source is to be used after all instances
     * of the host are initialised. 0, or -1 after adding to err. */
    int (*compile)(void *context, const char *regex, struct capture_source *source,
                   struct err *err);
    /* A new instance of the section `name`, initialised and owned by the host. 0, or -1 and err is
     * filled unless there is no such section. */
    int (*find)(void *context, const char *name, struct decoder *decoder, struct err *err);
    /* Memory that captures were taken from may hold another text from now on: what is known of it
     * by its place is to be forgotten. The host does so itself before each message. [worker] */
    void (*forget)(void *context);
};

struct decoder_ops {
    struct plugin_ops plugin;
    /* 0, or -1 after adding to err. */
    int (*init)(void *state, const void *config, const struct decoder_host *host, struct err *err);
    /* Reads `message` and commits what comes of it. 0, or DECODE_E_*. */
    int (*decode)(void *state, const void *config, const struct msg_view *message,
                  struct decode_io *io);
    /* The expression that decides whether decode can succeed on a payload. NULL: there is none. */
    const struct capture_source *(*captures)(const void *state);
    void (*fini)(void *state);
    /* It needs what only hekad has: a library, a process. An input of the data plane that has it,
     * also in a MultiDecoder, passes its records on undecoded, and hekad decodes them. */
    bool runs_in_hekad;
};

extern const struct decoder_ops json_decoder, metlog_decoder, multi_decoder, payload_regex_decoder,
    protobuf_decoder, scribble_decoder, stats_to_fields_decoder, syslog_decoder;
extern const struct decoder_ops *const builtin_decoders[]; /* ended by NULL */
const struct decoder_ops *decoder_by_name(const char *name);

/* More types than the built-in ones, a list ended by NULL that stays; a list that is known already
 * changes nothing. [main, before others ask] */
void decoder_add_types(const struct decoder_ops *const *types);
/* The index-th of all types; NULL behind the last one. */
const struct decoder_ops *decoder_type_at(unsigned index);

#endif
