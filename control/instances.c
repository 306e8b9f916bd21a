/* SPDX-License-Identifier: MPL-2.0 */
#include "control/instances.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "core/record.h"
#include "matcher/ruleset.h"

enum { LIST_TEXT_SIZE = 256, KEY_SIZE = 64 };

/* Where a key is, for errors; the section's own line when the key is not there. */
static const struct conf_node *key_node(const struct config_section *section, const char *key)
{
    const struct conf_node *node = conf_get(section->node, key);
    return node != NULL ? node : section->node;
}

#define ERR_KEY(err, section, key, ...)                                                            \
    err_at(err, key_node(section, key)->file, key_node(section, key)->line, __VA_ARGS__)

/* Fills own options and common ones from one table. */
static int apply_options(const struct config_section *section, const struct schema *schema,
                         void *options, const struct schema *common_schema, void *common,
                         struct err *err)
{
    const struct schema *const with_common[] = {common_schema, NULL};
    const struct schema *const with_own[] = {schema, NULL};
    int rc =
        schema_apply(schema, section->node, section->name, with_common, section->doc, options, err);
    return schema_apply(common_schema, section->node, section->name, with_own, section->doc, common,
                        err) |
           rc;
}

/* Errors of a function that knows no file and line get those of `key`, or, when it is NULL, of the
 * key that the text begins with. */
static int with_place(const struct config_section *section, const char *key,
                      const struct err *found, struct err *err)
{
    for (unsigned i = 0; i < found->count && i < ERR_LIST_MAX; i++) {
        char first[KEY_SIZE];
        snprintf(first, sizeof(first), "%.*s", (int)strcspn(found->texts[i], ":"), found->texts[i]);
        const char *at = key != NULL ? key : first;
        ERR_KEY(err, section, at, "%s", found->texts[i]);
    }
    return found->count > 0 ? -1 : 0;
}

/* True when a section of that name and category is there: if no instance came of it, its own error
 * says why. */
static bool has_section(const struct instances *instances, const char *name,
                        enum plugin_category category)
{
    const struct config_section *section = hekad_config_find(instances->config, name);
    return section != NULL && plugin_category_of(section->type) == category;
}

/* ---- splitters and encoders ---- */

static struct splitter_instance *find_splitter(const struct instances *instances, const char *name)
{
    for (unsigned i = 0; i < instances->splitter_count; i++)
        if (strcmp(instances->splitters[i].name, name) == 0)
            return &instances->splitters[i];
    return NULL;
}

static struct encoder_instance *find_encoder(const struct instances *instances, const char *name)
{
    for (unsigned i = 0; i < instances->encoder_count; i++)
        if (strcmp(instances->encoders[i].name, name) == 0)
            return &instances->encoders[i];
    return NULL;
}

static int add_splitter(struct instances *instances, const struct config_section *section,
                        const struct plugin_ops *ops, struct err *err)
{
    struct splitter_instance *splitter = &instances->splitters[instances->splitter_count++];
    *splitter = (struct splitter_instance){.name = section->name, .ops = ops};
    int rc = apply_options(section, ops->schema, &splitter->token,
                           plugin_common_schema(PLUGIN_SPLITTER), &splitter->common, err);
    if (splitter->common.use_message_bytes)
        rc = ERR_KEY(err, section, "use_message_bytes",
                     "use_message_bytes needs a decoder, which is not available in this version");
    if (ops == &token_splitter && splitter->token.delimiter != NULL &&
        strlen(splitter->token.delimiter) != 1)
        rc = ERR_KEY(err, section, "delimiter",
                     "TokenSplitter delimiter must be a single character.");
    return rc;
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
        ops->init(state, options, found);
        if (ops->fini != NULL)
            ops->fini(state);
        rc = with_place(section, NULL, found, err);
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
    if (apply_options(section, ops->plugin.schema, encoder->options,
                      plugin_common_schema(PLUGIN_ENCODER), &common, err) != 0)
        return -1;
    return try_encoder(section, ops, encoder->options, err);
}

