/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_tool.c - statsd datagrams in, statmetric lines out: parser, shard and accumulator without
 *                 anything around them, for comparison with the real statsd.
 *
 *   statsd_tool CONFIG.json < SCRIPT
 *
 * SCRIPT has a line for each step: "D HEX" is a datagram, "F SECONDS" a flush at that Unix time,
 * which is answered with the payload and a line ".". CONFIG holds the options of a StatAccumInput
 * as JSON; the dialects are those of statsd and its tags.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "stats/accum.h"

enum { LINE_MAX_HERE = 2 * 65536 + 16, CHUNK_MAX = 60000 };

struct tool {
    struct accum_config config;
    struct accum *accum;
    struct shard *shard;
    struct statsd_parser parser;
    struct shard_traffic seen;
};

static struct tool tool;

static int read_config(const char *path)
{
    static struct err err;
    struct conf_doc *doc = NULL;
    const struct shard_limits limits = {100000, 0, 1000000};
    if (json_load(path, &doc, &err) == 0 &&
        schema_apply(&accum_schema, conf_root(doc), "StatAccumInput", NULL, doc, &tool.config,
                     &err) == 0 &&
        accum_new(&tool.config, &tool.accum, &err) == 0 && shard_new(&limits, &tool.shard) == 0)
        return 0;
    err_print(&err, stderr);
    return -1;
}

static size_t from_hex(char *text)
{
    size_t size = 0;
    for (unsigned byte; sscanf(text + 2 * size, "%2x", &byte) == 1; size++)
        text[size] = (char)byte;
    return size;
}

static void add_datagram(char *hex)
{
    size_t size = from_hex(hex), offset = 0;
    while (offset < size) {
        struct statsd_sample samples[STATSD_BURST];
        unsigned count = statsd_parse(&tool.parser, hex, size, &offset, samples);
        shard_add(tool.shard, samples, count);
        statsd_release(&tool.parser);
    }
    shard_note_traffic(tool.shard, &tool.seen, &tool.parser.counts, 1);
}

static int print_chunk(void *arg, const struct accum_chunk *chunk)
{
    (void)arg;
    fwrite(chunk->payload, 1, chunk->payload_size, stdout);
    return 0;
}

static void flush_at(uint64_t now_s)
{
    shard_request(tool.shard);
    shard_poll(tool.shard);
    accum_merge(tool.accum, tool.shard);
    CHECK(accum_flush(tool.accum, now_s * CLOCK_NS_PER_S, 0, CHUNK_MAX, print_chunk, NULL) == 0);
    puts(".");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static char line[LINE_MAX_HERE];
    const struct statsd_settings settings = {.dialects = 1U << STATSD_ETSY | 1U << STATSD_DOG};
    if (argc != 2 || read_config(argv[1]) != 0)
        return 2;
    statsd_init(&tool.parser, &settings);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (line[0] == 'D')
            add_datagram(line + 2);
        else if (line[0] == 'F')
            flush_at(strtoull(line + 2, NULL, 10));
    }
    accum_free(tool.accum);
    shard_free(tool.shard);
    return 0;
}
