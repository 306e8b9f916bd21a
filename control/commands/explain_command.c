/* SPDX-License-Identifier: MPL-2.0 */
#include "control/commands/explain_command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/message_read.h"
#include "codec/text.h"
#include "control/config/hekad_config.h"
#include "control/config/option.h"
#include "core/check.h"
#include "core/frame.h"
#include "matcher/explain.h"

enum { MESSAGE_SIZE_MAX = 16 << 20, READ_SIZE = 65536 };

struct explain {
    const char *config_path, *rule_argument;
    const char *const *messages; /* arguments */
    size_t message_count;
    bool json;
    struct hekad_config *config;
    const char *rule, *signer;
    struct buffer input, line;
    FILE *out;
    struct err *err;
    unsigned done, matched;
};

/* ---- arguments ---- */

/* Options stand in front of RULE. */
static int parse(struct explain *explain, int count, char **arguments)
{
    int at = 0;
    for (; at < count && arguments[at][0] == '-' && arguments[at][1] != '\0'; at++) {
        const char *value = NULL;
        if (option_is(arguments[at], "json", &value) && value == NULL) {
            explain->json = true;
        } else if (option_is(arguments[at], "config", &value)) {
            explain->config_path = value != NULL ? value : ++at < count ? arguments[at] : "";
            if (explain->config_path[0] == '\0')
                return err_add(explain->err, "-config needs a value; see hekad -help");
        } else {
            return err_add(explain->err, "option '%s' is not known; see hekad -help",
                           arguments[at]);
        }
    }
    if (count - at < 2)
        return err_add(explain->err,
                       "hekad explain [-json] [-config PATH] RULE MESSAGE: RULE and MESSAGE are "
                       "needed");
    explain->rule_argument = arguments[at];
    explain->messages = (const char *const *)arguments + at + 1;
    explain->message_count = (size_t)(count - at - 1);
    return 0;
}

static const char *environment(const char *name)
{
    return getenv(name);
}

static const char *text_option(const struct config_section *section, const char *key)
{
    const struct conf_node *node = conf_get(section->node, key);
    return node != NULL && node->type == CONF_STRING ? node->str : NULL;
}

/* Without -config RULE is the rule; with it, it is the name of the plugin that has the rule. */
static int find_rule(struct explain *explain)
{
    explain->rule = explain->rule_argument;
    if (explain->config_path == NULL)
        return 0;
    if (hekad_config_load(explain->config_path, environment, &explain->config, explain->err,
                          NULL) != 0)
        return -1;
    const struct config_section *section =
        hekad_config_find(explain->config, explain->rule_argument);
    if (section == NULL)
        return err_add(explain->err, "%s: there is no section [%.100s]", explain->config_path,
                       explain->rule_argument);
    explain->rule = text_option(section, "message_matcher");
    explain->signer = text_option(section, "message_signer");
    if (explain->rule == NULL)
        return err_at(explain->err, section->node->file, section->node->line,
                      "'%s' has no message_matcher", section->name);
    return 0;
}

/* ---- answers ---- */

static void put_value(struct text *text, const struct rule_value *value)
{
    switch (value->kind) {
    case RULE_VALUE_ABSENT:
        text_string(text, "null");
        break;
    case RULE_VALUE_NUMBER:
        text_printf(text, "%.17g", value->number);
        break;
    case RULE_VALUE_BOOLEAN:
        text_string(text, value->boolean ? "true" : "false");
        break;
    case RULE_VALUE_STRING:
        text_json_string(text, (struct msg_slice){value->text, (uint32_t)value->len});
        break;
    }
}

struct test_writer {
    struct text text;
    const char *comma;
};

