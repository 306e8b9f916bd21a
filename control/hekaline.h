/* SPDX-License-Identifier: MPL-2.0
 *
 * hekaline.h - what a shared object in plugin_dir shows to hekad: its plugin types.
 *
 * Place:   installed as hekaline/hekaline.h with the contracts of the kinds
 *          (control/plugins/input.h, codec/splitter.h, codec/decoder.h, control/plugins/filter.h,
 *          codec/encoder.h, control/plugins/output.h) and what they use; control/plugins/native.c
 *          loads the objects. docs/plugin-guide.md.
 * Threads: the table is constant.
 * Failure: a table of another ABI, or with structs of other sizes, is refused at start.
 *
 * PLUGIN_ABI (core/plugin.h) goes up when a struct or function of these headers changes in a way
 * that an object built earlier would not survive. Functions that a plugin may call are those of the
 * installed headers; they are found in hekad when the object is loaded.
 */
#ifndef CONTROL_HEKALINE_H
#define CONTROL_HEKALINE_H

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "codec/splitter.h"
#include "control/plugins/filter.h"
#include "control/plugins/input.h"
#include "control/plugins/output.h"
#include "core/plugin.h"

struct heka_plugin {
    const struct plugin_ops *ops; /* the first member of the kind's ops struct; NULL: the end */
    size_t ops_size;              /* of the kind's ops struct */
};

/* A row of the table. */
#define HEKA_PLUGIN(type_ops)                                                                      \
    {                                                                                              \
        &(type_ops).plugin, sizeof(type_ops)                                                       \
    }
#define HEKA_PLUGINS_END                                                                           \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

struct heka_plugins {
    uint32_t abi;      /* PLUGIN_ABI */
    uint32_t row_size; /* of struct heka_plugin */
    const struct heka_plugin *rows;
};

/* The one symbol that a shared object has to have. The end of a type's name says of which kind it
 * is, as in Heka: Input, Splitter, Decoder, Filter, Encoder or Output. */
extern const struct heka_plugins heka_plugins;

#endif
