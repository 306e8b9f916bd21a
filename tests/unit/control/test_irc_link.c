/* SPDX-License-Identifier: MPL-2.0
 *
 * test_irc_link.c - lines of IRC servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/net/file_server.h"
#include "control/net/irc_link.h"

static void test_lines(void **state)
{
    static const struct {
        const char *text, *prefix, *command, *args; /* args: joined by | */
    } cases[] = {
        {"PING :token", "", "PING", "token|"},
        {":irc.test 001 heka :Welcome to us", "irc.test", "001", "heka|Welcome to us|"},
        {":n!u@h  KICK  #c   n :", "n!u@h", "KICK", "#c|n||"},
        {"@a=b;c :p CMD x:y :z", "p", "CMD", "x:y|z|"},
        {"CMD 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "", "CMD",
         "1|2|3|4|5|6|7|8|9|10|11|12|13|14|15 16 17|"},
        {"CMD ", "", "CMD", ""},
    };
    char copy[128], joined[128];
    struct irc_line line;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = 0;
        snprintf(copy, sizeof(copy), "%s", cases[i].text);
        assert_true(irc_line_parse(copy, &line));
        joined[0] = '\0';
        for (unsigned k = 0; k < line.count; k++)
            len += (size_t)snprintf(joined + len, sizeof(joined) - len, "%s|", line.args[k]);
        assert_string_equal(line.prefix, cases[i].prefix);
        assert_string_equal(line.command, cases[i].command);
        assert_string_equal(joined, cases[i].args);
    }
    static const char *const empty[] = {"", ":prefix", ":prefix ", "@tags", "@tags :p "};
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        snprintf(copy, sizeof(copy), "%s", empty[i]);
        assert_false(irc_line_parse(copy, &line));
    }
}

static void test_ours(void **state)
{
    struct irc_link link = {.nick = "Heka_"};
    (void)state;
    assert_true(irc_link_is_ours(&link, "heka_!user@host"));
    assert_true(irc_link_is_ours(&link, "Heka_"));
    assert_false(irc_link_is_ours(&link, "heka!heka_@host"));
    assert_false(irc_link_is_ours(&link, ""));
    assert_false(irc_link_is_ours(&link, "heka__"));
}

static void test_paths_of_urls(void **state)
{
    static const char *const good[] = {"/", "/a", "/a/b.c", "/..a", "/a..", "/...", "/a/..b/c"};
    static const char *const bad[] = {"", "a", "/..", "/../a", "/a/..", "/a/../b", "//../x"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(file_server_path_is_good(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(file_server_path_is_good(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_paths_of_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
