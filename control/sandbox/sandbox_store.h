/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_store.h - scripts and sections of managed filters, as files: NAME.lua and NAME.toml.
 *
 * Place:   sandbox_manager_filter.c; the folder is its working_directory.
 * Threads: one owner.
 * Failure: a file is whole or as it was before: written beside, then renamed. What is replaced is
 *          kept as NAME.lua.old and NAME.toml.old until it is known that the new one runs.
 * Source:  Heka 0.11: names and contents, mode 0600.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_STORE_H
#define CONTROL_SANDBOX_SANDBOX_STORE_H

#include "core/buffer.h"
#include "core/err.h"
#include "core/message.h"

struct sandbox_store {
    const char *dir; /* borrowed */
};

/* 0, or -1 after adding to `err`. */
int sandbox_store_put(const struct sandbox_store *store, const char *name, struct msg_slice script,
                      struct msg_slice section, struct err *err);
void sandbox_store_keep(const struct sandbox_store *store, const char *name);    /* no way back */
void sandbox_store_go_back(const struct sandbox_store *store, const char *name); /* or remove */
void sandbox_store_remove(const struct sandbox_store *store, const char *name);

/* DIR/NAME.lua; -1 when it is too long. */
int sandbox_store_script(const struct sandbox_store *store, const char *name, char *path,
                         size_t size);
/* A whole file, NAME with `suffix`. 0, or -1 after adding to `err`. */
int sandbox_store_read(const struct sandbox_store *store, const char *name, const char *suffix,
                       struct buffer *out, struct err *err);
/* Visits the names of "MANAGER-*.toml", in their order; `manager` with _ for odd characters. What
 * was about to be replaced is put back first. */
void sandbox_store_each(const struct sandbox_store *store, const char *manager,
                        void (*visit)(void *arg, const char *name), void *arg);

#endif
