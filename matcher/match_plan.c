/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/match_plan.h"

#include <errno.h>
#include <stdlib.h>

#include "matcher/match_inputs.h"

/* Where a gate's bit is. */
struct gate_place {
    uint32_t block;
    uint32_t lane;
    bool scans; /* depends on an expression */
};

struct position { /* an atom sets these bits */
    uint32_t atom;
    struct fire fire;
};

struct plan_builder {
    struct match_plan *plan;
    const struct gates *gates;
    const uint32_t *rule_gates;
    struct gate_place *places; /* by gate */
    uint32_t *inner;           /* gates that are no rule, in the order of their blocks */
    uint32_t inner_count;
    struct position *positions;
    size_t position_count;
    struct fire_list *atom_fires; /* by atom */
};

static const struct atom *atom_of(const struct plan_builder *builder, uint32_t atom)
{
    return &builder->gates->atoms.items[atom];
}

static bool list_scans(const struct plan_builder *builder, struct gate_list list)
{
    for (uint32_t i = 0; i < list.count; i++) {
        const struct atom *atom = atom_of(builder, builder->gates->members[list.first + i]);

        if (atom->type == ATOM_REGEX ||
            (atom->type == ATOM_GATE && builder->places[atom->gate].scans))
            return true;
    }
    return false;
}

/* Inner gates come before the gates that use them. */
static void find_scans(struct plan_builder *builder)
{
    for (uint32_t g = 0; g < builder->gates->count; g++) {
        const struct gate *gate = &builder->gates->items[g];
        bool scans = list_scans(builder, gate->negatives);

        for (uint32_t c = 0; c < gate->clause_count; c++)
            scans |= list_scans(builder, gate->clauses[c]);
        builder->places[g].scans = scans;
    }
}

