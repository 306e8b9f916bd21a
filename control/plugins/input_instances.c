/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/input_instances.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control/plugins/decoder_instances.h"
#include "control/inputs/inputs.h"
#include "control/inputs/listen_socket.h"
#include "control/plugins/native.h"
#include "control/config/section.h"
#include "core/address.h"

enum { LIST_TEXT_SIZE = 256, MESSAGE_BYTES_MAX = 1 << 30 };

/* ---- splitters ---- */

static struct splitter_instance *find_splitter(const struct instances *instances, const char *name)
{
    for (unsigned i = 0; i < instances->splitter_count; i++)
        if (strcmp(instances->splitters[i].name, name) == 0)
            return &instances->splitters[i];
    return NULL;
}

/* `section` NULL: with default options. */
static int make_splitter(struct instances *instances, const struct config_section *section,
                         const struct splitter_ops *ops, struct err *err)
{
    struct splitter_instance *splitter = &instances->splitters[instances->splitter_count++];
    const struct config_section defaults = {.name = ops->plugin.name};
    int64_t message_max = instances->config->globals.max_message_size;
    if (message_max <= 0 || message_max > MESSAGE_BYTES_MAX) /* an error of its own */
        message_max = MESSAGE_BYTES_MAX;
    const struct splitter_host host = {
        .context = &instances->regexes,
        .message_max = (size_t)message_max,
        .compile = split_regexes_compile,
    };
    const struct config_section *from = section != NULL ? section : &defaults;
    *splitter = (struct splitter_instance){.name = from->name, .section = section, .ops = ops};
    splitter->options = calloc(1, ops->plugin.config_size + 1);
    if (splitter->options == NULL)
        return err_add(err, "out of memory");
    int rc = section_apply(from, ops->plugin.schema, splitter->options, ops->common,
                           &splitter->common, err);
    struct err *found = calloc(1, sizeof(*found));
    if (found == NULL)
        return err_add(err, "out of memory");
    /* Also behind errors of single options, to find them all. */
    rc |=
        splitter_init(&splitter->splitter, ops, splitter->options, &splitter->common, &host, found);
    if (section != NULL)
        section_place(section, NULL, found, err);
    else if (found->count > 0)
        err_add(err, "%s", found->texts[0]);
    free(found);
    return rc;
}

int input_instances_add_splitter(struct instances *instances, const struct config_section *section,
                                 const struct plugin_ops *ops, struct err *err)
{
    return make_splitter(instances, section, (const struct splitter_ops *)(const void *)ops, err);
}

int input_instances_add_preregistered(struct instances *instances, struct err *err)
{
    int rc = 0;
    for (const struct splitter_ops *const *ops = splitter_types; *ops != NULL; ops++)
        if ((*ops)->is_preregistered &&
            hekad_config_find(instances->config, (*ops)->plugin.name) == NULL)
            rc |= make_splitter(instances, NULL, *ops, err);
    return rc;
}

/* ---- who listens ---- */

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
}

/* True when a port of the core map has the address. An address that means any means any of those,
 * when there is a data plane that has this type of input. */
static bool is_on_port(const struct instances *instances, const struct input_instance *input,
                       const char *text)
{
    struct core_map_address address;
    uint16_t port;
    if (instances->config->dataplane_node == NULL || address_parse(text, &address, &port) != 0)
        return false;
    if (instances->core_map == NULL) /* its own errors are said elsewhere */
        return input->ops->is_in_dataplane;
    if (address_is_any(&address))
        return input->ops->is_in_dataplane;
    return core_map_has_address(instances->core_map, &address);
}

static int check_in_dataplane(const struct input_instance *input,
                              const struct listen_address *address, struct err *err)
{
    if (!input->ops->is_in_dataplane)
        return SECTION_ERR(err, input->section, "address",
                           "'%s': a %s on an address of the core map is not available in this "
                           "version",
                           input->name, input->ops->plugin.name);
    if (input->ops == &tcp_input && ((const struct tcp_input_options *)input->options)->use_tls)
        return SECTION_ERR(err, input->section, "use_tls",
                           "'%s': on an address of the core map there is no TLS; hekad has it, on "
                           "any other address",
                           input->name);
    if (input->ops == &statsd_input && address->socket_type == SOCK_STREAM)
        return SECTION_ERR(err, input->section, "net",
                           "'%s': statsd over TCP on an address of the core map is not available "
                           "in this version",
                           input->name);
    if (input->splitter != NULL && native_file(&input->splitter->ops->plugin) != NULL)
        return SECTION_ERR(err, input->section, "splitter",
                           "'%s': on an address of the core map no splitter of plugin_dir is "
                           "available",
                           input->name);
    return 0;
}

