/* SPDX-License-Identifier: MPL-2.0 */
#include "control/config/section.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE = 64 };

const struct conf_node *section_key(const struct config_section *section, const char *key)
{
    const struct conf_node *node = conf_get(section->node, key);
    return node != NULL ? node : section->node;
}

int section_apply(const struct config_section *section, const struct schema *schema, void *options,
                  const struct schema *common_schema, void *common, struct err *err)
{
    const struct schema *const with_common[] = {common_schema, NULL};
    const struct schema *const with_own[] = {schema, NULL};
    int rc =
        schema_apply(schema, section->node, section->name, with_common, section->doc, options, err);
    return schema_apply(common_schema, section->node, section->name, with_own, section->doc, common,
                        err) |
           rc;
}

/* "FILE:LINE: ", from a schema within the options. */
static bool has_place(const struct config_section *section, const char *text)
{
    size_t len = section->node->file != NULL ? strlen(section->node->file) : 0;
    return len > 0 && strncmp(text, section->node->file, len) == 0 && text[len] == ':';
}

int section_place(const struct config_section *section, const char *key, const struct err *found,
                  struct err *err)
{
    for (unsigned i = 0; i < found->count && i < ERR_LIST_MAX; i++) {
        char first[KEY_SIZE];
        snprintf(first, sizeof(first), "%.*s", (int)strcspn(found->texts[i], ":"), found->texts[i]);
        const char *at = key != NULL ? key : first;
        if (has_place(section, found->texts[i]))
            err_add(err, "%s", found->texts[i]);
        else
            SECTION_ERR(err, section, at, "%s", found->texts[i]);
    }
    return found->count > 0 ? -1 : 0;
}

int section_check(const struct config_section *section,
                  int (*check)(const void *config, struct err *err), const void *options,
                  struct err *err)
{
    if (check == NULL)
        return 0;
    struct err *found = calloc(1, sizeof(*found));
    if (found == NULL)
        return err_add(err, "out of memory");
    check(options, found);
    int rc = section_place(section, NULL, found, err);
    free(found);
    return rc;
}
