/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "matcher/regex_parser.h"
#include "matcher/utf8_text.h"

struct named_class {
    const char *name;
    const char *pairs; /* low, high, low, high, ... */
    unsigned size;
};

#define PAIRS(text) text, sizeof(text) - 1

static const struct named_class posix_classes[] = {
    {"alnum", PAIRS("09AZaz")},
    {"alpha", PAIRS("AZaz")},
    {"ascii", PAIRS("\x00\x7F")},
    {"blank", PAIRS("\t\t  ")},
    {"cntrl", PAIRS("\x00\x1F\x7F\x7F")},
    {"digit", PAIRS("09")},
    {"graph", PAIRS("!~")},
    {"lower", PAIRS("az")},
    {"print", PAIRS(" ~")},
    {"punct", PAIRS("!/:@[`{~")},
    {"space", PAIRS("\t\r  ")},
    {"upper", PAIRS("AZ")},
    {"word", PAIRS("09AZ__az")},
    {"xdigit", PAIRS("09AFaf")},
};

static const struct named_class perl_classes[] = {
    {"d", PAIRS("09")},
    {"s", PAIRS("\t\n\f\r  ")}, /* without \v */
    {"w", PAIRS("09AZ__az")},
};

/* Adds `extra` to `set` as (?i) and negation say; empties `extra`. */
static int merge_class(struct regex_parser *parser, struct code_points *set,
                       struct code_points *extra, bool negated)
{
    int rc = 0;

    code_points_normalise(extra);
    if (parser->flags & REGEX_FOLD)
        rc = code_points_fold(extra);
    if (rc == 0 && negated)
        rc = code_points_negate(extra);
    if (rc == 0)
        rc = code_points_add_all(set, extra);
    code_points_fini(extra);
    return rc;
}

static int add_named(struct regex_parser *parser, struct code_points *set,
                     const struct named_class *named, bool negated)
{
    struct code_points extra = {0};
    int rc = 0;

    for (unsigned i = 0; i < named->size && rc == 0; i += 2)
        rc = code_points_add(&extra, (uint8_t)named->pairs[i], (uint8_t)named->pairs[i + 1]);
    if (rc < 0) {
        code_points_fini(&extra);
        return rc;
    }
    return merge_class(parser, set, &extra, negated);
}

bool regex_looking_at(const struct regex_parser *parser, const char *word)
{
    size_t len = strlen(word);

    return parser->len - parser->at >= len && memcmp(parser->text + parser->at, word, len) == 0;
}

/* At "\d", "\S", ...: 1 when it was one, 0 when not. */
static int take_perl_class(struct regex_parser *parser, struct code_points *set)
{
    char letter = parser->at + 1 < parser->len ? parser->text[parser->at + 1] : '\0';

    for (unsigned i = 0; i < ARRAY_COUNT(perl_classes); i++) {
        char lower = perl_classes[i].name[0];
        bool negated = letter == lower - 'a' + 'A';

        if (letter == lower || negated) {
            int rc = add_named(parser, set, &perl_classes[i], negated);

            parser->at += 2;
            return rc < 0 ? rc : 1;
        }
    }
    return 0;
}

/* Where the name in "\pN", "\p{Name}" stands; parser->at moves behind it. */
static int take_property_name(struct regex_parser *parser, size_t *name, size_t *name_len)
{
    size_t start = parser->at;
    const char *text = parser->text;

    parser->at += 2;
    if (parser->at >= parser->len)
        return regex_fail(parser, start, "expected a category after \"\\%c\"", text[start + 1]);
    *name = parser->at;
    *name_len = 1;
    if (text[parser->at] == '{') {
        const char *end = memchr(text + parser->at, '}', parser->len - parser->at);

        if (!end)
            return regex_fail(parser, start, "expected \"}\" after \"\\%c{\"", text[start + 1]);
        *name = parser->at + 1;
        *name_len = (size_t)(end - text) - *name;
        parser->at = *name + *name_len;
    }
    parser->at++;
    return 0;
}

