/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/matcher/match_random.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "tests/support/chance.h"

struct text_writer {
    char *text;
    size_t size;
    size_t used;
};

static const char *const words[] = {"",
                                    "a",
                                    "ab",
                                    "abc",
                                    "abcd",
                                    "b",
                                    "ba",
                                    "bab",
                                    "TRUE",
                                    "FALSE",
                                    "heka.",
                                    "heka.all-report",
                                    "nginx.access",
                                    "\xC3\xA9",
                                    "x\xC3\xA9y",
                                    "a b",
                                    "line\nline",
                                    "Kk",
                                    "Ss"};

static const char *const letters[] = {"a",        "b",
                                      "c",        "A",
                                      "k",        "K",
                                      "s",        " ",
                                      "\n",       "_",
                                      "1",        "\xC3\xA9",
                                      "\xC3\x89", "\xE2\x84\xAA",
                                      "\xC5\xBF", "\xF0\x9F\x98\x80",
                                      "\xFF",     "\xC3",
                                      "\xE2\x84", "\xEF\xBF\xBD"};

static const char *const atoms[] = {"a",        "b",           "c",         "A",
                                    "k",        "s",           " ",         ".",
                                    "[ab]",     "[^a]",        "[a-c]",     "\\d",
                                    "\\w",      "\\W",         "\\s",       "\\S",
                                    "\xC3\xA9", "[\xC3\xA9z]", "\\x61",     "\\n",
                                    "[^\\n]",   "\\pL",        "\\PL",      "[[:alpha:]]",
                                    "\\x{17f}", "(?i:k)",      "(?i:s)",    "(?i:\xC3\xA9)",
                                    "(?s:.)",   "(?i:[a-k])",  "\\x{FFFD}", "[\\x{80}-\\x{10FFFF}]",
                                    "(?s:.*)",  "(?:.*)"};

static const char *const anchors[] = {"^", "$", "\\A", "\\z", "\\b", "\\B", "(?m:^)", "(?m:$)"};

uint32_t match_random_below(struct match_random *random, uint32_t limit)
{
    if (random->size > 0) {
        random->size--;
        return *random->bytes++ % limit;
    }
    return chance_below(&random->state, limit);
}

static bool one_in(struct match_random *random, uint32_t n)
{
    return match_random_below(random, n) == 0;
}

static void put(struct text_writer *out, const char *text)
{
    size_t len = strlen(text);

    CHECK(out->used + len < out->size);
    memcpy(out->text + out->used, text, len + 1);
    out->used += len;
}

static bool is_nearly_full(const struct text_writer *out, size_t reserve)
{
    return out->used + reserve > out->size;
}

#define PICK(random, list) ((list)[match_random_below(random, ARRAY_COUNT(list))])

static void put_regex(struct match_random *random, struct text_writer *out, unsigned depth);

static void put_repeat(struct match_random *random, struct text_writer *out)
{
    static const char *const repeats[] = {"*", "+", "?", "*?", "{2}", "{0,2}", "{1,3}", "{2,}"};

    if (one_in(random, 4))
        put(out, PICK(random, repeats));
}

static void put_piece(struct match_random *random, struct text_writer *out, unsigned depth)
{
    if (one_in(random, 10)) {
        put(out, PICK(random, anchors));
        return;
    }
    if (depth < 3 && one_in(random, 6)) {
        put(out, one_in(random, 2) ? "(" : "(?:");
        put_regex(random, out, depth + 1);
        put(out, ")");
    } else {
        put(out, PICK(random, atoms));
    }
    put_repeat(random, out);
}

static void put_regex(struct match_random *random, struct text_writer *out, unsigned depth)
{
    unsigned pieces = match_random_below(random, depth ? 3 : 5);

    for (unsigned i = 0; i < pieces && !is_nearly_full(out, 200); i++)
        put_piece(random, out, depth);
    if (one_in(random, 5) && depth < 3 && !is_nearly_full(out, 200)) {
        put(out, "|");
        put_regex(random, out, depth + 1);
    }
}

void match_random_regex(struct match_random *random, char *text, size_t size)
{
    struct text_writer out = {text, size, 0};
    const char *word = PICK(random, words);

    put(&out, "");
    if (one_in(random, 3)) { /* plain texts, with and without anchors */
        put(&out, one_in(random, 2) ? "^" : "");
        put(&out, word[0] == 'h' ? "heka\\." : word);
        put(&out, one_in(random, 2) ? "$" : "");
        return;
    }
    put(&out, one_in(random, 10) ? "(?i)" : "");
    put(&out, one_in(random, 5) ? "^" : "");
    put_regex(random, &out, 0);
    put(&out, one_in(random, 5) ? "$" : "");
}

