/* SPDX-License-Identifier: MPL-2.0
 *
 * test_frame.c - framing: exact bytes, limits, resynchronisation, signatures.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/check.h"
#include "core/frame.h"

enum { MESSAGE_MAX = MSG_SIZE_DEFAULT_MAX };

/* Timestamp 1416840893000000000, Type "TEST". */
#define MESSAGE                                                                                    \
    0x10, 0x80, 0xc4, 0x8c, 0x94, 0x91, 0xa9, 0xe8, 0xd4, 0x13, 0x1a, 0x04, 0x54, 0x45, 0x53, 0x54
static const uint8_t message[] = {MESSAGE};
static const char heka_key[] = "4865ey9urgkidls xtb0[7lf9rzcivthkm";

/* HMACs by Python's hmac module. */
static const struct vector {
    struct frame_signer signer;
    uint8_t bytes[64];
    size_t size;
} vectors[] = {
    {{NULL, 0, FRAME_MD5, NULL, 0}, {0x1e, 0x02, 0x08, 0x10, 0x1f, MESSAGE}, 21},
    {{"test", 0, FRAME_MD5, "", 0},
     {0x1e, 0x1c, 0x08, 0x10, 0x22, 0x04, 0x74, 0x65, 0x73, 0x74,   0x28,
      0x00, 0x32, 0x10, 0x78, 0x35, 0x7e, 0x36, 0x35, 0x38, 0x3f,   0x9f,
      0xbc, 0x75, 0x98, 0x46, 0x1b, 0x05, 0xef, 0x2d, 0x1f, MESSAGE},
     47},
    {{"test", 0, FRAME_MD5, heka_key, sizeof(heka_key) - 1},
     {0x1e, 0x1c, 0x08, 0x10, 0x22, 0x04, 0x74, 0x65, 0x73, 0x74,   0x28,
      0x00, 0x32, 0x10, 0xfe, 0x5d, 0x28, 0x68, 0xd1, 0x56, 0xda,   0x5d,
      0xa1, 0x9c, 0x3f, 0x76, 0x5d, 0x77, 0xf2, 0x32, 0x1f, MESSAGE},
     47},
    {{"test", 300, FRAME_SHA1, heka_key, sizeof(heka_key) - 1},
     {0x1e, 0x23, 0x08, 0x10, 0x18, 0x01, 0x22, 0x04, 0x74, 0x65, 0x73, 0x74, 0x28,
      0xac, 0x02, 0x32, 0x14, 0xe9, 0xab, 0x4d, 0x13, 0xf2, 0xb6, 0xcb, 0xcd, 0xc0,
      0x06, 0xb4, 0xa2, 0x68, 0x97, 0xfe, 0x57, 0xb1, 0xc7, 0xeb, 0xed, 0x1f, MESSAGE},
     54},
};

static const struct frame_signer *signer_of(const struct vector *vector)
{
    return vector->signer.name != NULL ? &vector->signer : NULL;
}

static void test_write_known_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        uint8_t buffer[64];
        const struct vector *vector = &vectors[i];
        int64_t size = frame_write(buffer, vector->size, message, sizeof(message), MESSAGE_MAX,
                                   signer_of(vector));
        assert_int_equal(size, vector->size);
        assert_memory_equal(buffer, vector->bytes, vector->size);
        assert_int_equal(frame_header_size(sizeof(message), signer_of(vector)), buffer[1]);
        assert_int_equal(frame_write(buffer, vector->size - 1, message, sizeof(message),
                                     MESSAGE_MAX, signer_of(vector)),
                         -ENOSPC);
    }
}

