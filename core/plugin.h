/* SPDX-License-Identifier: MPL-2.0
 *
 * plugin.h - what inputs, splitters, decoders, filters, encoders and outputs have in common.
 *
 * Place:   each kind has an ops struct that begins with struct plugin_ops (codec/encoder.h,
 *          control/plugins/output.h); builtin tables list them.
 * Threads: init and fini [main]; work functions as the kind's header says.
 * Memory:  the host allocates state_size zeroed bytes and frees them after fini.
 * Failure: fini is legal on zeroed state and after a failed init.
 */
#ifndef CORE_PLUGIN_H
#define CORE_PLUGIN_H

#include "core/schema.h"

enum { PLUGIN_ABI = 1 };

struct plugin_ops {
    uint32_t abi;                /* PLUGIN_ABI */
    const char *name;            /* Heka's type name, as "CarbonOutput" */
    const struct schema *schema; /* its options, without the common ones */
    size_t config_size;          /* of the struct that `schema` fills */
    size_t state_size;
};

#endif
