/* SPDX-License-Identifier: MPL-2.0
 *
 * siphash.h - SipHash-2-4, a keyed hash that who does not know the key cannot predict.
 *
 * Place:   TCP's sequence numbers and cookies (dataplane/tcp).
 * Threads: no state.
 * Source:  Aumasson, Bernstein: SipHash: a fast short-input PRF, 2012; test vectors of its
 *          appendix A.
 */
#ifndef CORE_SIPHASH_H
#define CORE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t halves[2];
};

/* From 16 bytes, little-endian. */
struct siphash_key siphash_key_from(const uint8_t *bytes);
uint64_t siphash(const struct siphash_key *key, const void *data, size_t size);

#endif