static void test_scan_known_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        const struct vector *vector = &vectors[i];
        struct frame frame;
        size_t consumed;
        for (size_t size = 0; size < vector->size; size++) {
            assert_int_equal(frame_scan(vector->bytes, size, MESSAGE_MAX, &frame, &consumed),
                             FRAME_MORE);
            assert_int_equal(consumed, 0);
        }
        assert_int_equal(frame_scan(vector->bytes, vector->size, MESSAGE_MAX, &frame, &consumed),
                         FRAME_OK);
        assert_int_equal(consumed, vector->size);
        assert_int_equal(frame.message_size, sizeof(message));
        assert_memory_equal(frame.message, message, sizeof(message));
        assert_int_equal(frame.has_hmac, vector->signer.name != NULL);
        assert_int_equal(frame.hash, vector->signer.hash);
        assert_int_equal(frame.key_version, vector->signer.version);
        assert_int_equal(frame.signer.len, vector->signer.name != NULL ? 4 : 0);
        bool authentic = frame_authentic(&frame, vector->signer.key, vector->signer.key_size);
        assert_int_equal(authentic, vector->signer.name != NULL);
        assert_false(frame_authentic(&frame, "other", 5));
    }
}

/* Keys longer than a hash block, and an empty message. */
static void test_hmac_of_unusual_sizes(void **state)
{
    (void)state;
    static const uint8_t long_key_md5[] = {0xae, 0x0b, 0x44, 0x50, 0x0a, 0xd1, 0x28, 0xdf,
                                           0x68, 0x2c, 0x40, 0x49, 0x24, 0x57, 0x64, 0x98};
    static const uint8_t empty_sha1[] = {0xb4, 0xb5, 0xeb, 0x39, 0x5d, 0xde, 0x1d,
                                         0x45, 0xf1, 0x72, 0xb2, 0xd5, 0xe5, 0x9a,
                                         0xf4, 0x0a, 0x64, 0x65, 0xa5, 0xfc};
    char key[200];
    memset(key, 'k', sizeof(key));
    struct frame_signer signer = {"s", 1, FRAME_MD5, key, sizeof(key)};
    struct frame frame;
    size_t consumed;
    uint8_t buffer[128];
    int64_t size =
        frame_write(buffer, sizeof(buffer), message, sizeof(message), MESSAGE_MAX, &signer);
    assert_int_equal(frame_scan(buffer, (size_t)size, MESSAGE_MAX, &frame, &consumed), FRAME_OK);
    assert_memory_equal(frame.hmac, long_key_md5, sizeof(long_key_md5));
    signer = (struct frame_signer){"s", 1, FRAME_SHA1, "testkey", 7};
    size = frame_write(buffer, sizeof(buffer), NULL, 0, MESSAGE_MAX, &signer);
    assert_int_equal(frame_scan(buffer, (size_t)size, MESSAGE_MAX, &frame, &consumed), FRAME_OK);
    assert_memory_equal(frame.hmac, empty_sha1, sizeof(empty_sha1));
    assert_true(frame_authentic(&frame, "testkey", 7));
}

static void test_write_limits(void **state)
{
    (void)state;
    uint8_t *big = calloc(1, MESSAGE_MAX + 1);
    uint8_t *buffer = malloc(MESSAGE_MAX + FRAME_OVERHEAD_MAX);
    size_t capacity = MESSAGE_MAX + FRAME_OVERHEAD_MAX;
    assert_int_equal(frame_write(buffer, capacity, big, MESSAGE_MAX + 1, MESSAGE_MAX, NULL),
                     -EMSGSIZE);
    assert_int_equal(frame_write(buffer, capacity, big, MESSAGE_MAX, MESSAGE_MAX, NULL),
                     1 + 1 + 4 + 1 + MESSAGE_MAX);
    char name[256] = {0};
    memset(name, 'x', 255);
    struct frame_signer signer = {name, 0, FRAME_MD5, "", 0};
    assert_int_equal(frame_header_size(sizeof(message), &signer), 280); /* as Heka's own test */
    assert_int_equal(frame_write(buffer, capacity, message, sizeof(message), MESSAGE_MAX, &signer),
                     -EMSGSIZE);
    name[255 - 25] = '\0';
    assert_int_equal(frame_header_size(sizeof(message), &signer), FRAME_HEADER_MAX);
    assert_int_equal(frame_write(buffer, capacity, message, sizeof(message), MESSAGE_MAX, &signer),
                     3 + FRAME_HEADER_MAX + sizeof(message));
    free(big);
    free(buffer);
}

