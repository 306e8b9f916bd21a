/* SPDX-License-Identifier: MPL-2.0 */
#include "core/frame.h"

#include <errno.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/wire.h"

/* Tags of Header; number 2 is free. */
enum {
    TAG_MESSAGE_LENGTH = WIRE_TAG(1, WIRE_VARINT),
    TAG_HASH = WIRE_TAG(3, WIRE_VARINT),
    TAG_SIGNER = WIRE_TAG(4, WIRE_BYTES),
    TAG_KEY_VERSION = WIRE_TAG(5, WIRE_VARINT),
    TAG_HMAC = WIRE_TAG(6, WIRE_BYTES)
};

enum { HEADER_START = 2 /* record separator and header length */, DIGEST_SIZE_MAX = 20 };

static size_t digest_size(enum frame_hash hash)
{
    return hash == FRAME_SHA1 ? 20 : 16;
}

/* HMAC of the message under the key; false when OpenSSL refuses. */
static bool compute_hmac(enum frame_hash hash, const void *key, size_t key_size,
                         const void *message, size_t message_size, uint8_t *digest)
{
    const EVP_MD *md = hash == FRAME_SHA1 ? EVP_sha1() : EVP_md5();
    unsigned size = 0;
    if (key_size > INT32_MAX)
        return false;
    if (key_size == 0)
        key = ""; /* NULL would mean the key of an earlier call */
    const unsigned char *data = message_size > 0 ? message : (const void *)"";
    return HMAC(md, key, (int)key_size, data, message_size, digest, &size) != NULL &&
           size == digest_size(hash);
}

static size_t bytes_size(size_t size)
{
    return 1 + wire_varint_size(size) + size;
}

size_t frame_header_size(size_t message_size, const struct frame_signer *signer)
{
    size_t size = 1 + wire_varint_size((uint32_t)message_size);
    if (signer == NULL)
        return size;
    size += signer->hash == FRAME_SHA1 ? 2 : 0; /* MD5 is the default and left out, as Heka does */
    return size + bytes_size(strlen(signer->name)) + 1 + wire_varint_size(signer->version) +
           bytes_size(digest_size(signer->hash));
}

static uint8_t *put_signer(uint8_t *at, const struct frame_signer *signer, const uint8_t *digest)
{
    if (signer->hash == FRAME_SHA1) {
        *at++ = TAG_HASH;
        *at++ = FRAME_SHA1;
    }
    *at++ = TAG_SIGNER;
    at = wire_put_bytes(at, signer->name, strlen(signer->name));
    *at++ = TAG_KEY_VERSION;
    at = wire_put_varint(at, signer->version);
    *at++ = TAG_HMAC;
    return wire_put_bytes(at, digest, digest_size(signer->hash));
}

int64_t frame_write(void *buffer, size_t capacity, const void *message, size_t message_size,
                    size_t message_max, const struct frame_signer *signer)
{
    uint8_t digest[DIGEST_SIZE_MAX];
    size_t header_size = frame_header_size(message_size, signer);
    if (message_size > message_max || message_size > INT32_MAX || header_size > FRAME_HEADER_MAX)
        return -EMSGSIZE;
    size_t size = HEADER_START + header_size + 1 + message_size;
    if (size > capacity)
        return -ENOSPC;
    if (signer != NULL &&
        !compute_hmac(signer->hash, signer->key, signer->key_size, message, message_size, digest))
        return -EIO;
    uint8_t *at = buffer;
    *at++ = FRAME_RECORD_SEPARATOR;
    *at++ = (uint8_t)header_size;
    *at++ = TAG_MESSAGE_LENGTH;
    at = wire_put_varint(at, message_size);
    if (signer != NULL)
        at = put_signer(at, signer, digest);
    *at++ = FRAME_UNIT_SEPARATOR;
    if (message_size > 0)
        memcpy(at, message, message_size);
    return (int64_t)size;
}

/* docs/formats/message.md, "Frames". */
_Static_assert(TAG_MESSAGE_LENGTH == 0x08 && TAG_HASH == 0x18 && TAG_SIGNER == 0x22, "Header");
_Static_assert(TAG_KEY_VERSION == 0x28 && TAG_HMAC == 0x32, "Header");
_Static_assert(FRAME_MD5 == 0 && FRAME_SHA1 == 1 && FRAME_OVERHEAD_MAX == 258, "Header");

