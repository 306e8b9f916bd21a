/* SPDX-License-Identifier: MPL-2.0
 *
 * unicode.h - Unicode tables, read out of PCRE2 once and kept.
 *
 * Place:   code_points.c, when a rule has \p{...} or (?i) beyond ASCII. Asking PCRE2 keeps every
 *          engine on one version of Unicode: Hyperscan and regex_run.c see explicit ranges only.
 * Threads: any; the tables are built under a lock, on paths where rules are compiled.
 * Memory:  at most one table for each category and script; they stay until the process ends.
 * Failure: -ENOENT (no such property), -ENOMEM.
 */
#ifndef MATCHER_UNICODE_H
#define MATCHER_UNICODE_H

#include <stddef.h>

struct code_points;

/* The table of a general category or script; it is never changed or freed. */
int unicode_property(const char *name, size_t name_len, const struct code_points **table);

/* Adds what differs from a member by case only; the result is not normalised. */
int unicode_add_folded(struct code_points *set);

#endif
