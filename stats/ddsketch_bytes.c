/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/ddsketch.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/exact_sum_bytes.h"
#include "stats/weight.h"

static const uint8_t magic[4] = {'D', 'D', 'S', '1'};

/* ---- writing ---- */

static int write_store(const struct ddsketch_store *store, struct buffer *out)
{
    int rc = sketch_put_varint(out, store->count);
    if (store->count == 0)
        return rc;
    rc = rc != 0 ? rc : sketch_put_varint(out, sketch_zigzag(store->first));
    rc = rc != 0 ? rc : sketch_put_varint(out, store->collapsed);
    for (uint32_t i = 0; rc == 0 && i < store->count; i++)
        rc = sketch_put_varint(out, store->bins[i]);
    return rc;
}

static int write_values(const struct ddsketch *sketch, struct buffer *out)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < 2; i++)
        rc = write_store(&sketch->stores[i], out);
    rc = rc != 0 ? rc : sketch_put_varint(out, sketch->zero);
    if (rc != 0 || sketch->weight == 0)
        return rc;
    rc = sketch_put_double(out, sketch->min);
    rc = rc != 0 ? rc : sketch_put_double(out, sketch->max);
    rc = rc != 0 ? rc : exact_sum_write(&sketch->sum, out);
    return rc != 0 ? rc : exact_sum_write(&sketch->squares, out);
}

int ddsketch_write(const struct ddsketch *sketch, struct buffer *out)
{
    size_t before = out->size;
    int rc = buffer_append(out, magic, sizeof(magic));
    rc = rc != 0 ? rc : sketch_put_double(out, sketch->config->alpha);
    rc = rc != 0 ? rc : sketch_put_fixed(out, sketch->config->bins_max, 4);
    rc = rc != 0 ? rc : write_values(sketch, out);
    if (rc != 0)
        out->size = before;
    return rc;
}

/* ---- reading ---- */

static bool indices_good(const struct ddsketch_config *config, int64_t first, uint64_t count)
{
    double limit = 710 / config->log_gamma + 2; /* e^710 is more than any double */
    return (double)first >= -limit && (double)first + (double)count <= limit;
}

static int read_bins(struct sketch_reader *in, struct ddsketch_store *store)
{
    if ((size_t)(in->end - in->at) < store->count) { /* a byte each, at least */
        in->is_bad = true;
        return 0;
    }
    store->bins = malloc(store->count * sizeof(*store->bins));
    if (store->bins == NULL)
        return -ENOMEM;
    store->capacity = store->count;
    for (uint32_t i = 0; i < store->count; i++)
        store->bins[i] = sketch_take_varint(in);
    if (store->bins[0] == 0 || store->bins[store->count - 1] == 0 ||
        store->collapsed > store->bins[0])
        in->is_bad = true;
    return 0;
}

static int read_store(struct sketch_reader *in, const struct ddsketch_config *config,
                      struct ddsketch_store *store)
{
    uint64_t count = sketch_take_varint(in);
    if (count == 0 || in->is_bad)
        return 0;
    int64_t first = sketch_unzigzag(sketch_take_varint(in));
    store->collapsed = sketch_take_varint(in);
    if (in->is_bad || count > config->bins_max || !indices_good(config, first, count) ||
        (store->collapsed != 0 && count != config->bins_max)) {
        in->is_bad = true;
        return 0;
    }
    store->first = (int32_t)first;
    store->count = (uint32_t)count;
    return read_bins(in, store);
}

static uint64_t total_weight(const struct ddsketch *sketch)
{
    uint64_t weight = sketch->zero;
    for (unsigned s = 0; s < 2; s++)
        for (uint32_t i = 0; i < sketch->stores[s].count; i++)
            weight = weight_sum(weight, sketch->stores[s].bins[i]);
    return weight;
}

/* -1, 0 or 1: where the bins are that hold `value`. */
static int side_of(double value)
{
    return value >= DBL_MIN ? 1 : value <= -DBL_MIN ? -1 : 0;
}

static bool ends_good(const struct ddsketch *sketch)
{
    bool has_positive = sketch->stores[0].count > 0, has_negative = sketch->stores[1].count > 0;
    int highest = has_positive ? 1 : sketch->zero != 0 ? 0 : -1;
    int lowest = has_negative ? -1 : sketch->zero != 0 ? 0 : 1;
    return isfinite(sketch->min) && isfinite(sketch->max) && sketch->min <= sketch->max &&
           !(sketch->min == 0 && signbit(sketch->min)) &&
           !(sketch->max == 0 && signbit(sketch->max)) && side_of(sketch->min) == lowest &&
           side_of(sketch->max) == highest && !exact_sum_is_negative(&sketch->squares);
}

static int read_values(struct sketch_reader *in, struct ddsketch *sketch)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < 2; i++)
        rc = read_store(in, sketch->config, &sketch->stores[i]);
    if (rc != 0)
        return rc;
    sketch->zero = sketch_take_varint(in);
    if (in->is_bad)
        return -EBADMSG;
    sketch->weight = total_weight(sketch);
    if (sketch->weight == 0)
        return 0;
    sketch->min = sketch_take_double(in);
    sketch->max = sketch_take_double(in);
    exact_sum_read(in, &sketch->sum);
    exact_sum_read(in, &sketch->squares);
    return in->is_bad || !ends_good(sketch) ? -EBADMSG : 0;
}

int ddsketch_read(const uint8_t *bytes, size_t size, size_t *offset, struct ddsketch_config *config,
                  struct ddsketch *sketch)
{
    struct sketch_reader in = sketch_reader_of(bytes, size, *offset);
    const uint8_t *head = sketch_take(&in, sizeof(magic));
    double alpha = sketch_take_double(&in);
    uint32_t bins_max = (uint32_t)sketch_take_fixed(&in, 4);
    *sketch = (struct ddsketch){0};
    if (head == NULL || memcmp(head, magic, sizeof(magic)) != 0 || in.is_bad ||
        ddsketch_config_init(config, alpha, bins_max) != 0)
        return -EBADMSG;
    ddsketch_init(sketch, config);
    int rc = read_values(&in, sketch);
    if (rc != 0) {
        ddsketch_fini(sketch);
        return rc;
    }
    *offset = (size_t)(in.at - bytes);
    return 0;
}
