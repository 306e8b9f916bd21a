/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/process_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/conf.h"

struct writer {
    struct buffer *text;
    struct err *err;
    const char *path;
};

/* Written by us, whatever the file says. */
static const char *const ours[] = {"type", "ticker_interval", "retries", "process_name"};

static bool is_ours(const char *key)
{
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strcasecmp(ours[i], key) == 0)
            return true;
    }
    return false;
}

static int no_memory(int rc, struct err *err)
{
    return rc == 0 ? 0 : err_add(err, "out of memory");
}

static int put_string(struct buffer *text, const char *bytes, size_t len)
{
    int rc = buffer_append_text(text, "\"");
    for (size_t i = 0; rc == 0 && i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\')
            rc = buffer_printf(text, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            rc = buffer_printf(text, "\\u%04x", c);
        else
            rc = buffer_append(text, bytes + i, 1);
    }
    return rc == 0 ? buffer_append_text(text, "\"") : rc;
}

static int put_value(struct writer *writer, const struct conf_node *node);

static int put_array(struct writer *writer, const struct conf_node *node)
{
    int rc = no_memory(buffer_append_text(writer->text, "["), writer->err);
    for (const struct conf_node *item = node->first; rc == 0 && item != NULL; item = item->next) {
        rc = put_value(writer, item);
        if (rc == 0 && item->next != NULL)
            rc = no_memory(buffer_append_text(writer->text, ", "), writer->err);
    }
    return rc == 0 ? no_memory(buffer_append_text(writer->text, "]"), writer->err) : rc;
}

static int put_value(struct writer *writer, const struct conf_node *node)
{
    struct buffer *text = writer->text;
    switch (node->type) {
    case CONF_STRING:
        return no_memory(put_string(text, node->str, node->str_len), writer->err);
    case CONF_INT:
        return no_memory(buffer_printf(text, "%" PRId64, node->i), writer->err);
    case CONF_FLOAT:
        return no_memory(buffer_printf(text, "%.17f", node->d), writer->err);
    case CONF_BOOL:
        return no_memory(buffer_append_text(text, node->b ? "true" : "false"), writer->err);
    case CONF_ARRAY:
        return put_array(writer, node);
    case CONF_DATE:
    case CONF_TABLE:
        break;
    }
    return err_at(writer->err, writer->path, node->line, "%s has no place in a ProcessInput",
                  conf_type_name(node->type));
}

/* The values of a table, then its sub-tables, each with a header of its own. */
static int put_table(struct writer *writer, const struct conf_node *table, const char *header)
{
    char sub[1024];
    bool is_root = table->key != NULL && strcmp(table->key, "ProcessInput") == 0;
    for (const struct conf_node *node = table->first; node != NULL; node = node->next) {
        if (node->type == CONF_TABLE || (is_root && is_ours(node->key)))
            continue;
        if (no_memory(buffer_printf(writer->text, "%s = ", node->key), writer->err) != 0 ||
            put_value(writer, node) != 0 ||
            no_memory(buffer_append_text(writer->text, "\n"), writer->err) != 0)
            return -1;
    }
    for (const struct conf_node *node = table->first; node != NULL; node = node->next) {
        if (node->type != CONF_TABLE || (is_root && is_ours(node->key)))
            continue;
        int len = snprintf(sub, sizeof(sub), "%s.%s", header, node->key);
        if (len < 0 || (size_t)len >= sizeof(sub))
            return err_at(writer->err, writer->path, node->line, "names are too long");
        if (no_memory(buffer_printf(writer->text, "[%s]\n", sub), writer->err) != 0 ||
            put_table(writer, node, sub) != 0)
            return -1;
    }
    return 0;
}

static int put_section(struct writer *writer, const struct conf_node *section, const char *name,
                       int64_t interval_s)
{
    struct buffer *text = writer->text;
    int rc = buffer_printf(text, "[%s]\ntype = \"ProcessInput\"\nticker_interval = %" PRId64 "\n",
                           name, interval_s);
    if (rc == 0)
        rc = buffer_append_text(text, "process_name = ");
    if (rc == 0)
        rc = put_string(text, writer->path, strlen(writer->path));
    if (rc == 0 && conf_get(section, "can_exit") == NULL)
        rc = buffer_append_text(text, "\ncan_exit = true");
    if (rc == 0)
        rc = buffer_append_text(text, "\n");
    if (no_memory(rc, writer->err) != 0 || put_table(writer, section, name) != 0)
        return -1;
    rc = buffer_printf(text, "[%s.retries]\nmax_delay = \"30s\"\ndelay = \"250ms\"\n", name);
    return no_memory(rc, writer->err);
}

int process_file_section(const char *path, const char *name, int64_t interval_s,
                         struct buffer *text, struct err *err)
{
    struct conf_doc *doc = NULL;
    struct writer writer = {text, err, path};
    int rc = -1;
    if (toml_load(path, NULL, &doc, err) == 0) {
        const struct conf_node *section = conf_get(conf_root(doc), "ProcessInput");
        if (section == NULL || section->type != CONF_TABLE)
            err_add(err, "No `ProcessInput` section.");
        else
            rc = put_section(&writer, section, name, interval_s);
    }
    conf_doc_free(doc);
    return rc == 0 ? no_memory(buffer_append(text, "", 1), err) : rc;
}
