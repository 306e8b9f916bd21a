/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/multi_decoder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/decoder.h"

enum { REASON_SIZE_MAX = 64 * 1024 };

struct multi_sub {
    struct decoder decoder;
    const struct capture_source *source; /* NULL: it has no expression of a set */
    uint32_t run; /* sub-decoders from this one on whose expressions follow each other in the set */
    uint64_t wins;                      /* first-wins */
    struct multi_decoder_counts counts; /* all */
};

/* Messages between two sub-decoders, one behind the other. */
struct multi_room {
    uint8_t *bytes;
    size_t size, capacity;
    uint32_t ends[MULTI_MESSAGES_MAX];
    uint32_t count;
    size_t message_size_max;
};

struct multi_state {
    struct multi_sub *subs;
    uint32_t count;
    struct multi_room rooms[2];
    struct buffer reason;
    uint64_t messages;
    void (*forget)(void *context); /* of the host; may be NULL */
    void *host_context;
};

#define AT(member) offsetof(struct multi_decoder_config, member)
static const char *const strategies[] = {"first-wins", "all", NULL};

static const struct schema_key keys[] = {
    {.key = "subs",
     .type = SCHEMA_STRINGS,
     .offset = AT(subs),
     .help = "Sections of the decoders, in the order in which they are tried."},
    {.key = "cascade_strategy",
     .type = SCHEMA_CHOICE,
     .offset = AT(cascade_strategy),
     .choices = strategies,
     .def = "first-wins",
     .help =
         "first-wins: the first that succeeds ends it; all: each one decodes what came of those "
         "before."},
    {.key = "log_sub_errors",
     .type = SCHEMA_BOOL,
     .offset = AT(log_sub_errors),
     .def = "false",
     .help = "Whether the errors of each single decoder are logged, too."},
    {.key = NULL},
};

static const struct schema schema = {.name = "MultiDecoder", .keys = keys};

/* ---- order of sections ---- */

struct sorter {
    const struct multi_decoder_node *nodes;
    uint32_t count;
    uint8_t *done;
    uint32_t path[MULTI_DEPTH_MAX]; /* from a root to the section that is looked at */
    uint32_t depth;
    uint32_t *order;
    uint32_t placed;
    struct err *err;
};

static const char *sub_name(const struct multi_decoder_node *node, size_t index)
{
    return ((const char *const *)node->subs.items)[index];
}

static int64_t find_node(const struct sorter *sorter, const char *name)
{
    for (uint32_t i = 0; i < sorter->count; i++) {
        if (strcmp(sorter->nodes[i].name, name) == 0)
            return i;
    }
    return -1;
}

static int report_cycle(const struct sorter *sorter, uint32_t from, uint32_t node)
{
    char text[ERR_TEXT_SIZE] = "";
    size_t used = 0;
    for (uint32_t i = from; i < sorter->depth && used < sizeof(text); i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s > ",
                                 sorter->nodes[sorter->path[i]].name);
    return err_add(sorter->err, "circular dependency detected: %s%s", text,
                   sorter->nodes[node].name);
}

static int place(struct sorter *sorter, uint32_t node)
{
    if (sorter->done[node])
        return 0;
    for (uint32_t i = 0; i < sorter->depth; i++) {
        if (sorter->path[i] == node)
            return report_cycle(sorter, i, node);
    }
    if (sorter->depth == MULTI_DEPTH_MAX)
        return err_add(sorter->err, "%s: MultiDecoders are nested over %d deep",
                       sorter->nodes[node].name, MULTI_DEPTH_MAX);
    sorter->path[sorter->depth++] = node;
    for (size_t i = 0; i < sorter->nodes[node].subs.count; i++) {
        int64_t sub = find_node(sorter, sub_name(&sorter->nodes[node], i));
        if (sub >= 0 && place(sorter, (uint32_t)sub) != 0)
            return -1;
    }
    sorter->depth--;
    sorter->done[node] = 1;
    sorter->order[sorter->placed++] = node;
    return 0;
}

int multi_decoder_order(const struct multi_decoder_node *nodes, uint32_t count, uint32_t *order,
                        struct err *err)
{
    struct sorter sorter = {.nodes = nodes, .count = count, .order = order, .err = err};
    int rc = 0;
    sorter.done = calloc(count + 1, 1);
    if (sorter.done == NULL)
        return err_add(err, "MultiDecoder: out of memory");
    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = place(&sorter, i);
    free(sorter.done);
    return rc;
}

/* ---- starting ---- */

static int find_sub(struct multi_sub *sub, const char *name, const struct decoder_host *host,
                    struct err *err)
{
    unsigned before = err != NULL ? err->count : 0;
    int rc = host->find != NULL ? host->find(host->context, name, &sub->decoder, err) : -1;
    if (rc != 0 && (err == NULL || err->count == before))
        return err_add(err, "Non-existent subdecoder: %s", name);
    if (rc == 0 && sub->decoder.ops->captures != NULL)
        sub->source = sub->decoder.ops->captures(sub->decoder.state);
    if (sub->source != NULL && sub->source->next == NULL)
        sub->source = NULL;
    return rc;
}