/* ---- streams ---- */

struct step {
    enum frame_status status;
    size_t consumed;
};

static void assert_steps(const void *bytes, size_t size, size_t message_max,
                         const struct step *steps, size_t count)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        struct frame frame;
        size_t consumed;
        assert_int_equal(frame_scan(at, size, message_max, &frame, &consumed), steps[i].status);
        assert_int_equal(consumed, steps[i].consumed);
        at += consumed;
        size -= consumed;
    }
}

#define ASSERT_STEPS(bytes, size, message_max, ...)                                                \
    assert_steps(bytes, size, message_max, (const struct step[]){__VA_ARGS__},                     \
                 ARRAY_COUNT(((const struct step[]){__VA_ARGS__})))

/* Appends a record of 67 bytes, as in Heka's tests. */
static size_t put_record(uint8_t *at)
{
    uint8_t body[62];
    uint8_t uuid[MSG_UUID_SIZE];
    struct msg_builder builder;
    msg_uuid_from_random(uuid, 1, 2);
    msg_builder_init(&builder, body, sizeof(body));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, INT64_C(1371675756123456789));
    msg_builder_type(&builder, "hekabench", 9);
    msg_builder_severity(&builder, 6);
    msg_builder_env_version(&builder, "0.8", 3);
    msg_builder_pid(&builder, 29375);
    msg_builder_hostname(&builder, "host-x0230", 10);
    assert_int_equal(msg_builder_finish(&builder), sizeof(body));
    int64_t size = frame_write(at, 67, body, sizeof(body), MESSAGE_MAX, NULL);
    assert_int_equal(size, 67);
    return (size_t)size;
}

static void test_resynchronises_after_garbage(void **state)
{
    (void)state;
    uint8_t stream[300];
    size_t size = 0;
    size += put_record(stream + size);
    size += put_record(stream + size);
    memcpy(stream + size, "BOGUS", 5);
    size += 5;
    size += put_record(stream + size);
    memcpy(stream + size, "BOGUS\x1e\x02\x08", 8);
    size += 8;
    ASSERT_STEPS(stream, size, MESSAGE_MAX, {FRAME_OK, 67}, {FRAME_OK, 67}, {FRAME_GARBAGE, 5},
                 {FRAME_OK, 67}, {FRAME_GARBAGE, 5}, {FRAME_MORE, 0});
    ASSERT_STEPS("BOGUS", 5, MESSAGE_MAX, {FRAME_GARBAGE, 5}, {FRAME_MORE, 0});
}

static void test_bad_header_costs_one_byte(void **state)
{
    (void)state;
    uint8_t stream[100] = {0x1e, 0x02, 0x08, 0x3e, 0xff}; /* no unit separator */
    size_t size = 5 + put_record(stream + 5);
    ASSERT_STEPS(stream, size, MESSAGE_MAX, {FRAME_BAD_HEADER, 1}, {FRAME_GARBAGE, 4},
                 {FRAME_OK, 67}, {FRAME_MORE, 0});
    /* A record inside what looked like a header is found. */
    uint8_t nested[100] = {0x1e, 0x20};
    size = 2 + put_record(nested + 2);
    ASSERT_STEPS(nested, size, MESSAGE_MAX, {FRAME_BAD_HEADER, 1}, {FRAME_GARBAGE, 1},
                 {FRAME_OK, 67}, {FRAME_MORE, 0});
}

