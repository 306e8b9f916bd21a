/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/check.h"
#include "core/page_alloc.h"
#include "dataplane/idle_list.h"

enum {
    JOIN_BYTES = 128,   /* first step when a record goes on in the next segment */
    SEARCH_INLINE = 64, /* of a split_stream, without a room of its own */
    PAGE_SIZE = 4096,
    CACHE_LINE = 64,
    PART_MAX = 64,     /* packets that are prefetched for together */
    AHEAD = 3,         /* packets between two steps of that */
    HELD_AHEAD = 1024, /* bytes of a record that waits */
    /* Most records that wait are short, and lie close together: with 10,000 streams frames of 1 KB
     * go from 18.0 to 21.6 Gbit/s, lines from 31.2 to 34.4 (bench/tcp_rate, best of 40). */
    NEAR_BYTES = 2048,
    COLOUR_BYTES = 320, /* step of where buffers begin in their pages: else they share cache sets */
    NEAR_STRIDE = NEAR_BYTES + COLOUR_BYTES
};
#define PAUSE_NS (UINT64_C(1000) * 1000 * 1000) /* without a byte; as in hekad */

struct stream {
    struct tcp_connection *connection; /* NULL: closed, but its last record waits for room */
    struct tcp_flow flow;
    int listener;
    struct split_stream *splitting;
    uint32_t held; /* bytes of an incomplete record, in its buffer */
    bool is_far;   /* which is that in the mapping: there are or were over NEAR_BYTES of them */
    bool is_used, is_waiting, sees_pauses;
    uint32_t next_free;
    uint32_t waiting_index;
    _Alignas(16) uint8_t search[SEARCH_INLINE];
};

struct streams {
    struct tcp *tcp;
    uint64_t now_ns;
    struct idle_list pausing; /* streams that see pauses, and had bytes lately */
    const struct streams_user *user;
    void *context;
    struct stream *streams;
    unsigned stream_max, stream_count;
    uint32_t first_free;
    uint32_t *waiting; /* streams that stopped */
    unsigned waiting_count;
    uint64_t held;
    uint8_t *searches; /* split_stream of those that need more than SEARCH_INLINE */
    uint8_t *near; /* NEAR_BYTES for each stream */
    uint8_t *buffers; /* the mapping: buffer_size for each */
    size_t buffer_size, stride;
};

static uint32_t index_of(const struct streams *streams, const struct stream *stream)
{
    return (uint32_t)(stream - streams->streams);
}

static char *buffer_of(const struct streams *streams, const struct stream *stream)
{
    size_t index = index_of(streams, stream);
    if (!stream->is_far)
        return (char *)streams->near + index * NEAR_STRIDE;
    return (char *)streams->buffers + index * streams->stride + index * COLOUR_BYTES % PAGE_SIZE;
}

/* The buffer, with room for `size` bytes; the first `used` of them stay. */
static char *buffer_for(const struct streams *streams, struct stream *stream, size_t used,
                        size_t size)
{
    char *buffer = buffer_of(streams, stream);
    if (stream->is_far || size <= NEAR_BYTES)
        return buffer;
    stream->is_far = true;
    return memcpy(buffer_of(streams, stream), buffer, used);
}

static struct split_stream *search_room(const struct streams *streams, struct stream *stream,
                                        const struct splitter *splitter)
{
    if (splitter_stream_size(splitter) <= SEARCH_INLINE)
        return (void *)stream->search;
    return (void *)(streams->searches + index_of(streams, stream) * (size_t)STREAM_SEARCH_MAX);
}

/* ---- waiting ---- */

static void wait_for_room(struct streams *streams, struct stream *stream)
{
    if (stream->is_waiting)
        return;
    stream->is_waiting = true;
    stream->waiting_index = streams->waiting_count;
    streams->waiting[streams->waiting_count++] = index_of(streams, stream);
}

static void stop_waiting(struct streams *streams, struct stream *stream)
{
    if (!stream->is_waiting)
        return;
    uint32_t last = streams->waiting[--streams->waiting_count];
    streams->waiting[stream->waiting_index] = last;
    streams->streams[last].waiting_index = stream->waiting_index;
    stream->is_waiting = false;
}

/* ---- splitting ---- */

static void set_held(struct streams *streams, struct stream *stream, size_t held)
{
    streams->held += held - stream->held;
    stream->held = (uint32_t)held;
    if (held == 0)
        stream->is_far = false;
}

