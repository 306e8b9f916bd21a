/* SPDX-License-Identifier: MPL-2.0 */
#include "control/tools/flood.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/frame.h"

enum {
    FILLER_MAX_KB = 60,
    FIELDS_EACH = 5, /* of each type, less one, at most */
    SLACK = 64 << 10 /* of a message beyond the sizes that are asked for */
};

#define SHARE_WHOLE UINT64_C(100000000)

const char *flood_kind_name(enum flood_kind kind)
{
    static const char *const names[FLOOD_KINDS] = {
        "good",           "signed",          "signed_corrupt", "corrupt_start",
        "corrupt_header", "corrupt_message", "oversized"};
    return names[kind];
}

/* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
static uint64_t draw(struct flood *flood)
{
    uint64_t z = flood->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void fill(struct flood *flood, char *bytes, size_t size)
{
    uint64_t random = 0;
    for (size_t i = 0; i < size; i++, random >>= 8) {
        if (i % 8 == 0)
            random = draw(flood);
        uint8_t byte = (uint8_t)random;
        bytes[i] = (char)(flood->config->ascii_only ? 32 + byte % 94 : byte);
    }
}

/* ---- messages ---- */

static void put_payload(struct flood *flood, struct msg_builder *builder, size_t size)
{
    char text[512];
    size_t len =
        (size_t)snprintf(text, sizeof(text), "hekabench: %.255s - ", flood->source.hostname);
    size_t room = len + size;
    char *payload = msg_builder_payload_begin(builder, &room);
    if (payload == NULL)
        return;
    if (room < len + size) {
        builder->failed = true;
        return;
    }
    memcpy(payload, text, len);
    fill(flood, payload + len, size);
    msg_builder_payload_end(builder, len + size);
}

static void put_head(struct flood *flood, struct msg_builder *builder, uint64_t now_ns,
                     size_t payload_size)
{
    const struct flood_source *source = &flood->source;
    bool is_variable = flood->config->variable_size_messages;
    uint8_t uuid[MSG_UUID_SIZE];
    uint64_t random = draw(flood);
    msg_uuid_from_random(uuid, random, draw(flood));
    msg_builder_uuid(builder, uuid);
    msg_builder_timestamp(builder, (int64_t)now_ns);
    msg_builder_type(builder, "hekabench", 9);
    if (is_variable)
        msg_builder_logger(builder, "flood", 5);
    else
        msg_builder_severity(builder, 6);
    put_payload(flood, builder, payload_size);
    msg_builder_env_version(builder, is_variable ? "0.2" : "0.8", 3);
    msg_builder_pid(builder, source->pid);
    msg_builder_hostname(builder, source->hostname, strlen(source->hostname));
}

static void put_field(struct msg_builder *builder, enum msg_value_type type, unsigned index)
{
    char name[32], text[32], bytes[8];
    snprintf(name, sizeof(name), "%s%u", type == MSG_INTEGER ? "int" : msg_value_type_name(type),
             index);
    int len = snprintf(text, sizeof(text), "value%u", index);
    memset(bytes, (int)index, sizeof(bytes));
    if (type == MSG_STRING)
        msg_builder_field_string(builder, name, text, (size_t)len, NULL);
    else if (type == MSG_BYTES)
        msg_builder_field_bytes(builder, name, bytes, sizeof(bytes), NULL);
    else if (type == MSG_INTEGER)
        msg_builder_field_integer(builder, name, index, NULL);
    else if (type == MSG_DOUBLE)
        msg_builder_field_double(builder, name, index, NULL);
    else
        msg_builder_field_bool(builder, name, true, NULL);
}

static void put_fields(struct flood *flood, struct msg_builder *builder)
{
    static const uint8_t zeros[FILLER_MAX_KB << 10];
    for (int type = MSG_STRING; type <= MSG_BOOL; type++) {
        unsigned count = (unsigned)(draw(flood) % FIELDS_EACH);
        for (unsigned i = 0; i < count; i++)
            put_field(builder, (enum msg_value_type)type, i);
    }
    msg_builder_field_bytes(builder, "filler", zeros, (draw(flood) % FILLER_MAX_KB) << 10, NULL);
}

/* `extra` more bytes of payload. The message's size, or negative. */
static int64_t build(struct flood *flood, uint64_t now_ns, size_t extra)
{
    struct msg_builder builder;
    bool is_variable = flood->config->variable_size_messages;
    size_t size =
        is_variable ? (draw(flood) % 3) << 10 : (size_t)flood->config->static_message_size;
    msg_builder_init(&builder, flood->message, flood->capacity);
    put_head(flood, &builder, now_ns, size + extra);
    if (is_variable && extra == 0)
        put_fields(flood, &builder);
    return msg_builder_finish(&builder);
}

/* ---- frames ---- */

static int64_t put_frame(struct flood *flood, int64_t message_size,
                         const struct frame_signer *signer)
{
    if (message_size < 0)
        return message_size;
    return frame_write(flood->frame, flood->capacity, flood->message, (size_t)message_size,
                       flood->capacity, signer);
}

static int64_t put_signed(struct flood *flood, uint64_t now_ns, bool is_corrupt)
{
    struct frame_signer signer;
    int64_t size = put_frame(flood, build(flood, now_ns, 0),
                             signer_options_frame(&flood->config->signer, &signer));
    if (is_corrupt && size > 0)
        flood->frame[size - 1] ^= 1; /* the message ends there */
    return size;
}

