/* SPDX-License-Identifier: MPL-2.0
 *
 * stat_filter.c - StatFilter: values of messages as samples for a StatAccumInput in hekad.
 *
 * Place:   control/plugins/filter_host.c; control/stat_accum.h takes the samples.
 * Failure: a value that is no number is counted (stats_bad_value); what the accumulator refuses is
 *          counted in the stage `line`.
 * Bounds:  METRICS_MAX metrics; an expanded text of TEXT_MAX bytes, else it is counted
 *          (stats_too_long).
 * Source:  Heka 0.11 StatFilter. Values of an earlier message are not used for the next one, and
 *          replace_dot changes its own metric only; a type that is none of the three is an error.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/number.h"
#include "control/filters/filters.h"
#include "control/stat_accum.h"
#include "core/buffer.h"

enum { METRICS_MAX = 1024, TEXT_MAX = 64 * 1024, NUMBER_BASE = 10 };
enum { STATS_POSTED, STATS_BAD_VALUE, STATS_TOO_LONG };

struct stat_filter_config {
    const struct conf_node *metrics;
    const char *stat_accum_name;
};

struct metric { /* [X.metric.ID] */
    int type;   /* index in metric_types */
    const char *name, *value;
    bool replace_dot;
};

struct state {
    struct filter_host *host;
    struct stat_accum *accum;
    struct metric metrics[METRICS_MAX];
    unsigned metric_count;
    struct buffer name, value;
};

static const char *const metric_types[] = {"Counter", "Timer", "Gauge", NULL};
static const enum statsd_type statsd_types[] = {STATSD_COUNTER, STATSD_TIMER, STATSD_GAUGE};

#define METRIC(member) .key = #member, .offset = offsetof(struct metric, member)
static const struct schema_key metric_keys[] = {
    {METRIC(type), .type = SCHEMA_CHOICE, .choices = metric_types, .flags = SCHEMA_REQUIRED,
     .help = "What the accumulator makes of it."},
    {METRIC(name), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "Name of the stat; %Variable% is replaced."},
    {METRIC(value), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "Its value, a number after %Variable% is replaced."},
    {METRIC(replace_dot), .type = SCHEMA_BOOL, .def = "false",
     .help = "Dots in the variables become underscores."},
    {0},
};
static const struct schema metric_schema = {"StatFilter metric", metric_keys};

/* Fills `metrics`, of METRICS_MAX. Returns how many, or -1 after adding to `err`. */
static int read_metrics(const struct stat_filter_config *config, struct metric *metrics,
                        struct err *err)
{
    int count = 0, rc = 0;
    if (config->metrics == NULL)
        return 0;
    if (config->metrics->type != CONF_TABLE || config->metrics->count > METRICS_MAX)
        return err_add(err, "metric: found %s of %u, allowed a table of at most %d tables",
                       conf_type_name(config->metrics->type), config->metrics->count, METRICS_MAX);
    for (const struct conf_node *node = config->metrics->first; node != NULL; node = node->next) {
        if (node->type != CONF_TABLE)
            rc = err_add(err, "metric: '%s' is %s, allowed a table", node->key,
                         conf_type_name(node->type));
        else
            rc |= schema_apply(&metric_schema, node, "metric", NULL, NULL, &metrics[count++], err);
    }
    return rc == 0 ? count : -1;
}

static int check(const void *config, struct err *err)
{
    struct metric *metrics = calloc(METRICS_MAX, sizeof(*metrics));
    if (metrics == NULL)
        return err_add(err, "out of memory");
    int count = read_metrics(config, metrics, err);
    free(metrics);
    return count < 0 ? -1 : 0;
}

static const char *accum(const void *config_memory)
{
    const struct stat_filter_config *config = config_memory;
    return config->stat_accum_name;
}

static int init(void *state_memory, const void *config_memory, struct filter_host *host,
                struct err *err)
{
    const struct stat_filter_config *config = config_memory;
    struct state *state = state_memory;
    state->host = host;
    state->name.max_size = state->value.max_size = TEXT_MAX;
    int count = read_metrics(config, state->metrics, err);
    if (count < 0)
        return -1;
    state->metric_count = (unsigned)count;
    state->accum = filter_host_accum(host, config->stat_accum_name, err);
    return state->accum != NULL ? 0 : -1;
}

/* ---- variables ---- */

/* "d.ddde+XX" written out: no exponent. */
static int append_exponent_form(struct buffer *out, const char *text)
{
    char digits[NUMBER_TEXT_SIZE], zeros[] = "0000000000";
    int count = 0, rc = 0;
    const char *at = text;
    for (; *at != 'e'; at++)
        if (isdigit((unsigned char)*at))
            digits[count++] = *at;
    int point = (int)strtol(at + 1, NULL, NUMBER_BASE) + 1; /* digits before it */
    if (text[0] == '-')
        rc |= buffer_append_text(out, "-");
    if (point <= 0)
        rc |= buffer_append_text(out, "0.");
    for (; point < 0; point++)
        rc |= buffer_append(out, zeros, 1);
    for (int i = 0; i < count; i++) {
        if (i == point && i > 0)
            rc |= buffer_append_text(out, ".");
        rc |= buffer_append(out, &digits[i], 1);
    }
    for (int i = count; i < point; i++)
        rc |= buffer_append(out, zeros, 1);
    return rc;
}

/* As Go's 'f' with as many digits as it takes. */
static int append_double(struct buffer *out, double value)
{
    char text[NUMBER_TEXT_SIZE];
    number_format_double(value, text);
    return strchr(text, 'e') != NULL ? append_exponent_form(out, text)
                                     : buffer_append_text(out, text);
}

