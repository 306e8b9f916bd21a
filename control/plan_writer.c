/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plan_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLAN_MODE = 0644, PLAN_INDENT = 2 };

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
    case CONF_DATE:
        break;
    }
    return NULL;
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
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s}", "name", input->name, "kind", "statsd", "address",
                  input->statsd.address, "accumulator", input->statsd.stat_accum_name);
    if (input->statsd.max_msg_size > 0)
        object = with_member(object, "max_msg_size", json_integer(input->statsd.max_msg_size));
    return object;
}

static json_t *text_listener(const struct input_instance *input)
{
    const struct splitter_instance *splitter = input->splitter;
    bool is_token = splitter->ops == &token_splitter;
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s}", "name", input->name, "kind", "text", "address",
                  input->udp.address, "splitter", is_token ? "token" : "null");
    if (is_token) {
        const char *delimiter = splitter->token.delimiter;
        object =
            with_member(object, "delimiter", json_string(delimiter != NULL ? delimiter : "\n"));
        object = with_member(object, "count", json_integer(splitter->token.count));
        object = with_member(object, "deliver_incomplete_final",
                             json_boolean(splitter->common.deliver_incomplete_final));
    }
    return with_member(object, "set_hostname", json_boolean(input->udp.set_hostname));
}

static json_t *consumer(const struct output_instance *output)
{
    const char *signer = output->common.message_signer;
    json_t *object = json_pack("{s:s, s:s, s:i}", "name", output->name, "message_matcher",
                               output->common.message_matcher, "slot", (int)output->slot);
    if (signer != NULL && signer[0] != '\0')
        object = with_member(object, "message_signer", json_string(signer));
    return object;
}

static json_t *plan_json(const struct instances *instances, unsigned generation)
{
    const struct hekad_globals *globals = &instances->config->globals;
    json_t *accumulators = json_array(), *listeners = json_array(), *consumers = json_array();
    for (unsigned i = 0; i < instances->input_count; i++) {
        const struct input_instance *input = &instances->inputs[i];
        if (input->ops == &stat_accum_input)
            accumulators = with_item(accumulators, accumulator(input));
        else if (input->ops == &statsd_input)
            listeners = with_item(listeners, statsd_listener(input));
        else
            listeners = with_item(listeners, text_listener(input));
    }
    for (unsigned i = 0; i < instances->output_count; i++)
        consumers = with_item(consumers, consumer(&instances->outputs[i]));
    return json_pack("{s:i, s:s, s:I, s:o, s:o, s:o}", "generation", (int)generation, "hostname",
                     globals->hostname, "max_message_size", (json_int_t)globals->max_message_size,
                     "accumulators", accumulators, "listeners", listeners, "consumers", consumers);
}

char *plan_writer_text(const struct instances *instances, unsigned generation)
{
    json_t *plan = plan_json(instances, generation);
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

static int write_whole(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t put = write(fd, text, left);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        text += put;
        left -= (size_t)put;
    }
    return 0;
}

int plan_writer_write(const struct instances *instances, unsigned generation, const char *path,
                      struct err *err)
{
    char temporary[CONFIG_PATH_SIZE];
    int len = snprintf(temporary, sizeof(temporary), "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof(temporary))
        return err_add(err, "%s: the path is too long", path);
    char *text = plan_writer_text(instances, generation);
    if (text == NULL)
        return err_add(err,
                       "%s: the plan cannot be written as JSON (out of memory, or a name that is "
                       "not UTF-8)",
                       path);
    unlink(temporary);
    int rc = -1, fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, PLAN_MODE);
    if (fd >= 0 && write_whole(fd, text) == 0 && rename(temporary, path) == 0)
        rc = 0;
    else
        err_add(err, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(text);
    return rc;
}
