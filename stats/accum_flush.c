/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/accum.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "stats/accum_state.h"
#include "stats/decimal.h"

enum {
    STAGE_TOTALS = STATSD_TYPE_COUNT,
    STAGE_END,
    LINE_NAME_MAX = PREFIX_SIZE + STATSD_NAME_MAX + 1 + SUFFIX_SIZE
};

/* ---- the lines of one series ---- */

static struct accum_line *add_line(struct accum_flush *flush, const struct accum_prefix *prefix,
                                   const char *suffix)
{
    struct accum_line *line = &flush->lines[flush->line_count++];
    *line = (struct accum_line){.prefix = prefix, .suffix = suffix};
    return line;
}

static void add_integer(struct accum_flush *flush, const struct accum_prefix *prefix,
                        const char *suffix, int64_t value)
{
    struct accum_line *line = add_line(flush, prefix, suffix);
    line->is_integer = true;
    line->integer = value;
}

static void add_real(struct accum_flush *flush, const struct accum_prefix *prefix,
                     const char *suffix, double value)
{
    add_line(flush, prefix, suffix)->real = value;
}

static void counter_lines(struct accum *accum, struct accum_series *series)
{
    struct accum_flush *flush = &accum->flush;
    double rate = (double)series->count / flush->elapsed_s;
    if (accum->config->legacy_namespaces) {
        add_real(flush, &accum->legacy_rates, NULL, rate);
        flush->lines[0].is_legacy_rate = true;
        add_integer(flush, &accum->legacy_counts, NULL, series->count);
    } else {
        add_real(flush, &accum->counters, "rate", rate);
        add_integer(flush, &accum->counters, "count", series->count);
    }
    series->count = 0;
}

static void timer_lines(struct accum *accum, struct accum_series *series)
{
    struct accum_flush *flush = &accum->flush;
    const struct accum_prefix *prefix = &accum->timers_prefix;
    struct accum_timer_stats stats =
        accum_timers_compute(&accum->timers, series->timer_run, series->timer_count);
    add_integer(flush, prefix, "count", (int64_t)stats.count);
    add_real(flush, prefix, "count_ps", (double)stats.count / flush->elapsed_s);
    add_real(flush, prefix, "lower", stats.lower);
    add_real(flush, prefix, "upper", stats.upper);
    add_real(flush, prefix, "sum", stats.sum);
    add_real(flush, prefix, "mean", stats.mean);
    for (unsigned i = 0; i < accum->percentile_count; i++) {
        const struct accum_percentile *percentile = &accum->percentiles[i];
        double mean, upper;
        accum_timers_percentile(&accum->timers, &stats, percentile->percent, &mean, &upper);
        add_real(flush, prefix, percentile->mean_suffix, mean);
        add_real(flush, prefix, percentile->upper_suffix, upper);
    }
    series->timer_run = 0;
    series->timer_count = 0;
}

static void total_lines(struct accum *accum)
{
    uint64_t counts[STATSD_TYPE_COUNT], sum = 0;
    accum_series(accum, counts);
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        sum += counts[type];
    accum->flush.name_len = 0;
    if (accum->counts.overflow != 0)
        add_integer(&accum->flush, &accum->statsd, "overflow", (int64_t)accum->overflow);
    add_integer(&accum->flush, &accum->statsd, "numStats", (int64_t)sum);
    accum->overflow = 0;
}

static void series_lines(struct accum *accum, unsigned type, struct accum_series *series)
{
    accum->flush.name = series->name;
    accum->flush.name_len = series->name_len;
    if (type == STATSD_COUNTER)
        counter_lines(accum, series);
    else if (type == STATSD_TIMER)
        timer_lines(accum, series);
    else
        add_real(&accum->flush, &accum->gauges, NULL, series->gauge);
}

/* Takes the next series, whose values are then in the lines. False at the end. */
static bool next_series(struct accum *accum)
{
    struct accum_flush *flush = &accum->flush;
    flush->line_count = 0;
    flush->line_next = 0;
    while (flush->stage < STAGE_TOTALS && flush->series == accum->tables[flush->stage].count) {
        flush->stage++;
        flush->series = 0;
    }
    if (flush->stage == STAGE_END)
        return false;
    if (flush->stage == STAGE_TOTALS) {
        total_lines(accum);
        flush->stage = STAGE_END;
        return true;
    }
    series_lines(accum, flush->stage, &accum->tables[flush->stage].series[flush->series++]);
    return true;
}

/* ---- writing a line to the chunk ---- */

/* NUL-terminated for the message builder. Returns the length. */
static size_t put_name(const struct accum_flush *flush, const struct accum_line *line, char *name)
{
    size_t size = line->prefix->len;
    memcpy(name, line->prefix->text, size);
    if (flush->name_len > 0) {
        memcpy(name + size, flush->name, flush->name_len);
        size += flush->name_len;
    }
    if (line->suffix != NULL) {
        size_t len = strlen(line->suffix);
        if (flush->name_len > 0 && name[size - 1] != '.')
            name[size++] = '.';
        memcpy(name + size, line->suffix, len);
        size += len;
    }
    name[size] = '\0';
    return size;
}

static bool put_payload(struct accum_flush *flush, const struct accum_line *line, const char *name,
                        size_t name_len)
{
    char value[DECIMAL_MAX];
    size_t value_len = line->is_integer ? decimal_put_int64(value, line->integer)
                                        : decimal_put_fixed6(value, line->real);
    size_t room = flush->chunk_max - flush->payload_size - flush->fields.size;
    if (name_len + 1 + value_len + flush->time_len > room)
        return false;
    char *at = flush->payload + flush->payload_size;
    memcpy(at, name, name_len);
    at += name_len;
    *at++ = ' ';
    memcpy(at, value, value_len);
    at += value_len;
    memcpy(at, flush->time_text, flush->time_len);
    flush->payload_size = (size_t)(at - flush->payload) + flush->time_len;
    return true;
}

