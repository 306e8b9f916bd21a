/* SPDX-License-Identifier: MPL-2.0
 *
 * sbmgr_main.c - heka-sbmgr: loads a Lua filter into a running hekad, or unloads it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/tools/sbmgr.h"
#include "control/tools/tool_option.h"

struct arguments {
    const char *config, *script, *script_config, *filter_name, *action;
    int64_t message_max;
};

static int read_text(const char *path, size_t most, struct buffer *text, struct err *err)
{
    FILE *file = fopen(path, "re");
    int rc = file != NULL ? buffer_reserve(text, most + 1) : -errno;
    if (rc == 0) {
        text->size = fread(text->data, 1, most + 1, file);
        rc = ferror(file) ? -EIO : 0;
    }
    if (file != NULL)
        fclose(file);
    if (rc == 0 && text->size > most)
        return err_add(err, "%s: larger than a message may be, %zu bytes", path, most);
    return rc == 0 ? 0 : err_add(err, "%s: %s", path, strerror(-rc));
}

/* What the other side could not read either is not sent. */
static int check_toml(const char *path, const struct buffer *text, struct err *err)
{
    struct conf_doc *doc = NULL;
    int rc = toml_parse(text->data, text->size, path, NULL, &doc, err);
    conf_doc_free(doc);
    return rc;
}

static int load(struct sbmgr *sbmgr, const struct arguments *arguments, struct err *err)
{
    struct buffer script = {0}, toml = {0};
    size_t most = (size_t)arguments->message_max;
    int rc = read_text(arguments->script, most, &script, err);
    rc |= read_text(arguments->script_config, most, &toml, err);
    if (rc == 0)
        rc = check_toml(arguments->script_config, &toml, err);
    if (rc == 0)
        rc = sbmgr_open(sbmgr, arguments->config, most, err);
    if (rc == 0)
        rc = sbmgr_load(sbmgr, (struct msg_slice){script.data, (uint32_t)script.size},
                        (struct msg_slice){toml.data, (uint32_t)toml.size}, err);
    buffer_fini(&script);
    buffer_fini(&toml);
    return rc;
}

static int act(const struct arguments *arguments, struct err *err)
{
    struct sbmgr sbmgr = {0};
    int rc;
    if (strcmp(arguments->action, "load") == 0) {
        rc = load(&sbmgr, arguments, err);
    } else if (strcmp(arguments->action, "unload") == 0) {
        rc = sbmgr_open(&sbmgr, arguments->config, (size_t)arguments->message_max, err);
        if (rc == 0)
            rc = sbmgr_unload(&sbmgr, arguments->filter_name, err);
    } else {
        return err_add(err, "Invalid action: %s", arguments->action);
    }
    if (rc == 0)
        rc = sbmgr_finish(&sbmgr, err);
    sbmgr_fini(&sbmgr);
    return rc;
}

int main(int argc, char **argv)
{
    static struct err err;
    struct arguments arguments = {"sbmgr.toml", "xyz.lua", "xyz.toml", "filter", "load",
                                  MSG_SIZE_DEFAULT_MAX};
    const struct tool_option options[] = {
        {"config", TOOL_TEXT, &arguments.config, 0, 0, "file that says where to, and who signs"},
        {"script", TOOL_TEXT, &arguments.script, 0, 0, "file with the Lua script, of a load"},
        {"scriptconfig", TOOL_TEXT, &arguments.script_config, 0, 0,
         "file with the filter's section, of a load"},
        {"filtername", TOOL_TEXT, &arguments.filter_name, 0, 0, "name of the filter, of an unload"},
        {"action", TOOL_TEXT, &arguments.action, 0, 0, "load or unload"},
        {"max-message-size", TOOL_NUMBER, &arguments.message_max, 1024, INT32_MAX,
         "bytes; a larger message is refused"},
    };
    const struct tool tool = {"heka-sbmgr", "loads or unloads a filter of a SandboxManagerFilter",
                              "", options, sizeof(options) / sizeof(options[0])};
    struct tool_arguments given;
    int rc = tool_parse(&tool, argc, argv, &given, &err);
    if (rc == 0 && !given.is_done)
        rc = given.operand_count > 0
                 ? err_add(&err, "argument '%s' is not understood; see heka-sbmgr -help",
                           given.operands[0])
                 : act(&arguments, &err);
    err_print(&err, stderr);
    return rc != 0;
}