static bool follows(const struct capture_source *first, const struct capture_source *second)
{
    return first != NULL && second != NULL && first->next == second->next &&
           first->set_context == second->set_context && first->index + 1 == second->index;
}

static void find_runs(struct multi_state *multi)
{
    for (uint32_t i = multi->count; i-- > 0;) {
        bool goes_on =
            i + 1 < multi->count && follows(multi->subs[i].source, multi->subs[i + 1].source);
        multi->subs[i].run = goes_on ? multi->subs[i + 1].run + 1 : 1;
    }
}

static int make_rooms(struct multi_state *multi, const struct decoder_host *host, struct err *err)
{
    size_t size = host->message_size_max > 0 ? host->message_size_max : MSG_SIZE_DEFAULT_MAX;
    for (int i = 0; i < 2; i++) {
        struct multi_room *room = &multi->rooms[i];
        room->capacity = MULTI_ROOM_MESSAGES * size;
        room->message_size_max = size;
        room->bytes = malloc(room->capacity);
        if (room->bytes == NULL)
            return err_add(err, "MultiDecoder: out of memory");
    }
    return 0;
}

static int init(void *state, const void *config, const struct decoder_host *host, struct err *err)
{
    const struct multi_decoder_config *options = config;
    const char *const *names = options->subs.items;
    struct multi_state *multi = state;
    int rc = 0;
    if (options->subs.count == 0)
        return err_add(err, "At least one subdecoder must be specified.");
    if (options->subs.count > MULTI_SUBS_MAX)
        return err_add(err, "MultiDecoder: over %d subdecoders", MULTI_SUBS_MAX);
    multi->subs = calloc(options->subs.count, sizeof(*multi->subs));
    if (multi->subs == NULL)
        return err_add(err, "MultiDecoder: out of memory");
    multi->reason.max_size = REASON_SIZE_MAX;
    multi->forget = host->forget;
    multi->host_context = host->context;
    for (; multi->count < options->subs.count && rc == 0; multi->count++)
        rc = find_sub(&multi->subs[multi->count], names[multi->count], host, err);
    if (rc == 0)
        find_runs(multi);
    if (rc == 0 && options->cascade_strategy == MULTI_ALL)
        rc = make_rooms(multi, host, err);
    return rc;
}

static void fini(void *state)
{
    struct multi_state *multi = state;
    free(multi->subs);
    free(multi->rooms[0].bytes);
    free(multi->rooms[1].bytes);
    buffer_fini(&multi->reason);
    *multi = (struct multi_state){0};
}

/* ---- decoding ---- */

static int decode_sub(struct multi_sub *sub, const struct msg_view *message, struct decode_io *io)
{
    return sub->decoder.ops->decode(sub->decoder.state, sub->decoder.config, message, io);
}

static void log_failure(const struct multi_state *multi, const struct multi_sub *sub, int code,
                        struct decode_io *io)
{
    enum { SHOWN_MAX = 600 };
    char line[SHOWN_MAX + 200];
    if (code == DECODE_E_IGNORED)
        return;
    int shown = multi->reason.size < SHOWN_MAX ? (int)multi->reason.size : SHOWN_MAX;
    snprintf(line, sizeof(line), "Subdecoder '%.100s' decode error: %.*s", sub->decoder.name,
             shown > 0 ? shown : (int)strlen(decode_error_name(code)),
             shown > 0 ? multi->reason.data : decode_error_name(code));
    io->log(io->log_context, line);
}

/* One sub-decoder; its error is logged if that is wanted, and does not go further. */
static int try_sub(struct multi_state *multi, const struct multi_decoder_config *options,
                   struct multi_sub *sub, const struct msg_view *message, struct decode_io *io)
{
    bool logs = options->log_sub_errors && io->log != NULL;
    struct buffer *reason = io->reason;
    io->reason = NULL;
    if (logs) {
        buffer_clear(&multi->reason);
        io->reason = &multi->reason;
    }
    int rc = decode_sub(sub, message, io);
    io->reason = reason;
    if (rc != 0 && logs)
        log_failure(multi, sub, rc, io);
    return rc;
}

static int fail_all(struct decode_io *io)
{
    if (io->reason != NULL)
        (void)buffer_append_text(io->reason, "All subdecoders failed.");
    return DECODE_E_ALL_FAILED;
}

/* The first sub-decoder from `from` on that may take the payload; the set tells for a run at
 * once. */
static uint32_t next_sub(const struct multi_state *multi, uint32_t from,
                         const struct msg_view *message)
{
    while (from < multi->count && multi->subs[from].run > 1) {
        const struct multi_sub *sub = &multi->subs[from];
        const struct capture_source *source = sub->source;
        int64_t next = source->next(source->set_context, source->index, message->payload);
        if (next >= 0 && next < (int64_t)source->index + sub->run)
            return from + (uint32_t)(next - source->index);
        from += sub->run;
    }
    return from;
}

