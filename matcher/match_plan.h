/* SPDX-License-Identifier: MPL-2.0
 *
 * match_plan.h - a compiled rule set: what to look up in a message, and which bits that sets.
 *
 * Place:   built by match_plan.c from gates, run by ruleset_match.c. Described in
 *          docs/formats/matcher.md.
 * Threads: immutable after match_plan_new().
 * Memory:  one heap block for each table; texts are borrowed from the gates, which must live
 *          longer.
 * Failure: -ENOMEM, -E2BIG with a text in err.
 *
 * The state of one message is an array of words. Each block of gates has a bit for each gate
 * ("lane") in some rows: row 0 is set by negatives, rows 1.. by the clauses. A gate is true when
 * its bit is clear in row 0 and set in every other row; rows start as `initial` says (a clause that
 * the gate does not have is set from the start). All gates of a block are answered 64 at a time.
 */
#ifndef MATCHER_MATCH_PLAN_H
#define MATCHER_MATCH_PLAN_H

#include "core/err.h"
#include "matcher/fires.h"
#include "matcher/gates.h"
#include "matcher/scan_batch.h"
#include "matcher/text_table.h"
#include "matcher/text_trie.h"
#include "matcher/thresholds.h"

enum { MATCH_NO_SCAN = UINT32_MAX };

struct match_input { /* a variable that some rule looks at */
    unsigned variable;
    uint32_t field_index, value_index;
    uint32_t scan; /* index, or MATCH_NO_SCAN */
    struct text_table equals;
    struct text_trie prefixes, suffixes;
    struct thresholds texts, numbers;
    struct fire_list on_text, on_number, on_true, on_false; /* by the kind of a field's value */
};

struct match_name { /* a field name: inputs[first ..+ count] */
    uint32_t first;
    uint32_t count;
    uint32_t last_field_index; /* of those inputs */
};

struct match_block {
    uint32_t word;       /* of the state, where row 0 begins */
    uint32_t lane_words; /* words of one row */
    uint32_t clauses;    /* rows behind row 0 */
    uint32_t lane_first; /* into lane_fires; not for the block of the rules */
};

struct match_plan {
    struct fires fires;
    uint64_t *initial;
    uint32_t state_words;

    struct match_input *inputs; /* first the headers, then the fields by name */
    uint32_t *input_places;     /* inputs[] of each input of the atoms */
    uint32_t input_count;
    uint32_t header_count;
    struct text_table names; /* fires.first is the index into field_names */
    struct match_name *field_names;
    uint32_t name_count;

    struct scan_db **scans;
    struct scan_batch **batches; /* of each scan, NULL: values are scanned alone */
    uint32_t *scan_order;        /* scans of long values last */
    uint32_t scan_count;
    bool has_field_scans; /* of a variable that a message may lack */

    struct match_block *blocks; /* early ones, those that wait for scans, the rules */
    uint32_t block_count;
    uint32_t early_count;
    struct fire_list *lane_fires;

    /* For the block of the rules: bits that a scan may still set, as its rows 1.. are laid out, and
     * for each scan the rules that wait for it (scan_count rows). */
    uint64_t *pending;
    uint64_t *waiting;

    uint32_t rule_count;
};

/* rule_gates[r] is the gate of rule r. `saved` as in scan_db_new(). */
int match_plan_new(const struct gates *gates, const uint32_t *rule_gates, uint32_t rule_count,
                   struct scan_reader *saved, struct match_plan **out, struct err *err);
void match_plan_free(struct match_plan *plan);

static inline const struct match_block *match_plan_rules(const struct match_plan *plan)
{
    return &plan->blocks[plan->block_count - 1];
}

#endif
