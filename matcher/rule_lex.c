/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/rule_lex.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

struct symbol {
    const char *text;
    enum rule_token_type type;
    enum rule_compare compare;
};

/* Longer ones first. */
static const struct symbol symbols[] = {
    {"==", TOKEN_COMPARE, RULE_EQ},      {"!=", TOKEN_COMPARE, RULE_NE},
    {">=", TOKEN_COMPARE, RULE_GE},      {"<=", TOKEN_COMPARE, RULE_LE},
    {"=~", TOKEN_COMPARE, RULE_MATCHES}, {"!~", TOKEN_COMPARE, RULE_LACKS},
    {"&&", TOKEN_AND, RULE_EQ},          {"||", TOKEN_OR, RULE_EQ},
    {">", TOKEN_COMPARE, RULE_GT},       {"<", TOKEN_COMPARE, RULE_LT},
    {"(", TOKEN_OPEN, RULE_EQ},          {")", TOKEN_CLOSE, RULE_EQ},
};

static const char *const variable_names[RULE_VARIABLES] = {
    [RULE_UUID] = "Uuid",
    [RULE_TYPE] = "Type",
    [RULE_LOGGER] = "Logger",
    [RULE_PAYLOAD] = "Payload",
    [RULE_ENV_VERSION] = "EnvVersion",
    [RULE_HOSTNAME] = "Hostname",
    [RULE_TIMESTAMP] = "Timestamp",
    [RULE_SEVERITY] = "Severity",
    [RULE_PID] = "Pid",
    [RULE_FIELD] = "Fields",
};

const char *rule_variable_name(enum rule_variable variable)
{
    return variable_names[variable];
}

const char *rule_compare_name(enum rule_compare compare)
{
    for (size_t i = 0; i < ARRAY_COUNT(symbols); i++) {
        if (symbols[i].type == TOKEN_COMPARE && symbols[i].compare == compare)
            return symbols[i].text;
    }
    return "?";
}

int rule_fail(struct rule_lexer *lexer, size_t position, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(lexer->fault->text, sizeof lexer->fault->text, format, args);
    va_end(args);
    lexer->fault->position = position;
    return -EINVAL;
}

static char peek(const struct rule_lexer *lexer)
{
    return lexer->at < lexer->len ? lexer->text[lexer->at] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Nothing but blanks and line ends from `at` on. */
static bool is_blank_from(const struct rule_lexer *lexer, size_t at)
{
    return at + strspn(lexer->text + at, " \t\r\n") == lexer->len;
}

/* At a delimiter: the text up to the same one, into `strings`. A backslash in front of the
 * delimiter goes, every other one stays with the character behind it. False when the end is
 * missing. */
static bool take_delimited(struct rule_lexer *lexer, struct rule_token *token)
{
    char delimiter = lexer->text[lexer->at++];
    char *start = lexer->strings + lexer->strings_used;
    char *out = start;

    while (lexer->at < lexer->len && lexer->text[lexer->at] != '\n') {
        char c = lexer->text[lexer->at++];

        if (c == delimiter) {
            token->text = start;
            token->text_len = (uint32_t)(out - start);
            *out++ = '\0';
            lexer->strings_used += (size_t)(out - start);
            return true;
        }
        if (c == '\\' && peek(lexer) != '\0' && peek(lexer) != '\n') {
            char escaped = lexer->text[lexer->at++];

            if (escaped != delimiter)
                *out++ = c;
            c = escaped;
        }
        *out++ = c;
    }
    return false;
}

static int lex_delimited(struct rule_lexer *lexer, struct rule_token *token)
{
    size_t start = lexer->at;
    char delimiter = peek(lexer);

    token->type = delimiter == '/' ? TOKEN_REGEX : TOKEN_STRING;
    if (take_delimited(lexer, token))
        return 0;
    if (delimiter != '/' && is_blank_from(lexer, start + 1)) {
        token->type = TOKEN_STRAY_QUOTE;
        lexer->at = lexer->len;
        return 0;
    }
    return rule_fail(lexer, start,
                     "the %s that begins here has no end: expected %c before the end "
                     "of the rule or line",
                     delimiter == '/' ? "regular expression" : "string", delimiter);
}

/* Digits, a fraction, an exponent, as Go's ParseFloat reads what the lexer lets through. */
static bool is_number(const char *text)
{
    size_t whole = strspn(text, "0123456789");
    size_t fraction = 0;

    text += whole;
    if (*text == '.') {
        fraction = strspn(text + 1, "0123456789");
        text += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*text == 'e') {
        text++;
        text += *text == '+' || *text == '-';
        if (!is_digit(*text))
            return false;
        text += strspn(text, "0123456789");
    }
    return *text == '\0';
}

/* strtod() in the C locale. */
static int read_double(const char *text, double *value)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);

    if (plain == (locale_t)0)
        return -ENOMEM;
    *value = strtod_l(text, NULL, plain);
    freelocale(plain);
    return 0;
}

