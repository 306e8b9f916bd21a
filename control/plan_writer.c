/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plan_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/folder.h"
#include "control/inputs/inputs.h"
#include "control/rule_store.h"
#include "core/lane.h"
#include "core/log.h"
#include "core/whole_file.h"
#include "stats/accum.h"
#include "stats/statsd_options.h"

enum { PLAN_MODE = 0644, SECRET_PLAN_MODE = 0640, PLAN_INDENT = 2 };

/* A member that could not be made must not be missing silently: then all of it is not made. */
static json_t *with_member(json_t *take_object, const char *key, json_t *take_value)
{
    if (json_object_set_new(take_object, key, take_value) == 0)
        return take_object;
    json_decref(take_object);
    return NULL;
}

static json_t *with_item(json_t *take_array, json_t *take_value)
{
    if (json_array_append_new(take_array, take_value) == 0)
        return take_array;
    json_decref(take_array);
    return NULL;
}

static json_t *table_of(const struct conf_node *table);

static json_t *value_of(const struct conf_node *node)
{
    json_t *array;
    switch (node->type) {
    case CONF_STRING:
        return json_stringn(node->str, node->str_len);
    case CONF_INT:
        return json_integer(node->i);
    case CONF_FLOAT:
        return json_real(node->d);
    case CONF_BOOL:
        return json_boolean(node->b);
    case CONF_ARRAY:
        array = json_array();
        for (const struct conf_node *item = node->first; item != NULL; item = item->next)
            array = with_item(array, value_of(item));
        return array;
    case CONF_TABLE:
        return table_of(node);
    case CONF_DATE:
        break;
    }
    return NULL;
}

static json_t *table_of(const struct conf_node *table)
{
    json_t *object = json_object();
    for (const struct conf_node *node = table->first; node != NULL; node = node->next)
        object = with_member(object, node->key, value_of(node));
    return object;
}

/* What is configured, under the schema's spelling; defaults are the data plane's own, from the same
 * schema. */
static json_t *accumulator(const struct input_instance *input)
{
    json_t *object = json_pack("{s:s}", "name", input->name);
    for (const struct schema_key *key = accum_schema.keys; key->key != NULL; key++) {
        const struct conf_node *node = conf_get(input->section->node, key->key);
        if (node != NULL)
            object = with_member(object, key->key, value_of(node));
    }
    return object;
}

static json_t *statsd_listener(const struct input_instance *input)
{
    const struct statsd_input_options *options = input->options;
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s}", "name", input->name, "kind", "statsd", "address",
                  options->address, "accumulator", options->stat_accum_name);
    if (options->max_msg_size > 0)
        object = with_member(object, "max_msg_size", json_integer(options->max_msg_size));
    for (const char *const *key = statsd_option_keys; *key != NULL; key++) {
        const struct conf_node *node = conf_get(input->section->node, *key);
        if (node != NULL)
            object = with_member(object, *key, value_of(node));
    }
    return object;
}

/* As configured; the data plane reads it by the same schemas. */
static json_t *splitter_json(const struct splitter_instance *splitter)
{
    json_t *object = splitter->section != NULL ? table_of(splitter->section->node) : json_object();
    return with_member(object, "type", json_string(splitter->ops->plugin.name));
}

/* One that the data plane runs. */
static bool has_own_decoder(const struct input_instance *input)
{
    return !input->is_kernel && input->decoder != NULL &&
           !decoder_program_runs_in_hekad(input->decoder->program);
}

static json_t *text_listener(const struct input_instance *input)
{
    bool is_tcp = input->ops == &tcp_input;
    const char *net = NULL;
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", input->name, "kind", "text", "net",
                  is_tcp ? "tcp" : "udp", "address", input->ops->address(input->options, &net),
                  "splitter", splitter_json(input->splitter));
    bool is_decoded = has_own_decoder(input);
    if (is_decoded)
        object = with_member(object, "decoder", json_string(input->decoder->name));
    if (is_decoded && input->common.send_decode_failures)
        object = with_member(object, "send_decode_failures", json_true());
    bool sets_hostname = is_tcp || ((const struct udp_input_options *)input->options)->set_hostname;
    return with_member(object, "set_hostname", json_boolean(sets_hostname));
}

