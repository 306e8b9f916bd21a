/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/explain.h"

#include <errno.h>
#include <stdlib.h>

#include "matcher/evaluate.h"

enum { VALUE_LEN_MAX = 80 /* bytes of a value that are printed */ };

struct explanation {
    struct rule *rule;
    struct evaluator *evaluator;
    struct evaluator_scratch *scratch;
    const struct msg_view *message;
    bool *used; /* by test: its result was needed */
};

static int open_explanation(struct explanation *all, const char *text, struct err *err)
{
    struct rule_fault fault;
    int rc = rule_parse(text, &all->rule, &fault);

    if (rc == -EINVAL)
        err_add(err, "position %zu: %s", fault.position + 1, fault.text);
    if (rc == 0)
        rc = evaluator_new(all->rule, &all->evaluator);
    if (rc == 0)
        rc = evaluator_scratch_new(&all->scratch);
    if (rc == 0)
        rc = evaluator_scratch_fit(all->scratch, all->evaluator);
    if (rc == 0) {
        all->used = calloc(all->rule->test_count + 1, sizeof *all->used);
        rc = all->used ? 0 : -ENOMEM;
    }
    if (rc == -ENOMEM)
        err_add(err, "out of memory");
    return rc;
}

static void close_explanation(struct explanation *all)
{
    free(all->used);
    evaluator_scratch_free(all->scratch);
    evaluator_free(all->evaluator);
    rule_free(all->rule);
}

/* As evaluate(), noting which tests were needed. */
static bool decide(struct explanation *all, uint32_t index)
{
    const struct rule_node *node = &all->rule->nodes[index];
    struct rule_value value;

    switch (node->op) {
    case RULE_TRUE:
        return true;
    case RULE_FALSE:
        return false;
    case RULE_TEST:
        all->used[node->left] = true;
        return evaluate_test(all->evaluator, all->scratch, all->message, node->left, &value);
    case RULE_AND:
        return decide(all, node->left) && decide(all, node->right);
    case RULE_OR:
        break;
    }
    return decide(all, node->left) || decide(all, node->right);
}

static void tell_tests(struct explanation *all, explain_fn *each, void *context)
{
    const struct rule *rule = all->rule;

    for (uint32_t i = 0; i < rule->test_count; i++) {
        struct rule_value value;
        bool result = evaluate_test(all->evaluator, all->scratch, all->message, i, &value);
        struct explain_test test = {
            .text = rule->text + rule->tests[i].position,
            .len = rule->tests[i].len,
            .outcome = !all->used[i] ? EXPLAIN_UNUSED
                       : result      ? EXPLAIN_TRUE
                                     : EXPLAIN_FALSE,
            .result = result,
            .test = &rule->tests[i],
            .value = &value,
        };

        each(context, &test);
    }
}

int explain_rule(const char *rule, const struct msg_view *message, explain_fn *each, void *context,
                 bool *matches, struct err *err)
{
    struct explanation all = {.message = message};
    int rc = open_explanation(&all, rule, err);

    if (rc == 0) {
        *matches = decide(&all, all.rule->root);
        tell_tests(&all, each, context);
    }
    close_explanation(&all);
    return rc;
}

struct text_writer {
    struct buffer *out;
    int rc; /* the first error */
};

static void keep_error(struct text_writer *writer, int rc)
{
    if (writer->rc == 0)
        writer->rc = rc;
}

/* In quotes, with what is not printable ASCII as \xHH, cut after VALUE_LEN_MAX bytes. */
static void write_quoted(struct text_writer *writer, const char *text, size_t len)
{
    size_t shown = len < VALUE_LEN_MAX ? len : VALUE_LEN_MAX;

    keep_error(writer, buffer_append_text(writer->out, "\""));
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= ' ' && c < 0x7F && c != '"' && c != '\\')
            keep_error(writer, buffer_printf(writer->out, "%c", c));
        else
            keep_error(writer, buffer_printf(writer->out, "\\x%02x", c));
    }
    keep_error(writer, buffer_append_text(writer->out, "\""));
    if (shown < len)
        keep_error(writer, buffer_printf(writer->out, "... (%zu bytes)", len));
}

static void write_value(struct text_writer *writer, const struct rule_value *value)
{
    switch (value->kind) {
    case RULE_VALUE_ABSENT:
        keep_error(writer, buffer_append_text(writer->out, "absent"));
        return;
    case RULE_VALUE_NUMBER:
        keep_error(writer, buffer_printf(writer->out, "%.17g", value->number));
        return;
    case RULE_VALUE_BOOLEAN:
        keep_error(writer, buffer_append_text(writer->out, value->boolean ? "TRUE" : "FALSE"));
        return;
    case RULE_VALUE_STRING:
        write_quoted(writer, value->text, value->len);
    }
}

static void write_test(void *context, const struct explain_test *test)
{
    static const char *const outcomes[] = {"false ", "true  ", "unused"};
    struct text_writer *writer = context;

    keep_error(writer, buffer_printf(writer->out, "  %s  %.*s  (value: ", outcomes[test->outcome],
                                     (int)test->len, test->text));
    write_value(writer, test->value);
    keep_error(writer, buffer_append_text(writer->out, ")\n"));
}

static void write_notes(struct text_writer *writer, const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->note_count && i < RULE_NOTES_MAX; i++)
        keep_error(writer, buffer_printf(writer->out, "  note: position %u: %s\n",
                                         rule->notes[i].position + 1, rule->notes[i].text));
}

int explain_text(const char *rule, const struct msg_view *message, struct buffer *out,
                 struct err *err)
{
    struct text_writer writer = {.out = out};
    struct explanation all = {.message = message};
    int rc = open_explanation(&all, rule, err);

    if (rc == 0) {
        bool matches = decide(&all, all.rule->root);

        tell_tests(&all, write_test, &writer);
        write_notes(&writer, all.rule);
        keep_error(&writer, buffer_append_text(out, matches ? "match\n" : "no match\n"));
        rc = writer.rc;
    }
    close_explanation(&all);
    return rc;
}