/* ---- reading ---- */

static int read_uint32(struct wire_reader *in, uint32_t *value)
{
    uint64_t varint;
    int rc = wire_read_varint(in, &varint);
    if (rc == 0)
        *value = (uint32_t)varint;
    return rc;
}

static int read_hash(struct wire_reader *in, struct frame *frame)
{
    uint32_t value;
    int rc = read_uint32(in, &value);
    if (rc != 0)
        return rc;
    frame->has_unknown_hash = value > FRAME_SHA1;
    if (value <= FRAME_SHA1)
        frame->hash = (enum frame_hash)value;
    return 0;
}

static int read_hmac(struct wire_reader *in, struct frame *frame)
{
    struct msg_slice hmac;
    int rc = wire_read_bytes(in, &hmac);
    if (rc != 0)
        return rc;
    frame->has_hmac = true;
    frame->hmac = (const uint8_t *)hmac.ptr;
    frame->hmac_size = hmac.len;
    return 0;
}

static int read_header_member(struct wire_reader *in, struct frame *frame, bool *has_length)
{
    uint32_t tag;
    int rc = wire_read_tag(in, &tag);
    if (rc != 0)
        return rc;
    switch (tag) {
    case TAG_MESSAGE_LENGTH:
        *has_length = true;
        return read_uint32(in, &frame->message_size);
    case TAG_HASH:
        return read_hash(in, frame);
    case TAG_SIGNER:
        return wire_read_bytes(in, &frame->signer);
    case TAG_KEY_VERSION:
        return read_uint32(in, &frame->key_version);
    case TAG_HMAC:
        return read_hmac(in, frame);
    default:
        if (tag >> 3 >= 1 && tag >> 3 <= 6 && tag >> 3 != 2)
            return MSG_E_WIRE_TYPE;
        return wire_skip(in, tag);
    }
}

static bool read_header(const uint8_t *bytes, size_t size, struct frame *frame)
{
    struct wire_reader in = wire_reader_of(bytes, size);
    bool has_length = false;
    *frame = (struct frame){.hash = FRAME_MD5};
    while (in.at < in.end) {
        if (read_header_member(&in, frame, &has_length) != 0)
            return false;
    }
    return has_length;
}

/* `bytes` begin with the record separator. */
static enum frame_status scan_frame(const uint8_t *bytes, size_t size, size_t message_max,
                                    struct frame *frame, size_t *consumed)
{
    struct frame found;
    if (size < HEADER_START)
        return FRAME_MORE;
    size_t header_size = bytes[1];
    size_t header_end = HEADER_START + header_size + 1;
    if (size < header_end)
        return FRAME_MORE;
    *consumed = 1; /* Heka looks for the next separator right behind a bad one */
    if (bytes[header_end - 1] != FRAME_UNIT_SEPARATOR ||
        !read_header(bytes + HEADER_START, header_size, &found))
        return FRAME_BAD_HEADER;
    if (found.message_size > message_max)
        return FRAME_TOO_LARGE;
    if (size - header_end < found.message_size) {
        *consumed = 0;
        return FRAME_MORE;
    }
    *frame = found;
    frame->message = bytes + header_end;
    *consumed = header_end + found.message_size;
    return FRAME_OK;
}

enum frame_status frame_scan(const void *bytes, size_t size, size_t message_max,
                             struct frame *frame, size_t *consumed)
{
    *consumed = 0;
    if (size == 0)
        return FRAME_MORE;
    const uint8_t *at = bytes;
    if (LIKELY(*at == FRAME_RECORD_SEPARATOR))
        return scan_frame(at, size, message_max, frame, consumed);
    const uint8_t *separator = memchr(at, FRAME_RECORD_SEPARATOR, size);
    *consumed = separator != NULL ? (size_t)(separator - at) : size;
    return FRAME_GARBAGE;
}

bool frame_authentic(const struct frame *frame, const void *key, size_t key_size)
{
    uint8_t digest[DIGEST_SIZE_MAX];
    if (!frame->has_hmac || frame->has_unknown_hash || frame->hmac_size != digest_size(frame->hash))
        return false;
    if (!compute_hmac(frame->hash, key, key_size, frame->message, frame->message_size, digest))
        return false;
    return CRYPTO_memcmp(frame->hmac, digest, frame->hmac_size) == 0;
}
