/* SPDX-License-Identifier: MPL-2.0
 *
 * decode_filter.h - decodes for the data plane: records of one of its inputs whose decoder only
 *                   hekad can run.
 *
 * Place:   instances.c makes a filter of it, without a section, for each such input. It is a
 *          consumer whose rule never matches: the input's listener marks what is for it
 *          (docs/formats/plan.md, `decodes`). It runs in filter_host.c as filters do, and its
 *          messages are matched by the same rules as an input's.
 * Threads: the filter's.
 * Memory:  one decoder, as an input has.
 * Failure: what cannot be decoded ends in the stage `text` as it does for an input of hekad
 *          (input_decoder.h). A record is given back to its lane when what came of it is in the
 *          filter's own lane.
 */
#ifndef CONTROL_DECODE_FILTER_H
#define CONTROL_DECODE_FILTER_H

#include "control/plugins/filter.h"

struct instances;
struct input_instance;

struct decode_filter_options {
    const struct input_instance *input; /* outlives it */
};

extern const struct filter_ops decode_filter; /* in no table: no section has this type */

/* One for each input of the data plane that needs it. 0, or -1 after adding to `err`. */
int decode_filter_add(struct instances *instances, struct err *err);

#endif
