/* SPDX-License-Identifier: MPL-2.0
 *
 * example.c - one small plugin of each kind, in a shared object for hekad's plugin_dir.
 *
 * ClockInput        a record of three words every `interval`, given to splitter and decoder
 * CommaSplitter     a record ends with `delimiter`, "," unless given
 * ShoutDecoder      the payload in capitals
 * EveryNthFilter    passes on each n-th payload, as Type "example.sample"
 * BracketEncoder    "[payload]" and a newline
 * AppendOutput      writes what the encoder makes to a file
 *
 * docs/plugin-guide.md explains each line.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <hekaline.h>
#include <string.h>
#include <unistd.h>

#include "control/plugins/input_stream.h"
#include "core/clock.h"

/* ---- input ---- */

struct clock_options {
    int64_t interval;
    const char *text;
};

struct clock_state {
    struct input_host *host;
    const struct clock_options *options;
    struct input_stream *stream;
};

static const struct schema_key clock_keys[] = {
    {.key = "interval",
     .type = SCHEMA_DURATION,
     .offset = offsetof(struct clock_options, interval),
     .min = 1e6,
     .max = 9e18,
     .def = "1s",
     .help = "Time between two records."},
    {.key = "text",
     .type = SCHEMA_STRING,
     .offset = offsetof(struct clock_options, text),
     .def = "tick",
     .help = "What a record says."},
    {0},
};
static const struct schema clock_schema = {"ClockInput", clock_keys};
enum { CLOCK_TICKS };
static const struct input_counter clock_counters[] = {{"ticks", "records made"}, {NULL, NULL}};

static int clock_init(void *memory, const void *config, struct input_host *host, struct err *err)
{
    struct clock_state *state = memory;
    state->host = host;
    state->options = config;
    state->stream = input_host_stream(host, err);
    return state->stream != NULL ? 0 : -1;
}

static void clock_run(void *memory)
{
    struct clock_state *state = memory;
    const char *text = state->options->text;
    uint64_t interval_ns = (uint64_t)state->options->interval;
    uint64_t next_ns = clock_mono_ns() + interval_ns;
    for (;;) {
        uint64_t now_ns = clock_mono_ns();
        int timeout_ms = now_ns < next_ns ? (int)((next_ns - now_ns) / CLOCK_NS_PER_MS) + 1 : 0;
        if (input_host_wait(state->host, NULL, 0, timeout_ms) < 0)
            return;
        if (clock_mono_ns() < next_ns)
            continue;
        next_ns += interval_ns;
        input_host_count(state->host, CLOCK_TICKS, 1);
        if (input_stream_datagram(state->stream, text, strlen(text), false) != 0)
            return;
    }
}

static void clock_fini(void *memory)
{
    struct clock_state *state = memory;
    input_stream_free(state->stream);
}

static const struct input_ops clock_input = {
    .plugin = {PLUGIN_ABI, "ClockInput", &clock_schema, sizeof(struct clock_options),
               sizeof(struct clock_state)},
    .default_splitter = "NullSplitter",
    .counters = clock_counters,
    .init = clock_init,
    .run = clock_run,
    .fini = clock_fini,
};

/* ---- splitter ---- */

struct comma_options {
    const char *delimiter;
};

static const struct schema_key comma_keys[] = {
    {.key = "delimiter",
     .type = SCHEMA_STRING,
     .offset = offsetof(struct comma_options, delimiter),
     .def = ",",
     .help = "One character that ends a record."},
    {0},
};
static const struct schema comma_schema = {"CommaSplitter", comma_keys};

