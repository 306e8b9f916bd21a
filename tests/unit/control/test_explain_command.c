/* SPDX-License-Identifier: MPL-2.0
 *
 * test_explain_command.c - `hekad explain`: arguments, kinds of messages, texts, exit statuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/message_read.h"
#include "control/commands/explain_command.h"
#include "core/frame.h"
#include "tests/support/test_dir.h"

enum { ARGUMENTS_MAX = 8 };

static char dir[64];
static char *said; /* by the last run */
static size_t said_len;
static struct err err;

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/hekad-explain-XXXXXX");
    return mkdtemp(dir) == NULL || chdir(dir) != 0;
}

static int remove_dir(void **state)
{
    (void)state;
    free(said);
    return test_dir_remove(dir);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static int run(char *first, ...)
{
    char *arguments[ARGUMENTS_MAX] = {first};
    int count = 1;
    va_list list;
    va_start(list, first);
    while (count < ARGUMENTS_MAX && (arguments[count] = va_arg(list, char *)) != NULL)
        count++;
    va_end(list);
    free(said);
    said = NULL;
    err.count = 0;
    FILE *out = open_memstream(&said, &said_len);
    int rc = explain_command(count, arguments, out, &err);
    fclose(out);
    return rc;
}

static char json_option[] = "-json", config_option[] = "--config", true_rule[] = "TRUE",
            rule[] = "Type == 'a' && Fields[n] > 5";

static void test_pairs(void **state)
{
    char type[] = "Type=a", six[] = "Fields[n]=6", text[] = "Fields[n]='6'";
    (void)state;
    assert_int_equal(run(rule, type, six, NULL), EXPLAIN_MATCH);
    assert_string_equal(said, "  true    Type == 'a'  (value: \"a\")\n"
                              "  true    Fields[n] > 5  (value: 6)\nmatch\n");
    assert_int_equal(run(rule, type, text, NULL), EXPLAIN_NO_MATCH);
    assert_string_equal(said, "  true    Type == 'a'  (value: \"a\")\n"
                              "  false   Fields[n] > 5  (value: \"6\")\nno match\n");
    assert_int_equal(run(json_option, rule, six, NULL), EXPLAIN_NO_MATCH);
    assert_string_equal(
        said, "{\"rule\":\"Type == 'a' && Fields[n] > 5\",\"tests\":[{\"test\":\"Type == 'a'\","
              "\"outcome\":\"false\",\"result\":false,\"value\":\"\"},{\"test\":\"Fields[n] > 5\","
              "\"outcome\":\"unused\",\"result\":true,\"value\":6}],\"notes\":[],"
              "\"matches\":false}\n");
}

static void test_json_notes(void **state)
{
    char noted[] = "Fields[none] == NIL TRUE", nan[] = "nan.json", number[] = "Fields[d] > 1";
    char pair[] = "Type=a";
    static const char message[] =
        "{\"Fields\":[{\"name\":\"d\",\"type\":\"double\",\"values\":[null]}]}";
    (void)state;
    assert_int_equal(run(json_option, noted, pair, NULL), EXPLAIN_MATCH);
    assert_non_null(strstr(said, "\"value\":null}],\"notes\":[{\"position\":21,\"text\":\"no &&"));
    write_file(nan, message, strlen(message));
    assert_int_equal(run(json_option, number, nan, NULL), EXPLAIN_NO_MATCH);
    assert_non_null(strstr(said, "\"value\":null"));
}

static void test_json_file(void **state)
{
    char file[] = "three.json";
    static const char messages[] = "{\"Type\":\"a\"}\n{\"Type\":\"b\"}\n\n{\"Type\":\"a\"}\n";
    char type[] = "Type == 'a'";
    (void)state;
    write_file(file, messages, strlen(messages));
    assert_int_equal(run(type, file, NULL), EXPLAIN_MATCH);
    assert_string_equal(said, "  true    Type == 'a'  (value: \"a\")\nmatch\n\n"
                              "  false   Type == 'a'  (value: \"b\")\nno match\n\n"
                              "  true    Type == 'a'  (value: \"a\")\nmatch\n\n"
                              "2 of 3 messages match\n");
    write_file(file, messages, strlen(messages) - 2);
    assert_int_equal(run(type, file, NULL), EXPLAIN_ERROR);
    assert_int_equal(err.count, 1);
}

static void test_protobuf(void **state)
{
    const char *pairs[] = {"Type=a", "Fields[n]=7"};
    struct buffer message = {0};
    uint8_t frames[1024];
    char raw[] = "raw", framed[] = "framed", cut[] = "cut", bad[] = "bad";
    (void)state;
    assert_int_equal(message_read_pairs(pairs, 2, &message, &err), 0);
    write_file(raw, message.data, message.size);
    assert_int_equal(run(rule, raw, NULL), EXPLAIN_MATCH);
    int64_t one = frame_write(frames, sizeof(frames), message.data, message.size, 1000, NULL);
    assert_true(one > 0);
    memcpy(frames + one, frames, (size_t)one);
    write_file(framed, frames, 2 * (size_t)one);
    assert_int_equal(run(rule, framed, NULL), EXPLAIN_MATCH);
    assert_non_null(strstr(said, "2 of 2 messages match\n"));
    write_file(cut, frames, 2 * (size_t)one - 1);
    assert_int_equal(run(rule, cut, NULL), EXPLAIN_ERROR);
    assert_non_null(strstr(err.texts[0], "bytes of the stream are no whole frame"));
    write_file(bad, message.data, message.size - 1);
    assert_int_equal(run(rule, bad, NULL), EXPLAIN_ERROR);
    assert_string_equal(err.texts[0], "message 1 is no message: truncated");
    buffer_fini(&message);
}

static void test_plugin(void **state)
{
    static const char config[] = "[Out]\ntype = \"LogOutput\"\nmessage_matcher = \"Type == 'a'\"\n"
                                 "message_signer = \"me\"\n[LogOutput]\nencoder = \"E\"\n";
    char path[] = "c.toml", out[] = "Out", other[] = "LogOutput", none[] = "None";
    char type[] = "Type=a", missing[] = "missing.toml";
    (void)state;
    write_file(path, config, strlen(config));
    assert_int_equal(run(config_option, path, out, type, NULL), EXPLAIN_MATCH);
    assert_string_equal(said, "only messages signed by 'me' (message_signer), which is not looked "
                              "at here\n  true    Type == 'a'  (value: \"a\")\nmatch\n");
    assert_int_equal(run(config_option, path, none, type, NULL), EXPLAIN_ERROR);
    assert_string_equal(err.texts[0], "c.toml: there is no section [None]");
    assert_int_equal(run(config_option, path, other, type, NULL), EXPLAIN_ERROR);
    assert_string_equal(err.texts[0], "c.toml:5: 'LogOutput' has no message_matcher");
    assert_int_equal(run(config_option, missing, out, type, NULL), EXPLAIN_ERROR);
    assert_int_equal(run(config_option, NULL), EXPLAIN_ERROR);
    assert_string_equal(err.texts[0], "-config needs a value; see hekad -help");
}

static void test_errors(void **state)
{
    char bad_rule[] = "Type = 'a'", type[] = "Type=a", file[] = "none", unknown[] = "-x";
    char empty[] = "empty", folder[] = ".", other[] = "Foo=1";
    (void)state;
    assert_int_equal(run(true_rule, NULL), EXPLAIN_ERROR);
    assert_int_equal(run(unknown, true_rule, type, NULL), EXPLAIN_ERROR);
    assert_string_equal(err.texts[0], "option '-x' is not known; see hekad -help");
    assert_int_equal(run(bad_rule, type, NULL), EXPLAIN_ERROR);
    assert_non_null(strstr(err.texts[0], "position 6: expected"));
    assert_int_equal(run(json_option, bad_rule, type, NULL), EXPLAIN_ERROR);
    assert_int_equal(run(true_rule, file, NULL), EXPLAIN_ERROR);
    assert_string_equal(err.texts[0], "none: No such file or directory");
    assert_int_equal(run(true_rule, folder, NULL), EXPLAIN_ERROR);
    assert_string_equal(err.texts[0], ".: Is a directory");
    assert_int_equal(run(true_rule, file, type, NULL), EXPLAIN_ERROR);
    assert_int_equal(run(true_rule, other, NULL), EXPLAIN_ERROR);
    write_file(empty, "\n", 1);
    assert_int_equal(run(true_rule, empty, NULL), EXPLAIN_ERROR);
    assert_string_equal(err.texts[0], "the message is empty");
}

static void test_many(void **state)
{
    char file[] = "many.json";
    FILE *out = fopen(file, "w");
    (void)state;
    for (int i = 0; i < EXPLAIN_MESSAGES_MAX + 1; i++)
        fputs("{}\n", out);
    fclose(out);
    assert_int_equal(run(true_rule, file, NULL), EXPLAIN_MATCH);
    assert_non_null(strstr(said, "only the first 1000 messages are explained\n"));
    assert_non_null(strstr(said, "1000 of 1000 messages match\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),     cmocka_unit_test(test_json_notes),
        cmocka_unit_test(test_json_file), cmocka_unit_test(test_protobuf),
        cmocka_unit_test(test_plugin),    cmocka_unit_test(test_errors),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
