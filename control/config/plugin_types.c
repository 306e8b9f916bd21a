/* SPDX-License-Identifier: MPL-2.0 */
#include "control/config/plugin_types.h"

#include <string.h>

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "codec/splitter.h"
#include "codec/splitter_options.h"
#include "control/decoders/decoders.h"
#include "control/encoders/encoders.h"
#include "control/plugins/filter.h"
#include "control/config/hekad_config.h"
#include "control/plugins/input.h"
#include "control/plugins/native.h"
#include "control/plugins/output.h"
#include "control/net/tls_options.h"
#include "core/check.h"

static const char *const category_names[PLUGIN_CATEGORY_COUNT] = {
    "Input", "Splitter", "Decoder", "Filter", "Encoder", "Output",
};

#define RETRY(member) .key = #member, .offset = offsetof(struct retry_options, member)
static const struct schema_key retry_keys[] = {
    {RETRY(max_jitter), .type = SCHEMA_DURATION, .max = 9e18, .def = "500ms",
     .help = "A random part of it is added to each wait."},
    {RETRY(max_delay), .type = SCHEMA_DURATION, .max = 9e18, .def = "30s",
     .help = "The longest wait; a plugin that ran for longer begins with `delay` again."},
    {RETRY(delay), .type = SCHEMA_DURATION, .max = 9e18, .def = "250ms",
     .help = "The first wait before a plugin that failed starts again; doubled each time."},
    {RETRY(max_retries), .type = SCHEMA_INT, .min = -1, .max = INT32_MAX, .def = "-1",
     .help = "How often; then it has ended for good. -1: for ever."},
    {0},
};
static const struct schema retry_schema = {"retries", retry_keys};

static const char *const lane_policies[] = {"block", "drop", NULL};
static const char *const full_actions[] = {"shutdown", "drop", "block", NULL};
#define BUFFERING(member) .key = #member, .offset = offsetof(struct buffering_options, member)
static const struct schema_key buffering_keys[] = {
    {BUFFERING(max_file_size), .type = SCHEMA_INT, .min = 0, .max = 9e18, .def = "536870912",
     .unit = "bytes", .help = "A file that would be larger is ended; 0 is the default."},
    {BUFFERING(max_buffer_size), .type = SCHEMA_INT, .min = 0, .max = 9e18, .def = "0",
     .unit = "bytes", .help = "All files of the queue together; 0: no limit but the disk's."},
    {BUFFERING(full_action), .type = SCHEMA_CHOICE, .choices = full_actions, .def = "shutdown",
     .help = "When queue or disk is full: end hekad, drop and count, or wait for room."},
    {BUFFERING(cursor_update_count), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "1",
     .help = "The place reached is written after so many messages; 0 is 1."},
    {0},
};
static const struct schema buffering_schema = {"buffering", buffering_keys};

#define INPUT(member) .key = #member, .offset = offsetof(struct input_common, member)
static const struct schema_key input_keys[] = {
    {INPUT(type), .type = SCHEMA_STRING, .help = "Plugin type. Default: the section's name."},
    {INPUT(ticker_interval), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "0",
     .unit = "s", .help = "For inputs that tick."},
    {INPUT(decoder), .type = SCHEMA_STRING,
     .help = "Name of a decoder; \"\" is none. Default: none; TcpInput: ProtobufDecoder."},
    {INPUT(splitter), .type = SCHEMA_STRING,
     .help = "Splitter. Default: NullSplitter; TcpInput: HekaFramingSplitter."},
    {INPUT(synchronous_decode), .type = SCHEMA_BOOL, .def = "false",
     .help = "Accepted: inputs always decode in their own thread."},
    {INPUT(send_decode_failures), .type = SCHEMA_BOOL, .def = "false",
     .help = "What cannot be decoded goes on, with the fields decode_failure and decode_error."},
    {INPUT(log_decode_failures), .type = SCHEMA_BOOL, .def = "true",
     .help = "Log now and then why; the data plane only counts."},
    {INPUT(can_exit), .type = SCHEMA_BOOL, .def = "false",
     .help = "hekad goes on when it has ended by itself; otherwise hekad ends, with status 1."},
    {INPUT(retries), .type = SCHEMA_TABLE, .sub = &retry_schema, .help = "Restart policy."},
    {0},
};
static const struct schema input_schema = {"all inputs", input_keys};

