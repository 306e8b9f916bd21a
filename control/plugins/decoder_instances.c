/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/decoder_instances.h"

#include <stdlib.h>
#include <string.h>

const struct decoder_instance *decoder_instances_find(const struct instances *instances,
                                                      const char *name)
{
    for (unsigned i = 0; i < instances->decoder_count; i++)
        if (strcmp(instances->decoders[i].name, name) == 0)
            return &instances->decoders[i];
    return NULL;
}

int decoder_instances_add(struct instances *instances, const struct config_section *section,
                          struct err *err)
{
    (void)err; /* its options are read together with those of the decoders that it names */
    instances->decoders[instances->decoder_count++] =
        (struct decoder_instance){.name = section->name, .section = section};
    return 0;
}

static const struct conf_node *find_section(void *context, const char *name, struct conf_doc **doc)
{
    const struct instances *instances = context;
    const struct decoder_instance *decoder = decoder_instances_find(instances, name);
    if (decoder == NULL || decoder->section == NULL)
        return NULL;
    *doc = decoder->section->doc;
    return decoder->section->node;
}

static bool has_text(const struct err *err, const char *text)
{
    for (unsigned i = 0; i < err->count && i < ERR_LIST_MAX; i++)
        if (strcmp(err->texts[i], text) == 0)
            return true;
    return false;
}

/* An error of a section is also one of all that name it: it is said once. */
static void add_new(const struct err *found, struct err *said, struct err *err)
{
    for (unsigned i = 0; i < found->count && i < ERR_LIST_MAX; i++) {
        if (has_text(said, found->texts[i]))
            continue;
        err_add(said, "%s", found->texts[i]);
        err_add(err, "%s", found->texts[i]);
    }
}

int decoder_instances_check(struct instances *instances, struct err *err)
{
    struct err *found = calloc(1, sizeof(*found)), *said = calloc(1, sizeof(*said));
    int rc = found != NULL && said != NULL ? 0 : err_add(err, "out of memory");
    const char *protobuf = protobuf_decoder.plugin.name;
    if (decoder_instances_find(instances, protobuf) == NULL)
        instances->decoders[instances->decoder_count++].name = protobuf;
    for (unsigned i = 0; said != NULL && found != NULL && i < instances->decoder_count; i++) {
        struct decoder_program_config config = {
            .name = instances->decoders[i].name,
            .find = find_section,
            .context = instances,
            .common = plugin_common_schema(PLUGIN_DECODER),
            .message_size_max = (size_t)instances->config->globals.max_message_size,
        };
        found->count = 0;
        rc |= decoder_program_new(&config, &instances->decoders[i].program, found);
        add_new(found, said, err);
    }
    free(found);
    free(said);
    return rc;
}

void decoder_instances_free(struct instances *instances)
{
    for (unsigned i = 0; instances->decoders != NULL && i < instances->decoder_count; i++)
        decoder_program_free(instances->decoders[i].program);
    free(instances->decoders);
}
