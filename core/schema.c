/* SPDX-License-Identifier: MPL-2.0 */
#include "core/schema.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/conf_build.h"

enum {
    SCHEMA_TEXT_SIZE = 256,
    SCHEMA_GUESS_LEN_MAX = 63, /* longer keys get no "did you mean" */
    SCHEMA_SECTION_SIZE = 256
};

struct apply {
    const struct schema *schema;
    const struct conf_node *table;
    const char *section;
    const struct schema *const *also;
    struct conf_doc *doc;
    char *dst;
    bool is_absent; /* an optional sub-table that is not there: nothing can be missing */
    int result;
    struct err *err;
};

static void *member(const struct apply *apply, const struct schema_key *key)
{
    return apply->dst + key->offset;
}

static int refuse(const struct apply *apply, const struct schema_key *key,
                  const struct conf_node *node)
{
    char found[SCHEMA_TEXT_SIZE], allowed[SCHEMA_TEXT_SIZE];
    schema_found(node, found, sizeof(found));
    schema_allowed(key, allowed, sizeof(allowed));
    return err_at(apply->err, node->file, node->line, "%s: found %s, allowed %s", key->key, found,
                  allowed);
}

static bool is_auto(const struct schema_key *key, const struct conf_node *node)
{
    return (key->flags & SCHEMA_AUTO) != 0 && node->type == CONF_STRING &&
           strcmp(node->str, "auto") == 0;
}

static bool in_range(const struct schema_key *key, double number)
{
    return (key->min == 0 && key->max == 0) || (number >= key->min && number <= key->max);
}

static bool is_text(const struct conf_node *node)
{
    return node->type == CONF_STRING && strlen(node->str) == node->str_len;
}

/* ---- one function for each type: 0, or -1 after reporting ---- */

static int apply_string(const struct apply *apply, const struct schema_key *key,
                        const struct conf_node *node)
{
    if (node->type == CONF_STRING && !is_text(node))
        return err_at(apply->err, node->file, node->line,
                      "%s: found a NUL byte in a string, allowed is text without", key->key);
    if (node->type != CONF_STRING)
        return refuse(apply, key, node);
    *(const char **)member(apply, key) = node->str;
    return 0;
}

static int apply_int(const struct apply *apply, const struct schema_key *key,
                     const struct conf_node *node)
{
    int64_t *value = member(apply, key);
    if (is_auto(key, node))
        *value = SCHEMA_AUTO_VALUE;
    else if (node->type != CONF_INT || !in_range(key, (double)node->i))
        return refuse(apply, key, node);
    else
        *value = node->i;
    return 0;
}

static int apply_float(const struct apply *apply, const struct schema_key *key,
                       const struct conf_node *node)
{
    double value = node->type == CONF_INT ? (double)node->i : node->d;
    if ((node->type != CONF_INT && node->type != CONF_FLOAT) || !in_range(key, value))
        return refuse(apply, key, node);
    *(double *)member(apply, key) = value;
    return 0;
}

static int apply_bool(const struct apply *apply, const struct schema_key *key,
                      const struct conf_node *node)
{
    if (node->type != CONF_BOOL && !is_auto(key, node))
        return refuse(apply, key, node);
    if (key->flags & SCHEMA_AUTO)
        *(int *)member(apply, key) = node->type == CONF_BOOL ? node->b : SCHEMA_AUTO_BOOL;
    else
        *(bool *)member(apply, key) = node->b;
    return 0;
}

static int apply_duration(const struct apply *apply, const struct schema_key *key,
                          const struct conf_node *node)
{
    int64_t ns;
    if (!is_text(node) || schema_duration(node->str, &ns) != 0 || !in_range(key, (double)ns))
        return refuse(apply, key, node);
    *(int64_t *)member(apply, key) = ns;
    return 0;
}

static int apply_choice(const struct apply *apply, const struct schema_key *key,
                        const struct conf_node *node)
{
    for (int i = 0; is_text(node) && key->choices[i] != NULL; i++) {
        if (strcmp(key->choices[i], node->str) == 0) {
            *(int *)member(apply, key) = i;
            return 0;
        }
    }
    return refuse(apply, key, node);
}

