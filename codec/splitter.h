/* SPDX-License-Identifier: MPL-2.0
 *
 * splitter.h - bytes of a stream or a datagram to records, without a copy.
 *
 * Place:   between the bytes of an input and its decoder: kernel inputs of hekad
 *          (codec/split_buffer.h is a buffer for them) and listeners of the data plane.
 *          docs/formats/splitters.md says what each type does.
 * Threads: a splitter is immutable once splitter_init() has returned, and shared; a stream belongs
 *          to one thread. splitter_init and splitter_fini [main]; split_* [worker], none blocks.
 * Memory:  the splitter allocates in splitter_init() only. A stream lives in memory of the host,
 *          splitter_stream_size() bytes, which nothing needs to free. Records are places in the
 *          caller's bytes; a signer's name lives as long as the splitter.
 * Failure: each piece of the input ends in one enum split_outcome, which is a named counter, and
 *          every byte in exactly one piece: see struct split_counts.
 * Source:  Heka 0.11's splitters and SplitterRunner, RFC 6587 section 3.4.
 */
#ifndef CODEC_SPLITTER_H
#define CODEC_SPLITTER_H

#include "core/message.h"
#include "core/plugin.h"
#include "core/split_expression.h"

enum split_outcome {
    SPLIT_MORE, /* nothing consumed: no piece ends in these bytes, or there are none */
    /* Records. */
    SPLIT_RECORD,
    SPLIT_TRUNCATED, /* the first record_max bytes of a longer one (keep_truncated) */
    SPLIT_FINAL,     /* what was left at the end (deliver_incomplete_final) */
    /* No record. */
    SPLIT_EMPTY,      /* between two delimiters that are cut off */
    SPLIT_INCOMPLETE, /* left at the end */
    SPLIT_OVERSIZED,  /* the first record_max bytes of a longer record */
    /* What came behind a SPLIT_TRUNCATED or SPLIT_OVERSIZED, up to the next delimiter; more than
     * record_max bytes are several pieces. */
    SPLIT_REST,
    SPLIT_GARBAGE,    /* not in a frame */
    SPLIT_BAD_HEADER, /* looked like the start of a frame and is none */
    SPLIT_TOO_LARGE,  /* start of a frame that says it is larger than a message may be */
    SPLIT_NO_HMAC,    /* a frame that names a signer and proves nothing */
    SPLIT_BAD_HMAC,   /* its HMAC is not that of the message */
    SPLIT_UNKNOWN_SIGNER,
    SPLIT_UNKNOWN_HASH,
    SPLIT_OUTCOMES
};

const char *split_outcome_name(enum split_outcome outcome); /* "record", ...; for the ledger */

static inline bool split_is_record(enum split_outcome outcome)
{
    return outcome >= SPLIT_RECORD && outcome <= SPLIT_FINAL;
}

/* Added to by split_next(). Neither depends on how a stream is cut into buffers, but for the number
 * of pieces of SPLIT_GARBAGE, and all of NullSplitter, which takes what comes. */
struct split_counts {
    uint64_t pieces[SPLIT_OUTCOMES];
    uint64_t bytes[SPLIT_OUTCOMES]; /* consumed: with delimiters and framing */
};

enum split_source { /* what is known of the bytes behind those given */
                    SPLIT_GOES_ON,
                    /* As above, but none came for a while: an open group of lines is to end. */
                    SPLIT_PAUSES,
                    SPLIT_ENDS /* end of the stream or of the datagram */
};

struct split_piece {
    enum split_outcome outcome;
    size_t consumed;         /* bytes to go on behind; 0 only with SPLIT_MORE */
    struct msg_slice record; /* in the bytes given; of records, else len 0 */
    const char *signer;      /* who signed the record, authentic; NULL: nobody */
    uint32_t signer_index;   /* its place in splitter.signers */
};

/* ---- types ---- */

struct splitter_host {
    void *context;
    size_t message_max; /* max_message_size */
    bool null_to_end;   /* NullSplitter: one record to the end (HttpInput, ProcessInput) */
    /* Compiles an expression (RE2); it is the host's and outlives the splitter. NULL: there are
     * none here, and splitters that need one are refused. 0, or -1 after adding to err. */
    int (*compile)(void *context, const char *regex, struct split_expression *expression,
                   struct err *err);
};

struct splitter_options { /* filled from splitter_ops.common */
    const char *type;
    bool keep_truncated, use_message_bytes, deliver_incomplete_final;
    int64_t min_buffer_size;
};

struct splitter;
struct split_stream;

