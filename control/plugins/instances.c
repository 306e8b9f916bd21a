/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/instances.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/plugins/decode_filter.h"
#include "control/plugins/decoder_instances.h"
#include "control/plugins/input_instances.h"
#include "control/rule_store.h"
#include "control/config/section.h"
#include "core/frame.h"
#include "core/lane.h"
#include "core/record.h"
#include "matcher/rule_parse.h"

enum { PREREGISTERED_MAX = 16 };

/* True when a section of that name and category is there: if no instance came of it, its own error
 * says why. */
static bool has_section(const struct instances *instances, const char *name,
                        enum plugin_category category)
{
    const struct config_section *section = hekad_config_find(instances->config, name);
    return section != NULL && plugin_category_of(section->type) == category;
}

/* ---- splitters and encoders ---- */

static struct encoder_instance *find_encoder(const struct instances *instances, const char *name)
{
    for (unsigned i = 0; i < instances->encoder_count; i++)
        if (strcmp(instances->encoders[i].name, name) == 0)
            return &instances->encoders[i];
    return NULL;
}

static int try_encoder(const struct config_section *section, const struct encoder_ops *ops,
                       const void *options, struct err *err)
{
    if (ops->init == NULL)
        return 0;
    struct err *found = calloc(1, sizeof(*found));
    void *state = calloc(1, ops->plugin.state_size + 1);
    int rc = -1;
    if (found != NULL && state != NULL) {
        ops->init(state, options, section->name, found);
        if (ops->fini != NULL)
            ops->fini(state);
        rc = section_place(section, NULL, found, err);
    }
    free(state);
    free(found);
    return rc;
}

static int add_encoder(struct instances *instances, const struct config_section *section,
                       const struct encoder_ops *ops, struct err *err)
{
    struct encoder_common common;
    struct encoder_instance *encoder = &instances->encoders[instances->encoder_count++];
    *encoder = (struct encoder_instance){.name = section->name, .ops = ops};
    encoder->options = calloc(1, ops->plugin.config_size + 1);
    if (encoder->options == NULL)
        return err_add(err, "out of memory");
    if (section_apply(section, ops->plugin.schema, encoder->options,
                      plugin_common_schema(PLUGIN_ENCODER), &common, err) != 0)
        return -1;
    return try_encoder(section, ops, encoder->options, err);
}

/* Instances that exist without a section; a section of that name comes before them. */
static int add_preregistered(struct instances *instances, struct err *err)
{
    const char *name = protobuf_encoder.plugin.name;
    if (find_encoder(instances, name) == NULL) {
        void *options = calloc(1, protobuf_encoder.plugin.config_size + 1);
        if (options == NULL)
            return err_add(err, "out of memory");
        instances->encoders[instances->encoder_count++] =
            (struct encoder_instance){.name = name, .ops = &protobuf_encoder, .options = options};
    }
    return input_instances_add_preregistered(instances, err);
}

/* ---- filters and outputs ---- */

bool instances_consumer(const struct instances *instances, unsigned index,
                        struct consumer_ref *consumer)
{
    if (index < instances->output_count) {
        struct output_instance *output = &instances->outputs[index];
        *consumer = (struct consumer_ref){
            .name = output->name,
            .message_matcher = output->common.message_matcher,
            .message_signer = output->common.message_signer,
            .section = output->section,
            .slot = &output->slot,
            .drops = output->common.lane_policy == LANE_DROP,
        };
        return true;
    }
    index -= instances->output_count;
    if (index >= instances->filter_count)
        return false;
    struct filter_instance *filter = &instances->filters[index];
    *consumer = (struct consumer_ref){
        .name = filter->name,
        .message_matcher = filter->common.message_matcher,
        .message_signer = filter->common.message_signer,
        .section = filter->section,
        .slot = &filter->slot,
        .is_filter = true,
        .is_decoder = filter->ops == &decode_filter,
    };
    return true;
}

/* What Heka would pass over in silence. */
static void note_quirks(const struct consumer_ref *consumer, const struct rule *rule,
                        struct err *notes)
{
    for (uint32_t i = 0; i < rule->note_count && i < RULE_NOTES_MAX; i++)
        SECTION_ERR(notes, consumer->section, "message_matcher", "'%s': at byte %u: %s",
                    consumer->name, rule->notes[i].position, rule->notes[i].text);
}

