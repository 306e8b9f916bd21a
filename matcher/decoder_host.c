/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/decoder_host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/multi_decoder.h"
#include "core/check.h"
#include "matcher/capture_set.h"

enum { FILE_LEN_MAX = 200 };

struct section {
    const char *name;
    const struct conf_node *node; /* NULL: it exists without */
    const struct decoder_ops *ops;
    void *config;
};

struct expression {
    const char *text; /* of the section's options */
};

struct decoder_program {
    struct section *sections; /* all that can be reached, the root first */
    uint32_t section_count, section_room;
    struct capture_set *set;
    struct expression *expressions; /* in the order in which a runner's instances ask for them */
    uint32_t expression_count, expression_room;
    uint32_t instance_count; /* of each runner; found out by the first one */
    size_t message_size_max;
};

struct source { /* context of one instance's expression */
    struct decoder_runner *runner;
    uint32_t index;
};

struct instance {
    struct decoder decoder;
    void *state;
    struct source *source;
};

struct decoder_runner {
    const struct decoder_program *program;
    struct decoder_program *collects; /* the program while it is made, else NULL */
    struct instance *instances;
    uint32_t instance_count;
    uint32_t next_expression;
    struct capture_scratch *scratch;
    struct decoder root;
};

/* ---- errors ---- */

static bool has_text(const struct err *err, const char *text)
{
    for (unsigned i = 0; err != NULL && i < err->count && i < ERR_LIST_MAX; i++)
        if (strcmp(err->texts[i], text) == 0)
            return true;
    return false;
}

/* Adds what was found in a section, with its place unless the text begins with one. */
static int tell(const struct section *section, const struct err *found, struct err *err)
{
    for (unsigned i = 0; i < found->count && i < ERR_LIST_MAX; i++) {
        char text[FILE_LEN_MAX + 2 * ERR_TEXT_SIZE];
        size_t len = section->node != NULL ? strlen(section->node->file) : 0;
        bool has_place = section->node == NULL ||
                         (strncmp(found->texts[i], section->node->file, len) == 0 &&
                          found->texts[i][len] == ':');
        if (has_place)
            snprintf(text, sizeof(text), "%s", found->texts[i]);
        else
            snprintf(text, sizeof(text), "%.*s:%u: '%.60s': %s", FILE_LEN_MAX,
                     section->node->file, section->node->line, section->name, found->texts[i]);
        text[ERR_TEXT_SIZE - 1] = '\0'; /* as err_add() cuts it, to find it again */
        if (!has_text(err, text))
            err_add(err, "%s", text);
    }
    return found->count > 0 ? -1 : 0;
}

/* ---- sections ---- */

static struct section *find_section(const struct decoder_program *program, const char *name)
{
    for (uint32_t i = 0; i < program->section_count; i++)
        if (strcmp(program->sections[i].name, name) == 0)
            return &program->sections[i];
    return NULL;
}

static const struct decoder_ops *type_of(const struct conf_node *node, const char *name)
{
    const struct conf_node *type = conf_get(node, "type");
    return decoder_by_name(type != NULL && type->type == CONF_STRING ? type->str : name);
}

static int fill_section(struct section *section, const struct decoder_program_config *config,
                        struct conf_doc *doc, struct err *err)
{
    const struct schema *const also[] = {config->common, NULL};
    section->ops = section->node != NULL ? type_of(section->node, section->name)
                                         : &protobuf_decoder;
    if (section->ops == NULL)
        return err_at(err, section->node->file, section->node->line,
                      "'%s' is no decoder of this version", section->name);
    section->config = calloc(1, section->ops->plugin.config_size + 1);
    if (section->config == NULL)
        return err_add(err, "out of memory");
    return schema_apply(section->ops->plugin.schema, section->node, section->name,
                        config->common != NULL ? also : NULL, doc, section->config, err);
}

static struct section *grow_sections(struct decoder_program *program)
{
    if (program->section_count == program->section_room) {
        uint32_t room = 2 * program->section_room + 4;
        struct section *grown = realloc(program->sections, room * sizeof(*program->sections));
        if (grown == NULL)
            return NULL;
        program->sections = grown;
        program->section_room = room;
    }
    return &program->sections[program->section_count++];
}