static int apply_item(const struct apply *apply, const struct schema_key *key,
                      const struct conf_node *item, void *items, size_t index)
{
    if (key->type == SCHEMA_STRINGS) {
        if (!is_text(item))
            return refuse(apply, key, item);
        ((const char **)items)[index] = item->str;
        return 0;
    }
    if (item->type != CONF_INT || !in_range(key, (double)item->i))
        return refuse(apply, key, item);
    ((int64_t *)items)[index] = item->i;
    return 0;
}

static int apply_list(const struct apply *apply, const struct schema_key *key,
                      const struct conf_node *node)
{
    struct schema_list *list = member(apply, key);
    int rc = 0;
    *list = (struct schema_list){0};
    if (is_auto(key, node))
        return 0;
    if (node->type != CONF_ARRAY)
        return refuse(apply, key, node);
    if (node->count == 0)
        return key->flags & SCHEMA_AUTO
                   ? err_at(apply->err, node->file, node->line, "%s: found an empty list", key->key)
                   : 0;
    size_t size = key->type == SCHEMA_STRINGS ? sizeof(char *) : sizeof(int64_t);
    void *items = conf_alloc(apply->doc, node->count * size);
    if (items == NULL)
        return err_at(apply->err, node->file, node->line, "%s: out of memory", key->key);
    size_t index = 0;
    for (const struct conf_node *item = node->first; item != NULL; item = item->next)
        rc |= apply_item(apply, key, item, items, index++);
    if (rc == 0)
        *list = (struct schema_list){items, node->count};
    return rc;
}

static int apply_schema(struct apply *apply);

static int apply_table(const struct apply *apply, const struct schema_key *key,
                       const struct conf_node *node)
{
    char section[SCHEMA_SECTION_SIZE];
    if (node != NULL && node->type != CONF_TABLE)
        return refuse(apply, key, node);
    snprintf(section, sizeof(section), "%s.%s", apply->section, key->key);
    struct apply sub = *apply;
    sub.schema = key->sub;
    sub.table = node;
    sub.section = section;
    sub.also = NULL;
    sub.dst = member(apply, key);
    sub.is_absent = node == NULL;
    sub.result = 0;
    return apply_schema(&sub);
}

static int apply_node(const struct apply *apply, const struct schema_key *key,
                      const struct conf_node *node)
{
    *(const struct conf_node **)member(apply, key) = node;
    return 0;
}

typedef int (*apply_fn)(const struct apply *apply, const struct schema_key *key,
                        const struct conf_node *node);

static const apply_fn apply_fns[] = {
    [SCHEMA_STRING] = apply_string,     [SCHEMA_INT] = apply_int,
    [SCHEMA_FLOAT] = apply_float,       [SCHEMA_BOOL] = apply_bool,
    [SCHEMA_DURATION] = apply_duration, [SCHEMA_CHOICE] = apply_choice,
    [SCHEMA_STRINGS] = apply_list,      [SCHEMA_INTS] = apply_list,
    [SCHEMA_TABLE] = apply_table,       [SCHEMA_NODE] = apply_node,
};

/* ---- defaults: text of the schema, so a bad one is a bug ---- */

static struct conf_node default_scalar(const struct schema_key *key, const char *text)
{
    struct conf_node node = {.type = CONF_STRING, .file = "default"};
    node.str = text;
    node.str_len = strlen(text);
    if ((key->flags & SCHEMA_AUTO) != 0 && strcmp(text, "auto") == 0)
        return node;
    if (key->type == SCHEMA_INT || key->type == SCHEMA_INTS) {
        node.type = CONF_INT;
        node.i = strtoll(text, NULL, 10);
    } else if (key->type == SCHEMA_FLOAT) {
        node.type = CONF_FLOAT;
        node.d = strtod(text, NULL);
    } else if (key->type == SCHEMA_BOOL) {
        node.type = CONF_BOOL;
        node.b = strcmp(text, "true") == 0;
    }
    return node;
}

