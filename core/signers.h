/* SPDX-License-Identifier: MPL-2.0
 *
 * signers.h - who may sign messages, and whether a frame's signature is one of theirs.
 *
 * Place:   HekaFramingSplitter asks for each frame; docs/formats/message.md, "Signing".
 * Threads: a set is immutable once filled, and shared.
 * Memory:  signers_check() calls OpenSSL, which allocates; names live as long as the set.
 * Failure: a frame that names a signer and does not prove it is refused with a SIGNERS_E_* code.
 *          Heka took the name from a header without an HMAC for true: not so here.
 */
#ifndef CORE_SIGNERS_H
#define CORE_SIGNERS_H

#include "core/err.h"
#include "core/frame.h"

enum {
    SIGNERS_E_NO_HMAC = -1200,      /* a signer's name without proof */
    SIGNERS_E_BAD_HMAC = -1201,     /* not that of this message under the signer's key */
    SIGNERS_E_UNKNOWN = -1202,      /* no key of that name and version */
    SIGNERS_E_UNKNOWN_HASH = -1203, /* neither MD5 nor SHA1 */
    SIGNERS_MAX = 4096              /* keys of one set */
};
const char *signers_error_text(int code); /* "no_hmac", ...; for ledger and logs */

#define SIGNERS_NONE UINT32_MAX

struct signers_key { /* one version of a signer's key */
    char *name;
    uint32_t version;
    uint32_t name_index; /* in signers.names */
    char *key;
    size_t key_size;
};

struct signers {              /* zero-initialise */
    struct signers_key *keys; /* sorted by name and version */
    uint32_t key_count;
    const char **names; /* distinct, in alphabetical order; the strings are the keys' */
    uint32_t name_count;
};

/* Adds a key by its name in a configuration, "<name>_<version>". 0, or -1 after adding to err: no
 * such form, given twice, too many, out of memory. Not after signers_check(). */
int signers_add(struct signers *signers, const char *name_version, const void *key, size_t key_size,
                struct err *err);
void signers_fini(struct signers *signers); /* zeroed is fine */

/* 0 and *name_index is the authenticated signer's place in names, or SIGNERS_NONE for a frame that
 * names nobody; or SIGNERS_E_*. */
int signers_check(const struct signers *signers, const struct frame *frame, uint32_t *name_index);

#endif
