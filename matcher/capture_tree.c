/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/capture_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "matcher/regex_parser.h"
#include "matcher/utf8_text.h"

/* regex_parse() has accepted the text before, so this parser leaves out what that one checks. */

enum { UNGREEDY = 1 << 8 }; /* (?U), beside the flags of regex_parser.h */

struct tree_parser {
    struct capture_tree *tree;
    struct regex_parser lexer;
    uint32_t capacity;
};

struct tree_list {
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

static int64_t parse_alternation(struct tree_parser *parser, unsigned depth);

static int64_t new_node(struct tree_parser *parser, enum capture_op op)
{
    struct capture_tree *tree = parser->tree;

    if (tree->node_count == parser->capacity) {
        uint32_t capacity = parser->capacity ? parser->capacity * 2 : 64;
        struct capture_node *nodes = realloc(tree->nodes, capacity * sizeof *nodes);

        if (!nodes)
            return -ENOMEM;
        tree->nodes = nodes;
        parser->capacity = capacity;
        tree->node_count += tree->node_count == 0;
    }
    tree->nodes[tree->node_count] =
        (struct capture_node){.op = op, .weight = 1, .nullable = op == CAPTURE_EMPTY};
    return tree->node_count++;
}

static int fail_too_large(struct tree_parser *parser)
{
    return regex_fail(&parser->lexer, 0, "the expression is too large (over %d nodes)",
                      CAPTURE_WEIGHT_MAX);
}

/* A node around `child`. */
static int64_t wrap(struct tree_parser *parser, enum capture_op op, uint32_t child)
{
    int64_t node = new_node(parser, op);

    if (node >= 0) {
        parser->tree->nodes[node].child = child;
        parser->tree->nodes[node].nullable = parser->tree->nodes[child].nullable;
    }
    return node;
}

static void append(struct tree_parser *parser, struct tree_list *list, uint32_t node)
{
    if (list->last)
        parser->tree->nodes[list->last].next = node;
    else
        list->first = node;
    list->last = node;
    list->count++;
}

/* Turns a list into one node, and sums up what the members say. */
static int64_t close_list(struct tree_parser *parser, enum capture_op op,
                          const struct tree_list *list)
{
    struct capture_node *nodes;
    uint64_t weight = 1;
    int64_t node;

    if (list->count == 1)
        return list->first;
    node = new_node(parser, list->count == 0 ? CAPTURE_EMPTY : op);
    if (node < 0 || list->count == 0)
        return node;
    nodes = parser->tree->nodes;
    nodes[node].child = list->first;
    nodes[node].nullable = op == CAPTURE_CONCAT;
    for (uint32_t at = list->first; at; at = nodes[at].next) {
        weight += nodes[at].weight;
        if (op == CAPTURE_CONCAT)
            nodes[node].nullable &= nodes[at].nullable;
        else
            nodes[node].nullable |= nodes[at].nullable;
    }
    if (weight > CAPTURE_WEIGHT_MAX)
        return fail_too_large(parser);
    nodes[node].weight = (uint32_t)weight;
    return node;
}

/* A class that the lexer read. */
static int64_t class_node(struct tree_parser *parser, int64_t read)
{
    int64_t node = read < 0 ? read : new_node(parser, CAPTURE_CLASS);

    if (node >= 0) {
        parser->tree->nodes[node].range_first = parser->lexer.regex->nodes[read].range_first;
        parser->tree->nodes[node].range_count = parser->lexer.regex->nodes[read].range_count;
    }
    return node;
}

static int64_t assert_node(struct tree_parser *parser, enum regex_op assertion)
{
    int64_t node = new_node(parser, CAPTURE_ASSERT);

    if (node >= 0) {
        parser->tree->nodes[node].assertion = assertion;
        parser->tree->nodes[node].nullable = true;
    }
    return node;
}

static char peek(const struct tree_parser *parser)
{
    const struct regex_parser *lexer = &parser->lexer;

    return lexer->at < lexer->len ? lexer->text[lexer->at] : '\0';
}

static uint32_t take_number(struct regex_parser *lexer)
{
    uint32_t value = 0;

    while (lexer->at < lexer->len && lexer->text[lexer->at] >= '0' &&
           lexer->text[lexer->at] <= '9') {
        value = value <= REGEX_REPEAT_MAX ? value * 10 + (uint32_t)(lexer->text[lexer->at] - '0')
                                          : value;
        lexer->at++;
    }
    return value;
}

/* At "{": past "{n}", "{n,}" or "{n,m}" and true; else nothing happens. */
static bool take_braces(struct regex_parser *lexer, uint32_t *min, uint32_t *max)
{
    size_t start = lexer->at++;
    size_t digits = lexer->at;

    *min = take_number(lexer);
    if (lexer->at == digits || (lexer->text[digits] == '0' && lexer->at > digits + 1))
        goto literal;
    *max = *min;
    if (regex_looking_at(lexer, ",")) {
        digits = ++lexer->at;
        *max = take_number(lexer);
        if (lexer->at == digits)
            *max = REGEX_INFINITE;
        else if (lexer->text[digits] == '0' && lexer->at > digits + 1)
            goto literal;
    }
    if (regex_looking_at(lexer, "}")) {
        lexer->at++;
        return true;
    }
literal:
    lexer->at = start;
    return false;
}

/* Past a repetition operator and true when one stands here. */
static bool take_repeat(struct regex_parser *lexer, uint32_t *min, uint32_t *max)
{
    char c = lexer->at < lexer->len ? lexer->text[lexer->at] : '\0';

    if (c == '{')
        return take_braces(lexer, min, max);
    if (c != '*' && c != '+' && c != '?')
        return false;
    *min = c == '+';
    *max = c == '?' ? 1 : REGEX_INFINITE;
    lexer->at++;
    return true;
}

/* The operator behind the atom `child`, if any. */
static int64_t parse_repeat(struct tree_parser *parser, uint32_t child)
{
    struct capture_node *node;
    uint32_t min;
    uint32_t max;
    uint64_t weight;
    int64_t index;

    if (!take_repeat(&parser->lexer, &min, &max))
        return child;
    index = wrap(parser, CAPTURE_REPEAT, child);
    if (index < 0)
        return index;
    node = &parser->tree->nodes[index];
    node->min = min;
    node->max = max;
    node->lazy = (parser->lexer.flags & UNGREEDY) != 0;
    if (peek(parser) == '?') {
        parser->lexer.at++;
        node->lazy = !node->lazy;
    }
    weight = (max == REGEX_INFINITE ? (uint64_t)min + 1 : max) *
             ((uint64_t)parser->tree->nodes[child].weight + 1);
    if (weight > CAPTURE_WEIGHT_MAX)
        return fail_too_large(parser);
    node->weight = (uint32_t)weight + 1;
    parser->tree->has_nullable_loop |= max == REGEX_INFINITE && node->nullable;
    node->nullable |= min == 0;
    return index;
}

/* Behind "(": the group's name, or its number as text. */
static int take_group_name(struct tree_parser *parser)
{
    struct regex_parser *lexer = &parser->lexer;
    struct capture_tree *tree = parser->tree;
    char number[16];
    const char *name = number;
    size_t len;

    if (tree->group_count == CAPTURES_MAX)
        return regex_fail(lexer, lexer->at - 1, "more than %d groups", CAPTURES_MAX);
    len = (size_t)snprintf(number, sizeof number, "%u", tree->group_count + 1);
    if (regex_looking_at(lexer, "?P<")) {
        name = lexer->text + lexer->at + 3;
        len = strcspn(name, ">");
        lexer->at += 3 + len + 1;
    }
    tree->names[tree->group_count] = strndup(name, len);
    return tree->names[tree->group_count++] ? 0 : -ENOMEM;
}

/* Behind "(?": flags, up to and with ")" (true: no group) or ":" (false: a group follows). */
static bool take_flags(struct regex_parser *lexer)
{
    static const char letters[] = "imsU";
    static const unsigned values[] = {REGEX_FOLD, REGEX_MULTI_LINE, REGEX_DOT_ALL, UNGREEDY};
    bool negative = false;

    for (;; lexer->at++) {
        char c = lexer->text[lexer->at];
        const char *found = c ? strchr(letters, c) : NULL;

        if (!found && c != '-')
            break;
        if (c == '-')
            negative = true;
        else if (negative)
            lexer->flags &= ~values[found - letters];
        else
            lexer->flags |= values[found - letters];
    }
    return lexer->text[lexer->at++] == ')';
}

/* At "(". */
static int64_t parse_group(struct tree_parser *parser, unsigned depth)
{
    struct regex_parser *lexer = &parser->lexer;
    unsigned flags = lexer->flags;
    uint32_t group = 0;
    int64_t node;

    lexer->at++;
    if (regex_looking_at(lexer, "?") && !regex_looking_at(lexer, "?P<")) {
        lexer->at++;
        if (take_flags(lexer))
            return new_node(parser, CAPTURE_EMPTY);
    } else {
        int rc = take_group_name(parser);

        if (rc < 0)
            return rc;
        group = parser->tree->group_count;
    }
    node = parse_alternation(parser, depth + 1);
    lexer->at++; /* ")" */
    lexer->flags = flags;
    if (node < 0 || group == 0)
        return node;
    node = wrap(parser, CAPTURE_GROUP, (uint32_t)node);
    if (node >= 0) {
        struct capture_node *nodes = parser->tree->nodes;

        nodes[node].group = group;
        nodes[node].weight = nodes[nodes[node].child].weight + 2;
    }
    return node;
}

static int64_t parse_backslash(struct tree_parser *parser)
{
    static const char letters[] = "AzbB";
    static const enum regex_op ops[] = {REGEX_BEGIN_TEXT, REGEX_END_TEXT, REGEX_WORD_BOUNDARY,
                                        REGEX_NO_WORD_BOUNDARY};
    struct regex_parser *lexer = &parser->lexer;
    char c = lexer->at + 1 < lexer->len ? lexer->text[lexer->at + 1] : '\0';
    const char *found = c ? strchr(letters, c) : NULL;

    if (!found)
        return class_node(parser, regex_parse_escape(lexer));
    lexer->at += 2;
    return assert_node(parser, ops[found - letters]);
}

static int64_t parse_dot(struct tree_parser *parser)
{
    bool all = (parser->lexer.flags & REGEX_DOT_ALL) != 0;
    struct code_points set = {0};
    int64_t node = code_points_add(&set, 0, all ? CODE_POINT_MAX : '\n' - 1);

    parser->lexer.at++;
    if (node == 0 && !all)
        node = code_points_add(&set, '\n' + 1, CODE_POINT_MAX);
    if (node == 0)
        node = class_node(parser, regex_class_new(&parser->lexer, &set));
    code_points_fini(&set);
    return node;
}

static int64_t parse_literal(struct tree_parser *parser)
{
    struct regex_parser *lexer = &parser->lexer;

    return class_node(parser,
                      regex_literal_new(lexer, utf8_decode(lexer->text, lexer->len, &lexer->at)));
}

static int64_t parse_atom(struct tree_parser *parser, unsigned depth)
{
    bool lines = (parser->lexer.flags & REGEX_MULTI_LINE) != 0;

    if (parser->lexer.quoting)
        return parse_literal(parser);
    switch (peek(parser)) {
    case '(':
        return parse_group(parser, depth);
    case '[':
        return class_node(parser, regex_parse_class(&parser->lexer));
    case '\\':
        return parse_backslash(parser);
    case '.':
        return parse_dot(parser);
    case '^':
        parser->lexer.at++;
        return assert_node(parser, lines ? REGEX_BEGIN_LINE : REGEX_BEGIN_TEXT);
    case '$':
        parser->lexer.at++;
        return assert_node(parser, lines ? REGEX_END_LINE : REGEX_END_TEXT);
    default:
        return parse_literal(parser);
    }
}

/* Steps over \Q and \E. */
static void take_quotes(struct regex_parser *lexer)
{
    while (regex_looking_at(lexer, lexer->quoting ? "\\E" : "\\Q")) {
        lexer->at += 2;
        lexer->quoting = !lexer->quoting;
    }
}

/* One atom with its operator. */
static int64_t parse_piece(struct tree_parser *parser, unsigned depth)
{
    int64_t node = parse_atom(parser, depth);

    if (node < 0)
        return node;
    if (regex_looking_at(&parser->lexer, "\\E"))
        take_quotes(&parser->lexer);
    return parser->lexer.quoting ? node : parse_repeat(parser, (uint32_t)node);
}

static bool at_end_of_concatenation(const struct tree_parser *parser)
{
    return parser->lexer.at >= parser->lexer.len ||
           (!parser->lexer.quoting && (peek(parser) == '|' || peek(parser) == ')'));
}

static int64_t parse_concatenation(struct tree_parser *parser, unsigned depth)
{
    struct tree_list list = {0};

    for (;;) {
        int64_t node;

        take_quotes(&parser->lexer);
        if (at_end_of_concatenation(parser))
            return close_list(parser, CAPTURE_CONCAT, &list);
        node = parse_piece(parser, depth);
        if (node < 0)
            return node;
        if (parser->tree->nodes[node].op != CAPTURE_EMPTY)
            append(parser, &list, (uint32_t)node);
    }
}

static int64_t parse_alternation(struct tree_parser *parser, unsigned depth)
{
    struct tree_list list = {0};
    bool more;

    CHECK(depth <= REGEX_DEPTH_MAX);
    do {
        int64_t node = parse_concatenation(parser, depth);

        if (node < 0)
            return node;
        append(parser, &list, (uint32_t)node);
        more = regex_looking_at(&parser->lexer, "|");
        parser->lexer.at += more;
    } while (more);
    return close_list(parser, CAPTURE_ALTERNATE, &list);
}

/* True when nothing can match before the node asks for the begin of the text. */
static bool begins_anchored(const struct capture_tree *tree, uint32_t index)
{
    const struct capture_node *node = &tree->nodes[index];

    switch (node->op) {
    case CAPTURE_ASSERT:
        return node->assertion == REGEX_BEGIN_TEXT;
    case CAPTURE_CONCAT:
    case CAPTURE_GROUP:
        return begins_anchored(tree, node->child);
    case CAPTURE_REPEAT:
        return node->min > 0 && begins_anchored(tree, node->child);
    case CAPTURE_ALTERNATE:
        for (uint32_t at = node->child; at; at = tree->nodes[at].next) {
            if (!begins_anchored(tree, at))
                return false;
        }
        return true;
    default:
        return false;
    }
}

static int parse_tree(struct capture_tree *tree, struct regex_fault *fault)
{
    struct tree_parser parser = {
        .tree = tree,
        .lexer = {.regex = tree->classes,
                  .fault = fault,
                  .text = tree->regex->text,
                  .len = tree->regex->text_len},
    };
    int64_t root = parse_alternation(&parser, 0);

    if (root < 0)
        return (int)root;
    CHECK(parser.lexer.at == parser.lexer.len);
    tree->root = (uint32_t)root;
    tree->is_anchored = begins_anchored(tree, tree->root);
    return 0;
}

int capture_tree_new(const char *text, size_t len, struct capture_tree **out,
                     struct regex_fault *fault)
{
    struct capture_tree *tree = calloc(1, sizeof *tree);
    int rc = tree ? regex_parse(text, len, &tree->regex, fault) : -ENOMEM;

    if (rc == 0) {
        tree->classes = calloc(1, sizeof *tree->classes);
        rc = tree->classes ? parse_tree(tree, fault) : -ENOMEM;
    }
    if (rc < 0)
        capture_tree_free(tree);
    else
        *out = tree;
    return rc;
}

void capture_tree_free(struct capture_tree *tree)
{
    if (!tree)
        return;
    for (uint32_t i = 0; i < tree->group_count; i++)
        free(tree->names[i]);
    regex_free(tree->classes);
    regex_free(tree->regex);
    free(tree->nodes);
    free(tree);
}
