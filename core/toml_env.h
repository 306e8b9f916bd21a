/* SPDX-License-Identifier: MPL-2.0
 *
 * toml_env.h - %ENV[NAME] substitution before TOML is parsed.
 *
 * Place:   toml.c only.
 * Threads: one owner.
 * Memory:  the substituted text and the list of places are heap memory of the struct.
 * Failure: every bad %ENV[ is reported with its line; the text is then still whole, so that the
 *          parser can look for more errors.
 * Source:  Heka 0.11 pipeline.EnvSub; docs/formats/toml.md.
 */
#ifndef CORE_TOML_ENV_H
#define CORE_TOML_ENV_H

#include "core/buffer.h"
#include "core/conf.h"

/* Bytes [start, end) of the result came from the environment: newlines there are not the file's. */
struct toml_env_span {
    size_t start, end;
};

struct toml_env {
    struct buffer text;
    struct toml_env_span *spans; /* ascending */
    size_t span_count, span_capacity;
};

/* `env` is zeroed. Returns 0, or -1 after adding to `err`; toml_env_fini() is due in both cases. */
int toml_env_substitute(struct toml_env *env, const char *text, size_t text_len, const char *file,
                        conf_environment_fn environment, struct err *err);
void toml_env_fini(struct toml_env *env);

#endif
