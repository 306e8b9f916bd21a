/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/regex.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/regex_parser.h"
#include "matcher/utf8_text.h"

struct node_list {
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

static int64_t parse_alternation(struct regex_parser *parser, unsigned depth);

int regex_fail(struct regex_parser *parser, size_t position, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(parser->fault->text, sizeof parser->fault->text, format, args);
    va_end(args);
    parser->fault->position = position;
    return -EINVAL;
}

int64_t regex_node_new(struct regex_parser *parser, enum regex_op op)
{
    struct regex *regex = parser->regex;

    if (regex->node_count == parser->node_capacity) {
        uint32_t capacity = parser->node_capacity ? parser->node_capacity * 2 : 32;
        struct regex_node *nodes = realloc(regex->nodes, capacity * sizeof *nodes);

        if (!nodes)
            return -ENOMEM;
        regex->nodes = nodes;
        parser->node_capacity = capacity;
        if (regex->node_count == 0)
            regex->nodes[regex->node_count++] = (struct regex_node){.op = REGEX_EMPTY};
    }
    regex->nodes[regex->node_count] = (struct regex_node){
        .op = op,
        .product = 1,
        .weight = 1,
        .nullable = op == REGEX_EMPTY,
        .asserts = op >= REGEX_BEGIN_TEXT,
    };
    return regex->node_count++;
}

/* Surrogates are left out: no text has them, and engines refuse them. */
static int keep_range(struct code_points *pool, struct code_range range)
{
    int rc = 0;

    if (range.low < 0xD800)
        rc = code_points_add(pool, range.low, range.high < 0xD800 ? range.high : 0xD7FF);
    if (rc == 0 && range.high > 0xDFFF)
        rc = code_points_add(pool, range.low > 0xDFFF ? range.low : 0xE000, range.high);
    return rc;
}

int64_t regex_class_new(struct regex_parser *parser, const struct code_points *set)
{
    int64_t node = regex_node_new(parser, REGEX_CLASS);
    struct regex *regex = parser->regex;
    int rc = 0;

    if (node < 0)
        return node;
    regex->nodes[node].range_first = regex->pool.count;
    for (uint32_t i = 0; i < set->count && rc == 0; i++)
        rc = keep_range(&regex->pool, set->ranges[i]);
    regex->nodes[node].range_count = regex->pool.count - regex->nodes[node].range_first;
    if (regex->pool.count > REGEX_RANGES_MAX)
        return regex_fail(parser, parser->at, "the classes up to here have over %d ranges",
                          REGEX_RANGES_MAX);
    return rc < 0 ? rc : node;
}

int64_t regex_literal_new(struct regex_parser *parser, uint32_t point)
{
    struct code_points set = {0};
    int64_t result = code_points_add(&set, point, point);

    if (result == 0 && (parser->flags & REGEX_FOLD))
        result = code_points_fold(&set);
    if (result == 0)
        result = regex_class_new(parser, &set);
    code_points_fini(&set);
    return result;
}

static void append_node(struct regex_parser *parser, struct node_list *list, uint32_t node)
{
    struct regex_node *nodes = parser->regex->nodes;

    if (list->last)
        nodes[list->last].next = node;
    else
        list->first = node;
    list->last = node;
    list->count++;
}

/* As append_node(); the members of a concatenation join the list themselves. */
static void append_flat(struct regex_parser *parser, struct node_list *list, uint32_t node)
{
    struct regex_node *nodes = parser->regex->nodes;
    uint32_t child = nodes[node].op == REGEX_CONCAT ? nodes[node].child : 0;

    if (nodes[node].op == REGEX_EMPTY)
        return;
    if (!child) {
        append_node(parser, list, node);
        return;
    }
    while (child) {
        uint32_t next = nodes[child].next;

        nodes[child].next = 0;
        append_node(parser, list, child);
        child = next;
    }
}

/* Turns a list into one node, and sums up what the members say. */
static int64_t close_list(struct regex_parser *parser, enum regex_op op,
                          const struct node_list *list)
{
    struct regex_node *nodes;
    uint64_t weight = 1;
    int64_t node;

    if (list->count == 1)
        return list->first;
    node = regex_node_new(parser, list->count == 0 ? REGEX_EMPTY : op);
    if (node < 0 || list->count == 0)
        return node;
    nodes = parser->regex->nodes;
    nodes[node].child = list->first;
    nodes[node].nullable = op == REGEX_CONCAT;
    for (uint32_t at = list->first; at; at = nodes[at].next) {
        weight += nodes[at].weight;
        nodes[node].asserts |= nodes[at].asserts;
        if (op == REGEX_CONCAT)
            nodes[node].nullable &= nodes[at].nullable;
        else
            nodes[node].nullable |= nodes[at].nullable;
        if (nodes[at].product > nodes[node].product)
            nodes[node].product = nodes[at].product;
    }
    nodes[node].weight = weight > REGEX_WEIGHT_MAX ? REGEX_WEIGHT_MAX + 1 : (uint32_t)weight;
    if (nodes[node].weight > REGEX_WEIGHT_MAX)
        return regex_fail(parser, 0, "the expression is too large (over %d nodes)",
                          REGEX_WEIGHT_MAX);
    return node;
}

/* Decimal digits without leading zeros; saturates. False when there are none. */
static bool take_count(const struct regex_parser *parser, size_t *at, uint32_t *value)
{
    size_t start = *at;
    uint32_t result = 0;

    while (*at < parser->len && parser->text[*at] >= '0' && parser->text[*at] <= '9') {
        if (result <= REGEX_REPEAT_MAX)
            result = result * 10 + (uint32_t)(parser->text[*at] - '0');
        (*at)++;
    }
    *value = result;
    return *at > start && (*at - start == 1 || parser->text[start] != '0');
}

/* At "{": true and past it when "{n}", "{n,}" or "{n,m}" stands there; anything else is literal. */
static bool take_braces(struct regex_parser *parser, uint32_t *min, uint32_t *max)
{
    size_t at = parser->at + 1;

    if (!take_count(parser, &at, min))
        return false;
    *max = *min;
    if (at < parser->len && parser->text[at] == ',') {
        at++;
        *max = REGEX_INFINITE;
        if (at < parser->len && parser->text[at] != '}' && !take_count(parser, &at, max))
            return false;
    }
    if (at >= parser->len || parser->text[at] != '}')
        return false;
    parser->at = at + 1;
    return true;
}

/* True and past it when a repetition operator stands here. */
static bool take_repeat(struct regex_parser *parser, uint32_t *min, uint32_t *max)
{
    char c = parser->at < parser->len ? parser->text[parser->at] : '\0';

    if (c == '{')
        return take_braces(parser, min, max);
    if (c != '*' && c != '+' && c != '?')
        return false;
    *min = c == '+';
    *max = c == '?' ? 1 : REGEX_INFINITE;
    parser->at++;
    return true;
}

static int64_t wrap_repeat(struct regex_parser *parser, uint32_t child, size_t start, uint32_t min,
                           uint32_t max, bool counted)
{
    int64_t node = regex_node_new(parser, REGEX_REPEAT);
    struct regex_node *nodes = parser->regex->nodes;
    uint64_t copies = max == REGEX_INFINITE ? (uint64_t)min + 1 : max;
    uint64_t factor = max == REGEX_INFINITE ? min : max;
    uint64_t weight;

    if (node < 0)
        return node;
    nodes[node].child = child;
    nodes[node].min = min;
    nodes[node].max = max;
    nodes[node].nullable = min == 0 || nodes[child].nullable;
    nodes[node].asserts = nodes[child].asserts;
    factor = counted && factor > 1 ? factor : 1;
    if (factor * nodes[child].product > REGEX_REPEAT_MAX)
        return regex_fail(parser, start, "repeated over %d times", REGEX_REPEAT_MAX);
    nodes[node].product = (uint32_t)(factor * nodes[child].product);
    weight = copies * nodes[child].weight + 1;
    if (weight > REGEX_WEIGHT_MAX)
        return regex_fail(parser, start, "the expression is too large (over %d nodes)",
                          REGEX_WEIGHT_MAX);
    nodes[node].weight = (uint32_t)weight;
    return node;
}

/* The operators behind the atom `child`. */
static int64_t parse_repeats(struct regex_parser *parser, uint32_t child)
{
    size_t start = parser->at;
    bool counted = regex_looking_at(parser, "{");
    uint32_t min;
    uint32_t max;
    size_t end;

    if (!take_repeat(parser, &min, &max))
        return child;
    if (counted && ((max == REGEX_INFINITE ? min : max) > REGEX_REPEAT_MAX || min > max))
        return regex_fail(parser, start, "expected {n,m} with n <= m <= %d", REGEX_REPEAT_MAX);
    if (regex_looking_at(parser, "?"))
        parser->at++; /* lazy: the same matches */
    end = parser->at;
    if (take_repeat(parser, &(uint32_t){0}, &(uint32_t){0}))
        return regex_fail(parser, end, "\"%.*s\" cannot follow another repetition (RE2)",
                          (int)(parser->at - end), parser->text + end);
    return wrap_repeat(parser, child, start, min, max, counted);
}

static int take_group_name(struct regex_parser *parser, size_t start)
{
    size_t from = parser->at;
    char needle[256];
    size_t len;

    while (parser->at < parser->len) {
        char c = parser->text[parser->at];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              c == '_'))
            break;
        parser->at++;
    }
    len = parser->at - from;
    if (len == 0 || !regex_looking_at(parser, ">"))
        return regex_fail(parser, start,
                          "expected a group name of letters, digits and _ and \">\"");
    if (len + 5 > sizeof needle)
        return regex_fail(parser, start, "a group name is at most %zu characters long",
                          sizeof needle - 5);
    len = (size_t)snprintf(needle, sizeof needle, "(?P<%.*s>", (int)len, parser->text + from);
    if (memmem(parser->text, start, needle, len))
        return regex_fail(parser, start, "the group name %.*s is given twice", (int)len - 5,
                          needle + 4);
    parser->at++;
    return 0;
}

