/* SPDX-License-Identifier: MPL-2.0 */
#include "core/toml_env.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define ENV_OPEN "%ENV["

enum { ENV_OPEN_LEN = sizeof(ENV_OPEN) - 1, ENV_NAME_MAX = 255, ENV_SPAN_CAPACITY_MIN = 16 };

struct env_scan {
    struct toml_env *env;
    const char *text;
    size_t len;
    size_t pos;
    size_t close_end; /* after the last ']' of the text */
    unsigned line;    /* of pos */
    const char *file;
    conf_environment_fn environment;
    struct err *err;
    bool failed; /* something was reported, the scan goes on */
};

static int put_text(struct env_scan *scan, const char *text, size_t len)
{
    int rc = buffer_append(&scan->env->text, text, len);
    if (rc == 0)
        return 0;
    return err_at(scan->err, scan->file, scan->line, "%s",
                  rc == -ENOSPC ? "too long after %ENV[] substitution" : "out of memory");
}

/* Takes `len` bytes of the input, as they are. */
static int put_input(struct env_scan *scan, size_t len)
{
    const char *from = scan->text + scan->pos;
    for (size_t i = 0; i < len; i++)
        scan->line += from[i] == '\n';
    scan->pos += len;
    return put_text(scan, from, len);
}

static int put_value(struct env_scan *scan, const char *value)
{
    struct toml_env *env = scan->env;
    if (env->span_count == env->span_capacity) {
        size_t capacity = env->span_capacity != 0 ? env->span_capacity * 2 : ENV_SPAN_CAPACITY_MIN;
        struct toml_env_span *spans = realloc(env->spans, capacity * sizeof(*spans));
        if (spans == NULL)
            return err_at(scan->err, scan->file, scan->line, "out of memory");
        env->spans = spans;
        env->span_capacity = capacity;
    }
    size_t start = env->text.size;
    if (put_text(scan, value, strlen(value)) != 0)
        return -1;
    env->spans[env->span_count++] = (struct toml_env_span){start, env->text.size};
    return 0;
}

/* What is wrong with the byte at `at` inside the brackets, or NULL. */
static const char *invalid_in_name(const char *at, size_t index)
{
    if (*at == ' ' || *at == '\t')
        return "a blank";
    if (*at == '\n' || *at == '\r')
        return "a line end";
    if (*at == '\0')
        return "a NUL byte";
    if (strncmp(at, ENV_OPEN, ENV_OPEN_LEN) == 0) /* ends at the ']' that follows, if not before */
        return "another %ENV[";
    return index < ENV_NAME_MAX ? NULL : "more than 255 bytes";
}

/* Length of the name that starts at `pos`, or -1 after reporting what is wrong. */
static ssize_t name_len(struct env_scan *scan, size_t pos)
{
    if (pos >= scan->close_end)
        return err_at(scan->err, scan->file, scan->line,
                      "Missing closing delimiter: found %%ENV[ without a ] after it");
    const char *name = scan->text + pos;
    size_t len = 0;
    for (; name[len] != ']'; len++) {
        const char *found = invalid_in_name(name + len, len);
        if (found != NULL)
            return err_at(scan->err, scan->file, scan->line,
                          "Invalid characters in environmental variable: found %s between "
                          "%%ENV[ and ]",
                          found);
    }
    return (ssize_t)len;
}

/* Leaves out a bad reference, so that one mistake is one error: up to its ']' on the same line. */
static int skip_reference(struct env_scan *scan)
{
    scan->failed = true;
    size_t end = scan->pos + ENV_OPEN_LEN;
    size_t limit = scan->len - end > ENV_NAME_MAX ? end + ENV_NAME_MAX : scan->len;
    while (end < limit && strchr("]\r\n", scan->text[end]) == NULL)
        end++;
    if (end == limit || scan->text[end] != ']')
        end = scan->pos + ENV_OPEN_LEN - 1;
    scan->pos = end + 1;
    return put_text(scan, "0", 1); /* fits a name, a string and a number */
}

static int put_reference(struct env_scan *scan)
{
    size_t start = scan->pos + ENV_OPEN_LEN;
    ssize_t len = name_len(scan, start);
    if (len < 0)
        return skip_reference(scan);
    char name[ENV_NAME_MAX + 1];
    memcpy(name, scan->text + start, (size_t)len);
    name[len] = '\0';
    scan->pos = start + (size_t)len + 1;
    const char *value = scan->environment(name);
    return put_value(scan, value != NULL ? value : "");
}

int toml_env_substitute(struct toml_env *env, const char *text, size_t text_len, const char *file,
                        conf_environment_fn environment, struct err *err)
{
    struct env_scan scan = {.env = env,
                            .text = text,
                            .len = text_len,
                            .line = 1,
                            .file = file,
                            .environment = environment,
                            .err = err};
    const char *last_close = memrchr(text, ']', text_len);
    scan.close_end = last_close != NULL ? (size_t)(last_close + 1 - text) : 0;
    env->text.max_size = CONF_TEXT_MAX;
    while (scan.pos < scan.len) {
        const char *from = text + scan.pos;
        const char *open = memmem(from, scan.len - scan.pos, ENV_OPEN, ENV_OPEN_LEN);
        size_t plain = open != NULL ? (size_t)(open - from) : scan.len - scan.pos;
        int rc = put_input(&scan, plain);
        if (rc == 0 && open != NULL)
            rc = put_reference(&scan);
        if (rc != 0) {
            buffer_clear(&env->text); /* half a text would only give errors that are not there */
            return -1;
        }
    }
    return scan.failed ? -1 : 0;
}

void toml_env_fini(struct toml_env *env)
{
    buffer_fini(&env->text);
    free(env->spans);
    *env = (struct toml_env){0};
}