static void test_bad_headers(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        enum frame_status status;
    } cases[] = {
        {"\x1e\x00\x1f", 3, FRAME_BAD_HEADER},                 /* no message_length */
        {"\x1e\x02\x18\x01\x1f", 5, FRAME_BAD_HEADER},         /* other members only */
        {"\x1e\x01\x08\x1f", 4, FRAME_BAD_HEADER},             /* cut varint */
        {"\x1e\x02\x0a\x00\x1f", 5, FRAME_BAD_HEADER},         /* wrong wire type */
        {"\x1e\x04\x08\x00\x22\x09\x1f", 7, FRAME_BAD_HEADER}, /* signer runs past the header */
        {"\x1e\x04\x08\x00\x00\x00\x1f", 7, FRAME_BAD_HEADER}, /* field number 0 */
        {"\x1e\x04\x08\x00\x0c\x00\x1f", 7, FRAME_BAD_HEADER}, /* group end */
        {"\x1e\x04\x08\x05\x08\x00\x1f", 7, FRAME_OK},         /* length twice: the last */
        {"\x1e\x04\x08\x00\x10\x05\x1f", 7, FRAME_OK},         /* number 2 is free */
        {"\x1e\x05\x08\x00\x7a\x01\x1f\x1f", 8, FRAME_OK},     /* an unknown member with 0x1F */
        {"\x1e\x04\x08\x00\x18\x07\x1f", 7, FRAME_OK},         /* unknown hash */
        {"\x1e\x03\x08\x91\x4e\x1f", 6, FRAME_TOO_LARGE},      /* 10001 */
        {"\x1e\x06\x08\xff\xff\xff\xff\x0f\x1f", 9, FRAME_TOO_LARGE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame frame;
        size_t consumed;
        assert_int_equal(frame_scan(cases[i].bytes, cases[i].size, 10000, &frame, &consumed),
                         cases[i].status);
        assert_int_equal(consumed, cases[i].status == FRAME_OK ? cases[i].size : 1);
    }
}

static void test_too_large_is_refused_before_it_is_waited_for(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x1e, 0x02, 0x08, 0x65, 0x1f}; /* 101 bytes to come */
    ASSERT_STEPS(bytes, sizeof(bytes), 101, {FRAME_MORE, 0});
    ASSERT_STEPS(bytes, sizeof(bytes), 100, {FRAME_TOO_LARGE, 1}, {FRAME_GARBAGE, 4});
}

/* However the stream is cut, the same number of bytes ends in each status. */
static void count_bytes(const uint8_t *bytes, size_t size, size_t first, size_t *totals)
{
    size_t at = 0;
    for (size_t end = first;; end = size) {
        enum frame_status status;
        do {
            struct frame frame;
            size_t consumed;
            status = frame_scan(bytes + at, end - at, MESSAGE_MAX, &frame, &consumed);
            totals[status] += consumed;
            at += consumed;
        } while (status != FRAME_MORE);
        if (end == size)
            break;
    }
    totals[FRAME_MORE] = size - at;
}

static void test_cuts_do_not_matter(void **state)
{
    (void)state;
    uint8_t stream[400] = {0x1e, 0x1e, 0x1e, 0x02, 0x08, 0x3e, 0xff};
    size_t size = 7 + put_record(stream + 7);
    memcpy(stream + size, "x\x1e\x06\x08\xff\xff\xff\xff\x0f\x1f zz", 13);
    size += 13;
    size += put_record(stream + size);
    memcpy(stream + size, "\x1e\x02\x08\x0a\x1f...", 8);
    size += 8;
    size_t expected[5] = {0};
    count_bytes(stream, size, size, expected);
    assert_int_equal(expected[FRAME_OK], 2 * 67);
    assert_int_equal(expected[FRAME_BAD_HEADER], 3);
    assert_int_equal(expected[FRAME_TOO_LARGE], 1);
    assert_int_equal(expected[FRAME_MORE], 8);
    for (size_t cut = 0; cut < size; cut++) {
        size_t totals[5] = {0};
        count_bytes(stream, size, cut, totals);
        assert_memory_equal(totals, expected, sizeof(totals));
    }
}

/* ---- signatures ---- */