/* Instances that exist without a section; a section of that name comes before them. */
static int add_preregistered(struct instances *instances, struct err *err)
{
    static const struct plugin_ops *const splitters[] = {&null_splitter, &token_splitter};
    for (unsigned i = 0; i < 2; i++) {
        struct splitter_instance *splitter = &instances->splitters[instances->splitter_count];
        if (find_splitter(instances, splitters[i]->name) != NULL)
            continue;
        *splitter = (struct splitter_instance){.name = splitters[i]->name, .ops = splitters[i]};
        schema_apply(splitters[i]->schema, NULL, splitter->name, NULL, NULL, &splitter->token, err);
        instances->splitter_count++;
    }
    const char *name = protobuf_encoder.plugin.name;
    if (find_encoder(instances, name) == NULL) {
        void *options = calloc(1, protobuf_encoder.plugin.config_size + 1);
        if (options == NULL)
            return err_add(err, "out of memory");
        instances->encoders[instances->encoder_count++] =
            (struct encoder_instance){.name = name, .ops = &protobuf_encoder, .options = options};
    }
    return 0;
}

/* ---- inputs ---- */

static void list_addresses(const struct core_map *map, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (unsigned p = 0; p < map->port_count; p++) {
        for (unsigned a = 0; a < map->ports[p].address_count; a++) {
            const struct core_map_address *address = &map->ports[p].addresses[a];
            char one[INET6_ADDRSTRLEN];
            inet_ntop(address->is_ipv6 ? AF_INET6 : AF_INET, &address->ip4, one, sizeof(one));
            int added = snprintf(text + len, size - len, "%s%s", len > 0 ? ", " : "", one);
            if (added < 0 || (size_t)added >= size - len) {
                text[len] = '\0';
                return;
            }
            len += (size_t)added;
        }
    }
    if (len == 0)
        snprintf(text, size, "none");
}

/* The address decides who listens; this version has listeners in the data plane only. */
static int check_address(const struct instances *instances, const struct config_section *section,
                         const char *text, struct err *err)
{
    struct core_map_address address;
    uint16_t port;
    char offered[LIST_TEXT_SIZE];
    if (address_parse(text, &address, &port) != 0)
        return ERR_KEY(err, section, "address",
                       "address: found '%s', allowed IP:PORT with a numeric address", text);
    if (instances->config->dataplane_node == NULL)
        return ERR_KEY(err, section, "address",
                       "address '%s' needs a [dataplane] section: this version listens on the "
                       "addresses of a core map only",
                       text);
    if (instances->core_map == NULL || address_is_any(&address) ||
        core_map_has_address(instances->core_map, &address))
        return 0;
    list_addresses(instances->core_map, offered, sizeof(offered));
    return ERR_KEY(err, section, "address",
                   "address '%s' belongs to no port of %s, which offers %s", text,
                   instances->config->core_map_path, offered);
}

static int check_accum(const struct input_instance *input, struct err *err)
{
    int rc = 0;
    if (input->accum.ticker_interval <= 0)
        rc = ERR_KEY(err, input->section, "ticker_interval",
                     "TickerInterval must be greater than 0.");
    if (!input->accum.emit_in_payload && !input->accum.emit_in_fields)
        rc = ERR_KEY(err, input->section, "emit_in_payload",
                     "One of either `EmitInPayload` or `EmitInFields` must be set to true.");
    return rc;
}

static bool has_accum(const struct instances *instances, const char *name)
{
    for (unsigned i = 0; i < instances->input_count; i++)
        if (instances->inputs[i].ops == &stat_accum_input &&
            strcmp(instances->inputs[i].name, name) == 0)
            return true;
    return false;
}

static int check_statsd(const struct instances *instances, const struct input_instance *input,
                        struct err *err)
{
    const char *accum = input->statsd.stat_accum_name;
    int rc = check_address(instances, input->section, input->statsd.address, err);
    if (!has_accum(instances, accum))
        rc = ERR_KEY(err, input->section, "stat_accum_name",
                     "'%s' refers to StatAccumInput '%s', which no section defines", input->name,
                     accum);
    return rc;
}

static bool is_one_of(const char *text, const char *const *allowed)
{
    while (*allowed != NULL && strcmp(*allowed, text) != 0)
        allowed++;
    return *allowed != NULL;
}

