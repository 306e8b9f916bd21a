/* SPDX-License-Identifier: MPL-2.0
 *
 * database.h - compiled rule sets as bytes: from hekad to the data plane, and on disk.
 *
 * Place:   hekad compiles and saves, the data plane only loads: compiling expressions takes long,
 *          loading does not. Bytes: docs/formats/matcher.md.
 * Threads: any, no state; several processes may use one cache folder.
 * Memory:  a loaded set does not borrow the bytes.
 * Failure: bytes that are cut, changed, of another version or for another processor are refused
 *          with a text in err. The compiled expressions inside are trusted once the checksum is
 *          right: take bytes only from where the configuration comes from.
 */
#ifndef MATCHER_DATABASE_H
#define MATCHER_DATABASE_H

#include "core/buffer.h"
#include "matcher/ruleset.h"

enum {
    RULESET_FORMAT = 1, /* goes up with every change of the bytes, or of what they mean */
    RULESET_SAVED_MAX = 256 << 20, /* bytes */
    RULESET_DIGEST_LEN = 32,       /* hexadecimal digits, without a NUL */
    RULESET_CACHE_FILES_MAX = 64   /* of a cache folder: those used last stay */
};

int ruleset_save(const struct ruleset *set, struct buffer *out);

/* -EPROTO: not a saved set, or not for this program and processor. */
int ruleset_load(const void *bytes, size_t size, struct ruleset **out, struct err *err);

/* XXH3-128 of saved bytes, as text with a NUL: what a plan says about its database. */
void ruleset_digest(const void *bytes, size_t size, char text[RULESET_DIGEST_LEN + 1]);

/* Loads a file that has to have this digest, which is looked at before anything in it is, and has
 * to be of these rules (NULL in place of "" is the same signer). -EPROTO: cut, changed, of another
 * program or processor, or of other rules; -errno: it cannot be read. err gets a text with the path
 * in front. */
int ruleset_load_file(const char *path, const char *digest, const struct rule_text *rules,
                      size_t count, struct ruleset **out, struct err *err);

/* True when the set was made of these rules, in this order. */
bool ruleset_is_of(const struct ruleset *set, const struct rule_text *rules, size_t count);

enum ruleset_origin {
    RULESET_COMPILED, /* and saved in the folder */
    RULESET_CACHED,   /* loaded from there */
    RULESET_NOT_SAVED /* compiled; the folder could not be written, errno says why */
};

/* As ruleset_compile(), with a cache in the folder `dir`, one file for each content. A file that is
 * not as it should be is replaced. Of the files there, RULESET_CACHE_FILES_MAX stay. */
int ruleset_compile_cached(const char *dir, const struct rule_text *rules, size_t count,
                           struct ruleset **out, enum ruleset_origin *origin, struct err *err);

/* "Hyperscan VERSION, CPU FEATURES": what saved sets are bound to. NUL-terminated. */
void ruleset_engine_text(char *text, size_t size);

#endif