/* Behind "(?": flags up to ")" (1: no group) or ":" (0: a group follows). */
static int take_flags(struct regex_parser *parser, size_t start)
{
    static const char letters[] = "imsU";
    static const unsigned values[] = {REGEX_FOLD, REGEX_MULTI_LINE, REGEX_DOT_ALL, 0};
    unsigned set = 0;
    unsigned clear = 0;
    bool negative = false;
    bool seen = true;

    for (; parser->at < parser->len; parser->at++) {
        char c = parser->text[parser->at];
        const char *found = c ? strchr(letters, c) : NULL;

        if (found) {
            *(negative ? &clear : &set) |= values[found - letters];
            seen = true;
        } else if (c == '-' && !negative) {
            negative = true;
            seen = false;
        } else if ((c == ':' || c == ')') && seen) {
            parser->flags = (parser->flags | set) & ~clear;
            parser->at++;
            return c == ')';
        } else {
            break;
        }
    }
    return regex_fail(parser, start,
                      "expected (?:...), (?P<name>...) or flags out of \"imsU\" (RE2 has no "
                      "look-around, atomic groups or conditions)");
}

/* Behind "(?flags)": the empty node, which no operator may follow. */
static int64_t parse_flag_group(struct regex_parser *parser)
{
    size_t end = parser->at;

    if (take_repeat(parser, &(uint32_t){0}, &(uint32_t){0}))
        return regex_fail(parser, end, "expected something to repeat before \"%c\"",
                          parser->text[end]);
    return regex_node_new(parser, REGEX_EMPTY);
}

