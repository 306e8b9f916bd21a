/* SPDX-License-Identifier: MPL-2.0
 *
 * test_queue_command.c - `hekad queue` from its arguments to its output and exit status.
 */
#include "control/commands/queue_command.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/queue/queue.h"
#include "core/message.h"
#include "tests/support/test_dir.h"

enum { ARGUMENTS_MAX = 10, MESSAGES = 5 };

struct bench {
    char base_dir[64], config[96];
    char dir[QUEUE_PATH_SIZE]; /* of the queue "out.put" */
    char *out;                 /* of the last command */
    struct err err;
};

static void append(struct queue *queue, int number)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {1};
    uint8_t bytes[256];
    struct msg_builder builder;
    int why;
    msg_builder_init(&builder, bytes, sizeof(bytes));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    msg_builder_pid(&builder, number);
    msg_builder_payload(&builder, "hello", 5);
    int64_t size = msg_builder_finish(&builder);
    struct queue_message message = {bytes, (size_t)size};
    assert_int_equal(queue_append(queue, &message, 1, &why), 1);
}

static struct queue *open_queue(struct bench *bench)
{
    struct queue_options options = {.cursor_update_count = 1};
    struct queue *queue = queue_open(bench->dir, &options, &bench->err, NULL);
    assert_non_null(queue);
    return queue;
}

static int open_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    strcpy(bench->base_dir, "/tmp/queue-command-XXXXXX");
    assert_int_equal(test_dir_make(bench->base_dir), 0);
    assert_int_equal(queue_dir(bench->base_dir, "out.put", bench->dir), 0);
    snprintf(bench->config, sizeof(bench->config), "%s/hekad.toml", bench->base_dir);
    FILE *config = fopen(bench->config, "w");
    fprintf(config, "[hekad]\nbase_dir = \"%s\"\n", bench->base_dir);
    fclose(config);
    struct queue *queue = open_queue(bench);
    for (int i = 0; i < MESSAGES; i++)
        append(queue, i);
    assert_int_equal(queue_close(queue), 0);
    *state = bench;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    int rc = test_dir_remove(bench->base_dir);
    free(bench->out);
    free(bench);
    return rc;
}

/* The arguments in one text, blanks between them; "@" is the base_dir, "%" the configuration. */
static int run(struct bench *bench, const char *line)
{
    char text[512], *arguments[ARGUMENTS_MAX];
    size_t size;
    int count = 0;
    snprintf(text, sizeof(text), "%s", line);
    for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL && text[0] != '\0';)
        arguments[count++] = strcmp(word, "@") == 0   ? bench->base_dir
                             : strcmp(word, "%") == 0 ? bench->config
                                                      : word;
    free(bench->out);
    bench->out = NULL;
    bench->err.count = 0;
    FILE *out = open_memstream(&bench->out, &size);
    int exit_code = queue_command(count, arguments, out, &bench->err);
    fclose(out);
    return exit_code;
}

static void assert_out(const struct bench *bench, const char *part)
{
    if (strstr(bench->out, part) == NULL)
        print_error("'%s' is not in:\n%s", part, bench->out);
    assert_non_null(strstr(bench->out, part));
}

static void assert_refused(struct bench *bench, const char *line, const char *text)
{
    assert_int_equal(run(bench, line), 1);
    if (bench->err.count != 1 || strstr(bench->err.texts[0], text) == NULL)
        print_error("%s: %s\n", line, bench->err.texts[0]);
    assert_int_equal(bench->err.count, 1);
    assert_non_null(strstr(bench->err.texts[0], text));
}

static void test_ls(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(run(bench, "ls -base-dir @"), 0);
    assert_out(bench, "QUEUE");
    assert_out(bench, "out_put");
    assert_int_equal(run(bench, "ls --config %"), 0);
    assert_out(bench, "out_put");
    assert_int_equal(run(bench, "ls -json -base-dir @"), 0);
    json_t *list = json_loads(bench->out, 0, NULL);
    assert_int_equal(json_array_size(list), 1);
    json_t *queue = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(queue, "queue")), "out_put");
    assert_int_equal(json_integer_value(json_object_get(queue, "files")), 1);
    assert_true(json_integer_value(json_object_get(queue, "unread_bytes")) > 0);
    assert_true(json_is_false(json_object_get(queue, "in_use")));
    json_decref(list);
}

