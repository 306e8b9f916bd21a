/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_script.h - a peer that follows a script, and the two stacks that it can talk to: ours in
 *                process, and the kernel's over a tun device, which is the oracle.
 *
 * Place:   tcp_script.c runs scripts, script_ours.c and script_kernel.c are the stacks. The
 *          language: tests/golden/tcp/README.md.
 */
#ifndef TESTS_SUPPORT_TCP_SCRIPT_H
#define TESTS_SUPPORT_TCP_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCRIPT_PORT = 5565, SCRIPT_SEGMENT_MAX = 4096 };

enum script_end { SCRIPT_OPEN, SCRIPT_EOF, SCRIPT_RESET };

struct script_stack {
    const char *name;
    /* A listener on SCRIPT_PORT whose application reads everything at once, or nothing. */
    void (*open)(bool reads);
    void (*close)(void);
    /* A TCP header with payload; the checksum field is filled in by the stack. */
    void (*send)(uint8_t *segment, size_t size);
    /* The next segment that the stack has sent: its size, or 0 when none comes within the time. */
    size_t (*receive)(uint8_t *segment, size_t capacity, unsigned wait_ms);
    void (*wait)(unsigned ms);
    /* The application reads that many bytes more. */
    void (*read)(size_t size);
    /* What the application has got so far, and how its connection ended. */
    uint64_t (*delivered)(void);
    enum script_end (*end)(void);
    unsigned settle_ms; /* until it is certain that nothing comes */
};

extern const struct script_stack script_ours, script_kernel;

/* The byte at a place of the peer's stream. */
static inline uint8_t script_byte(uint64_t place)
{
    return (uint8_t)(place * 31 + place / 251);
}

_Noreturn void script_die(const char *what);

#endif