/* "a,b" as an array in the document. */
static int apply_default_list(const struct apply *apply, const struct schema_key *key)
{
    CHECK(apply->doc != NULL);
    struct conf_node array = {.type = CONF_ARRAY, .file = "default"};
    for (const char *text = key->def; *text != '\0';) {
        size_t len = strcspn(text, ",");
        const char *copy = conf_text(apply->doc, text, len);
        struct conf_node *item = conf_node_new(apply->doc, CONF_STRING, 0);
        if (copy == NULL || item == NULL)
            return err_add(apply->err, "%s: out of memory", key->key);
        *item = default_scalar(key, copy);
        conf_node_append(&array, item);
        text += len + (text[len] == ',');
    }
    return apply_list(apply, key, &array);
}

static void clear_member(const struct apply *apply, const struct schema_key *key)
{
    static const size_t sizes[] = {
        [SCHEMA_STRING] = sizeof(char *),
        [SCHEMA_INT] = sizeof(int64_t),
        [SCHEMA_FLOAT] = sizeof(double),
        [SCHEMA_BOOL] = sizeof(bool),
        [SCHEMA_DURATION] = sizeof(int64_t),
        [SCHEMA_CHOICE] = sizeof(int),
        [SCHEMA_STRINGS] = sizeof(struct schema_list),
        [SCHEMA_INTS] = sizeof(struct schema_list),
        [SCHEMA_NODE] = sizeof(struct conf_node *),
    };
    bool is_auto_bool = key->type == SCHEMA_BOOL && (key->flags & SCHEMA_AUTO) != 0;
    memset(member(apply, key), 0, is_auto_bool ? sizeof(int) : sizes[key->type]);
}

static int apply_default(const struct apply *apply, const struct schema_key *key)
{
    if (key->type == SCHEMA_TABLE)
        return apply_table(apply, key, NULL);
    clear_member(apply, key);
    if (key->def == NULL || key->type == SCHEMA_NODE)
        return 0;
    bool is_list = key->type == SCHEMA_STRINGS || key->type == SCHEMA_INTS;
    if (is_list && strcmp(key->def, "auto") != 0)
        return key->def[0] != '\0' ? apply_default_list(apply, key) : 0;
    struct conf_node node = default_scalar(key, key->def);
    CHECK(apply_fns[key->type](apply, key, &node) == 0);
    return 0;
}

/* ---- keys ---- */

static bool same_key(const struct schema_key *key, const char *name)
{
    if (key->flags & SCHEMA_EXACT)
        return strcmp(key->key, name) == 0;
    return strcasecmp(key->key, name) == 0;
}

/* The node of a key: exact case first. Two spellings of one key are an error. */
static const struct conf_node *find_node(struct apply *apply, const struct schema_key *key)
{
    const struct conf_node *found = NULL;
    if (apply->table == NULL)
        return NULL;
    for (const struct conf_node *node = apply->table->first; node != NULL; node = node->next) {
        if (!same_key(key, node->key))
            continue;
        if (found != NULL) {
            err_at(apply->err, node->file, node->line,
                   "%s: found again as '%s', first in line %u as '%s'", key->key, node->key,
                   found->line, found->key);
            apply->result = -1;
        } else {
            found = node;
        }
    }
    return found;
}

static void report_missing(struct apply *apply, const struct schema_key *key)
{
    char allowed[SCHEMA_TEXT_SIZE];
    schema_allowed(key, allowed, sizeof(allowed));
    if (apply->table != NULL)
        err_at(apply->err, apply->table->file, apply->table->line,
               "%s: missing in '%s', required is %s", key->key, apply->section, allowed);
    else
        err_add(apply->err, "%s: missing in '%s', required is %s", key->key, apply->section,
                allowed);
    apply->result = -1;
}

static bool schema_knows(const struct schema *schema, const char *name)
{
    for (const struct schema_key *key = schema->keys; key->key != NULL; key++)
        if (same_key(key, name))
            return true;
    return false;
}