static void test_verify(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(run(bench, "verify -base-dir @ out.put"), 0);
    assert_out(bench, "unread: 5 records");
    assert_int_equal(run(bench, "verify -json -base-dir @ out.put"), 0);
    json_t *found = json_loads(bench->out, 0, NULL);
    assert_true(json_is_true(json_object_get(found, "ok")));
    assert_int_equal(json_array_size(json_object_get(found, "files")), 1);
    json_t *total = json_object_get(found, "total");
    assert_int_equal(json_integer_value(json_object_get(total, "unread")), MESSAGES);
    json_decref(found);
    char path[QUEUE_PATH_SIZE], line[QUEUE_PATH_SIZE + 16];
    queue_folder_file_path(bench->dir, 0, path);
    FILE *file = fopen(path, "a");
    fputs("garbage", file);
    fclose(file);
    snprintf(line, sizeof(line), "verify -json -base-dir @ %.400s", bench->dir);
    assert_int_equal(run(bench, line), 1); /* by its folder, too */
    assert_int_equal(bench->err.count, 0);
    found = json_loads(bench->out, 0, NULL);
    assert_true(json_is_false(json_object_get(found, "ok")));
    json_decref(found);
}

static void test_dump(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(run(bench, "dump -base-dir @ out.put"), 0);
    assert_out(bench, "hello");
    assert_int_equal(run(bench, "dump -base-dir @ -format json -n 2 out.put"), 0);
    assert_out(bench, "hello");
    const char *second = strchr(bench->out, '\n');
    assert_non_null(second);
    assert_int_equal(strlen(strchr(second + 1, '\n')), 1);
    assert_int_equal(run(bench, "dump -base-dir @ -format=heka out.put"), 0);
    assert_int_equal(bench->out[0], 0x1E);
    assert_int_equal(run(bench, "skip -base-dir @ out.put 4"), 0);
    assert_int_equal(run(bench, "dump -base-dir @ -json out.put"), 0);
    assert_null(strchr(strchr(bench->out, '\n') + 1, '\n'));
}

static void test_skip(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(run(bench, "skip -base-dir @ out.put 2"), 0);
    assert_out(bench, "2 records skipped");
    assert_int_equal(run(bench, "skip -base-dir @ out.put all"), 0);
    assert_out(bench, "3 records skipped");
    struct queue *queue = open_queue(bench);
    assert_refused(bench, "skip -base-dir @ out.put 1", "a running hekad has this queue");
    queue_close(queue);
}

static void test_refusals(void **state)
{
    struct bench *bench = *state;
    assert_refused(bench, "", "hekad queue ls |");
    assert_refused(bench, "clean -base-dir @", "'clean' is not understood");
    assert_refused(bench, "ls -base-dir @ out.put", "takes no NAME");
    assert_refused(bench, "verify -base-dir @", "hekad queue verify:");
    assert_refused(bench, "verify -base-dir @ a b", "hekad queue verify:");
    assert_refused(bench, "verify -base-dir @ a b c", "argument 'c' is not understood");
    assert_refused(bench, "verify -base-dir @ none", "No such file or directory");
    assert_refused(bench, "verify -base-dir", "-base-dir needs a value");
    assert_refused(bench, "verify -x", "option '-x' is not known");
    assert_refused(bench, "dump -base-dir @ -format xml out.put", "allowed text, json or heka");
    assert_refused(bench, "dump -base-dir @ -n many out.put", "found 'many', allowed a number");
    assert_refused(bench, "dump -base-dir @ -n -1 out.put", "found '-1', allowed a number");
    assert_refused(bench, "skip -base-dir @ out.put", "how many messages");
    assert_refused(bench, "skip -base-dir @ out.put 99999999999999999999", "allowed a number");
    assert_refused(bench, "skip -base-dir @ none 1", "No such file or directory");
    assert_refused(bench, "ls -config /nowhere.toml", "/nowhere.toml");
    assert_refused(bench, "verify -base-dir @ -max-message-size 0x out.put", "allowed a number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ls, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(test_verify, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(test_dump, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(test_skip, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(test_refusals, open_bench, close_bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