/* Pieces of bytes[0..size); how many bytes they were. `is_full`: there was no room for one more. */
static size_t split(struct streams *streams, struct stream *stream, const char *bytes, size_t size,
                    enum split_source source, bool *is_full)
{
    const struct streams_user *user = streams->user;
    size_t done = 0;
    *is_full = false;
    for (;;) {
        struct split_piece piece;
        if (!user->has_room(streams->context)) {
            *is_full = true;
            return done;
        }
        struct msg_slice left = {bytes + done, (uint32_t)(size - done)};
        if (split_next(stream->splitting, left, source, &piece, NULL) == SPLIT_MORE)
            return done;
        done += piece.consumed;
        user->piece(streams->context, stream->listener, &stream->flow, &piece);
    }
}

/* The record that begins in the buffer and ends in these bytes: as many of them are appended as it
 * takes. Returns how many bytes are done with. */
static size_t finish_held(struct streams *streams, struct stream *stream, const char *bytes,
                          size_t size, bool *is_full)
{
    size_t appended = 0, step = JOIN_BYTES, before = stream->held;
    /* Only a piece takes room away: the splitter never sees bytes that are not kept. */
    *is_full = !streams->user->has_room(streams->context);
    if (*is_full)
        return 0;
    while (appended < size) {
        size_t room = streams->buffer_size - before - appended, more = size - appended;
        more = more < step ? more : step;
        more = more < room ? more : room;
        CHECK(more > 0); /* a full buffer has a piece */
        char *buffer = buffer_for(streams, stream, before + appended, before + appended + more);
        memcpy(buffer + before + appended, bytes + appended, more);
        appended += more;
        step *= 2;
        size_t done =
            split(streams, stream, buffer, before + appended, SPLIT_GOES_ON, is_full);
        if (done >= before) { /* the rest is better split where it lies */
            set_held(streams, stream, 0);
            return done - before;
        }
        if (done > 0) { /* pieces of what was held; the buffer starts behind them */
            memmove(buffer, buffer + done, before + appended - done);
            before -= done;
        }
        set_held(streams, stream, before);
        if (*is_full)
            return 0;
    }
    set_held(streams, stream, before + appended);
    return size;
}

static size_t take_bytes(struct streams *streams, struct stream *stream, const char *bytes,
                         size_t size, bool *is_full)
{
    size_t done = 0;
    if (stream->held > 0) {
        done = finish_held(streams, stream, bytes, size, is_full);
        if (*is_full || done == size)
            return done;
    }
    done += split(streams, stream, bytes + done, size - done, SPLIT_GOES_ON, is_full);
    if (*is_full)
        return done;
    CHECK(size - done <= streams->buffer_size);
    memcpy(buffer_for(streams, stream, 0, size - done), bytes + done, size - done);
    set_held(streams, stream, size - done);
    return size;
}

/* ---- the handler of tcp.h ---- */

static void free_stream(struct streams *streams, struct stream *stream)
{
    stop_waiting(streams, stream);
    idle_list_remove(&streams->pausing, index_of(streams, stream));
    set_held(streams, stream, 0);
    stream->is_used = false;
    stream->next_free = streams->first_free;
    streams->first_free = index_of(streams, stream);
    streams->stream_count--;
}

static int find_listener(void *context, const struct tcp_flow *flow)
{
    struct streams *streams = context;
    return streams->user->find_listener(streams->context, flow);
}

static void *opened(void *context, struct tcp_connection *connection, int listener,
                    const struct tcp_flow *flow)
{
    struct streams *streams = context;
    /* Half-open connections may be older than the plan that is in force. */
    listener = streams->user->find_listener(streams->context, flow);
    if (listener < 0 || streams->first_free == UINT32_MAX) /* or all wait for room */
        return NULL;
    struct stream *stream = &streams->streams[streams->first_free];
    const struct splitter *splitter = streams->user->splitter_of(streams->context, listener);
    if (splitter == NULL || splitter_stream_size(splitter) > STREAM_SEARCH_MAX ||
        splitter_buffer_max(splitter) > streams->buffer_size)
        return NULL;
    streams->first_free = stream->next_free;
    *stream = (struct stream){
        .connection = connection, .flow = *flow, .listener = listener, .is_used = true};
    stream->sees_pauses = splitter->ops->sees_pauses;
    stream->splitting = search_room(streams, stream, splitter);
    split_stream_init(stream->splitting, splitter);
    streams->stream_count++;
    return stream;
}

