/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/match_inputs.h"

#include <errno.h>
#include <stdlib.h>

struct input_builder {
    struct match_plan *plan;
    const struct gates *gates;
    const struct fire_list *atom_fires;
    struct scan_reader *saved;
    struct err *err;
    uint32_t *atoms; /* by input, then by number */
    uint32_t atom_count;
    const uint32_t *first; /* the atoms of the input that is being built */
    uint32_t count;
    struct text_entry *entries;   /* room for all atoms */
    struct threshold *thresholds; /* the same */
    struct scan_source *sources;  /* the same */
};

static const struct atom *nth_atom(const struct input_builder *builder, uint32_t n)
{
    return &builder->gates->atoms.items[builder->first[n]];
}

static struct fire_list nth_fires(const struct input_builder *builder, uint32_t n)
{
    return builder->atom_fires[builder->first[n]];
}

/* ---- the order of inputs: headers, then fields by name and index ---- */

static int compare_inputs(const struct atom_input *a, const struct atom_input *b)
{
    uint32_t shared = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order;

    if (a->variable != RULE_FIELD || b->variable != RULE_FIELD)
        return (a->variable == RULE_FIELD) - (b->variable == RULE_FIELD);
    order = memcmp(a->name, b->name, shared);
    if (order == 0)
        order = a->name_len < b->name_len ? -1 : a->name_len > b->name_len;
    if (order == 0)
        order = a->field_index < b->field_index ? -1 : a->field_index > b->field_index;
    return order;
}

static int compare_input_pointers(const void *left, const void *right)
{
    const struct atom_input *a = *(const struct atom_input *const *)left;
    const struct atom_input *b = *(const struct atom_input *const *)right;
    int order = compare_inputs(a, b);

    return order != 0 ? order : (a < b ? -1 : a > b);
}