static int lex_number(struct rule_lexer *lexer, struct rule_token *token)
{
    char *copy = lexer->strings + lexer->strings_used;
    size_t len = strspn(lexer->text + lexer->at, "0123456789.e+-");
    int rc = 0;

    memcpy(copy, lexer->text + lexer->at, len);
    copy[len] = '\0';
    lexer->at += len;
    lexer->strings_used += len + 1;
    token->type = TOKEN_NUMBER;
    if (is_number(copy))
        rc = read_double(copy, &token->number);
    else
        token->number_is_zeroed = true;
    if (isinf(token->number)) {
        token->number = 0;
        token->number_is_zeroed = true;
    }
    return rc;
}

/* "[digits]" if it stands here. */
static int take_index(struct rule_lexer *lexer, uint32_t *index)
{
    uint64_t value = 0;
    size_t start = lexer->at;

    if (peek(lexer) != '[')
        return 0;
    for (lexer->at++; is_digit(peek(lexer)); lexer->at++) {
        value = value * 10 + (uint64_t)(peek(lexer) - '0');
        if (value > RULE_INDEX_MAX)
            return rule_fail(lexer, start, "the index is over %d", RULE_INDEX_MAX);
    }
    if (lexer->at == start + 1)
        return rule_fail(lexer, lexer->at, "expected a decimal index after \"[\"");
    if (peek(lexer) != ']')
        return rule_fail(lexer, lexer->at, "expected \"]\" after the index");
    lexer->at++;
    *index = (uint32_t)value;
    return 0;
}

