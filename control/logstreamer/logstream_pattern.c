/* SPDX-License-Identifier: MPL-2.0 */
#include "control/logstreamer/logstream_pattern.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buffer.h"
#include "core/check.h"
#include "matcher/capture_set.h"

enum { VALUE_SIZE = 256 };

struct part {       /* of priority */
    uint32_t group; /* UINT32_MAX: the expression has none of that name */
    bool is_descending;
};

struct logstream_pattern {
    char *root;
    struct schema_list differentiator;
    const char *default_name;
    const struct conf_node *translation;
    struct capture_set *set;
    struct capture_scratch *scratch;
    struct capture_names groups;
    struct part parts[LOGSTREAM_PARTS_MAX];
    unsigned part_count;
};

struct named_value {
    const char *name;
    int64_t value;
};

static const struct named_value months[] = {
    {"january", 1},   {"jan", 1},       {"february", 2}, {"feb", 2},    {"march", 3},
    {"mar", 3},       {"april", 4},     {"apr", 4},      {"may", 5},    {"june", 6},
    {"jun", 6},       {"july", 7},      {"jul", 7},      {"august", 8}, {"aug", 8},
    {"september", 9}, {"sep", 9},       {"october", 10}, {"oct", 10},   {"november", 11},
    {"nov", 11},      {"december", 12}, {"dec", 12},     {NULL, 0},
};

static const struct named_value days[] = {
    {"monday", 0},   {"mon", 0},      {"tuesday", 1}, {"tue", 1},    {"wednesday", 2},
    {"wed", 2},      {"thursday", 3}, {"thu", 3},     {"friday", 4}, {"fri", 4},
    {"saturday", 5}, {"sat", 5},      {"sunday", 6},  {"sun", 6},    {NULL, 0},
};

/* ---- making ---- */

static int check_submap(const struct conf_node *submap, struct err *err)
{
    if (submap->type != CONF_TABLE)
        return err_add(err, "translation: %s is %s, allowed a table of numbers", submap->key,
                       conf_type_name(submap->type));
    for (const struct conf_node *value = submap->first; value != NULL; value = value->next) {
        if (value->type != CONF_INT)
            return err_add(err, "translation: %s.%s is %s, allowed a number", submap->key,
                           value->key, conf_type_name(value->type));
    }
    if (submap->count == 1 && strcmp(submap->first->key, "missing") != 0)
        return err_add(err,
                       "translation: A translation map with one entry ('%s') must be specifying a "
                       "'missing' key.",
                       submap->key);
    return 0;
}

static int check_translation(const struct conf_node *translation, struct err *err)
{
    int rc = 0;
    if (translation == NULL)
        return 0;
    if (translation->type != CONF_TABLE)
        return err_add(err, "translation: found %s, allowed a table of tables",
                       conf_type_name(translation->type));
    for (const struct conf_node *submap = translation->first; submap != NULL; submap = submap->next)
        rc |= check_submap(submap, err);
    return rc;
}

static int put_quoted(struct buffer *text, const char *plain)
{
    int rc = 0;
    for (; rc == 0 && *plain != '\0'; plain++) {
        if (strchr("\\.+*?()|[]{}^$", *plain) != NULL)
            rc = buffer_append(text, "\\", 1);
        if (rc == 0)
            rc = buffer_append(text, plain, 1);
    }
    return rc;
}

static int put_expression(struct buffer *text, const char *root, const char *file_match)
{
    size_t root_len = strlen(root), len = strlen(file_match);
    int rc = buffer_append_text(text, "^");
    if (rc == 0)
        rc = put_quoted(text, root);
    if (rc == 0 && root[root_len - 1] != '/' && file_match[0] != '/')
        rc = buffer_append_text(text, "/");
    if (rc == 0)
        rc = buffer_append_text(text, file_match);
    if (rc == 0 && file_match[len - 1] != '$')
        rc = buffer_append_text(text, "$");
    return rc;
}

