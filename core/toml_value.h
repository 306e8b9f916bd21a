/* SPDX-License-Identifier: MPL-2.0
 *
 * toml_value.h - strings, numbers, dates, booleans and arrays.
 *
 * Place:   toml.c.
 */
#ifndef CORE_TOML_VALUE_H
#define CORE_TOML_VALUE_H

#include "core/toml_text.h"

/* Reads the value at pos (blanks before it are skipped). `depth`: arrays around it. Returns NULL
 * when pos is not after a value: the rest of the line is lost. A wrong value whose end is clear is
 * reported and returned as some value, so that the rest of the line is checked, too. */
struct conf_node *toml_value_parse(struct toml *toml, unsigned depth);

#endif
