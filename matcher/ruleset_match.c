/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include "core/check.h"
#include "matcher/field_walk.h"
#include "matcher/ruleset_internal.h"

/* A message under way. Flat and on the stack: every store to the state may, for the compiler,
 * change whatever else is in memory. */
struct matching {
    const struct match_plan *plan;
    const struct fire *fires;
    uint64_t *state;
    struct msg_slice *values;
    char *uuid;
    uint32_t *seen;
};

static inline struct matching matching_of(struct ruleset_scratch *scratch, unsigned index)
{
    struct ruleset_message *message = &scratch->messages[index];

    return (struct matching){
        .plan = scratch->plan,
        .fires = scratch->plan->fires.items,
        .state = message->state,
        .values = message->values,
        .uuid = message->uuid,
        .seen = scratch->seen,
    };
}

static inline void set_list(const struct matching *now, struct fire_list list)
{
    fires_set(now->fires, list, now->state);
}

static inline void take_text(const struct matching *now, const struct match_input *input,
                             const char *text, size_t len)
{
    const struct fire *fires = now->fires;
    const struct text_slot *equal = text_table_find(&input->equals, text, len);

    if (equal)
        fires_set(fires, equal->fires, now->state);
    if (input->prefixes.node_count)
        text_trie_match(&input->prefixes, text, len, fires, now->state);
    if (input->suffixes.node_count)
        text_trie_match(&input->suffixes, text, len, fires, now->state);
    if (input->texts.count)
        set_list(now, thresholds_text(&input->texts, text, len));
    if (input->scan != MATCH_NO_SCAN)
        now->values[input->scan] = (struct msg_slice){text, (uint32_t)len};
}

static inline void take_slice(const struct matching *now, const struct match_input *input,
                              struct msg_slice slice)
{
    take_text(now, input, slice.ptr ? slice.ptr : "", slice.len);
}

static inline void take_number(const struct matching *now, const struct match_input *input,
                               double number)
{
    if (input->numbers.count)
        set_list(now, thresholds_number(&input->numbers, number));
}

/* The text of a Uuid is needed until the scans are done. */
static void take_header(const struct matching *now, const struct match_input *input,
                        const struct msg_view *message, const char *signer)
{
    switch (input->variable) {
    case RULE_UUID:
        msg_uuid_text(message->uuid, now->uuid);
        take_text(now, input, now->uuid, MSG_UUID_TEXT_LEN);
        return;
    case RULE_TYPE:
        take_slice(now, input, message->type);
        return;
    case RULE_LOGGER:
        take_slice(now, input, message->logger);
        return;
    case RULE_PAYLOAD:
        take_slice(now, input, message->payload);
        return;
    case RULE_ENV_VERSION:
        take_slice(now, input, message->env_version);
        return;
    case RULE_HOSTNAME:
        take_slice(now, input, message->hostname);
        return;
    case RULE_TIMESTAMP:
        take_number(now, input, (double)message->timestamp_ns);
        return;
    case RULE_SEVERITY:
        take_number(now, input, message->severity);
        return;
    case RULE_PID:
        take_number(now, input, message->pid);
        return;
    default:
        if (signer)
            take_text(now, input, signer, strlen(signer));
    }
}

/* One value of a field for one input. */
static void take_any_value(const struct matching *now, const struct match_input *input,
                           const struct msg_field *field)
{
    struct msg_slice slice;
    int64_t integer;
    double number;
    bool boolean;

    if (msg_field_slice(field, input->value_index, &slice)) {
        set_list(now, input->on_text);
        take_slice(now, input, slice);
    } else if (msg_field_integer(field, input->value_index, &integer)) {
        set_list(now, input->on_number);
        take_number(now, input, (double)integer);
    } else if (msg_field_double(field, input->value_index, &number)) {
        set_list(now, input->on_number);
        take_number(now, input, number);
    } else if (msg_field_bool(field, input->value_index, &boolean)) {
        set_list(now, boolean ? input->on_true : input->on_false);
    }
}

