/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/partial.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "stats/exact_sum_bytes.h"

static const uint8_t magic[4] = {'P', 'A', 'R', '1'};

static bool has_sketch(uint8_t type)
{
    return type == STATSD_TIMER || type == STATSD_HISTOGRAM || type == STATSD_DISTRIBUTION;
}

static bool has_count(uint8_t type)
{
    return type == STATSD_COUNTER || type == STATSD_METER;
}

/* ---- writing ---- */

static int write_gauge(const struct partial *partial, struct buffer *out)
{
    int rc = sketch_put_fixed(out, partial->is_set, 1);
    if (rc != 0 || !partial->is_set)
        return rc;
    rc = sketch_put_double(out, partial->gauge);
    return rc != 0 ? rc : sketch_put_fixed(out, partial->gauge_ns, 8);
}

static int write_body(const struct partial *partial, struct buffer *out)
{
    int rc = 0;
    if (partial->type == STATSD_SET)
        return hyperloglog_write(&partial->set, out);
    if (has_count(partial->type))
        rc = sketch_put_varint(out, sketch_zigzag(partial->count));
    else if (partial->type == STATSD_GAUGE)
        rc = write_gauge(partial, out);
    else
        rc = ddsketch_write(&partial->sketch, out);
    return rc != 0 ? rc : exact_sum_write(&partial->sum, out);
}

int partial_write(const struct partial *partial, struct buffer *out)
{
    size_t before = out->size;
    int rc = buffer_append(out, magic, sizeof(magic));
    rc = rc != 0 ? rc : sketch_put_fixed(out, partial->type, 1);
    rc = rc != 0 ? rc : sketch_put_varint(out, partial->name_len);
    rc = rc != 0 ? rc : sketch_put_varint(out, partial->tags_len);
    rc = rc != 0 ? rc : buffer_append(out, partial->name, partial->name_len);
    rc = rc != 0 ? rc : write_body(partial, out);
    if (rc != 0)
        out->size = before;
    return rc;
}

/* ---- reading ---- */

static void read_gauge(struct sketch_reader *in, struct partial *partial)
{
    uint64_t is_set = sketch_take_fixed(in, 1);
    if (is_set > 1)
        in->is_bad = true;
    if (is_set != 1)
        return;
    partial->is_set = true;
    partial->gauge = sketch_take_double(in);
    partial->gauge_ns = sketch_take_fixed(in, 8);
    if (!isfinite(partial->gauge) || (partial->gauge == 0 && signbit(partial->gauge)))
        in->is_bad = true;
}

/* What has a form of its own reads from an offset. */
static int read_sketch(struct sketch_reader *in, struct partial *partial)
{
    size_t offset = 0;
    int rc;
    if (in->is_bad)
        return -EBADMSG;
    size_t left = (size_t)(in->end - in->at);
    if (partial->type == STATSD_SET)
        rc = hyperloglog_read(in->at, left, &offset, &partial->set);
    else
        rc = ddsketch_read(in->at, left, &offset, &partial->sketch_config, &partial->sketch);
    in->at += offset;
    return rc;
}

static int read_body(struct sketch_reader *in, struct partial *partial)
{
    int rc = 0;
    if (has_count(partial->type))
        partial->count = sketch_unzigzag(sketch_take_varint(in));
    else if (partial->type == STATSD_GAUGE)
        read_gauge(in, partial);
    else
        rc = read_sketch(in, partial);
    if (rc == 0 && partial->type != STATSD_SET)
        exact_sum_read(in, &partial->sum);
    return rc != 0 ? rc : in->is_bad ? -EBADMSG : 0;
}

int partial_read(const uint8_t *bytes, size_t size, size_t *offset, struct partial *partial)
{
    struct sketch_reader in = sketch_reader_of(bytes, size, *offset);
    const uint8_t *head = sketch_take(&in, sizeof(magic));
    uint64_t type = sketch_take_fixed(&in, 1);
    uint64_t name_len = sketch_take_varint(&in), tags_len = sketch_take_varint(&in);
    *partial = (struct partial){0};
    if (head == NULL || memcmp(head, magic, sizeof(magic)) != 0 || in.is_bad ||
        !(has_sketch((uint8_t)type) || has_count((uint8_t)type) || type == STATSD_GAUGE ||
          type == STATSD_SET) ||
        name_len == 0 || name_len > STATSD_NAME_MAX || tags_len >= name_len)
        return -EBADMSG;
    const uint8_t *name = sketch_take(&in, name_len);
    if (name == NULL)
        return -EBADMSG;
    partial_init(partial, (uint8_t)type, (const char *)name, (uint16_t)name_len,
                 (uint16_t)tags_len);
    int rc = read_body(&in, partial);
    if (rc != 0) {
        partial_fini(partial);
        return rc;
    }
    *offset = (size_t)(in.at - bytes);
    return 0;
}
