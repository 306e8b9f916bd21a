/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_store.c - bytes that wait: out of order, or because the handler has no room.
 *
 * A connection's bytes lie in blocks of the pool, at the place that their sequence number says: the
 * block of a byte is number (seq / TCP_BLOCK_SIZE) of a ring of TCP_BLOCKS_OF_CONNECTION places,
 * which is itself a block. So overlaps need no thought, a byte is copied once, and small segments
 * take no more room than their bytes. Which bytes behind rcv_nxt are there is a sorted list of
 * ranges in another block.
 */
#include <string.h>

#include "core/check.h"
#include "dataplane/tcp/tcp_internal.h"

_Static_assert(TCP_RANGES_MAX * sizeof(struct tcp_range) <= TCP_BLOCK_SIZE, "one block");
_Static_assert(TCP_WINDOW_MAX <= (TCP_BLOCKS_OF_CONNECTION - 1) * TCP_BLOCK_SIZE,
               "a window that begins anywhere in a block must not meet itself");

static void *block_at(const struct tcp *tcp, uint32_t block)
{
    return tcp->blocks + (size_t)block * TCP_BLOCK_SIZE;
}

static uint32_t take_block(struct tcp *tcp)
{
    return tcp->free_block_count > 0 ? tcp->free_blocks[--tcp->free_block_count] : TCP_NONE;
}

static void give_block(struct tcp *tcp, uint32_t block)
{
    tcp->free_blocks[tcp->free_block_count++] = block;
}

static uint32_t place_of(uint32_t seq)
{
    return seq / TCP_BLOCK_SIZE % TCP_BLOCKS_OF_CONNECTION;
}

/* ---- bytes ---- */

static bool need_index(struct tcp *tcp, struct tcp_connection *connection)
{
    if (connection->index_block != TCP_NONE)
        return true;
    connection->index_block = take_block(tcp);
    if (connection->index_block == TCP_NONE)
        return false;
    memset(block_at(tcp, connection->index_block), 0xff, TCP_BLOCK_SIZE); /* TCP_NONE */
    return true;
}

static uint8_t *need_block(struct tcp *tcp, struct tcp_connection *connection, uint32_t seq)
{
    uint32_t *index = block_at(tcp, connection->index_block);
    uint32_t place = place_of(seq);
    if (index[place] == TCP_NONE) {
        index[place] = take_block(tcp);
        if (index[place] == TCP_NONE)
            return NULL;
        connection->block_count++;
    }
    return block_at(tcp, index[place]);
}

static void drop_index_if_empty(struct tcp *tcp, struct tcp_connection *connection)
{
    if (connection->block_count > 0 || connection->index_block == TCP_NONE)
        return;
    give_block(tcp, connection->index_block);
    connection->index_block = TCP_NONE;
}

uint32_t tcp_store_write(struct tcp *tcp, struct tcp_connection *connection, uint32_t seq,
                         const uint8_t *bytes, uint32_t size)
{
    uint32_t done = 0;
    CHECK((uint32_t)tcp_distance(connection->consumed, seq + size) <= TCP_WINDOW_MAX);
    if (!need_index(tcp, connection))
        return 0;
    while (done < size) {
        uint8_t *block = need_block(tcp, connection, seq + done);
        if (block == NULL)
            break;
        uint32_t at = (seq + done) % TCP_BLOCK_SIZE, part = TCP_BLOCK_SIZE - at;
        if (part > size - done)
            part = size - done;
        memcpy(block + at, bytes + done, part);
        done += part;
    }
    drop_index_if_empty(tcp, connection);
    return done;
}

const uint8_t *tcp_store_peek(const struct tcp *tcp, const struct tcp_connection *connection,
                              uint32_t end, uint32_t *size)
{
    uint32_t at = connection->consumed % TCP_BLOCK_SIZE, left = end - connection->consumed;
    const uint32_t *index = block_at(tcp, connection->index_block);
    uint32_t block = index[place_of(connection->consumed)];
    CHECK(block != TCP_NONE);
    *size = TCP_BLOCK_SIZE - at < left ? TCP_BLOCK_SIZE - at : left;
    return (const uint8_t *)block_at(tcp, block) + at;
}