static int check_udp(const struct instances *instances, struct input_instance *input,
                     struct err *err)
{
    static const char *const nets[] = {"udp", "udp4", "udp6", NULL};
    static const char *const not_yet[] = {"unixgram", NULL};
    const char *splitter = input->common.splitter;
    int rc = 0;
    if (splitter == NULL || splitter[0] == '\0')
        splitter = "NullSplitter";
    input->splitter = find_splitter(instances, splitter);
    if (input->splitter == NULL && has_section(instances, splitter, PLUGIN_SPLITTER))
        rc = -1;
    else if (input->splitter == NULL)
        rc = ERR_KEY(err, input->section, "splitter", "'%s' specifies undefined splitter '%s'",
                     input->name, splitter);
    if (is_one_of(input->udp.net, not_yet))
        return ERR_KEY(err, input->section, "net", "net '%s' is not available in this version",
                       input->udp.net);
    if (!is_one_of(input->udp.net, nets))
        return ERR_KEY(err, input->section, "net", "net: found '%s', allowed udp, udp4, udp6",
                       input->udp.net);
    if (input->udp.address == NULL) /* said so already */
        return -1;
    return check_address(instances, input->section, input->udp.address, err) | rc;
}

static int check_decoder(const struct instances *instances, const struct input_instance *input,
                         struct err *err)
{
    const char *decoder = input->common.decoder;
    if (decoder == NULL || decoder[0] == '\0')
        return 0;
    if (has_section(instances, decoder, PLUGIN_DECODER))
        return -1;
    if (plugin_type_is_hekas(decoder))
        return ERR_KEY(err, input->section, "decoder",
                       "decoder '%s' is not available in this version", decoder);
    return ERR_KEY(err, input->section, "decoder", "no registered '%s' decoder", decoder);
}

static int add_input(struct instances *instances, const struct config_section *section,
                     const struct plugin_ops *ops, struct err *err)
{
    struct input_instance *input = &instances->inputs[instances->input_count++];
    *input = (struct input_instance){.name = section->name, .ops = ops, .section = section};
    return apply_options(section, ops->schema, &input->statsd, plugin_common_schema(PLUGIN_INPUT),
                         &input->common, err);
}

static int check_input(const struct instances *instances, struct input_instance *input,
                       struct err *err)
{
    int rc = check_decoder(instances, input, err);
    if (input->ops == &stat_accum_input)
        return check_accum(input, err) | rc;
    if (input->ops == &statsd_input)
        return check_statsd(instances, input, err) | rc;
    return check_udp(instances, input, err) | rc;
}

/* ---- outputs ---- */

/* What Heka would pass over in silence. */
static void note_quirks(const struct output_instance *output, const struct ruleset *set,
                        struct err *notes)
{
    const struct ruleset_note *quirks;
    size_t count = ruleset_notes(set, &quirks);
    for (size_t i = 0; i < count; i++)
        ERR_KEY(notes, output->section, "message_matcher", "'%s': at byte %u: %s", output->name,
                quirks[i].position, quirks[i].text);
}

static int check_matcher(const struct output_instance *output, struct err *err,
                         struct err *notes)
{
    struct rule_text rule = {output->name, output->common.message_matcher,
                             output->common.message_signer};
    struct ruleset *set = NULL;
    if (rule.text == NULL || rule.text[0] == '\0')
        return ERR_KEY(err, output->section, "message_matcher", "'%s' missing message matcher",
                       output->name);
    struct err *found = calloc(1, sizeof(*found));
    if (found == NULL)
        return err_add(err, "out of memory");
    if (ruleset_compile(&rule, 1, &set, found) == 0)
        note_quirks(output, set, notes);
    ruleset_free(set);
    int rc = with_place(output->section, "message_matcher", found, err);
    free(found);
    return rc;
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
        return ERR_KEY(err, output->section, "encoder",
                       "'%s': Encoder '%s' not registered: no section [%s]", output->name, name,
                       name);
    output->encoder = output->ops->takes_encoder ? encoder : NULL;
    return 0;
}

static int check_output_options(const struct output_instance *output, struct err *err)
{
    int rc = 0;
    if (output->ops->refuses_ticker && conf_get(output->section->node, "ticker_interval") != NULL)
        rc = ERR_KEY(err, output->section, "ticker_interval",
                     "'%s' can't support a ticker_interval setting", output->name);
    if (output->ops->check == NULL)
        return rc;
    struct err *found = calloc(1, sizeof(*found));
    if (found == NULL)
        return err_add(err, "out of memory");
    output->ops->check(output->options, found);
    rc |= with_place(output->section, NULL, found, err);
    free(found);
    return rc;
}

