/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/accum.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "stats/accum_state.h"

enum {
    STAGE_TOTALS = STATSD_TYPE_COUNT,
    LINE_NAME_MAX = PREFIX_SIZE + STATSD_NAME_MAX + 1 + SUFFIX_SIZE + ACCUM_PREFIX_MAX + 2
};

/* ---- the lines of one series ---- */

static struct accum_line *add_line(struct accum_flush *flush, const struct accum_prefix *prefix,
                                   const char *suffix)
{
    CHECK(flush->line_count < LINES_MAX);
    struct accum_line *line = &flush->lines[flush->line_count++];
    *line = (struct accum_line){.prefix = prefix, .suffix = suffix};
    return line;
}

void accum_add_integer(struct accum_flush *flush, const struct accum_prefix *prefix,
                       const char *suffix, int64_t value)
{
    struct accum_line *line = add_line(flush, prefix, suffix);
    line->is_integer = true;
    line->integer = value;
}

void accum_add_real(struct accum_flush *flush, const struct accum_prefix *prefix,
                    const char *suffix, double value)
{
    add_line(flush, prefix, suffix)->real = value;
}

int64_t accum_to_int64(double value)
{
    if (value >= 0x1p63)
        return INT64_MAX;
    return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

static bool is_estimated(unsigned type, const struct accum_series *series)
{
    if (type == STATSD_SET)
        return series->set != NULL && !hyperloglog_is_exact(series->set);
    return series->is_sketch;
}

static void name_lines(struct accum *accum, const char *name, size_t name_len, size_t tags_len)
{
    struct accum_flush *flush = &accum->flush;
    flush->name = name;
    flush->name_len = name_len - tags_len;
    flush->tags = name + flush->name_len;
    flush->tags_len = tags_len;
}

static void series_lines(struct accum *accum, unsigned type, struct accum_series *series)
{
    name_lines(accum, series->name, series->name_len, accum->emit->tags_len(accum, series));
    if (is_estimated(type, series)) {
        accum->sketches++;
        accum->counts.sketches++;
    }
    accum->emit->series_lines(accum, type, series);
    accum_series_end(accum, type, series);
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
    if (flush->stage == STAGE_TOTALS) {
        name_lines(accum, "", 0, 0);
        return accum->emit->total_lines(accum, flush->series++);
    }
    series_lines(accum, flush->stage, &accum->tables[flush->stage].series[flush->series++]);
    return true;
}

/* ---- writing a line to the chunk ---- */

static size_t put_text(char *name, size_t size, const char *text, size_t len)
{
    memcpy(name + size, text, len);
    return size + len;
}

/* NUL-terminated for the message builder. Returns the length. */
static size_t put_name(const struct accum *accum, const struct accum_line *line, char *name)
{
    const struct accum_flush *flush = &accum->flush;
    const struct accum_emit *emit = accum->emit;
    size_t size = put_text(name, 0, line->prefix->text, line->prefix->len);
    if (flush->name_len > 0 && emit->write_name != NULL)
        size += emit->write_name(accum, flush->name, flush->name_len, name + size);
    else if (flush->name_len > 0)
        size = put_text(name, size, flush->name, flush->name_len);
    if (line->suffix != NULL) {
        if (flush->name_len > 0 && (emit->always_dot || name[size - 1] != '.'))
            name[size++] = '.';
        size = put_text(name, size, line->suffix, strlen(line->suffix));
    }
    size = put_text(name, size, accum->global_suffix, strlen(accum->global_suffix));
    if (flush->tags_len > 0)
        size = put_text(name, size, flush->tags, flush->tags_len);
    name[size] = '\0';
    return size;
}

static bool put_payload(struct accum *accum, const struct accum_line *line, const char *name,
                        size_t name_len)
{
    struct accum_flush *flush = &accum->flush;
    char value[DECIMAL_MAX];
    size_t value_len = line->is_integer ? decimal_put_int64(value, line->integer)
                                        : accum->emit->put_real(value, line->real);
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
        msg_builder_field_integer(&flush->fields, name, accum_to_int64(line->real), "");
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
    size_t name_len = put_name(accum, line, name);
    if (accum->config->emit_in_payload && !put_payload(accum, line, name, name_len))
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
    if (rc == 0) {
        flush->sent_bytes += flush->payload_size;
        empty_chunk(flush);
    }
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
    flush->sent_bytes = 0;
    flush->start_ns = clock_mono_ns();
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
    accum->emit->end(accum);
    accum->sketches = 0;
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

bool accum_is_flushing(const struct accum *accum)
{
    return accum->flush.active;
}