/* At "\pN", "\P{Greek}", ...: 1 when it was one, 0 when not. */
static int take_property(struct regex_parser *parser, struct code_points *set)
{
    size_t start = parser->at;
    struct code_points extra = {0};
    size_t name = 0;
    size_t name_len = 0;
    bool negated;
    int rc;

    if (!regex_looking_at(parser, "\\p") && !regex_looking_at(parser, "\\P"))
        return 0;
    rc = take_property_name(parser, &name, &name_len);
    if (rc < 0)
        return rc;
    negated = parser->text[start + 1] == 'P';
    if (name_len > 0 && parser->text[name] == '^') {
        negated = !negated;
        name++;
        name_len--;
    }
    rc = code_points_property(&extra, parser->text + name, name_len);
    if (rc == 0)
        rc = merge_class(parser, set, &extra, negated);
    code_points_fini(&extra);
    if (rc == -ENOENT)
        return regex_fail(parser, start, "no Unicode category or script is called \"%.*s\"",
                          (int)(name_len > 40 ? 40 : name_len), parser->text + name);
    return rc < 0 ? rc : 1;
}

/* At "[:name:]": 1 when it was one, 0 when not. */
static int take_posix_class(struct regex_parser *parser, struct code_points *set)
{
    size_t start = parser->at;
    const char *name = parser->text + start + 2;
    const char *end;
    bool negated;
    size_t len;

    if (!regex_looking_at(parser, "[:"))
        return 0;
    end = memmem(name, parser->len - start - 2, ":]", 2);
    if (!end)
        return 0;
    negated = name < end && *name == '^';
    name += negated;
    len = (size_t)(end - name);
    for (unsigned i = 0; i < ARRAY_COUNT(posix_classes); i++) {
        if (strlen(posix_classes[i].name) == len && memcmp(posix_classes[i].name, name, len) == 0) {
            int rc = add_named(parser, set, &posix_classes[i], negated);

            parser->at = (size_t)(end - parser->text) + 2;
            return rc < 0 ? rc : 1;
        }
    }
    return regex_fail(parser, start, "no class is called \"[:%.*s:]\"", (int)(len > 40 ? 40 : len),
                      name);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind "\x": "HH" or "{H...}". */
static int take_hex(struct regex_parser *parser, size_t start, uint32_t *point)
{
    bool braced = parser->at < parser->len && parser->text[parser->at] == '{';
    unsigned digits = 0;

    parser->at += braced;
    *point = 0;
    while (parser->at < parser->len && hex_digit(parser->text[parser->at]) >= 0) {
        if (!braced && digits == 2)
            break;
        *point = *point * 16 + (uint32_t)hex_digit(parser->text[parser->at]);
        if (*point > CODE_POINT_MAX)
            return regex_fail(parser, start, "\"\\x{...}\" is above 10FFFF");
        digits++;
        parser->at++;
    }
    if (braced ? digits == 0 || !regex_looking_at(parser, "}") : digits != 2)
        return regex_fail(parser, start, "expected \"\\xHH\" or \"\\x{H...}\"");
    parser->at += braced;
    return 0;
}

/* Behind "\" and the first digit, which is `first`: octal "\0", "\12", "\377". */
static int take_octal(struct regex_parser *parser, size_t start, char first, uint32_t *point)
{
    bool more = parser->at < parser->len && parser->text[parser->at] >= '0' &&
                parser->text[parser->at] <= '7';

    if (first != '0' && !more)
        return regex_fail(parser, start, "back references (\"\\%c\") are not part of RE2", first);
    *point = (uint32_t)(first - '0');
    for (int i = 0; i < 2 && parser->at < parser->len; i++) {
        char c = parser->text[parser->at];

        if (c < '0' || c > '7')
            break;
        *point = *point * 8 + (uint32_t)(c - '0');
        parser->at++;
    }
    return 0;
}

/* At "\": one escaped character. */
static int take_escaped(struct regex_parser *parser, uint32_t *point)
{
    static const char letters[] = "afnrtv";
    static const char controls[] = "\a\f\n\r\t\v";
    size_t start = parser->at;
    const char *found;
    char c;

    if (start + 1 >= parser->len)
        return regex_fail(parser, start, "expected a character after \"\\\"");
    c = parser->text[start + 1];
    parser->at += 2;
    if (c >= '0' && c <= '7')
        return take_octal(parser, start, c, point);
    if (c == 'x')
        return take_hex(parser, start, point);
    found = c ? strchr(letters, c) : NULL;
    if (found) {
        *point = (uint8_t)controls[found - letters];
        return 0;
    }
    if (c & 0x80)
        return regex_fail(parser, start, "only ASCII characters can be escaped");
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return regex_fail(parser, start, "\"\\%c\" is not an escape of RE2", c);
    *point = (uint8_t)c;
    return 0;
}

/* One character of a class, escaped or not. */
static int take_class_char(struct regex_parser *parser, size_t open, uint32_t *point)
{
    if (parser->at >= parser->len)
        return regex_fail(parser, open, "expected \"]\" for the \"[\" here");
    if (parser->text[parser->at] == '\\')
        return take_escaped(parser, point);
    *point = utf8_decode(parser->text, parser->len, &parser->at);
    return 0;
}

/* "x" or "x-y". */
static int take_class_range(struct regex_parser *parser, size_t open, struct code_points *set)
{
    struct code_points extra = {0};
    size_t start = parser->at;
    uint32_t low = 0;
    uint32_t high;
    int rc = take_class_char(parser, open, &low);

    if (rc < 0)
        return rc;
    high = low;
    if (parser->at + 1 < parser->len && parser->text[parser->at] == '-' &&
        parser->text[parser->at + 1] != ']') {
        parser->at++;
        rc = take_class_char(parser, open, &high);
        if (rc < 0)
            return rc;
        if (high < low)
            return regex_fail(parser, start, "the range ends before it begins");
    }
    rc = code_points_add(&extra, low, high);
    return rc < 0 ? rc : merge_class(parser, set, &extra, false);
}

/* One member of a class. */
static int take_class_item(struct regex_parser *parser, size_t open, struct code_points *set)
{
    int rc = take_posix_class(parser, set);

    if (rc == 0)
        rc = take_property(parser, set);
    if (rc == 0 && regex_looking_at(parser, "\\"))
        rc = take_perl_class(parser, set);
    if (rc == 0)
        rc = take_class_range(parser, open, set);
    return rc < 0 ? rc : 0;
}

int64_t regex_parse_class(struct regex_parser *parser)
{
    struct code_points set = {0};
    size_t open = parser->at++;
    bool negated = regex_looking_at(parser, "^");
    bool first = true;
    int64_t result = 0;

    parser->at += negated;
    while (result == 0 && (first || !regex_looking_at(parser, "]"))) {
        if (parser->at >= parser->len)
            result = regex_fail(parser, open, "expected \"]\" for the \"[\" here");
        else
            result = take_class_item(parser, open, &set);
        first = false;
    }
    parser->at++;
    code_points_normalise(&set);
    if (result == 0 && negated)
        result = code_points_negate(&set);
    if (result == 0)
        result = regex_class_new(parser, &set);
    code_points_fini(&set);
    return result;
}

int64_t regex_parse_escape(struct regex_parser *parser)
{
    struct code_points set = {0};
    uint32_t point = 0;
    int64_t result = take_property(parser, &set);

    if (result == 0)
        result = take_perl_class(parser, &set);
    if (result == 1) {
        code_points_normalise(&set);
        result = regex_class_new(parser, &set);
    } else if (result == 0) {
        result = take_escaped(parser, &point);
        if (result == 0)
            result = regex_literal_new(parser, point);
    }
    code_points_fini(&set);
    return result;
}