static int64_t to_int64(double value)
{
    if (value >= 0x1p63)
        return INT64_MAX;
    return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

/* A field's name is text: a NUL byte in it becomes "_". */
static bool put_field(struct accum_flush *flush, const struct accum_line *line, char *name,
                      size_t name_len)
{
    struct msg_builder before = flush->fields;
    for (char *nul; (nul = memchr(name, '\0', name_len)) != NULL;)
        *nul = '_';
    flush->fields.capacity = flush->chunk_max - flush->payload_size;
    if (flush->chunk_lines == 0)
        msg_builder_field_integer(&flush->fields, "timestamp", flush->now_s, "");
    if (line->is_integer)
        msg_builder_field_integer(&flush->fields, name, line->integer, "");
    else if (line->is_legacy_rate)
        msg_builder_field_integer(&flush->fields, name, to_int64(line->real), "");
    else
        msg_builder_field_double(&flush->fields, name, line->real, "");
    if (msg_builder_finish(&flush->fields) >= 0)
        return true;
    flush->fields = before;
    return false;
}

/* False when the chunk has no room for the line; it is as it was then. */
static bool put_line(struct accum *accum, const struct accum_line *line)
{
    struct accum_flush *flush = &accum->flush;
    char name[LINE_NAME_MAX + 1];
    size_t before = flush->payload_size;
    size_t name_len = put_name(flush, line, name);
    if (accum->config->emit_in_payload && !put_payload(flush, line, name, name_len))
        return false;
    if (accum->config->emit_in_fields && !put_field(flush, line, name, name_len)) {
        flush->payload_size = before;
        return false;
    }
    flush->chunk_lines++;
    return true;
}

/* ---- chunks ---- */

static void empty_chunk(struct accum_flush *flush)
{
    flush->chunk_waiting = false;
    flush->chunk_lines = 0;
    flush->payload_size = 0;
    msg_builder_init(&flush->fields, flush->field_bytes, flush->chunk_max);
}

static int send_chunk(struct accum_flush *flush, accum_chunk_fn emit, void *arg)
{
    const struct accum_chunk chunk = {
        .payload = flush->payload,
        .payload_size = flush->payload_size,
        .fields = flush->field_bytes,
        .fields_size = flush->fields.size,
    };
    flush->chunk_waiting = true;
    int rc = emit(arg, &chunk);
    if (rc == 0)
        empty_chunk(flush);
    return rc;
}

/* Writes the waiting lines of a series; chunks that are full go out. */
static int put_lines(struct accum *accum, accum_chunk_fn emit, void *arg)
{
    struct accum_flush *flush = &accum->flush;
    while (flush->line_next < flush->line_count) {
        if (put_line(accum, &flush->lines[flush->line_next])) {
            flush->line_next++;
        } else if (flush->chunk_lines == 0) {
            accum->counts.long_lines++;
            flush->line_next++;
        } else {
            int rc = send_chunk(flush, emit, arg);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

/* ---- a flush ---- */

static int reserve_chunk(struct accum_flush *flush, size_t chunk_max)
{
    if (flush->capacity < chunk_max || flush->payload == NULL) {
        char *payload = malloc(chunk_max + 1);
        uint8_t *field_bytes = malloc(chunk_max + 1);
        if (payload == NULL || field_bytes == NULL) {
            free(payload);
            free(field_bytes);
            return -ENOMEM;
        }
        free(flush->payload);
        free(flush->field_bytes);
        flush->payload = payload;
        flush->field_bytes = field_bytes;
        flush->capacity = chunk_max;
    }
    flush->chunk_max = chunk_max;
    return 0;
}

static int start_flush(struct accum *accum, uint64_t now_ns, double elapsed_s, size_t chunk_max)
{
    struct accum_flush *flush = &accum->flush;
    if (reserve_chunk(flush, chunk_max) != 0)
        return -ENOMEM;
    flush->active = true;
    flush->stage = 0;
    flush->series = 0;
    flush->line_count = 0;
    flush->line_next = 0;
    flush->now_s = (int64_t)(now_ns / CLOCK_NS_PER_S);
    flush->elapsed_s = elapsed_s > 0 ? elapsed_s : (double)accum->config->ticker_interval;
    flush->time_len = (size_t)snprintf(flush->time_text, sizeof(flush->time_text), " %lld\n",
                                       (long long)flush->now_s);
    empty_chunk(flush);
    return 0;
}

static void end_flush(struct accum *accum)
{
    accum_timers_clear(&accum->timers);
    for (unsigned type = 0; accum->config->delete_idle_stats && type < STATSD_TYPE_COUNT; type++)
        accum_table_clear(&accum->tables[type]);
    accum->flush.active = false;
}

int accum_flush(struct accum *accum, uint64_t now_ns, double elapsed_s, size_t chunk_max,
                accum_chunk_fn emit, void *arg)
{
    struct accum_flush *flush = &accum->flush;
    int rc = 0;
    if (!flush->active)
        rc = start_flush(accum, now_ns, elapsed_s, chunk_max);
    else if (flush->chunk_waiting)
        rc = send_chunk(flush, emit, arg);
    if (rc != 0)
        return rc;
    do {
        rc = put_lines(accum, emit, arg);
        if (rc != 0)
            return rc;
    } while (next_series(accum));
    if (flush->chunk_lines > 0)
        rc = send_chunk(flush, emit, arg);
    if (rc == 0)
        end_flush(accum);
    return rc;
}
