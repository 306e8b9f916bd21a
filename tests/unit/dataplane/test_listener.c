/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "dataplane/listener.h"
#include "tests/unit/dataplane/failing_calloc.h"

static struct listener_address address_of(const char *text)
{
    struct listener_address address;
    if (listener_address_parse(text, &address) != 0)
        fail_msg("%s was refused", text);
    return address;
}

static struct listener_table *table_of(const char *const *texts, size_t count)
{
    struct listener_address addresses[LISTENERS_MAX];
    struct listener_table *table = NULL;
    struct err err = {0};
    for (size_t i = 0; i < count; i++)
        addresses[i] = address_of(texts[i]);
    assert_int_equal(listener_table_build(addresses, count, &table, &err), 0);
    assert_int_equal(err.count, 0);
    return table;
}

static uint16_t find(const struct listener_table *table, const char *text)
{
    struct listener_address address = address_of(text);
    return listener_find(table, address.is_ipv6, address.ip, address.port_be);
}

static void test_parse_and_print(void **state)
{
    static const char *const pairs[][2] = {
        {"192.0.2.1:8125", "192.0.2.1:8125"},
        {":8125", "0.0.0.0:8125"},
        {"0.0.0.0:1", "0.0.0.0:1"},
        {"[2001:db8::1]:65535", "[2001:db8::1]:65535"},
        {"[2001:0db8:0:0::0001]:08125", "[2001:db8::1]:8125"},
        {"[::]:8125", "[::]:8125"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
        struct listener_address address = address_of(pairs[i][0]);
        char text[LISTENER_TEXT_SIZE];
        listener_address_print(&address, text);
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(address.is_ipv6, pairs[i][0][0] == '[');
    }
    assert_int_equal(address_of("192.0.2.1:8125").port_be, htons(8125));
}

static void test_parse_refuses(void **state)
{
    static const char *const texts[] = {
        "",
        ":",
        "8125",
        "192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:99999999999999999999",
        "192.0.2.1:81 25",
        "192.0.2.1:+1",
        "192.0.2.1:-1",
        "192.0.2:8125",
        "192.0.2.256:8125",
        "192.0.2.1:8125:1",
        "localhost:8125",
        "2001:db8::1:8125",
        "[2001:db8::1]",
        "[2001:db8::1]8125",
        "[2001:db8::1]:",
        "[]:8125",
        "[fe80::1%eth0]:8125",
        "[2001:db8::1:8125",
        "1111111111111111111111111111111111111111111111111111:1",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct listener_address address = {.port_be = 7};
        if (listener_address_parse(texts[i], &address) == 0)
            fail_msg("\"%s\" was taken", texts[i]);
        assert_int_equal(address.port_be, 7);
    }
}

static void test_find(void **state)
{
    static const char *const texts[] = {"192.0.2.1:8125", ":8125", "[2001:db8::1]:8125",
                                        "[::]:8126"};
    struct listener_table *table = table_of(texts, ARRAY_COUNT(texts));
    (void)state;
    assert_int_equal(find(table, "192.0.2.1:8125"), 0);
    assert_int_equal(find(table, "192.0.2.2:8125"), 1);
    assert_int_equal(find(table, "[2001:db8::1]:8125"), 2);
    assert_int_equal(find(table, "[2001:db8::2]:8125"), LISTENER_NONE);
    assert_int_equal(find(table, "[2001:db8::2]:8126"), 3);
    assert_int_equal(find(table, "192.0.2.1:8126"), LISTENER_NONE);
    assert_int_equal(find(table, "192.0.2.1:8127"), LISTENER_NONE);
    assert_int_equal(listener_count(table), 4);
    assert_int_equal(listener_at(table, 3)->port_be, htons(8126));
    listener_table_free(table);
}

static void test_full_table(void **state)
{
    struct listener_address addresses[LISTENERS_MAX];
    struct listener_table *table = NULL;
    (void)state;
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        char text[LISTENER_TEXT_SIZE];
        snprintf(text, sizeof(text), i % 2 ? "[2001:db8::%u]:%u" : "198.51.100.%u:%u", i % 200,
                 1000 + i);
        addresses[i] = address_of(text);
    }
    assert_int_equal(listener_table_build(addresses, LISTENERS_MAX, &table, NULL), 0);
    for (unsigned i = 0; i < LISTENERS_MAX; i++)
        assert_int_equal(listener_find(table, addresses[i].is_ipv6, addresses[i].ip,
                                       addresses[i].port_be),
                         i);
    listener_table_free(table);
}

static void test_errors(void **state)
{
    static struct listener_address many[LISTENERS_MAX + 1];
    struct listener_address same[] = {address_of("192.0.2.1:1"), address_of(":1"),
                                      address_of("192.0.2.1:1"), address_of("[::]:1"),
                                      address_of("0.0.0.0:1")};
    struct listener_table *table = NULL;
    struct err err = {0};
    (void)state;
    assert_int_equal(listener_table_build(same, ARRAY_COUNT(same), &table, &err), -1);
    assert_null(table);
    assert_int_equal(err.count, 2);
    assert_string_equal(err.texts[0], "listeners 0 and 2 have the same address 192.0.2.1:1");
    assert_string_equal(err.texts[1], "listeners 1 and 4 have the same address 0.0.0.0:1");
    err.count = 0;
    assert_int_equal(listener_table_build(many, ARRAY_COUNT(many), &table, &err), -1);
    assert_string_equal(err.texts[0], "257 UDP listeners; at most 256 are possible");
}

static void test_without_memory(void **state)
{
    struct listener_table *table = NULL;
    struct err err = {0};
    (void)state;
    failing_calloc_after(0);
    assert_int_equal(listener_table_build(NULL, 0, &table, &err), -1);
    failing_calloc_never();
    assert_string_equal(err.texts[0], "no memory for the table of listeners");
    assert_int_equal(listener_table_build(NULL, 0, &table, &err), 0);
    assert_int_equal(find(table, ":1"), LISTENER_NONE);
    listener_table_free(table);
    listener_table_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_print), cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_find),            cmocka_unit_test(test_full_table),
        cmocka_unit_test(test_errors),          cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
