/* SPDX-License-Identifier: MPL-2.0 */
#include "control/commands/types_command.h"

#include <jansson.h>
#include <stdlib.h>

#include "control/config/hekad_config.h"
#include "control/plugins/native.h"

static const char *environment(const char *name)
{
    return getenv(name);
}

static int load_objects(const char *config_path, struct err *err)
{
    struct hekad_config *config = NULL;
    if (config_path == NULL)
        return 0;
    int rc = hekad_config_load(config_path, environment, &config, err, NULL);
    if (rc == 0)
        rc = native_load(config->globals.plugin_dir, err);
    hekad_config_free(config);
    return rc;
}

static void add_type(json_t *list, const char *kind, const struct plugin_ops *ops)
{
    const char *file = native_file(ops);
    json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s?}", "type", ops->name, "kind", kind,
                                          "abi", (int)ops->abi, "file", file));
}

static void print_type(const char *kind, const struct plugin_ops *ops, FILE *out)
{
    const char *file = native_file(ops);
    fprintf(out, "%-24s %-9s %3u  %s\n", ops->name, kind, ops->abi, file != NULL ? file : "hekad");
}

int types_command(const char *config_path, bool json, FILE *out, struct err *err)
{
    json_t *list = json_array();
    const struct plugin_ops *ops;
    int rc = load_objects(config_path, err);
    if (!json)
        fprintf(out, "%-24s %-9s %3s  %s\n", "type", "kind", "ABI", "from");
    for (unsigned kind = 0; kind < PLUGIN_CATEGORY_COUNT; kind++)
        for (unsigned i = 0; (ops = plugin_type_at((enum plugin_category)kind, i)) != NULL; i++) {
            const char *name = plugin_category_name((enum plugin_category)kind);
            if (json)
                add_type(list, name, ops);
            else
                print_type(name, ops, out);
        }
    if (json) {
        json_dumpf(list, out, JSON_INDENT(2));
        fputc('\n', out);
    }
    json_decref(list);
    return rc != 0;
}
