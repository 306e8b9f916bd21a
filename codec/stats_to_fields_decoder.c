/* SPDX-License-Identifier: MPL-2.0
 *
 * stats_to_fields_decoder.c - Graphite's lines "NAME VALUE SECONDS" of a payload to fields, as
 *                             StatAccumInput writes them with emit_in_fields.
 *
 * Failure: one line that is none ends decoding, and nothing of the payload is committed. Times
 *          beyond TIMES_MAX in one payload: DECODE_E_LIMIT.
 * Source:  Heka 0.11 StatsToFieldsDecoder. A value is in the message of its time alone; Heka leaves
 *          those of other times in the first message, too. docs/formats/decoders.md.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/decoder.h"
#include "codec/message_revise.h"

enum { TIMES_MAX = 16, NUMBER_MAX = 400 };

static const struct schema_key keys[] = {{.key = NULL}};
static const struct schema schema = {.name = "StatsToFieldsDecoder", .keys = keys};

struct stat_line {
    struct msg_slice text, name;
    double value;
    int64_t time_s;
};

struct stat_times { /* different ones of a payload, in the order in which they came */
    int64_t list[TIMES_MAX];
    unsigned count;
};

/* ---- one line ---- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* The next word of *text, which moves behind it; empty: there is none. */
static struct msg_slice take_word(struct msg_slice *text)
{
    uint32_t from = 0, to;
    while (from < text->len && is_blank(text->ptr[from]))
        from++;
    for (to = from; to < text->len && !is_blank(text->ptr[to]);)
        to++;
    struct msg_slice word = {text->ptr + from, to - from};
    text->ptr += to;
    text->len -= to;
    return word;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Decimal digits with a sign, a point and an exponent; strtod() alone takes more. */
static bool parse_value(struct msg_slice word, double *value)
{
    char text[NUMBER_MAX + 1], *end;
    if (word.len == 0 || word.len > NUMBER_MAX)
        return false;
    for (uint32_t i = 0; i < word.len; i++)
        if (!is_digit(word.ptr[i]) && strchr("+-.eE", word.ptr[i]) == NULL)
            return false;
    if (memchr(word.ptr, '\0', word.len) != NULL)
        return false;
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    *value = strtod(text, &end);
    return *end == '\0' && isfinite(*value);
}

/* Seconds; what does not fit is none. */
static bool parse_time(struct msg_slice word, int64_t *time_s)
{
    uint32_t i = word.len > 0 && (word.ptr[0] == '-' || word.ptr[0] == '+');
    bool is_negative = word.len > 0 && word.ptr[0] == '-';
    int64_t sum = 0;
    if (i == word.len)
        return false;
    for (; i < word.len; i++)
        if (!is_digit(word.ptr[i]) || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, word.ptr[i] - '0', &sum))
            return false;
    *time_s = is_negative ? -sum : sum;
    return true;
}

/* NULL, or what is wrong; `wrong` is the text that it is about. */
static const char *parse_line(struct msg_slice text, struct stat_line *line,
                              struct msg_slice *wrong)
{
    struct msg_slice rest = text;
    line->name = take_word(&rest);
    struct msg_slice value = take_word(&rest), time = take_word(&rest);
    *wrong = text;
    if (time.len == 0 || take_word(&rest).len > 0)
        return "malformed statmetric line";
    *wrong = value;
    if (!parse_value(value, &line->value))
        return "invalid value";
    *wrong = time;
    return parse_time(time, &line->time_s) ? NULL : "invalid timestamp";
}

/* The next line of *text that is not blank; false at the end. */
static bool take_line(struct msg_slice *text, struct msg_slice *line)
{
    while (text->len > 0) {
        const char *end = memchr(text->ptr, '\n', text->len);
        uint32_t len = end != NULL ? (uint32_t)(end - text->ptr) : text->len;
        uint32_t step = end != NULL ? len + 1 : len;
        *line = (struct msg_slice){text->ptr, len};
        text->ptr += step;
        text->len -= step;
        while (line->len > 0 && is_blank(line->ptr[line->len - 1]))
            line->len--;
        if (line->len > 0)
            return true;
    }
    return false;
}

/* ---- a payload ---- */

static int fail(struct decode_io *io, int code, const char *what, struct msg_slice text)
{
    if (io->reason != NULL)
        (void)buffer_printf(io->reason, "%s: '%.*s'", what, (int)text.len, text.ptr);
    return code;
}

