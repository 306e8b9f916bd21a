/* SPDX-License-Identifier: MPL-2.0
 *
 * test_hekad_program.c - the hekad program from outside: options, exit statuses, texts, the
 * manual's tables.
 *
 * HEKAD is the program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/address.h"
#include "tests/support/test_dir.h"

enum { TEXT_SIZE = 200000 };

static char dir[64];
static char said[TEXT_SIZE]; /* stdout and stderr of the last run */

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/hekad-program-XXXXXX");
    return test_dir_make(dir);
}

static int remove_dir(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

/* Runs "hekad ARGUMENTS" in the folder; the exit status. */
static int run(const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof(command), "cd %s && %s %s 2>&1", dir, HEKAD, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t size = fread(said, 1, sizeof(said) - 1, pipe);
    said[size] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void write_config(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void test_arguments(void **state)
{
    (void)state;
    assert_int_equal(run("-version"), 0);
    assert_string_equal(said, HEKA_VERSION "\n");
    assert_int_equal(run("--version"), 0);
    assert_string_equal(said, HEKA_VERSION "\n");
    assert_int_equal(run("--help"), 0);
    assert_non_null(strstr(said, "-config PATH"));
    assert_int_equal(run("-nonsense"), 1);
    assert_string_equal(said, "option '-nonsense' is not known; see hekad -help\n");
    assert_int_equal(run("-configure x"), 1);
    assert_int_equal(run("-config"), 1);
    assert_string_equal(said, "-config needs a value; see hekad -help\n");
    assert_int_equal(run("-config="), 1);
    assert_int_equal(run("start"), 1);
    assert_string_equal(said, "argument 'start' is not understood; see hekad -help\n");
    assert_int_equal(run("status stop"), 1);
    assert_int_equal(run("-config missing.toml"), 1);
    assert_non_null(strstr(said, "missing.toml: cannot be opened: No such file or directory"));
    assert_int_equal(run("status -run-dir nowhere"), 1);
    assert_non_null(
        strstr(said, "nowhere/hekad.sock: No such file or directory (is it running?)"));
    assert_int_equal(run("stop --run-dir=nowhere"), 1);
}

static void test_check(void **state)
{
    (void)state;
    write_config("good.toml", "[LogOutput]\nmessage_matcher = \"TRUE\"\n"
                              "encoder = \"ProtobufEncoder\"\nuse_buffering = true\n");
    write_config("bad.toml", "[LogOutput]\n[FileOutput]\nmessage_matcher = \"TRUE\"\n");
    assert_int_equal(run("-check -config good.toml"), 0);
    assert_non_null(strstr(said, "good.toml: OK\n"));
    assert_int_equal(run("--config=good.toml --check"), 0);
    assert_int_equal(run("-check=false -version"), 0);
    assert_int_equal(run("-config bad.toml -check"), 1);
    assert_string_equal(said, "bad.toml:2: path: missing in 'FileOutput', required is a string\n"
                              "bad.toml:1: 'LogOutput' missing message matcher\n"
                              "bad.toml:1: 'LogOutput': Encoder required.\n"
                              "bad.toml:2: 'FileOutput': Encoder required.\n"
                              "4 errors loading plugins\n");
    write_config("base.toml", "[hekad]\nbase_dir = \"good.toml/x\"\n");
    assert_int_equal(run("-config base.toml -check"), 1);
    assert_non_null(strstr(said, "base_dir: 'good.toml/x': Not a directory"));
    assert_int_equal(run("-config base.toml"), 1);
    assert_non_null(strstr(said, "base_dir good.toml/x: cannot be made: Not a directory"));
    assert_int_equal(run("-config bad.toml"), 1); /* nothing is started */
    assert_non_null(strstr(said, "4 errors loading plugins\n"));
}

/* With a data plane, that program is asked, too. */
static void test_check_data_plane(void **state)
{
    (void)state;
    write_config("map.json", "{\"ports\": [{\"name\": \"p0\", \"profile\": \"null\","
                             " \"addresses\": [\"192.0.2.1/24\"]}]}\n");
    write_config("plane.toml", "[dataplane]\ncore_map = \"map.json\"\nprogram = \"./plane\"\n"
                               "profile_dir = \"" TEST_SOURCE_DIR "/../nic-profiles\"\n");
    assert_int_equal(run("-check -config plane.toml"), 1);
    assert_non_null(strstr(said, "./plane: cannot be run: No such file or directory"));
    write_config("plane", "#!/bin/sh\necho \"plane: $*\"\ngrep -q '\"generation\": 1' \"$5\"\n");
    char command[128];
    snprintf(command, sizeof(command), "chmod +x %s/plane", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(run("-check -config plane.toml"), 0);
    assert_non_null(strstr(said, "plane: --check --core-map map.json --plan "));
    write_config("plane", "#!/bin/sh\necho map.json:1: no such thing >&2\nexit 1\n");
    assert_int_equal(run("-check -config plane.toml"), 1);
    assert_non_null(strstr(said, "map.json:1: no such thing\n"));
    assert_non_null(strstr(said, "exit status 1"));
    write_config("map.json", "{\"ports\": []}\n");
    assert_int_equal(run("-check -config plane.toml"), 1);
    assert_non_null(strstr(said, "map.json:1: "));
}

/* docs/configuration.md holds what -help-config prints, behind this line. */
static void test_manual(void **state)
{
    static const char mark[] = "<!-- what `hekad -help-config` prints -->\n\n";
    static char manual[TEXT_SIZE];
    (void)state;
    FILE *file = fopen(TEST_SOURCE_DIR "/../docs/configuration.md", "r");
    assert_non_null(file);
    size_t size = fread(manual, 1, sizeof(manual) - 1, file);
    fclose(file);
    manual[size] = '\0';
    assert_int_equal(run("-help-config"), 0);
    const char *tables = strstr(manual, mark);
    assert_non_null(tables);
    if (strcmp(tables + strlen(mark), said) != 0)
        fail_msg("docs/configuration.md is not what hekad -help-config prints");
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        int rc;
        bool is_ipv6, is_any;
        uint16_t port;
    } cases[] = {
        {"192.0.2.1:8125", 0, false, false, 8125},
        {"[2001:db8::1]:1", 0, true, false, 1},
        {":65535", 0, false, true, 65535},
        {"0.0.0.0:9", 0, false, true, 9},
        {"[::]:9", 0, true, true, 9},
        {"192.0.2.1", -1, false, false, 0},
        {"192.0.2.1:", -1, false, false, 0},
        {"192.0.2.1:0", -1, false, false, 0},
        {"192.0.2.1:65536", -1, false, false, 0},
        {"192.0.2.1:+5", -1, false, false, 0},
        {"192.0.2:5", -1, false, false, 0},
        {"2001:db8::1:5", -1, false, false, 0},
        {"[2001:db8::1:5", -1, false, false, 0},
        {"[]:5", -1, false, false, 0},
        {"[192.0.2.1]:5", 0, false, false, 5},
        {"localhost:5", -1, false, false, 0},
        {"", -1, false, false, 0},
        {":", -1, false, false, 0},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct core_map_address address;
        uint16_t port = 0;
        assert_int_equal(address_parse(cases[i].text, &address, &port), cases[i].rc);
        if (cases[i].rc != 0)
            continue;
        assert_int_equal(address.is_ipv6, cases[i].is_ipv6);
        assert_int_equal(address_is_any(&address), cases[i].is_any);
        assert_int_equal(port, cases[i].port);
    }
    char long_host[400];
    struct address_parts parts;
    memset(long_host, 'h', sizeof(long_host));
    strcpy(long_host + sizeof(long_host) - 4, ":80");
    assert_int_equal(address_split(long_host, &parts), -1);
    assert_int_equal(address_split("host:http", &parts), 0);
    assert_string_equal(parts.host, "host");
    assert_string_equal(parts.port, "http");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(test_arguments),
        TEST(test_check),
        TEST(test_check_data_plane),
        TEST(test_manual),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