static const struct schema_key decoder_keys[] = {
    {.key = "type",
     .type = SCHEMA_STRING,
     .offset = offsetof(struct decoder_common, type),
     .help = "Plugin type. Default: the section's name."},
    {0},
};
static const struct schema decoder_schema = {"all decoders", decoder_keys};

static const struct schema_key encoder_keys[] = {
    {.key = "type",
     .type = SCHEMA_STRING,
     .offset = offsetof(struct encoder_common, type),
     .help = "Plugin type. Default: the section's name."},
    {0},
};
static const struct schema encoder_schema = {"all encoders", encoder_keys};

#define FILTER(member) .key = #member, .offset = offsetof(struct filter_common, member)
static const struct schema_key filter_keys[] = {
    {FILTER(type), .type = SCHEMA_STRING, .help = "Plugin type. Default: the section's name."},
    {FILTER(message_matcher), .type = SCHEMA_STRING,
     .help = "Which messages it gets; required, unless the type has one of its own."},
    {FILTER(message_signer), .type = SCHEMA_STRING, .help = "Only messages of this signer."},
    {FILTER(ticker_interval), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "0",
     .unit = "s", .help = "For filters that tick; CounterFilter: 5."},
    {FILTER(can_exit), .type = SCHEMA_BOOL, .def = "false",
     .help = "hekad goes on when it has ended by itself; otherwise hekad ends, with status 1."},
    {FILTER(use_buffering), .type = SCHEMA_BOOL, .def = "false",
     .help = "No effect: a filter's messages wait in the lanes, which outlive hekad."},
    {FILTER(buffering), .type = SCHEMA_TABLE, .sub = &buffering_schema, .help = "Disk queue."},
    {FILTER(retries), .type = SCHEMA_TABLE, .sub = &retry_schema, .help = "Restart policy."},
    {0},
};
static const struct schema filter_schema = {"all filters", filter_keys};

#define OUTPUT(member) .key = #member, .offset = offsetof(struct output_common, member)
static const struct schema_key output_keys[] = {
    {OUTPUT(type), .type = SCHEMA_STRING, .help = "Plugin type. Default: the section's name."},
    {OUTPUT(message_matcher), .type = SCHEMA_STRING, .help = "Which messages it gets; required."},
    {OUTPUT(message_signer), .type = SCHEMA_STRING, .help = "Only messages of this signer."},
    {OUTPUT(ticker_interval), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "0",
     .unit = "s", .help = "For outputs that tick."},
    {OUTPUT(can_exit), .type = SCHEMA_BOOL, .def = "false",
     .help = "hekad goes on when it has ended by itself; otherwise hekad ends, with status 1."},
    {OUTPUT(use_buffering), .type = SCHEMA_BOOL, .def = "false",
     .help = "A queue on disk before the output. TcpOutput: true unless given."},
    {OUTPUT(buffering), .type = SCHEMA_TABLE, .sub = &buffering_schema, .help = "Disk queue."},
    {OUTPUT(lane_policy), .type = SCHEMA_CHOICE, .choices = lane_policies, .def = "block",
     .help = "When the output is slow and the lanes are full: producers wait, or drop its oldest."},
    {OUTPUT(retries), .type = SCHEMA_TABLE, .sub = &retry_schema, .help = "Restart policy."},
    {OUTPUT(encoder), .type = SCHEMA_STRING, .help = "Name of an encoder's section."},
    {OUTPUT(use_framing), .type = SCHEMA_BOOL, .def = "false",
     .help = "Heka framing. FileOutput, TcpOutput: true with ProtobufEncoder unless given."},
    {OUTPUT(signer), .type = SCHEMA_TABLE, .sub = &signer_schema,
     .help = "Who signs the frames; only with framing."},
    {0},
};
static const struct schema output_schema = {"all outputs", output_keys};

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text), end_len = strlen(end);
    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

