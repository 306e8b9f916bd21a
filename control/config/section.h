/* SPDX-License-Identifier: MPL-2.0
 *
 * section.h - options of a section into structs, and errors with the place that they are about.
 *
 * Place:   instances.c and input_instances.c.
 * Threads: start-up only.
 */
#ifndef CONTROL_SECTION_H
#define CONTROL_SECTION_H

#include "control/config/hekad_config.h"
#include "core/err.h"

/* Where a key is, for errors; the section's own line when the key is not there. */
const struct conf_node *section_key(const struct config_section *section, const char *key);

#define SECTION_ERR(err, section, key, ...)                                                        \
    err_at(err, section_key(section, key)->file, section_key(section, key)->line, __VA_ARGS__)

/* Fills own options and common ones from one table. 0, or -1 after adding to `err`. */
int section_apply(const struct config_section *section, const struct schema *schema, void *options,
                  const struct schema *common_schema, void *common, struct err *err);

/* Errors of a function that knows no file and line get those of `key`, or, when it is NULL, of the
 * key that the text begins with. 0 when there are none, else -1. */
int section_place(const struct config_section *section, const char *key, const struct err *found,
                  struct err *err);

/* Runs a type's own check of its options, which may be NULL; its texts begin with a key. */
int section_check(const struct config_section *section,
                  int (*check)(const void *config, struct err *err), const void *options,
                  struct err *err);

#endif
