/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/syslog_parse.h"

#include "codec/syslog_data.h"

#define MARK     "\xEF\xBB\xBF" /* byte order mark of UTF-8 */
#define REPEATED "last message repeated "
#define FORWARD  "Message forwarded from " /* AIX */

enum { OCTETS_DIGITS_MAX = 6, SEQUENCE_DIGITS_MAX = 9 };

static void trim(struct syslog_text *text)
{
    while (text->at < text->end &&
           (text->end[-1] == '\n' || text->end[-1] == '\r' || text->end[-1] == '\0'))
        text->end--;
    (void)syslog_take_text(text, MARK, 3);
    syslog_skip_spaces(text);
}

/* The length that RFC 6587 puts in front, where it was not taken off. */
static void skip_octet_count(struct syslog_text *text)
{
    struct syslog_text from = *text;
    int count = 0;
    if (syslog_take_digits(text, OCTETS_DIGITS_MAX, &count) == 0 || !syslog_take(text, ' ') ||
        !syslog_is(text, '<'))
        *text = from;
}

static int take_priority(struct syslog_text *text)
{
    struct syslog_text from = *text;
    int priority = SYSLOG_NO_PRIORITY;
    if (syslog_take(text, '<') && syslog_take_digits(text, 3, &priority) > 0 &&
        syslog_take(text, '>'))
        return priority;
    *text = from;
    return SYSLOG_NO_PRIORITY;
}

/* ---- RFC 5424 ---- */

/* A part of the header, "-" for none. */
static struct msg_slice take_part(struct syslog_text *text)
{
    (void)syslog_take(text, ' ');
    struct msg_slice part = syslog_take_token(text);
    if (part.len == 1 && *part.ptr == '-')
        part.len = 0;
    return part;
}

static void take_data(struct syslog_text *text, struct syslog_parts *parts)
{
    struct syslog_text from = *text;
    (void)syslog_take(text, ' ');
    if (syslog_is(text, '[')) {
        parts->has_structure_fault = !syslog_data_take(text, &parts->data);
    } else if (!syslog_take(text, '-') || !syslog_is_break(text)) {
        *text = from; /* left out */
    }
}

static void take_message(struct syslog_text *text, struct syslog_parts *parts)
{
    (void)syslog_take_text(text, MARK, 3);
    parts->message = syslog_slice(text->at, text->end);
}

/* Version and time, behind the priority. 1: RFC 5424; 0: RFC 3164 or something like it. */
static bool take_version(struct syslog_text *text, const struct syslog_clock *clock,
                         struct syslog_parts *parts)
{
    struct syslog_text from = *text;
    int version = 0;
    if (syslog_take_digits(text, 2, &version) == 0 || version == 0 || !syslog_take(text, ' ')) {
        *text = from;
        return false;
    }
    struct syslog_text at_time = *text;
    if (syslog_take(text, '-') && syslog_is_break(text))
        return true;
    *text = at_time;
    parts->time = syslog_time_take_iso(text, clock);
    if (parts->time.state != SYSLOG_TIME_NONE)
        return true;
    /* Meraki: a version, the epoch, a hostname and the text */
    parts->time = syslog_time_take_epoch(text);
    *text = parts->time.state != SYSLOG_TIME_NONE ? *text : from;
    return false;
}

static void take_new_header(struct syslog_text *text, struct syslog_parts *parts)
{
    parts->hostname = take_part(text);
    parts->programname = take_part(text);
    parts->procid = take_part(text);
    parts->msgid = take_part(text);
    take_data(text, parts);
    (void)syslog_take(text, ' ');
    take_message(text, parts);
}

/* ---- RFC 3164 ---- */

/* Cisco: "*" and "." say that the clock is not set or not synchronised. */
static struct syslog_time take_time(struct syslog_text *text, const struct syslog_clock *clock)
{
    struct syslog_text from = *text;
    if (!syslog_take(text, '*'))
        (void)syslog_take(text, '.');
    struct syslog_time time = syslog_time_take(text, clock);
    if (time.state == SYSLOG_TIME_NONE)
        *text = from;
    return time;
}

/* Cisco: the time since the start ("00:00:46:", "1w2d:") between a number and a mnemonic. */
static bool take_uptime(struct syslog_text *text, struct syslog_parts *parts)
{
    struct syslog_text from = *text;
    struct msg_slice token = syslog_take_token(text);
    if (parts->sequence.len > 0 && token.len > 1 && token.ptr[token.len - 1] == ':' &&
        syslog_left(text) > 1 && text->at[1] == '%') {
        parts->time = (struct syslog_time){.state = SYSLOG_TIME_BROKEN, .text = token};
        syslog_skip_spaces(text);
        return true;
    }
    *text = from;
    return false;
}

