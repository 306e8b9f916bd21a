/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_frame.c - frame scanner on any stream.
 *
 * It gets on, stays within its bytes, and finds the same however the stream is cut; a header that
 * it takes is one that protobuf-c takes with the same values; what it found can be framed again.
 * The first byte of the input is where the stream is cut; then the stream.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/frame.h"
#include "core/heka.pb-c.h"

enum { MESSAGE_MAX = 1024, STATUSES = FRAME_TOO_LARGE + 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A group is the one thing that the scanner passes over and protobuf-c does not take. */
static bool may_hold_group(const uint8_t *header, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((header[i] & 7) == 3)
            return true;
    }
    return false;
}

static void check_header(const uint8_t *frame_bytes, const struct frame *frame)
{
    const uint8_t *bytes = frame_bytes + 2;
    size_t size = frame_bytes[1];
    Heka__Header *header = heka__header__unpack(NULL, size, bytes);
    if (header == NULL) {
        CHECK(may_hold_group(bytes, size));
        return;
    }
    CHECK(header->message_length == frame->message_size);
    if ((unsigned)header->hmac_hash_function <= FRAME_SHA1)
        CHECK((unsigned)header->hmac_hash_function == frame->hash);
    CHECK(header->has_hmac == frame->has_hmac);
    CHECK(header->hmac_key_version == frame->key_version);
    CHECK((header->hmac_signer == NULL) == (frame->signer.ptr == NULL));
    if (frame->signer.len > 0)
        CHECK(memcmp(header->hmac_signer, frame->signer.ptr, frame->signer.len) == 0);
    CHECK(header->hmac.len == frame->hmac_size);
    if (frame->hmac_size > 0)
        CHECK(memcmp(header->hmac.data, frame->hmac, frame->hmac_size) == 0);
    heka__header__free_unpacked(header, NULL);
}

/* Refused although it ends with the separator: protobuf-c refuses it too, or takes field numbers
 * that protobuf does not have. */
static void check_refused(const uint8_t *bytes)
{
    size_t size = bytes[1];
    if (bytes[2 + size] != FRAME_UNIT_SEPARATOR)
        return;
    Heka__Header *header = heka__header__unpack(NULL, size, bytes + 2);
    if (header == NULL)
        return;
    bool has_bad_tag = false;
    for (unsigned i = 0; i < header->base.n_unknown_fields; i++) {
        uint32_t number = header->base.unknown_fields[i].tag;
        has_bad_tag |= number == 0 || number > (1 << 29) - 1;
    }
    CHECK(has_bad_tag);
    heka__header__free_unpacked(header, NULL);
}

static void check_frame(const uint8_t *at, size_t consumed, const struct frame *frame)
{
    CHECK(frame->message_size <= MESSAGE_MAX);
    CHECK(consumed == 3 + (size_t)at[1] + frame->message_size);
    CHECK(frame->message == at + consumed - frame->message_size);
    check_header(at, frame);
    uint8_t again[FRAME_OVERHEAD_MAX + MESSAGE_MAX];
    struct frame found;
    size_t found_size;
    int64_t size =
        frame_write(again, sizeof(again), frame->message, frame->message_size, MESSAGE_MAX, NULL);
    CHECK(size > 0);
    CHECK(frame_scan(again, (size_t)size, MESSAGE_MAX, &found, &found_size) == FRAME_OK);
    CHECK(found_size == (size_t)size && found.message_size == frame->message_size);
    CHECK(memcmp(found.message, frame->message, found.message_size) == 0);
    CHECK(frame->has_hmac || !frame_authentic(frame, "key", 3));
}

struct totals {
    size_t bytes[STATUSES];
    size_t frames;
};

/* Scans from `at` up to `end`; returns where it stopped. */
static size_t scan(const uint8_t *bytes, size_t at, size_t end, struct totals *totals)
{
    size_t size = end - at;
    size_t done = 0;
    enum frame_status status;
    uint8_t *exact = malloc(size + 1); /* ASan sees a read past the end */
    memcpy(exact, bytes + at, size);
    do {
        struct frame frame;
        size_t consumed;
        status = frame_scan(exact + done, size - done, MESSAGE_MAX, &frame, &consumed);
        CHECK(consumed <= size - done);
        CHECK((consumed == 0) == (status == FRAME_MORE));
        if (status == FRAME_OK)
            check_frame(exact + done, consumed, &frame);
        if (status == FRAME_BAD_HEADER)
            check_refused(exact + done);
        totals->frames += status == FRAME_OK;
        totals->bytes[status] += consumed;
        done += consumed;
    } while (status != FRAME_MORE);
    free(exact);
    return at + done;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 8192)
        return 0;
    const uint8_t *stream = data + 1;
    size_t stream_size = size - 1;
    size_t cut = data[0] * stream_size / 256;
    struct totals whole = {0};
    struct totals in_two = {0};
    size_t end = scan(stream, 0, stream_size, &whole);
    size_t first = scan(stream, 0, cut, &in_two);
    CHECK(scan(stream, first, stream_size, &in_two) == end);
    CHECK(memcmp(&whole, &in_two, sizeof(whole)) == 0);
    CHECK(end + FRAME_OVERHEAD_MAX + MESSAGE_MAX > stream_size);
    return 0;
}
