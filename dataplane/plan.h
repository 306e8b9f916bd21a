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

#include "codec/splitter.h"
#include "core/conf.h"
#include "dataplane/listener.h"
#include "matcher/decoder_host.h"
#include "matcher/message_sink.h"
#include "matcher/split_regex.h"
#include "stats/accum.h"
#include "stats/statsd_options.h"

enum { PLAN_ACCUMULATORS_MAX = 16, PLAN_CONSUMERS_MAX = 256, PLAN_DECODERS_MAX = 4096 };

enum plan_kind { PLAN_STATSD, PLAN_TEXT };
enum plan_net { PLAN_UDP, PLAN_TCP, PLAN_NETS };

struct plan_splitter { /* of a listener; zeroed: it has none */
    struct splitter splitter;
    struct splitter_options common;
    void *options;
};

struct plan_addresses { /* where listeners of one protocol are */
    struct listener_address items[LISTENERS_MAX];
    uint16_t listeners[LISTENERS_MAX]; /* an address's index to its listener */
    unsigned count;
    struct listener_table *table; /* over items */
};

struct plan_listener {
    const char *name;
    int kind; /* enum plan_kind */
    int net;  /* enum plan_net */
    const char *address_text;
    const char *accumulator_name;
    unsigned accumulator; /* PLAN_STATSD: index */
    uint32_t interval_s;  /* of that accumulator */
    int64_t max_msg_size; /* PLAN_STATSD: 0 = no limit */
    struct statsd_options lines;     /* PLAN_STATSD */
    struct statsd_settings settings; /* PLAN_STATSD: made of them */
    const struct conf_node *splitter_node; /* PLAN_TEXT: as written; NULL: NullSplitter */
    struct plan_splitter own_splitter;
    const struct splitter *splitter; /* PLAN_TEXT and PLAN_TCP; else NULL */
    struct plan *splitter_plan; /* whose own_splitter that is, with a reference; NULL: this one's */
    bool set_hostname;
    const char *decoder_name; /* PLAN_TEXT: NULL: none */
    bool send_decode_failures;
    const struct decoder_program *decoder; /* NULL: none */
    bool is_undecoded;     /* PLAN_TEXT: hekad decodes, and its consumer for that */
    unsigned decoder_slot; /* gets the pieces from here without a match */
    const struct conf_node *node;          /* as written */
};

struct plan_consumer {
    const char *name, *text, *signer;
    const char *decodes; /* listener whose pieces it gets undecoded; NULL: it goes by its rule */
    int64_t slot; /* bit in the match mask and index of its cursors; -1: its place in the list */
    int policy;   /* enum lane_policy */
};

struct plan_rules { /* the compiled rules, made by hekad */
    const char *file;   /* in the plan's folder; NULL: to be compiled here */
    const char *digest; /* ruleset_digest() */
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
    const struct conf_node *accumulator_nodes, *listener_nodes, *consumer_nodes, *decoder_nodes;

    struct plan_accumulator accumulators[PLAN_ACCUMULATORS_MAX];
    unsigned accumulator_count;
    struct plan_listener listeners[LISTENERS_MAX];
    unsigned listener_count;
    struct plan_addresses addresses[PLAN_NETS];
    struct split_regexes regexes; /* of splitters */
    /* Consumers by slot. A slot without one has the rule FALSE, and no bit in
     * sink.slots. */
    struct rule_text consumers[PLAN_CONSUMERS_MAX];
    unsigned consumers_seen; /* while loading */
    unsigned slot_count; /* highest slot in use, plus 1 */
    struct decoder_program *decoders[LISTENERS_MAX]; /* of listeners, each one once */
    unsigned decoder_count;
    struct plan_rules database;
    struct ruleset *rules; /* loaded from the database, or compiled when there is none */
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

/* The listener of that name, or NULL. */
struct plan_listener *plan_find_listener(struct plan *plan, const char *name);

/* Same name and same options, as written. */
bool plan_same_accumulator(const struct plan_accumulator *a, const struct plan_accumulator *b);

/* The listener of `plan` that goes on with the TCP connections of `listener`, of the plan before:
 * as written it is the same. NULL: there is none, they end. */
const struct plan_listener *plan_find_same(const struct plan *plan,
                                           const struct plan_listener *listener);
/* Such listeners take over the splitters that streams of `previous` are using. Before `plan` is
 * offered to workers. */
void plan_keep_splitters(struct plan *plan, struct plan *previous);

#endif