/* What is true unless the option is given. */
static void set_output_defaults(struct output_instance *output, struct err *notes)
{
    const struct conf_node *node = output->section->node;
    bool is_protobuf = output->encoder != NULL && output->encoder->ops == &protobuf_encoder;
    output->use_framing = output->common.use_framing;
    if (conf_get(node, "use_framing") == NULL)
        output->use_framing = output->ops->frames_protobuf && is_protobuf;
    output->use_buffering = output->common.use_buffering;
    if (conf_get(node, "use_buffering") == NULL)
        output->use_buffering = output->ops->buffers_by_default;
    if (output->use_buffering)
        ERR_KEY(notes, output->section, "use_buffering",
                "'%s': messages are buffered in the lanes, which are memory, not on disk",
                output->name);
}

static int add_output(struct instances *instances, const struct config_section *section,
                      const struct output_ops *ops, struct err *err)
{
    if (instances->output_count >= RECORD_CONSUMERS_MAX)
        return err_at(err, section->node->file, section->node->line,
                      "more than %d filters and outputs", RECORD_CONSUMERS_MAX);
    unsigned slot = instances->output_count++;
    struct output_instance *output = &instances->outputs[slot];
    *output = (struct output_instance){
        .name = section->name, .ops = ops, .section = section, .slot = slot};
    output->options = calloc(1, ops->plugin.config_size + 1);
    if (output->options == NULL)
        return err_add(err, "out of memory");
    return apply_options(section, ops->plugin.schema, output->options,
                         plugin_common_schema(PLUGIN_OUTPUT), &output->common, err);
}

static int check_output(const struct instances *instances, struct output_instance *output,
                        struct err *err, struct err *notes)
{
    if (output->options == NULL) /* no memory: said so already */
        return -1;
    int rc = check_matcher(output, err, notes);
    rc |= find_output_encoder(instances, output, err);
    rc |= check_output_options(output, err);
    set_output_defaults(output, notes);
    return rc;
}

/* ---- all sections ---- */

static int add_section(struct instances *instances, const struct config_section *section,
                       struct err *err)
{
    const struct plugin_ops *ops = plugin_type_find(section->type);
    if (ops == NULL && plugin_type_is_hekas(section->type))
        return ERR_KEY(err, section, "type", "type '%s' is not available in this version",
                       section->type);
    if (ops == NULL)
        return ERR_KEY(err, section, "type", "No registered plugin type: %s", section->type);
    switch (plugin_category_of(section->type)) {
    case PLUGIN_INPUT:
        return add_input(instances, section, ops, err);
    case PLUGIN_SPLITTER:
        return add_splitter(instances, section, ops, err);
    case PLUGIN_ENCODER:
        return add_encoder(instances, section, (const struct encoder_ops *)(const void *)ops, err);
    case PLUGIN_OUTPUT:
        return add_output(instances, section, (const struct output_ops *)(const void *)ops, err);
    case PLUGIN_DECODER:
    case PLUGIN_FILTER:
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
    int rc = 0;
    for (unsigned i = 0; i < instances->input_count; i++)
        rc |= check_input(instances, &instances->inputs[i], err);
    for (unsigned i = 0; i < instances->output_count; i++)
        rc |= check_output(instances, &instances->outputs[i], err, notes);
    return rc;
}

static struct instances *alloc_instances(unsigned section_count)
{
    struct instances *instances = calloc(1, sizeof(*instances));
    size_t room = section_count + 2; /* and the pre-registered ones */
    if (instances == NULL)
        return NULL;
    instances->splitters = calloc(room, sizeof(*instances->splitters));
    instances->encoders = calloc(room, sizeof(*instances->encoders));
    instances->inputs = calloc(room, sizeof(*instances->inputs));
    instances->outputs = calloc(room, sizeof(*instances->outputs));
    if (instances->splitters != NULL && instances->encoders != NULL && instances->inputs != NULL &&
        instances->outputs != NULL)
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
    free(instances->splitters);
    free(instances->encoders);
    free(instances->inputs);
    free(instances->outputs);
    free(instances);
}
