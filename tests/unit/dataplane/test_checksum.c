/* SPDX-License-Identifier: MPL-2.0
 *
 * test_checksum.c - checksum.h against a loop of 16 bits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>

#include "dataplane/checksum.h"
#include "tests/unit/dataplane/packet_frames.h"

static uint64_t random_state = 1;

static uint8_t random_byte(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint8_t)(random_state >> 56);
}

static uint16_t checksum_of(const uint8_t *data, size_t size)
{
    return ntohs((uint16_t)~checksum_fold(checksum_add(0, data, size)));
}

/* At the end of its own allocation, where ASan sees a read behind it. */
static void compare(size_t size, size_t shift, int fill)
{
    uint8_t *block = malloc(size + shift);
    assert_non_null(block);
    for (size_t i = 0; i < size + shift; i++)
        block[i] = fill >= 0 ? (uint8_t)fill : random_byte();
    assert_int_equal(checksum_of(block + shift, size), frame_checksum(block + shift, size));
    free(block);
}

static void test_sizes_and_alignments(void **state)
{
    (void)state;
    for (size_t size = CHECKSUM_SIZE_MIN; size < 400; size++)
        for (size_t shift = 0; shift < 8; shift++)
            compare(size, shift, -1);
}

/* The one for short data, and the test by division, agree with the loop. */
static void test_short(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 20000; turn++) {
        size_t size = CHECKSUM_SIZE_MIN + turn % (CHECKSUM_SHORT_MAX - CHECKSUM_SIZE_MIN + 1);
        uint8_t *block = malloc(size);
        assert_non_null(block);
        for (size_t i = 0; i < size; i++)
            block[i] = turn % 3 == 0 ? 0xFF : random_byte();
        uint64_t sum = checksum_add(turn, block, size);
        assert_int_equal(checksum_fold(checksum_add_short(turn, block, size)), checksum_fold(sum));
        assert_int_equal(checksum_is_valid(sum), checksum_fold(sum) == CHECKSUM_VALID);
        sum += (uint16_t)~checksum_fold(sum); /* what a sender puts in */
        assert_true(sum == 0 || checksum_is_valid(sum));
        assert_true(sum <= 1 || !checksum_is_valid(sum - 1));
        free(block);
    }
}

static void test_large(void **state)
{
    static const size_t sizes[] = {1440, 1472, 1473, 8192, 9000, 65507, 65535};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        compare(sizes[i], 2, -1);
        compare(sizes[i], 2, 0xFF);
        compare(sizes[i], 2, 0);
    }
}

static void test_carries(void **state)
{
    (void)state;
    for (size_t size = CHECKSUM_SIZE_MIN; size < 200; size++) {
        compare(size, 0, 0xFF);
        compare(size, 0, 0);
        compare(size, 0, 0x80);
    }
    assert_int_equal(checksum_fold(UINT64_MAX), 0xFFFF);
    assert_int_equal(checksum_fold(UINT64_C(0x100000000)), 1);
    assert_int_equal(checksum_fold(UINT64_C(0xFFFFFFFF00000000)), 0xFFFF);
    assert_int_equal(checksum_fold(0), 0);
}

/* RFC 1071 section 3. */
static void test_published_example(void **state)
{
    static const uint8_t data[8] = {0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7};
    (void)state;
    assert_int_equal(ntohs(checksum_fold(checksum_add(0, data, sizeof(data)))), 0xDDF2);
}

static void test_ip4_header(void **state)
{
    static const uint8_t header[20] = {0x45, 0x00, 0x00, 0x3C, 0x1C, 0x46, 0x40, 0x00, 0x40, 0x06,
                                       0xB1, 0xE6, 0xAC, 0x10, 0x0A, 0x63, 0xAC, 0x10, 0x0A, 0x0C};
    (void)state;
    assert_int_equal(checksum_fold(checksum_ip4_20(header)), CHECKSUM_VALID);
    assert_int_equal(checksum_fold(checksum_add(0, header, sizeof(header))), CHECKSUM_VALID);
}

static void test_pseudo_headers(void **state)
{
    uint8_t pseudo4[12], pseudo6[40];
    (void)state;
    for (unsigned turn = 0; turn < 100; turn++) {
        uint16_t size = (uint16_t)(random_byte() << 8 | random_byte());
        for (unsigned i = 0; i < 32; i++)
            pseudo6[i] = random_byte();
        memcpy(pseudo4, pseudo6, 8);
        memset(pseudo6 + 32, 0, 8);
        pseudo4[8] = 0;
        pseudo4[9] = pseudo6[39] = 17;
        pseudo4[10] = pseudo6[34] = (uint8_t)(size >> 8);
        pseudo4[11] = pseudo6[35] = (uint8_t)size;
        assert_int_equal(ntohs((uint16_t)~checksum_fold(checksum_pseudo4(pseudo4, 17, size))),
                         frame_checksum(pseudo4, sizeof(pseudo4)));
        assert_int_equal(ntohs((uint16_t)~checksum_fold(checksum_pseudo6(pseudo6, 17, size))),
                         frame_checksum(pseudo6, sizeof(pseudo6)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_and_alignments),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_carries),
        cmocka_unit_test(test_published_example),
        cmocka_unit_test(test_ip4_header),
        cmocka_unit_test(test_pseudo_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
