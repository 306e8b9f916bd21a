/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_toml.c - any bytes as a TOML configuration, with substitution, and through a schema.
 *
 * What parses must be a sound tree; what does not must have an error text.
 */
#include <stdint.h>
#include <string.h>

#include "core/check.h"
#include "core/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *environment(const char *name)
{
    CHECK(strpbrk(name, " \t\r\n]") == NULL);
    return name[0] == 'x' ? "a\n= \"%ENV[" : name[0] == 'y' ? NULL : "1";
}

static void check_tree(const struct conf_node *node, unsigned depth)
{
    CHECK(depth <= 2 * CONF_DEPTH_MAX + 1);
    CHECK(node->line > 0 && node->file != NULL);
    if (node->type == CONF_STRING)
        CHECK(node->str[node->str_len] == '\0');
    if (node->type != CONF_TABLE && node->type != CONF_ARRAY)
        return;
    unsigned count = 0;
    for (const struct conf_node *child = node->first; child != NULL; child = child->next) {
        CHECK((child->key != NULL) == (node->type == CONF_TABLE));
        CHECK(node->type == CONF_TABLE || child->type == node->first->type);
        CHECK(child->type != CONF_TABLE || node->type == CONF_TABLE);
        check_tree(child, depth + 1);
        count++;
    }
    CHECK(count == node->count);
}

struct options {
    const char *text;
    int64_t number, duration_ns;
    double real;
    bool flag;
    struct schema_list texts, numbers;
    const struct conf_node *node;
};

#define AT(member) offsetof(struct options, member)
static const struct schema_key keys[] = {
    {.key = "a", .type = SCHEMA_STRING, .offset = AT(text)},
    {.key = "b", .type = SCHEMA_INT, .offset = AT(number), .min = -5, .max = 5, .def = "1"},
    {.key = "c", .type = SCHEMA_DURATION, .offset = AT(duration_ns), .def = "1s"},
    {.key = "d", .type = SCHEMA_FLOAT, .offset = AT(real)},
    {.key = "e", .type = SCHEMA_BOOL, .offset = AT(flag)},
    {.key = "f", .type = SCHEMA_STRINGS, .offset = AT(texts), .def = "x,y"},
    {.key = "g", .type = SCHEMA_INTS, .flags = SCHEMA_AUTO, .offset = AT(numbers), .def = "auto"},
    {.key = "ticker", .type = SCHEMA_NODE, .offset = AT(node)},
    {.key = NULL},
};
#undef AT
static const struct schema schema = {"fuzz", keys};

static void apply_schema(struct conf_doc *doc)
{
    static struct err err;
    struct options options;
    err.count = 0;
    int rc = schema_apply(&schema, conf_root(doc), "fuzz", NULL, doc, &options, &err);
    CHECK((rc == 0) == (err.count == 0));
    if (rc == 0)
        CHECK(options.number >= -5 && options.number <= 5);
}

static void parse(const uint8_t *data, size_t size, conf_environment_fn substitute)
{
    static struct err err;
    struct conf_doc *doc;
    err.count = 0;
    int rc = toml_parse((const char *)data, size, "fuzz", substitute, &doc, &err);
    CHECK((rc == 0) == (err.count == 0) && (rc == 0) == (doc != NULL));
    if (rc == 0) {
        check_tree(conf_root(doc), 0);
        apply_schema(doc);
    }
    conf_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size, NULL);
    parse(data, size, environment);
    return 0;
}
