/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_page.h - what hekad and one sandbox worker share about the worker: its bell, its
 *                  heartbeat, whose turn it is; and the commands that hekad sends.
 *
 * Place:   sandbox_pool.c (hekad) makes it, sandbox_worker.c maps it. Bytes:
 *          docs/formats/sandbox_worker.md.
 * Threads: each word has one writer.
 * Failure: hekad only looks at numbers, and checks them.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_PAGE_H
#define CONTROL_SANDBOX_SANDBOX_PAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SANDBOX_PAGE_MAGIC UINT64_C(0x3147505842534b48) /* "HKSBXPG1" in memory */

enum {
    SANDBOX_PAGE_BYTES = 4096,
    SANDBOX_WORKER_INSTANCES_MAX = 32,
    SANDBOX_SOCKET_FD = 3, /* of the worker: commands come there */
    SANDBOX_PAGE_FD = 4,
    SANDBOX_EXIT_STUCK = 70, /* a call did not end by anything else */
    SANDBOX_EXIT_SEAL = 71   /* it could not be sealed */
};

enum sandbox_class { /* of workers, and of the plugins in them */
                     SANDBOX_CLASS_CONFIGURED,
                     SANDBOX_CLASS_DYNAMIC, /* a SandboxManagerFilter's */
                     SANDBOX_CLASS_JIT,     /* one plugin each */
                     SANDBOX_CLASS_IO,      /* outputs: files and network */
                     SANDBOX_CLASS_INPUT,   /* likewise; one each, whose calls last */
                     SANDBOX_CLASS_COUNT
};

enum sandbox_worker_state { SANDBOX_WORKER_STARTING, SANDBOX_WORKER_SEALED };

struct sandbox_page {
    uint64_t magic;
    uint32_t worker_class; /* enum sandbox_class */
    uint32_t reserved;
    _Alignas(64) _Atomic uint32_t bell; /* hekad rings: requests, or a command */
    _Atomic uint32_t commands;          /* that hekad has sent */
    _Atomic uint32_t is_stopping;       /* hekad: an input's call is to end */
    _Alignas(64) _Atomic uint32_t waits; /* the worker writes: 1 while it waits for the bell */
    _Alignas(64) _Atomic uint64_t heartbeat_ns; /* CLOCK_MONOTONIC, of the watchdog's thread */
    _Atomic uint32_t state;                     /* enum sandbox_worker_state */
    _Atomic uint32_t running;                   /* index of the instance in turn + 1, or 0 */
    _Atomic uint32_t stops;                     /* calls that the watchdog has stopped */
};
_Static_assert(sizeof(struct sandbox_page) <= SANDBOX_PAGE_BYTES, "one page");
_Static_assert(offsetof(struct sandbox_page, bell) == 64, "docs/formats/sandbox_worker.md");
_Static_assert(offsetof(struct sandbox_page, waits) == 128, "docs/formats/sandbox_worker.md");
_Static_assert(offsetof(struct sandbox_page, heartbeat_ns) == 192,
               "docs/formats/sandbox_worker.md");

enum sandbox_command_kind {
    SANDBOX_COMMAND_ADD = 1, /* with the channel's descriptor */
    SANDBOX_COMMAND_REMOVE,
    SANDBOX_COMMAND_END
};

struct sandbox_command { /* one packet of the socket (SOCK_SEQPACKET) */
    uint32_t kind;
    uint32_t index; /* of the instance, below SANDBOX_WORKER_INSTANCES_MAX */
};

#endif
