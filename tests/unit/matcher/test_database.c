/* SPDX-License-Identifier: MPL-2.0
 *
 * test_database.c - rule sets saved and loaded, the cache, and bytes that are not as they should
 * be.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "matcher/database.h"
#include "tests/unit/matcher/match_random.h"

enum { RULES = 40, MESSAGES = 200, HEADER_SIZE = 136 };

static char texts[RULES][MATCH_RULE_SIZE];
static struct rule_text rules[RULES];

static int make_rules(void **state)
{
    struct match_random random = {.state = 3};

    (void)state;
    for (unsigned i = 0; i < RULES; i++) {
        match_random_rule(&random, texts[i]);
        rules[i] = (struct rule_text){"random", texts[i], i % 5 ? NULL : i % 2 ? "ops" : ""};
    }
    return 0;
}

static struct ruleset *compile(void)
{
    struct ruleset *set = NULL;

    assert_int_equal(ruleset_compile(rules, RULES, &set, NULL), 0);
    return set;
}

/* The masks of random messages are the same. */
static void expect_same(const struct ruleset *a, const struct ruleset *b)
{
    struct match_random random = {.state = 9};
    struct ruleset_scratch *scratches[2] = {NULL, NULL};

    assert_int_equal(ruleset_scratch_new(a, &scratches[0]), 0);
    assert_int_equal(ruleset_scratch_new(b, &scratches[1]), 0);
    for (unsigned m = 0; m < MESSAGES; m++) {
        struct match_message message;
        const char *signer = m % 3 ? NULL : "ops";
        uint64_t masks[2] = {0, 1};

        match_random_message(&random, &message);
        ruleset_match(a, scratches[0], &message.view, &signer, 1, &masks[0], 1);
        ruleset_match(b, scratches[1], &message.view, &signer, 1, &masks[1], 1);
        assert_int_equal(masks[0], masks[1]);
    }
    ruleset_scratch_free(scratches[0]);
    ruleset_scratch_free(scratches[1]);
}

static void test_round_trip(void **state)
{
    struct ruleset *set = compile();
    struct ruleset *loaded = NULL;
    struct buffer bytes = {0};
    struct buffer again = {0};

    (void)state;
    assert_int_equal(ruleset_save(set, &bytes), 0);
    assert_int_equal(ruleset_load(bytes.data, bytes.size, &loaded, NULL), 0);
    assert_int_equal(ruleset_count(loaded), RULES);
    expect_same(set, loaded);
    assert_int_equal(ruleset_save(loaded, &again), 0);
    assert_int_equal(bytes.size, again.size);
    assert_memory_equal(bytes.data, again.data, bytes.size);
    ruleset_free(loaded);
    ruleset_free(set);
    buffer_fini(&bytes);
    buffer_fini(&again);
}

static void expect_refused(const struct buffer *bytes, size_t size, const char *part)
{
    struct ruleset *set = NULL;
    struct err *err = calloc(1, sizeof *err);

    assert_int_equal(ruleset_load(bytes->data, size, &set, err), -EPROTO);
    assert_null(set);
    assert_int_equal(err->count, 1);
    if (!strstr(err->texts[0], part))
        fail_msg("%s", err->texts[0]);
    free(err);
}

static void expect_change_refused(struct buffer *bytes, size_t at, const char *part)
{
    bytes->data[at] ^= 1;
    expect_refused(bytes, bytes->size, part);
    bytes->data[at] ^= 1;
}

static void test_bad_bytes(void **state)
{
    struct ruleset *set = compile();
    struct buffer bytes = {0};

    (void)state;
    assert_int_equal(ruleset_save(set, &bytes), 0);
    ruleset_free(set);
    expect_refused(&bytes, 0, "cut off");
    expect_refused(&bytes, HEADER_SIZE - 1, "cut off");
    expect_refused(&bytes, bytes.size - 1, "cut off");
    expect_change_refused(&bytes, 0, "not a saved rule set");
    expect_change_refused(&bytes, 8, "of format 0, this program reads format 1");
    expect_change_refused(&bytes, 12, "does not fit its rules"); /* one rule more */
    expect_change_refused(&bytes, 16, "cut off");
    expect_change_refused(&bytes, 24, "has been changed");
    expect_change_refused(&bytes, 32 + 12, "rule set compiled by \"Hyperscan ");
    expect_change_refused(&bytes, HEADER_SIZE + 5, "has been changed");
    expect_change_refused(&bytes, bytes.size - 1, "has been changed");
    buffer_fini(&bytes);
}

static struct ruleset *compile_cached(const char *dir, enum ruleset_origin wanted)
{
    struct ruleset *set = NULL;
    enum ruleset_origin origin;

    assert_int_equal(ruleset_compile_cached(dir, rules, RULES, &set, &origin, NULL), 0);
    assert_int_equal(origin, wanted);
    return set;
}

static void find_only_file(const char *dir, char *path, size_t size)
{
    char command[256];
    FILE *list;

    snprintf(command, sizeof command, "ls %s/*", dir);
    list = popen(command, "r");
    assert_non_null(list);
    assert_non_null(fgets(path, (int)size, list));
    path[strcspn(path, "\n")] = '\0';
    assert_null(fgets(command, sizeof command, list));
    pclose(list);
}

static void test_cache(void **state)
{
    char dir[] = "/tmp/heka-rules-XXXXXX";
    char path[256];
    struct ruleset *fresh;
    struct ruleset *cached;
    struct stat status;
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(dir));
    fresh = compile_cached(dir, RULESET_COMPILED);
    cached = compile_cached(dir, RULESET_CACHED);
    expect_same(fresh, cached);
    ruleset_free(cached);
    find_only_file(dir, path, sizeof path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, HEADER_SIZE + 20, SEEK_SET), 0);
    fputc('~', file);
    fclose(file);
    ruleset_free(compile_cached(dir, RULESET_COMPILED)); /* replaced */
    ruleset_free(compile_cached(dir, RULESET_CACHED));
    rules[0].signer = "other";
    ruleset_free(compile_cached(dir, RULESET_COMPILED)); /* other content */
    rules[0].signer = "";
    unlink(path);
    cached = compile_cached("/nonexistent/folder", RULESET_NOT_SAVED);
    assert_int_equal(errno, ENOENT);
    expect_same(fresh, cached);
    ruleset_free(cached);
    ruleset_free(fresh);
    find_only_file(dir, path, sizeof path);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_cache),
    };

    return cmocka_run_group_tests_name("database", tests, make_rules, NULL);
}
