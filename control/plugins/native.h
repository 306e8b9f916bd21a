/* SPDX-License-Identifier: MPL-2.0
 *
 * native.h - plugin types from shared objects.
 *
 * Place:   setup.c loads plugin_dir before sections get their meaning; plugin_types.c looks here
 *          behind the builtin tables.
 * Threads: any; types only are added.
 * Memory:  objects stay loaded as long as the process lives.
 * Failure: an object that cannot be loaded, is of another ABI, lacks the table or a function, or
 *          has a type name that is taken is an error of the configuration; nothing of it is used.
 * Bounds:  NATIVE_TYPES_MAX types, NATIVE_FILES_MAX objects.
 */
#ifndef CONTROL_NATIVE_H
#define CONTROL_NATIVE_H

#include <stdbool.h>

#include "control/config/plugin_types.h"

enum { NATIVE_TYPES_MAX = 256, NATIVE_FILES_MAX = 128 };

/* Loads every *.so of a folder that is not loaded yet, in the order of the names. NULL or "":
 * nothing. 0, or -1 after adding to `err`. [main] */
int native_load(const char *dir, struct err *err);

/* The index-th type of a kind, or NULL behind the last one. */
const struct plugin_ops *native_type(enum plugin_category category, unsigned index);
/* File that a type comes from; NULL: it is hekad's own. */
const char *native_file(const struct plugin_ops *ops);

#endif
