/* SPDX-License-Identifier: MPL-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf.h"
#include "stats/emit_etsy.h"

static const char *const value_names[] = {"std", "upper",       "lower", "count",  "count_ps",
                                          "sum", "sum_squares", "mean",  "median", "histogram"};

/* ---- numbers ---- */

/* A number, or its text: arrays of TOML hold one type. "inf" only where it is allowed. */
static bool read_number(const struct conf_node *node, bool takes_inf, double *value)
{
    char *end = NULL;
    if (node->type == CONF_INT) {
        *value = (double)node->i;
        return true;
    }
    if (node->type == CONF_FLOAT) {
        *value = node->d;
        return isfinite(*value);
    }
    if (node->type != CONF_STRING || node->str_len == 0)
        return false;
    if (takes_inf && strcmp(node->str, "inf") == 0) {
        *value = INFINITY;
        return true;
    }
    *value = strtod(node->str, &end);
    return strspn(node->str, "+-.0123456789eE") == node->str_len && *end == '\0' &&
           isfinite(*value);
}

static int refuse(const struct conf_node *node, struct err *err, const char *key,
                  const char *allowed)
{
    char found[100];
    schema_found(node, found, sizeof(found));
    return err_add(err, "etsy.%s: found %s, allowed is %s", key, found, allowed);
}

/* As JavaScript writes the number, with the first point replaced. */
static void number_text(double value, char *text, size_t size)
{
    char digits[DECIMAL_MAX];
    size_t len = decimal_put_shortest(digits, value);
    snprintf(text, size, "%.*s", (int)len, digits);
    char *point = strchr(text, '.');
    if (point != NULL)
        *point = '_';
}

/* ---- percent_threshold ---- */

static void name_percent(struct etsy_percent *percent)
{
    static const char *const parts[] = {"count_", "mean_", NULL, "sum_", "sum_squares_"};
    char text[28];
    number_text(fabs(percent->percent), text, sizeof(text));
    for (unsigned i = 0; i < ETSY_PART_COUNT; i++) {
        const char *part = parts[i] != NULL ? parts[i] : percent->percent > 0 ? "upper_" : "lower_";
        snprintf(percent->suffixes[i], SUFFIX_SIZE, "%s%s%s", part,
                 percent->percent < 0 ? "top" : "", text);
    }
}

static int add_percent(struct etsy_state *etsy, const struct conf_node *node, struct err *err)
{
    double value;
    if (!read_number(node, false, &value) || fabs(value) > 100)
        return refuse(node, err, "percent_threshold", "numbers from -100 to 100");
    if (etsy->percent_count == ACCUM_PERCENTILES_MAX)
        return err_add(err, "etsy.percent_threshold: more than %d numbers", ACCUM_PERCENTILES_MAX);
    etsy->percents[etsy->percent_count++].percent = value;
    return 0;
}

static int read_percents(struct etsy_state *etsy, const struct conf_node *node, struct err *err)
{
    int rc = 0;
    if (node == NULL) {
        etsy->percents[0].percent = 90;
        etsy->percent_count = 1;
    } else if (node->type == CONF_ARRAY) {
        for (const struct conf_node *item = node->first; item != NULL; item = item->next)
            rc |= add_percent(etsy, item, err);
    } else {
        rc = add_percent(etsy, node, err);
    }
    for (unsigned i = 0; i < etsy->percent_count; i++)
        name_percent(&etsy->percents[i]);
    return rc;
}

/* ---- histogram ---- */

static int add_bin(struct etsy_histogram *histogram, const struct conf_node *node, struct err *err)
{
    double limit;
    if (!read_number(node, true, &limit))
        return refuse(node, err, "histogram bins", "numbers and \"inf\"");
    if (histogram->bin_count == ACCUM_BINS_MAX)
        return err_add(err, "etsy.histogram: more than %d bins", ACCUM_BINS_MAX);
    struct etsy_bin *bin = &histogram->bins[histogram->bin_count++];
    char text[28] = "inf";
    bin->limit = limit;
    if (isfinite(limit))
        number_text(limit, text, sizeof(text));
    snprintf(bin->suffix, SUFFIX_SIZE, "histogram.bin_%s", text);
    return 0;
}

