/* SPDX-License-Identifier: MPL-2.0
 *
 * dynamic.h - sections that plugins add, replace and remove while hekad runs.
 *
 * Place:   a SandboxManagerFilter's filters and a ProcessDirectoryInput's commands: they get it
 *          from input_host_dynamic() and filter_host_dynamic(). reload.c brings the changes into
 *          force, as a reload does: no message is lost or comes twice.
 * Threads: put, remove, count, state, each [any]; what is for reload.c [main].
 * Memory:  texts are copied.
 * Failure: a section that is wrong in itself is refused at once; one that does not start is in
 *          state DYNAMIC_FAILED, and what was in force under its name stays.
 * Bounds:  DYNAMIC_SECTIONS_MAX sections of all owners, DYNAMIC_TEXT_MAX bytes each.
 *
 * Changes that come within 50 ms lead to one reload, with the configuration files as they were at
 * the last start or reload. A reload of the user's (SIGHUP) keeps the sections of owners that the
 * new files have, and drops the others. A hekad that starts takes over what the one before had in
 * the same run directory (dynamic_file.h), so that what waits in lanes for its consumers is not
 * lost; an owner puts what it wants again in its init, or soon after.
 */
#ifndef CONTROL_DYNAMIC_H
#define CONTROL_DYNAMIC_H

#include <stdbool.h>

#include "control/config/hekad_config.h"

enum { DYNAMIC_SECTIONS_MAX = CONFIG_EXTRAS_MAX, DYNAMIC_TEXT_MAX = 1 << 20 };

struct dynamic; /* one in a hekad */

enum dynamic_state {
    DYNAMIC_NONE,    /* no such section, or it is removed */
    DYNAMIC_PENDING, /* a change (also a removal) comes into force soon */
    DYNAMIC_RUNNING, /* as it was put */
    DYNAMIC_FAILED   /* the last change did not come into force */
};

/* Adds or replaces a section of `owner` (the name of a plugin in the configuration files), given as
 * TOML text: one section [name] with its sub-tables, an input, a filter or an output. It is checked
 * at once, together with all that is in force. The text that is in force or pending already
 * changes nothing. 0, or -1 after adding to `err`. [any] */
int dynamic_put(struct dynamic *dynamic, const char *owner, const char *name, const char *toml,
                struct err *err);
/* 0, or -1 when the owner has no such section. [any] */
int dynamic_remove(struct dynamic *dynamic, const char *owner, const char *name);
/* Sections of an owner that are in force or about to be, without those about to be removed. [any]
 */
unsigned dynamic_count(struct dynamic *dynamic, const char *owner);
/* `text` (may be NULL) gets the first error of a failed one, else "". [any] */
enum dynamic_state dynamic_state(struct dynamic *dynamic, const char *owner, const char *name,
                                 char *text, size_t size);
const char *dynamic_state_name(enum dynamic_state state);
/* Visits all sections, those of one owner if it is not NULL. `visit` calls nothing here. [any] */
typedef void (*dynamic_visit_fn)(void *arg, const struct config_extra *section,
                                 enum dynamic_state state, const char *error);
void dynamic_each(struct dynamic *dynamic, const char *owner, dynamic_visit_fn visit, void *arg);

/* ---- for main.c and reload.c ---- */

struct dynamic *dynamic_new(const char *run_dir); /* NULL: as configured; NULL without memory */
void dynamic_free(struct dynamic *dynamic);

int dynamic_fd(const struct dynamic *dynamic); /* readable when there is something to do */
/* The files that sections are checked with: those in force, or about to be. */
void dynamic_set_files(struct dynamic *dynamic, struct config_files *files);
/* A plugin has ended by itself: a dynamic section of that name has failed, and is in force no more.
 * False: there is none. */
bool dynamic_exited(struct dynamic *dynamic, const char *name, const char *error);
/* Forgets sections of owners that these files do not have. */
void dynamic_keep_owners(struct dynamic *dynamic, const struct hekad_config *config);

/* Milliseconds until a change should be tried: 0 now, negative: there is none. `now_ns` is
 * CLOCK_MONOTONIC. */
int dynamic_due_ms(struct dynamic *dynamic, uint64_t now_ns);

struct dynamic_sections { /* copies; ended by dynamic_sections_fini() */
    struct config_extra extras[DYNAMIC_SECTIONS_MAX];
    unsigned count;
};
/* Adds copies. 0, or -1 without memory. */
int dynamic_sections_add(struct dynamic_sections *sections, const char *owner, const char *name,
                         const char *text);
/* Sections that an earlier hekad had and that `config` has: in force from the start. Those that
 * their owners do not put again within 10 s are removed. 0, or -1 without memory. */
int dynamic_adopt(struct dynamic *dynamic, const struct dynamic_sections *sections,
                  const struct hekad_config *config);
/* What is in force. 0, or -1 without memory. */
int dynamic_in_force(struct dynamic *dynamic, struct dynamic_sections *out);
/* The same with changes that are pending, to be tried now; then dynamic_tried(). */
int dynamic_offer(struct dynamic *dynamic, struct dynamic_sections *out);
/* They are in force, or are not: `error` says why. Of several changes that failed together parts
 * are offered again, until each has succeeded or failed for itself. */
void dynamic_tried(struct dynamic *dynamic, bool is_in_force, const char *error);
void dynamic_sections_fini(struct dynamic_sections *sections);

#endif
