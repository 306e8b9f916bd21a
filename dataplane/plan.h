/* SPDX-License-Identifier: MPL-2.0
 *
 * plan.h - what the data plane is to do: listeners, accumulators, consumers and their rules.
 *
 * Place:   hekad writes it as JSON (docs/formats/plan.md); main.c and replay.c load it.
 * Threads: immutable after loading; shared by all workers.
 * Memory:  strings live in the document that the plan keeps.
 * Failure: all errors at once, with file and line; nothing of a bad plan is used.
 */
#ifndef DATAPLANE_PLAN_H
#define DATAPLANE_PLAN_H

#include "core/conf.h"
#include "dataplane/listener.h"
#include "matcher/message_sink.h"
#include "stats/accum.h"

enum { PLAN_ACCUMULATORS_MAX = 16, PLAN_CONSUMERS_MAX = 256 };

enum plan_kind { PLAN_STATSD, PLAN_TEXT };
enum plan_splitter { PLAN_NULL, PLAN_TOKEN };

struct plan_listener {
    const char *name;
    int kind; /* enum plan_kind */
    const char *address_text;
    const char *accumulator_name;
    unsigned accumulator; /* PLAN_STATSD: index */
    int64_t max_msg_size; /* PLAN_STATSD: 0 = no limit */
    int splitter;         /* PLAN_TEXT: enum plan_splitter */
    const char *delimiter;
    int64_t token_count; /* PLAN_TEXT, PLAN_TOKEN: delimiters per message */
    bool deliver_incomplete_final;
    bool set_hostname;
};

struct plan_consumer {
    const char *name, *text, *signer;
    int64_t slot; /* bit in the match mask and index of its cursors; -1: its place in the list */
};

struct plan_accumulator {
    const char *name;
    struct accum_config config;
    const struct conf_node *node; /* as written */
};

struct plan {
    int64_t generation;
    const char *hostname;
    int64_t max_message_size;
    const struct conf_node *accumulator_nodes, *listener_nodes, *consumer_nodes;

    struct plan_accumulator accumulators[PLAN_ACCUMULATORS_MAX];
    unsigned accumulator_count;
    struct plan_listener listeners[LISTENERS_MAX];
    unsigned listener_count;
    struct listener_address addresses[LISTENERS_MAX];
    uint16_t listener_of_address[LISTENERS_MAX]; /* an address's index to its listener */
    unsigned address_count;
    struct listener_table *table; /* over addresses */
    /* Consumers by slot. A slot without one has the rule FALSE, and no bit in
     * sink.slots. */
    struct rule_text consumers[PLAN_CONSUMERS_MAX];
    unsigned consumers_seen; /* while loading */
    unsigned slot_count; /* highest slot in use, plus 1 */
    struct ruleset *rules;
    struct sink_plan sink; /* what message_sink.h needs of all this */
    struct conf_doc *doc;
    unsigned reference_count; /* housekeeping's */
    char own_hostname[256];
};

int plan_load(const char *path, struct plan **out, struct err *err);
int plan_parse(const char *text, size_t text_len, const char *file, struct plan **out,
               struct err *err);
/* References: a plan has one after loading; the last plan_free() frees it. NULL is fine. */
struct plan *plan_get(struct plan *plan);
void plan_free(struct plan *plan);

/* Same name and same options, as written. */
bool plan_same_accumulator(const struct plan_accumulator *a, const struct plan_accumulator *b);

#endif
