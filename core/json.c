/* SPDX-License-Identifier: MPL-2.0
 *
 * json.c - JSON by jansson, with the line of each key and value.
 *
 * jansson checks the syntax and decodes the values, but forgets where they stood. It keeps the
 * order of the text, so a second walk, over a text that is known to be good, finds the lines.
 */
#include "core/conf_build.h"

#include <jansson.h>
#include <string.h>

#include "core/check.h"

struct json_walk {
    const char *text;
    size_t len;
    size_t pos;
    unsigned line;
    struct conf_doc *doc;
    struct err *err;
    bool failed;
};

/* To the next byte that is no white space, which is returned. */
static char skip_space(struct json_walk *walk)
{
    for (;; walk->pos++) {
        CHECK(walk->pos < walk->len);
        char c = walk->text[walk->pos];
        if (c == '\n')
            walk->line++;
        else if (c != ' ' && c != '\t' && c != '\r')
            return c;
    }
}

static void expect_char(struct json_walk *walk, char expected)
{
    CHECK(skip_space(walk) == expected);
    walk->pos++;
}

static void skip_string(struct json_walk *walk)
{
    expect_char(walk, '"');
    while (walk->text[walk->pos] != '"') {
        walk->pos += walk->text[walk->pos] == '\\' ? 2 : 1;
        CHECK(walk->pos < walk->len);
    }
    walk->pos++;
}

/* A number, true, false or null. */
static void skip_word(struct json_walk *walk)
{
    while (walk->pos < walk->len && strchr(",]} \t\r\n", walk->text[walk->pos]) == NULL)
        walk->pos++;
}

static struct conf_node *build_value(struct json_walk *walk, json_t *json, unsigned depth);

/* A comma between children: `count` of them are read. */
static void expect_comma(struct json_walk *walk, unsigned count)
{
    if (count > 0)
        expect_char(walk, ',');
}

static int build_members(struct json_walk *walk, struct conf_node *table, json_t *json,
                         unsigned depth)
{
    const char *key;
    json_t *value;
    expect_char(walk, '{');
    json_object_foreach(json, key, value)
    {
        expect_comma(walk, table->count);
        skip_space(walk);
        unsigned line = walk->line;
        skip_string(walk);
        expect_char(walk, ':');
        struct conf_node *child = build_value(walk, value, depth + 1);
        if (child == NULL)
            return -1;
        child->line = line;
        child->key = conf_text(walk->doc, key, strlen(key));
        if (child->key == NULL)
            return -1;
        conf_node_append(table, child);
    }
    expect_char(walk, '}');
    return 0;
}

static int build_items(struct json_walk *walk, struct conf_node *array, json_t *json,
                       unsigned depth)
{
    size_t index;
    json_t *value;
    expect_char(walk, '[');
    json_array_foreach(json, index, value)
    {
        expect_comma(walk, array->count);
        struct conf_node *child = build_value(walk, value, depth + 1);
        if (child == NULL)
            return -1;
        conf_node_append(array, child);
    }
    expect_char(walk, ']');
    return 0;
}

static struct conf_node *build_container(struct json_walk *walk, json_t *json, unsigned depth)
{
    bool is_object = json_is_object(json);
    if (depth >= CONF_DEPTH_MAX) {
        walk->failed = true;
        err_at(walk->err, walk->doc->file, walk->line,
               "found more than %d arrays and objects within each other", CONF_DEPTH_MAX);
        return NULL;
    }
    struct conf_node *node =
        conf_node_new(walk->doc, is_object ? CONF_TABLE : CONF_ARRAY, walk->line);
    if (node == NULL)
        return NULL;
    int rc =
        is_object ? build_members(walk, node, json, depth) : build_items(walk, node, json, depth);
    return rc == 0 ? node : NULL;
}

static int set_string(struct json_walk *walk, struct conf_node *node, const json_t *json)
{
    node->type = CONF_STRING;
    node->str_len = json_string_length(json);
    node->str = conf_text(walk->doc, json_string_value(json), node->str_len);
    skip_string(walk);
    return node->str != NULL ? 0 : -1;
}

