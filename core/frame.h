/* SPDX-License-Identifier: MPL-2.0
 *
 * frame.h - Heka's stream framing: 0x1E, header length, header, 0x1F, message.
 *
 * Place:   outputs with use_framing write, HekaFramingSplitter, tools and the disk queue read.
 *          Bytes: docs/formats/message.md.
 * Threads: no state outside the caller's.
 * Memory:  frame_scan() allocates nothing; the two that hash call OpenSSL, which does.
 * Failure: frame_scan() says what it skipped and why; nothing is lost silently.
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/message.h"

enum {
    FRAME_RECORD_SEPARATOR = 0x1E,
    FRAME_UNIT_SEPARATOR = 0x1F,
    FRAME_HEADER_MAX = 255,
    FRAME_OVERHEAD_MAX = FRAME_HEADER_MAX + 3
};

enum frame_hash { FRAME_MD5 = 0, FRAME_SHA1 = 1 };

struct frame_signer { /* for signing: borrowed until the call returns */
    const char *name;
    uint32_t version;
    enum frame_hash hash;
    const void *key;
    size_t key_size;
};

/* Bytes that the header protobuf would need; above FRAME_HEADER_MAX frame_write() refuses. */
size_t frame_header_size(size_t message_size, const struct frame_signer *signer);

/* Size of the framed record, or -EMSGSIZE when message_size > message_max or the header would be
 * longer than 255, or -ENOSPC, or -EIO when the HMAC cannot be had (a library without that hash).
 * `signer` may be NULL. With a signer the HMAC and its key version are always written. */
int64_t frame_write(void *buffer, size_t capacity, const void *message, size_t message_size,
                    size_t message_max, const struct frame_signer *signer);

enum frame_status {
    FRAME_OK,         /* `frame` is filled; `consumed` ends behind it */
    FRAME_MORE,       /* 0 consumed: the bytes are the start of a frame, or there are none */
    FRAME_GARBAGE,    /* `consumed` bytes up to the next 0x1E (or the end) were not a frame */
    FRAME_BAD_HEADER, /* 1 consumed, an 0x1E with no good header behind it */
    FRAME_TOO_LARGE   /* 1 consumed, an 0x1E whose header says more than message_max */
};

struct frame {
    const uint8_t *message; /* borrowed from the scanned buffer */
    uint32_t message_size;
    bool has_hmac;
    bool has_unknown_hash; /* the header names a hash that is none of these; never authentic */
    enum frame_hash hash;
    struct msg_slice signer; /* len 0 when there is none; true or not: see core/signers.h */
    uint32_t key_version;
    const uint8_t *hmac;
    uint32_t hmac_size;
};

/* Looks at the start of `bytes`. *consumed is always set; call again behind it until FRAME_MORE.
 * How many bytes end in which status does not depend on how the stream was cut into buffers. A
 * buffer of FRAME_OVERHEAD_MAX + message_max bytes always gets further. `frame` is filled with
 * FRAME_OK only. */
enum frame_status frame_scan(const void *bytes, size_t size, size_t message_max,
                             struct frame *frame, size_t *consumed);

/* True when the frame's HMAC is that of its message under `key` (constant time). A header without
 * an HMAC is never authentic, whatever signer it names: the caller treats it as unsigned. */
bool frame_authentic(const struct frame *frame, const void *key, size_t key_size);

#endif