static void put_test(void *context, const struct explain_test *test)
{
    static const char *const outcomes[] = {"false", "true", "unused"};
    struct test_writer *writer = context;
    text_printf(&writer->text, "%s{\"test\":", writer->comma);
    text_json_string(&writer->text, (struct msg_slice){test->text, (uint32_t)test->len});
    text_printf(&writer->text,
                ",\"outcome\":\"%s\",\"result\":%s,\"value\":", outcomes[test->outcome],
                test->result ? "true" : "false");
    /* NaN and infinities have no JSON */
    if (test->value->kind == RULE_VALUE_NUMBER && !(test->value->number - test->value->number == 0))
        text_string(&writer->text, "null");
    else
        put_value(&writer->text, test->value);
    text_string(&writer->text, "}");
    writer->comma = ",";
}

static void put_notes(struct text *text, const struct rule *rule)
{
    text_string(text, "],\"notes\":[");
    for (uint32_t i = 0; i < rule->note_count && i < RULE_NOTES_MAX; i++) {
        text_printf(text, "%s{\"position\":%u,\"text\":", i > 0 ? "," : "",
                    rule->notes[i].position + 1);
        text_json_string(
            text, (struct msg_slice){rule->notes[i].text, (uint32_t)strlen(rule->notes[i].text)});
        text_string(text, "}");
    }
}

static int answer_json(struct explain *explain, const struct msg_view *message, bool *matches)
{
    struct test_writer writer = {.text = text_start(&explain->line), .comma = ""};
    struct rule *rule = NULL;
    struct rule_fault fault;
    text_string(&writer.text, "{\"rule\":");
    text_json_string(&writer.text,
                     (struct msg_slice){explain->rule, (uint32_t)strlen(explain->rule)});
    text_string(&writer.text, ",\"tests\":[");
    int rc = explain_rule(explain->rule, message, put_test, &writer, matches, explain->err);
    if (rc != 0)
        return -1;
    if (rule_parse(explain->rule, &rule, &fault) == 0)
        put_notes(&writer.text, rule);
    rule_free(rule);
    text_printf(&writer.text, "],\"matches\":%s}\n", *matches ? "true" : "false");
    return text_finish(&writer.text) == 0 ? 0 : err_add(explain->err, "out of memory");
}

static int answer_text(struct explain *explain, const struct msg_view *message, bool *matches)
{
    static const char no_match[] = "no match\n"; /* the last line, or "match" */
    const size_t len = sizeof(no_match) - 1;
    struct buffer *line = &explain->line;
    if ((explain->done > 0 && buffer_append_text(line, "\n") != 0) ||
        explain_text(explain->rule, message, line, explain->err) != 0)
        return -1;
    *matches = line->size < len || memcmp(line->data + line->size - len, no_match, len) != 0;
    return 0;
}

static int explain_one(struct explain *explain, const void *bytes, size_t size)
{
    struct msg_view message;
    bool matches = false;
    int rc = msg_view_init(&message, bytes, size);
    if (rc != 0)
        return err_add(explain->err, "message %u is no message: %s", explain->done + 1,
                       msg_error_text(rc));
    buffer_clear(&explain->line);
    rc = explain->json ? answer_json(explain, &message, &matches)
                       : answer_text(explain, &message, &matches);
    if (rc != 0)
        return -1;
    fwrite(explain->line.data, 1, explain->line.size, explain->out);
    explain->done++;
    explain->matched += matches;
    return 0;
}

/* ---- messages ---- */

static int read_input(struct explain *explain, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0) {
        int rc = buffer_reserve(&explain->input, READ_SIZE);
        if (rc == 0)
            got = read(fd, explain->input.data + explain->input.size, READ_SIZE);
        else
            errno = -rc;
        if (rc != 0)
            got = -1;
        if (got > 0)
            explain->input.size += (size_t)got;
        if (got < 0 && errno == EINTR)
            got = 1;
    }
    int error = errno;
    if (!is_stdin && fd >= 0)
        close(fd);
    return got == 0 ? 0 : err_add(explain->err, "%s: %s", path, strerror(error));
}

static bool is_full(struct explain *explain, size_t left)
{
    if (explain->done < EXPLAIN_MESSAGES_MAX || left == 0)
        return false;
    fprintf(explain->out, "only the first %d messages are explained\n", EXPLAIN_MESSAGES_MAX);
    return true;
}

