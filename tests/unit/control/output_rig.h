/* SPDX-License-Identifier: MPL-2.0
 *
 * output_rig.h - one output without consumer: options from TOML text, host, items.
 */
#ifndef TESTS_UNIT_CONTROL_OUTPUT_RIG_H
#define TESTS_UNIT_CONTROL_OUTPUT_RIG_H

#include "control/plugins/output_host.h"
#include "core/conf.h"

enum { OUTPUT_RIG_ITEMS_MAX = 64 };

struct output_rig {
    const struct output_ops *ops;
    struct conf_doc *doc;
    void *options, *state;
    struct output_host host;
    struct err err;
    struct output_item items[OUTPUT_RIG_ITEMS_MAX];
    unsigned count;
};

/* Options are the lines of a section. Fails the test when schema or check() do not take them. */
void output_rig_open(struct output_rig *rig, const struct output_ops *ops, const char *options);
/* 0 or what init() says. */
int output_rig_init(struct output_rig *rig);
void output_rig_close(struct output_rig *rig);

/* Forgets the items; adds one with this payload, which is also its bytes. Both are borrowed. */
void output_rig_clear(struct output_rig *rig);
void output_rig_add(struct output_rig *rig, const char *payload);

/* One call with all items. */
int output_rig_deliver(struct output_rig *rig);
/* Calls until all are taken, at most a minute; fails the test otherwise. */
void output_rig_deliver_all(struct output_rig *rig);

/* The output's own counter of that name. */
uint64_t output_rig_counter(const struct output_rig *rig, const char *name);
/* Items dropped for that reason. */
uint64_t output_rig_drops(const struct output_rig *rig, const char *reason);

#endif
