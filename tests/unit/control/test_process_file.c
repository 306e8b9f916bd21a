/* SPDX-License-Identifier: MPL-2.0
 *
 * test_process_file.c - files of a ProcessDirectoryInput as sections: the same values are read back
 *                       from what is written.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/inputs/process_file.h"
#include "core/conf.h"

static char path[64];

static void write_file(const char *text)
{
    snprintf(path, sizeof(path), "/tmp/heka-process-%d.toml", (int)getpid());
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const struct conf_node *get(const struct conf_node *table, const char *key)
{
    const struct conf_node *found = conf_get(table, key);
    assert_non_null(found);
    return found;
}

static void test_values(void **state)
{
    struct buffer text = {0};
    struct err err = {0};
    struct conf_doc *doc = NULL;
    (void)state;
    write_file("[ProcessInput]\n"
               "ticker_interval = 99\ntype = \"OtherInput\"\n" /* ours count */
               "timeout = 7\nstderr = true\nratio = 0.5\n"
               "splitter = \"a \\\"quoted\\\" \\\\ \\t \\u00e9\"\n"
               "lists = [[1, -2], [\"x\"]]\n"
               "[ProcessInput.retries]\nmax_retries = 3\n"
               "[ProcessInput.command.0]\nbin = \"/bin/sh\"\nargs = [\"-c\", \"echo 'a b' # c\"]\n"
               "[ProcessInput.command.1]\nbin = \"cat\"\nenv = []\n");
    assert_int_equal(process_file_section(path, "dir-15-name", 15, &text, &err), 0);
    assert_int_equal(err.count, 0);
    assert_int_equal(toml_parse(text.data, strlen(text.data), "made", NULL, &doc, &err), 0);
    assert_int_equal(conf_root(doc)->count, 1);
    const struct conf_node *section = get(conf_root(doc), "dir-15-name");
    assert_string_equal(get(section, "type")->str, "ProcessInput");
    assert_int_equal(get(section, "ticker_interval")->i, 15);
    assert_string_equal(get(section, "process_name")->str, path);
    assert_true(get(section, "can_exit")->b);
    assert_int_equal(get(section, "timeout")->i, 7);
    assert_true(get(section, "stderr")->b);
    assert_true(get(section, "ratio")->d == 0.5);
    assert_string_equal(get(section, "splitter")->str, "a \"quoted\" \\ \t \xc3\xa9");
    assert_int_equal(get(section, "lists")->first->last->i, -2);
    const struct conf_node *command = get(get(section, "command"), "0");
    assert_string_equal(get(command, "args")->last->str, "echo 'a b' # c");
    assert_int_equal(get(get(get(section, "command"), "1"), "env")->count, 0);
    assert_null(conf_get(get(section, "retries"), "max_retries"));
    assert_string_equal(get(get(section, "retries"), "max_delay")->str, "30s");
    conf_doc_free(doc);
    buffer_fini(&text);
    unlink(path);
}

static void expect_refused(const char *toml, const char *error)
{
    struct buffer text = {0};
    struct err err = {0};
    write_file(toml);
    assert_int_equal(process_file_section(path, "n", 1, &text, &err), -1);
    assert_true(err.count > 0);
    assert_non_null(strstr(err.texts[0], error));
    buffer_fini(&text);
    unlink(path);
}

static void test_refused(void **state)
{
    struct buffer text = {0};
    struct err err = {0};
    (void)state;
    expect_refused("[Other]\n", "No `ProcessInput` section.");
    expect_refused("ProcessInput = 3\n", "No `ProcessInput` section.");
    expect_refused("[ProcessInput\n", "expected ']'");
    expect_refused("[ProcessInput]\nsince = 2026-01-02T03:04:05Z\n", "has no place");
    assert_int_equal(process_file_section("/tmp/heka-no-such-file", "n", 1, &text, &err), -1);
    assert_true(err.count > 0);
    write_file("[ProcessInput]\ncan_exit = false\n"); /* what is given counts */
    assert_int_equal(process_file_section(path, "n", 0, &text, &err), 0);
    assert_non_null(strstr(text.data, "can_exit = false\n"));
    assert_null(strstr(text.data, "can_exit = true"));
    buffer_fini(&text);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
