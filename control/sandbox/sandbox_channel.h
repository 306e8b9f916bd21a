/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_channel.h - what hekad and a sandbox worker share about one plugin: its description, a
 *                     ring of requests, a ring of replies, its state, its usage.
 *
 * Place:   sandbox_client.c (hekad) makes it, sandbox_instance.c (heka-sandbox) maps it. Bytes:
 *          docs/formats/sandbox_worker.md.
 * Threads: one in each process; the state word and usage may be read by [any].
 * Memory:  an anonymous file that neither side can shrink or grow, sparse: only what is used takes
 *          memory. hekad copies what it reads before it believes it.
 * Failure: -EPROTO when something makes no sense.
 *
 * It outlives a worker: requests that a worker that died had not finished are read by the next one.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_CHANNEL_H
#define CONTROL_SANDBOX_SANDBOX_CHANNEL_H

#include "control/sandbox/sandbox_ring.h"
#include "core/err.h"
#include "sandbox/sandbox.h"

#define SANDBOX_CHANNEL_MAGIC UINT64_C(0x3143425358454b48) /* "HKEXSBC1" in memory */

enum {
    SANDBOX_CHANNEL_VERSION = 1,
    SANDBOX_CHANNEL_PAGE = 4096,
    SANDBOX_RING_BYTES_MIN = 256 * 1024,
    SANDBOX_REQUEST_BYTES_MIN = 1024 * 1024, /* they stay until the next checkpoint */
    SANDBOX_REPLY_BYTES_MAX = 256 << 20,     /* of what one call can inject, all together */
};

enum sandbox_request {
    SANDBOX_REQUEST_MESSAGE = 1, /* body: the message; hops: its own */
    SANDBOX_REQUEST_TIMER,       /* value: nanoseconds since the epoch */
    SANDBOX_REQUEST_PRESERVE,    /* state to the state area */
    SANDBOX_REQUEST_RESTORE      /* value: bytes in the state area */
};

enum sandbox_reply {
    SANDBOX_REPLY_INJECT = 1, /* body: a message; value: number of the request that caused it */
    SANDBOX_REPLY_FAILED,     /* body: text; value: the request's number */
    SANDBOX_REPLY_TERMINATED, /* body: text */
    SANDBOX_REPLY_OUTPUT,     /* encoders, decoders: body: bytes; code: enum sandbox_outcome */
    SANDBOX_REPLY_PRESERVED,  /* code: 0, value: bytes in the state area; or 1 and body: text */
    SANDBOX_REPLY_LOG         /* body: text */
};

enum sandbox_phase { /* of an instance; the worker writes */
                     SANDBOX_STATE_NEW,
                     SANDBOX_STATE_READY,
                     SANDBOX_STATE_FAILED, /* the script could not be loaded: text */
                     SANDBOX_STATE_TERMINATED,
                     SANDBOX_STATE_GONE /* nothing of it is left in the worker */
};

enum sandbox_figure { /* usage, as struct sandbox_usage has it */
                      SANDBOX_FIGURE_MEMORY,
                      SANDBOX_FIGURE_MEMORY_MAX,
                      SANDBOX_FIGURE_INSTRUCTIONS,
                      SANDBOX_FIGURE_INSTRUCTIONS_MAX,
                      SANDBOX_FIGURE_OUTPUT,
                      SANDBOX_FIGURE_OUTPUT_MAX,
                      SANDBOX_FIGURE_PROCESSED,
                      SANDBOX_FIGURE_FAILURES,
                      SANDBOX_FIGURE_SAMPLES,
                      SANDBOX_FIGURE_SAMPLE_NS,
                      SANDBOX_FIGURE_TIMERS,
                      SANDBOX_FIGURE_INJECTED,
                      SANDBOX_FIGURE_TURNS_NS,    /* all turns together */
                      SANDBOX_FIGURE_PRESERVE_NS, /* the last checkpoint */
                      SANDBOX_FIGURE_COUNT
};

struct sandbox_header { /* the first page */
    uint64_t magic;
    uint32_t version;
    uint32_t reserved;
    uint64_t total_bytes;
    uint64_t blob_bytes; /* the description, behind this page */
    uint64_t request_offset, request_bytes;
    uint64_t reply_offset, reply_bytes;
    uint64_t state_offset, state_bytes;
    uint64_t restore_bytes; /* in the state area: restored after the script was loaded */
    _Alignas(64) struct sandbox_positions requests, replies;
    _Alignas(64) _Atomic uint32_t hekad_waits; /* hekad writes: 1 while it waits for reply_bell */
    _Atomic uint64_t wake_at; /* of the requests' tail: hekad wants to go on there */
    _Alignas(64) _Atomic uint32_t reply_bell; /* the worker rings */
    _Atomic uint32_t state;                   /* enum sandbox_phase */
    _Atomic uint64_t figures[SANDBOX_FIGURE_COUNT];
    char text[SANDBOX_TEXT_SIZE]; /* why it failed; written before `state` */
};
_Static_assert(sizeof(struct sandbox_header) <= SANDBOX_CHANNEL_PAGE, "first page");

struct sandbox_channel { /* one side's view; zeroed is closed, with fd -1 */
    int fd;
    struct sandbox_header *header;
    uint64_t total_bytes, blob_bytes, state_bytes; /* as checked once, or as made */
    uint8_t *blob, *state;
    uint8_t *request_bytes, *reply_bytes;
    uint64_t request_capacity, reply_capacity;
    struct sandbox_ring requests, replies;
};

struct sandbox_channel_size {
    uint64_t message_max;  /* of requests */
    uint64_t replies_need; /* bytes of replies that one call can cause */
    uint64_t state_max;
};

/* [hekad] Makes one with this description. 0, or -1 after adding to `err`. */
int sandbox_channel_make(struct sandbox_channel *channel, const struct sandbox_channel_size *size,
                         const void *blob, size_t blob_size, struct err *err);
/* [worker] Maps one; takes `fd`. 0 or negative errno. */
int sandbox_channel_open(struct sandbox_channel *channel, int take_fd);
void sandbox_channel_close(struct sandbox_channel *channel);

/* [hekad] Between two workers: the state is NEW again; replies that are not read are dropped. 0, or
 * -EPROTO when their ring makes no sense any more. */
int sandbox_channel_reset(struct sandbox_channel *channel);
/* [hekad] Copies to the state area. 0, or -EFBIG. */
int sandbox_channel_put_state(struct sandbox_channel *channel, const void *state, size_t size);
/* [hekad] The state area's memory is given back. */
void sandbox_channel_drop_state(struct sandbox_channel *channel, size_t size);

#endif
