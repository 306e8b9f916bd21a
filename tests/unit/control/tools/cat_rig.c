/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/tools/cat_rig.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"

static int64_t read_bytes(void *context, void *bytes, size_t size)
{
    struct cat_rig *rig = context;
    size_t left = rig->size - rig->at;
    size = size < rig->step ? size : rig->step;
    size = size < left ? size : left;
    if (size == 0)
        return rig->end;
    memcpy(bytes, (const char *)rig->bytes + rig->at, size);
    rig->at += size;
    return (int64_t)size;
}

void cat_rig_run(struct cat_rig *rig, const char *rule, enum cat_format format, size_t message_max)
{
    struct rule_text text = {"-match", rule, NULL};
    struct ruleset *rules = NULL;
    struct cat cat;
    CHECK(ruleset_compile(&text, 1, &rules, NULL) == 0);
    struct cat_options options = {
        .format = format,
        .message_max = message_max,
        .rules = rules,
        .out = open_memstream(&rig->out, &rig->out_size),
        .notes = open_memstream(&rig->notes, &rig->notes_size),
    };
    CHECK(options.out != NULL && options.notes != NULL);
    CHECK(cat_init(&cat, &options) == 0);
    rig->at = 0;
    rig->rc = cat_stream(&cat, read_bytes, rig, 0);
    rig->counts = cat.counts;
    cat_fini(&cat);
    fclose(options.out);
    fclose(options.notes);
    ruleset_free(rules);
}

void cat_rig_fini(struct cat_rig *rig)
{
    free(rig->out);
    free(rig->notes);
    rig->out = rig->notes = NULL;
}