/* The first value of a field, which is what nearly all rules ask for. */
static void take_first_value(const struct matching *now, const struct match_input *input,
                             const struct walked_field *field)
{
    const uint8_t *at = field->firsts[field->type];
    double number;

    switch (field->type) {
    case MSG_STRING:
    case MSG_BYTES:
        set_list(now, input->on_text);
        take_text(now, input, (const char *)at, field->lens[field->type]);
        return;
    case MSG_INTEGER:
        set_list(now, input->on_number);
        take_number(now, input, (double)(int64_t)field_walk_varint(&at));
        return;
    case MSG_DOUBLE:
        set_list(now, input->on_number);
        memcpy(&number, at, sizeof number);
        take_number(now, input, number);
        return;
    case MSG_BOOL:
        set_list(now, *at ? input->on_true : input->on_false);
    }
}

/* A boolean of several bytes is left to core/message.c. */
static bool has_plain_first(const struct walked_field *field)
{
    return field->present >> field->type & 1 &&
           (field->type != MSG_BOOL || *field->firsts[MSG_BOOL] < 0x80);
}

/* The inputs that look at the `index`-th field called `name`. */
static const struct match_name *seen_name(const struct matching *now, const char *name,
                                          size_t name_len, uint32_t *index)
{
    const struct match_plan *plan = now->plan;
    const struct text_slot *slot = text_table_find(&plan->names, name, name_len);
    const struct match_name *found;

    if (!slot)
        return NULL;
    found = &plan->field_names[slot->fires.first];
    *index = now->seen[slot->fires.first]++;
    return *index <= found->last_field_index ? found : NULL;
}

static void take_field(const struct matching *now, const struct match_name *name, uint32_t index,
                       const struct msg_field *field)
{
    const struct match_input *input = &now->plan->inputs[name->first];

    for (uint32_t i = 0; i < name->count; i++, input++) {
        if (input->field_index == index)
            take_any_value(now, input, field);
    }
}

static void take_walked_field(const struct matching *now, const struct msg_view *message,
                              const struct walked_field *walked)
{
    struct msg_field field = {.next = walked->offset};
    const struct match_input *input;
    uint32_t index;
    const struct match_name *name = seen_name(now, walked->name, walked->name_len, &index);

    if (!name)
        return;
    input = &now->plan->inputs[name->first];
    if (name->count == 1 && input->value_index == 0 && has_plain_first(walked)) {
        if (input->field_index == index)
            take_first_value(now, input, walked);
    } else if (msg_field_next(message, &field)) {
        take_field(now, name, index, &field);
    }
}

static void take_fields(const struct matching *now, const struct msg_view *message)
{
    enum field_walk_result result;
    struct walked_field walked;
    struct field_walk walk;
    struct msg_field field;

    memset(now->seen, 0, now->plan->name_count * sizeof *now->seen);
    walked.type = MSG_STRING;
    walked.present = 0;
    field_walk_init(&walk, message);
    while ((result = field_walk_next(&walk, message, &walked)) == FIELD_WALK_FIELD)
        take_walked_field(now, message, &walked);
    if (LIKELY(result == FIELD_WALK_END))
        return;
    /* Unusual bytes: once more from the start. Bits that are set already are set again. */
    memset(now->seen, 0, now->plan->name_count * sizeof *now->seen);
    for (bool more = msg_field_first(message, &field); more;
         more = msg_field_next(message, &field)) {
        uint32_t index;
        const struct match_name *name = seen_name(now, field.name.ptr, field.name.len, &index);

        if (name)
            take_field(now, name, index, &field);
    }
}

/* The gates of a block, 64 at a time: out[w] gets their results. */
static inline void answer_block(const struct match_block *block, const uint64_t *state,
                                uint64_t *out)
{
    const uint64_t *row = state + block->word;
    uint32_t words = block->lane_words;

    if (words == 1) { /* up to 64 gates: a loop over rows only */
        uint64_t answer = ~row[0];

        for (uint32_t c = 1; c <= block->clauses; c++)
            answer &= row[c];
        out[0] = answer;
        return;
    }
    for (uint32_t w = 0; w < words; w++)
        out[w] = ~row[w];
    for (uint32_t c = 0; c < block->clauses; c++) {
        row += words;
        for (uint32_t w = 0; w < words; w++)
            out[w] &= row[w];
    }
}