/* Parses only: all rules are compiled together (rule_store.c). */
static int check_matcher(const struct consumer_ref *consumer, struct err *err, struct err *notes)
{
    const char *text = consumer->message_matcher;
    struct rule *rule = NULL;
    struct rule_fault fault;
    if (text == NULL || text[0] == '\0')
        return SECTION_ERR(err, consumer->section, "message_matcher",
                           "'%s' missing message matcher", consumer->name);
    int rc = rule_parse(text, &rule, &fault);
    if (rc == 0)
        note_quirks(consumer, rule, notes);
    else if (rc == -ENOMEM)
        err_add(err, "out of memory");
    else
        SECTION_ERR(err, consumer->section, "message_matcher",
                    "%s: message_matcher: position %zu: %s", consumer->name, fault.position + 1,
                    fault.text);
    rule_free(rule);
    return rc == 0 ? 0 : -1;
}

static int check_matchers(const struct instances *instances, struct err *err, struct err *notes)
{
    struct consumer_ref consumer;
    int rc = 0;
    for (unsigned i = 0; instances_consumer(instances, i, &consumer); i++)
        rc |= check_matcher(&consumer, err, notes);
    return rc;
}

static int check_consumer_count(const struct instances *instances,
                                const struct config_section *section, struct err *err)
{
    if (instances->output_count + instances->filter_count < RECORD_CONSUMERS_MAX)
        return 0;
    return err_at(err, section->node->file, section->node->line, "more than %d filters and outputs",
                  RECORD_CONSUMERS_MAX);
}

static int add_filter(struct instances *instances, const struct config_section *section,
                      const struct filter_ops *ops, struct err *err)
{
    if (check_consumer_count(instances, section, err) != 0)
        return -1;
    unsigned slot = instances->output_count + instances->filter_count;
    struct filter_instance *filter = &instances->filters[instances->filter_count++];
    *filter = (struct filter_instance){
        .name = section->name, .ops = ops, .section = section, .slot = slot};
    filter->options = calloc(1, ops->plugin.config_size + 1);
    if (filter->options == NULL)
        return err_add(err, "out of memory");
    int rc = section_apply(section, ops->plugin.schema, filter->options,
                           plugin_common_schema(PLUGIN_FILTER), &filter->common, err);
    if (filter->common.message_matcher == NULL || filter->common.message_matcher[0] == '\0')
        filter->common.message_matcher = ops->default_matcher;
    if (conf_get(section->node, "ticker_interval") == NULL)
        filter->common.ticker_interval = ops->default_ticker_s;
    if (conf_get(section->node, "can_exit") == NULL)
        filter->common.can_exit = ops->may_exit;
    return rc;
}

static int check_filter_files(const struct instances *instances,
                              const struct filter_instance *filter, struct err *err)
{
    struct err *found = calloc(1, sizeof(*found));
    if (found == NULL)
        return err_add(err, "out of memory");
    filter->ops->check_files(filter->options, &instances->config->globals, found);
    int rc = section_place(filter->section, NULL, found, err);
    free(found);
    return rc;
}

/* Lanes are files: what a filter has not processed is there for the next hekad, too. */
static void note_buffering(const struct filter_instance *filter, struct err *notes)
{
    if (filter->common.use_buffering)
        SECTION_ERR(notes, filter->section, "use_buffering",
                    "'%s': a filter's messages wait in the lanes; use_buffering and buffering have "
                    "no effect",
                    filter->name);
}

static int check_filter(const struct instances *instances, const struct filter_instance *filter,
                        struct err *err)
{
    int rc = 0;
    if (filter->options == NULL) /* no memory: said so already */
        return -1;
    if (filter->ops->accum != NULL)
        rc |= input_instances_feed(instances, filter->section, filter->ops->accum(filter->options),
                                   err);
    if (filter->ops->check_files != NULL)
        rc |= check_filter_files(instances, filter, err);
    return section_check(filter->section, filter->ops->check, filter->options, err) | rc;
}

