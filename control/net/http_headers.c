/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/http_headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool http_header_name_is_good(const char *name)
{
    static const char others[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 5.6.2 */
    size_t len = 0;
    for (; name[len] != '\0'; len++) {
        char c = name[len];
        bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!is_alnum && strchr(others, c) == NULL)
            return false;
    }
    return len > 0;
}

static bool value_is_good(const char *value)
{
    for (; *value != '\0'; value++)
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
            return false;
    return true;
}

int http_headers_add(struct http_headers *headers, const char *name, const char *value,
                     const char *option, struct err *err)
{
    if (!http_header_name_is_good(name))
        return err_add(err, "%s: '%s' is no name of a header", option, name);
    if (!value_is_good(value))
        return err_add(err, "%s: the value of '%s' has control characters", option, name);
    size_t name_len = strlen(name), size = name_len + strlen(value) + 3;
    if (size > HTTP_HEADER_SIZE)
        return err_add(err, "%s: '%s' is longer than %d bytes", option, name, HTTP_HEADER_SIZE);
    if (headers->count == HTTP_HEADERS_MAX)
        return err_add(err, "%s: more than %d headers", option, HTTP_HEADERS_MAX);
    char *line = malloc(size);
    if (line == NULL)
        return err_add(err, "out of memory");
    memcpy(line, name, name_len);
    memcpy(line + name_len, ": ", 2);
    memcpy(line + name_len + 2, value, size - name_len - 2);
    headers->lines[headers->count++] = line;
    return 0;
}

static int add_node(struct http_headers *headers, const char *name, const struct conf_node *value,
                    const char *option, struct err *err)
{
    if (value->type != CONF_STRING || strlen(value->str) != value->str_len)
        return err_add(err, "%s: '%s' is %s, allowed a string or a list of strings", option, name,
                       conf_type_name(value->type));
    return http_headers_add(headers, name, value->str, option, err);
}

int http_headers_read(struct http_headers *headers, const struct conf_node *table,
                      const char *option, struct err *err)
{
    int rc = 0;
    if (table == NULL)
        return 0;
    if (table->type != CONF_TABLE)
        return err_add(err, "%s: found %s, allowed a table", option, conf_type_name(table->type));
    for (const struct conf_node *node = table->first; node != NULL; node = node->next) {
        if (node->type != CONF_ARRAY)
            rc |= add_node(headers, node->key, node, option, err);
        else
            for (const struct conf_node *one = node->first; one != NULL; one = one->next)
                rc |= add_node(headers, node->key, one, option, err);
    }
    return rc;
}

int http_headers_check(const struct conf_node *table, const char *option, struct err *err)
{
    struct http_headers headers = {0};
    int rc = http_headers_read(&headers, table, option, err);
    http_headers_fini(&headers);
    return rc;
}

bool http_headers_have(const struct http_headers *headers, const char *name)
{
    size_t len = strlen(name);
    for (unsigned i = 0; i < headers->count; i++)
        if (strncasecmp(headers->lines[i], name, len) == 0 && headers->lines[i][len] == ':')
            return true;
    return false;
}

void http_headers_fini(struct http_headers *headers)
{
    for (unsigned i = 0; i < headers->count; i++)
        free(headers->lines[i]);
    memset(headers, 0, sizeof(*headers));
}