enum plugin_category plugin_category_of(const char *type)
{
    unsigned category = 0;
    while (category < PLUGIN_CATEGORY_COUNT && !ends_with(type, category_names[category]))
        category++;
    return (enum plugin_category)category;
}

const char *plugin_category_name(enum plugin_category category)
{
    return category_names[category];
}

static const struct plugin_ops *encoder_at(unsigned index)
{
    unsigned builtins = 0;
    while (builtin_encoders[builtins] != NULL)
        builtins++;
    const struct encoder_ops *ops =
        index < builtins ? builtin_encoders[index] : hekad_encoders[index - builtins];
    return ops != NULL ? &ops->plugin : NULL;
}

/* The index-th type of a category that is hekad's own, or NULL behind the last one. */
static const struct plugin_ops *builtin_at(enum plugin_category category, unsigned index)
{
    switch (category) {
    case PLUGIN_INPUT:
        return builtin_inputs[index] != NULL ? &builtin_inputs[index]->plugin : NULL;
    case PLUGIN_SPLITTER:
        return splitter_types[index] != NULL ? &splitter_types[index]->plugin : NULL;
    case PLUGIN_ENCODER:
        return encoder_at(index);
    case PLUGIN_OUTPUT:
        return builtin_outputs[index] != NULL ? &builtin_outputs[index]->plugin : NULL;
    case PLUGIN_FILTER:
        return builtin_filters[index] != NULL ? &builtin_filters[index]->plugin : NULL;
    case PLUGIN_DECODER:
        decoders_add();
        return decoder_type_at(index) != NULL ? &decoder_type_at(index)->plugin : NULL;
    case PLUGIN_CATEGORY_COUNT:
        break;
    }
    return NULL;
}

const struct plugin_ops *plugin_type_at(enum plugin_category category, unsigned index)
{
    unsigned builtins = 0;
    while (builtins <= index && builtin_at(category, builtins) != NULL)
        builtins++;
    if (builtins > index)
        return builtin_at(category, index);
    return category != PLUGIN_DECODER ? native_type(category, index - builtins) : NULL;
}

const struct plugin_ops *plugin_type_find(const char *type)
{
    enum plugin_category category = plugin_category_of(type);
    const struct plugin_ops *ops;
    for (unsigned i = 0; (ops = plugin_type_at(category, i)) != NULL; i++)
        if (strcmp(ops->name, type) == 0)
            return ops;
    return NULL;
}

const struct schema *plugin_common_schema(enum plugin_category category)
{
    switch (category) {
    case PLUGIN_INPUT:
        return &input_schema;
    case PLUGIN_SPLITTER:
        return &splitter_common_schema;
    case PLUGIN_ENCODER:
        return &encoder_schema;
    case PLUGIN_OUTPUT:
        return &output_schema;
    case PLUGIN_FILTER:
        return &filter_schema;
    case PLUGIN_DECODER:
        return &decoder_schema;
    case PLUGIN_CATEGORY_COUNT:
        break;
    }
    return NULL;
}

static void print_schema(const char *title, const struct schema *schema, FILE *out)
{
    fprintf(out, "### %s\n\n", title);
    if (schema->keys[0].key == NULL)
        fprintf(out, "No options of its own.\n");
    else
        schema_print_markdown(schema, out);
    fputc('\n', out);
}

static void print_category(enum plugin_category category, FILE *out)
{
    const struct plugin_ops *ops;
    const struct schema *common = plugin_common_schema(category);
    if (common == NULL)
        return;
    print_schema(common->name, common, out);
    for (unsigned i = 0; (ops = plugin_type_at(category, i)) != NULL; i++)
        print_schema(ops->name, ops->schema, out);
}

void plugin_types_print(FILE *out)
{
    print_schema("[hekad]", &hekad_globals_schema, out);
    print_schema("[dataplane]", &dataplane_options_schema, out);
    for (unsigned i = 0; i < PLUGIN_CATEGORY_COUNT; i++)
        print_category((enum plugin_category)i, out);
    print_schema("[X.retries]", &retry_schema, out);
    print_schema("[X.buffering]", &buffering_schema, out);
    print_schema("[X.signer]", &signer_schema, out);
    print_schema("[X.tls]", &tls_schema, out);
}