/* At "(". */
static int64_t parse_group(struct regex_parser *parser, unsigned depth)
{
    size_t start = parser->at++;
    unsigned flags = parser->flags;
    int rc = 0;
    int64_t node;

    if (depth == REGEX_DEPTH_MAX)
        return regex_fail(parser, start, "groups are nested over %d deep", REGEX_DEPTH_MAX);
    if (regex_looking_at(parser, "?P<")) {
        parser->at += 3;
        rc = take_group_name(parser, start);
    } else if (regex_looking_at(parser, "?")) {
        parser->at++;
        rc = take_flags(parser, start);
        if (rc == 1)
            return parse_flag_group(parser);
    }
    node = rc < 0 ? rc : parse_alternation(parser, depth + 1);
    if (node < 0)
        return node;
    if (!regex_looking_at(parser, ")"))
        return regex_fail(parser, start, "expected \")\" for the \"(\" here");
    parser->at++;
    parser->flags = flags;
    return node;
}

static int64_t parse_backslash(struct regex_parser *parser)
{
    static const char letters[] = "AzbB";
    static const enum regex_op ops[] = {REGEX_BEGIN_TEXT, REGEX_END_TEXT, REGEX_WORD_BOUNDARY,
                                        REGEX_NO_WORD_BOUNDARY};
    char c = parser->at + 1 < parser->len ? parser->text[parser->at + 1] : '\0';
    const char *found = c ? strchr(letters, c) : NULL;

    if (!found)
        return regex_parse_escape(parser);
    parser->at += 2;
    return regex_node_new(parser, ops[found - letters]);
}

static int64_t parse_dot(struct regex_parser *parser)
{
    struct code_points set = {0};
    int64_t result =
        code_points_add(&set, 0, parser->flags & REGEX_DOT_ALL ? CODE_POINT_MAX : '\t');

    parser->at++;
    if (result == 0 && !(parser->flags & REGEX_DOT_ALL))
        result = code_points_add(&set, '\n' + 1, CODE_POINT_MAX);
    if (result == 0)
        result = regex_class_new(parser, &set);
    code_points_fini(&set);
    return result;
}

