/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_statsd.c - any bytes as a datagram: the parser agrees with the byte-wise one, and what a
 *                 shard takes comes out of the flush. "!", a byte of dialects and a byte of tags
 *                 may stand before it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "stats/accum.h"
#include "stats/shard_totals.h"
#include "tests/unit/stats/statsd_plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_HERE = 65536, SAMPLES_MAX = SIZE_MAX_HERE / 2 };

static struct statsd_sample fast[SAMPLES_MAX], plain[SAMPLES_MAX];
static char names[16 << 20]; /* of `fast`, as the parser writes over its own */

static unsigned parse_fast(const struct statsd_settings *settings, const char *bytes, size_t size,
                           struct statsd_counts *counts)
{
    static struct statsd_parser parser;
    unsigned count = 0;
    size_t offset = 0, used = 0;
    statsd_init(&parser, settings);
    while (offset < size) {
        struct statsd_sample burst[STATSD_BURST];
        size_t before = offset;
        unsigned got = statsd_parse(&parser, bytes, size, &offset, burst);
        CHECK(offset <= size && count + got <= SAMPLES_MAX);
        CHECK(got > 0 || offset > before || statsd_is_full(&parser));
        for (unsigned i = 0; i < got; i++) {
            fast[count] = burst[i];
            CHECK(used + burst[i].name_len <= sizeof(names));
            memcpy(names + used, burst[i].name, burst[i].name_len);
            fast[count++].name = names + used;
            used += burst[i].name_len;
        }
        statsd_release(&parser);
    }
    *counts = parser.counts;
    return count;
}

static void compare(const struct statsd_settings *settings, unsigned count,
                    const struct statsd_counts *counts, const char *bytes, size_t size)
{
    struct statsd_counts plain_counts = {0};
    CHECK(statsd_plain_parse(settings, bytes, size, plain, &plain_counts) == count);
    CHECK(memcmp(&plain_counts, counts, sizeof(plain_counts)) == 0);
    for (unsigned i = 0; i < count; i++)
        CHECK(statsd_plain_same(&fast[i], &plain[i]));
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
    const struct shard_guard guard = {.prefix_names_max = 8, .sender_names_max = 12};
    struct shard *shard;
    struct accum *accum;
    size_t bytes = 0;
    if (shard_new(&limits, &shard) != 0)
        return;
    CHECK(shard_set_guard(shard, &guard) == 0);
    CHECK(accum_new(&config, &accum, NULL) == 0);
    for (unsigned i = 0; i < count; i++)
        fast[i].sender = (uint16_t)(i % 3);
    shard_add(shard, fast, count);
    struct shard_totals totals = {0};
    shard_totals_add(&totals, shard);
    uint64_t accepted = shard_totals_accepted(&totals);
    CHECK(accepted + shard_totals_refused(&totals) == count);
    shard_request(shard);
    shard_poll(shard);
    CHECK(accum_merge(accum, shard) == accepted);
    CHECK(accum_flush(accum, 0, 10, 8192, count_bytes, &bytes) == 0 && bytes > 0);
    accum_free(accum);
    shard_free(shard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct statsd_settings settings = {0};
    struct statsd_counts counts = {0};
    bool is_single;
    if (size > SIZE_MAX_HERE)
        return 0;
    if (size >= 3 && data[0] == '!') {
        settings.dialects = data[1] & ((1U << STATSD_DIALECT_COUNT) - 1);
        settings.tags = (enum statsd_tags)(data[2] % 3);
        data += 3;
        size -= 3;
    }
    char *bytes = malloc(size + (size == 0)); /* ends where its memory ends */
    if (bytes == NULL)
        return 0;
    if (size > 0)
        memcpy(bytes, data, size);
    unsigned count = parse_fast(&settings, bytes, size, &counts);
    compare(&settings, count, &counts, bytes, size);
    CHECK(statsd_single_agrees(&settings, bytes, size, fast, count, &counts, &is_single));
    aggregate(count);
    free(bytes);
    return 0;
}
