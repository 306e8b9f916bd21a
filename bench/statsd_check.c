/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/statsd_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

struct seen {     /* of one series */
    double value; /* counter: sum of .count; gauge: the last; timer: sum of .sum */
    double count; /* timer: sum of .count */
};

struct statsd_check {
    const struct traffic *traffic;
    struct seen *seen;
    uint64_t unknown_lines, malformed_lines;
};

enum role { ROLE_SUM, ROLE_LAST, ROLE_COUNT, ROLE_IGNORED };

/* First match counts. Names of the traffic do not end in these suffixes: they end in digits. */
static const struct {
    const char *prefix, *suffix;
    enum traffic_type type;
    enum role role;
} kinds[] = {
    {"stats.counters.", ".count", TRAFFIC_COUNTER, ROLE_SUM},
    {"stats.counters.", ".rate", TRAFFIC_COUNTER, ROLE_IGNORED},
    {"stats.gauges.", "", TRAFFIC_GAUGE, ROLE_LAST},
    {"stats.timers.", ".count", TRAFFIC_TIMER, ROLE_COUNT},
    {"stats.timers.", ".sum", TRAFFIC_TIMER, ROLE_SUM},
    {"stats.timers.", "", TRAFFIC_TIMER, ROLE_IGNORED}, /* percentiles and so on */
    {"stats.statsd.numStats", "", TRAFFIC_COUNTER, ROLE_IGNORED},
};

int statsd_check_new(const struct traffic *traffic, struct statsd_check **out)
{
    struct statsd_check *check = calloc(1, sizeof(*check));
    struct seen *seen = calloc(traffic_names(traffic), sizeof(*seen));
    if (check == NULL || seen == NULL) {
        free(check);
        free(seen);
        return -ENOMEM;
    }
    check->traffic = traffic;
    check->seen = seen;
    *out = check;
    return 0;
}

void statsd_check_free(struct statsd_check *check)
{
    if (check == NULL)
        return;
    free(check->seen);
    free(check);
}

static bool strip(const char **name, size_t *len, const char *prefix, const char *suffix)
{
    size_t prefix_len = strlen(prefix), suffix_len = strlen(suffix);
    if (*len < prefix_len + suffix_len || memcmp(*name, prefix, prefix_len) != 0 ||
        memcmp(*name + *len - suffix_len, suffix, suffix_len) != 0)
        return false;
    *name += prefix_len;
    *len -= prefix_len + suffix_len;
    return true;
}

static void apply(struct seen *seen, enum role role, double value)
{
    // clang-format off
    switch (role) {
    case ROLE_SUM: seen->value += value; break;
    case ROLE_LAST: seen->value = value; break;
    case ROLE_COUNT: seen->count += value; break;
    case ROLE_IGNORED: break;
    }
    // clang-format on
}

static void take_line(struct statsd_check *check, const char *name, size_t len, double value)
{
    for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++) {
        const char *series = name;
        size_t series_len = len;
        if (!strip(&series, &series_len, kinds[i].prefix, kinds[i].suffix))
            continue;
        if (kinds[i].role == ROLE_IGNORED)
            return;
        int64_t index = traffic_find(check->traffic, series, series_len);
        if (index < 0 || traffic_type(check->traffic, (uint32_t)index) != kinds[i].type)
            break;
        apply(&check->seen[index], kinds[i].role, value);
        return;
    }
    check->unknown_lines++;
}

void statsd_check_payload(struct statsd_check *check, const char *payload, size_t size)
{
    for (const char *line = payload, *end = payload + size; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *space = memchr(line, ' ', (size_t)(end - line));
        if (newline == NULL || space == NULL || space > newline) {
            check->malformed_lines++;
            return;
        }
        char *after; /* a newline ends each line, so strtod() stays in it */
        double value = strtod(space + 1, &after);
        if (after == space + 1 || *after != ' ')
            check->malformed_lines++;
        else
            take_line(check, line, (size_t)(space - line), value);
        line = newline + 1;
    }
}

/* True when right; all values are whole quarters far below 2^53, so that doubles are exact. */
static bool is_right(enum traffic_type type, const struct traffic_total *total,
                     const struct seen *seen)
{
    switch (type) {
    case TRAFFIC_GAUGE:
        return seen->value == total->last;
    case TRAFFIC_TIMER:
        return seen->value == total->sum && seen->count == (double)total->samples;
    default:
        return seen->value == total->sum;
    }
}

static void note_wrong(const struct statsd_check *check, uint32_t i,
                       const struct traffic_total *total, struct statsd_verdict *verdict)
{
    static const char *const types[TRAFFIC_TYPE_COUNT] = {"counter", "gauge", "timer"};
    enum traffic_type type = traffic_type(check->traffic, i);
    char name[TRAFFIC_NAME_MAX + 1];
    if (verdict->wrong[type]++ > 0 || verdict->first_wrong[0] != '\0')
        return;
    traffic_name(check->traffic, i, name);
    snprintf(verdict->first_wrong, sizeof(verdict->first_wrong),
             "%s %s: sent %llu samples, sum %.2f, last %.2f; arrived %.2f, count %.0f", types[type],
             name, (unsigned long long)total->samples, total->sum, total->last,
             check->seen[i].value, check->seen[i].count);
}

/* What all sources sent together, into totals[names]. */
static void add_totals(const struct traffic *traffic, const uint64_t *datagrams, unsigned sources,
                       struct traffic_total *totals)
{
    uint32_t names = traffic_names(traffic);
    struct traffic_total *one = calloc(names, sizeof(*one));
    CHECK(one != NULL);
    memset(totals, 0, names * sizeof(*totals));
    for (unsigned source = 0; source < sources; source++) {
        traffic_totals(traffic, 0, datagrams[source], one);
        for (uint32_t i = 0; i < names; i++) {
            totals[i].samples += one[i].samples;
            totals[i].sum += one[i].sum;
            totals[i].last = one[i].last;
        }
    }
    free(one);
}

bool statsd_check_compare(const struct statsd_check *check, const uint64_t *datagrams,
                          unsigned sources, struct statsd_verdict *verdict)
{
    uint32_t names = traffic_names(check->traffic);
    struct traffic_total *totals = calloc(names, sizeof(*totals));
    CHECK(totals != NULL);
    memset(verdict, 0, sizeof(*verdict));
    verdict->unknown_lines = check->unknown_lines;
    verdict->malformed_lines = check->malformed_lines;
    add_totals(check->traffic, datagrams, sources, totals);
    bool exact = check->unknown_lines + check->malformed_lines == 0;
    for (uint32_t i = 0; i < names; i++) {
        if (is_right(traffic_type(check->traffic, i), &totals[i], &check->seen[i]))
            continue;
        note_wrong(check, i, &totals[i], verdict);
        exact = false;
    }
    free(totals);
    return exact;
}