/* Behind "Fields". */
static int take_field(struct rule_lexer *lexer, struct rule_token *token)
{
    char *start = lexer->strings + lexer->strings_used;
    const char *name = lexer->text + lexer->at + 1;
    int rc;

    if (peek(lexer) != '[')
        return rule_fail(lexer, lexer->at, "expected \"[\" right after Fields");
    token->text_len = (uint32_t)strcspn(name, "]\n");
    if (token->text_len == 0)
        return rule_fail(lexer, lexer->at + 1, "expected a field name after \"[\"");
    if (name[token->text_len] != ']')
        return rule_fail(lexer, lexer->at, "expected \"]\" after the field name");
    memcpy(start, name, token->text_len);
    start[token->text_len] = '\0';
    token->text = start;
    lexer->strings_used += token->text_len + 1;
    lexer->at += token->text_len + 2;
    rc = take_index(lexer, &token->field_index);
    if (rc == 0)
        rc = take_index(lexer, &token->value_index);
    if (rc == 0 && peek(lexer) == '[')
        rc =
            rule_fail(lexer, lexer->at, "expected at most two indexes, Fields[name][field][value]");
    return rc;
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

static int lex_word(struct rule_lexer *lexer, struct rule_token *token)
{
    static const struct symbol constants[] = {{"TRUE", TOKEN_TRUE, RULE_EQ},
                                              {"FALSE", TOKEN_FALSE, RULE_EQ},
                                              {"NIL", TOKEN_NIL, RULE_EQ}};
    const char *word = lexer->text + lexer->at;
    const char *hint = "";
    size_t len = 0;

    while (is_letter(word[len]))
        len++;
    for (size_t i = 0; i < ARRAY_COUNT(constants); i++) {
        if (is_word(word, len, constants[i].text)) {
            token->type = constants[i].type;
            lexer->at += len;
            return 0;
        }
    }
    for (unsigned i = 0; i < RULE_VARIABLES; i++) {
        if (is_word(word, len, variable_names[i])) {
            token->type = TOKEN_VARIABLE;
            token->variable = (enum rule_variable)i;
            lexer->at += len;
            return i == RULE_FIELD ? take_field(lexer, token) : 0;
        }
    }
    if (is_word(word, len, "AND"))
        hint = " (\"and\" is &&)";
    else if (is_word(word, len, "OR"))
        hint = " (\"or\" is ||)";
    return rule_fail(lexer, lexer->at, "expected %s, found \"%.*s\"%s", lexer->expected,
                     (int)(len > 40 ? 40 : len), word, hint);
}

/* The rule ends with the text or the line; what follows a line end must be blank. */
static int lex_end(struct rule_lexer *lexer, struct rule_token *token)
{
    token->type = TOKEN_END;
    if (is_blank_from(lexer, lexer->at)) {
        lexer->at = lexer->len;
        return 0;
    }
    return rule_fail(lexer, lexer->at,
                     "a rule is one line: expected nothing behind the line end (Heka would "
                     "silently ignore it)");
}

static int fail_symbol(struct rule_lexer *lexer)
{
    const char *hint = "";
    unsigned char c = (unsigned char)peek(lexer);

    if (c == '!')
        hint = " (there is no negation; != and !~ are the operators)";
    else if (c == '=')
        hint = " (== and =~ are the operators)";
    else if (c == '&' || c == '|')
        hint = " (&& and || are the operators)";
    else if (c == '-' || c == '+')
        hint = " (numbers have no sign)";
    if (c < ' ' || c >= 0x7F)
        return rule_fail(lexer, lexer->at, "expected %s, found byte 0x%02x", lexer->expected, c);
    return rule_fail(lexer, lexer->at, "expected %s, found \"%c\"%s", lexer->expected, c, hint);
}

static int lex_symbol(struct rule_lexer *lexer, struct rule_token *token)
{
    for (size_t i = 0; i < ARRAY_COUNT(symbols); i++) {
        size_t len = strlen(symbols[i].text);

        if (strncmp(lexer->text + lexer->at, symbols[i].text, len) == 0) {
            token->type = symbols[i].type;
            token->compare = symbols[i].compare;
            lexer->at += len;
            return 0;
        }
    }
    return fail_symbol(lexer);
}

int rule_lex(struct rule_lexer *lexer, const char *expected, struct rule_token *token)
{
    char c;
    int rc;

    lexer->expected = expected;
    lexer->at += strspn(lexer->text + lexer->at, " \t");
    *token = (struct rule_token){.position = lexer->at};
    c = peek(lexer);
    if (c == '\0' || c == '\n')
        rc = lex_end(lexer, token);
    else if (is_letter(c))
        rc = lex_word(lexer, token);
    else if (is_digit(c) || c == '.')
        rc = lex_number(lexer, token);
    else if (c == '\'' || c == '"' || c == '/')
        rc = lex_delimited(lexer, token);
    else
        rc = lex_symbol(lexer, token);
    token->len = lexer->at - token->position;
    return rc;
}

size_t rule_regex_position(const struct rule_lexer *lexer, const struct rule_token *token,
                           size_t offset)
{
    size_t at = token->position + 1;

    for (size_t done = 0; done < offset && at < lexer->len;) {
        if (lexer->text[at] == '\\' && lexer->text[at + 1] == '/') {
            at += 2;
            done++;
        } else if (lexer->text[at] == '\\') {
            at += 2;
            done += 2;
        } else {
            at++;
            done++;
        }
    }
    return at;
}
