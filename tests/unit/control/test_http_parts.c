/* SPDX-License-Identifier: MPL-2.0
 *
 * test_http_parts.c - headers as configured, Elasticsearch's answers, programs that are fed, the
 * file of DockerLogInput, and what Docker says of a container.
 */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/commands/feed_command.h"
#include "control/net/http_headers.h"
#include "control/inputs/docker_frames.h"
#include "control/inputs/docker_since.h"
#include "control/outputs/es_answer.h"
#include "core/clock.h"

/* ---- headers ---- */

static int read_headers(const char *toml, struct http_headers *headers, struct err *err)
{
    struct conf_doc *doc = NULL;
    memset(headers, 0, sizeof(*headers));
    assert_int_equal(toml_parse(toml, strlen(toml), "test", NULL, &doc, err), 0);
    int rc = http_headers_read(headers, conf_root(doc), "headers", err);
    conf_doc_free(doc);
    return rc;
}

static void test_headers(void **state)
{
    struct http_headers headers;
    (void)state;
    struct err *err = calloc(1, sizeof(*err));
    assert_int_equal(read_headers("One = \"1\"\nTwo = [\"a\", \"b\"]\n", &headers, err), 0);
    assert_string_equal(headers.lines[0], "One: 1");
    assert_string_equal(headers.lines[1], "Two: a");
    assert_string_equal(headers.lines[2], "Two: b");
    assert_null(headers.lines[3]);
    assert_true(http_headers_have(&headers, "one"));
    assert_false(http_headers_have(&headers, "On"));
    http_headers_fini(&headers);
    assert_int_equal(read_headers("One = 1\nTwo = \"a\\r\\nThree: b\"\n", &headers, err), -1);
    assert_int_equal(err->count, 2);
    assert_string_equal(err->texts[1], "headers: the value of 'Two' has control characters");
    http_headers_fini(&headers);
    for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++)
        assert_int_equal(http_headers_add(&headers, "Name", "value", "headers", err), 0);
    assert_int_equal(http_headers_add(&headers, "Name", "value", "headers", err), -1);
    http_headers_fini(&headers);
    assert_false(http_header_name_is_good(""));
    assert_false(http_header_name_is_good("a:b"));
    assert_true(http_header_name_is_good("X-a_1"));
    free(err);
}

/* ---- Elasticsearch ---- */

static int read_answer(const char *body, enum es_outcome *outcomes, char reason[64])
{
    for (unsigned i = 0; i < 3; i++)
        outcomes[i] = ES_PENDING;
    return es_answer_read(body, strlen(body), outcomes, 3, reason, 64);
}

static void test_es_answers(void **state)
{
    static const char *const senseless[] = {
        "{\"errors\":true}", "{\"errors\":true,\"items\":[{}]}",
        "{\"errors\":true,\"items\":[{},{},{}]}",
        "{\"errors\":true,\"items\":[{\"index\":{\"status\":201}},{\"index\":1},[]]}",
        "{\"errors\":true,\"items\":{\"index\":1}}"};
    enum es_outcome outcomes[3];
    char reason[64];
    (void)state;
    assert_int_equal(read_answer("{\"errors\":false}", outcomes, reason), 0);
    assert_int_equal(outcomes[0], ES_INDEXED);
    assert_int_equal(outcomes[2], ES_INDEXED);
    assert_string_equal(reason, "");
    assert_int_equal(
        read_answer("{\"errors\":true,\"items\":[{\"index\":{\"status\":429}},{\"index\":{"
                    "\"status\":400,\"error\":{\"type\":\"t\",\"reason\":\"r\"}}},"
                    "{\"create\":{\"status\":201}}]}",
                    outcomes, reason),
        0);
    assert_int_equal(outcomes[0], ES_PENDING);
    assert_int_equal(outcomes[1], ES_REJECTED);
    assert_int_equal(outcomes[2], ES_INDEXED);
    assert_string_equal(reason, "status 400, t: r");
    assert_int_equal(read_answer("{\"errors\":true,\"items\":[{\"index\":{\"status\":503,"
                                 "\"error\":\"old\"}},{\"index\":{\"status\":201}},"
                                 "{\"index\":{\"status\":201}}]}",
                                 outcomes, reason),
                     0);
    assert_string_equal(reason, "status 503: old");
    assert_int_equal(read_answer("", outcomes, reason), -EBADMSG);
    assert_int_equal(read_answer("[]", outcomes, reason), -EBADMSG);
    assert_int_equal(read_answer("{\"errors\"", outcomes, reason), -EBADMSG);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(read_answer(senseless[i], outcomes, reason), -EPROTO);
        assert_int_equal(outcomes[0], ES_PENDING);
    }
}