static int add_histogram(struct etsy_state *etsy, const struct conf_node *table, struct err *err)
{
    static const char allowed[] = "a table of metric (text) and bins (an array)";
    if (table->type != CONF_TABLE)
        return refuse(table, err, "histogram", allowed);
    const struct conf_node *metric = conf_get(table, "metric"), *bins = conf_get(table, "bins");
    if (metric == NULL || metric->type != CONF_STRING || bins == NULL || bins->type != CONF_ARRAY ||
        table->count != 2)
        return refuse(table, err, "histogram", allowed);
    struct etsy_histogram *histogram = &etsy->histograms[etsy->histogram_count++];
    histogram->metric = metric->str;
    histogram->metric_len = metric->str_len;
    int rc = 0;
    for (const struct conf_node *bin = bins->first; rc == 0 && bin != NULL; bin = bin->next)
        rc = add_bin(histogram, bin, err);
    return rc;
}

/* An array of tables, or a table of them: in the order of the text. */
static int read_histograms(struct etsy_state *etsy, const struct conf_node *node, struct err *err)
{
    int rc = 0;
    if (node == NULL)
        return 0;
    if (node->type != CONF_ARRAY && node->type != CONF_TABLE)
        return refuse(node, err, "histogram", "tables");
    if (node->count > ACCUM_HISTOGRAMS_MAX)
        return err_add(err, "etsy.histogram: found %u, allowed are %d", node->count,
                       ACCUM_HISTOGRAMS_MAX);
    etsy->histograms = calloc(node->count + 1U, sizeof(*etsy->histograms));
    if (etsy->histograms == NULL)
        return err_add(err, "StatAccumInput: out of memory");
    for (const struct conf_node *table = node->first; table != NULL; table = table->next)
        rc |= add_histogram(etsy, table, err);
    return rc;
}

/* ---- calculated_timer_metrics ---- */

static bool lists(const struct schema_list *shown, const char *name)
{
    for (size_t i = 0; i < shown->count; i++)
        if (strcmp(((const char *const *)shown->items)[i], name) == 0)
            return true;
    return shown->count == 0;
}

/* "upper_90" and "upper_top10" are asked for as "upper_percent"; of "upper_99_9" only the last
 * digits are replaced. */
static bool is_percent_shown(const struct schema_list *shown, const char *suffix)
{
    char name[SUFFIX_SIZE + 16];
    size_t len = strlen(suffix);
    while (len > 0 && suffix[len - 1] >= '0' && suffix[len - 1] <= '9')
        len--;
    if (len >= 3 && memcmp(suffix + len - 3, "top", 3) == 0)
        len -= 3;
    if (len == 0 || suffix[len - 1] != '_')
        return lists(shown, suffix);
    snprintf(name, sizeof(name), "%.*spercent", (int)len, suffix);
    return lists(shown, name);
}

static void choose_shown(struct etsy_state *etsy, const struct schema_list *shown)
{
    for (unsigned i = 0; i < ETSY_VALUE_COUNT; i++)
        etsy->is_shown[i] = lists(shown, value_names[i]);
    for (unsigned i = 0; i < etsy->percent_count; i++)
        for (unsigned part = 0; part < ETSY_PART_COUNT; part++)
            etsy->percents[i].is_shown[part] =
                is_percent_shown(shown, etsy->percents[i].suffixes[part]);
}

/* ---- names ---- */

static void add_part(struct accum_prefix *prefix, const char *part)
{
    size_t len = part != NULL ? strlen(part) : 0;
    if (len == 0)
        return;
    memcpy(prefix->text + prefix->len, part, len);
    prefix->len += len;
    prefix->text[prefix->len++] = '.';
}

static void set_prefix(struct accum *accum, unsigned type, const char *global, const char *part)
{
    add_part(&accum->prefixes[type], global);
    add_part(&accum->prefixes[type], part);
}