struct splitter_ops {
    struct plugin_ops plugin;    /* state: of the splitter, not of a stream */
    const struct schema *common; /* of struct splitter_options, with the type's own defaults */
    bool is_preregistered;       /* exists without a section */
    bool sees_pauses;            /* SPLIT_PAUSES may end a record */
    uint32_t buffer_size;        /* what a min_buffer_size of 0 means; 0: 8192 */
    uint16_t extra;              /* bytes beyond record_max that a record's delimiter may need */
    /* May be NULL. Sets splitter->search_size when streams need room. 0, or -1 after adding to
     * err. */
    int (*init)(struct splitter *splitter, const struct splitter_host *host, struct err *err);
    /* The next piece of `bytes`, at most splitter_buffer_max() of them, without regard to
     * record_max: consumes something, or SPLIT_MORE. With SPLIT_ENDS what is left over is
     * SPLIT_MORE, too: split_next() deals with it. piece->record may then say which part of the
     * bytes would be a record (default: all). In stream->is_rest the end of the record in which
     * the bytes begin is wanted. */
    void (*find)(const struct splitter *splitter, struct split_stream *stream,
                 struct msg_slice bytes, enum split_source source, struct split_piece *piece);
    /* May be NULL. The first `size` of these bytes were cut off, without an end of a record. */
    void (*cut)(const struct splitter *splitter, struct split_stream *stream,
                struct msg_slice bytes, size_t size);
    void (*fini)(struct splitter *splitter); /* may be NULL */
};

extern const struct splitter_ops null_split_ops, token_split_ops, regex_split_ops,
    pattern_split_ops, framing_split_ops, octet_split_ops;
extern const struct splitter_ops *const splitter_types[]; /* ended by NULL */
const struct splitter_ops *splitter_by_name(const char *name);

/* ---- one section ---- */

struct splitter_signers { /* distinct names in alphabetical order */
    const char *const *names;
    uint32_t count;
};

struct splitter {
    const struct splitter_ops *ops;
    const void *config;             /* the host's, filled from ops->plugin.schema */
    struct splitter_options common; /* min_buffer_size: what it is, not 0 */
    size_t message_max;
    size_t record_max;  /* bytes of a record: message_max + FRAME_OVERHEAD_MAX, as in Heka */
    size_t search_size; /* for searches, in each stream */
    struct splitter_signers signers;
    void *state; /* plugin.state_size bytes, zeroed; owned */
};

/* `splitter` is filled from scratch; `config` and the strings of `common` outlive it. 0, or -1
 * after adding to err, with nothing left to free. */
int splitter_init(struct splitter *splitter, const struct splitter_ops *ops, const void *config,
                  const struct splitter_options *common, const struct splitter_host *host,
                  struct err *err);
void splitter_fini(struct splitter *splitter); /* zeroed is fine */

/* A buffer of that many bytes is never too small to get further. It may start with
 * common.min_buffer_size bytes and grow. */
size_t splitter_buffer_max(const struct splitter *splitter);

/* ---- one stream ---- */

struct split_stream {
    const struct splitter *splitter;
    bool is_rest; /* in what is behind the start of an oversized record */
    /* The type's own; 0 behind each piece, but for skip. */
    int64_t lines; /* that are seen whole */
    size_t seen;   /* bytes that need not be looked at again */
    size_t line;   /* start of the last line */
    size_t skip;   /* bytes in front that are no place for a delimiter, or are left to discard */
    _Alignas(16) uint8_t search[]; /* of the splitter's expression */
};

size_t splitter_stream_size(const struct splitter *splitter);
/* Also to start afresh with another stream. `stream`: splitter_stream_size() bytes, aligned to
 * 16. */
void split_stream_init(struct split_stream *stream, const struct splitter *splitter);

/* The first piece of `bytes`, which begin where the last piece ended; after SPLIT_MORE the same
 * bytes and some more behind them are given (anywhere in memory). To be called until SPLIT_MORE,
 * with SPLIT_ENDS too; behind that the stream starts afresh, so a datagram is split by:
 *
 *     while (split_next(stream, bytes, SPLIT_ENDS, &piece, counts) != SPLIT_MORE) { ... }
 *
 * (with `bytes` moved on by piece.consumed). `counts` may be NULL. All calls together take time
 * linear in the bytes, in whatever portions they come. */
enum split_outcome split_next(struct split_stream *stream, struct msg_slice bytes,
                              enum split_source source, struct split_piece *piece,
                              struct split_counts *counts);

#endif
