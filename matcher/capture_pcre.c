/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/capture_pcre.h"

#include <errno.h>
#include <stdlib.h>

#include "core/buffer.h"
#include "matcher/pcre_jit.h"
#include "matcher/regex_pcre.h"

struct capture_pcre {
    pcre2_code *code;
    uint32_t slot_count;
};

struct capture_pcre_scratch {
    struct pcre_jit_scratch jit;
};

/* ---- pattern text ---- */

struct pattern {
    const struct capture_tree *tree;
    struct buffer text;
    bool ascii;
};

static int write_node(struct pattern *pattern, uint32_t index);

static int write_point(struct pattern *pattern, uint32_t point)
{
    return buffer_printf(&pattern->text, pattern->ascii ? "\\x%02x" : "\\x{%x}", point);
}

static int write_class(struct pattern *pattern, const struct capture_node *node)
{
    const struct code_range *ranges = capture_ranges(pattern->tree, node);
    uint32_t last = pattern->ascii ? 0x7F : CODE_POINT_MAX;
    unsigned written = 0;
    int rc = buffer_append_text(&pattern->text, "[");

    for (uint32_t i = 0; i < node->range_count && rc == 0 && ranges[i].low <= last; i++) {
        rc = write_point(pattern, ranges[i].low);
        if (rc == 0)
            rc = buffer_append_text(&pattern->text, "-");
        if (rc == 0)
            rc = write_point(pattern, ranges[i].high < last ? ranges[i].high : last);
        written++;
    }
    if (rc == 0 && written == 0) /* matches nothing */
        rc = buffer_append_text(&pattern->text,
                                pattern->ascii ? "^\\x00-\\xff" : "^\\x{0}-\\x{10ffff}");
    return rc < 0 ? rc : buffer_append_text(&pattern->text, "]");
}

static int write_children(struct pattern *pattern, uint32_t child, const char *separator)
{
    int rc = buffer_append_text(&pattern->text, "(?:");

    while (child && rc == 0) {
        rc = write_node(pattern, child);
        child = pattern->tree->nodes[child].next;
        if (rc == 0 && child)
            rc = buffer_append_text(&pattern->text, separator);
    }
    return rc < 0 ? rc : buffer_append_text(&pattern->text, ")");
}

static int write_repeat(struct pattern *pattern, const struct capture_node *node)
{
    enum capture_op op = pattern->tree->nodes[node->child].op;
    bool is_one_item = op == CAPTURE_CLASS || op == CAPTURE_GROUP;
    int rc = is_one_item ? 0 : buffer_append_text(&pattern->text, "(?:");

    if (rc == 0)
        rc = write_node(pattern, node->child);
    if (rc == 0 && !is_one_item)
        rc = buffer_append_text(&pattern->text, ")");
    if (rc < 0)
        return rc;
    if (node->max == REGEX_INFINITE)
        rc = buffer_printf(&pattern->text, "{%u,}", node->min);
    else
        rc = buffer_printf(&pattern->text, "{%u,%u}", node->min, node->max);
    return rc < 0 || !node->lazy ? rc : buffer_append_text(&pattern->text, "?");
}

static int write_assertion(struct pattern *pattern, enum regex_op assertion)
{
    static const char *const texts[] = {
        [REGEX_BEGIN_TEXT] = "(?:\\A)",          [REGEX_END_TEXT] = "(?:\\z)",
        [REGEX_BEGIN_LINE] = "(?:\\A|(?<=\\n))", [REGEX_END_LINE] = "(?:\\z|(?=\\n))",
        [REGEX_WORD_BOUNDARY] = "(?:\\b)",       [REGEX_NO_WORD_BOUNDARY] = "(?:\\B)",
    };

    return buffer_append_text(&pattern->text, texts[assertion]);
}

static int write_node(struct pattern *pattern, uint32_t index)
{
    const struct capture_node *node = &pattern->tree->nodes[index];
    int rc;

    switch (node->op) {
    case CAPTURE_CLASS:
        return write_class(pattern, node);
    case CAPTURE_ASSERT:
        return write_assertion(pattern, node->assertion);
    case CAPTURE_CONCAT:
        return write_children(pattern, node->child, "");
    case CAPTURE_ALTERNATE:
        return write_children(pattern, node->child, "|");
    case CAPTURE_REPEAT:
        return write_repeat(pattern, node);
    case CAPTURE_GROUP:
        rc = buffer_append_text(&pattern->text, "(");
        if (rc == 0)
            rc = write_node(pattern, node->child);
        return rc < 0 ? rc : buffer_append_text(&pattern->text, ")");
    default:
        return buffer_append_text(&pattern->text, "(?:)");
    }
}

/* ---- code ---- */

int capture_pcre_new(const struct capture_tree *tree, bool ascii, struct capture_pcre **out)
{
    struct pattern pattern = {.tree = tree, .ascii = ascii};
    struct capture_pcre *code = calloc(1, sizeof *code);
    int rc = code ? write_node(&pattern, tree->root) : -ENOMEM;

    if (rc == 0) {
        code->slot_count = 2 * (tree->group_count + 1);
        rc = pcre_jit_compile(&pattern.text, ascii ? 0 : PCRE2_UTF | PCRE2_NO_UTF_CHECK, false,
                              &code->code);
    }
    buffer_fini(&pattern.text);
    if (rc < 0)
        capture_pcre_free(code);
    else
        *out = code;
    return rc;
}

void capture_pcre_free(struct capture_pcre *code)
{
    if (!code)
        return;
    pcre2_code_free(code->code);
    free(code);
}

int capture_pcre_scratch_new(struct capture_pcre_scratch **out)
{
    struct capture_pcre_scratch *scratch = calloc(1, sizeof *scratch);

    if (!scratch ||
        pcre_jit_scratch_init(&scratch->jit, CAPTURES_MAX + 1, REGEX_PCRE_STACK_SIZE) < 0) {
        free(scratch);
        return -ENOMEM;
    }
    *out = scratch;
    return 0;
}

void capture_pcre_scratch_free(struct capture_pcre_scratch *scratch)
{
    if (!scratch)
        return;
    pcre_jit_scratch_fini(&scratch->jit);
    free(scratch);
}

int capture_pcre_match(const struct capture_pcre *code, struct capture_pcre_scratch *scratch,
                       const char *text, size_t len, uint32_t *slots)
{
    int rc = pcre2_jit_match(code->code, (PCRE2_SPTR)text, len, 0, 0, scratch->jit.match,
                             scratch->jit.context);
    const PCRE2_SIZE *positions = pcre2_get_ovector_pointer(scratch->jit.match);

    if (rc < 0)
        return rc == PCRE2_ERROR_NOMATCH ? 0 : -E2BIG;
    for (uint32_t i = 0; i < code->slot_count; i++)
        slots[i] = (uint32_t)positions[i]; /* PCRE2_UNSET becomes CAPTURE_UNSET */
    return 1;
}