static void test_signer_without_hmac_is_not_authentic(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x1e, 0x0a, 0x08, 0x10, 0x22, 0x04, 't',
                                    'e',  's',  't',  0x28, 0x00, 0x1f, MESSAGE};
    struct frame frame;
    size_t consumed;
    assert_int_equal(frame_scan(bytes, sizeof(bytes), MESSAGE_MAX, &frame, &consumed), FRAME_OK);
    assert_int_equal(frame.signer.len, 4);
    assert_false(frame.has_hmac);
    assert_false(frame_authentic(&frame, "", 0));
    assert_false(frame_authentic(&frame, heka_key, sizeof(heka_key) - 1));
}

static void test_unknown_hash_is_the_default(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x1e, 0x08, 0x08, 0x00, 0x18, 0x01,
                                    0x18, 0x02, 0x10, 0x00, 0x1f};
    static const uint8_t only[] = {0x1e, 0x04, 0x08, 0x00, 0x18, 0x02, 0x1f};
    struct frame frame;
    size_t consumed;
    assert_int_equal(frame_scan(bytes, sizeof(bytes), MESSAGE_MAX, &frame, &consumed), FRAME_OK);
    assert_int_equal(frame.hash, FRAME_SHA1); /* the last that is known */
    assert_true(frame.has_unknown_hash);      /* but never authentic */
    assert_int_equal(frame_scan(only, sizeof(only), MESSAGE_MAX, &frame, &consumed), FRAME_OK);
    assert_int_equal(frame.hash, FRAME_MD5);
    assert_true(frame.has_unknown_hash);
}

/* One changed bit anywhere in message or HMAC, or an HMAC of another size, is noticed. */
static void test_changed_bytes_are_not_authentic(void **state)
{
    (void)state;
    uint8_t bytes[64];
    const struct vector *vector = &vectors[3];
    memcpy(bytes, vector->bytes, vector->size);
    struct frame frame;
    size_t consumed;
    assert_int_equal(frame_scan(bytes, vector->size, MESSAGE_MAX, &frame, &consumed), FRAME_OK);
    for (size_t at = (size_t)(frame.hmac - bytes); at < vector->size; at++) {
        if (bytes[at] == FRAME_UNIT_SEPARATOR && at + 1 == (size_t)(frame.message - bytes))
            continue;
        bytes[at] ^= 0x40;
        assert_false(frame_authentic(&frame, heka_key, sizeof(heka_key) - 1));
        bytes[at] ^= 0x40;
    }
    assert_true(frame_authentic(&frame, heka_key, sizeof(heka_key) - 1));
    frame.hmac_size--;
    assert_false(frame_authentic(&frame, heka_key, sizeof(heka_key) - 1));
    frame.hmac_size = 0;
    assert_false(frame_authentic(&frame, heka_key, sizeof(heka_key) - 1));
}

static void test_hash_has_to_fit(void **state)
{
    (void)state;
    struct frame frame;
    size_t consumed;
    const struct vector *vector = &vectors[3];
    assert_int_equal(frame_scan(vector->bytes, vector->size, MESSAGE_MAX, &frame, &consumed),
                     FRAME_OK);
    frame.hash = FRAME_MD5;
    assert_false(frame_authentic(&frame, heka_key, sizeof(heka_key) - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_known_bytes),
        cmocka_unit_test(test_scan_known_bytes),
        cmocka_unit_test(test_hmac_of_unusual_sizes),
        cmocka_unit_test(test_write_limits),
        cmocka_unit_test(test_resynchronises_after_garbage),
        cmocka_unit_test(test_bad_header_costs_one_byte),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_too_large_is_refused_before_it_is_waited_for),
        cmocka_unit_test(test_cuts_do_not_matter),
        cmocka_unit_test(test_signer_without_hmac_is_not_authentic),
        cmocka_unit_test(test_unknown_hash_is_the_default),
        cmocka_unit_test(test_changed_bytes_are_not_authentic),
        cmocka_unit_test(test_hash_has_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