size_t match_random_value(struct match_random *random, char *text, size_t size)
{
    struct text_writer out = {text, size, 0};
    unsigned count = match_random_below(random, 7);

    put(&out, "");
    if (one_in(random, 3))
        put(&out, PICK(random, words));
    for (unsigned i = 0; i < count; i++)
        put(&out,
            letters[match_random_below(random, one_in(random, 2) ? 9 : ARRAY_COUNT(letters))]);
    return out.used;
}

static void put_string(struct match_random *random, struct text_writer *out)
{
    const char *word = PICK(random, words);

    put(out, "'");
    put(out, strchr(word, '\n') ? "x" : word);
    put(out, "'");
}

static void put_number(struct match_random *random, struct text_writer *out)
{
    static const char *const numbers[] = {"0", "1", "2", "3.5", "7", "1e3", "64", "1.2.3", "5"};

    put(out, PICK(random, numbers));
}

static void put_slashed_regex(struct match_random *random, struct text_writer *out)
{
    char text[400];

    match_random_regex(random, text, sizeof text);
    put(out, "/");
    for (char *at = text; *at; at++) {
        if (*at == '\n')
            *at = 'n';
    }
    put(out, text);
    put(out, "/");
}

static void put_text_test(struct match_random *random, struct text_writer *out)
{
    static const char *const relations[] = {
        " == ", " != ", " == ", " != ", " > ", " >= ", " < ", " <= "};

    if (one_in(random, 2)) {
        put(out, one_in(random, 3) ? " !~ " : " =~ ");
        put_slashed_regex(random, out);
    } else {
        put(out, PICK(random, relations));
        put_string(random, out);
    }
}

static void put_number_test(struct match_random *random, struct text_writer *out)
{
    static const char *const relations[] = {" == ", " != ", " > ", " >= ", " < ", " <= "};

    put(out, PICK(random, relations));
    put_number(random, out);
}

static void put_field_test(struct match_random *random, struct text_writer *out)
{
    static const char *const names[] = {"Fields[f]", "Fields[g]", "Fields[long name]"};
    static const char *const indexes[] = {"", "", "", "[0]", "[1]", "[0][1]", "[1][1]", "[0][2]"};
    static const char *const others[] = {" == TRUE", " == FALSE", " == NIL", " != NIL"};

    put(out, PICK(random, names));
    put(out, PICK(random, indexes));
    switch (match_random_below(random, 3)) {
    case 0:
        put(out, PICK(random, others));
        return;
    case 1:
        put_number_test(random, out);
        return;
    default:
        put_text_test(random, out);
    }
}

static void put_test(struct match_random *random, struct text_writer *out)
{
    static const char *const texts[] = {"Type",       "Logger",   "Payload",
                                        "EnvVersion", "Hostname", "Uuid"};
    static const char *const numbers[] = {"Severity", "Pid", "Timestamp"};

    switch (match_random_below(random, 8)) {
    case 0:
        put(out, one_in(random, 2) ? "TRUE" : "FALSE");
        return;
    case 1:
        put(out, PICK(random, numbers));
        put_number_test(random, out);
        return;
    case 2:
    case 3:
    case 4:
        put_field_test(random, out);
        return;
    default:
        put(out, PICK(random, texts));
        put_text_test(random, out);
    }
}

static void put_rule(struct match_random *random, struct text_writer *out, unsigned depth)
{
    unsigned count = 1 + match_random_below(random, depth ? 3 : 5);

    for (unsigned i = 0; i < count && !is_nearly_full(out, 1200); i++) {
        if (i > 0)
            put(out, one_in(random, 2) ? " && " : " || ");
        if (depth < 4 && one_in(random, 4)) {
            put(out, "(");
            put_rule(random, out, depth + 1);
            put(out, ")");
        } else {
            put_test(random, out);
        }
    }
    if (count == 0 || out->used == 0)
        put(out, "TRUE");
}

void match_random_rule(struct match_random *random, char text[MATCH_RULE_SIZE])
{
    struct text_writer out = {text, MATCH_RULE_SIZE, 0};

    put(&out, "");
    put_rule(random, &out, 0);
}