static int compare_uint64(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

/* Inner gates: those without expressions first, then by depth, so that each finds its atoms
 * decided. */
static int order_inner(struct plan_builder *builder)
{
    const struct gates *gates = builder->gates;
    uint64_t *keys = malloc((gates->count + 1) * sizeof *keys);
    bool *is_rule = calloc(gates->count + 1, sizeof *is_rule);
    int rc = keys && is_rule ? 0 : -ENOMEM;

    for (uint32_t r = 0; rc == 0 && r < builder->plan->rule_count; r++)
        is_rule[builder->rule_gates[r]] = true;
    for (uint32_t g = 0; rc == 0 && g < gates->count; g++) {
        if (is_rule[g])
            continue;
        keys[builder->inner_count++] =
            (uint64_t)builder->places[g].scans << 63 | (uint64_t)gates->items[g].depth << 32 | g;
    }
    if (rc == 0)
        qsort(keys, builder->inner_count, sizeof *keys, compare_uint64);
    for (uint32_t i = 0; rc == 0 && i < builder->inner_count; i++)
        builder->inner[i] = (uint32_t)keys[i];
    free(keys);
    free(is_rule);
    return rc;
}

/* Appends a block for `count` gates. */
static void add_block(struct plan_builder *builder, const uint32_t *members, uint32_t count)
{
    struct match_plan *plan = builder->plan;
    struct match_block *block = &plan->blocks[plan->block_count];

    *block = (struct match_block){
        .word = plan->state_words,
        .lane_words = (count + 63) / 64,
        .lane_first = plan->block_count ? block[-1].lane_first + block[-1].lane_words * 64 : 0,
    };
    for (uint32_t lane = 0; lane < count; lane++) {
        struct gate_place *place = &builder->places[members[lane]];
        uint32_t clauses = builder->gates->items[members[lane]].clause_count;

        place->block = plan->block_count;
        place->lane = lane;
        if (clauses > block->clauses)
            block->clauses = clauses;
    }
    plan->state_words += block->lane_words * (1 + block->clauses);
    plan->block_count++;
}

static bool same_block(const struct plan_builder *builder, uint32_t a, uint32_t b)
{
    return builder->places[a].scans == builder->places[b].scans &&
           builder->gates->items[a].depth == builder->gates->items[b].depth;
}

static int lay_out_blocks(struct plan_builder *builder)
{
    struct match_plan *plan = builder->plan;
    const uint32_t *inner = builder->inner;
    uint32_t first = 0;
    int rc = order_inner(builder);

    if (rc < 0)
        return rc;
    plan->blocks = calloc(builder->inner_count + 1, sizeof *plan->blocks);
    if (!plan->blocks)
        return -ENOMEM;
    while (first < builder->inner_count) {
        uint32_t end = first + 1;

        while (end < builder->inner_count && same_block(builder, inner[first], inner[end]))
            end++;
        add_block(builder, inner + first, end - first);
        if (!builder->places[inner[first]].scans)
            plan->early_count = plan->block_count;
        first = end;
    }
    add_block(builder, builder->rule_gates, plan->rule_count);
    return 0;
}

/* The word of the state that has the gate's bit of that row. */
static uint32_t state_word(const struct plan_builder *builder, uint32_t gate, uint32_t row)
{
    const struct gate_place *place = &builder->places[gate];
    const struct match_block *block = &builder->plan->blocks[place->block];

    return block->word + row * block->lane_words + place->lane / 64;
}

static uint64_t lane_bit(const struct plan_builder *builder, uint32_t gate)
{
    return (uint64_t)1 << builder->places[gate].lane % 64;
}

/* Row 0 is set for lanes without a gate and for FALSE; clauses that a gate does not have are
 * set. */
static int fill_initial(struct plan_builder *builder)
{
    struct match_plan *plan = builder->plan;

    plan->initial = calloc(plan->state_words + 1, sizeof *plan->initial);
    if (!plan->initial)
        return -ENOMEM;
    for (uint32_t b = 0; b < plan->block_count; b++) {
        for (uint32_t i = 0; i < plan->blocks[b].lane_words; i++)
            plan->initial[plan->blocks[b].word + i] = ~(uint64_t)0;
    }
    for (uint32_t g = 0; g < builder->gates->count; g++) {
        const struct gate *gate = &builder->gates->items[g];

        if (!gate->never)
            plan->initial[state_word(builder, g, 0)] &= ~lane_bit(builder, g);
        for (uint32_t row = gate->clause_count;
             row < plan->blocks[builder->places[g].block].clauses; row++)
            plan->initial[state_word(builder, g, row + 1)] |= lane_bit(builder, g);
    }
    return 0;
}

static void add_positions(struct plan_builder *builder, uint32_t gate, uint32_t row,
                          struct gate_list list)
{
    uint32_t word = state_word(builder, gate, row);

    for (uint32_t i = 0; i < list.count; i++) {
        builder->positions[builder->position_count++] = (struct position){
            builder->gates->members[list.first + i],
            {lane_bit(builder, gate), word},
        };
    }
}

static int compare_positions(const void *left, const void *right)
{
    const struct position *a = left;
    const struct position *b = right;

    return a->atom < b->atom ? -1 : a->atom > b->atom;
}

/* The fire list of each atom. */
static int fill_atom_fires(struct plan_builder *builder)
{
    const struct position *positions = builder->positions;
    size_t count = builder->position_count;
    struct fire *items = malloc((count + 1) * sizeof *items);
    int rc = items ? 0 : -ENOMEM;

    for (size_t first = 0; first < count && rc == 0;) {
        size_t end = first;

        for (; end < count && positions[end].atom == positions[first].atom; end++)
            items[end - first] = positions[end].fire;
        rc = fires_add(&builder->plan->fires, items, end - first,
                       &builder->atom_fires[positions[first].atom]);
        first = end;
    }
    free(items);
    return rc;
}

static int place_atoms(struct plan_builder *builder)
{
    const struct gates *gates = builder->gates;

    builder->positions = malloc((gates->member_count + 1) * sizeof *builder->positions);
    if (!builder->positions)
        return -ENOMEM;
    for (uint32_t g = 0; g < gates->count; g++) {
        add_positions(builder, g, 0, gates->items[g].negatives);
        for (uint32_t c = 0; c < gates->items[g].clause_count; c++)
            add_positions(builder, g, c + 1, gates->items[g].clauses[c]);
    }
    qsort(builder->positions, builder->position_count, sizeof *builder->positions,
          compare_positions);
    return fill_atom_fires(builder);
}

/* What each inner gate sets. */
static int fill_lane_fires(struct plan_builder *builder)
{
    struct match_plan *plan = builder->plan;
    uint32_t lanes = match_plan_rules(plan)->lane_first;

    plan->lane_fires = calloc(lanes + 1, sizeof *plan->lane_fires);
    if (!plan->lane_fires)
        return -ENOMEM;
    for (uint32_t a = 0; a < atoms_count(&builder->gates->atoms); a++) {
        const struct atom *atom = atom_of(builder, a);
        const struct gate_place *place;

        if (atom->type != ATOM_GATE)
            continue;
        place = &builder->places[atom->gate];
        plan->lane_fires[plan->blocks[place->block].lane_first + place->lane] =
            builder->atom_fires[a];
    }
    return 0;
}

/* Sets in `waiting` the bit of rule `rule` for each expression that `list` leads to, and says
 * whether there is one. Gates nest at most RULE_TESTS_MAX deep. */
static bool mark_scans(const struct plan_builder *builder, struct gate_list list, uint32_t rule)
{
    struct match_plan *plan = builder->plan;
    uint32_t words = match_plan_rules(plan)->lane_words;
    bool found = false;

    for (uint32_t i = 0; i < list.count; i++) {
        const struct atom *atom = atom_of(builder, builder->gates->members[list.first + i]);

        if (atom->type == ATOM_REGEX) {
            uint32_t scan = match_inputs_scan(plan, atom->input);

            plan->waiting[(size_t)scan * words + rule / 64] |= (uint64_t)1 << rule % 64;
            found = true;
        } else if (atom->type == ATOM_GATE && builder->places[atom->gate].scans) {
            const struct gate *gate = &builder->gates->items[atom->gate];

            mark_scans(builder, gate->negatives, rule);
            for (uint32_t c = 0; c < gate->clause_count; c++)
                mark_scans(builder, gate->clauses[c], rule);
            found = true;
        }
    }
    return found;
}

static int fill_waiting(struct plan_builder *builder)
{
    struct match_plan *plan = builder->plan;
    const struct match_block *block = match_plan_rules(plan);

    plan->pending = calloc((size_t)block->clauses * block->lane_words + 1, sizeof *plan->pending);
    plan->waiting = calloc((size_t)plan->scan_count * block->lane_words + 1, sizeof *plan->waiting);
    if (!plan->pending || !plan->waiting)
        return -ENOMEM;
    for (uint32_t r = 0; r < plan->rule_count; r++) {
        const struct gate *gate = &builder->gates->items[builder->rule_gates[r]];

        mark_scans(builder, gate->negatives, r);
        for (uint32_t c = 0; c < gate->clause_count; c++) {
            if (mark_scans(builder, gate->clauses[c], r))
                plan->pending[(size_t)c * block->lane_words + r / 64] |= (uint64_t)1 << r % 64;
        }
    }
    return 0;
}

static int build(struct plan_builder *builder, struct scan_reader *saved, struct err *err)
{
    const struct gates *gates = builder->gates;
    int rc;

    builder->places = calloc(gates->count + 1, sizeof *builder->places);
    builder->inner = calloc(gates->count + 1, sizeof *builder->inner);
    builder->atom_fires = calloc(atoms_count(&gates->atoms) + 1, sizeof *builder->atom_fires);
    if (!builder->places || !builder->inner || !builder->atom_fires)
        return -ENOMEM;
    find_scans(builder);
    rc = fires_init(&builder->plan->fires);
    if (rc == 0)
        rc = lay_out_blocks(builder);
    if (rc == 0)
        rc = fill_initial(builder);
    if (rc == 0)
        rc = place_atoms(builder);
    if (rc == 0)
        rc = fill_lane_fires(builder);
    if (rc == 0)
        rc = match_inputs_build(builder->plan, gates, builder->atom_fires, saved, err);
    if (rc == 0)
        rc = fill_waiting(builder);
    return rc;
}

int match_plan_new(const struct gates *gates, const uint32_t *rule_gates, uint32_t rule_count,
                   struct scan_reader *saved, struct match_plan **out, struct err *err)
{
    struct match_plan *plan = calloc(1, sizeof *plan);
    struct plan_builder builder = {.plan = plan, .gates = gates, .rule_gates = rule_gates};
    int rc = -ENOMEM;

    if (plan) {
        plan->rule_count = rule_count;
        rc = build(&builder, saved, err);
    }
    free(builder.places);
    free(builder.inner);
    free(builder.positions);
    free(builder.atom_fires);
    if (rc < 0)
        match_plan_free(plan);
    else
        *out = plan;
    return rc;
}

void match_plan_free(struct match_plan *plan)
{
    if (!plan)
        return;
    match_inputs_free(plan);
    fires_fini(&plan->fires);
    free(plan->initial);
    free(plan->blocks);
    free(plan->lane_fires);
    free(plan->pending);
    free(plan->waiting);
    free(plan);
}
