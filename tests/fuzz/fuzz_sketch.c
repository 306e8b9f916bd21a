/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_sketch.c - any bytes as a partial aggregate, a DDSketch or a HyperLogLog: what is taken is
 *                 written the same again, can be asked, and can be merged with itself.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "stats/partial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct buffer *bytes, const uint8_t *data, size_t size)
{
    CHECK(bytes->size == size && memcmp(bytes->data, data, size) == 0);
}

static void ask_sketch(const struct ddsketch *sketch)
{
    double before = -INFINITY;
    for (unsigned i = 0; i <= 10; i++) {
        double value = ddsketch_quantile(sketch, i / 10.0);
        CHECK(isfinite(value) && value >= before);
        before = value;
    }
    CHECK(ddsketch_collapsed(sketch) <= sketch->weight);
    CHECK(ddsketch_below(sketch, sketch->min) <= sketch->weight);
    ddsketch_lowest(sketch, sketch->weight / 2);
}

static void try_sketch(const uint8_t *data, size_t size)
{
    struct ddsketch_config config;
    struct ddsketch sketch, twice;
    struct buffer bytes = {0};
    size_t offset = 0;
    if (ddsketch_read(data, size, &offset, &config, &sketch) != 0)
        return;
    ask_sketch(&sketch);
    CHECK(ddsketch_write(&sketch, &bytes) == 0);
    check_same(&bytes, data, offset);
    ddsketch_init(&twice, &config);
    CHECK(ddsketch_merge(&twice, &sketch) == 0);
    buffer_clear(&bytes);
    CHECK(ddsketch_write(&twice, &bytes) == 0);
    check_same(&bytes, data, offset);
    CHECK(ddsketch_merge(&twice, &sketch) == 0);
    CHECK(ddsketch_add(&twice, 1, DDSKETCH_ONE) == 0);
    ask_sketch(&twice);
    ddsketch_fini(&sketch);
    ddsketch_fini(&twice);
    buffer_fini(&bytes);
}

static void try_set(const uint8_t *data, size_t size)
{
    struct hyperloglog set, twice;
    struct buffer bytes = {0};
    size_t offset = 0;
    if (hyperloglog_read(data, size, &offset, &set) != 0)
        return;
    CHECK(hyperloglog_write(&set, &bytes) == 0);
    check_same(&bytes, data, offset);
    CHECK(hyperloglog_init(&twice, &set.config) == 0);
    CHECK(hyperloglog_merge(&twice, &set) == 0 && hyperloglog_merge(&twice, &set) == 0);
    CHECK(hyperloglog_count(&twice) == hyperloglog_count(&set));
    hyperloglog_fini(&set);
    hyperloglog_fini(&twice);
    buffer_fini(&bytes);
}

static void try_partial(const uint8_t *data, size_t size)
{
    struct partial partial;
    struct buffer bytes = {0};
    size_t offset = 0;
    if (partial_read(data, size, &offset, &partial) != 0)
        return;
    CHECK(offset <= size);
    CHECK(partial_write(&partial, &bytes) == 0);
    check_same(&bytes, data, offset);
    partial_fini(&partial);
    buffer_fini(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size + (size == 0)); /* ends where its memory ends */
    if (bytes == NULL)
        return 0;
    if (size > 0)
        memcpy(bytes, data, size);
    try_sketch(bytes, size);
    try_set(bytes, size);
    try_partial(bytes, size);
    free(bytes);
    return 0;
}
