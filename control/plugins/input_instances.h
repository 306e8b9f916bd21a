/* SPDX-License-Identifier: MPL-2.0
 *
 * input_instances.h - sections of inputs and splitters to instances: who listens where.
 *
 * Place:   instances.c.
 * Threads: start-up only.
 * Failure: all errors at once, with file and line.
 */
#ifndef CONTROL_INPUT_INSTANCES_H
#define CONTROL_INPUT_INSTANCES_H

#include "control/plugins/instances.h"

int input_instances_add_splitter(struct instances *instances, const struct config_section *section,
                                 const struct plugin_ops *ops, struct err *err);
/* Splitters that exist without a section; a section of that name comes before them. */
int input_instances_add_preregistered(struct instances *instances, struct err *err);

int input_instances_add(struct instances *instances, const struct config_section *section,
                        const struct plugin_ops *ops, struct err *err);
/* When all sections are added: finds splitters, decoders and accumulators, and says for each input
 * who runs it. */
int input_instances_check(struct instances *instances, struct err *err);

/* A filter of hekad that feeds an accumulator: the latter runs in hekad, or it is an error of the
 * option `stat_accum_name`. After input_instances_check(). 0, or -1 after adding to `err`. */
int input_instances_feed(const struct instances *instances, const struct config_section *feeder,
                         const char *accum_name, struct err *err);

/* Whether hekad could open what its inputs listen on: for `hekad -check`. What is in use now is a
 * remark. */
int input_instances_probe(const struct instances *instances, struct err *err, struct err *notes);

void input_instances_free(struct instances *instances);

#endif