static int find_output_encoder(const struct instances *instances, struct output_instance *output,
                               struct err *err)
{
    const char *name = output->common.encoder;
    if (name == NULL || name[0] == '\0')
        name = output->ops->default_encoder;
    if (name == NULL) {
        if (output->ops->encoder_required)
            return err_at(err, output->section->node->file, output->section->node->line,
                          "'%s': Encoder required.", output->name);
        return 0;
    }
    const struct encoder_instance *encoder = find_encoder(instances, name);
    if (encoder == NULL && has_section(instances, name, PLUGIN_ENCODER))
        return -1;
    if (encoder == NULL)
        return SECTION_ERR(err, output->section, "encoder",
                           "'%s': Encoder '%s' not registered: no section [%s]", output->name, name,
                           name);
    output->encoder = output->ops->takes_encoder ? encoder : NULL;
    return 0;
}

static int check_output_options(const struct output_instance *output, struct err *err)
{
    int rc = 0;
    if (output->ops->refuses_ticker && conf_get(output->section->node, "ticker_interval") != NULL)
        rc = SECTION_ERR(err, output->section, "ticker_interval",
                         "'%s' can't support a ticker_interval setting", output->name);
    return section_check(output->section, output->ops->check, output->options, err) | rc;
}

/* What is true unless the option is given. */
static void set_output_defaults(struct output_instance *output)
{
    const struct conf_node *node = output->section->node;
    bool is_protobuf = output->encoder != NULL && output->encoder->ops == &protobuf_encoder;
    output->use_framing = output->common.use_framing;
    if (conf_get(node, "use_framing") == NULL)
        output->use_framing =
            output->ops->frames_by_default || (output->ops->frames_protobuf && is_protobuf);
    output->use_buffering = output->common.use_buffering;
    if (conf_get(node, "use_buffering") == NULL)
        output->use_buffering = output->ops->buffers_by_default;
    if (conf_get(node, "buffering") == NULL && output->ops->buffering != NULL)
        output->common.buffering = *output->ops->buffering;
}

static int check_signer(const struct output_instance *output, struct err *err)
{
    struct frame_signer signer;
    struct err found = {0};
    if (signer_options_frame(&output->common.signer, &signer) == NULL)
        return 0;
    if (!output->use_framing)
        return SECTION_ERR(err, output->section, "signer",
                           "'%s': signer: a signature is part of a frame, and use_framing is false",
                           output->name);
    if (signer_options_check(&output->common.signer, &found) != 0)
        return SECTION_ERR(err, output->section, "signer", "'%s': %s", output->name,
                           found.texts[0]);
    return 0;
}

static int check_buffering(const struct instances *instances, const struct output_instance *output,
                           struct err *err)
{
    int64_t record_max = instances->config->globals.max_message_size + FRAME_OVERHEAD_MAX;
    int64_t max_file_size = output->common.buffering.max_file_size;
    if (!output->use_buffering || max_file_size == 0 || max_file_size >= record_max)
        return 0;
    return SECTION_ERR(err, output->section, "buffering",
                       "'%s': buffer max_file_size must be at least the largest record, %lld bytes",
                       output->name, (long long)record_max);
}

static int add_output(struct instances *instances, const struct config_section *section,
                      const struct output_ops *ops, struct err *err)
{
    if (check_consumer_count(instances, section, err) != 0)
        return -1;
    unsigned slot = instances->output_count + instances->filter_count;
    struct output_instance *output = &instances->outputs[instances->output_count++];
    *output = (struct output_instance){
        .name = section->name, .ops = ops, .section = section, .slot = slot};
    output->options = calloc(1, ops->plugin.config_size + 1);
    if (output->options == NULL)
        return err_add(err, "out of memory");
    int rc = section_apply(section, ops->plugin.schema, output->options,
                           plugin_common_schema(PLUGIN_OUTPUT), &output->common, err);
    if (output->common.message_matcher == NULL || output->common.message_matcher[0] == '\0')
        output->common.message_matcher = ops->default_matcher;
    if (conf_get(section->node, "ticker_interval") == NULL)
        output->common.ticker_interval = ops->default_ticker_s;
    if (conf_get(section->node, "can_exit") == NULL)
        output->common.can_exit = ops->may_exit;
    return rc;
}

static int check_output(const struct instances *instances, struct output_instance *output,
                        struct err *err)
{
    if (output->options == NULL) /* no memory: said so already */
        return -1;
    int rc = find_output_encoder(instances, output, err);
    rc |= check_output_options(output, err);
    set_output_defaults(output);
    rc |= check_signer(output, err);
    return check_buffering(instances, output, err) | rc;
}

