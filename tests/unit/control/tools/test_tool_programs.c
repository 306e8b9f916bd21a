/* SPDX-License-Identifier: MPL-2.0
 *
 * test_tool_programs.c - heka-cat, heka-inject and heka-flood from outside: options, exit statuses,
 * texts.
 *
 * HEKA_CAT, HEKA_INJECT and HEKA_FLOOD are the programs.
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

enum { TEXT_SIZE = 100000 };

#define GOOD     TEST_SOURCE_DIR "/golden/cat/good.in"
#define ALL_GOOD "Processed: 3, matched: 3 messages\n"

static char said[TEXT_SIZE]; /* of the last run */

/* The exit status of a command line. */
static int run(const char *format, const char *program, const char *arguments)
{
    char command[2048];
    snprintf(command, sizeof(command), format, program, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t size = fread(said, 1, sizeof(said) - 1, pipe);
    said[size] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int both(const char *program, const char *arguments)
{
    return run("%s %s 2>&1", program, arguments);
}

static int notes(const char *program, const char *arguments)
{
    return run("%s %s 2>&1 >/dev/null", program, arguments);
}

static int output(const char *program, const char *arguments)
{
    return run("%s %s 2>/dev/null", program, arguments);
}

static void assert_said(const char *text)
{
    if (strstr(said, text) == NULL)
        fail_msg("expected: %s\nfound: %s", text, said);
}

static void test_common_options(void **state)
{
    (void)state;
    static const struct {
        const char *name, *path;
    } tools[] = {{"heka-cat", HEKA_CAT}, {"heka-inject", HEKA_INJECT}, {"heka-flood", HEKA_FLOOD}};
    for (unsigned i = 0; i < 3; i++) {
        char text[200];
        assert_int_equal(both(tools[i].path, "-version"), 0);
        assert_string_equal(said, HEKA_VERSION "\n");
        assert_int_equal(output(tools[i].path, "--help"), 0);
        assert_int_equal(strncmp(said, tools[i].name, strlen(tools[i].name)), 0);
        assert_said("One or two dashes are the same");
        assert_int_equal(both(tools[i].path, "-nonsense"), 1);
        snprintf(text, sizeof(text), "option '-nonsense' is not known; see %s -help\n",
                 tools[i].name);
        assert_string_equal(said, text);
    }
}

static void test_cat_refusals(void **state)
{
    (void)state;
    assert_int_equal(both(HEKA_CAT, ""), 1);
    assert_string_equal(said, "a file, or - for standard input, is missing; see heka-cat -help\n");
    assert_int_equal(both(HEKA_CAT, "-format"), 1);
    assert_string_equal(said, "-format needs a value; see heka-cat -help\n");
    assert_int_equal(both(HEKA_CAT, "-tail=perhaps x"), 1);
    assert_string_equal(said, "-tail: found 'perhaps', allowed true or false\n");
    assert_int_equal(both(HEKA_CAT, "-offset -1 x"), 1);
    assert_int_equal(both(HEKA_CAT, "-offset 1 " GOOD " " GOOD), 1);
    assert_string_equal(said, "-tail and -offset go with one file only\n");
    assert_int_equal(both(HEKA_CAT, "-match 'Type ==' " GOOD), 2);
    assert_int_equal(both(HEKA_CAT, "missing.file"), 3);
    assert_string_equal(said, "missing.file: No such file or directory\n");
    assert_int_equal(both(HEKA_CAT, "-output /nowhere/x " GOOD), 4);
    assert_string_equal(said, "/nowhere/x: No such file or directory\n");
    assert_int_equal(notes(HEKA_CAT, "-output " GOOD " " GOOD), 4); /* not overwritten */
    assert_int_equal(notes(HEKA_CAT, "-output /dev/full " GOOD), 4);
    assert_said("/dev/full: No space left on device\n");
    assert_int_equal(both(HEKA_CAT, "/"), 6);
    assert_said("/: Is a directory\n");
    assert_int_equal(both(HEKA_CAT, "-max-message-size 4294967295 " GOOD), 8);
}

static void test_cat(void **state)
{
    (void)state;
    assert_int_equal(notes(HEKA_CAT, "-format=count " GOOD), 0);
    assert_string_equal(said, "Input:" GOOD "  Offset:0  Match:TRUE  Format:count  Tail:false  "
                              "Output:\n" ALL_GOOD);
    assert_int_equal(notes(HEKA_CAT, GOOD " -format count -tail"), 0); /* no effect, as in Heka */
    assert_said(ALL_GOOD);
    assert_int_equal(output(HEKA_CAT, "-format count " GOOD), 0);
    assert_string_equal(said, "");
    assert_int_equal(output(HEKA_CAT, "-match \"Fields[status] == 200\" " GOOD), 0);
    assert_said(":Payload: two\n");
    assert_null(strstr(said, "one"));
    assert_int_equal(output(HEKA_CAT, "-format nonsense -offset 44 - < " GOOD), 0); /* txt */
    assert_said(":Payload: two\n");
    assert_null(strstr(said, "one"));
    assert_int_equal(notes(HEKA_CAT, "-offset 40 " GOOD), 0);
    assert_said("Corruption detected at offset: 40 bytes: 4\nProcessed: 2, matched: 2 messages\n"
                "Corrupt: 4 bytes in 1 places, 0 messages not readable, 0 bytes incomplete at the "
                "end\n");
    assert_int_equal(run("cat %s | %s -format count -offset 44 - 2>&1", GOOD, HEKA_CAT), 0);
    assert_said("Processed: 2, matched: 2 messages\n");
    assert_int_equal(run("%s -format heka - " GOOD " < " GOOD " 2>/dev/null | %s -format count - "
                         "2>&1",
                         HEKA_CAT, HEKA_CAT),
                     0);
    assert_said("Processed: 6, matched: 6 messages\n");
}

static void test_inject_refusals(void **state)
{
    (void)state;
    assert_int_equal(both(HEKA_INJECT, ""), 0); /* as Heka: the options */
    assert_said("-severity N: Severity (7)\n");
    assert_said("-heka TEXT: HOST:PORT of a TcpInput (\"127.0.0.1:5565\")\n");
    assert_int_equal(both(HEKA_INJECT, "-severity high"), 1);
    assert_string_equal(said, "-severity: found 'high', allowed -2147483648 to 2147483647\n");
    assert_int_equal(both(HEKA_INJECT, "-heka nowhere -payload x"), 1);
    assert_string_equal(said, "'nowhere' is no address, allowed is HOST:PORT\n");
    assert_int_equal(both(HEKA_INJECT, "Nonsense=1"), 1);
    assert_said("Nonsense");
    assert_int_equal(both(HEKA_INJECT, "-json x.json Type=1"), 1);
    assert_string_equal(said, "-json and NAME=VALUE do not go together; see heka-inject -help\n");
    assert_int_equal(both(HEKA_INJECT, "-json missing.json"), 1);
    assert_string_equal(said, "missing.json: No such file or directory\n");
    assert_int_equal(both(HEKA_INJECT, "-max-message-size 10 -payload x"), 1);
}

static void test_flood_refusals(void **state)
{
    (void)state;
    assert_int_equal(both(HEKA_FLOOD, ""), 0);
    assert_said("-config TEXT: file with the tests, in TOML (\"flood.toml\")\n");
    assert_int_equal(both(HEKA_FLOOD, "-config missing.toml"), 1);
    assert_said("missing.toml: cannot be opened: No such file or directory\n");
    assert_int_equal(both(HEKA_FLOOD, "-test x y"), 1);
    assert_string_equal(said, "argument 'y' is not understood; see heka-flood -help\n");
    assert_int_equal(both(HEKA_FLOOD, "-config /dev/null -test x"), 1);
    assert_string_equal(said, "Configuration test: 'x' was not found\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_options),
        cmocka_unit_test(test_cat_refusals),
        cmocka_unit_test(test_cat),
        cmocka_unit_test(test_inject_refusals),
        cmocka_unit_test(test_flood_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