/* As configured, under its name; the data plane reads it by the same schemas. */
static json_t *decoder(const struct decoder_instance *instance)
{
    json_t *object = table_of(instance->section->node);
    object = with_member(object, "type", json_string(instance->section->type));
    return with_member(object, "name", json_string(instance->name));
}

/* All that it can run when the data plane has one at all: they name each other. */
static json_t *decoders(const struct instances *instances)
{
    bool is_used = false;
    json_t *array = json_array();
    for (unsigned i = 0; i < instances->input_count; i++)
        is_used |= has_own_decoder(&instances->inputs[i]);
    for (unsigned i = 0; is_used && i < instances->decoder_count; i++)
        if (instances->decoders[i].section != NULL &&
            !decoder_program_runs_in_hekad(instances->decoders[i].program))
            array = with_item(array, decoder(&instances->decoders[i]));
    return array;
}

static json_t *consumer_json(const struct consumer_ref *consumer)
{
    const char *signer = consumer->message_signer;
    json_t *object = json_pack("{s:s, s:s, s:i}", "name", consumer->name, "message_matcher",
                               consumer->message_matcher, "slot", (int)*consumer->slot);
    if (signer != NULL && signer[0] != '\0')
        object = with_member(object, "message_signer", json_string(signer));
    if (consumer->drops)
        object = with_member(object, "policy", json_string("drop"));
    if (consumer->is_decoder)
        object = with_member(object, "decodes", json_string(consumer->name));
    return object;
}

static json_t *consumers_json(const struct instances *instances)
{
    json_t *consumers = json_array();
    struct consumer_ref consumer;
    for (unsigned i = 0; instances_consumer(instances, i, &consumer); i++)
        consumers = with_item(consumers, consumer_json(&consumer));
    return consumers;
}

static json_t *plan_json(const struct instances *instances, unsigned generation,
                         const struct rule_store *rules)
{
    const struct hekad_globals *globals = &instances->config->globals;
    json_t *accumulators = json_array(), *listeners = json_array();
    for (unsigned i = 0; i < instances->input_count; i++) {
        const struct input_instance *input = &instances->inputs[i];
        if (input->is_kernel)
            continue;
        if (input->ops == &stat_accum_input)
            accumulators = with_item(accumulators, accumulator(input));
        else if (input->ops == &statsd_input)
            listeners = with_item(listeners, statsd_listener(input));
        else
            listeners = with_item(listeners, text_listener(input));
    }
    json_t *plan = json_pack("{s:i, s:s, s:I, s:o, s:o, s:o}", "generation", (int)generation,
                             "hostname", globals->hostname, "max_message_size",
                             (json_int_t)globals->max_message_size, "accumulators", accumulators,
                             "listeners", listeners, "consumers", consumers_json(instances));
    json_t *sections = decoders(instances);
    if (sections == NULL || json_array_size(sections) > 0)
        plan = with_member(plan, "decoders", sections);
    else
        json_decref(sections);
    if (plan != NULL && rules != NULL)
        plan = with_member(plan, "rules",
                           json_pack("{s:s, s:s}", "file", rule_store_file(rules), "digest",
                                     rule_store_digest(rules)));
    return plan;
}

char *plan_writer_text(const struct instances *instances, unsigned generation,
                       const struct rule_store *rules)
{
    json_t *plan = plan_json(instances, generation, rules);
    char *text = plan != NULL ? json_dumps(plan, JSON_INDENT(PLAN_INDENT)) : NULL;
    json_decref(plan);
    if (text == NULL)
        return NULL;
    size_t len = strlen(text);
    char *with_newline = realloc(text, len + 2);
    if (with_newline == NULL) {
        free(text);
        return NULL;
    }
    memcpy(with_newline + len, "\n", 2);
    return with_newline;
}