static size_t data(void *context, void *user, const uint8_t *bytes, size_t size)
{
    struct streams *streams = context;
    struct stream *stream = user;
    bool is_full;
    size_t done = take_bytes(streams, stream, (const char *)bytes, size, &is_full);
    if (is_full)
        wait_for_room(streams, stream);
    if (stream->sees_pauses)
        idle_list_touch(&streams->pausing, index_of(streams, stream), streams->now_ns);
    return done;
}

/* Pieces of what is in the buffer, with what is known of the bytes behind. False: there was no room
 * for one more. */
static bool split_held(struct streams *streams, struct stream *stream, enum split_source source)
{
    bool is_full;
    char *buffer = buffer_of(streams, stream);
    size_t done = split(streams, stream, buffer, stream->held, source, &is_full);
    if (done > 0)
        memmove(buffer, buffer + done, stream->held - done);
    set_held(streams, stream, stream->held - done);
    return !is_full;
}

/* What is left at the end. True when it is done with. */
static bool end_stream(struct streams *streams, struct stream *stream)
{
    if (!split_held(streams, stream, SPLIT_ENDS))
        return false;
    free_stream(streams, stream);
    return true;
}

/* Streams of which no byte came for a while. One that finds no room is looked at again. */
static void tell_pauses(struct streams *streams)
{
    for (uint32_t turns = streams->stream_count; turns > 0; turns--) {
        uint32_t index = idle_list_take(&streams->pausing, streams->now_ns, PAUSE_NS);
        if (index == IDLE_LIST_NONE)
            return;
        struct stream *stream = &streams->streams[index];
        if (stream->held > 0 &&
            (stream->is_waiting || !split_held(streams, stream, SPLIT_PAUSES)))
            idle_list_touch(&streams->pausing, index, streams->now_ns);
    }
}

static void closed(void *context, void *user, enum tcp_end end)
{
    struct streams *streams = context;
    struct stream *stream = user;
    (void)end;
    stream->connection = NULL;
    if (!end_stream(streams, stream))
        wait_for_room(streams, stream);
}

static void send_answer(void *context, const struct tcp_answer *answer)
{
    struct streams *streams = context;
    streams->user->send(streams->context, answer);
}

static const struct tcp_handler handler = {find_listener, opened, data, closed, send_answer};

/* ---- for the worker ---- */

/* What the packets of a burst need, in steps of which each needs what the one before has asked for.
 * With 10,000 connections nearly all of it is in no cache. */
static void prefetch_stream(const struct streams *streams, uint32_t hash)
{
    const char *stream = tcp_prefetch_user(streams->tcp, hash);
    for (size_t at = 0; stream != NULL && at < sizeof(struct stream); at += CACHE_LINE)
        __builtin_prefetch(stream + at, 1);
}

static void prefetch_buffer(const struct streams *streams, uint32_t hash)
{
    const struct stream *stream = tcp_prefetch_user(streams->tcp, hash);
    if (stream == NULL)
        return;
    const char *buffer = buffer_of(streams, stream);
    size_t size = stream->held < HELD_AHEAD ? stream->held : HELD_AHEAD;
    for (size_t at = 0; at < size + JOIN_BYTES; at += CACHE_LINE)
        __builtin_prefetch(buffer + at, 1);
}

static void take_part(struct streams *streams, const struct tcp_packet *packets, unsigned count,
                      uint64_t now_ns)
{
    uint32_t hashes[PART_MAX];
    for (unsigned i = 0; i < count + 3 * AHEAD; i++) {
        if (i < count)
            hashes[i] = tcp_prefetch(streams->tcp, &packets[i]);
        if (i >= AHEAD && i - AHEAD < count)
            tcp_prefetch_connection(streams->tcp, hashes[i - AHEAD]);
        if (i >= 2 * AHEAD && i - 2 * AHEAD < count)
            prefetch_stream(streams, hashes[i - 2 * AHEAD]);
        if (i >= 3 * AHEAD - 1 && i - (3 * AHEAD - 1) < count)
            prefetch_buffer(streams, hashes[i - (3 * AHEAD - 1)]);
        if (i >= 3 * AHEAD)
            tcp_take(streams->tcp, &packets[i - 3 * AHEAD], now_ns);
    }
}

void streams_take(struct streams *streams, const struct tcp_packet *packets, unsigned count,
                  uint64_t now_ns)
{
    streams->now_ns = now_ns;
    for (unsigned done = 0; done < count; done += PART_MAX)
        take_part(streams, packets + done, count - done < PART_MAX ? count - done : PART_MAX,
                  now_ns);
    tcp_flush(streams->tcp, now_ns);
}

