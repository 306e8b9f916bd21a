/* SPDX-License-Identifier: MPL-2.0
 *
 * toml.c - Heka's TOML dialect: docs/formats/toml.md.
 *
 * A line is a table header, a key with its value, a comment or blank; only arrays span lines. So
 * an error costs one line: it is reported, and the parser goes on at the next one.
 */
#include "core/toml_table.h"
#include "core/toml_value.h"

#include <string.h>

static bool is_key_char(int c)
{
    return c != '=' && !toml_is_blank(c) && !toml_is_line_end(c);
}

/* Only blanks and a comment may follow. */
static int expect_line_end(struct toml *toml, const char *after)
{
    toml_skip_blanks(toml);
    if (toml_peek(toml) == '#')
        toml_skip_line(toml);
    if (toml_is_line_end(toml_peek(toml)))
        return 0;
    return toml_fail_found(toml, "the line to end after %s", after);
}

/* ---- table headers ---- */

/* One level of a header: up to '.', ']' or the end of the line, blanks at both ends left out. */
static const char *parse_level(struct toml *toml)
{
    toml_skip_blanks(toml);
    size_t start = toml->pos;
    for (int c = toml_peek(toml); c != '.' && c != ']' && c != '['; c = toml_peek(toml)) {
        if (toml_is_line_end(c) || toml_is_control(c)) {
            toml_fail_found(toml, "']' at the end of a table name");
            return NULL;
        }
        toml_next(toml);
    }
    size_t end = toml->pos;
    while (end > start && toml_is_blank(toml->text[end - 1]))
        end--;
    if (end == start) {
        toml_fail_found(toml, "a table name");
        return NULL;
    }
    return toml_copy(toml, toml->text + start, end - start);
}

/* [a.b.c]: finds or makes the table; NULL when the line is wrong. */
static struct conf_node *parse_header_names(struct toml *toml)
{
    struct conf_node *table = toml->doc->root;
    for (unsigned depth = 1;; depth++) {
        const char *name = parse_level(toml);
        if (name == NULL)
            return NULL;
        int c = toml_peek(toml);
        if (c == '[') {
            toml_fail_found(toml, "']' at the end of a table name");
            return NULL;
        }
        toml_next(toml); /* '.' or ']' */
        if (depth >= CONF_DEPTH_MAX) {
            toml_fail(toml, "found more than %d levels of tables", CONF_DEPTH_MAX - 1);
            return NULL;
        }
        table = toml_table_enter(toml, table, name, c == ']');
        if (table == NULL || c == ']')
            return table;
    }
}

static int parse_header(struct toml *toml)
{
    struct conf_node *table = NULL;
    toml_next(toml); /* '[' */
    toml->header_start = toml->pos;
    if (toml_peek(toml) == '[')
        toml_fail(toml, "found '[[': arrays of tables do not exist here, expected one [table]");
    else
        table = parse_header_names(toml);
    if (table != NULL) {
        toml->table = table;
        return expect_line_end(toml, "a table name");
    }
    /* The keys that follow are read for their own errors, into a table that nobody sees. */
    toml->table = conf_node_new(toml->doc, CONF_TABLE, toml->line);
    return -1;
}

/* ---- keys ---- */

static const char *parse_key(struct toml *toml)
{
    size_t start = toml->pos;
    int c = toml_peek(toml);
    if (c == '"' || c == '\'') {
        toml_fail(toml, "found %c: keys are written without quotes", c);
        return NULL;
    }
    while (is_key_char(c) && !toml_is_control(c)) {
        toml_next(toml);
        c = toml_peek(toml);
    }
    if (toml->pos == start || toml_is_control(c)) {
        toml_fail_found(toml, "a key");
        return NULL;
    }
    return toml_copy(toml, toml->text + start, toml->pos - start);
}

static int parse_assignment(struct toml *toml)
{
    unsigned line = toml->line;
    const char *key = parse_key(toml);
    if (key == NULL)
        return -1;
    toml_skip_blanks(toml);
    if (toml_peek(toml) != '=')
        return toml_fail_found(toml, "'=' after the key '%s'", key);
    toml_next(toml);
    struct conf_node *value = toml_value_parse(toml, 0);
    if (value == NULL)
        return -1;
    value->line = line;
    int rc = toml_table_add(toml, toml->table, key, value);
    return expect_line_end(toml, "the value") == 0 ? rc : -1;
}

/* ---- lines ---- */

static void parse_line(struct toml *toml)
{
    toml->in_array = false;
    toml->is_next_line = false;
    toml_skip_blanks(toml);
    int c = toml_peek(toml);
    if (toml_is_line_end(c))
        return;
    int rc = 0;
    if (c == '#')
        toml_skip_line(toml);
    else
        rc = c == '[' ? parse_header(toml) : parse_assignment(toml);
    if (rc == 0 || toml->is_next_line || toml->doc->failure != NULL)
        return;
    if (toml->in_array)
        toml_skip_array(toml);
    else
        toml_skip_line(toml);
}

static int parse_text(struct toml *toml)
{
    static const char bom[] = "\xef\xbb\xbf";
    if (toml->len >= 3 && memcmp(toml->text, bom, 3) == 0)
        toml->pos = 3;
    while (toml->pos < toml->len && toml->doc->failure == NULL) {
        parse_line(toml);
        if (toml->pos < toml->len && !toml->is_next_line)
            toml_next(toml); /* the line end */
    }
    if (toml->doc->failure != NULL)
        return err_at(toml->err, toml->doc->file, toml->line, "%s", toml->doc->failure);
    return toml->failed ? -1 : 0;
}

static int parse_document(struct toml *toml, const char *file, struct conf_doc **out)
{
    toml->doc = conf_doc_new(file);
    if (toml->doc == NULL)
        return err_at(toml->err, file, 0, "out of memory");
    toml->table = toml->doc->root;
    int rc = parse_text(toml);
    toml_table_fini(toml);
    if (rc != 0) {
        conf_doc_free(toml->doc);
        return -1;
    }
    *out = toml->doc;
    return 0;
}

int toml_parse(const char *text, size_t text_len, const char *file, conf_environment_fn environment,
               struct conf_doc **out, struct err *err)
{
    *out = NULL;
    if (text_len > CONF_TEXT_MAX)
        return err_at(err, file, 0, "longer than %d bytes", CONF_TEXT_MAX);
    struct toml_env env = {0};
    struct toml toml = {.text = text, .len = text_len, .line = 1, .err = err};
    int rc = 0;
    if (environment != NULL && text_len > 0) {
        rc = toml_env_substitute(&env, text, text_len, file, environment, err);
        toml.text = env.text.data;
        toml.len = env.text.size;
        toml.spans = env.spans;
        toml.span_count = env.span_count;
    }
    struct conf_doc *doc = NULL;
    if (parse_document(&toml, file, &doc) == 0 && rc == 0) {
        *out = doc;
        doc = NULL;
    }
    conf_doc_free(doc);
    toml_env_fini(&env);
    return *out != NULL ? 0 : -1;
}

int toml_load(const char *path, conf_environment_fn environment, struct conf_doc **out,
              struct err *err)
{
    *out = NULL;
    struct buffer text = {0};
    int rc = conf_file_read(path, &text, err);
    if (rc == 0)
        rc = toml_parse(text.data, text.size, path, environment, out, err);
    buffer_fini(&text);
    return rc;
}