/* ---- programs ---- */

static int feed(const char *script, const char *text, size_t size, char why[128])
{
    const char *const args[] = {"sh", "-c", script, NULL};
    struct feed_command command = {
        .args = args, .text = text, .size = size, .timeout_ns = 60 * CLOCK_NS_PER_S};
    why[0] = '\0';
    if (strstr(script, "sleep") != NULL)
        command.timeout_ns = 50 * CLOCK_NS_PER_MS;
    return feed_command_run(&command, why, 128);
}

static void test_feed_command(void **state)
{
    static char large[1 << 20];
    char why[128];
    (void)state;
    memset(large, 'x', sizeof(large));
    assert_int_equal(feed("test \"$(cat)\" = 'a text'", "a text", 6, why), 0);
    assert_int_equal(feed("test $(wc -c) = 1048576", large, sizeof(large), why), 0);
    assert_int_equal(feed("exec 0<&-", large, sizeof(large), why), 0); /* does not read */
    assert_int_equal(feed("exit 3", "", 0, why), -EIO);
    assert_string_equal(why, "sh: exit status 3");
    assert_int_equal(feed("kill -9 $$", "", 0, why), -EIO);
    assert_string_equal(why, "sh: signal 9");
    assert_int_equal(feed("exec sleep 600", "", 0, why), -ETIMEDOUT);
    const char *const args[] = {"/nonexistent/program", NULL};
    struct feed_command command = {.args = args, .timeout_ns = 1};
    assert_int_equal(feed_command_run(&command, why, sizeof(why)), -ENOENT);
}

/* ---- Docker's frames ---- */

struct taken {
    char text[2][128];
    int rc;
};

static int take_frame(void *arg, bool is_stderr, const char *bytes, size_t size)
{
    struct taken *taken = arg;
    size_t len = strlen(taken->text[is_stderr]);
    snprintf(taken->text[is_stderr] + len, sizeof(taken->text[0]) - len, "<%.*s>", (int)size,
             bytes);
    return taken->rc;
}

static void test_docker_frames(void **state)
{
    static const char bytes[] = "\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\3err\1\0\0\0\0\0\0\0"
                                "\0\0\0\0\0\0\0\1x\3\0\0\0\0\0\0\2yz";
    (void)state;
    for (size_t step = 1; step < sizeof(bytes); step++) { /* however they are cut */
        struct docker_frames frames = {.left = 0};
        struct taken taken = {.rc = 0};
        for (size_t at = 0; at < sizeof(bytes) - 1; at += step) {
            size_t size = sizeof(bytes) - 1 - at;
            size = size < step ? size : step;
            assert_int_equal(docker_frames_take(&frames, bytes + at, size, take_frame, &taken), 0);
        }
        assert_string_equal(taken.text[0], "<out><x>");
        assert_string_equal(taken.text[1], "<err><yz>");
        docker_frames_fini(&frames);
    }
    struct docker_frames frames = {.left = 0};
    struct taken taken = {.rc = -ECANCELED};
    assert_int_equal(docker_frames_take(&frames, bytes, 11, take_frame, &taken), -ECANCELED);
    assert_int_equal(docker_frames_take(&frames, "HTTP/1.1", 8, take_frame, &taken), -EBADMSG);
    docker_frames_fini(&frames);
}

