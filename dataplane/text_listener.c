/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/text_listener.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "codec/split_ledger.h"

enum {
    REASON_SIZE_MORE = 256, /* in front of the payload */
    STREAM_ALIGNMENT = 16,
    HOSTNAME_SIZE = INET6_ADDRSTRLEN + sizeof("[]:65535")
};

struct piece { /* one record */
    const struct text_source *source;
    struct msg_slice payload;
    const char *signer;
    uint32_t signer_index;
};

/* ---- decoders ---- */

static int make_splitting(const struct plan_listener *listener, struct text_decoder *decoder,
                          struct err *err)
{
    void *memory;
    if (listener->kind != PLAN_TEXT || listener->net != PLAN_UDP)
        return 0;
    if (posix_memalign(&memory, STREAM_ALIGNMENT, splitter_stream_size(listener->splitter)) != 0)
        return err_add(err, "listener '%s': no memory for its splitter", listener->name);
    decoder->splitting = memory;
    split_stream_init(decoder->splitting, listener->splitter);
    return 0;
}

static int make_decoder(const struct plan *plan, const struct plan_listener *listener,
                        struct text_decoder *decoder, struct err *err)
{
    size_t size = (size_t)plan->max_message_size;
    if (make_splitting(listener, decoder, err) != 0)
        return -1;
    if (listener->decoder == NULL)
        return 0;
    decoder->takes_bytes = decoder_program_type(listener->decoder) == &protobuf_decoder;
    decoder->plain = malloc(size);
    decoder->reason.max_size = size + REASON_SIZE_MORE;
    if (decoder->plain == NULL ||
        (listener->send_decode_failures &&
         buffer_reserve(&decoder->reason, decoder->reason.max_size) != 0))
        return err_add(err, "listener '%s': no memory for its decoder", listener->name);
    return decoder_runner_new(listener->decoder, &decoder->runner, err);
}

int text_decoders_new(const struct plan *plan, struct text_decoder **out, struct err *err)
{
    struct text_decoder *decoders = calloc(plan->listener_count + 1, sizeof(*decoders));
    int rc = decoders != NULL ? 0 : err_add(err, "out of memory");
    for (unsigned i = 0; i < plan->listener_count && rc == 0; i++)
        rc = make_decoder(plan, &plan->listeners[i], &decoders[i], err);
    if (rc != 0)
        text_decoders_free(plan, decoders);
    else
        *out = decoders;
    return rc;
}

void text_decoders_free(const struct plan *plan, struct text_decoder *decoders)
{
    for (unsigned i = 0; decoders != NULL && i < plan->listener_count; i++) {
        decoder_runner_free(decoders[i].runner);
        free(decoders[i].splitting);
        free(decoders[i].plain);
        buffer_fini(&decoders[i].reason);
    }
    free(decoders);
}

/* ---- one piece ---- */

static void add_hostname(const struct text_source *source, struct msg_builder *builder)
{
    char ip[INET6_ADDRSTRLEN], text[HOSTNAME_SIZE];
    inet_ntop(source->is_ipv6 ? AF_INET6 : AF_INET, source->peer_ip, ip, sizeof(ip));
    if (source->peer_port_be == 0)
        snprintf(text, sizeof(text), "%s", ip);
    else
        snprintf(text, sizeof(text), source->is_ipv6 ? "[%s]:%u" : "%s:%u", ip,
                 (unsigned)ntohs(source->peer_port_be));
    msg_builder_hostname(builder, text, strlen(text));
}