static struct conf_node *build_scalar(struct json_walk *walk, const json_t *json)
{
    struct conf_node *node = conf_node_new(walk->doc, CONF_BOOL, walk->line);
    if (node == NULL)
        return NULL;
    if (json_is_string(json))
        return set_string(walk, node, json) == 0 ? node : NULL;
    if (json_is_integer(json)) {
        node->type = CONF_INT;
        node->i = json_integer_value(json);
    } else if (json_is_real(json)) {
        node->type = CONF_FLOAT;
        node->d = json_real_value(json);
    } else if (json_is_null(json)) {
        walk->failed = true;
        err_at(walk->err, walk->doc->file, walk->line,
               "found null, expected a value (leave the key out for its default)");
    } else {
        node->b = json_is_true(json);
    }
    skip_word(walk);
    return node;
}

static struct conf_node *build_value(struct json_walk *walk, json_t *json, unsigned depth)
{
    skip_space(walk);
    if (json_is_object(json) || json_is_array(json))
        return build_container(walk, json, depth);
    return build_scalar(walk, json);
}

static int build_document(const char *text, size_t text_len, json_t *json, struct conf_doc *doc,
                          struct err *err)
{
    struct json_walk walk = {.text = text, .len = text_len, .line = 1, .doc = doc, .err = err};
    doc->root = build_value(&walk, json, 0);
    if (doc->failure != NULL)
        return err_at(err, doc->file, walk.line, "%s", doc->failure);
    return walk.failed ? -1 : 0;
}

/* jansson's text, without its own place or the end of the input that it repeats. */
static void report_syntax(const json_error_t *error, const char *file, struct err *err)
{
    unsigned line = error->line > 0 ? (unsigned)error->line : 0;
    if (error->text[0] == '\0')
        err_at(err, file, 0, "out of memory");
    else if (error->column > 0)
        err_at(err, file, line, "%s (column %d)", error->text, error->column);
    else
        err_at(err, file, line, "%s", error->text);
}

static unsigned line_of(const char *text, const char *at)
{
    unsigned line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

static json_t *load_json(const char *text, size_t text_len, const char *file, struct err *err)
{
    json_error_t error;
    if (text_len > CONF_TEXT_MAX) {
        err_at(err, file, 0, "longer than %d bytes", CONF_TEXT_MAX);
        return NULL;
    }
    const char *nul = memchr(text, '\0', text_len);
    if (nul != NULL) { /* jansson would take it for the end */
        err_at(err, file, line_of(text, nul), "found a NUL byte");
        return NULL;
    }
    json_t *json = json_loadb(text, text_len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (json == NULL) {
        report_syntax(&error, file, err);
        return NULL;
    }
    if (json_is_object(json))
        return json;
    err_at(err, file, 1, "found an array, expected an object { }");
    json_decref(json);
    return NULL;
}

int json_parse(const char *text, size_t text_len, const char *file, struct conf_doc **out,
               struct err *err)
{
    *out = NULL;
    json_t *json = load_json(text_len > 0 ? text : "", text_len, file, err);
    if (json == NULL)
        return -1;
    int rc = -1;
    struct conf_doc *doc = conf_doc_new(file);
    if (doc == NULL)
        err_at(err, file, 0, "out of memory");
    else
        rc = build_document(text, text_len, json, doc, err);
    json_decref(json);
    if (rc == 0) {
        *out = doc;
        return 0;
    }
    conf_doc_free(doc);
    return -1;
}

int json_load(const char *path, struct conf_doc **out, struct err *err)
{
    *out = NULL;
    struct buffer text = {0};
    int rc = conf_file_read(path, &text, err);
    if (rc == 0)
        rc = json_parse(text.data, text.size, path, out, err);
    buffer_fini(&text);
    return rc;
}

void json_print_text(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}
