/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_statsd.c - any bytes as a datagram: the parser agrees with the byte-wise one, and what a
 *                 shard takes comes out of the flush.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "stats/accum.h"
#include "tests/unit/stats/statsd_plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_HERE = 65536, SAMPLES_MAX = SIZE_MAX_HERE / 2 };

static struct statsd_sample fast[SAMPLES_MAX], plain[SAMPLES_MAX];

static unsigned parse_fast(const char *bytes, size_t size, struct statsd_counts *counts)
{
    unsigned count = 0;
    size_t offset = 0;
    while (offset < size) {
        struct statsd_sample burst[STATSD_BURST];
        size_t before = offset;
        unsigned got = statsd_parse(bytes, size, &offset, burst, counts);
        CHECK(offset > before && offset <= size && count + got <= SAMPLES_MAX);
        memcpy(fast + count, burst, got * sizeof(*burst));
        count += got;
    }
    return count;
}

static void compare(unsigned count, const struct statsd_counts *counts, const char *bytes,
                    size_t size)
{
    struct statsd_counts plain_counts = {0};
    CHECK(statsd_plain_parse(bytes, size, plain, &plain_counts) == count);
    CHECK(memcmp(&plain_counts, counts, sizeof(plain_counts)) == 0);
    for (unsigned i = 0; i < count; i++) {
        CHECK(fast[i].name == plain[i].name && fast[i].name_len == plain[i].name_len);
        CHECK(fast[i].type == plain[i].type && fast[i].hash == plain[i].hash);
        CHECK(fast[i].count == plain[i].count);
    }
}

static int count_bytes(void *arg, const struct accum_chunk *chunk)
{
    *(size_t *)arg += chunk->payload_size + chunk->fields_size;
    return 0;
}

/* Small limits, so that the fuzzer reaches them. */
static void aggregate(unsigned count)
{
    static const int64_t percents[] = {50, 90};
    static const struct accum_config config = {.emit_in_payload = true,
                                               .emit_in_fields = true,
                                               .percent_threshold = {percents, 2},
                                               .ticker_interval = 10,
                                               .message_type = "t",
                                               .global_prefix = "stats",
                                               .counter_prefix = "counters",
                                               .timer_prefix = "timers",
                                               .gauge_prefix = "gauges",
                                               .statsd_prefix = "statsd",
                                               .names_max = 20};
    const struct shard_limits limits = {16, 256, 32};
    struct shard *shard;
    struct accum *accum;
    size_t bytes = 0;
    if (shard_new(&limits, &shard) != 0)
        return;
    CHECK(accum_new(&config, &accum, NULL) == 0);
    shard_add(shard, fast, count);
    const struct shard_counts *counts = shard_counts(shard);
    uint64_t accepted = counts->accepted[0] + counts->accepted[1] + counts->accepted[2];
    CHECK(accepted + counts->overflow_names + counts->overflow_timers == count);
    shard_request(shard);
    shard_poll(shard);
    CHECK(accum_merge(accum, shard) == accepted);
    CHECK(accum_flush(accum, 0, 10, 8192, count_bytes, &bytes) == 0 && bytes > 0);
    accum_free(accum);
    shard_free(shard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct statsd_counts counts = {0};
    if (size > SIZE_MAX_HERE)
        return 0;
    char *bytes = malloc(size + (size == 0)); /* ends where its memory ends */
    if (bytes == NULL)
        return 0;
    if (size > 0)
        memcpy(bytes, data, size);
    unsigned count = parse_fast(bytes, size, &counts);
    compare(count, &counts, bytes, size);
    aggregate(count);
    free(bytes);
    return 0;
}