static int compile(struct logstream_pattern *pattern, const char *file_match, struct err *err)
{
    struct buffer text = {0};
    struct regex_fault fault = {0};
    int64_t rc = put_expression(&text, pattern->root, file_match);
    if (rc == 0)
        rc = capture_set_new(&pattern->set);
    if (rc == 0)
        rc = capture_set_add(pattern->set, text.data, text.size, &fault);
    buffer_fini(&text);
    if (rc == 0)
        rc = capture_set_compile(pattern->set, NULL);
    if (rc == 0)
        rc = capture_scratch_new(pattern->set, &pattern->scratch);
    if (rc == -EINVAL)
        return err_add(err, "file_match: '%s': %s", file_match, fault.text);
    if (rc != 0)
        return err_add(err, "file_match: '%s': %s", file_match, strerror((int)-rc));
    pattern->groups = capture_set_names(pattern->set, 0);
    return 0;
}

/* Groups without a name are called by their number. */
static bool is_named(const char *name)
{
    return !isdigit((unsigned char)name[0]);
}

static uint32_t find_group(const struct logstream_pattern *pattern, const char *name)
{
    for (uint32_t i = 0; i < pattern->groups.count; i++) {
        if (is_named(name) && strcmp(pattern->groups.items[i], name) == 0)
            return i;
    }
    return UINT32_MAX;
}

static int take_priority(struct logstream_pattern *pattern, struct schema_list priority,
                         struct err *err)
{
    const char *const *names = priority.items;
    if (priority.count > LOGSTREAM_PARTS_MAX)
        return err_add(err, "priority: found %zu names, allowed %d", priority.count,
                       LOGSTREAM_PARTS_MAX);
    for (size_t i = 0; i < priority.count; i++) {
        bool is_descending = names[i][0] == '^';
        pattern->parts[i].is_descending = is_descending;
        pattern->parts[i].group = find_group(pattern, names[i] + is_descending);
    }
    pattern->part_count = (unsigned)priority.count;
    return 0;
}