/* Cisco: "237: " and "router: " in front of the timestamp, either or both; or a colon only. */
static void take_cisco(struct syslog_text *text, const struct syslog_clock *clock,
                       struct syslog_parts *parts)
{
    (void)syslog_take_text(text, ": ", 2);
    struct syslog_text from = *text;
    int number = 0;
    if (syslog_take_digits(text, SEQUENCE_DIGITS_MAX, &number) > 0 && syslog_take(text, ':') &&
        syslog_take(text, ' '))
        parts->sequence = syslog_slice(from.at, text->at - 2);
    else
        *text = from;
    syslog_skip_spaces(text);
    parts->time = take_time(text, clock);
    if (parts->time.state != SYSLOG_TIME_NONE || take_uptime(text, parts))
        return;
    from = *text;
    struct msg_slice name = syslog_take_token(text);
    if (name.len > 1 && name.ptr[name.len - 1] == ':' && syslog_take(text, ' ')) {
        parts->time = take_time(text, clock);
        if (parts->time.state != SYSLOG_TIME_NONE) {
            parts->hostname = (struct msg_slice){name.ptr, name.len - 1};
            return;
        }
    }
    *text = from;
}

/* Hexadecimal digits and two colons or more. */
static bool is_ipv6(struct msg_slice token)
{
    unsigned colons = 0;
    for (uint32_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        bool is_hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        colons += c == ':';
        if (!is_hex && c != ':' && c != '.')
            return false;
    }
    return colons >= 2;
}

static bool is_hostname(struct msg_slice token)
{
    if (token.len == 0 || (token.ptr[token.len - 1] == ':' && !is_ipv6(token)))
        return false;
    for (uint32_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' ||
              c == '-' || c == '_' || c == ':' || c == '/' || c == '%' || c == '@' ||
              (uint8_t)c >= 0x80))
            return false;
    }
    return true;
}

static void take_hostname(struct syslog_text *text, struct syslog_parts *parts)
{
    struct syslog_text from = *text;
    if (syslog_take_text(text, REPEATED, strlen(REPEATED))) {
        *text = from;
        return;
    }
    if (syslog_take_text(text, FORWARD, strlen(FORWARD))) {
        struct msg_slice name = syslog_take_token(text);
        if (name.len > 1 && name.ptr[name.len - 1] == ':') {
            parts->hostname = (struct msg_slice){name.ptr, name.len - 1};
            syslog_skip_spaces(text);
            return;
        }
        *text = from;
    }
    struct msg_slice token = syslog_take_token(text);
    if (is_hostname(token) && syslog_is(text, ' ')) {
        parts->hostname = token;
        syslog_skip_spaces(text);
        (void)syslog_take_text(text, ": ", 2); /* Cisco ASA */
    } else {
        *text = from;
    }
}

/* A colon ends the name of a program where a space, a bracket or nothing follows. */
static bool is_tag_end(const struct syslog_text *text)
{
    const char *next = text->at + 1;
    return *text->at == ':' && (next == text->end || *next == ' ' || *next == '\t' || *next == '[');
}

/* "[123]" with or without a colon. */
static bool take_process(struct syslog_text *text, struct msg_slice *procid)
{
    (void)syslog_take(text, '[');
    const char *from = text->at;
    while (text->at < text->end && *text->at != ']' && (uint8_t)*text->at > ' ' &&
           text->at - from < SYSLOG_TAG_MAX)
        text->at++;
    *procid = syslog_slice(from, text->at);
    return syslog_take(text, ']') && (syslog_take(text, ':') || syslog_is_break(text));
}

static void take_tag(struct syslog_text *text, struct syslog_parts *parts)
{
    struct syslog_text from = *text;
    struct msg_slice procid = {0};
    while (text->at < text->end && (uint8_t)*text->at > ' ' && *text->at != '[' &&
           !is_tag_end(text) && text->at - from.at < SYSLOG_TAG_MAX)
        text->at++;
    struct msg_slice name = syslog_slice(from.at, text->at);
    if (name.len > 0 &&
        (syslog_take(text, ':') || (syslog_is(text, '[') && take_process(text, &procid)))) {
        parts->programname = name;
        parts->procid = procid;
        (void)syslog_take(text, ' ');
    } else {
        *text = from;
    }
}

static void take_old_header(struct syslog_text *text, const struct syslog_clock *clock,
                            struct syslog_parts *parts)
{
    if (parts->time.state == SYSLOG_TIME_NONE) {
        syslog_skip_spaces(text);
        take_cisco(text, clock, parts);
    }
    bool is_colon = parts->time.state != SYSLOG_TIME_NONE && syslog_take(text, ':');
    syslog_skip_spaces(text);
    if (parts->time.state != SYSLOG_TIME_NONE && !is_colon && parts->hostname.len == 0)
        take_hostname(text, parts);
    take_tag(text, parts);
    take_message(text, parts);
}

bool syslog_parse(struct msg_slice line, const struct syslog_clock *clock,
                  struct syslog_parts *parts)
{
    struct syslog_text text = {line.ptr, line.len > 0 ? line.ptr + line.len : line.ptr};
    *parts = (struct syslog_parts){0};
    if (line.len == 0)
        return false;
    trim(&text);
    skip_octet_count(&text);
    parts->priority = take_priority(&text);
    if (parts->priority != SYSLOG_NO_PRIORITY && take_version(&text, clock, parts))
        take_new_header(&text, parts);
    else
        take_old_header(&text, clock, parts);
    return parts->priority != SYSLOG_NO_PRIORITY || parts->time.state != SYSLOG_TIME_NONE;
}
