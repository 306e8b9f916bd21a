/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_carbon_lines.c - any payload as lines for Carbon.
 *
 * Lines lie in the payload, in order, without newline or blanks around them; what is good is good
 * again alone; nothing but blanks and newlines is left out.
 */
#include <stdint.h>
#include <string.h>

#include "control/outputs/carbon_lines.h"
#include "core/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_space(char c)
{
    return c == '\n' || c == ' ' || (c >= '\t' && c <= '\r');
}

static void check_gap(const char *from, const char *to)
{
    for (; from < to; from++)
        CHECK(is_space(*from));
}

static void check_line(const struct carbon_line *line)
{
    struct carbon_line again;
    size_t offset = 0;
    CHECK(line->len > 0 && memchr(line->text, '\n', line->len) == NULL);
    CHECK(!is_space(line->text[0]) && !is_space(line->text[line->len - 1]));
    CHECK(carbon_lines_next(line->text, line->len, &offset, &again));
    CHECK(again.text == line->text && again.len == line->len && again.is_good == line->is_good);
    CHECK(!carbon_lines_next(line->text, line->len, &offset, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *behind = text;
    struct carbon_line line;
    size_t offset = 0;
    while (carbon_lines_next(text, size, &offset, &line)) {
        CHECK(line.text >= behind && line.text + line.len <= text + offset && offset <= size);
        check_gap(behind, line.text);
        check_line(&line);
        behind = line.text + line.len;
    }
    if (size > 0)
        check_gap(behind, text + size);
    return 0;
}