/* What comes behind Uuid and Timestamp. */
static void add_members(const struct piece *piece, struct msg_builder *builder)
{
    const struct plan_listener *listener = piece->source->listener;
    size_t name_len = strlen(listener->name);
    msg_builder_type(builder, listener->name, name_len);
    msg_builder_logger(builder, listener->name, name_len);
    msg_builder_severity(builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(builder, piece->payload.ptr, piece->payload.len);
    if (listener->set_hostname)
        add_hostname(piece->source, builder);
}

static struct sink_source source_of(const struct piece *piece)
{
    const struct text_source *source = piece->source;
    const struct plan_listener *listener = source->listener;
    struct sink_source from = {.origin = source->origin, .ingest_ns = source->now_ns};
    if (listener->is_undecoded) {
        from.direct = (uint16_t)(listener->decoder_slot + 1);
        from.signer_number = piece->signer != NULL ? piece->signer_index + 1 : 0;
    } else {
        from.signer = piece->signer;
    }
    return from;
}

static void stage(const struct piece *piece, const struct msg_builder *builder)
{
    const struct sink_source from = source_of(piece);
    message_sink_stage(piece->source->sink, builder, &from);
}

static void count_message(const struct text_source *source)
{
    source->sink->counters->values[source->listener->is_undecoded ? COUNTER_TEXT_UNDECODED
                                                                  : COUNTER_TEXT_MESSAGES]++;
}

static void add_message(const struct piece *piece)
{
    struct msg_builder builder;
    struct message_sink *sink = piece->source->sink;
    message_sink_begin(sink, &builder, piece->source->now_ns);
    add_members(piece, &builder);
    stage(piece, &builder);
    count_message(piece->source);
}

struct decoding { /* context of decode_io: rooms are in the sink's staging buffer */
    const struct piece *piece;
    struct msg_builder staged;
    bool is_open, is_spilled; /* the room is in the spill */
};

/* A piece has room for one message, but not for any number: the others may have to wait. */
static bool open_room(struct decoding *decoding)
{
    const struct text_source *source = decoding->piece->source;
    struct spill *spill = source->spill;
    bool is_in_turn = spill == NULL || spill_is_empty(spill);
    decoding->is_spilled = !is_in_turn || !message_sink_make_room(source->sink, 1);
    if (!decoding->is_spilled)
        message_sink_begin(source->sink, &decoding->staged, source->now_ns);
    return !decoding->is_spilled ||
           (spill != NULL && spill_begin(spill, source->sink, &decoding->staged, source->now_ns));
}

static uint8_t *begin(void *context, size_t *capacity)
{
    struct decoding *decoding = context;
    if (!decoding->is_open && !open_room(decoding))
        return NULL;
    decoding->is_open = true;
    *capacity = decoding->staged.capacity;
    return decoding->staged.bytes;
}

static void close_room(struct decoding *decoding)
{
    const struct text_source *source = decoding->piece->source;
    const struct sink_source from = source_of(decoding->piece);
    if (decoding->is_spilled)
        spill_add(source->spill, source->sink, &decoding->staged, &from);
    else
        message_sink_stage(source->sink, &decoding->staged, &from);
    decoding->is_open = false;
}

static void commit(void *context, size_t size)
{
    struct decoding *decoding = context;
    decoding->staged.size = size;
    close_room(decoding);
}

/* The message that is to be decoded, with the Uuid of the room that its result goes to. */
static int make_plain(struct decoding *decoding, struct text_decoder *decoder,
                      struct msg_view *view)
{
    struct msg_builder builder;
    size_t capacity;
    if (begin(decoding, &capacity) == NULL)
        return -1;
    msg_builder_init(&builder, decoder->plain, capacity);
    msg_builder_raw(&builder, decoding->staged.bytes, decoding->staged.size);
    add_members(decoding->piece, &builder);
    int64_t size = msg_builder_finish(&builder);
    return size < 0 ? -1 : msg_view_init(view, decoder->plain, (size_t)size);
}

/* A record that is a message already goes where it is matched, and is looked at once, there. */
static int take_bytes(struct decoding *decoding)
{
    const struct piece *piece = decoding->piece;
    struct message_sink *sink = piece->source->sink;
    const struct spill *spill = piece->source->spill;
    struct msg_view view;
    size_t capacity;
    if ((spill == NULL || spill_is_empty(spill)) && message_sink_has_room(sink) &&
        piece->payload.len <= sink->plan->max_message_size) {
        const struct sink_source from = source_of(piece);
        int rc = message_sink_stage_bytes(sink, piece->payload.ptr, piece->payload.len, &from);
        return rc == 0 ? 0 : DECODE_E_MALFORMED;
    }
    if (msg_view_init(&view, piece->payload.ptr, piece->payload.len) != 0)
        return DECODE_E_MALFORMED;
    uint8_t *room = begin(decoding, &capacity);
    if (room == NULL || capacity < view.size)
        return DECODE_E_ROOM;
    memcpy(room, view.bytes, view.size);
    commit(decoding, view.size);
    return 0;
}

static void send_failure(struct decoding *decoding, const struct msg_view *view, int code,
                         const struct buffer *reason)
{
    const char *text = reason->size > 0 ? reason->data : decode_error_name(code);
    size_t len = reason->size > 0 ? reason->size : strlen(text);
    size_t capacity;
    uint64_t *values = decoding->piece->source->sink->counters->values;
    uint8_t *room = begin(decoding, &capacity);
    if (room == NULL) {
        values[decoder_counter(code)]++;
        return;
    }
    msg_builder_init(&decoding->staged, room, capacity);
    decoder_write_failure(&decoding->staged, view, text, len);
    close_room(decoding);
    values[COUNTER_DECODE_FAILURES_SENT]++;
}

/* Bytes that are no message go the long way as well, which has a reason for it. */
static int decode(struct decoding *decoding, struct text_decoder *decoder, struct decode_io *io,
                  struct msg_view *view)
{
    int rc = decoder->takes_bytes ? take_bytes(decoding) : 0;
    if (decoder->takes_bytes && rc == 0)
        return 0;
    if (make_plain(decoding, decoder, view) != 0)
        return DECODE_E_ROOM;
    return rc == DECODE_E_ROOM ? rc : decoder_runner_decode(decoder->runner, view, io);
}

static void decode_piece(const struct piece *piece, struct text_decoder *decoder)
{
    const struct text_source *source = piece->source;
    bool sends = source->listener->send_decode_failures;
    struct decoding decoding = {.piece = piece};
    struct decode_io io = {
        .context = &decoding,
        .begin = begin,
        .commit = commit,
        .reason = sends ? &decoder->reason : NULL,
        .now_ns = (int64_t)source->now_ns,
    };
    uint64_t *values = source->sink->counters->values;
    struct msg_view view = {.bytes = NULL};
    buffer_clear(&decoder->reason);
    int rc = decode(&decoding, decoder, &io, &view);
    decoder_count_notes(source->sink->counters, &io);
    if (rc == 0)
        values[COUNTER_TEXT_MESSAGES]++;
    else if (sends && view.bytes != NULL && rc != DECODE_E_IGNORED)
        send_failure(&decoding, &view, rc, &decoder->reason);
    else
        values[decoder_counter(rc)]++;
}

void text_listener_piece(const struct text_source *source, const struct split_piece *split)
{
    struct message_sink *sink = source->sink;
    const struct piece piece = {source, split->record, split->signer, split->signer_index};
    split_ledger_count(sink->counters, split->outcome);
    if (!split_is_record(split->outcome))
        return;
    if (!message_sink_make_room(sink, 1)) {
        count_message(source);
        message_sink_drop(sink);
    } else if (source->decoder->runner != NULL) {
        decode_piece(&piece, source->decoder);
    } else {
        add_message(&piece);
    }
}

/* ---- datagrams ---- */

void text_listener_datagram(const struct text_source *source, const void *bytes, size_t size)
{
    struct split_stream *splitting = source->decoder->splitting;
    struct msg_slice left = {bytes, (uint32_t)size};
    struct split_piece piece;
    if (size == 0)
        split_ledger_count(source->sink->counters, SPLIT_EMPTY);
    while (split_next(splitting, left, SPLIT_ENDS, &piece, NULL) != SPLIT_MORE) {
        text_listener_piece(source, &piece);
        left.ptr += piece.consumed;
        left.len -= (uint32_t)piece.consumed;
    }
}

/* ---- generations ---- */

static uint32_t move_signer(const struct plan_listener *from, const struct plan_listener *to,
                            uint32_t number)
{
    const struct splitter_signers *known = &to->splitter->signers;
    if (number == 0 || number > from->splitter->signers.count)
        return 0;
    for (uint32_t i = 0; i < known->count; i++)
        if (strcmp(known->names[i], from->splitter->signers.names[number - 1]) == 0)
            return i + 1;
    return 0;
}

void text_listener_adopt(struct message_sink *sink, const struct plan *now, struct plan *next)
{
    for (unsigned i = sink->done_count; i < sink->pending_count; i++) {
        struct sink_source *source = &sink->pending[i].source;
        if (source->direct == 0 || source->direct == SINK_DIRECT_GONE)
            continue;
        const struct plan_listener *from = &now->listeners[source->origin];
        const struct plan_listener *to = plan_find_listener(next, from->name);
        if (to == NULL || !to->is_undecoded) {
            source->direct = SINK_DIRECT_GONE;
            continue;
        }
        source->signer_number = move_signer(from, to, source->signer_number);
        source->origin = (uint32_t)(to - next->listeners);
        source->direct = (uint16_t)(to->decoder_slot + 1);
    }
}
