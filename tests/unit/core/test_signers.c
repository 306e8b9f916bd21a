/* SPDX-License-Identifier: MPL-2.0
 *
 * test_signers.c - who signed a frame, or why it is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/signers.h"
#include "tests/unit/core/alloc_fail.h"

enum { FRAME_SIZE = 512, MESSAGE_MAX = 100 };

static const char heka_key[] = "4865ey9urgkidls xtb0[7lf9rzcivthkm";

static void add(struct signers *signers, const char *name, const char *key)
{
    struct err err = {0};
    if (signers_add(signers, name, key, strlen(key), &err) != 0)
        fail_msg("%s", err.texts[0]);
}

/* The frame of the message "message", signed. */
static struct frame frame_of(uint8_t bytes[FRAME_SIZE], const char *name, uint32_t version,
                             enum frame_hash hash, const char *key)
{
    struct frame_signer signer = {name, version, hash, key, strlen(key)};
    struct frame frame;
    size_t consumed;
    int64_t size = frame_write(bytes, FRAME_SIZE, "message", 7, MESSAGE_MAX, &signer);
    assert_true(size > 0);
    assert_int_equal(frame_scan(bytes, (size_t)size, MESSAGE_MAX, &frame, &consumed), FRAME_OK);
    return frame;
}

static void test_check(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t version;
        enum frame_hash hash;
        const char *key;
        int rc;
        uint32_t name_index;
    } cases[] = {
        {"test", 0, FRAME_MD5, heka_key, 0, 2},
        {"test", 0, FRAME_SHA1, heka_key, 0, 2},
        {"test", 7, FRAME_SHA1, "seven", 0, 2},
        {"a_b", 4294967295, FRAME_MD5, "", 0, 0},
        {"tes", 1, FRAME_MD5, "short", 0, 1},
        {"zz", 10, FRAME_MD5, "z", 0, 3},
        {"test", 1, FRAME_MD5, heka_key, SIGNERS_E_UNKNOWN, SIGNERS_NONE},
        {"te", 0, FRAME_MD5, heka_key, SIGNERS_E_UNKNOWN, SIGNERS_NONE},
        {"test2", 0, FRAME_MD5, heka_key, SIGNERS_E_UNKNOWN, SIGNERS_NONE},
        {"zzz", 0, FRAME_MD5, heka_key, SIGNERS_E_UNKNOWN, SIGNERS_NONE},
        {"", 0, FRAME_MD5, heka_key, SIGNERS_E_UNKNOWN, SIGNERS_NONE},
        {"test", 7, FRAME_MD5, heka_key, SIGNERS_E_BAD_HMAC, SIGNERS_NONE},
    };
    struct signers signers = {0};
    uint8_t bytes[FRAME_SIZE];
    add(&signers, "zz_10", "z");
    add(&signers, "test_7", "seven");
    add(&signers, "test_0", heka_key);
    add(&signers, "a_b_4294967295", "");
    add(&signers, "tes_1", "short");
    assert_int_equal(signers.name_count, 4);
    assert_string_equal(signers.names[0], "a_b");
    assert_string_equal(signers.names[2], "test");
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t name_index = 99;
        struct frame frame =
            frame_of(bytes, cases[i].name, cases[i].version, cases[i].hash, cases[i].key);
        assert_int_equal(signers_check(&signers, &frame, &name_index), cases[i].rc);
        assert_int_equal(name_index, cases[i].name_index);
    }
    signers_fini(&signers);
    signers_fini(&signers);
}

/* What a header may leave out. */
static void test_unsigned(void **state)
{
    (void)state;
    struct signers signers = {0};
    uint8_t bytes[FRAME_SIZE];
    uint32_t name_index;
    struct frame frame = frame_of(bytes, "test", 0, FRAME_MD5, heka_key);
    add(&signers, "test_0", heka_key);
    frame.has_unknown_hash = true;
    assert_int_equal(signers_check(&signers, &frame, &name_index), SIGNERS_E_UNKNOWN_HASH);
    assert_false(frame_authentic(&frame, heka_key, strlen(heka_key)));
    frame.has_unknown_hash = false;
    frame.hmac_size--;
    assert_int_equal(signers_check(&signers, &frame, &name_index), SIGNERS_E_BAD_HMAC);
    frame.has_hmac = false;
    assert_int_equal(signers_check(&signers, &frame, &name_index), SIGNERS_E_NO_HMAC);
    assert_int_equal(name_index, SIGNERS_NONE);
    frame.signer.len = 0;
    assert_int_equal(signers_check(&signers, &frame, &name_index), 0);
    assert_int_equal(name_index, SIGNERS_NONE);
    signers_fini(&signers);
}

static void test_bad_names(void **state)
{
    (void)state;
    static const char *const names[] = {"",        "test",    "test_",           "_1",     "test_x",
                                        "test_-1", "test_01", "test_4294967296", "test_1 "};
    struct signers signers = {0};
    struct err err = {0};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(signers_add(&signers, names[i], "k", 1, &err), -1);
    assert_int_equal(signers_add(&signers, "test_1", "k", 1, &err), 0);
    assert_int_equal(signers_add(&signers, "test_1", "l", 1, &err), -1);
    assert_string_equal(err.texts[9], "signer: test_1: given twice");
    assert_int_equal(signers.key_count, 1);
    signers_fini(&signers);
}

static void test_names_of_errors(void **state)
{
    (void)state;
    assert_string_equal(signers_error_text(SIGNERS_E_NO_HMAC), "no_hmac");
    assert_string_equal(signers_error_text(SIGNERS_E_UNKNOWN_HASH), "unknown_hash");
    assert_string_equal(signers_error_text(SIGNERS_E_UNKNOWN_HASH - 1), "unknown error");
    assert_string_equal(signers_error_text(0), "unknown error");
}

static void test_every_allocation(void **state)
{
    (void)state;
    bool failed = true;
    for (unsigned i = 0; failed; i++) {
        struct signers signers = {0};
        struct err err = {0};
        alloc_fail_at(i);
        int rc = signers_add(&signers, "a_1", "k", 1, &err);
        rc |= signers_add(&signers, "a_2", "k", 1, &err);
        failed = alloc_fail_stop();
        assert_int_equal(rc == 0, !failed);
        assert_int_equal(err.count, failed ? 1 : 0);
        signers_fini(&signers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_unsigned),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_names_of_errors),
        cmocka_unit_test(test_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