/* 1: added, or there already; 0: there is no such section. */
static int add_section(struct decoder_program *program,
                       const struct decoder_program_config *config, const char *name,
                       struct err *err)
{
    struct conf_doc *doc = NULL;
    if (find_section(program, name) != NULL)
        return 1;
    const struct conf_node *node = config->find(config->context, name, &doc);
    if (node == NULL && strcmp(name, protobuf_decoder.plugin.name) != 0)
        return 0;
    if (program->section_count == DECODER_INSTANCES_MAX)
        return err_add(err, "over %d decoders", DECODER_INSTANCES_MAX);
    struct section *section = grow_sections(program);
    if (section == NULL)
        return err_add(err, "out of memory");
    *section = (struct section){.name = name, .node = node};
    struct err *found = calloc(1, sizeof(*found));
    if (found == NULL)
        return err_add(err, "out of memory");
    fill_section(section, config, doc, found);
    int rc = tell(section, found, err);
    free(found);
    return rc == 0 ? 1 : -1;
}

/* The same for one that a MultiDecoder names. */
static int add_sub(struct decoder_program *program, const struct decoder_program_config *config,
                   uint32_t multi, const char *name, struct err *err)
{
    int rc = add_section(program, config, name, err);
    struct err *found = rc == 0 ? calloc(1, sizeof(*found)) : NULL;
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (found == NULL)
        return err_add(err, "out of memory");
    err_add(found, "Non-existent subdecoder: %s", name);
    tell(&program->sections[multi], found, err);
    free(found);
    return -1;
}

/* All that the root reaches. */
static int add_sections(struct decoder_program *program,
                        const struct decoder_program_config *config, struct err *err)
{
    int rc = add_section(program, config, config->name, err);
    if (rc == 0)
        return err_add(err, "there is no decoder '%s'", config->name);
    rc = rc < 0 ? -1 : 0;
    for (uint32_t i = 0; i < program->section_count; i++) {
        const struct section *section = &program->sections[i];
        if (section->ops != &multi_decoder || section->config == NULL)
            continue;
        const struct multi_decoder_config *options = section->config;
        const char *const *names = options->subs.items;
        for (size_t sub = 0; sub < options->subs.count; sub++)
            rc |= add_sub(program, config, i, names[sub], err);
    }
    return rc;
}

/* Refuses circles, and MultiDecoders nested too deep, before any is made. */
static int check_order(const struct decoder_program *program, struct err *err)
{
    struct multi_decoder_node *nodes = calloc(program->section_count, sizeof(*nodes));
    uint32_t *order = calloc(program->section_count, sizeof(*order));
    uint32_t count = 0;
    int rc = -1;
    for (uint32_t i = 0; nodes != NULL && i < program->section_count; i++) {
        const struct section *section = &program->sections[i];
        const struct multi_decoder_config *options = section->config;
        if (section->ops == &multi_decoder && options != NULL)
            nodes[count++] = (struct multi_decoder_node){section->name, options->subs};
    }
    struct err *found = calloc(1, sizeof(*found));
    if (nodes == NULL || order == NULL || found == NULL) {
        err_add(err, "out of memory");
    } else {
        multi_decoder_order(nodes, count, order, found);
        rc = tell(&program->sections[0], found, err);
    }
    free(found);
    free(nodes);
    free(order);
    return rc;
}

/* ---- expressions ---- */

static int match_source(void *context, struct msg_slice text, const struct msg_slice **values)
{
    const struct source *source = context;
    const struct decoder_runner *runner = source->runner;
    return capture_set_match(runner->program->set, runner->scratch, source->index, text, values);
}

static int64_t next_source(void *set_context, uint32_t from, struct msg_slice text)
{
    const struct decoder_runner *runner = set_context;
    return capture_set_next(runner->program->set, runner->scratch, from, text);
}

static int grow_expressions(struct decoder_program *program)
{
    if (program->expression_count < program->expression_room)
        return 0;
    uint32_t room = 2 * program->expression_room + 16;
    struct expression *grown =
        realloc(program->expressions, room * sizeof(*program->expressions));
    if (grown == NULL)
        return -1;
    program->expressions = grown;
    program->expression_room = room;
    return 0;
}

