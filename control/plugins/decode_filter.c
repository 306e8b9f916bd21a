/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/decode_filter.h"

#include <errno.h>
#include <stdlib.h>

#include "control/plugins/filter_host.h"
#include "control/plugins/input_decoder.h"
#include "control/plugins/instances.h"
#include "core/err.h"

struct state {
    struct filter_host *host;
    const struct input_instance *input;
    struct input_decoder *decoder;
};

/* ---- where decoded messages go ---- */

static void begin(void *context, struct msg_builder *builder, uint64_t timestamp_ns)
{
    filter_host_begin(context, builder, timestamp_ns);
}

/* Every code but this one is a message that has ended under a name. */
static int inject(void *context, const struct msg_builder *builder, const char *signer)
{
    filter_host_set_signer(context, signer);
    return filter_host_inject(context, builder) == PRODUCER_E_STOPPED ? -ECANCELED : 0;
}

static struct counters *counters_of(void *context)
{
    return filter_host_ledger(context);
}

/* ---- the filter ---- */

static int init(void *state_memory, const void *config, struct filter_host *host, struct err *err)
{
    const struct decode_filter_options *options = config;
    const struct input_instance *input = options->input;
    struct state *state = state_memory;
    const struct input_decoder_config decoder = {
        .host = {host, input->name, begin, inject, counters_of},
        .program = input->decoder->program,
        .options = &input->common,
        .message_max = filter_host_message_max(host),
    };
    state->host = host;
    state->input = input;
    state->decoder = input_decoder_new(&decoder, err);
    return state->decoder != NULL ? 0 : -1;
}

/* The record has its number among the signers of the splitter, which this process has made of the
 * same section. */
static const char *signer_of(const struct state *state, const struct record *record)
{
    const struct splitter_signers *signers = &state->input->splitter->splitter.signers;
    return record->signer > 0 && record->signer <= signers->count
               ? signers->names[record->signer - 1]
               : NULL;
}

static int process(void *state_memory, const struct msg_view *message, const struct record *record)
{
    struct state *state = state_memory;
    filter_host_ledger(state->host)->values[COUNTER_TEXT_PIECES]++;
    input_decoder_take_message(state->decoder, message, signer_of(state, record));
    return 0; /* the host knows when it was cut short */
}

static void fini(void *state_memory)
{
    struct state *state = state_memory;
    input_decoder_free(state->decoder);
    state->decoder = NULL;
}

static const struct schema_key no_keys[] = {{0}};
static const struct schema decode_schema = {"decoder", no_keys};

const struct filter_ops decode_filter = {
    .plugin = {PLUGIN_ABI, "decoder", &decode_schema, sizeof(struct decode_filter_options),
               sizeof(struct state)},
    .init = init,
    .process = process,
    .fini = fini,
    .keeps_hops = true,
};

/* ---- which inputs need it ---- */

static int add_one(struct instances *instances, const struct input_instance *input, struct err *err)
{
    unsigned slot = instances->output_count + instances->filter_count;
    struct decode_filter_options *options = calloc(1, sizeof(*options));
    if (slot >= RECORD_CONSUMERS_MAX || options == NULL) {
        free(options);
        return err_at(err, input->section->node->file, input->section->node->line,
                      options == NULL ? "out of memory"
                                      : "'%s': more than %d filters, outputs and inputs of the "
                                        "data plane whose decoder runs in hekad",
                      input->name, RECORD_CONSUMERS_MAX);
    }
    options->input = input;
    instances->filters[instances->filter_count++] = (struct filter_instance){
        .name = input->name,
        .ops = &decode_filter,
        .section = input->section,
        .common = {.message_matcher = "FALSE"},
        .options = options,
        .slot = slot,
    };
    return 0;
}

int decode_filter_add(struct instances *instances, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < instances->input_count; i++) {
        const struct input_instance *input = &instances->inputs[i];
        if (input->is_placed && !input->is_kernel && input->splitter != NULL &&
            input->decoder != NULL && input->decoder->program != NULL &&
            decoder_program_runs_in_hekad(input->decoder->program))
            rc |= add_one(instances, input, err);
    }
    return rc;
}
