/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_splitter.c - any stream through any splitter: all bytes are in pieces, and the pieces are
 * the same however the stream is cut.
 *
 * The first byte of the input chooses the splitter, the second where the stream is cut first, the
 * third the size of the other portions; then the stream.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "tests/support/splitter_rig.h"

enum { MESSAGE_MAX = 40, INPUT_MAX = 4096 };

static const char *const configs[] = {
    "type = 'TokenSplitter'",
    "type = 'TokenSplitter'\ncount = 3\nkeep_truncated = true",
    "type = 'RegexSplitter'",
    "type = 'RegexSplitter'\ndelimiter = '(\\r?\\n)+|;$'\nkeep_truncated = true",
    "type = 'RegexSplitter'\ndelimiter = '-(a*)b|\\bx'\ndelimiter_eol = false\n"
    "deliver_incomplete_final = true",
    "type = 'RegexSplitter'\ndelimiter = '\\x{FFFD}+|(é)\\z'",
    "type = 'PatternGroupingSplitter'\ngrouping = '^x|a{2}'\nmax_lines = 3",
    "type = 'PatternGroupingSplitter'\ndelimiter = '\\n+|;'\nkeep_truncated = true\n"
    "deliver_incomplete_final = true",
    "type = 'HekaFramingSplitter'\n[splitter.signer.test_0]\nhmac_key = 'k'",
    "type = 'HekaFramingSplitter'\nskip_authentication = true\ndeliver_incomplete_final = true",
    "type = 'OctetCountingSplitter'",
    "type = 'OctetCountingSplitter'\nnon_transparent = false\nkeep_truncated = true\n"
    "deliver_incomplete_final = true",
};
enum { CONFIGS = sizeof(configs) / sizeof(configs[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct splitter_rig *rig_of(unsigned index)
{
    static struct splitter_rig rigs[CONFIGS];
    struct splitter_rig *rig = &rigs[index];
    if (!rig->is_open) {
        struct err err = {0};
        char toml[512];
        CHECK(snprintf(toml, sizeof(toml), "[splitter]\n%s\n", configs[index]) < (int)sizeof(toml));
        CHECK(splitter_rig_open(rig, toml, MESSAGE_MAX, &err) == 0);
    }
    return rig;
}

static size_t sum(const uint64_t *values)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < SPLIT_OUTCOMES; i++)
        all += values[i];
    return (size_t)all;
}

static bool is_same(const struct buffer *a, const struct buffer *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > INPUT_MAX)
        return 0;
    const struct splitter_rig *rig = rig_of(data[0] % CONFIGS);
    struct buffer whole = {0}, cut = {0};
    struct split_counts whole_counts = {0}, cut_counts = {0};
    struct rig_feed feed = {
        .bytes = (const char *)data + 3, .size = size - 3, .first = size - 3, .end = SPLIT_ENDS};
    splitter_rig_feed(rig, &feed, &whole, &whole_counts);
    CHECK(sum(whole_counts.bytes) == feed.size);
    feed.first = data[1] * feed.size / 256;
    feed.portion = data[2];
    splitter_rig_feed(rig, &feed, &cut, &cut_counts);
    CHECK(memcmp(whole_counts.bytes, cut_counts.bytes, sizeof(cut_counts.bytes)) == 0);
    if (whole_counts.pieces[SPLIT_GARBAGE] == 0) /* the one kind that ends with the portion */
        CHECK(is_same(&whole, &cut));
    cut_counts.pieces[SPLIT_GARBAGE] = whole_counts.pieces[SPLIT_GARBAGE];
    CHECK(memcmp(&whole_counts, &cut_counts, sizeof(cut_counts)) == 0);
    buffer_fini(&whole);
    buffer_fini(&cut);
    return 0;
}