static int collect(struct decoder_program *program, const char *regex, struct err *err)
{
    struct regex_fault fault = {0};
    if (grow_expressions(program) != 0)
        return err_add(err, "out of memory");
    int64_t index = capture_set_add(program->set, regex, strlen(regex), &fault);
    if (index == -E2BIG)
        return err_add(err, "over %d expressions", CAPTURE_SET_MAX);
    if (index < 0)
        return err_add(err, "position %zu: %s", fault.position + 1, fault.text);
    CHECK(index == program->expression_count);
    program->expressions[program->expression_count++].text = regex;
    return 0;
}

static int compile(void *context, const char *regex, struct capture_source *out, struct err *err)
{
    struct decoder_runner *runner = context;
    uint32_t index = runner->next_expression;
    struct source *source = calloc(1, sizeof(*source));
    struct instance *instance = &runner->instances[runner->instance_count - 1];
    if (source == NULL)
        return err_add(err, "out of memory");
    if (runner->collects != NULL && collect(runner->collects, regex, err) != 0) {
        free(source);
        return -1;
    }
    /* Every runner makes the same instances in the same order. */
    CHECK(index < runner->program->expression_count && instance->source == NULL &&
          strcmp(runner->program->expressions[index].text, regex) == 0);
    runner->next_expression++;
    *source = (struct source){runner, index};
    instance->source = source;
    *out = (struct capture_source){
        .names = capture_set_names(runner->program->set, index),
        .match = match_source,
        .context = source,
        .next = next_source,
        .set_context = runner,
        .index = index,
    };
    return 0;
}

/* ---- instances ---- */

static int find(void *context, const char *name, struct decoder *decoder, struct err *err);

static void forget(void *context)
{
    struct decoder_runner *runner = context;
    if (runner->scratch != NULL)
        capture_scratch_forget(runner->scratch);
}

static int init_instance(struct decoder_runner *runner, const struct section *section,
                         struct instance *instance, struct err *err)
{
    struct decoder_host host = {
        .context = runner,
        .name = section->name,
        .message_size_max = runner->program->message_size_max,
        .compile = compile,
        .find = find,
        .forget = forget,
    };
    struct err *found = calloc(1, sizeof(*found));
    if (found == NULL)
        return err_add(err, "out of memory");
    int rc = section->ops->init(instance->state, section->config, &host, found);
    if (tell(section, found, err) == 0 && rc != 0)
        err_add(err, "'%s' cannot be made", section->name);
    free(found);
    return rc;
}

static int make(struct decoder_runner *runner, const struct section *section,
                struct decoder *decoder, struct err *err)
{
    if (runner->instance_count == DECODER_INSTANCES_MAX)
        return err_add(err, "over %d decoders in '%s'", DECODER_INSTANCES_MAX,
                       runner->program->sections[0].name);
    struct instance *instance = &runner->instances[runner->instance_count++];
    instance->state = calloc(1, section->ops->plugin.state_size + 1);
    if (instance->state == NULL)
        return err_add(err, "out of memory");
    instance->decoder =
        (struct decoder){section->ops, instance->state, section->config, section->name};
    *decoder = instance->decoder;
    return init_instance(runner, section, instance, err);
}

static int find(void *context, const char *name, struct decoder *decoder, struct err *err)
{
    struct decoder_runner *runner = context;
    const struct section *section = find_section(runner->program, name);
    return section != NULL ? make(runner, section, decoder, err) : -1;
}

static int runner_new(const struct decoder_program *program, struct decoder_program *collects,
                      struct decoder_runner **out, struct err *err)
{
    struct decoder_runner *runner = calloc(1, sizeof(*runner));
    size_t room = collects != NULL ? DECODER_INSTANCES_MAX : program->instance_count;
    if (runner != NULL)
        runner->instances = calloc(room, sizeof(*runner->instances));
    if (runner == NULL || runner->instances == NULL) {
        free(runner);
        return err_add(err, "out of memory");
    }
    runner->program = program;
    runner->collects = collects;
    int rc = make(runner, &program->sections[0], &runner->root, err);
    if (rc == 0 && collects == NULL && capture_scratch_new(program->set, &runner->scratch) < 0)
        rc = err_add(err, "out of memory");
    if (rc != 0)
        decoder_runner_free(runner);
    else
        *out = runner;
    return rc;
}

int decoder_runner_new(const struct decoder_program *program, struct decoder_runner **out,
                       struct err *err)
{
    return runner_new(program, NULL, out, err);
}

