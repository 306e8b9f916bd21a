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
#include "tests/support/test_dir.h"
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
    assert_int_equal(test_dir_make(dir), 0);
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

/* ---- a file that a plan names ---- */

static char folder[] = "/tmp/heka-database-XXXXXX", db_path[64];

static void write_db(const struct buffer *bytes, size_t size)
{
    FILE *file = fopen(db_path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, size, file), size);
    fclose(file);
}

static int load_db(const char *digest, size_t count, struct ruleset **set, struct err *err)
{
    memset(err, 0, sizeof *err);
    *set = NULL;
    return ruleset_load_file(db_path, digest, rules, count, set, err);
}

static void expect_db_refused(const char *digest, size_t count, int rc, const char *part)
{
    struct err *err = calloc(1, sizeof *err);
    struct ruleset *set;

    assert_int_equal(load_db(digest, count, &set, err), rc);
    assert_null(set);
    assert_int_equal(err->count, 1);
    if (strncmp(err->texts[0], db_path, strlen(db_path)) != 0 || !strstr(err->texts[0], part))
        fail_msg("%s", err->texts[0]);
    free(err);
}

/* What has another digest is not looked into: an error of its header would say so. */
static void check_digests(struct buffer *bytes, const char *digest)
{
    char other[RULESET_DIGEST_LEN + 1];

    bytes->data[8] ^= 1; /* format */
    write_db(bytes, bytes->size);
    expect_db_refused(digest, RULES, -EPROTO, "the plan says ");
    ruleset_digest(bytes->data, bytes->size, other);
    expect_db_refused(other, RULES, -EPROTO, "of format 0, this program reads format 1");
    bytes->data[8] ^= 1;
    bytes->data[32 + 12] ^= 1; /* engine */
    write_db(bytes, bytes->size);
    ruleset_digest(bytes->data, bytes->size, other);
    expect_db_refused(other, RULES, -EPROTO, "rule set compiled by \"Hyperscan ");
    bytes->data[32 + 12] ^= 1;
    write_db(bytes, bytes->size - 1);
    expect_db_refused(digest, RULES, -EPROTO, "the plan says ");
    ruleset_digest(bytes->data, bytes->size - 1, other);
    expect_db_refused(other, RULES, -EPROTO, "cut off");
    write_db(bytes, 0);
    expect_db_refused(digest, RULES, -EPROTO, "0 bytes with the digest ");
}

static void test_file(void **state)
{
    struct ruleset *set = compile();
    struct ruleset *loaded;
    struct buffer bytes = {0};
    struct err *err = calloc(1, sizeof *err);
    char digest[RULESET_DIGEST_LEN + 1];

    (void)state;
    assert_int_equal(test_dir_make(folder), 0);
    snprintf(db_path, sizeof db_path, "%s/rules.db", folder);
    assert_int_equal(ruleset_save(set, &bytes), 0);
    ruleset_digest(bytes.data, bytes.size, digest);
    expect_db_refused(digest, RULES, -ENOENT, "No such file or directory");
    check_digests(&bytes, digest);
    write_db(&bytes, bytes.size);
    assert_int_equal(load_db(digest, RULES, &loaded, err), 0);
    expect_same(set, loaded);
    ruleset_free(loaded);
    expect_db_refused(digest, RULES - 1, -EPROTO, "made of other rules than the plan's");
    rules[1].text = "TRUE";
    expect_db_refused(digest, RULES, -EPROTO, "made of other rules than the plan's");
    rules[1].text = texts[1];
    rules[1].signer = "other";
    expect_db_refused(digest, RULES, -EPROTO, "made of other rules than the plan's");
    rules[1].signer = ""; /* as NULL */
    assert_int_equal(load_db(digest, RULES, &loaded, err), 0);
    ruleset_free(loaded);
    rules[1].signer = NULL;
    unlink(db_path);
    assert_int_equal(symlink("/dev/zero", db_path), 0);
    expect_db_refused(digest, RULES, -ELOOP, "symbolic links");
    unlink(db_path);
    assert_int_equal(mkdir(db_path, 0700), 0);
    expect_db_refused(digest, RULES, -EFBIG, "too large");
    rmdir(db_path);
    rmdir(folder);
    ruleset_free(set);
    buffer_fini(&bytes);
    free(err);
}

static unsigned count_files(const char *dir)
{
    char command[128];
    unsigned count = 0;

    snprintf(command, sizeof command, "ls %s | wc -l", dir);
    FILE *list = popen(command, "r");
    assert_int_equal(fscanf(list, "%u", &count), 1);
    pclose(list);
    return count;
}

/* The one that was not used for longest goes; other files are nobody's business. */
static void test_cache_bound(void **state)
{
    char dir[] = "/tmp/heka-rules-XXXXXX", path[128], command[192], text[32];
    struct rule_text rule = {"bound", text, NULL};
    enum ruleset_origin origin;
    struct ruleset *set = NULL;

    (void)state;
    assert_int_equal(test_dir_make(dir), 0);
    for (unsigned i = 0; i < RULESET_CACHE_FILES_MAX + 3; i++) {
        snprintf(text, sizeof text, "Pid == %u", i);
        assert_int_equal(ruleset_compile_cached(dir, &rule, 1, &set, &origin, NULL), 0);
        assert_int_equal(origin, RULESET_COMPILED);
        ruleset_free(set);
        snprintf(text, sizeof text, "Pid == 0"); /* in use all the time */
        assert_int_equal(ruleset_compile_cached(dir, &rule, 1, &set, &origin, NULL), 0);
        assert_int_equal(origin, RULESET_CACHED);
        ruleset_free(set);
    }
    assert_int_equal(count_files(dir), RULESET_CACHE_FILES_MAX);
    snprintf(path, sizeof path, "%s/other", dir);
    fclose(fopen(path, "w"));
    snprintf(path, sizeof path, "%s/%032x.rules.77", dir, 0); /* left by one that died */
    fclose(fopen(path, "w"));
    snprintf(command, sizeof command, "touch -d 2001-01-01 %s", path);
    assert_int_equal(system(command), 0);
    snprintf(text, sizeof text, "Pid == -1");
    assert_int_not_equal(ruleset_compile_cached(dir, &rule, 1, &set, &origin, NULL), 0);
    snprintf(text, sizeof text, "Pid == 9999");
    assert_int_equal(ruleset_compile_cached(dir, &rule, 1, &set, &origin, NULL), 0);
    ruleset_free(set);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(count_files(dir), RULESET_CACHE_FILES_MAX + 1);
    assert_int_equal(test_dir_remove(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_cache_bound),
    };

    return cmocka_run_group_tests_name("database", tests, make_rules, NULL);
}
