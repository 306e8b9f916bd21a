/* SPDX-License-Identifier: MPL-2.0
 *
 * schema_text.c - the words of schema.h: what is allowed, what was found, the manual's tables.
 */
#include "core/schema.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/check.h"
#include "core/clock.h"

#define SCHEMA_OPEN 9e18 /* a limit beyond is none: the ends of int64_t, INFINITY */

enum { SCHEMA_FOUND_MAX = 60, SCHEMA_TEXT_SIZE = 256 };

struct text { /* appends to a fixed buffer, cutting */
    char *buf;
    size_t size;
    size_t len;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text->buf + text->len, text->size - text->len, format, args);
    va_end(args);
    if (len > 0)
        text->len += (size_t)len;
    if (text->len >= text->size)
        text->len = text->size - 1;
}

/* ---- allowed ---- */

static void put_duration(struct text *text, double ns)
{
    static const struct {
        double ns;
        const char *name;
    } units[] = {{3600e9, "h"}, {60e9, "m"}, {1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    size_t i = 0;
    while (i + 1 < ARRAY_COUNT(units) && (ns == 0 || fmod(ns, units[i].ns) != 0))
        i++;
    put(text, ns == 0 ? "0" : "%.0f%s", ns / units[i].ns, units[i].name);
}

static void put_number(struct text *text, const struct schema_key *key, double number)
{
    if (key->type == SCHEMA_DURATION)
        put_duration(text, number);
    else
        put(text, key->type == SCHEMA_FLOAT ? "%g" : "%.0f", number);
}

/* "1 to 86400 s"; false when there are no limits. */
static bool put_range(struct text *text, const struct schema_key *key)
{
    bool has_min = key->min > -SCHEMA_OPEN, has_max = key->max < SCHEMA_OPEN;
    if ((key->min == 0 && key->max == 0) || (!has_min && !has_max))
        return false;
    if (!has_max)
        put(text, "at least ");
    if (has_min)
        put_number(text, key, key->min);
    if (has_min && has_max)
        put(text, " to ");
    else if (!has_min)
        put(text, "at most ");
    if (has_max)
        put_number(text, key, key->max);
    if (key->unit != NULL && key->unit[0] != '\0' && key->type != SCHEMA_DURATION)
        put(text, " %s", key->unit);
    return true;
}

static void put_choices(struct text *text, const char *const *choices)
{
    for (size_t i = 0; choices[i] != NULL; i++) {
        const char *before = choices[i + 1] == NULL ? " or " : ", ";
        put(text, "%s\"%s\"", i == 0 ? "" : before, choices[i]);
    }
}

static void put_kind(struct text *text, const struct schema_key *key)
{
    static const char *const kinds[] = {
        [SCHEMA_STRING] = "a string",
        [SCHEMA_INT] = "an integer",
        [SCHEMA_FLOAT] = "a number",
        [SCHEMA_BOOL] = "true or false",
        [SCHEMA_DURATION] = "a duration as \"250ms\" or \"1h30m\"",
        [SCHEMA_STRINGS] = "a list of strings",
        [SCHEMA_INTS] = "a list of integers",
        [SCHEMA_TABLE] = "a table",
        [SCHEMA_NODE] = "see the text",
    };
    if (key->type == SCHEMA_CHOICE)
        put_choices(text, key->choices);
    else if (key->type == SCHEMA_NODE && key->unit != NULL)
        put(text, "%s", key->unit);
    else if (key->type == SCHEMA_INT && put_range(text, key))
        return;
    else if (key->type == SCHEMA_FLOAT && put_range(text, key))
        return;
    else
        put(text, "%s", kinds[key->type]);
}

void schema_allowed(const struct schema_key *key, char *text, size_t size)
{
    struct text out = {text, size, 0};
    text[0] = '\0';
    if (key->flags & SCHEMA_AUTO)
        put(&out, key->type == SCHEMA_BOOL ? "\"auto\", " : "\"auto\" or ");
    put_kind(&out, key);
    if (key->type != SCHEMA_DURATION && key->type != SCHEMA_INTS)
        return;
    char range[SCHEMA_TEXT_SIZE];
    struct text range_text = {range, sizeof(range), 0};
    if (put_range(&range_text, key))
        put(&out, key->type == SCHEMA_INTS ? ", each %s" : ", %s", range);
}

/* ---- found ---- */

static void put_quoted(struct text *text, const struct conf_node *node)
{
    size_t len = node->str_len < SCHEMA_FOUND_MAX ? node->str_len : SCHEMA_FOUND_MAX;
    while (len < node->str_len && len > 0 && (node->str[len] & 0xc0) == 0x80)
        len--; /* not in the middle of a character */
    put(text, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)node->str[i];
        if (c < ' ' || c == 0x7f)
            put(text, "\\u%04x", c);
        else
            put(text, "%c", c);
    }
    put(text, len < node->str_len ? "...\"" : "\"");
}

void schema_found(const struct conf_node *node, char *text, size_t size)
{
    struct text out = {text, size, 0};
    text[0] = '\0';
    switch (node->type) {
    case CONF_STRING:
        put_quoted(&out, node);
        break;
    case CONF_INT:
        put(&out, "%" PRId64, node->i);
        break;
    case CONF_FLOAT:
        put(&out, "%g", node->d);
        break;
    case CONF_BOOL:
        put(&out, "%s", node->b ? "true" : "false");
        break;
    case CONF_TABLE:
    case CONF_ARRAY:
    case CONF_DATE:
        put(&out, "%s %s", node->type == CONF_ARRAY ? "an" : "a", conf_type_name(node->type));
        break;
    }
}

/* ---- manual ---- */

/* Text of a table cell: | would end it. */
static void print_cell(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_default(const struct schema_key *key, FILE *out)
{
    if (key->flags & SCHEMA_REQUIRED)
        fputs("required", out);
    else if (key->def == NULL)
        fputs("none", out);
    else if (key->def[0] == '\0')
        fputs("empty", out);
    else
        fprintf(out, "`%s`", key->def);
}

static void print_rows(const struct schema *schema, const char *prefix, FILE *out)
{
    for (const struct schema_key *key = schema->keys; key->key != NULL; key++) {
        char allowed[SCHEMA_TEXT_SIZE];
        char path[SCHEMA_TEXT_SIZE];
        snprintf(path, sizeof(path), "%s%s", prefix, key->key);
        schema_allowed(key, allowed, sizeof(allowed));
        fprintf(out, "| `%s` | ", path);
        print_cell(allowed, out);
        fputs(" | ", out);
        print_default(key, out);
        fputs(" | ", out);
        print_cell(key->help != NULL ? key->help : "", out);
        fputs(" |\n", out);
        if (key->type != SCHEMA_TABLE)
            continue;
        snprintf(path, sizeof(path), "%s%s.", prefix, key->key);
        print_rows(key->sub, path, out);
    }
}

void schema_print_markdown(const struct schema *schema, FILE *out)
{
    fprintf(out, "| Key of %s | Allowed | Default | Meaning |\n|---|---|---|---|\n", schema->name);
    print_rows(schema, "", out);
}

/* ---- JSON Schema ---- */

static void print_json_limits(const struct schema_key *key, FILE *out)
{
    if (key->type == SCHEMA_DURATION || (key->min == 0 && key->max == 0))
        return;
    if (key->min > -SCHEMA_OPEN)
        fprintf(out, ", \"minimum\": %.17g", key->min);
    if (key->max < SCHEMA_OPEN)
        fprintf(out, ", \"maximum\": %.17g", key->max);
}

static void print_json_choices(const struct schema_key *key, FILE *out)
{
    fputs("\"enum\": [", out);
    for (size_t i = 0; key->choices[i] != NULL; i++) {
        fputs(i > 0 ? ", " : "", out);
        json_print_text(key->choices[i], out);
    }
    fputs("]", out);
}

static void print_json_type(const struct schema_key *key, FILE *out)
{
    static const char *const names[] = {
        [SCHEMA_STRING] = "string", [SCHEMA_INT] = "integer",     [SCHEMA_FLOAT] = "number",
        [SCHEMA_BOOL] = "boolean",  [SCHEMA_DURATION] = "string", [SCHEMA_STRINGS] = "array",
        [SCHEMA_INTS] = "array",    [SCHEMA_TABLE] = "object",
    };
    if (key->type == SCHEMA_CHOICE)
        print_json_choices(key, out);
    else if (key->type != SCHEMA_NODE)
        fprintf(out, "\"type\": \"%s\"", names[key->type]);
    if (key->type == SCHEMA_STRINGS)
        fputs(", \"items\": {\"type\": \"string\"}", out);
    if (key->type == SCHEMA_INTS)
        fputs(", \"items\": {\"type\": \"integer\"", out);
    print_json_limits(key, out);
    if (key->type == SCHEMA_INTS)
        fputs("}", out);
}

static void print_json_default(const struct schema_key *key, FILE *out)
{
    bool is_plain =
        key->type == SCHEMA_INT || key->type == SCHEMA_FLOAT || key->type == SCHEMA_BOOL;
    if (key->def == NULL || key->type == SCHEMA_STRINGS || key->type == SCHEMA_INTS)
        return;
    fputs(", \"default\": ", out);
    if (is_plain && strcmp(key->def, "auto") != 0)
        fputs(key->def, out);
    else
        json_print_text(key->def, out);
}

static void print_json_object(const struct schema *schema, const char *indent, FILE *out);

static void print_json_key(const struct schema_key *key, const char *indent, FILE *out)
{
    bool is_auto = (key->flags & SCHEMA_AUTO) != 0;
    fprintf(out, "%s  \"%s\": {\"description\": ", indent, key->key);
    json_print_text(key->help != NULL ? key->help : "", out);
    print_json_default(key, out);
    if (is_auto)
        fputs(", \"anyOf\": [{\"const\": \"auto\"}, {", out);
    else if (key->type != SCHEMA_NODE)
        fputs(", ", out);
    print_json_type(key, out);
    if (is_auto)
        fputs("}]", out);
    if (key->type == SCHEMA_TABLE) {
        char deeper[SCHEMA_TEXT_SIZE];
        snprintf(deeper, sizeof(deeper), "%s    ", indent);
        fputs(",\n", out);
        print_json_object(key->sub, deeper, out);
        fprintf(out, "%s  ", indent);
    }
    fputs("}", out);
}

static void print_json_object(const struct schema *schema, const char *indent, FILE *out)
{
    const char *before = "";
    fprintf(out, "%s\"additionalProperties\": false,\n%s\"required\": [", indent, indent);
    for (const struct schema_key *key = schema->keys; key->key != NULL; key++) {
        if ((key->flags & SCHEMA_REQUIRED) == 0)
            continue;
        fputs(before, out);
        json_print_text(key->key, out);
        before = ", ";
    }
    fprintf(out, "],\n%s\"properties\": {\n", indent);
    for (const struct schema_key *key = schema->keys; key->key != NULL; key++) {
        print_json_key(key, indent, out);
        fputs(key[1].key != NULL ? ",\n" : "\n", out);
    }
    fprintf(out, "%s}\n", indent);
}

void schema_print_json(const struct schema *schema, const char *title, FILE *out)
{
    fputs("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n  \"title\": ",
          out);
    json_print_text(title, out);
    fputs(",\n  \"type\": \"object\",\n", out);
    print_json_object(schema, "  ", out);
    fputs("}\n", out);
}