static int64_t parse_literal(struct regex_parser *parser)
{
    return regex_literal_new(parser, utf8_decode(parser->text, parser->len, &parser->at));
}

static int64_t parse_atom(struct regex_parser *parser, unsigned depth)
{
    bool multi_line = (parser->flags & REGEX_MULTI_LINE) != 0;
    char c = parser->text[parser->at];

    if (parser->quoting)
        return parse_literal(parser);
    switch (c) {
    case '(':
        return parse_group(parser, depth);
    case '[':
        return regex_parse_class(parser);
    case '\\':
        return parse_backslash(parser);
    case '.':
        return parse_dot(parser);
    case '^':
        parser->at++;
        return regex_node_new(parser, multi_line ? REGEX_BEGIN_LINE : REGEX_BEGIN_TEXT);
    case '$':
        parser->at++;
        return regex_node_new(parser, multi_line ? REGEX_END_LINE : REGEX_END_TEXT);
    case '*':
    case '+':
    case '?':
        return regex_fail(parser, parser->at, "expected something to repeat before \"%c\"", c);
    default:
        return parse_literal(parser);
    }
}

/* Steps over \Q and \E. */
static void take_quotes(struct regex_parser *parser)
{
    while (regex_looking_at(parser, parser->quoting ? "\\E" : "\\Q")) {
        parser->at += 2;
        parser->quoting = !parser->quoting;
    }
}

/* One atom with its operators. */
static int64_t parse_piece(struct regex_parser *parser, unsigned depth)
{
    size_t start = parser->at;
    int64_t node;

    if (!parser->quoting && regex_looking_at(parser, "{") &&
        take_braces(parser, &(uint32_t){0}, &(uint32_t){0}))
        return regex_fail(parser, start, "expected something to repeat before \"{\"");
    node = parse_atom(parser, depth);
    if (node < 0)
        return node;
    if (regex_looking_at(parser, "\\E"))
        take_quotes(parser);
    if (parser->quoting)
        return node;
    return parse_repeats(parser, (uint32_t)node);
}

static int64_t parse_concatenation(struct regex_parser *parser, unsigned depth)
{
    struct node_list list = {0};

    for (;;) {
        int64_t node;

        take_quotes(parser);
        if (parser->at >= parser->len)
            break;
        if (!parser->quoting && (regex_looking_at(parser, "|") || regex_looking_at(parser, ")")))
            break;
        node = parse_piece(parser, depth);
        if (node < 0)
            return node;
        append_flat(parser, &list, (uint32_t)node);
    }
    return close_list(parser, REGEX_CONCAT, &list);
}

static int64_t parse_alternation(struct regex_parser *parser, unsigned depth)
{
    struct node_list list = {0};
    bool more;

    do {
        int64_t node = parse_concatenation(parser, depth);

        if (node < 0)
            return node;
        append_node(parser, &list, (uint32_t)node);
        more = regex_looking_at(parser, "|");
        parser->at += more;
    } while (more);
    return close_list(parser, REGEX_ALTERNATE, &list);
}

static int parse_all(struct regex_parser *parser)
{
    int64_t root;

    if (parser->len > REGEX_LEN_MAX)
        return regex_fail(parser, 0, "the expression is over %d bytes long", REGEX_LEN_MAX);
    root = parse_alternation(parser, 0);
    if (root < 0)
        return (int)root;
    if (parser->at < parser->len)
        return regex_fail(parser, parser->at, "\")\" without \"(\"");
    parser->regex->root = (uint32_t)root;
    return 0;
}

int regex_parse(const char *text, size_t len, struct regex **out, struct regex_fault *fault)
{
    struct regex *regex = calloc(1, sizeof *regex);
    struct regex_parser parser = {.regex = regex, .fault = fault, .text = text, .len = len};
    int rc = -ENOMEM;

    if (!regex)
        return rc;
    regex->text = malloc(len + 1);
    if (!regex->text)
        goto out;
    memcpy(regex->text, text, len);
    regex->text[len] = '\0';
    regex->text_len = len;
    rc = parse_all(&parser);
    if (rc == 0) {
        *out = regex;
        regex = NULL;
    }
out:
    regex_free(regex);
    return rc;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    free(regex->nodes);
    code_points_fini(&regex->pool);
    free(regex->text);
    free(regex);
}