static void join_prefixes(struct accum *accum)
{
    const struct accum_etsy *config = &accum->config->etsy;
    struct etsy_state *etsy = accum->etsy;
    bool is_legacy = config->legacy_namespace;
    const char *global = is_legacy ? "stats" : config->global_prefix;
    set_prefix(accum, STATSD_COUNTER, global, is_legacy ? NULL : config->prefix_counter);
    set_prefix(accum, STATSD_TIMER, global, is_legacy ? "timers" : config->prefix_timer);
    set_prefix(accum, STATSD_GAUGE, global, is_legacy ? "gauges" : config->prefix_gauge);
    set_prefix(accum, STATSD_SET, global, is_legacy ? "sets" : config->prefix_set);
    set_prefix(accum, STATSD_HISTOGRAM, global, accum->config->histogram_prefix);
    set_prefix(accum, STATSD_DISTRIBUTION, global, accum->config->distribution_prefix);
    set_prefix(accum, STATSD_METER, global, accum->config->meter_prefix);
    add_part(&accum->legacy_counts, "stats_counts");
    add_part(&accum->statsd, is_legacy ? NULL : global);
    add_part(&accum->statsd, config->prefix_stats);
    add_part(&etsy->own, global);
    add_part(&etsy->own, config->prefix_stats);
}

static void name_own(struct accum *accum)
{
    static const char *const names[] = {"bad_lines_seen", "packets_received", "metrics_received",
                                        "timestamp_lag"};
    const struct accum_etsy *config = &accum->config->etsy;
    for (unsigned i = 0; i < 4; i++)
        snprintf(accum->etsy->own_names[i], sizeof(accum->etsy->own_names[i]), "%s.%s",
                 config->prefix_stats, names[i]);
    if (config->global_suffix != NULL && config->global_suffix[0] != '\0')
        snprintf(accum->global_suffix, sizeof(accum->global_suffix), ".%s", config->global_suffix);
}

/* ---- new, free ---- */

static int check_lengths(const struct accum_etsy *config, struct err *err)
{
    const char *const texts[] = {
        config->global_prefix, config->prefix_counter, config->prefix_timer, config->prefix_gauge,
        config->prefix_set,    config->global_suffix,  config->prefix_stats};
    static const char *const keys[] = {"global_prefix", "prefix_counter", "prefix_timer",
                                       "prefix_gauge",  "prefix_set",     "global_suffix",
                                       "prefix_stats"};
    int rc = 0;
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (texts[i] != NULL && strlen(texts[i]) > ACCUM_PREFIX_MAX)
            rc = err_add(err, "etsy.%s: found %zu bytes, allowed are %d", keys[i], strlen(texts[i]),
                         ACCUM_PREFIX_MAX);
    return rc;
}

static bool deletes(const struct accum_etsy *config, int chosen)
{
    return chosen == SCHEMA_AUTO_BOOL ? config->delete_idle_stats : chosen != 0;
}

static void choose_deletes(struct etsy_state *etsy, const struct accum_etsy *config)
{
    etsy->deletes[STATSD_COUNTER] = deletes(config, config->delete_counters);
    etsy->deletes[STATSD_METER] = etsy->deletes[STATSD_COUNTER];
    etsy->deletes[STATSD_GAUGE] = deletes(config, config->delete_gauges);
    etsy->deletes[STATSD_SET] = deletes(config, config->delete_sets);
    etsy->deletes[STATSD_TIMER] = deletes(config, config->delete_timers);
    etsy->deletes[STATSD_HISTOGRAM] = etsy->deletes[STATSD_TIMER];
    etsy->deletes[STATSD_DISTRIBUTION] = etsy->deletes[STATSD_TIMER];
    etsy->gauge_flushes =
        (uint16_t)(config->gauges_max_ttl > 1 ? config->gauges_max_ttl : 1); /* up to 65535 */
}

int etsy_new(struct accum *accum, struct err *err)
{
    const struct accum_etsy *config = &accum->config->etsy;
    struct etsy_state *etsy = calloc(1, sizeof(*etsy));
    if (etsy == NULL)
        return err_add(err, "StatAccumInput: out of memory");
    accum->etsy = etsy;
    int rc = check_lengths(config, err);
    rc |= read_percents(etsy, config->percent_threshold, err);
    rc |= read_histograms(etsy, config->histogram, err);
    if (rc != 0)
        return -1;
    choose_shown(etsy, &config->calculated_timer_metrics);
    choose_deletes(etsy, config);
    join_prefixes(accum);
    name_own(accum);
    return 0;
}

void etsy_free(struct etsy_state *state)
{
    if (state != NULL)
        free(state->histograms);
    free(state);
}