/* 0, 1 when it listens nowhere, or -1 when its address is bad (its check says so). */
static int parse_address(const struct input_instance *input, struct listen_address *address)
{
    const char *net = NULL, *text = NULL;
    if (input->ops->address == NULL)
        return 1;
    text = input->ops->address(input->options, &net);
    return text == NULL ? -1 : listen_address_parse(net, text, address, NULL);
}

static int place(const struct instances *instances, struct input_instance *input, struct err *err)
{
    struct listen_address address;
    const char *net;
    int parsed = parse_address(input, &address);
    if (parsed < 0)
        return -1;
    if (parsed == 1) { /* hekad has these; accumulators have their place from who feeds them */
        input->is_placed = input->is_kernel = true;
        return 0;
    }
    bool is_ip = address.kind == LISTEN_IP;
    input->is_placed = true;
    input->is_kernel =
        !is_ip || !is_on_port(instances, input, input->ops->address(input->options, &net));
    return input->is_kernel ? 0 : check_in_dataplane(input, &address, err);
}

static int check_conflicts(const struct instances *instances, unsigned index, struct err *err)
{
    const struct input_instance *input = &instances->inputs[index];
    struct listen_address mine, other;
    if (parse_address(input, &mine) != 0)
        return 0;
    for (unsigned i = 0; i < index; i++) {
        const struct input_instance *before = &instances->inputs[i];
        if (before->is_kernel == input->is_kernel && parse_address(before, &other) == 0 &&
            listen_address_conflicts(&mine, &other))
            return SECTION_ERR(err, input->section, "address",
                               "'%s' listens where '%s' listens already", input->name,
                               before->name);
    }
    return 0;
}

/* ---- accumulators ---- */

static struct input_instance *find_accum(const struct instances *instances, const char *name)
{
    for (unsigned i = 0; i < instances->input_count; i++)
        if (instances->inputs[i].ops == &stat_accum_input &&
            strcmp(instances->inputs[i].name, name) == 0)
            return &instances->inputs[i];
    return NULL;
}

static int feed(const struct instances *instances, const struct config_section *feeder,
                const char *accum_name, bool is_kernel, struct err *err)
{
    struct input_instance *accum = find_accum(instances, accum_name);
    if (accum == NULL)
        return SECTION_ERR(err, feeder, "stat_accum_name",
                           "'%s' refers to StatAccumInput '%s', which no section defines",
                           feeder->name, accum_name);
    if (accum->fed_by != NULL && accum->is_kernel != is_kernel)
        return SECTION_ERR(err, feeder, "stat_accum_name",
                           "'%s' and '%s' both feed '%s', but one runs in the data plane (an "
                           "address of the core map) and one in hekad: each needs a StatAccumInput "
                           "of its own",
                           feeder->name, accum->fed_by, accum->name);
    accum->is_kernel = is_kernel;
    accum->fed_by = feeder->name;
    return 0;
}

int input_instances_feed(const struct instances *instances, const struct config_section *feeder,
                         const char *accum_name, struct err *err)
{
    return feed(instances, feeder, accum_name, true, err);
}

static int feed_by_input(const struct instances *instances, const struct input_instance *input,
                         struct err *err)
{
    const struct statsd_input_options *options = input->options;
    struct input_instance *accum = find_accum(instances, options->stat_accum_name);
    if (!input->is_placed && accum != NULL) /* who runs it is not known: its address is bad */
        return 0;
    return feed(instances, input->section, options->stat_accum_name, input->is_kernel, err);
}

/* Accumulators run where the inputs that feed them do; without any, where the data plane is. */
static int place_accums(struct instances *instances, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < instances->input_count; i++)
        if (instances->inputs[i].ops == &stat_accum_input)
            instances->inputs[i].is_kernel = instances->config->dataplane_node == NULL;
    for (unsigned i = 0; i < instances->input_count; i++)
        if (instances->inputs[i].ops == &statsd_input)
            rc |= feed_by_input(instances, &instances->inputs[i], err);
    return rc;
}

/* ---- one input ---- */

static bool has_section(const struct instances *instances, const char *name,
                        enum plugin_category category)
{
    const struct config_section *section = hekad_config_find(instances->config, name);
    return section != NULL && plugin_category_of(section->type) == category;
}

static int find_own_splitter(const struct instances *instances, struct input_instance *input,
                             struct err *err)
{
    const char *name = input->common.splitter;
    if (input->ops->default_splitter == NULL)
        return 0;
    if (name == NULL || name[0] == '\0')
        name = input->ops->default_splitter;
    input->splitter = find_splitter(instances, name);
    if (input->splitter != NULL)
        return 0;
    if (has_section(instances, name, PLUGIN_SPLITTER)) /* its own error says why */
        return -1;
    return SECTION_ERR(err, input->section, "splitter", "'%s' specifies undefined splitter '%s'",
                       input->name, name);
}