static void add_random_field(struct match_random *random, struct msg_builder *builder)
{
    static const char *const names[] = {"f", "g", "long name", "other"};
    char values[4][64];
    struct match_field field = {
        .name = PICK(random, names),
        .type = (enum msg_value_type)match_random_below(random, 5),
        .packed = one_in(random, 2),
        .count = match_random_below(random, 4),
    };

    for (unsigned i = 0; i < field.count; i++) {
        match_random_value(random, values[i], sizeof values[i]);
        field.strings[i] = values[i];
        field.numbers[i] = match_random_below(random, 9);
        if (field.type == MSG_DOUBLE && one_in(random, 4))
            field.numbers[i] = one_in(random, 2) ? 3.5 : __builtin_nan("");
        if (field.type == MSG_BOOL)
            field.numbers[i] = one_in(random, 2);
    }
    match_field_add(builder, &field);
}

/* Legal and unusual: members in another order, given twice, unknown, in long tags; several
 * arrays. */
static void add_odd_member(struct match_random *random, struct msg_builder *builder)
{
    static const struct {
        const char *bytes;
        size_t size;
    } odd[] = {
#define ODD(text) {text, sizeof(text) - 1}
        ODD("\x52\x07\x22\x01"
            "a\x0a\x02"
            "f"), /* cut off below: name runs to the next byte */
        ODD("\x52\x06\x22\x01"
            "a\x0a\x01"
            "f"), /* value before name */
        ODD("\x52\x08\x30\x02\x10\x02\x0a\x01"
            "g\x48"
            "\x01"), /* an unknown member of a Field, then of the message */
        ODD("\x52\x0b\x0a\x01"
            "x\x0a\x01"
            "f\x22\x03"
            "abc"), /* two names: the last one counts */
        ODD("\x52\x0d\x0a\x01"
            "f\x10\x02\x10\x09\x32\x00\x32\x02\x05\x07"), /* no such type; packed and empty */
        ODD("\x52\x0c\x0a\x01"
            "g\x10\x04\x40\x80\x80\x00\x40\x01"), /* a boolean of three bytes */
        ODD("\x58\x05"),                          /* unknown varint */
        ODD("\x5b\x08\x01\x5c"),                  /* unknown group */
        ODD("\x65\x01\x02\x03\x04"),              /* unknown fixed32 */
        ODD("\xa2\x06\x01"
            "z"), /* a tag of two bytes */
        ODD("\x52\x0f\x0a\x01"
            "f\x10\x03\x22\x01"
            "q\x39\x00\x00\x00\x00"), /* cut off below */
#undef ODD
    };
    unsigned index = match_random_below(random, ARRAY_COUNT(odd));
    struct msg_view view;
    uint8_t bytes[MATCH_MESSAGE_SIZE];

    /* Only what leaves the message valid. */
    if (builder->size + odd[index].size > sizeof bytes)
        return;
    memcpy(bytes, builder->bytes, builder->size);
    memcpy(bytes + builder->size, odd[index].bytes, odd[index].size);
    if (msg_view_init(&view, bytes, builder->size + odd[index].size) == 0)
        msg_builder_raw(builder, odd[index].bytes, odd[index].size);
}

static void add_random_header(struct match_random *random, struct msg_builder *builder,
                              void (*add)(struct msg_builder *, const char *, size_t))
{
    char text[64];

    if (!one_in(random, 5))
        add(builder, text, match_random_value(random, text, sizeof text));
}

void match_random_message(struct match_random *random, struct match_message *message)
{
    uint8_t uuid[MSG_UUID_SIZE];
    struct msg_builder builder;
    unsigned fields = match_random_below(random, 5);

    msg_uuid_from_random(uuid, match_random_below(random, 5), match_random_below(random, 5));
    msg_builder_init(&builder, message->bytes, sizeof message->bytes);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, match_random_below(random, 9));
    add_random_header(random, &builder, msg_builder_type);
    add_random_header(random, &builder, msg_builder_logger);
    if (!one_in(random, 4))
        msg_builder_severity(&builder, (int32_t)match_random_below(random, 9));
    add_random_header(random, &builder, msg_builder_payload);
    add_random_header(random, &builder, msg_builder_env_version);
    if (!one_in(random, 4))
        msg_builder_pid(&builder, (int32_t)match_random_below(random, 9));
    add_random_header(random, &builder, msg_builder_hostname);
    for (unsigned i = 0; i < fields; i++) {
        if (one_in(random, 10))
            add_odd_member(random, &builder);
        add_random_field(random, &builder);
    }
    match_message_finish(message, &builder);
}
