/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/hyperloglog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stats/sketch_bytes.h"

enum { KIND_EXACT, KIND_REGISTERS, HASH_BITS = 64 };

static const uint8_t magic[4] = {'H', 'L', 'L', '1'};

/* ---- writing ---- */

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

static int write_hashes(const struct hyperloglog *set, struct buffer *out)
{
    uint64_t *hashes = malloc((set->count + 1U) * sizeof(*hashes));
    size_t count = 0;
    if (hashes == NULL)
        return -ENOMEM;
    if (set->has_zero)
        hashes[count++] = 0;
    for (uint32_t i = 0; i < set->slot_count; i++)
        if (set->slots[i] != 0)
            hashes[count++] = set->slots[i];
    qsort(hashes, count, sizeof(*hashes), compare_hashes);
    int rc = sketch_put_varint(out, count);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = sketch_put_fixed(out, hashes[i], 8);
    free(hashes);
    return rc;
}

int hyperloglog_write(const struct hyperloglog *set, struct buffer *out)
{
    size_t before = out->size;
    bool is_exact = hyperloglog_is_exact(set);
    int rc = buffer_append(out, magic, sizeof(magic));
    rc = rc != 0 ? rc : sketch_put_fixed(out, set->config.precision, 1);
    rc = rc != 0 ? rc : sketch_put_fixed(out, set->config.exact_max, 4);
    rc = rc != 0 ? rc : sketch_put_fixed(out, is_exact ? KIND_EXACT : KIND_REGISTERS, 1);
    if (rc == 0)
        rc = is_exact ? write_hashes(set, out)
                      : buffer_append(out, set->registers, (size_t)1 << set->config.precision);
    if (rc != 0)
        out->size = before;
    return rc;
}

/* ---- reading ---- */

static int read_hashes(struct sketch_reader *in, struct hyperloglog *set)
{
    uint64_t count = sketch_take_varint(in), before = 0;
    if (in->is_bad || count > set->config.exact_max || (size_t)(in->end - in->at) / 8 < count)
        return -EBADMSG;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t hash = sketch_take_fixed(in, 8);
        if (i > 0 && hash <= before)
            return -EBADMSG;
        if (hyperloglog_add(set, hash) != 0)
            return -ENOMEM;
        before = hash;
    }
    return 0;
}

static int read_registers(struct sketch_reader *in, struct hyperloglog *set)
{
    size_t size = (size_t)1 << set->config.precision;
    const uint8_t *registers = sketch_take(in, size);
    unsigned all = 0;
    for (size_t i = 0; registers != NULL && i < size; i++) {
        all |= registers[i];
        if (registers[i] > HASH_BITS - set->config.precision + 1)
            return -EBADMSG;
    }
    if (registers == NULL || all == 0)
        return -EBADMSG;
    set->registers = malloc(size);
    if (set->registers == NULL)
        return -ENOMEM;
    memcpy(set->registers, registers, size);
    return 0;
}

int hyperloglog_read(const uint8_t *bytes, size_t size, size_t *offset, struct hyperloglog *set)
{
    struct sketch_reader in = sketch_reader_of(bytes, size, *offset);
    const uint8_t *head = sketch_take(&in, sizeof(magic));
    struct hyperloglog_config config = {.precision = (unsigned)sketch_take_fixed(&in, 1),
                                        .exact_max = (uint32_t)sketch_take_fixed(&in, 4)};
    uint64_t kind = sketch_take_fixed(&in, 1);
    *set = (struct hyperloglog){0};
    if (head == NULL || memcmp(head, magic, sizeof(magic)) != 0 || in.is_bad ||
        kind > KIND_REGISTERS || hyperloglog_init(set, &config) != 0)
        return -EBADMSG;
    int rc = kind == KIND_EXACT ? read_hashes(&in, set) : read_registers(&in, set);
    if (rc != 0) {
        hyperloglog_fini(set);
        return rc;
    }
    *offset = (size_t)(in.at - bytes);
    return 0;
}
