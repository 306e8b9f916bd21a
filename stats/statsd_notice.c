/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/statsd_notice.h"

#include <string.h>

#include "stats/statsd_number.h"

enum { GOOD = -1, LEN_DIGITS_MAX = 9 };

static struct statsd_text text_between(const char *at, const char *end)
{
    return (struct statsd_text){at, (size_t)(end - at)};
}

static const char *field_end(const char *at, const char *end)
{
    const char *pipe = memchr(at, '|', (size_t)(end - at));
    return pipe != NULL ? pipe : end;
}

static bool take_timestamp(struct statsd_text text, int64_t *value)
{
    struct statsd_number number;
    return statsd_number_parse(text.at, text.len, &number) && statsd_number_int64(&number, value);
}

/* One field without its "|". What is not known is passed over: senders add fields. */
static bool take_field(struct statsd_notice *notice, const char *at, const char *end)
{
    if (at < end && *at == '#') {
        notice->tags = text_between(at + 1, end);
        return true;
    }
    if (end - at < 2 || at[1] != ':')
        return true;
    struct statsd_text value = text_between(at + 2, end);
    switch (at[0]) {
    case 'd':
        return take_timestamp(value, &notice->timestamp);
    case 'h':
        notice->hostname = value;
        break;
    case 'm':
        notice->text = notice->is_check ? value : notice->text;
        break;
    case 'k':
        notice->aggregation_key = value;
        break;
    case 'p':
        notice->priority = value;
        break;
    case 's':
        notice->source_type = value;
        break;
    case 't':
        notice->alert_type = value;
        break;
    default:
        break;
    }
    return true;
}

/* "|field|field" up to the end, which may have blanks before it. */
static bool take_fields(struct statsd_notice *notice, const char *at, const char *end)
{
    while (end > at && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    while (at < end) {
        if (*at != '|')
            return false;
        const char *stop = field_end(at + 1, end);
        if (!take_field(notice, at + 1, stop))
            return false;
        at = stop;
    }
    return true;
}

/* Digits up to `stop`, which *at moves behind. */
static bool take_len(const char **at, const char *end, char stop, size_t *len)
{
    const char *c = *at;
    *len = 0;
    while (c < end && (uint8_t)(*c - '0') <= 9 && c - *at < LEN_DIGITS_MAX)
        *len = *len * 10 + (size_t)(*c++ - '0');
    if (c == *at || c == end || *c != stop)
        return false;
    *at = c + 1;
    return true;
}

static bool take_event(struct statsd_notice *notice, const char *line, const char *end)
{
    const char *at = line + 3;
    size_t name_len, text_len;
    if (!take_len(&at, end, ',', &name_len) || !take_len(&at, end, '}', &text_len) || at == end ||
        *at != ':')
        return false;
    at++;
    if (name_len == 0 || name_len > (size_t)(end - at))
        return false;
    notice->name = text_between(at, at + name_len);
    at += name_len;
    if (at == end || *at != '|' || text_len > (size_t)(end - at - 1))
        return false;
    notice->text = text_between(at + 1, at + 1 + text_len);
    return take_fields(notice, at + 1 + text_len, end);
}

static bool take_check(struct statsd_notice *notice, const char *line, const char *end)
{
    const char *at = line + 4;
    const char *stop = field_end(at, end);
    notice->is_check = true;
    notice->name = text_between(at, stop);
    if (stop == at || end - stop < 2 || (uint8_t)(stop[1] - '0') > 3)
        return false;
    notice->status = stop[1] - '0';
    return take_fields(notice, stop + 2, end);
}

int statsd_notice_take(struct statsd_parser *parser, const char *line, const char *end)
{
    struct statsd_notice notice = {0};
    bool is_event = line[1] == 'e';
    if (is_event ? !take_event(&notice, line, end) : !take_check(&notice, line, end))
        return is_event ? STATSD_BAD_EVENT : STATSD_BAD_SERVICE_CHECK;
    if (is_event)
        parser->counts.events++;
    else
        parser->counts.checks++;
    parser->counts.dialects[STATSD_DOG]++;
    if (parser->settings.notice != NULL)
        parser->settings.notice(parser->settings.notice_arg, &notice);
    return GOOD;
}
