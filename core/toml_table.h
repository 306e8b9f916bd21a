/* SPDX-License-Identifier: MPL-2.0
 *
 * toml_table.h - tables and keys of a document under construction; finds what is given twice.
 *
 * Place:   toml.c.
 * Memory:  an index over all keys of the document, freed by toml_table_fini().
 */
#ifndef CORE_TOML_TABLE_H
#define CORE_TOML_TABLE_H

#include "core/toml_text.h"

/* The table `name` in `parent`, made when it is new. `is_last`: the header ends here, which is
 * allowed once for each table. NULL after an error. `name` lives in the document. */
struct conf_node *toml_table_enter(struct toml *toml, struct conf_node *parent, const char *name,
                                   bool is_last);

/* Adds a value; -1 when the key is there already. `key` lives in the document. */
int toml_table_add(struct toml *toml, struct conf_node *table, const char *key,
                   struct conf_node *value);

void toml_table_fini(struct toml *toml);

#endif
