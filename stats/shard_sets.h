/* SPDX-License-Identifier: MPL-2.0
 *
 * shard_sets.h - the members of sets in one interval: a log of hashes, and a filter that keeps most
 *                repetitions out of it.
 *
 * Place:   stats/shard.c adds, stats/shard_take.c empties.
 * Threads: those of the shard's side that it belongs to.
 * Memory:  the caller's zeroed regions, used from their start on.
 * Failure: shard_set_add() says when the log is full.
 * Shape:   the filter is lines of 8 keys; a member that its line has is left out, one whose line is
 *          full is logged without being remembered. When the log has outgrown the filter it uses
 *          more lines, and members that it remembered at their former places are logged once more:
 *          no more than as many again. Nothing is moved, so no addition stalls.
 */
#ifndef STATS_SHARD_SETS_H
#define STATS_SHARD_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SET_LINE_KEYS = 8, SET_LINES_FIRST = 64 };

struct shard_set_log {
    uint64_t *members;
    uint32_t *entries;
    uint64_t *seen; /* SET_LINE_KEYS each */
    uint32_t count, max;
    uint32_t line_count, line_max; /* powers of two */
};

/* Lines for `max` members, and their bytes. */
static inline uint32_t shard_set_lines(uint32_t max)
{
    uint32_t lines = SET_LINES_FIRST;
    while ((uint64_t)lines * SET_LINE_KEYS < 2 * (uint64_t)max)
        lines *= 2;
    return lines;
}

static inline size_t shard_set_seen_size(uint32_t max)
{
    return (size_t)shard_set_lines(max) * SET_LINE_KEYS * sizeof(uint64_t);
}

enum shard_set_result { SET_KNOWN, SET_ADDED, SET_FULL };

/* `entry` above 0. */
static inline enum shard_set_result shard_set_add(struct shard_set_log *log, uint32_t entry,
                                                  uint64_t hash)
{
    uint64_t key = hash ^ entry * UINT64_C(0x9e3779b97f4a7c15);
    key += key == 0; /* 0 is a free place */
    uint64_t *line = &log->seen[(size_t)(key & (log->line_count - 1)) * SET_LINE_KEYS];
    unsigned at = 0;
    while (at < SET_LINE_KEYS && line[at] != 0) {
        if (line[at] == key)
            return SET_KNOWN;
        at++;
    }
    if (log->count == log->max)
        return SET_FULL;
    if (at < SET_LINE_KEYS)
        line[at] = key;
    log->members[log->count] = hash;
    log->entries[log->count] = entry;
    log->count++;
    if (log->count > log->line_count * (SET_LINE_KEYS / 2) && log->line_count < log->line_max)
        log->line_count *= 2;
    return SET_ADDED;
}

static inline void shard_set_clear(struct shard_set_log *log)
{
    if (log->count == 0)
        return;
    memset(log->seen, 0, (size_t)log->line_count * SET_LINE_KEYS * sizeof(uint64_t));
    log->count = 0;
    log->line_count = SET_LINES_FIRST;
}

#endif