static int decode_first(struct multi_state *multi, const struct multi_decoder_config *options,
                        const struct msg_view *message, struct decode_io *io)
{
    bool asks_all = options->log_sub_errors && io->log != NULL;
    for (uint32_t i = 0; i < multi->count; i++) {
        if (!asks_all)
            i = next_sub(multi, i, message);
        if (i == multi->count)
            break;
        if (try_sub(multi, options, &multi->subs[i], message, io) == 0) {
            multi->subs[i].wins++;
            return 0;
        }
    }
    return fail_all(io);
}

static uint8_t *room_begin(void *context, size_t *capacity)
{
    struct multi_room *room = context;
    size_t left = room->capacity - room->size;
    if (room->count == MULTI_MESSAGES_MAX)
        return NULL;
    *capacity = left < room->message_size_max ? left : room->message_size_max;
    return room->bytes + room->size;
}

static void room_commit(void *context, size_t size)
{
    struct multi_room *room = context;
    room->size += size;
    room->ends[room->count++] = (uint32_t)room->size;
}

/* Copies a message on; false when there is no room. */
static bool pass_on(const void *bytes, size_t size, struct decode_io *io)
{
    size_t capacity = 0;
    uint8_t *at = io->begin(io->context, &capacity);
    if (at == NULL || capacity < size) {
        io->notes[DECODE_NOTE_LOST]++;
        return false;
    }
    memcpy(at, bytes, size);
    io->commit(io->context, size);
    return true;
}

/* One sub-decoder on one message, into the room of `io`. */
static bool decode_one(struct multi_state *multi, const struct multi_decoder_config *options,
                       struct multi_sub *sub, const struct msg_view *message, struct decode_io *io)
{
    sub->counts.messages++;
    if (try_sub(multi, options, sub, message, io) == 0)
        return true;
    sub->counts.failures++;
    (void)pass_on(message->bytes, message->size, io);
    return false;
}

/* One sub-decoder on all messages of a room (NULL: on `first`), into the other. */
static bool decode_round(struct multi_state *multi, const struct multi_decoder_config *options,
                         struct multi_sub *sub, const struct msg_view *first,
                         const struct multi_room *from, struct decode_io *io)
{
    bool any = false;
    uint32_t start = 0;
    if (from == NULL)
        return decode_one(multi, options, sub, first, io);
    for (uint32_t i = 0; i < from->count; i++) {
        struct msg_view message;
        if (msg_view_init(&message, from->bytes + start, from->ends[i] - start) == 0)
            any |= decode_one(multi, options, sub, &message, io);
        else
            io->notes[DECODE_NOTE_LOST]++;
        start = from->ends[i];
    }
    return any;
}

static int emit(const struct multi_room *room, struct decode_io *io)
{
    uint32_t start = 0, sent = 0;
    for (uint32_t i = 0; i < room->count; i++) {
        sent += pass_on(room->bytes + start, room->ends[i] - start, io);
        start = room->ends[i];
    }
    return sent > 0 ? 0 : DECODE_E_ROOM;
}

static int decode_all(struct multi_state *multi, const struct multi_decoder_config *options,
                      const struct msg_view *message, struct decode_io *io)
{
    struct multi_room *from = NULL;
    bool any = false;
    for (uint32_t i = 0; i < multi->count; i++) {
        struct multi_room *to = &multi->rooms[i % 2];
        struct decode_io inner = *io;
        to->size = 0;
        to->count = 0;
        inner.context = to;
        inner.begin = room_begin;
        inner.commit = room_commit;
        if (multi->forget != NULL) /* rooms are used again */
            multi->forget(multi->host_context);
        any |= decode_round(multi, options, &multi->subs[i], message, from, &inner);
        memcpy(io->notes, inner.notes, sizeof(io->notes));
        from = to;
    }
    return any ? emit(from, io) : fail_all(io);
}

static int decode(void *state, const void *config, const struct msg_view *message,
                  struct decode_io *io)
{
    const struct multi_decoder_config *options = config;
    struct multi_state *multi = state;
    multi->messages++;
    if (options->cascade_strategy == MULTI_ALL)
        return decode_all(multi, options, message, io);
    return decode_first(multi, options, message, io);
}

/* With first-wins, what reached a sub-decoder is what none before it took. */
struct multi_decoder_counts multi_decoder_report(const void *state, uint32_t sub)
{
    const struct multi_state *multi = state;
    if (multi->rooms[0].bytes != NULL)
        return multi->subs[sub].counts;
    uint64_t reached = multi->messages;
    for (uint32_t i = 0; i < sub; i++)
        reached -= multi->subs[i].wins;
    return (struct multi_decoder_counts){reached, reached - multi->subs[sub].wins};
}

const struct decoder_ops multi_decoder = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "MultiDecoder",
               .schema = &schema,
               .config_size = sizeof(struct multi_decoder_config),
               .state_size = sizeof(struct multi_state)},
    .init = init,
    .decode = decode,
    .fini = fini,
};