static int append_field(struct buffer *out, const struct msg_field *field)
{
    struct msg_slice slice;
    int64_t integer;
    double number;
    if (field->value_type == MSG_STRING && msg_field_slice(field, 0, &slice))
        return buffer_append(out, slice.ptr, slice.len);
    if (msg_field_integer(field, 0, &integer))
        return buffer_printf(out, "%" PRId64, integer);
    if (msg_field_double(field, 0, &number))
        return append_double(out, number);
    return -ENOENT;
}

static const struct msg_slice *find_header(const struct msg_view *message, const char *name,
                                           size_t name_len)
{
    const struct {
        const char *name;
        const struct msg_slice *value;
    } headers[] = {
        {"Logger", &message->logger},
        {"Hostname", &message->hostname},
        {"Type", &message->type},
        {"Payload", &message->payload},
    };
    for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        if (strlen(headers[i].name) == name_len && memcmp(headers[i].name, name, name_len) == 0)
            return headers[i].value;
    return NULL;
}

/* A field comes before the header of the same name, and the last field of a name counts. */
static int append_variable(struct buffer *out, const struct msg_view *message, const char *name,
                           size_t name_len)
{
    size_t before = out->size;
    bool is_found = false;
    struct msg_field field;
    bool more = msg_field_first(message, &field);
    for (; more; more = msg_field_next(message, &field)) {
        if (field.name.len != name_len || memcmp(field.name.ptr, name, name_len) != 0)
            continue;
        size_t last = out->size;
        out->size = before;
        int rc = append_field(out, &field);
        if (rc == -ENOENT)
            out->size = last;
        else if (rc != 0)
            return rc;
        else
            is_found = true;
    }
    const struct msg_slice *header = find_header(message, name, name_len);
    if (is_found)
        return 0;
    return header != NULL ? buffer_append(out, header->len > 0 ? header->ptr : "", header->len)
                          : buffer_printf(out, "<%.*s>", (int)name_len, name);
}

/* %name% with letters, digits and underscores: its length with both signs, or 0. */
static size_t variable_len(const char *text)
{
    size_t len = 1;
    if (text[0] != '%')
        return 0;
    while (isalnum((unsigned char)text[len]) || text[len] == '_')
        len++;
    return len > 1 && text[len] == '%' ? len + 1 : 0;
}

static int expand(struct buffer *out, const struct msg_view *message, const char *text,
                  bool replace_dot)
{
    int rc = 0;
    buffer_clear(out);
    while (*text != '\0' && rc == 0) {
        size_t before = out->size, len = variable_len(text);
        if (len == 0) {
            rc = buffer_append(out, text++, 1);
            continue;
        }
        rc = append_variable(out, message, text + 1, len - 2);
        for (size_t i = before; replace_dot && i < out->size; i++)
            if (out->data[i] == '.')
                out->data[i] = '_';
        text += len;
    }
    return rc == 0 ? buffer_append(out, "", 1) : rc; /* its NUL */
}

/* ---- work ---- */

static void post(struct state *state, const struct metric *metric, const struct msg_view *message)
{
    char *end;
    if (expand(&state->name, message, metric->name, metric->replace_dot) != 0 ||
        expand(&state->value, message, metric->value, metric->replace_dot) != 0) {
        filter_host_count(state->host, STATS_TOO_LONG, 1);
        return;
    }
    const char *text = state->value.data;
    double value = strtod(text, &end);
    bool is_number = *text != '\0' && !isspace((unsigned char)*text) &&
                     end == text + state->value.size - 1 && isfinite(value);
    if (!is_number) {
        filter_host_count(state->host, STATS_BAD_VALUE, 1);
        return;
    }
    stat_accum_add_value(state->accum, statsd_types[metric->type], state->name.data,
                         state->name.size - 1, value, filter_host_ledger(state->host));
    filter_host_count(state->host, STATS_POSTED, 1);
}

static int process(void *state_memory, const struct msg_view *message, const struct record *record)
{
    struct state *state = state_memory;
    (void)record;
    for (unsigned i = 0; i < state->metric_count; i++)
        post(state, &state->metrics[i], message);
    return 0;
}

static void fini(void *state_memory)
{
    struct state *state = state_memory;
    buffer_fini(&state->name);
    buffer_fini(&state->value);
}

static const struct filter_counter counters[] = {
    [STATS_POSTED] = {"stats_posted", "values given to the accumulator"},
    [STATS_BAD_VALUE] = {"stats_bad_value", "values that are no number"},
    [STATS_TOO_LONG] = {"stats_too_long", "names or values that are too long"},
    {NULL, NULL},
};

#define OPTION(member) .key = #member, .offset = offsetof(struct stat_filter_config, member)
static const struct schema_key stat_keys[] = {
    {.key = "metric",
     .type = SCHEMA_NODE,
     .offset = offsetof(struct stat_filter_config, metrics),
     .unit = "tables [X.metric.ID]",
     .help = "Each with type (Counter, Timer or Gauge), name, value, replace_dot."},
    {OPTION(stat_accum_name), .type = SCHEMA_STRING, .def = "StatAccumInput",
     .help = "Name of the StatAccumInput in hekad that aggregates."},
    {0},
};
static const struct schema stat_schema = {"StatFilter", stat_keys};

const struct filter_ops stat_filter = {
    .plugin = {PLUGIN_ABI, "StatFilter", &stat_schema, sizeof(struct stat_filter_config),
               sizeof(struct state)},
    .counters = counters,
    .check = check,
    .accum = accum,
    .init = init,
    .process = process,
    .fini = fini,
};