/* Records that are messages need a decoder; ProtobufDecoder by default needs such records. */
static int check_protobuf(const struct input_instance *input, struct err *err)
{
    bool is_bytes = input->splitter != NULL && input->splitter->common.use_message_bytes;
    bool is_protobuf = input->decoder != NULL &&
                       decoder_program_type(input->decoder->program) == &protobuf_decoder;
    if (input->splitter == NULL || (is_bytes && input->decoder != NULL) ||
        (!is_bytes && (!is_protobuf || input->common.decoder != NULL)))
        return 0;
    if (is_bytes)
        return SECTION_ERR(err, input->section, "decoder",
                           "'%s': splitter '%s' has use_message_bytes, which needs a decoder",
                           input->name, input->splitter->name);
    return SECTION_ERR(err, input->section, "decoder",
                       "'%s': %s needs a splitter with use_message_bytes, which '%s' has not; "
                       "decoder = \"\" is none",
                       input->name, input->decoder->name, input->splitter->name);
}

static int find_decoder(const struct instances *instances, struct input_instance *input,
                        struct err *err)
{
    const char *name = input->common.decoder;
    if (name == NULL)
        name = input->ops->default_decoder;
    if (name == NULL || name[0] == '\0')
        return check_protobuf(input, err);
    input->decoder = decoder_instances_find(instances, name);
    if (input->decoder != NULL && input->decoder->program == NULL) /* its own error says why */
        return -1;
    if (input->decoder != NULL)
        return check_protobuf(input, err);
    if (has_section(instances, name, PLUGIN_DECODER))
        return -1;
    return SECTION_ERR(err, input->section, "decoder", "no registered '%s' decoder", name);
}

int input_instances_add(struct instances *instances, const struct config_section *section,
                        const struct plugin_ops *ops, struct err *err)
{
    struct input_instance *input = &instances->inputs[instances->input_count++];
    *input = (struct input_instance){
        .name = section->name,
        .ops = (const struct input_ops *)(const void *)ops,
        .section = section,
    };
    input->options = calloc(1, ops->config_size + 1);
    if (input->options == NULL)
        return err_add(err, "out of memory");
    int rc = section_apply(section, ops->schema, input->options, plugin_common_schema(PLUGIN_INPUT),
                           &input->common, err);
    if (conf_get(section->node, "can_exit") == NULL)
        input->common.can_exit = input->ops->may_exit;
    return rc;
}

static int check_input(const struct instances *instances, struct input_instance *input,
                       struct err *err)
{
    if (input->options == NULL) /* no memory: said so already */
        return -1;
    int rc = find_own_splitter(instances, input, err);
    rc |= find_decoder(instances, input, err);
    if (section_check(input->section, input->ops->check, input->options, err) != 0)
        return -1;
    return place(instances, input, err) | rc;
}

int input_instances_check(struct instances *instances, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < instances->input_count; i++)
        rc |= check_input(instances, &instances->inputs[i], err);
    rc |= place_accums(instances, err);
    for (unsigned i = 0; i < instances->input_count; i++)
        rc |= check_conflicts(instances, i, err);
    return rc;
}

static int probe(const struct instances *instances, const struct input_instance *input,
                 struct err *err, struct err *notes)
{
    struct listen_address address;
    char offered[LIST_TEXT_SIZE];
    if (!input->is_kernel || parse_address(input, &address) != 0)
        return 0;
    struct err *found = calloc(1, sizeof(*found)), *remarks = calloc(1, sizeof(*remarks));
    int rc = -1;
    if (found == NULL || remarks == NULL) {
        err_add(err, "out of memory");
    } else {
        listen_socket_probe(&address, found, remarks);
        rc = section_place(input->section, NULL, found, err);
        section_place(input->section, NULL, remarks, notes);
    }
    if (rc != 0 && address.kind == LISTEN_IP && instances->core_map != NULL) {
        list_addresses(instances->core_map, offered, sizeof(offered));
        SECTION_ERR(err, input->section, "address", "'%s' is none of the core map's addresses (%s)",
                    input->name, offered);
    }
    free(found);
    free(remarks);
    return rc;
}

int input_instances_probe(const struct instances *instances, struct err *err, struct err *notes)
{
    int rc = 0;
    for (unsigned i = 0; i < instances->input_count; i++)
        rc |= probe(instances, &instances->inputs[i], err, notes);
    return rc;
}

void input_instances_free(struct instances *instances)
{
    for (unsigned i = 0; instances->inputs != NULL && i < instances->input_count; i++)
        free(instances->inputs[i].options);
    for (unsigned i = 0; instances->splitters != NULL && i < instances->splitter_count; i++) {
        splitter_fini(&instances->splitters[i].splitter);
        free(instances->splitters[i].options);
    }
    split_regexes_fini(&instances->regexes);
    free(instances->splitters);
    free(instances->inputs);
}
