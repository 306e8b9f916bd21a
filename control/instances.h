/* SPDX-License-Identifier: MPL-2.0
 *
 * instances.h - sections to plugin instances: options filled, references found, addresses placed.
 *
 * Place:   between hekad_config.c and what runs: plan_writer.c takes the inputs and matchers,
 *          consumer.c the outputs.
 * Threads: start-up only; immutable afterwards.
 * Memory:  borrows from the configuration and the core map, which must outlive it.
 * Failure: all errors at once, with file and line.
 */
#ifndef CONTROL_INSTANCES_H
#define CONTROL_INSTANCES_H

#include "control/hekad_config.h"
#include "control/output.h"
#include "control/plugin_types.h"
#include "core/core_map.h"
#include "stats/accum.h"

struct splitter_instance {
    const char *name;
    const struct plugin_ops *ops;
    struct splitter_common common;
    struct token_options token; /* of TokenSplitter */
};

struct encoder_instance {
    const char *name;
    const struct encoder_ops *ops;
    void *options;
};

struct input_instance {
    const char *name;
    const struct plugin_ops *ops;
    const struct config_section *section;
    struct input_common common;
    union {
        struct statsd_options statsd;
        struct udp_options udp;
        struct accum_config accum;
    };
    const struct splitter_instance *splitter; /* UdpInput */
};

struct output_instance {
    const char *name;
    const struct output_ops *ops;
    const struct config_section *section;
    struct output_common common;
    void *options;
    const struct encoder_instance *encoder; /* NULL: none */
    bool use_framing;
    bool use_buffering;
    unsigned slot; /* the consumer's in plan and mask: its place, until slots.c assigns one */
};

struct instances {
    const struct hekad_config *config;
    const struct core_map *core_map; /* NULL: no data plane, or its map is bad */
    struct splitter_instance *splitters;
    unsigned splitter_count;
    struct encoder_instance *encoders;
    unsigned encoder_count;
    struct input_instance *inputs;
    unsigned input_count;
    struct output_instance *outputs;
    unsigned output_count;
};

/* `core_map` may be NULL. `notes` takes remarks that are no errors. 0, or -1 after adding to
 * `err`. */
int instances_build(const struct hekad_config *config, const struct core_map *core_map,
                    struct instances **out, struct err *err, struct err *notes);
void instances_free(struct instances *instances); /* NULL is fine */

#endif