static bool same_name(const struct atom_input *a, const struct atom_input *b)
{
    return a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

/* Field names out of the sorted inputs; entries[] is filled for the table. */
static void group_names(struct input_builder *builder, const struct atom_input *const *sorted)
{
    struct match_plan *plan = builder->plan;

    for (uint32_t i = plan->header_count; i < plan->input_count; i++) {
        struct match_name *name = &plan->field_names[plan->name_count];

        if (i > plan->header_count && same_name(sorted[i - 1], sorted[i])) {
            name[-1].count++;
            name[-1].last_field_index = sorted[i]->field_index;
            continue;
        }
        *name = (struct match_name){i, 1, sorted[i]->field_index};
        builder->entries[plan->name_count] =
            (struct text_entry){sorted[i]->name, sorted[i]->name_len, {plan->name_count, 1}};
        plan->name_count++;
    }
}

static int order_inputs(struct input_builder *builder)
{
    struct match_plan *plan = builder->plan;
    const struct atoms *atoms = &builder->gates->atoms;
    uint32_t count = atoms_input_count(atoms);
    const struct atom_input **sorted = malloc((count + 1) * sizeof(const struct atom_input *));

    if (!sorted)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &atoms->inputs[i];
    qsort(sorted, count, sizeof(const struct atom_input *), compare_input_pointers);
    plan->input_count = count;
    for (uint32_t i = 0; i < count; i++) {
        plan->input_places[sorted[i] - atoms->inputs] = i;
        plan->header_count += sorted[i]->variable != RULE_FIELD;
        plan->inputs[i] = (struct match_input){
            .variable = sorted[i]->variable,
            .field_index = sorted[i]->field_index,
            .value_index = sorted[i]->value_index,
            .scan = MATCH_NO_SCAN,
        };
    }
    group_names(builder, sorted);
    free(sorted);
    return text_table_init(&plan->names, builder->entries, plan->name_count);
}

/* ---- the tables of one input ---- */

static uint32_t pick_texts(struct input_builder *builder, enum atom_type type)
{
    uint32_t used = 0;

    for (uint32_t n = 0; n < builder->count; n++) {
        const struct atom *atom = nth_atom(builder, n);

        if (atom->type == type)
            builder->entries[used++] =
                (struct text_entry){atom->text, atom->text_len, nth_fires(builder, n)};
    }
    return used;
}

static uint32_t pick_thresholds(struct input_builder *builder, enum atom_type type)
{
    uint32_t used = 0;

    for (uint32_t n = 0; n < builder->count; n++) {
        const struct atom *atom = nth_atom(builder, n);

        if (atom->type == type)
            builder->thresholds[used++] = (struct threshold){
                atom->compare, atom->number, atom->text, atom->text_len, nth_fires(builder, n)};
    }
    return used;
}

static int build_thresholds(struct input_builder *builder, struct match_input *input)
{
    struct fires *fires = &builder->plan->fires;
    uint32_t count = pick_thresholds(builder, ATOM_ORDER);
    int rc = thresholds_init_texts(&input->texts, builder->thresholds, count, fires);

    if (rc == 0) {
        count = pick_thresholds(builder, ATOM_NUMBER);
        rc = thresholds_init_numbers(&input->numbers, builder->thresholds, count, fires);
    }
    if (rc == -E2BIG)
        err_add(builder->err,
                "message_matcher: the rules compare one variable with over %d different constants",
                THRESHOLDS_MAX);
    return rc;
}

/* One list of the atoms of the types in the bit mask `types`. */
static int merge_kinds(struct input_builder *builder, unsigned types, struct fire_list *list)
{
    struct fire_list lists[ATOM_GATE];
    size_t used = 0;

    for (uint32_t n = 0; n < builder->count; n++) {
        if (types >> nth_atom(builder, n)->type & 1)
            lists[used++] = nth_fires(builder, n);
    }
    return fires_merge(&builder->plan->fires, lists, used, list);
}

static int build_kinds(struct input_builder *builder, struct match_input *input)
{
    const unsigned exists = 1u << ATOM_EXISTS;
    const unsigned text = 1u << ATOM_TEXT_OR_FALSE;
    const unsigned number = 1u << ATOM_NUMBER_OR_FALSE;
    int rc = merge_kinds(builder, exists | text, &input->on_text);

    if (rc == 0)
        rc = merge_kinds(builder, exists | number, &input->on_number);
    if (rc == 0)
        rc = merge_kinds(builder, exists | 1u << ATOM_IS_TRUE, &input->on_true);
    if (rc == 0)
        rc = merge_kinds(builder, exists | text | number | 1u << ATOM_IS_FALSE, &input->on_false);
    return rc;
}

static int build_scan(struct input_builder *builder, struct match_input *input)
{
    struct match_plan *plan = builder->plan;
    uint32_t used = 0;
    int rc;

    for (uint32_t n = 0; n < builder->count; n++) {
        const struct atom *atom = nth_atom(builder, n);

        if (atom->type == ATOM_REGEX)
            builder->sources[used++] =
                (struct scan_source){atom->span, atom->utf8, nth_fires(builder, n)};
    }
    if (used == 0)
        return 0;
    rc = scan_db_new(builder->sources, used, builder->saved, &plan->scans[plan->scan_count]);
    if (rc == 0) {
        input->scan = plan->scan_count++;
        plan->has_field_scans |= input->variable == RULE_FIELD;
        rc = scan_batch_new(builder->sources, used, plan->scans[input->scan], builder->saved,
                            &plan->batches[input->scan]);
    }
    if (rc == -E2BIG)
        err_add(builder->err,
                "message_matcher: the regular expressions on one variable are too large together");
    return rc;
}

static int build_input(struct input_builder *builder, struct match_input *input)
{
    uint32_t count = pick_texts(builder, ATOM_EQUALS);
    int rc = text_table_init(&input->equals, builder->entries, count);

    if (rc == 0) {
        count = pick_texts(builder, ATOM_PREFIX);
        rc = text_trie_init(&input->prefixes, builder->entries, count, TEXT_FORWARD);
    }
    if (rc == 0) {
        count = pick_texts(builder, ATOM_SUFFIX);
        rc = text_trie_init(&input->suffixes, builder->entries, count, TEXT_BACKWARD);
    }
    if (rc == 0)
        rc = build_thresholds(builder, input);
    if (rc == 0)
        rc = build_kinds(builder, input);
    return rc < 0 ? rc : build_scan(builder, input);
}

/* ---- all of them ---- */

static int compare_uint64(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

/* builder->atoms: the atoms of each plan input, one input behind the other. */
static int group_atoms(struct input_builder *builder)
{
    const struct atoms *atoms = &builder->gates->atoms;
    uint32_t count = atoms_count(atoms);
    uint64_t *keys = malloc((count + 1) * sizeof *keys);

    if (!keys)
        return -ENOMEM;
    for (uint32_t a = 0; a < count; a++) {
        if (atoms->items[a].type != ATOM_GATE)
            keys[builder->atom_count++] =
                (uint64_t)builder->plan->input_places[atoms->items[a].input] << 32 | a;
    }
    qsort(keys, builder->atom_count, sizeof *keys, compare_uint64);
    for (uint32_t i = 0; i < builder->atom_count; i++)
        builder->atoms[i] = (uint32_t)keys[i];
    free(keys);
    return 0;
}

static int build_inputs(struct input_builder *builder)
{
    struct match_plan *plan = builder->plan;
    const struct atoms *atoms = &builder->gates->atoms;
    uint32_t at = 0;
    int rc = order_inputs(builder);

    if (rc == 0)
        rc = group_atoms(builder);
    for (uint32_t i = 0; i < plan->input_count && rc == 0; i++) {
        builder->first = builder->atoms + at;
        builder->count = 0;
        while (at < builder->atom_count &&
               plan->input_places[atoms->items[builder->atoms[at]].input] == i) {
            builder->count++;
            at++;
        }
        rc = build_input(builder, &plan->inputs[i]);
    }
    return rc;
}

/* Payloads are long: they come last, when fewer rules may still wait for them. */
static void order_scans(struct match_plan *plan)
{
    uint32_t used = 0;

    for (unsigned last = 0; last < 2; last++) {
        for (uint32_t i = 0; i < plan->input_count; i++) {
            const struct match_input *input = &plan->inputs[i];

            if (input->scan != MATCH_NO_SCAN && (input->variable == RULE_PAYLOAD) == last)
                plan->scan_order[used++] = input->scan;
        }
    }
}

int match_inputs_build(struct match_plan *plan, const struct gates *gates,
                       const struct fire_list *atom_fires, struct scan_reader *saved,
                       struct err *err)
{
    size_t atoms = atoms_count(&gates->atoms) + 1;
    size_t inputs = atoms_input_count(&gates->atoms) + 1;
    size_t room = atoms > inputs ? atoms : inputs;
    struct input_builder builder = {
        .plan = plan,
        .gates = gates,
        .atom_fires = atom_fires,
        .saved = saved,
        .err = err,
        .atoms = malloc(atoms * sizeof *builder.atoms),
        .entries = malloc(room * sizeof *builder.entries),
        .thresholds = malloc(atoms * sizeof *builder.thresholds),
        .sources = malloc(atoms * sizeof *builder.sources),
    };
    int rc = -ENOMEM;

    plan->inputs = calloc(inputs, sizeof *plan->inputs);
    plan->input_places = calloc(inputs, sizeof *plan->input_places);
    plan->field_names = calloc(inputs, sizeof *plan->field_names);
    plan->scans = calloc(inputs, sizeof(struct scan_db *));
    plan->batches = calloc(inputs, sizeof(struct scan_batch *));
    plan->scan_order = calloc(inputs, sizeof *plan->scan_order);
    if (builder.atoms && builder.entries && builder.thresholds && builder.sources && plan->inputs &&
        plan->input_places && plan->field_names && plan->scans && plan->batches && plan->scan_order)
        rc = build_inputs(&builder);
    if (rc == 0)
        order_scans(plan);
    free(builder.atoms);
    free(builder.entries);
    free(builder.thresholds);
    free(builder.sources);
    return rc;
}

void match_inputs_free(struct match_plan *plan)
{
    for (uint32_t i = 0; plan->inputs && i < plan->input_count; i++) {
        struct match_input *input = &plan->inputs[i];

        text_table_fini(&input->equals);
        text_trie_fini(&input->prefixes);
        text_trie_fini(&input->suffixes);
        thresholds_fini(&input->texts);
        thresholds_fini(&input->numbers);
    }
    for (uint32_t i = 0; i < plan->scan_count; i++)
        scan_db_free(plan->scans[i]);
    for (uint32_t i = 0; i < plan->scan_count; i++)
        scan_batch_free(plan->batches[i]);
    text_table_fini(&plan->names);
    free(plan->inputs);
    free(plan->input_places);
    free(plan->field_names);
    free(plan->scans);
    free(plan->batches);
    free(plan->scan_order);
}

uint32_t match_inputs_scan(const struct match_plan *plan, uint32_t input)
{
    return plan->inputs[plan->input_places[input]].scan;
}