/* ---- all sections ---- */

static int add_section(struct instances *instances, const struct config_section *section,
                       struct err *err)
{
    const struct plugin_ops *ops = plugin_type_find(section->type);
    if (ops == NULL)
        return SECTION_ERR(err, section, "type", "No registered plugin type: %s", section->type);
    switch (plugin_category_of(section->type)) {
    case PLUGIN_INPUT:
        return input_instances_add(instances, section, ops, err);
    case PLUGIN_SPLITTER:
        return input_instances_add_splitter(instances, section, ops, err);
    case PLUGIN_ENCODER:
        return add_encoder(instances, section, (const struct encoder_ops *)(const void *)ops, err);
    case PLUGIN_OUTPUT:
        return add_output(instances, section, (const struct output_ops *)(const void *)ops, err);
    case PLUGIN_FILTER:
        return add_filter(instances, section, (const struct filter_ops *)(const void *)ops, err);
    case PLUGIN_DECODER:
        return decoder_instances_add(instances, section, err);
    case PLUGIN_CATEGORY_COUNT:
        break;
    }
    return -1;
}

static int add_all(struct instances *instances, struct err *err)
{
    const struct hekad_config *config = instances->config;
    int rc = 0;
    for (unsigned i = 0; i < config->section_count; i++)
        rc |= add_section(instances, &config->sections[i], err);
    return rc | add_preregistered(instances, err);
}

/* Those with errors in single options, too: the others may have errors as well. */
static int check_all(struct instances *instances, struct err *err, struct err *notes)
{
    int rc = decoder_instances_check(instances, err);
    rc |= input_instances_check(instances, err);
    rc |= decode_filter_add(instances, err);
    rc |= check_matchers(instances, err, notes);
    for (unsigned i = 0; i < instances->output_count; i++)
        rc |= check_output(instances, &instances->outputs[i], err);
    for (unsigned i = 0; i < instances->filter_count; i++) {
        rc |= check_filter(instances, &instances->filters[i], err);
        note_buffering(&instances->filters[i], notes);
    }
    return rc;
}

static struct instances *alloc_instances(unsigned section_count)
{
    struct instances *instances = calloc(1, sizeof(*instances));
    size_t room = section_count + PREREGISTERED_MAX;
    if (instances == NULL)
        return NULL;
    instances->splitters = calloc(room, sizeof(*instances->splitters));
    instances->decoders = calloc(room, sizeof(*instances->decoders));
    instances->encoders = calloc(room, sizeof(*instances->encoders));
    instances->inputs = calloc(room, sizeof(*instances->inputs));
    instances->outputs = calloc(room, sizeof(*instances->outputs));
    instances->filters = calloc(room, sizeof(*instances->filters));
    instances->rules = calloc(1, sizeof(*instances->rules));
    if (instances->splitters != NULL && instances->decoders != NULL &&
        instances->encoders != NULL && instances->inputs != NULL && instances->outputs != NULL &&
        instances->filters != NULL && instances->rules != NULL)
        return instances;
    instances_free(instances);
    return NULL;
}

int instances_build(const struct hekad_config *config, const struct core_map *core_map,
                    struct instances **out, struct err *err, struct err *notes)
{
    struct instances *instances = alloc_instances(config->section_count);
    *out = NULL;
    if (instances == NULL)
        return err_add(err, "out of memory");
    instances->config = config;
    instances->core_map = core_map;
    int rc = add_all(instances, err);
    rc |= check_all(instances, err, notes);
    if (rc == 0)
        *out = instances;
    else
        instances_free(instances);
    return rc;
}

void instances_free(struct instances *instances)
{
    if (instances == NULL)
        return;
    for (unsigned i = 0; i < instances->encoder_count; i++)
        free(instances->encoders[i].options);
    for (unsigned i = 0; i < instances->output_count; i++)
        free(instances->outputs[i].options);
    for (unsigned i = 0; i < instances->filter_count; i++)
        free(instances->filters[i].options);
    input_instances_free(instances);
    decoder_instances_free(instances);
    free(instances->encoders);
    free(instances->outputs);
    free(instances->filters);
    if (instances->rules != NULL)
        rule_store_put(*instances->rules);
    free(instances->rules);
    free(instances);
}