static int explain_json_input(struct explain *explain)
{
    struct buffer message = {.max_size = MESSAGE_SIZE_MAX};
    size_t at = 0, used;
    int rc = 0;
    while (rc >= 0 && at < explain->input.size && !is_full(explain, explain->input.size - at)) {
        buffer_clear(&message);
        rc = message_read_json(explain->input.data + at, explain->input.size - at, &used, &message,
                               explain->err);
        at += used;
        if (rc > 0)
            rc = explain_one(explain, message.data, message.size);
    }
    buffer_fini(&message);
    return rc < 0 ? -1 : 0;
}

static int explain_framed_input(struct explain *explain)
{
    size_t at = 0, used, skipped = 0;
    struct frame frame;
    while (!is_full(explain, explain->input.size - at)) {
        enum frame_status status = frame_scan(explain->input.data + at, explain->input.size - at,
                                              MESSAGE_SIZE_MAX, &frame, &used);
        at += used;
        if (status == FRAME_MORE)
            break;
        if (status != FRAME_OK)
            skipped += used;
        else if (explain_one(explain, frame.message, frame.message_size) != 0)
            return -1;
    }
    skipped += explain->done < EXPLAIN_MESSAGES_MAX ? explain->input.size - at : 0;
    if (skipped > 0)
        return err_add(explain->err, "%zu bytes of the stream are no whole frame", skipped);
    return 0;
}

static int explain_input(struct explain *explain)
{
    const char *data = explain->input.data;
    size_t blanks = 0;
    while (blanks < explain->input.size && strchr(" \t\r\n", data[blanks]) != NULL &&
           data[blanks] != '\0')
        blanks++;
    if (blanks == explain->input.size)
        return err_add(explain->err, "the message is empty");
    if (data[blanks] == '{')
        return explain_json_input(explain);
    if ((unsigned char)data[0] == FRAME_RECORD_SEPARATOR)
        return explain_framed_input(explain);
    return explain_one(explain, data, explain->input.size);
}

/* A path with "=" in it needs a "/" in front of that: "./a=b". */
static bool is_pair(const char *text)
{
    size_t name = strcspn(text, "=/");
    return text[name] == '=' || strncmp(text, "Fields[", 7) == 0;
}

static int explain_messages(struct explain *explain)
{
    struct buffer message = {.max_size = MESSAGE_SIZE_MAX};
    if (is_pair(explain->messages[0])) {
        int rc =
            message_read_pairs(explain->messages, explain->message_count, &message, explain->err);
        if (rc == 0)
            rc = explain_one(explain, message.data, message.size);
        buffer_fini(&message);
        return rc;
    }
    if (explain->message_count > 1)
        return err_add(explain->err,
                       "message: found '%.100s' behind '%.100s', allowed one file, "
                       "or NAME=VALUE only",
                       explain->messages[1], explain->messages[0]);
    int rc = read_input(explain, explain->messages[0]);
    return rc == 0 ? explain_input(explain) : rc;
}

int explain_command(int count, char **arguments, FILE *out, struct err *err)
{
    struct explain explain = {.out = out, .err = err};
    int rc = parse(&explain, count, arguments);
    if (rc == 0)
        rc = find_rule(&explain);
    if (rc == 0 && explain.signer != NULL && explain.signer[0] != '\0' && !explain.json)
        fprintf(out, "only messages signed by '%s' (message_signer), which is not looked at here\n",
                explain.signer);
    if (rc == 0)
        rc = explain_messages(&explain);
    if (rc == 0 && explain.done > 1 && !explain.json)
        fprintf(out, "\n%u of %u messages match\n", explain.matched, explain.done);
    buffer_fini(&explain.input);
    buffer_fini(&explain.line);
    hekad_config_free(explain.config);
    if (rc != 0)
        return EXPLAIN_ERROR;
    return explain.matched > 0 ? EXPLAIN_MATCH : EXPLAIN_NO_MATCH;
}