/* ---- DockerLogInput's file ---- */

static void test_since(void **state)
{
    struct docker_since since = {.path = ""};
    char dir[] = "/tmp/heka-since-XXXXXX", path[64];
    (void)state;
    struct err *err = calloc(1, sizeof(*err));
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/a/since", dir);
    assert_int_equal(docker_since_open(&since, path, 1, err), 0);
    assert_int_equal(docker_since_begin(&since, "aaaaaaaaaaaa", true), 0);
    assert_int_equal(docker_since_begin(&since, "bbbbbbbbbbbb", true), 0);
    assert_int_equal(docker_since_write(&since, 1000, 1000), 0);
    assert_int_equal(docker_since_begin(&since, "cccccccccccc", false), 1000);
    assert_int_equal(docker_since_begin(&since, "aaaaaaaaaaaa", true), 1000);
    docker_since_end(&since, "bbbbbbbbbbbb", 1500);
    docker_since_end(&since, "cccccccccccc", 2000);
    assert_int_equal(docker_since_begin(&since, "cccccccccccc", true), 2000);
    docker_since_end(&since, "cccccccccccc", 2000);
    assert_int_equal(docker_since_write(&since, 90000, 2000 + 86400), 0);
    docker_since_fini(&since);
    assert_int_equal(docker_since_open(&since, path, 1, err), 0);
    assert_int_equal(since.count, 2); /* b ended more than a day ago */
    assert_int_equal(docker_since_begin(&since, "aaaaaaaaaaaa", true), 90000);
    assert_int_equal(docker_since_begin(&since, "cccccccccccc", true), 2000);
    docker_since_fini(&since);
    for (unsigned i = 0; i < DOCKER_SINCE_MAX + 10; i++) { /* the oldest are forgotten */
        char id[DOCKER_ID_LEN + 1];
        snprintf(id, sizeof(id), "%012x", i);
        docker_since_end(&since, id, 5000 + (int64_t)i);
    }
    assert_int_equal(since.count, DOCKER_SINCE_MAX);
    assert_int_equal(docker_since_begin(&since, "000000000000", true), 0);
    assert_int_equal(docker_since_begin(&since, "00000000400a", true), 0);
    docker_since_fini(&since);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(docker_since_open(&since, path, 1, err), -1);
    assert_non_null(strstr(err->texts[0], "Can't decode \"since\" file"));
    docker_since_fini(&since);
    unlink(path);
    snprintf(path, sizeof(path), "%s/a", dir);
    rmdir(path);
    rmdir(dir);
    free(err);
}

static void test_docker_fields(void **state)
{
    struct docker_options options = {.name_from_env_var = "NAME"};
    struct docker_fields fields = {.count = 0};
    (void)state;
    json_t *root =
        json_loads("{\"Name\":\"/x\",\"Config\":{\"Tty\":true,\"Env\":[\"NAME=\",1]}}", 0, NULL);
    assert_int_equal(docker_fields_read(&fields, &options, "id", root), 0);
    assert_string_equal(docker_fields_name(&fields), "x"); /* an empty variable is no name */
    assert_true(fields.has_terminal);
    assert_int_equal(fields.count, 4);
    docker_fields_fini(&fields);
    json_decref(root);
    root = json_loads("{\"Name\":\"/x\"}", 0, NULL);
    assert_int_equal(docker_fields_read(&fields, &options, "id", root), -EBADMSG);
    docker_fields_fini(&fields);
    assert_int_equal(docker_fields_read(&fields, &options, "id", NULL), -EBADMSG);
    docker_fields_fini(&fields);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),      cmocka_unit_test(test_es_answers),
        cmocka_unit_test(test_feed_command), cmocka_unit_test(test_docker_frames),
        cmocka_unit_test(test_since),        cmocka_unit_test(test_docker_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
