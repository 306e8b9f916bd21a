/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/matcher/capture_random.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"

struct field_kind {
    const char *expressions[3];
    const char *texts[4];
};

static const struct field_kind kinds[] = {
    {{"(\\S+)", "([^ ]*)", "(\\S+?)"}, {"a", "192.0.2.17", "-", "x\"y\""}},
    {{"\\[([^\\]]+)\\]", "\\[(.*?)\\]", "\\[(.+)\\]"},
     {"[]", "[18/Apr/2013:14:00:28]", "[a b]", "[[c]"}},
    {{"\"([^\"]*)\"", "\"(.*?)\"", "\"(.*)\""},
     {"\"\"", "\"-\"", "\"Mozilla/5.0 (X11; Linux x86_64) like nothing else in this list\"",
      "\"\xC3\xA9\""}},
    {{"(\\d+)", "(\\d{1,3})", "([0-9]+|-)"}, {"0", "404", "1234567", "-"}},
    {{"(GET|POST|PUT)", "([A-Z]+)", "(?i:(get|post|PUT))"}, {"GET", "POST", "PUT", "PATCH"}},
    {{"(\\d+\\.\\d+)", "([\\d.]+)", "(\\d+(?:\\.\\d+)?)"}, {"0.5", "12.25", "7", "."}},
    {{"(?:(\\w+)=)?(\\w+)", "(\\w*)=?(\\w*)", "(?:(a)|(b)|(\\w+))"}, {"a=b", "b", "abc", "="}},
    {{"(.*)", "(.*?)", "([^\\n]*)"}, {"", "any thing \"else\"", "\xFF\xFE", "tail"}},
};

static const char *const separators[] = {" ", "  ", ", ", " - ", ": ", "|", ";", "\t"};
static const char *const separator_expressions[] = {" ",    " +",  ", ", " - ",
                                                    ":\\s", "\\|", ";",  "\\t"};

void capture_random_format(struct match_random *random, struct capture_format *format)
{
    size_t used = 0;

    format->count = 1 + match_random_below(random, CAPTURE_FORMAT_FIELDS);
    format->number = match_random_below(random, 3) ? 1 + match_random_below(random, 20) : 0;
    if (match_random_below(random, 3))
        used += (size_t)snprintf(format->text + used, sizeof format->text - used, "^");
    for (uint32_t i = 0; i < format->count; i++) {
        uint32_t kind = match_random_below(random, ARRAY_COUNT(kinds));
        uint32_t separator = match_random_below(random, ARRAY_COUNT(separators));

        format->fields[i] = kind;
        format->separators[i] = separator;
        used += (size_t)snprintf(format->text + used, sizeof format->text - used, "%s%s",
                                 kinds[kind].expressions[match_random_below(random, 3)],
                                 i + 1 < format->count ? separator_expressions[separator] : "");
    }
    if (format->number > 0)
        used += (size_t)snprintf(format->text + used, sizeof format->text - used, " tag%u",
                                 format->number);
    if (match_random_below(random, 2))
        used += (size_t)snprintf(format->text + used, sizeof format->text - used, "$");
    CHECK(used < sizeof format->text);
}

/* Takes out, doubles or replaces some bytes. */
static size_t change(struct match_random *random, char *line, size_t len)
{
    size_t at = len > 0 ? match_random_below(random, (uint32_t)len) : 0;

    switch (match_random_below(random, 4)) {
    case 0:
        return at;
    case 1:
        memmove(line + at + 1, line + at, len - at);
        return len + 1;
    case 2:
        line[at] = (char)match_random_below(random, 256);
        return len > 0 ? len : 0;
    default:
        if (len == 0)
            return 0;
        memmove(line + at, line + at + 1, len - at - 1);
        return len - 1;
    }
}

size_t capture_random_line(struct match_random *random, const struct capture_format *format,
                           char line[CAPTURE_LINE_SIZE])
{
    size_t used = 0;

    for (uint32_t i = 0; i < format->count; i++) {
        used += (size_t)snprintf(line + used, CAPTURE_LINE_SIZE - used, "%s%s",
                                 kinds[format->fields[i]].texts[match_random_below(random, 4)],
                                 i + 1 < format->count ? separators[format->separators[i]] : "");
    }
    if (format->number > 0)
        used += (size_t)snprintf(line + used, CAPTURE_LINE_SIZE - used, " tag%u", format->number);
    CHECK(used < CAPTURE_LINE_SIZE - 8);
    if (match_random_below(random, 3) == 0)
        used = change(random, line, used);
    return used;
}