void tcp_store_consumed(struct tcp *tcp, struct tcp_connection *connection, uint32_t from)
{
    if (connection->index_block == TCP_NONE)
        return;
    uint32_t *index = block_at(tcp, connection->index_block);
    /* A block is behind us when `consumed` lies in a later one. */
    uint32_t first = from - from % TCP_BLOCK_SIZE;
    for (uint32_t seq = first; (uint32_t)tcp_distance(seq, connection->consumed) >= TCP_BLOCK_SIZE;
         seq += TCP_BLOCK_SIZE) {
        uint32_t place = place_of(seq);
        if (index[place] == TCP_NONE)
            continue;
        give_block(tcp, index[place]);
        index[place] = TCP_NONE;
        connection->block_count--;
    }
    /* Nothing waits: what is left of a block is not worth keeping. */
    if (tcp_store_held(connection) == 0)
        tcp_store_clear(tcp, connection);
}

void tcp_store_clear(struct tcp *tcp, struct tcp_connection *connection)
{
    tcp_store_drop_ranges(tcp, connection);
    if (connection->index_block == TCP_NONE)
        return;
    uint32_t *index = block_at(tcp, connection->index_block);
    for (uint32_t i = 0; i < TCP_BLOCKS_OF_CONNECTION && connection->block_count > 0; i++) {
        if (index[i] == TCP_NONE)
            continue;
        give_block(tcp, index[i]);
        connection->block_count--;
    }
    drop_index_if_empty(tcp, connection);
}

uint32_t tcp_store_held(const struct tcp_connection *connection)
{
    return tcp_stream_end(connection) - connection->consumed + connection->range_bytes;
}

/* ---- ranges ---- */

static struct tcp_range *ranges_of(const struct tcp *tcp, const struct tcp_connection *connection)
{
    return connection->range_block == TCP_NONE ? NULL : block_at(tcp, connection->range_block);
}

const struct tcp_range *tcp_store_ranges(const struct tcp *tcp,
                                         const struct tcp_connection *connection)
{
    return ranges_of(tcp, connection);
}

void tcp_store_drop_ranges(struct tcp *tcp, struct tcp_connection *connection)
{
    if (connection->range_block != TCP_NONE)
        give_block(tcp, connection->range_block);
    connection->range_block = TCP_NONE;
    connection->range_count = 0;
    connection->range_bytes = 0;
}

static void remove_ranges(struct tcp_connection *connection, struct tcp_range *ranges,
                          uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        connection->range_bytes -= ranges[i].end - ranges[i].start;
    connection->range_count -= count;
    memmove(ranges + first, ranges + first + count,
            (connection->range_count - first) * sizeof(*ranges));
}

bool tcp_store_add_range(struct tcp *tcp, struct tcp_connection *connection, uint32_t start,
                         uint32_t end)
{
    uint32_t first = 0, touched = 0;
    if (connection->range_block == TCP_NONE) {
        connection->range_block = take_block(tcp);
        if (connection->range_block == TCP_NONE)
            return false;
    }
    struct tcp_range *ranges = ranges_of(tcp, connection);
    while (first < connection->range_count && tcp_before(ranges[first].end, start))
        first++;
    /* Those that overlap or touch become one. */
    while (first + touched < connection->range_count &&
           !tcp_before(end, ranges[first + touched].start)) {
        const struct tcp_range *range = &ranges[first + touched];
        start = tcp_before(range->start, start) ? range->start : start;
        end = tcp_before(end, range->end) ? range->end : end;
        touched++;
    }
    if (touched == 0 && connection->range_count == TCP_RANGES_MAX)
        return false;
    remove_ranges(connection, ranges, first, touched);
    memmove(ranges + first + 1, ranges + first,
            (connection->range_count - first) * sizeof(*ranges));
    ranges[first] = (struct tcp_range){start, end, ++connection->range_stamp};
    connection->range_count++;
    connection->range_bytes += end - start;
    return true;
}

void tcp_store_join(struct tcp *tcp, struct tcp_connection *connection)
{
    struct tcp_range *ranges = ranges_of(tcp, connection);
    uint32_t passed = 0;
    while (passed < connection->range_count &&
           !tcp_before(connection->rcv_nxt, ranges[passed].start)) {
        if (tcp_before(connection->rcv_nxt, ranges[passed].end))
            connection->rcv_nxt = ranges[passed].end;
        passed++;
    }
    if (passed > 0)
        remove_ranges(connection, ranges, 0, passed);
    if (connection->range_count == 0)
        tcp_store_drop_ranges(tcp, connection);
}
