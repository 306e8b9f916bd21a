/* SPDX-License-Identifier: MPL-2.0
 *
 * syslog_text.h - a place in a syslog message, and what is taken from there.
 *
 * Place:   private to codec/syslog_*.c.
 * Threads: any, no state.
 * Failure: what is not there leaves the place as it was.
 */
#ifndef CODEC_SYSLOG_TEXT_H
#define CODEC_SYSLOG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/message.h"

struct syslog_text {
    const char *at;
    const char *end;
};

static inline size_t syslog_left(const struct syslog_text *text)
{
    return (size_t)(text->end - text->at);
}

static inline struct msg_slice syslog_slice(const char *from, const char *to)
{
    return (struct msg_slice){from, (uint32_t)(to - from)};
}

static inline bool syslog_is(const struct syslog_text *text, char c)
{
    return text->at < text->end && *text->at == c;
}

static inline bool syslog_is_digit(const struct syslog_text *text)
{
    return text->at < text->end && *text->at >= '0' && *text->at <= '9';
}

/* A space, or nothing more. */
static inline bool syslog_is_break(const struct syslog_text *text)
{
    return text->at == text->end || *text->at == ' ';
}

static inline bool syslog_take(struct syslog_text *text, char c)
{
    bool is_there = syslog_is(text, c);
    text->at += is_there;
    return is_there;
}

static inline bool syslog_take_text(struct syslog_text *text, const char *what, size_t len)
{
    bool is_there = syslog_left(text) >= len && memcmp(text->at, what, len) == 0;
    text->at += is_there ? len : 0;
    return is_there;
}

static inline void syslog_skip_spaces(struct syslog_text *text)
{
    while (syslog_take(text, ' ')) {
    }
}

/* At most `max` digits (9 for all to fit); returns how many there were. */
static inline unsigned syslog_take_digits(struct syslog_text *text, unsigned max, int *value)
{
    unsigned count = 0;
    int number = 0;
    for (; count < max && syslog_is_digit(text); count++)
        number = number * 10 + (*text->at++ - '0');
    if (count > 0)
        *value = number;
    return count;
}

/* Exactly `count` digits. */
static inline bool syslog_take_number(struct syslog_text *text, unsigned count, int *value)
{
    struct syslog_text from = *text;
    if (syslog_take_digits(text, count, value) == count)
        return true;
    *text = from;
    return false;
}

/* All up to a space or the end; may be empty. */
static inline struct msg_slice syslog_take_token(struct syslog_text *text)
{
    const char *from = text->at;
    const char *space = syslog_left(text) > 0 ? memchr(from, ' ', syslog_left(text)) : NULL;
    text->at = space != NULL ? space : text->end;
    return syslog_slice(from, text->at);
}

#endif