static bool add_time(struct stat_times *times, int64_t time_s)
{
    for (unsigned i = 0; i < times->count; i++)
        if (times->list[i] == time_s)
            return true;
    if (times->count == TIMES_MAX)
        return false;
    times->list[times->count++] = time_s;
    return true;
}

/* Finds the times; every line is looked at before anything is written. */
static int survey(struct msg_slice payload, struct decode_io *io, struct stat_times *times)
{
    struct msg_slice rest = payload, text, wrong;
    while (take_line(&rest, &text)) {
        struct stat_line line;
        const char *fault = parse_line(text, &line, &wrong);
        if (fault != NULL)
            return fail(io, DECODE_E_MALFORMED, fault, wrong);
        if (!add_time(times, line.time_s))
            return fail(io, DECODE_E_LIMIT, "more than 16 different timestamps", text);
    }
    if (times->count == 0)
        return fail(io, DECODE_E_MALFORMED, "malformed statmetric line", payload);
    return 0;
}

static void put_fields(struct msg_slice payload, int64_t time_s, struct msg_builder *builder)
{
    struct msg_slice rest = payload, text, wrong;
    msg_builder_field_integer(builder, "timestamp", time_s, NULL);
    while (take_line(&rest, &text)) {
        struct stat_line line;
        (void)parse_line(text, &line, &wrong);
        if (line.time_s != time_s)
            continue;
        const struct msg_value value = {.type = MSG_DOUBLE, .number = line.value};
        msg_builder_field(builder, line.name, &value, (struct msg_slice){"", 0});
    }
}

/* Messages of further times have a Uuid of their own: made of the first one's and the time. */
static void make_uuid(const uint8_t *of, int64_t time_s, uint8_t uuid[MSG_UUID_SIZE])
{
    uint64_t halves[2];
    memcpy(halves, of, sizeof(halves));
    uint64_t mix = (uint64_t)time_s * UINT64_C(0x9e3779b97f4a7c15);
    msg_uuid_from_random(uuid, halves[0] ^ mix, halves[1] ^ (mix >> 32 | mix << 32));
}

/* The payload stays in the first message. */
static int write_message(const struct msg_view *message, const struct stat_times *times,
                         unsigned index, struct decode_io *io)
{
    struct message_members members = message_members_of(message);
    struct msg_builder builder;
    uint8_t uuid[MSG_UUID_SIZE];
    size_t capacity = 0;
    uint8_t *room = io->begin(io->context, &capacity);
    if (room == NULL)
        return DECODE_E_ROOM;
    if (index > 0) {
        members.payload = (struct msg_slice){NULL, 0};
        if (members.uuid != NULL) {
            make_uuid(members.uuid, times->list[index], uuid);
            members.uuid = uuid;
        }
    }
    msg_builder_init(&builder, room, capacity);
    message_members_write(&members, &builder);
    message_fields_copy(message, &builder);
    put_fields(message->payload, times->list[index], &builder);
    if (msg_builder_finish(&builder) < 0)
        return DECODE_E_ROOM;
    io->commit(io->context, builder.size);
    return 0;
}

static int decode(void *state, const void *config, const struct msg_view *message,
                  struct decode_io *io)
{
    struct stat_times times = {.count = 0};
    (void)state, (void)config;
    int rc = survey(message->payload, io, &times);
    if (rc == 0)
        rc = write_message(message, &times, 0, io);
    if (rc == DECODE_E_ROOM)
        return fail(io, rc, "the decoded message is too large", (struct msg_slice){"", 0});
    for (unsigned i = 1; rc == 0 && i < times.count; i++)
        if (write_message(message, &times, i, io) != 0)
            io->notes[DECODE_NOTE_LOST]++;
    return rc;
}

static int init(void *state, const void *config, const struct decoder_host *host, struct err *err)
{
    (void)state, (void)config, (void)host, (void)err;
    return 0;
}

static void fini(void *state)
{
    (void)state;
}

const struct decoder_ops stats_to_fields_decoder = {
    .plugin = {.abi = PLUGIN_ABI, .name = "StatsToFieldsDecoder", .schema = &schema},
    .init = init,
    .decode = decode,
    .fini = fini,
};