/* Each that waits now gets its turn once. */
bool streams_resume(struct streams *streams, uint64_t now_ns)
{
    streams->now_ns = now_ns;
    for (unsigned turns = streams->waiting_count; turns > 0 && streams->waiting_count > 0;
         turns--) {
        struct stream *stream = &streams->streams[streams->waiting[0]];
        if (!streams->user->has_room(streams->context))
            return false;
        stop_waiting(streams, stream);
        if (stream->connection != NULL)
            tcp_credit(streams->tcp, stream->connection, now_ns);
        else
            closed(streams, stream, TCP_END_FIN);
    }
    return streams->waiting_count == 0;
}

void streams_expire(struct streams *streams, uint64_t now_ns)
{
    streams->now_ns = now_ns;
    tcp_expire(streams->tcp, now_ns);
    tell_pauses(streams);
}

void streams_renumber(struct streams *streams, int (*number_of)(void *context, int listener),
                      uint64_t now_ns)
{
    for (unsigned i = 0; i < streams->stream_max; i++) {
        struct stream *stream = &streams->streams[i];
        if (!stream->is_used)
            continue;
        int listener = number_of(streams->context, stream->listener);
        if (listener >= 0)
            stream->listener = listener;
        else if (stream->connection != NULL)
            tcp_abort(streams->tcp, stream->connection, now_ns);
        else
            end_stream(streams, stream);
    }
}

static int none(void *context, int listener)
{
    (void)context;
    (void)listener;
    return -1;
}

void streams_drop_all(struct streams *streams, uint64_t now_ns)
{
    streams_renumber(streams, none, now_ns);
    tcp_abort_all(streams->tcp, now_ns);
}

unsigned streams_count(const struct streams *streams)
{
    return streams->stream_count;
}

uint64_t streams_open_bytes(const struct streams *streams)
{
    return streams->held;
}

const uint64_t *streams_tcp_counters(const struct streams *streams)
{
    return tcp_counters(streams->tcp);
}

/* ---- making ---- */

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static int map_buffers(struct streams *streams, size_t record_max, struct err *err)
{
    streams->buffer_size = record_max;
    streams->stride = round_up(record_max + PAGE_SIZE, PAGE_SIZE);
    void *base = mmap(NULL, streams->stream_max * streams->stride, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return err_add(err, "no memory for records of %u streams: %s", streams->stream_max,
                       strerror(errno));
    streams->buffers = base;
    return 0;
}

static int allocate(struct streams *streams, size_t record_max, struct err *err)
{
    unsigned count = streams->stream_max;
    streams->streams = page_alloc(count, sizeof(*streams->streams));
    streams->waiting = calloc(count, sizeof(*streams->waiting));
    streams->near = page_alloc(count, NEAR_STRIDE);
    streams->searches = aligned_alloc(PAGE_SIZE, count * (size_t)STREAM_SEARCH_MAX);
    if (streams->streams == NULL || streams->waiting == NULL || streams->searches == NULL ||
        streams->near == NULL || idle_list_init(&streams->pausing, count) != 0)
        return err_add(err, "no memory for %u streams", count);
    for (unsigned i = 0; i < count; i++)
        streams->streams[i].next_free = i + 1 < count ? i + 1 : UINT32_MAX;
    return map_buffers(streams, record_max, err);
}

int streams_new(const struct tcp_config *tcp, const struct streams_user *user, void *context,
                size_t record_max, struct streams **out, struct err *err)
{
    struct streams *streams = calloc(1, sizeof(*streams));
    struct tcp_config config = *tcp;
    if (streams == NULL)
        return err_add(err, "out of memory");
    CHECK(config.connections_max > 0);
    streams->user = user;
    streams->context = context;
    streams->stream_max = config.connections_max;
    config.handler = &handler;
    config.context = streams;
    if (allocate(streams, record_max, err) != 0 || tcp_new(&config, &streams->tcp, err) != 0) {
        streams_free(streams);
        return -1;
    }
    *out = streams;
    return 0;
}

void streams_free(struct streams *streams)
{
    if (streams == NULL)
        return;
    tcp_free(streams->tcp);
    if (streams->buffers != NULL)
        munmap(streams->buffers, streams->stream_max * streams->stride);
    free(streams->streams);
    free(streams->waiting);
    free(streams->searches);
    idle_list_fini(&streams->pausing);
    free(streams->near);
    free(streams);
}
