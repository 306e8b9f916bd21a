/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_section.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/clock.h"
#include "core/conf.h"

enum { FIRST_PRINTABLE = 0x20, DATE_SIZE = 32 };

/* ---- names ---- */

static size_t append_word(char *name, size_t size, size_t len, const char *word)
{
    for (; *word != '\0'; word++, len++) {
        unsigned char c = (unsigned char)*word;
        bool is_word = c < 0x80 && (isalnum(c) || c == '_');
        if (len + 1 < size)
            name[len] = is_word ? *word : '_';
    }
    return len;
}

int sandbox_section_name(const char *manager, const char *filter, char *name, size_t size)
{
    size_t len = append_word(name, size, 0, manager);
    if (len + 1 < size)
        name[len] = '-';
    len = append_word(name, size, len + 1, filter);
    name[len < size ? len : size - 1] = '\0';
    return len < size ? 0 : -1;
}

static const struct conf_node *first_section(const struct conf_doc *doc, struct err *err)
{
    const struct conf_node *node = conf_root(doc)->first;
    if (node == NULL || node->type != CONF_TABLE) {
        err_add(err, "the config has no section");
        return NULL;
    }
    return node;
}

int sandbox_section_name_of(const char *manager, const char *text, size_t text_len, char *name,
                            size_t size, struct err *err)
{
    struct conf_doc *doc = NULL;
    int rc = -1;
    if (toml_parse(text, text_len, "config", NULL, &doc, err) == 0) {
        const struct conf_node *section = first_section(doc, err);
        if (section != NULL)
            rc = sandbox_section_name(manager, section->key, name, size);
        if (section != NULL && rc != 0)
            err_add(err, "the name %s is too long", section->key);
    }
    conf_doc_free(doc);
    return rc;
}

/* ---- writing ---- */

static int write_string(struct buffer *out, const char *text, size_t len)
{
    int rc = buffer_append_text(out, "\"");
    for (size_t i = 0; i < len && rc == 0; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            rc = buffer_printf(out, "\\%c", c);
        else if (c < FIRST_PRINTABLE)
            rc = buffer_printf(out, "\\u%04X", c);
        else
            rc = buffer_append(out, &text[i], 1);
    }
    return rc == 0 ? buffer_append_text(out, "\"") : rc;
}

static int write_date(struct buffer *out, int64_t ns)
{
    char text[DATE_SIZE];
    struct tm parts;
    time_t seconds = (time_t)(ns / (int64_t)CLOCK_NS_PER_S);
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return buffer_append_text(out, text);
}

static int write_value(struct buffer *out, const struct conf_node *node)
{
    int rc = 0;
    switch (node->type) {
    case CONF_STRING:
        return write_string(out, node->str, node->str_len);
    case CONF_INT:
        return buffer_printf(out, "%lld", (long long)node->i);
    case CONF_FLOAT:
        return buffer_printf(out, "%.17f", node->d); /* with a point: an integer is another type */
    case CONF_BOOL:
        return buffer_append_text(out, node->b ? "true" : "false");
    case CONF_DATE:
        return write_date(out, node->i);
    case CONF_ARRAY:
        rc = buffer_append_text(out, "[");
        for (const struct conf_node *item = node->first; item != NULL && rc == 0;
             item = item->next) {
            rc = write_value(out, item);
            if (rc == 0 && item->next != NULL)
                rc = buffer_append_text(out, ", ");
        }
        return rc == 0 ? buffer_append_text(out, "]") : rc;
    case CONF_TABLE:
        break;
    }
    return 0;
}

static bool is_forced(const char *key)
{
    static const char *const keys[] = {"filename",     "module_directory",  "script_type",
                                       "memory_limit", "instruction_limit", "output_limit",
                                       "jit",          "revision",          "type"};
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcasecmp(keys[i], key) == 0)
            return true;
    return false;
}

/* Its values, then its tables, as [name.key]. */
static int write_table(struct buffer *out, const struct conf_node *table, const char *name,
                       bool is_section)
{
    int rc = 0;
    for (const struct conf_node *node = table->first; node != NULL && rc == 0; node = node->next) {
        if (node->type == CONF_TABLE || (is_section && is_forced(node->key)))
            continue;
        rc = buffer_printf(out, "%s = ", node->key);
        if (rc == 0)
            rc = write_value(out, node);
        if (rc == 0)
            rc = buffer_append_text(out, "\n");
    }
    for (const struct conf_node *node = table->first; node != NULL && rc == 0; node = node->next) {
        char path[2 * SANDBOX_SECTION_NAME_SIZE];
        if (node->type != CONF_TABLE)
            continue;
        int len = snprintf(path, sizeof(path), "%s.%s", name, node->key);
        if (len < 0 || (size_t)len >= sizeof(path))
            return -1;
        rc = buffer_printf(out, "\n[%s]\n", path);
        if (rc == 0)
            rc = write_table(out, node, path, false);
    }
    return rc;
}

static int write_forced(struct buffer *out, const struct sandbox_forced *forced)
{
    int rc = buffer_append_text(out, "type = \"SandboxFilter\"\nfilename = ");
    if (rc == 0)
        rc = write_string(out, forced->script, strlen(forced->script));
    if (rc == 0)
        rc = buffer_append_text(out, "\nmodule_directory = ");
    if (rc == 0)
        rc = write_string(out, forced->module_directory, strlen(forced->module_directory));
    if (rc == 0)
        rc = buffer_printf(out,
                           "\nmemory_limit = %lld\ninstruction_limit = %lld\noutput_limit = %lld\n"
                           "revision = \"%016llx\"\n",
                           (long long)forced->memory_limit, (long long)forced->instruction_limit,
                           (long long)forced->output_limit, (unsigned long long)forced->revision);
    return rc;
}

static int check_type(const struct conf_node *section, struct err *err)
{
    const struct conf_node *type = conf_get(section, "type");
    const char *name = type != NULL && type->type == CONF_STRING ? type->str : section->key;
    const struct conf_node *script_type = conf_get(section, "script_type");
    if (strcmp(name, "SandboxFilter") != 0)
        return err_add(err, "Plugin must be a SandboxFilter, received %s", name);
    if (script_type != NULL &&
        (script_type->type != CONF_STRING || strcmp(script_type->str, "lua") != 0))
        return err_add(err, "unsupported script type: %s",
                       script_type->type == CONF_STRING ? script_type->str : "no text");
    return 0;
}

int sandbox_section_write(const char *text, size_t text_len, const char *name,
                          const struct sandbox_forced *forced, struct buffer *out,
                          struct err *err)
{
    struct conf_doc *doc = NULL;
    int rc = toml_parse(text, text_len, "config", NULL, &doc, err);
    const struct conf_node *section = rc == 0 ? first_section(doc, err) : NULL;
    rc = section != NULL ? check_type(section, err) : -1;
    if (rc == 0 && (buffer_printf(out, "[%s]\n", name) != 0 || write_forced(out, forced) != 0 ||
                    write_table(out, section, name, true) != 0 || buffer_append(out, "", 1) != 0))
        rc = err_add(err, "%s: the section is too large", name);
    conf_doc_free(doc);
    return rc;
}