void decoder_runner_free(struct decoder_runner *runner)
{
    if (runner == NULL)
        return;
    for (uint32_t i = 0; i < runner->instance_count; i++) {
        struct instance *instance = &runner->instances[i];
        if (instance->decoder.ops != NULL)
            instance->decoder.ops->fini(instance->state);
        free(instance->state);
        free(instance->source);
    }
    capture_scratch_free(runner->scratch);
    free(runner->instances);
    free(runner);
}

int decoder_runner_decode(struct decoder_runner *runner, const struct msg_view *message,
                          struct decode_io *io)
{
    capture_scratch_forget(runner->scratch);
    return runner->root.ops->decode(runner->root.state, runner->root.config, message, io);
}

struct decoder decoder_runner_root(const struct decoder_runner *runner)
{
    return runner->root;
}

/* ---- programs ---- */

static int fill_program(struct decoder_program *program,
                        const struct decoder_program_config *config, struct err *err)
{
    struct decoder_runner *trial = NULL;
    program->message_size_max = config->message_size_max;
    if (capture_set_new(&program->set) < 0)
        return err_add(err, "out of memory");
    int rc = add_sections(program, config, err);
    if (program->section_count > 0)
        rc |= check_order(program, err);
    if (rc != 0 || runner_new(program, program, &trial, err) != 0)
        return -1;
    program->instance_count = trial->instance_count;
    decoder_runner_free(trial);
    rc = capture_set_compile(program->set, NULL);
    if (rc == -E2BIG)
        return err_add(err, "'%s': the expressions are too large together", config->name);
    return rc == 0 ? 0 : err_add(err, "out of memory");
}

int decoder_program_new(const struct decoder_program_config *config, struct decoder_program **out,
                        struct err *err)
{
    struct decoder_program *program = calloc(1, sizeof(*program));
    *out = NULL;
    if (program == NULL)
        return err_add(err, "out of memory");
    if (fill_program(program, config, err) != 0) {
        decoder_program_free(program);
        return -1;
    }
    *out = program;
    return 0;
}

void decoder_program_free(struct decoder_program *program)
{
    if (program == NULL)
        return;
    for (uint32_t i = 0; i < program->section_count; i++)
        free(program->sections[i].config);
    free(program->sections);
    free(program->expressions);
    capture_set_free(program->set);
    free(program);
}

const struct decoder_ops *decoder_program_type(const struct decoder_program *program)
{
    return program->sections[0].ops;
}

bool decoder_program_runs_in_hekad(const struct decoder_program *program)
{
    for (uint32_t i = 0; i < program->section_count; i++)
        if (program->sections[i].ops->runs_in_hekad)
            return true;
    return false;
}

uint32_t decoder_program_expressions(const struct decoder_program *program)
{
    return program->expression_count;
}

/* ---- what became of a message ---- */

enum counter_id decoder_counter(int code)
{
    CHECK(code <= DECODE_E_NO_MATCH && code >= DECODE_E_MALFORMED);
    return (enum counter_id)(COUNTER_DECODE_NO_MATCH + (DECODE_E_NO_MATCH - code));
}
_Static_assert(COUNTER_DECODE_MALFORMED - COUNTER_DECODE_NO_MATCH ==
                   DECODE_E_NO_MATCH - DECODE_E_MALFORMED,
               "the decode counters of counters.def follow DECODE_E_*");
_Static_assert(COUNTER_DECODE_NOTE_STRUCTURE - COUNTER_DECODE_NOTE_TIMESTAMP ==
                   DECODE_NOTES - 1,
               "and enum decode_note");

void decoder_count_notes(struct counters *counters, const struct decode_io *io)
{
    for (unsigned i = 0; i < DECODE_NOTES; i++)
        counters->values[COUNTER_DECODE_NOTE_TIMESTAMP + i] += io->notes[i];
}

void decoder_write_failure(struct msg_builder *builder, const struct msg_view *message,
                           const char *reason, size_t reason_len)
{
    if (reason_len > DECODER_ERROR_TEXT_MAX)
        reason_len = DECODER_ERROR_TEXT_MAX;
    msg_builder_raw(builder, message->bytes, message->size);
    msg_builder_field_bool(builder, "decode_failure", true, NULL);
    msg_builder_field_string(builder, "decode_error", reason, reason_len, NULL);
}
