/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/syslog_data.h"

#include "core/wire.h"

struct pair {                     /* a parameter */
    struct msg_slice name, value; /* the value as it is written */
    uint32_t escapes;             /* backslashes that are not part of the value */
};

/* Any printable character but those that end a name. */
static struct msg_slice take_name(struct syslog_text *text)
{
    const char *from = text->at;
    while (text->at < text->end && (uint8_t)*text->at > ' ' && *text->at != '=' &&
           *text->at != ']' && *text->at != '"')
        text->at++;
    return syslog_slice(from, text->at);
}

static bool is_escape(const char *at, const char *end)
{
    return *at == '\\' && at + 1 < end && (at[1] == '"' || at[1] == '\\' || at[1] == ']');
}

/* Up to the quotation mark behind it. */
static bool take_value(struct syslog_text *text, struct pair *pair)
{
    const char *from = text->at;
    pair->escapes = 0;
    for (; text->at < text->end && *text->at != '"'; text->at++) {
        if (is_escape(text->at, text->end)) {
            pair->escapes++;
            text->at++;
        }
    }
    pair->value = syslog_slice(from, text->at);
    return syslog_take(text, '"');
}

static bool take_pair(struct syslog_text *text, struct pair *pair)
{
    pair->name = take_name(text);
    return pair->name.len > 0 && syslog_take(text, '=') && syslog_take(text, '"') &&
           take_value(text, pair);
}

/* Passes over the spaces in front of the next parameter. False when "]" comes, or nothing. */
static bool is_more(struct syslog_text *text)
{
    syslog_skip_spaces(text);
    return text->at < text->end && *text->at != ']';
}

static bool take_element(struct syslog_text *text)
{
    struct pair pair;
    if (!syslog_take(text, '['))
        return false;
    struct msg_slice id = take_name(text);
    if (id.len == 0 || id.len > SYSLOG_NAME_MAX)
        return false;
    while (is_more(text)) {
        if (text->at[-1] != ' ' || !take_pair(text, &pair) ||
            id.len + 1 + pair.name.len > SYSLOG_NAME_MAX)
            return false;
    }
    return syslog_take(text, ']');
}

bool syslog_data_take(struct syslog_text *text, struct msg_slice *data)
{
    struct syslog_text from = *text;
    bool is_good = false;
    do {
        is_good = take_element(text);
    } while (is_good && syslog_is(text, '['));
    if (is_good && syslog_is_break(text)) {
        *data = syslog_slice(from.at, text->at);
        return true;
    }
    *text = from;
    return false;
}

/* ---- writing ---- */

static void put_value(uint8_t *at, const struct pair *pair)
{
    const char *from = pair->value.ptr;
    if (pair->escapes == 0 && pair->value.len > 0)
        memcpy(at, from, pair->value.len);
    for (uint32_t i = 0; pair->escapes > 0 && i < pair->value.len; i++) {
        i += is_escape(from + i, from + pair->value.len);
        *at++ = (uint8_t)from[i];
    }
}

static void write_pair(struct msg_slice name, const struct pair *pair, struct msg_builder *builder)
{
    uint32_t len = pair->value.len - pair->escapes;
    uint8_t *at = msg_builder_field_begin(builder, name, MSG_STRING, (struct msg_slice){0},
                                          1 + wire_varint_size(len) + len);
    if (at == NULL)
        return;
    *at++ = (uint8_t)WIRE_TAG(4, WIRE_BYTES);
    put_value(wire_put_varint(at, len), pair);
}

static void write_element(struct syslog_text *text, struct msg_builder *builder)
{
    char name[SYSLOG_NAME_MAX];
    struct pair pair = {0};
    (void)syslog_take(text, '[');
    struct msg_slice id = take_name(text);
    memcpy(name, id.ptr, id.len);
    if (!is_more(text))
        write_pair(id, &pair, builder);
    while (is_more(text) && take_pair(text, &pair)) {
        name[id.len] = '.';
        memcpy(name + id.len + 1, pair.name.ptr, pair.name.len);
        write_pair((struct msg_slice){name, id.len + 1 + pair.name.len}, &pair, builder);
    }
    (void)syslog_take(text, ']');
}

void syslog_data_write(struct msg_slice data, struct msg_builder *builder)
{
    struct syslog_text text = {data.ptr, data.len > 0 ? data.ptr + data.len : data.ptr};
    while (text.at < text.end)
        write_element(&text, builder);
}