/* Keys of signers are in it. */
static bool has_secret(const struct instances *instances)
{
    for (unsigned i = 0; i < instances->input_count; i++) {
        const struct input_instance *input = &instances->inputs[i];
        if (!input->is_kernel && input->splitter != NULL &&
            input->splitter->splitter.signers.count > 0)
            return true;
    }
    return false;
}

/* Who reads it at a reload: the group that the data plane has given its segment to. Without a
 * segment it reads as root. */
static void give_to_dataplane(int fd, const char *path)
{
    char segment[CONFIG_PATH_SIZE + 16];
    struct stat found;
    const char *slash = strrchr(path, '/');
    snprintf(segment, sizeof(segment), "%.*ssegment", slash != NULL ? (int)(slash - path + 1) : 0,
             path);
    if (stat(segment, &found) == 0 && fchown(fd, (uid_t)-1, found.st_gid) != 0)
        log_error("%s: its group cannot be changed: %s", path, strerror(errno));
}

static int write_plan(const struct instances *instances, unsigned generation,
                      const struct rule_store *rules, const char *path, struct err *err)
{
    char temporary[CONFIG_PATH_SIZE];
    int len = snprintf(temporary, sizeof(temporary), "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof(temporary))
        return err_add(err, "%s: the path is too long", path);
    char *text = plan_writer_text(instances, generation, rules);
    if (text == NULL)
        return err_add(err,
                       "%s: the plan cannot be written as JSON (out of memory, or a name that is "
                       "not UTF-8)",
                       path);
    unlink(temporary);
    bool is_secret = has_secret(instances);
    int rc, fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                      is_secret ? SECRET_PLAN_MODE : PLAN_MODE);
    if (fd >= 0 && is_secret)
        give_to_dataplane(fd, path);
    rc = fd >= 0 ? whole_file_write(fd, text, strlen(text)) : -errno;
    if (rc == 0 && rename(temporary, path) != 0)
        rc = -errno;
    if (rc != 0)
        rc = err_add(err, "%s: %s", path, strerror(-rc));
    if (fd >= 0)
        close(fd);
    free(text);
    return rc;
}

int plan_writer_write(const struct instances *instances, unsigned generation, const char *path,
                      struct err *err)
{
    char folder[CONFIG_PATH_SIZE];
    struct rule_store *rules = NULL;
    if (folder_of(path, folder, sizeof(folder)) != 0)
        return err_add(err, "%s: the path is too long", path);
    if (rule_store_open(instances, &rules, err) != 0)
        return -1;
    int rc = rule_store_write(rules, folder, err);
    if (rc == 0)
        rc = write_plan(instances, generation, rules, path, err);
    if (rc == 0)
        rule_store_sweep(folder, rules);
    rule_store_put(rules);
    return rc;
}

static bool is_same_text(const char *path, const char *text)
{
    size_t size = strlen(text);
    char *old = malloc(size + 1);
    FILE *file = fopen(path, "re");
    /* One byte more than ours would show that the old one is longer. */
    bool is_same = old != NULL && file != NULL && fread(old, 1, size + 1, file) == size &&
                   memcmp(old, text, size) == 0;
    if (file != NULL)
        fclose(file);
    free(old);
    return is_same;
}

bool plan_writer_is_same(const struct instances *instances, unsigned generation, const char *path)
{
    struct rule_store *rules = NULL;
    char *text = NULL;
    if (rule_store_open(instances, &rules, NULL) == 0)
        text = plan_writer_text(instances, generation, rules);
    bool is_same = text != NULL && is_same_text(path, text);
    rule_store_put(rules);
    free(text);
    return is_same;
}