static const struct schema_key comma_common_keys[] = {
    {.key = "type", .type = SCHEMA_STRING, .offset = offsetof(struct splitter_options, type)},
    {.key = "keep_truncated",
     .type = SCHEMA_BOOL,
     .offset = offsetof(struct splitter_options, keep_truncated),
     .def = "false"},
    {.key = "deliver_incomplete_final",
     .type = SCHEMA_BOOL,
     .offset = offsetof(struct splitter_options, deliver_incomplete_final),
     .def = "true"},
    {.key = "min_buffer_size",
     .type = SCHEMA_INT,
     .offset = offsetof(struct splitter_options, min_buffer_size),
     .max = 1 << 20,
     .def = "8192"},
    {0},
};
static const struct schema comma_common = {"CommaSplitter", comma_common_keys};

static void comma_find(const struct splitter *splitter, struct split_stream *stream,
                       struct msg_slice bytes, enum split_source source, struct split_piece *piece)
{
    const struct comma_options *options = splitter->config;
    const char *end =
        memchr(bytes.ptr + stream->seen, options->delimiter[0], bytes.len - stream->seen);
    (void)source;
    if (end == NULL) { /* these need not be looked at again */
        stream->seen = bytes.len;
        return;
    }
    piece->outcome = SPLIT_RECORD;
    piece->consumed = (size_t)(end - bytes.ptr) + 1;
    piece->record = (struct msg_slice){bytes.ptr, (uint32_t)(end - bytes.ptr)};
}

static const struct splitter_ops comma_splitter = {
    .plugin = {PLUGIN_ABI, "CommaSplitter", &comma_schema, sizeof(struct comma_options), 0},
    .common = &comma_common,
    .extra = 1,
    .find = comma_find,
};

/* ---- decoder ---- */

static const struct schema_key no_keys[] = {{0}};
static const struct schema no_schema = {"example", no_keys};

static int shout_init(void *state, const void *config, const struct decoder_host *host,
                      struct err *err)
{
    (void)state, (void)config, (void)host, (void)err;
    return 0;
}

static void copy_headers(struct msg_builder *builder, const struct msg_view *message)
{
    msg_builder_uuid(builder, message->uuid);
    msg_builder_timestamp(builder, message->timestamp_ns);
    msg_builder_type(builder, message->type.ptr, message->type.len);
    msg_builder_logger(builder, message->logger.ptr, message->logger.len);
    msg_builder_hostname(builder, message->hostname.ptr, message->hostname.len);
}

static int shout_decode(void *state, const void *config, const struct msg_view *message,
                        struct decode_io *io)
{
    size_t capacity, room;
    uint8_t *bytes = io->begin(io->context, &capacity);
    struct msg_builder builder;
    (void)state, (void)config;
    if (bytes == NULL)
        return DECODE_E_ROOM;
    msg_builder_init(&builder, bytes, capacity);
    copy_headers(&builder, message);
    char *payload = msg_builder_payload_begin(&builder, &room);
    if (payload == NULL || room < message->payload.len)
        return DECODE_E_ROOM;
    for (size_t i = 0; i < message->payload.len; i++)
        payload[i] = (char)toupper((unsigned char)message->payload.ptr[i]);
    msg_builder_payload_end(&builder, message->payload.len);
    int64_t size = msg_builder_finish(&builder);
    if (size < 0)
        return DECODE_E_ROOM;
    io->commit(io->context, (size_t)size);
    return 0;
}

static void nothing(void *state)
{
    (void)state;
}

static const struct decoder_ops shout_decoder = {
    .plugin = {PLUGIN_ABI, "ShoutDecoder", &no_schema, 0, 0},
    .init = shout_init,
    .decode = shout_decode,
    .fini = nothing,
    .runs_in_hekad = true,
};

/* ---- filter ---- */

struct nth_options {
    int64_t n;
};

struct nth_state {
    struct filter_host *host;
    const struct nth_options *options;
    uint64_t count;
};

static const struct schema_key nth_keys[] = {
    {.key = "n",
     .type = SCHEMA_INT,
     .offset = offsetof(struct nth_options, n),
     .min = 1,
     .max = 1e9,
     .def = "2",
     .help = "Each n-th message is passed on."},
    {0},
};
static const struct schema nth_schema = {"EveryNthFilter", nth_keys};