/* Edits between two keys, case aside: insert, delete, replace, swap of neighbours. */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned rows[3][SCHEMA_GUESS_LEN_MAX + 2];
    size_t a_len = strlen(a), b_len = strlen(b);
    for (unsigned j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            unsigned best = above[j - 1] + (ca != cb);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]) && above2[j - 2] + 1 < best)
                best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a_len % 3][b_len];
}

static const char *guess_in(const struct schema *schema, const char *name, unsigned *distance)
{
    const char *guess = NULL;
    for (const struct schema_key *key = schema->keys; key->key != NULL; key++) {
        if (strlen(key->key) > SCHEMA_GUESS_LEN_MAX)
            continue;
        unsigned edits = edit_distance(name, key->key);
        if (edits < *distance) {
            *distance = edits;
            guess = key->key;
        }
    }
    return guess;
}

/* The known key that is close to `name`, or NULL. */
static const char *guess_key(const struct apply *apply, const char *name)
{
    size_t len = strlen(name);
    if (len < 2 || len > SCHEMA_GUESS_LEN_MAX)
        return NULL;
    unsigned distance = len <= 4 ? 2 : 3; /* fewer edits than that are close */
    const char *guess = guess_in(apply->schema, name, &distance);
    for (size_t i = 0; apply->also != NULL && apply->also[i] != NULL; i++) {
        const char *closer = guess_in(apply->also[i], name, &distance);
        guess = closer != NULL ? closer : guess;
    }
    return guess;
}

/* Each schema of a section reports the same unknown keys: one text is enough. */
static void add_once(struct err *err, const char *text)
{
    unsigned count = err == NULL ? 0 : err->count < ERR_LIST_MAX ? err->count : ERR_LIST_MAX;
    for (unsigned i = 0; i < count; i++)
        if (strncmp(err->texts[i], text, ERR_TEXT_SIZE - 1) == 0)
            return;
    err_add(err, "%s", text);
}

static void report_unknown(struct apply *apply, const struct conf_node *node)
{
    char text[ERR_TEXT_SIZE], hint[SCHEMA_TEXT_SIZE] = "";
    const char *guess = guess_key(apply, node->key);
    if (guess != NULL)
        snprintf(hint, sizeof(hint), " (did you mean '%s'?)", guess);
    snprintf(text, sizeof(text), "%s:%u: unknown config setting for '%s': %s%s", node->file,
             node->line, apply->section, node->key, hint);
    add_once(apply->err, text);
    apply->result = -1;
}

static void check_unknown(struct apply *apply)
{
    const struct conf_node *node = apply->table != NULL ? apply->table->first : NULL;
    for (; node != NULL; node = node->next) {
        bool is_known = schema_knows(apply->schema, node->key);
        for (size_t i = 0; !is_known && apply->also != NULL && apply->also[i] != NULL; i++)
            is_known = schema_knows(apply->also[i], node->key);
        if (!is_known)
            report_unknown(apply, node);
    }
}

static int apply_schema(struct apply *apply)
{
    for (const struct schema_key *key = apply->schema->keys; key->key != NULL; key++) {
        const struct conf_node *node = find_node(apply, key);
        if (node == NULL && (key->flags & SCHEMA_REQUIRED) != 0 && !apply->is_absent)
            report_missing(apply, key);
        if (node == NULL || key->type != SCHEMA_TABLE) /* a table fills in its own defaults */
            apply->result |= apply_default(apply, key);
        if (node != NULL)
            apply->result |= apply_fns[key->type](apply, key, node);
    }
    check_unknown(apply);
    return apply->result != 0 ? -1 : 0;
}

int schema_apply(const struct schema *schema, const struct conf_node *table, const char *section,
                 const struct schema *const *also, struct conf_doc *doc, void *dst, struct err *err)
{
    struct apply apply = {.schema = schema,
                          .table = table,
                          .section = section,
                          .also = also,
                          .doc = doc,
                          .dst = dst,
                          .err = err};
    if (table == NULL || table->type == CONF_TABLE)
        return apply_schema(&apply);
    char found[SCHEMA_TEXT_SIZE];
    schema_found(table, found, sizeof(found));
    return err_at(err, table->file, table->line, "%s: found %s, allowed a table", section, found);
}