struct logstream_pattern *logstream_pattern_new(const struct logstream_pattern_config *config,
                                                struct err *err)
{
    struct logstream_pattern *pattern = calloc(1, sizeof(*pattern));
    int rc = check_translation(config->translation, err);
    if (pattern == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    pattern->differentiator = config->differentiator;
    pattern->default_name = config->default_name;
    pattern->translation = config->translation;
    pattern->root = realpath(config->log_directory, NULL);
    if (pattern->root == NULL)
        err_add(err, "log_directory: %s: %s", config->log_directory, strerror(errno));
    else if (config->file_match == NULL || config->file_match[0] == '\0')
        err_add(err, "file_match: `file_match` setting is required.");
    else if (compile(pattern, config->file_match, err) == 0 &&
             take_priority(pattern, config->priority, err) == 0 && rc == 0)
        return pattern;
    logstream_pattern_free(pattern);
    return NULL;
}

void logstream_pattern_free(struct logstream_pattern *pattern)
{
    if (pattern == NULL)
        return;
    capture_scratch_free(pattern->scratch);
    capture_set_free(pattern->set);
    free(pattern->root);
    free(pattern);
}

const char *logstream_pattern_root(const struct logstream_pattern *pattern)
{
    return pattern->root;
}

unsigned logstream_pattern_part_count(const struct logstream_pattern *pattern)
{
    return pattern->part_count;
}

/* ---- one file ---- */

static bool look_up(const struct named_value *table, const char *name, int64_t *value)
{
    for (; table->name != NULL; table++) {
        if (strcasecmp(table->name, name) == 0) {
            *value = table->value;
            return true;
        }
    }
    return false;
}

static bool look_up_submap(const struct conf_node *submap, const char *name, int64_t *value)
{
    for (const struct conf_node *entry = submap->first; entry != NULL; entry = entry->next) {
        if (strcasecmp(entry->key, name) == 0) {
            *value = entry->i;
            return true;
        }
    }
    return false;
}

static int64_t number_of(const char *text)
{
    if (text[strspn(text, "0123456789")] != '\0')
        return -1;
    errno = 0;
    return strtoll(text, NULL, 10); /* too large: the largest */
}

static const struct conf_node *find_submap(const struct logstream_pattern *pattern,
                                           const char *group)
{
    const struct conf_node *submap =
        pattern->translation != NULL ? pattern->translation->first : NULL;
    while (submap != NULL && strcmp(submap->key, group) != 0)
        submap = submap->next;
    return submap;
}

/* What a captured value counts. */
static int64_t score(const struct logstream_pattern *pattern, const char *group, const char *value,
                     struct err *notes)
{
    const struct conf_node *submap = find_submap(pattern, group);
    int64_t found = -1;
    if (strcmp(group, "MonthName") == 0) {
        if (!look_up(months, value, &found))
            err_add(notes, "Unable to locate month name: %s", value);
    } else if (strcmp(group, "DayName") == 0) {
        if (!look_up(days, value, &found))
            err_add(notes, "Unable to locate day name: %s", value);
    } else if (submap != NULL && submap->count > 1) {
        if (!look_up_submap(submap, value, &found))
            err_add(notes, "Value '%s' not found in translation map '%s'.", value, group);
    } else if (submap == NULL || !look_up_submap(submap, value, &found)) {
        found = number_of(value);
    }
    return found;
}

static void copy_value(struct msg_slice slice, char value[VALUE_SIZE])
{
    size_t len = slice.len < VALUE_SIZE - 1 ? slice.len : VALUE_SIZE - 1;
    if (len > 0)
        memcpy(value, slice.ptr, len);
    value[len] = '\0';
}

static void score_groups(const struct logstream_pattern *pattern, const struct msg_slice *values,
                         struct logstream_key *key, struct err *notes)
{
    char value[VALUE_SIZE];
    for (uint32_t group = 0; group < pattern->groups.count; group++) {
        const char *name = pattern->groups.items[group];
        copy_value(values[group], value);
        if (!is_named(name))
            continue;
        int64_t found = score(pattern, name, value[0] != '\0' ? value : "missing", notes);
        for (unsigned i = 0; i < pattern->part_count; i++) {
            if (pattern->parts[i].group == group) /* ~x reverses the order of all integers */
                key->parts[i] = pattern->parts[i].is_descending ? ~found : found;
        }
    }
}

/* 0, or -1 when it does not fit. */
static int append(char *name, size_t *len, const char *text, size_t text_len)
{
    if (text_len >= LOGSTREAM_NAME_SIZE - *len)
        return -1;
    if (text_len > 0)
        memcpy(name + *len, text, text_len);
    *len += text_len;
    name[*len] = '\0';
    return 0;
}

static int put_name(const struct logstream_pattern *pattern, const struct msg_slice *values,
                    char *name)
{
    const char *const *names = pattern->differentiator.items;
    size_t len = 0;
    int rc = 0;
    name[0] = '\0';
    if (pattern->differentiator.count == 0)
        return append(name, &len, pattern->default_name, strlen(pattern->default_name));
    for (size_t i = 0; rc == 0 && i < pattern->differentiator.count; i++) {
        uint32_t group = find_group(pattern, names[i]);
        rc = group != UINT32_MAX ? append(name, &len, values[group].ptr, values[group].len)
                                 : append(name, &len, names[i], strlen(names[i]));
    }
    return rc;
}

/* The journal is a file of that name; slashes make folders. */
static bool is_usable(const char *name)
{
    for (const char *at = name; at != NULL; at = strchr(at, '/')) {
        at += at != name || *at == '/';
        size_t len = strcspn(at, "/");
        if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
            return false;
    }
    return true;
}

int logstream_pattern_match(struct logstream_pattern *pattern, const char *path,
                            struct logstream_key *key, struct err *notes)
{
    const struct msg_slice *values = NULL;
    struct msg_slice text = {path, (uint32_t)strlen(path)};
    capture_scratch_forget(pattern->scratch);
    int rc = capture_set_match(pattern->set, pattern->scratch, 0, text, &values);
    if (rc < 0)
        err_add(notes, "%s: file_match came to no answer within its limits", path);
    if (rc != 1)
        return 0;
    memset(key, 0, sizeof(*key));
    if (put_name(pattern, values, key->name) != 0 || !is_usable(key->name)) {
        err_add(notes, "%s: '%s' cannot be the name of a stream", path, key->name);
        return 0;
    }
    score_groups(pattern, values, key, notes);
    return 1;
}