static int nth_init(void *memory, const void *config, struct filter_host *host, struct err *err)
{
    struct nth_state *state = memory;
    (void)err;
    state->host = host;
    state->options = config;
    return 0;
}

static int nth_process(void *memory, const struct msg_view *message, const struct record *record)
{
    static const char type[] = "example.sample";
    struct nth_state *state = memory;
    struct msg_builder builder;
    (void)record;
    if (++state->count % (uint64_t)state->options->n != 0)
        return 0;
    filter_host_begin(state->host, &builder, clock_wall_ns());
    msg_builder_type(&builder, type, sizeof(type) - 1);
    msg_builder_payload(&builder, message->payload.ptr, message->payload.len);
    filter_host_inject(state->host, &builder);
    return 0;
}

static const struct filter_ops nth_filter = {
    .plugin = {PLUGIN_ABI, "EveryNthFilter", &nth_schema, sizeof(struct nth_options),
               sizeof(struct nth_state)},
    .init = nth_init,
    .process = nth_process,
    .fini = nothing,
};

/* ---- encoder ---- */

static int bracket_encode(void *state, const void *config, const struct msg_view *message,
                          struct buffer *out)
{
    (void)state, (void)config;
    return buffer_printf(out, "[%.*s]\n", (int)message->payload.len, message->payload.ptr);
}

static const struct encoder_ops bracket_encoder = {
    .plugin = {PLUGIN_ABI, "BracketEncoder", &no_schema, 0, 0},
    .encode = bracket_encode,
};

/* ---- output ---- */

struct append_options {
    const char *path;
};

struct append_state {
    struct output_host *host;
    const struct append_options *options;
    int fd;
    bool is_open;
};

static const struct schema_key append_keys[] = {
    {.key = "path",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .offset = offsetof(struct append_options, path),
     .help = "File to append to."},
    {0},
};
static const struct schema append_schema = {"AppendOutput", append_keys};

static int append_init(void *memory, const void *config, struct output_host *host, struct err *err)
{
    struct append_state *state = memory;
    state->host = host;
    state->options = config;
    state->fd = open(state->options->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    state->is_open = state->fd >= 0;
    return state->is_open ? 0 : err_add(err, "%s: %s", state->options->path, strerror(errno));
}

/* Whole items only: what is not taken comes again. */
static int append_deliver(void *memory, const struct output_item *items, unsigned count)
{
    struct append_state *state = memory;
    for (unsigned i = 0; i < count; i++) {
        ssize_t put = write(state->fd, items[i].bytes, items[i].size);
        if (put == (ssize_t)items[i].size)
            continue;
        return i > 0 ? (int)i
                     : output_host_fail(state->host, -EIO, "%s: not written", state->options->path);
    }
    return (int)count;
}

static void append_fini(void *memory)
{
    struct append_state *state = memory;
    if (state->is_open) /* legal on zeroed state */
        close(state->fd);
}

static const struct output_ops append_output = {
    .plugin = {PLUGIN_ABI, "AppendOutput", &append_schema, sizeof(struct append_options),
               sizeof(struct append_state)},
    .encoder_required = true,
    .takes_encoder = true,
    .init = append_init,
    .deliver = append_deliver,
    .fini = append_fini,
};

/* ---- the table ---- */

static const struct heka_plugin rows[] = {
    HEKA_PLUGIN(clock_input), HEKA_PLUGIN(comma_splitter),  HEKA_PLUGIN(shout_decoder),
    HEKA_PLUGIN(nth_filter),  HEKA_PLUGIN(bracket_encoder), HEKA_PLUGIN(append_output),
    HEKA_PLUGINS_END,
};

const struct heka_plugins heka_plugins = {PLUGIN_ABI, sizeof(struct heka_plugin), rows};