/* What inner gates that are true set in turn. Their answers take the place of row 0. */
static void run_blocks(const struct matching *now, uint32_t first, uint32_t end)
{
    const struct match_plan *plan = now->plan;

    for (uint32_t b = first; b < end; b++) {
        const struct match_block *block = &plan->blocks[b];
        uint64_t *answers = now->state + block->word;

        answer_block(block, now->state, answers);
        for (uint32_t w = 0; w < block->lane_words; w++) {
            for (uint64_t bits = answers[w]; bits; bits &= bits - 1) {
                uint32_t lane = w * 64 + (uint32_t)__builtin_ctzll(bits);

                set_list(now, plan->lane_fires[block->lane_first + lane]);
            }
        }
    }
}

/* True when some rule that `scan` has a part in may still become true. */
static bool is_waited_for(const struct match_plan *plan, const uint64_t *state, uint32_t scan)
{
    const struct match_block *block = match_plan_rules(plan);
    const uint64_t *row = state + block->word;
    uint32_t words = block->lane_words;
    const uint64_t *waiting = plan->waiting + (size_t)scan * words;

    for (uint32_t w = 0; w < words; w++) {
        uint64_t live = ~row[w] & waiting[w];

        for (uint32_t c = 0; c < block->clauses && live; c++)
            live &= row[(c + 1) * words + w] | plan->pending[c * words + w];
        if (live)
            return true;
    }
    return false;
}

static void run_scans(struct ruleset_scratch *scratch, unsigned count)
{
    const struct match_plan *plan = scratch->plan;

    for (uint32_t i = 0; i < plan->scan_count; i++) {
        uint32_t scan = plan->scan_order[i];
        struct scan_value values[RULESET_BURST];
        unsigned used = 0;

        for (unsigned m = 0; m < count; m++) {
            const struct ruleset_message *message = &scratch->messages[m];
            struct msg_slice value = message->values[scan];

            if (value.ptr && is_waited_for(plan, message->state, scan))
                values[used++] = (struct scan_value){value.ptr, value.len, message->state};
        }
        scan_batch_run(plan->batches[scan], scratch->batch, plan->scans[scan], scratch->scan,
                       values, used, plan->fires.items);
    }
}

/* Everything up to the scans. */
static void begin_message(const struct matching *now, const struct msg_view *view,
                          const char *signer)
{
    const struct match_plan *plan = now->plan;

    memcpy(now->state, plan->initial, plan->state_words * sizeof *plan->initial);
    if (plan->has_field_scans)
        memset(now->values, 0, plan->scan_count * sizeof *now->values);
    for (uint32_t i = 0; i < plan->header_count; i++)
        take_header(now, &plan->inputs[i], view, signer);
    if (plan->name_count)
        take_fields(now, view);
    run_blocks(now, 0, plan->early_count);
}

static void match_burst(struct ruleset_scratch *scratch, const struct msg_view *views,
                        const char *const *signers, unsigned count, uint64_t *masks,
                        size_t mask_words)
{
    const struct match_plan *plan = scratch->plan;
    const struct match_block *rules = match_plan_rules(plan);

    for (unsigned m = 0; m < count; m++) {
        struct matching now = matching_of(scratch, m);

        begin_message(&now, &views[m], signers ? signers[m] : NULL);
    }
    if (plan->scan_count)
        run_scans(scratch, count);
    for (unsigned m = 0; m < count; m++) {
        struct matching now = matching_of(scratch, m);
        uint64_t *mask = masks + m * mask_words;

        run_blocks(&now, plan->early_count, plan->block_count - 1);
        answer_block(rules, now.state, mask);
        for (size_t w = rules->lane_words; w < mask_words; w++)
            mask[w] = 0;
    }
}

void ruleset_match(const struct ruleset *set, struct ruleset_scratch *scratch,
                   const struct msg_view *messages, const char *const *signers, unsigned count,
                   uint64_t *masks, size_t mask_words)
{
    CHECK(scratch->plan == set->plan);
    CHECK(mask_words >= match_plan_rules(set->plan)->lane_words);
    for (unsigned m = 0; m < count; m += RULESET_BURST) {
        unsigned left = count - m;

        match_burst(scratch, messages + m, signers ? signers + m : NULL,
                    left < RULESET_BURST ? left : RULESET_BURST, masks + m * mask_words,
                    mask_words);
    }
}
