/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/output_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { TEXT_SIZE = 2048, TRIES_MAX = 60000 };

void output_rig_open(struct output_rig *rig, const struct output_ops *ops, const char *options)
{
    char text[TEXT_SIZE];
    memset(rig, 0, sizeof(*rig));
    rig->ops = ops;
    rig->host.name = "Output";
    snprintf(text, sizeof(text), "[Output]\n%s\n", options);
    assert_int_equal(toml_parse(text, strlen(text), "test", NULL, &rig->doc, &rig->err), 0);
    rig->options = calloc(1, ops->plugin.config_size + 1);
    rig->state = calloc(1, ops->plugin.state_size + 1);
    int rc = schema_apply(ops->plugin.schema, conf_get(conf_root(rig->doc), "Output"), "Output",
                          NULL, rig->doc, rig->options, &rig->err);
    if (rc == 0 && ops->check != NULL)
        rc = ops->check(rig->options, &rig->err);
    err_print(&rig->err, stderr);
    assert_int_equal(rc, 0);
}

int output_rig_init(struct output_rig *rig)
{
    return rig->ops->init(rig->state, rig->options, &rig->host, &rig->err);
}

void output_rig_close(struct output_rig *rig)
{
    rig->ops->fini(rig->state);
    free(rig->state);
    free(rig->options);
    conf_doc_free(rig->doc);
}

void output_rig_clear(struct output_rig *rig)
{
    rig->count = 0;
}

void output_rig_add(struct output_rig *rig, const char *payload)
{
    struct output_item *item = &rig->items[rig->count++];
    size_t len = strlen(payload);
    assert_true(rig->count <= OUTPUT_RIG_ITEMS_MAX);
    *item = (struct output_item){.bytes = payload, .size = len};
    item->message.payload = (struct msg_slice){payload, (uint32_t)len};
}

int output_rig_deliver(struct output_rig *rig)
{
    return rig->ops->deliver(rig->state, rig->items, rig->count);
}

void output_rig_deliver_all(struct output_rig *rig)
{
    unsigned done = 0;
    for (unsigned tries = 0; tries < TRIES_MAX && done < rig->count; tries++) {
        int rc = rig->ops->deliver(rig->state, rig->items + done, rig->count - done);
        if (rc > 0)
            done += (unsigned)rc;
        else
            usleep(1000);
    }
    if (done < rig->count)
        print_error("%s\n", rig->host.failure);
    assert_int_equal(done, rig->count);
}

uint64_t output_rig_counter(const struct output_rig *rig, const char *name)
{
    for (unsigned i = 0; rig->ops->counters[i].name != NULL; i++)
        if (strcmp(rig->ops->counters[i].name, name) == 0)
            return rig->host.counters[i];
    fail_msg("no counter %s", name);
    return 0;
}

uint64_t output_rig_drops(const struct output_rig *rig, const char *reason)
{
    for (unsigned i = 0; i < rig->host.drops.count; i++)
        if (strcmp(rig->host.drops.list[i].reason, reason) == 0)
            return rig->host.drops.list[i].count;
    return 0;
}
