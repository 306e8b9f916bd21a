/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/plan_splitter.h"

#include <stdlib.h>
#include <string.h>

#include "codec/splitter_options.h"
#include "core/schema.h"
#include "dataplane/streams.h"

struct type_option {
    const char *type;
};
static const struct schema_key type_keys[] = {
    {.key = "type", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .offset = offsetof(struct type_option, type), .help = "TokenSplitter, ..."},
    {0},
};
static const struct schema type_schema = {"splitter", type_keys};

/* NULL after adding to err. */
static const struct splitter_ops *find_ops(const struct plan_listener *listener, struct err *err)
{
    const struct conf_node *node = listener->splitter_node;
    if (listener->kind == PLAN_STATSD)
        return &token_split_ops; /* lines */
    if (node == NULL)
        return &null_split_ops;
    const struct conf_node *type = node->type == CONF_TABLE ? conf_get(node, "type") : node;
    const struct splitter_ops *ops =
        type != NULL && type->type == CONF_STRING ? splitter_by_name(type->str) : NULL;
    if (ops == NULL)
        err_at(err, node->file, node->line,
               "splitter: found '%s', allowed the type of a splitter, or a table with type",
               type != NULL && type->type == CONF_STRING ? type->str : "");
    return ops;
}

/* Options of the type, and those that all types have, from one table. */
static int apply(const struct plan *plan, const struct conf_node *table,
                 const struct splitter_ops *ops, struct plan_splitter *made, struct err *err)
{
    const struct schema *own = ops->plugin.schema, *common = ops->common;
    const struct schema *const beside_own[] = {common, &type_schema, NULL};
    const struct schema *const beside_common[] = {own, &type_schema, NULL};
    int rc = schema_apply(own, table, "splitter", beside_own, plan->doc, made->options, err);
    return schema_apply(common, table, "splitter", beside_common, plan->doc, &made->common, err) |
           rc;
}

static void place_errors(const struct plan_listener *listener, const struct err *found,
                         struct err *err)
{
    const struct conf_node *node = listener->splitter_node;
    node = node != NULL ? node : listener->node;
    for (unsigned i = 0; i < found->count && i < ERR_LIST_MAX; i++)
        err_at(err, node->file, node->line, "splitter of '%s': %s", listener->name,
               found->texts[i]);
}

/* Each stream has a fixed room for what a search knows. */
static int check_stream_size(const struct plan_listener *listener, struct err *err)
{
    size_t size = splitter_stream_size(listener->splitter);
    if (size <= STREAM_SEARCH_MAX)
        return 0;
    return err_at(err, listener->node->file, listener->node->line,
                  "splitter of '%s': its expressions take %zu bytes of each connection, %d are "
                  "possible", listener->name, size, STREAM_SEARCH_MAX);
}

int plan_splitter_make(struct plan *plan, struct plan_listener *listener, struct err *err)
{
    static struct err found;
    struct plan_splitter *made = &listener->own_splitter;
    if (listener->kind == PLAN_STATSD && listener->net == PLAN_UDP)
        return 0;
    const struct splitter_ops *ops = find_ops(listener, err);
    if (ops == NULL)
        return -1;
    const struct conf_node *node = listener->splitter_node;
    const struct conf_node *table =
        node != NULL && node->type == CONF_TABLE && listener->kind == PLAN_TEXT ? node : NULL;
    const struct splitter_host host = {
        .context = &plan->regexes,
        .message_max = (size_t)plan->max_message_size,
        .compile = split_regexes_compile,
    };
    made->options = calloc(1, ops->plugin.config_size + 1);
    if (made->options == NULL)
        return err_add(err, "out of memory");
    if (apply(plan, table, ops, made, err) != 0)
        return -1;
    made->common.deliver_incomplete_final |= listener->kind == PLAN_STATSD;
    found.count = 0;
    if (splitter_init(&made->splitter, ops, made->options, &made->common, &host, &found) != 0) {
        place_errors(listener, &found, err);
        return -1;
    }
    listener->splitter = &made->splitter;
    return listener->net == PLAN_TCP ? check_stream_size(listener, err) : 0;
}

void plan_splitter_free(struct plan_listener *listener)
{
    if (listener->own_splitter.splitter.ops != NULL)
        splitter_fini(&listener->own_splitter.splitter);
    free(listener->own_splitter.options);
    plan_free(listener->splitter_plan);
}

/* ---- from one plan to the next ---- */

const struct plan_listener *plan_find_same(const struct plan *plan,
                                           const struct plan_listener *listener)
{
    for (unsigned i = 0; i < plan->listener_count; i++)
        if (conf_equal(plan->listeners[i].node, listener->node))
            return &plan->listeners[i];
    return NULL;
}

void plan_keep_splitters(struct plan *plan, struct plan *previous)
{
    for (unsigned i = 0; i < plan->listener_count; i++) {
        struct plan_listener *listener = &plan->listeners[i];
        const struct plan_listener *former = plan_find_same(previous, listener);
        if (listener->net != PLAN_TCP || former == NULL ||
            former->splitter->message_max != listener->splitter->message_max)
            continue;
        listener->splitter = former->splitter;
        listener->splitter_plan =
            plan_get(former->splitter_plan != NULL ? former->splitter_plan : previous);
    }
}