/* No byte from `from` on begins a frame. A length in front only gets larger by that. */
static void remove_separators(uint8_t *bytes, size_t from, size_t size)
{
    for (size_t i = from; i < size; i++) {
        if (bytes[i] == FRAME_RECORD_SEPARATOR)
            bytes[i] = '.';
    }
}

static int64_t put_corrupt(struct flood *flood, uint64_t now_ns, enum flood_kind kind)
{
    int64_t size = put_frame(flood, build(flood, now_ns, 0), NULL);
    if (size < 0)
        return size;
    size_t header_end = 2 + (size_t)flood->frame[1];
    if (kind == FLOOD_CORRUPT_MESSAGE) {
        flood->frame[header_end + 1] = 0; /* no tag of protobuf */
        return size;
    }
    if (kind == FLOOD_CORRUPT_HEADER)
        flood->frame[header_end] = 0;
    remove_separators(flood->frame, kind == FLOOD_CORRUPT_HEADER, (size_t)size);
    return size;
}

static int64_t put_oversized(struct flood *flood, uint64_t now_ns)
{
    size_t extra = (size_t)flood->config->max_message_size;
    int64_t size = put_frame(flood, build(flood, now_ns, extra), NULL);
    if (size > 0)
        remove_separators(flood->frame, 1, (size_t)size);
    return size;
}

/* ---- which ---- */

static struct flood_share share(double percentage)
{
    return (struct flood_share){.step = (uint64_t)llround(percentage * 1e6)};
}

/* One more message of which it may be; true: it is due, and to be taken with take_share(). */
static bool is_due(struct flood_share *share)
{
    share->credit += share->step;
    return share->credit >= SHARE_WHOLE;
}

static bool take_share(struct flood_share *share, bool is_taken)
{
    share->credit -= is_taken ? SHARE_WHOLE : 0;
    return is_taken;
}

/* What is due and cannot be now comes with one of the next messages. */
static enum flood_kind choose(struct flood *flood)
{
    bool signed_due = is_due(&flood->is_signed), oversized_due = is_due(&flood->is_oversized);
    bool corrupt_due = is_due(&flood->is_corrupt);
    if (take_share(&flood->is_signed, signed_due)) {
        bool is_corrupt = take_share(&flood->is_corrupt, corrupt_due);
        is_corrupt |= take_share(&flood->is_signed_corrupt, is_due(&flood->is_signed_corrupt));
        return is_corrupt ? FLOOD_SIGNED_CORRUPT : FLOOD_SIGNED;
    }
    if (take_share(&flood->is_oversized, oversized_due))
        return FLOOD_OVERSIZED;
    if (!take_share(&flood->is_corrupt, corrupt_due))
        return FLOOD_GOOD;
    return (enum flood_kind)(FLOOD_CORRUPT_START + flood->corrupt_kind++ % 3);
}

int flood_next(struct flood *flood, uint64_t now_ns, size_t *size, enum flood_kind *kind)
{
    *kind = choose(flood);
    int64_t made = *kind == FLOOD_GOOD        ? put_frame(flood, build(flood, now_ns, 0), NULL)
                   : *kind == FLOOD_OVERSIZED ? put_oversized(flood, now_ns)
                   : *kind <= FLOOD_SIGNED_CORRUPT
                       ? put_signed(flood, now_ns, *kind == FLOOD_SIGNED_CORRUPT)
                       : put_corrupt(flood, now_ns, *kind);
    *size = made > 0 ? (size_t)made : 0;
    return made > 0 ? 0 : -1;
}

/* ---- start ---- */

static int check_size(struct flood *flood, struct err *err)
{
    const struct flood_config *config = flood->config;
    int64_t size = build(flood, UINT64_C(1) << 62, 0); /* a long time stamp */
    bool is_udp = config->sender == FLOOD_UDP;
    int64_t limit = config->max_message_size;
    if (is_udp && limit > FLOOD_DATAGRAM_MAX - FRAME_OVERHEAD_MAX)
        limit = FLOOD_DATAGRAM_MAX - FRAME_OVERHEAD_MAX;
    if (!config->variable_size_messages && (size < 0 || size > limit))
        return err_add(err,
                       "static_message_size: such a message has %lld bytes, allowed are %lld%s",
                       (long long)size, (long long)limit, is_udp ? " with UDP" : "");
    if (config->signed_percentage > 0 && put_signed(flood, 0, false) < 0)
        return err_add(err, "signer: the name is too long, or there is no such hash here");
    return 0;
}

int flood_init(struct flood *flood, const struct flood_config *config,
               const struct flood_source *source, struct err *err)
{
    *flood = (struct flood){
        .config = config,
        .source = *source,
        .is_signed = share(config->signed_percentage),
        .is_oversized = share(config->oversized_percentage),
        .is_corrupt = share(config->corrupt_percentage),
        .is_signed_corrupt = share(config->signed_corrupt_percentage),
        .capacity =
            (size_t)config->max_message_size + (size_t)config->static_message_size + 2 * SLACK,
    };
    flood->message = malloc(flood->capacity);
    flood->frame = malloc(flood->capacity);
    int rc = flood->message != NULL && flood->frame != NULL ? check_size(flood, err)
                                                            : err_add(err, "out of memory");
    flood->random = (uint64_t)config->seed;
    if (rc != 0)
        flood_fini(flood);
    return rc;
}

void flood_fini(struct flood *flood)
{
    free(flood->message);
    free(flood->frame);
    *flood = (struct flood){0};
}
