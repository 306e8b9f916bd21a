/* SPDX-License-Identifier: MPL-2.0
 *
 * instances.h - sections to plugin instances: options filled, references found, addresses placed.
 *
 * Place:   between hekad_config.c and what runs: plan_writer.c takes the data plane's inputs and
 *          the matchers, input_host.c, filter_host.c and consumer.c the rest.
 * Threads: start-up only; immutable afterwards.
 * Memory:  borrows from the configuration and the core map, which must outlive it.
 * Failure: all errors at once, with file and line.
 */
#ifndef CONTROL_INSTANCES_H
#define CONTROL_INSTANCES_H

#include "codec/splitter.h"
#include "control/plugins/filter.h"
#include "control/config/hekad_config.h"
#include "control/plugins/input.h"
#include "control/plugins/output.h"
#include "control/config/plugin_types.h"
#include "core/core_map.h"
#include "matcher/decoder_host.h"
#include "matcher/split_regex.h"

struct rule_store;

struct splitter_instance {
    const char *name;
    const struct config_section *section; /* NULL: it exists without */
    const struct splitter_ops *ops;
    struct splitter_options common;
    void *options;
    struct splitter splitter; /* ready, and shared by all streams */
};

struct encoder_instance {
    const char *name;
    const struct encoder_ops *ops;
    void *options;
};

struct decoder_instance {
    const char *name;
    const struct config_section *section; /* NULL: ProtobufDecoder, which exists without */
    struct decoder_program *program;
};

struct input_instance {
    const char *name;
    const struct input_ops *ops;
    const struct config_section *section;
    struct input_common common;
    void *options;
    const struct splitter_instance *splitter; /* NULL: it takes no bytes */
    const struct decoder_instance *decoder;   /* NULL: none */
    bool is_placed;                           /* its address is good */
    bool is_kernel;                           /* hekad runs it, else the data plane */
    const char *fed_by;                       /* StatAccumInput: who feeds it; NULL: nobody */
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

struct filter_instance {
    const char *name;
    const struct filter_ops *ops;
    const struct config_section *section;
    struct filter_common common; /* message_matcher and ticker_interval with the type's defaults */
    void *options;
    unsigned slot; /* as an output's */
};

struct instances {
    const struct hekad_config *config;
    const struct core_map *core_map; /* NULL: no data plane, or its map is bad */
    struct split_regexes regexes;    /* of the splitters */
    struct splitter_instance *splitters;
    unsigned splitter_count;
    struct decoder_instance *decoders;
    unsigned decoder_count;
    struct encoder_instance *encoders;
    unsigned encoder_count;
    struct input_instance *inputs;
    unsigned input_count;
    struct output_instance *outputs;
    unsigned output_count;
    struct filter_instance *filters;
    unsigned filter_count;
    struct rule_store **rules; /* rule_store.h keeps the compiled matchers there */
};

/* What matches messages, and has a slot: outputs and filters alike. */
struct consumer_ref {
    const char *name, *message_matcher, *message_signer; /* the last may be NULL */
    const struct config_section *section;
    unsigned *slot;
    bool is_filter;
    bool is_decoder; /* a filter as well: decode_filter.h; its section is the input's */
    bool drops;      /* its lane_policy: the lanes do not wait for it */
};

/* The index-th of them: all outputs, then all filters. False behind the last one. */
bool instances_consumer(const struct instances *instances, unsigned index,
                        struct consumer_ref *consumer);

/* `core_map` may be NULL. `notes` takes remarks that are no errors. 0, or -1 after adding to
 * `err`. */
int instances_build(const struct hekad_config *config, const struct core_map *core_map,
                    struct instances **out, struct err *err, struct err *notes);
void instances_free(struct instances *instances); /* NULL is fine */

#endif
