/* SPDX-License-Identifier: MPL-2.0
 *
 * cat_rig.h - heka-cat's reading over bytes in memory.
 *
 * Place:   test_cat.c, test_cat_golden.c, tests/fuzz/fuzz_cat.c.
 */
#ifndef TESTS_UNIT_CONTROL_TOOLS_CAT_RIG_H
#define TESTS_UNIT_CONTROL_TOOLS_CAT_RIG_H

#include "control/tools/cat.h"

struct cat_rig {
    const void *bytes;
    size_t size, step, at; /* `step` bytes come with each read */
    int64_t end;           /* what the last read returns: 0 or negative errno */
    char *out, *notes;     /* what was written */
    size_t out_size, notes_size;
    struct cat_counts counts;
    int rc;
};

/* Runs over `bytes` with the rule. Results are those of cat_rig_fini(). */
void cat_rig_run(struct cat_rig *rig, const char *rule, enum cat_format format, size_t message_max);
void cat_rig_fini(struct cat_rig *rig);

#endif
