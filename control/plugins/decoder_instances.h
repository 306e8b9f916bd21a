/* SPDX-License-Identifier: MPL-2.0
 *
 * decoder_instances.h - sections of decoders to programs that inputs can run.
 *
 * Place:   instances.c; plan_writer.c writes the sections for the data plane, input_stream.c runs
 *          the programs in hekad (matcher/decoder_host.h).
 * Threads: start-up only; programs are immutable afterwards.
 * Failure: all errors at once, with file and line.
 */
#ifndef CONTROL_DECODER_INSTANCES_H
#define CONTROL_DECODER_INSTANCES_H

#include "control/plugins/instances.h"

int decoder_instances_add(struct instances *instances, const struct config_section *section,
                          struct err *err);
/* When all sections are added: makes the programs, also that of ProtobufDecoder without a section.
 */
int decoder_instances_check(struct instances *instances, struct err *err);
/* NULL when there is none of that name. */
const struct decoder_instance *decoder_instances_find(const struct instances *instances,
                                                      const char *name);
void decoder_instances_free(struct instances *instances);

#endif
